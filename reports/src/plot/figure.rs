//! Layout: panels below each other under one title, with room for every text, in the shape of a slide if that is enough.

use super::axis::{self, Scale, Tick};
use super::font;
use super::legend;
use super::marks::{self, Mark};
use super::palette::{ALARM, FRAME, GRID, INK, LIMIT_DASH, PAPER, SOFT_INK};
use super::panel::{Bar, Kind, LimitLine, Measure, Panel};
use super::picture::{Anchor, Label, Picture, label};
use crate::answer;
use crate::run::Run;

const MARGIN: f64 = 28.0;
/// Plot areas of all panels begin here.
const LEFT: f64 = 100.0;
const LIMIT_SIZE: f64 = 12.0;
/// Height that a tick of the vertical axis wants.
const TICK_ROOM: f64 = 31.0;
/// The least height of a plot, and of one bar.
const LEAST: f64 = 72.0;
const LEAST_BAR: f64 = 26.0;
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
    /// Height that the plots share.
    flexible: f64,
    /// Their weights together.
    weights: f64,
}

/// The picture of some panels of a run, so many units wide; sixteen to nine, or higher if it has to be.
pub(super) fn figure(run: Run<'_>, panels: &[Panel], width: f64) -> Picture {
    let mut common = Common {
        right: width - MARGIN,
        seconds: (run.summary.ended.0 as f64 / 1e9).max(1e-9),
        marks: marks::marks(run),
        flexible: 0.0,
        weights: panels.iter().map(|p| p.weight).sum::<f64>().max(1e-9),
    };
    // What stands beside the plots is as high as it is; the rest is theirs.
    let least: f64 = panels.iter().map(least_height).sum();
    let fixed = arranged(run, panels, &common, width).height - least;
    common.flexible = (width * 9.0 / 16.0 - fixed).floor().max(0.0);
    arranged(run, panels, &common, width)
}

fn least_height(panel: &Panel) -> f64 {
    LEAST.max(LEAST_BAR * panel.bars.len() as f64)
}

fn arranged(run: Run<'_>, panels: &[Panel], common: &Common, width: f64) -> Picture {
    let mut picture = Picture::new(width, run.scenario.title.as_str());
    let mut y = titles(&mut picture, run);
    let timed = |p: &Panel| p.kind != Kind::Bars;
    let mut labelled = false;
    for (i, panel) in panels.iter().enumerate() {
        let height = (common.flexible * panel.weight / common.weights).floor().max(least_height(panel));
        if !timed(panel) {
            y = draw_bars(&mut picture, panel, common, y, height);
            continue;
        }
        // Below each other the lines of the marks and the moments of the axis continue, so they are named once.
        let last = !panels[i + 1..].iter().any(timed);
        y = draw_panel(&mut picture, panel, common, (y, height), !labelled, last);
        labelled |= !panel.curves.is_empty();
    }
    picture.height = (y + MARGIN * 0.5).ceil();
    picture
}

/// The scenario's title, and below it what happened. Returns where the panels begin.
fn titles(picture: &mut Picture, run: Run<'_>) -> f64 {
    let room = picture.width - 2.0 * MARGIN;
    let mut y = MARGIN + 12.0;
    for line in font::wrap(&run.scenario.title, 21.0, true, room) {
        picture.text(Label { bold: true, ..label((MARGIN, y), line, 21.0, INK) });
        y += 26.0;
    }
    y -= 3.0;
    if let Some(partial) = run.partial() {
        let text = format!("PARTIAL: {partial}");
        picture.text(Label { bold: true, ..label((MARGIN, y), text, 13.5, ALARM) });
        y += 19.0;
    }
    let bound = run.summary.bound_first().is_some();
    let headline = format!("{}{}", if bound { "Ran out first: " } else { "" }, answer::headline(run));
    for line in font::wrap(&headline, 13.5, false, room) {
        picture.text(label((MARGIN, y), line, 13.5, SOFT_INK));
        y += 18.0;
    }
    y - 6.0
}

