//! A state of the model: two sides, their applications, and a network whose faults are counted.
//!
//! Time is taken out: every step happens at [`NOW`], and of a timer nothing is kept but whether it runs. Whichever may
//! fire next is brought to [`NOW`] before the step and fires ([`World::fire`]); who may is for [`super::actions`] to say.
//! So the state space is finite, and a state is what it would be had any amount of time passed.

use super::side::{Stimulus, apply, env, listening};
use sim_core::counter::Counter;
use sim_core::errno::Errno;
use sim_core::seq::Seq;
use sim_core::socket::{Seat, Slot};
use sim_core::tcp::{Flags, Input, Notice, Outbox, Segment, State, SynOptions, TcpConfig, TimerKind};
use sim_core::time::{Span, Time};
use std::collections::VecDeque;

/// The side that calls.
pub const CLIENT: usize = 0;
/// The side that listens, or calls too.
pub const SERVER: usize = 1;
/// The only moment there is.
pub const NOW: Time = Time(1_000_000_000_000);
/// Where the deadlines of running timers stand between steps.
const SOME_DAY: Time = Time(NOW.0 + 3_600_000_000_000);
/// Bytes in one piece of data.
pub const PIECE: u32 = 1_000;
/// Connections that one tuple can see.
pub const MOST_LIVES: usize = 3;

/// What is to be explored.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In a few words.
    pub name: &'static str,
    /// Parameters of both hosts.
    pub cfg: TcpConfig,
    /// Connections that each side opens, one after the other, on the same tuple.
    pub calls: [u8; 2],
    /// Whether the server listens.
    pub listens: bool,
    /// Pieces of data that each side sends on each connection.
    pub pieces: [u8; 2],
    /// Sides end with shutdown() and wait for the peer's end; otherwise with close().
    pub half_close: bool,
    /// How far apart the first numbers of two connections are, for each side.
    pub isn_step: [u32; 2],
    /// Losses, duplicates, delays and timers that fire too early, all together.
    pub faults: u8,
    /// A connection that is ended properly on both sides must not end in RST.
    pub no_resets: bool,
}

impl Plan {
    /// The first number of a side's connection: the client's by its calls, a listener's by its requests.
    pub fn isn(&self, side: usize, life: u8) -> Seq {
        Seq([10_000, 50_000][side]) + self.isn_step[side].wrapping_mul(u32::from(life))
    }
}

/// A segment, and which connection of the tuple it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sent {
    /// The connection, counted from 1 on.
    pub life: u8,
    /// The segment, in an order of its own so that a set of them has one form only.
    pub seg: Ordered,
}

/// A segment with an order, which says nothing about time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ordered(pub Segment);

/// What a segment is compared by, in an order: numbers and flags, then options.
type Key = ((u32, u32, u32, u16, u8, bool), Options);
/// Timestamps; MSS, scale and SACK of a SYN; SACK blocks.
type Options = (Option<(u32, u32)>, (u16, Option<u8>, bool), [Option<(u32, u32)>; 2]);

impl Ordered {
    /// Every field: segments that differ have different places.
    fn key(&self) -> Key {
        let Segment { seq, ack, len, win, flags, ts, syn, sack, sack2, rtx } = self.0;
        let SynOptions { mss, wscale, sack_ok } = syn;
        let block = |(left, right): (Seq, Seq)| (left.0, right.0);
        let options =
            (ts.map(|ts| (ts.val, ts.ecr)), (mss, wscale, sack_ok), [sack.map(block), sack2.map(block)]);
        ((seq.0, ack.0, len, win, flags.0, rtx), options)
    }
}
impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broken {
    /// A connection has taken data of an earlier one.
    OldData,
    /// A connection has taken the FIN of an earlier one.
    OldFin,
    /// An application has read more than was sent to it.
    Doubled,
    /// An application has seen the end before all that was sent.
    Lost,
    /// A connection that was ended properly was reset.
    Reset,
    /// A rule of [`sim_core::tcp::Endpoint::check_invariants`].
    Rule(&'static str),
}

/// What an application knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct App {
    /// Calls made.
    pub calls: u8,
    /// Pieces sent on the present connection.
    pub sent: u8,
    /// Pieces read on the present connection.
    pub received: u8,
    /// The peer's end was seen.
    pub peer_closed: bool,
    /// Its own side is shut down.
    pub shut: bool,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The two hosts.
    pub sides: [Seat; 2],
    /// Which connection of the tuple each side has, or had last.
    pub lives: [u8; 2],
    /// Their applications.
    pub apps: [App; 2],
    /// Pieces sent by each side, by connection.
    pub sent: [[u8; MOST_LIVES]; 2],
    /// Pieces read by each side, by connection.
    pub read: [[u8; MOST_LIVES]; 2],
    /// Segments on their way to each side, in order.
    pub ways: [VecDeque<Sent>; 2],
    /// Segments that wander: receiver, segment. Each may arrive at any time, or never.
    pub strays: Vec<(u8, Sent)>,
    /// Faults that may still happen.
    pub faults: u8,
    /// Requests that the server has made so far: each has first numbers of its own.
    pub requests: u8,
    /// What has gone wrong.
    pub broken: Option<Broken>,
}

