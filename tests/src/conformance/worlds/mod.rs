//! Random worlds that a kernel ran, run again: small workloads drawn by a generator, each with all that the kernel's
//! tables and counters said. `oracle/kernel-6.18-random/README.md` describes the format and the rules of comparison.
//!
//! One way: a [`World`] is plain data; `scenario` says it in the simulator's language; `facts` compares what some runs came
//! to with what the kernel did, by the rules of `judge`.

mod facts;
mod judge;
mod looks;
mod recording;
mod scenario;
mod world;

use experiments::Run;
use scenarios::{Patch, Source};
use serde_json::Value;
use sim_core::scenario::Scenario;

pub use facts::{BULK, Fact, Facts};
pub use recording::Recording;
pub use scenario::{Machine, Pace, text};
pub use world::{Kind, World};

use super::report::Report;
use looks::{Looks, Watched};

/// Runs of each world: as many draws of secrets, with the one phase of the wheel that was recorded.
const RUNS: u64 = 8;
/// Runs of a world in which something differs: what chance does one time in ten, eight runs may not show.
const MORE_RUNS: u64 = 40;
/// Runs where something still differs but for ACKs of bulk data, which hang on no chance.
const MOST_RUNS: u64 = 160;
/// The kind in the report.
const KIND: &str = "random worlds";

/// Whether this is such a recording.
pub fn is_world(value: &Value) -> bool {
    value["world"]["traffic"].is_array() && value["phase_ns"].is_u64()
}

/// The scenario of a recording at the pace of a run, some settings of it changed.
fn scenario_of(recording: &Recording, changes: &[Patch], run: u64) -> Result<Scenario, String> {
    let machine =
        Machine { sysctl: [&recording.sysctl.c, &recording.sysctl.s], phase_ns: recording.phase_ns };
    let text = text(&recording.world, &machine, Pace::of(run));
    let mut loaded = Run::new(Source::new("world", text));
    loaded.patches.extend_from_slice(changes);
    let loaded = loaded.load().map_err(|report| report.to_string())?;
    Ok(Scenario { seed: run + 1, ..loaded.scenario })
}

/// The scenario of a recording, as its first run has it; `None` for one that is left to the scheduling of its processes.
///
/// # Errors
///
/// What the simulator's language cannot say.
pub fn first_scenario(recording: &Recording) -> Result<Option<Scenario>, String> {
    if recording.world.left_to_scheduling().is_some() {
        return Ok(None);
    }
    scenario_of(recording, &[], 0).map(Some)
}

/// Compares a recording with some runs, some settings changed: the facts, and how many counters moved that have no output.
///
/// # Errors
///
/// What the simulator's language cannot say.
pub fn compare(recording: &Recording, changes: &[Patch]) -> Result<(Vec<Fact>, u32), String> {
    let looks = Looks::of(recording);
    let scenario = scenario_of(recording, changes, 0)?;
    let run = |n| Ok::<_, String>(Watched::run(&scenario_of(recording, changes, n)?, &looks));
    let mut runs = (0..RUNS).map(run).collect::<Result<Vec<_>, _>>()?;
    let mut facts = Facts::of(recording, &scenario, &looks, &runs);
    for more in [MORE_RUNS, MOST_RUNS] {
        let hopeless = |fact: &Fact| more == MOST_RUNS && fact.group == BULK;
        if facts.found.iter().any(|fact| fact.problem.is_some() && !hopeless(fact)) {
            runs.extend((runs.len() as u64..more).map(run).collect::<Result<Vec<_>, _>>()?);
            facts = Facts::of(recording, &scenario, &looks, &runs);
        }
    }
    Ok((facts.found, facts.without_output))
}

/// The recordings of each world, which stand one after another.
pub(super) fn by_world(recordings: &[Value]) -> impl Iterator<Item = &[Value]> {
    recordings.chunk_by(|one, next| one["world"] == next["world"])
}

/// Compares what a kernel did with a world, the first time and each further time: the facts of the first recording with which the simulator agrees in
/// all that is told, or else of the one that it is nearest to. A kernel that answers differently each time has no one answer to be held to.
///
/// # Errors
///
/// What the simulator's language cannot say.
pub fn compare_any(recordings: &[Recording], changes: &[Patch]) -> Result<Vec<Fact>, String> {
    let mut nearest: Option<(usize, Vec<Fact>)> = None;
    for recording in recordings {
        let (facts, _without_output) = compare(recording, changes)?;
        let differ = facts.iter().filter(|fact| fact.problem.is_some() && fact.group != BULK).count();
        if nearest.as_ref().is_none_or(|(least, _)| differ < *least) {
            nearest = Some((differ, facts));
        }
        if differ == 0 {
            break;
        }
    }
    Ok(nearest.map_or_else(Vec::new, |(_, facts)| facts))
}

/// Replays the recordings of one world.
pub(super) fn replay(values: &[Value], report: &mut Report) {
    let seed = values[0]["world"]["seed"].as_u64().unwrap_or(0);
    let read = |value: &Value| serde_json::from_value(value.clone());
    let recordings: Vec<Recording> = match values.iter().map(read).collect::<Result<_, serde_json::Error>>() {
        Ok(recordings) => recordings,
        Err(problem) => return report.cannot_tell(KIND, &format!("{seed}"), "worlds", &problem.to_string()),
    };
    if let Some(why) = recordings[0].world.left_to_scheduling() {
        return report.set_apart(KIND, &format!("{seed}"), why);
    }
    let facts = match compare_any(&recordings, &[]) {
        Ok(facts) => facts,
        Err(problem) => return report.cannot_tell(KIND, &format!("{seed}"), "worlds", &problem),
    };
    for Fact { group, name, problem } in facts {
        report.judge(KIND, &format!("{seed}:{name}"), group, problem.as_slice());
    }
}
