//! The sockets that a tuple can lead to, and how a segment is given to the one it is for: what `tcp_v4_rcv`
//! (net/ipv4/tcp_ipv4.c) does after the lookup.
//!
//! The driver owns the tables. It looks up the tuple, hands in what it found by reference and carries out the [`Next`]
//! that comes back.

mod cookies;
mod listener;
mod request;
mod seat;
pub mod timewait;

#[cfg(test)]
mod tests;

pub use listener::Listener;
pub use request::Request;
use request::RequestVerdict;
pub use seat::{Env, Seat, Slot};
use timewait::TimeWaitVerdict;

use crate::counter::Counter;
use crate::seq::Seq;
use crate::tcp::{Cx, Endpoint, Fate, Flags, Out, Secrets, Segment, State, TimeWait, Why, reply_with_reset};

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

/// What becomes of the socket that a segment was for, and what takes its place in the tables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved once in a connection's life; a box would cost an allocation"
)]
pub enum Next {
    /// It stays where it is.
    Keep,
    /// It leaves the tables, and the tuple is free; a full socket as with [`Fate::Gone`].
    Gone,
    /// This mini-socket takes its place; a full socket as with [`Fate::TimeWait`].
    TimeWait(TimeWait),
    /// This request takes its place (or is new).
    Request(Request),
    /// The handshake is complete: this connection takes the request's place (or is new, by a SYN cookie) and goes to
    /// the end of the listener's accept queue. The segment that completed the handshake may have ended it too: then it
    /// is CLOSED and enters no table, but the queue all the same.
    Child(Endpoint),
}

impl From<Fate> for Next {
    fn from(fate: Fate) -> Next {
        match fate {
            Fate::Keep => Next::Keep,
            Fate::Gone => Next::Gone,
            Fate::TimeWait(tw) => Next::TimeWait(tw),
        }
    }
}

/// What becomes of a mini-socket or a request when its timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MiniFate {
    /// It stays where it is.
    Keep,
    /// It leaves the tables, and the tuple is free.
    Gone,
}

impl From<MiniFate> for Next {
    fn from(fate: MiniFate) -> Next {
        match fate {
            MiniFate::Keep => Next::Keep,
            MiniFate::Gone => Next::Gone,
        }
    }
}

/// Delivers one segment.
///
/// `listener` is the listener on the segment's destination, if there is one. `secrets` is asked at most once, and only if
/// a new connection may begin. Replies, facts and counters go to `out`; the answer says what becomes of the socket that
/// was handed in (with [`SocketMut::None`]: what is to be put into the tables; `Gone` and `Keep` both mean nothing).
pub fn receive(
    cx: &mut Cx<'_>,
    socket: SocketMut<'_>,
    listener: Option<&mut Listener>,
    seg: &Segment,
    secrets: impl FnOnce() -> Secrets,
    out: &mut impl Out,
) -> Next {
    out.count(Counter::TcpInSegs);
    match socket {
        SocketMut::Full(endpoint) => endpoint.arrive(cx, seg, out).into(),
        SocketMut::TimeWait(tw) => receive_time_wait(cx, tw, listener, seg, secrets, out),
        SocketMut::Request(req) => receive_request(cx, req, listener, seg, out),
        SocketMut::None => {
            if let Some(listener) = listener {
                receive_listen(cx, listener, seg, None, secrets, out)
            } else {
                out.refused(Why::NoSocket);
                reply_with_reset(seg, out);
                Next::Keep
            }
        }
    }
}

fn receive_time_wait(
    cx: &mut Cx<'_>,
    tw: &mut TimeWait,
    listener: Option<&mut Listener>,
    seg: &Segment,
    secrets: impl FnOnce() -> Secrets,
    out: &mut impl Out,
) -> Next {
    let state = tw.state();
    let reopen = match tw.process(cx, seg, out) {
        TimeWaitVerdict::Keep => return Next::Keep,
        TimeWaitVerdict::Gone => None,
        TimeWaitVerdict::Reopen(isn) => Some(isn),
    };
    if reopen.is_some() && listener.is_none() {
        tw.send_ack(cx, out);
        return Next::Keep;
    }
    // Also if the listener then has no room: the wait is over either way.
    timewait::uncount(cx.shared);
    out.moved(state, State::Closed);
    let (Some(isn), Some(listener)) = (reopen, listener) else { return Next::Gone };
    match receive_listen(cx, listener, seg, isn, secrets, out) {
        Next::Keep => Next::Gone,
        next => next,
    }
}

fn receive_request(
    cx: &mut Cx<'_>,
    req: &mut Request,
    listener: Option<&mut Listener>,
    seg: &Segment,
    out: &mut impl Out,
) -> Next {
    let Some(listener) = listener else {
        // The listener is gone, and the request with it; the segment finds no socket.
        out.moved(State::SynRecv, State::Closed);
        out.refused(Why::NoSocket);
        reply_with_reset(seg, out);
        return Next::Gone;
    };
    match req.process(cx, listener, seg, out) {
        RequestVerdict::Keep => Next::Keep,
        RequestVerdict::Gone => Next::Gone,
        RequestVerdict::Listener => {
            out.refused(Why::Ack);
            reply_with_reset(seg, out);
            Next::Keep
        }
        RequestVerdict::Complete => Next::Child(child(cx, req, seg, out)),
    }
}

/// The new socket processes the segment that completed its handshake (`tcp_child_process`).
fn child(cx: &mut Cx<'_>, req: &Request, seg: &Segment, out: &mut impl Out) -> Endpoint {
    let mut endpoint = Endpoint::from_request(cx, &req.hs, seg, out);
    let _ = endpoint.arrive(cx, seg, out);
    endpoint
}

/// RFC 9293 §3.10.7.2
fn receive_listen(
    cx: &mut Cx<'_>,
    listener: &mut Listener,
    seg: &Segment,
    successor: Option<Seq>,
    secrets: impl FnOnce() -> Secrets,
    out: &mut impl Out,
) -> Next {
    let syn = seg.flags.has(Flags::SYN);
    if seg.flags.has(Flags::ACK) {
        if let Some(mut req) = listener.cookie_request(cx, seg, secrets, out) {
            if !listener.admit_child(out) {
                return Next::Keep;
            }
            out.moved(State::Listen, State::SynRecv);
            req.hs.ts_recent = seg.ts.map_or(0, |ts| ts.val);
            return Next::Child(child(cx, &req, seg, out));
        }
        out.refused(Why::NoSocket);
        reply_with_reset(seg, out);
        return Next::Keep;
    }
    if seg.flags.has(Flags::RST) || !syn || seg.flags.has(Flags::FIN) {
        out.refused(Why::Flags);
        return Next::Keep;
    }
    listener.syn(cx, seg, successor, secrets, out).map_or(Next::Keep, Next::Request)
}
