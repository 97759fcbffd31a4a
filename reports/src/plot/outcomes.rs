//! What became of connection attempts, or of requests where those are another number, per second.

use sim_core::errno::Errno;
use sim_core::ids::TrafficId;
use sim_core::scenario::{Metric, Outcome};

use super::palette::{self, Color};
use super::panel::{Curve, Kind, Measure, Panel};
use crate::run::Run;
use crate::words;

/// About so many steps stand side by side.
const STEPS: u64 = 200;
/// Up to so many sources have a panel each if they fare differently.
const MOST_PANELS: usize = 3;
/// Which is: their shares of failures are so far apart.
const APART: f64 = 0.05;

/// A panel for all sources together, or one for each if they fare differently.
pub(super) fn panels(run: Run<'_>) -> Vec<Panel> {
    let busy: Vec<TrafficId> = run
        .sources(None)
        .filter(|(_, t)| t.attempted.count + t.requested.count > 0)
        .map(|(id, _)| id)
        .collect();
    let groups = groups(run, &busy);
    let harms: Vec<f64> = groups.iter().map(|(_, sources)| harm(run, sources)).collect();
    let apart =
        harms.iter().fold(0.0, |a, &b| f64::max(a, b)) - harms.iter().fold(1.0, |a, &b| f64::min(a, b));
    if (2..=MOST_PANELS).contains(&groups.len()) && apart > APART {
        return groups.iter().map(|(name, sources)| panel(run, sources, Some(name))).collect();
    }
    vec![panel(run, &busy, None)]
}

/// Sources with their names; replicas (`web-1`, `web-2`) are one.
pub(super) fn groups<'a>(run: Run<'a>, sources: &[TrafficId]) -> Vec<(&'a str, Vec<TrafficId>)> {
    let mut groups: Vec<(&str, Vec<TrafficId>)> = Vec::new();
    for &id in sources {
        let name = run.traffic_name(Some(id));
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let name = stem.strip_suffix('-').filter(|_| stem.len() < name.len()).unwrap_or(name);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, ids)) => ids.push(id),
            None => groups.push((name, vec![id])),
        }
    }
    groups
}

/// The share of what was begun that came to no good.
fn harm(run: Run<'_>, sources: &[TrafficId]) -> f64 {
    let all = || sources.iter().map(|id| &run.summary.traffic[id.index()]);
    let bad: u64 = all().map(|t| t.failed.count + t.pending + t.waiting.count()).sum();
    let begun: u64 = all().map(|t| t.attempted.count.max(t.requested.count)).sum();
    bad as f64 / begun.max(1) as f64
}

/// What is counted.
struct Unit {
    heading: &'static str,
    begun: Outcome,
    begun_name: &'static str,
    well: Outcome,
    well_name: &'static str,
    /// Where failures are not told by their errors.
    given_up: bool,
    pending: &'static str,
    left: u64,
}

/// Attempts; requests where most connections carry several or where being connected does not mean being served.
fn unit(run: Run<'_>, sources: &[TrafficId]) -> Unit {
    let total = |o| sum(run, sources, o);
    let (attempted, connected) = (total(Outcome::Attempted), total(Outcome::Connected));
    let (requested, answered) = (total(Outcome::Requested), total(Outcome::Answered));
    let of = |f: fn(&sim_core::record::TrafficSummary) -> u64| {
        sources.iter().map(|id| f(&run.summary.traffic[id.index()])).sum::<u64>()
    };
    let differ = answered * 100 < connected * 95 || requested * 100 > attempted * 105;
    if requested > 0 && differ {
        let failed = total(Outcome::Failed);
        return Unit {
            heading: "Requests by what became of them, when it did",
            begun: Outcome::Requested,
            begun_name: "wanted",
            well: Outcome::Answered,
            well_name: "answered",
            given_up: failed != total(Outcome::Abandoned),
            pending: "not answered yet",
            left: of(|t| t.waiting.count()),
        };
    }
    Unit {
        heading: "Connection attempts by outcome, when it came",
        begun: Outcome::Attempted,
        begun_name: "attempted",
        well: Outcome::Connected,
        well_name: "connected",
        given_up: false,
        pending: "no outcome yet",
        left: of(|t| t.pending),
    }
}

fn sum(run: Run<'_>, sources: &[TrafficId], outcome: Outcome) -> u64 {
    sources.iter().map(|&id| run.tally(Some(id), outcome).count).sum()
}

fn panel(run: Run<'_>, sources: &[TrafficId], name: Option<&str>) -> Panel {
    let rows_per_step = rows_per_step(run);
    let unit = unit(run, sources);
    let mut outcomes = vec![(unit.well, palette::SUCCESS, unit.well_name.to_owned())];
    if unit.given_up {
        outcomes.push((Outcome::Abandoned, palette::ALARM, "given up".to_owned()));
    } else {
        let errors = Errno::ALL.iter().map(|&e| (Outcome::Error(e), palette::errno(e), e.name().to_owned()));
        outcomes.extend(errors);
    }
    let draw = |outcome, color, name: &str| {
        let total = sum(run, sources, outcome);
        let name = format!("{name}, {} in all", words::count(total));
        (total > 0).then(|| curve(run, sources, outcome, color, name, rows_per_step)).flatten()
    };
    let curves: Vec<Curve> = outcomes.iter().filter_map(|(o, color, name)| draw(*o, *color, name)).collect();
    let outline = draw(unit.begun, palette::INK, unit.begun_name).map(|c| Curve { dash: &[3.0, 3.0], ..c });
    let nothing = outline.is_none();
    let step = words::span(run.summary.series.interval.times(rows_per_step as u64));
    let source = name.map(|name| format!("{name}: ")).unwrap_or_default();
    let mut panel = Panel {
        kind: Kind::Stacked,
        empty: if nothing { "no connection attempts in this run" } else { "no attempt ended in this run" },
        outline: outline.filter(|_| !curves.is_empty()),
        curves,
        ..Panel::lines(format!("{source}{} (mean over {step})", unit.heading), "per second", Measure::Count)
    };
    if is_much(&panel) {
        panel.pending = Some(match unit.left {
            0 => format!("{}, none at the end", unit.pending),
            left => format!("{}, {} at the end", unit.pending, words::count(left)),
        });
    }
    panel
}

/// Whether the space between a stack and its outline is worth a mark: more than a hundredth of what was begun.
fn is_much(panel: &Panel) -> bool {
    let (Some(outline), Some(top)) = (&panel.outline, panel.stacked().pop()) else { return false };
    let missing: f64 = outline.points.iter().zip(&top).map(|(o, t)| (o.1 - t.1).max(0.0)).sum();
    let all: f64 = outline.points.iter().map(|o| o.1).sum();
    missing > all * 0.01
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

/// The rate of an outcome over some sources as steps: each value stands from the begin of its interval to the end.
fn curve(
    run: Run<'_>,
    sources: &[TrafficId],
    outcome: Outcome,
    color: Color,
    name: String,
    rows_per_step: usize,
) -> Option<Curve> {
    let series = &run.summary.series;
    let of_source = |&t: &TrafficId| series.get(Metric::Outcome(t, outcome));
    let columns: Vec<&[u64]> = sources.iter().filter_map(of_source).collect();
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
