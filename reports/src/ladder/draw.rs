//! Where everything of a ladder stands, drawn with a pen: the same for a page, a slide and a picture.
//!
//! Time runs downward. Short times are drawn longer than they are and long ones shorter; where a long time is left out, the
//! lifelines are broken and the time stands beside the break.

use std::fmt::Write as _;

use sim_core::tcp::State;
use sim_core::time::{Span, Time};

use super::{Arrow, Ladder, Look, MarkKind, Row, What, seconds};
use crate::words;

/// Everything is measured in these.
pub(crate) const WIDTH: i64 = 1_000;
const TOP: i64 = 64;
/// The outer lifelines, from either edge.
const MARGIN: i64 = 318;
const LINE: i64 = 17;
const CHARACTER: i64 = 7;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Title,
    /// The name of a column.
    Column,
    Time,
    Gap,
    Call,
    Timer,
    Bad,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stroke {
    Life,
    /// A lifeline where time is left out.
    Cut,
    /// An arrow, and whether it gets there.
    Arrow(Look, bool),
}

/// Which end of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Start,
    Middle,
    End,
}

/// A place: right and down from the upper left corner.
pub(crate) type Place = (i64, i64);

/// Draws what it is told.
pub(crate) trait Pen {
    /// A text on a baseline.
    fn text(&mut self, ink: Ink, at: Place, align: Align, text: &str);
    /// A text along an arrow that rises or falls by a slope, clear of what it crosses.
    fn along(&mut self, at: Place, slope: f64, text: &str);
    /// A line.
    fn line(&mut self, stroke: Stroke, from: Place, to: Place);
    /// The point of an arrow.
    fn head(&mut self, corners: [Place; 3]);
    /// A bar of a state: where, how wide, how high.
    fn state(&mut self, state: State, at: Place, size: Place);
    /// Ground that covers what was drawn.
    fn ground(&mut self, at: Place, size: Place);
}

/// Where a point of a row stands.
#[derive(Clone, Copy, Debug, Default)]
struct Spot {
    row: usize,
    /// The arrival of an arrow.
    arrival: bool,
    column: usize,
    at: Time,
    y: i64,
}

/// A time that is not drawn at its length.
#[derive(Clone, Copy, Debug)]
struct Break {
    y: i64,
    left_out: Span,
}

/// Where everything stands.
pub(crate) struct Plan {
    spots: Vec<Spot>,
    breaks: Vec<Break>,
    pub(crate) height: i64,
}

impl Ladder {
    /// Draws the ladder, which has been folded, by its plan.
    pub(crate) fn draw(&self, plan: &Plan, pen: &mut impl Pen) {
        pen.text(Ink::Title, (16, 26), Align::Start, &self.title);
        self.lifelines(plan, pen);
        self.times(plan, pen);
        for (i, row) in self.rows.iter().enumerate() {
            let spot = || plan.spots.iter().find(|spot| spot.row == i);
            match &row.what {
                What::Arrow(arrow) => self.draw_arrow(plan, i, arrow, pen),
                What::Mark(mark) => {
                    let Some(spot) = spot() else { continue };
                    let ink = match mark.kind {
                        MarkKind::State(_) => Ink::Plain,
                        MarkKind::Call => Ink::Call,
                        MarkKind::Timer => Ink::Timer,
                        MarkKind::Trouble => Ink::Bad,
                    };
                    self.beside(mark.column, spot.y, &mark.text, ink, pen);
                }
                What::Folded(text) => {
                    let Some(spot) = spot() else { continue };
                    pen.text(Ink::Gap, (WIDTH / 2, spot.y), Align::Middle, &format!("⋮ {text}"));
                }
            }
        }
    }

    fn x(&self, column: usize) -> i64 {
        MARGIN + (WIDTH - 2 * MARGIN) * column as i64 / self.last().max(1) as i64
    }

