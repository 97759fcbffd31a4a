//! One TCP endpoint as a value: segment in, effects out. No I/O, clock, generator or log inside.

pub mod config;
mod segment;
mod state;

pub use config::TcpConfig;
pub use segment::{Flags, Segment, SynOptions, TsOption};
pub use state::State;
