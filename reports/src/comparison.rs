//! Variants side by side: one table of what each came to, and how much it differs from the first.

use experiments::compare::{Variant, difference, mean};
use serde::Serialize;
use sim_core::counter::Counter;
use sim_core::errno::Errno;
use sim_core::record::Histogram;
use sim_core::scenario::Outcome;

use crate::run::Run;
use crate::sweeps::aligned;
use crate::verdict::Unit;

/// Name and version of the format; the number rises when a field changes its meaning or goes.
pub const FORMAT: &str = "timewait-compare/1";

/// What one run came to: the numbers of the table's rows in their order, and the limit that refused first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facts {
    /// The seed.
    pub seed: u64,
    /// The numbers; none where there is no such number.
    pub values: Vec<Option<f64>>,
    /// The limit that refused first.
    pub bound_first: Option<String>,
    /// The digest of the run.
    pub digest: String,
}

type Reader = fn(Run<'_>) -> Option<f64>;

/// A row of the table: what it belongs to, what it says, its unit, and how it is read from a run.
type Row = (&'static str, &'static str, Unit, Reader);

/// What variants are compared by.
const ROWS: &[Row] = &[
    ("outcome", "attempted", Unit::Count, |r| Some(r.tally(None, Outcome::Attempted).count as f64)),
    ("", "connected", Unit::Share, |r| of_attempts(r, Outcome::Connected)),
    ("", "completed", Unit::Share, |r| of_attempts(r, Outcome::Completed)),
    ("", "failed", Unit::Share, |r| of_attempts(r, Outcome::Failed)),
    ("", "requests answered", Unit::Count, |r| {
        Some(r.summary.traffic.iter().map(|t| t.answered.count as f64).sum())
    }),
    ("limits", "first refusal", Unit::Seconds, |r| {
        r.summary.bound_first().map(|l| l.refused.first.0 as f64 / 1e9)
    }),
    ("latency", "connect() p50", Unit::Seconds, |r| connect(r, 500)),
    ("", "connect() p99", Unit::Seconds, |r| connect(r, 990)),
    ("", "connect() max", Unit::Seconds, |r| connect(r, 1000)),
    ("network", "segments retransmitted", Unit::Count, |r| Some(counted(r, Counter::TcpRetransSegs))),
    ("memory", "of all kernels, peaks", Unit::Bytes, |r| {
        Some(r.summary.hosts.iter().map(|h| h.memory.peak as f64).sum())
    }),
    ("risk", "closes without a TIME_WAIT", Unit::Count, |r| {
        Some(counted(r, Counter::TcpExtTCPTimeWaitOverflow))
    }),
    ("", "TIME_WAITs taken over", Unit::Count, |r| Some(counted(r, Counter::TcpExtTWRecycled))),
    ("", "RSTs sent", Unit::Count, |r| Some(counted(r, Counter::TcpOutRsts))),
    ("", "connections reset", Unit::Count, |r| {
        Some(r.tally(None, Outcome::Error(Errno::Econnreset)).count as f64)
    }),
];

fn of_attempts(run: Run<'_>, outcome: Outcome) -> Option<f64> {
    let attempted = run.tally(None, Outcome::Attempted).count;
    (attempted > 0).then(|| run.tally(None, outcome).count as f64 / attempted as f64)
}

fn connect(run: Run<'_>, per_mille: u32) -> Option<f64> {
    let mut all = Histogram::default();
    run.sources(None).for_each(|(_, t)| all.merge(&t.connect_latency));
    all.quantile(per_mille).map(|span| span.0 as f64 / 1e9)
}

fn counted(run: Run<'_>, counter: Counter) -> f64 {
    run.summary.hosts.iter().map(|h| h.counters.get(counter) as f64).sum()
}

/// Reads what a run came to.
pub fn facts(run: Run<'_>) -> Facts {
    Facts {
        seed: run.scenario.seed,
        values: ROWS.iter().map(|(.., read)| read(run)).collect(),
        bound_first: run.summary.bound_first().map(|l| run.limit_key(l.limit)),
        digest: run.summary.digest.to_string(),
    }
}

/// Variants with what their runs came to, seed by seed.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The command that asks this.
    pub asked: &'a str,
    /// The variants, the base first.
    pub variants: &'a [Variant],
    /// For each variant its runs, in the order of the seeds.
    pub facts: &'a [Vec<Facts>],
}

impl Compared<'_> {
    fn values(&self, variant: usize, row: usize) -> Vec<Option<f64>> {
        self.facts[variant].iter().map(|f| f.values[row]).collect()
    }
}

