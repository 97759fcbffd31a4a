//! What happens at a moment of the scenario's choice: links, processes, settings, floods.

use std::collections::VecDeque;

use super::event::Event;
use super::queue::{LaneId, Queue};
use super::record::Sink;
use super::world::World;
use crate::app::{Cause, Form};
use crate::host::{Attempt, Closed, Hint, Job, Packet};
use crate::ids::{Addr, HostId, Key, SockAddr, TrafficId, Tuple};
use crate::rng::{Component, Purpose, Stream};
use crate::scenario::{Arrivals, Happening, Occurrence, Settings};
use crate::seq::Seq;
use crate::tcp::{Flags, Segment, SynOptions};
use crate::time::Time;
use crate::traffic::{Source, nth};

/// Something that is to happen, and how far it is.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    occurrence: Occurrence,
    /// SYNs of a flood so far.
    count: u64,
    rng: Stream,
}

impl Planned {
    /// What is to happen.
    pub(super) fn what(&self) -> &Happening {
        &self.occurrence.what
    }

    /// When; of what is done more than once, first when.
    pub(super) fn at(&self) -> Time {
        self.occurrence.at
    }

    pub(super) fn all(events: &[Occurrence], seed: u64) -> Vec<Planned> {
        let one = |occurrence: &Occurrence| {
            let mut component = Component::SHARED;
            if let Happening::SynFlood { to, .. } = &occurrence.what {
                let target = u64::from(to.addr.0) << 16 | u64::from(to.port);
                component = component.part(target).part(occurrence.at.0);
            }
            let rng = Stream::new(seed, Purpose::Flood, component);
            Planned { occurrence: occurrence.clone(), count: 0, rng }
        };
        events.iter().map(one).collect()
    }
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// Queues what the scenario has planned.
    pub(super) fn plan(&mut self) {
        for i in 0..self.planned.len() {
            let at = self.planned[i].occurrence.at;
            self.queue.push(LaneId::NONE, at, Event::Planned(i as u16));
        }
        for host in &mut self.hosts {
            host.close_those_not_yet_open();
        }
    }

    /// The time of something planned has come.
    pub(super) fn planned(&mut self, number: u16) {
        match self.planned[number as usize].occurrence.what.clone() {
            Happening::Link { link, up } => self.net.set_up(link, up),
            Happening::Stop { host, port } => self.stop_process(host, port),
            Happening::Start { host, port, reuseaddr, again } => {
                if self.hosts[host.index()].open_listener(self.now, port, reuseaddr) {
                    self.revive_source_behind(host, port);
                } else {
                    self.queue.push(LaneId::NONE, self.now + again, Event::Planned(number));
                }
            }
            Happening::Accepting { host, port, accepting } => {
                let here = &mut self.hosts[host.index()];
                if let Some(listener) = here.listener_on(port) {
                    here.listeners[listener].paused = !accepting;
                    self.acceptable.push((host, listener as u16));
                }
            }
            Happening::Sysctl { host, settings, .. } => self.set(host, &settings),
            Happening::SynFlood { to, rate, until } => {
                let planned = &mut self.planned[number as usize];
                planned.count += 1;
                let next = planned.occurrence.at + nth(rate, planned.count);
                let bits = planned.rng.bits64();
                self.spoof(to, bits);
                if next < until {
                    self.queue.push(LaneId::NONE, next, Event::Planned(number));
                }
            }
        }
    }

    /// A process dies: its listener is closed first, then its connections, as the kernel closes descriptors. Those that
    /// nobody has accepted are reset, those in use closed; of a proxy also those to its backends.
    fn stop_process(&mut self, host: HostId, port: u16) {
        let behind = self.source_behind(host, port);
        let Some(Closed { waiting, accepted }) = self.hosts[host.index()].close_listener(self.now, port)
        else {
            return;
        };
        for key in waiting {
            self.step(host, key, Cause::Disconnect);
        }
        for key in accepted {
            self.step(host, key, Cause::Close);
        }
        if let Some(id) = behind {
            self.stop_source(id);
        }
    }

