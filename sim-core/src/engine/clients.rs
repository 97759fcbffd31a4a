//! Clients and servers in the world: who starts when, who accepts, who starts again.

use super::event::Event;
use super::queue::{LaneId, Queue};
use super::record::{Record, Sink, Whose};
use super::search::Calling;
use super::world::World;
use crate::app::{Around, Called, Cause, Effects, End, Form, Lesson, Memory, Progress};
use crate::host::{Attempt, Conn, Front, Job, Opened, Place};
use crate::ids::{HostId, Key, SockAddr, TrafficId, Tuple};
use crate::net::Path;
use crate::scenario::Traffic;
use crate::tcp::{ConnectParams, Cx, Endpoint, Secrets};
use crate::time::{Span, Time};
use crate::traffic::Attempted;

impl<Q: Queue, S: Sink> World<Q, S> {
    /// A request is wanted.
    pub(super) fn on_arrival(&mut self, id: TrafficId) {
        self.next_arrival(id);
        self.want(id);
    }

    /// A source wants a request.
    pub(super) fn want(&mut self, id: TrafficId) {
        let job = self.sources[id.index()].job(self.now);
        self.want_job(id, job);
    }

    pub(super) fn want_job(&mut self, id: TrafficId, job: Job) {
        self.books[id.index()].requested.add(self.now);
        self.place(id, job);
    }

    /// Gives a request to a new connection; with a pool, to an idle one, a new one, or the queue.
    fn place(&mut self, id: TrafficId, mut job: Job) {
        let source = &mut self.sources[id.index()];
        let Some(spec) = source.spec.pool else { return self.start(id, job) };
        if spec.streams > 1 {
            return self.place_stream(id, spec, job);
        }
        let host = source.spec.from;
        while let Some(key) = self.sources[id.index()].pool.idle.pop() {
            let conn = self.hosts[host.index()].tables.conns.get_mut(key);
            if let Some(conn) = conn.filter(|conn| conn.view.idle) {
                conn.job = job;
                return self.step(host, key, Cause::NextRequest);
            }
        }
        let pool = &mut self.sources[id.index()].pool;
        if pool.open.now < u64::from(spec.size) {
            pool.open.up(self.now);
            job.placed = true;
            self.start(id, job);
        } else {
            pool.refused.add(self.now);
            pool.waiting.push_back(job);
        }
    }

    /// Queues the start of a worker, unless that is too late.
    pub(super) fn employ(&mut self, id: TrafficId, at: Time) {
        if at < self.sources[id.index()].spec.stop {
            self.queue.push(LaneId::NONE, at, Event::Work(id));
        }
    }

    /// Queues a request that goes on at that time.
    pub(super) fn enlist(&mut self, id: TrafficId, at: Time, job: Job) {
        let key = self.sources[id.index()].jobs.insert(job);
        self.queue.push(LaneId::NONE, at, Event::Start(id, key));
    }

    /// A request goes on that was queued.
    pub(super) fn go_on(&mut self, id: TrafficId, key: Key) {
        let Some(job) = self.sources[id.index()].jobs.remove(key) else { return };
        if job.placed { self.start(id, job) } else { self.place(id, job) }
    }

    /// A client makes its attempt, unless another one's search for a port has the processor.
    pub(super) fn start(&mut self, id: TrafficId, job: Job) {
        let World { sources, hosts, fx, now, books, searches, .. } = self;
        let searches = &mut searches[sources[id.index()].spec.from.index()];
        if searches.under_way.is_some() {
            return searches.waiting.push_back((id, job));
        }
        let source = &mut sources[id.index()];
        let host = source.spec.from;
        let Attempted { attempt, from, to, port } = source.next_attempt();
        books[id.index()].attempted.add(*now);
        fx.clear();
        let (opened, lasted) = hosts[host.index()].open(*now, (from, to), port, fx);
        let call = Calling { opened, attempt, pair: (from, to), job, began: *now, dying: false };
        self.found(host, call, lasted);
    }

