//! The connection of a run that a picture or a page shows.

use experiments::notable::{Why, Witness, of_few};
use experiments::trace::Trace;
use reports::Run;
use reports::ladder::Ladder;
use reports::plot::is_few;
use reports::trace::ladders;

use crate::interrupt;

/// The ladder of the connection worth looking at, and why it is that one. Without a witness of the run only a run of few
/// connections has one.
pub(crate) fn seen(run: Run<'_>, witness: Option<Witness>) -> Option<(&'static str, Ladder)> {
    let (why, traced) = if is_few(run) {
        of_few(run.scenario, |_| interrupt::flow())?
    } else {
        witness?.trace(run.scenario, run.summary, |_| interrupt::flow())?
    };
    ladder(run, why, &traced)
}

fn ladder(run: Run<'_>, why: Why, traced: &Trace) -> Option<(&'static str, Ladder)> {
    let words = match why {
        Why::Failed => "The first connection that failed.",
        Why::Slow => "The connection with the slowest connect().",
        Why::Reused => "The first connection on a tuple that another had before.",
        Why::First => "The first connection.",
    };
    ladders(run.scenario, traced, 1).into_iter().next().map(|ladder| (words, ladder))
}
