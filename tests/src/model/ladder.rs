//! A path of the model once more, with a clock: the same endpoints, the same inputs, and times in between.
//!
//! The model has no time, so a path it finds could ask for an order of timers that no clock allows. [`replay`] refuses
//! such a path: a timer fires at its own deadline, and none before it may have been left out.

use super::actions::Action;
use super::side::{Stimulus, apply, env, listening};
use super::world::{CLIENT, PIECE, Plan, SERVER};
use reports::ladder::{Arrow, Charset, Ladder, Look, MarkKind};
use reports::trace::flags;
use sim_core::seq::Seq;
use sim_core::socket::{Seat, Slot};
use sim_core::tcp::{Flags, Input, Outbox, Segment, State};
use sim_core::time::{Span, Time};
use std::collections::VecDeque;

/// One line of a ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// When.
    pub at: Time,
    /// What happened.
    pub action: Action,
    /// The segment that arrived or was tampered with.
    pub segment: Option<Segment>,
    /// The states after it.
    pub states: [State; 2],
    /// Bytes that the applications have read so far.
    pub read: [u32; 2],
    /// connect() was refused.
    pub refused: bool,
}

/// How long a segment is on its way, and how long an application thinks.
const STEP: Span = Span::from_millis(1);

struct Replay<'a> {
    plan: &'a Plan,
    now: Time,
    sides: [Seat; 2],
    ways: [VecDeque<Segment>; 2],
    strays: Vec<(usize, Segment)>,
    begun: [u32; 2],
    read: [u32; 2],
    refused: bool,
}

/// Replays a path.
///
/// # Errors
/// What the path asks for that a clock does not allow.
pub fn replay(plan: &Plan, actions: &[Action]) -> Result<Vec<Rung>, String> {
    let server = if plan.listens { listening() } else { Seat::default() };
    let mut run = Replay {
        plan,
        now: Time(1_000_000_000),
        sides: [Seat::default(), server],
        ways: Default::default(),
        strays: Vec::new(),
        begun: [0; 2],
        read: [0; 2],
        refused: false,
    };
    actions.iter().map(|&action| run.act(action)).collect()
}

impl Replay<'_> {
    fn act(&mut self, action: Action) -> Result<Rung, String> {
        self.refused = false;
        let segment = if let Action::Fire(side, _) = action {
            let due = self.sides[side].deadline();
            if due < self.now || due == Time::NEVER {
                return Err(format!("{action:?} at {}: due {due}", self.now));
            }
            self.now = due;
            self.step(side, Stimulus::Timer);
            None
        } else {
            self.now += STEP;
            self.act_now(action)
        };
        if let Some(late) = [CLIENT, SERVER].into_iter().find(|&s| self.sides[s].deadline() < self.now) {
            return Err(format!("{action:?} at {}: the timer of {late} was left out", self.now));
        }
        Ok(Rung {
            at: self.now,
            action,
            segment,
            states: [self.sides[CLIENT].state(), self.sides[SERVER].state()],
            read: self.read,
            refused: self.refused,
        })
    }

    fn act_now(&mut self, action: Action) -> Option<Segment> {
        match action {
            Action::Connect(side) => {
                self.begun[side] += 1;
                self.refused = !self.step(side, Stimulus::Connect);
                None
            }
            Action::Send(side) => self.call(side, Input::Send { len: PIECE }),
            Action::Shut(side) => self.call(side, Input::ShutdownWrite),
            Action::Close(side) => self.call(side, Input::Close),
            Action::Arrive(side) => {
                let seg = self.ways[side].pop_front()?;
                self.step(side, Stimulus::Segment(seg));
                Some(seg)
            }
            Action::Lose(side) => self.ways[side].pop_front(),
            Action::Double(side) => {
                let seg = *self.ways[side].front()?;
                self.strays.push((side, seg));
                Some(seg)
            }
            Action::Delay(side) => {
                let seg = self.ways[side].pop_front()?;
                self.strays.push((side, seg));
                Some(seg)
            }
            Action::StrayArrives(place) => {
                let (side, seg) = self.strays.remove(place);
                self.step(side, Stimulus::Segment(seg));
                Some(seg)
            }
            Action::StrayDies(place) => Some(self.strays.remove(place).1),
            Action::Fire(..) => None,
        }
    }

    fn call(&mut self, side: usize, input: Input) -> Option<Segment> {
        self.step(side, Stimulus::Call(input));
        None
    }

    /// Answers whether a call was granted.
    fn step(&mut self, side: usize, stimulus: Stimulus) -> bool {
        let before = self.sides[side].state();
        let life = if side == SERVER && self.plan.listens {
            self.begun[SERVER] as u8
        } else {
            self.begun[side] as u8
        };
        let env = env(self.now, &self.plan.cfg, self.plan.isn(side, life));
        let mut out = Outbox::default();
        let granted = apply(&mut self.sides[side], env, stimulus, &mut out).is_ok();
        if matches!(self.sides[side].slot(), Slot::Request(_)) && before != State::SynRecv {
            self.begun[side] += 1;
        }
        while self.sides[side].descriptor().is_some_and(|e| e.readable() > 0) {
            let got = self.sides[side].call(env, Input::Recv { len: u32::MAX }, &mut out);
            self.read[side] += got.unwrap_or(0);
        }
        if self.sides[side].descriptor().is_some_and(|e| e.state() == State::Closed) {
            let _ = self.sides[side].call(env, Input::Close, &mut out);
        }
        self.ways[1 - side].extend(out.segments);
        granted
    }
}

