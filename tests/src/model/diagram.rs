//! `docs/states.svg`: the states and the moves between them. The moves come from the table; only where to put them is
//! said here, and a move without a place, or a place without a move, is an error.

use super::table::{CAUSES, Cell, SITUATIONS, Situation, cell};
use sim_core::tcp::State::{
    self, CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynRecv, SynSent,
    TimeWait,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Half the width and height of a state's box.
const HALF: (i32, i32) = (75, 22);

/// Boxes: the state, and its centre. CLOSED stands twice, as the beginning and as the end.
const BOXES: [(State, i32, i32); 12] = [
    (Closed, 600, 50),
    (Listen, 220, 140),
    (SynSent, 980, 140),
    (SynRecv, 220, 290),
    (Established, 600, 370),
    (FinWait1, 220, 500),
    (CloseWait, 980, 500),
    (FinWait2, 220, 720),
    (Closing, 600, 610),
    (TimeWait, 600, 800),
    (LastAck, 980, 650),
    (Closed, 980, 800),
];

/// A line: from, to, its points, and the middle of its label.
type Line = (State, State, &'static [(i32, i32)], (i32, i32));

const LINES: [Line; 18] = [
    (Closed, Listen, &[(525, 60), (262, 116)], (393, 86)),
    (Closed, SynSent, &[(675, 60), (938, 116)], (807, 86)),
    (Listen, SynRecv, &[(220, 162), (220, 266)], (220, 212)),
    (SynSent, SynRecv, &[(905, 152), (297, 281)], (600, 216)),
    (SynSent, Established, &[(950, 162), (677, 353)], (814, 258)),
    (SynRecv, Established, &[(295, 302), (523, 358)], (409, 330)),
    (SynRecv, FinWait1, &[(190, 312), (190, 476)], (190, 396)),
    (Established, FinWait1, &[(530, 392), (292, 477)], (411, 434)),
    (Established, CloseWait, &[(670, 392), (908, 477)], (789, 434)),
    (FinWait1, FinWait2, &[(200, 522), (200, 696)], (200, 612)),
    (FinWait1, Closing, &[(295, 516), (523, 596)], (416, 556)),
    (FinWait1, TimeWait, &[(270, 522), (552, 776)], (418, 652)),
    (FinWait2, TimeWait, &[(295, 732), (523, 788)], (409, 760)),
    (Closing, TimeWait, &[(600, 632), (600, 776)], (600, 706)),
    (CloseWait, LastAck, &[(980, 522), (980, 626)], (980, 574)),
    (LastAck, Closed, &[(980, 672), (980, 776)], (980, 724)),
    (TimeWait, Closed, &[(675, 800), (903, 800)], (789, 800)),
    (TimeWait, SynRecv, &[(525, 812), (50, 812), (50, 290), (143, 290)], (50, 560)),
];

/// Causes that are drawn; the others are in the table.
const DRAWN: [&str; 11] = [
    "listen()",
    "connect()",
    "shutdown()",
    "close()",
    "SYN, higher number",
    "SYN,ACK",
    "SYN,ACK again",
    "ACK of all sent",
    "FIN",
    "FIN, ACK of all sent",
    "the next timer",
];

/// What ends a connection out of turn: a line from nearly every state to CLOSED would hide the rest.
const OUT_OF_TURN: [&str; 8] = [
    "RST, exact",
    "RST,ACK of all sent",
    "close(), SO_LINGER 0",
    "close(), data unread",
    "silence",
    "data",
    "SYN,ACK",
    "close()",
];

/// Moves as the table has them: for each, its labels and what is sent.
#[derive(Default)]
struct Moves {
    drawn: BTreeMap<(State, State), Vec<(String, String)>>,
    abrupt: BTreeMap<usize, BTreeSet<usize>>,
}

fn collect() -> Result<Moves, String> {
    let mut moves = Moves::default();
    for situation in &SITUATIONS {
        for cause in &CAUSES {
            let Some(cell) = cell(situation, cause)? else { continue };
            // A line per step: what passes through ESTABLISHED in one segment is two.
            let through = cell.to != Established && cell.moves.iter().any(|m| m.1 == Established);
            if cell.to == situation.state || through {
                continue;
            }
            let orderly = cell.to != Closed || matches!(situation.state, LastAck | TimeWait);
            if DRAWN.contains(&cause.name) && orderly {
                note(&mut moves, situation, cause.name, &cell);
            } else if let Some(place) = OUT_OF_TURN.iter().position(|&name| name == cause.name)
                && cell.to == Closed
            {
                moves.abrupt.entry(place).or_default().insert(order(situation.state));
            }
        }
    }
    Ok(moves)
}

/// The place of a state in a connection's life.
fn order(state: State) -> usize {
    BOXES.iter().position(|b| b.0 == state).unwrap_or(BOXES.len())
}

fn note(moves: &mut Moves, situation: &Situation, cause: &str, cell: &Cell) {
    let ours = if situation.state == SynRecv { "SYN" } else { "FIN" };
    let label = match (situation.state, cause) {
        (TimeWait, "the next timer") => cell.remarks.join(" "),
        (TimeWait, _) => cause.to_string(),
        (_, "SYN, higher number") => "SYN".into(),
        (_, "SYN,ACK again") => "SYN,ACK".into(),
        (_, "ACK of all sent") => format!("ACK of our {ours}"),
        (_, "FIN, ACK of all sent") => "FIN that acknowledges ours".into(),
        _ => cause.to_string(),
    };
    let labels = moves.drawn.entry((situation.state, cell.to)).or_default();
    if !labels.iter().any(|(known, _)| *known == label) {
        labels.push((label, cell.sent()));
    }
}

/// The picture.
///
/// # Errors
/// A move that has no line, or a line that has no move.
pub fn draw() -> Result<String, String> {
    let moves = collect()?;
    let lines: BTreeSet<_> = LINES.iter().map(|line| (line.0, line.1)).collect();
    let known: BTreeSet<_> = moves.drawn.keys().copied().collect();
    if let Some((from, to)) = known.symmetric_difference(&lines).next() {
        return Err(format!("{} to {}: in the table or drawn, but not both", from.name(), to.name()));
    }
    let mut svg = String::from(concat!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="-60 10 1160 1015" font-family="sans-serif" font-size="15">"#,
        "\n<!-- Generated from the transition table; rewrite with UPDATE_DOCS=1. -->\n",
        r##"<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" orient="auto">"##,
        r##"<path d="M0,0 L10,5 L0,10 z" fill="#456"/></marker></defs>"##,
        "\n<rect x=\"-60\" y=\"10\" width=\"1160\" height=\"1015\" fill=\"white\"/>\n",
    ));
    for (_, _, points, _) in &LINES {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        let _ = writeln!(
            svg,
            r##"<polyline points="{}" fill="none" stroke="#456" stroke-width="1.6" marker-end="url(#tip)"/>"##,
            points.join(" ")
        );
    }
    for (from, to, _, at) in &LINES {
        label(&mut svg, &moves.drawn[&(*from, *to)], *at);
    }
    for &(state, x, y) in &BOXES {
        place_box(&mut svg, state, x, y);
    }
    footnotes(&mut svg, &moves);
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// Causes above, what is sent below, and the paper's colour behind both, so that the line passes behind.
fn label(svg: &mut String, labels: &[(String, String)], (x, y): (i32, i32)) {
    let causes: Vec<&str> = labels.iter().map(|(cause, _)| cause.as_str()).collect();
    let causes = causes.join(" or ");
    // If the causes differ in what is sent, the table tells.
    let sends = &labels[0].1;
    let sends = if labels.iter().all(|(_, sent)| sent == sends) { sends.as_str() } else { "" };
    // Wide enough for the widest of the usual fonts.
    let half = (causes.len() as i32 * 17 / 4).max(sends.len() as i32 * 4 + 28);
    let (top, first) = if sends.is_empty() { (y - 11, y + 5) } else { (y - 19, y - 4) };
    let _ = writeln!(
        svg,
        r#"<rect x="{}" y="{top}" width="{}" height="{}" fill="white"/>"#,
        x - half,
        2 * half,
        2 * (y - top)
    );
    let _ = writeln!(svg, r##"<text x="{x}" y="{first}" text-anchor="middle" fill="#123">{causes}</text>"##);
    if !sends.is_empty() {
        let _ = writeln!(
            svg,
            r##"<text x="{x}" y="{}" text-anchor="middle" fill="#a40" font-size="13">sends {sends}</text>"##,
            y + 13
        );
    }
}

fn place_box(svg: &mut String, state: State, x: i32, y: i32) {
    let fill = match state {
        Closed | Listen => "#eeeeee",
        SynSent | SynRecv => "#fdf3d0",
        Established => "#d9f0d9",
        TimeWait => "#f7d9d9",
        _ => "#dce8f7",
    };
    let _ = writeln!(
        svg,
        r##"<rect x="{}" y="{}" width="{}" height="{}" rx="8" fill="{fill}" stroke="#234" stroke-width="1.4"/>"##,
        x - HALF.0,
        y - HALF.1,
        2 * HALF.0,
        2 * HALF.1
    );
    let _ = writeln!(
        svg,
        r##"<text x="{x}" y="{}" text-anchor="middle" font-weight="bold" fill="#123">{}</text>"##,
        y + 5,
        state.name()
    );
}

/// Where each thing that ends a connection out of turn leads to CLOSED.
fn footnotes(svg: &mut String, moves: &Moves) {
    let mut y = 866;
    let _ = writeln!(
        svg,
        r##"<text x="-40" y="{y}" font-weight="bold" fill="#123">Out of turn, to CLOSED at once:</text>"##
    );
    for (&cause, states) in &moves.abrupt {
        y += if cause == 0 { 22 } else { 18 };
        let states: Vec<&str> = states.iter().map(|&place| BOXES[place].0.name()).collect();
        let _ = writeln!(
            svg,
            r##"<text x="-40" y="{y}" font-size="13" fill="#123">{}</text><text x="130" y="{y}" font-size="13" fill="#345">{}</text>"##,
            OUT_OF_TURN[cause],
            states.join(", ")
        );
    }
}
