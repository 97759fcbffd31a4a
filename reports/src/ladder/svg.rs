//! A ladder as SVG: for a page, a slide, and a reader who cannot see it.
//!
//! Time runs downward. Short times are drawn longer than they are and long ones shorter; where a long time is left out, the
//! lifelines are broken and the time stands beside the break.

use std::fmt::Write as _;

use sim_core::tcp::State;
use sim_core::time::{Span, Time};

use super::{Arrow, Ladder, Look, MarkKind, Row, What, seconds};
use crate::words;

/// Everything is measured in these.
const WIDTH: i64 = 1_000;
const TOP: i64 = 64;
/// The outer lifelines, from either edge.
const MARGIN: i64 = 318;
const LINE: i64 = 17;
const CHARACTER: i64 = 7;

/// The style of every ladder: colours follow the page, light or dark.
pub const STYLE: &str = "\
.ladder{--ink:#222;--soft:#5f5f5f;--paper:#fff;--grid:#c9c9c9;--bad:#be1e2d;background:var(--paper);\
font:12px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}\
@media(prefers-color-scheme:dark){.ladder{--ink:#e8e8e8;--soft:#a8a8a8;--paper:#16181d;--grid:#4a4d55;--bad:#ff7b86}}\
.ladder text{fill:var(--ink)}.ladder .t,.ladder .gap{fill:var(--soft)}.ladder .h{font-weight:bold;font-size:14px}\
.ladder .title{font:bold 16px system-ui,'Noto Sans',sans-serif}.ladder .bad{fill:var(--bad)}\
.ladder .call{font-weight:bold}.ladder .timer{fill:var(--soft);font-style:italic}\
.ladder .life{stroke:var(--grid);stroke-width:2}.ladder .cut{stroke:var(--grid);stroke-width:2;stroke-dasharray:2 4}\
.ladder .a{stroke:var(--ink);stroke-width:1.5;fill:none}.ladder .again{stroke-dasharray:7 4}\
.ladder .stray{stroke-dasharray:2 4}.ladder .gone{stroke:var(--bad)}.ladder .head{fill:var(--ink)}\
.ladder .halo{fill:none;stroke:var(--paper);stroke-width:4;stroke-linejoin:round}\
.ladder .s-established{fill:#0072b2}.ladder .s-time_wait{fill:#d55e00}.ladder .s-syn_sent{fill:#56b4e9}\
.ladder .s-syn_recv{fill:#009e73}.ladder .s-fin_wait1{fill:#948c14}.ladder .s-fin_wait2{fill:#cc79a7}\
.ladder .s-close_wait{fill:#e69f00}.ladder .s-last_ack{fill:#7a7a92}.ladder .s-closing{fill:#7d4b23}\
.ladder .s-listen,.ladder .s-closed{fill:none}";

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

struct Plan {
    spots: Vec<Spot>,
    breaks: Vec<Break>,
    height: i64,
}

