//! Steps of the ends of connections, and what comes of them.

use super::event::Event;
use super::queue::Queue;
use super::record::{Move, Record, Sink, Whose};
use super::world::World;
use crate::app::{Around, Booked, Cause, Effect, Form, Lesson, Recalled, Taken, Verdict, at_moment};
use crate::host::ports::{DestId, Owner};
use crate::host::{Hint, Host, NewMini, Packet, Timed};
use crate::ids::{HostId, Key};
use crate::tcp::{Cx, State};
use crate::time::{Span, Time};

/// What a connection's effects need to know of it.
#[derive(Clone, Copy, Debug)]
struct Doer {
    key: Key,
    whose: Whose,
    peer: Hint,
    began: Time,
    dest: DestId,
    owner: Owner,
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// A packet has reached the host it is for.
    pub(super) fn deliver(&mut self, host: HostId, packet: &Packet) {
        let tuple = packet.tuple.reversed();
        let here = &mut self.hosts[host.index()];
        let key = here.tables.conns.key(packet.to.0);
        let guessed = here.tables.conns.get(key).is_some_and(|c| c.tuple == tuple && c.view.hashed);
        let found = if guessed { Ok(key) } else { here.look_up(tuple) };
        let place = match found {
            Ok(key) => {
                here.stats.counters.bump(crate::counter::Counter::TcpInSegs);
                if let Some(conn) = here.tables.conns.get_mut(key) {
                    conn.peer = packet.from;
                }
                return self.step(host, key, Cause::Segment(&packet.seg));
            }
            Err(place) => place,
        };
        self.fx.clear();
        let queue = &mut self.queue;
        let arrived = here.receive(self.now, packet, place, || queue.ticket(), &mut self.fx);
        self.carry_out_loose(Whose { host, tuple, attempt: packet.attempt }, packet.from);
        self.after(host, arrived);
    }

    /// The wake-up of an endpoint has come.
    pub(super) fn wake_conn(&mut self, host: HostId, key: Key) {
        let here = &mut self.hosts[host.index()];
        let Some(conn) = here.tables.conns.get_mut(key) else { return };
        // The endpoint's deadline moves without a word to the queue. A wake-up counts only if it is the one noted here:
        // an earlier deadline has overtaken any other.
        if conn.wake != self.now {
            return;
        }
        conn.wake = Time::NEVER;
        if conn.form.deadline() <= self.now {
            self.step(host, key, Cause::Timer);
        } else {
            self.queue_timer(host, Timed::Conn(key));
        }
    }

    /// The wake-up of an application has come.
    pub(super) fn wake_app(&mut self, host: HostId, key: Key) {
        let here = &mut self.hosts[host.index()];
        let Some(conn) = here.tables.conns.get_mut(key) else { return };
        if conn.app_wake != self.now {
            return;
        }
        conn.app_wake = Time::NEVER;
        if conn.app_due <= self.now {
            conn.app_due = Time::NEVER;
            self.step(host, key, Cause::AppTimer);
        } else {
            self.queue_app_timer(host, key);
        }
    }

    fn queue_app_timer(&mut self, host: HostId, key: Key) {
        let Some(conn) = self.hosts[host.index()].tables.conns.get_mut(key) else { return };
        if conn.app_due == Time::NEVER || conn.app_due == conn.app_wake {
            return;
        }
        conn.app_wake = conn.app_due;
        let server = conn.view.server;
        let lane = self.source_lanes[conn.attempt.traffic.index()].apps[usize::from(server)];
        self.queue.push(lane, conn.app_due, None, Event::App(host, key));
    }

    /// One end takes a step: by memory if it is known, else by itself.
    pub(super) fn step(&mut self, host: HostId, key: Key, cause: Cause<'_>) {
        let World { hosts, memory, now, .. } = self;
        let here = &mut hosts[host.index()];
        let clocks = here.clocks(*now);
        let Host { cfg, shared, tables, .. } = here;
        let Some(conn) = tables.conns.get_mut(key) else { return };
        let mut cx = Cx::new(*now, cfg, shared);
        let taken = match &mut conn.form {
            Form::Whole(_) => None,
            Form::Lazy(lazy) => match memory.recall(lazy, &mut cx, &clocks, cause) {
                Ok(recalled) => {
                    conn.view = memory.edge(recalled.edge).view;
                    return self.carry_out_recalled(host, key, recalled);
                }
                Err(taken) => {
                    let end = memory.whole(lazy);
                    conn.form = Form::Whole(end);
                    taken
                }
            },
        };
        self.fx.clear();
        self.take_step(host, key, cause, taken);
    }

