//! What happens when time has passed (tcp_timer.c). One transmit timer serves three purposes, as in the kernel.

use super::delack::AckState;
use super::endpoint::{CaState, Endpoint, LINGER2_NEVER, Pending};
use super::{Alarm, Cx, Out, State, TimeWait, TimerKind};
use crate::counter::Counter;
use crate::errno::Errno;
use crate::time::{Span, Time};

impl Endpoint {
    /// Runs every timer whose time has come. Answers the mini-socket that is left behind, if any.
    pub(super) fn on_timer(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) -> Option<TimeWait> {
        if self.delack_at <= cx.now {
            out.fired(TimerKind::DelayedAck);
            self.delack_fires(cx, out);
        }
        if self.xmit_at <= cx.now {
            self.transmit_timer_fires(cx, out);
        }
        if self.keep_at <= cx.now {
            self.keep_at = Time::NEVER;
            out.fired(TimerKind::KeepAlive);
            return self.keepalive_fires(cx, out);
        }
        None
    }

    fn transmit_timer_fires(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        self.xmit_at = Time::NEVER;
        let pending = core::mem::take(&mut self.pending);
        let kind = match pending {
            Pending::None => return,
            Pending::Retransmit => TimerKind::Retransmit,
            Pending::LossProbe => TimerKind::LossProbe,
            Pending::Persist => TimerKind::Persist,
        };
        out.fired(kind);
        match pending {
            Pending::None => {}
            Pending::Retransmit => self.retransmit_fires(cx, out),
            Pending::LossProbe => self.loss_probe_fires(cx, out),
            Pending::Persist => self.persist_fires(cx, out),
        }
    }

    /// Arms the transmit timer.
    pub(super) fn arm_transmit(&mut self, cx: &Cx<'_>, purpose: Pending, delay: Span) {
        self.pending = purpose;
        cx.notes.arm(Alarm::Transmit, delay);
        self.xmit_at = cx.cfg.timers.expiry(cx.now, delay);
    }
    /// Stops all timers.
    pub(super) fn disarm(&mut self) {
        self.pending = Pending::None;
        self.xmit_at = Time::NEVER;
        self.delack_at = Time::NEVER;
        self.keep_at = Time::NEVER;
        self.ack_pending = AckState::NONE;
    }

    /// Starts the retransmission timer for what is in flight, or stops it (`tcp_rearm_rto`). Where a probe ran, its
    /// time counts.
    pub(super) fn rearm_rto(&mut self, cx: &Cx<'_>) {
        if self.flight.packets() == 0 {
            self.pending = Pending::None;
            self.xmit_at = Time::NEVER;
            return;
        }
        let delay = if self.pending == Pending::LossProbe {
            let left = self.rto_left(cx).max(1);
            Span::from_micros(u64::from(super::rtt::rounded_micros(cx.cfg, left as u64)))
        } else {
            self.rto_span()
        };
        self.arm_transmit(cx, Pending::Retransmit, delay);
    }

    /// Microseconds until the oldest segment's RTO (`tcp_rto_delta_us`).
    fn rto_left(&self, cx: &Cx<'_>) -> i64 {
        let passed = cx.micros().wrapping_sub(self.flight.head().at);
        i64::from(self.rto) - i64::from(passed)
    }

    /// A probe after two round trips, should the tail be lost (RFC 8985 §7; `tcp_schedule_loss_probe`). Needs SACK.
    pub(super) fn schedule_loss_probe(&mut self, cx: &Cx<'_>, rto_advances: bool) -> bool {
        let eligible = cx.cfg.tail_loss_probe
            && self.flight.packets() > 0
            && self.sack_ok
            && self.ca_state == CaState::Open;
        if !eligible {
            return false;
        }
        let mut delay = if self.srtt == 0 {
            cx.cfg.rto_initial.as_micros()
        } else {
            let extra = if self.flight.packets() == 1 { cx.cfg.rto_min } else { cx.cfg.timers.from_ticks(2) };
            u64::from(self.srtt >> 2) + extra.as_micros()
        };
        let left = if rto_advances { i64::from(self.rto) } else { self.rto_left(cx) };
        if left > 0 {
            delay = delay.min(left as u64);
        }
        let delay = super::rtt::rounded_micros(cx.cfg, delay);
        self.arm_transmit(cx, Pending::LossProbe, Span::from_micros(u64::from(delay)));
        true
    }

