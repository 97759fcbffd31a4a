//! What a run came to: the fold that the answer, the tables, the plots and the verdicts are made from.

use std::collections::BTreeMap;

use super::{Digest, Histogram, LogLine, Tuples};
use crate::conntrack::EntryView;
use crate::counter::Counters;
use crate::errno::{Call, Errno};
use crate::ids::HostId;
use crate::scenario::{Limit, Metric, Outcome, Timing};
use crate::tcp::State;
use crate::time::{Span, Time};

/// A number with its highest value and when that was first reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauge {
    /// The value now; in a summary, at the end.
    pub now: u64,
    /// The highest value ever.
    pub peak: u64,
    /// When the highest value was first reached.
    pub peak_at: Time,
}

impl Gauge {
    /// Sets the value.
    pub fn set(&mut self, at: Time, value: u64) {
        self.now = value;
        if value > self.peak {
            self.peak = value;
            self.peak_at = at;
        }
    }
    /// Moves by `net`, having been `peak` higher meanwhile.
    #[inline]
    pub fn swing(&mut self, at: Time, peak: u64, net: i64) {
        let top = self.now + peak;
        if top > self.peak {
            self.peak = top;
            self.peak_at = at;
        }
        self.now = self.now.wrapping_add_signed(net);
    }
    /// Adds one.
    pub fn up(&mut self, at: Time) {
        self.set(at, self.now + 1);
    }
    /// Takes one away.
    pub fn down(&mut self) {
        debug_assert!(self.now > 0, "a population cannot be negative");
        self.now -= 1;
    }
}

/// How often something happened, first and last when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// First when; meaningful if `count` is not zero.
    pub first: Time,
    /// Last when; meaningful if `count` is not zero.
    pub last: Time,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, at: Time) {
        self.add_many(at, 1);
    }
    /// Counts so many more, at least one.
    pub fn add_many(&mut self, at: Time, count: u64) {
        if self.count == 0 {
            self.first = at;
        }
        self.count += count;
        self.last = at;
    }
}

impl Tally {
    /// Both tallies as one.
    pub fn merged(self, other: Tally) -> Tally {
        match (self.count, other.count) {
            (_, 0) => self,
            (0, _) => other,
            (a, b) => {
                Tally { count: a + b, first: self.first.min(other.first), last: self.last.max(other.last) }
            }
        }
    }
}

/// An error that applications saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorTally {
    /// The call that returned it.
    pub call: Call,
    /// The error.
    pub errno: Errno,
    /// How often and when.
    pub tally: Tally,
}

/// What a traffic source came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficSummary {
    /// Attempts, retries included.
    pub attempted: Tally,
    /// Attempts whose connect() succeeded.
    pub connected: Tally,
    /// Connections on which every request was answered.
    pub completed: Tally,
    /// Requests that were wanted; one that is tried again counts once.
    pub requested: Tally,
    /// Requests answered in full.
    pub answered: Tally,
    /// Requests given up: their last try failed.
    pub abandoned: Tally,
    /// Attempts that ended in an error, at connect() or later.
    pub failed: Tally,
    /// The errors, by call and errno, in that order.
    pub errors: Vec<ErrorTally>,
    /// The first success of an attempt that began after the first failure.
    pub recovered: Option<Time>,
    /// Time from connect() to its success.
    pub connect_latency: Histogram,
    /// Time from when a request was wanted until it was answered.
    pub request_latency: Histogram,
    /// SYNs that were sent again.
    pub syns_again: Tally,
    /// Ends of connections that were cut off, by a RST or for want of patience, with something on its way or unread.
    pub cut_off: Tally,
    /// Bytes that they had not seen acknowledged, or had not read: each counts as one.
    pub bytes_lost: Tally,
    /// What became of SYNs that were not answered.
    pub lost_syns: Vec<(SynLoss, u64)>,
    /// Attempts neither connected nor failed at the end of the run.
    pub pending: u64,
    /// Requests neither answered nor given up at the end of the run.
    pub waiting: Waiting,
    /// Its tuples, if it books them.
    pub tuples: Option<Box<Tuples>>,
}

