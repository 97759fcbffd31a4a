//! Steps of the ends of connections, and what comes of them.

use super::event::Event;
use super::queue::Queue;
use super::record::{Aside, Move, Record, Sink, StepArms, Whose, digest_move};
use super::world::World;
use crate::app::{
    AppTimer, Around, Booked, Cause, Effect, Effects, End, Form, Lesson, Memory, Progress, Recalled, Taken,
    at_moment,
};
use crate::counter::Counter;
use crate::host::ports::{DestId, Owner};
use crate::host::{Conn, Hint, Host, Job, NewMini, Packet, Place, Timed};
use crate::ids::{HostId, Key};
use crate::net::Path;
use crate::order::{Rank, Woken};
use crate::record::{SynLoss, TrafficSummary};
use crate::socket::{self, Next, SocketMut};
use crate::tcp::{Cx, Flags, Secrets, Segment, State, TimeWait, TimerKind};
use crate::time::Time;

/// What a connection's effects need to know of it.
#[derive(Clone, Copy, Debug)]
struct Doer {
    key: Key,
    whose: Whose,
    peer: Hint,
    path: Path,
    began: Time,
    dest: DestId,
    owner: Owner,
}

impl Doer {
    #[inline]
    fn new(host: HostId, key: Key, conn: &Conn) -> Doer {
        let whose = Whose { host, tuple: conn.tuple, attempt: conn.attempt };
        let (dest, owner) = (conn.dest, conn.owner);
        Doer { key, whose, peer: conn.peer, path: conn.path, began: conn.began, dest, owner }
    }
}