    /// The source whose requests a proxy makes for those that come in at a listener.
    fn source_behind(&self, host: HostId, port: u16) -> Option<TrafficId> {
        let is_behind = |source: &Source| source.spec.arrivals == Arrivals::Behind(host, port);
        self.sources.iter().position(is_behind).map(|i| TrafficId(i as u16))
    }

    /// The process that a source is part of has died: its requests are given up, its connections closed.
    fn stop_source(&mut self, id: TrafficId) {
        let source = &mut self.sources[id.index()];
        source.stopped = true;
        let host = source.spec.from;
        let waiting = core::mem::take(&mut source.pool.waiting);
        let later = source.jobs.take_all();
        let reserved = later.iter().filter(|job| job.placed).count();
        source.pool.opening = source.pool.opening.saturating_sub(reserved as u32);
        (0..reserved).for_each(|_| source.pool.open.down());
        let searches = &mut self.searches[host.index()];
        if let Some(call) = searches.under_way.as_mut().filter(|call| call.attempt.traffic == id) {
            call.dying = true;
        }
        let searching = &mut searches.waiting;
        let (own, others) = searching.drain(..).partition(|&(whose, _)| whose == id);
        *searching = others;
        let own: VecDeque<(TrafficId, Job)> = own;
        for job in waiting.into_iter().chain(later).chain(own.into_iter().map(|(_, job)| job)) {
            self.give_up(id, &job, false);
        }
        let conns = &self.hosts[host.index()].tables.conns;
        let is_client =
            |key: &Key| conns.get(*key).is_some_and(|conn| conn.attempt.traffic == id && !conn.view.server);
        let slots = 0..conns.high_water() as u32;
        let clients: Vec<Key> = slots.map(|slot| conns.key(slot)).filter(is_client).collect();
        for key in clients {
            self.step(host, key, Cause::Close);
        }
    }

    /// A proxy's process has come up again.
    fn revive_source_behind(&mut self, host: HostId, port: u16) {
        if let Some(id) = self.source_behind(host, port) {
            self.sources[id.index()].stopped = false;
        }
    }

    /// A sysctl changes. What steps were learnt with the old value are forgotten.
    fn set(&mut self, host: HostId, settings: &Settings) {
        if let Some(memory) = self.memory.take() {
            for here in &mut self.hosts {
                memory.count(here.id, &mut here.stats.counters);
                for conn in here.tables.conns.iter_mut() {
                    if let Form::Lazy(lazy) = &conn.form {
                        conn.form = Form::Whole(memory.whole(lazy));
                    }
                }
            }
            self.memory = Some(Box::default());
        }
        self.hosts[host.index()].set(settings);
    }

    /// A SYN from an address that nobody has (RFC 2544 keeps 198.18.0.0/15 for tests) reaches the host of `to`.
    fn spoof(&mut self, to: SockAddr, bits: u64) {
        let Some(host) = self.net.owner(to.addr) else { return };
        let addr = Addr(0xc612_0000 | (bits as u32 & 0x1_ffff));
        let local = SockAddr { addr, port: 1024 + (bits >> 17) as u16 % 64_512 };
        let seg = Segment {
            seq: Seq((bits >> 32) as u32),
            ack: Seq(0),
            len: 0,
            win: 64_240,
            flags: Flags::SYN,
            ts: None,
            syn: SynOptions { mss: 1460, ..SynOptions::default() },
            sack: None,
            sack2: None,
            rtx: false,
        };
        let attempt = Attempt { traffic: NOBODY, number: 0 };
        let packet =
            Packet { tuple: Tuple { local, remote: to }, seg, attempt, from: Hint::NONE, to: Hint::NONE };
        self.arrive(host, &packet);
    }
}

/// Whose a spoofed SYN is.
const NOBODY: TrafficId = TrafficId(u16::MAX);
