//! The engine and every model of `timewait`.
//!
//! The modules stand in layers, separated here by blank lines; each imports only from its own layer and from those
//! above it in this list. A test reads the list and holds every file to it.

pub mod counter;
pub mod errno;
pub mod ids;
pub mod lasting;
pub mod log;
pub mod order;
pub mod rng;
pub mod seq;
pub mod time;

pub mod tcp;

pub mod socket;

pub mod conntrack;

pub mod profile;
pub mod scenario;

pub mod record;

pub mod app;

pub mod host;
pub mod net;

pub mod traffic;

pub mod engine;