/// What a step armed.
fn armed_by(fx: &Effects) -> StepArms {
    let (alarms, asked_outside) = (fx.notes.alarms(), fx.notes.asked_outside());
    StepArms { alarms, app: fx.app_timer, mini: fx.notes.mini(), asked_outside }
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// A packet has reached the full socket it is for.
    #[inline]
    pub(super) fn deliver_to(&mut self, host: HostId, key: Key, packet: &Packet) {
        let here = &mut self.hosts[host.index()];
        here.stats.counters.bump(Counter::TcpInSegs);
        if let Some(conn) = here.tables.conns.get_mut(key) {
            conn.peer = packet.from;
        }
        self.step(host, key, Cause::Segment(&packet.seg));
    }

    /// A packet has reached the host it is for, which has yet to find out who it is for.
    pub(super) fn deliver(&mut self, host: HostId, packet: &Packet) {
        let tuple = packet.tuple.reversed();
        let mut place = self.hosts[host.index()].look_up(tuple);
        if matches!(place, None | Some(Place::Conversation(_))) && self.breaks_script(place, packet) {
            place = self.hosts[host.index()].look_up(tuple);
        }
        if let Some(Place::Full(slot)) = place {
            let key = self.hosts[host.index()].tables.conns.key(slot);
            return self.deliver_to(host, key, packet);
        }
        let path = self.net.path(host, tuple.remote.addr);
        if let Some(Place::Request(slot)) = place
            && self.complete_handshake(host, slot, packet, path)
        {
            return;
        }
        self.fx.clear();
        let World { hosts, queue, fx, now, .. } = self;
        let arrived = hosts[host.index()].receive(*now, packet, path, place, || queue.ticket(), fx);
        if packet.seg.flags.has(Flags::SYN) && !packet.seg.flags.has(Flags::ACK) {
            self.syn_came(host, packet, place);
        }
        let whose = Whose { host, tuple, attempt: packet.attempt };
        self.carry_out_loose(&whose, path, packet.from);
        self.record_timer_of(&whose, arrived.timed);
        if S::REHEARSES {
            self.sink.aside(Aside::Stepped(host, armed_by(&self.fx)));
        }
        self.after(host, arrived, true);
    }

    /// A packet that nobody here waits for may belong to a conversation that follows a script, of a client here or of one at the
    /// other end. Whether it does: then that stands in the tables now.
    fn breaks_script(&mut self, place: Option<Place>, packet: &Packet) -> bool {
        if let Some(Place::Conversation(slot)) = place {
            self.meet(slot);
            return true;
        }
        if self.talks.is_empty() {
            return false;
        }
        let Some(other) = self.net.owner(packet.tuple.local.addr) else { return false };
        let there = &self.hosts[other.index()];
        let Some(Place::Conversation(slot)) = there.look_up(packet.tuple) else { return false };
        self.meet(slot);
        true
    }

    /// A SYN has come to a host: if it was neither taken nor refused in so many words, that is booked.
    fn syn_came(&mut self, host: HostId, packet: &Packet, place: Option<Place>) {
        let answered = |effect: &Effect| match effect {
            Effect::Segment(seg) => {
                seg.flags.has(Flags::SYN) || (place.is_none() && seg.flags.has(Flags::RST))
            }
            _ => false,
        };
        if self.fx.list.iter().any(answered) {
            return;
        }
        let why = match place {
            Some(Place::Row(_)) => SynLoss::TimeWait(host),
            None => SynLoss::Listener(host, packet.tuple.remote.port),
            Some(_) => return,
        };
        if let Some(book) = self.books.get_mut(packet.attempt.traffic.index()) {
            book.lose_syn(why);
        }
    }

    /// A segment for a request: whether it completes the handshake in a way that was learnt, or is now.
    fn complete_handshake(&mut self, host: HostId, slot: u32, packet: &Packet, path: Path) -> bool {
        let inside = self.looks_inside(packet.attempt, packet.tuple);
        let World { hosts, memory, now, fx, .. } = self;
        let Some(memory) = memory.as_deref_mut() else { return false };
        if !memory.pays() || inside {
            return false;
        }
        let here = &mut hosts[host.index()];
        let clocks = here.clocks(*now);
        let traffic = packet.attempt.traffic;
        let request = here.tables.requests.key(slot);
        let Some((machine, Some(listener), mut cx)) = here.request_mut(*now, request) else { return false };
        if !listener.has_room_for_child() {
            return false;
        }
        let birth = Memory::child_birth((host, traffic), machine, &packet.seg, &cx, &clocks);
        let Some(birth) = birth else { return false };
        if let Some((lazy, recalled)) = memory.recall_birth(&birth, &mut cx, &clocks) {
            let view = memory.edge(recalled.edge).view;
            let arrived = here.complete(*now, request, packet, path, (Form::Lazy(lazy), view));
            if let Some(Timed::Conn(key)) = arrived.timed {
                self.carry_out_recalled(host, key, &recalled);
            }
            self.after(host, arrived, false);
            return true;
        }
        // Tried on copies: what comes of it counts only if it can be kept.
        let (mut copy, mut queue) = (machine.clone(), *listener);
        fx.clear();
        fx.begin_step();
        let socket = SocketMut::Request(&mut copy);
        let next = socket::receive(&mut cx, socket, Some(&mut queue), &packet.seg, Secrets::default, fx);
        fx.end_step();
        let Next::Child(endpoint) = next else { return false };
        if endpoint.state() == State::Closed {
            return false;
        }
        let end = End::new(endpoint, true);
        let lesson = Lesson { end: &end, host, traffic, fx, verdict: Progress::GoesOn };
        let _ = memory.learn(&birth, &cx, &clocks, &lesson);
        false
    }

    /// The wake-up of an endpoint has come.
    pub(super) fn wake_conn(&mut self, host: HostId, key: Key) {
        let here = &mut self.hosts[host.index()];
        let Some(conn) = here.tables.conns.get_mut(key) else { return };
        match conn.wake.came(self.moment, conn.form.deadline()) {
            Woken::Stale | Woken::Idle => {}
            Woken::Later(order) => {
                let lane = self.host_lanes[host.index()].of(order.time.since(self.now));
                self.queue.place(lane, order, Event::Conn(host, key));
            }
            Woken::Due => {
                self.events += 1;
                self.step(host, key, Cause::Timer);
                self.look_for_next_timer(host, key);
            }
        }
    }

    /// A timer of an endpoint has fired. Another one may still run, though this step armed none.
    fn look_for_next_timer(&mut self, host: HostId, key: Key) {
        let Some(conn) = self.hosts[host.index()].tables.conns.get_mut(key) else { return };
        let due = conn.form.deadline();
        if let Some(order) = conn.wake.wanted(due) {
            let lane = self.host_lanes[host.index()].of(due.since(self.now));
            self.queue.place(lane, order, Event::Conn(host, key));
        }
    }

    /// The wake-up of an application has come.
    pub(super) fn wake_app(&mut self, host: HostId, key: Key) {
        let here = &mut self.hosts[host.index()];
        let Some(conn) = here.tables.conns.get_mut(key) else { return };
        let lane = self.source_lanes[conn.attempt.traffic.index()].apps[usize::from(conn.view.server)];
        match conn.app_wake.came(self.moment, conn.app_due) {
            Woken::Stale | Woken::Idle => {}
            Woken::Later(order) => self.queue.place(lane, order, Event::App(host, key)),
            Woken::Due => {
                self.events += 1;
                conn.app_due = Time::NEVER;
                self.step(host, key, Cause::AppTimer);
            }
        }
    }

    /// The application's timer has been armed, now.
    fn arm_app(&mut self, host: HostId, key: Key) {
        let Some(conn) = self.hosts[host.index()].tables.conns.get_mut(key) else { return };
        conn.app_wake.armed = Rank::new(self.queue.ticket(), None);
        if let Some(order) = conn.app_wake.wanted(conn.app_due) {
            let server = conn.view.server;
            let lane = self.source_lanes[conn.attempt.traffic.index()].apps[usize::from(server)];
            self.queue.place(lane, order, Event::App(host, key));
        }
    }

    /// One end takes a step: by memory if it is known, else by itself.
    pub(super) fn step(&mut self, host: HostId, key: Key, cause: Cause<'_>) {
        let World { hosts, memory, now, .. } = self;
        let here = &mut hosts[host.index()];
        let clocks = here.clocks(*now);
        let Host { cfg, shared, tables, .. } = here;
        let Some(conn) = tables.conns.get_mut(key) else { return };
        let mut taken = None;
        if let (Form::Lazy(lazy), Some(memory)) = (&mut conn.form, memory) {
            match memory.recall(lazy, &mut Cx::new(*now, cfg, shared), &clocks, cause) {
                Ok(recalled) => {
                    let doer = Doer::new(host, key, conn);
                    conn.view = memory.edge(recalled.edge).view;
                    return self.replay(&doer, &recalled);
                }
                Err(known) => {
                    let end = memory.whole(lazy);
                    conn.form = Form::Whole(end);
                    taken = known;
                }
            }
        }
        self.fx.clear();
        self.take_step(host, key, cause, taken);
    }

    /// A server's end has just come to be. The memory takes it in if it pays.
    pub(super) fn adopt(&mut self, host: HostId, key: Key) {
        let World { hosts, memory, now, sink, .. } = self;
        let Some(memory) = memory.as_deref_mut() else { return };
        if !memory.pays() {
            return;
        }
        let here = &mut hosts[host.index()];
        let clocks = here.clocks(*now);
        let Some(conn) = here.tables.conns.get_mut(key) else { return };
        if S::FOLLOWS && sink.looks_inside(conn.attempt, conn.tuple) {
            return;
        }
        let Form::Whole(end) = &conn.form else { return };
        if let Some(lazy) = memory.adopt(end, host, conn.attempt.traffic, &clocks) {
            conn.form = Form::Lazy(lazy);
        }
    }

    /// An end takes a step itself; where `taken` says from where, the memory learns it.
    fn take_step(&mut self, host: HostId, key: Key, cause: Cause<'_>, taken: Option<Taken>) {
        let World { hosts, sources, fx, memory, now, sink, .. } = self;
        let here = &mut hosts[host.index()];
        let clocks = here.clocks(*now);
        let Host { cfg, shared, peers, tables, .. } = here;
        let Some(conn) = tables.conns.get_mut(key) else { return };
        let Form::Whole(end) = &mut conn.form else { return };
        let inside = S::FOLLOWS && sink.looks_inside(conn.attempt, conn.tuple);
        let before =
            inside.then(|| (Whose { host, tuple: conn.tuple, attempt: conn.attempt }, end.endpoint.timers()));
        if S::FOLLOWS {
            fx.calls = inside;
        }
        let spec = &sources[conn.attempt.traffic.index()].spec;
        let mut cx = Cx::new(*now, cfg, shared);
        if cfg.metrics && matches!(end.endpoint.state(), State::SynSent | State::SynRecv) {
            cx.peer_rtt = peers.rtt(*now, conn.tuple.pair());
        }
        let verdict = end.step(&mut Around { cx: &mut cx, spec, fx }, cause);
        fx.notes.clone_from(&cx.notes);
        conn.view = end.view();
        if let (Some(taken), Some(memory)) = (taken, memory) {
            let lesson = Lesson { end, host, traffic: conn.attempt.traffic, fx, verdict };
            if let Some(lazy) = memory.learn(&taken, &cx, &clocks, &lesson) {
                conn.form = Form::Lazy(lazy);
            }
        }
        let timers = before.map(|(whose, before)| (whose, self.timers_moved(host, key, before)));
        self.carry_out(host, key, verdict);
        if let Some((whose, moved)) = timers {
            self.record_timers(&whose, moved);
        }
    }

    /// Carries out the effects of a step that an end took itself.
    pub(super) fn carry_out(&mut self, host: HostId, key: Key, verdict: Progress) {
        let Some(conn) = self.hosts[host.index()].tables.conns.get(key) else { return };
        let doer = Doer::new(host, key, conn);
        let fx = core::mem::take(&mut self.fx);
        for effect in &fx.list {
            match effect {
                Effect::Segment(seg) => self.send(&doer, seg),
                Effect::TimeWait(machine) => self.wait(&doer, machine),
                _ => self.apply(&doer, effect),
            }
        }
        for &counter in &fx.counters {
            self.hosts[host.index()].stats.counters.bump(counter);
        }
        let (armed, app_timer) = (fx.notes.arms(), fx.app_timer);
        if S::REHEARSES {
            self.sink.aside(Aside::Stepped(host, armed_by(&fx)));
        }
        self.fx = fx;
        self.hosts[host.index()].account_later();
        self.finish(&doer, armed, app_timer, verdict);
    }

    /// Carries out the effects of a birth that was recalled.
    pub(super) fn carry_out_recalled(&mut self, host: HostId, key: Key, recalled: &Recalled) {
        let Some(conn) = self.hosts[host.index()].tables.conns.get(key) else { return };
        let doer = Doer::new(host, key, conn);
        self.replay(&doer, recalled);
    }

    /// Carries out the effects of a step that was recalled.
    fn replay(&mut self, doer: &Doer, recalled: &Recalled) {
        let Some(memory) = self.memory.take() else { return };
        let edge = memory.edge(recalled.edge);
        for effect in memory.effects_of(edge) {
            match effect {
                Effect::Segment(seg) => {
                    let mut seg = *seg;
                    seg.shift_sent(&recalled.up);
                    self.send(doer, &seg);
                }
                Effect::Moved { from, to, last } => self.moved(&doer.whose, *from, *to, *last),
                Effect::TimeWait(machine) => {
                    let timers = self.hosts[doer.whose.host.index()].cfg.timers;
                    self.wait(doer, &at_moment(machine, &recalled.up, self.now, timers));
                }
                _ => self.apply(doer, effect),
            }
        }
        let (armed, app_timer, verdict) = (edge.arms(), edge.app_timer, edge.verdict);
        self.memory = Some(memory);
        self.finish(doer, armed, app_timer, verdict);
    }

    #[inline]
    fn send(&mut self, doer: &Doer, seg: &Segment) {
        self.transmit(&doer.whose, doer.path, seg, Hint(doer.key.slot() as u32), doer.peer);
    }

    fn wait(&mut self, doer: &Doer, machine: &TimeWait) {
        let Doer { whose, dest, owner, .. } = *doer;
        self.record_of(&whose, |whose| Record::Armed(whose, TimerKind::TimeWait, machine.deadline()));
        let who = NewMini { tuple: whose.tuple, attempt: whose.attempt, dest, owner, spot: None };
        self.begin_mini(whose.host, who, machine);
    }

    #[inline]
    fn apply(&mut self, doer: &Doer, effect: &Effect) {
        let host = doer.whose.host;
        match effect {
            Effect::Moved { from, to, last } => self.moved(&doer.whose, *from, *to, *last),
            Effect::Booked(booked) => {
                let Whose { attempt, tuple, .. } = doer.whose;
                self.record_outcome(attempt, tuple, || Record::Booked(doer.whose, *booked, doer.began));
                self.book(doer, *booked);
            }
            Effect::DescriptorClosed => {
                let acceptable = &mut self.acceptable;
                let again = |listener| acceptable.push((host, listener));
                self.hosts[host.index()].descriptor_closed(again);
            }
            Effect::Left => self.hosts[host.index()].unhash(doer.key),
            Effect::Wanted => self.serve(host, doer.key),
            _ => self.note(&doer.whose, effect),
        }
    }

    /// What is left to do after a step: timers, the application's end, the end's end.
    #[inline]
    fn finish(&mut self, doer: &Doer, armed: bool, app_timer: AppTimer, verdict: Progress) {
        let (host, key) = (doer.whose.host, doer.key);
        let here = &mut self.hosts[host.index()];
        let Some(conn) = here.tables.conns.get_mut(key) else { return };
        let id = conn.attempt.traffic;
        match app_timer {
            AppTimer::Kept => {}
            AppTimer::Stopped | AppTimer::Service => conn.app_due = Time::NEVER,
            AppTimer::Armed(after) => conn.app_due = self.now + after,
            AppTimer::Think => {
                let source = &mut self.sources[id.index()];
                conn.app_due = self.now + source.spec.think_time.draw(&mut source.think);
            }
        }
        let mut job = Job::NONE;
        if matches!(verdict, Progress::ClientDone | Progress::ClientFailed) {
            job = conn.job;
            conn.job.open = false;
            if let Some(tuples) = &mut self.books[id.index()].tuples {
                tuples.closed(self.now, doer.whose.tuple);
            }
        }
        if conn.view.over {
            here.tables.conns.remove(key);
            here.account_later();
        } else {
            if matches!(app_timer, AppTimer::Armed(_) | AppTimer::Think) {
                self.arm_app(host, key);
            }
            if armed {
                self.arm(host, Timed::Conn(key));
            }
        }
        self.hosts[host.index()].account_now(self.now);
        if app_timer == AppTimer::Service {
            self.serve(host, key);
        }
        match verdict {
            Progress::GoesOn => {}
            Progress::ServerDone => self.server_done(host, doer.whose.tuple.local.port),
            Progress::Idle => self.on_idle(id, host, key),
            Progress::ClientDone | Progress::ClientFailed if self.sources[id.index()].spec.multiplexes() => {
                self.close_channel(doer.whose.attempt);
            }
            Progress::ClientDone => {
                if S::REHEARSES {
                    self.sink.aside(Aside::Done(job.open));
                }
                self.on_done(id, doer.began, job);
            }
            Progress::ClientFailed => self.on_failed(id, job),
        }
    }

    /// Carries out the effects of a step that no full socket took.
    pub(super) fn carry_out_loose(&mut self, whose: &Whose, path: Path, peer: Hint) {
        let fx = core::mem::take(&mut self.fx);
        for effect in &fx.list {
            match effect {
                Effect::Segment(seg) => self.transmit(whose, path, seg, Hint::NONE, peer),
                _ => self.note(whose, effect),
            }
        }
        self.fx = fx;
    }

    /// Books and records what concerns the host alone.
    fn note(&mut self, whose: &Whose, effect: &Effect) {
        match *effect {
            Effect::Moved { from, to, last } => self.moved(whose, from, to, last),
            Effect::Refused(why) => self.record_of(whose, |whose| Record::Refused(whose, why)),
            Effect::Fired(kind) => self.record_of(whose, |whose| Record::Fired(whose, kind)),
            Effect::Called(call, answer) => {
                self.record_of(whose, |whose| Record::Called(whose, call, answer));
            }
            Effect::Measured(srtt) => {
                self.hosts[whose.host.index()].peers.told(self.now, whose.tuple.pair(), srtt);
                if S::REHEARSES {
                    self.sink.aside(Aside::Measured(whose.host, srtt));
                }
            }
            Effect::RanOut(what) => {
                let line = self.hosts[whose.host.index()].ran_out(self.now, what);
                self.log(whose.host, line);
            }
            _ => {}
        }
    }

    /// A connection moved. The gauges see where a step began and where it ended, for nobody could see what lies between.
    #[inline]
    pub(super) fn moved(&mut self, whose: &Whose, from: State, to: State, last: bool) {
        let began = self.step_began_in.take().unwrap_or(from);
        if last {
            self.hosts[whose.host.index()].moved(self.now, began, to);
            digest_move(&mut self.digest, self.now, whose, to);
        } else {
            self.step_began_in = Some(began);
        }
        self.record_of(whose, |whose| Record::Moved(whose, Move { from, to, last }));
    }

    fn book(&mut self, doer: &Doer, booked: Booked) {
        let id = doer.whose.attempt.traffic;
        if self.sources[id.index()].spec.multiplexes() {
            return self.book_stream(doer.whose.attempt, doer.key, booked, doer.began);
        }
        let conns = &mut self.hosts[doer.whose.host.index()].tables.conns;
        let mut none = Job::NONE;
        let job = conns.get_mut(doer.key).map_or(&mut none, |conn| &mut conn.job);
        if book(&mut self.books[id.index()], self.now, booked, doer.began, job) {
            let job = *job;
            self.on_answered(id, &job);
        }
    }
}

/// Books what an attempt that began at `began` has come to, for the request `job`. Whether that has been answered.
pub(super) fn book(book: &mut TrafficSummary, now: Time, booked: Booked, began: Time, job: &mut Job) -> bool {
    match booked {
        Booked::Connected => {
            book.connected.add(now);
            book.connect_latency.add(now.since(began));
            let first_failed = book.failed.count > 0 && began > book.failed.first;
            if first_failed && book.recovered.is_none() {
                book.recovered = Some(now);
            }
        }
        Booked::Asked => {
            book.requested.add(now);
            *job = Job { front: None, ..Job::new(now, job.tries_left) };
        }
        Booked::Answered => {
            book.answered.add(now);
            job.open = false;
            book.request_latency.add(now.since(job.wanted));
            return true;
        }
        Booked::Completed => book.completed.add(now),
        Booked::Failed(call, errno) => book.fail(now, call, errno),
        Booked::CutOff(bytes) => {
            book.cut_off.add(now);
            book.bytes_lost.add_many(now, u64::from(bytes));
        }
    }
    false
}
