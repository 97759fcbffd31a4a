//! `run --html`: the page of a run, with the connection that is worth looking at.

use std::path::Path;

use experiments::trace::{self, Fate, Wanted, Which};
use reports::Run;
use reports::html::{Beside, page};
use reports::trace::ladders;
use reports::verdict::Verdict;
use sim_core::host::Attempt;
use sim_core::ids::TrafficId;
use sim_core::scenario::Scenario;
use sim_core::time::Time;

use crate::args::ScenarioArgs;
use crate::exit::Failure;
use crate::output::Single;
use crate::{interrupt, load};

/// Records of one connection that a page draws at most.
const MOST_RECORDS: usize = 4_000;

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
) -> Result<(), Failure> {
    let drawn = worth_seeing(run.scenario);
    // The same scenario without the changes; one that does not load without them has nothing to be compared with.
    let unchanged = load::find(&asked.scenario).ok().and_then(|found| found.load().ok());
    let scenario = scenarios::show(run.scenario);
    let unchanged = unchanged.map_or_else(|| scenario.clone(), |loaded| scenarios::show(&loaded.scenario));
    let ladder = drawn.as_ref().map(|(why, ladder)| (*why, ladder));
    let beside = Beside { verdicts, ladder, unchanged: &unchanged, scenario: &scenario };
    file.publish(page(run, &beside).as_bytes())
}

/// The ladder of the first connection that failed, of the one with the slowest connect(), or else of the first.
fn worth_seeing(scenario: &Scenario) -> Option<(&'static str, reports::ladder::Ladder)> {
    let first = Which::Attempt(Attempt { traffic: TrafficId(0), number: 0 });
    let choices = [
        ("The first connection that failed.", Which::First(Fate::Failed)),
        ("The connection with the slowest connect().", Which::First(Fate::Slow)),
        ("The first connection.", first),
    ];
    for (why, which) in choices {
        let wanted = Wanted { which, from: Time::ZERO, to: Time::NEVER, most: MOST_RECORDS };
        if let Ok(traced) = trace::trace(scenario, &wanted, |_| interrupt::flow()) {
            let ladder = ladders(scenario, &traced, 1).into_iter().next();
            if ladder.is_some() {
                return ladder.map(|ladder| (why, ladder));
            }
        }
    }
    None
}