    /// `tcp_send_loss_probe`
    fn loss_probe_fires(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        self.pending = Pending::LossProbe;
        if self.flight.packets() == 0 || self.tlp_pending {
            self.rearm_rto(cx);
            return;
        }
        self.tlp_retrans = false;
        let window_open = self.has_unsent() && !self.next_segment_end().after(self.window_end());
        if window_open {
            if !self.transmit_new(cx, true, true, out) {
                self.rearm_rto(cx);
                return;
            }
        } else {
            self.retransmit_last(cx, out);
            self.tlp_retrans = true;
        }
        self.tlp_pending = true;
        self.tlp_high_seq = self.snd_nxt;
        out.count(Counter::TcpExtTCPLossProbes);
        self.pending = Pending::None;
        self.rearm_rto(cx);
    }

    /// `tcp_retransmit_timer`
    fn retransmit_fires(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        if self.flight.packets() == 0 {
            return;
        }
        if self.snd_wnd == 0 && !self.orphan && !self.connecting() {
            // The receiver has shrunk its window to nothing: go on as long as it answers.
            if self.silent_at_zero_window(cx) {
                self.give_up(out);
                return;
            }
            self.enter_loss(out);
            self.retransmit_head(cx, out);
            self.back_off(cx);
            return;
        }
        out.count(Counter::TcpExtTCPTimeouts);
        if self.out_of_patience(cx, out) {
            return;
        }
        self.enter_loss(out);
        self.retransmits = self.retransmits.saturating_add(1);
        self.total_rto = self.total_rto.saturating_add(1);
        self.retransmit_high = self.retransmit_head(cx, out);
        self.back_off(cx);
    }

    /// Whether a peer that shrank its window to nothing has fallen silent (`tcp_rtx_probe0_timed_out`). With
    /// TCP_USER_TIMEOUT its answers do not help while nothing is acknowledged.
    fn silent_at_zero_window(&self, cx: &Cx<'_>) -> bool {
        let silent = cx.ticks().wrapping_sub(self.rcv_tstamp);
        let retrying = if self.retrans_stamp != 0 {
            self.retrying(cx)
        } else {
            cx.micros().wrapping_sub(self.flight.head().at) / 1000
        };
        let mut limit = cx.cfg.rto_max.times(2);
        if self.user_timeout != 0 {
            if retrying > self.user_timeout {
                return true;
            }
            limit = limit.min(Span::from_millis(u64::from(self.user_timeout)));
        }
        silent > cx.cfg.timers.to_ticks(limit) && u64::from(retrying) > limit.as_millis()
    }

    /// Milliseconds since the first retransmission, or the SYN.
    fn retrying(&self, cx: &Cx<'_>) -> u32 {
        cx.millis().wrapping_add(1).wrapping_sub(self.retrans_stamp)
    }

    /// The RTO, or what TCP_USER_TIMEOUT leaves of it (`tcp_clamp_rto_to_user_timeout`).
    fn patient_rto(&self, cx: &Cx<'_>) -> Span {
        if self.user_timeout == 0 {
            return self.rto_span();
        }
        match self.user_timeout.wrapping_sub(self.retrying(cx)) as i32 {
            left if left <= 0 => cx.cfg.timers.from_ticks(1),
            left => self.rto_span().min(Span::from_millis(left as u64)),
        }
    }

