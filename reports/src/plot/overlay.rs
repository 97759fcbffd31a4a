//! Several runs on one scale: a curve for each in every panel.

use sim_core::ids::{HostId, TrafficId};
use sim_core::scenario::{Metric, Outcome};
use sim_core::tcp::State;

use super::axis::{self, Scale};
use super::legend;
use super::palette::{FRAME, GRID, HOSTS, INK, SERIES, SOFT_INK};
use super::panel::{Curve, Measure, Panel, thinned};
use super::picture::{Anchor, Label, Picture, label};
use crate::run::Run;

const WIDTH: f64 = 1000.0;
const MARGIN: f64 = 28.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = WIDTH - 40.0;
const HEIGHT: f64 = 200.0;

/// The picture of some runs with their names; panels in which nothing happened are left out.
pub(super) fn overlay(title: &str, runs: &[(&str, Run<'_>)]) -> Picture {
    let mut picture = Picture::new(WIDTH, title);
    let mut y = MARGIN + 14.0;
    for line in super::font::wrap(title, 21.0, true, WIDTH - 2.0 * MARGIN) {
        picture.text(Label { bold: true, ..label((MARGIN, y), line, 21.0, INK) });
        y += 27.0;
    }
    let longest = runs.iter().map(|(_, run)| run.summary.ended.0 as f64 / 1e9).fold(1e-9, f64::max);
    let mut panels = vec![
        panel(runs, "Connected, per second", |run| rates(run, Outcome::Connected)),
        panel(runs, "Failed, per second", |run| rates(run, Outcome::Failed)),
        panel(runs, "Sockets in TIME_WAIT on all hosts", |run| {
            summed(run, |host| Metric::Sockets(host, State::TimeWait), 1.0)
        }),
        panel(runs, "Kernel memory of all hosts, kB", |run| summed(run, Metric::Memory, 1e3)),
    ];
    panels.retain(|panel| panel.highest() > 0.0);
    merge(&mut panels);
    for (i, panel) in panels.iter().enumerate() {
        y += 20.0;
        picture.text(Label { bold: true, ..label((MARGIN, y), panel.heading.as_str(), 15.0, INK) });
        y += 8.0;
        if i == 0 {
            y += legend::draw(&mut picture, panel, (MARGIN, WIDTH - MARGIN), y);
        }
        y = draw(&mut picture, panel, longest, y + 8.0);
    }
    picture.height = (y + MARGIN * 0.6).ceil();
    picture
}

fn panel(runs: &[(&str, Run<'_>)], heading: &str, points: impl Fn(Run<'_>) -> Vec<(f64, f64)>) -> Panel {
    let curve = |(i, (name, run)): (usize, &(&str, Run<'_>))| Curve {
        name: (*name).to_owned(),
        color: SERIES[i % SERIES.len()],
        // Where one curve covers another, the dashes of the later let the earlier be seen.
        dash: HOSTS[i % HOSTS.len()],
        points: points(*run),
    };
    let curves = runs.iter().enumerate().map(curve).collect();
    Panel { curves, ..Panel::lines(heading, "", Measure::Count) }
}

/// Runs that no panel tells apart become one curve with the names of all: one would hide the other.
fn merge(panels: &mut [Panel]) {
    let mut at = 1;
    while panels.first().is_some_and(|panel| at < panel.curves.len()) {
        let alike = |earlier: &usize| panels.iter().all(|p| p.curves[*earlier].points == p.curves[at].points);
        let Some(earlier) = (0..at).find(alike) else {
            at += 1;
            continue;
        };
        for panel in &mut *panels {
            let gone = panel.curves.remove(at);
            panel.curves[earlier].name.extend([" = ", &gone.name]);
        }
    }
}

/// A cumulative outcome of all sources as a rate over steps, some hundred in all.
fn rates(run: Run<'_>, outcome: Outcome) -> Vec<(f64, f64)> {
    let series = &run.summary.series;
    let ids = (0..run.summary.traffic.len()).map(|i| TrafficId(i as u16));
    let columns: Vec<&[u64]> = ids.filter_map(|t| series.get(Metric::Outcome(t, outcome))).collect();
    let total = |row: usize| -> u64 { columns.iter().filter_map(|c| c.get(row)).sum() };
    let last = series.rows.saturating_sub(1);
    let step = last.div_ceil(150).max(1);
    let mut points = Vec::new();
    for from in (0..last).step_by(step) {
        let to = (from + step).min(last);
        let (begin, end) = (series.time(from).0 as f64 / 1e9, series.time(to).0 as f64 / 1e9);
        let rate = total(to).saturating_sub(total(from)) as f64 / (end - begin);
        points.extend([(begin, rate), (end, rate)]);
    }
    points
}

/// The sum of a metric over all hosts.
fn summed(run: Run<'_>, metric: impl Fn(HostId) -> Metric, unit: f64) -> Vec<(f64, f64)> {
    let series = &run.summary.series;
    let ids = (0..run.summary.hosts.len()).map(|i| HostId(i as u16));
    let columns: Vec<&[u64]> = ids.filter_map(|host| series.get(metric(host))).collect();
    let total = |row: usize| -> u64 { columns.iter().filter_map(|c| c.get(row)).sum() };
    let point = |row: usize| (series.time(row).0 as f64 / 1e9, total(row) as f64 / unit);
    thinned((0..series.rows).map(point).collect())
}

fn draw(picture: &mut Picture, panel: &Panel, seconds: f64, top: f64) -> f64 {
    let bottom = top + HEIGHT;
    let x = Scale { top: seconds, from: LEFT, to: RIGHT };
    let (highest, ticks) = axis::counts(panel.highest(), 5.0);
    let y = Scale { top: highest, from: bottom, to: top };
    for tick in &ticks {
        let at = y.place(tick.value);
        picture.line(vec![(LEFT, at), (RIGHT, at)], GRID, 1.0, &[]);
        let text = label((LEFT - 8.0, at + 4.3), tick.text.as_str(), 12.0, SOFT_INK);
        picture.text(Label { anchor: Anchor::End, ..text });
    }
    let (unit, times) = axis::times(seconds);
    for tick in &times {
        let at = x.place(tick.value);
        picture.line(vec![(at, bottom), (at, bottom + 5.0)], FRAME, 1.0, &[]);
        let text = label((at, bottom + 19.0), tick.text.as_str(), 12.0, SOFT_INK);
        picture.text(Label { anchor: Anchor::Middle, ..text });
    }
    picture.line(vec![(LEFT, top), (LEFT, bottom), (RIGHT, bottom)], FRAME, 1.0, &[]);
    for curve in &panel.curves {
        let points = curve.points.iter().map(|&(s, v)| (x.place(s), y.place(v))).collect();
        picture.line(points, curve.color, 2.0, curve.dash);
    }
    let middle = (f64::midpoint(LEFT, RIGHT), bottom + 36.0);
    let text = label(middle, format!("simulated time ({unit})"), 13.0, SOFT_INK);
    picture.text(Label { anchor: Anchor::Middle, ..text });
    bottom + 44.0
}
