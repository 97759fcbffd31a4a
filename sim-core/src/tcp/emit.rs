//! Sending: new data as far as windows and Nagle allow, ACKs, RSTs, retransmissions (tcp_output.c).

use super::endpoint::{CaState, Endpoint, Pending};
use super::{Cx, Flags, Out, Segment, SynOptions, TsOption};
use crate::counter::Counter;
use crate::seq::Seq;

/// A range of sequence space.
pub(super) type Range = (Seq, Seq);

impl Endpoint {
    /// The timestamps option of an outgoing segment.
    pub(super) fn stamp(&self, cx: &Cx<'_>) -> Option<TsOption> {
        self.tstamp_ok
            .then(|| TsOption { val: cx.millis().wrapping_add(self.ts_offset), ecr: self.ts_recent })
    }

    /// The fields that every segment of a synchronised connection shares; carries the ACK that is owed.
    fn segment(&mut self, cx: &Cx<'_>, flags: Flags, seq: Seq, out: &mut impl Out) -> Segment {
        let win = self.offer_window(cx, out);
        self.ack_sent(cx);
        let (sack, sack2) = self.sack_blocks();
        Segment {
            seq,
            ack: self.rcv_nxt,
            win,
            flags: flags.with(Flags::ACK),
            ts: self.stamp(cx),
            sack,
            sack2,
            ..Segment::default()
        }
    }

    /// SACK blocks to report: data that came twice first (RFC 2883 §4), then what waits out of order.
    fn sack_blocks(&mut self) -> (Option<Range>, Option<Range>) {
        if !self.sack_ok {
            return (None, None);
        }
        let (first, second) = self.ofo.blocks();
        match self.dsack.take() {
            Some(twice) => (Some(twice), first),
            None => (first, second),
        }
    }

    /// A pure ACK. Its number stays inside the peer's window (`tcp_acceptable_seq`).
    pub(super) fn send_ack(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        let seq = self.acceptable_seq();
        let seg = self.segment(cx, Flags::ACK, seq, out);
        out.count(Counter::TcpOutSegs);
        out.segment(seg);
    }

    fn acceptable_seq(&self) -> Seq {
        let end = self.window_end();
        let rounding = 1_i32 << self.rcv_wscale;
        if !end.before(self.snd_nxt) || (self.wscale_ok && self.snd_nxt.diff(end) < rounding) {
            self.snd_nxt
        } else {
            end
        }
    }

    /// RST because we abort (`tcp_send_active_reset`).
    pub(super) fn send_reset(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        let seq = self.acceptable_seq();
        let seg = self.segment(cx, Flags::RST, seq, out);
        out.count(Counter::TcpOutSegs);
        out.count(Counter::TcpOutRsts);
        out.segment(seg);
    }

    /// The segment `[from, to)` of the stream; FIN and PSH where they belong.
    fn stream_segment(&mut self, cx: &Cx<'_>, from: Seq, to: Seq, out: &mut impl Out) -> Segment {
        let data_end = self.data_end();
        let mut flags = Flags::ACK;
        let fin = self.fin_queued && to == self.write_seq;
        let len = to.diff(from) as u32 - u32::from(fin);
        if fin {
            flags = flags.with(Flags::FIN);
        }
        // A write ends here; or it passes half of the peer's largest window, which pushes (`forced_push`).
        // A segment sent again keeps the flag, even if its data are acknowledged by now.
        let head = from.before(self.snd_nxt) && from == self.snd_una;
        let write_ends = len > 0 && (from + len == data_end || len > self.max_window / 2);
        if write_ends || (head && self.flight.head_pushes(to)) {
            flags = flags.with(Flags::PSH);
        }
        if len > 0 {
            self.data_sent(cx);
        }
        let mut seg = self.segment(cx, flags, from, out);
        seg.len = len;
        seg
    }

    /// Where the next new segment would end.
    pub(super) fn next_segment_end(&self) -> Seq {
        let limit = self.snd_nxt + u32::from(self.mss);
        let end = self.write_seq;
        // A FIN rides on a full segment: it occupies a number, but no room.
        let fits = !end.after(limit) || (self.fin_queued && end == limit + 1);
        if fits { end } else { limit }
    }

