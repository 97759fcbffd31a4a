//! Pools whose connections carry several requests at once: which connection gets the next one.
//!
//! One that is in use is filled up before an idle one is taken, and an idle one before another is opened, as the HTTP/2
//! clients of Go and of Java do. While connections are being opened, requests wait for the room that they will have.

use super::event::Event;
use super::queue::{LaneId, Queue};
use super::record::Sink;
use super::world::World;
use crate::app::{Booked, Cause};
use crate::host::{Attempt, Job};
use crate::ids::{Key, TrafficId};
use crate::scenario::Pool;
use crate::time::Time;
use crate::traffic::{self, Channel};

/// Requests that connections will have room for which are being opened, beside the first of each.
fn to_come(pool: &traffic::Pool, spec: Pool, requests: u32) -> u64 {
    u64::from(pool.opening) * u64::from(spec.streams.min(requests).saturating_sub(1))
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// Gives a request to a connection that has room for it, or a new one, or the queue.
    pub(super) fn place_stream(&mut self, id: TrafficId, spec: Pool, mut job: Job) {
        while let Some(&key) = self.sources[id.index()].pool.roomy.last() {
            if self.is_busy(id, key) && self.room_on(id, key, spec) > 0 {
                return self.ask_on(id, key, spec, job);
            }
            self.sources[id.index()].pool.roomy.pop();
            if let Some(channel) = self.channel_on(id, key) {
                channel.listed = false;
            }
        }
        while let Some(key) = self.sources[id.index()].pool.idle.pop() {
            if self.room_on(id, key, spec) > 0 {
                return self.ask_on(id, key, spec, job);
            }
        }
        let source = &mut self.sources[id.index()];
        let (pool, requests) = (&mut source.pool, source.spec.requests_per_connection);
        if to_come(pool, spec, requests) > pool.waiting.len() as u64 {
            pool.waiting.push_back(job);
        } else if pool.open.now < u64::from(spec.size) {
            pool.open.up(self.now);
            pool.opening += 1;
            job.placed = true;
            self.start(id, job);
        } else {
            pool.refused.add(self.now);
            pool.waiting.push_back(job);
        }
    }

    /// What is under way on a connection of a source's host.
    fn channel_on(&mut self, id: TrafficId, key: Key) -> Option<&mut Channel> {
        let source = &mut self.sources[id.index()];
        let conn = self.hosts[source.spec.from.index()].tables.conns.get(key)?;
        source.channels.get_mut(&conn.attempt.number)
    }

    /// How many more requests a connection may get now.
    fn room_on(&self, id: TrafficId, key: Key, spec: Pool) -> u32 {
        let source = &self.sources[id.index()];
        let Some(conn) = self.hosts[source.spec.from.index()].tables.conns.get(key) else { return 0 };
        let young = self.now.since(conn.began) < spec.lifetime;
        let channel = source.channels.get(&conn.attempt.number);
        let room = channel.filter(|channel| channel.connected && young);
        room.map_or(0, |channel| channel.room(spec.streams, source.spec.requests_per_connection))
    }

    /// Whether something is under way on a connection. One that is idle stands in another list.
    fn is_busy(&mut self, id: TrafficId, key: Key) -> bool {
        self.channel_on(id, key).is_some_and(|channel| !channel.is_idle())
    }

    /// A connection gets one more request.
    fn ask_on(&mut self, id: TrafficId, key: Key, spec: Pool, job: Job) {
        let host = self.sources[id.index()].spec.from;
        let Some(channel) = self.channel_on(id, key) else { return };
        channel.ask(job);
        self.list(id, key, spec);
        self.step(host, key, Cause::NextRequest);
    }

    /// Notes that a connection has room, if it has.
    fn list(&mut self, id: TrafficId, key: Key, spec: Pool) {
        if !self.is_busy(id, key) || self.room_on(id, key, spec) == 0 {
            return;
        }
        let listed =
            self.channel_on(id, key).is_none_or(|channel| core::mem::replace(&mut channel.listed, true));
        if !listed {
            self.sources[id.index()].pool.roomy.push(key);
        }
    }

    /// A connection that is in use may have room for requests that wait.
    pub(super) fn on_roomy(&mut self, id: TrafficId, key: Key) {
        if self.is_busy(id, key) {
            self.feed(id, key);
        }
    }

    /// Requests that wait go to a connection, as far as it has room; others are opened for the rest.
    pub(super) fn feed(&mut self, id: TrafficId, key: Key) {
        let Some(spec) = self.sources[id.index()].spec.pool else { return };
        while self.room_on(id, key, spec) > 0
            && let Some(job) = self.sources[id.index()].pool.waiting.pop_front()
        {
            self.ask_on(id, key, spec, job);
        }
        self.list(id, key, spec);
        self.open_more(id, spec);
    }

    /// Opens connections for requests that wait for none.
    fn open_more(&mut self, id: TrafficId, spec: Pool) {
        loop {
            let source = &mut self.sources[id.index()];
            let (pool, requests) = (&mut source.pool, source.spec.requests_per_connection);
            let enough = to_come(pool, spec, requests) >= pool.waiting.len() as u64;
            if enough || pool.open.now >= u64::from(spec.size) {
                return;
            }
            let Some(job) = pool.waiting.pop_front() else { return };
            pool.open.up(self.now);
            pool.opening += 1;
            self.enlist(id, self.now, Job { placed: true, ..job });
        }
    }

    /// A connection begins, with its first request.
    pub(super) fn open_channel(&mut self, attempt: Attempt, job: Job) {
        let mut channel = Channel::default();
        channel.ask(job);
        self.sources[attempt.traffic.index()].channels.insert(attempt.number, channel);
    }

    /// A connection has ended, or never came to be: what was under way on it has failed.
    pub(super) fn close_channel(&mut self, attempt: Attempt) {
        let id = attempt.traffic;
        let source = &mut self.sources[id.index()];
        let Some(channel) = source.channels.remove(&attempt.number) else { return };
        if !channel.connected {
            source.pool.opening = source.pool.opening.saturating_sub(1);
        }
        self.free_place(id);
        for job in channel.jobs() {
            self.fail(id, *job);
        }
    }

    /// Books what a client's connection that carries several requests has come to.
    pub(super) fn book_stream(&mut self, attempt: Attempt, key: Key, booked: Booked, began: Time) {
        let id = attempt.traffic;
        let source = &mut self.sources[id.index()];
        let (mut job, mut error) = (Job::NONE, false);
        if let Some(channel) = source.channels.get_mut(&attempt.number) {
            match booked {
                Booked::Connected => {
                    channel.connected = true;
                    source.pool.opening = source.pool.opening.saturating_sub(1);
                }
                Booked::Answered => {
                    let Some(finished) = channel.finish() else { return };
                    (job, error) = finished;
                }
                _ => {}
            }
        }
        if matches!(booked, Booked::Connected | Booked::Answered) {
            self.queue.push(LaneId::NONE, self.now, Event::Roomy(id, key));
        }
        if error {
            return self.fail(id, job);
        }
        if super::ends::book(&mut self.books[id.index()], self.now, booked, began, &mut job) {
            self.on_answered(id, &job);
        }
    }
}
