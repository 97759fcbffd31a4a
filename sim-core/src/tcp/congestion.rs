//! Congestion control: slow start, avoidance, fast retransmit and NewReno recovery (RFC 5681, RFC 6582), simplified.
//!
//! Modelled on `tcp_fastretrans_alert` and what it calls (net/ipv4/tcp_input.c), with `tcp_reno_cong_avoid`
//! (net/ipv4/tcp_cong.c) for the window. The simulator is about lifecycles, so it leaves out CUBIC, pacing, and of RACK all
//! but what decides what is sent next.

use super::ack::AckEffect;
use super::endpoint::{CaState, Endpoint};
use super::scoreboard::NewlySacked;
use super::{Cx, Out, Segment};
use crate::counter::Counter;

/// RFC 6928.
pub(super) const INITIAL_WINDOW: u32 = 10;

impl Endpoint {
    /// Reacts to an ACK that met data in flight (`tcp_fastretrans_alert`, `tcp_cong_control`). Answers whether lost
    /// segments are to be sent again.
    pub(super) fn control_congestion(
        &mut self,
        cx: &Cx<'_>,
        seg: &Segment,
        effect: &AckEffect,
        out: &mut impl Out,
    ) -> bool {
        let newly = if self.has_sacked() || seg.sack.is_some() {
            self.take_sack(cx, seg)
        } else {
            NewlySacked::default()
        };
        let sacks = self.sack_ok && seg.sack.is_some_and(|(_, right)| right.after(self.snd_una));
        let duplicate =
            !effect.advanced && !effect.data && (sacks || (!effect.window && effect.acked.packets == 0));
        if effect.advanced {
            self.sacked_out = self.known_to_have_arrived();
        }
        if duplicate {
            self.add_duplicate(out);
        }
        let once = newly.once || effect.acked.once.is_some_and(|from| from.before(self.high_seq));
        let undone = match self.ca_state {
            CaState::Loss => self.undo_timeout(effect, once, out),
            CaState::Recovery => self.undo_recovery(effect, out),
            CaState::Open | CaState::Disorder => self.undo_by_reports(out),
        };
        match self.ca_state {
            CaState::Loss if undone => return false,
            CaState::Loss => return self.go_on_after_timeout(effect, newly.any || duplicate),
            CaState::Recovery => return self.go_on_recovering(effect, newly.any),
            CaState::Open | CaState::Disorder => {}
        }
        self.ca_state = if self.sacked_out > 0 { CaState::Disorder } else { CaState::Open };
        if effect.advanced {
            self.grow_window(u32::from(effect.acked.packets), u32::from(effect.in_flight));
        }
        let many = self.sacked_out >= u16::from(self.reordering) && self.flight.packets() > 1;
        if many || newly.head_is_lost {
            self.enter_recovery(out);
            return true;
        }
        false
    }

    /// One more duplicate ACK: one more segment has left the network (`tcp_add_reno_sack`). At least one segment, the
    /// oldest, is not delivered (`tcp_limit_reno_sacked`). More duplicates than that were caused by reordering
    /// (`tcp_check_reno_reordering`).
    fn add_duplicate(&mut self, out: &mut impl Out) {
        self.sacked_out += 1;
        let packets = self.flight.packets();
        let holes = self.lost_out.max(1).min(packets);
        let most = packets - holes;
        if self.sacked_out > most {
            self.sacked_out = most;
            if !self.sack_ok {
                self.reordering = packets.clamp(3, 255) as u8;
                out.count(Counter::TcpExtTCPRenoReorder);
            }
        }
    }

    /// Slow start and congestion avoidance (RFC 5681 §3.1; `tcp_slow_start`, `tcp_cong_avoid_ai`). Nothing grows while the
    /// application, not the window, is the limit (`tcp_is_cwnd_limited`).
    fn grow_window(&mut self, acked: u32, in_flight: u32) {
        if in_flight < self.cwnd && (self.cwnd >= self.ssthresh || in_flight * 2 < self.cwnd) {
            return;
        }
        if self.cwnd < self.ssthresh {
            self.cwnd = (self.cwnd + acked).min(self.ssthresh.max(self.cwnd + 1));
        } else {
            self.cwnd_cnt += acked;
            if self.cwnd_cnt >= self.cwnd {
                self.cwnd_cnt = 0;
                self.cwnd += 1;
            }
        }
    }

