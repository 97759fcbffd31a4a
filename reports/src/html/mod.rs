//! A report of one run as one page of HTML: nothing is fetched from anywhere, and nothing runs but the script that is in it.
//!
//! The words, tables and the ladder stand in the page itself; the script draws the curves from the JSON of the run, which is
//! in the page too. Everything that comes from a scenario is escaped.

use std::fmt::Write as _;

use base64ct::{Base64, Encoding};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sim_core::counter::Counter;
use sim_core::record::Histogram;

mod charts;
mod library;

use charts::Charts;
pub use library::library;

use crate::answer;
use crate::crowd;
use crate::files;
use crate::ladder::{self, Ladder, escaped};
use crate::run::Run;
use crate::verdict::Verdict;
use crate::words;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// So many limits are in a table, the fullest first.
const MOST_LIMITS: usize = 200;

/// What a page shows beside the run itself.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// The expectations and whether they hold.
    pub verdicts: &'a [Verdict],
    /// One connection that is worth looking at, and why this one.
    pub ladder: Option<(&'a str, &'a Ladder)>,
    /// The scenario as it is written without the changes that were asked for, every default visible.
    pub unchanged: &'a str,
    /// The scenario as it ran, every default visible.
    pub scenario: &'a str,
}

/// The page.
pub fn page(run: Run<'_>, beside: &Beside<'_>) -> String {
    let mut out = head(&run.scenario.title, &[STYLE, ladder::STYLE], Some(SCRIPT));
    if !run.scenario.teaches.is_empty() {
        let _ = writeln!(out, "<p class=\"teaches\">{}</p>", escaped(&run.scenario.teaches));
    }
    said(run, beside, &mut out);
    let charts = Charts::new(run);
    out.push_str("<h2>Over time</h2>\n<p class=\"soft keys\" id=\"keys\">Drag to zoom, double-click to see all again. By keyboard: arrows \
                  move the cursor, + and - zoom, Escape shows all. The names below a chart switch its curves.</p>\n\
                  <noscript><p>The curves are drawn by the script in this page.</p></noscript>\n");
    for (id, title) in charts.titles() {
        let _ = writeln!(out, "<figure id=\"{id}\"><figcaption>{}</figcaption></figure>", escaped(title));
    }
    limits(run, &mut out);
    outcomes(run, &mut out);
    latency(run, &mut out);
    if let Some((why, ladder)) = beside.ladder {
        let _ = writeln!(out, "<h2>One connection</h2>\n<p>{}</p>", escaped(why));
        wider(&ladder.svg("ladder"), &mut out);
    }
    counters(run, &mut out);
    text(beside, &mut out);
    let seed = run.scenario.seed;
    let _ = writeln!(
        out,
        "<p class=\"soft\">timewait {}, seed {seed}, digest {}.</p>\n</main>\n<script type=\"application/json\" id=\"run\">{}</script>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>",
        env!("CARGO_PKG_VERSION"),
        run.summary.digest,
        embedded(run, beside.verdicts, charts)
    );
    out
}

/// The begin of a page down to its first heading. Nothing but these styles and this script may ever take effect in it.
fn head(title: &str, styles: &[&str], script: Option<&str>) -> String {
    let hash = |text: &str| format!("'sha256-{}'", Base64::encode_string(&Sha256::digest(text)));
    let styles: Vec<String> = styles.iter().map(|style| hash(style)).collect();
    let script = script.map_or_else(|| "'none'".to_owned(), hash);
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {script}; base-uri 'none'; form-action 'none'",
        styles.join(" ")
    );
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"{policy}\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    )
}

/// The answer in words, and the expectations.
fn said(run: Run<'_>, beside: &Beside<'_>, out: &mut String) {
    if let Some(partial) = run.partial() {
        let text = format!("PARTIAL: {partial}. Everything here speaks of that part alone.");
        let _ = writeln!(out, "<p class=\"bad\"><strong>{text}</strong></p>");
    }
    let headline = answer::headline(run);
    let _ = writeln!(out, "<div class=\"answer\"><p><strong>{}</strong></p>", escaped(&headline));
    for sentence in answer::hurt(run).iter().filter(|sentence| !headline.ends_with(*sentence)) {
        let _ = writeln!(out, "<p>{}</p>", escaped(sentence));
    }
    out.push_str("</div>\n");
    if beside.verdicts.is_empty() {
        return;
    }
    out.push_str("<h2>Expectations</h2>\n");
    expectations(beside.verdicts, out);
}

