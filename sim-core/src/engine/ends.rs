//! Steps of the ends of connections, and what comes of them.

use super::event::Event;
use super::queue::Queue;
use super::record::{Move, Record, Sink, Whose};
use super::world::World;
use crate::app::{Around, Booked, Effect, Status};
use crate::host::{Hint, NewMini, Packet, Timed};
use crate::ids::{HostId, Key};
use crate::scenario::Side;
use crate::tcp::{Cx, Segment, State};
use crate::time::Time;

/// What makes an end take a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause<'a> {
    /// A segment has arrived.
    Segment(&'a Segment),
    /// The endpoint's timer is due.
    Timer,
    /// The application's timer is due.
    AppTimer,
    /// accept() has answered with it.
    Accepted,
    /// A request for an idle connection.
    NextRequest,
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// A packet has reached the host it is for.
    pub(super) fn deliver(&mut self, host: HostId, packet: &Packet) {
        let tuple = packet.tuple.reversed();
        let here = &mut self.hosts[host.index()];
        let key = here.tables.conns.key(packet.to.0);
        let guessed = here.tables.conns.get(key).is_some_and(|c| c.tuple == tuple && c.end.hashed);
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
        if conn.end.deadline() <= self.now {
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
        let server = conn.end.app.as_ref().is_some_and(|app| app.side() == Side::Server);
        let lane = self.source_lanes[conn.attempt.traffic.index()].apps[usize::from(server)];
        self.queue.push(lane, conn.app_due, None, Event::App(host, key));
    }

    /// One end takes a step.
    pub(super) fn step(&mut self, host: HostId, key: Key, cause: Cause<'_>) {
        let World { hosts, sources, fx, now, .. } = self;
        let here = &mut hosts[host.index()];
        let Some(conn) = here.tables.conns.get_mut(key) else { return };
        let was_idle = conn.end.status() == Status::Idle && !matches!(cause, Cause::NextRequest);
        let spec = &sources[conn.attempt.traffic.index()].spec;
        fx.clear();
        let cx = Cx { now: *now, cfg: &here.cfg, shared: &mut here.shared };
        let mut around = Around { cx, spec, fx };
        match cause {
            Cause::Segment(seg) => conn.end.arrive(&mut around, seg),
            Cause::Timer => conn.end.on_timer(&mut around),
            Cause::AppTimer => conn.end.on_app_timer(&mut around),
            Cause::Accepted => conn.end.accepted(&mut around),
            Cause::NextRequest => conn.end.next_request(&mut around),
        }
        self.carry_out(host, key, was_idle);
    }

    /// Carries out the effects of a step of an end.
    pub(super) fn carry_out(&mut self, host: HostId, key: Key, was_idle: bool) {
        let Some(conn) = self.hosts[host.index()].tables.conns.get(key) else { return };
        let whose = Whose { host, tuple: conn.tuple, attempt: conn.attempt };
        let (peer, began, dest, owner) = (conn.peer, conn.began, conn.dest, conn.owner);
        let fx = core::mem::take(&mut self.fx);
        for effect in &fx.list {
            match effect {
                Effect::Segment(seg) => self.transmit(whose, seg, Hint(key.slot() as u32), peer),
                Effect::Booked(booked) => self.book(whose, *booked, began),
                Effect::DescriptorClosed => {
                    let acceptable = &mut self.acceptable;
                    let again = |listener| acceptable.push((host, listener));
                    self.hosts[host.index()].descriptor_closed(again);
                }
                Effect::Left => self.hosts[host.index()].unhash(key),
                Effect::TimeWait(machine) => {
                    let who = NewMini { tuple: whose.tuple, attempt: whose.attempt, dest, owner };
                    self.begin_mini(host, who, machine);
                }
                Effect::Moved { .. } | Effect::Refused(_) | Effect::Fired(_) | Effect::RanOut(_) => {
                    self.note(whose, effect);
                }
            }
        }
        let here = &mut self.hosts[host.index()];
        for &counter in &fx.counters {
            here.stats.counters.bump(counter);
        }
        let app_timer = fx.app_timer;
        self.fx = fx;
        if let Some(after) = app_timer
            && let Some(conn) = here.tables.conns.get_mut(key)
        {
            conn.app_due = after.map_or(Time::NEVER, |after| self.now + after);
            self.queue_app_timer(host, key);
        }
        self.finish(host, key, was_idle);
    }

    /// What is left to do after a step: timers, the application's end, the end's end.
    fn finish(&mut self, host: HostId, key: Key, was_idle: bool) {
        let here = &mut self.hosts[host.index()];
        let Some(conn) = here.tables.conns.get_mut(key) else { return };
        let (id, tries_left) = (conn.attempt.traffic, conn.tries_left);
        let status = conn.end.app.as_ref().map(|app| (app.status(), app.side()));
        if matches!(status, Some((Status::Done | Status::Failed, _))) {
            conn.end.app = None;
        }
        if conn.end.is_over() {
            here.tables.conns.remove(key);
        } else {
            self.queue_timer(host, Timed::Conn(key));
        }
        self.hosts[host.index()].account(self.now);
        match status {
            Some((Status::Idle, _)) if !was_idle => self.on_idle(id, host, key),
            Some((Status::Done, Side::Client)) => self.on_done(id, false),
            Some((Status::Failed, Side::Client)) => self.on_failed(id, tries_left),
            _ => {}
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
