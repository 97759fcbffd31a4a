//! Traffic sources: when connections are wanted, whose turn it is, and the pool of kept connections.

mod arrivals;
mod channel;
mod source;

pub use arrivals::{Schedule, nth};
pub use channel::Channel;
pub use source::{Attempted, Pool, Source};