/// Columns of a ladder in a document.
const COLUMNS: usize = 98;

/// A ladder as text.
pub fn draw(plan: &Plan, rungs: &[Rung]) -> String {
    ladder(plan, rungs).text(COLUMNS, Charset::Unicode)
}

/// What a path is as a drawing: the ends, what is on the way, and what becomes of it.
pub fn ladder(plan: &Plan, rungs: &[Rung]) -> Ladder {
    let mut ladder = Ladder::new("", vec!["client".to_owned(), "server".to_owned()]);
    let mut before = [State::Closed, if plan.listens { State::Listen } else { State::Closed }];
    for (id, rung) in (0_u32..).zip(rungs) {
        let mut states = rung.states;
        if plan.listens && states[SERVER] == State::Closed {
            states[SERVER] = State::Listen;
        }
        let at = Time(rung.at.since(Time(1_000_000_000)).0);
        let after = on_the_way(plan, rung, at, id, &mut ladder);
        for side in [CLIENT, SERVER] {
            if states[side] != before[side] {
                let kind = MarkKind::State(states[side]);
                ladder.mark_after(
                    at,
                    side,
                    kind,
                    states[side].name(),
                    after.filter(|(to, _)| *to == side).map(|(_, id)| id),
                );
            }
        }
        before = states;
    }
    ladder
}

/// Draws one action; if something arrives, where and the number of its arrow.
fn on_the_way(plan: &Plan, rung: &Rung, at: Time, id: u32, ladder: &mut Ladder) -> Option<(usize, u32)> {
    let mut says = |side: usize, kind: MarkKind, what: &str| {
        ladder.mark(at, side, kind, what);
        None
    };
    let label = |to: usize| rung.segment.map_or(String::new(), |s| describe(plan, 1 - to, &s));
    let (to, look, lost) = match rung.action {
        Action::Connect(side) if rung.refused => {
            return says(side, MarkKind::Trouble, "connect(): EADDRNOTAVAIL");
        }
        Action::Connect(side) => return says(side, MarkKind::Call, "connect()"),
        Action::Send(side) => return says(side, MarkKind::Call, "send(1000)"),
        Action::Shut(side) => return says(side, MarkKind::Call, "shutdown()"),
        Action::Close(side) => return says(side, MarkKind::Call, "close()"),
        Action::Fire(side, kind) => return says(side, MarkKind::Timer, &format!("{kind:?} timer fires")),
        Action::Arrive(to) => (to, Look::Plain, None),
        Action::Lose(to) => (to, Look::Plain, Some("lost")),
        Action::Double(to) => (to, Look::Stray, Some("copied")),
        Action::Delay(to) => (to, Look::Stray, Some("goes astray")),
        // Which way a stray goes is told by whose numbers it bears.
        Action::StrayArrives(_) => {
            (rung.segment.map_or(SERVER, |s| usize::from(!from_server(plan, &s))), Look::Stray, None)
        }
        Action::StrayDies(_) => return says(CLIENT, MarkKind::Timer, "a stray dies"),
    };
    let arrives = lost.is_none();
    let lost = lost.map(str::to_owned);
    ladder.arrow(at, Arrow { id, from: 1 - to, to, arrives: at, label: label(to), look, lost });
    arrives.then_some((to, id))
}

fn from_server(plan: &Plan, seg: &Segment) -> bool {
    seg.seq.diff(plan.isn(SERVER, 0)).abs() < seg.seq.diff(plan.isn(CLIENT, 0)).abs()
}

/// A segment with its numbers counted from the first numbers of the first connection.
fn describe(plan: &Plan, from: usize, seg: &Segment) -> String {
    let first = |side: usize| plan.isn(side, u8::from(side == CLIENT));
    let count = |number: Seq, side: usize| number.diff(first(side));
    let mut text = format!("{} {}", flags(seg.flags), count(seg.seq, from));
    if seg.len > 0 {
        text = format!("{text}+{}", seg.len);
    }
    if seg.flags.has(Flags::ACK) {
        text = format!("{text} ack {}", count(seg.ack, 1 - from));
    }
    text
}
