//! The engine and every model of `timewait`.
//!
//! The modules stand in layers; each imports only what stands above it in this list.

pub mod counter;
pub mod errno;
pub mod ids;
pub mod rng;
pub mod seq;
pub mod time;

pub mod tcp;

pub mod conntrack;

pub mod profile;
pub mod scenario;

pub mod record;

pub mod host;

pub mod engine;