/// Expectations and how they fared.
fn expectations(verdicts: &[Verdict], out: &mut String) {
    out.push_str("<ul>\n");
    for verdict in verdicts {
        let (class, word) = if verdict.passed { ("good", "holds") } else { ("bad", "FAILS") };
        let got = if verdict.passed {
            String::new()
        } else {
            format!("; expected {}, got {}", verdict.expected, verdict.got)
        };
        let text = escaped(&format!("{}{got}", verdict.text));
        let _ = writeln!(out, "<li><span class=\"{class}\">{word}</span>: {text}</li>");
    }
    out.push_str("</ul>\n");
}

/// The JSON in the page: nothing in it can end the script element.
fn embedded(run: Run<'_>, verdicts: &[Verdict], charts: Charts) -> String {
    let result: Value = serde_json::from_str(&files::result_json(run, verdicts)).expect("it is JSON");
    let text = serde_json::to_string(&charts.into_json(run, &result)).expect("plain data always serialises");
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// A table: a heading and rows, all cells escaped but those that begin with a tag of ours. Where a screen is too narrow for many
/// columns each row becomes a card; what it is to a screen reader is said, for such a layout would take it away.
fn table(head: &[&str], rows: &[Vec<String>], out: &mut String) {
    let cards = if head.len() > 3 { " cards" } else { "" };
    let _ = write!(
        out,
        "<div class=\"wide{cards}\"><table role=\"table\">\n<thead role=\"rowgroup\"><tr role=\"row\">"
    );
    for cell in head {
        let _ = write!(out, "<th scope=\"col\" role=\"columnheader\">{}</th>", escaped(cell));
    }
    out.push_str("</tr></thead>\n<tbody role=\"rowgroup\">\n");
    for row in rows {
        out.push_str("<tr role=\"row\">");
        for (i, (cell, head)) in row.iter().zip(head).enumerate() {
            let cell = if cell.starts_with("<meter ") { cell.clone() } else { escaped(cell) };
            let _ = if i == 0 {
                write!(out, "<th scope=\"row\" role=\"rowheader\">{cell}</th>")
            } else {
                write!(out, "<td role=\"cell\" data-h=\"{}\">{cell}</td>", escaped(head))
            };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

/// A picture whose words would be too small to read on a narrow screen: there it is wider than the screen, and says so.
fn wider(svg: &str, out: &mut String) {
    let _ = writeln!(
        out,
        "<p class=\"soft sideways\">The picture is wider than this screen: it moves sideways.</p>\n<div class=\"pan\">{svg}</div>"
    );
}

/// The limits as gauges.
fn limits(run: Run<'_>, out: &mut String) {
    let mut all: Vec<_> = run.summary.limits.iter().filter(|l| l.used.peak > 0).collect();
    all.sort_by_key(|l| {
        (core::cmp::Reverse(u128::from(l.used.peak) * 1_000_000 / u128::from(l.capacity.max(1))), l.limit)
    });
    let rows: Vec<Vec<String>> = all
        .iter()
        .take(MOST_LIMITS)
        .map(|l| {
            let (peak, capacity) = (l.used.peak, l.capacity);
            let share = words::share(peak, capacity);
            let first = if l.refused.count > 0 { words::at(l.refused.first) } else { String::new() };
            vec![
                run.limit_name(l.limit),
                gauge(peak, capacity, &share),
                share,
                words::count(peak),
                words::count(capacity),
                words::at(l.used.peak_at),
                words::count(l.refused.count),
                first,
            ]
        })
        .collect();
    if !rows.is_empty() {
        out.push_str("<h2>Limits</h2>\n");
        table(&["limit", "fullest", "", "peak", "of", "at", "refused", "first at"], &rows, out);
        let more = all.len() - rows.len();
        if more > 0 {
            let more =
                words::counted(more as u64, "limit that was less full is", "limits that were less full are");
            let _ = writeln!(out, "<p class=\"soft\">{more} in the run's JSON, which is in this page.</p>");
        }
    }
}

/// How full a limit was: from four fifths on in the browser's colour of what comes near, in that of what is bad when full.
fn gauge(peak: u64, capacity: u64, share: &str) -> String {
    let (near, full) = (capacity / 5 * 4, capacity.saturating_sub(1));
    format!(
        "<meter min=\"0\" max=\"{capacity}\" low=\"{near}\" high=\"{full}\" optimum=\"0\" value=\"{peak}\">{share}</meter>"
    )
}

fn outcomes(run: Run<'_>, out: &mut String) {
    let rows: Vec<Vec<String>> = crowd::sources(run)
        .into_iter()
        .map(|(name, t)| {
            let errors: Vec<_> =
                t.errors.iter().map(|e| format!("{} {}", words::count(e.tally.count), e.errno)).collect();
            vec![
                name,
                words::count(t.attempted.count),
                words::count(t.connected.count),
                words::count(t.completed.count),
                words::count(t.failed.count),
                words::count(t.pending),
                errors.join(", "),
            ]
        })
        .collect();
    if !rows.is_empty() {
        out.push_str("<h2>Outcomes</h2>\n");
        table(&["source", "attempted", "connected", "completed", "failed", "pending", "errors"], &rows, out);
    }
}

fn latency(run: Run<'_>, out: &mut String) {
    let row = |name: String, histogram: &Histogram| {
        let quantile = |per_mille| histogram.quantile(per_mille).map_or_else(|| "-".to_owned(), words::span);
        let mut row = vec![name];
        row.extend([500, 900, 990, 999].map(quantile));
        row.push(words::span(histogram.max()));
        row
    };
    let sources = crowd::sources(run);
    let all = sources.iter().flat_map(|(name, t)| {
        [(format!("{name}: connect()"), &t.connect_latency), (format!("{name}: request"), &t.request_latency)]
    });
    let rows: Vec<_> = all.filter(|(_, h)| h.count() > 0).map(|(name, h)| row(name, h)).collect();
    if !rows.is_empty() {
        out.push_str("<h2>Latency</h2>\n");
        table(&["", "p50", "p90", "p99", "p99.9", "longest"], &rows, out);
    }
}

fn counters(run: Run<'_>, out: &mut String) {
    let mut rows = Vec::new();
    let told = |counter: &Counter| !run.scenario.not_told().contains(counter);
    for (name, hosts) in crowd::hosts(run, |_| true) {
        let total = |counter| hosts.iter().map(|host| host.counters.get(counter)).sum::<u64>();
        let moved = Counter::ALL.iter().filter(|c| told(c)).map(|&c| (c, total(c))).filter(|&(_, n)| n > 0);
        rows.extend(moved.map(|(c, n)| vec![format!("{name} {}", c.name()), words::count(n)]));
    }
    if !rows.is_empty() {
        out.push_str("<h2>Kernel counters</h2>\n<details><summary>All that moved</summary>\n");
        table(&["counter", "value"], &rows, out);
        out.push_str("</details>\n");
    }
}

/// The scenario, with the lines marked that are not those of the file.
fn text(beside: &Beside<'_>, out: &mut String) {
    let before: std::collections::BTreeSet<&str> = beside.unchanged.lines().collect();
    let changed = beside.scenario.lines().filter(|line| !before.contains(line)).count();
    let words = if changed > 0 { "; what was changed for this run is marked" } else { "" };
    let _ = write!(out, "<h2>Scenario</h2>\n<details><summary>Every default visible{words}</summary>\n<pre>");
    for line in beside.scenario.lines() {
        let text = escaped(line);
        let _ = if before.contains(line) {
            writeln!(out, "{text}")
        } else {
            writeln!(out, "<mark>{text}</mark>")
        };
    }
    out.push_str("</pre></details>\n");
}
