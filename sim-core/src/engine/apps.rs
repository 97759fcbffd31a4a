//! Applications in the world: who starts when, who is told what, who starts again.

use super::event::Event;
use super::queue::{LaneId, Queue};
use super::record::Sink;
use super::world::World;
use crate::host::Flow;
use crate::ids::{HostId, Key, TrafficId};
use crate::scenario::{Arrivals, OnError, Side};
use crate::tcp::Notice;
use crate::time::{Span, Time};
use crate::traffic::{App, Desk, Status};

/// How long a worker waits after a failed attempt for which the scenario names no retry.
const WORKER_PAUSE: Span = Span::from_millis(50);

impl<Q: Queue, S: Sink> World<Q, S> {
    /// Queues the next arrival of a source.
    pub(super) fn next_arrival(&mut self, id: TrafficId) {
        if let Some(at) = self.sources[id.index()].schedule.next_arrival() {
            self.queue.push(LaneId::NONE, at, Event::Arrival(id));
        }
    }

    /// A connection is wanted; with a pool, a request.
    pub(super) fn on_arrival(&mut self, id: TrafficId) {
        self.next_arrival(id);
        match self.sources[id.index()].spec.pool {
            None => self.open(id),
            Some(pool) => self.pooled_request(id, pool.size),
        }
    }

    fn open(&mut self, id: TrafficId) {
        let from = self.sources[id.index()].spec.from;
        let key = self.new_client(id, from);
        self.start(key);
    }

    /// Gives a request to an idle connection, a new one, or the queue.
    fn pooled_request(&mut self, id: TrafficId, size: u32) {
        while let Some(key) = self.sources[id.index()].pool.idle.pop() {
            if self.apps.get(key).is_some_and(|app| app.status() == Status::Idle) {
                self.step(key, App::next_request);
                return self.drain(self.sources[id.index()].spec.from);
            }
        }
        let pool = &mut self.sources[id.index()].pool;
        if pool.open < size {
            pool.open += 1;
            self.open(id);
        } else {
            pool.waiting += 1;
        }
    }

    /// A client makes its attempt.
    pub(super) fn start(&mut self, key: Key) {
        let Some(app) = self.apps.get_mut(key) else { return };
        app.began = self.now;
        let (id, host) = (app.traffic, app.host);
        let source = &mut self.sources[id.index()];
        if self.now >= source.spec.stop {
            self.apps.remove(key);
            return;
        }
        let (attempt, from, to, wanted) = source.next_attempt();
        self.books[id.index()].attempted.add(self.now);
        let flow = Flow { traffic: id, attempt };
        let here = &mut self.hosts[host.index()];
        match here.connect(self.now, from, to, wanted, flow, &mut self.fx) {
            Ok(socket) => {
                here.set_app(socket, key);
                self.step(key, |app, desk| app.connecting(socket, desk));
            }
            Err((call, errno)) => self.step(key, |app, desk| app.fail(desk, call, errno)),
        }
        self.drain(host);
    }

    /// An application's timer may be due.
    pub(super) fn on_app_timer(&mut self, key: Key) {
        let now = self.now;
        let Some(app) = self.apps.get_mut(key) else { return };
        if app.armed != now {
            return;
        }
        app.armed = Time::NEVER;
        let host = app.host;
        self.step(key, App::on_timer);
        self.drain(host);
    }

    /// A socket tells its application something.
    pub(super) fn notify(&mut self, key: Key, notice: Notice) {
        self.step(key, |app, desk| app.on_notice(desk, notice));
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
        let now = self.now;
        loop {
            let here = &mut self.hosts[host.index()];
            let every = here.listeners[listener as usize].spec.accept_every;
            here.listeners[listener as usize].accept_queued = false;
            let Ok((socket, flow)) = here.accept(now, listener) else { break };
            let key = self.apps.insert(App::server(flow.traffic, host, socket, now));
            self.hosts[host.index()].set_app(socket, key);
            self.step(key, App::begin_serving);
            if every != Span::ZERO {
                self.hosts[host.index()].listeners[listener as usize].next_accept = now + every;
                self.schedule_accept(host, listener);
                break;
            }
        }
        self.drain(host);
    }

    /// Lets an application act, and sees to what it came to.
    fn step(&mut self, key: Key, act: impl FnOnce(&mut App, &mut Desk<'_>)) {
        let Some(app) = self.apps.get_mut(key) else { return };
        let id = app.traffic;
        let mut desk = Desk {
            now: self.now,
            spec: &self.sources[id.index()].spec,
            host: &mut self.hosts[app.host.index()],
            fx: &mut self.fx,
            book: &mut self.books[id.index()],
        };
        act(app, &mut desk);
        let (side, status) = (app.side, app.status());
        match app.due() {
            Some(at) if at != app.armed => {
                app.armed = at;
                let lane = self.app_lane(id, side == Side::Server);
                self.queue.push(lane, at, Event::App(key));
            }
            _ => {}
        }
        match (status, side) {
            (Status::Running, _) => {}
            (Status::Idle, _) => self.on_idle(id, key),
            (_, Side::Server) => {
                self.apps.remove(key);
            }
            (Status::Done, Side::Client) => self.on_done(id, key, false),
            (Status::Failed, Side::Client) => self.on_failed(id, key),
        }
    }

    fn on_idle(&mut self, id: TrafficId, key: Key) {
        let pool = &mut self.sources[id.index()].pool;
        if pool.waiting > 0 {
            pool.waiting -= 1;
            self.step(key, App::next_request);
        } else {
            pool.idle.push(key);
        }
    }

    fn on_failed(&mut self, id: TrafficId, key: Key) {
        let on_error = self.sources[id.index()].spec.on_error;
        if let (OnError::Retry { after, .. }, Some(app)) = (on_error, self.apps.get_mut(key))
            && app.tries_left > 0
        {
            let again = App::client(id, app.host, self.now, app.tries_left - 1);
            *app = again;
            return self.queue.push(LaneId::NONE, self.now + after, Event::Start(key));
        }
        self.on_done(id, key, true);
    }

    /// A client is through. A worker begins anew; a pool opens another connection if requests wait.
    fn on_done(&mut self, id: TrafficId, key: Key, failed: bool) {
        self.apps.remove(key);
        let source = &mut self.sources[id.index()];
        if matches!(source.spec.arrivals, Arrivals::Workers(_)) {
            let pause = match (failed, source.spec.on_error) {
                (false, _) => Span::ZERO,
                (true, OnError::Retry { after, .. }) => after.max(Span::from_millis(1)),
                (true, OnError::GiveUp) => WORKER_PAUSE,
            };
            return self.enlist(id, self.now + pause);
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
