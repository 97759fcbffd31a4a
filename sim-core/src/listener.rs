//! A listener's two queues as counts, and the request mini-socket that waits in the first of them.

use crate::seq::Seq;
use crate::tcp::{Cx, Next, Outbox};
use crate::time::Time;

/// A listening socket: how much its queues hold. The children themselves are the driver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    backlog: u32,
    pub(crate) syn_queue: u32,
    /// Requests whose SYN,ACK timer has never fired.
    pub(crate) young: u32,
    pub(crate) accept_queue: u32,
    /// When the SYN queue last overflowed into cookies; cookies are only believed for two minutes after.
    pub(crate) cookies_since: Option<Time>,
}

impl Listener {
    /// listen(): the backlog is cut to `somaxconn`.
    pub fn new(backlog: u32, somaxconn: u32) -> Listener {
        Listener {
            backlog: backlog.min(somaxconn),
            syn_queue: 0,
            young: 0,
            accept_queue: 0,
            cookies_since: None,
        }
    }
    /// A second listen() only changes the number.
    pub fn set_backlog(&mut self, backlog: u32, somaxconn: u32) {
        self.backlog = backlog.min(somaxconn);
    }
    /// The backlog in force.
    pub const fn backlog(&self) -> u32 {
        self.backlog
    }
    /// Requests waiting for the end of their handshake.
    pub const fn syn_queue_len(&self) -> u32 {
        self.syn_queue
    }
    /// Complete connections waiting for accept().
    pub const fn accept_queue_len(&self) -> u32 {
        self.accept_queue
    }
    /// accept() has taken one child.
    pub fn accepted(&mut self) {
        self.accept_queue = self.accept_queue.saturating_sub(1);
    }
}

/// A connection request: SYN received, SYN,ACK sent (`TCP_NEW_SYN_RECV`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub(crate) deadline: Time,
    pub(crate) isn: Seq,
    pub(crate) rcv_isn: Seq,
}

impl Request {
    /// When the SYN,ACK is sent again, or the request given up.
    pub const fn deadline(&self) -> Time {
        self.deadline
    }
    /// The SYN,ACK timer has fired. `listener` is `None` if it has been closed: then the request ends.
    pub fn on_timer(&mut self, cx: &mut Cx<'_>, listener: Option<&mut Listener>, out: &mut Outbox) -> Next {
        let _ = (cx, listener, out, self.isn, self.rcv_isn);
        Next::Gone
    }
}