    /// Nagle's algorithm with Minshall's change: a small segment waits for an earlier small one (`tcp_nagle_check`).
    fn nagle_holds(&self, end: Seq, nagle_off: bool) -> bool {
        let small = end.diff(self.snd_nxt) < i32::from(self.mss);
        let earlier_small = self.snd_sml.after(self.snd_una) && !self.snd_sml.after(self.snd_nxt);
        let fin = self.fin_queued && end == self.write_seq;
        small && !nagle_off && !self.nodelay && !fin && self.flight.packets() > 0 && earlier_small
    }

    /// Sends what may be sent (`tcp_write_xmit`). With `once`, one segment, whatever the congestion window says.
    /// Answers whether something was sent.
    pub(super) fn transmit_new(
        &mut self,
        cx: &mut Cx<'_>,
        nagle_off: bool,
        once: bool,
        out: &mut impl Out,
    ) -> bool {
        let mut sent = false;
        let mut rearm = false;
        while self.has_unsent() {
            if !once && self.in_flight() >= self.cwnd {
                break;
            }
            let mut end = self.next_segment_end();
            let edge = self.window_end();
            if end.after(edge) {
                // Full segments leave in one buffer, and what is left of the window goes with them (`tcp_mss_split_point`).
                if !sent || !edge.after(self.snd_nxt) {
                    break;
                }
                end = edge;
            }
            if self.nagle_holds(end, nagle_off) {
                break;
            }
            rearm |= self.send_new(cx, end, false, out);
            sent = true;
            if once {
                break;
            }
        }
        // One timer serves both, so the RTO need not be armed where a probe comes first.
        let probing = sent && !once && self.schedule_loss_probe(cx, false);
        if rearm && !probing {
            self.rearm_rto(cx);
        }
        sent
    }

    /// Sends `[snd_nxt, end)` for the first time, with PSH if `push` wants it (`tcp_event_new_data_sent`).
    /// Answers whether the retransmission timer has to be armed.
    pub(super) fn send_new(&mut self, cx: &mut Cx<'_>, end: Seq, push: bool, out: &mut impl Out) -> bool {
        let from = self.snd_nxt;
        let mut seg = self.stream_segment(cx, from, end, out);
        if push {
            seg.flags = seg.flags.with(Flags::PSH);
        }
        if seg.len > 0 && seg.len < u32::from(self.mss) {
            self.snd_sml = end;
        }
        out.count(Counter::TcpOutSegs);
        out.count(Counter::TcpExtTCPOrigDataSent);
        out.segment(seg);
        self.snd_nxt = end;
        let first = self.flight.packets() == 0;
        self.flight.push(end, cx.micros(), seg.flags.has(Flags::PSH));
        first || self.pending == Pending::LossProbe
    }

    /// Sends what may be sent, or begins to probe a closed window (`__tcp_push_pending_frames`).
    pub(super) fn push_pending(&mut self, cx: &mut Cx<'_>, nagle_off: bool, out: &mut impl Out) {
        if !self.has_unsent() {
            return;
        }
        let sent = self.transmit_new(cx, nagle_off, false, out);
        if !sent && self.flight.packets() == 0 && self.pending == Pending::None {
            let base = self.probe_base(cx);
            self.arm_transmit(cx, Pending::Persist, base);
        }
    }

    /// Queues the FIN; it rides on the last data that wait (`tcp_send_fin`).
    pub(super) fn send_fin(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        self.fin_queued = true;
        self.write_seq += 1;
        self.push_pending(cx, true, out);
    }

    /// Sends the oldest segment again, small followers along with it; answers where it ended, which in a flight of many
    /// segments is far before the end of the last entry.
    pub(super) fn retransmit_head(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) -> Seq {
        let window = self.window_end();
        let end = if self.syn_in_flight {
            self.flight.head().end
        } else {
            // What the peer has is not sent along.
            let edge = if self.has_sacked() && window.after(self.sacked.0) { self.sacked.0 } else { window };
            self.flight.collapse_head(self.snd_una, u32::from(self.mss), edge)
        };
        let from = self.snd_una;
        self.flight.head_resent(cx.micros(), true);
        self.undo.repaired();
        self.push_retransmission(cx, from, end, out);
        if self.retrans_stamp == 0 {
            self.retrans_stamp = cx.retrans_stamp();
        }
        end
    }

    /// Sends the last segment again, as a probe (`tcp_send_loss_probe`).
    pub(super) fn retransmit_last(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        let from = self.flight.last_start(self.snd_una, u32::from(self.mss));
        let from = if from.before(self.snd_una) { self.snd_una } else { from };
        self.flight.last_resent(cx.micros());
        let end = self.snd_nxt;
        self.push_retransmission(cx, from, end, out);
    }

