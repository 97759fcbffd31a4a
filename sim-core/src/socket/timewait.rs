//! The mini-socket at work: what is left of a connection in TIME_WAIT, or of an orphan in FIN_WAIT2.
//!
//! Modelled on `tcp_timewait_state_process` and `tcp_time_wait` (net/ipv4/tcp_minisocks.c). The FreeBSD and RFC 793
//! ways of treating segments are the other values of [`TimeWaitPolicy`].

use super::MiniFate;
use crate::counter::Counter;
use crate::seq::Seq;
use crate::tcp::config::{ReuseDelay, TcpConfig, TimeWaitPolicy, TwReuse};
use crate::tcp::{
    Cx, Flags, Inherited, Out, Segment, Shared, State, TimeWait, TimerKind, TsOption, Why, in_window,
    limitable, oow_limited, paws_rejects, reply_with_reset, second_reached, whole_seconds,
};
use crate::time::{Span, Time};

/// What a segment does to a mini-socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeWaitVerdict {
    /// It stays.
    Keep,
    /// It is gone.
    Gone,
    /// The SYN may open the tuple anew; with this initial sequence number, or a fresh one.
    Reopen(Option<Seq>),
}

impl TimeWait {
    /// When it ends by itself.
    pub const fn deadline(&self) -> Time {
        self.deadline
    }

    /// Moves the deadline, for drivers without a clock (see [`crate::tcp::Endpoint::retime`]).
    pub fn retime(&mut self, at: Time) {
        self.deadline = at;
    }

    /// TIME_WAIT, or FIN_WAIT2.
    pub const fn state(&self) -> State {
        if self.fin_wait2 { State::FinWait2 } else { State::TimeWait }
    }

    /// Its time has run out; silent. Expects `now` to have reached [`TimeWait::deadline`].
    pub fn on_timer(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) -> MiniFate {
        if cx.now < self.deadline {
            return MiniFate::Keep;
        }
        out.fired(TimerKind::TimeWait);
        out.moved(self.state(), State::Closed);
        uncount(cx.shared);
        MiniFate::Gone
    }

    /// A segment for this tuple has arrived.
    pub(super) fn process(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) -> TimeWaitVerdict {
        let tsval = if self.ts_recent_stamp == 0 { None } else { seg.ts.map(|ts| ts.val) };
        let rst = seg.flags.has(Flags::RST);
        let stale =
            tsval.is_some_and(|tsval| paws_rejects(cx, self.ts_recent, self.ts_recent_stamp, tsval, rst));
        if self.fin_wait2 {
            return self.process_fin_wait2(cx, seg, tsval, stale, out);
        }
        match cx.cfg.time_wait_policy {
            TimeWaitPolicy::Linux => self.process_linux(cx, seg, tsval, stale, out),
            TimeWaitPolicy::Bsd => self.process_bsd(cx, seg, out),
            TimeWaitPolicy::Rfc793 => self.process_rfc793(cx, seg, out),
        }
    }

    /// The checks of a full socket in FIN_WAIT2 once more, with nobody left to take data.
    fn process_fin_wait2(
        &mut self,
        cx: &mut Cx<'_>,
        seg: &Segment,
        tsval: Option<u32>,
        stale: bool,
        out: &mut impl Out,
    ) -> TimeWaitVerdict {
        let end = seg.end();
        if stale || !in_window(seg, self.rcv_nxt, self.rcv_nxt + self.rcv_wnd) {
            out.refused(if stale { Why::Paws } else { Why::Sequence });
            self.limited_ack(cx, seg, Counter::TcpExtTCPACKSkippedFinWait2, out);
            return TimeWaitVerdict::Keep;
        }
        if seg.flags.has(Flags::RST) {
            return TimeWaitVerdict::Gone;
        }
        if seg.flags.has(Flags::SYN) && !seg.seq.before(self.rcv_nxt) {
            reply_with_reset(seg, out);
            return TimeWaitVerdict::Gone;
        }
        if !seg.flags.has(Flags::ACK) || !end.after(self.rcv_nxt) || seg.seq_len() == 0 {
            return TimeWaitVerdict::Keep;
        }
        if !seg.flags.has(Flags::FIN) || end != self.rcv_nxt + 1 {
            // Data for an application that is gone (RFC 1122 §4.2.2.13).
            out.refused(Why::DataAfterClose);
            reply_with_reset(seg, out);
            return TimeWaitVerdict::Gone;
        }
        out.moved(State::FinWait2, State::TimeWait);
        self.fin_wait2 = false;
        self.rcv_nxt = end;
        if let Some(tsval) = tsval {
            self.entered = cx.now;
            self.remember(cx, tsval);
        }
        self.restart(cx);
        self.send_ack(cx, out);
        TimeWaitVerdict::Keep
    }

