//! A sweep for programs: `points.csv` and `sweep.json`. The fields are documented in `reports/SWEEP.md`.

use std::collections::BTreeMap;

use experiments::Run;
use experiments::record::{Reading, RunKey};
use serde::Serialize;

use super::{Sweep, seeds_text};
use crate::verdict::Unit;

/// Name and version of the format; the number rises when a field changes its meaning or goes.
pub const FORMAT: &str = "timewait-sweep/1";

/// A line for each point: its settings, then for each measure the mean and the ends of its interval.
pub fn points_csv(sweep: &Sweep<'_>) -> String {
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut header: Vec<String> = sweep.campaign.axes.iter().map(|a| a.target.name.clone()).collect();
    header.push("runs".to_owned());
    for (measure, unit) in sweep.campaign.measures.iter().zip(sweep.units) {
        header.extend(["mean", "low", "high"].map(|end| format!("{measure} {end} [{}]", unit_name(*unit))));
    }
    header.extend(["bound_first", "bound_first_runs"].map(str::to_owned));
    write(&mut out, &header);
    for point in sweep.finished() {
        let settings = sweep.campaign.settings(&sweep.campaign.points[point]);
        let mut record: Vec<String> = settings.iter().map(|s| s.text.clone()).collect();
        record.push(sweep.swept.readings[point].len().to_string());
        for measure in 0..sweep.units.len() {
            let estimate = sweep.swept.estimate(point, measure);
            let ends = estimate.and_then(|e| sweep.units[measure].interval(&e));
            record.push(estimate.map(|e| e.mean.to_string()).unwrap_or_default());
            record.push(ends.map(|e| e.0.to_string()).unwrap_or_default());
            record.push(ends.map(|e| e.1.to_string()).unwrap_or_default());
        }
        let (limit, runs) = sweep.bound_first(point);
        record.extend([limit.unwrap_or_default().to_owned(), runs.to_string()]);
        write(&mut out, &record);
    }
    String::from_utf8(out.into_inner().expect("a vector takes every write"))
        .expect("only strings were written")
}

fn write(out: &mut csv::Writer<Vec<u8>>, record: &[String]) {
    out.write_record(record).expect("a vector takes every write, and all rows are equally long");
}

const fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "count",
        Unit::Bytes => "B",
        Unit::Seconds => "s",
        Unit::Share => "share",
        Unit::PerSecond => "1/s",
        Unit::Holds => "holds",
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    format: &'static str,
    timewait: &'static str,
    asked: &'a str,
    complete: bool,
    scenario: ScenarioJson<'a>,
    set: Vec<String>,
    seed: Option<u64>,
    seeds: String,
    axes: Vec<AxisJson<'a>>,
    measures: Vec<MeasureJson<'a>>,
    points: Vec<PointJson<'a>>,
}

#[derive(Serialize)]
struct ScenarioJson<'a> {
    name: &'a str,
    title: &'a str,
    text: &'a str,
    sysctl: BTreeMap<&'a str, &'a str>,
    files: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct AxisJson<'a> {
    path: &'a str,
    values: Vec<&'a str>,
}

#[derive(Serialize)]
struct MeasureJson<'a> {
    measure: &'a str,
    unit: &'static str,
}

#[derive(Serialize)]
struct PointJson<'a> {
    settings: Vec<&'a str>,
    set: Vec<String>,
    estimates: Vec<Option<EstimateJson>>,
    runs: &'a [Reading],
}

#[derive(Serialize)]
struct EstimateJson {
    runs: usize,
    mean: f64,
    low: Option<f64>,
    high: Option<f64>,
    least: f64,
    most: f64,
}

/// The whole sweep as JSON text, the question in full beside the answer.
pub fn sweep_json(sweep: &Sweep<'_>) -> String {
    let campaign = sweep.campaign;
    let base = &campaign.base;
    let whole = Whole {
        format: FORMAT,
        timewait: env!("CARGO_PKG_VERSION"),
        asked: sweep.asked,
        complete: sweep.swept.complete,
        scenario: ScenarioJson {
            name: sweep.name,
            title: sweep.title,
            text: &base.source.text,
            sysctl: base.sysctl.iter().map(|(host, s)| (host.as_str(), s.text.as_str())).collect(),
            files: base
                .files
                .0
                .iter()
                .filter_map(|(name, read)| Some((name.as_str(), read.as_ref().ok()?.text.as_str())))
                .collect(),
        },
        set: base.patches.iter().map(ToString::to_string).collect(),
        seed: base.seed,
        seeds: seeds_text(sweep.seeds),
        axes: campaign
            .axes
            .iter()
            .map(|a| AxisJson {
                path: &a.target.name,
                values: a.values.iter().map(|v| v.text.as_str()).collect(),
            })
            .collect(),
        measures: campaign
            .measures
            .iter()
            .zip(sweep.units)
            .map(|(measure, &unit)| MeasureJson { measure, unit: unit_name(unit) })
            .collect(),
        points: sweep.finished().map(|point| point_json(sweep, point)).collect(),
    };
    let mut text = serde_json::to_string_pretty(&whole).expect("plain data always serialises");
    text.push('\n');
    text
}

fn point_json<'a>(sweep: &Sweep<'a>, point: usize) -> PointJson<'a> {
    let campaign = sweep.campaign;
    let at = &campaign.points[point];
    let estimate = |measure| {
        let e = sweep.swept.estimate(point, measure)?;
        let (low, high) = sweep.units[measure].interval(&e).unzip();
        Some(EstimateJson { runs: e.count, mean: e.mean, low, high, least: e.least, most: e.most })
    };
    PointJson {
        settings: campaign.settings(at).iter().map(|s| s.text.as_str()).collect(),
        set: campaign.patches(at).iter().map(ToString::to_string).collect(),
        estimates: (0..sweep.units.len()).map(estimate).collect(),
        runs: &sweep.swept.readings[point],
    }
}

#[derive(Serialize)]
struct PlanJson<'a> {
    key: String,
    scenario: &'a str,
    set: Vec<String>,
    seed: Option<u64>,
}

/// A run that is to be done, as a line of JSON: its key, the scenario's name, all changes and the seed.
pub fn plan_line(run: &Run, key: RunKey) -> String {
    let set = run.patches.iter().map(ToString::to_string).collect();
    let line = PlanJson { key: key.to_string(), scenario: &run.source.name, set, seed: run.seed };
    let mut text = serde_json::to_string(&line).expect("plain data always serialises");
    text.push('\n');
    text
}
