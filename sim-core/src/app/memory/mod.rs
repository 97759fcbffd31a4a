//! The memory of steps: ends as a lazily built automaton.
//!
//! Two connections that have done the same are the same value but for their numbers (initial sequence numbers, offsets of
//! timestamps, moments of the clocks). With these taken out ([`crate::tcp::Shift`]) a whole run walks through some tens or
//! hundreds of values. Each value is kept once, as a state; each step from one, with its input and its effects, once, as
//! an edge. A step that is known is recalled: its effects are carried out with the connection's own numbers put back. A
//! step that is not known is taken by the end itself, and remembered.
//!
//! It is exact by construction. The key of a step holds everything that the step can see: the state, the input relative to
//! it, how far each clock has moved since, which timers are due, and whether the host has room for one more orphan and one
//! more mini-socket. What hangs on more than that says so ([`crate::tcp::Notes::asked_outside`]), and a value that does not
//! survive the way there and back is not kept; such steps are taken by the end itself each time.
//!
//! What it holds is bounded, and it steps aside where too little repeats itself: see [`Memory::pays`].

mod key;
mod learn;
mod value;

use hashbrown::HashTable;

use super::effects::{AppTimer, Effect};
use super::end::{Cause, End, Progress, View};
use super::lazy::Lazy;
use crate::counter::{Counter, Counters};
use crate::ids::{HostId, TrafficId};
use crate::socket::Request;
use crate::tcp::{ALARMS, AlarmChange, Bases, Clocks, Cx, Flags, Segment, Shift, State};
use crate::time::Time;
use key::{Key, pack_segment};

pub use learn::Lesson;
pub use value::at_moment;

/// Most values and steps that are kept.
const MOST_STATES: usize = 1 << 14;
const MOST_EDGES: usize = 1 << 16;

/// A value, and whose it is: hosts differ in their parameters, sources in what their applications do.
#[derive(Clone, Debug)]
struct StateEntry {
    end: End,
    host: HostId,
    traffic: TrafficId,
    /// The step that was taken last from here is the likeliest to be taken next.
    last: u32,
}

/// A number of an [`Edge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeId(u32);

/// A step that is known.
#[derive(Clone, Debug)]
pub struct Edge {
    key: Key,
    to: u32,
    host: HostId,
    /// How far the bases move.
    moved: Bases,
    no_peer_ts: bool,
    no_peer: bool,
    alarms: [AlarmChange; ALARMS],
    alarms_moved: bool,
    arms: bool,
    effects: (u32, u32),
    counters: (u32, u32),
    /// What it does to the host's count of orphans and of mini-sockets.
    orphans: i8,
    minis: i8,
    taken: u64,
    /// The application's timer.
    pub app_timer: AppTimer,
    /// What it came to for the application.
    pub verdict: Progress,
    /// What is known of the end afterwards.
    pub view: View,
}

/// A step that was recalled: what is needed to carry it out.
#[derive(Clone, Copy, Debug)]
pub struct Recalled {
    /// Which step.
    pub edge: EdgeId,
    /// Puts the connection's numbers back into effects.
    pub up: Shift,
}

/// The memory of one world.
#[derive(Clone, Debug)]
pub struct Memory {
    states: Vec<StateEntry>,
    by_value: HashTable<u32>,
    edges: Vec<Edge>,
    by_key: HashTable<u32>,
    effects: Vec<Effect>,
    counters: Vec<Counter>,
    /// Steps that may still be taken without success before it steps aside.
    credit: i64,
    /// For how many births it stays aside, the next time.
    pause: u64,
    aside: u64,
    recalled: u64,
    learnt: u64,
    missed: u64,
}

const NONE: u32 = u32::MAX;
/// An unknown step costs as much as so many known ones save.
const COST_OF_A_MISS: i64 = 8;
const CREDIT: i64 = 1 << 14;
const FIRST_PAUSE: u64 = 1 << 12;
const LONGEST_PAUSE: u64 = 1 << 24;