    /// A call goes on after its search.
    pub(super) fn opened(&mut self, host: HostId, call: Calling) {
        let Calling { opened, attempt, pair: (from, to), job, began, dying } = call;
        match opened {
            Ok(opened) => {
                if let Some(tuples) = &mut self.books[attempt.traffic.index()].tuples {
                    tuples.opened(began, opened.tuple);
                }
                // A script begins with connect(): one that has been delayed is another story.
                if began < self.now || !self.converse(&opened, attempt, job) {
                    let path = self.net.path(host, to.addr);
                    self.connect(host, opened, attempt, (path, job, began));
                }
                // The kernel's search ends in a SYN, whatever has become of the process; then its sockets are closed.
                if dying && let Some(Place::Full(slot)) = self.hosts[host.index()].look_up(opened.tuple) {
                    let key = self.hosts[host.index()].tables.conns.key(slot);
                    self.step(host, key, Cause::Close);
                }
            }
            Err((call, errno)) => {
                self.add_talking_holders(host, (from, to));
                self.books[attempt.traffic.index()].fail(self.now, call, errno);
                let tuple = Tuple { local: SockAddr { addr: from, port: 0 }, remote: to };
                self.record_outcome(attempt, tuple, || {
                    Record::Denied(host, attempt, (from, to), (call, errno))
                });
                let source = &mut self.sources[attempt.traffic.index()];
                source.pool.opening = source.pool.opening.saturating_sub(1);
                self.on_failed(attempt.traffic, job);
            }
        }
    }

    /// connect(), once it has what it needs.
    fn connect(&mut self, host: HostId, opened: Opened, attempt: Attempt, rest: (Path, Job, Time)) {
        let inside = self.looks_inside(attempt, opened.tuple);
        let (path, mut job, began) = rest;
        if self.sources[attempt.traffic.index()].spec.multiplexes() {
            self.open_channel(attempt, core::mem::replace(&mut job, Job::NONE));
        }
        let World { sources, hosts, fx, now, memory, .. } = self;
        if S::FOLLOWS {
            fx.calls = inside;
        }
        let here = &mut hosts[host.index()];
        let clocks = here.clocks(*now);
        let mut cx = Cx::new(*now, &here.cfg, &mut here.shared);
        let Opened { tuple, dest, owner, params } = opened;
        let traffic = attempt.traffic;
        let fresh = params.inherited.is_none();
        let memory =
            memory.as_deref_mut().and_then(|memory| (fresh && memory.pays() && !inside).then_some(memory));
        let Secrets { isn, ts_offset, .. } = params.secrets;
        let birth = Memory::client_birth(host, traffic, isn.0, ts_offset, &cx);
        let mut recalled = None;
        let mut verdict = Progress::GoesOn;
        let mut end = None;
        if let Some(memory) = memory {
            if let Some((lazy, how)) = memory.recall_birth(&birth, &mut cx, &clocks) {
                end = Some((Form::Lazy(lazy), memory.edge(how.edge).view));
                recalled = Some(how);
            } else {
                let (whole, came) = give_birth(&mut cx, params, &sources[traffic.index()].spec, fx);
                fx.notes.clone_from(&cx.notes);
                verdict = came;
                let view = whole.view();
                let lesson = Lesson { end: &whole, host, traffic, fx, verdict };
                let learnt = memory.learn(&birth, &cx, &clocks, &lesson);
                end = Some((learnt.map_or(Form::Whole(whole), Form::Lazy), view));
            }
        }
        let end = end.unwrap_or_else(|| {
            let (whole, came) = give_birth(&mut cx, params, &sources[traffic.index()].spec, fx);
            fx.notes.clone_from(&cx.notes);
            verdict = came;
            let view = whole.view();
            (Form::Whole(whole), view)
        });
        let conn = Conn { dest, owner, began, job, ..Conn::new(*now, tuple, attempt, path, end) };
        let key = here.insert_client(conn);
        let whose = Whose { host, tuple, attempt };
        if inside {
            self.record_of(&whose, |whose| Record::Called(whose, Called::Connect, Ok(0)));
        }
        let timers = inside.then(|| self.timers_moved(host, key, Endpoint::NO_TIMERS));
        match recalled {
            Some(recalled) => self.carry_out_recalled(host, key, &recalled),
            None => self.carry_out(host, key, verdict),
        }
        if let Some(moved) = timers {
            self.record_timers(&whose, moved);
        }
    }

