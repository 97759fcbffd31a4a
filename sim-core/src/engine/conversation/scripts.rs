//! The scripts of a world, and which one a connection may follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::act::Act;
use super::beats::Beats;
use super::pause::{Class, Moved};
use super::rehearsal::{Cast, rehearse};
use super::script::{CLIENT, Clock, Hop, Line, Route, SERVER, Script, Way};
use crate::host::ports::Owner;
use crate::host::{Conversation, Host, Opened};
use crate::ids::{Addr, HostId, SockAddr, TrafficId};
use crate::lasting::Lasting;
use crate::net::Net;
use crate::record::HostSummary;
use crate::scenario::{self, ClientPort, Listen, Scenario, SocketOptions, Traffic};
use crate::tcp::ConnectParams;
use crate::tcp::config::{Syncookies, TwOverflow};
use crate::time::{Span, Time};
use crate::traffic::Source;

/// Connections of a route that must have found no script before one is rehearsed; it grows with failures.
const WORTH_A_REHEARSAL: u32 = 16;
/// Most scripts of one route, and rehearsals that may fail.
const MOST_SCRIPTS: usize = 64;
const MOST_FAILURES: u32 = 8;
/// Most scripts in all.
const MOST: usize = 4096;
/// So much room a limit must have.
pub(super) const MARGIN: u32 = 8;

/// All scripts of a world.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Scripts {
    specs: Arc<[scenario::Host]>,
    pub(super) routes: Vec<Route>,
    pub(super) all: Vec<Script>,
    /// The steps of all scripts, one script after the other, and what they send.
    pub(super) acts: Vec<Act>,
    pub(super) lines: Vec<Line>,
    /// How conversations go on after a pause: by their beginning, and how far the clocks have moved during the pause.
    pub(super) classes: BTreeMap<(u32, Moved), Class>,
    /// Listeners that are alike share a route: by source, host and backlog.
    known: BTreeMap<(TrafficId, HostId, u32), u32>,
    /// By source and destination: a place in `routes`, or [`NO_ROUTE`], and the listener by its place.
    by_dest: Vec<Vec<(u32, u16)>>,
    pub(super) followed: u64,
    pub(super) left: u64,
}

/// Not looked at yet; looked at, and there is none.
const UNKNOWN: u32 = u32::MAX;
const NO_ROUTE: u32 = u32::MAX - 1;

impl Scripts {
    /// None as yet.
    pub(in crate::engine) fn new(scenario: &Scenario) -> Scripts {
        Scripts {
            specs: scenario.hosts.clone().into(),
            routes: Vec::new(),
            all: Vec::new(),
            acts: Vec::new(),
            lines: Vec::new(),
            classes: BTreeMap::new(),
            known: BTreeMap::new(),
            by_dest: vec![Vec::new(); scenario.traffic.len()],
            followed: 0,
            left: 0,
        }
    }

    /// Conversations that followed a script, those that left one, and how many scripts there are.
    pub(in crate::engine) fn tally(&self) -> (u64, u64, usize) {
        (self.followed, self.left, self.all.len())
    }

    /// The script for a connection that begins now, if there is one.
    #[inline]
    pub(super) fn find(
        &mut self,
        now: Time,
        opened: &Opened,
        id: TrafficId,
        stage: &Stage<'_>,
        beats: &mut Beats,
    ) -> Option<(u32, u16)> {
        let Opened { tuple: _, dest, owner, params } = opened;
        // Whatever else a connection begins with would have to be in the script.
        let ConnectParams { secrets: _, inherited } = params;
        if inherited.is_some() || *owner != Owner::Auto {
            return None;
        }
        let known = self.by_dest[id.index()].get(dest.index()).copied().unwrap_or((UNKNOWN, 0));
        let (place, listener) =
            if known.0 == UNKNOWN { self.look_for_route(opened, id, stage, beats) } else { known };
        let route = self.routes.get(place as usize)?;
        let all = &self.all;
        let fits = |&&script: &&u32| all[script as usize].phases.iter().all(|phase| phase.has(now));
        match route.scripts.iter().find(fits) {
            Some(&script) => Some((script, listener)),
            None => self.miss(now, opened, id, stage, place).map(|script| (script, listener)),
        }
    }