impl Default for Memory {
    fn default() -> Self {
        Memory {
            states: Vec::new(),
            by_value: HashTable::new(),
            edges: Vec::new(),
            by_key: HashTable::new(),
            effects: Vec::new(),
            counters: Vec::new(),
            credit: CREDIT,
            pause: FIRST_PAUSE,
            aside: 0,
            recalled: 0,
            learnt: 0,
            missed: 0,
        }
    }
}

/// A deadline after a step.
#[inline]
fn alarm(cx: &Cx<'_>, due: Time, change: AlarmChange) -> Time {
    match change {
        AlarmChange::Kept => due,
        AlarmChange::Stopped => Time::NEVER,
        AlarmChange::Armed(delay) => cx.cfg.timers.expiry(cx.now, delay),
    }
}

/// What a step was taken from and with: for [`Memory::learn`].
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    key: Key,
    /// The bases that input and effects are relative to.
    bases: Bases,
    due: [Time; ALARMS],
    orphans: u32,
    minis: u32,
}

impl Taken {
    fn birth(key: Key, bases: Bases, cx: &Cx<'_>) -> Taken {
        let (orphans, minis) = (cx.shared.orphans, cx.shared.mini_sockets);
        Taken { key, bases, due: [Time::NEVER; ALARMS], orphans, minis }
    }
}

impl Edge {
    /// Whether it arms a timer of the endpoint.
    #[inline]
    pub fn arms(&self) -> bool {
        self.arms
    }
}

impl Memory {
    /// Recalls a step and brings `lazy` to where it ends. The host's counts of orphans and mini-sockets move with it.
    ///
    /// # Errors
    /// If the step is not known, what to tell [`Memory::learn`] once the end itself has taken it; `None` if that is to be
    /// the end of it.
    #[inline]
    pub fn recall(
        &mut self,
        lazy: &mut Lazy,
        cx: &mut Cx<'_>,
        clocks: &Clocks,
        cause: Cause<'_>,
    ) -> Result<Recalled, Option<Taken>> {
        let entry = &self.states[lazy.state as usize];
        let unmet = entry.end.endpoint.state() == State::SynSent;
        let Some((key, bases)) = lazy.key(cx, clocks, cause, unmet) else { return Err(None) };
        let mut edge = entry.last;
        if edge == NONE || !self.edges[edge as usize].key.is(&key) {
            let edges = &self.edges;
            let Some(&found) = self.by_key.find(key.hash(), |&e| edges[e as usize].key.is(&key)) else {
                let (orphans, minis) = (cx.shared.orphans, cx.shared.mini_sockets);
                return Err(Some(Taken { key, bases, due: lazy.due, orphans, minis }));
            };
            edge = found;
            self.states[lazy.state as usize].last = found;
        }
        self.recalled += 1;
        self.credit = (self.credit + 1).min(CREDIT);
        Ok(self.follow(edge, lazy, cx, clocks, bases))
    }

    /// The birth of a client's end: what a step would be told if it were one. Every birth of a source's clients is like
    /// every other, as long as no TIME_WAIT hands numbers down.
    pub fn client_birth(host: HostId, traffic: TrafficId, isn: u32, offset: u32, cx: &Cx<'_>) -> Taken {
        let whose = u64::from(host.0) << 16 | u64::from(traffic.0);
        let bases = Bases { snd: isn, rcv: 0, peer_ts: 0, offset };
        Taken::birth(Key([u64::from(NONE) << 32 | 1, whose, 0, 0, 0, 0, 0, 0]), bases, cx)
    }

    /// The birth of a server's end by the segment that completes its handshake; `None` if an equal one could be different.
    pub fn child_birth(
        (host, traffic): (HostId, TrafficId),
        request: &Request,
        seg: &Segment,
        cx: &Cx<'_>,
        clocks: &Clocks,
    ) -> Option<Taken> {
        if !clocks.calm || seg.sack.is_some() || seg.sack2.is_some() || seg.flags.has(Flags::SYN) {
            return None;
        }
        let bases = request.bases();
        let mut words = [0; 8];
        pack_segment(seg, &bases, clocks, &mut words)?;
        let [age, tsvals, windows, options] = request.words(cx.now, clocks)?;
        let whose = u64::from(host.0) << 16 | u64::from(traffic.0);
        words[0] = u64::from(NONE) << 32 | 2;
        words[1] = age;
        words[5] = tsvals;
        words[6] = windows;
        words[7] = whose << 32 | options;
        Some(Taken::birth(Key(words), bases, cx))
    }