    /// A listener may have a connection for its application.
    pub(super) fn on_acceptable(&mut self, host: HostId, listener: u16) {
        let spec = &self.hosts[host.index()].listeners[listener as usize].spec;
        let opens = Time::ZERO + spec.accept_after;
        if spec.is_always_ready() && self.now >= opens {
            return self.accept(host, listener);
        }
        self.schedule_accept(host, listener, self.now + spec.wake_up);
    }

    /// Queues the next accept() of an application that is not always ready and runs from `from` on, unless one is queued.
    fn schedule_accept(&mut self, host: HostId, listener: u16, from: Time) {
        let listen = &mut self.hosts[host.index()].listeners[listener as usize];
        let at = listen.next_accept.max(Time::ZERO + listen.spec.accept_after).max(from);
        if !listen.accept_queued {
            listen.accept_queued = true;
            self.queue.push(LaneId::NONE, at, Event::Accept(host, listener));
        }
    }

    /// The application behind a listener accepts: all there is, or one if it takes its time.
    pub(super) fn accept(&mut self, host: HostId, listener: u16) {
        loop {
            let here = &mut self.hosts[host.index()];
            let listen = &mut here.listeners[listener as usize];
            let every = listen.spec.accept_every;
            listen.accept_queued = false;
            if listen.paused {
                break;
            }
            if listen.open.now >= u64::from(listen.spec.connections) {
                if listen.has_ready() {
                    listen.threads_refused.add(self.now);
                }
                break;
            }
            let Ok(key) = here.accept(self.now, listener) else { break };
            let listen = &mut self.hosts[host.index()].listeners[listener as usize];
            if listen.spec.connections < u32::MAX {
                listen.open.up(self.now);
            }
            self.record_accept(host, key);
            self.step(host, key, Cause::Accepted);
            if every != Span::ZERO {
                let listen = &mut self.hosts[host.index()].listeners[listener as usize];
                listen.next_accept = self.now + every;
                self.schedule_accept(host, listener, self.now);
                break;
            }
        }
    }

    fn record_accept(&mut self, host: HostId, key: Key) {
        let conn = self.hosts[host.index()].tables.conns.get(key);
        if let Some((tuple, attempt)) = conn.map(|conn| (conn.tuple, conn.attempt)) {
            self.record_of(&Whose { host, tuple, attempt }, Record::Accepted);
        }
    }

    /// A connection of a pool has become free for another request.
    pub(super) fn on_idle(&mut self, id: TrafficId, host: HostId, key: Key) {
        let Some(conn) = self.hosts[host.index()].tables.conns.get_mut(key) else { return };
        let source = &mut self.sources[id.index()];
        let Some(spec) = source.spec.pool else { return };
        let began = conn.began;
        if spec.streams > 1 && !source.pool.waiting.is_empty() {
            self.feed(id, key);
            if !self.hosts[host.index()].tables.conns.get(key).is_some_and(|conn| conn.view.idle) {
                return;
            }
        } else if let Some(job) = source.pool.waiting.pop_front() {
            conn.job = job;
            return self.step(host, key, Cause::NextRequest);
        }
        if self.now.since(began) >= spec.lifetime || self.count_idle(id, host) >= spec.idle {
            return self.step(host, key, Cause::Close);
        }
        self.sources[id.index()].pool.idle.push(key);
    }

    /// How many connections of a pool are idle, but for one that is just becoming so. Those that have gone leave the list
    /// when it would pass its limit, or be mostly of them.
    fn count_idle(&mut self, id: TrafficId, host: HostId) -> u32 {
        let World { sources, hosts, .. } = self;
        let source = &mut sources[id.index()];
        let (pool, most) = (&mut source.pool, source.spec.pool.map_or(0, |spec| spec.idle));
        let listed = pool.idle.len();
        if listed >= most as usize || listed > 2 * pool.open.now as usize + 16 {
            let conns = &hosts[host.index()].tables.conns;
            pool.idle.retain(|&key| conns.get(key).is_some_and(|conn| conn.view.idle));
        }
        pool.idle.len() as u32
    }