impl World {
    /// Two hosts at rest.
    pub fn new(plan: &Plan) -> World {
        let server = if plan.listens { listening() } else { Seat::default() };
        World {
            sides: [Seat::default(), server],
            lives: [0; 2],
            apps: Default::default(),
            sent: Default::default(),
            read: Default::default(),
            ways: Default::default(),
            strays: Vec::new(),
            faults: plan.faults,
            requests: 0,
            broken: None,
        }
    }

    /// connect().
    pub fn connect(&mut self, plan: &Plan, side: usize) {
        let calls = self.apps[side].calls + 1;
        self.apps[side] = App { calls, ..App::default() };
        self.lives[side] = calls;
        self.step(plan, side, Stimulus::Connect, None);
    }

    /// A call by the application.
    pub fn call(&mut self, plan: &Plan, side: usize, input: Input) {
        match input {
            Input::Send { .. } => {
                self.apps[side].sent += 1;
                let life = usize::from(self.lives[side]);
                self.sent[side][life] += 1;
            }
            Input::ShutdownWrite => self.apps[side].shut = true,
            _ => {}
        }
        self.step(plan, side, Stimulus::Call(input), None);
    }

    /// A segment arrives.
    pub fn deliver(&mut self, plan: &Plan, side: usize, arrival: Sent) {
        self.step(plan, side, Stimulus::Segment(arrival.seg.0), Some(arrival));
    }

    /// The timer of that kind fires.
    pub fn fire(&mut self, plan: &Plan, side: usize, kind: TimerKind) {
        self.sides[side].retime(|k, at| if k == kind { NOW } else { at });
        self.step(plan, side, Stimulus::Timer, None);
    }

    /// Timers that run on a side.
    pub fn armed(&self, side: usize) -> Vec<TimerKind> {
        let mut kinds = Vec::new();
        self.sides[side].clone().retime(|kind, at| {
            kinds.push(kind);
            at
        });
        kinds
    }

    fn step(&mut self, plan: &Plan, side: usize, stimulus: Stimulus, arrival: Option<Sent>) {
        let before = self.sides[side].state();
        let (was_empty, rcv_nxt) = (*self.sides[side].slot() == Slot::Empty, self.rcv_nxt(side));
        let number = if plan.listens && side == SERVER { self.requests } else { self.lives[side] };
        let env = env(NOW, &plan.cfg, plan.isn(side, number));
        let mut out = Outbox::default();
        let _ = apply(&mut self.sides[side], env, stimulus, &mut out);
        if let Some(arrival) = arrival {
            self.judge(plan, side, arrival, before, rcv_nxt, &out);
        }
        let reply_life = arrival.filter(|_| was_empty).map_or(self.lives[side], |a| a.life);
        self.take_up(side, reply_life, out);
        self.serve_app(plan, side);
        self.forget_time(side);
    }

    fn rcv_nxt(&self, side: usize) -> Option<Seq> {
        match self.sides[side].slot() {
            Slot::Full(endpoint) => Some(endpoint.rcv_nxt()),
            _ => None,
        }
    }

    /// What an arrival has done: whose connection this is now, and whether it may have done that.
    fn judge(
        &mut self,
        plan: &Plan,
        side: usize,
        arrival: Sent,
        before: State,
        rcv_nxt: Option<Seq>,
        out: &Outbox,
    ) {
        let seg = arrival.seg.0;
        let after = self.sides[side].state();
        let begins = matches!(self.sides[side].slot(), Slot::Request(_)) && before != State::SynRecv;
        if begins {
            self.lives[side] = arrival.life;
            self.apps[side] = App { calls: self.apps[side].calls, ..App::default() };
            self.requests += 1;
        }
        let moved = match (rcv_nxt, self.rcv_nxt(side)) {
            (Some(from), Some(to)) => to.after(from),
            // The segment that made a child of a request, or that ended the socket.
            (None, Some(_)) => seg.seq_len() > 0,
            (Some(_), None) => seg.flags.has(Flags::FIN) && after != State::Closed,
            (None, None) => false,
        };
        let kept = moved || out.counters.contains(&Counter::TcpExtTCPOFOQueue);
        if arrival.life != self.lives[side] && !seg.flags.has(Flags::SYN) {
            if kept && seg.len > 0 {
                self.broken = Some(Broken::OldData);
            } else if kept && seg.flags.has(Flags::FIN) {
                self.broken = Some(Broken::OldFin);
            }
        }
        let synchronised =
            !matches!(before, State::Closed | State::SynSent | State::SynRecv | State::TimeWait);
        if plan.no_resets && seg.flags.has(Flags::RST) && synchronised && after == State::Closed {
            self.broken = Some(Broken::Reset);
        }
    }

