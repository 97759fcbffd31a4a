//! `nstat -as`: kernel counters since the beginning.

use std::fmt::Write as _;

use sim_core::counter::Counter;
use sim_core::record::HostMoment;
use sim_core::scenario::Scenario;

/// The counters that have moved; with `zeros` all that the model has. Those of `conntrack -S` are not among them, nor those that are not told of
/// such a scenario.
pub fn nstat(scenario: &Scenario, host: &HostMoment, zeros: bool) -> String {
    let mut out = String::from("#kernel\n");
    for &counter in Counter::ALL {
        let value = host.summary.counters.get(counter);
        let told = !scenario.not_told().contains(&counter);
        if told && !counter.name().starts_with("Ct") && (zeros || value > 0) {
            let _ = writeln!(out, "{:<32}{value:<16}   0.0", counter.name());
        }
    }
    out
}
