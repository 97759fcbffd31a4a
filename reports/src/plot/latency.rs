//! How long connect() and requests took: median and 99%, where waiting is what hurts.

use sim_core::ids::TrafficId;
use sim_core::scenario::{Check, Metric, Timing};
use sim_core::time::Span;

use super::palette::{self, Color};
use super::panel::{Curve, Measure, Panel, thinned};
use crate::run::{Run, timing_name};
use crate::words;

/// Up to so many sources are drawn, the slowest first.
const MOST: usize = 3;
/// What is followed, and how it is drawn: the rare and slow stands out.
const QUANTILES: [(u16, &str, Color); 2] = [(500, "median", palette::MEDIAN), (990, "99%", palette::SLOWEST)];
/// Nobody feels less than this.
const FELT: Span = Span::from_millis(100);

/// A panel for what takes long; none if nothing was timed.
pub(super) fn panel(run: Run<'_>) -> Option<Panel> {
    let timing = [Timing::Connect, Timing::Request].into_iter().find(|&t| is_felt(run, t));
    draw(run, timing.or_else(|| claimed(run)).unwrap_or(Timing::Request))
}

/// The panel where latency is what hurts or what is claimed, else none.
pub(super) fn symptom(run: Run<'_>) -> Option<Panel> {
    let timing = [Timing::Connect, Timing::Request].into_iter().find(|&t| is_felt(run, t));
    timing.or_else(|| claimed(run)).and_then(|timing| draw(run, timing))
}

/// What an expectation speaks of.
fn claimed(run: Run<'_>) -> Option<Timing> {
    run.scenario.expect.iter().find_map(|e| match e.check {
        Check::Latency { timing, .. } => Some(timing),
        _ => None,
    })
}

/// Whether one in a hundred waits ten times as long as the median, and people feel it.
fn is_felt(run: Run<'_>, timing: Timing) -> bool {
    let of = |id, q| run.latency(Some(id), timing, q).unwrap_or_default();
    run.sources(None).any(|(id, _)| {
        let (median, slow) = (of(id, 500), of(id, 990));
        slow >= FELT && slow >= median.times(10)
    })
}

fn draw(run: Run<'_>, timing: Timing) -> Option<Panel> {
    let mut sources: Vec<(TrafficId, Span)> =
        run.sources(None).filter_map(|(id, _)| Some((id, run.latency(Some(id), timing, 990)?))).collect();
    sources.sort_by_key(|&(id, slow)| (core::cmp::Reverse(slow), id));
    let more = sources.len().saturating_sub(MOST);
    let one = sources.len() == 1;
    let shown = sources.iter().take(MOST).enumerate();
    let curves: Vec<Curve> = if one {
        let of = |(_, &(id, _))| QUANTILES.map(|quantile| curve(run, id, timing, quantile, one));
        shown.flat_map(of).flatten().collect()
    } else {
        // Of several only what one in a hundred waits longer for, each in a colour of its own.
        let color = |i: usize| palette::SERIES[i % palette::SERIES.len()];
        shown.filter_map(|(i, &(id, _))| curve(run, id, timing, (990, "99%", color(i)), one)).collect()
    };
    let what = match timing {
        Timing::Connect => "How long connect() took",
        Timing::Request => "How long requests took",
    };
    let more = if more > 0 {
        format!("; the {MOST} slowest sources, {more} more are faster")
    } else {
        String::new()
    };
    // Where more fail than wait, failures are what is looked at.
    let failed: u64 = run.sources(None).map(|(_, t)| t.failed.count).sum();
    let waited: u64 = run.sources(None).map(|(_, t)| t.latency(timing).at_least(FELT)).sum();
    let interval = words::span(run.summary.series.interval);
    (!curves.is_empty()).then(|| Panel {
        curves,
        weight: if failed > waited { 0.8 } else { 1.0 },
        ..Panel::lines(format!("{what} (of those done within {interval}{more})"), "", Measure::Seconds)
    })
}

/// A quantile of one source, sample by sample; broken where nothing was timed.
fn curve(
    run: Run<'_>,
    id: TrafficId,
    timing: Timing,
    (quantile, name, color): (u16, &str, Color),
    one: bool,
) -> Option<Curve> {
    let series = &run.summary.series;
    let values = series.get(Metric::Latency(id, timing, quantile))?;
    let value = |v: u64| if v == 0 { f64::NAN } else { v as f64 / 1e9 };
    let points = values.iter().enumerate().map(|(row, &v)| (series.time(row).0 as f64 / 1e9, value(v)));
    let whole = run.latency(Some(id), timing, u32::from(quantile)).unwrap_or_default();
    let source = if one { String::new() } else { format!("{} ", run.traffic_name(Some(id))) };
    Some(Curve {
        name: format!("{source}{} {name}, {} over the whole run", timing_name(timing), words::span(whole)),
        color,
        dash: run.scenario.traffic.get(id.index()).map_or(palette::SOLID, |t| palette::dash(run, t.from)),
        points: thinned(points.collect()),
    })
}