    /// No script fits: one is rehearsed if this has come often enough.
    #[cold]
    fn miss(
        &mut self,
        now: Time,
        opened: &Opened,
        id: TrafficId,
        stage: &Stage<'_>,
        place: u32,
    ) -> Option<u32> {
        let route = &mut self.routes[place as usize];
        route.missed += 1;
        let worth = WORTH_A_REHEARSAL << route.failed;
        let full = route.scripts.len() == MOST_SCRIPTS || self.all.len() == MOST;
        if route.missed < worth || full || route.failed == MOST_FAILURES {
            return None;
        }
        route.missed = 0;
        let cast = self.cast(place, id, (opened.tuple.local.addr, opened.tuple.remote), stage);
        let script = rehearse(&cast, place, now);
        let added = script.and_then(|script| self.add(place, script));
        let route = &mut self.routes[place as usize];
        match added {
            Some(script) => {
                route.scripts.push(script);
                self.file(script, script);
            }
            None => route.failed += 1,
        }
        added
    }

    /// Who plays a conversation of a route, and where. What is drawn lasts as long as in the mean.
    pub(super) fn cast<'a>(
        &'a self,
        route: u32,
        id: TrafficId,
        (from, to): (Addr, SockAddr),
        stage: &'a Stage<'a>,
    ) -> Cast<'a> {
        let Route { hosts: [client, server], ways, tracked, drawn, clocks, .. } =
            &self.routes[route as usize];
        let traffic = &stage.sources[id.index()].spec;
        Cast {
            specs: [&self.specs[client.index()], &self.specs[server.index()]],
            hosts: [&stage.hosts[client.index()], &stage.hosts[server.index()]],
            traffic,
            from,
            to,
            delay: ways[0].links.iter().fold(Span::ZERO, |all, hop| all + hop.delay),
            clocks,
            served: drawn.then(|| traffic.service_time.mean()),
            tracked: *tracked,
        }
    }

    /// Takes in a script of a route. Its place; `None` if it does more than is foreseen.
    pub(super) fn add(&mut self, route: u32, script: Script) -> Option<u32> {
        let acts = Act::all(&script, &self.routes[route as usize], &mut self.lines)?;
        let at = self.all.len() as u32;
        self.all.push(Script { first: self.acts.len() as u32, ..script });
        self.acts.extend(acts);
        Some(at)
    }

    /// Whether there are as many scripts as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.all.len() == MOST
    }

    #[cold]
    fn look_for_route(
        &mut self,
        opened: &Opened,
        id: TrafficId,
        stage: &Stage<'_>,
        beats: &mut Beats,
    ) -> (u32, u16) {
        let place = self.route(opened, id, stage, beats).unwrap_or((NO_ROUTE, 0));
        let places = &mut self.by_dest[id.index()];
        let at = opened.dest.index();
        if places.len() <= at {
            places.resize(at + 1, (UNKNOWN, 0));
        }
        places[at] = place;
        place
    }

    /// Where a connection goes, if connections that go there may follow a script.
    fn route(
        &mut self,
        opened: &Opened,
        id: TrafficId,
        stage: &Stage<'_>,
        beats: &mut Beats,
    ) -> Option<(u32, u16)> {
        let (traffic, tuple) = (&stage.sources[id.index()].spec, opened.tuple);
        if !is_regular(traffic) {
            return None;
        }
        let client = traffic.from;
        let server = stage.net.owner(tuple.remote.addr)?;
        let listens = &stage.hosts[server.index()].listeners;
        let listener = listens.iter().position(|listen| listen.spec.port == tuple.remote.port)?;
        let alike = (id, server, listens[listener].spec.backlog);
        if !is_instant(&listens[listener].spec) || listens[listener].behind.is_some() {
            return None;
        }
        if let Some(&known) = self.known.get(&alike) {
            return Some((known, listener as u16));
        }
        let mut way = |from: HostId, to: Addr| {
            let hops = stage.net.way(from, to)?.into_iter().map(|(direction, to)| {
                let (delay, lucky) =
                    stage.net.mostly_delays(direction).filter(|(delay, _)| *delay > Span::ZERO)?;
                let there = &stage.hosts[to.index()];
                if there.has_rules() {
                    return None;
                }
                let tracked = there.tracking.is_some();
                Some(Hop { to, direction, delay, lucky, lane: beats.lane(delay), tracked })
            });
            hops.collect::<Option<Vec<Hop>>>().map(|links| Way { links })
        };
        let ways = [way(client, tuple.remote.addr)?, way(server, tuple.local.addr)?];
        let [there, back] =
            [&ways[0], &ways[1]].map(|way| way.links.iter().fold(Span::ZERO, |all, hop| all + hop.delay));
        let hosts = [client, server];
        let roomy = hosts.iter().all(|host| has_room(&stage.hosts[host.index()]));
        if there != back || !roomy || client == server {
            return None;
        }
        let tracked = hosts.map(|host| stage.hosts[host.index()].tracking.is_some());
        let drawn = traffic.service_time.always().is_none();
        // Whoever leaves after a pause is played anew: that pays only where it is rare.
        if drawn && ways.iter().flat_map(|way| &way.links).any(|hop| hop.lucky) {
            return None;
        }
        let at = self.routes.len() as u32;
        let watched = [CLIENT, SERVER].map(|side| tracked[side] || ways[side].links[0].lucky);
        let clocks = Clock::all(hosts.map(|host| &stage.hosts[host.index()]));
        let scripts = Vec::new();
        let route = Route { hosts, ways, drawn, clocks, tracked, watched, scripts, missed: 0, failed: 0 };
        self.routes.push(route);
        self.known.insert(alike, at);
        Some((at, listener as u16))
    }

    /// Adds what the steps that were followed did to the counters of the hosts.
    pub(in crate::engine) fn count(&self, hosts: &mut [Host]) {
        for script in &self.all {
            let route = &self.routes[script.route as usize];
            let acts = &self.acts[script.first as usize..];
            for ((step, scene), &Act { taken, .. }) in script.steps.iter().zip(&script.scenes).zip(acts) {
                let host = route.hosts[usize::from(step.side)];
                let HostSummary { counters, .. } = &mut hosts[host.index()].stats;
                for &(counter, n) in scene.counters.iter().filter(|_| taken > 0) {
                    counters.add(counter, n * taken);
                }
            }
        }
    }

    /// Whether the client of a conversation waits for its connect().
    pub(in crate::engine) fn connects(&self, talk: &Conversation) -> bool {
        let script = &self.all[talk.script as usize];
        let step = talk.taken[CLIENT].checked_sub(1);
        !talk.left && step.is_some_and(|step| script.scenes[usize::from(step)].connecting)
    }
}

