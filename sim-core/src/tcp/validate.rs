//! RFC 9293 §3.10.7.4, first to fourth: timestamps, sequence number, RST, SYN (`tcp_validate_incoming`).

use super::context::{oow_limited, second_reached};
use super::endpoint::Endpoint;
use super::{Cx, Flags, Out, Segment, State, Why};
use crate::counter::Counter;
use crate::seq::Seq;

/// Seconds after which TS.Recent says nothing any more (`TCP_PAWS_WRAP`).
const PAWS_WRAP: u32 = 2147;
/// Seconds after which a RST need not pass PAWS (`TCP_PAWS_MSL`).
const PAWS_MSL: u32 = 60;

/// Whether a timestamp may be as old as `slack` below TS.Recent and still pass (`tcp_paws_check`).
pub(crate) fn paws_passes(cx: &Cx<'_>, ts_recent: u32, stamp: u32, tsval: u32, slack: i32) -> bool {
    (ts_recent.wrapping_sub(tsval) as i32) <= slack
        || second_reached(cx.seconds(), stamp.wrapping_add(PAWS_WRAP))
        || ts_recent == 0
}

/// Whether PAWS rejects a segment for a connection that is not fully there (`tcp_paws_reject`).
pub(crate) fn paws_rejects(cx: &Cx<'_>, ts_recent: u32, stamp: u32, tsval: u32, rst: bool) -> bool {
    let excused = rst && second_reached(cx.seconds(), stamp.wrapping_add(PAWS_MSL));
    !excused && !paws_passes(cx, ts_recent, stamp, tsval, 0)
}

/// Whether a segment touches the window `[lo, hi)` (`tcp_in_window`).
pub(crate) fn in_window(seg: &Segment, lo: Seq, hi: Seq) -> bool {
    seg.seq == lo || (seg.end().after(lo) && seg.seq.before(hi)) || (seg.seq == hi && seg.seq == seg.end())
}

/// The verdict of the sequence check (`tcp_sequence`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Acceptable,
    Old,
    Beyond,
}

impl Endpoint {
    /// Reads the timestamps option, if the connection uses it.
    pub(super) fn parse_timestamps(&mut self, seg: &Segment, in_use: bool) {
        self.saw_tstamp = false;
        if let (true, Some(ts)) = (in_use, seg.ts) {
            self.saw_tstamp = true;
            self.rcv_tsval = ts.val;
            self.rcv_tsecr = if ts.ecr == 0 { 0 } else { ts.ecr.wrapping_sub(self.ts_offset) };
        }
    }

    /// Whether the segment may be processed further.
    pub(super) fn validate(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) -> bool {
        let rst = seg.flags.has(Flags::RST);
        let syn = seg.flags.has(Flags::SYN);
        if self.saw_tstamp && !rst && self.fails_paws(cx, seg) {
            out.refused(Why::Paws);
            if syn {
                self.challenge_syn(cx, out);
            } else if cx.cfg.old_ack_unanswered && self.is_old_pure_ack(seg) {
                // Common when ACKs were reordered, so no longer answered (Linux 6.14 and later).
                out.count(Counter::TcpExtPAWSOldAck);
            } else {
                out.count(Counter::TcpExtPAWSEstab);
                self.duplicate_ack_limited(cx, seg, Counter::TcpExtTCPACKSkippedPAWS, out);
            }
            return false;
        }
        let position = self.position(cx, seg);
        if position != Position::Acceptable {
            self.refuse_position(cx, seg, position, out);
            return false;
        }
        if rst {
            let hits = seg.seq == self.rcv_nxt
                || self.resets_after_fin(seg)
                || (self.sack_ok && self.ofo.right_edge() == Some(seg.seq));
            if hits {
                self.reset_received(out);
            } else {
                // RFC 5961 §3.2
                out.refused(Why::Reset);
                self.challenge(cx, out);
            }
            return false;
        }
        if syn && !self.completes_simultaneous_open(seg) {
            out.refused(Why::Syn);
            self.challenge_syn(cx, out);
            return false;
        }
        true
    }

    /// PAWS (RFC 7323 §5.3), with an exception for a pure duplicate ACK of hardly older age
    /// (`tcp_disordered_ack_check`).
    fn fails_paws(&self, cx: &Cx<'_>, seg: &Segment) -> bool {
        if paws_passes(cx, self.ts_recent, self.ts_recent_stamp, self.rcv_tsval, 1) {
            return false;
        }
        let pure_ack = seg.flags.has(Flags::ACK) && seg.seq_len() == 0;
        // tcp_tsval_replay: how much older a timestamp a middlebox may replay, in milliseconds.
        let replay = self.rto / 1_000 * 6 / 5;
        let disordered = pure_ack
            && seg.seq == self.rcv_nxt
            && seg.ack == self.snd_una
            && !self.may_update_window(seg)
            && (self.ts_recent.wrapping_sub(self.rcv_tsval) as i32) <= replay as i32;
        !disordered
    }