    /// The time to the next probe of a closed window, or what TCP_USER_TIMEOUT leaves of it
    /// (`tcp_clamp_probe0_to_user_timeout`).
    pub(super) fn patient_probe(&self, cx: &Cx<'_>, delay: Span) -> Span {
        if self.user_timeout == 0 || self.probes_stamp == 0 {
            return delay;
        }
        let timers = cx.cfg.timers;
        let elapsed = cx.ticks().wrapping_sub(self.probes_stamp);
        let left = self.user_timeout_ticks(cx).wrapping_sub(elapsed) as i32;
        // TCP_TIMEOUT_MIN is two jiffies.
        delay.min(timers.from_ticks(left.max(2) as u32))
    }

    fn user_timeout_ticks(&self, cx: &Cx<'_>) -> u32 {
        cx.cfg.timers.to_ticks(Span::from_millis(u64::from(self.user_timeout)))
    }

    /// Doubles the RTO, but not during the linear phase of SYNs, and arms the timer.
    fn back_off(&mut self, cx: &Cx<'_>) {
        if self.state() != State::SynSent || self.total_rto > cx.cfg.syn_linear_timeouts {
            self.backoff = self.backoff.saturating_add(1);
            self.rto = self.rto.saturating_mul(2).min(cx.cfg.rto_max.as_micros() as u32);
        }
        let rto = self.patient_rto(cx);
        self.arm_transmit(cx, Pending::Retransmit, rto);
    }

    /// Whether to give up instead of retransmitting once more (`tcp_write_timeout`).
    fn out_of_patience(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) -> bool {
        let cfg = cx.cfg;
        let (mut expired, limit) = if self.connecting() {
            let linear = if self.state() == State::SynSent { cfg.syn_linear_timeouts } else { 0 };
            let most = u32::from(cfg.syn_retries) + u32::from(linear);
            (u32::from(self.retransmits) >= most, cfg.syn_retries)
        } else if self.orphan {
            let alive = self.rto_span() < cfg.rto_max;
            let limit = orphan_retries(cfg.orphan_retries, alive);
            let do_reset = alive || !self.timed_out(cx, limit, 0);
            if self.out_of_resources(cx, do_reset, out) {
                return true;
            }
            (false, limit)
        } else {
            (false, cfg.retries2)
        };
        expired = expired || self.timed_out(cx, limit, self.user_timeout);
        if expired {
            self.give_up(out);
            return true;
        }
        out.count(Counter::TcpExtTcpTimeoutRehash);
        false
    }

    /// Whether as much time has passed since the first retransmission as `retries` of them take by the model
    /// (`retransmits_timed_out`), or as many milliseconds as `patience` says, if it is not 0.
    fn timed_out(&self, cx: &Cx<'_>, retries: u8, patience: u32) -> bool {
        if self.retransmits == 0 {
            return false;
        }
        let passed = self.retrying(cx);
        if patience != 0 {
            return passed.wrapping_sub(patience) as i32 >= 0;
        }
        let base = if self.connecting() { cx.cfg.rto_initial } else { cx.cfg.rto_min };
        let limit = model_timeout(cx, retries, base).as_millis();
        i64::from(passed as i32) >= limit as i64
    }

    /// ETIMEDOUT (`tcp_write_err`).
    fn give_up(&mut self, out: &mut impl Out) {
        self.fail(Errno::Etimedout, out);
        out.count(Counter::TcpExtTCPAbortOnTimeout);
    }

    /// Kills an orphan when there are too many (`tcp_out_of_resources`).
    fn out_of_resources(&mut self, cx: &mut Cx<'_>, do_reset: bool, out: &mut impl Out) -> bool {
        cx.notes.ask_outside();
        let idle = cx.ticks().wrapping_sub(self.lsndtime);
        let timers = cx.cfg.timers;
        let shift = u32::from(idle > timers.to_ticks(cx.cfg.rto_max.times(2)) || !do_reset);
        if u64::from(cx.shared.orphans) << shift <= u64::from(cx.cfg.max_orphans) {
            return false;
        }
        let recent = idle <= timers.to_ticks(cx.cfg.time_wait);
        self.tell_of_loss(out);
        if do_reset || recent || (self.snd_wnd == 0 && self.flight.packets() == 0) {
            self.send_reset(cx, out);
        }
        self.done(out);
        out.count(Counter::TcpExtTCPAbortOnMemory);
        true
    }

