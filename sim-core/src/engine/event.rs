//! Causes that lie in the future: small, `Copy`, ids rather than data.

use super::queue::LaneId;
use crate::host::RowId;
use crate::ids::{HostId, Key, TrafficId};

/// What happens next, apart from segments that arrive and TIME_WAITs that end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A full socket's timer may be due.
    Conn(HostId, Key),
    /// The timer of a mini-socket in FIN_WAIT2 may be due.
    Orphan(HostId, Key),
    /// A request's timer may be due.
    Request(HostId, Key),
    /// The next connection (or, with a pool, request) of a source is wanted.
    Arrival(TrafficId),
    /// An application's own timer may be due.
    App(HostId, Key),
    /// A worker of a source wants its next request.
    Work(TrafficId),
    /// A request of a source goes on: it is tried again, or has got a place in the pool.
    Start(TrafficId, Key),
    /// A worker of the application behind a listener, in that life of it, is through with the request of a connection.
    Served(HostId, u16, u16, Key),
    /// The same of a request that shares its connection with others, by its place among those that are being served.
    ServedStream(Key),
    /// The answer to a request of a connection is ready.
    Answer(HostId, Key, u32),
    /// There will be no answer to the request of a connection: the server closes, or answers with an error.
    Refuse(HostId, Key, u32),
    /// A packet that a rule has held back goes on.
    Late(Key),
    /// A connection that carries several requests at once may have room for more.
    Roomy(TrafficId, Key),
    /// A search for a port is over.
    Searched(HostId),
    /// The application behind a listener may accept.
    Accept(HostId, u16),
    /// What the scenario plans at this place of its list.
    Planned(u16),
    /// The timer of an application fires: its conversation goes on with this step of its script.
    Cue(Key, u16),
    /// Conntrack's garbage collection.
    Gc(HostId),
}

/// What the queue hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// An event.
    Event(Event),
    /// A packet reaches a host: it is at the head of this lane.
    Packet(LaneId),
    /// A TIME_WAIT ends.
    Row(HostId, RowId),
}

#[cfg(test)]
impl Event {
    /// Some event with a number in it, for tests of the queue.
    pub(crate) const fn probe(n: u16) -> Event {
        Event::Accept(HostId(0), n)
    }
}
