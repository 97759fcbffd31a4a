//! One traffic source: its schedule, its turn, its pool.

use std::collections::{BTreeMap, VecDeque};

use super::{Channel, Schedule};
use crate::host::{Attempt, Job, PortRequest};
use crate::ids::{Addr, Key, Slab, SockAddr, TrafficId};
use crate::record::{Gauge, Tally};
use crate::rng::{Component, Purpose, Stream};
use crate::scenario::{Arrivals, ClientPort, OnError, Traffic};
use crate::time::{Span, Time};

/// The pool of one source: kept connections and requests that wait for one.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// Connections that exist or are being opened.
    pub open: Gauge,
    /// Requests that had to wait for a connection.
    pub refused: Tally,
    /// Idle connections, the longest idle first.
    pub idle: Vec<Key>,
    /// Requests that wait, the first first.
    pub waiting: VecDeque<Job>,
    /// Connections that carry several requests at once and may have room for another; the last is asked first.
    pub roomy: Vec<Key>,
    /// Connections of that kind whose connect() has not ended.
    pub opening: u32,
}

/// The least time from one turn of a worker to its next, where its own might take none.
const LEAST_TURN: Span = Span::from_millis(1);

/// What the next attempt is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// Its number among those of its source.
    pub attempt: Attempt,
    /// Source address.
    pub from: Addr,
    /// Destination.
    pub to: SockAddr,
    /// Local port.
    pub port: PortRequest,
}

/// One source.
#[derive(Clone, Debug)]
pub struct Source {
    /// What the scenario says of it.
    pub spec: Traffic,
    /// When connections are wanted.
    pub schedule: Schedule,
    /// Its kept connections.
    pub pool: Pool,
    /// Of connections that carry several requests at once, by the number of the attempt.
    pub channels: BTreeMap<u32, Channel>,
    /// Requests whose next try is in the future.
    pub jobs: Slab<Job>,
    /// The process that it is part of has died.
    pub stopped: bool,
    /// Draws service times.
    pub service: Stream,
    /// Draws think times.
    pub think: Stream,
    retry: Stream,
    id: TrafficId,
    /// Attempts so far: whose turn it is among sources, destinations and fixed ports.
    attempts: u64,
    /// Places of the next attempt among destinations and source addresses.
    turn: (usize, usize),
}

impl Source {
    /// A source at the beginning.
    pub fn new(spec: &Traffic, id: TrafficId, seed: u64) -> Source {
        let component = Component::named(&spec.name);
        let stream = |purpose| Stream::new(seed, purpose, component);
        Source {
            spec: spec.clone(),
            schedule: Schedule::new(spec, stream(Purpose::Arrivals)),
            pool: Pool::default(),
            channels: BTreeMap::new(),
            jobs: Slab::default(),
            stopped: false,
            service: stream(Purpose::Service),
            think: stream(Purpose::Think),
            retry: stream(Purpose::Retry),
            id,
            attempts: 0,
            turn: (0, 0),
        }
    }

    /// Whose turn it is. Destinations change fastest, so that every pair of source and destination comes up.
    pub fn next_attempt(&mut self) -> Attempted {
        let number = self.attempts;
        self.attempts += 1;
        let (to, from) = self.turn;
        let next = if to + 1 == self.spec.to.len() { 0 } else { to + 1 };
        let wrapped = usize::from(next == 0);
        self.turn = (next, if from + wrapped == self.spec.source.len() { 0 } else { from + wrapped });
        let port = match self.spec.port {
            ClientPort::Auto(options) => PortRequest::Auto(options),
            ClientPort::Bound(options) => PortRequest::Bound(options),
            ClientPort::Fixed { low, high, reuse } => {
                let ports = u64::from(high - low) + 1;
                PortRequest::Fixed { port: low + (number % ports) as u16, reuse, of: ports as u32 }
            }
        };
        Attempted {
            attempt: Attempt { traffic: self.id, number: number as u32 },
            from: self.spec.source[from],
            to: self.spec.to[to],
            port,
        }
    }

    /// How often a client tries again after a failure.
    pub fn tries(&self) -> u32 {
        match self.spec.on_error {
            OnError::Retry(retry) => retry.times,
            OnError::GiveUp => 0,
        }
    }

    /// From when on it does not try again.
    pub fn last_retry(&self) -> Time {
        if let OnError::Retry(retry) = self.spec.on_error { retry.until } else { Time::NEVER }
    }

    /// Whether it tries again after a connection ended before its answer.
    pub fn retries_broken(&self) -> bool {
        matches!(self.spec.on_error, OnError::Retry(retry) if retry.broken)
    }

    /// A new request.
    pub fn job(&self, now: Time) -> Job {
        Job::new(now, self.tries())
    }

    /// How long a request waits before its next try, if there is one: back-off and jitter.
    pub fn retry_pause(&mut self, tries_left: u32) -> Option<Span> {
        let OnError::Retry(retry) = self.spec.on_error else { return None };
        if tries_left == 0 {
            return None;
        }
        let longest = retry.at_most.max(retry.after);
        let mut pause = retry.after;
        for _ in tries_left..retry.times {
            if retry.factor == 1 || pause >= longest {
                break;
            }
            pause = Span(pause.0.saturating_mul(u64::from(retry.factor))).min(longest);
        }
        if retry.jitter.num > 0 {
            let share = u128::from(pause.0) * u128::from(retry.jitter.num) / u128::from(retry.jitter.den);
            pause = pause - Span(self.retry.below(share as u64 + 1));
        }
        Some(pause)
    }

    /// How many workers there are, if they are what drives it.
    pub fn workers(&self) -> Option<u32> {
        if let Arrivals::Workers(workers) = self.spec.arrivals { Some(workers) } else { None }
    }

    /// How long a worker without a pool thinks when its connection is closed: what it thinks between the requests of a
    /// connection, if each has but one.
    pub fn pause_between_connections(&mut self) -> Span {
        match self.spec.requests_per_connection {
            1 => self.spec.think_time.draw(&mut self.think),
            _ => Span::ZERO,
        }
    }

    /// When a worker begins anew that is done at `at` with what it began at `began`. A turn that failed, or took no time, lasts a
    /// millisecond: so no loop keeps time from passing.
    pub fn next_turn(&self, began: Time, at: Time, failed: bool) -> Time {
        if failed || at == began { at.max(began + LEAST_TURN) } else { at }
    }

    /// How long a worker waits before it begins anew.
    pub fn worker_pause(&self, failed: bool) -> Span {
        /// After a failed attempt for which the scenario names no retry.
        const PAUSE: Span = Span::from_millis(50);
        match (failed, self.spec.on_error) {
            (false, _) => Span::ZERO,
            (true, OnError::Retry(retry)) => retry.after.max(LEAST_TURN),
            (true, OnError::GiveUp) => PAUSE,
        }
    }
}
