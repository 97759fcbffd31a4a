//! Causes that lie in the future: small, `Copy`, ids rather than data.

use crate::ids::{HostId, Key, TrafficId};

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A segment reaches a host.
    Arrive(HostId, Key),
    /// A full socket's timer may be due.
    Socket(HostId, Key),
    /// A mini-socket's timer may be due.
    MiniSocket(HostId, Key),
    /// A request's timer may be due.
    Request(HostId, Key),
    /// The next connection (or, with a pool, request) of a source is wanted.
    Arrival(TrafficId),
    /// A client application's own timer.
    Client(TrafficId, Key),
    /// A server application's own timer.
    Server(HostId, Key),
    /// A failed attempt, or a worker, starts again.
    Again(TrafficId, Key),
    /// The application behind a listener may accept.
    Accept(HostId, u16),
    /// Conntrack's garbage collection.
    Gc(HostId),
    /// A row of the time series.
    Sample,
}

#[cfg(test)]
impl Event {
    /// Some event with a number in it, for tests of the queue.
    pub(crate) const fn probe(n: u16) -> Event {
        Event::Accept(HostId(0), n)
    }
}
