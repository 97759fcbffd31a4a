//! The garbage collector: when it scans, and what it takes (`gc_worker`, net/netfilter/nf_conntrack_core.c).
//!
//! A scan takes no simulated time, but as the kernel does it pauses for a jiffy whenever it has met 256 expired
//! entries (at 250 Hz), and goes on in the bucket where it stopped.

use super::config::{ConntrackConfig, FIRST_GC};
use super::fact::{Destroyed, FactSink};
use super::tracker::Conntrack;
use crate::tcp::config::TimerModel;
use crate::time::{Span, Time};

const INTERVAL_MIN: Span = Span::from_secs(1);
const INTERVAL_MAX: Span = Span::from_secs(60);
/// A remaining life counts for no more than this in the average (`GC_SCAN_INTERVAL_CLAMP`).
const REMAINING_MAX: Span = Span::from_secs(300);
/// The average begins as if so many entries had [`INTERVAL_MAX`] left, lest three short-lived ones wake the worker
/// all the time (`GC_SCAN_INITIAL_COUNT`).
const INITIAL_COUNT: i64 = 100;
/// Expired entries per second of uninterrupted work (`GC_SCAN_EXPIRED_MAX` times HZ).
const EXPIRED_PER_SECOND: u64 = 64_000;

/// The worker between two slices of work.
#[derive(Clone, Debug)]
pub(super) struct Gc {
    /// When it runs next.
    due: Time,
    /// Length of a jiffy.
    jiffy: Span,
    /// The bucket to go on with; 0 = a new scan begins.
    bucket: u32,
    /// Running average of the remaining lives, in jiffies: its divisions round as the kernel's do.
    average: i64,
    count: i64,
    started: Time,
    /// An allocation has failed since the worker last ran.
    early_drop: bool,
}

impl Gc {
    pub(super) fn new(cfg: &ConntrackConfig) -> Gc {
        let jiffy = match cfg.timers {
            TimerModel::Wheel { hz, .. } => Span(1_000_000_000 / u64::from(hz)),
            TimerModel::Exact => Span::from_millis(4),
        };
        Gc {
            due: Time::ZERO + cfg.first_gc.unwrap_or(FIRST_GC),
            jiffy,
            bucket: 0,
            average: 0,
            count: 0,
            started: Time::ZERO,
            early_drop: false,
        }
    }

    pub(super) fn under_pressure(&mut self) {
        self.early_drop = true;
    }

    fn jiffies(&self, span: Span) -> i64 {
        (span.0 / self.jiffy.0) as i64
    }

    fn begin_scan(&mut self, now: Time, neighbours: u32) {
        self.started = now;
        self.average = self.jiffies(INTERVAL_MAX);
        self.count = INITIAL_COUNT;
        if neighbours > 0 {
            // Wherever their buckets lie: as if they were met first.
            let others = i64::from(neighbours);
            let sum = self.average * self.count + self.jiffies(REMAINING_MAX) * others;
            self.count += others;
            self.average = sum / self.count;
        }
    }

    /// Takes one more remaining life into the average.
    fn weigh(&mut self, remaining: Span) {
        let remaining = self.jiffies(remaining.clamp(INTERVAL_MIN, REMAINING_MAX));
        self.count += 1;
        self.average += (remaining - self.average) / self.count;
    }

    /// The pause after a slice that stopped in the middle: a jiffy, or nothing if the scan is overdue.
    fn interrupted(&mut self, now: Time, bucket: u32) -> i64 {
        self.bucket = bucket;
        i64::from(now.since(self.started) < INTERVAL_MAX)
    }

    /// The pause after a whole scan.
    fn finished(&mut self, now: Time) -> i64 {
        self.bucket = 0;
        let pause = self.average.clamp(self.jiffies(INTERVAL_MIN), self.jiffies(INTERVAL_MAX));
        let taken = self.jiffies(now.since(self.started)).max(1);
        (pause - taken).max(1)
    }

    fn sleep(&mut self, now: Time, jiffies: i64, timers: TimerModel) {
        if jiffies == 0 {
            self.due = now;
            return;
        }
        self.early_drop = false;
        self.due = timers.expiry(now, self.jiffy.times(jiffies as u64));
    }
}

impl Conntrack {
    /// When the garbage collector wants to run next.
    pub fn next_gc(&self) -> Time {
        self.gc.due
    }

    /// Lets the garbage collector work. Does nothing before [`Conntrack::next_gc`].
    pub fn gc(&mut self, now: Time, out: &mut impl FactSink) {
        if now < self.gc.due {
            return;
        }
        if self.gc.bucket == 0 {
            let neighbours = self.config().neighbours;
            self.gc.begin_scan(now, neighbours);
        }
        let pause = match self.scan(now, out) {
            Some(bucket) => self.gc.interrupted(now, bucket),
            None => self.gc.finished(now),
        };
        let timers = self.config().timers;
        self.gc.sleep(now, pause, timers);
    }

    /// Walks the buckets from where the last slice stopped. The bucket in which this one stopped, or `None` at the end.
    fn scan(&mut self, now: Time, out: &mut impl FactSink) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        let max = self.config().max;
        // 95 % in the kernel's integers: 285 of 300. Below it the worker takes only what has expired.
        let enough = if self.gc.early_drop { max / 100 * 95 } else { 0 };
        let expired_max = EXPIRED_PER_SECOND * self.gc.jiffy.0 / 1_000_000_000;
        let mut expired = 0;
        let mut rest = self.table.next_filled(self.gc.bucket);
        while let Some(bucket) = rest {
            for node in self.table.chain(bucket).nodes() {
                if !self.table.is_left(node) {
                    continue;
                }
                if expired > expired_max {
                    return Some(bucket);
                }
                let slot = node >> 1;
                if self.table.is_expired(node, now) {
                    self.destroy(slot, Destroyed::Expired, out);
                    expired += 1;
                    continue;
                }
                let entry = self.table.entry(slot);
                self.gc.weigh(entry.expires().since(now));
                let expendable = !entry.status.seen().assured || entry.flow.state().closing();
                if enough > 0 && self.table.len() >= enough && expendable {
                    self.destroy(slot, Destroyed::Pressure, out);
                }
            }
            rest = self.table.next_filled(bucket + 1);
        }
        None
    }
}
