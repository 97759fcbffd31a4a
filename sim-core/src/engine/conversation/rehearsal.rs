//! A conversation played on a stage of its own: what comes of each of its events.

use super::balance::Before;
use super::pause::{self, Pause, Played};
use super::script::{
    Awaits, Begun, CLIENT, Clock, Counts, Exit, Line, Runs, SERVER, Script, Stand, StateSwing, Swing,
};
use super::writing::{group, phases};
use crate::app::{AppTimer, Booked, Form};
use crate::counter::Counter;
use crate::engine::queue::Heap;
use crate::engine::record::{Aside, Record, Sink, StepArms};
use crate::engine::world::World;
use crate::host::{Host, Numbers};
use crate::ids::{Addr, HostId, SockAddr};
use crate::lasting::Lasting;
use crate::rng::Ratio;
use crate::scenario::{self, Arrivals, Link, PortChoice, PortConfig, Scenario, Traffic};
use crate::tcp::config::TimerModel;
use crate::tcp::{ALARMS, Segment, State};
use crate::time::{Span, Time};

/// A script has at most so many events, and takes at most so long: less than any clock takes from calm to its wrap.
const MOST_EVENTS: usize = 400;
const LONGEST: Span = Span::from_secs(60);

/// Who plays, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cast<'a> {
    /// The hosts as the scenario describes them.
    pub(super) specs: [&'a scenario::Host; 2],
    /// The hosts as they are.
    pub(super) hosts: [&'a Host; 2],
    /// What the scenario says of the traffic.
    pub(super) traffic: &'a Traffic,
    /// Source address.
    pub(super) from: Addr,
    /// Destination.
    pub(super) to: SockAddr,
    /// The way from one to the other, and back.
    pub(super) delay: Span,
    /// The clocks that an end can read.
    pub(super) clocks: &'a [Clock],
    /// How long the server serves a request, where that is drawn.
    pub(super) served: Option<Span>,
    /// Whether the hosts track connections: then nothing is taken together that they see one by one.
    pub(super) tracked: [bool; 2],
}

/// One event, as it came.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub(super) after: Span,
    pub(super) side: usize,
    pub(super) cause: Awaits,
    pub(super) sent: Vec<Segment>,
    pub(super) moves: Vec<State>,
    pub(super) booked: Vec<Booked>,
    pub(super) states: Vec<StateSwing>,
    pub(super) swings: Vec<Swing>,
    pub(super) counts: Counts,
    pub(super) counters: Vec<(Counter, u64)>,
    pub(super) arms: bool,
    pub(super) app: AppTimer,
    pub(super) exit: Exit,
    pub(super) done: bool,
    pub(super) draws: bool,
    pub(super) recount: bool,
    pub(super) stand: Stand,
    pub(super) connecting: bool,
    pub(super) measured: u32,
    pub(super) alarms: [Runs; ALARMS],
    pub(super) app_timer: Runs,
}

/// Everything that comes of an event.
#[derive(Clone, Debug, Default)]
pub(super) struct Notebook {
    pub(super) records: Vec<Record>,
    asides: Vec<Aside>,
}

impl Sink for Notebook {
    const REHEARSES: bool = true;
    fn record(&mut self, _at: Time, record: &Record) {
        self.records.push(*record);
    }
    fn aside(&mut self, aside: Aside) {
        self.asides.push(aside);
    }
}

pub(super) type Stage = World<Heap, Notebook>;

/// Plays a conversation that begins at `start`, twice, with different numbers. `None` if the two do not go the same way, or
/// not one that others could follow.
pub(super) fn rehearse(cast: &Cast<'_>, route: u32, start: Time) -> Option<Script> {
    let script = Play::new(cast, start, 1).perform(route)?;
    let again = (1..=8).map(|n| start + Span::from_secs(70 * n));
    let at = again.into_iter().find(|&at| script.phases.iter().all(|phase| phase.has(at)))?;
    // Where a length is drawn, also with the shortest and the longest that this script is for.
    let lengths = match &script.pause {
        Some(pause) => pause.extremes(cast.clocks, start, at)?.map(Some).to_vec(),
        None => vec![cast.served],
    };
    let alike = (2..).zip(lengths).all(|(seed, served)| {
        let cast = Cast { served, ..*cast };
        Play::new(&cast, at, seed).perform(route).is_some_and(|other| agree(&script, &other, &cast))
    });
    alike.then_some(script)
}

/// Plays a conversation once, as it was: with the length that was drawn, known to be one that a script is for.
pub(super) fn play(cast: &Cast<'_>, route: u32, start: Time) -> Option<Script> {
    Play::new(cast, start, 1).perform(route)
}

