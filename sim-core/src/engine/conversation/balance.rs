//! The books before and after an event of a rehearsal: what the difference says is what a step of the script does.

use super::rehearsal::{Play, Raw};
use super::script::{Awaits, CLIENT, Counts, Exit, SERVER, StateSwing, Swing, Which};
use crate::app::Booked;
use crate::counter::{Counter, Counters};
use crate::engine::record::Record;
use crate::host::{Host, ListenSocket, Mini, Place};
use crate::ids::{HostId, Tuple};
use crate::record::{Gauge, HostSummary, TrafficSummary};
use crate::tcp::State;
use crate::time::Time;

/// The books of both hosts and of the source before an event.
pub(super) struct Before {
    counters: [Counters; 2],
    states: [Vec<u64>; 2],
    gauges: [Vec<(Which, u64)>; 2],
    counts: [[i64; 6]; 2],
    populations: [[i64; 3]; 2],
    places: [Option<Place>; 2],
    buckets: [u32; 2],
    book: TrafficSummary,
    pub(super) seen: usize,
}

impl Play<'_> {
    /// Notes where everything stands, and begins the peaks anew.
    pub(super) fn before(&mut self) -> Before {
        let [client, server] = [CLIENT, SERVER].map(|side| {
            let host = &mut self.world.hosts[side];
            let begin_anew = |gauge: &mut Gauge| {
                gauge.peak = gauge.now;
                gauge.now
            };
            let states: Vec<u64> = host.stats.states.iter_mut().map(begin_anew).collect();
            let gauges: Vec<(Which, u64)> =
                every(side).into_iter().map(|which| (which, begin_anew(which.of(host, 0)))).collect();
            let tuple = self.world.sink.records.iter().find_map(|record| match record {
                Record::Sent(HostId(0), packet) => Some(packet.tuple),
                _ => None,
            });
            let tuple = tuple.map(|tuple| if side == CLIENT { tuple } else { tuple.reversed() });
            let place = tuple.and_then(|tuple| host.look_up(tuple));
            (
                host.stats.counters.clone(),
                gauges,
                counts(host),
                populations(host),
                place,
                host.ports.live_buckets(),
                states,
            )
        });
        Before {
            seen: self.world.sink.records.len(),
            book: self.world.books[0].clone(),
            counters: [client.0, server.0],
            gauges: [client.1, server.1],
            counts: [client.2, server.2],
            populations: [client.3, server.3],
            places: [client.4, server.4],
            buckets: [client.5, server.5],
            states: [client.6, server.6],
        }
    }

    /// What was booked for the source.
    pub(super) fn booked(&self, before: &Before) -> Option<Vec<Booked>> {
        let book = &self.world.books[0];
        let TrafficSummary {
            attempted,
            connected,
            completed,
            requested,
            answered,
            abandoned,
            failed,
            errors,
            recovered,
            connect_latency: _,
            request_latency: _,
            lost_syns,
            syns_again,
            cut_off,
            bytes_lost,
            pending,
            waiting: _,
            tuples: _,
        } = book;
        let trouble =
            failed.count + abandoned.count + syns_again.count + pending > 0 || !lost_syns.is_empty();
        if attempted.count != 1 || trouble || !errors.is_empty() || recovered.is_some() {
            return None;
        }
        // The first request is wanted before the script begins.
        let asked = requested.count - before.book.requested.count - u64::from(self.raws.is_empty());
        let answers = answered.count - before.book.answered.count;
        let cuts = cut_off.count - before.book.cut_off.count;
        let bytes = bytes_lost.count - before.book.bytes_lost.count;
        if asked > 1 || answers > 1 || cuts > 1 {
            return None;
        }
        let mut booked = Vec::new();
        booked.extend((connected.count > before.book.connected.count).then_some(Booked::Connected));
        booked.extend((answers > 0).then_some(Booked::Answered));
        booked.extend((cuts > 0).then_some(Booked::CutOff(bytes as u32)));
        booked.extend((asked > 0).then_some(Booked::Asked));
        booked.extend((completed.count > before.book.completed.count).then_some(Booked::Completed));
        Some(booked)
    }

    /// What the event did to the host, and how the end stands now.
    pub(super) fn look(&mut self, raw: &mut Raw, before: &Before) -> Option<()> {
        let side = raw.side;
        let other = &mut self.world.hosts[1 - side];
        let still = every(1 - side)
            .into_iter()
            .zip(&before.gauges[1 - side])
            .all(|(which, (_, was))| which.of(other, 0).now == *was);
        let states = other.stats.states.iter().map(|gauge| gauge.now);
        let still = still && states.eq(before.states[1 - side].iter().copied());
        if !still || other.stats.counters != before.counters[1 - side] {
            return None;
        }
        let tuple = self.world.sink.records.iter().find_map(|record| match record {
            Record::Sent(HostId(0), packet) => Some(packet.tuple),
            _ => None,
        })?;
        let tuple = if side == CLIENT { tuple } else { tuple.reversed() };
        let host = &mut self.world.hosts[side];
        if !host.is_untroubled() {
            return None;
        }
        let moved = |gauge: &Gauge, was: u64| (gauge.peak - was, gauge.now as i64 - was as i64);
        for ((&state, gauge), &was) in State::ALL.iter().zip(&host.stats.states).zip(&before.states[side]) {
            let (peak, net) = moved(gauge, was);
            if peak > 0 || net != 0 {
                let (peak, net) = (u8::try_from(peak).ok()?, i8::try_from(net).ok()?);
                raw.states.push(StateSwing { state, peak, net });
            }
        }
        for &(which, was) in &before.gauges[side] {
            let (peak, net) = moved(which.of(host, 0), was);
            let swing = Swing { which, peak: u32::try_from(peak).ok()?, net: i32::try_from(net).ok()? };
            if swing.peak > 0 || swing.net != 0 {
                raw.swings.push(swing);
            }
        }
        raw.counters = counted(&host.stats.counters, &before.counters[side]);
        let [now, was] = [counts(host), before.counts[side]];
        let moved = |at: usize| (now[at] - was[at]) as i8;
        let there = populations(host);
        let grown = |at: usize| (there[at] - before.populations[side][at]) as i8;
        raw.counts = Counts {
            listener: [moved(0), moved(1), moved(2)],
            shared: [moved(3), moved(4)],
            scripted: [grown(0), grown(1), grown(2)],
        };
        // A server's descriptors are those that accept() opens.
        let opened = raw.swings.iter().find(|swing| side == SERVER && swing.which == Which::OpenFiles);
        if opened.map_or(0, |swing| swing.peak as i64) != now[5] - was[5] {
            return None;
        }
        raw.recount = host.ports.live_buckets() != before.buckets[side];
        raw.exit = exit(host, before.places[side], tuple, self.world.now)?;
        self.stand(raw)?;
        if raw.cause == Awaits::Start {
            // The descriptor and the port are taken as by any connect(), before the script.
            raw.swings.retain(|swing| swing.which != Which::OpenFiles);
            raw.recount = true;
        }
        if raw.recount { without_memory(&mut raw.swings) } else { Some(()) }
    }
}

