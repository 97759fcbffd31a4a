//! What the peer has beyond its ACK (RFC 2018), and what that says of the segments before it (RACK, RFC 8985).
//!
//! The kernel marks each buffer (`tcp_sacktag_write_queue`). Here one stretch is known, the lowest: what lies behind a
//! second hole is learned when the first is filled. The window in which segments may overtake each other is looked at when an ACK comes; there is
//! no timer for the end of it (`tcp_rack_reo_timeout`), so where all were sent at once three duplicates decide, as before RACK.

use super::emit::Range;
use super::endpoint::{CaState, Endpoint};
use super::{Cx, Segment};
use crate::seq::Seq;

/// No stretch at all.
pub(super) const NOTHING: Range = (Seq(0), Seq(0));

/// What the blocks of a segment say that was not known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NewlySacked {
    /// Something did.
    pub any: bool,
    /// Of what was in flight when recovery began, one that was sent but once did (`FLAG_ORIG_SACK_ACKED`).
    pub once: bool,
    /// A segment was sent so much later than the oldest one in flight that this one is lost.
    pub head_is_lost: bool,
}

impl Endpoint {
    /// Whether a stretch beyond the ACK is known to have arrived.
    pub(super) fn has_sacked(&self) -> bool {
        self.sacked.0 != self.sacked.1
    }

    /// Takes over the blocks of a segment whose ACK has been taken (`tcp_sacktag_write_queue`, `tcp_rack_detect_loss`).
    pub(super) fn take_sack(&mut self, cx: &Cx<'_>, seg: &Segment) -> NewlySacked {
        if self.has_sacked() && !self.sacked.1.after(self.snd_una) {
            self.sacked = NOTHING;
        }
        let mut newly = NewlySacked::default();
        for (from, to) in [seg.sack, seg.sack2].into_iter().flatten() {
            let known = self.has_sacked() && !from.before(self.sacked.0) && !to.after(self.sacked.1);
            let beyond = from.after(self.snd_una) && to.after(from) && !to.after(self.snd_nxt);
            if !self.sack_ok || known || !beyond {
                continue;
            }
            newly.any = true;
            newly.head_is_lost |= self.overtakes_head(cx, to);
            newly.once |= !to.after(self.high_seq) && !self.flight.sent_with(to).1;
            let apart = from.after(self.sacked.1) || to.before(self.sacked.0);
            if !self.has_sacked() || (apart && to.before(self.sacked.0)) {
                self.sacked = (from, to);
            } else if !apart {
                let low = if from.before(self.sacked.0) { from } else { self.sacked.0 };
                let high = if to.after(self.sacked.1) { to } else { self.sacked.1 };
                self.sacked = (low, high);
            }
        }
        newly
    }

    /// The segment that ends at `end` has arrived; whether the oldest one was sent so long before it that it is lost (`tcp_rack_advance`,
    /// `tcp_rack_reo_wnd`). It is also a sample of the round-trip time, if it was sent but once.
    fn overtakes_head(&mut self, cx: &Cx<'_>, end: Seq) -> bool {
        let (sent, again) = self.flight.sent_with(end);
        let took = cx.micros().wrapping_sub(sent.at);
        // Sent again, and here sooner than ever: that was the first copy.
        if again && took < self.min_rtt {
            return false;
        }
        if !again {
            self.rtt_sample(cx, took);
        }
        let earlier = sent.at.wrapping_sub(self.flight.head().at) as i32;
        let may_overtake = (self.min_rtt >> 2).min(self.srtt >> 3);
        earlier > 0 && earlier as u32 >= may_overtake
    }

    /// Segments in a stretch.
    fn segments(&self, from: Seq, to: Seq) -> u32 {
        if to.after(from) { (to.diff(from) as u32).div_ceil(u32::from(self.mss).max(1)) } else { 0 }
    }

    /// Segments in flight that are known to have arrived beyond the ACK.
    pub(super) fn known_to_have_arrived(&self) -> u16 {
        let packets = self.flight.packets();
        self.segments(self.sacked.0, self.sacked.1).min(u32::from(packets)) as u16
    }

    /// Where that ends which recovery takes for lost.
    pub(super) fn lost_end(&self) -> Seq {
        if self.ca_state == CaState::Recovery && self.has_sacked() { self.sacked.0 } else { self.high_seq }
    }

    /// Segments that the network holds (`tcp_packets_in_flight`): neither known to have arrived nor lost and not sent again.
    pub(super) fn in_flight(&self) -> u32 {
        let packets = u32::from(self.flight.packets());
        let sacked = u32::from(self.sacked_out);
        let lost = match self.ca_state {
            CaState::Open | CaState::Disorder => 0,
            CaState::Recovery if !self.has_sacked() => 0,
            CaState::Recovery | CaState::Loss => {
                let from = if self.retransmit_high.before(self.snd_una) {
                    self.snd_una
                } else {
                    self.retransmit_high
                };
                let lost = self.segments(from, self.lost_end());
                // What has arrived of it is not lost.
                let low = if from.after(self.sacked.0) { from } else { self.sacked.0 };
                let end = self.lost_end();
                let high = if self.sacked.1.after(end) { end } else { self.sacked.1 };
                let arrived = if self.has_sacked() { self.segments(low, high) } else { 0 };
                lost.saturating_sub(arrived)
            }
        };
        packets.saturating_sub(sacked + lost)
    }
}
