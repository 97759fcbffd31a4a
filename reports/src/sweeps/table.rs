//! A sweep as a table for the terminal.

use experiments::Estimate;

use super::{Sweep, seeds_text};
use crate::fold::folded;
use crate::verdict::Unit;
use crate::words::counted;

/// The table with a line for each point, and what was asked.
pub fn answer(sweep: &Sweep<'_>) -> String {
    answer_within(sweep, None)
}

/// The same for a terminal that has so many columns: where the table is wider, its columns come in blocks.
pub fn answer_within(sweep: &Sweep<'_>, columns: Option<usize>) -> String {
    let campaign = sweep.campaign;
    let axes = campaign.axes.iter().map(|a| a.target.name.clone());
    let measures = campaign.measures.iter().map(|m| m.replace('"', ""));
    let header: Vec<String> = axes.chain(measures).chain(["runs out first".to_owned()]).collect();
    let rows: Vec<Vec<String>> = sweep.finished().map(|point| row(sweep, point)).collect();
    let texts = campaign.axes.len();
    let table = aligned(&header, &rows, (texts, texts), columns);
    format!("{}\n\n{}\n{}", sweep.title, table, asked(sweep))
}

fn row(sweep: &Sweep<'_>, point: usize) -> Vec<String> {
    let runs = sweep.swept.readings[point].len();
    let settings = sweep.campaign.settings(&sweep.campaign.points[point]);
    let values =
        sweep.units.iter().enumerate().map(|(m, &unit)| cell(sweep.swept.estimate(point, m), unit, runs));
    let bound = match sweep.bound_first(point) {
        (limit, n) if n == runs => limit.unwrap_or("nothing").to_owned(),
        (limit, n) => format!("{} in {n} of {runs}", limit.unwrap_or("nothing")),
    };
    let axes = sweep.campaign.axes.iter().zip(settings);
    axes.map(|(axis, setting)| axis.target.whole(&setting.text)).chain(values).chain([bound]).collect()
}

/// A mean with half its interval; how many of the runs have such a number, if not all.
fn cell(estimate: Option<Estimate>, unit: Unit, runs: usize) -> String {
    let Some(estimate) = estimate else { return "-".to_owned() };
    if unit == Unit::Holds {
        let held = (estimate.mean * estimate.count as f64).round() as usize;
        return match (held, estimate.count) {
            (held, 1) => if held == 1 { "yes" } else { "no" }.to_owned(),
            (held, of) => format!("{held} of {of}"),
        };
    }
    let spread = match estimate.half_width {
        Some(half) if half > 0.0 => format!(" ± {}", unit.write(half)),
        _ => String::new(),
    };
    let part = if estimate.count < runs { format!(" ({} of {runs})", estimate.count) } else { String::new() };
    format!("{}{spread}{part}", unit.write(estimate.mean))
}

/// What was asked, so that it can be asked again.
fn asked(sweep: &Sweep<'_>) -> String {
    let runs: usize = sweep.swept.readings.iter().map(Vec::len).sum();
    format!(
        "{}\n{}, {}, seeds: {}; timewait {}\n",
        sweep.asked,
        counted(sweep.finished().count() as u64, "point", "points"),
        counted(runs as u64, "run", "runs"),
        seeds_text(sweep.seeds),
        env!("CARGO_PKG_VERSION")
    )
}

/// Indented columns two spaces apart: the first `texts` and the last to the left, the numbers between them to the right.
/// Where they do not fit, the first `labels` are repeated with each block.
pub(crate) fn aligned(
    header: &[String],
    rows: &[Vec<String>],
    (texts, labels): (usize, usize),
    columns: Option<usize>,
) -> String {
    let length = |text: &String| text.chars().count();
    let widths: Vec<usize> = (0..header.len())
        .map(|c| rows.iter().map(|r| length(&r[c])).max().unwrap_or(0).max(length(&header[c])))
        .collect();
    let line = |cells: &[String], chosen: &[usize]| {
        let padded = chosen.iter().map(|&c| {
            let (text, width) = (&cells[c], widths[c]);
            if c < texts || c + 1 == cells.len() {
                format!("{text:<width$}")
            } else {
                format!("{text:>width$}")
            }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let draw = |chosen: &[usize]| {
        std::iter::once(line(header, chosen)).chain(rows.iter().map(|r| line(r, chosen))).collect()
    };
    let lines = folded(header.len(), labels, columns.map(|c| c.saturating_sub(2)), draw);
    lines.iter().map(|l| if l.is_empty() { "\n".to_owned() } else { format!("  {l}\n") }).collect()
}
