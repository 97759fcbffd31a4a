//! Pictures of a sweep: lines with bands over one axis, maps over two.

use experiments::{Axis, Estimate};

use super::axis::{self, Scale, Tick};
use super::font;
use super::palette::{ALARM, Color, FRAME, GRID, INK, SERIES, SOFT_INK};
use super::picture::{Anchor, Label, Picture, label};
use crate::sweeps::Sweep;
use crate::verdict::Unit;

const WIDTH: f64 = 1000.0;
const MARGIN: f64 = 28.0;
const LEFT: f64 = 120.0;
const RIGHT: f64 = WIDTH - 40.0;
const LINE_HEIGHT: f64 = 240.0;
/// More values than these have no place for their names on an axis.
const MOST_NAMES: usize = 12;

/// The picture of a sweep over one axis or two; none over more.
pub(super) fn scan(sweep: &Sweep<'_>) -> Option<Picture> {
    let mut picture = Picture::new(WIDTH, sweep.title);
    let mut y = MARGIN + 14.0;
    for line in font::wrap(sweep.title, 21.0, true, WIDTH - 2.0 * MARGIN) {
        picture.text(Label { bold: true, ..label((MARGIN, y), line, 21.0, INK) });
        y += 27.0;
    }
    let runs = sweep.finished().map(|p| sweep.swept.readings[p].len()).max().unwrap_or(0);
    let band = if runs > 1 { "; bands and whiskers: 95% intervals over the seeds" } else { "" };
    let note = match sweep.campaign.axes.len() {
        1 => format!("Red marks: a limit binds{band}"),
        2 => "Red lines part points at which a limit binds from those at which none does".to_owned(),
        _ => return None,
    };
    picture.text(label((MARGIN, y), note, 13.5, SOFT_INK));
    y += 12.0;
    for (measure, &unit) in sweep.units.iter().enumerate() {
        y += 28.0;
        let heading = sweep.campaign.measures[measure].replace('"', "");
        picture.text(Label { bold: true, ..label((MARGIN, y), heading, 15.0, INK) });
        y += 18.0;
        y = match &sweep.campaign.axes[..] {
            [x] => lines(&mut picture, sweep, x, (measure, unit), y),
            [rows, columns] => map(&mut picture, sweep, (rows, columns), (measure, unit), y),
            _ => y,
        };
    }
    picture.height = (y + MARGIN * 0.6).ceil();
    Some(picture)
}

/// Where the values of an axis stand, from 0 to 1: to scale if they are numbers at equal distances or nearly so, else one
/// beside the other.
fn places(axis: &Axis) -> Vec<f64> {
    let numbers: Vec<f64> =
        axis.values.iter().filter_map(|v| v.quantity.as_ref().map(experiments::Quantity::number)).collect();
    let (least, most) =
        (numbers.iter().copied().fold(f64::MAX, f64::min), numbers.iter().copied().fold(0.0, f64::max));
    let gap = |pair: &[f64]| (pair[1] - pair[0]).abs();
    let smallest = numbers.windows(2).map(gap).fold(f64::MAX, f64::min);
    // Where the gaps differ a lot (a range that is multiplied up), to scale would squeeze the small ones together.
    let even = most > least && smallest * 3.0 * numbers.len() as f64 >= most - least;
    if axis.is_numeric() && even {
        return numbers.iter().map(|n| (n - least) / (most - least)).collect();
    }
    let last = (axis.values.len().max(2) - 1) as f64;
    (0..axis.values.len()).map(|i| if axis.values.len() == 1 { 0.5 } else { i as f64 / last }).collect()
}

