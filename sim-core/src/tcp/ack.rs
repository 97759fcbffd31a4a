//! RFC 9293 §3.10.7.4, fifth: the ACK field (`tcp_ack`).

use super::emit::Range;
use super::endpoint::{CaState, Endpoint, Pending};
use super::flight::Acked;
use super::{Cx, Flags, Notice, Out, Segment, State, Why};
use crate::counter::Counter;
use crate::seq::Seq;
use crate::time::Time;

/// What came of the ACK field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckOutcome {
    /// It is taken; the segment's other parts count.
    Taken,
    /// It says nothing new, yet the segment may.
    Old,
    /// Nothing of this segment is to be believed.
    Refused,
}

/// What an ACK did, as far as recovery cares (the `FLAG_*` of tcp_input.c).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AckEffect {
    /// SND.UNA moved.
    pub advanced: bool,
    /// The segment carries data, or SYN or FIN.
    pub data: bool,
    /// The window changed.
    pub window: bool,
    /// Segments taken off the queue.
    pub acked: Acked,
    /// Segments in flight before.
    pub in_flight: u16,
}

impl Endpoint {
    /// Processes the ACK field of a segment that passed validation, or (`predicted`) did not need to.
    pub(super) fn acknowledge(
        &mut self,
        cx: &mut Cx<'_>,
        seg: &Segment,
        predicted: bool,
        out: &mut impl Out,
    ) -> AckOutcome {
        let ack = seg.ack;
        if ack.before(self.snd_una) {
            // RFC 5961 §5.2: what lies further back than the largest window was never a recent ACK.
            let reach = self.max_window.min(self.bytes_acked);
            return if ack.before(self.snd_una - reach) { AckOutcome::Refused } else { AckOutcome::Old };
        }
        if ack.after(self.snd_nxt) {
            return AckOutcome::Refused;
        }
        let una = self.snd_una;
        let mut effect = AckEffect {
            advanced: ack.after(una),
            data: seg.seq_len() != 0,
            in_flight: self.flight.packets(),
            ..AckEffect::default()
        };
        if effect.advanced {
            self.retransmits = 0;
            if core::mem::take(&mut self.syn_in_flight) {
                self.retrans_stamp = 0;
            }
        }
        // While its owner sends, the segments for a socket wait, and ACKs among them that follow each other become one
        // (`tcp_add_backlog`). So those of one moment count once.
        let micros = cx.micros();
        let merged = !effect.data && self.acked_at == micros && !self.recovering();
        self.acked_at = micros;
        if predicted && effect.advanced && !merged {
            out.count(Counter::TcpExtTCPHPAcks);
        } else if !effect.data && !merged {
            out.count(Counter::TcpExtTCPPureAcks);
        }
        self.replace_ts_recent(cx, seg.seq);
        effect.window = self.update_window(seg);
        self.probes_out = 0;
        self.rcv_tstamp = cx.ticks();
        // A first block below the ACK says what came twice (RFC 2883 §4).
        let twice = seg.sack.filter(|(from, _)| self.sack_ok && from.before(ack));
        if let Some(twice) = twice {
            self.take_dsack(twice, out);
        }
        if effect.in_flight == 0 {
            if twice.is_some() {
                self.undo_by_reports(out);
            }
            self.ack_opens_window(cx);
            self.finish_loss_probe(ack, twice, &effect, out);
            return AckOutcome::Taken;
        }
        effect.acked = self.flight.acknowledge(una, ack, u32::from(self.mss), self.sacked);
        if effect.acked.packets > 0 {
            if self.state() != State::SynSent {
                self.uncharge_sending(ack.diff(una) as u32, effect.acked.packets);
            }
            self.sample_rtt(cx, &effect.acked);
            for _ in 0..effect.acked.packets {
                out.count(Counter::TcpExtTCPDelivered);
            }
        }
        self.finish_loss_probe(ack, twice, &effect, out);
        let resend = self.control_congestion(cx, seg, &effect, out);
        if effect.acked.packets > 0 {
            self.set_transmit_timer(cx);
        }
        if resend {
            self.retransmit_lost(cx, out);
        }
        self.wake_writer(out);
        AckOutcome::Taken
    }

