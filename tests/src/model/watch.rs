//! What must hold of a side after every step, whoever drives it.

use super::side::{Stimulus, apply};
use sim_core::errno::Errno;
use sim_core::seq::Seq;
use sim_core::socket::{Env, Seat, Slot};
use sim_core::tcp::{Fact, Flags, Input, Outbox, Segment, State};

/// Follows one side from step to step, with a memory of what has arrived.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Where the peer's stream begins: the number after its SYN.
    begin: Option<Seq>,
    /// Stretches of that stream that have arrived, as offsets.
    arrived: Vec<(i64, i64)>,
    /// Bytes that recv() has given out.
    taken: u64,
}

impl Watch {
    /// Where the peer's present stream begins, if there is or was one.
    pub fn stream_begin(&self) -> Option<Seq> {
        self.begin
    }

    /// Does something to the side and checks what has become of it.
    ///
    /// # Errors
    /// The rule that was broken, in words.
    pub fn step(
        &mut self,
        side: &mut Seat,
        env: Env<'_>,
        stimulus: Stimulus,
        out: &mut Outbox,
    ) -> Result<Result<u32, Errno>, String> {
        let before = side.state();
        let was_full = matches!(side.slot(), Slot::Full(_));
        if let Stimulus::Segment(seg) = stimulus {
            self.note(&seg);
        }
        out.clear();
        let answer = apply(side, env, stimulus, out);
        let in_table = matches!(side.slot(), Slot::Full(endpoint) if endpoint.has_owner());
        if let (true, Stimulus::Call(Input::Recv { .. }), Ok(bytes)) = (in_table, stimulus, answer) {
            self.taken += u64::from(bytes);
        }
        self.follow(before, side, stimulus);
        if let Slot::Full(endpoint) = side.slot() {
            endpoint.check_invariants(env.now)?;
        }
        if let Some(held) = side.descriptor() {
            held.check_invariants(env.now)?;
            let tabled = matches!(side.slot(), Slot::Full(endpoint) if core::ptr::eq(endpoint, held));
            holds(tabled || held.state() == State::Closed, "a socket outside the tables is CLOSED")?;
        }
        check_moves(out)?;
        let synchronised = was_full && !matches!(before, State::SynSent | State::SynRecv);
        check_sent(side, synchronised, stimulus, out)?;
        self.check_stream(side)?;
        Ok(answer)
    }

    fn note(&mut self, seg: &Segment) {
        if let Some(begin) = self.begin
            && !seg.flags.has(Flags::SYN)
        {
            let from = i64::from(seg.seq.diff(begin));
            self.arrived.push((from, from + i64::from(seg.len)));
            self.arrived.sort_unstable();
        }
    }

    /// Notices where a new stream begins.
    fn follow(&mut self, before: State, side: &Seat, stimulus: Stimulus) {
        let Stimulus::Segment(seg) = stimulus else { return };
        let after = side.state();
        let fresh = match side.slot() {
            Slot::Request(_) => before != State::SynRecv,
            Slot::Full(_) => before == State::SynSent && after != State::SynSent,
            Slot::Empty | Slot::TimeWait(_) => false,
        };
        if fresh {
            *self = Watch { begin: Some(seg.seq + 1), ..Watch::default() };
        }
    }

    /// Bytes that have arrived without a hole.
    fn contiguous(&self) -> i64 {
        let mut edge = 0;
        for &(from, to) in &self.arrived {
            if from <= edge {
                edge = edge.max(to);
            }
        }
        edge
    }

    /// Each byte is delivered once and in order: a byte is its number, so counts tell.
    fn check_stream(&self, side: &Seat) -> Result<(), String> {
        let (Some(begin), Slot::Full(endpoint)) = (self.begin, side.slot()) else { return Ok(()) };
        if endpoint.state() == State::SynSent {
            return Ok(());
        }
        let fin = matches!(endpoint.state(), State::CloseWait | State::LastAck | State::Closing);
        let taken_in = i64::from(endpoint.rcv_nxt().diff(begin)) - i64::from(fin);
        holds(taken_in <= self.contiguous(), "nothing is acknowledged that has not arrived")?;
        let delivered = self.taken as i64 + i64::from(endpoint.readable());
        holds(delivered <= taken_in, "no byte is delivered twice")?;
        let counts = endpoint.has_owner() && endpoint.state() != State::SynRecv;
        holds(!counts || delivered == taken_in, "no byte is lost between RCV.NXT and recv()")
    }
}

/// Each move that is reported is legal, whatever made it: a full socket, a mini-socket or a request.
fn check_moves(out: &Outbox) -> Result<(), String> {
    let legal = |fact: &Fact| !matches!(fact, Fact::State { from, to } if !from.may_become(*to));
    holds(out.facts.iter().all(legal), "a connection moves as RFC 9293 says")
}

fn check_sent(side: &Seat, synchronised: bool, stimulus: Stimulus, out: &Outbox) -> Result<(), String> {
    let reset = out.segments.iter().position(|s| s.flags.has(Flags::RST));
    if let Some(at) = reset {
        holds(at + 1 == out.segments.len(), "nothing is sent after RST")?;
        let lives = synchronised && matches!(side.slot(), Slot::Full(_));
        holds(!lives, "a synchronised connection that sends RST is over")?;
    }
    let Slot::Full(endpoint) = side.slot() else { return Ok(()) };
    for seg in &out.segments {
        let own = !seg.flags.has(Flags::RST) || matches!(stimulus, Stimulus::Call(_));
        holds(!own || !seg.end().after(endpoint.snd_nxt()), "nothing is sent beyond SND.NXT")?;
    }
    Ok(())
}

fn holds(condition: bool, rule: &str) -> Result<(), String> {
    if condition { Ok(()) } else { Err(rule.into()) }
}
