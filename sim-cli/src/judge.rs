//! Judging a scenario: it is run, and so is what its expectations need beside it.

use experiments::Run;
use reports::verdict::{Beside, Verdict, beside, verdicts_of_several};
use scenarios::{Files, Loaded, Patch};
use sim_core::record::Summary;
use sim_core::scenario::Scenario;

use crate::simulate::quietly;

/// Runs a scenario and judges it, and lets `looks` look at the run and its verdicts. Nothing if Ctrl-C came before the end; an
/// error if a changed scenario that an expectation speaks of does not load, or a run could not go on.
pub(crate) fn judged(
    run: &Run,
    scenario: &Scenario,
    files: &dyn Files,
    looks: impl FnOnce(reports::Run<'_>, &[Verdict]),
) -> Option<Result<Vec<Verdict>, String>> {
    let needed = beside(scenario);
    let (mut loaded, mut run) = (Vec::new(), run.clone());
    for other in &needed {
        match load(&mut run, other, files) {
            Ok(scenario) => loaded.push(scenario),
            Err(why) => return Some(Err(why)),
        }
    }
    let mut summaries = Vec::new();
    for scenario in core::iter::once(scenario).chain(&loaded) {
        match quietly(scenario)? {
            Ok(summary) => summaries.push(summary),
            Err(why) => return Some(Err(why)),
        }
    }
    let (summary, others): (Summary, Vec<Summary>) = (summaries.remove(0), summaries);
    let read =
        needed.into_iter().zip(loaded.iter().zip(&others).map(|(s, summary)| reports::Run::new(s, summary)));
    let read: Vec<_> = read.collect();
    let this = reports::Run::new(scenario, &summary);
    let verdicts = verdicts_of_several(this, &read);
    looks(this, &verdicts);
    Some(Ok(verdicts))
}

/// The scenario of a run beside this one, which takes in the files that it names.
pub(crate) fn load(run: &mut Run, other: &Beside, files: &dyn Files) -> Result<Scenario, String> {
    let mut changed = run.clone();
    match other {
        Beside::Seed(seed) => changed.seed = Some(*seed),
        Beside::Changed(changes) => {
            // The language has read them once.
            changed.patches.extend(changes.iter().filter_map(|change| Patch::parse(change).ok()));
        }
    }
    let said = |report: scenarios::Report| match other {
        Beside::Seed(seed) => format!("with seed {seed}:\n{report}"),
        Beside::Changed(changes) => format!("with {}:\n{report}", changes.join(", ")),
    };
    let loaded = changed.gather(files);
    run.files.0.extend(changed.files.0);
    loaded.map(|Loaded { scenario, .. }| scenario).map_err(said)
}