    /// Gives each point its height: in order of time, and no text over another.
    pub(crate) fn plan(&self) -> Plan {
        let mut spots = self.spots();
        let times: Vec<Time> = spots.iter().map(|spot| spot.at).collect();
        let mut gaps: Vec<u64> = times.windows(2).map(|w| w[1].0 - w[0].0).filter(|&gap| gap > 0).collect();
        gaps.sort_unstable();
        let unit = gaps.get(gaps.len() / 4).copied().unwrap_or(1).max(1);
        let columns = self.columns.len();
        let (mut marks, mut points) = (vec![0; columns], vec![0; columns]);
        let (mut y, mut lowest, mut breaks) = (TOP + 30, TOP + 30, Vec::new());
        let mut before = times.first().copied().unwrap_or(Time::ZERO);
        for spot in &mut spots {
            if spot.at > before {
                let gap = spot.at.since(before);
                let doublings = i64::from((gap.0 / unit).max(1).ilog2());
                y = lowest + (18 + 7 * doublings).min(46);
                if gap.0 > unit.saturating_mul(40) && gap >= Span::from_millis(100) {
                    y += 20;
                    breaks.push(Break { y: i64::midpoint(lowest, y), left_out: gap });
                }
                before = spot.at;
            }
            let column = spot.column;
            spot.y = match &self.rows[spot.row].what {
                What::Mark(mark) => {
                    let y = y.max(marks[column]).max(points[column] - LINE);
                    marks[column] = y + LINE * wrapped(&mark.text).len() as i64;
                    y
                }
                What::Arrow(_) => {
                    let y = y.max(points[column]).max(marks[column] - LINE);
                    points[column] = y + LINE + 3;
                    y
                }
                What::Folded(_) => {
                    let y = lowest + LINE;
                    marks.fill(y + LINE);
                    points.fill(y + LINE);
                    y
                }
            };
            lowest = lowest.max(spot.y);
        }
        Plan { spots, breaks, height: lowest + 40 }
    }

    /// Every point, in order of time.
    fn spots(&self) -> Vec<Spot> {
        let mut spots = Vec::with_capacity(self.rows.len() * 2);
        for (row, Row { at, what }) in self.rows.iter().enumerate().map(|(i, row)| (i, row.clone())) {
            let spot = |column, at, arrival| Spot { row, arrival, column, at, y: 0 };
            match what {
                What::Arrow(arrow) => {
                    spots.push(spot(arrow.from, at, false));
                    if arrow.lost.is_none() {
                        spots.push(spot(arrow.to, arrow.arrives, true));
                    }
                }
                What::Mark(mark) => spots.push(spot(mark.column, at, false)),
                What::Folded(_) => spots.push(spot(0, at, false)),
            }
        }
        spots.sort_by_key(|spot| (spot.at, spot.row));
        spots
    }

    fn lifelines(&self, plan: &Plan, pen: &mut impl Pen) {
        let bottom = plan.height - 16;
        for (column, name) in self.columns.iter().enumerate() {
            let x = self.x(column);
            pen.text(Ink::Column, (x, TOP - 10), Align::Middle, name);
            pen.line(Stroke::Life, (x, TOP), (x, bottom));
            self.states(plan, column, bottom, pen);
        }
        for gap in &plan.breaks {
            for column in 0..self.columns.len() {
                let x = self.x(column);
                pen.ground((x - 7, gap.y - 6), (14, 12));
                pen.line(Stroke::Cut, (x, gap.y - 6), (x, gap.y + 6));
            }
            let text = format!("{} later", words::span(gap.left_out));
            pen.text(Ink::Gap, (WIDTH / 2, gap.y + 4), Align::Middle, &text);
        }
    }

    /// The state of a connection is a bar on its lifeline.
    fn states(&self, plan: &Plan, column: usize, bottom: i64, pen: &mut impl Pen) {
        let mut now: Option<(State, i64)> = None;
        let mut bar = |now: Option<(State, i64)>, to: i64| {
            let there = now.filter(|(state, _)| !matches!(state, State::Closed | State::Listen));
            let Some((state, from)) = there else { return };
            pen.state(state, (self.x(column) - 3, from), (6, (to - from).max(1)));
        };
        for spot in plan.spots.iter().filter(|spot| spot.column == column) {
            if let What::Mark(super::Mark { kind: MarkKind::State(state), .. }) = &self.rows[spot.row].what {
                let y = spot.y - 4;
                bar(now, y);
                now = Some((*state, y));
            }
        }
        bar(now, bottom);
    }

