//! What has been sent and not acknowledged: the ends of segments, and when they were sent.
//!
//! Stands for the kernel's retransmit queue. The first few segments are kept exactly, because a
//! probe or a retransmission carries the bytes that were sent together. Beyond them, the last entry stands for several
//! segments.

use super::emit::Range;
use crate::seq::Seq;

const EXACT: usize = 4;

/// One entry: a segment, or (the last one only) several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    /// The sequence number after it.
    pub end: Seq,
    /// Microsecond of its last transmission, modulo 2³².
    pub at: u32,
}

/// The segments in flight, oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    sent: [Sent; EXACT],
    len: u8,
    /// Bit i: entry i was retransmitted at least once (`TCPCB_EVER_RETRANS`).
    ever: u8,
    /// Bit i: its last retransmission is not known to be lost (`TCPCB_SACKED_RETRANS`).
    rtx: u8,
    /// Bit i: entry i ends where a write ended, so it carries PSH.
    psh: u8,
    packets: u16,
}

/// What an ACK took off the queue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acked {
    /// Segments acknowledged in full.
    pub packets: u16,
    /// Send time of the oldest of them, if none of them was ever retransmitted.
    pub first_at: Option<u32>,
    /// One of them had been retransmitted.
    pub retransmitted: bool,
    /// Where the first began that was sent but once and not known to have arrived.
    pub once: Option<Seq>,
}

impl Flight {
    /// Nothing in flight.
    pub(super) const EMPTY: Flight =
        Flight { sent: [Sent { end: Seq(0), at: 0 }; EXACT], len: 0, ever: 0, rtx: 0, psh: 0, packets: 0 };

