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

use core::hash::{Hash, Hasher};

use hashbrown::HashTable;

use super::effects::{Effect, Effects};
use super::end::{Cause, End, Verdict, View};
use super::lazy::Lazy;
use crate::counter::{Counter, Counters};
use crate::ids::{HostId, TrafficId};
use crate::rng::mix;
use crate::socket::Request;
use crate::tcp::config::{TimerModel, TwOverflow};
use crate::tcp::{ALARMS, Alarm, AlarmChange, Bases, Clocks, Cx, Flags, Segment, Shift, State, TsOption};
use crate::time::{Span, Time};

/// Most values and steps that are kept.
const MOST_STATES: usize = 1 << 14;
const MOST_EDGES: usize = 1 << 16;

/// Everything that a step can see, packed.
#[derive(Clone, Copy, Debug)]
pub struct Key([u64; 8]);

impl Key {
    #[inline]
    fn is(&self, other: &Key) -> bool {
        // All at once: one branch in place of eight, and no call.
        let differs = |at: usize| self.0[at] ^ other.0[at];
        let first = differs(0) | differs(1) | differs(2) | differs(3);
        (first | differs(4) | differs(5) | differs(6) | differs(7)) == 0
    }

    fn hash(&self) -> u64 {
        let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
        for word in self.0 {
            hash = (hash ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
            hash ^= hash >> 32;
        }
        hash
    }
}

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
    effects: (u32, u32),
    counters: (u32, u32),
    /// What it does to the host's count of orphans and of mini-sockets.
    orphans: i8,
    minis: i8,
    taken: u64,
    /// The application's timer.
    pub app_timer: AlarmChange,
    /// What it came to for the application.
    pub verdict: Verdict,
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

/// A hasher for values: words in, one word out, the same on every machine.
struct ValueHasher(u64);

impl Hasher for ValueHasher {
    fn finish(&self) -> u64 {
        mix(self.0)
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u8(&mut self, n: u8) {
        self.write_u64(u64::from(n));
    }
    fn write_u16(&mut self, n: u16) {
        self.write_u64(u64::from(n));
    }
    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
    fn write_isize(&mut self, n: isize) {
        self.write_u64(n as u64);
    }
}

fn hash_value(end: &End, host: HostId, traffic: TrafficId) -> u64 {
    let mut hasher = ValueHasher(u64::from(host.0) << 16 | u64::from(traffic.0));
    end.hash(&mut hasher);
    hasher.finish()
}

/// The bases of an end: of a SYN_SENT the peer's are not known yet.
fn bases_of(end: &End) -> Bases {
    let bases = end.endpoint.bases();
    if end.endpoint.state() == State::SynSent { Bases { rcv: 0, ..bases } } else { bases }
}

/// The marks that stand in a value for the deadlines of its timers.
fn marks(due: [Time; ALARMS]) -> [Time; ALARMS] {
    due.map(|due| if due == Time::NEVER { Time::NEVER } else { Time::ZERO })
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

impl Lazy {
    /// Everything that a step can see, and the bases that its input is relative to; `None` if an equal step could do
    /// something else.
    #[inline]
    fn key(&self, cx: &Cx<'_>, clocks: &Clocks, cause: Cause<'_>, unmet: bool) -> Option<(Key, Bases)> {
        if !(clocks.calm & self.clocks.calm) {
            return None;
        }
        let evicts = cx.cfg.tw_overflow == TwOverflow::RecycleOldest;
        let room = u64::from(evicts || cx.shared.mini_sockets < cx.cfg.max_tw_buckets);
        let orphan = u64::from(cx.shared.orphans < cx.cfg.max_orphans);
        let mut words = [0; 8];
        let mut bases = self.bases;
        let kind = match cause {
            Cause::Segment(seg) => {
                // SYN_SENT compares nothing with the peer's numbers: they are what it learns.
                if unmet {
                    bases.rcv = seg.seq.0;
                    if bases.peer_ts == 0 {
                        bases.peer_ts = seg.ts.map_or(0, |ts| ts.val);
                    }
                }
                pack_segment(seg, &bases, clocks, &mut words)?;
                0
            }
            Cause::Timer => {
                let mask = |i: usize| u64::from(self.due[i] <= cx.now) << i;
                8 | mask(0) | mask(1) | mask(2)
            }
            Cause::AppTimer => 1,
            Cause::Accepted => 2,
            Cause::NextRequest => 3,
            Cause::Connect => return None,
        };
        words[0] = u64::from(self.state) << 32 | kind << 8 | room << 1 | orphan;
        let ticks = clocks.ticks.wrapping_sub(self.clocks.ticks);
        let millis = clocks.millis.wrapping_sub(self.clocks.millis);
        let micros = clocks.micros.wrapping_sub(self.clocks.micros);
        let seconds = clocks.seconds.wrapping_sub(self.clocks.seconds);
        words[1] = u64::from(ticks) << 32 | u64::from(millis);
        words[5] = u64::from(micros) << 32 | u64::from(seconds);
        Some((Key(words), bases))
    }
}

/// Packs a segment relative to the numbers of the end that it is for.
#[inline]
fn pack_segment(seg: &Segment, bases: &Bases, clocks: &Clocks, words: &mut [u64; 8]) -> Option<()> {
    let ack = if seg.flags.has(Flags::ACK) { seg.ack.0.wrapping_sub(bases.snd) } else { seg.ack.0 };
    words[2] = u64::from(seg.seq.0.wrapping_sub(bases.rcv)) << 32 | u64::from(ack);
    let mut marks = 0;
    if let Some(TsOption { val, ecr }) = seg.ts {
        let echoed = ecr.wrapping_sub(bases.offset);
        // Zero means "none" in more places than one.
        if val == 0 || (ecr != 0 && echoed == 0) {
            return None;
        }
        let age = clocks.millis.wrapping_sub(echoed);
        words[4] =
            u64::from(val.wrapping_sub(bases.peer_ts)) << 32 | u64::from(if ecr == 0 { 0 } else { age });
        marks = 1 | u64::from(ecr == 0) << 1 | u64::from(bases.peer_ts == 0) << 2;
    }
    if seg.flags.has(Flags::SYN) {
        let syn = seg.syn;
        words[6] = u64::from(syn.mss) << 32
            | syn.wscale.map_or(0, |scale| 0x100 | u64::from(scale)) << 1
            | u64::from(syn.sack_ok);
        if seg.sack.is_some() || seg.sack2.is_some() {
            return None;
        }
    } else if seg.syn != crate::tcp::SynOptions::default() {
        return None;
    }
    for (i, block) in [seg.sack, seg.sack2].into_iter().enumerate() {
        if let Some((from, to)) = block {
            marks |= 8 << i;
            words[6 + i] =
                u64::from(from.0.wrapping_sub(bases.snd)) << 32 | u64::from(to.0.wrapping_sub(bases.snd));
        }
    }
    words[3] = u64::from(seg.len) << 32 | u64::from(seg.win) << 16 | u64::from(seg.flags.0) << 8 | marks;
    Some(())
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
        if !clocks.calm || seg.sack.is_some() || seg.flags.has(Flags::SYN) {
            return None;
        }
        let bases = request.bases();
        let mut words = [0; 8];
        pack_segment(seg, &bases, clocks, &mut words)?;
        let [age, tsvals, windows, options, _] = request.words(cx.now, clocks)?;
        let whose = u64::from(host.0) << 16 | u64::from(traffic.0);
        words[0] = u64::from(NONE) << 32 | 2;
        words[1] = age;
        words[5] = tsvals;
        words[6] = windows;
        words[7] = options << 12 ^ whose << 32 ^ options >> 20;
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

/// The end of a step that an end has taken itself.
#[derive(Debug)]
pub struct Lesson<'a> {
    /// The value now.
    pub end: &'a End,
    /// Whose it is.
    pub host: HostId,
    /// Which source's.
    pub traffic: TrafficId,
    /// What came of it.
    pub fx: &'a Effects,
    /// What it came to for the application.
    pub verdict: Verdict,
}

impl Memory {
    /// Remembers a step. Its end as a place in the memory, if it can be one.
    pub fn learn(
        &mut self,
        taken: &Taken,
        cx: &Cx<'_>,
        clocks: &Clocks,
        lesson: &Lesson<'_>,
    ) -> Option<Lazy> {
        self.missed += 1;
        if self.aside > 0 {
            return None;
        }
        self.credit -= COST_OF_A_MISS;
        if self.credit < 0 {
            self.step_aside();
            return None;
        }
        if cx.notes.asked_outside() || self.edges.len() == MOST_EDGES {
            return None;
        }
        let due = lesson.end.endpoint.alarms();
        let change = |alarm: Alarm| cx.alarm_change(alarm, taken.due[alarm as usize], due[alarm as usize]);
        let alarms = [change(Alarm::Transmit)?, change(Alarm::DelayedAck)?, change(Alarm::KeepAlive)?];
        let effects = self.store_effects(taken, cx, clocks, lesson)?;
        let (to, bases) = self.intern(lesson, clocks)?;
        let counters = self.counters.len() as u32;
        self.counters.extend(&lesson.fx.counters);
        let sub = u32::wrapping_sub;
        let edge = Edge {
            key: taken.key,
            to,
            host: lesson.host,
            moved: Bases {
                snd: sub(bases.snd, taken.bases.snd),
                rcv: sub(bases.rcv, taken.bases.rcv),
                peer_ts: sub(bases.peer_ts, taken.bases.peer_ts),
                offset: 0,
            },
            no_peer_ts: bases.peer_ts == 0,
            no_peer: lesson.end.endpoint.state() == State::SynSent,
            alarms,
            alarms_moved: alarms != [AlarmChange::Kept; ALARMS],
            effects,
            counters: (counters, self.counters.len() as u32),
            orphans: i8::try_from(i64::from(cx.shared.orphans) - i64::from(taken.orphans)).ok()?,
            minis: i8::try_from(i64::from(cx.shared.mini_sockets) - i64::from(taken.minis)).ok()?,
            taken: 0,
            app_timer: lesson.fx.app_timer,
            verdict: lesson.verdict,
            view: lesson.end.view(),
        };
        let id = self.edges.len() as u32;
        self.edges.push(edge);
        let edges = &self.edges;
        self.by_key.insert_unique(taken.key.hash(), id, |&e| edges[e as usize].key.hash());
        self.learnt += 1;
        Some(Lazy { state: to, bases, clocks: *clocks, due })
    }

    fn step_aside(&mut self) {
        self.aside = self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.credit = CREDIT;
    }

    /// An end that has just come to be, as a place in the memory.
    pub fn adopt(&mut self, end: &End, host: HostId, traffic: TrafficId, clocks: &Clocks) -> Option<Lazy> {
        if !clocks.calm {
            return None;
        }
        let fx = Effects::default();
        let lesson = Lesson { end, host, traffic, fx: &fx, verdict: Verdict::GoesOn };
        let (state, bases) = self.intern(&lesson, clocks)?;
        Some(Lazy { state, bases, clocks: *clocks, due: end.endpoint.alarms() })
    }

    /// The state of a value, new if it was never met, and its bases. `None` if it does not survive the way there and
    /// back.
    fn intern(&mut self, lesson: &Lesson<'_>, clocks: &Clocks) -> Option<(u32, Bases)> {
        if !clocks.calm {
            return None;
        }
        let bases = bases_of(lesson.end);
        let mut value = lesson.end.clone();
        value.endpoint.shift(&Shift::down(&bases, clocks));
        let mut back = value.clone();
        back.endpoint.shift(&Shift::up(&bases, clocks));
        let mut plain = lesson.end.clone();
        plain.endpoint.shift(&Shift::default());
        if back != plain {
            return None;
        }
        value.endpoint.set_alarms(marks(value.endpoint.alarms()));
        let (host, traffic) = (lesson.host, lesson.traffic);
        let hash = hash_value(&value, host, traffic);
        let states = &self.states;
        let same = |&state: &u32| {
            let entry = &states[state as usize];
            entry.host == host && entry.traffic == traffic && entry.end == value
        };
        if let Some(&state) = self.by_value.find(hash, same) {
            return Some((state, bases));
        }
        if states.len() == MOST_STATES {
            return None;
        }
        let state = states.len() as u32;
        self.states.push(StateEntry { end: value, host, traffic, last: NONE });
        let states = &self.states;
        let rehash = |&state: &u32| {
            let entry = &states[state as usize];
            hash_value(&entry.end, entry.host, entry.traffic)
        };
        self.by_value.insert_unique(hash, state, rehash);
        Some((state, bases))
    }

    /// Stores effects with their numbers made relative; `None` if one of them cannot be.
    fn store_effects(
        &mut self,
        taken: &Taken,
        cx: &Cx<'_>,
        clocks: &Clocks,
        lesson: &Lesson<'_>,
    ) -> Option<(u32, u32)> {
        let down = Shift::down(&taken.bases, clocks);
        let up = Shift::up(&taken.bases, clocks);
        let from = self.effects.len();
        for effect in &lesson.fx.list {
            let relative = relative(effect, &down, &up, cx);
            let Some(relative) = relative else {
                self.effects.truncate(from);
                return None;
            };
            self.effects.push(relative);
        }
        Some((from as u32, self.effects.len() as u32))
    }
}

/// An effect with its numbers made relative, if that can be undone.
fn relative(effect: &Effect, down: &Shift, up: &Shift, cx: &Cx<'_>) -> Option<Effect> {
    match effect {
        Effect::Segment(seg) => {
            // A RST in answer to a segment without ACK has the absolute number 0.
            if seg.flags.has(Flags::RST_ACK) && seg.seq.0 == 0 {
                return None;
            }
            let mut relative = *seg;
            relative.shift_sent(down);
            let mut back = relative;
            back.shift_sent(up);
            (back == *seg).then_some(Effect::Segment(relative))
        }
        Effect::TimeWait(machine) => {
            let life = cx.notes.mini()?;
            if machine.entered() != cx.now || machine.deadline() != cx.cfg.timers.expiry(cx.now, life) {
                return None;
            }
            let mut relative = machine.clone();
            relative.shift(down);
            let mut back = relative.clone();
            back.shift(up);
            if back != *machine {
                return None;
            }
            relative.set_times(Time::ZERO, Time(life.0));
            Some(Effect::TimeWait(relative))
        }
        other => Some(other.clone()),
    }
}

/// A mini-socket from its relative form, at a moment.
pub fn at_moment(
    machine: &crate::tcp::TimeWait,
    up: &Shift,
    now: Time,
    timers: TimerModel,
) -> crate::tcp::TimeWait {
    let mut whole = machine.clone();
    whole.shift(up);
    let life = Span(machine.deadline().0);
    whole.set_times(now, timers.expiry(now, life));
    whole
}