    /// The times at either edge, one for each moment.
    fn times(&self, plan: &Plan, pen: &mut impl Pen) {
        for (column, x, align) in [(0, 12, Align::Start), (self.last(), WIDTH - 12, Align::End)] {
            let mut before = None;
            for spot in plan.spots.iter().filter(|spot| spot.column == column) {
                if before != Some(spot.at) {
                    pen.text(Ink::Time, (x, spot.y), align, &format!("{} s", seconds(spot.at)));
                }
                before = Some(spot.at);
            }
        }
    }

    /// Words beside a lifeline: outside of the outer ones, to the right of the others.
    fn beside(&self, column: usize, y: i64, text: &str, ink: Ink, pen: &mut impl Pen) {
        let (x, align) =
            if column == 0 { (self.x(0) - 12, Align::End) } else { (self.x(column) + 12, Align::Start) };
        for (i, line) in wrapped(text).iter().enumerate() {
            pen.text(ink, (x, y + i as i64 * LINE), align, line);
        }
    }

    fn draw_arrow(&self, plan: &Plan, row: usize, arrow: &Arrow, pen: &mut impl Pen) {
        let spot = |arrival: bool| plan.spots.iter().find(|spot| spot.row == row && spot.arrival == arrival);
        let Some(begin) = spot(false) else { return };
        let (x1, y1) = (self.x(arrow.from), begin.y - 4);
        let side = if arrow.to > arrow.from { 1 } else { -1 };
        let (mut x2, mut y2) = (self.x(arrow.to), spot(true).map_or(y1 + 12, |end| end.y - 4));
        if arrow.lost.is_some() {
            // Somewhere on the last part of its way.
            let before = self.x((arrow.to as i64 - side) as usize);
            x2 = before + (x2 - before) * 6 / 10;
            y2 = y1 + 8;
        }
        let (from, to) = (x1 + 5 * side, x2 - 5 * side);
        pen.line(Stroke::Arrow(arrow.look, arrow.lost.is_none()), (from, y1), (to, y2));
        if let Some(why) = &arrow.lost {
            let (align, x) = if side > 0 { (Align::Start, to + 8) } else { (Align::End, to - 8) };
            pen.text(Ink::Bad, (x, y2 + 4), align, &format!("✗ {why}"));
        } else {
            let back = to - 9 * side;
            let lean = (y2 - y1) * 9 / (to - from).abs().max(1);
            pen.head([(to, y2), (back, y2 - lean - 4), (back, y2 - lean + 4)]);
        }
        // The label lies along its arrow.
        let slope = (y2 - y1) as f64 / (to - from) as f64;
        pen.along((i64::midpoint(from, to), i64::midpoint(y1, y2)), slope, &arrow.label);
    }

    /// Everything in words, in order, as far as anybody would listen.
    pub fn spoken(&self) -> String {
        const MOST: usize = 120;
        let name = |column: usize| self.columns.get(column).map_or("?", String::as_str);
        let mut text = self.about.clone();
        for row in self.rows.iter().take(MOST) {
            let at = seconds(row.at);
            let _ = match &row.what {
                What::Arrow(Arrow { from, to, label, lost: Some(why), .. }) => {
                    write!(text, " At {at} s {} to {}: {label}, {why}.", name(*from), name(*to))
                }
                What::Arrow(Arrow { from, to, label, arrives, .. }) => {
                    let arrives = seconds(*arrives);
                    write!(
                        text,
                        " At {at} s {} to {}: {label}, there at {arrives} s.",
                        name(*from),
                        name(*to)
                    )
                }
                What::Mark(mark) => write!(text, " At {at} s {}: {}.", name(mark.column), mark.text),
                What::Folded(told) => write!(text, " From {at} s: {told}."),
            };
        }
        if self.rows.len() > MOST {
            let _ = write!(text, " And {} more.", self.rows.len() - MOST);
        }
        text.trim_start().to_owned()
    }
}

/// Words in lines that fit between the time and the lifeline.
fn wrapped(text: &str) -> Vec<String> {
    let room = ((MARGIN - 12 - 90) / CHARACTER) as usize;
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