    /// Segments in flight (`packets_out`).
    pub(super) const fn packets(&self) -> u16 {
        self.packets
    }
    /// The oldest segment.
    pub(super) const fn head(&self) -> Sent {
        self.sent[0]
    }
    /// When the segment that ends at `end` was last sent, and whether more than once.
    pub(super) fn sent_with(&self, end: Seq) -> (Sent, bool) {
        let last = usize::from(self.len).saturating_sub(1);
        let here = self.sent[..last].iter().position(|sent| !sent.end.before(end)).unwrap_or(last);
        (self.sent[here], self.ever >> here & 1 != 0)
    }
    /// Adds a segment sent for the first time; `psh`: it carries PSH.
    pub(super) fn push(&mut self, end: Seq, at: u32, psh: bool) {
        self.packets = self.packets.saturating_add(1);
        let len = usize::from(self.len);
        if len < EXACT {
            self.sent[len] = Sent { end, at };
            self.len += 1;
        } else {
            self.sent[EXACT - 1].end = end;
        }
        self.psh |= u8::from(psh) << (self.len - 1);
    }
    /// Whether the segment from the head to `end` carries PSH.
    pub(super) fn head_pushes(&self, end: Seq) -> bool {
        self.psh & 1 != 0 && end == self.sent[0].end
    }
    /// Everything up to `ack` has arrived, and what is `known` had before; `una` is where the queue began, `mss` the size of
    /// segments inside a merged entry.
    pub(super) fn acknowledge(&mut self, una: Seq, ack: Seq, mss: u32, known: Range) -> Acked {
        let mut acked = Acked::default();
        let mut start = una;
        while self.len > 0 && !self.sent[0].end.after(ack) {
            let gone = if self.len == 1 { self.packets } else { self.in_head(start, mss) };
            let end = self.sent[0].end;
            if start.before(known.0) || end.after(known.1) {
                self.note_once(start, &mut acked);
            }
            self.take_off(gone, &mut acked);
            start = end;
            self.pop();
        }
        // Of a merged entry the first segments may be gone.
        if self.len > 0 && self.packets > u16::from(self.len) && ack.after(start) {
            let left = self.in_head(ack, mss);
            let before = if self.len == 1 { self.packets } else { self.in_head(start, mss) };
            let gone = before.saturating_sub(left);
            if gone > 0 {
                self.note_once(start, &mut acked);
                self.take_off(gone, &mut acked);
            }
        }
        if acked.retransmitted {
            acked.first_at = None;
        }
        acked
    }
    /// Segments of the head entry from `start` on: all are full but perhaps the last, on which a FIN may ride.
    fn in_head(&self, start: Seq, mss: u32) -> u16 {
        let len = self.sent[0].end.diff(start) as u32;
        let most = self.packets.saturating_sub(u16::from(self.len) - 1);
        (len.saturating_sub(1).div_ceil(mss.max(1)).max(1) as u16).min(most.max(1))
    }
    fn note_once(&self, start: Seq, acked: &mut Acked) {
        if self.ever & 1 == 0 {
            acked.once = acked.once.or(Some(start));
        }
    }
    /// So many segments of the head entry are acknowledged.
    fn take_off(&mut self, gone: u16, acked: &mut Acked) {
        acked.retransmitted |= self.ever & 1 != 0;
        if acked.packets == 0 {
            acked.first_at = Some(self.sent[0].at);
        }
        acked.packets += gone;
        self.packets -= gone;
    }
    fn pop(&mut self) {
        self.sent.copy_within(1.., 0);
        self.len -= 1;
        self.ever >>= 1;
        self.rtx >>= 1;
        self.psh >>= 1;
    }
    /// How far a retransmission of the head reaches: at most `mss` bytes, following small segments taken along
    /// (`tcp_retrans_try_collapse`).
    pub(super) fn collapse_head(&mut self, una: Seq, mss: u32, window_end: Seq) -> Seq {
        let limit = una + mss;
        while self.len > 1 && !self.sent[1].end.after(limit) && !self.sent[1].end.after(window_end) {
            self.sent[0].end = self.sent[1].end;
            self.sent.copy_within(2.., 1);
            let low = (self.ever & 1, self.rtx & 1, self.psh & 1);
            self.ever = ((self.ever >> 1) & !1) | low.0;
            self.rtx = ((self.rtx >> 1) & !1) | low.1;
            self.psh = (self.psh >> 1) | low.2;
            self.len -= 1;
            self.packets = self.packets.saturating_sub(1).max(1);
        }
        if self.sent[0].end.after(limit + 1) { limit } else { self.sent[0].end }
    }
    /// The head left once more in another shape, which does not count as a retransmission.
    pub(super) fn head_reshaped(&mut self, at: u32) {
        self.sent[0].at = at;
    }
    /// The head was sent again. `marked`: by the retransmission machinery, not by a tail loss probe.
    pub(super) fn head_resent(&mut self, at: u32, marked: bool) {
        self.sent[0].at = at;
        self.ever |= 1;
        self.rtx |= u8::from(marked);
    }
    /// Where the last segment begins; `mss` bounds it within a merged entry.
    pub(super) fn last_start(&self, una: Seq, mss: u32) -> Seq {
        let len = usize::from(self.len);
        let start = if len > 1 { self.sent[len - 2].end } else { una };
        let end = self.sent[len - 1].end;
        let len = end.diff(start) as u32;
        if len <= mss + 1 {
            return start;
        }
        // Within a merged entry all are full but perhaps the last.
        let rest = len % mss.max(1);
        end - if rest == 0 { mss } else { rest }
    }
    /// The last segment was sent again by a probe.
    pub(super) fn last_resent(&mut self, at: u32) {
        let last = usize::from(self.len) - 1;
        self.sent[last].at = at;
        self.ever |= 1 << last;
    }
    /// Segments behind the head are sent again: from here on their send times say nothing (Karn's rule, RFC 6298 §3).
    pub(super) fn distrust_times(&mut self) {
        self.ever = (1 << self.len) - 1;
    }
    /// Retransmissions that are not known to be lost, as far as they are kept (`retrans_out`).
    pub(super) fn retransmissions(&self) -> u16 {
        self.rtx.count_ones() as u16
    }
    /// Takes all retransmissions for lost (`tcp_timeout_mark_lost`); answers how many there were.
    pub(super) fn lose_retransmissions(&mut self) -> u16 {
        let lost = self.retransmissions();
        self.rtx = 0;
        lost
    }
    /// Moves sequence numbers and send times. Places that hold no segment are blank before and after.
    pub(super) fn shift(&mut self, seq: u32, micros: u32) {
        let len = usize::from(self.len);
        for sent in &mut self.sent[..len] {
            sent.end += seq;
            sent.at = sent.at.wrapping_add(micros);
        }
        self.sent[len..].fill(Sent::default());
    }
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Flight::EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::tcp::scoreboard::NOTHING;

