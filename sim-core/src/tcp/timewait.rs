//! The way into a mini-socket (`tcp_time_wait`, net/ipv4/tcp_minisocks.c). What it does once it is there stands in
//! [`crate::socket::timewait`].

use super::config::TwOverflow;
use super::endpoint::Endpoint;
use super::{Cx, Out, State};
use crate::counter::Counter;
use crate::seq::Seq;
use crate::time::{Span, Time};

/// What is kept of a connection in a mini-socket: its numbers, and no queues (`struct tcp_timewait_sock`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TimeWait {
    pub(crate) deadline: Time,
    /// When the mini-socket was entered (`tw_entry_stamp`).
    pub(crate) entered: Time,
    pub(crate) snd_nxt: Seq,
    pub(crate) rcv_nxt: Seq,
    pub(crate) rcv_wnd: u32,
    pub(crate) ts_recent: u32,
    /// Second in which `ts_recent` was set, plus one; 0 = timestamps were never in use.
    pub(crate) ts_recent_stamp: u32,
    pub(crate) ts_offset: u32,
    /// Millisecond of the last limited reply, plus one; 0 = none yet.
    pub(crate) last_limited: u32,
    pub(crate) fin_wait2: bool,
    pub(crate) rcv_wscale: u8,
}

impl Endpoint {
    /// Leaves a mini-socket behind, if there may be one more, and closes. `fin_wait2`: the time it waits for the peer's
    /// FIN; `None`: TIME_WAIT.
    pub(super) fn enter_time_wait(
        &mut self,
        cx: &mut Cx<'_>,
        fin_wait2: Option<Span>,
        out: &mut impl Out,
    ) -> Option<TimeWait> {
        // Where the oldest makes room, the driver evicts it once this one is in its tables.
        let evicts = cx.cfg.tw_overflow == TwOverflow::RecycleOldest;
        let room = evicts || cx.shared.mini_sockets < cx.cfg.max_tw_buckets;
        if !room {
            out.count(Counter::TcpExtTCPTimeWaitOverflow);
            self.tell_distance(cx, out);
            self.done(out);
            return None;
        }
        let life = match fin_wait2 {
            Some(life) => life.max(Span::from_micros(u64::from(self.rto) * 7 / 2)),
            None => cx.cfg.time_wait,
        };
        let counter = if life <= Span::from_secs(4) { Counter::TcpExtTWKilled } else { Counter::TcpExtTW };
        out.count(counter);
        cx.notes.leave_mini(life);
        cx.shared.mini_sockets += 1;
        if fin_wait2.is_none() {
            self.move_to(State::TimeWait, out);
        }
        let tw = self.mini_socket(cx, fin_wait2.is_some(), cx.cfg.timers.expiry(cx.now, life));
        self.tell_distance(cx, out);
        self.hand_over(out);
        Some(tw)
    }

    /// What the host is to remember of the peer (`tcp_update_metrics`).
    pub(super) fn tell_distance(&self, cx: &Cx<'_>, out: &mut impl Out) {
        if cx.cfg.metrics {
            out.measured(if self.backoff > 0 { 0 } else { self.srtt });
        }
    }

    fn mini_socket(&self, cx: &Cx<'_>, fin_wait2: bool, deadline: Time) -> TimeWait {
        TimeWait {
            deadline,
            entered: cx.now,
            snd_nxt: self.snd_nxt,
            rcv_nxt: self.rcv_nxt,
            rcv_wnd: self.receive_window(),
            ts_recent: self.ts_recent,
            ts_recent_stamp: self.ts_recent_stamp,
            ts_offset: self.ts_offset,
            last_limited: 0,
            fin_wait2,
            rcv_wscale: self.rcv_wscale,
        }
    }
}