/// Requests that wait at the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// For a connection of the pool, or for their next try.
    pub queued: u64,
    /// For connect().
    pub connecting: u64,
    /// For the answer.
    pub unanswered: u64,
    /// When the one that has waited longest was wanted; [`Time::NEVER`] if none waits.
    pub oldest: Time,
}

impl Waiting {
    /// How many wait.
    pub const fn count(&self) -> u64 {
        self.queued + self.connecting + self.unanswered
    }
}

/// Why a SYN was not answered with SYN,ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SynLoss {
    /// A link lost it.
    Link,
    /// Connection tracking dropped it.
    Conntrack(HostId),
    /// There was no way to its destination.
    NoRoute,
    /// A host dropped it by rule.
    Rule(HostId),
    /// It met a TIME_WAIT that it could not reopen.
    TimeWait(HostId),
    /// A listener dropped it.
    Listener(HostId, u16),
}

impl TrafficSummary {
    /// Nothing as yet; whether tuples are booked.
    pub fn new(tuples: bool) -> TrafficSummary {
        TrafficSummary { tuples: tuples.then(|| Box::new(Tuples::new())), ..TrafficSummary::default() }
    }

    /// Books a SYN that was not answered.
    pub fn lose_syn(&mut self, why: SynLoss) {
        match self.lost_syns.iter_mut().find(|(known, _)| *known == why) {
            Some((_, count)) => *count += 1,
            None => self.lost_syns.push((why, 1)),
        }
    }

    /// Books a failure.
    pub fn fail(&mut self, at: Time, call: Call, errno: Errno) {
        self.failed.add(at);
        let place = self.errors.binary_search_by_key(&(call, errno), |e| (e.call, e.errno));
        let index = place.unwrap_or_else(|index| {
            self.errors.insert(index, ErrorTally { call, errno, tally: Tally::default() });
            index
        });
        self.errors[index].tally.add(at);
    }

    /// The latencies of a kind.
    pub fn latency(&self, timing: Timing) -> &Histogram {
        match timing {
            Timing::Connect => &self.connect_latency,
            Timing::Request => &self.request_latency,
        }
    }

    /// How often an outcome came.
    pub fn outcome(&self, outcome: Outcome) -> Tally {
        match outcome {
            Outcome::Attempted => self.attempted,
            Outcome::Connected => self.connected,
            Outcome::Completed => self.completed,
            Outcome::Failed => self.failed,
            Outcome::Requested => self.requested,
            Outcome::Answered => self.answered,
            Outcome::Abandoned => self.abandoned,
            Outcome::SynsAgain => self.syns_again,
            Outcome::CutOff => self.cut_off,
            Outcome::BytesLost => self.bytes_lost,
            Outcome::Error(errno) => {
                let of = self.errors.iter().filter(|e| e.errno == errno && e.tally.count > 0);
                of.fold(Tally::default(), |sum, e| sum.merged(e.tally))
            }
        }
    }
}

/// Entries of a connection tracker that a summary holds at most.
pub const FLOWS: usize = 1000;

/// How many objects of one of the kernel's caches a host holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectCount {
    /// The cache, as `/proc/slabinfo` names it.
    pub name: &'static str,
    /// What one object takes, bytes.
    pub size: u64,
    /// How many there are.
    pub count: u64,
}

