//! RFC 9293 §3.10.7.4, seventh and eighth: the segment text and the FIN (`tcp_data_queue`, `tcp_fin`).

use super::endpoint::Endpoint;
use super::{Cx, Flags, Notice, Out, Segment, State, TimeWait, Why};
use crate::counter::Counter;
use crate::seq::Seq;

impl Endpoint {
    /// Takes the segment's text and FIN. If that ends the connection, answers the mini-socket that is left behind.
    pub(super) fn take_text(
        &mut self,
        cx: &mut Cx<'_>,
        seg: &Segment,
        out: &mut impl Out,
    ) -> Option<TimeWait> {
        if seg.seq_len() == 0 {
            return None;
        }
        self.dsack = None;
        let window = self.receive_window();
        let end = seg.end();
        if seg.seq == self.rcv_nxt {
            let bare_fin = seg.len == 0 && seg.flags.has(Flags::FIN);
            if window == 0 && !bare_fin {
                out.count(Counter::TcpExtTCPZeroWindowDrop);
                self.out_of_window(cx, Why::ZeroWindow, out);
            } else {
                return self.queue_in_order(cx, seg, out);
            }
        } else if !end.after(self.rcv_nxt) {
            out.count(Counter::TcpExtDelayedACKLost);
            if self.sack_ok {
                self.note_old_data(seg.seq, end, out);
            }
            self.out_of_window(cx, Why::Sequence, out);
        } else if !seg.seq.before(self.rcv_nxt + window) {
            self.out_of_window(cx, Why::Sequence, out);
        } else if seg.seq.before(self.rcv_nxt) {
            if self.sack_ok {
                self.note_old_data(seg.seq, self.rcv_nxt, out);
            }
            if window == 0 {
                out.count(Counter::TcpExtTCPZeroWindowDrop);
                self.out_of_window(cx, Why::ZeroWindow, out);
            } else {
                return self.queue_in_order(cx, seg, out);
            }
        } else {
            self.queue_out_of_order(cx, seg, out);
        }
        None
    }

    fn out_of_window(&mut self, cx: &Cx<'_>, why: Why, out: &mut impl Out) {
        out.refused(why);
        self.enter_quickack(cx);
        self.schedule_ack();
    }

    /// Old data came again: reported as a D-SACK block (RFC 2883).
    pub(super) fn note_old_data(&mut self, from: Seq, to: Seq, out: &mut impl Out) {
        if self.dsack.is_none() {
            out.count(Counter::TcpExtTCPDSACKOldSent);
        }
        self.dsack = Some((from, to));
    }

    fn queue_in_order(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) -> Option<TimeWait> {
        let mut successor = None;
        let data_end = seg.seq + seg.len + u32::from(seg.flags.has(Flags::SYN));
        let fresh = data_end.diff(self.rcv_nxt).max(0) as u32;
        self.rcv_nxt = seg.end();
        if seg.len > 0 {
            self.charge_in_order(cx, seg.len);
            self.data_received(cx, seg);
        }
        if seg.flags.has(Flags::FIN) {
            successor = self.take_fin(cx, out);
        }
        let mut readable = fresh;
        if !self.ofo.is_empty() && self.state() != State::Closed {
            let before = self.rcv_nxt;
            let (next, fin) = self.ofo.advance(before);
            readable += (next.diff(before) as u32).saturating_sub(u32::from(fin));
            self.rcv_nxt = next;
            if fin {
                successor = self.take_fin(cx, out);
            }
            if self.ofo.is_empty() {
                // RFC 5681 §4.2: an ACK at once when a gap is filled.
                self.ack_at_once();
            }
        }
        // An owner that lets go of the socket looks into it anyway.
        let heard_of = self.backlog.size > 0;
        if readable > 0 && !heard_of && !self.orphan && !self.rcv_shutdown_by_app() {
            out.notice(Notice::Readable { len: readable });
        }
        successor
    }

    fn queue_out_of_order(&mut self, cx: &Cx<'_>, seg: &Segment, out: &mut impl Out) {
        self.schedule_ack();
        self.measure_rcv_mss(cx, seg);
        out.count(Counter::TcpExtTCPOFOQueue);
        let known = self.ofo.insert(seg.seq, seg.end(), seg.flags.has(Flags::FIN));
        if known {
            out.count(Counter::TcpExtTCPOFOMerge);
        } else {
            self.charge_out_of_order(cx, seg.len);
        }
    }

    /// The application has shut down its reading side, the peer has not.
    fn rcv_shutdown_by_app(&self) -> bool {
        self.rcv_shutdown && !self.fin_received
    }

    /// The peer's FIN is next in sequence (`tcp_fin`).
    fn take_fin(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) -> Option<TimeWait> {
        let mut successor = None;
        self.schedule_ack();
        self.rcv_shutdown = true;
        self.fin_received = true;
        match self.state() {
            State::SynRecv | State::Established => {
                self.move_to(State::CloseWait, out);
                // The peer sends no more data, so our ACKs can wait for data of our own ("pingpong").
                self.pingpong = 1;
            }
            State::FinWait1 => {
                // Simultaneous close.
                self.send_ack(cx, out);
                self.move_to(State::Closing, out);
            }
            State::FinWait2 => {
                self.send_ack(cx, out);
                self.ofo.clear();
                successor = self.enter_time_wait(cx, None, out);
            }
            _ => {}
        }
        self.ofo.clear();
        if !self.orphan {
            out.notice(Notice::PeerClosed);
        }
        successor
    }
}
