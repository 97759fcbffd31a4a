//! When connections are wanted.

use crate::rng::Stream;
use crate::scenario::{Arrivals, Rate, Traffic};
use crate::time::{Span, Time};

/// The arrival times of one source, one after the other.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    start: Time,
    stop: Time,
    /// How many arrivals were handed out; in a phase, how many of that phase.
    count: u64,
    /// For phases: which one, and when it began.
    phase: usize,
    phase_began: Time,
    /// For Poisson: the last arrival.
    last: Time,
    rng: Stream,
}

/// The time of the n-th of equally spaced events, rounded down: exact for ever, for nothing is added up.
pub fn nth(rate: Rate, n: u64) -> Span {
    let ns = u128::from(n) * u128::from(rate.per.0) / u128::from(rate.count.max(1));
    Span(ns.min(u128::from(u64::MAX)) as u64)
}

impl Schedule {
    /// The schedule of a source. Workers have none: they start at once and again whenever they are done.
    pub fn new(spec: &Traffic, rng: Stream) -> Schedule {
        Schedule {
            arrivals: spec.arrivals.clone(),
            start: spec.start,
            stop: spec.stop,
            count: 0,
            phase: 0,
            phase_began: spec.start,
            last: spec.start,
            rng,
        }
    }

    /// The next arrival, or `None` when there are no more.
    pub fn next_arrival(&mut self) -> Option<Time> {
        let at = match &self.arrivals {
            Arrivals::Constant(rate) => self.start + nth(*rate, self.count),
            Arrivals::Poisson(rate) => {
                // A gap is drawn with a resolution of 2^-32 of its mean.
                let gap = self.rng.exponential(rate.per.0) / rate.count.max(1);
                self.last += Span(gap);
                self.last
            }
            Arrivals::Phases(_) => return self.next_in_phases(),
            Arrivals::Workers(_) | Arrivals::Behind(..) => return None,
            Arrivals::At(times) => *times.get(self.count as usize)?,
        };
        self.count += 1;
        (at < self.stop).then_some(at)
    }

    fn next_in_phases(&mut self) -> Option<Time> {
        let Arrivals::Phases(phases) = &self.arrivals else { return None };
        while let Some(&(length, rate)) = phases.get(self.phase) {
            let end = self.phase_began + length;
            let at = self.phase_began + nth(rate, self.count);
            if rate.count > 0 && at < end {
                self.count += 1;
                return (at < self.stop).then_some(at);
            }
            self.phase += 1;
            self.phase_began = end;
            self.count = 0;
        }
        None
    }
}
