//! The world: it owns hosts, network and sources, and gives each cause to whom it concerns.

use super::conversation::{Beats, Scripts};
use super::event::{Due, Event};
use super::happenings::Planned;
use super::queue::{LaneId, Lanes, Queue};
use super::record::{Record, Sink, Whose, digest_line, digest_packet_record};
use super::room::Room;
use super::search::Searches;
use super::series::Sampler;
use super::service::Service;
use crate::app::{Effects, Memory};
use crate::host::{Arrived, Attempt, Conversation, Front, Host, Mini, NewMini, Packet, RowId, Timed};
use crate::ids::{HostId, Key, Slab, TrafficId, Tuple};
use crate::log::LogLine;
use crate::net::{Carried, Direction, Net};
use crate::order::{Order, Rank, Woken};
use crate::record::{Digest, HostSummary, LogSummary, Summary, Tally, TrafficSummary};
use crate::rng::{Component, Purpose, Stream};
use crate::scenario::Scenario;
use crate::tcp::config::TimerModel;
use crate::tcp::{State, TimerKind};
use crate::time::{Span, Time};
use crate::traffic::Source;

/// A run in progress on the engine's own queue, with nobody following it.
pub type Simulation = World<Lanes, ()>;

/// The lanes of a host.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostLanes {
    /// Packets to itself.
    pub(super) loopback: LaneId,
    pub(super) requests: LaneId,
    pub(super) orphans: LaneId,
    /// Socket timers of less than half a second: delayed ACKs, retransmissions.
    short: LaneId,
    /// Longer ones: the first SYN's.
    long: LaneId,
}

/// The lanes of one direction of a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkLanes {
    /// Packets that it only delays.
    pub(super) plain: LaneId,
    /// Those that it holds back: each for the same time, so they are in order among themselves.
    pub(super) late: LaneId,
}

/// The lanes of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceLanes {
    arrivals: LaneId,
    /// Timers of applications, clients' and servers' apart, for their delays differ.
    pub(super) apps: [LaneId; 2],
}

