//! What happened, as data: facts with times and ids, and the folds that make sense of them.

mod digest;
mod histogram;
mod moment;
mod summary;
mod tuples;

pub use digest::{Digest, word};
pub use histogram::Histogram;
pub use moment::{HostMoment, ListenerView, Moment, ShownTimer, SocketView};
pub use summary::{
    ErrorTally, FLOWS, Gauge, HostSummary, LimitSummary, LogSummary, ObjectCount, Overrun, Series, Summary,
    SynLoss, Tally, TrafficSummary, Waiting,
};

pub use tuples::{PORTS, Tuples};

pub use crate::log::LogLine;