/// The table, and what was asked.
pub fn answer(compared: &Compared<'_>) -> String {
    answer_within(compared, None)
}

/// The same for a terminal that has so many columns: where the table is wider, its columns come in blocks.
pub fn answer_within(compared: &Compared<'_>, columns: Option<usize>) -> String {
    let names = compared.variants.iter().map(|v| v.name.clone());
    let header: Vec<String> = ["", ""].map(str::to_owned).into_iter().chain(names).collect();
    let mut rows = Vec::new();
    for (i, &(group, label, unit, _)) in ROWS.iter().enumerate() {
        if group == "limits" {
            let bound = (0..compared.variants.len()).map(|v| bound_first(&compared.facts[v]));
            rows.push(["limits".to_owned(), "ran out first".to_owned()].into_iter().chain(bound).collect());
        }
        let cells = (0..compared.variants.len()).map(|v| cell(compared, v, i, unit));
        let group = if group == "limits" { "" } else { group };
        rows.push([group.to_owned(), label.to_owned()].into_iter().chain(cells).collect::<Vec<_>>());
    }
    let table = aligned(&header, &rows, (header.len(), 2), columns);
    let seeds: Vec<_> = compared.facts.first().into_iter().flatten().map(|f| f.seed.to_string()).collect();
    let what = if seeds.len() > 1 {
        "means; differences by pairs of equal seeds, with 95% intervals"
    } else {
        "one seed"
    };
    let changes =
        compared.variants.iter().skip(1).filter(|v| !v.set.is_empty() && v.set.join("; ") != v.name);
    let changes: Vec<_> = changes.map(|v| format!("{}: {}\n", v.name, v.set.join("; "))).collect();
    let changes = if changes.is_empty() { String::new() } else { format!("{}\n", changes.concat()) };
    format!(
        "{table}\n{}{}\nseeds {}: {what}; timewait {}\n",
        changes,
        compared.asked,
        seeds.join(","),
        env!("CARGO_PKG_VERSION")
    )
}

/// The limit that refused first, if it is the same with all seeds.
fn bound_first(facts: &[Facts]) -> String {
    let Some(first) = facts.first() else { return String::new() };
    let same = facts.iter().filter(|f| f.bound_first == first.bound_first).count();
    let name = first.bound_first.as_deref().unwrap_or("nothing");
    if same == facts.len() { name.to_owned() } else { format!("{name} in {same} of {}", facts.len()) }
}

/// A value, and how far it is from that of the base.
fn cell(compared: &Compared<'_>, variant: usize, row: usize, unit: Unit) -> String {
    let values = compared.values(variant, row);
    let Some(value) = mean(&values) else { return "-".to_owned() };
    let text = unit.write(value.mean);
    let Some(difference) = (variant > 0).then(|| difference(&compared.values(0, row), &values)).flatten()
    else {
        return text;
    };
    let spread = difference.half_width.unwrap_or(0.0);
    if difference.mean == 0.0 && spread == 0.0 {
        return format!("{text} (=)");
    }
    let written = |n: f64| match unit {
        // A difference of shares is in points, not in parts of the base.
        Unit::Share => format!("{} pt", unit.write(n.abs()).trim_end_matches('%')),
        _ => unit.write(n.abs()),
    };
    let sign = if difference.mean < 0.0 { "-" } else { "+" };
    let spread = if spread > 0.0 { format!(" ± {}", written(spread)) } else { String::new() };
    format!("{text} ({sign}{}{spread})", written(difference.mean))
}

#[derive(Serialize)]
struct Whole<'a> {
    format: &'static str,
    timewait: &'static str,
    asked: &'a str,
    rows: Vec<String>,
    variants: Vec<VariantJson<'a>>,
}

#[derive(Serialize)]
struct VariantJson<'a> {
    name: &'a str,
    scenario: &'a str,
    set: Vec<String>,
    runs: &'a [Facts],
}

/// The comparison as JSON text: what was asked, and the numbers of each run in the order of `rows`.
pub fn compare_json(compared: &Compared<'_>) -> String {
    let whole = Whole {
        format: FORMAT,
        timewait: env!("CARGO_PKG_VERSION"),
        asked: compared.asked,
        rows: ROWS.iter().map(|(_, label, ..)| (*label).to_owned()).collect(),
        variants: compared
            .variants
            .iter()
            .zip(compared.facts)
            .map(|(v, runs)| VariantJson {
                name: &v.name,
                scenario: &v.run.source.text,
                set: v.run.patches.iter().map(ToString::to_string).collect(),
                runs,
            })
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&whole).expect("plain data always serialises");
    text.push('\n');
    text
}
