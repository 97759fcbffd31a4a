//! Moments worth a line through the picture: the first failure, and when it was over.

use super::axis::Scale;
use super::font;
use super::palette::{ALARM, Color, SOFT_INK};
use super::picture::{Anchor, Label, Picture};
use crate::run::Run;
use crate::words;
use sim_core::scenario::Happening;
use sim_core::time::Time;

/// A moment.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) seconds: f64,
    pub(super) text: String,
    pub(super) color: Color,
}

const SIZE: f64 = 12.5;
/// More planned events than these are not named.
const MOST_PLANNED: usize = 4;
/// Height of a row of labels.
pub(super) const ROW: f64 = 18.0;

/// The moments of a run, in order of time.
pub(super) fn marks(run: Run<'_>) -> Vec<Mark> {
    let mut marks = Vec::new();
    let error = run.first_error();
    let bound = run.summary.bound_first();
    if let Some((errno, time)) = error {
        let text = format!("{}: first {errno}", words::at(time));
        marks.push(Mark { seconds: time.0 as f64 / 1e9, text, color: ALARM });
    }
    // A limit may bind long before an application notices, or without one ever noticing.
    if let Some(l) = bound.filter(|l| error.is_none_or(|(_, time)| l.refused.first != time)) {
        let text = format!("{}: {} refuses", words::at(l.refused.first), run.limit_name(l.limit));
        marks.push(Mark { seconds: l.refused.first.0 as f64 / 1e9, text, color: ALARM });
    }
    // Where failures and successes alternate from the start, the first success says nothing.
    let long = |failed: Time, recovered: Time| recovered.since(failed).0 >= run.summary.ended.0 / 50;
    let recovered = run.summary.traffic.iter().filter_map(|t| t.recovered.map(|r| (t.failed.first, r)));
    if let Some((_, time)) = recovered.filter(|&(f, r)| long(f, r)).min_by_key(|&(f, r)| (f, r)) {
        let text = format!("{}: first success after it", words::at(time));
        marks.push(Mark { seconds: time.0 as f64 / 1e9, text, color: SOFT_INK });
    }
    for event in run.scenario.events.iter().take(MOST_PLANNED) {
        let text = format!("{}: {}", words::at(event.at), happening(run, &event.what));
        marks.push(Mark { seconds: event.at.0 as f64 / 1e9, text, color: SOFT_INK });
    }
    marks.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    marks
}

/// What was planned to happen.
fn happening(run: Run<'_>, what: &Happening) -> String {
    match what {
        Happening::Link { link, up } => {
            let ends =
                run.scenario.links.get(link.index()).map_or_else(String::new, |l| {
                    format!(" {} - {}", run.host_name(l.a), run.host_name(l.b))
                });
            format!("link{ends} {}", if *up { "up" } else { "down" })
        }
        Happening::Stop { host, port } => format!("{}:{port} stops", run.host_name(*host)),
        Happening::Start { host, port, .. } => format!("{}:{port} starts", run.host_name(*host)),
        Happening::Accepting { host, port, accepting } => {
            format!(
                "{}:{port} {}",
                run.host_name(*host),
                if *accepting { "accepts again" } else { "stops accepting" }
            )
        }
        Happening::SynFlood { to, .. } => format!("a SYN flood to {to}"),
        Happening::Sysctl { host, name, value, .. } => {
            format!("{name} = {value} at {}", run.host_name(*host))
        }
    }
}

/// A label and the line that it names.
struct Named {
    label: Option<Label>,
    x: f64,
    color: Color,
    row: usize,
}

/// Marks with their places: each label near its line, none over another.
pub(super) struct Placed {
    marks: Vec<Named>,
    rows: usize,
}

impl Placed {
    /// Height of all rows.
    pub(super) fn height(&self) -> f64 {
        self.rows as f64 * ROW
    }

    /// Whether a label below a row stands in the way of a line at `x`.
    fn crossed(&self, x: f64, row: usize) -> bool {
        self.marks.iter().filter(|m| m.row > row).filter_map(|m| m.label.as_ref()).any(|l| {
            let (left, right) = l.extent();
            left - 6.0 < x && x < right + 6.0
        })
    }
}

/// Places marks on an axis of time, with or without labels.
pub(super) fn arrange(marks: &[Mark], labelled: bool, axis: Scale) -> Placed {
    let mut ends: Vec<f64> = Vec::new();
    let mut placed = Vec::new();
    for mark in marks {
        let x = axis.place(mark.seconds);
        if !labelled {
            placed.push(Named { label: None, x, color: mark.color, row: 0 });
            continue;
        }
        let width = font::width(&mark.text, SIZE, true);
        let start = (x + 5.0).clamp(axis.from, (axis.to - width).max(axis.from));
        let row = ends.iter().position(|&end| end + 24.0 <= start).unwrap_or(ends.len());
        if row == ends.len() {
            ends.push(0.0);
        }
        ends[row] = start + width;
        let label = Label {
            at: (start, row as f64 * ROW),
            text: mark.text.clone(),
            size: SIZE,
            bold: true,
            color: mark.color,
            anchor: Anchor::Start,
        };
        placed.push(Named { label: Some(label), x, color: mark.color, row });
    }
    Placed { marks: placed, rows: ends.len() }
}

/// Draws the labels from `strip` on, and their lines down to `bottom` of the plot.
pub(super) fn draw(picture: &mut Picture, placed: &Placed, strip: f64, top: f64, bottom: f64) {
    for mark in &placed.marks {
        let mut from = top - 3.0;
        if let Some(label) = &mark.label {
            let row_top = strip + label.at.1;
            // The line begins beside its label, or, where that ends at the line or lies under it, below it.
            let beside = label.at.0 > mark.x && !placed.crossed(mark.x, mark.row);
            from = if beside { row_top + 2.0 } else { from };
            picture.text(Label { at: (label.at.0, row_top + SIZE), ..label.clone() });
        }
        picture.line(vec![(mark.x, from), (mark.x, bottom)], mark.color, 1.5, &[4.0, 3.0]);
    }
}
