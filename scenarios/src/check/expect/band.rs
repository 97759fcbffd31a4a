//! Bands and windows: what a number must be, and when.

use sim_core::scenario::{Band, Window};
use sim_core::time::{Span, Time};

use super::{Reader, arguments};
use crate::read::Notes;
use crate::report::Diagnostic;
use crate::source::Place;
use crate::syntax::{Kind, Node};
use crate::units;

/// What a band's numbers are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Number,
    Bytes,
    Time,
    Share,
    Rate,
    /// Thousandths of a factor.
    Factor,
}

impl Reader<'_> {
    pub(super) fn window(&self, notes: &mut Notes, node: Option<&Node>) -> Option<Window> {
        let Some(node) = node else { return Some(self.whole_run()) };
        let [from, to] = arguments(node) else {
            notes.expected(node, "`over` with two times", "over(\"0s\", \"60s\")");
            return None;
        };
        self.window_of(notes, node.place, from, to)
    }

    pub(super) fn window_pair(&self, notes: &mut Notes, node: Option<&Node>) -> Option<Window> {
        let Some(node) = node else { return Some(self.whole_run()) };
        let (from, to) = notes.pair(node, "two times", "(\"0s\", \"60s\")")?;
        self.window_of(notes, node.place, from, to)
    }

    fn whole_run(&self) -> Window {
        Window { from: Time::ZERO, to: Time(self.names.times.duration.0) }
    }

    fn window_of(&self, notes: &mut Notes, place: Place, from: &Node, to: &Node) -> Option<Window> {
        let (begin, end) = (notes.span(from), notes.span(to));
        let (begin, end) = (begin?, end?);
        let good = (self.on_sample(notes, from, begin), self.on_sample(notes, to, end));
        if begin >= end {
            notes.error(Diagnostic::error(place, format!("nothing lies between {begin} and {end}")));
            return None;
        }
        if good != (Some(()), Some(())) {
            return None;
        }
        Some(Window { from: Time(begin.0), to: Time(end.0) })
    }

    pub(super) fn within_run(&self, notes: &mut Notes, place: Place, at: u64) -> Option<()> {
        let duration = self.names.times.duration;
        if at <= duration.0 {
            return Some(());
        }
        let message = format!("the scenario ends at {duration}, before {}", Span(at));
        notes.error(Diagnostic::error(place, message).label("outside the run"));
        None
    }

    pub(super) fn on_sample(&self, notes: &mut Notes, node: &Node, at: Span) -> Option<()> {
        self.within_run(notes, node.place, at.0)?;
        let sample = self.names.times.sample;
        // The end of the run has no row of its own where the interval does not divide it, and needs none.
        if at.0.is_multiple_of(sample.0) || at == self.names.times.duration {
            return Some(());
        }
        let before = Span(at.0 - at.0 % sample.0);
        let after = before + sample;
        let message = format!("{at} is not a sampling point: samples are taken every {sample}");
        let help = format!(
            "write \"{}\" or \"{}\", or set `sample`",
            units::show_span(before),
            units::show_span(after)
        );
        notes.error(Diagnostic::error(node.place, message).help(help));
        None
    }
}

/// `equals(x)`, `between(a, b)`, `at_least(x)`, `at_most(x)`, `below(x)`, `above(x)`. Where there is none, every number
/// lies in it.
pub(super) fn band(notes: &mut Notes, node: Option<&Node>, unit: Unit) -> Option<Band> {
    let Some(node) = node else { return Some(Band { low: 0, high: u64::MAX }) };
    let (name, _) = node.head()?;
    let band = match (name, arguments(node)) {
        ("between", [low, high]) => {
            let (low, high) = (value(notes, low, unit), value(notes, high, unit));
            Band { low: low?, high: high? }
        }
        ("equals", [x]) => value(notes, x, unit).map(|x| Band { low: x, high: x })?,
        ("at_least", [x]) => Band { low: value(notes, x, unit)?, high: u64::MAX },
        ("at_most", [x]) => Band { low: 0, high: value(notes, x, unit)? },
        ("above", [x]) => Band { low: value(notes, x, unit)?.saturating_add(1), high: u64::MAX },
        ("below", [x]) => {
            if let Some(high) = value(notes, x, unit)?.checked_sub(1) {
                Band { low: 0, high }
            } else {
                notes.refuse(node.place, "nothing is below zero");
                return None;
            }
        }
        _ => {
            let wanted = if name == "between" { "two values" } else { "one value" };
            notes.expected(node, &format!("`{name}` with {wanted}"), "between(10, 20)");
            return None;
        }
    };
    if band.low > band.high {
        notes.error(Diagnostic::error(node.place, "this band is upside down: the lower end comes first"));
        return None;
    }
    Some(band)
}

fn value(notes: &mut Notes, node: &Node, unit: Unit) -> Option<u64> {
    match unit {
        Unit::Number => notes.integer(node, 0..=u64::MAX),
        Unit::Bytes => match &node.kind {
            Kind::Text(t) => units::size(t).map_err(|m| notes.refuse(node.place, m)).ok(),
            _ => notes.integer(node, 0..=u64::MAX),
        },
        Unit::Time => notes.span(node).map(|s| s.0),
        Unit::Share => parts_per_million(notes, node),
        Unit::Factor => factor(notes, node),
        Unit::Rate => {
            let rate = notes.rate(node)?;
            let thousandths = u128::from(rate.count) * 1_000_000_000_000 / u128::from(rate.per.0.max(1));
            u64::try_from(thousandths).ok().or_else(|| {
                notes.refuse(node.place, "this rate is beyond anything that could be counted");
                None
            })
        }
    }
}

/// `2`, `1.5`: in thousandths.
fn factor(notes: &mut Notes, node: &Node) -> Option<u64> {
    let thousandths = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = fraction.len() <= 3 && fraction.bytes().all(|b| b.is_ascii_digit());
        let fraction = format!("{fraction:0<3}").parse::<u64>().ok().filter(|_| digits)?;
        whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(fraction)
    };
    let found = match &node.kind {
        Kind::Number(text) => thousandths(text),
        _ => None,
    };
    if found.is_none() {
        notes.expected(node, "how many times, at most in thousandths", "1.5");
    }
    found
}

pub(super) fn parts_per_million(notes: &mut Notes, node: &Node) -> Option<u64> {
    let ratio = notes.ratio(node)?;
    let ppm = u128::from(ratio.num) * 1_000_000 / u128::from(ratio.den);
    u64::try_from(ppm).ok()
}