/// Draws one panel from `top` on, its plot so high; returns where the next may begin.
fn draw_panel(
    picture: &mut Picture,
    panel: &Panel,
    common: &Common,
    (top, height): (f64, f64),
    labelled: bool,
    last: bool,
) -> f64 {
    let mut y = top + 20.0;
    picture.text(Label { bold: true, ..label((MARGIN, y), panel.heading.as_str(), 14.0, INK) });
    y += 5.0;
    y += legend::draw(picture, panel, (MARGIN, common.right), y);
    let x = Scale { top: common.seconds, from: LEFT, to: common.right };
    let marks = if panel.curves.is_empty() { &[] } else { common.marks.as_slice() };
    let placed = marks::arrange(marks, labelled, x);
    // The unit of the axis stands at the left of the labels of the marks.
    let strip = y + 2.0;
    let plot_top = strip + placed.height().max(marks::ROW) + 4.0;
    let plot_bottom = plot_top + height;
    let (unit, times) = axis::times(common.seconds);
    if panel.curves.is_empty() {
        blank(picture, panel.empty, x, plot_top, plot_bottom);
        time_axis(picture, x, &times, (plot_bottom, plot_bottom), last);
    } else {
        picture.text(Label {
            anchor: Anchor::End,
            ..label((LEFT - 8.0, plot_top - 11.0), panel.unit.as_str(), 12.0, SOFT_INK)
        });
        let (highest, ticks) = values(panel, height);
        let scale = Scale { top: highest, from: plot_bottom, to: plot_top };
        value_axis(picture, scale, &ticks, common.right);
        time_axis(picture, x, &times, (plot_top, plot_bottom), last);
        // A limit lies behind the curve that it stops, its name before everything.
        for limit in &panel.limits {
            let at = scale.place(limit.value);
            picture.line(vec![(LEFT, at), (common.right, at)], INK, 1.5, LIMIT_DASH);
        }
        let corner = [(LEFT, plot_top), (LEFT, plot_bottom), (common.right, plot_bottom)];
        picture.line(corner.to_vec(), FRAME, 1.0, &[]);
        curves(picture, panel, x, scale);
        marks::draw(picture, &placed, strip, plot_top, plot_bottom);
        limits(picture, &panel.limits, scale, common.right);
    }
    let mut end = plot_bottom + if last { 18.0 } else { 2.0 };
    if last {
        end += 17.0;
        let at = (f64::midpoint(LEFT, common.right), end);
        let text = format!("simulated time ({unit})");
        picture.text(Label { anchor: Anchor::Middle, ..label(at, text, 12.5, SOFT_INK) });
    }
    end + 6.0
}

