//! Runs that are watched about the times at which the recorder looked.
//!
//! A recorder looks a little late, and its applications and the simulated ones are some milliseconds apart. So each look is compared
//! with all that a run had shortly before and after it, closely enough that a state of two milliseconds is seen.

use std::collections::BTreeMap;

use sim_core::engine::Simulation;
use sim_core::ids::HostId;
use sim_core::record::{HostSummary, Summary};
use sim_core::scenario::Scenario;
use sim_core::tcp::State;
use sim_core::time::{Span, Time};

use super::recording::Recording;

/// How long before a look a run is watched, and how long after.
pub const BEFORE: Span = Span::from_millis(30);
/// See [`BEFORE`].
pub const AFTER: Span = Span::from_millis(50);
/// How often.
const STEP: Span = Span::from_millis(1);

/// What of a host is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Sockets in a state, mini-sockets and requests among them.
    State(State),
    /// Sockets of one of two states.
    Either(State, State),
    /// Mini-sockets.
    Mini,
    /// Sockets that are neither mini-sockets nor requests.
    Full,
    /// Entries of the connection tracker.
    Entries,
}

impl Level {
    fn of(self, host: &HostSummary) -> u64 {
        let state = |state| host.state(state).now;
        let full = |&&s: &&State| s != State::Closed && s != State::SynRecv;
        match self {
            Level::State(one) => state(one),
            Level::Either(one, other) => state(one) + state(other),
            Level::Mini => host.mini_sockets.now,
            Level::Full => {
                State::ALL.iter().filter(full).map(|&s| state(s)).sum::<u64>() - host.mini_sockets.now
            }
            Level::Entries => host.conntrack.now,
        }
    }

    fn all() -> impl Iterator<Item = Level> {
        let rest =
            [Level::Either(State::Established, State::CloseWait), Level::Mini, Level::Full, Level::Entries];
        State::ALL.iter().map(|&s| Level::State(s)).chain(rest)
    }
}

/// The moments at which runs are watched, ascending.
#[derive(Clone, Debug)]
pub struct Looks(Vec<Time>);

impl Looks {
    /// Those about the looks of a recording.
    pub fn of(recording: &Recording) -> Looks {
        let series = recording.series.values().flat_map(|series| series.t.iter().copied());
        let dumps = recording.states.values().flatten().map(|dump| dump.0);
        let mut at: Vec<Time> = Vec::new();
        for look in series.chain(dumps) {
            let look = Span((look * 1e9) as u64);
            let first = look.0.saturating_sub(BEFORE.0).div_ceil(STEP.0);
            at.extend((first..=(look + AFTER).0 / STEP.0).map(|step| Time(step * STEP.0)));
        }
        at.sort_unstable();
        at.dedup();
        Looks(at)
    }

    /// Which of them lie about one look.
    pub fn about(&self, look: Span) -> core::ops::Range<usize> {
        let first = self.0.partition_point(|at| at.0 + BEFORE.0 < look.0);
        first..self.0.partition_point(|at| at.0 <= (look + AFTER).0)
    }
}

/// A run and what was seen of it, by host and level: a value for each look. What is missing was always zero.
#[derive(Debug)]
pub struct Watched {
    /// What it came to.
    pub summary: Summary,
    levels: BTreeMap<(HostId, Level), Vec<u64>>,
}

impl Watched {
    /// Runs a scenario.
    pub fn run(scenario: &Scenario, looks: &Looks) -> Watched {
        let mut world: Simulation = Simulation::new(scenario);
        let mut levels: BTreeMap<(HostId, Level), Vec<u64>> = BTreeMap::new();
        for (row, &at) in looks.0.iter().enumerate() {
            world.advance_until(at);
            for host in (0..scenario.hosts.len()).map(|i| HostId(i as u16)) {
                for level in Level::all() {
                    let value = level.of(world.levels(host));
                    if value > 0 {
                        let seen = levels.entry((host, level)).or_insert_with(|| vec![0; looks.0.len()]);
                        seen[row] = value;
                    }
                }
            }
        }
        Watched { summary: world.run(), levels }
    }

    /// The values of a level, one for each look.
    pub fn level(&self, host: HostId, level: Level) -> Option<&[u64]> {
        self.levels.get(&(host, level)).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_watched_from_before_until_after_it() {
        let looks = Looks((0..2_000).map(|ms| Time(ms * 1_000_000)).collect());
        assert_eq!(looks.about(Span::from_millis(1_000)), 970..1_051);
    }
}
