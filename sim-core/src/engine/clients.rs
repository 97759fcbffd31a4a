//! Clients and servers in the world: who starts when, who accepts, who starts again.

use super::event::Event;
use super::queue::{LaneId, Queue};
use super::record::Sink;
use super::world::World;
use crate::app::{Around, Cause, Effects, End, Form, Lesson, Memory, Verdict};
use crate::host::{Attempt, Conn, Opened};
use crate::ids::{HostId, Key, TrafficId};
use crate::net::Path;
use crate::scenario::{OnError, Traffic};
use crate::tcp::{ConnectParams, Cx, Endpoint, Secrets};
use crate::time::{Span, Time};
use crate::traffic::Attempted;

impl<Q: Queue, S: Sink> World<Q, S> {
    /// A connection is wanted; with a pool, a request.
    pub(super) fn on_arrival(&mut self, id: TrafficId) {
        self.next_arrival(id);
        let source = &self.sources[id.index()];
        match source.spec.pool {
            None => self.start(id, source.tries()),
            Some(pool) => self.pooled_request(id, pool.size),
        }
    }

    /// Gives a request to an idle connection, a new one, or the queue.
    fn pooled_request(&mut self, id: TrafficId, size: u32) {
        let host = self.sources[id.index()].spec.from;
        while let Some(key) = self.sources[id.index()].pool.idle.pop() {
            let conn = self.hosts[host.index()].tables.conns.get(key);
            if conn.is_some_and(|conn| conn.view.idle) {
                return self.step(host, key, Cause::NextRequest);
            }
        }
        let source = &mut self.sources[id.index()];
        if source.pool.open < size {
            source.pool.open += 1;
            let tries = source.tries();
            self.start(id, tries);
        } else {
            source.pool.waiting += 1;
        }
    }

    /// Queues the start of a worker, unless that is too late.
    pub(super) fn employ(&mut self, id: TrafficId, at: Time) {
        if at < self.sources[id.index()].spec.stop {
            self.enlist(id, at);
        }
    }

    /// Queues the start of a new client.
    fn enlist(&mut self, id: TrafficId, at: Time) {
        let tries = self.sources[id.index()].tries();
        self.queue.push(LaneId::NONE, at, Event::Start(id, tries));
    }

    /// A client makes its attempt.
    pub(super) fn start(&mut self, id: TrafficId, tries_left: u32) {
        let World { sources, hosts, fx, now, books, net, .. } = self;
        let source = &mut sources[id.index()];
        let host = source.spec.from;
        let Attempted { attempt, from, to, port } = source.next_attempt();
        books[id.index()].attempted.add(*now);
        let path = net.path(host, to.addr);
        fx.clear();
        match hosts[host.index()].open(*now, (from, to), port, fx) {
            Ok(opened) => self.connect(host, opened, attempt, (path, tries_left)),
            Err((call, errno)) => {
                books[id.index()].fail(*now, call, errno);
                self.on_failed(id, tries_left);
            }
        }
    }

    /// connect(), once it has what it needs.
    fn connect(&mut self, host: HostId, opened: Opened, attempt: Attempt, rest: (Path, u32)) {
        let World { sources, hosts, fx, now, memory, .. } = self;
        let here = &mut hosts[host.index()];
        let clocks = here.clocks(*now);
        let mut cx = Cx::new(*now, &here.cfg, &mut here.shared);
        let Opened { tuple, dest, owner, params } = opened;
        let traffic = attempt.traffic;
        let fresh = params.inherited.is_none();
        let memory = memory.as_deref_mut().and_then(|memory| (fresh && memory.pays()).then_some(memory));
        let Secrets { isn, ts_offset, .. } = params.secrets;
        let birth = Memory::client_birth(host, traffic, isn.0, ts_offset, &cx);
        let mut recalled = None;
        let mut verdict = Verdict::GoesOn;
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
        let (path, tries_left) = rest;
        let conn = Conn { dest, owner, tries_left, ..Conn::new(*now, tuple, attempt, path, end) };
        let key = here.insert_client(conn);
        match recalled {
            Some(recalled) => self.carry_out_recalled(host, key, &recalled),
            None => self.carry_out(host, key, verdict),
        }
    }

    /// A listener may have a connection for its application.
    pub(super) fn on_acceptable(&mut self, host: HostId, listener: u16) {
        let spec = &self.hosts[host.index()].listeners[listener as usize].spec;
        let opens = Time::ZERO + spec.accept_after;
        if spec.accept_every == Span::ZERO && self.now >= opens {
            return self.accept(host, listener);
        }
        self.schedule_accept(host, listener);
    }

    /// Queues the next accept() of an application that is not always ready, unless one is queued.
    fn schedule_accept(&mut self, host: HostId, listener: u16) {
        let listen = &mut self.hosts[host.index()].listeners[listener as usize];
        let at = listen.next_accept.max(Time::ZERO + listen.spec.accept_after).max(self.now);
        if !listen.accept_queued {
            listen.accept_queued = true;
            self.queue.push(LaneId::NONE, at, Event::Accept(host, listener));
        }
    }

    /// The application behind a listener accepts: all there is, or one if it takes its time.
    pub(super) fn accept(&mut self, host: HostId, listener: u16) {
        loop {
            let here = &mut self.hosts[host.index()];
            let every = here.listeners[listener as usize].spec.accept_every;
            here.listeners[listener as usize].accept_queued = false;
            let Ok(key) = here.accept(self.now, listener) else { break };
            self.step(host, key, Cause::Accepted);
            if every != Span::ZERO {
                let listen = &mut self.hosts[host.index()].listeners[listener as usize];
                listen.next_accept = self.now + every;
                self.schedule_accept(host, listener);
                break;
            }
        }
    }

    /// A connection of a pool has become free for another request.
    pub(super) fn on_idle(&mut self, id: TrafficId, host: HostId, key: Key) {
        let pool = &mut self.sources[id.index()].pool;
        if pool.waiting > 0 {
            pool.waiting -= 1;
            self.step(host, key, Cause::NextRequest);
        } else {
            pool.idle.push(key);
        }
    }

    /// An attempt has failed: another one, if the source tries again.
    pub(super) fn on_failed(&mut self, id: TrafficId, tries_left: u32) {
        if let OnError::Retry { after, .. } = self.sources[id.index()].spec.on_error
            && tries_left > 0
        {
            let again = Event::Start(id, tries_left - 1);
            return self.queue.push(LaneId::NONE, self.now + after, again);
        }
        self.on_done(id, true);
    }

    /// A client is through. A worker begins anew; a pool opens another connection if requests wait.
    pub(super) fn on_done(&mut self, id: TrafficId, failed: bool) {
        let source = &mut self.sources[id.index()];
        if source.workers().is_some() {
            let pause = source.worker_pause(failed);
            return self.employ(id, self.now + pause);
        }
        if source.spec.pool.is_some() {
            source.pool.open = source.pool.open.saturating_sub(1);
            if source.pool.waiting > 0 {
                source.pool.waiting -= 1;
                source.pool.open += 1;
                self.enlist(id, self.now);
            }
        }
    }
}

/// A client's socket and its application come to be, and the SYN is sent.
fn give_birth(cx: &mut Cx<'_>, params: ConnectParams, spec: &Traffic, fx: &mut Effects) -> (End, Verdict) {
    fx.begin_step();
    let endpoint = Endpoint::connect(cx, params, fx);
    fx.end_step();
    let mut end = End::new(endpoint, true);
    let verdict = end.step(&mut Around { cx, spec, fx }, Cause::Connect);
    (end, verdict)
}