impl Ladder {
    /// The ladder as SVG. `id` is put before the names inside, so that several can stand on one page.
    pub fn svg(&self, id: &str) -> String {
        let ladder = self.folded();
        let plan = ladder.plan();
        let mut out = String::new();
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"ladder\" viewBox=\"0 0 {WIDTH} {}\" width=\"{WIDTH}\" \
             role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n<title id=\"{id}-title\">{}</title>\n<desc \
             id=\"{id}-desc\">{}</desc>\n<style>{STYLE}</style>\n",
            plan.height,
            escaped(&self.title),
            escaped(&ladder.spoken())
        );
        let _ = writeln!(out, "<rect width=\"{WIDTH}\" height=\"{}\" fill=\"var(--paper)\"/>", plan.height);
        let _ = writeln!(out, "<text class=\"title\" x=\"16\" y=\"26\">{}</text>", escaped(&self.title));
        ladder.lifelines(&plan, &mut out);
        ladder.times(&plan, &mut out);
        for (i, row) in ladder.rows.iter().enumerate() {
            match &row.what {
                What::Arrow(arrow) => ladder.draw_arrow(&plan, i, arrow, &mut out),
                What::Mark(mark) => {
                    let Some(spot) = plan.spots.iter().find(|spot| spot.row == i) else { continue };
                    let class = match mark.kind {
                        MarkKind::State(_) => "",
                        MarkKind::Call => "call",
                        MarkKind::Timer => "timer",
                        MarkKind::Trouble => "bad",
                    };
                    ladder.beside(mark.column, spot.y, &mark.text, class, &mut out);
                }
                What::Folded(text) => {
                    let Some(spot) = plan.spots.iter().find(|spot| spot.row == i) else { continue };
                    let _ = writeln!(
                        out,
                        "<text class=\"gap\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">⋮ {}</text>",
                        WIDTH / 2,
                        spot.y,
                        escaped(text)
                    );
                }
            }
        }
        out.push_str("</svg>\n");
        out
    }

    fn x(&self, column: usize) -> i64 {
        MARGIN + (WIDTH - 2 * MARGIN) * column as i64 / self.last().max(1) as i64
    }

    /// Gives each point its height: in order of time, and no text over another.
    fn plan(&self) -> Plan {
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

    fn lifelines(&self, plan: &Plan, out: &mut String) {
        let bottom = plan.height - 16;
        for (column, name) in self.columns.iter().enumerate() {
            let x = self.x(column);
            let _ = writeln!(
                out,
                "<text class=\"h\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text><line class=\"life\" \
                 x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{bottom}\"/>",
                TOP - 10,
                escaped(name)
            );
            self.states(plan, column, bottom, out);
        }
        for gap in &plan.breaks {
            for column in 0..self.columns.len() {
                let x = self.x(column);
                let _ = writeln!(
                    out,
                    "<rect x=\"{}\" y=\"{}\" width=\"14\" height=\"12\" fill=\"var(--paper)\"/><line class=\"cut\" \
                     x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\"/>",
                    x - 7,
                    gap.y - 6,
                    gap.y - 6,
                    gap.y + 6
                );
            }
            let _ = writeln!(
                out,
                "<text class=\"gap\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{} later</text>",
                WIDTH / 2,
                gap.y + 4,
                words::span(gap.left_out)
            );
        }
    }

    /// The state of a connection is a bar on its lifeline.
    fn states(&self, plan: &Plan, column: usize, bottom: i64, out: &mut String) {
        let mut now: Option<(State, i64)> = None;
        let mut bar = |now: Option<(State, i64)>, to: i64| {
            let Some((state, from)) =
                now.filter(|(state, _)| !matches!(state, State::Closed | State::Listen))
            else {
                return;
            };
            let _ = writeln!(
                out,
                "<rect class=\"s-{}\" x=\"{}\" y=\"{from}\" width=\"6\" height=\"{}\"/>",
                state.name().to_ascii_lowercase(),
                self.x(column) - 3,
                (to - from).max(1)
            );
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
    fn times(&self, plan: &Plan, out: &mut String) {
        for (column, x, anchor) in [(0, 12, "start"), (self.last(), WIDTH - 12, "end")] {
            let mut before = None;
            for spot in plan.spots.iter().filter(|spot| spot.column == column) {
                if before != Some(spot.at) {
                    let y = spot.y;
                    let _ = writeln!(
                        out,
                        "<text class=\"t\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{} s</text>",
                        seconds(spot.at)
                    );
                }
                before = Some(spot.at);
            }
        }
    }

    /// Words beside a lifeline: outside of the outer ones, to the right of the others.
    fn beside(&self, column: usize, y: i64, text: &str, class: &str, out: &mut String) {
        let (x, anchor) = if column == 0 { (self.x(0) - 12, "end") } else { (self.x(column) + 12, "start") };
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        for (i, line) in wrapped(text).iter().enumerate() {
            let _ = writeln!(
                out,
                "<text{class} x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                y + i as i64 * LINE,
                escaped(line)
            );
        }
    }

    fn draw_arrow(&self, plan: &Plan, row: usize, arrow: &Arrow, out: &mut String) {
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
        let look = match arrow.look {
            Look::Plain => "",
            Look::Again => " again",
            Look::Stray => " stray",
        };
        let gone = if arrow.lost.is_some() { " gone" } else { "" };
        let (from, to) = (x1 + 5 * side, x2 - 5 * side);
        let _ = writeln!(
            out,
            "<line class=\"a{look}{gone}\" x1=\"{from}\" y1=\"{y1}\" x2=\"{to}\" y2=\"{y2}\"/>"
        );
        if let Some(why) = &arrow.lost {
            let (anchor, x) = if side > 0 { ("start", to + 8) } else { ("end", to - 8) };
            let _ = writeln!(
                out,
                "<text class=\"bad\" x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">✗ {}</text>",
                y2 + 4,
                escaped(why)
            );
        } else {
            let back = to - 9 * side;
            let lean = (y2 - y1) * 9 / (to - from).abs().max(1);
            let _ = writeln!(
                out,
                "<path class=\"head\" d=\"M{to} {y2}L{back} {}L{back} {}Z\"/>",
                y2 - lean - 4,
                y2 - lean + 4
            );
        }
        // The label lies along its arrow, with a halo against what it crosses.
        let (x, y) = (i64::midpoint(from, to), i64::midpoint(y1, y2));
        let slope = (y2 - y1) as f64 / (to - from) as f64;
        for class in [" class=\"halo\"", ""] {
            let _ = writeln!(
                out,
                "<text{class} transform=\"matrix(1 {slope:.4} 0 1 {x} {y})\" y=\"-4\" text-anchor=\"middle\">{}</text>",
                escaped(&arrow.label)
            );
        }
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

/// Text as XML takes it, control characters left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