    /// First interval of zero-window probes.
    pub(super) fn probe_base(&self, cx: &Cx<'_>) -> Span {
        self.rto_span().max(cx.cfg.rto_min)
    }
    /// Current interval of zero-window probes (`tcp_probe0_when`).
    pub(super) fn probe_delay(&self, cx: &Cx<'_>) -> Span {
        let most = cx.cfg.rto_max.0.checked_div(cx.cfg.rto_min.0).unwrap_or(1).max(1).ilog2() + 1;
        let shift = u32::from(self.backoff).min(most);
        self.probe_base(cx).times(1 << shift).min(cx.cfg.rto_max)
    }

    /// `tcp_probe_timer`
    fn persist_fires(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        if self.flight.packets() > 0 || !self.has_unsent() {
            self.probes_out = 0;
            self.probes_stamp = 0;
            return;
        }
        if self.probes_stamp == 0 {
            self.probes_stamp = cx.ticks();
        } else if self.user_timeout != 0 {
            let elapsed = cx.ticks().wrapping_sub(self.probes_stamp);
            if elapsed.wrapping_sub(self.user_timeout_ticks(cx)) as i32 >= 0 {
                self.give_up(out);
                return;
            }
        }
        let mut most = cx.cfg.retries2;
        if self.orphan {
            let alive = self.probe_delay(cx) < cx.cfg.rto_max;
            most = orphan_retries(cx.cfg.orphan_retries, alive);
            if !alive && self.backoff >= most {
                self.give_up(out);
                return;
            }
            if self.out_of_resources(cx, true, out) {
                return;
            }
        }
        if self.probes_out >= most {
            self.give_up(out);
        } else {
            self.probe_window(cx, out);
        }
    }

    /// `tcp_send_probe0`
    fn probe_window(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        self.wake_up_peer(cx, Counter::TcpExtTCPWinProbe, out);
        if self.flight.packets() > 0 || !self.has_unsent() {
            self.probes_out = 0;
            self.backoff = 0;
            self.probes_stamp = 0;
            return;
        }
        self.probes_out = self.probes_out.saturating_add(1);
        if self.backoff < cx.cfg.retries2 {
            self.backoff += 1;
        }
        let delay = self.patient_probe(cx, self.probe_delay(cx));
        self.arm_transmit(cx, Pending::Persist, delay);
    }

    /// Sends as much as the window holds, or an empty probe (`tcp_write_wakeup`).
    fn wake_up_peer(&mut self, cx: &mut Cx<'_>, counter: Counter, out: &mut impl Out) {
        let room = self.window_end();
        if self.has_unsent() && self.snd_nxt.before(room) {
            let end = self.next_segment_end();
            let end = if end.after(room) { room } else { end };
            if self.send_new(cx, end, true, out) {
                self.rearm_rto(cx);
            }
        } else {
            self.send_probe(cx, out);
            out.count(counter);
        }
    }

    /// How long an orphan may stay in FIN_WAIT2 (`tcp_fin_time`).
    pub(super) fn fin_time(&self, cx: &Cx<'_>) -> Span {
        let wanted = match self.linger2 {
            0 | LINGER2_NEVER => cx.cfg.fin_timeout,
            millis => Span::from_millis(u64::from(millis)),
        };
        wanted.max(Span::from_micros(u64::from(self.rto) * 7 / 2))
    }

    /// Arms the timer that serves keep-alive and FIN_WAIT2.
    pub(super) fn arm_keepalive(&mut self, cx: &Cx<'_>, delay: Span) {
        let delay = cx.cfg.timers.at_least_a_tick(delay);
        cx.notes.arm(Alarm::KeepAlive, delay);
        self.keep_at = cx.cfg.timers.expiry(cx.now, delay);
    }

