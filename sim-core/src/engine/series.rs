//! The time series: rows taken between events, so that a row at time t holds what came before t.

use std::collections::BTreeMap;

use crate::errno::Errno;
use crate::host::Host;
use crate::ids::{HostId, TrafficId};
use crate::record::{Series, TrafficSummary};
use crate::scenario::{Limit, Metric, Outcome};
use crate::tcp::State;
use crate::time::{Span, Time};

/// Takes the rows of a run.
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    series: Series,
    /// Time of the next row.
    pub(super) next: Time,
}

impl Sampler {
    pub(super) fn new(interval: Span) -> Sampler {
        Sampler { series: Series { interval, ..Series::default() }, next: Time::ZERO }
    }

    /// Takes one row.
    pub(super) fn row(&mut self, hosts: &[Host], traffic: &[TrafficSummary]) {
        for (i, host) in hosts.iter().enumerate() {
            self.host(HostId(i as u16), host);
        }
        for (i, summary) in traffic.iter().enumerate() {
            self.traffic(TrafficId(i as u16), summary);
        }
        self.series.rows += 1;
        self.next += self.series.interval;
    }

    /// Columns that stayed at zero throughout say nothing and are left out, but for the attempts and their outcomes.
    pub(super) fn finish(self) -> Series {
        let mut series = self.series;
        let keep = |metric: &Metric, values: &[u64]| {
            let outcome = matches!(metric, Metric::Outcome(_, o) if !matches!(o, Outcome::Error(_)));
            outcome || values.iter().any(|&v| v != 0)
        };
        let columns: BTreeMap<_, _> = series.columns.into_iter().filter(|(m, v)| keep(m, v)).collect();
        series.columns = columns;
        series
    }

    fn put(&mut self, metric: Metric, value: u64) {
        let rows = self.series.rows;
        let column = self.series.columns.entry(metric).or_default();
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
        }
    }

    fn traffic(&mut self, id: TrafficId, summary: &TrafficSummary) {
        let mut outcomes = vec![Outcome::Attempted, Outcome::Connected, Outcome::Completed, Outcome::Failed];
        let errnos: Vec<Errno> = summary.errors.iter().map(|e| e.errno).collect();
        outcomes.extend(Errno::ALL.iter().filter(|e| errnos.contains(e)).map(|&e| Outcome::Error(e)));
        for outcome in outcomes {
            self.put(Metric::Outcome(id, outcome), summary.outcome(outcome).count);
        }
    }
}