    const MSS: u32 = 1448;

    /// Ten segments, of which the last seven share an entry; each ACK of one makes room for two.
    #[test]
    fn each_acknowledgment_counts_though_segments_share_an_entry() {
        let mut flight = Flight::EMPTY;
        let mut sent = 0;
        let mut send = |flight: &mut Flight, count: u32| {
            for _ in 0..count {
                sent += MSS;
                flight.push(Seq(sent), 0, false);
            }
        };
        send(&mut flight, 10);
        for n in 0..10 {
            let una = Seq(n * MSS);
            assert_eq!(flight.acknowledge(una, una + MSS, MSS, NOTHING).packets, 1, "ACK {n}");
            send(&mut flight, 2);
            assert_eq!(u32::from(flight.packets()), 11 + n);
        }
        let acked = flight.acknowledge(Seq(10 * MSS), Seq(30 * MSS), MSS, NOTHING);
        assert_eq!((acked.packets, flight.packets()), (20, 0));
    }

    #[test]
    fn a_fin_that_rides_on_a_full_segment_is_no_segment_of_its_own() {
        let mut flight = Flight::EMPTY;
        for n in 1..=6 {
            flight.push(Seq(n * MSS + u32::from(n == 6)), 0, false);
        }
        assert_eq!(
            flight.acknowledge(Seq(0), Seq(6 * MSS), MSS, NOTHING).packets,
            5,
            "all but the FIN's segment"
        );
        assert_eq!(flight.acknowledge(Seq(6 * MSS), Seq(6 * MSS + 1), MSS, NOTHING).packets, 1);
    }

    /// What is known of a segment moves to the head with it, and what was known of the one before is gone.
    #[test]
    fn marks_move_up_with_their_segments() {
        let mut flight = Flight::EMPTY;
        for n in 1..=3 {
            flight.push(Seq(n * MSS), n, n == 2);
        }
        flight.head_resent(9, true);
        assert!(flight.acknowledge(Seq(0), Seq(MSS), MSS, NOTHING).retransmitted);
        assert!(flight.head_pushes(Seq(2 * MSS)));
        let second = flight.acknowledge(Seq(MSS), Seq(2 * MSS), MSS, NOTHING);
        assert_eq!((second.retransmitted, second.first_at), (false, Some(2)));
        assert!(!flight.head_pushes(Seq(3 * MSS)));
        assert_eq!(flight.lose_retransmissions(), 0);
    }

    /// A tail loss probe repeats the last segment: with the FIN that rides on it, and no more than what its entry holds.
    #[test]
    fn the_last_segment_begins_where_the_one_before_ends() {
        let mut flight = Flight::EMPTY;
        flight.push(Seq(MSS + 1), 0, false);
        assert_eq!(flight.last_start(Seq(0), MSS), Seq(0), "a full segment and the FIN on it");
        let mut merged = Flight::EMPTY;
        for n in 1..=6 {
            merged.push(Seq(n * MSS), 0, false);
        }
        assert_eq!(merged.last_start(Seq(0), MSS), Seq(5 * MSS), "all are full");
        merged.push(Seq(6 * MSS + 100), 0, false);
        assert_eq!(merged.last_start(Seq(0), MSS), Seq(6 * MSS), "the last is not");
    }
}
