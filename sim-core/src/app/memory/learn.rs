//! Learning: a step that an end has taken itself becomes an edge.

use super::super::effects::Effects;
use super::super::end::{End, Progress};
use super::super::lazy::Lazy;
use super::value::{bases_of, hash_value, marks, relative};
use super::{
    COST_OF_A_MISS, CREDIT, Edge, LONGEST_PAUSE, MOST_EDGES, MOST_STATES, Memory, NONE, StateEntry, Taken,
};
use crate::ids::{HostId, TrafficId};
use crate::tcp::{ALARMS, Alarm, AlarmChange, Bases, Clocks, Cx, Shift, State};

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
    pub verdict: Progress,
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
            arms: cx.notes.arms(),
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
        let lesson = Lesson { end, host, traffic, fx: &fx, verdict: Progress::GoesOn };
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
