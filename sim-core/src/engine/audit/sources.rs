//! Traffic sources: attempts, requests, pools, workers.

use super::{Disagreement, Found};
use crate::engine::queue::Queue;
use crate::engine::record::Sink;
use crate::engine::world::World;
use crate::errno::Call;
use crate::host::{Conn, Job};
use crate::ids::Key;
use crate::record::TrafficSummary;
use crate::scenario::{OnError, Side};
use crate::time::Span;
use crate::traffic::Source;

impl<Q: Queue, S: Sink> World<Q, S> {
    pub(super) fn audit_sources(&self, found: &mut Found) {
        for (i, (source, book)) in self.sources.iter().zip(&self.books).enumerate() {
            self.audit_source(i, source, book, found);
        }
    }

    /// The connections of a source whose client has not let go of them.
    fn clients(&self, source: usize) -> impl Iterator<Item = (Key, &Conn)> {
        let here = self.hosts[self.sources[source].spec.from.index()].tables.conns.entries();
        let own = here.filter(move |(_, conn)| conn.attempt.traffic.index() == source);
        own.filter(|(_, conn)| self.app(conn) == Some(Side::Client))
    }

    /// The requests of a source that have no connection.
    pub(super) fn jobs(&self, source: usize) -> impl Iterator<Item = &Job> {
        let Source { pool, jobs, spec, .. } = &self.sources[source];
        let searches = &self.searches[spec.from.index()];
        let searching = searches.under_way.iter().filter(move |call| call.attempt.traffic.index() == source);
        let waiting = searches.waiting.iter().filter(move |(id, _)| id.index() == source);
        let for_port = searching.map(|call| &call.job).chain(waiting.map(|(_, job)| job));
        pool.waiting.iter().chain(jobs.iter()).chain(for_port)
    }

    fn audit_source(&self, i: usize, source: &Source, book: &TrafficSummary, found: &mut Found) {
        let searching = self.searches[source.spec.from.index()].under_way.as_ref();
        let searching = searching.is_some_and(|call| call.attempt.traffic.index() == i);
        let connecting = self.clients(i).filter(|(_, conn)| conn.view.connecting).count() as u64;
        let early = |call: Call| matches!(call, Call::Socket | Call::Bind | Call::Connect);
        let refused = book.errors.iter().filter(|e| early(e.call)).map(|e| e.tally.count).sum::<u64>();
        let pending = connecting + u64::from(searching);
        let attempts = book.attempted.count == book.connected.count + refused + pending;
        let errors = book.errors.iter().map(|e| e.tally.count).sum::<u64>();
        let ends = book.failed.count == errors && book.completed.count <= book.connected.count;
        found.check(attempts && ends, Disagreement::Attempts);
        let shared = source.channels.values().map(|channel| channel.jobs().count() as u64).sum::<u64>();
        let open = self.clients(i).filter(|(_, conn)| conn.job.open).count() as u64 + shared;
        let came_to = book.answered.count + book.abandoned.count + open + self.jobs(i).count() as u64;
        found.check(book.requested.count == came_to, Disagreement::Requests);
        self.audit_pool(i, source, found);
        self.audit_workers(i, source, open, found);
    }

    fn audit_pool(&self, i: usize, source: &Source, found: &mut Found) {
        let Some(spec) = source.spec.pool else { return };
        let reserved = self.jobs(i).filter(|job| job.placed).count();
        found.check(source.pool.open.now == (self.clients(i).count() + reserved) as u64, Disagreement::Pools);
        let full = source.pool.open.now >= u64::from(spec.size);
        let opening = source.channels.values().filter(|channel| !channel.connected).count() + reserved;
        let opening = if spec.streams > 1 { opening } else { 0 };
        found.check(source.pool.opening as usize == opening, Disagreement::Opening);
        let idle: Vec<Key> = self.clients(i).filter(|(_, conn)| conn.view.idle).map(|(key, _)| key).collect();
        let none = (full || opening > 0) && idle.is_empty();
        found.check(source.pool.waiting.is_empty() || none, Disagreement::IdlePlaces);
        let listed = |key: &Key| source.pool.idle.iter().filter(|k| *k == key).count() == 1;
        let kept = idle.len() as u64 <= u64::from(spec.idle);
        found.check(kept && idle.iter().all(listed), Disagreement::IdleConnections);
    }

    /// A worker waits, has a connection or, with a pool, a request. None is lost before it is too late for another request.
    fn audit_workers(&self, i: usize, source: &Source, open: u64, found: &mut Found) {
        let Some(workers) = source.workers() else { return };
        let waiting = self.waiting_workers(i);
        let busy = if source.spec.pool.is_some() { open } else { self.clients(i).count() as u64 };
        let there = waiting + busy + self.jobs(i).count() as u64;
        let retry = if let OnError::Retry(retry) = source.spec.on_error { retry.after } else { Span::ZERO };
        let pause = source.spec.think_time.longest().max(retry).max(Span::from_secs(1));
        let none_lost = self.now + pause >= source.spec.stop || there == u64::from(workers);
        found.check(none_lost && there <= u64::from(workers), Disagreement::Workers);
    }
}