/// The counters that moved.
fn counted(now: &Counters, before: &Counters) -> Vec<(Counter, u64)> {
    let moved = Counter::ALL.iter().map(|&counter| (counter, now.get(counter) - before.get(counter)));
    moved.filter(|&(_, n)| n > 0).collect()
}

/// Leaves out what is counted anew; `None` if it was higher meanwhile than before and after.
fn without_memory(swings: &mut Vec<Swing>) -> Option<()> {
    let lasting = |swing: &Swing| swing.which != Which::Memory || swing.peak as i32 == swing.net.max(0);
    if !swings.iter().all(lasting) {
        return None;
    }
    swings.retain(|swing| swing.which != Which::Memory);
    Some(())
}

/// How an end goes with an event, after which its tuple leads elsewhere or nowhere.
fn exit(host: &mut Host, before: Option<Place>, tuple: Tuple, now: Time) -> Option<Exit> {
    match (before, host.look_up(tuple)) {
        (Some(Place::Row(_)), _) | (None, None) => None,
        (_, Some(Place::Row(row))) => {
            let row = host.tables.waiting.at(row);
            let machine = host.load_mini(Mini::Row(row))?;
            let ends = host.cfg.timers.expiry(now, host.cfg.time_wait);
            let plain = machine.entered() == now && machine.deadline() == ends;
            plain.then_some(Exit::TimeWait(machine))
        }
        (Some(_), None) => Some(Exit::Free),
        (_, Some(_)) => Some(Exit::Stays),
    }
}

/// Every gauge that a conversation moves at a host.
fn every(side: usize) -> Vec<Which> {
    let mut every = vec![Which::OpenFiles, Which::Orphans, Which::MiniSockets, Which::Memory];
    if side == SERVER {
        every.extend([Which::AcceptQueue, Which::SynQueue]);
    }
    every
}

fn counts(host: &Host) -> [i64; 6] {
    // Whatever else is counted would have to be in the script.
    let HostSummary {
        states: _,
        open_files: _,
        dropped: _,
        accepted,
        orphans: _,
        mini_sockets: _,
        conntrack: _,
        flows: _,
        memory: _,
        objects: _,
        bind_refused: _,
        port_probes: _,
        counters: _,
    } = &host.stats;
    let [requests, young, children] = host.listeners.first().map_or([0; 3], ListenSocket::counts);
    let counts = [requests, young, children, host.shared.orphans, host.shared.mini_sockets].map(i64::from);
    let [requests, young, children, orphans, minis] = counts;
    [requests, young, children, orphans, minis, *accepted as i64]
}

fn populations(host: &Host) -> [i64; 3] {
    let tables = &host.tables;
    [tables.conns.len(), tables.requests.len(), tables.orphans.len()].map(|n| n as i64)
}
