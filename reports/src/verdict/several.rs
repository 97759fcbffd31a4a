//! Expectations of several runs: which runs they need, and the verdict on them.

use std::fmt::Write as _;

use experiments::Estimate;
use sim_core::scenario::{Band, Check, Expectation, Metric, Runs, Scenario};
use sim_core::time::{Span, Time};

use super::evaluate::{Finding, band_text, evaluate, value_text};
use super::number::{Unit, number};
use super::{Verdict, measure};
use crate::run::Run;
use crate::words::{at, count, counted, decimal};

/// A run that an expectation needs beside the run itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// With another seed.
    Seed(u64),
    /// With changes, `PATH=VALUE` each.
    Changed(Vec<String>),
}

/// The runs that the expectations of a scenario need beside the run itself, each once.
pub fn beside(scenario: &Scenario) -> Vec<Beside> {
    let mut needed = Vec::new();
    for expectation in &scenario.expect {
        for run in needs(scenario, &expectation.runs) {
            if !needed.contains(&run) {
                needed.push(run);
            }
        }
    }
    needed
}

fn needs(scenario: &Scenario, runs: &Runs) -> Vec<Beside> {
    match runs {
        Runs::This => Vec::new(),
        Runs::Seeds { of, .. } | Runs::Mean { of } => {
            (1..u64::from(*of)).map(|n| Beside::Seed(scenario.seed.wrapping_add(n))).collect()
        }
        Runs::SameCurve { changes } | Runs::Times { changes, .. } => vec![Beside::Changed(changes.clone())],
    }
}

/// Whether an expectation can be judged by one run.
pub(super) fn is_of_one(expectation: &Expectation) -> bool {
    expectation.runs == Runs::This
}

/// A verdict on each expectation, in the order of the file, with the runs that [`beside`] asked for. A run that is missing
/// counts as one that says nothing.
pub fn verdicts_of_several(run: Run<'_>, others: &[(Beside, Run<'_>)]) -> Vec<Verdict> {
    let judge = |e: &Expectation| {
        let needed = needs(run.scenario, &e.runs);
        let found = needed.iter().filter_map(|n| others.iter().find(|(o, _)| o == n).map(|(_, run)| *run));
        let others: Vec<Run<'_>> = found.collect();
        let finding = match &e.runs {
            Runs::This => evaluate(run, &e.check),
            Runs::Seeds { hold, .. } => in_seeds(run, &others, &e.check, *hold),
            Runs::Mean { .. } => mean(run, &others, &e.check),
            Runs::SameCurve { changes } => {
                with_other(e, changes, &others, |other, _| same_curve(run, other, &e.check))
            }
            Runs::Times { factor, changes } => {
                with_other(e, changes, &others, |other, check| times(run, &e.check, other, check, *factor))
            }
        };
        Verdict::new(e, finding)
    };
    run.scenario.expect.iter().map(judge).collect()
}

/// Judges by the changed run and by what the same expectation means there.
fn with_other(
    e: &Expectation,
    changes: &[String],
    others: &[Run<'_>],
    judge: impl Fn(Run<'_>, &Check) -> Finding,
) -> Finding {
    let expected = format!("as with {}", changes.join(", "));
    let Some(other) = others.first() else {
        return Finding { passed: false, expected, got: "the other run is missing".to_owned() };
    };
    // Left out there if the changes make it meaningless.
    match other.scenario.expect.iter().find(|there| there.text == e.text && there.line == e.line) {
        Some(there) => judge(*other, &there.check),
        None => Finding {
            passed: false,
            expected,
            got: "the expectation does not fit the changed scenario".to_owned(),
        },
    }
}

fn in_seeds(run: Run<'_>, others: &[Run<'_>], check: &Check, hold: u32) -> Finding {
    let all = || std::iter::once(&run).chain(others);
    let found: Vec<_> = all().map(|run| (run.scenario.seed, evaluate(*run, check))).collect();
    let held = found.iter().filter(|(_, f)| f.passed).count();
    let mut got = format!("in {held} of {}", found.len());
    if let Some((seed, first)) = found.iter().find(|(_, f)| !f.passed) {
        let failed: Vec<_> =
            found.iter().filter(|(_, f)| !f.passed).map(|(seed, _)| seed.to_string()).collect();
        let _ = write!(got, "; not with seed {}, with seed {seed} {}", failed.join(", "), first.got);
    }
    Finding {
        passed: held >= hold as usize,
        expected: format!("in {hold} of {} seeds {}", found.len(), found[0].1.expected),
        got,
    }
}

fn mean(run: Run<'_>, others: &[Run<'_>], check: &Check) -> Finding {
    let unit = Unit::of(check, false);
    let numbers: Option<Vec<f64>> =
        std::iter::once(&run).chain(others).map(|run| number(*run, check, false)).collect();
    let band = band_of(check);
    let expected = format!(
        "mean over {} of {}",
        counted(others.len() as u64 + 1, "seed", "seeds"),
        evaluate(run, check).expected
    );
    let Some(estimate) = numbers.as_deref().and_then(Estimate::of) else {
        return Finding {
            passed: false,
            expected,
            got: "there is no such number with some seeds".to_owned(),
        };
    };
    let half = estimate.half_width.unwrap_or(0.0);
    let scale = scale(unit);
    let (low, high) = ((estimate.mean - half) * scale, (estimate.mean + half) * scale);
    // Ends of a band are whole; a mean that misses one by rounding does not.
    let slack = high.abs().max(1.0) * 1e-9;
    let above = low + slack >= band.low as f64;
    let below = band.high == u64::MAX || high - slack <= band.high as f64;
    Finding {
        passed: above && below,
        expected,
        got: format!("{} ± {} (95%)", unit.write(estimate.mean), unit.write(half)),
    }
}

