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
    /// An application's own timer.
    App(Key),
    /// A client starts, or starts again.
    Start(Key),
    /// The application behind a listener may accept.
    Accept(HostId, u16),
    /// Conntrack's garbage collection.
    Gc(HostId),
}

#[cfg(test)]
impl Event {
    /// Some event with a number in it, for tests of the queue.
    pub(crate) const fn probe(n: u16) -> Event {
        Event::Accept(HostId(0), n)
    }
}
