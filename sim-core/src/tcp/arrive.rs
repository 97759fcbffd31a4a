//! SEGMENT ARRIVES (RFC 9293 §3.10.7) for a full socket: the order of steps (`tcp_rcv_established`,
//! `tcp_rcv_state_process`). The steps themselves stand in files of their own.

use core::ops::ControlFlow::{self, Break, Continue};

use super::ack::AckOutcome;
use super::endpoint::{Endpoint, LINGER2_NEVER};
use super::{Cx, Flags, Notice, Out, Segment, State, TimeWait, Why, reply_with_reset};
use crate::counter::Counter;

/// Whether to go on with a segment after a step; if not, the mini-socket that is left behind by it, if any.
type Flow = ControlFlow<Option<TimeWait>>;

impl Endpoint {
    /// Answers the mini-socket that the segment makes of the endpoint, if it does.
    pub(super) fn process(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) -> Option<TimeWait> {
        if self.backlog.owned {
            if self.waits_for_owner(seg) {
                return None;
            }
            // What is not held is taken behind what is.
            self.release(cx, out);
        }
        match self.state() {
            State::Closed | State::TimeWait | State::Listen => reply_with_reset(seg, out),
            State::SynSent => self.process_syn_sent(cx, seg, out),
            _ => return self.process_synchronised(cx, seg, out),
        }
        None
    }

    fn process_synchronised(
        &mut self,
        cx: &mut Cx<'_>,
        seg: &Segment,
        out: &mut impl Out,
    ) -> Option<TimeWait> {
        let telling = Flags::ACK.0 | Flags::RST.0 | Flags::SYN.0;
        if seg.flags.0 & telling == 0 {
            out.refused(Why::Flags);
            return None;
        }
        self.parse_timestamps(seg, self.tstamp_ok);
        if self.is_predicted(cx, seg) {
            self.process_predicted(cx, seg, out);
            return None;
        }
        if !self.validate(cx, seg, out) {
            return None;
        }
        let outcome = self.acknowledge(cx, seg, false, out);
        if self.state() == State::SynRecv && outcome != AckOutcome::Taken {
            out.refused(Why::Ack);
            reply_with_reset(seg, out);
            return None;
        }
        if outcome == AckOutcome::Refused {
            self.refuse_ack(cx, out);
            return None;
        }
        if let Break(successor) = self.after_ack(cx, seg, out) {
            return successor;
        }
        if let Break(successor) = self.process_text(cx, seg, out) {
            return successor;
        }
        self.push_pending(cx, false, out);
        self.acknowledge_if_due(cx, out);
        None
    }

    /// Header prediction: the segment is the next one, with nothing unusual about it (`tcp_rcv_established`).
    fn is_predicted(&self, cx: &Cx<'_>, seg: &Segment) -> bool {
        let plain = Flags(seg.flags.0 & !Flags::PSH.0) == Flags::ACK;
        self.state() == State::Established
            && plain
            && (seg.len == 0 || self.memory_at_hand(cx, seg.len))
            && seg.seq == self.rcv_nxt
            && seg.len <= self.receive_window()
            && !seg.ack.after(self.snd_nxt)
            && u32::from(seg.win) << self.snd_wscale == self.snd_wnd
            && self.ofo.is_empty()
            && self.rcv_wnd != 0
            && self.saw_tstamp == self.tstamp_ok
            && (!self.tstamp_ok || self.rcv_tsval.wrapping_sub(self.ts_recent) as i32 >= 0)
            && seg.sack.is_none()
    }

    /// The fast path differs in two ways that show: a pure ACK never makes us acknowledge anything, and data count
    /// even if the ACK beside them is refused.
    fn process_predicted(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) {
        if self.tstamp_ok && self.rcv_nxt == self.rcv_wup {
            self.store_ts_recent(cx);
        }
        if seg.len > 0 {
            out.count(Counter::TcpExtTCPHPHits);
            // Without a FIN, nothing is left behind.
            let _ = self.take_text(cx, seg, out);
        }
        if self.acknowledge(cx, seg, true, out) == AckOutcome::Refused {
            self.refuse_ack(cx, out);
        }
        self.push_pending(cx, false, out);
        if seg.len > 0 {
            self.acknowledge_if_due(cx, out);
        }
    }

