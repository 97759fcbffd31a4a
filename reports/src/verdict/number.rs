//! The number behind a check: what a sweep measures, in the words of expectations.

use experiments::{Estimate, share_interval};
use sim_core::scenario::{Check, Metric, Outcome};

use super::{evaluate, measure};
use crate::run::Run;
use crate::words;

/// What a number is, and so how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// A part of one.
    Share,
    /// So many a second.
    PerSecond,
    /// One if it holds, else zero.
    Holds,
}

impl Unit {
    /// What the number of a check is. `whole` says that the check is asked whether it holds.
    pub fn of(check: &Check, whole: bool) -> Unit {
        match check {
            _ if whole => Unit::Holds,
            Check::BindsFirst(_) | Check::ErlangB { .. } => Unit::Holds,
            Check::First { .. } | Check::Latency { .. } => Unit::Seconds,
            Check::Peak(Metric::Memory(_), _) | Check::At(Metric::Memory(_), ..) => Unit::Bytes,
            Check::Peak(..) | Check::At(..) | Check::Count { .. } | Check::Counter(..) | Check::Log(..) => {
                Unit::Count
            }
            Check::Share { .. } => Unit::Share,
            Check::Rate { .. } => Unit::PerSecond,
        }
    }

    /// The ends of the interval of an estimate. None of these numbers can be negative, and no share is above one.
    pub fn interval(self, estimate: &Estimate) -> Option<(f64, f64)> {
        let half = estimate.half_width?;
        let (low, high) = ((estimate.mean - half).max(0.0), estimate.mean + half);
        match self {
            Unit::Holds => {
                let part = (estimate.mean * estimate.count as f64).round() as usize;
                Some(share_interval(part, estimate.count))
            }
            Unit::Share => Some((low, high.min(1.0))),
            _ => Some((low, high)),
        }
    }

    /// The number for people.
    pub fn write(self, value: f64) -> String {
        let size = value.abs();
        let digits = if size >= 1000.0 {
            0
        } else if size >= 10.0 {
            1
        } else {
            3
        };
        match self {
            Unit::Count if size >= 1e3 => words::count(value.round() as u64),
            Unit::Count => words::decimal(value, digits.min(2)),
            Unit::Bytes => words::bytes(value.round() as u64),
            Unit::Seconds => words::span(sim_core::time::Span((value * 1e9).round() as u64)),
            Unit::Share | Unit::Holds if size > 0.0 && size < 0.01 => {
                format!("{}%", words::decimal(value * 100.0, 3))
            }
            Unit::Share | Unit::Holds => format!("{}%", words::decimal(value * 100.0, 2)),
            Unit::PerSecond => format!("{}/s", words::decimal(value, digits)),
        }
    }
}

/// The number of a check in a run, in the unit that [`Unit::of`] says; none where there is no such number, as when
/// nothing connected or something never happened.
pub fn number(run: Run<'_>, check: &Check, whole: bool) -> Option<f64> {
    if Unit::of(check, whole) == Unit::Holds {
        return Some(f64::from(u8::from(evaluate::evaluate(run, check).passed)));
    }
    let seconds = |ns: u64| ns as f64 / 1e9;
    match *check {
        Check::First { traffic, outcome, .. } => {
            let tally = run.tally(traffic, outcome);
            (tally.count > 0).then_some(seconds(tally.first.0))
        }
        Check::Peak(metric, _) => measure::peak(run, metric).map(|n| n as f64),
        Check::At(metric, time, _) => measure::value_at(run, metric, time).map(|n| n as f64),
        Check::Count { traffic, outcome, over, .. } => {
            measure::in_window(run, traffic, outcome, over).map(|n| n as f64)
        }
        Check::Share { traffic, outcome, over, .. } => {
            let part = measure::in_window(run, traffic, outcome, over)?;
            let all = measure::in_window(run, traffic, Outcome::Attempted, over)?;
            (all > 0).then(|| part as f64 / all as f64)
        }
        Check::Rate { traffic, outcome, over, .. } => {
            let length = seconds(over.to.min(run.summary.ended).since(over.from).0);
            let n = measure::in_window(run, traffic, outcome, over)?;
            (length > 0.0).then(|| n as f64 / length)
        }
        Check::Counter(host, counter, _) => {
            let told = !run.scenario.not_told().contains(&counter);
            run.summary.hosts.get(host.index()).filter(|_| told).map(|h| h.counters.get(counter) as f64)
        }
        Check::Log(host, line, _) => {
            let printed = run.summary.logs.iter().filter(|(h, l)| *h == host.index() && l.line == line);
            Some(printed.map(|(_, l)| l.printed.count as f64).sum())
        }
        Check::Latency { traffic, timing, quantile, .. } => {
            run.latency(traffic, timing, quantile).map(|span| seconds(span.0))
        }
        Check::BindsFirst(_) | Check::ErlangB { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_their_unit() {
        for (unit, value, text) in [
            (Unit::Count, 28_232.0, "28,232"),
            (Unit::Count, 6_038.25, "6,038"),
            (Unit::Count, 12.5, "12.5"),
            (Unit::Bytes, 2048.0, "2 KiB"),
            (Unit::Seconds, 28.232, "28.23 s"),
            (Unit::Share, 0.061_23, "6.12%"),
            (Unit::Share, 0.000_123, "0.012%"),
            (Unit::PerSecond, 470.533, "470.5/s"),
            (Unit::Holds, 1.0, "100%"),
        ] {
            assert_eq!(unit.write(value), text);
        }
    }
}