    /// An end that has just come to be, and what its application does first. The memory takes it in if it pays.
    pub(super) fn born(&mut self, host: HostId, key: Key, cause: Option<Cause<'_>>) {
        if let Some(cause) = cause {
            self.take_step(host, key, cause, None);
        }
        let World { hosts, memory, now, .. } = self;
        if !memory.pays() {
            return;
        }
        let here = &mut hosts[host.index()];
        let clocks = here.clocks(*now);
        let Host { cfg, shared, tables, .. } = here;
        let Some(conn) = tables.conns.get_mut(key) else { return };
        let Form::Whole(end) = &conn.form else { return };
        let cx = Cx::new(*now, cfg, shared);
        if let Some(lazy) = memory.adopt(end, host, conn.attempt.traffic, &cx, &clocks) {
            conn.form = Form::Lazy(lazy);
        }
    }

    /// An end takes a step itself; where `taken` says from where, the memory learns it.
    fn take_step(&mut self, host: HostId, key: Key, cause: Cause<'_>, taken: Option<Taken>) {
        let World { hosts, sources, fx, memory, now, .. } = self;
        let here = &mut hosts[host.index()];
        let clocks = here.clocks(*now);
        let Host { cfg, shared, tables, .. } = here;
        let Some(conn) = tables.conns.get_mut(key) else { return };
        let Form::Whole(end) = &mut conn.form else { return };
        let spec = &sources[conn.attempt.traffic.index()].spec;
        let mut around = Around { cx: Cx::new(*now, cfg, shared), spec, fx };
        let verdict = end.step(&mut around, cause);
        conn.view = end.view();
        if let Some(taken) = taken {
            let Around { cx, fx, .. } = around;
            let lesson = Lesson { end, host, traffic: conn.attempt.traffic, fx, verdict };
            if let Some(lazy) = memory.learn(&taken, &cx, &clocks, &lesson) {
                conn.form = Form::Lazy(lazy);
            }
        }
        self.carry_out(host, key, verdict);
    }

    /// What a connection's effects need to know of it.
    fn doer(&self, host: HostId, key: Key) -> Option<Doer> {
        let conn = self.hosts[host.index()].tables.conns.get(key)?;
        let whose = Whose { host, tuple: conn.tuple, attempt: conn.attempt };
        Some(Doer { key, whose, peer: conn.peer, began: conn.began, dest: conn.dest, owner: conn.owner })
    }

    /// Carries out the effects of a step that an end took itself.
    fn carry_out(&mut self, host: HostId, key: Key, verdict: Verdict) {
        let Some(doer) = self.doer(host, key) else { return };
        let fx = core::mem::take(&mut self.fx);
        for effect in &fx.list {
            self.apply(&doer, effect);
        }
        for &counter in &fx.counters {
            self.hosts[host.index()].stats.counters.bump(counter);
        }
        let app_timer = fx.app_timer;
        self.fx = fx;
        self.finish(host, key, app_timer, verdict);
    }

    /// Carries out the effects of a step that was recalled.
    fn carry_out_recalled(&mut self, host: HostId, key: Key, recalled: Recalled) {
        let Some(doer) = self.doer(host, key) else { return };
        let Recalled { edge, up } = recalled;
        for at in self.memory.effects_of(edge) {
            match self.memory.effect(at) {
                Effect::Segment(seg) => {
                    let mut seg = *seg;
                    seg.shift_sent(&up);
                    self.transmit(doer.whose, &seg, Hint(key.slot() as u32), doer.peer);
                }
                Effect::TimeWait(machine) => {
                    let timers = self.hosts[host.index()].cfg.timers;
                    let machine = at_moment(machine, &up, self.now, timers);
                    self.apply(&doer, &Effect::TimeWait(machine));
                }
                effect => {
                    let effect = effect.clone();
                    self.apply(&doer, &effect);
                }
            }
        }
        let edge = self.memory.edge(edge);
        let (app_timer, verdict) = (edge.app_timer, edge.verdict);
        self.finish(host, key, app_timer, verdict);
    }

