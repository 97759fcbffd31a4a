//! SEGMENT ARRIVES (RFC 9293 §3.10.7) for a full socket: the order of steps (`tcp_rcv_established`,
//! `tcp_rcv_state_process`). The steps themselves stand in files of their own.

use super::ack::AckOutcome;
use super::config::TwOverflow;
use super::endpoint::{Endpoint, LINGER2_NEVER};
use super::{Cx, Flags, Notice, Outbox, Segment, State, Why, reply_with_reset};
use crate::counter::Counter;
use crate::time::{Span, Time};

/// Whether to go on with a segment after a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

impl Endpoint {
    pub(super) fn process(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut Outbox) {
        match self.state {
            State::Closed | State::TimeWait | State::Listen => reply_with_reset(seg, out),
            State::SynSent => self.process_syn_sent(cx, seg, out),
            _ => self.process_synchronised(cx, seg, out),
        }
    }

    fn process_synchronised(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut Outbox) {
        let telling = Flags::ACK.0 | Flags::RST.0 | Flags::SYN.0;
        if seg.flags.0 & telling == 0 {
            out.refuse(Why::Flags);
            return;
        }
        self.parse_timestamps(seg, self.tstamp_ok);
        if self.is_predicted(seg) {
            self.process_predicted(cx, seg, out);
            return;
        }
        if !self.validate(cx, seg, out) {
            return;
        }
        let outcome = self.acknowledge(cx, seg, false, out);
        if self.state == State::SynRecv && outcome != AckOutcome::Taken {
            out.refuse(Why::Ack);
            reply_with_reset(seg, out);
            return;
        }
        if outcome == AckOutcome::Refused {
            self.refuse_ack(cx, out);
            return;
        }
        if self.after_ack(cx, seg, out) == Flow::Stop || self.process_text(cx, seg, out) == Flow::Stop {
            return;
        }
        if self.state != State::Closed {
            self.push_pending(cx, false, out);
            self.acknowledge_if_due(cx, out);
        }
    }