    fn push_retransmission(&mut self, cx: &mut Cx<'_>, from: Seq, end: Seq, out: &mut impl Out) {
        let mut seg = if self.syn_in_flight && from == self.snd_una {
            self.syn_segment(cx)
        } else {
            self.stream_segment(cx, from, end, out)
        };
        seg.rtx = true;
        self.undo.sent_again();
        out.count(Counter::TcpRetransSegs);
        if seg.flags.has(Flags::SYN) {
            out.count(Counter::TcpExtTCPSynRetrans);
        }
        out.segment(seg);
    }

    /// Sends lost segments again as far as the congestion window allows (`tcp_xmit_retransmit_queue`).
    pub(super) fn retransmit_lost(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        let mss = u32::from(self.mss);
        let recovery = self.ca_state == CaState::Recovery;
        // Without SACK one segment is known to be lost, the first.
        let singly = recovery && !self.has_sacked();
        let mut budget = if singly { 1 } else { self.cwnd.saturating_sub(self.in_flight()) };
        let lost_end = self.lost_end();
        while budget > 0 && self.retransmit_high.before(lost_end) {
            let from = self.retransmit_high;
            if self.has_sacked() && !from.before(self.sacked.0) && from.before(self.sacked.1) {
                self.retransmit_high = self.sacked.1;
                continue;
            }
            if from == self.snd_una {
                self.retransmit_high = self.retransmit_head(cx, out);
                self.arm_transmit(cx, Pending::Retransmit, self.rto_span());
            } else {
                let in_hole = self.has_sacked() && from.before(self.sacked.0);
                let edge = if in_hole && lost_end.after(self.sacked.0) { self.sacked.0 } else { lost_end };
                let end = if (from + mss).after(edge) { edge } else { from + mss };
                self.flight.distrust_times();
                self.undo.repaired();
                self.push_retransmission(cx, from, end, out);
                self.retransmit_high = end;
            }
            out.count(if recovery {
                Counter::TcpExtTCPFastRetrans
            } else {
                Counter::TcpExtTCPSlowStartRetrans
            });
            budget -= 1;
        }
    }

    /// Whether the connection does not stand yet.
    pub(super) fn connecting(&self) -> bool {
        matches!(self.state(), super::State::SynSent | super::State::SynRecv)
    }

    /// Our SYN, or SYN,ACK in a simultaneous open.
    pub(super) fn syn_segment(&mut self, cx: &Cx<'_>) -> Segment {
        let syn_ack = self.state() != super::State::SynSent;
        if syn_ack {
            self.ack_sent(cx);
        }
        Segment {
            seq: self.snd_una,
            ack: if syn_ack { self.rcv_nxt } else { Seq(0) },
            // Never scaled (RFC 7323 §2.2).
            win: self.rcv_wnd.min(65_535) as u16,
            flags: if syn_ack { Flags::SYN_ACK } else { Flags::SYN },
            // Offered by our own wish, whatever the peer's SYN had (`tcp_syn_options`).
            ts: Endpoint::timestamps_allowed(cx)
                .then(|| TsOption { val: cx.millis().wrapping_add(self.ts_offset), ecr: self.ts_recent }),
            syn: SynOptions {
                mss: cx.cfg.mss,
                wscale: cx.cfg.window_scaling.then_some(self.rcv_wscale),
                sack_ok: cx.cfg.sack,
            },
            ..Segment::default()
        }
    }

    /// A zero-window or keep-alive probe: an ACK with a number just below the window, which must be answered
    /// (`tcp_xmit_probe_skb`).
    pub(super) fn send_probe(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        let seq = self.snd_una - 1;
        let seg = self.segment(cx, Flags::ACK, seq, out);
        out.count(Counter::TcpOutSegs);
        out.segment(seg);
    }
}

/// A RST in answer to a segment for which there is no socket, or none that can use it (`tcp_v4_send_reset`).
pub(crate) fn reply_with_reset(seg: &Segment, out: &mut impl Out) {
    if seg.flags.has(Flags::RST) {
        return;
    }
    let reset = if seg.flags.has(Flags::ACK) {
        Segment { seq: seg.ack, flags: Flags::RST, ..Segment::default() }
    } else {
        Segment { ack: seg.end(), flags: Flags::RST_ACK, ..Segment::default() }
    };
    out.count(Counter::TcpOutSegs);
    out.count(Counter::TcpOutRsts);
    out.segment(reset);
}
