//! The mini-socket: what is left of a connection in TIME_WAIT, or of an orphan in FIN_WAIT2.
//!
//! Modelled on `tcp_timewait_state_process` and `tcp_time_wait` (net/ipv4/tcp_minisocks.c). The FreeBSD and RFC 793
//! ways of treating segments are the other values of [`TimeWaitPolicy`](crate::tcp::config::TimeWaitPolicy).

use crate::seq::Seq;
use crate::tcp::config::{ReuseDelay, TcpConfig, TwReuse};
use crate::tcp::{Cx, Inherited, Next, Outbox, Shared, State};
use crate::time::{Span, Time};

/// A connection of which only the numbers are left.
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

impl TimeWait {
    /// When it ends by itself.
    pub const fn deadline(&self) -> Time {
        self.deadline
    }

    /// TIME_WAIT, or FIN_WAIT2.
    pub const fn state(&self) -> State {
        if self.fin_wait2 { State::FinWait2 } else { State::TimeWait }
    }

    /// Its time has run out; silent. Expects `now` to have reached [`TimeWait::deadline`].
    pub fn on_timer(&mut self, cx: &mut Cx<'_>, out: &mut Outbox) -> Next {
        if cx.now < self.deadline {
            return Next::Keep;
        }
        let _ = out;
        self.uncount(cx.shared);
        Next::Gone
    }

    /// Whether connect() may open a new connection on this tuple (`tcp_twsk_unique`), and what it then inherits.
    ///
    /// `loopback`: an address is in 127/8 or the route goes through `lo`. `port_fixed`: the caller had bound the port.
    /// If connect() does take the tuple, call [`TimeWait::taken_over`].
    pub fn reusable_by_connect(
        &self,
        cfg: &TcpConfig,
        now: Time,
        loopback: bool,
        port_fixed: bool,
    ) -> Option<Inherited> {
        let wanted = match cfg.tw_reuse {
            TwReuse::Off => false,
            TwReuse::On => true,
            TwReuse::Loopback => loopback,
        };
        let old_enough = match cfg.tw_reuse_delay {
            ReuseDelay::SinceEntry(delay) => now.since(self.entered) > delay,
            ReuseDelay::NextSecond => now.0 / Span::from_secs(1).0 + 1 > u64::from(self.ts_recent_stamp),
        };
        let free = port_fixed || (wanted && !self.fin_wait2 && old_enough);
        (free && self.ts_recent_stamp != 0).then(|| Inherited {
            isn: self.successor_isn(),
            ts_recent: self.ts_recent,
            ts_recent_stamp: self.ts_recent_stamp,
        })
    }

    /// connect() has taken the tuple: the mini-socket is gone (`TWRecycled`).
    pub fn taken_over(self, shared: &mut Shared, out: &mut Outbox) {
        self.uncount(shared);
        out.count(crate::counter::Counter::TcpExtTWRecycled);
    }

    /// An initial sequence number above everything sent before: SND.NXT + 65535 + 2, and never 0.
    pub(crate) fn successor_isn(&self) -> Seq {
        let isn = self.snd_nxt + 65_537;
        if isn.0 == 0 { Seq(1) } else { isn }
    }

    pub(crate) fn uncount(&self, shared: &mut Shared) {
        shared.mini_sockets = shared.mini_sockets.saturating_sub(1);
    }
}
