//! What goes on inside the ends of a connection, for a follower who wants to know: timers that run, connections accepted.

use super::queue::Queue;
use super::record::{Record, Sink, Whose};
use super::world::World;
use crate::app::Form;
use crate::host::Timed;
use crate::ids::{HostId, Key};
use crate::tcp::{ALARMS, TimerKind};
use crate::time::Time;

/// Timers of an endpoint and when they are due.
pub(super) type Timers = [(TimerKind, Time); ALARMS];

impl<Q: Queue, S: Sink> World<Q, S> {
    /// The timers of an end that run differently from `before`; those that do not are at [`Time::NEVER`].
    pub(super) fn timers_moved(&self, host: HostId, key: Key, before: Timers) -> Timers {
        let conn = self.hosts[host.index()].tables.conns.get(key);
        let Some(Form::Whole(end)) = conn.map(|conn| &conn.form) else {
            return before.map(|(k, _)| (k, Time::NEVER));
        };
        let mut now = end.endpoint.timers();
        for (timer, before) in now.iter_mut().zip(before) {
            if *timer == before {
                timer.1 = Time::NEVER;
            }
        }
        now
    }

    /// Records timers that run anew.
    pub(super) fn record_timers(&mut self, whose: &Whose, moved: Timers) {
        for (kind, at) in moved.into_iter().filter(|&(_, at)| at != Time::NEVER) {
            self.record_of(whose, |whose| Record::Armed(whose, kind, at));
        }
    }

    /// Records the timer of a request or a mini-socket that a segment has armed.
    pub(super) fn record_timer_of(&mut self, whose: &Whose, timed: Option<Timed>) {
        if !self.looks_inside(whose.attempt, whose.tuple) {
            return;
        }
        let here = &self.hosts[whose.host.index()];
        let (kind, at) = match timed {
            Some(Timed::Request(key)) => {
                (TimerKind::SynAck, here.tables.requests.get(key).map(|pending| pending.request.deadline()))
            }
            Some(Timed::Row(row)) => (TimerKind::TimeWait, here.ending_of(row).map(|(at, _)| at)),
            Some(Timed::Orphan(key)) => {
                (TimerKind::TimeWait, here.tables.orphans.get(key).map(|orphan| orphan.machine.deadline()))
            }
            Some(Timed::Conn(key)) => {
                let moved = self.timers_moved(whose.host, key, crate::tcp::Endpoint::NO_TIMERS);
                return self.record_timers(whose, moved);
            }
            None => return,
        };
        if let Some(at) = at.filter(|&at| at != Time::NEVER) {
            self.record_of(whose, |whose| Record::Armed(whose, kind, at));
        }
    }
}