/// What a host came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSummary {
    /// Sockets by state, mini-sockets and requests included, LISTEN too. Indexed as [`State::ALL`].
    pub states: [Gauge; State::ALL.len()],
    /// Open descriptors.
    pub open_files: Gauge,
    /// Ports that connect() and bind() have looked at to find one: `now` and `peak` are the sum.
    pub port_probes: Gauge,
    /// Segments that its rules dropped.
    pub dropped: u64,
    /// Connections that accept() has returned.
    pub accepted: u64,
    /// Orphans: full sockets without a descriptor.
    pub orphans: Gauge,
    /// Mini-sockets (`tw` in sockstat): TIME_WAIT and orphan FIN_WAIT2.
    pub mini_sockets: Gauge,
    /// Conntrack entries; all zero on a host that does not track.
    pub conntrack: Gauge,
    /// The entries of its connection tracker at the end, the first [`FLOWS`] of them.
    pub flows: Vec<EntryView>,
    /// Kernel memory of sockets, mini-sockets, requests, bind buckets, files and conntrack entries, bytes.
    pub memory: Gauge,
    /// That memory by object, at the end. Empty while a run goes on.
    pub objects: Vec<ObjectCount>,
    /// bind() of a process that came up failed.
    pub bind_refused: Tally,
    /// Kernel counters.
    pub counters: Counters,
}

impl HostSummary {
    /// The gauge of a state.
    pub fn state(&self, state: State) -> Gauge {
        self.states.get(state as usize).copied().unwrap_or_default()
    }
}

/// What became of something finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSummary {
    /// The limit.
    pub limit: Limit,
    /// How much there is.
    pub capacity: u64,
    /// How much was used.
    pub used: Gauge,
    /// How often it refused something. For [`Limit::Ports`] a failed bind() or connect(), for [`Limit::Conntrack`] a dropped packet,
    /// for [`Limit::AcceptQueue`] a dropped SYN or ACK, for [`Limit::TwBuckets`] a TIME_WAIT not kept.
    pub refused: Tally,
    /// Who held it at the first refusal: sockets by state, most first. Empty where that says nothing.
    pub held_by: Vec<(State, u64)>,
}

/// A kernel log line that was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSummary {
    /// The line.
    pub line: LogLine,
    /// How often the kernel would have printed it (after its rate limit).
    pub printed: Tally,
}

/// The time series: one row each sampling interval, the first at time zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// Distance between rows.
    pub interval: Span,
    /// Values by metric, each as long as there are rows.
    pub columns: BTreeMap<Metric, Vec<u64>>,
    /// Number of rows.
    pub rows: usize,
}

impl Series {
    /// When a row was taken.
    pub fn time(&self, row: usize) -> Time {
        Time::ZERO + self.interval.times(row as u64)
    }
    /// The values of a metric, if it was followed.
    pub fn get(&self, metric: Metric) -> Option<&[u64]> {
        self.columns.get(&metric).map(Vec::as_slice)
    }
}

/// Too much was on its way at once, and so the run has ended where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun {
    /// When that was seen.
    pub at: Time,
    /// Segments on their way.
    pub segments: u64,
    /// How many there may be.
    pub most: u64,
    /// The link, from one host to the next, that has most of them, and how many it has.
    pub busiest: Option<(HostId, HostId, u64)>,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Digest of everything that happened.
    pub digest: Digest,
    /// Simulated time at the end.
    pub ended: Time,
    /// Events processed.
    pub events: u64,
    /// Segments sent.
    pub segments: u64,
    /// Segments lost on links.
    pub lost: u64,
    /// By traffic source, in the scenario's order.
    pub traffic: Vec<TrafficSummary>,
    /// By host, in the scenario's order.
    pub hosts: Vec<HostSummary>,
    /// Limits that exist in the scenario, in order of [`Limit`].
    pub limits: Vec<LimitSummary>,
    /// Kernel log lines by host index.
    pub logs: Vec<(usize, LogSummary)>,
    /// Time series.
    pub series: Series,
    /// Why it ended before its time, if it did so by itself.
    pub overrun: Option<Overrun>,
}

impl Summary {
    /// The limit that refused first, if any did. Ties go to the earlier in order of [`Limit`].
    pub fn bound_first(&self) -> Option<&LimitSummary> {
        self.limits.iter().filter(|l| l.refused.count > 0).min_by_key(|l| l.refused.first)
    }
}
