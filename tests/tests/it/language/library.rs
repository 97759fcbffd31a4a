//! The bundled scenarios load, and survive being shown.

use scenarios::{Extras, Source, bundled, library, load, show};
use sim_core::scenario::Scenario;

/// Expectations are compared by what they check: their text and line belong to the file.
fn without_text(mut scenario: Scenario) -> Scenario {
    for expectation in &mut scenario.expect {
        expectation.text.clear();
        expectation.line = 0;
    }
    scenario
}

#[test]
fn every_bundled_scenario_loads_without_a_word() {
    for bundled in library() {
        let extras = Extras { files: bundled, ..Extras::default() };
        let loaded = load(&bundled.source(), &extras).unwrap_or_else(|report| panic!("{report}"));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        assert!(!loaded.scenario.title.is_empty() && !loaded.scenario.teaches.is_empty(), "{}", bundled.name);
        assert!(!loaded.scenario.expect.is_empty(), "{} expects nothing", bundled.name);
    }
}

#[test]
fn a_scenario_that_is_shown_loads_to_the_same_scenario() {
    for bundled in library() {
        let extras = Extras { files: bundled, ..Extras::default() };
        let scenario = load(&bundled.source(), &extras).unwrap().scenario;
        let text = show(&scenario);
        let again = load(&Source::new("shown.ron", &text[..]), &Extras::default());
        let again = again.unwrap_or_else(|report| panic!("{}:\n{report}\n{text}", bundled.name));
        assert_eq!(without_text(again.scenario.clone()), without_text(scenario), "{}", bundled.name);
        assert_eq!(show(&again.scenario), text, "{}", bundled.name);
    }
}

#[test]
fn a_shown_scenario_looks_like_this() {
    let bundled = bundled("conntrack-full").unwrap();
    let extras = Extras { files: bundled, ..Extras::default() };
    insta::assert_snapshot!(show(&load(&bundled.source(), &extras).unwrap().scenario));
}

#[test]
fn every_corner_of_the_language_survives_being_shown() {
    let text = include_str!("everything.ron");
    let extras = Extras { files: &Beside, ..Extras::default() };
    let loaded =
        load(&Source::new("everything.ron", text), &extras).unwrap_or_else(|report| panic!("{report}"));
    let shown = show(&loaded.scenario);
    let again = load(&Source::new("shown.ron", &shown[..]), &Extras::default());
    let again = again.unwrap_or_else(|report| panic!("{report}\n{shown}"));
    assert_eq!(without_text(again.scenario), without_text(loaded.scenario));
}

/// The file that `everything.ron` names.
struct Beside;

impl scenarios::Files for Beside {
    fn read(&self, name: &str) -> Result<Source, String> {
        match name {
            "arrivals.csv" => Ok(Source::new(name, "time,client\n0,a\n0.5,b\n1500ms,c\n")),
            other => Err(format!("cannot read `{other}`")),
        }
    }
}
