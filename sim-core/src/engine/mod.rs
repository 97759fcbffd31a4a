//! The event loop and the world it drives.

pub mod event;
pub mod queue;

use crate::record::Summary;
use crate::scenario::Scenario;
use crate::time::Time;

/// A run in progress: advance it in slices, then take its summary.
#[derive(Debug)]
pub struct Simulation {
    now: Time,
    end: Time,
    summary: Summary,
}

impl Simulation {
    /// Builds the world of a scenario, at time zero.
    pub fn new(scenario: &Scenario) -> Simulation {
        Simulation { now: Time::ZERO, end: Time::ZERO + scenario.duration, summary: Summary::default() }
    }

    /// Processes at most so many events. Returns whether there is more to do.
    pub fn advance(&mut self, _events: u64) -> bool {
        self.now = self.end;
        false
    }

    /// Simulated time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Events processed so far.
    pub fn events(&self) -> u64 {
        self.summary.events
    }

    /// What the run came to.
    pub fn into_summary(self) -> Summary {
        self.summary
    }
}
