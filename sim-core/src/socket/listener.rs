//! A listener's two queues, as counts: requests in the one, complete connections in the other (`tcp_conn_request`,
//! net/ipv4/tcp_input.c). The requests and the connections themselves are the driver's.

use super::cookies::cookie;
use super::request::Request;
use crate::counter::Counter;
use crate::seq::Seq;
use crate::tcp::config::Syncookies;
use crate::tcp::{Cx, Out, Secrets, Segment, State, TcpConfig, Why};
use crate::time::Time;

/// A listening socket: how much its queues hold. The children themselves are the driver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    backlog: u32,
    syn_queue: u32,
    /// Requests whose SYN,ACK timer has never fired.
    young: u32,
    accept_queue: u32,
    /// When the SYN queue last overflowed into cookies.
    pub(super) cookies_at: Option<Time>,
}

impl Listener {
    /// listen(): the backlog is cut to `somaxconn`.
    pub fn new(backlog: u32, somaxconn: u32) -> Listener {
        Listener {
            backlog: backlog.min(somaxconn),
            syn_queue: 0,
            young: 0,
            accept_queue: 0,
            cookies_at: None,
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
    /// Both queues hold one more than the backlog.
    const fn syn_queue_full(&self) -> bool {
        self.syn_queue > self.backlog
    }
    const fn accept_queue_full(&self) -> bool {
        self.accept_queue > self.backlog
    }

    /// Room for one more child; counts the overflow if there is none.
    pub(crate) fn admit_child(&mut self, out: &mut impl Out) -> bool {
        if self.accept_queue_full() {
            out.count(Counter::TcpExtListenOverflows);
            out.count(Counter::TcpExtListenDrops);
            out.refused(Why::AcceptQueueFull);
            return false;
        }
        self.accept_queue += 1;
        true
    }

    /// A request's SYN,ACK timer has fired for the first time.
    pub(super) fn no_longer_young(&mut self) {
        self.young = self.young.saturating_sub(1);
    }

    /// Retries of a SYN,ACK. When the queue is half full, old requests get fewer, at least 2: one less each time that the
    /// young ones, doubled again and again, still do not outnumber the whole queue (`reqsk_timer_handler`).
    pub(super) fn retries_under_pressure(&self, most: u8) -> u8 {
        let mut retries = most;
        if self.syn_queue * 2 > self.backlog.max(8) {
            let mut young = self.young * 2;
            while retries > 2 && self.syn_queue >= young {
                retries -= 1;
                young *= 2;
            }
        }
        retries
    }

    /// Whether one more child would find room.
    pub fn has_room_for_child(&self) -> bool {
        !self.accept_queue_full()
    }

    /// Whether a SYN would get a request, and nothing less would do.
    pub fn is_open(&self, cfg: &TcpConfig) -> bool {
        let room = cfg.max_syn_backlog.saturating_sub(self.syn_queue);
        let scarce = cfg.syncookies == Syncookies::Off && room < cfg.max_syn_backlog >> 2;
        cfg.syncookies != Syncookies::Always && !self.syn_queue_full() && !self.accept_queue_full() && !scarce
    }

    /// Requests, the young ones among them, and children that wait.
    pub const fn counts(&self) -> [u32; 3] {
        [self.syn_queue, self.young, self.accept_queue]
    }

    /// Steps that were taken elsewhere move the counts of [`Listener::counts`].
    #[inline]
    pub fn adjust(&mut self, by: [i8; 3]) {
        let [requests, young, children] = by.map(i32::from);
        self.syn_queue = self.syn_queue.wrapping_add_signed(requests);
        self.young = self.young.wrapping_add_signed(young);
        self.accept_queue = self.accept_queue.wrapping_add_signed(children);
    }

    /// A handshake is complete whose last step was recalled from elsewhere: the request leaves, its child waits.
    pub fn completed(&mut self, req: &Request) {
        self.forget(req);
        self.accept_queue += 1;
    }

    /// A request has left the SYN queue.
    pub(super) fn forget(&mut self, req: &Request) {
        self.syn_queue = self.syn_queue.saturating_sub(1);
        if req.hs.num_timeout == 0 {
            self.young = self.young.saturating_sub(1);
        }
    }

    /// A SYN (`tcp_conn_request`). `successor`: the initial sequence number that a TIME_WAIT mini-socket gave; such a
    /// SYN passes a full SYN queue, but not a full accept queue. Answers the new request, unless there is none to remember.
    pub(crate) fn syn(
        &mut self,
        cx: &mut Cx<'_>,
        seg: &Segment,
        successor: Option<Seq>,
        secrets: impl FnOnce() -> Secrets,
        out: &mut impl Out,
    ) -> Option<Request> {
        let always = cx.cfg.syncookies == Syncookies::Always;
        let want_cookie = successor.is_none() && (always || self.syn_queue_full());
        if want_cookie {
            if cx.cfg.syncookies == Syncookies::Off {
                out.count(Counter::TcpExtTCPReqQFullDrop);
                drop_syn(Why::SynQueueFull, out);
                return None;
            }
            out.count(Counter::TcpExtTCPReqQFullDoCookies);
        }
        if self.accept_queue_full() {
            out.count(Counter::TcpExtListenOverflows);
            drop_syn(Why::AcceptQueueFull, out);
            return None;
        }
        let room = cx.cfg.max_syn_backlog.saturating_sub(self.syn_queue);
        // The last quarter is for peers that have proven to be alive (`tcp_peer_is_proven`).
        let scarce = successor.is_none() && room < cx.cfg.max_syn_backlog >> 2 && cx.peer_rtt == 0;
        if cx.cfg.syncookies == Syncookies::Off && scarce {
            drop_syn(Why::SynQueueFull, out);
            return None;
        }
        let secrets = secrets();
        let mut req = Request::new(cx, seg, &secrets, want_cookie);
        if want_cookie {
            self.cookies_at = Some(cx.now);
            req.hs.isn = cookie(cx, &secrets, seg.seq, req.hs.mss);
            out.count(Counter::TcpExtSyncookiesSent);
            let val = req.cookie_clock(cx);
            req.send_syn_ack(cx, val, false, out);
            return None;
        }
        if let Some(isn) = successor {
            req.hs.isn = isn;
        }
        self.syn_queue += 1;
        self.young += 1;
        req.deadline = cx.cfg.timers.expiry(cx.now, cx.cfg.rto_initial);
        req.transmit(cx, false, out);
        out.moved(State::Listen, State::SynRecv);
        Some(req)
    }
}

fn drop_syn(why: Why, out: &mut impl Out) {
    out.refused(why);
    out.count(Counter::TcpExtListenDrops);
}
