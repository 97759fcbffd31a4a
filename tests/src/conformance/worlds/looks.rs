//! Runs that are watched about the times at which the recorder looked.
//!
//! A recorder looks a little late, and its applications and the simulated ones are some milliseconds apart. So each look is compared
//! with all that a run had shortly before and after it: what stood then, and what each event made of it, however short.

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

/// The looks of a recording, ascending.
#[derive(Clone, Debug)]
pub struct Looks(Vec<Span>);

impl Looks {
    /// Those of a recording.
    pub fn of(recording: &Recording) -> Looks {
        let series = recording.series.values().flat_map(|series| series.t.iter().copied());
        let dumps = recording.states.values().flatten().map(|dump| dump.0);
        let mut at: Vec<Span> = series.chain(dumps).map(span).collect();
        at.sort_unstable();
        at.dedup();
        Looks(at)
    }

    /// The place of a look.
    pub fn place(&self, seconds: f64) -> Option<usize> {
        self.0.binary_search(&span(seconds)).ok()
    }

    fn begins(&self, look: usize) -> Option<Time> {
        self.0.get(look).map(|at| Time(at.0.saturating_sub(BEFORE.0)))
    }
}

fn span(seconds: f64) -> Span {
    Span((seconds * 1e9) as u64)
}

/// The lowest and the highest value about each look.
pub type Ranges = Vec<(u64, u64)>;

/// A run and what was seen of it, by host and level. What is missing was always zero.
#[derive(Debug)]
pub struct Watched {
    /// What it came to.
    pub summary: Summary,
    levels: BTreeMap<(HostId, Level), Ranges>,
}

impl Watched {
    /// Runs a scenario.
    pub fn run(scenario: &Scenario, looks: &Looks) -> Watched {
        let mut world: Simulation = Simulation::new(scenario);
        let levels: Vec<(HostId, Level)> = (0..scenario.hosts.len())
            .flat_map(|i| Level::all().map(move |level| (HostId(i as u16), level)))
            .collect();
        let now = |world: &Simulation| -> Vec<u64> {
            levels.iter().map(|&(host, level)| level.of(world.levels(host))).collect()
        };
        let mut seen: Vec<Ranges> = vec![Vec::new(); levels.len()];
        // Looks that have begun, and the first of them that is not over.
        let (mut begun, mut first) = (0, 0);
        while first < looks.0.len() {
            if first == begun
                && let Some(begins) = looks.begins(begun)
            {
                world.advance_until(begins);
            }
            let next = world.upcoming();
            while looks.begins(begun).is_some_and(|begins| begins <= next) {
                let values = now(&world);
                seen.iter_mut().zip(values).for_each(|(ranges, value)| ranges.push((value, value)));
                begun += 1;
            }
            while first < begun && (looks.0[first] + AFTER).0 < next.0 {
                first += 1;
            }
            if first < begun {
                world.advance(1);
                for (ranges, value) in seen.iter_mut().zip(now(&world)) {
                    for range in &mut ranges[first..begun] {
                        *range = (range.0.min(value), range.1.max(value));
                    }
                }
            }
        }
        let busy = levels.into_iter().zip(seen).filter(|(_, ranges)| ranges.iter().any(|range| range.1 > 0));
        Watched { levels: busy.collect(), summary: world.run() }
    }

    /// The ranges of a level, one for each look.
    pub fn level(&self, host: HostId, level: Level) -> Option<&[(u64, u64)]> {
        self.levels.get(&(host, level)).map(Vec::as_slice)
    }
}