    /// Whether the segment's window is newer than what we know (`tcp_may_update_window`).
    pub(super) fn may_update_window(&self, seg: &Segment) -> bool {
        let window = self.offered_window(seg);
        seg.ack.after(self.snd_una)
            || seg.seq.after(self.snd_wl1)
            || (seg.seq == self.snd_wl1 && (window > self.snd_wnd || window == 0))
    }

    /// The window a segment offers; never scaled in a SYN (RFC 7323 §2.2).
    fn offered_window(&self, seg: &Segment) -> u32 {
        let scale = if seg.flags.has(Flags::SYN) { 0 } else { self.snd_wscale };
        u32::from(seg.win) << scale
    }

    /// `tcp_ack_update_window`; answers whether the window was taken over.
    fn update_window(&mut self, seg: &Segment) -> bool {
        let newer = self.may_update_window(seg);
        if newer {
            self.snd_wl1 = seg.seq;
            self.snd_wnd = self.offered_window(seg);
            if self.snd_wnd > self.max_window {
                self.max_window = self.snd_wnd;
                self.sync_mss();
            }
        }
        self.bytes_acked = self.bytes_acked.saturating_add(seg.ack.diff(self.snd_una) as u32);
        self.snd_una = seg.ack;
        newer
    }

    /// A window opens that was being probed (`tcp_ack_probe`).
    fn ack_opens_window(&mut self, cx: &Cx<'_>) {
        if !self.has_unsent() {
            return;
        }
        if self.next_segment_end().after(self.window_end()) {
            let when = self.patient_probe(cx, self.probe_delay(cx));
            self.arm_transmit(cx, Pending::Persist, when);
        } else {
            self.backoff = 0;
            self.probes_stamp = 0;
            if self.pending == Pending::Persist {
                self.pending = Pending::None;
                self.xmit_at = Time::NEVER;
            }
        }
    }

    /// An ACK reaches the end of a tail loss probe episode (`tcp_process_tlp_ack`).
    fn finish_loss_probe(&mut self, ack: Seq, twice: Option<Range>, effect: &AckEffect, out: &mut impl Out) {
        if !self.tlp_pending || ack.before(self.tlp_high_seq) {
            return;
        }
        if !self.tlp_retrans || twice.is_some_and(|(_, to)| to == self.tlp_high_seq) {
            self.tlp_pending = false;
        } else if ack.after(self.tlp_high_seq) {
            // The probe repaired a loss, so the window is reduced as for any loss.
            self.tlp_pending = false;
            out.count(Counter::TcpExtTCPLossProbeRecovery);
            self.ssthresh = (self.cwnd / 2).max(2);
            self.cwnd = self.ssthresh;
        } else if !effect.advanced && !effect.data && !effect.window {
            self.tlp_pending = false;
        }
    }

    /// After something was acknowledged: a tail loss probe, or the retransmission timer anew (`tcp_set_xmit_timer`).
    fn set_transmit_timer(&mut self, cx: &Cx<'_>) {
        if !self.schedule_loss_probe(cx, true) {
            self.rearm_rto(cx);
        }
    }

    /// Room has become free for a writer that was turned away.
    fn wake_writer(&mut self, out: &mut impl Out) {
        if self.want_space && !self.snd_shutdown {
            self.want_space = false;
            if !self.orphan {
                out.notice(Notice::Writable);
            }
        }
    }

    /// The ACK field was refused in a state that answers it (`tcp_send_challenge_ack` in step 5).
    pub(super) fn refuse_ack(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        out.refused(Why::Ack);
        self.challenge(cx, out);
    }

    /// Whether recovery is going on.
    pub(super) const fn recovering(&self) -> bool {
        matches!(self.ca_state, CaState::Recovery | CaState::Loss)
    }
}
