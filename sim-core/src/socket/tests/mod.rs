//! Conversations between two hosts, with times. States are reached through inputs only.

mod closing;
mod cookies;
mod data;
mod extremes;
mod fuzz;
mod lifecycle;
mod opening;
mod sizes;
mod undo;

use super::{Env, Listener, MiniFate, Next, Request, Seat, Slot, SocketMut, receive};
use crate::errno::Errno;
use crate::seq::Seq;
use crate::tcp::{
    Cx, Endpoint, Flags, Input, Linger2, Notice, Outbox, Secrets, Segment, Shared, State, SynOptions,
    TcpConfig, TimeWait, Timestamps, TsOption,
};
use crate::time::{Span, Time};

/// One host with one tuple, its parameters, and what it has produced. It accepts at once.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub cfg: TcpConfig,
    pub seat: Seat,
    pub out: Outbox,
    pub isn: u32,
}

impl Side {
    fn with_seat<T>(&mut self, now: Time, act: impl FnOnce(&mut Seat, Env<'_>, &mut Outbox) -> T) -> T {
        let secrets = Secrets { isn: Seq(self.isn), ts_offset: self.isn ^ 0x5555, cookie: 77 };
        act(&mut self.seat, Env { now, cfg: &self.cfg, secrets }, &mut self.out)
    }
    pub(super) fn state(&self) -> State {
        self.seat.state()
    }
    fn deadline(&self) -> Time {
        self.seat.deadline()
    }
    pub(super) fn deliver(&mut self, now: Time, seg: &Segment) {
        self.with_seat(now, |seat, at, out| seat.deliver(at, seg, out));
        let _ = self.seat.accept();
    }
    fn fire(&mut self, now: Time) {
        self.with_seat(now, Seat::fire);
    }
    pub(super) fn call(&mut self, now: Time, input: Input) -> Result<u32, Errno> {
        self.with_seat(now, |seat, at, out| seat.call(at, input, out))
    }
    pub(super) fn connect(&mut self, now: Time) {
        self.with_seat(now, |seat, at, out| seat.connect(at, false, out)).expect("a free tuple");
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
        pair.sides[SERVER].seat.listen(8, 4096);
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
