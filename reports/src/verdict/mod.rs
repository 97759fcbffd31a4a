//! Verdicts: what the scenario expected against what the run came to.

mod erlang;
mod evaluate;
mod measure;
mod number;
mod several;

use evaluate::Finding;
use sim_core::scenario::{Expectation, Scenario};

use crate::run::Run;

pub use erlang::erlang_b;
pub(crate) use evaluate::erlang_loss;
pub(crate) use measure::in_window;
pub use number::{Unit, number};
pub use several::{Beside, beside, verdicts_of_several};

/// One expectation and how it fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The expectation as written in the file.
    pub text: String,
    /// Its line in the file, from 1.
    pub line: u32,
    /// Whether it holds.
    pub passed: bool,
    /// What was expected, in words.
    pub expected: String,
    /// What the run gave, in the units of `expected`.
    pub got: String,
}

impl Verdict {
    fn new(e: &Expectation, finding: Finding) -> Verdict {
        let Finding { passed, expected, got } = finding;
        Verdict { text: e.text.clone(), line: e.line, passed, expected, got }
    }
}

/// A verdict on each expectation that one run can judge, in the order of the file. [`of_several`] counts the others,
/// which [`verdicts_of_several`] judges.
pub fn verdicts(run: Run<'_>) -> Vec<Verdict> {
    let alone = run.scenario.expect.iter().filter(|e| several::is_of_one(e));
    alone.map(|e| Verdict::new(e, evaluate::evaluate(run, &e.check))).collect()
}

/// How many expectations speak of several runs, so that [`verdicts`] has nothing to say about them.
pub fn of_several(scenario: &Scenario) -> usize {
    scenario.expect.iter().filter(|e| !several::is_of_one(e)).count()
}
