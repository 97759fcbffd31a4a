//! Verdicts: what the scenario expected against what the run came to.

mod erlang;
mod evaluate;
mod measure;
mod number;

use sim_core::scenario::Expectation;

use crate::run::Run;

pub use erlang::erlang_b;
pub use number::{Unit, number};

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

/// A verdict on each expectation, in the order of the file.
pub fn verdicts(run: Run<'_>) -> Vec<Verdict> {
    run.scenario.expect.iter().map(|e| verdict(run, e)).collect()
}

fn verdict(run: Run<'_>, e: &Expectation) -> Verdict {
    let finding = evaluate::evaluate(run, &e.check);
    Verdict {
        text: e.text.clone(),
        line: e.line,
        passed: finding.passed,
        expected: finding.expected,
        got: finding.got,
    }
}
