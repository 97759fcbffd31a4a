//! The charts of a page: which columns of the time series are drawn, and how. The script draws them; here is said what.

use core::cmp::Reverse;

use serde::Serialize;
use serde_json::{Map, Value, json};
use sim_core::ids::TrafficId;
use sim_core::record::TrafficSummary;
use sim_core::scenario::{Metric, Outcome, Timing};

use crate::plot::colors::{self, Hex, Shown};
use crate::run::{Run, timing_name};

/// More rows than these no screen has pixels for.
const MOST_ROWS: usize = 1_500;
/// Of more sources only the slowest have curves of latency: they could not be told apart.
const MOST_SOURCES: usize = 4;

/// What waits is drawn if it was ever this part of all that was wanted.
const SOME: u64 = 200;

/// A curve: a column of the series and how it is drawn.
#[derive(Clone, Debug, Serialize)]
struct Curve {
    name: String,
    column: String,
    /// On a light ground and on a dark one.
    color: Hex,
    dash: String,
    /// A cumulative column, drawn as a rate.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    per_second: bool,
    /// Drawn as a share of this, in per cent.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
    /// Nanoseconds, drawn as milliseconds; broken where nothing was timed.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    ns: bool,
}

/// A chart.
#[derive(Clone, Debug, Serialize)]
struct Chart {
    id: String,
    title: String,
    suffix: &'static str,
    curves: Vec<Curve>,
    limits: Vec<Line>,
}

/// A limit on what is drawn.
#[derive(Clone, Debug, Serialize)]
struct Line {
    value: f64,
    text: String,
}

/// All that the script draws from.
#[derive(Debug)]
pub(super) struct Charts {
    drawn: Vec<Chart>,
    columns: Map<String, Value>,
    interval_s: f64,
    rows: usize,
}

impl Charts {
    /// The charts of a run: those that have a curve.
    pub(super) fn new(run: Run<'_>) -> Charts {
        let rows = run.summary.series.rows;
        let stride = rows.div_ceil(MOST_ROWS).max(1);
        let mut all = Charts {
            drawn: Vec::new(),
            columns: Map::new(),
            interval_s: run.summary.series.interval.0 as f64 / 1e9 * stride as f64,
            rows: rows.div_ceil(stride),
        };
        all.outcomes(run, stride);
        // Where waiting is what hurts it comes early, else last.
        let felt = colors::latency_is_felt(run);
        if felt {
            all.latency(run, stride);
        }
        for (i, (heading, shown, limits)) in colors::populations(run).into_iter().enumerate() {
            let id = if i == 0 { "sockets".to_owned() } else { format!("sockets-{}", i + 1) };
            let lines = limits.into_iter().map(|(value, text)| Line { value, text }).collect();
            all.shown(run, stride, (id, heading, ""), shown, lines);
        }
        let (heading, shown) = colors::occupancy(run);
        let full = vec![Line { value: 100.0, text: "100%: the limit".to_owned() }];
        all.shown(run, stride, ("limits-over-time".to_owned(), heading, "%"), shown, full);
        if !felt {
            all.latency(run, stride);
        }
        all
    }

    /// Identifier and title of each.
    pub(super) fn titles(&self) -> impl Iterator<Item = (&str, &str)> {
        self.drawn.iter().map(|c| (c.id.as_str(), c.title.as_str()))
    }

    /// For the script.
    pub(super) fn into_json(self, run: Run<'_>, result: &Value) -> Value {
        let events: Vec<Value> = colors::moments(run)
            .into_iter()
            .map(|(at_s, name)| json!({"at_s": at_s, "name": name}))
            .collect();
        json!({
            "result": result,
            "series": {"interval_s": self.interval_s, "rows": self.rows, "columns": self.columns},
            "charts": self.drawn,
            "events": events,
        })
    }

