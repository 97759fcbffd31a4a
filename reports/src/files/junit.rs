//! Verdicts as JUnit XML, the form that continuous integration servers read.

use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::verdict::Verdict;

/// A scenario that was checked: a test suite.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name of the scenario.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Its verdicts, or why there are none.
    pub outcome: Result<Vec<Verdict>, String>,
    /// How long its run took, if anybody looked at a clock.
    pub took: Option<Duration>,
    /// What a page tells of it beside its verdicts.
    pub told: Option<Told>,
}

/// What a scenario is about and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its title.
    pub title: String,
    /// What it shows.
    pub teaches: String,
    /// The answer in one sentence.
    pub headline: String,
    /// Its picture as SVG, if somebody will look at it.
    pub picture: Option<String>,
}

/// A test suite for each scenario and a test case for each expectation.
pub fn junit(cases: &[Case]) -> String {
    let mut out = Writer::new_with_indent(Vec::new(), b' ', 2);
    emit(&mut out, Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    let verdicts = || cases.iter().filter_map(|c| c.outcome.as_ref().ok()).flatten();
    let errors = cases.iter().filter(|c| c.outcome.is_err()).count();
    let mut root = BytesStart::new("testsuites");
    root.push_attribute(("name", "timewait"));
    root.push_attribute(("tests", (verdicts().count() + errors).to_string().as_str()));
    root.push_attribute(("failures", verdicts().filter(|v| !v.passed).count().to_string().as_str()));
    root.push_attribute(("errors", errors.to_string().as_str()));
    emit(&mut out, Event::Start(root));
    for case in cases {
        suite(&mut out, case);
    }
    emit(&mut out, Event::End(BytesEnd::new("testsuites")));
    let mut text = String::from_utf8(out.into_inner()).expect("only strings were written");
    text.push('\n');
    text
}

fn suite(out: &mut Writer<Vec<u8>>, case: &Case) {
    let (tests, failures, errors) = match &case.outcome {
        Ok(verdicts) => (verdicts.len(), verdicts.iter().filter(|v| !v.passed).count(), 0),
        Err(_) => (1, 0, 1),
    };
    let mut start = BytesStart::new("testsuite");
    start.push_attribute(("name", clean(&case.name).as_str()));
    for (key, n) in [("tests", tests), ("failures", failures), ("errors", errors)] {
        start.push_attribute((key, n.to_string().as_str()));
    }
    if let Some(took) = case.took {
        start.push_attribute(("time", format!("{:.3}", took.as_secs_f64()).as_str()));
    }
    emit(out, Event::Start(start));
    match &case.outcome {
        Ok(verdicts) => verdicts.iter().for_each(|v| test(out, case, v)),
        Err(why) => {
            emit(out, Event::Start(test_case(case, "the scenario runs", None)));
            child(out, "error", why, "");
            emit(out, Event::End(BytesEnd::new("testcase")));
        }
    }
    emit(out, Event::End(BytesEnd::new("testsuite")));
}

fn test_case(case: &Case, name: &str, line: Option<u32>) -> BytesStart<'static> {
    let mut start = BytesStart::new("testcase");
    start.push_attribute(("name", clean(name).as_str()));
    start.push_attribute(("classname", clean(&case.name).as_str()));
    start.push_attribute(("file", clean(&case.file).as_str()));
    if let Some(line) = line {
        start.push_attribute(("line", line.to_string().as_str()));
    }
    start
}

fn test(out: &mut Writer<Vec<u8>>, case: &Case, verdict: &Verdict) {
    let start = test_case(case, &verdict.text, Some(verdict.line));
    if verdict.passed {
        emit(out, Event::Empty(start));
        return;
    }
    emit(out, Event::Start(start));
    let body = format!("expected {}\ngot {}", verdict.expected, verdict.got);
    child(out, "failure", &format!("got {}", verdict.got), &body);
    emit(out, Event::End(BytesEnd::new("testcase")));
}

fn child(out: &mut Writer<Vec<u8>>, tag: &str, message: &str, body: &str) {
    let mut start = BytesStart::new(tag);
    start.push_attribute(("message", clean(message).as_str()));
    emit(out, Event::Start(start.borrow()));
    emit(out, Event::Text(BytesText::new(&clean(body))));
    emit(out, Event::End(start.to_end()));
}

/// XML 1.0 has no way to write control characters, escaped or not.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c }).collect()
}

fn emit(out: &mut Writer<Vec<u8>>, event: Event<'_>) {
    out.write_event(event).expect("a vector takes every write");
}