/// Whether one script stands for the other, with its numbers.
fn agree(script: &Script, other: &Script, cast: &Cast<'_>) -> bool {
    let to = &other.model;
    let lasts = |script: &Script| script.pause.as_ref().map_or(Span::ZERO, |pause| pause.lasts);
    let scenes = script.scenes.iter().zip(&other.scenes).enumerate().all(|(i, (a, b))| {
        let host = cast.hosts[script.side(i)];
        let one = (a.sender, a.app, &a.counters, a.connecting);
        let two = (b.sender, b.app, &b.counters, b.connecting);
        let how = if script.is_after_pause(i) {
            // How an end stands there hangs on the very length, and is played when somebody asks.
            a.after + lasts(other) == b.after + lasts(script)
        } else {
            let stands = script.stand_at(i, to, host).as_ref() == Some(&b.stand);
            stands && (a.after, a.alarms, a.app_timer) == (b.after, b.alarms, b.app_timer)
        };
        let gone = script.exit_at(i, to, to.at + b.after, host) == b.exit;
        one == two && how && gone
    });
    scenes
        && script.pause.as_ref().map(Pause::place) == other.pause.as_ref().map(Pause::place)
        && script.steps == other.steps
        && script.states == other.states
        && script.swings == other.swings
        && script.moves == other.moves
        && script.books == other.books
        && script.segments == other.segments
}

/// A play under way.
pub(super) struct Play<'a> {
    pub(super) cast: &'a Cast<'a>,
    pub(super) start: Time,
    pub(super) world: Stage,
    pub(super) raws: Vec<Raw>,
    alarms: [[Runs; ALARMS]; 2],
    app_timers: [Runs; 2],
    life: Option<Span>,
    numbers: Numbers,
    /// When the server had the request whose service lasts as long as is drawn.
    drawn: Option<Span>,
}

