//! Replays whole workloads that a real kernel ran: a scenario is built from a recording's `parameters`, run over several
//! seeds, and each of its key facts compared.
//!
//! | file | holds |
//! | --- | --- |
//! | `recording` | a recording as read: parameters and key facts |
//! | `language` | parameters in the words of the scenario language |
//! | `client` | recordings of clients and servers: how they are told, and their facts |
//! | `scripts` | recordings of scripts: a few connections led through a story |
//! | `trail` | what is kept of a run: moves and packets |
//! | `judge` | one fact of the kernel's against those of many seeds |
//!
//! What differs from seed to seed in the simulator (where the port search begins, the phase of the timer wheel and of the
//! collector of connection tracking) is what differs from boot to boot in the kernel. So a fact that is the same for every
//! seed must be the recorded one, and one that is not must have the recorded one in its range.

mod client;
mod judge;
mod language;
mod recording;
mod scripts;
mod trail;

use std::path::{Path, PathBuf};

use experiments::Run;
use scenarios::{Patch, Source};
use serde_json::Value;
use sim_core::scenario::Scenario;

use super::Report;
use judge::{Judge, Loose, Seen};
use recording::Recording;
use trail::Observed;

/// The folder of workloads that comes with the repository.
pub fn workloads() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/kernel-6.18-workloads")
}

/// Whether a file's content is a recorded workload.
pub(super) fn is_workload(value: &Value) -> bool {
    value["case"].is_string() && value["key_facts"].is_array() && value["parameters"].is_object()
}

/// What came of one recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// So many facts were compared; these differ, each with what was found.
    Judged {
        /// Facts compared.
        facts: usize,
        /// Facts that differ.
        differ: Vec<String>,
    },
    /// Why it cannot be told in the scenario language, or which of its facts cannot be computed.
    Inexpressible(String),
}

/// A recording told as a scenario, and what to look for in its runs.
struct Plan {
    /// The scenario, in the language that users write.
    text: String,
    /// Facts that hang on the recorder's own machine, and how far.
    loose: Vec<(&'static str, Loose)>,
    /// What differs from seed to seed beside the seed: what the recorder's machine did and nobody wrote down.
    vary: Box<dyn Fn(u64) -> Vec<Patch>>,
    /// Whether every packet is kept, or only those with SYN, FIN or RST.
    all_packets: bool,
    /// The facts of one run, under the names of the recording's.
    facts: Box<dyn Fn(&Observed) -> Seen>,
}

/// How one recording is told, by what it holds; the error says what has no words.
fn plan(recording: &Recording) -> Result<Plan, String> {
    if recording.parameters.get("client").is_some() {
        return client::plan(recording);
    }
    scripts::plan(recording)
}

/// The scenario of a recording, as its first run has it; the error says what has no words.
///
/// # Errors
///
/// If the value is no recorded workload, or cannot be told.
pub fn first_scenario(value: &Value) -> Result<Scenario, String> {
    let recording = Recording::read(value)?;
    let plan = plan(&recording)?;
    let mut run = Run { seed: Some(0), ..first_run(&plan, &[])? };
    run.patches.extend((plan.vary)(0));
    Ok(run.load().map_err(|report| report.to_string())?.scenario)
}

/// Compares one recording with the simulator, after `spoil` has changed the scenario.
///
/// # Errors
///
/// If the value is no recorded workload.
pub fn compare(value: &Value, spoil: &[Patch]) -> Result<Comparison, String> {
    let recording = Recording::read(value)?;
    let told = plan(&recording).and_then(|plan| Ok((first_run(&plan, spoil)?, plan)));
    let (run, plan) = match told {
        Ok(told) => told,
        Err(why) => return Ok(Comparison::Inexpressible(why)),
    };
    let mut judge = Judge::new(&recording.facts, &plan.loose);
    while judge.wants_more() {
        let mut run = Run { seed: Some(judge.seeds()), ..run.clone() };
        run.patches.extend((plan.vary)(judge.seeds()));
        let observed = trail::observe(&run, plan.all_packets)?;
        judge.hear((plan.facts)(&observed));
    }
    Ok(judge.verdict())
}

/// The run without its seed; the error says what the language refuses or would leave without effect.
fn first_run(plan: &Plan, spoil: &[Patch]) -> Result<Run, String> {
    let mut run = Run::new(Source::new("workload.ron", plan.text.clone()));
    run.patches.extend_from_slice(spoil);
    match run.load() {
        Err(report) => Err(messages(&report, |_| true)),
        Ok(loaded) => {
            let idle = messages(&loaded.warnings, |warning| warning.contains("has no effect"));
            if idle.is_empty() { Ok(run) } else { Err(idle) }
        }
    }
}

/// The first lines of a report's findings, as far as they are wanted.
fn messages(report: &scenarios::Report, wanted: impl Fn(&str) -> bool) -> String {
    let lines = report.diagnostics().iter().map(|d| d.message.as_str()).filter(|line| wanted(line));
    lines.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("; ")
}

/// Replays one recording into a report.
pub(super) fn replay(value: &Value, report: &mut Report) -> Result<(), String> {
    let case = value["case"].as_str().unwrap_or_default();
    let group = client::group(value);
    match compare(value, &[])? {
        Comparison::Judged { differ, .. } => report.judge("workloads", case, group, &differ),
        Comparison::Inexpressible(why) => report.cannot_tell("workloads", case, group, &why),
    }
    Ok(())
}