    /// Header prediction: the segment is the next one, with nothing unusual about it (`tcp_rcv_established`).
    fn is_predicted(&self, seg: &Segment) -> bool {
        let plain = Flags(seg.flags.0 & !Flags::PSH.0) == Flags::ACK;
        self.state == State::Established
            && plain
            && (seg.len == 0 || self.memory_at_hand(seg.len))
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
    fn process_predicted(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut Outbox) {
        if self.tstamp_ok && self.rcv_nxt == self.rcv_wup {
            self.store_ts_recent(cx);
        }
        if seg.len > 0 {
            out.count(Counter::TcpExtTCPHPHits);
            self.take_text(cx, seg, out);
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
    fn after_ack(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut Outbox) -> Flow {
        let all_acked = self.snd_una == self.write_seq;
        match self.state {
            State::SynRecv => {
                self.finish_simultaneous_open(cx, seg, out);
                Flow::Continue
            }
            State::FinWait1 if all_acked => self.fin_acknowledged(cx, seg, out),
            State::Closing if all_acked => {
                self.enter_time_wait(cx, None, out);
                Flow::Stop
            }
            State::LastAck if all_acked => {
                self.done(out);
                Flow::Stop
            }
            _ => Flow::Continue,
        }
    }

    fn finish_simultaneous_open(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut Outbox) {
        if self.srtt == 0 && self.saw_tstamp && self.rcv_tsecr != 0 {
            self.sample_rtt(cx, &super::flight::Acked::default());
        }
        self.retrans_stamp = 0;
        self.initialize_transfer(cx);
        self.copied_seq = self.rcv_nxt;
        self.move_to(State::Established, out);
        if !self.orphan {
            out.notices.push(Notice::Connected);
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
            self.shutdown_write(cx, out);
        }
    }

    /// Our FIN is acknowledged: FIN_WAIT2, which an orphan does not live through for ever.
    fn fin_acknowledged(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut Outbox) -> Flow {
        self.move_to(State::FinWait2, out);
        if !self.orphan {
            return Flow::Continue;
        }
        if self.linger2 == LINGER2_NEVER || self.brings_new_data(seg) {
            self.done(out);
            out.count(Counter::TcpExtTCPAbortOnData);
            reply_with_reset(seg, out);
            return Flow::Stop;
        }
        let life = self.fin_time(cx);
        if life > cx.cfg.time_wait {
            self.arm_keepalive(cx, life - cx.cfg.time_wait);
        } else if seg.flags.has(Flags::FIN) {
            // The FIN is about to be processed; should it be lost there, the full socket still ends some time.
            self.arm_keepalive(cx, life);
        } else {
            self.enter_time_wait(cx, Some(life), out);
            return Flow::Stop;
        }
        Flow::Continue
    }

    /// Whether the segment holds data (more than a FIN) that we do not have yet.
    fn brings_new_data(&self, seg: &Segment) -> bool {
        let fin = u32::from(seg.flags.has(Flags::FIN));
        seg.seq_len() != 0 && (seg.end() - fin).after(self.rcv_nxt)
    }

    /// Step seven: text, where the state still takes any.
    fn process_text(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut Outbox) -> Flow {
        let closing = matches!(self.state, State::CloseWait | State::Closing | State::LastAck);
        if closing && !seg.seq.before(self.rcv_nxt) {
            return Flow::Continue;
        }
        if self.state != State::Established && self.rcv_shutdown && self.brings_new_data(seg) {
            // RFC 1122 §4.2.2.13: nobody will ever read these data.
            out.refuse(Why::DataAfterClose);
            out.count(Counter::TcpExtTCPAbortOnData);
            self.reset_received(out);
            reply_with_reset(seg, out);
            return Flow::Stop;
        }
        self.take_text(cx, seg, out);
        Flow::Continue
    }

    /// Leaves a mini-socket behind, if there may be one more, and closes (`tcp_time_wait`). `fin_wait2`: the time it
    /// waits for the peer's FIN; `None`: TIME_WAIT.
    pub(super) fn enter_time_wait(&mut self, cx: &mut Cx<'_>, fin_wait2: Option<Span>, out: &mut Outbox) {
        // Where the oldest makes room, the driver evicts it once this one is in its tables.
        let evicts = cx.cfg.tw_overflow == TwOverflow::RecycleOldest;
        if evicts || cx.shared.mini_sockets < cx.cfg.max_tw_buckets {
            let life = match fin_wait2 {
                Some(life) => life.max(Span::from_micros(u64::from(self.rto) * 7 / 2)),
                None => cx.cfg.time_wait,
            };
            let counter =
                if life <= Span::from_secs(4) { Counter::TcpExtTWKilled } else { Counter::TcpExtTW };
            out.count(counter);
            cx.shared.mini_sockets += 1;
            let tw = self.mini_socket(cx, fin_wait2.is_some(), cx.cfg.timers.expiry(cx.now, life));
            if fin_wait2.is_none() {
                self.move_to(State::TimeWait, out);
            }
            out.successor = Some(tw);
        } else {
            out.count(Counter::TcpExtTCPTimeWaitOverflow);
        }
        self.done(out);
    }

    fn mini_socket(&self, cx: &Cx<'_>, fin_wait2: bool, deadline: Time) -> crate::timewait::TimeWait {
        crate::timewait::TimeWait {
            deadline,
            entered: cx.now,
            snd_nxt: self.snd_nxt,
            rcv_nxt: self.rcv_nxt,
            rcv_wnd: self.receive_window(),
            ts_recent: self.ts_recent,
            ts_recent_stamp: self.ts_recent_stamp,
            ts_offset: self.ts_offset,
            last_limited: 0,
            fin_wait2,
            rcv_wscale: self.rcv_wscale,
        }
    }
}
