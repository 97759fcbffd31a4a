//! What lies between a request and its answer at a server, where that is more than a fixed time: service times that are
//! drawn, workers that are busy, a backend that is asked.

use super::event::Event;
use super::queue::{LaneId, Queue};
use super::record::Sink;
use super::world::World;
use crate::app::Cause;
use crate::host::{Attempt, Front, Job, ListenSocket};
use crate::ids::{HostId, Key, TrafficId};
use crate::scenario::{Arrivals, Scenario};

/// A request that is being served and shares its connection with others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service {
    listener: u16,
    epoch: u16,
    front: Front,
}

impl Service {
    /// Whether a listener of a host serves it, in that life of it.
    pub(super) fn is_of(&self, life: (HostId, u16, u16)) -> bool {
        (self.front.host, self.listener, self.epoch) == life
    }

    /// Whether it is that request.
    pub(super) fn is_for(&self, front: Front) -> bool {
        self.front == front
    }
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// Tells listeners which source stands behind them, and sources whether their servers need more than a fixed time.
    pub(super) fn arrange_service(&mut self, scenario: &Scenario) {
        for (i, traffic) in scenario.traffic.iter().enumerate() {
            let Arrivals::Behind(host, port) = traffic.arrivals else { continue };
            let here = &mut self.hosts[host.index()];
            if let Some(listener) = here.listener_on(port) {
                here.listeners[listener].behind = Some(TrafficId(i as u16));
            }
        }
        for i in 0..self.sources.len() {
            let elsewhere = |l: &ListenSocket| l.spec.workers < u32::MAX || l.behind.is_some();
            let served_elsewhere = self.listeners_of(i).any(elsewhere);
            let server_blocks = self.listeners_of(i).any(|l| l.spec.connections < u32::MAX);
            let spec = &mut self.sources[i].spec;
            spec.served_elsewhere = served_elsewhere || spec.multiplexes();
            spec.server_blocks = server_blocks && !spec.multiplexes();
        }
    }

    /// The listeners of a source's destinations.
    fn listeners_of(&self, source: usize) -> impl Iterator<Item = &ListenSocket> {
        let spec = &self.sources[source].spec;
        spec.to.iter().filter_map(move |to| {
            let owner = if to.addr.is_loopback() { Some(spec.from) } else { self.net.owner(to.addr) };
            let here = &self.hosts[owner?.index()];
            here.listener_on(to.port).map(|listener| &here.listeners[listener])
        })
    }

    /// A server has a request: a worker takes it, now or later.
    pub(super) fn serve(&mut self, host: HostId, key: Key) {
        let here = &mut self.hosts[host.index()];
        let Some(conn) = here.tables.conns.get(key) else { return };
        let (attempt, port) = (conn.attempt, conn.tuple.local.port);
        let id = attempt.traffic;
        let Some(listener) = here.listener_on(port) else { return };
        let source = &mut self.sources[id.index()];
        let stream = match source.channels.get_mut(&attempt.number) {
            Some(channel) => channel.arrive(),
            None if source.spec.multiplexes() => return,
            None => Front::ALONE,
        };
        let front = Front { host, key, stream };
        let listen = &mut here.listeners[listener];
        if listen.working.now >= u64::from(listen.spec.workers) {
            listen.workers_refused.add(self.now);
            return listen.requests.push_back((front, id));
        }
        self.begin_service(listener as u16, front, id);
    }

    fn begin_service(&mut self, listener: u16, front: Front, id: TrafficId) {
        let Front { host, key, stream } = front;
        let listen = &mut self.hosts[host.index()].listeners[listener as usize];
        listen.working.up(self.now);
        let epoch = listen.epoch;
        let source = &mut self.sources[id.index()];
        let time = source.spec.service_time.draw(&mut source.service);
        let event = if stream == Front::ALONE {
            Event::Served(host, listener, epoch, key)
        } else {
            Event::ServedStream(self.services.insert(Service { listener, epoch, front }))
        };
        self.queue.push(LaneId::NONE, self.now + time, event);
    }

    /// A worker is through with a request of a connection that carries several at once.
    pub(super) fn served_stream(&mut self, service: Key) {
        if let Some(Service { listener, epoch, front }) = self.services.remove(service) {
            self.served(listener, epoch, front);
        }
    }

    /// A worker is through with a request, whether or not the connection that it came on is still there: a server sees
    /// that only when it answers.
    pub(super) fn served(&mut self, listener: u16, epoch: u16, front: Front) {
        let listen = &mut self.hosts[front.host.index()].listeners[listener as usize];
        if listen.epoch != epoch {
            return;
        }
        listen.working.down();
        let behind = listen.behind;
        if let Some((next, id)) = listen.requests.pop_front() {
            self.begin_service(listener, next, id);
        }
        match behind {
            None => self.answer(front, false),
            Some(id) => {
                let job = self.sources[id.index()].job(self.now);
                self.want_job(id, Job { front: Some(front), ..job });
            }
        }
    }

    /// A request is answered, or will not be: then the server closes, or says so where other requests share the connection.
    pub(super) fn answer(&mut self, front: Front, error: bool) {
        let Front { host, key, stream } = front;
        if stream == Front::ALONE {
            return self.step(host, key, if error { Cause::Close } else { Cause::Answer });
        }
        let Some(conn) = self.hosts[host.index()].tables.conns.get(key) else { return };
        let Attempt { traffic, number } = conn.attempt;
        if let Some(channel) = self.sources[traffic.index()].channels.get_mut(&number) {
            channel.answer(stream, error);
            self.step(host, key, Cause::Answer);
        }
    }

    /// An accepted connection is closed: an application with few threads may accept another one.
    pub(super) fn server_done(&mut self, host: HostId, port: u16) {
        let here = &mut self.hosts[host.index()];
        let Some(listener) = here.listener_on(port) else { return };
        let listen = &mut here.listeners[listener];
        if listen.spec.connections < u32::MAX {
            listen.open.down();
            self.acceptable.push((host, listener as u16));
        }
    }
}