impl<'a> Play<'a> {
    fn new(cast: &'a Cast<'a>, start: Time, seed: u64) -> Play<'a> {
        let scenario = stage(cast, start, seed);
        Play {
            cast,
            start,
            world: World::with_sink(&scenario, Notebook::default()).without_memory(),
            raws: Vec::new(),
            alarms: [[None; ALARMS]; 2],
            app_timers: [None; 2],
            life: None,
            numbers: Numbers::default(),
            drawn: None,
        }
    }

    fn perform(mut self, route: u32) -> Option<Script> {
        let mut on_their_way = 0usize;
        loop {
            let before = self.before();
            if !self.world.advance(1) {
                return None;
            }
            if self.world.sink.records.len() == before.seen && self.world.sink.asides.is_empty() {
                // A wake-up that found nothing.
                continue;
            }
            let raw = self.event(&before)?;
            on_their_way += raw.sent.len();
            if let Awaits::Segments(n) = raw.cause {
                on_their_way -= usize::from(n);
            }
            self.raws.push(raw);
            let over = self.world.hosts.iter().all(|host| {
                host.tables.conns.is_empty()
                    && host.tables.requests.is_empty()
                    && host.tables.orphans.is_empty()
            });
            if over && on_their_way == 0 {
                return self.write(route);
            }
            if self.raws.len() == MOST_EVENTS {
                return None;
            }
        }
    }

    /// What an event came to. `None` if it was one that a script cannot have.
    fn event(&mut self, before: &Before) -> Option<Raw> {
        let after = self.world.now.since(self.start);
        if after >= LONGEST
            || self.world.now < self.start
            || self.world.lost > 0
            || !self.world.logs.is_empty()
        {
            return None;
        }
        let records: Vec<Record> = self.world.sink.records[before.seen..].to_vec();
        let asides = core::mem::take(&mut self.world.sink.asides);
        let side = records.iter().find_map(|record| match record {
            Record::Arrived(host, _) | Record::Sent(host, _) => Some(host.index()),
            _ => None,
        });
        let stepped = asides.iter().find_map(|aside| match aside {
            Aside::Stepped(host, _) => Some(host.index()),
            Aside::Done(_) | Aside::Measured(..) => None,
        });
        let side = side.or(stepped)?;
        let here = HostId(side as u16);
        let mut raw = Raw {
            after,
            side,
            cause: if self.raws.is_empty() { Awaits::Start } else { Awaits::AppTimer },
            sent: Vec::new(),
            moves: Vec::new(),
            booked: self.booked(before)?,
            states: Vec::new(),
            swings: Vec::new(),
            counts: Counts::default(),
            counters: Vec::new(),
            arms: false,
            app: AppTimer::Kept,
            exit: Exit::Stays,
            done: false,
            draws: false,
            recount: false,
            stand: Stand::Gone,
            connecting: false,
            measured: 0,
            alarms: [None; ALARMS],
            app_timer: None,
        };
        for record in records {
            match record {
                Record::Arrived(host, _) if host == here => raw.cause = Awaits::Segments(1),
                Record::Sent(host, packet) if host == here => raw.sent.push(packet.seg),
                Record::Moved(whose, moved) if whose.host == here => {
                    if moved.last {
                        raw.moves.push(moved.to);
                    }
                }
                Record::Carried(..) | Record::Accepted(..) | Record::Armed(..) | Record::Booked(..) => {}
                // Trouble, or something of the other end.
                _ => return None,
            }
        }
        for aside in asides {
            match aside {
                Aside::Stepped(host, armed) if host == here => self.stepped(&mut raw, &armed)?,
                Aside::Done(false) => raw.done = true,
                Aside::Measured(host, srtt) if host == here && srtt > 0 => raw.measured = srtt,
                Aside::Stepped(..) | Aside::Done(true) | Aside::Measured(..) => return None,
            }
        }
        if raw.cause == Awaits::AppTimer {
            self.app_timers[side] = self.app_timers[side].filter(|&(armed, _)| armed == after);
        }
        self.look(&mut raw, before)?;
        (!self.may_be_early(after)).then_some(raw)
    }

    /// Whether a timer could have come before this event, in whatever phase of the wheel: that would have been another story. Nor
    /// may one come in the time by which two lengths of service may differ that one script is for.
    fn may_be_early(&self, after: Span) -> bool {
        let resumed = self.drawn.zip(self.cast.served).is_some_and(|(drawn, served)| after >= drawn + served);
        let latest = if resumed { after + pause::WIDEST } else { after };
        let early = |runs: &Runs| runs.is_some_and(|(armed, delay)| armed + delay <= latest);
        self.alarms.iter().flatten().any(early)
    }

    fn stepped(&mut self, raw: &mut Raw, armed: &StepArms) -> Option<()> {
        if armed.asked_outside {
            return None;
        }
        for (runs, delay) in self.alarms[raw.side].iter_mut().zip(armed.alarms) {
            if let Some(delay) = delay {
                *runs = Some((raw.after, delay));
                raw.arms = true;
            }
        }
        if armed.app != AppTimer::Kept {
            raw.app = armed.app;
        }
        match armed.app {
            AppTimer::Kept => {}
            AppTimer::Stopped => self.app_timers[raw.side] = None,
            AppTimer::Service if self.cast.served.is_some() && self.drawn.is_none() => {
                self.drawn = Some(raw.after);
                self.app_timers[raw.side] = None;
                raw.draws = true;
            }
            // Whatever else is drawn, or said by others, is in no script.
            AppTimer::Think | AppTimer::Service => return None,
            AppTimer::Armed(delay) => self.app_timers[raw.side] = Some((raw.after, delay)),
        }
        if armed.mini.is_some() {
            self.life = armed.mini;
        }
        Some(())
    }

    pub(super) fn stand(&mut self, raw: &mut Raw) -> Option<()> {
        let side = raw.side;
        let tables = &self.world.hosts[side].tables;
        if tables.conns.len() + tables.requests.len() + tables.orphans.len() > 1 {
            return None;
        }
        if let Some(conn) = tables.conns.iter().next() {
            let Form::Whole(end) = &conn.form else { return None };
            for (runs, due) in self.alarms[side].iter_mut().zip(end.endpoint.alarms()) {
                if due == Time::NEVER {
                    *runs = None;
                } else {
                    (*runs)?;
                }
            }
            if conn.app_due == Time::NEVER {
                self.app_timers[side] = None;
            }
            raw.connecting = conn.view.connecting;
            raw.stand = Stand::Full(end.clone());
            if raw.cause == Awaits::Start {
                let bases = end.endpoint.bases();
                self.numbers.isn[CLIENT] = bases.snd;
                self.numbers.stamp[CLIENT] = bases.offset.wrapping_add(self.start.as_millis() as u32);
            }
        } else {
            self.alarms[side] = [None; ALARMS];
            self.app_timers[side] = None;
        }
        if let Some(pending) = tables.requests.iter().next() {
            let bases = pending.request.bases();
            self.numbers.isn[SERVER] = bases.snd.wrapping_sub(1);
            self.numbers.stamp[SERVER] = bases.offset.wrapping_add(self.start.as_millis() as u32);
            raw.stand = Stand::Request(pending.request.clone());
            // Its timer is known: it runs since the SYN,ACK was sent.
            self.alarms[side][0] = Some((raw.after, self.cast.hosts[side].cfg.rto_initial));
            raw.arms = true;
        }
        if let Some(orphan) = tables.orphans.iter().next() {
            let begins = !matches!(self.last_stand(side), Some(Stand::Orphan(_)));
            if begins {
                self.alarms[side][0] = Some((raw.after, self.life?));
                raw.arms = true;
            } else {
                self.alarms[side][0] = self.raws.iter().rev().find(|r| r.side == side)?.alarms[0];
            }
            raw.stand = Stand::Orphan(orphan.machine.clone());
        }
        raw.alarms = self.alarms[side];
        raw.app_timer = self.app_timers[side];
        Some(())
    }

    fn last_stand(&self, side: usize) -> Option<&Stand> {
        self.raws.iter().rev().find(|raw| raw.side == side).map(|raw| &raw.stand)
    }

    /// The script: events that nothing can come between are one step.
    fn write(self, route: u32) -> Option<Script> {
        let played = Played::new(self.raws, self.cast.served)?;
        let groups = group(&played.raws, self.cast.tracked)?;
        let model = Begun::new(self.start, self.numbers);
        let mut script = Script {
            route,
            first: 0,
            phases: phases(self.cast, self.start, played.before(), Span::ZERO),
            steps: Vec::new(),
            scenes: Vec::new(),
            states: Vec::new(),
            swings: Vec::new(),
            moves: Vec::new(),
            books: Vec::new(),
            segments: Vec::new(),
            lines: Vec::new(),
            model,
            pause: played.pause(&groups, self.cast, self.start),
        };
        for group in &groups.steps {
            script.step(&played.raws[group.clone()], &self.numbers)?;
        }
        for (sender, lands) in groups.lands.into_iter().enumerate() {
            script.steps[sender].lands = lands;
            let (first, count) = (usize::from(lands.0), usize::from(lands.1));
            script.scenes.iter_mut().skip(first).take(count).for_each(|scene| scene.sender = sender);
        }
        script.lines = script.segments.iter().map(Line::new).collect();
        // Where an application's timer fires, and who armed it.
        for at in 0..script.steps.len() {
            let resumes = script.pause.as_ref().is_some_and(|pause| usize::from(pause.resumes) == at);
            if script.steps[at].cause != Awaits::AppTimer || resumes {
                continue;
            }
            let (side, fires) = (script.steps[at].side, script.scenes[at].after);
            let arming = script.steps[..at].iter().rposition(|step| step.side == side && step.arms_app)?;
            let (armed, delay) = script.scenes[arming].app_timer?;
            if armed + delay != fires {
                return None;
            }
            script.scenes[arming].app = Some((delay, at as u16));
        }
        for (step, scene) in script.steps.iter_mut().zip(&script.scenes) {
            // Only a worker begins anew when it is through.
            step.done &= matches!(self.cast.traffic.arrivals, Arrivals::Workers(_));
            // The books are made up when the port is free.
            step.recount &= scene.exit != Exit::Free;
            let late = self.cast.tracked[usize::from(step.side)];
            step.asks_more = scene.exit != Exit::Stays || step.arms_app || step.done || step.draws || late;
        }
        Some(script)
    }
}