    fn process_linux(
        &mut self,
        cx: &mut Cx<'_>,
        seg: &Segment,
        tsval: Option<u32>,
        stale: bool,
        out: &mut impl Out,
    ) -> TimeWaitVerdict {
        let rst = seg.flags.has(Flags::RST);
        if !stale && seg.seq == self.rcv_nxt && (seg.seq_len() == 0 || rst) {
            // A RST that hits: RFC 1337 calls its effect the assassination of TIME-WAIT.
            if rst && !cx.cfg.rfc1337 {
                return TimeWaitVerdict::Gone;
            }
            if !rst {
                self.restart(cx);
            }
            if let Some(tsval) = tsval {
                self.remember(cx, tsval);
            }
            return TimeWaitVerdict::Keep;
        }
        let ack = seg.flags.has(Flags::ACK);
        let newer_ts = tsval.is_some_and(|tsval| (self.ts_recent.wrapping_sub(tsval) as i32) < 0);
        if seg.flags.has(Flags::SYN) && !rst && !ack && !stale && (seg.seq.after(self.rcv_nxt) || newer_ts) {
            return TimeWaitVerdict::Reopen(Some(self.successor_isn()));
        }
        if stale {
            out.refused(Why::Paws);
            out.count(if cx.cfg.paws_counters {
                Counter::TcpExtPAWSTimewait
            } else {
                Counter::TcpExtPAWSEstab
            });
        }
        if rst {
            return TimeWaitVerdict::Keep;
        }
        // A SYN without ACK may be an old one or a new one with a low number: it does not prolong the wait.
        if stale || ack {
            self.restart(cx);
        }
        self.limited_ack(cx, seg, Counter::TcpExtTCPACKSkippedTimeWait, out);
        TimeWaitVerdict::Keep
    }

    /// FreeBSD (`tcp_twcheck`): RST is ignored, a SYN counts by its sequence number alone, only the very FIN
    /// restarts the timer, and a pure duplicate ACK is not answered.
    fn process_bsd(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) -> TimeWaitVerdict {
        if seg.flags.has(Flags::RST) {
            out.refused(Why::Reset);
            return TimeWaitVerdict::Keep;
        }
        if seg.flags.has(Flags::SYN) && seg.seq.after(self.rcv_nxt) {
            return TimeWaitVerdict::Reopen(None);
        }
        if !seg.flags.has(Flags::ACK) {
            out.refused(Why::Flags);
            return TimeWaitVerdict::Keep;
        }
        if seg.flags.has(Flags::FIN) && seg.end() == self.rcv_nxt {
            self.restart(cx);
        }
        let duplicate =
            seg.flags == Flags::ACK && seg.len == 0 && seg.seq == self.rcv_nxt && seg.ack == self.snd_nxt;
        if !duplicate {
            self.send_ack(cx, out);
        }
        TimeWaitVerdict::Keep
    }