/// One measure over one axis: points, their intervals, and a line where the axis has a scale.
fn lines(
    picture: &mut Picture,
    sweep: &Sweep<'_>,
    x: &Axis,
    (measure, unit): (usize, Unit),
    top: f64,
) -> f64 {
    let bottom = top + LINE_HEIGHT;
    // Room at both ends, so that nothing lies on the frame.
    let place = |share: f64| LEFT + 18.0 + (RIGHT - LEFT - 36.0) * share;
    let places = places(x);
    let points: Vec<(f64, Estimate, bool)> = sweep
        .finished()
        .filter_map(|p| {
            let at = place(places[sweep.campaign.points[p].choice[0]]);
            Some((at, sweep.swept.estimate(p, measure)?, sweep.bound_first(p).0.is_some()))
        })
        .collect();
    let ends = |e: &Estimate| unit.interval(e).unwrap_or((e.mean, e.mean));
    let highest = points.iter().map(|(_, e, _)| ends(e).1).fold(0.0, f64::max);
    let (limit, ticks) = value_ticks(highest, unit);
    let scale = Scale { top: limit, from: bottom, to: top };
    for tick in &ticks {
        let at = scale.place(tick.value);
        picture.line(vec![(LEFT, at), (RIGHT, at)], GRID, 1.0, &[]);
        let text = label((LEFT - 8.0, at + 4.3), tick.text.as_str(), 12.0, SOFT_INK);
        picture.text(Label { anchor: Anchor::End, ..text });
    }
    picture.line(vec![(LEFT, top), (LEFT, bottom), (RIGHT, bottom)], FRAME, 1.0, &[]);
    let color = SERIES[measure % SERIES.len()];
    let low = |e: &Estimate| scale.place(ends(e).0);
    let high = |e: &Estimate| scale.place(ends(e).1);
    if x.is_numeric() && points.len() > 1 {
        let mut band: Vec<_> = points.iter().map(|(at, e, _)| (*at, high(e))).collect();
        band.extend(points.iter().rev().map(|(at, e, _)| (*at, low(e))));
        if points.iter().any(|(_, e, _)| e.half_width.is_some_and(|h| h > 0.0)) {
            picture.area(band, color, 0.25);
        }
        let curve = points.iter().map(|(at, e, _)| (*at, scale.place(e.mean.clamp(0.0, limit)))).collect();
        picture.line(curve, color, 2.0, &[]);
    }
    for (at, estimate, bound) in &points {
        picture.line(vec![(*at, high(estimate)), (*at, low(estimate))], color, 1.5, &[]);
        square(
            picture,
            (*at, scale.place(estimate.mean.clamp(0.0, limit))),
            if *bound { ALARM } else { color },
        );
    }
    if points.is_empty() {
        let middle = (f64::midpoint(LEFT, RIGHT), f64::midpoint(top, bottom));
        let text = label(middle, "there is no such number at any point", 15.0, SOFT_INK);
        picture.text(Label { anchor: Anchor::Middle, ..text });
    }
    names(picture, x, &places.iter().map(|p| place(*p)).collect::<Vec<_>>(), bottom)
}

fn square(picture: &mut Picture, (x, y): (f64, f64), color: Color) {
    let h = 3.5;
    picture.area(vec![(x - h, y - h), (x + h, y - h), (x + h, y + h), (x - h, y + h)], color, 1.0);
}

/// The top of an axis of values and its ticks.
fn value_ticks(highest: f64, unit: Unit) -> (f64, Vec<Tick>) {
    // Whole numbers have their own axis; everything else is scaled to numbers that have.
    let factor = match unit {
        Unit::Count | Unit::PerSecond | Unit::Bytes if highest >= 5.0 => 1.0,
        _ => {
            let mut factor = 1.0;
            while highest > 0.0 && highest * factor < 50.0 && factor < 1e15 {
                factor *= 10.0;
            }
            factor
        }
    };
    let (top, ticks) = axis::counts(if highest > 0.0 { highest * factor } else { 1.0 }, 6.0);
    let text = |value: f64| if value == 0.0 { "0".to_owned() } else { unit.write(value) };
    let part = matches!(unit, Unit::Share | Unit::Holds);
    let ticks = ticks.iter().filter(|t| !part || t.value / factor <= 1.0 + 1e-9);
    let ticks = ticks.map(|t| Tick { value: t.value / factor, text: text(t.value / factor) });
    (top / factor, ticks.collect())
}

/// The names of an axis' values below a plot, some left out where there are many, and the axis' own.
fn names(picture: &mut Picture, x: &Axis, places: &[f64], bottom: f64) -> f64 {
    let every = x.values.len().div_ceil(MOST_NAMES);
    let room = (RIGHT - LEFT) / places.len().min(MOST_NAMES) as f64 - 6.0;
    let mut lowest = 0;
    for (i, (value, &at)) in x.values.iter().zip(places).enumerate() {
        if i % every != 0 {
            continue;
        }
        picture.line(vec![(at, bottom), (at, bottom + 5.0)], FRAME, 1.0, &[]);
        let lines = font::wrap(&value.text, 12.0, false, room.max(40.0));
        lowest = lowest.max(lines.len());
        for (n, line) in lines.iter().enumerate() {
            let text = label((at, bottom + 19.0 + 14.0 * n as f64), line.as_str(), 12.0, SOFT_INK);
            picture.text(Label { anchor: Anchor::Middle, ..text });
        }
    }
    let y = bottom + 24.0 + 14.0 * lowest as f64;
    let middle = (f64::midpoint(LEFT, RIGHT), y);
    picture.text(Label { anchor: Anchor::Middle, ..label(middle, x.target.name.as_str(), 13.0, SOFT_INK) });
    y + 6.0
}