/// The top of the vertical axis and its ticks: above the highest limit there is room for its name.
fn values(panel: &Panel, height: f64) -> (f64, Vec<Tick>) {
    let parts = (height / TICK_ROOM).clamp(2.0, 6.0);
    let room = panel.highest_limit() * height / (height - 19.0).max(height / 2.0);
    let (curves, highest) = (panel.highest(), panel.highest().max(room));
    match panel.measure {
        Measure::Count => axis::counts(curves.max(room / 1.06), parts),
        Measure::Percent => axis::percents(highest, parts),
        Measure::Share => axis::scaled(highest * 1.06, parts, |share, digits| {
            format!("{}%", crate::words::decimal(share, digits))
        }),
        Measure::Seconds => axis::seconds(highest, parts),
    }
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

/// Ticks and lines of the axis of time, its numbers where they are wanted.
fn time_axis(picture: &mut Picture, x: Scale, times: &[Tick], (top, bottom): (f64, f64), named: bool) {
    for tick in times {
        let at = x.place(tick.value);
        if bottom > top {
            picture.line(vec![(at, top), (at, bottom)], GRID, 1.0, &[]);
        }
        picture.line(vec![(at, bottom), (at, bottom + 4.0)], FRAME, 1.0, &[]);
        if named {
            let place = (at, bottom + 17.0);
            picture
                .text(Label { anchor: Anchor::Middle, ..label(place, tick.text.as_str(), 12.0, SOFT_INK) });
        }
    }
}

fn curves(picture: &mut Picture, panel: &Panel, x: Scale, y: Scale) {
    let place = |&(s, v): &(f64, f64)| (x.place(s), y.place(v));
    match panel.kind {
        Kind::Lines | Kind::Bars => {
            for curve in &panel.curves {
                for whole in curve.points.split(|p| p.1.is_nan()).filter(|whole| !whole.is_empty()) {
                    let mut points: Vec<_> = whole.iter().map(place).collect();
                    if let [(x, y)] = points[..] {
                        // One value between gaps is still seen.
                        points = vec![(x - 1.0, y), (x + 1.0, y)];
                    }
                    picture.line(points, curve.color, 2.0, curve.dash);
                }
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
            if let (Some(_), Some(outline), Some(top)) = (&panel.pending, &panel.outline, tops.last()) {
                let pairs = outline.points.iter().zip(top).collect::<Vec<_>>();
                for step in pairs.chunks_exact(2).filter(|step| step[0].0.1 > step[0].1.1) {
                    hatched(picture, place(step[0].0), place(step[1].1));
                }
            }
        }
    }
    if let Some(outline) = &panel.outline {
        picture.line(outline.points.iter().map(place).collect(), outline.color, 1.5, outline.dash);
    }
}

/// A hatched rectangle from its upper left to its lower right corner; hatches of neighbours continue each other.
pub(super) fn hatched(picture: &mut Picture, (left, top): (f64, f64), (right, bottom): (f64, f64)) {
    const APART: f64 = 7.0;
    picture.area(vec![(left, top), (right, top), (right, bottom), (left, bottom)], GRID, 0.6);
    let mut sum = ((left + top) / APART).ceil() * APART;
    while sum < right + bottom {
        let (from, to) = (left.max(sum - bottom), right.min(sum - top));
        if to > from {
            picture.line(vec![(from, sum - from), (to, sum - to)], FRAME, 1.0, &[]);
        }
        sum += APART;
    }
}

/// The names of limits, each above its line and beside those that are there already.
fn limits(picture: &mut Picture, limits: &[LimitLine], y: Scale, right: f64) {
    let mut placed: Vec<(f64, f64)> = Vec::new();
    for limit in limits {
        let line = y.place(limit.value);
        // Above its line, or where that would leave the plot, below it.
        let baseline = if line - 17.0 < y.to { line + 15.0 } else { line - 5.0 };
        let width = font::width(&limit.text, LIMIT_SIZE, true);
        let beside =
            placed.iter().filter(|(other, _)| (other - baseline).abs() < 17.0).map(|(_, end)| end + 14.0);
        let x = beside.fold(LEFT + 8.0, f64::max).min((right - width).max(LEFT));
        let (top, bottom) = (baseline - 11.5, baseline + 3.5);
        let ground =
            vec![(x - 3.0, top), (x + width + 3.0, top), (x + width + 3.0, bottom), (x - 3.0, bottom)];
        picture.area(ground, PAPER, 0.85);
        picture.text(Label { bold: true, ..label((x, baseline), limit.text.as_str(), LIMIT_SIZE, INK) });
        placed.push((baseline, x + width));
    }
}

/// Draws a bar for each system below each other; returns where the next panel may begin.
fn draw_bars(picture: &mut Picture, panel: &Panel, common: &Common, top: f64, height: f64) -> f64 {
    const SIZE: f64 = 13.0;
    let mut y = top + 20.0;
    picture.text(Label { bold: true, ..label((MARGIN, y), panel.heading.as_str(), 14.0, INK) });
    y += 5.0;
    y += legend::draw(picture, panel, (MARGIN, common.right), y) + 12.0;
    let wide = |texts: &mut dyn Iterator<Item = &str>| {
        texts.map(|text| font::width(text, SIZE, true)).fold(0.0, f64::max)
    };
    let left = MARGIN + wide(&mut panel.bars.iter().map(|b| b.name.as_str())) + 12.0;
    let right = common.right - wide(&mut panel.bars.iter().map(|b| b.text.as_str())) - 16.0;
    let whole = |bar: &Bar| bar.parts.iter().map(|p| p.0).sum::<f64>();
    let (highest, ticks) = axis::counts(panel.bars.iter().map(whole).fold(0.0, f64::max) / 1.06, 8.0);
    let x = Scale { top: highest, from: left, to: right };
    let pitch = height / panel.bars.len().max(1) as f64;
    let bottom = y + height;
    for tick in &ticks {
        let at = x.place(tick.value);
        picture.line(vec![(at, y), (at, bottom)], GRID, 1.0, &[]);
        let place = (at, bottom + 17.0);
        picture.text(Label { anchor: Anchor::Middle, ..label(place, tick.text.as_str(), 12.0, SOFT_INK) });
    }
    for (i, bar) in panel.bars.iter().enumerate() {
        let (upper, lower) = (y + pitch * (i as f64 + 0.16), y + pitch * (i as f64 + 0.84));
        let baseline = f64::midpoint(upper, lower) + SIZE * 0.35;
        let mut from = 0.0;
        for (value, color) in &bar.parts {
            let (a, b) = (x.place(from), x.place(from + value));
            picture.area(vec![(a, upper), (b, upper), (b, lower), (a, lower)], *color, FILL);
            from += value;
        }
        let name = label((left - 10.0, baseline), bar.name.as_str(), SIZE, INK);
        picture.text(Label { anchor: Anchor::End, bold: true, ..name });
        let text = label((x.place(from) + 8.0, baseline), bar.text.as_str(), SIZE, INK);
        picture.text(Label { bold: true, ..text });
    }
    let unit = label((f64::midpoint(left, right), bottom + 34.0), panel.unit.as_str(), 12.5, SOFT_INK);
    picture.text(Label { anchor: Anchor::Middle, ..unit });
    bottom + 40.0
}
