//! What must hold of an endpoint after every step, whatever has been done to it.

use super::delack::AckState;
use super::endpoint::{Endpoint, Pending};
use super::{State, TimerKind};
use crate::time::Time;

/// A rule in words, and whether it holds.
type Rule = (bool, &'static str);

fn first_broken(rules: &[Rule]) -> Result<(), &'static str> {
    rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(rule))
}

impl Endpoint {
    /// Whether everything holds that must hold between two steps; `now` is the time of the last one.
    ///
    /// # Errors
    /// The first rule that does not hold, in words.
    pub fn check_invariants(&self, now: Time) -> Result<(), &'static str> {
        first_broken(&self.sequence_rules())?;
        first_broken(&self.state_rules())?;
        first_broken(&self.timer_rules(now))?;
        first_broken(&self.queue_rules())
    }

    fn sequence_rules(&self) -> [Rule; 5] {
        let closed = self.state() == State::Closed;
        [
            (!self.snd_una.after(self.snd_nxt), "SND.UNA is not beyond SND.NXT"),
            (!self.snd_nxt.after(self.write_seq), "SND.NXT is not beyond what was written"),
            (!self.copied_seq.after(self.rcv_nxt), "no more is read than was received"),
            (!self.rcv_wup.after(self.rcv_nxt), "no window is offered from beyond RCV.NXT"),
            (
                closed || (self.flight.packets() == 0) == (self.snd_una == self.snd_nxt),
                "segments are in flight if and only if SND.UNA is behind SND.NXT",
            ),
        ]
    }

    fn state_rules(&self) -> [Rule; 6] {
        use State::{CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, SynSent};
        let closed = self.state() == Closed;
        let all_acked = self.snd_una == self.write_seq;
        [
            (
                !matches!(self.state(), State::Listen | State::TimeWait),
                "LISTEN and TIME_WAIT are other things than a full socket",
            ),
            (
                closed || self.fin_queued == matches!(self.state(), FinWait1 | FinWait2 | Closing | LastAck),
                "our FIN is queued exactly in the states that say so",
            ),
            (
                // Not SYN_RECV: the child of a request has its SYN acknowledged before it takes its first segment.
                !matches!(self.state(), FinWait1 | Closing | LastAck | SynSent) || !all_acked,
                "a state that waits for an ACK has something unacknowledged",
            ),
            (self.state() != FinWait2 || all_acked, "in FIN_WAIT2 everything is acknowledged"),
            (
                closed || self.fin_received == matches!(self.state(), CloseWait | Closing | LastAck),
                "the peer's FIN was taken exactly in the states that say so",
            ),
            (
                !self.orphan || !matches!(self.state(), Established | CloseWait),
                "no orphan stays in a state that only a call can end",
            ),
        ]
    }

    fn timer_rules(&self, now: Time) -> [Rule; 7] {
        let closed = self.state() == State::Closed;
        let in_flight = self.flight.packets() > 0;
        let retransmits = matches!(self.pending, Pending::Retransmit | Pending::LossProbe);
        let orphan_waits = self.orphan && self.state() == State::FinWait2;
        [
            (!closed || self.next_deadline().is_none(), "no timer runs in CLOSED"),
            (self.next_deadline().is_none_or(|at| at >= now), "no deadline lies in the past"),
            (
                (self.pending == Pending::None) == (self.xmit_at == Time::NEVER),
                "the transmit timer has a purpose if and only if it runs",
            ),
            (
                self.ack_pending.has(AckState::TIMER) == (self.delack_at != Time::NEVER),
                "the delayed-ACK timer runs if and only if it is marked",
            ),
            (closed || in_flight == retransmits, "what is in flight has a timer, and nothing else has"),
            (
                closed || in_flight || !self.has_unsent() || self.pending == Pending::Persist,
                "what may not be sent is probed for",
            ),
            (!orphan_waits || self.keep_at != Time::NEVER, "an orphan does not wait for a FIN for ever"),
        ]
    }

    fn queue_rules(&self) -> [Rule; 3] {
        let closed = self.state() == State::Closed;
        [
            (self.cwnd > 0, "the congestion window is open"),
            (closed || self.sacked_out <= self.flight.packets(), "no more is delivered than was sent"),
            (
                self.ofo.is_sorted_after(self.rcv_nxt),
                "the out-of-order queue is sorted, disjoint and beyond RCV.NXT",
            ),
        ]
    }

    /// Asks `when` for each armed timer and moves its deadline there.
    ///
    /// For drivers without a clock: one that may let any armed timer fire next, as a model checker does.
    pub fn retime(&mut self, mut when: impl FnMut(TimerKind, Time) -> Time) {
        if self.delack_at != Time::NEVER {
            self.delack_at = when(TimerKind::DelayedAck, self.delack_at);
        }
        if self.keep_at != Time::NEVER {
            self.keep_at = when(TimerKind::KeepAlive, self.keep_at);
        }
        let kind = match self.pending {
            Pending::None => return,
            Pending::Retransmit => TimerKind::Retransmit,
            Pending::LossProbe => TimerKind::LossProbe,
            Pending::Persist => TimerKind::Persist,
        };
        self.xmit_at = when(kind, self.xmit_at);
    }
}
