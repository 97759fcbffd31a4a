//! The world: it owns hosts, network and applications, and hands what each produces to whom it concerns.

use super::event::Event;
use super::queue::{LaneId, Lanes, Queue};
use super::record::{Lost, Record, Sink, digest_record, digest2_record};
use super::series::Sampler;
use super::source::Source;
use crate::host::{Effects, Host, Packet, Wake};
use crate::ids::{HostId, Key, Slab, TrafficId};
use crate::net::{Delivery, Direction, Net};
use crate::record::{Digest, Digest2, LogSummary, Summary, Tally, TrafficSummary};
use crate::rng::{Purpose, Stream};
use crate::scenario::{Arrivals, Scenario};
use crate::tcp::config::TimerModel;
use crate::time::{Span, Time};
use crate::traffic::{App, Schedule};

/// A run in progress on the engine's own queue, with nobody following it.
pub type Simulation = World<Lanes, ()>;

/// What a host's lanes are for. A lane is only a hint: see [`LaneId`].
#[derive(Clone, Copy, Debug)]
enum HostLane {
    Loopback,
    Mini,
    Request,
    /// Socket timers of less than half a second: delayed ACKs, retransmissions.
    Short,
    /// Longer ones: the first SYN's.
    Long,
}

const HOST_LANES: u16 = 5;
const TRAFFIC_LANES: u16 = 2;

/// A run in progress: advance it in slices, then take its summary.
#[derive(Debug)]
pub struct World<Q, S> {
    pub(super) now: Time,
    end: Time,
    pub(super) queue: Q,
    pub(super) sink: S,
    pub(super) hosts: Vec<Host>,
    net: Net,
    pub(super) sources: Vec<Source>,
    pub(super) apps: Slab<App>,
    transit: Slab<Packet>,
    pub(super) fx: Effects,
    pub(super) books: Vec<TrafficSummary>,
    pub(super) sampler: Sampler,
    pub(super) digest: Digest,
    pub(super) digest2: Digest2,
    pub(super) events: u64,
    pub(super) segments: u64,
    pub(super) lost: u64,
    pub(super) logs: Vec<(usize, LogSummary)>,
}

impl<S: Sink + Default> World<Lanes, S> {
    /// Builds the world of a scenario, at time zero.
    pub fn new(scenario: &Scenario) -> Self {
        World::with_sink(scenario, S::default())
    }
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// Builds the world of a scenario, at time zero, with a follower.
    pub fn with_sink(scenario: &Scenario, sink: S) -> Self {
        let net = Net::new(scenario);
        let lanes = net.directions()
            + scenario.hosts.len() as u16 * HOST_LANES
            + scenario.traffic.len() as u16 * TRAFFIC_LANES;
        let mut world = World {
            now: Time::ZERO,
            end: Time::ZERO + scenario.duration,
            queue: Q::with_lanes(lanes),
            sink,
            hosts: build_hosts(scenario),
            net,
            sources: build_sources(scenario),
            apps: Slab::default(),
            transit: Slab::default(),
            fx: Effects::default(),
            books: vec![TrafficSummary::default(); scenario.traffic.len()],
            sampler: Sampler::new(scenario.sample),
            digest: Digest::default(),
            digest2: Digest2::default(),
            events: 0,
            segments: 0,
            lost: 0,
            logs: Vec::new(),
        };
        world.begin();
        world
    }

    /// Queues the first events.
    fn begin(&mut self) {
        for i in 0..self.hosts.len() {
            if let Some(tracking) = &self.hosts[i].tracking {
                self.queue.push(LaneId::NONE, tracking.table.next_gc(), Event::Gc(HostId(i as u16)));
            }
        }
        for i in 0..self.sources.len() {
            let id = TrafficId(i as u16);
            if let Arrivals::Workers(workers) = self.sources[i].spec.arrivals {
                let start = self.sources[i].spec.start;
                (0..workers).for_each(|_| self.enlist(id, start));
            } else {
                self.next_arrival(id);
            }
        }
    }

    /// Processes at most so many events. Returns whether there is more to do.
    pub fn advance(&mut self, events: u64) -> bool {
        for _ in 0..events {
            let next = self.queue.peek().unwrap_or(Time::NEVER);
            while self.sampler.next <= next.min(self.end) {
                self.sampler.row(&self.hosts, &self.books);
            }
            if next >= self.end {
                self.now = self.end;
                return false;
            }
            let Some(entry) = self.queue.pop() else { return false };
            debug_assert!(entry.time >= self.now, "time never runs backwards");
            self.now = entry.time;
            self.events += 1;
            self.dispatch(entry.event);
        }
        true
    }