    /// `tcp_keepalive_timer`
    fn keepalive_fires(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) -> Option<TimeWait> {
        if self.state() == State::FinWait2 && self.orphan {
            return self.fin_wait2_expires(cx, out);
        }
        if self.keepalive && !matches!(self.state(), State::Closed | State::SynSent) {
            self.probe_idle_peer(cx, out);
        }
        None
    }

    /// An orphan has waited for the peer's FIN as long as a full socket does.
    fn fin_wait2_expires(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) -> Option<TimeWait> {
        let left = self.fin_time(cx) - cx.cfg.time_wait;
        if self.linger2 != LINGER2_NEVER && left > Span::ZERO {
            // The rest is spent as a mini-socket, and it is the same length again: as the kernel does.
            return self.enter_time_wait(cx, Some(left), out);
        }
        self.send_reset(cx, out);
        self.done(out);
        None
    }

    /// Idle time, interval and number of keep-alive probes: the socket's own, or the host's.
    pub(super) fn keep_times(&self, cx: &Cx<'_>) -> (Span, Span, u8) {
        let (idle, interval, probes) = cx.cfg.keepalive;
        let or = |own: u16, span: Span| if own == 0 { span } else { Span::from_secs(u64::from(own)) };
        let probes = if self.keep.probes == 0 { probes } else { self.keep.probes };
        (or(self.keep.idle, idle), or(self.keep.interval, interval), probes)
    }

    /// Nothing has been heard for the idle time: a probe, or the end after too many of them. TCP_USER_TIMEOUT, if it is
    /// set, says in their place when the end is.
    fn probe_idle_peer(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        let (idle, interval, probes) = self.keep_times(cx);
        if self.flight.packets() > 0 || self.has_unsent() {
            self.arm_keepalive(cx, idle);
            return;
        }
        let now = cx.ticks();
        let elapsed = now.wrapping_sub(self.lrcvtime).min(now.wrapping_sub(self.rcv_tstamp));
        let quiet = cx.cfg.timers.from_ticks(elapsed);
        let enough = if self.user_timeout == 0 {
            self.probes_out >= probes
        } else {
            elapsed >= self.user_timeout_ticks(cx) && self.probes_out > 0
        };
        if quiet < idle {
            self.arm_keepalive(cx, idle - quiet);
        } else if enough {
            self.send_reset(cx, out);
            self.give_up(out);
        } else {
            self.wake_up_peer(cx, Counter::TcpExtTCPKeepAlive, out);
            self.probes_out = self.probes_out.saturating_add(1);
            self.arm_keepalive(cx, interval);
        }
    }

    /// SO_KEEPALIVE
    pub(super) fn set_keepalive(&mut self, cx: &Cx<'_>, on: bool) {
        let connected = !matches!(self.state(), State::Closed | State::SynSent);
        if on && !self.keepalive && connected {
            self.arm_keepalive(cx, self.keep_times(cx).0);
        } else if !on {
            self.keep_at = Time::NEVER;
        }
        self.keepalive = on;
    }
}

/// `tcp_orphan_retries`: 0 stands for 8 as long as something moves.
const fn orphan_retries(sysctl: u8, alive: bool) -> u8 {
    if sysctl == 0 && alive { 8 } else { sysctl }
}

/// The time that `retries` retransmissions take when the first waits `base` and each next one twice as long, up to the
/// largest RTO (`tcp_model_timeout`).
fn model_timeout(cx: &Cx<'_>, retries: u8, base: Span) -> Span {
    let rto_max = cx.cfg.rto_max;
    let doublings = rto_max.0.checked_div(base.0).unwrap_or(1).max(1).ilog2();
    let retries = u32::from(retries);
    if retries <= doublings {
        base.times((2 << retries) - 1)
    } else {
        base.times((2 << doublings) - 1) + rto_max.times(u64::from(retries - doublings))
    }
}