/// How many of a band's whole numbers make one of the number's unit.
fn scale(unit: Unit) -> f64 {
    match unit {
        Unit::Seconds => 1e9,
        Unit::Share => 1e6,
        Unit::PerSecond => 1e3,
        Unit::Count | Unit::Bytes | Unit::Holds => 1.0,
    }
}

fn band_of(check: &Check) -> Band {
    match *check {
        Check::First { band, .. }
        | Check::Peak(_, band)
        | Check::At(_, _, band)
        | Check::Count { band, .. }
        | Check::Share { band, .. }
        | Check::Rate { band, .. }
        | Check::Counter(_, _, band)
        | Check::Log(_, _, band)
        | Check::Latency { band, .. } => band,
        // Refused when the scenario is loaded.
        Check::BindsFirst(_) | Check::ErlangB { .. } => Band { low: 0, high: u64::MAX },
    }
}

fn times(run: Run<'_>, check: &Check, other: Run<'_>, there: &Check, factor: Band) -> Finding {
    let unit = Unit::of(check, false);
    let (here, there) = (number(run, check, false), number(other, there, false));
    let show = |thousandths: u64| format!("{} times", decimal(thousandths as f64 / 1e3, 3));
    let expected = format!("{} as with the changes", band_text(factor, show));
    let written = |n: Option<f64>| n.map_or_else(|| "nothing".to_owned(), |n| unit.write(n));
    let ratio = here.zip(there).filter(|(_, there)| *there > 0.0).map(|(here, there)| here / there);
    let passed = here.zip(there).is_some_and(|(here, there)| {
        let scaled = here * 1e3;
        there > 0.0
            && scaled >= factor.low as f64 * there
            && (factor.high == u64::MAX || scaled <= factor.high as f64 * there)
    });
    let times = ratio.map_or_else(String::new, |ratio| format!(": {} times", decimal(ratio, 3)));
    Finding { passed, expected, got: format!("{} against {}{times}", written(here), written(there)) }
}

fn same_curve(run: Run<'_>, other: Run<'_>, check: &Check) -> Finding {
    let Check::Peak(metric, _) = *check else {
        return Finding { passed: false, expected: String::new(), got: "no metric".to_owned() };
    };
    let expected = format!("{} the same at every sampling point, and its peak", run.metric_key(metric));
    let (mine, its) = (curve(run, metric), curve(other, metric));
    let points = mine.len().max(its.len());
    let differs = (0..points).find(|&i| mine.get(i) != its.get(i));
    let got = match differs {
        Some(i) => {
            let when = at(Time(run.summary.series.interval.0.saturating_mul(i as u64)));
            let of = |curve: &[Option<u64>]| {
                curve.get(i).copied().flatten().map_or_else(|| "nothing".to_owned(), count)
            };
            format!("at {when} {} against {}", of(&mine), of(&its))
        }
        None if measure::peak(run, metric) != measure::peak(other, metric) => {
            let peak = |run| value_text(metric, measure::peak(run, metric));
            format!("a peak of {} against {}", peak(run), peak(other))
        }
        None => format!("the same at {}", counted(points as u64, "point", "points")),
    };
    let passed = differs.is_none() && measure::peak(run, metric) == measure::peak(other, metric);
    Finding { passed, expected, got }
}

/// The values at all sampling points.
fn curve(run: Run<'_>, metric: Metric) -> Vec<Option<u64>> {
    let step = run.summary.series.interval.max(Span(1));
    let points = run.scenario.duration.0 / step.0 + 1;
    (0..points).map(|i| measure::value_at(run, metric, Time(step.0 * i))).collect()
}
