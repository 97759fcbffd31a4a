//! Random worlds that a kernel ran, run again: small workloads drawn by a generator, each with all that the kernel's
//! tables and counters said. `oracle/kernel-6.18-random/README.md` describes the format and the rules of comparison.
//!
//! One way: a [`World`] is plain data; `scenario` says it in the simulator's language; `facts` compares what some runs came
//! to with what the kernel did, by the rules of `judge`.

mod facts;
mod judge;
mod recording;
mod scenario;
mod world;

use experiments::Run;
use scenarios::{Patch, Source};
use serde_json::Value;
use sim_core::engine::Simulation;
use sim_core::scenario::Scenario;

pub use facts::{Fact, Facts};
pub use recording::Recording;
pub use scenario::{Machine, text};
pub use world::{Kind, World};

use super::report::Report;

/// Runs of each world: as many draws of secrets, with the one phase of the wheel that was recorded.
const RUNS: u64 = 8;
/// Runs of a world in which something differs: what chance does one time in ten, eight runs may not show.
const MORE_RUNS: u64 = 40;
/// Distance of rows in the time series.
const SAMPLE_MS: u64 = 20;
/// The kind in the report.
const KIND: &str = "random worlds";

/// Whether this is such a recording.
pub fn is_world(value: &Value) -> bool {
    value["world"]["traffic"].is_array() && value["phase_ns"].is_u64()
}

/// The scenario of a recording, some settings of it changed.
///
/// # Errors
///
/// What the simulator's language cannot say.
pub fn scenario_of(recording: &Recording, changes: &[Patch]) -> Result<Scenario, String> {
    let machine =
        Machine { sysctl: [&recording.sysctl.c, &recording.sysctl.s], phase_ns: recording.phase_ns };
    let text = text(&recording.world, &machine, SAMPLE_MS);
    let mut run = Run::new(Source::new("world", text));
    run.patches.extend_from_slice(changes);
    let loaded = run.load().map_err(|report| report.to_string())?;
    Ok(loaded.scenario)
}

/// Compares a recording with the runs of a scenario.
pub fn compare(recording: &Recording, scenario: &Scenario) -> (Vec<Fact>, u32) {
    let run = |seed| Simulation::new(&Scenario { seed, ..scenario.clone() }).run();
    let mut runs: Vec<_> = (1..=RUNS).map(run).collect();
    let mut facts = Facts::of(recording, scenario, &runs);
    if facts.found.iter().any(|fact| fact.problem.is_some()) {
        runs.extend((RUNS + 1..=MORE_RUNS).map(run));
        facts = Facts::of(recording, scenario, &runs);
    }
    (facts.found, facts.without_output)
}

/// Replays one recording.
pub(super) fn replay(value: &Value, report: &mut Report) {
    let seed = value["world"]["seed"].as_u64().unwrap_or(0);
    let recording: Recording = match serde_json::from_value(value.clone()) {
        Ok(recording) => recording,
        Err(problem) => return report.cannot_tell(KIND, &format!("{seed}"), "worlds", &problem.to_string()),
    };
    if let Some(why) = recording.world.left_to_scheduling() {
        return report.set_apart(KIND, &format!("{seed}"), why);
    }
    let scenario = match scenario_of(&recording, &[]) {
        Ok(scenario) => scenario,
        Err(problem) => return report.cannot_tell(KIND, &format!("{seed}"), "worlds", &problem),
    };
    let (facts, _without_output) = compare(&recording, &scenario);
    for Fact { group, name, problem } in facts {
        report.judge(KIND, &format!("{seed}:{name}"), group, problem.as_slice());
    }
}
