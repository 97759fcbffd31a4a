//! Folding: a long stretch in which nothing but data and acknowledgments passes is told in one row.

use super::{Arrow, Ladder, Look, Row, What};

/// Shorter stretches are drawn whole.
const WORTH_FOLDING: usize = 14;
/// Rows of a stretch that are drawn before and after the fold.
const KEPT: usize = 4;

/// Whether a row is one of many alike: an arrow that arrives as it should, without a flag that matters.
fn dull(row: &Row) -> Option<&Arrow> {
    match &row.what {
        What::Arrow(arrow) if arrow.look == Look::Plain && arrow.lost.is_none() => {
            let flags = arrow.label.split(' ').next().unwrap_or("");
            (flags == "ACK" || flags == "PSH,ACK").then_some(arrow)
        }
        _ => None,
    }
}

impl Ladder {
    /// The same with long stretches of data and acknowledgments told in one row each. Calls in between go with them.
    pub fn folded(&self) -> Ladder {
        let mut rows: Vec<Row> = Vec::with_capacity(self.rows.len());
        let mut from = 0;
        while from < self.rows.len() {
            let mut to = from;
            while to < self.rows.len() && (dull(&self.rows[to]).is_some() || dull_call(&self.rows[to])) {
                to += 1;
            }
            let stretch = &self.rows[from..to];
            if stretch.len() < WORTH_FOLDING {
                let end = to.max(from + 1);
                rows.extend_from_slice(&self.rows[from..end]);
                from = end;
                continue;
            }
            let (first, rest) = stretch.split_at(KEPT);
            let (middle, last) = rest.split_at(rest.len() - KEPT);
            rows.extend_from_slice(first);
            rows.push(Row { at: middle[0].at, what: What::Folded(told(middle)) });
            rows.extend_from_slice(last);
            from = to;
        }
        Ladder { rows: once(&rows), ..self.clone() }
    }
}

/// What happens so often in a row is drawn the first time and the last.
const OFTEN: usize = 4;
/// Rows of one time.
const LONGEST: usize = 12;

/// A row without its numbers: what is equal in it each time.
fn alike(a: &Row, b: &Row) -> bool {
    let words = |text: &str| text.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect::<String>();
    match (&a.what, &b.what) {
        (What::Arrow(a), What::Arrow(b)) => {
            (a.from, a.to, &a.label, a.look, &a.lost) == (b.from, b.to, &b.label, b.look, &b.lost)
        }
        (What::Mark(a), What::Mark(b)) => {
            // A time that a timer runs grows; its unit may change on the way.
            let text = |m: &super::Mark| words(&m.text).trim_end_matches(['m', 's', 'u', ' ']).to_owned();
            (a.column, a.kind) == (b.column, b.kind) && text(a) == text(b)
        }
        _ => false,
    }
}

/// Rows in which the same happens again and again, each time after a pause: the first time and the last, and how often between.
fn once(rows: &[Row]) -> Vec<Row> {
    let mut out: Vec<Row> = Vec::with_capacity(rows.len());
    let mut at = 0;
    while at < rows.len() {
        let found = (2..=LONGEST).find_map(|length| Some((length, repeats(&rows[at..], length)?)));
        let Some((length, times)) = found else {
            out.push(rows[at].clone());
            at += 1;
            continue;
        };
        let (first, last) = (at + length, at + length * (times - 1));
        out.extend_from_slice(&rows[at..first]);
        let between = crate::words::counted(times as u64 - 2, "time", "times");
        let what =
            What::Folded(format!("the same {between} more, from {} s on", super::seconds(rows[first].at)));
        out.push(Row { at: rows[first].at, what });
        out.extend_from_slice(&rows[last..last + length]);
        at = last + length;
    }
    out
}

/// How often so many rows from the first on come again, each time after a pause that is longer than they take; none if it is
/// not often.
fn repeats(rows: &[Row], length: usize) -> Option<usize> {
    let cycle = rows.get(..length)?;
    let takes = cycle[length - 1].at.since(cycle[0].at);
    let again = |chunk: &&[Row]| chunk.len() == length && chunk.iter().zip(cycle).all(|(a, b)| alike(a, b));
    let times = rows.chunks(length).take_while(again).count();
    let pause = |i: usize| rows[i * length].at.since(rows[i * length - 1].at) > takes.times(4);
    (times >= OFTEN && (1..times).all(pause)).then_some(times)
}

/// A call that only moves data.
fn dull_call(row: &Row) -> bool {
    matches!(&row.what, What::Mark(mark) if mark.kind == super::MarkKind::Call
        && (mark.text.starts_with("recv() = ") || mark.text.starts_with("send(")))
}

/// `38 segments to the right with 55,024 bytes, 19 to the left`.
fn told(rows: &[Row]) -> String {
    let mut ways = [(0_u64, 0_u64); 2];
    for arrow in rows.iter().filter_map(dull) {
        let way = &mut ways[usize::from(arrow.to < arrow.from)];
        way.0 += 1;
        let len = arrow.label.split(' ').nth(1).and_then(|numbers| numbers.split_once('+'));
        way.1 += len.and_then(|(_, len)| len.parse::<u64>().ok()).unwrap_or(0);
    }
    let words = ["to the right", "to the left"];
    let told =
        ways.iter().zip(words).filter(|((segments, _), _)| *segments > 0).map(|(&(segments, bytes), way)| {
            let segments = crate::words::counted(segments, "segment", "segments");
            match bytes {
                0 => format!("{segments} {way}"),
                _ => format!("{segments} {way} with {} bytes", crate::words::count(bytes)),
            }
        });
    told.collect::<Vec<_>>().join(", ")
}
