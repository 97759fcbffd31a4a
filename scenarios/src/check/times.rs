//! Length and sampling of a scenario.

use sim_core::scenario::Scenario;
use sim_core::time::Span;

use crate::read::{Fields, Notes};
use crate::report::Diagnostic;
use crate::syntax::Node;
use crate::units::{show_span, thousands};

/// Most rows of the time series.
const MOST_SAMPLES: u64 = 1_000_000;

/// The longest duration: 200 years of 365 days. Instants are 64-bit nanoseconds, 584 years, and every timer that a run
/// sets near its end must still fit.
const LONGEST: Span = Span::from_secs(200 * 365 * 86_400);

/// Length and sampling interval, and how strict to be about them.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) duration: Span,
    pub(crate) sample: Span,
    /// False if the file's duration could not be read: what depends on it is not judged then.
    pub(crate) known: bool,
    /// Set from outside the file, which may then no longer fit.
    pub(crate) patched: bool,
}

impl Times {
    /// Nothing is too long for this stand-in, and everything lies on its sampling points.
    pub(crate) const UNKNOWN: Times =
        Times { duration: Span(1 << 60), sample: Span(1), known: false, patched: false };
}

/// Reads the duration: none if it is nothing or too much.
pub(crate) fn duration(notes: &mut Notes, node: &Node) -> Option<Span> {
    let duration = notes.span(node)?;
    if duration == Span::ZERO {
        notes.refuse(node.place, "a scenario of no length shows nothing: for example \"60s\"");
        return None;
    }
    if duration > LONGEST {
        let (given, days) = (show_span(duration), LONGEST.as_secs() / 86_400);
        notes.refuse(node.place, format!("{given} are too long: \"{days}d\" (200 years) is the longest"));
        return None;
    }
    Some(duration)
}

/// What the file says of its times, completed and checked. In `read` a time that was not read is [`Span::MAX`].
pub(crate) fn times(notes: &mut Notes, fields: Fields<'_>, read: &Scenario) -> Times {
    let duration = read.duration;
    if duration == Span::MAX {
        return Times::UNKNOWN;
    }
    let usual = usual_sample(duration);
    let sample = if read.sample == Span::MAX { usual } else { read.sample };
    let place = fields.place_of("sample");
    let patched = notes.is_command_line(fields.place_of("duration")) || notes.is_command_line(place);
    let Some(message) = sample_refused(duration, sample) else {
        return Times { duration, sample, known: true, patched };
    };
    let help = format!("without `sample` it is {}", show_span(usual));
    notes.error(Diagnostic::error(place, message).help(help));
    Times { duration, sample: usual, known: true, patched }
}

/// What is wrong with a sampling interval, if anything is.
fn sample_refused(duration: Span, sample: Span) -> Option<String> {
    let (whole, step) = (show_span(duration), show_span(sample));
    if sample == Span::ZERO {
        return Some("the sampling interval must be longer than nothing".to_owned());
    }
    if sample > duration {
        return Some(format!("the sampling interval, {step}, is longer than the scenario, {whole}"));
    }
    let rows = duration.0 / sample.0;
    if rows > MOST_SAMPLES {
        let (rows, most) = (thousands(rows.into()), thousands(MOST_SAMPLES.into()));
        return Some(format!("{whole} sampled every {step} are {rows} rows; {most} are the most"));
    }
    None
}

/// One second, or what gives neither too many rows nor too few. The last row is at the last multiple in the run.
fn usual_sample(duration: Span) -> Span {
    const SECOND: u64 = 1_000_000_000;
    /// So few rows make no curve.
    const FEW: u64 = 5;
    let long = [10 * SECOND, 60 * SECOND, 600 * SECOND, 3600 * SECOND, 86_400 * SECOND];
    if duration.0 / SECOND > 100_000 {
        let fits = |unit: &&u64| duration.0 / **unit <= 100_000;
        return Span(long.iter().find(fits).copied().unwrap_or(86_400 * SECOND));
    }
    let steps = [SECOND, SECOND / 10, SECOND / 100, SECOND / 1_000, 100_000, 10_000, 1_000];
    Span(steps.iter().find(|step| duration.0 / **step >= FEW).copied().unwrap_or(duration.0))
}
