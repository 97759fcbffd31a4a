//! The reference: what it shows works, and what works is in it.

use scenarios::{Extras, Source, load};
use sim_core::scenario::{Check, Runs};
use tests::model::document;

const REFERENCE: &str = include_str!("../../../../scenarios/LANGUAGE.md");

/// The texts of the fenced blocks of one kind.
fn blocks(kind: &str) -> Vec<&'static str> {
    let fence = format!("```{kind}\n");
    REFERENCE.split(&fence[..]).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

#[test]
fn its_tables_are_those_of_the_language() {
    let text = scenarios::reference::rewrite(REFERENCE).unwrap_or_else(|why| panic!("{why}"));
    document::check("scenarios/LANGUAGE.md", &text).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn its_scenarios_load() {
    let scenarios = blocks("ron");
    assert!(!scenarios.is_empty());
    for text in scenarios {
        load(&Source::new("LANGUAGE.md", text), &Extras::default())
            .unwrap_or_else(|report| panic!("{report}"));
    }
}

#[test]
fn its_expectations_load_and_none_is_missing() {
    let lines: Vec<_> = blocks("ron expect").iter().flat_map(|b| b.lines()).collect();
    let text = format!(
        r#"(duration: "120s",
            hosts: {{
                "client": (addresses: ["10.0.0.1"]),
                "gateway": (conntrack: on),
                "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
            }},
            links: [(path: ["client", "gateway", "server"])],
            traffic: {{"web": (from: "client", to: "server:80", arrivals: constant("1/s"))}},
            expect: [{}])"#,
        lines.join(",\n")
    );
    let loaded = load(&Source::new("LANGUAGE.md", text), &Extras::default());
    let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
    let kind = |check: &Check| format!("{check:?}").split(['(', ' ']).next().map(str::to_owned);
    let mut kinds: Vec<_> = loaded.scenario.expect.iter().filter_map(|e| kind(&e.check)).collect();
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), 11, "every kind of check has an example: {kinds:?}");
    let runs = |runs: &Runs| format!("{runs:?}").split([' ', '{']).next().map(str::to_owned);
    let mut several: Vec<_> = loaded.scenario.expect.iter().filter_map(|e| runs(&e.runs)).collect();
    several.sort();
    several.dedup();
    assert_eq!(several.len(), 5, "and of several runs: {several:?}");
    let shown = Source::new("shown", scenarios::show(&loaded.scenario));
    let again = load(&shown, &Extras::default()).unwrap_or_else(|report| panic!("{report}"));
    let what = |loaded: &scenarios::Loaded| {
        loaded.scenario.expect.iter().map(|e| (e.check.clone(), e.runs.clone())).collect::<Vec<_>>()
    };
    assert_eq!(what(&again), what(&loaded));
}
