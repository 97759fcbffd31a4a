//! Layout: panels below each other under one title, with room for every text.

use super::axis::{self, Scale, Tick};
use super::font;
use super::legend;
use super::marks::{self, Mark};
use super::palette::{FRAME, GRID, INK, LIMIT_DASH, SOFT_INK};
use super::panel::{Kind, LimitLine, Measure, Panel};
use super::picture::{Anchor, Label, Picture, label};
use crate::answer;
use crate::run::Run;

const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 28.0;
/// Plot areas of all panels begin here.
const LEFT: f64 = 100.0;
/// The labels of limits, at the right of the plot, are not wider than this.
const LIMIT_ROOM: f64 = 205.0;
const LIMIT_SIZE: f64 = 12.0;
/// Height that a tick of the vertical axis wants.
const TICK_ROOM: f64 = 31.0;
/// Between the plot and the labels of limits at its right.
const LIMIT_GAP: f64 = 22.0;
/// Opacity of filled areas.
pub(super) const FILL: f64 = 0.85;

/// What all panels of a figure share, so that the same moment stands in one vertical.
struct Common {
    /// Right end of the plot areas.
    right: f64,
    /// Length of the axis of time.
    seconds: f64,
    /// Moments marked in all panels.
    marks: Vec<Mark>,
}

/// The picture of some panels of a run.
pub(super) fn figure(run: Run<'_>, panels: &[Panel]) -> Picture {
    let mut picture = Picture { width: WIDTH, height: 0.0, shapes: Vec::new() };
    let mut y = titles(&mut picture, run);
    let common = Common {
        right: WIDTH - MARGIN - panels.iter().map(limit_room).fold(0.0, f64::max),
        seconds: (run.summary.ended.0 as f64 / 1e9).max(1e-9),
        marks: marks::marks(run),
    };
    let mut labelled = false;
    for (i, panel) in panels.iter().enumerate() {
        let last = i + 1 == panels.len();
        // Below each other the lines of the marks continue, so one row of labels names them all.
        y = draw_panel(&mut picture, panel, &common, y, !labelled, last);
        labelled |= !panel.curves.is_empty();
    }
    picture.height = (y + MARGIN * 0.6).ceil();
    picture
}

/// Room at the right of the plot for the labels of a panel's limits.
fn limit_room(panel: &Panel) -> f64 {
    let width = |l: &LimitLine| {
        let name = font::wrap(&l.name, LIMIT_SIZE, false, LIMIT_ROOM);
        let name = name.iter().map(|line| font::width(line, LIMIT_SIZE, false)).fold(0.0, f64::max);
        // A little more, for readers whose font is wider than ours.
        name.max(font::width(&l.number, LIMIT_SIZE, true)) * 1.1 + LIMIT_GAP
    };
    panel.limits.iter().map(width).fold(0.0, f64::max)
}

/// The scenario's title, and below it what happened. Returns where the panels begin.
fn titles(picture: &mut Picture, run: Run<'_>) -> f64 {
    let room = WIDTH - 2.0 * MARGIN;
    let mut y = MARGIN + 14.0;
    for line in font::wrap(&run.scenario.title, 21.0, true, room) {
        picture.text(Label { bold: true, ..label((MARGIN, y), line, 21.0, INK) });
        y += 27.0;
    }
    y -= 2.0;
    let bound = run.summary.bound_first().is_some();
    let headline = format!("{}{}", if bound { "Ran out first: " } else { "" }, answer::headline(run));
    for line in font::wrap(&headline, 13.5, false, room) {
        picture.text(label((MARGIN, y), line, 13.5, SOFT_INK));
        y += 19.0;
    }
    y
}

/// Draws one panel from `top` on; returns where the next may begin.
fn draw_panel(
    picture: &mut Picture,
    panel: &Panel,
    common: &Common,
    top: f64,
    labelled: bool,
    last: bool,
) -> f64 {
    let mut y = top + 22.0;
    picture.text(Label { bold: true, ..label((MARGIN, y), panel.heading.as_str(), 15.0, INK) });
    y += 8.0;
    y += legend::draw(picture, panel, (MARGIN, WIDTH - MARGIN), y);
    let x = Scale { top: common.seconds, from: LEFT, to: common.right };
    let marks = if panel.curves.is_empty() { &[] } else { common.marks.as_slice() };
    let placed = marks::arrange(marks, labelled, x);
    // The unit of the axis stands at the left of the labels of the marks.
    let strip = y + 4.0;
    let plot_top = strip + placed.height().max(marks::ROW) + 6.0;
    let plot_bottom = plot_top + if panel.curves.is_empty() { panel.height.min(90.0) } else { panel.height };
    let (unit, times) = axis::times(common.seconds);
    if panel.curves.is_empty() {
        blank(picture, panel.empty, x, plot_top, plot_bottom);
        time_axis(picture, x, &times, plot_bottom, plot_bottom);
    } else {
        picture.text(Label {
            anchor: Anchor::End,
            ..label((LEFT - 8.0, plot_top - 13.0), panel.unit.as_str(), 12.0, SOFT_INK)
        });
        let (highest, ticks) = match panel.measure {
            Measure::Count => axis::counts(panel.highest(), (panel.height / TICK_ROOM).clamp(2.0, 6.0)),
            Measure::Percent => axis::percents(panel.highest()),
        };
        let scale = Scale { top: highest, from: plot_bottom, to: plot_top };
        value_axis(picture, scale, &ticks, common.right);
        time_axis(picture, x, &times, plot_top, plot_bottom);
        curves(picture, panel, x, scale);
        limits(picture, &panel.limits, scale, common.right);
        let corner = [(LEFT, plot_top), (LEFT, plot_bottom), (common.right, plot_bottom)];
        picture.line(corner.to_vec(), FRAME, 1.0, &[]);
        marks::draw(picture, &placed, strip, plot_top, plot_bottom);
    }
    let mut end = plot_bottom + 22.0;
    if last {
        end += 20.0;
        let at = (f64::midpoint(LEFT, common.right), end);
        let text = format!("simulated time ({unit})");
        picture.text(Label { anchor: Anchor::Middle, ..label(at, text, 13.0, SOFT_INK) });
    }
    end + 10.0
}

