//! From the world at its end to the summary.

use super::queue::Queue;
use super::record::Sink;
use super::world::World;
use crate::host::{Host, Job};
use crate::ids::TrafficId;
use crate::record::{FLOWS, Gauge, LimitSummary, Summary, Tally, TrafficSummary, word};
use crate::scenario::{Limit, Listen};
use crate::tcp::State;
use crate::time::Time;

impl<Q: Queue, S: Sink> World<Q, S> {
    /// What the run came to.
    pub fn into_summary(self) -> Summary {
        self.into_summary_and_sink().0
    }

    /// What the run came to, and the follower.
    pub fn into_summary_and_sink(mut self) -> (Summary, S) {
        self.book_waiting();
        if let Some(scripts) = &self.scripts {
            scripts.count(&mut self.hosts);
        }
        for book in &self.books {
            for tally in [book.attempted, book.connected, book.completed, book.failed] {
                self.digest.traffic(word(0, tally.count).wrapping_add(word(1, tally.last.0)));
            }
        }
        for host in &mut self.hosts {
            if let Some(memory) = &self.memory {
                memory.count(host.id, &mut host.stats.counters);
            }
        }
        for host in &mut self.hosts {
            host.stats.port_probes.set(self.now, host.ports.probes());
            host.stats.objects = host.objects();
            if let Some(tracking) = &host.tracking {
                host.stats.flows = tracking.table.entries(self.now).take(FLOWS).collect();
            }
        }
        let mut limits: Vec<LimitSummary> = self.hosts.iter().flat_map(limits_of).collect();
        for (i, source) in self.sources.iter().enumerate() {
            let size = source.spec.pool.map_or(u32::MAX, |pool| pool.size);
            if size < u32::MAX {
                let pool = Limit::Pool(TrafficId(i as u16));
                limits.push(limit(pool, u64::from(size), source.pool.open, source.pool.refused));
            }
        }
        limits.sort_by_key(|l| l.limit);
        let summary = Summary {
            digest: self.digest,
            ended: self.now,
            events: self.events,
            segments: self.segments,
            lost: self.lost,
            traffic: self.books,
            limits,
            hosts: self.hosts.into_iter().map(|host| host.stats).collect(),
            logs: self.logs,
            series: self.sampler.finish(),
            overrun: self.room.overrun,
        };
        (summary, self.sink)
    }
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// Books what waits at the end: for connect(), for an answer, for a connection of a pool, for the next try.
    fn book_waiting(&mut self) {
        for book in &mut self.books {
            book.waiting.oldest = Time::NEVER;
        }
        for conn in self.hosts.iter().flat_map(|host| host.tables.conns.iter()) {
            wait(&mut self.books[conn.attempt.traffic.index()], conn.view.connecting, &conn.job);
        }
        let talks = self.talks.iter().filter(|talk| !talk.left);
        for talk in talks {
            let connecting = self.scripts.as_ref().is_some_and(|scripts| scripts.connects(talk));
            wait(&mut self.books[talk.attempt.traffic.index()], connecting, &talk.job);
        }
        for searches in &self.searches {
            if let Some(call) = &searches.under_way {
                let book = &mut self.books[call.attempt.traffic.index()];
                book.pending += 1;
                book.waiting.connecting += 1;
                book.waiting.oldest = book.waiting.oldest.min(call.job.wanted);
            }
            for (id, job) in &searches.waiting {
                let book = &mut self.books[id.index()];
                book.waiting.queued += 1;
                book.waiting.oldest = book.waiting.oldest.min(job.wanted);
            }
        }
        for (source, book) in self.sources.iter().zip(&mut self.books) {
            for channel in source.channels.values() {
                channel.jobs().for_each(|job| wait_for(book, !channel.connected, job));
            }
            for job in source.pool.waiting.iter().chain(source.jobs.iter()) {
                book.waiting.queued += 1;
                book.waiting.oldest = book.waiting.oldest.min(job.wanted);
            }
        }
    }
}

/// Books a connection at the end, and the request that it is for.
fn wait(book: &mut TrafficSummary, connecting: bool, job: &Job) {
    book.pending += u64::from(connecting);
    wait_for(book, connecting, job);
}

/// Books a request that is on a connection at the end.
fn wait_for(book: &mut TrafficSummary, connecting: bool, job: &Job) {
    if job.open {
        *if connecting { &mut book.waiting.connecting } else { &mut book.waiting.unanswered } += 1;
        book.waiting.oldest = book.waiting.oldest.min(job.wanted);
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
        let capacity = dest.fixed.map(u64::from).or(dest.capacity).unwrap_or(capacity);
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
        let Listen { connections, workers, .. } = listen.spec;
        if connections < u32::MAX {
            let threads = Limit::Threads(id, port);
            limits.push(limit(threads, u64::from(connections), listen.open, listen.threads_refused));
        }
        if workers < u32::MAX {
            let busy = Limit::Workers(id, port);
            limits.push(limit(busy, u64::from(workers), listen.working, listen.workers_refused));
        }
    }
    if let Some(tracking) = &host.tracking {
        let max = tracking.table.config().max;
        if max > 0 {
            limits.push(limit(Limit::Conntrack(id), u64::from(max), stats.conntrack, tracking.refused));
        }
    }
    limits
}
