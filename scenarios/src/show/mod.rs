//! A scenario as text again, with nothing left to defaults.

mod expect;

use sim_core::scenario::{Limit, Scenario};

use crate::check::{self, host, link, traffic};
use crate::section::{block, inline, lines, text};
use crate::source::Place;

/// The scenario with every default visible, as RON that loads to the same scenario.
pub fn show(scenario: &Scenario) -> String {
    let fields = check::GENERAL.iter().chain(check::PARTS);
    let fields = fields.map(|field| format!("{}: {}", field.name, (field.get)(scenario, scenario)));
    lines("(", fields, ")") + "\n"
}

/// A limit as expectations write it: `ports(from: "10.0.0.1", to: "10.0.0.2:80")`.
pub fn limit(scenario: &Scenario, limit: Limit) -> String {
    expect::limit(scenario, limit)
}

/// The map of hosts.
pub(crate) fn hosts(scenario: &Scenario) -> String {
    let one = |host| {
        let read = host::HostRead::of(host, Place::default());
        let fields = host::FIRST.iter().chain(host::THEN);
        let fields = fields.map(|field| (field.name, (field.get)(&read, scenario)));
        let shown = fields.filter(|(_, value)| !value.is_empty());
        let shown = shown.map(|(name, value)| format!("{name}: {value}"));
        format!("{}: {}", text(&host.name), lines("(", shown, ")"))
    };
    lines("{", scenario.hosts.iter().map(one), "}")
}

/// The list of links.
pub(crate) fn links(scenario: &Scenario) -> String {
    let one = |link| inline(link::LINK, &link::Path::of(link), scenario);
    lines("[", scenario.links.iter().map(one), "]")
}

/// The map of traffic sources.
pub(crate) fn traffic(scenario: &Scenario) -> String {
    let one = |t: &sim_core::scenario::Traffic| {
        format!("{}: {}", text(&t.name), block(traffic::TRAFFIC, t, scenario))
    };
    lines("{", scenario.traffic.iter().map(one), "}")
}

/// The list of events.
pub(crate) fn events(scenario: &Scenario) -> String {
    lines("[", scenario.events.iter().map(|event| check::events::show(event, scenario)), "]")
}

/// The list of expectations.
pub(crate) fn expectations(scenario: &Scenario) -> String {
    let one = |e: &sim_core::scenario::Expectation| expect::expectation(scenario, e);
    lines("[", scenario.expect.iter().map(one), "]")
}