    /// The third duplicate, or as many as `reordering` asks for, or a segment that was sent later has arrived (`tcp_enter_recovery`). Without SACK
    /// the window is halved at once; with it, it follows what arrives.
    fn enter_recovery(&mut self, out: &mut impl Out) {
        self.remember_window();
        self.ca_state = CaState::Recovery;
        self.tlp_pending = false;
        self.high_seq = self.snd_nxt;
        self.retransmit_high = self.snd_una;
        self.ssthresh = (self.cwnd / 2).max(2);
        self.lost_out = 1;
        if self.has_sacked() {
            out.count(Counter::TcpExtTCPSackRecovery);
            self.cwnd = self.in_flight() + 1;
        } else {
            self.cwnd = self.ssthresh;
        }
    }

    /// The retransmission timer fired: all that is in flight is taken for lost (`tcp_enter_loss`).
    pub(super) fn enter_loss(&mut self, out: &mut impl Out) {
        for _ in 0..self.flight.lose_retransmissions() {
            out.count(Counter::TcpExtTCPLostRetransmit);
        }
        // Not again within one window.
        if self.ca_state != CaState::Recovery && (self.ca_state != CaState::Loss || self.retransmits == 0) {
            self.remember_window();
            self.ssthresh = (self.cwnd / 2).max(2);
        }
        self.frto = !self.recovering() || self.retransmits > 0;
        self.ca_state = CaState::Loss;
        self.tlp_pending = false;
        self.cwnd = 1;
        self.cwnd_cnt = 0;
        self.sacked_out = self.known_to_have_arrived();
        self.lost_out = self.flight.packets();
        self.high_seq = self.snd_nxt;
        self.retransmit_high = self.snd_una;
    }

    /// An ACK after the timer fired: the end of recovery, or more to send again (`tcp_process_loss`). Answers whether lost segments are to be sent
    /// again. At first new data are sent, if there are any (RFC 5682 §3.1, 2b): what comes of them tells a loss from a delay.
    fn go_on_after_timeout(&mut self, effect: &AckEffect, duplicate: bool) -> bool {
        if !self.snd_una.before(self.high_seq) {
            self.recovered();
            return false;
        }
        if effect.advanced {
            self.skip_acknowledged();
            self.grow_window(u32::from(effect.acked.packets), u32::from(effect.in_flight));
        }
        if self.frto {
            if self.snd_nxt.after(self.high_seq) {
                self.frto = !duplicate;
            } else if effect.advanced {
                let may_send = self.has_unsent() && self.window_end().after(self.snd_nxt);
                self.frto = may_send;
                return !may_send;
            }
        }
        effect.advanced || (duplicate && self.has_sacked())
    }

    /// An ACK during recovery: the end of it, or a partial one (RFC 6582 §3.2, `tcp_try_undo_partial`). With SACK as much is sent as
    /// arrives, and one more for each partial ACK, up to the new window (RFC 6937, `tcp_cwnd_reduction`).
    fn go_on_recovering(&mut self, effect: &AckEffect, newly_sacked: bool) -> bool {
        if !self.snd_una.before(self.high_seq) {
            self.recovered();
            return false;
        }
        if effect.advanced {
            self.skip_acknowledged();
        }
        if self.has_sacked() {
            let in_flight = self.in_flight();
            let arrived = u32::from(effect.acked.packets) + u32::from(newly_sacked);
            let more = arrived + u32::from(effect.advanced);
            self.cwnd = in_flight + more.min(self.ssthresh.saturating_sub(in_flight));
            self.cwnd = self.cwnd.max(1);
            return more > 0;
        }
        effect.advanced
    }

    /// What is acknowledged is not sent again.
    fn skip_acknowledged(&mut self) {
        if self.retransmit_high.before(self.snd_una) {
            self.retransmit_high = self.snd_una;
        }
    }

    fn recovered(&mut self) {
        self.cwnd = self.cwnd.max(self.ssthresh.min(INITIAL_WINDOW));
        self.leave_recovery();
    }

    /// Everything that was in flight when recovery began is acknowledged (`tcp_try_undo_recovery`, `tcp_end_cwnd_reduction`).
    pub(super) fn leave_recovery(&mut self) {
        self.ca_state = CaState::Open;
        self.lost_out = 0;
        self.frto = false;
        self.sacked_out = self.known_to_have_arrived();
        self.retrans_stamp = 0;
    }
}