    /// A connection of a pool has ended, or never came to be: the place is free for a request that waits.
    pub(super) fn free_place(&mut self, id: TrafficId) {
        let source = &mut self.sources[id.index()];
        let streams = source.spec.multiplexes();
        let pool = &mut source.pool;
        match pool.waiting.pop_front() {
            Some(job) => {
                pool.opening += u32::from(streams);
                self.enlist(id, self.now, Job { placed: true, ..job });
            }
            None => pool.open.down(),
        }
    }

    /// A request was answered: a proxy answers its own client, and a worker with a pool thinks about its next one.
    pub(super) fn on_answered(&mut self, id: TrafficId, job: &Job) {
        if let Some(Front { host, key, stream }) = job.front {
            self.queue.push(LaneId::NONE, self.now, Event::Answer(host, key, stream));
        }
        let source = &mut self.sources[id.index()];
        if source.spec.pool.is_some() && source.workers().is_some() {
            let think = source.spec.think_time.draw(&mut source.think);
            let next = source.next_turn(job.wanted, self.now + think, false);
            self.employ(id, next);
        }
    }

    /// An attempt has failed, or its connection ended before the answer: another one, if the source tries again.
    pub(super) fn on_failed(&mut self, id: TrafficId, job: Job) {
        if self.sources[id.index()].spec.pool.is_some() {
            self.free_place(id);
        }
        self.fail(id, job);
    }

    /// A try has failed: another one, if the source tries again.
    pub(super) fn fail(&mut self, id: TrafficId, job: Job) {
        let source = &mut self.sources[id.index()];
        if source.stopped {
            return self.give_up(id, &job, true);
        }
        let until = source.last_retry();
        if let Some(pause) = source.retry_pause(job.tries_left)
            && self.now + pause < until
        {
            let again = Job { tries_left: job.tries_left - 1, placed: false, ..job };
            return self.enlist(id, self.now + pause, again);
        }
        self.give_up(id, &job, true);
    }

    /// A request is given up. A worker begins anew.
    pub(super) fn give_up(&mut self, id: TrafficId, job: &Job, pausing: bool) {
        self.books[id.index()].abandoned.add(self.now);
        if let Some(Front { host, key, stream }) = job.front {
            self.queue.push(LaneId::NONE, self.now, Event::Refuse(host, key, stream));
        }
        let source = &self.sources[id.index()];
        if source.workers().is_some() {
            let next = source.next_turn(job.wanted, self.now + source.worker_pause(pausing), true);
            self.employ(id, next);
        }
    }

    /// A client has closed the connection that began at `began`. A worker without a pool begins anew.
    pub(super) fn on_done(&mut self, id: TrafficId, began: Time, job: Job) {
        let source = &self.sources[id.index()];
        let pooled = source.spec.pool.is_some();
        if job.open {
            // The connection ended before the answer.
            if pooled || (job.tries_left > 0 && source.retries_broken()) {
                return self.on_failed(id, job);
            }
            return self.give_up(id, &job, false);
        }
        if pooled {
            self.free_place(id);
        } else if source.workers().is_some() {
            let source = &mut self.sources[id.index()];
            let pause = source.pause_between_connections();
            let next = source.next_turn(began, self.now + pause, false);
            self.employ(id, next);
        }
    }
}

/// A client's socket and its application come to be, and the SYN is sent.
fn give_birth(cx: &mut Cx<'_>, params: ConnectParams, spec: &Traffic, fx: &mut Effects) -> (End, Progress) {
    fx.begin_step();
    let endpoint = Endpoint::connect(cx, params, fx);
    fx.end_step();
    let mut end = End::new(endpoint, true);
    let verdict = end.step(&mut Around { cx, spec, fx }, Cause::Connect);
    (end, verdict)
}
