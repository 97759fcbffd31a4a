//! What became of connection attempts, per second.

use sim_core::errno::Errno;
use sim_core::ids::TrafficId;
use sim_core::scenario::{Metric, Outcome};

use super::palette;
use super::panel::{Curve, Kind, Measure, Panel};
use crate::run::Run;
use crate::words;

/// About so many steps stand side by side.
const STEPS: u64 = 200;

/// The panel.
pub(super) fn panel(run: Run<'_>) -> Panel {
    let rows_per_step = rows_per_step(run);
    let total = |o| run.tally(None, o).count;
    let mut outcomes = vec![(Outcome::Connected, palette::SUCCESS, "connected".to_owned())];
    for &errno in Errno::ALL {
        outcomes.push((Outcome::Error(errno), palette::errno(errno), errno.name().to_owned()));
    }
    let curves: Vec<Curve> = outcomes
        .into_iter()
        .filter(|(o, ..)| total(*o) > 0)
        .filter_map(|(o, color, name)| {
            let name = format!("{name}, {} in all", words::count(total(o)));
            curve(run, o, color, name, rows_per_step)
        })
        .collect();
    let attempted = total(Outcome::Attempted);
    let name = format!("attempted, {} in all", words::count(attempted));
    let outline = if attempted == 0 {
        None
    } else {
        curve(run, Outcome::Attempted, palette::INK, name, rows_per_step)
            .map(|c| Curve { dash: &[3.0, 3.0], ..c })
    };
    let step = words::span(run.summary.series.interval.times(rows_per_step as u64));
    Panel {
        heading: format!("Connection attempts by outcome (mean over {step})"),
        unit: "per second".to_owned(),
        measure: Measure::Count,
        kind: Kind::Stacked,
        empty: if attempted == 0 {
            "no connection attempts in this run"
        } else {
            "no attempt ended in this run"
        },
        outline: outline.filter(|_| !curves.is_empty()),
        curves,
        limits: Vec::new(),
        height: 260.0,
    }
}

/// How many sampling intervals make one step: a round length, not more than some hundred steps, a second if that fits.
fn rows_per_step(run: Run<'_>) -> usize {
    const SECOND: u64 = 1_000_000_000;
    let interval = run.summary.series.interval.0.max(1);
    let wanted = (run.summary.ended.0 / STEPS).max(interval);
    let round = (0..13u32).flat_map(|p| [1, 2, 5].map(|m| m * 10u64.pow(p) * 1_000));
    let fits = |ns: &u64| *ns >= wanted && ns.is_multiple_of(interval);
    let ns = round.filter(|&ns| ns <= 1_000 * SECOND).find(fits).unwrap_or(wanted);
    usize::try_from(ns.div_ceil(interval)).unwrap_or(1).max(1)
}

/// The rate of an outcome over all traffic as steps: each value stands from the begin of its interval to the end.
fn curve(
    run: Run<'_>,
    outcome: Outcome,
    color: palette::Color,
    name: String,
    rows_per_step: usize,
) -> Option<Curve> {
    let series = &run.summary.series;
    let of_source = |t| series.get(Metric::Outcome(t, outcome));
    let columns: Vec<&[u64]> =
        (0u16..).map(TrafficId).take(run.summary.traffic.len()).filter_map(of_source).collect();
    if columns.is_empty() || series.rows < 2 {
        return None;
    }
    let total = |row: usize| -> u64 { columns.iter().filter_map(|c| c.get(row)).sum() };
    let mut points = Vec::new();
    for first in (0..series.rows - 1).step_by(rows_per_step) {
        let last = (first + rows_per_step).min(series.rows - 1);
        let (from, to) = (series.time(first).0 as f64 / 1e9, series.time(last).0 as f64 / 1e9);
        let rate = total(last).saturating_sub(total(first)) as f64 / (to - from);
        points.extend([(from, rate), (to, rate)]);
    }
    Some(Curve { name, color, dash: palette::SOLID, points })
}