    /// Adds a chart, if it has curves.
    fn push(
        &mut self,
        (id, title, suffix): (String, String, &'static str),
        curves: Vec<Curve>,
        limits: Vec<Line>,
    ) {
        if !curves.is_empty() {
            self.drawn.push(Chart { id, title, suffix, curves, limits });
        }
    }

    /// Adds a column; says its name.
    fn column(&mut self, name: String, values: impl Iterator<Item = u64>, stride: usize) -> String {
        self.columns.insert(name.clone(), values.step_by(stride).collect());
        name
    }

    fn shown(
        &mut self,
        run: Run<'_>,
        stride: usize,
        head: (String, String, &'static str),
        shown: Vec<Shown>,
        limits: Vec<Line>,
    ) {
        let mut curves = Vec::new();
        for Shown { name, metric, color, dash, of } in shown {
            let Some(values) = run.summary.series.get(metric) else { continue };
            let column = self.column(run.metric_key(metric), values.iter().copied(), stride);
            curves.push(Curve { name, column, color, dash, per_second: false, of, ns: false });
        }
        self.push(head, curves, limits);
    }

    /// Attempts, and requests where they are another number, by what became of them: a chart for each group of sources.
    fn outcomes(&mut self, run: Run<'_>, stride: usize) {
        let groups = colors::groups(run);
        let attempts = [Outcome::Attempted, Outcome::Connected, Outcome::Failed];
        let requests = [Outcome::Requested, Outcome::Answered, Outcome::Abandoned];
        for (i, (name, sources)) in groups.iter().enumerate() {
            let id = |kind: &str| if i == 0 { kind.to_owned() } else { format!("{kind}-{}", i + 1) };
            let title =
                |what: &str| if groups.len() > 1 { format!("{what}: {name}") } else { what.to_owned() };
            let count = |outcome| sources.iter().map(|&s| run.tally(Some(s), outcome).count).sum::<u64>();
            let curves = self.rates(run, stride, (name, sources), attempts);
            let head =
                (id("outcomes"), title("Connection attempts a second, by the time of the outcome"), "/s");
            self.push(head, curves, Vec::new());
            let like = |a: u64, b: u64| a.abs_diff(b) * 20 <= a.max(b);
            if !like(count(attempts[0]), count(requests[0])) || !like(count(attempts[1]), count(requests[1]))
            {
                let curves = self.rates(run, stride, (name, sources), requests);
                let head = (id("requests"), title("Requests a second, by the time of the answer"), "/s");
                self.push(head, curves, Vec::new());
            }
        }
        self.pending(run, &groups, stride);
    }

    /// Outcomes as rates: those that came at all.
    fn rates(
        &mut self,
        run: Run<'_>,
        stride: usize,
        (name, sources): (&str, &[TrafficId]),
        outcomes: [Outcome; 3],
    ) -> Vec<Curve> {
        let mut curves = Vec::new();
        for outcome in outcomes {
            if sources.iter().all(|&s| run.tally(Some(s), outcome).count == 0) {
                continue;
            }
            let word = crate::run::outcome_name(outcome);
            let values = summed(run, sources, outcome);
            let column = self.column(format!("{name}.{word}"), values.into_iter(), stride);
            let (color, dash) = (colors::outcome(outcome), String::new());
            curves.push(Curve {
                name: word.to_owned(),
                column,
                color,
                dash,
                per_second: true,
                of: None,
                ns: false,
            });
        }
        curves
    }

    /// What has begun and has no outcome yet.
    fn pending(&mut self, run: Run<'_>, groups: &[(&str, Vec<TrafficId>)], stride: usize) {
        let mut curves = Vec::new();
        for (name, sources) in groups {
            let begun = summed(run, sources, Outcome::Requested);
            let ended = [summed(run, sources, Outcome::Answered), summed(run, sources, Outcome::Abandoned)];
            let left = |(row, begun): (usize, &u64)| begun.saturating_sub(ended.iter().map(|e| e[row]).sum());
            let values: Vec<u64> = begun.iter().enumerate().map(left).collect();
            let (most, all) = (values.iter().max().unwrap_or(&0), begun.last().unwrap_or(&0));
            if most * SOME < *all || *most == 0 {
                continue;
            }
            let column = self.column(format!("{name}.pending"), values.into_iter(), stride);
            let name = format!("{name}: requests without an answer yet");
            let (color, dash) = (colors::pending(), String::new());
            curves.push(Curve { name, column, color, dash, per_second: false, of: None, ns: false });
        }
        self.push(("pending".to_owned(), "Requests that wait".to_owned(), ""), curves, Vec::new());
    }

    fn latency(&mut self, run: Run<'_>, stride: usize) {
        for (timing, what) in [(Timing::Connect, "connect()"), (Timing::Request, "requests")] {
            let mut curves = Vec::new();
            let (shown, all) = slowest(run, timing);
            for (i, &id) in shown.iter().enumerate() {
                let Some(from) = run.scenario.traffic.get(id.index()).map(|t| t.from) else { continue };
                for (quantile, word) in [(500, "median"), (990, "99%")] {
                    let metric = Metric::Latency(id, timing, quantile);
                    let Some(values) = run.summary.series.get(metric) else { continue };
                    // Of several sources only what one in a hundred waits longer for, each in a colour of its own.
                    if shown.len() > 1 && quantile == 500 {
                        continue;
                    }
                    let column = self.column(run.metric_key(metric), values.iter().copied(), stride);
                    let name = format!("{} {} {word}", run.traffic_name(Some(id)), timing_name(timing));
                    let color = if shown.len() > 1 {
                        colors::series(i)
                    } else {
                        colors::latency_quantile(quantile == 990)
                    };
                    let dash = colors::dash(run, from);
                    curves.push(Curve { name, column, color, dash, per_second: false, of: None, ns: true });
                }
            }
            let of = if shown.len() < all {
                format!(": the slowest {} of {all} sources", shown.len())
            } else {
                String::new()
            };
            let id = timing_name(timing).to_owned();
            self.push((id, format!("How long {what} took{of}"), " ms"), curves, Vec::new());
        }
    }
}

/// The sources of which one in a hundred waited longest, in the order of the scenario, and how many there are.
fn slowest(run: Run<'_>, timing: Timing) -> (Vec<TrafficId>, usize) {
    let waited = |t: &TrafficSummary| match timing {
        Timing::Connect => t.connect_latency.quantile(990),
        Timing::Request => t.request_latency.quantile(990),
    };
    let mut all: Vec<_> = run.sources(None).filter_map(|(id, t)| Some((waited(t)?, id))).collect();
    let count = all.len();
    all.sort_by_key(|&(waited, id)| (Reverse(waited), id.index()));
    all.truncate(MOST_SOURCES);
    let mut shown: Vec<TrafficId> = all.into_iter().map(|(_, id)| id).collect();
    shown.sort_by_key(|id| id.index());
    (shown, count)
}

/// A cumulative outcome of some sources together, row by row.
fn summed(run: Run<'_>, sources: &[TrafficId], outcome: Outcome) -> Vec<u64> {
    let series = &run.summary.series;
    let columns: Vec<&[u64]> =
        sources.iter().filter_map(|&t| series.get(Metric::Outcome(t, outcome))).collect();
    (0..series.rows).map(|row| columns.iter().filter_map(|c| c.get(row)).sum()).collect()
}
