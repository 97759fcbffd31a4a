//! The time series: rows taken between events, so that a row at time t holds what came before t.

use std::collections::BTreeMap;

use crate::errno::Errno;
use crate::host::Host;
use crate::ids::{HostId, TrafficId};
use crate::record::{Histogram, Series, TrafficSummary};
use crate::scenario::{Limit, Metric, Outcome, Timing};
use crate::tcp::State;
use crate::time::{Span, Time};
use crate::traffic::Source;

/// Takes the rows of a run.
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    series: Series,
    /// Time of the next row.
    pub(super) next: Time,
    /// How many rows there will be, unless the run ends early: a column has its room from the beginning.
    most: usize,
    /// What was timed before the last row.
    timed: BTreeMap<(TrafficId, Timing), Histogram>,
}

/// Outcomes that have a column from the beginning.
const OUTCOMES: [Outcome; 10] = [
    Outcome::Attempted,
    Outcome::Connected,
    Outcome::Completed,
    Outcome::Failed,
    Outcome::Requested,
    Outcome::Answered,
    Outcome::Abandoned,
    Outcome::SynsAgain,
    Outcome::CutOff,
    Outcome::BytesLost,
];

/// A column has room for at most so many rows from the beginning; whoever runs for longer has it grow.
const MOST_ROOM: usize = 1 << 16;
/// Quantiles that are followed, per mille.
const QUANTILES: [u16; 2] = [500, 990];

impl Sampler {
    /// For a run that lasts so long.
    pub(super) fn new(interval: Span, duration: Span) -> Sampler {
        let most = usize::try_from(duration.0 / interval.0.max(1) + 1).unwrap_or(usize::MAX);
        let series = Series { interval, ..Series::default() };
        Sampler { series, next: Time::ZERO, most, timed: BTreeMap::new() }
    }

    /// Takes one row.
    pub(super) fn row(&mut self, hosts: &[Host], traffic: &[TrafficSummary], sources: &[Source]) {
        for (i, host) in hosts.iter().enumerate() {
            self.host(HostId(i as u16), host);
        }
        for (i, summary) in traffic.iter().enumerate() {
            self.traffic(TrafficId(i as u16), summary);
        }
        for (i, source) in sources.iter().enumerate() {
            if source.spec.pool.is_some_and(|pool| pool.size < u32::MAX) {
                self.put(Metric::Used(Limit::Pool(TrafficId(i as u16))), source.pool.open.now);
            }
        }
        self.series.rows += 1;
        self.next += self.series.interval;
    }

    /// Columns that stayed at zero throughout say nothing and are left out, but for the attempts and their outcomes.
    pub(super) fn finish(self) -> Series {
        let mut series = self.series;
        let keep = |metric: &Metric, values: &[u64]| {
            let rare = |o: &Outcome| {
                matches!(o, Outcome::Error(_) | Outcome::SynsAgain | Outcome::CutOff | Outcome::BytesLost)
            };
            let outcome = matches!(metric, Metric::Outcome(_, o) if !rare(o));
            outcome || values.iter().any(|&v| v != 0)
        };
        let columns: BTreeMap<_, _> = series.columns.into_iter().filter(|(m, v)| keep(m, v)).collect();
        series.columns = columns;
        series
    }

    fn put(&mut self, metric: Metric, value: u64) {
        let rows = self.series.rows;
        let room = || Vec::with_capacity(self.most.min(MOST_ROOM));
        let column = self.series.columns.entry(metric).or_insert_with(room);
        // A column that begins late was zero until now.
        column.resize(rows, 0);
        column.push(value);
    }

    fn host(&mut self, id: HostId, host: &Host) {
        let stats = &host.stats;
        for &state in State::ALL {
            self.put(Metric::Sockets(id, state), stats.state(state).now);
        }
        self.put(Metric::OpenFiles(id), stats.open_files.now);
        self.put(Metric::Orphans(id), stats.orphans.now);
        self.put(Metric::Memory(id), stats.memory.now);
        self.put(Metric::PortProbes(id), host.ports.probes());
        self.put(Metric::Used(Limit::OpenFiles(id)), stats.open_files.now);
        self.put(Metric::Used(Limit::TwBuckets(id)), stats.mini_sockets.now);
        self.put(Metric::Used(Limit::Orphans(id)), stats.orphans.now);
        if host.tracking.is_some() {
            self.put(Metric::Conntrack(id), stats.conntrack.now);
            self.put(Metric::Used(Limit::Conntrack(id)), stats.conntrack.now);
        }
        for dest in host.ports.dests() {
            self.put(Metric::Used(Limit::Ports { host: id, from: dest.from, to: dest.to }), dest.used.now);
        }
        for listen in &host.listeners {
            self.put(Metric::Used(Limit::AcceptQueue(id, listen.spec.port)), listen.accept_queue.now);
            self.put(Metric::Used(Limit::SynQueue(id, listen.spec.port)), listen.syn_queue.now);
            if listen.spec.connections < u32::MAX {
                self.put(Metric::Used(Limit::Threads(id, listen.spec.port)), listen.open.now);
            }
            if listen.spec.workers < u32::MAX {
                self.put(Metric::Used(Limit::Workers(id, listen.spec.port)), listen.working.now);
            }
        }
    }

    fn traffic(&mut self, id: TrafficId, summary: &TrafficSummary) {
        for outcome in OUTCOMES {
            self.put(Metric::Outcome(id, outcome), summary.outcome(outcome).count);
        }
        for &errno in Errno::ALL.iter().filter(|e| summary.errors.iter().any(|seen| seen.errno == **e)) {
            let outcome = Outcome::Error(errno);
            self.put(Metric::Outcome(id, outcome), summary.outcome(outcome).count);
        }
        self.latency(id, Timing::Connect, &summary.connect_latency);
        self.latency(id, Timing::Request, &summary.request_latency);
    }

    /// The quantiles of what was timed since the last row.
    fn latency(&mut self, id: TrafficId, timing: Timing, now: &Histogram) {
        let before = self.timed.entry((id, timing)).or_default();
        let mut quantiles = [Span::ZERO; QUANTILES.len()];
        if now.count() > before.count() {
            quantiles = QUANTILES.map(|q| now.quantile_since(before, u32::from(q)).unwrap_or_default());
            before.copy_from(now);
        }
        for (quantile, span) in QUANTILES.into_iter().zip(quantiles) {
            self.put(Metric::Latency(id, timing, quantile), span.0);
        }
    }
}