/// What a rehearsal looks at in the world.
pub(super) struct Stage<'a> {
    pub(super) hosts: &'a [Host],
    pub(super) sources: &'a [Source],
    pub(super) net: &'a Net,
}

/// Whether nothing that a source does hangs on anything but its own connection. A field that is new in [`Traffic`] is to be looked at
/// here: what draws a number, waits for another connection or reads something of the world cannot be in a script.
fn is_regular(traffic: &Traffic) -> bool {
    let Traffic {
        name: _,
        from: _,
        source: _,
        to: _,
        arrivals: _,
        start: _,
        stop: _,
        request: _,
        response: _,
        service_time,
        greeting: _,
        ask_after: _,
        requests_per_connection,
        think_time,
        wake_up: _,
        hold: _,
        pool,
        first: _,
        how: _,
        other: _,
        port,
        connect_timeout: _,
        response_timeout: _,
        server_idle_timeout: _,
        options,
        server_options,
        on_error: _,
        tuples,
        served_elsewhere,
        server_blocks: _,
    } = traffic;
    // A script has one pause of a drawn length; a client thinks only between two requests.
    let drawn = [service_time, think_time].into_iter().any(|time| !matches!(time, Lasting::Always(_)));
    let several = drawn && *requests_per_connection != 1;
    // What watches for a silent peer matters only where a rehearsal would not follow.
    let watches = [options, server_options].into_iter().any(|options| *options != SocketOptions::default());
    pool.is_none()
        && !served_elsewhere
        && !tuples
        && !several
        && !watches
        && matches!(port, ClientPort::Auto(_))
}

/// Whether an application accepts and serves each connection at once, whatever others it has.
fn is_instant(listen: &Listen) -> bool {
    let Listen {
        port: _,
        backlog: _,
        accept_after: _,
        accept_every: _,
        wake_up: _,
        connections,
        workers,
        closed,
    } = listen;
    listen.is_always_ready() && *connections == u32::MAX && *workers == u32::MAX && !closed
}

/// Whether the limits of a host are such that a conversation seldom meets them.
fn has_room(host: &Host) -> bool {
    let cfg = &host.cfg;
    cfg.tw_overflow != TwOverflow::RecycleOldest
        && cfg.syncookies != Syncookies::Always
        && cfg.max_tw_buckets > 2 * MARGIN
        && cfg.max_orphans > 2 * MARGIN
}
