//! An end of a connection as it stands in a host's tables: whole, or as a place in the memory of steps.

use super::end::End;
use crate::tcp::{ALARMS, Bases, Clocks};
use crate::time::Time;

/// An end whose value stands in the memory: which one, and the numbers that were taken out of it.
#[derive(Clone, Copy, Debug)]
pub struct Lazy {
    pub(super) state: u32,
    pub(super) bases: Bases,
    /// The clocks at its last step.
    pub(super) clocks: Clocks,
    /// When its timers are due.
    pub(super) due: [Time; ALARMS],
}

/// Either form of an end.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would cost an allocation for each connection")]
pub enum Form {
    /// The value itself.
    Whole(End),
    /// A place in the memory.
    Lazy(Lazy),
}

impl Form {
    /// When the endpoint's next timer is due; [`Time::NEVER`] if none runs.
    pub fn deadline(&self) -> Time {
        let [transmit, delayed_ack, keepalive] = match self {
            Form::Whole(end) => end.endpoint.alarms(),
            Form::Lazy(lazy) => lazy.due,
        };
        transmit.min(delayed_ack).min(keepalive)
    }
}