/// The stage: the two hosts and a link.
fn stage(cast: &Cast<'_>, start: Time, seed: u64) -> Scenario {
    let host = |side: usize| {
        let spec = cast.specs[side];
        let phase = match cast.hosts[side].cfg.timers {
            TimerModel::Exact => None,
            TimerModel::Wheel { phase, .. } => Some(phase),
        };
        let (listen, addresses) = if side == SERVER {
            let listens = spec.listen.iter().filter(|listen| listen.port == cast.to.port);
            (listens.cloned().collect(), vec![cast.to.addr])
        } else {
            (Vec::new(), vec![cast.from])
        };
        // Which port it is does not matter, and the table that Linux keeps for the choice would cost more than all the rest.
        let ports = PortConfig { choice: PortChoice::Random, ..spec.ports.clone() };
        scenario::Host { addresses, phase, listen, ports, conntrack: None, drop: Vec::new(), ..spec.clone() }
    };
    let link = Link {
        a: HostId(0),
        b: HostId(1),
        delay: cast.delay,
        loss: Ratio::ZERO,
        duplicate: Ratio::ZERO,
        reorder: Ratio::ZERO,
        reorder_delay: Span::ZERO,
    };
    let traffic = Traffic {
        from: HostId(0),
        source: vec![cast.from],
        to: vec![cast.to],
        arrivals: Arrivals::At(vec![start]),
        start: Time::ZERO,
        stop: Time::NEVER,
        service_time: cast.served.map_or_else(|| cast.traffic.service_time.clone(), Lasting::drawn_as),
        ..cast.traffic.clone()
    };
    Scenario {
        title: String::new(),
        teaches: String::new(),
        duration: start.since(Time::ZERO) + LONGEST + LONGEST,
        seed,
        sample: Span::MAX,
        hosts: vec![host(CLIENT), host(SERVER)],
        links: vec![link],
        traffic: vec![traffic],
        events: Vec::new(),
        expect: Vec::new(),
    }
}