    /// RFC 793: whatever lies outside the window is acknowledged; inside it RST ends the wait, and SYN is an error.
    fn process_rfc793(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) -> TimeWaitVerdict {
        let rst = seg.flags.has(Flags::RST);
        if in_window(seg, self.rcv_nxt, self.rcv_nxt + self.rcv_wnd) {
            if rst {
                return TimeWaitVerdict::Gone;
            }
            if seg.flags.has(Flags::SYN) {
                reply_with_reset(seg, out);
                return TimeWaitVerdict::Gone;
            }
            return TimeWaitVerdict::Keep;
        }
        if !rst {
            if seg.flags.has(Flags::FIN) {
                self.restart(cx);
            }
            self.send_ack(cx, out);
        }
        TimeWaitVerdict::Keep
    }

    fn restart(&mut self, cx: &Cx<'_>) {
        self.deadline = cx.cfg.timers.expiry(cx.now, cx.cfg.time_wait);
    }

    fn remember(&mut self, cx: &Cx<'_>, tsval: u32) {
        self.ts_recent = tsval;
        self.ts_recent_stamp = cx.seconds();
    }

    /// An ACK, unless the segment could keep a loop alive and one was sent just now.
    fn limited_ack(&mut self, cx: &Cx<'_>, seg: &Segment, skipped: Counter, out: &mut impl Out) {
        if limitable(seg) && oow_limited(cx, &mut self.last_limited) {
            out.count(skipped);
        } else {
            self.send_ack(cx, out);
        }
    }

    /// `tcp_v4_timewait_ack`
    pub(super) fn send_ack(&self, cx: &Cx<'_>, out: &mut impl Out) {
        let ts = (self.ts_recent != 0)
            .then(|| TsOption { val: cx.millis().wrapping_add(self.ts_offset), ecr: self.ts_recent });
        out.count(Counter::TcpOutSegs);
        out.segment(Segment {
            seq: self.snd_nxt,
            ack: self.rcv_nxt,
            win: (self.rcv_wnd >> self.rcv_wscale).min(65_535) as u16,
            flags: Flags::ACK,
            ts,
            ..Segment::default()
        });
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
            // Strictly later, in whole milliseconds.
            ReuseDelay::SinceEntry(delay) => now.as_millis() > self.entered.as_millis() + delay.as_millis(),
            ReuseDelay::NextSecond => {
                second_reached(whole_seconds(now), self.ts_recent_stamp.wrapping_add(1))
            }
        };
        let free = port_fixed || (wanted && !self.fin_wait2 && old_enough);
        (free && self.ts_recent_stamp != 0).then(|| Inherited {
            isn: self.successor_isn(),
            ts_recent: self.ts_recent,
            ts_recent_stamp: self.ts_recent_stamp,
        })
    }

    /// No connect() that lets the kernel choose its port can take the tuple over before this, whatever arrives in the
    /// meantime: a segment may make the mini-socket younger, never older, and never gives it timestamps.
    pub fn reusable_from(&self, cfg: &TcpConfig) -> Time {
        if self.ts_recent_stamp == 0 {
            return Time::NEVER;
        }
        match cfg.tw_reuse_delay {
            ReuseDelay::SinceEntry(delay) => {
                Time::ZERO + Span::from_millis(self.entered.as_millis() + delay.as_millis() + 1)
            }
            ReuseDelay::NextSecond => Time::ZERO + Span::from_secs(u64::from(self.ts_recent_stamp)),
        }
    }

    /// connect() has taken the tuple: the mini-socket is gone (`TWRecycled`).
    pub fn taken_over(self, shared: &mut Shared, out: &mut impl Out) {
        uncount(shared);
        out.moved(self.state(), State::Closed);
        out.count(Counter::TcpExtTWRecycled);
    }

    /// An initial sequence number above everything sent before: SND.NXT + 65535 + 2, and never 0.
    fn successor_isn(&self) -> Seq {
        let isn = self.snd_nxt + 65_537;
        if isn.0 == 0 { Seq(1) } else { isn }
    }
}

/// One mini-socket less.
pub(crate) fn uncount(shared: &mut Shared) {
    shared.mini_sockets = shared.mini_sockets.saturating_sub(1);
}
