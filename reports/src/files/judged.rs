//! Verdicts on many scenarios as JSON.

use serde::Serialize;

use super::Case;
use super::result::VerdictJson;

#[derive(Serialize)]
struct Whole<'a> {
    format: &'static str,
    timewait: &'static str,
    passed: bool,
    scenarios: Vec<One<'a>>,
}

#[derive(Serialize)]
struct One<'a> {
    name: &'a str,
    file: &'a str,
    error: Option<&'a str>,
    verdicts: Vec<VerdictJson<'a>>,
}

/// The verdicts as JSON text. How long the runs took is not in it, so that it is the same everywhere.
pub fn check_json(cases: &[Case]) -> String {
    let one = |case: &'_ Case| -> bool { case.outcome.as_ref().is_ok_and(|v| v.iter().all(|v| v.passed)) };
    let whole = Whole {
        format: "timewait-check/1",
        timewait: env!("CARGO_PKG_VERSION"),
        passed: cases.iter().all(one),
        scenarios: cases
            .iter()
            .map(|case| One {
                name: &case.name,
                file: &case.file,
                error: case.outcome.as_ref().err().map(String::as_str),
                verdicts: case.outcome.iter().flatten().map(VerdictJson::from).collect(),
            })
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&whole).expect("plain data always serialises");
    text.push('\n');
    text
}