/// A run in progress: advance it in slices, then take its summary. Cloned, it goes on twice.
#[derive(Clone, Debug)]
pub struct World<Q, S> {
    pub(super) now: Time,
    /// The place in the order of causes of the one that is being handled.
    pub(super) moment: Order,
    end: Time,
    /// The next row of the time series, or the end.
    pub(super) pause: Time,
    pub(super) queue: Q,
    pub(super) sink: S,
    pub(super) hosts: Vec<Host>,
    pub(super) net: Net,
    pub(super) sources: Vec<Source>,
    pub(super) planned: Vec<Planned>,
    /// Packets that a rule holds back.
    pub(super) held_back: Slab<(HostId, Packet)>,
    /// Requests that are being served and share their connection with others.
    pub(super) services: Slab<Service>,
    pub(super) fx: Effects,
    /// The memory of steps; taken out while one of its steps is carried out.
    pub(super) memory: Option<Box<Memory>>,
    /// Conversations that follow a script.
    pub(super) talks: Slab<Conversation>,
    /// The scripts; taken out while one is left.
    pub(super) scripts: Option<Box<Scripts>>,
    /// Their segments on the way.
    pub(super) beats: Beats,
    /// What a link has made of the segments of a step.
    pub(super) carried: Vec<Carried>,
    pub(super) books: Vec<TrafficSummary>,
    /// The state in which a step began that has not yet reported its last move.
    pub(super) step_began_in: Option<State>,
    /// What the hosts' searches for ports are about, where they take time.
    pub(super) searches: Vec<Searches>,
    /// Listeners with something to accept, the last first.
    pub(super) acceptable: Vec<(HostId, u16)>,
    pub(super) host_lanes: Vec<HostLanes>,
    pub(super) source_lanes: Vec<SourceLanes>,
    /// By direction of a link.
    pub(super) link_lanes: Vec<LinkLanes>,
    pub(super) sampler: Sampler,
    pub(super) digest: Digest,
    pub(super) events: u64,
    pub(super) segments: u64,
    pub(super) lost: u64,
    pub(super) logs: Vec<(usize, LogSummary)>,
    pub(super) room: Room,
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
        let mut queue = Q::new(scenario.hosts.len());
        let sources = scenario.traffic.iter().enumerate();
        let hosts = build_hosts(scenario);
        let mut world = World {
            now: Time::ZERO,
            moment: Order::NEVER,
            end: Time::ZERO + scenario.duration,
            pause: Time::ZERO,
            sink,
            sources: sources.map(|(i, spec)| Source::new(spec, TrafficId(i as u16), scenario.seed)).collect(),
            planned: Planned::all(&scenario.events, scenario.seed),
            held_back: Slab::default(),
            services: Slab::default(),
            fx: Effects::default(),
            memory: Some(Box::default()),
            // Nobody follows a script where the scenario itself means to disturb.
            scripts: scenario.events.is_empty().then(|| Box::new(Scripts::new(scenario))),
            talks: Slab::default(),
            beats: Beats::new(),
            carried: Vec::new(),
            books: scenario.traffic.iter().map(|spec| TrafficSummary::new(spec.tuples)).collect(),
            step_began_in: None,
            searches: scenario.hosts.iter().map(|_| Searches::default()).collect(),
            acceptable: Vec::new(),
            host_lanes: hosts.iter().map(|host| HostLanes::new(&mut queue, host)).collect(),
            hosts,
            source_lanes: scenario.traffic.iter().map(|_| SourceLanes::new(&mut queue)).collect(),
            link_lanes: (0..net.directions())
                .map(|n| LinkLanes::new(&mut queue, &net, Direction(n)))
                .collect(),
            queue,
            net,
            sampler: Sampler::new(scenario.sample, scenario.duration),
            digest: Digest::default(),
            events: 0,
            segments: 0,
            lost: 0,
            logs: Vec::new(),
            room: Room::default(),
        };
        world.arrange_service(scenario);
        world.plan();
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
            let Some(workers) = self.sources[i].workers() else {
                self.next_arrival(id);
                continue;
            };
            let start = self.sources[i].spec.start;
            (0..workers).for_each(|_| self.employ(id, start));
        }
    }

    /// Processes at most so many events. Returns whether there is more to do.
    pub fn advance(&mut self, events: u64) -> bool {
        let mut left = events;
        while left > 0 {
            let some = left.min(self.room.left);
            if self.room.overrun.is_some() || !self.advance_some(some) {
                return false;
            }
            (left, self.room.left) = (left - some, self.room.left - some);
            if self.room.left == 0 {
                self.look_for_room();
            }
        }
        true
    }

    fn advance_some(&mut self, events: u64) -> bool {
        let mut left = events;
        while left > 0 {
            let (next, beat) = (self.queue.first(), self.beats.first());
            let time = next.time.min(beat.time);
            if time >= self.pause && self.paused(time) {
                return false;
            }
            if beat < next {
                left -= self.follow(left);
                continue;
            }
            left -= 1;
            let Some((moment, due)) = self.queue.pop() else { return false };
            debug_assert!(moment.time >= self.now, "time never runs backwards");
            (self.moment, self.now) = (moment, moment.time);
            self.dispatch(due);
        }
        true
    }

    /// Processes what comes before a moment. Afterwards everything stands as it does when that moment begins.
    pub fn advance_until(&mut self, at: Time) {
        while self.queue.first().time.min(self.beats.first().time) < at && self.advance(1) {}
        self.now = self.now.max(at.min(self.end));
    }

    /// Takes the rows of the time series that are due before the next event. Whether the end comes first.
    fn paused(&mut self, next: Time) -> bool {
        while self.sampler.next <= next.min(self.end) {
            self.sampler.row(&self.hosts, &self.books, &self.sources);
        }
        self.pause = self.sampler.next.min(self.end);
        if next < self.end {
            return false;
        }
        self.now = self.end;
        true
    }

    /// Lets no conversation follow a script: the referee of the scripts.
    #[must_use]
    pub fn without_scripts(mut self) -> Self {
        self.scripts = None;
        self
    }

    /// Lets every end take every step itself: the referee of the memory of steps, and of the scripts.
    #[must_use]
    pub fn without_memory(mut self) -> Self {
        (self.memory, self.scripts) = (None, None);
        self
    }

    /// Conversations that followed a script, those that left theirs before its end, and how many scripts there are.
    pub fn conversations(&self) -> (u64, u64, usize) {
        self.scripts.as_ref().map_or((0, 0, 0), |scripts| scripts.tally())
    }

    /// The memory of steps, if it is used.
    pub fn memory(&self) -> Option<&Memory> {
        self.memory.as_deref()
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

    /// When the next event is due, or a wake-up that may find nothing; [`Time::NEVER`] if nothing is.
    pub fn upcoming(&self) -> Time {
        self.queue.first().time.min(self.beats.first().time)
    }

    /// A host's gauges as they stand. Its counters are complete in a [`Summary`] only.
    pub fn levels(&self, host: HostId) -> &HostSummary {
        &self.hosts[host.index()].stats
    }

    /// The follower.
    pub fn sink(&self) -> &S {
        &self.sink
    }

    fn dispatch(&mut self, due: Due) {
        match due {
            Due::Packet(lane) => {
                self.events += 1;
                if let Some((host, packet)) = self.queue.packet(lane) {
                    self.arrive(host, &packet);
                }
            }
            Due::Event(event) => self.happen(event),
            Due::Row(host, row) => self.end_row(host, row),
        }
        if !self.acceptable.is_empty() {
            self.settle();
        }
    }

    /// Applications accept what there is.
    pub(super) fn settle(&mut self) {
        // In the order in which they became so: of several that wait for a descriptor the first in the scenario's order has it.
        let mut next = 0;
        while let Some(&(host, listener)) = self.acceptable.get(next) {
            self.on_acceptable(host, listener);
            next += 1;
        }
        self.acceptable.clear();
    }

    /// A wake-up that finds nothing to do is no event.
    fn happen(&mut self, event: Event) {
        let counts =
            matches!(event, Event::Arrival(..) | Event::Start(..) | Event::Accept(..) | Event::Gc(..));
        self.events += u64::from(counts);
        match event {
            Event::Conn(host, key) => self.wake_conn(host, key),
            Event::Orphan(host, key) => self.wake_orphan(host, key),
            Event::Request(host, key) => self.wake_request(host, key),
            Event::Arrival(id) => self.on_arrival(id),
            Event::App(host, key) => self.wake_app(host, key),
            Event::Work(id) => self.want(id),
            Event::Start(id, key) => self.go_on(id, key),
            Event::Served(host, listener, epoch, key) => {
                self.served(listener, epoch, Front { host, key, stream: Front::ALONE });
            }
            Event::Planned(number) => self.planned(number),
            Event::ServedStream(service) => self.served_stream(service),
            Event::Answer(host, key, stream) => self.answer(Front { host, key, stream }, false),
            Event::Refuse(host, key, stream) => self.answer(Front { host, key, stream }, true),
            Event::Late(held) => self.release(held),
            Event::Roomy(id, key) => self.on_roomy(id, key),
            Event::Searched(host) => self.searched(host),
            Event::Accept(host, listener) => self.accept(host, listener),
            Event::Gc(host) => self.collect(host),
            Event::Cue(key, step) => self.on_cue(key, step),
        }
    }

    fn collect(&mut self, host: HostId) {
        let here = &mut self.hosts[host.index()];
        let mut line = None;
        let next = here.collect(self.now, &mut line);
        if let Some(next) = next {
            self.queue.push(LaneId::NONE, next, Event::Gc(host));
        }
        self.log(host, line);
    }

    fn wake_request(&mut self, host: HostId, key: Key) {
        let here = &mut self.hosts[host.index()];
        let Some(pending) = here.tables.requests.get_mut(key) else { return };
        match pending.wake.came(self.moment, pending.request.deadline()) {
            Woken::Stale | Woken::Idle => return,
            Woken::Later(order) => {
                let lane = self.host_lanes[host.index()].requests;
                return self.queue.place(lane, order, Event::Request(host, key));
            }
            Woken::Due => self.events += 1,
        }
        let whose = Whose { host, tuple: pending.tuple, attempt: pending.attempt };
        let peer = pending.peer;
        let path = self.net.path(host, whose.tuple.remote.addr);
        self.fx.clear();
        let arrived = here.wake_request(self.now, key, &mut self.fx);
        self.carry_out_loose(&whose, path, peer);
        self.after(host, arrived, false);
    }

    fn wake_orphan(&mut self, host: HostId, key: Key) {
        let here = &mut self.hosts[host.index()];
        let Some(orphan) = here.tables.orphans.get_mut(key) else { return };
        match orphan.wake.came(self.moment, orphan.machine.deadline()) {
            Woken::Stale | Woken::Idle => return,
            Woken::Later(order) => {
                let lane = self.host_lanes[host.index()].orphans;
                return self.queue.place(lane, order, Event::Orphan(host, key));
            }
            Woken::Due => self.events += 1,
        }
        self.end_mini(host, Mini::Orphan(key));
    }

    /// A TIME_WAIT is due, unless it has gone or another one of the same tick comes before it.
    fn end_row(&mut self, host: HostId, row: RowId) {
        let here = &self.hosts[host.index()];
        // A wait that was added may end in the same tick, and then before this one.
        if here.cfg.timers != TimerModel::Exact
            && here.tables.waiting.has_grown()
            && self.look_for_next_wait(host)
        {
            return;
        }
        if let Some(who) = self.hosts[host.index()].end_mini(self.now, Mini::Row(row)) {
            self.events += 1;
            self.ended(host, &who, State::TimeWait);
        }
        self.look_for_next_wait(host);
    }

    /// Tells the queue which TIME_WAIT of a host is next. Answers whether that is news to it.
    fn look_for_next_wait(&mut self, host: HostId) -> bool {
        let here = &mut self.hosts[host.index()];
        let level = here.waiting_level();
        let next = here
            .next_ending()
            .map(|(time, ending)| (Order { time, rank: Rank::new(ending.pushed, level) }, ending.row));
        self.queue.next_wait(host, next)
    }

    fn end_mini(&mut self, host: HostId, mini: Mini) {
        let here = &mut self.hosts[host.index()];
        let Some(from) = here.mini_state(mini) else { return };
        let Some(who) = here.end_mini(self.now, mini) else { return };
        self.ended(host, &who, from);
    }

    fn ended(&mut self, host: HostId, who: &NewMini, from: State) {
        let whose = Whose { host, tuple: who.tuple, attempt: who.attempt };
        self.record_of(&whose, |whose| Record::Fired(whose, TimerKind::TimeWait));
        self.moved(&whose, from, State::Closed, true);
    }

    /// The timer of something has been armed, now: this moment gives it its rank.
    pub(super) fn arm(&mut self, host: HostId, timed: Timed) {
        let Host { tables, cfg, .. } = &mut self.hosts[host.index()];
        let lanes = self.host_lanes[host.index()];
        let (due, wake, lane, event) = match timed {
            Timed::Conn(key) => {
                let Some(conn) = tables.conns.get_mut(key) else { return };
                let due = conn.form.deadline();
                (due, &mut conn.wake, lanes.of(due.since(self.now)), Event::Conn(host, key))
            }
            Timed::Request(key) => {
                let Some(pending) = tables.requests.get_mut(key) else { return };
                (pending.request.deadline(), &mut pending.wake, lanes.requests, Event::Request(host, key))
            }
            Timed::Orphan(key) => {
                let Some(orphan) = tables.orphans.get_mut(key) else { return };
                (orphan.machine.deadline(), &mut orphan.wake, lanes.orphans, Event::Orphan(host, key))
            }
            Timed::Row(row) => return self.queue_row(host, row),
        };
        if due == Time::NEVER {
            return;
        }
        let level = (cfg.timers != TimerModel::Exact).then(|| cfg.timers.level(due.since(self.now)));
        wake.armed = Rank::new(self.queue.ticket(), level);
        if let Some(order) = wake.wanted(due) {
            self.queue.place(lane, order, event);
        }
    }

    /// Tells the queue of a new TIME_WAIT.
    pub(super) fn queue_row(&mut self, host: HostId, row: RowId) {
        queue_row(&mut self.queue, &self.hosts[host.index()], row);
    }

    /// What is left to do after a segment that no full socket took, or after the timer of a request.
    /// `whole`: a connection that has come to be is not in the memory yet.
    pub(super) fn after(&mut self, host: HostId, arrived: Arrived, whole: bool) {
        self.log(host, arrived.line);
        if let Some(timed) = arrived.timed {
            if let (Timed::Conn(key), true) = (timed, whole) {
                self.adopt(host, key);
            }
            self.arm(host, timed);
        }
        if let Some(listener) = arrived.acceptable {
            self.acceptable.push((host, listener));
        }
    }

    /// A mini-socket takes the place of a socket; where the oldest makes room, it ends.
    pub(super) fn begin_mini(&mut self, host: HostId, who: NewMini, machine: &crate::tcp::TimeWait) {
        let pushed = self.queue.ticket();
        let here = &mut self.hosts[host.index()];
        let mini = here.begin_mini(self.now, pushed, who, machine);
        self.arm(
            host,
            match mini {
                Mini::Row(row) => Timed::Row(row),
                Mini::Orphan(key) => Timed::Orphan(key),
            },
        );
        while let Some(oldest) = self.hosts[host.index()].one_too_many() {
            let here = &mut self.hosts[host.index()];
            let Some(from) = here.mini_state(oldest) else { continue };
            let Some(who) = here.end_mini(self.now, oldest) else { continue };
            here.refusals.tw_buckets.add(self.now);
            self.moved(&Whose { host, tuple: who.tuple, attempt: who.attempt }, from, State::Closed, true);
        }
    }

    #[inline]
    pub(super) fn log(&mut self, host: HostId, line: Option<LogLine>) {
        if let Some(line) = line {
            self.log_line(host, line);
        }
    }

    fn log_line(&mut self, host: HostId, line: LogLine) {
        digest_line(&mut self.digest, self.now, host, line);
        if S::FOLLOWS {
            self.sink.record(self.now, &Record::Logged(host, line));
        }
        let known = self.logs.iter().position(|(h, log)| *h == host.index() && log.line == line);
        let index = known.unwrap_or_else(|| {
            self.logs.push((host.index(), LogSummary { line, printed: Tally::default() }));
            self.logs.len() - 1
        });
        self.logs[index].1.printed.add(self.now);
    }

    /// Records something that the digest does not look at, if its connection is followed.
    #[inline]
    pub(super) fn record(&mut self, attempt: Attempt, tuple: Tuple, record: impl FnOnce() -> Record) {
        if S::FOLLOWS && self.sink.follows(attempt, tuple) {
            self.sink.record(self.now, &record());
        }
    }

    /// Records what an attempt came to.
    #[inline]
    pub(super) fn record_outcome(&mut self, attempt: Attempt, tuple: Tuple, record: impl FnOnce() -> Record) {
        if S::HEARS {
            self.sink.record(self.now, &record());
        } else {
            self.record(attempt, tuple, record);
        }
    }

    /// Records something about one end of a connection.
    #[inline]
    pub(super) fn record_of(&mut self, whose: &Whose, record: impl FnOnce(Whose) -> Record) {
        self.record(whose.attempt, whose.tuple, || record(*whose));
    }

    /// Whether the follower wants to know what goes on inside the ends of a connection.
    #[inline]
    pub(super) fn looks_inside(&self, attempt: Attempt, tuple: Tuple) -> bool {
        S::FOLLOWS && self.sink.looks_inside(attempt, tuple)
    }

    /// Records what happened to a packet.
    #[inline]
    pub(super) fn record_packet(
        &mut self,
        host: HostId,
        packet: &Packet,
        what: impl Fn(HostId, Packet) -> Record,
    ) {
        digest_packet_record(&mut self.digest, self.now, packet, &what, host);
        self.record(packet.attempt, packet.tuple, || what(host, *packet));
    }

    /// Queues the next arrival of a source.
    pub(super) fn next_arrival(&mut self, id: TrafficId) {
        if let Some(at) = self.sources[id.index()].schedule.next_arrival() {
            let lane = self.source_lanes[id.index()].arrivals;
            self.queue.push(lane, at, Event::Arrival(id));
        }
    }
}

