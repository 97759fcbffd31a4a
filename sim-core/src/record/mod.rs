//! What happened, as data: facts with times and ids, and the folds that make sense of them.

mod digest;
mod histogram;
mod moment;
mod summary;

pub use digest::{Digest, word};
pub use histogram::Histogram;
pub use moment::{HostMoment, ListenerView, Moment, ShownTimer, SocketView};
pub use summary::{
    ErrorTally, FLOWS, Gauge, HostSummary, LimitSummary, LogSummary, Series, Summary, SynLoss, Tally,
    TrafficSummary, Waiting,
};

pub use crate::log::LogLine;
