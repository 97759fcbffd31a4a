//! What is said of a run that has ended by itself, since too much was on its way.

use sim_core::ids::HostId;
use sim_core::record::Overrun;
use sim_core::scenario::Scenario;

use crate::report::{Diagnostic, Report};
use crate::source::Place;
use crate::units::{show_ratio, thousands};

/// Why a run has ended before its time, and what to write instead.
pub fn overrun(scenario: &Scenario, overrun: &Overrun) -> Report {
    let name = |host: HostId| &scenario.hosts[host.index()].name;
    let busiest = overrun.busiest.map_or_else(String::new, |(from, to, held)| {
        format!("; {} were between `{}` and `{}`", thousands(u128::from(held)), name(from), name(to))
    });
    let message = format!(
        "at {}.{:03} s {} segments were on their way at once, and {} are the most that a run may have{busiest}",
        overrun.at.0 / 1_000_000_000,
        overrun.at.0 / 1_000_000 % 1_000,
        thousands(u128::from(overrun.segments)),
        thousands(u128::from(overrun.most)),
    );
    let diagnostic = Diagnostic { place: None, ..Diagnostic::error(Place::default(), message) };
    let doubling = scenario.links.iter().filter(|link| link.duplicate.num > 0);
    let most =
        doubling.max_by_key(|link| (u128::from(link.duplicate.num) << 64) / u128::from(link.duplicate.den));
    let diagnostic = match most {
        Some(link) => diagnostic.help(format!(
            "the link between `{}` and `{}` delivers {} of all segments twice, and where each copy is answered they \
             multiply: a smaller `duplicate`, more `loss`, or a shorter `duration`",
            name(link.a),
            name(link.b),
            show_ratio(link.duplicate)
        )),
        None => diagnostic.help("a lower rate, smaller requests and responses, or a shorter `delay` of the links"),
    };
    Report { diagnostics: vec![diagnostic], sources: Vec::new() }
}
