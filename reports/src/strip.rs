//! A small chart for a terminal: the population that the run is about, and below it what became of attempts.

use sim_core::scenario::{Metric, Outcome};

use crate::ladder::Charset;
use crate::plot::colors;
use crate::run::Run;
use crate::words;

/// Rows of the curve.
const HEIGHT: usize = 8;
/// Columns for the numbers at the left.
const MARGIN: usize = 10;

/// The signs of a chart.
struct Signs {
    /// A column's top, by eighths; the last is full.
    fill: &'static [char],
    limit: char,
    /// All well, some failed, all failed, nothing came of it.
    outcomes: [char; 4],
}

const UNICODE: Signs =
    Signs {
        fill: &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'], limit: '┄', outcomes: ['█', '▒', '×', '·']
    };
const ASCII: Signs = Signs { fill: &['.', ':', '#'], limit: '-', outcomes: ['#', '%', 'x', '.'] };

/// The lines of the chart, none wider than `width`; none at all where nothing was sampled.
pub fn strip(run: Run<'_>, width: usize, charset: Charset) -> Vec<String> {
    let signs = if charset == Charset::Ascii { &ASCII } else { &UNICODE };
    let columns = width.saturating_sub(MARGIN + 1);
    if columns < 20 || run.summary.series.rows < 2 {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let (_, shown, limits) = match colors::populations(run).into_iter().next() {
        Some(first) if !first.1.is_empty() => first,
        _ => return Vec::new(),
    };
    let Some(values) = run.summary.series.get(shown[0].metric) else { return Vec::new() };
    let limit = limits.first();
    lines.push(cut(&shown[0].name, width));
    if let Some((_, text)) = limit {
        lines.push(cut(&format!("{} {text}", String::from(signs.limit).repeat(3)), width));
    }
    lines.extend(curve(values, limit.map(|l| l.0), columns, signs));
    let end = words::at(run.summary.ended);
    let gap = columns.saturating_sub(1 + end.chars().count());
    lines.push(format!("{:>MARGIN$} 0{}{end}", "", " ".repeat(gap)));
    lines.push(format!("{:>MARGIN$} {}", "attempts", outcomes(run, columns, signs)));
    let [well, some, none, waits] = signs.outcomes;
    lines.push(cut(
        &format!("{:>MARGIN$} {well} connected {some} some failed {none} all failed {waits} no outcome", ""),
        width,
    ));
    lines
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

/// Where the rows of a column begin and end.
fn stretch(column: usize, columns: usize, rows: usize) -> (usize, usize) {
    let from = column * rows / columns;
    (from, ((column + 1) * rows / columns).max(from + 1).min(rows))
}

/// The highest value of each column, filled from below.
fn curve(values: &[u64], limit: Option<f64>, columns: usize, signs: &Signs) -> Vec<String> {
    let tops: Vec<u64> = (0..columns)
        .map(|column| {
            let (from, to) = stretch(column, columns, values.len());
            values[from..to].iter().copied().max().unwrap_or(0)
        })
        .collect();
    let highest = tops.iter().copied().max().unwrap_or(0).max(limit.unwrap_or(0.0) as u64).max(1);
    let steps = signs.fill.len();
    let filled = |value: u64| (u128::from(value) * (HEIGHT * steps) as u128 / u128::from(highest)) as usize;
    let limit_row = limit.map(|l| HEIGHT - (filled(l as u64).div_ceil(steps)).clamp(1, HEIGHT));
    let row = |row: usize| -> String {
        let below = (HEIGHT - 1 - row) * steps;
        let sign = |&value: &u64| match filled(value).saturating_sub(below) {
            0 if limit_row == Some(row) => signs.limit,
            0 => ' ',
            n => signs.fill[n.min(steps) - 1],
        };
        let number = match row {
            0 => words::count(highest),
            r if r == HEIGHT - 1 => "0".to_owned(),
            _ => String::new(),
        };
        format!("{number:>MARGIN$} {}", tops.iter().map(sign).collect::<String>())
    };
    (0..HEIGHT).map(row).collect()
}

/// One sign for each column: what became of the attempts in it.
fn outcomes(run: Run<'_>, columns: usize, signs: &Signs) -> String {
    let series = &run.summary.series;
    let total = |outcome: Outcome, row: usize| -> u64 {
        let of = |(id, _)| series.get(Metric::Outcome(id, outcome)).and_then(|c| c.get(row)).copied();
        run.sources(None).filter_map(of).sum()
    };
    let sign = |column: usize| {
        let (from, to) = stretch(column, columns, series.rows - 1);
        let came = |outcome| total(outcome, to).saturating_sub(total(outcome, from));
        match (came(Outcome::Attempted), came(Outcome::Connected), came(Outcome::Failed)) {
            (0, 0, 0) => ' ',
            (_, 0, 0) => signs.outcomes[3],
            (_, _, 0) => signs.outcomes[0],
            (_, 0, _) => signs.outcomes[2],
            _ => signs.outcomes[1],
        }
    };
    (0..columns).map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_fills_from_below_and_meets_its_limit() {
        let values: Vec<u64> = (0..=40).map(|i| (i * 5).min(100)).collect();
        let lines = curve(&values, Some(100.0), 20, &ASCII);
        assert_eq!(lines.len(), HEIGHT);
        assert_eq!(lines[0], format!("{:>10} {}.{}", 100, "-".repeat(9), "#".repeat(10)));
        assert!(lines[HEIGHT - 1].starts_with("         0 ."), "{lines:#?}");
        assert!(lines.iter().all(|l| l.chars().count() == 31));
    }
}
