//! From a segment to the socket it is for: what `tcp_v4_rcv` (net/ipv4/tcp_ipv4.c) does after the lookup.
//!
//! The driver owns the tables. It looks up the tuple, hands in what it found by reference and carries out the [`Next`]
//! that comes back.

use crate::counter::Counter;
use crate::listener::{self, Listener, Request};
use crate::seq::Seq;
use crate::tcp::{Cx, Endpoint, Fact, Flags, Next, Outbox, Secrets, Segment, State, Why, reply_with_reset};
use crate::timewait::{self, TimeWait};

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
/// a new connection may begin. Replies, facts and counters go to `out`; the answer says what becomes of the socket that
/// was handed in (with [`SocketMut::None`]: what is to be put into the tables; `Gone` and `Keep` both mean nothing).
pub fn receive(
    cx: &mut Cx<'_>,
    socket: SocketMut<'_>,
    listener: Option<&mut Listener>,
    seg: &Segment,
    secrets: impl FnOnce() -> Secrets,
    out: &mut Outbox,
) -> Next {
    out.count(Counter::TcpInSegs);
    match socket {
        SocketMut::Full(endpoint) => endpoint.arrive(cx, seg, out),
        SocketMut::TimeWait(tw) => receive_time_wait(cx, tw, listener, seg, secrets, out),
        SocketMut::Request(req) => receive_request(cx, req, listener, seg, out),
        SocketMut::None => {
            if let Some(listener) = listener {
                receive_listen(cx, listener, seg, None, secrets, out)
            } else {
                out.refuse(Why::NoSocket);
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
    out: &mut Outbox,
) -> Next {
    let state = tw.state();
    let next = match tw.process(cx, seg, out) {
        timewait::Verdict::Keep => return Next::Keep,
        timewait::Verdict::Gone => Next::Gone,
        timewait::Verdict::Reopen(isn) => {
            let Some(listener) = listener else {
                tw.send_ack(cx, out);
                return Next::Keep;
            };
            receive_listen(cx, listener, seg, isn, secrets, out)
        }
    };
    // Also if the listener then had no room: the wait is over either way.
    timewait::uncount(cx.shared);
    out.facts.push(Fact::State { from: state, to: State::Closed });
    if matches!(next, Next::Keep) { Next::Gone } else { next }
}

fn receive_request(
    cx: &mut Cx<'_>,
    req: &mut Request,
    listener: Option<&mut Listener>,
    seg: &Segment,
    out: &mut Outbox,
) -> Next {
    let Some(listener) = listener else {
        // The listener is gone, and the request with it; the segment finds no socket.
        out.refuse(Why::NoSocket);
        reply_with_reset(seg, out);
        return Next::Gone;
    };
    match req.process(cx, listener, seg, out) {
        listener::Verdict::Keep => Next::Keep,
        listener::Verdict::Gone => Next::Gone,
        listener::Verdict::Listener => {
            out.refuse(Why::Ack);
            reply_with_reset(seg, out);
            Next::Keep
        }
        listener::Verdict::Complete => Next::Child(child(cx, req, seg, out)),
    }
}

/// The new socket processes the segment that completed its handshake (`tcp_child_process`).
fn child(cx: &mut Cx<'_>, req: &Request, seg: &Segment, out: &mut Outbox) -> Endpoint {
    let mut endpoint = Endpoint::from_request(cx, req, seg, out);
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
    out: &mut Outbox,
) -> Next {
    let syn = seg.flags.has(Flags::SYN);
    if seg.flags.has(Flags::ACK) {
        if let Some(mut req) = listener.cookie_request(cx, seg, secrets, out) {
            if !listener.admit_child(out) {
                return Next::Keep;
            }
            req.ts_recent = seg.ts.map_or(0, |ts| ts.val);
            return Next::Child(child(cx, &req, seg, out));
        }
        out.refuse(Why::NoSocket);
        reply_with_reset(seg, out);
        return Next::Keep;
    }
    if seg.flags.has(Flags::RST) || !syn || seg.flags.has(Flags::FIN) {
        out.refuse(Why::Flags);
        return Next::Keep;
    }
    listener.syn(cx, seg, successor, secrets, out)
}