    /// What the ACK means for the state: the second half of step five.
    fn after_ack(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) -> Flow {
        let all_acked = self.snd_una == self.write_seq;
        match self.state() {
            State::SynRecv => {
                self.finish_simultaneous_open(cx, seg, out);
                Continue(())
            }
            State::FinWait1 if all_acked => self.fin_acknowledged(cx, seg, out),
            State::Closing if all_acked => Break(self.enter_time_wait(cx, None, out)),
            State::LastAck if all_acked => {
                self.tell_distance(cx, out);
                self.done(out);
                Break(None)
            }
            _ => Continue(()),
        }
    }

    fn finish_simultaneous_open(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) {
        if self.srtt == 0 && self.saw_tstamp && self.rcv_tsecr != 0 {
            self.sample_rtt(cx, &super::flight::Acked::default());
        }
        self.retrans_stamp = 0;
        self.initialize_transfer(cx);
        self.copied_seq = self.rcv_nxt;
        self.move_to(State::Established, out);
        if !self.orphan {
            out.notice(Notice::Connected);
        }
        self.snd_una = seg.ack;
        self.snd_wnd = u32::from(seg.win) << self.snd_wscale;
        self.max_window = self.max_window.max(self.snd_wnd);
        self.snd_wl1 = seg.seq;
        if self.tstamp_ok {
            self.advmss -= super::window::TSTAMP_LEN;
        }
        self.lsndtime = cx.ticks();
        self.initialize_rcv_mss();
        if self.snd_shutdown {
            // shutdown() came before the handshake was over; its answer was given then.
            let _ = self.shutdown_write(cx, out);
        }
    }

    /// Our FIN is acknowledged: FIN_WAIT2, which an orphan does not live through for ever.
    fn fin_acknowledged(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) -> Flow {
        self.move_to(State::FinWait2, out);
        if !self.orphan {
            return Continue(());
        }
        if self.linger2 == LINGER2_NEVER || self.brings_new_data(seg) {
            self.done(out);
            out.count(Counter::TcpExtTCPAbortOnData);
            reply_with_reset(seg, out);
            return Break(None);
        }
        let life = self.fin_time(cx);
        if life > cx.cfg.time_wait {
            self.arm_keepalive(cx, life - cx.cfg.time_wait);
        } else if seg.flags.has(Flags::FIN) {
            // The FIN is about to be processed. If it is not taken after all, this timer ends the full socket.
            self.arm_keepalive(cx, life);
        } else {
            return Break(self.enter_time_wait(cx, Some(life), out));
        }
        Continue(())
    }

    /// Whether the segment holds data (more than a FIN) that we do not have yet.
    fn brings_new_data(&self, seg: &Segment) -> bool {
        let fin = u32::from(seg.flags.has(Flags::FIN));
        seg.seq_len() != 0 && (seg.end() - fin).after(self.rcv_nxt)
    }

    /// Step seven: text, where the state still takes any.
    fn process_text(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) -> Flow {
        let closing = matches!(self.state(), State::CloseWait | State::Closing | State::LastAck);
        if closing && !seg.seq.before(self.rcv_nxt) {
            return Continue(());
        }
        if self.state() != State::Established && self.rcv_shutdown && self.brings_new_data(seg) {
            // RFC 1122 §4.2.2.13: nobody will ever read these data.
            out.refused(Why::DataAfterClose);
            out.count(Counter::TcpExtTCPAbortOnData);
            self.reset_received(out);
            reply_with_reset(seg, out);
            return Break(None);
        }
        let successor = self.take_text(cx, seg, out);
        if self.state() == State::Closed { Break(successor) } else { Continue(()) }
    }
}
