//! What a scenario would cost: refused if that is more than a machine has, with the numbers that make it so.
//!
//! Rough on purpose: the bounds are an order of magnitude above what is sensible. What is charged are upper bounds of
//! what the engine does, so that what is accepted can be computed.

mod room;
mod source;

use sim_core::scenario::Scenario;

use self::source::Cost;
use super::Input;
use crate::read::Fields;
use crate::report::Diagnostic;
use crate::units::thousands;

/// About half an hour of one core.
const MOST_EVENTS: u128 = 40_000_000_000;
/// What a machine may be expected to have.
const MOST_BYTES: u128 = 16 << 30;

/// Refuses what cannot be computed.
pub(super) fn check(input: &mut Input<'_>, fields: Fields<'_>, scenario: &Scenario) {
    if !room::lanes_suffice(input, fields, scenario) {
        return;
    }
    let costs: Vec<Option<Cost>> = (0..input.traffic.len()).map(|i| source::cost(input, i)).collect();
    let Some(room) = room::check(input, fields, &costs) else { return };
    let mut all = Cost { room, ..Cost::default() };
    for (i, cost) in costs.into_iter().enumerate() {
        let Some(cost) = cost else { continue };
        let (place, name) = (input.traffic[i].arrivals, &input.traffic[i].traffic.name);
        if let Some((message, help)) = refused(&cost, &format!("`{name}`")) {
            input.notes.error(Diagnostic::error(place, message).help(help));
            continue;
        }
        let before = all;
        all = all.plus(&cost);
        // Said once, at the source that is one too many.
        if refused(&before, "").is_none()
            && let Some((message, help)) = refused(&all, "the traffic up to here")
        {
            input.notes.error(Diagnostic::error(place, message).help(help));
        }
    }
}

/// Why `who` cannot be computed, if so, and what to do.
fn refused(cost: &Cost, who: &str) -> Option<(String, &'static str)> {
    if cost.events > MOST_EVENTS {
        let message = format!(
            "{who} would make {} attempts to connect and about {} events; {} are the most",
            thousands(cost.attempts),
            thousands(cost.events),
            thousands(MOST_EVENTS)
        );
        let help = if cost.failing > cost.attempts / 2 {
            "most of these attempts fail and are repeated: have fewer workers, or retry later"
        } else {
            "lower the rate, or shorten the duration"
        };
        return Some((message, help));
    }
    (cost.bytes() > MOST_BYTES).then(|| {
        let pairs = match cost.pairs {
            0..1_000 => String::new(),
            pairs => format!(", from source to destination {} pairs", thousands(pairs)),
        };
        let message = format!(
            "{who} would keep {} connections and {} TIME_WAITs at once{pairs}, about {} GiB; {} are the most",
            thousands(cost.live),
            thousands(cost.time_wait),
            thousands(cost.bytes() >> 30),
            MOST_BYTES >> 30
        );
        (message, "lower the rate, close sooner, or limit descriptors")
    })
}