/// One measure over two axes: a field for each point, and a line around those at which a limit binds.
fn map(
    picture: &mut Picture,
    sweep: &Sweep<'_>,
    (rows, columns): (&Axis, &Axis),
    of: (usize, Unit),
    top: f64,
) -> f64 {
    let (measure, unit) = of;
    let (height, wide) = (
        26.0_f64.max(180.0 / rows.values.len() as f64).min(48.0),
        (RIGHT - LEFT) / columns.values.len() as f64,
    );
    let mut found = vec![vec![None; columns.values.len()]; rows.values.len()];
    for point in sweep.finished() {
        let choice = &sweep.campaign.points[point].choice;
        let bound = sweep.bound_first(point).0.is_some();
        found[choice[0]][choice[1]] = Some((sweep.swept.estimate(point, measure).map(|e| e.mean), bound));
    }
    let means = || found.iter().flatten().flatten().filter_map(|(mean, _)| *mean);
    let (least, most) = (means().fold(f64::MAX, f64::min), means().fold(f64::MIN, f64::max));
    // The first row at the bottom, as on any other vertical axis.
    let y = |row: usize| top + height * (rows.values.len() - 1 - row) as f64;
    let x = |column: usize| LEFT + wide * column as f64;
    for (r, c) in (0..rows.values.len()).flat_map(|r| (0..columns.values.len()).map(move |c| (r, c))) {
        let corners =
            vec![(x(c), y(r)), (x(c) + wide, y(r)), (x(c) + wide, y(r) + height), (x(c), y(r) + height)];
        let Some((Some(mean), _)) = found[r][c] else {
            picture.area(corners, GRID, 0.5);
            continue;
        };
        let share = if most > least { (mean - least) / (most - least) } else { 0.0 };
        picture.area(corners, SERIES[0], 0.08 + 0.87 * share);
        let text = unit.write(mean);
        if font::width(&text, 11.5, false) + 4.0 <= wide {
            let at = (x(c) + wide / 2.0, y(r) + height / 2.0 + 4.0);
            let ink = if share > 0.65 { (255, 255, 255) } else { INK };
            picture.text(Label { anchor: Anchor::Middle, ..label(at, text, 11.5, ink) });
        }
    }
    let bound: Vec<Vec<Option<bool>>> =
        found.iter().map(|row| row.iter().map(|f| f.map(|f| f.1)).collect()).collect();
    contour(picture, &bound, |r, c| ((x(c), y(r)), (x(c) + wide, y(r) + height)));
    let bottom = top + height * rows.values.len() as f64;
    let every = rows.values.len().div_ceil(40);
    for (r, value) in rows.values.iter().enumerate().filter(|(r, _)| r % every == 0) {
        let text = font::wrap(&value.text, 12.0, false, LEFT - MARGIN).into_iter().next().unwrap_or_default();
        let text = label((LEFT - 8.0, y(r) + height / 2.0 + 4.3), text, 12.0, SOFT_INK);
        picture.text(Label { anchor: Anchor::End, ..text });
    }
    let places: Vec<_> = (0..columns.values.len()).map(|c| x(c) + wide / 2.0).collect();
    let end = names(picture, columns, &places, bottom) + 16.0;
    let vertical = format!("upwards: {}", rows.target.name);
    let middle = (f64::midpoint(LEFT, RIGHT), end);
    picture.text(Label { anchor: Anchor::Middle, ..label(middle, vertical, 13.0, SOFT_INK) });
    end + 6.0
}

/// Corners of a field: upper left, lower right.
type Field = ((f64, f64), (f64, f64));

/// A line between fields at which a limit binds and their neighbours at which none does.
fn contour(picture: &mut Picture, bound: &[Vec<Option<bool>>], field: impl Fn(usize, usize) -> Field) {
    let at = |r: Option<usize>, c: Option<usize>| bound.get(r?)?.get(c?).copied().flatten();
    let fields = bound.iter().enumerate().flat_map(|(r, row)| (0..row.len()).map(move |c| (r, c)));
    for (r, c) in fields.filter(|&(r, c)| bound[r][c] == Some(true)) {
        let ((left, upper), (right, lower)) = field(r, c);
        for (edge, neighbour) in [
            ([(left, upper), (left, lower)], at(Some(r), c.checked_sub(1))),
            ([(right, upper), (right, lower)], at(Some(r), Some(c + 1))),
            ([(left, lower), (right, lower)], at(r.checked_sub(1), Some(c))),
            ([(left, upper), (right, upper)], at(Some(r + 1), Some(c))),
        ] {
            if neighbour == Some(false) {
                picture.line(edge.to_vec(), ALARM, 3.0, &[]);
            }
        }
    }
}