    fn apply(&mut self, doer: &Doer, effect: &Effect) {
        let Doer { key, whose, .. } = *doer;
        let host = whose.host;
        match effect {
            Effect::Segment(seg) => self.transmit(whose, seg, Hint(key.slot() as u32), doer.peer),
            Effect::Booked(booked) => self.book(whose, *booked, doer.began),
            Effect::DescriptorClosed => {
                let acceptable = &mut self.acceptable;
                let again = |listener| acceptable.push((host, listener));
                self.hosts[host.index()].descriptor_closed(again);
            }
            Effect::Left => self.hosts[host.index()].unhash(key),
            Effect::TimeWait(machine) => {
                let (dest, owner) = (doer.dest, doer.owner);
                let who = NewMini { tuple: whose.tuple, attempt: whose.attempt, dest, owner };
                self.begin_mini(host, who, machine);
            }
            Effect::Moved { .. } | Effect::Refused(_) | Effect::Fired(_) | Effect::RanOut(_) => {
                self.note(whose, effect);
            }
        }
    }

    /// What is left to do after a step: timers, the application's end, the end's end.
    fn finish(&mut self, host: HostId, key: Key, app_timer: Option<Option<Span>>, verdict: Verdict) {
        let here = &mut self.hosts[host.index()];
        let Some(conn) = here.tables.conns.get_mut(key) else { return };
        let (id, tries_left) = (conn.attempt.traffic, conn.tries_left);
        if let Some(after) = app_timer {
            conn.app_due = after.map_or(Time::NEVER, |after| self.now + after);
        }
        if conn.view.over {
            here.tables.conns.remove(key);
        } else {
            if app_timer.is_some() {
                self.queue_app_timer(host, key);
            }
            self.queue_timer(host, Timed::Conn(key));
        }
        self.hosts[host.index()].account(self.now);
        match verdict {
            Verdict::Idle => self.on_idle(id, host, key),
            Verdict::ClientDone => self.on_done(id, false),
            Verdict::ClientFailed => self.on_failed(id, tries_left),
            Verdict::GoesOn | Verdict::ServerDone => {}
        }
    }

    /// Carries out the effects of a step that no full socket took.
    pub(super) fn carry_out_loose(&mut self, whose: Whose, peer: Hint) {
        let fx = core::mem::take(&mut self.fx);
        for effect in &fx.list {
            match effect {
                Effect::Segment(seg) => self.transmit(whose, seg, Hint::NONE, peer),
                _ => self.note(whose, effect),
            }
        }
        self.fx = fx;
    }

    /// Books and records what concerns the host alone.
    fn note(&mut self, whose: Whose, effect: &Effect) {
        match *effect {
            Effect::Moved { from, to, last } => self.moved(whose, from, to, last),
            Effect::Refused(why) => self.record(Record::Refused(whose, why)),
            Effect::Fired(kind) => self.record(Record::Fired(whose, kind)),
            Effect::RanOut(what) => {
                let line = self.hosts[whose.host.index()].ran_out(self.now, what);
                self.log(whose.host, line);
            }
            _ => {}
        }
    }

    /// A connection moved. The gauges see where a step began and where it ended, for nobody could see what lies between.
    pub(super) fn moved(&mut self, whose: Whose, from: State, to: State, last: bool) {
        let began = self.step_began_in.take().unwrap_or(from);
        if last {
            self.hosts[whose.host.index()].moved(self.now, began, to);
        } else {
            self.step_began_in = Some(began);
        }
        self.record(Record::Moved(whose, Move { from, to, last }));
    }

    fn book(&mut self, whose: Whose, booked: Booked, began: Time) {
        let book = &mut self.books[whose.attempt.traffic.index()];
        match booked {
            Booked::Connected => {
                book.connected.add(self.now);
                book.connect_latency.add(self.now.since(began));
                let first_failed = book.failed.count > 0 && began > book.failed.first;
                if first_failed && book.recovered.is_none() {
                    book.recovered = Some(self.now);
                }
            }
            Booked::Answered => book.answered += 1,
            Booked::Completed => book.completed.add(self.now),
            Booked::Failed(call, errno) => book.fail(self.now, call, errno),
        }
    }
}