/// Tells the queue of a new TIME_WAIT.
#[inline]
pub(super) fn queue_row<Q: Queue>(queue: &mut Q, here: &Host, row: RowId) {
    // Where timers are exact, waits end in the order in which they begin.
    if !Q::EACH_WAIT && here.cfg.timers == TimerModel::Exact && here.tables.waiting.len() > 1 {
        return;
    }
    let level = here.waiting_level();
    if let Some((time, pushed)) = here.ending_of(row) {
        queue.wait(here.id, Order { time, rank: Rank::new(pushed, level) }, row);
    }
}

impl HostLanes {
    /// The lane for a timer of a full socket that runs for so long.
    pub(super) fn of(self, delay: Span) -> LaneId {
        if delay < Span::from_millis(500) { self.short } else { self.long }
    }

    fn new(queue: &mut impl Queue, host: &Host) -> HostLanes {
        let mut timers = || match host.cfg.timers {
            TimerModel::Exact => queue.event_lane(),
            TimerModel::Wheel { .. } => queue.timer_lane(),
        };
        let (requests, orphans, short, long) = (timers(), timers(), timers(), timers());
        HostLanes { loopback: queue.packet_lane(), requests, orphans, short, long }
    }
}

impl LinkLanes {
    fn new(queue: &mut impl Queue, net: &Net, direction: Direction) -> LinkLanes {
        let plain = queue.packet_lane();
        let late = if net.holds_back(direction) { queue.packet_lane() } else { LaneId::NONE };
        LinkLanes { plain, late }
    }
}

impl SourceLanes {
    fn new(queue: &mut impl Queue) -> SourceLanes {
        SourceLanes { arrivals: queue.event_lane(), apps: [queue.event_lane(), queue.event_lane()] }
    }
}

/// The hosts. The phase of the timer wheel is drawn once for all that leave it open.
fn build_hosts(scenario: &Scenario) -> Vec<Host> {
    let phase = Span(Stream::new(scenario.seed, Purpose::TimerPhase, Component::SHARED).below(1 << 42));
    let hosts = scenario.hosts.iter().enumerate();
    hosts.map(|(i, spec)| Host::new(HostId(i as u16), spec, scenario.seed, phase)).collect()
}
