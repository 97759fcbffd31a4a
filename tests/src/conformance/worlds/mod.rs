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

/// So many runs of a world are compared, one number after the other, until nothing differs any more: each is another draw of secrets at another
/// pace, with the one phase of the wheel that was recorded. More runs make ranges wider, so what agrees goes on agreeing.
const RUNS: [u64; 5] = [2, 8, 20, 40, 160];
/// After so many it is said which of several recordings a world is nearest to, if what differs from that one is known.
const ENOUGH_TO_CHOOSE: u64 = 40;
/// ACKs of bulk data hang on no chance that more runs would show.
const ENOUGH_FOR_BULK: u64 = 40;
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

/// A recording and the runs that it is compared with.
struct Trial<'a> {
    recording: &'a Recording,
    changes: &'a [Patch],
    looks: Looks,
    scenario: Scenario,
    runs: Vec<Watched>,
}

impl<'a> Trial<'a> {
    fn new(recording: &'a Recording, changes: &'a [Patch]) -> Result<Trial<'a>, String> {
        let scenario = scenario_of(recording, changes, 0)?;
        Ok(Trial { recording, changes, looks: Looks::of(recording), scenario, runs: Vec::new() })
    }

    /// The facts after so many runs.
    fn facts(&mut self, runs: u64) -> Result<Vec<Fact>, String> {
        for n in self.runs.len() as u64..runs {
            let scenario = scenario_of(self.recording, self.changes, n)?;
            self.runs.push(Watched::run(&scenario, &self.looks));
        }
        Ok(Facts::of(self.recording, &self.scenario, &self.looks, &self.runs).found)
    }
}

/// The recordings of each world, which stand one after another.
pub(super) fn by_world(recordings: &[Value]) -> impl Iterator<Item = &[Value]> {
    recordings.chunk_by(|one, next| one["world"] == next["world"])
}

/// Compares what a kernel did with a world, the first time and each further time: the facts of the first recording with which the simulator agrees in
/// all that is told, or else of the one that it is nearest to. A kernel that answers differently each time has no one answer to be held to.
/// What is `known` to differ, by the names of facts, is no reason for more runs.
///
/// # Errors
///
/// What the simulator's language cannot say.
pub fn compare_any(
    recordings: &[Recording],
    changes: &[Patch],
    known: impl Fn(&str) -> bool,
) -> Result<Vec<Fact>, String> {
    let trials = recordings.iter().map(|recording| Trial::new(recording, changes));
    let mut trials = trials.collect::<Result<Vec<_>, _>>()?;
    let (mut nearest, alone) = (Vec::new(), trials.len() == 1);
    for runs in RUNS {
        let (mut least, mut settled) = (None, false);
        for trial in &mut trials {
            let facts = trial.facts(runs)?;
            let differ = || facts.iter().filter(|fact| fact.problem.is_some());
            let told = differ().filter(|fact| fact.group != BULK).count();
            let open =
                differ().any(|fact| !known(&fact.name) && (fact.group != BULK || runs < ENOUGH_FOR_BULK));
            if !open && (told == 0 || alone) {
                return Ok(facts);
            }
            if least.is_none_or(|least| told < least) {
                (least, nearest, settled) = (Some(told), facts, !open);
            }
        }
        if settled && runs >= ENOUGH_TO_CHOOSE {
            break;
        }
    }
    Ok(nearest)
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
    let known = |name: &str| report.excuses(&format!("{seed}:{name}"));
    let facts = match compare_any(&recordings, &[], known) {
        Ok(facts) => facts,
        Err(problem) => return report.cannot_tell(KIND, &format!("{seed}"), "worlds", &problem),
    };
    for Fact { group, name, problem } in facts {
        report.judge(KIND, &format!("{seed}:{name}"), group, problem.as_slice());
    }
}