    fn is_old_pure_ack(&self, seg: &Segment) -> bool {
        seg.flags.has(Flags::ACK) && seg.seq_len() == 0 && seg.seq.before(self.rcv_nxt)
    }

    /// Where the segment lies. Before 6.18, only its beginning counted (see `checks_right_edge`).
    fn position(&self, cx: &Cx<'_>, seg: &Segment) -> Position {
        let right = self.rcv_nxt + self.receive_window();
        if seg.end().before(self.rcv_wup) {
            return Position::Old;
        }
        if !cx.cfg.checks_right_edge {
            return if seg.seq.after(right) { Position::Beyond } else { Position::Acceptable };
        }
        let end_of_data = seg.seq + seg.len + u32::from(seg.flags.has(Flags::SYN));
        // A FIN may stick out; and an application that has read everything gets the benefit of the doubt.
        let fits = !end_of_data.after(right) || (!seg.seq.after(right) && self.nothing_queued());
        if fits { Position::Acceptable } else { Position::Beyond }
    }

    fn refuse_position(&mut self, cx: &mut Cx<'_>, seg: &Segment, position: Position, out: &mut impl Out) {
        out.refused(Why::Sequence);
        if seg.flags.has(Flags::RST) {
            if self.resets_after_fin(seg) {
                self.reset_received(out);
            }
        } else if seg.flags.has(Flags::SYN) {
            self.challenge_syn(cx, out);
        } else {
            if position == Position::Beyond && cx.cfg.checks_right_edge {
                out.count(Counter::TcpExtBeyondWindow);
            }
            self.duplicate_ack_limited(cx, seg, Counter::TcpExtTCPACKSkippedSeq, out);
        }
    }

    /// After the peer's FIN, a RST one below RCV.NXT counts too: the peer may have missed our ACK of its FIN
    /// (`tcp_reset_check`).
    fn resets_after_fin(&self, seg: &Segment) -> bool {
        seg.seq + 1 == self.rcv_nxt
            && matches!(self.state(), State::CloseWait | State::LastAck | State::Closing)
    }

    /// The SYN,ACK of the other side of a simultaneous open.
    fn completes_simultaneous_open(&self, seg: &Segment) -> bool {
        self.state() == State::SynRecv
            && !self.orphan
            && seg.flags.has(Flags::ACK)
            && seg.seq_len() == 1
            && seg.end() == self.rcv_nxt
            && seg.ack == self.snd_nxt
    }

    fn challenge_syn(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        if self.state() == State::Established {
            out.count(Counter::TcpInErrs);
        }
        out.count(Counter::TcpExtTCPSYNChallenge);
        self.challenge(cx, out);
    }

    /// Challenge ACK (RFC 5961 §3 to §5, §7), limited per socket and per host.
    pub(super) fn challenge(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        if oow_limited(cx, &mut self.last_oow_ack) {
            out.count(Counter::TcpExtTCPACKSkippedChallenge);
        } else if cx.take_challenge() {
            out.count(Counter::TcpExtTCPChallengeACK);
            self.send_ack(cx, out);
        }
    }

    /// A duplicate ACK, unless the segment could be part of an ACK loop and one was sent just now.
    fn duplicate_ack_limited(
        &mut self,
        cx: &mut Cx<'_>,
        seg: &Segment,
        skipped: Counter,
        out: &mut impl Out,
    ) {
        if limitable(seg) && oow_limited(cx, &mut self.last_oow_ack) {
            out.count(skipped);
        } else {
            self.send_duplicate_ack(cx, seg, out);
        }
    }

    /// `tcp_send_dupack`
    fn send_duplicate_ack(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) {
        if seg.seq_len() != 0 && seg.seq.before(self.rcv_nxt) {
            out.count(Counter::TcpExtDelayedACKLost);
            self.enter_quickack(cx);
            if self.sack_ok {
                let end = if seg.end().after(self.rcv_nxt) { self.rcv_nxt } else { seg.end() };
                self.note_old_data(seg.seq, end, out);
            }
        }
        self.send_ack(cx, out);
    }

    /// Keeps TS.Recent up to date (RFC 7323 §4.3; `tcp_replace_ts_recent`).
    pub(super) fn replace_ts_recent(&mut self, cx: &Cx<'_>, seq: Seq) {
        if self.saw_tstamp
            && !seq.after(self.rcv_wup)
            && paws_passes(cx, self.ts_recent, self.ts_recent_stamp, self.rcv_tsval, 0)
        {
            self.store_ts_recent(cx);
        }
    }
    pub(super) fn store_ts_recent(&mut self, cx: &Cx<'_>) {
        self.ts_recent = self.rcv_tsval;
        self.ts_recent_stamp = cx.seconds();
    }
}

/// Whether a segment could keep an ACK loop alive: it carries no data, or a SYN (`tcp_oow_rate_limited`).
pub(crate) fn limitable(seg: &Segment) -> bool {
    seg.seq_len() == 0 || seg.flags.has(Flags::SYN)
}
