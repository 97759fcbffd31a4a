//! The engine and every model of `timewait`.
//!
//! The modules stand in layers; each imports only what stands above it in this list.

pub mod counter;
pub mod errno;
pub mod ids;
pub mod log;
pub mod rng;
pub mod seq;
pub mod time;

pub mod tcp;

pub mod demux;
pub mod listener;
pub mod timewait;

pub mod conntrack;

pub mod profile;
pub mod scenario;

pub mod record;

pub mod host;
pub mod net;

pub mod traffic;

pub mod engine;
