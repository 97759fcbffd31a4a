//! From the world at its end to the summary.

use super::queue::Queue;
use super::record::Sink;
use super::world::World;
use crate::host::Host;
use crate::record::{Gauge, LimitSummary, Summary, Tally};
use crate::scenario::{Limit, Side};
use crate::tcp::State;

impl<Q: Queue, S: Sink> World<Q, S> {
    /// What the run came to.
    pub fn into_summary(mut self) -> Summary {
        for app in self.apps.iter().filter(|app| app.side == Side::Client && app.is_connecting()) {
            self.books[app.traffic.index()].pending += 1;
        }
        for book in &self.books {
            for tally in [book.attempted, book.connected, book.completed, book.failed] {
                self.digest.word(tally.count);
                self.digest.word(tally.last.0);
                self.digest2.traffic([tally.count, tally.last.0, 0, 0, 0, 0]);
            }
        }
        let mut limits: Vec<LimitSummary> = self.hosts.iter().flat_map(limits_of).collect();
        limits.sort_by_key(|l| l.limit);
        Summary {
            digest: self.digest,
            digest2: self.digest2,
            ended: self.now,
            events: self.events,
            segments: self.segments,
            lost: self.lost,
            traffic: self.books,
            limits,
            hosts: self.hosts.into_iter().map(|host| host.stats).collect(),
            logs: self.logs,
            series: self.sampler.finish(),
        }
    }
}

fn limit(limit: Limit, capacity: u64, used: Gauge, refused: Tally) -> LimitSummary {
    LimitSummary { limit, capacity, used, refused, held_by: Vec::new() }
}

/// Every limit of a host that is finite.
fn limits_of(host: &Host) -> Vec<LimitSummary> {
    let (id, stats) = (host.id, &host.stats);
    let mut limits = vec![
        limit(
            Limit::OpenFiles(id),
            u64::from(host.open_files_max()),
            stats.open_files,
            host.refusals.open_files,
        ),
        limit(
            Limit::TwBuckets(id),
            u64::from(host.cfg.max_tw_buckets),
            stats.mini_sockets,
            host.refusals.tw_buckets,
        ),
        limit(Limit::Orphans(id), u64::from(host.cfg.max_orphans), stats.orphans, host.refusals.orphans),
    ];
    let capacity = host.ports.capacity();
    for dest in host.ports.dests() {
        let ports = Limit::Ports { host: id, from: dest.from, to: dest.to };
        let held_by: Vec<(State, u64)> = dest.held_by.clone();
        let capacity = dest.fixed.map_or(capacity, u64::from);
        limits.push(LimitSummary { held_by, ..limit(ports, capacity, dest.used, dest.refused) });
    }
    for listen in &host.listeners {
        let (port, capacity) = (listen.spec.port, listen.capacity());
        limits.push(limit(
            Limit::AcceptQueue(id, port),
            capacity,
            listen.accept_queue,
            listen.accept_refused,
        ));
        limits.push(limit(Limit::SynQueue(id, port), capacity, listen.syn_queue, listen.syn_refused));
    }
    if let Some(tracking) = &host.tracking {
        let max = tracking.table.config().max;
        if max > 0 {
            limits.push(limit(Limit::Conntrack(id), u64::from(max), stats.conntrack, tracking.refused));
        }
    }
    limits
}
