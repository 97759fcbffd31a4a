//! One TCP endpoint as a value: segment in, effects out. No I/O, clock, generator or log inside.

pub mod config;
mod context;
mod endpoint;
mod input;
mod outbox;
mod segment;
mod state;

pub use config::TcpConfig;
pub use context::{ConnectParams, Cx, Inherited, Secrets, Shared};
pub use endpoint::Endpoint;
pub use input::{Input, Linger2, Next};
pub use outbox::{Fact, Notice, Outbox, TimerKind, Why};
pub use segment::{Flags, Segment, SynOptions, TsOption};
pub use state::State;