/// A panel without data: a grey field that says so.
fn blank(picture: &mut Picture, text: &str, x: Scale, top: f64, bottom: f64) {
    let field = vec![(x.from, top), (x.to, top), (x.to, bottom), (x.from, bottom)];
    picture.area(field, GRID, 0.45);
    let middle = (f64::midpoint(x.from, x.to), f64::midpoint(top, bottom) + 5.0);
    picture.text(Label { anchor: Anchor::Middle, ..label(middle, text, 15.0, SOFT_INK) });
}

/// Ticks and lines of the vertical axis.
fn value_axis(picture: &mut Picture, y: Scale, ticks: &[Tick], right: f64) {
    for tick in ticks {
        let at = y.place(tick.value);
        picture.line(vec![(LEFT, at), (right, at)], GRID, 1.0, &[]);
        let place = (LEFT - 8.0, at + 4.3);
        picture.text(Label { anchor: Anchor::End, ..label(place, tick.text.as_str(), 12.0, SOFT_INK) });
    }
}

/// Ticks and lines of the axis of time.
fn time_axis(picture: &mut Picture, x: Scale, times: &[Tick], top: f64, bottom: f64) {
    for tick in times {
        let at = x.place(tick.value);
        if bottom > top {
            picture.line(vec![(at, top), (at, bottom)], GRID, 1.0, &[]);
        }
        picture.line(vec![(at, bottom), (at, bottom + 5.0)], FRAME, 1.0, &[]);
        let place = (at, bottom + 19.0);
        picture.text(Label { anchor: Anchor::Middle, ..label(place, tick.text.as_str(), 12.0, SOFT_INK) });
    }
}

fn curves(picture: &mut Picture, panel: &Panel, x: Scale, y: Scale) {
    let place = |&(s, v): &(f64, f64)| (x.place(s), y.place(v));
    match panel.kind {
        Kind::Lines => {
            for curve in &panel.curves {
                picture.line(curve.points.iter().map(place).collect(), curve.color, 2.0, curve.dash);
            }
        }
        Kind::Stacked => {
            let tops = panel.stacked();
            for (i, (curve, top)) in panel.curves.iter().zip(&tops).enumerate() {
                let mut outline: Vec<_> = top.iter().map(place).collect();
                let floor = y.place(0.0);
                match i.checked_sub(1).map(|below| &tops[below]) {
                    Some(below) => outline.extend(below.iter().rev().map(place)),
                    None => outline.extend(top.iter().rev().map(|p| (x.place(p.0), floor))),
                }
                picture.area(outline, curve.color, FILL);
            }
        }
    }
    if let Some(outline) = &panel.outline {
        picture.line(outline.points.iter().map(place).collect(), outline.color, 1.5, outline.dash);
    }
}

/// Limit lines, their labels at the right of the plot, moved apart where they would meet.
fn limits(picture: &mut Picture, limits: &[LimitLine], y: Scale, right: f64) {
    const LINE: f64 = 15.0;
    const APART: f64 = 5.0;
    let left = right + LIMIT_GAP;
    let mut sorted: Vec<_> = limits.iter().collect();
    sorted.sort_by(|a, b| b.value.total_cmp(&a.value));
    // Each label with its first baseline and its height: pushed down by those above, then up by the floor.
    let mut labels = Vec::new();
    let mut free = f64::MIN;
    for limit in sorted {
        let name = font::wrap(&limit.name, LIMIT_SIZE, false, LIMIT_ROOM);
        let height = LINE * (1.0 + name.len() as f64) + APART;
        let baseline = (y.place(limit.value) + 4.3).max(free);
        free = baseline + height;
        labels.push((limit, name, baseline, height));
    }
    let mut floor = y.from + 2.0 * LINE;
    for (limit, name, baseline, height) in labels.iter_mut().rev() {
        *baseline = baseline.min(floor - *height);
        floor = *baseline;
        let at = y.place(limit.value);
        picture.line(vec![(LEFT, at), (right, at)], INK, 1.5, LIMIT_DASH);
        // Where the label had to move, its line leads to it.
        let leader = vec![(right, at), (right + 7.0, at), (left - 4.0, *baseline - 4.3)];
        picture.line(leader, INK, 1.0, &[]);
        let place = (left, *baseline);
        picture.text(Label { bold: true, ..label(place, limit.number.as_str(), LIMIT_SIZE, INK) });
        for (i, line) in name.iter().enumerate() {
            let place = (left, *baseline + LINE * (i as f64 + 1.0));
            picture.text(label(place, line.as_str(), LIMIT_SIZE, INK));
        }
    }
}
