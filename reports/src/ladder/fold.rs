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
        Ladder { rows, ..self.clone() }
    }
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
