//! Conversations between two hosts, with times. States are reached through inputs only.

mod closing;
mod data;
mod fuzz;
mod lifecycle;
mod opening;
mod sizes;

use super::{Listener, Next, Request, SocketMut, receive};
use crate::errno::Errno;
use crate::seq::Seq;
use crate::tcp::{
    ConnectParams, Cx, Endpoint, Flags, Input, Linger2, Notice, Outbox, Secrets, Segment, Shared, State,
    SynOptions, TcpConfig, TimeWait, Timestamps, TsOption,
};
use crate::time::{Span, Time};

/// What a side's table holds for the one tuple there is.
#[derive(Debug, Default)]
#[expect(clippy::large_enum_variant, reason = "there are two of these")]
pub(super) enum Slot {
    #[default]
    Empty,
    Request(Request),
    Full(Endpoint),
    TimeWait(TimeWait),
}

/// One host with one tuple.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub cfg: TcpConfig,
    pub shared: Shared,
    pub slot: Slot,
    pub listener: Option<Listener>,
    pub out: Outbox,
    pub isn: u32,
}

impl Side {
    pub(super) fn state(&self) -> State {
        match &self.slot {
            Slot::Empty => State::Closed,
            Slot::Request(_) => State::SynRecv,
            Slot::Full(e) => e.state(),
            Slot::TimeWait(t) => t.state(),
        }
    }
    fn deadline(&self) -> Time {
        match &self.slot {
            Slot::Empty => Time::NEVER,
            Slot::Request(r) => r.deadline(),
            Slot::Full(e) => e.next_deadline().unwrap_or(Time::NEVER),
            Slot::TimeWait(t) => t.deadline(),
        }
    }
    fn carry_out(&mut self, next: Next) {
        match next {
            Next::Keep => {}
            Next::Gone => self.slot = Slot::Empty,
            Next::TimeWait(t) => self.slot = Slot::TimeWait(t),
            Next::Request(r) => self.slot = Slot::Request(r),
            Next::Child(e) => {
                self.slot = Slot::Full(e);
                if let Some(l) = &mut self.listener {
                    l.accepted();
                }
            }
        }
    }
    pub(super) fn deliver(&mut self, now: Time, seg: &Segment) {
        let mut cx = Cx { now, cfg: &self.cfg, shared: &mut self.shared };
        let socket = match &mut self.slot {
            Slot::Empty => SocketMut::None,
            Slot::Request(r) => SocketMut::Request(r),
            Slot::Full(e) => SocketMut::Full(e),
            Slot::TimeWait(t) => SocketMut::TimeWait(t),
        };
        let secrets = Secrets { isn: Seq(self.isn), ts_offset: self.isn ^ 0x5555, cookie: 77 };
        let next = receive(&mut cx, socket, self.listener.as_mut(), seg, || secrets, &mut self.out);
        self.carry_out(next);
    }
    fn fire(&mut self, now: Time) {
        let mut cx = Cx { now, cfg: &self.cfg, shared: &mut self.shared };
        let next = match &mut self.slot {
            Slot::Empty => Next::Keep,
            Slot::Request(r) => r.on_timer(&mut cx, self.listener.as_mut(), &mut self.out).into(),
            Slot::Full(e) => e.step(&mut cx, Input::Timer, &mut self.out).fate.into(),
            Slot::TimeWait(t) => t.on_timer(&mut cx, &mut self.out).into(),
        };
        self.carry_out(next);
    }
    pub(super) fn call(&mut self, now: Time, input: Input) -> Result<u32, Errno> {
        let mut cx = Cx { now, cfg: &self.cfg, shared: &mut self.shared };
        let Slot::Full(endpoint) = &mut self.slot else { return Err(Errno::Ebadf) };
        let step = endpoint.step(&mut cx, input, &mut self.out);
        self.carry_out(step.fate.into());
        step.answer
    }
    pub(super) fn connect(&mut self, now: Time) {
        let mut cx = Cx { now, cfg: &self.cfg, shared: &mut self.shared };
        let secrets = Secrets { isn: Seq(self.isn), ts_offset: self.isn ^ 0x5555, cookie: 77 };
        let params = ConnectParams { secrets, inherited: None };
        self.slot = Slot::Full(Endpoint::connect(&mut cx, params, &mut self.out));
    }
}

/// Two hosts and a wire of constant delay between them.
#[derive(Debug)]
pub(super) struct Pair {
    pub now: Time,
    pub sides: [Side; 2],
    pub delay: Span,
    /// Segments under way: arrival, receiver, segment.
    pub wire: Vec<(Time, usize, Segment)>,
    /// Everything sent: time, sender, segment.
    pub log: Vec<(Time, usize, Segment)>,
    /// Drops what this says to drop.
    pub lose: fn(usize, &Segment) -> bool,
}

pub(super) const CLIENT: usize = 0;
pub(super) const SERVER: usize = 1;

impl Pair {
    pub(super) fn new(cfg: &TcpConfig) -> Pair {
        let side = |isn| Side { cfg: cfg.clone(), isn, ..Side::default() };
        let mut pair = Pair {
            now: Time(1_000_000_000),
            sides: [side(1_000), side(0xffff_ff00)],
            delay: Span::from_millis(5),
            wire: Vec::new(),
            log: Vec::new(),
            lose: |_, _| false,
        };
        pair.sides[SERVER].listener = Some(Listener::new(8, 4096));
        pair
    }
    fn collect(&mut self) {
        for side in 0..2 {
            for seg in core::mem::take(&mut self.sides[side].out.segments) {
                self.log.push((self.now, side, seg));
                if !(self.lose)(side, &seg) {
                    self.wire.push((self.now + self.delay, 1 - side, seg));
                }
            }
        }
    }
    pub(super) fn connect(&mut self) {
        let now = self.now;
        self.sides[CLIENT].connect(now);
        self.collect();
    }
    pub(super) fn call(&mut self, side: usize, input: Input) -> Result<u32, Errno> {
        let now = self.now;
        let answer = self.sides[side].call(now, input);
        self.collect();
        answer
    }
    /// Lets time pass.
    pub(super) fn run(&mut self, span: Span) {
        let end = self.now + span;
        loop {
            let timer = self.sides[0].deadline().min(self.sides[1].deadline());
            let arrival = self.wire.iter().map(|w| w.0).min().unwrap_or(Time::NEVER);
            let next = timer.min(arrival);
            if next > end {
                break;
            }
            self.now = next.max(self.now);
            if arrival <= timer {
                let at = self.wire.iter().position(|w| w.0 == arrival).unwrap();
                let (_, to, seg) = self.wire.remove(at);
                self.sides[to].deliver(self.now, &seg);
            } else {
                let side = usize::from(self.sides[0].deadline() != timer);
                self.sides[side].fire(self.now);
            }
            self.collect();
        }
        self.now = end;
    }
    pub(super) fn states(&self) -> (State, State) {
        (self.sides[CLIENT].state(), self.sides[SERVER].state())
    }
}
