//! `run --html`: the page of a run.

use std::path::Path;

use reports::Run;
use reports::html::{Beside, page};
use reports::ladder::Ladder;
use reports::verdict::Verdict;

use crate::args::ScenarioArgs;
use crate::exit::Failure;
use crate::load;
use crate::output::Single;

/// A place for the page, claimed before the work.
pub(crate) fn claim(path: Option<&Path>) -> Result<Option<Single>, Failure> {
    path.map(Single::new).transpose()
}

/// Writes the page of a run.
pub(crate) fn write(
    file: Single,
    asked: &ScenarioArgs,
    run: Run<'_>,
    verdicts: &[Verdict],
    seen: Option<&(&'static str, Ladder)>,
) -> Result<(), Failure> {
    // The same scenario without the changes; one that does not load without them has nothing to be compared with.
    let unchanged = load::find(&asked.scenario).ok().and_then(|found| found.load().ok());
    let scenario = scenarios::show(run.scenario);
    let unchanged = unchanged.map_or_else(|| scenario.clone(), |loaded| scenarios::show(&loaded.scenario));
    let ladder = seen.map(|(why, ladder)| (*why, ladder));
    let beside = Beside { verdicts, ladder, unchanged: &unchanged, scenario: &scenario };
    file.publish(page(run, &beside).as_bytes())
}
