//! The targets: each takes any bytes, and says whether it made sense of them.

use std::sync::LazyLock;

use experiments::trace::Which;
use experiments::{Axis, catalogue, design, range, record};
use scenarios::{Extras, Files, Patch, Source, load, show};
use sim_core::engine::Simulation;
use sim_core::scenario::Scenario;

/// A reader of text.
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Gives it a text. Whether that was accepted.
    pub run: fn(&[u8]) -> bool,
}

/// All of them, scenarios and patches first.
pub const TARGETS: &[Target] = &[
    Target { name: "scenario", run: scenario },
    Target { name: "patch", run: patch },
    Target { name: "sysctl", run: sysctl },
    Target { name: "expectation", run: expectation },
    Target { name: "times", run: times },
    Target { name: "design", run: a_design },
    Target { name: "axis", run: axis },
    Target { name: "record", run: a_record },
    Target { name: "catalogue", run: a_catalogue },
    Target { name: "tuple", run: tuple },
];

/// Events that an accepted scenario is run for.
const EVENTS: u64 = 400;

/// Everything that a user could do with a text. Whether it is a scenario.
pub fn exercise(text: &str, patches: &[Patch]) -> bool {
    let files = One(Source::new("any.csv", "0s\n0.5s\n"));
    given(text, &Extras { patches, files: &files, ..Extras::default() })
}

fn given(text: &str, extras: &Extras<'_>) -> bool {
    match load(&Source::new("mutated.ron", text), extras) {
        Ok(loaded) => {
            let shown = show(&loaded.scenario);
            let again = load(&Source::new("shown.ron", &shown[..]), &Extras { patches: &[], ..*extras });
            match again {
                Ok(again) => {
                    let same = |scenario: &Scenario| {
                        let Scenario { hosts, links, traffic, events, .. } = scenario.clone();
                        (hosts, links, traffic, events)
                    };
                    assert_eq!(same(&again.scenario), same(&loaded.scenario), "{shown}");
                }
                Err(report) => panic!("{report}\n{shown}"),
            }
            let _ = loaded.warnings.to_string();
            // What is accepted can be computed, in memory that grows with what happens.
            let mut world = Simulation::new(&loaded.scenario);
            world.advance(EVENTS);
            let _ = reports::answer::answer(reports::Run::new(&loaded.scenario, &world.into_summary()));
            true
        }
        Err(report) => {
            assert!(report.errors() > 0);
            assert!(!report.to_string().is_empty());
            for diagnostic in report.diagnostics() {
                let _ = report.position(diagnostic);
            }
            false
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn scenario(bytes: &[u8]) -> bool {
    exercise(&text(bytes), &[])
}

/// Lines of `--set`, for a scenario of the library.
fn patch(bytes: &[u8]) -> bool {
    let text = text(bytes);
    let patches: Vec<Patch> = text.lines().take(8).filter_map(|line| Patch::parse(line).ok()).collect();
    exercise(BASE, &patches)
}

/// The output of `sysctl -a`.
fn sysctl(bytes: &[u8]) -> bool {
    let dump = [("client".to_owned(), Source::new("dump", text(bytes)))];
    given(BASE, &Extras { sysctl: &dump, ..Extras::default() })
}

fn expectation(bytes: &[u8]) -> bool {
    exercise(BASE, &[Patch::new("expect", format!("[{}]", text(bytes)))])
}

/// Every file that a scenario names has this text.
struct One(Source);

impl Files for One {
    fn read(&self, _name: &str) -> Result<Source, String> {
        Ok(self.0.clone())
    }
}

/// A file of times, of arrivals and of lengths.
fn times(bytes: &[u8]) -> bool {
    let files = One(Source::new("times.csv", text(bytes)));
    let set = |path: &str, value: &str| Patch::new(path, value);
    let arrivals = [set("traffic.web.arrivals", "csv(\"times.csv\")")];
    let lengths = [set("traffic.web.service_time", "csv(\"times.csv\")")];
    let take = |patches: &[Patch]| given(BASE, &Extras { files: &files, patches, ..Extras::default() });
    let arrived = take(&arrivals);
    take(&lengths) || arrived
}

fn a_design(bytes: &[u8]) -> bool {
    design::design(&text(bytes), &LOADED).is_ok()
}

fn axis(bytes: &[u8]) -> bool {
    let text = text(bytes);
    let varied = Axis::parse(&text, &LOADED).is_ok();
    range(&text, &LOADED).is_ok() || varied
}

fn a_record(bytes: &[u8]) -> bool {
    // All lines, not only those up to the first that is accepted.
    text(bytes).lines().filter_map(record::parse).count() > 0
}

fn a_catalogue(bytes: &[u8]) -> bool {
    let Ok(changes) = catalogue::parse(&text(bytes)) else { return false };
    for change in changes.iter().take(40) {
        let _ = catalogue::expand(change, &LOADED);
    }
    true
}

fn tuple(bytes: &[u8]) -> bool {
    Which::tuple(&text(bytes)).is_some()
}

/// A scenario with a client, a server and a source `web`, from the library.
const BASE: &str = include_str!("../../corpus/scenario/base.ron");

static LOADED: LazyLock<Scenario> = LazyLock::new(|| {
    load(&Source::new("base.ron", BASE), &Extras::default())
        .unwrap_or_else(|report| panic!("{report}"))
        .scenario
});