    /// Puts what was sent on its way, and tells the application.
    fn take_up(&mut self, side: usize, life: u8, out: Outbox) {
        for mut seg in out.segments {
            seg.rtx = false;
            self.ways[1 - side].push_back(Sent { life, seg: Ordered(seg) });
        }
        for notice in out.notices {
            if notice == Notice::PeerClosed {
                self.apps[side].peer_closed = true;
            }
        }
    }

    /// The application reads at once what there is, and leaves when there is nothing more to come.
    fn serve_app(&mut self, plan: &Plan, side: usize) {
        let env = env(NOW, &plan.cfg, Seq(0));
        let life = usize::from(self.lives[side]);
        let mut out = Outbox::default();
        while self.sides[side].descriptor().is_some_and(|e| e.readable() > 0) {
            let answer = self.sides[side].call(env, Input::Recv { len: PIECE }, &mut out);
            if answer == Ok(PIECE) {
                self.apps[side].received += 1;
                self.read[side][life] += 1;
            }
        }
        let sent = self.sent[1 - side][life];
        let read = self.read[side][life];
        let app = &self.apps[side];
        if read > sent {
            self.broken = self.broken.or(Some(Broken::Doubled));
        } else if app.peer_closed && read < sent {
            self.broken = self.broken.or(Some(Broken::Lost));
        }
        let over = self.sides[side].descriptor().is_some_and(|e| {
            e.state() == State::Closed || (app.shut && app.peer_closed) || e.pending_error().is_some()
        });
        if over {
            let _: Result<u32, Errno> = self.sides[side].call(env, Input::Close, &mut out);
        }
        self.take_up(side, self.lives[side], out);
    }

    /// Of the timers, nothing is kept but that they run.
    fn forget_time(&mut self, side: usize) {
        self.sides[side].retime(|_, _| SOME_DAY);
        if let Slot::Full(endpoint) = self.sides[side].slot()
            && let Err(rule) = endpoint.check_invariants(NOW)
        {
            self.broken = Some(Broken::Rule(rule));
        }
    }

    /// Whether nothing is left of any connection.
    pub fn is_over(&self) -> bool {
        self.sides.iter().all(Seat::is_vacant) && self.ways.iter().all(VecDeque::is_empty)
    }
}

/// Parameters for a model: no limits that count time, few retries, no options that only speed things up.
pub fn timeless() -> TcpConfig {
    TcpConfig {
        timers: sim_core::tcp::config::TimerModel::Exact,
        timestamps: sim_core::tcp::Timestamps::Off,
        sack: false,
        window_scaling: false,
        tail_loss_probe: false,
        fast_syn_retry: false,
        invalid_ratelimit: Span::ZERO,
        syn_retries: 3,
        syn_linear_timeouts: 0,
        synack_retries: 3,
        rfc1337: true,
        ..TcpConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::tcp::TsOption;
    use std::collections::BTreeSet;

    #[test]
    fn segments_that_differ_have_different_places() {
        let plain = Segment::default();
        let block = Some((Seq(1), Seq(2)));
        let different = [
            plain,
            Segment { seq: Seq(1), ..plain },
            Segment { ack: Seq(1), ..plain },
            Segment { len: 1, ..plain },
            Segment { win: 1, ..plain },
            Segment { flags: Flags::ACK, ..plain },
            Segment { ts: Some(TsOption { val: 0, ecr: 0 }), ..plain },
            Segment { ts: Some(TsOption { val: 1, ecr: 0 }), ..plain },
            Segment { ts: Some(TsOption { val: 0, ecr: 1 }), ..plain },
            Segment { syn: SynOptions { mss: 1, ..plain.syn }, ..plain },
            Segment { syn: SynOptions { wscale: Some(0), ..plain.syn }, ..plain },
            Segment { syn: SynOptions { sack_ok: true, ..plain.syn }, ..plain },
            Segment { sack: block, ..plain },
            Segment { sack2: block, ..plain },
            Segment { rtx: true, ..plain },
        ];
        let set: BTreeSet<Ordered> = different.into_iter().map(Ordered).collect();
        assert_eq!(set.len(), different.len());
    }
}