    /// Runs to the end and says what it came to.
    pub fn run(mut self) -> Summary {
        while self.advance(u64::MAX) {}
        self.into_summary()
    }

    /// Simulated time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Events processed so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The follower.
    pub fn sink(&self) -> &S {
        &self.sink
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Arrive(host, key) => {
                if let Some(packet) = self.transit.remove(key) {
                    self.arrive(host, packet);
                }
            }
            Event::Socket(host, key) => self.wake(host, Wake::Socket(key)),
            Event::MiniSocket(host, key) => self.wake(host, Wake::Mini(key)),
            Event::Request(host, key) => self.wake(host, Wake::Request(key)),
            Event::Arrival(id) => self.on_arrival(id),
            Event::App(key) => self.on_app_timer(key),
            Event::Start(key) => self.start(key),
            Event::Accept(host, listener) => self.accept(host, listener),
            Event::Gc(host) => {
                if let Some(next) = self.hosts[host.index()].collect(self.now, &mut self.fx) {
                    self.queue.push(LaneId::NONE, next, event);
                }
                self.drain(host);
            }
        }
    }

    fn wake(&mut self, host: HostId, wake: Wake) {
        self.hosts[host.index()].wake(self.now, wake, &mut self.fx);
        self.drain(host);
    }

    /// A packet reaches a host: its own, or one to pass on.
    fn arrive(&mut self, host: HostId, packet: Packet) {
        let here = &mut self.hosts[host.index()];
        if !here.track(self.now, &packet, &mut self.fx) {
            self.record(Record::Lost(host, Lost::Conntrack, packet));
        } else if here.has_address(packet.tuple.remote.addr) {
            here.receive(self.now, &packet, &mut self.fx);
            self.record(Record::Arrived(host, packet));
        } else {
            self.forward(host, packet);
        }
        self.drain(host);
    }

    /// A host sends a packet of its own.
    fn transmit(&mut self, host: HostId, packet: Packet) {
        self.segments += 1;
        self.record(Record::Sent(host, packet));
        let here = &mut self.hosts[host.index()];
        if here.has_address(packet.tuple.remote.addr) {
            let key = self.transit.insert(packet);
            self.queue.push(self.host_lane(host, HostLane::Loopback), self.now, Event::Arrive(host, key));
        } else if here.track(self.now, &packet, &mut self.fx) {
            self.forward(host, packet);
        } else {
            self.record(Record::Lost(host, Lost::Conntrack, packet));
        }
    }

    /// Puts a packet on the link towards its destination.
    fn forward(&mut self, host: HostId, packet: Packet) {
        let target = self.net.owner(packet.tuple.remote.addr);
        let Some((direction, next)) = target.and_then(|t| self.net.next_hop(host, t)) else {
            return self.record(Record::Lost(host, Lost::NoRoute, packet));
        };
        let carried = self.net.carry(direction);
        if carried.first.is_none() {
            self.lost += 1;
            self.record(Record::Lost(host, Lost::Link, packet));
        }
        for delivery in [carried.first, carried.second].into_iter().flatten() {
            self.deliver(direction, next, delivery, packet);
        }
    }

    fn deliver(&mut self, direction: Direction, to: HostId, delivery: Delivery, packet: Packet) {
        let lane = if delivery.in_order { LaneId(direction.0) } else { LaneId::NONE };
        let key = self.transit.insert(packet);
        self.queue.push(lane, self.now + delivery.after, Event::Arrive(to, key));
    }

    /// Hands on what a host's step produced, until nothing is left. Applications that are told something may make the
    /// host produce more.
    pub(super) fn drain(&mut self, host: HostId) {
        loop {
            self.hand_out(host);
            if self.fx.notices.is_empty() {
                if let Some(listener) = self.fx.acceptable.pop() {
                    self.on_acceptable(host, listener);
                } else if self.fx.packets.is_empty() && self.fx.wakes.is_empty() {
                    return;
                }
                continue;
            }
            let mut notices = core::mem::take(&mut self.fx.notices);
            for (app, notice) in notices.drain(..) {
                self.notify(app, notice);
            }
            // Notices that arose meanwhile wait behind the ones just delivered; keep the larger buffer.
            if self.fx.notices.is_empty() {
                self.fx.notices = notices;
            }
        }
    }

    /// Moves, log lines, packets and wake-ups.
    fn hand_out(&mut self, host: HostId) {
        for i in 0..self.fx.moves.len() {
            let step = self.fx.moves[i];
            self.record(Record::Moved(host, step));
        }
        self.fx.moves.clear();
        for i in 0..self.fx.packets.len() {
            let packet = self.fx.packets[i];
            self.transmit(host, packet);
        }
        self.fx.packets.clear();
        for i in 0..self.fx.logs.len() {
            let line = self.fx.logs[i];
            self.log(host, line);
        }
        self.fx.logs.clear();
        for i in 0..self.fx.wakes.len() {
            let (at, wake) = self.fx.wakes[i];
            self.queue_wake(host, at, wake);
        }
        self.fx.wakes.clear();
    }

    fn queue_wake(&mut self, host: HostId, at: Time, wake: Wake) {
        let (lane, event) = match wake {
            Wake::Mini(key) => (HostLane::Mini, Event::MiniSocket(host, key)),
            Wake::Request(key) => (HostLane::Request, Event::Request(host, key)),
            Wake::Socket(key) if at.since(self.now) < Span::from_millis(500) => {
                (HostLane::Short, Event::Socket(host, key))
            }
            Wake::Socket(key) => (HostLane::Long, Event::Socket(host, key)),
        };
        let lane = self.host_lane(host, lane);
        match self.hosts[host.index()].cfg.timers {
            TimerModel::Exact => self.queue.push(lane, at, event),
            wheel @ TimerModel::Wheel { .. } => {
                self.queue.push_timer(lane, at, wheel.level(at.since(self.now)), event);
            }
        }
    }

    fn host_lane(&self, host: HostId, lane: HostLane) -> LaneId {
        LaneId(self.net.directions() + host.0 * HOST_LANES + lane as u16)
    }

    /// The lane of a source's application timers: servers' and clients' apart, for their delays differ.
    pub(super) fn app_lane(&self, id: TrafficId, server: bool) -> LaneId {
        let hosts = self.hosts.len() as u16 * HOST_LANES;
        LaneId(self.net.directions() + hosts + id.0 * TRAFFIC_LANES + u16::from(server))
    }

    fn log(&mut self, host: HostId, line: crate::log::LogLine) {
        self.record(Record::Logged(host, line));
        let known = self.logs.iter().position(|(h, log)| *h == host.index() && log.line == line);
        let index = known.unwrap_or_else(|| {
            self.logs.push((host.index(), LogSummary { line, printed: Tally::default() }));
            self.logs.len() - 1
        });
        self.logs[index].1.printed.add(self.now);
    }

    fn record(&mut self, record: Record) {
        digest_record(&mut self.digest, self.now, &record);
        digest2_record(&mut self.digest2, self.now, &record);
        self.sink.record(self.now, &record);
    }

    /// Puts a new client into the table and queues its start.
    pub(super) fn enlist(&mut self, id: TrafficId, at: Time) {
        let source = &self.sources[id.index()];
        let key = self.new_client(id, source.spec.from);
        self.queue.push(LaneId::NONE, at, Event::Start(key));
    }

    pub(super) fn new_client(&mut self, id: TrafficId, host: HostId) -> Key {
        let tries = match self.sources[id.index()].spec.on_error {
            crate::scenario::OnError::Retry { times, .. } => times,
            crate::scenario::OnError::GiveUp => 0,
        };
        self.apps.insert(App::client(id, host, self.now, tries))
    }
}

/// The hosts. The phase of the timer wheel is drawn once for all that leave it open.
fn build_hosts(scenario: &Scenario) -> Vec<Host> {
    let phase = Span(Stream::new(scenario.seed, Purpose::TimerPhase, 0).below(1 << 42));
    let hosts = scenario.hosts.iter().enumerate();
    hosts.map(|(i, spec)| Host::new(HostId(i as u16), spec, scenario.seed, phase)).collect()
}

fn build_sources(scenario: &Scenario) -> Vec<Source> {
    let sources = scenario.traffic.iter().enumerate();
    sources
        .map(|(i, spec)| {
            let rng = Stream::new(scenario.seed, Purpose::Arrivals, i as u32);
            Source::new(spec, Schedule::new(spec, rng))
        })
        .collect()
}
