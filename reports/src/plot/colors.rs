//! The colours of the pictures, for pages.

use sim_core::scenario::Outcome;
use sim_core::tcp::State;

use super::palette::{self, Color};

fn hex((r, g, b): Color) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A state's colour.
pub fn state(state: State) -> String {
    hex(palette::state(state))
}

/// An outcome's colour.
pub fn outcome(outcome: Outcome) -> String {
    hex(match outcome {
        Outcome::Attempted => palette::FRAME,
        Outcome::Failed => palette::ALARM,
        Outcome::Error(errno) => palette::errno(errno),
        _ => palette::SUCCESS,
    })
}

/// The colour of the n-th thing without one of its own.
pub fn series(n: usize) -> String {
    hex(palette::SERIES[n % palette::SERIES.len()])
}