    /// Recalls a birth.
    pub fn recall_birth(
        &mut self,
        birth: &Taken,
        cx: &mut Cx<'_>,
        clocks: &Clocks,
    ) -> Option<(Lazy, Recalled)> {
        if !clocks.calm {
            return None;
        }
        let edges = &self.edges;
        let &edge = self.by_key.find(birth.key.hash(), |&e| edges[e as usize].key.is(&birth.key))?;
        self.recalled += 1;
        self.credit = (self.credit + 1).min(CREDIT);
        let mut lazy = Lazy { state: 0, bases: birth.bases, clocks: *clocks, due: [Time::NEVER; ALARMS] };
        let recalled = self.follow(edge, &mut lazy, cx, clocks, birth.bases);
        Some((lazy, recalled))
    }

    #[inline]
    fn follow(
        &mut self,
        edge: u32,
        lazy: &mut Lazy,
        cx: &mut Cx<'_>,
        clocks: &Clocks,
        bases: Bases,
    ) -> Recalled {
        let known = &mut self.edges[edge as usize];
        known.taken += 1;
        let add = u32::wrapping_add;
        lazy.state = known.to;
        lazy.bases = Bases {
            snd: add(bases.snd, known.moved.snd),
            rcv: if known.no_peer { 0 } else { add(bases.rcv, known.moved.rcv) },
            peer_ts: if known.no_peer_ts { 0 } else { add(bases.peer_ts, known.moved.peer_ts) },
            offset: bases.offset,
        };
        lazy.clocks = *clocks;
        if known.alarms_moved {
            let [transmit, delayed_ack, keepalive] = known.alarms;
            lazy.due = [
                alarm(cx, lazy.due[0], transmit),
                alarm(cx, lazy.due[1], delayed_ack),
                alarm(cx, lazy.due[2], keepalive),
            ];
        }
        if known.orphans | known.minis != 0 {
            cx.shared.orphans = cx.shared.orphans.wrapping_add_signed(i32::from(known.orphans));
            cx.shared.mini_sockets = cx.shared.mini_sockets.wrapping_add_signed(i32::from(known.minis));
        }
        Recalled { edge: EdgeId(edge), up: Shift::up(&bases, clocks) }
    }

    /// A known step.
    #[inline]
    pub fn edge(&self, id: EdgeId) -> &Edge {
        &self.edges[id.0 as usize]
    }

    /// The effects of a known step, their numbers relative.
    #[inline]
    pub fn effects_of(&self, edge: &Edge) -> &[Effect] {
        let (from, to) = edge.effects;
        &self.effects[from as usize..to as usize]
    }

    /// The value that a place in the memory stands for, its numbers put back.
    pub fn whole(&self, lazy: &Lazy) -> End {
        let mut end = self.states[lazy.state as usize].end.clone();
        end.endpoint.shift(&Shift::up(&lazy.bases, &lazy.clocks));
        end.endpoint.set_alarms(lazy.due);
        end
    }

    /// Adds what the steps that were recalled did to a host's counters.
    pub fn count(&self, host: HostId, counters: &mut Counters) {
        for edge in self.edges.iter().filter(|edge| edge.host == host && edge.taken > 0) {
            let (from, to) = edge.counters;
            for &counter in &self.counters[from as usize..to as usize] {
                counters.add(counter, edge.taken);
            }
        }
    }

    /// Whether the next connection should try it. Where too few steps are known, it stays aside for a number of
    /// connections, and twice as many the next time: then a run costs what it costs without it.
    pub fn pays(&mut self) -> bool {
        if self.aside > 0 {
            self.aside -= 1;
            return false;
        }
        self.credit >= 0
    }

    /// Steps that were recalled, that were learnt, and that were taken by an end itself although it might have been
    /// known.
    pub fn tally(&self) -> (u64, u64, u64) {
        (self.recalled, self.learnt, self.missed)
    }

    /// Values and steps that it holds.
    pub fn size(&self) -> (usize, usize) {
        (self.states.len(), self.edges.len())
    }
}
