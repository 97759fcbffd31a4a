//! The script of what connect() costs while more and more ports are in use.

use serde_json::{Map, Value, json};
use sim_core::ids::HostId;
use sim_core::scenario::Metric;
use sim_core::tcp::State;

use super::super::Plan;
use super::super::judge::Loose;
use super::super::language::{CLIENT, Machines, SERVER, number, seconds};
use super::super::recording::Recording;
use super::super::trail::Observed;
use super::{params, seen, told};

/// Rows of the time series for each second.
const ROWS: f64 = 100.0;

/// A moment that has a row of its own, not before another.
fn row_after(at: f64) -> f64 {
    (at * 10.0).ceil() / 10.0
}

/// One level: how full the range is, and when the calls are made that are timed.
#[derive(Clone, Copy, Debug)]
struct Level {
    percent: u64,
    from: f64,
    to: f64,
    calls: u32,
}

/// connect() at levels of use of the range. What one port costs to look at is the recording's own machine: it is taken from the
/// fullest level, and what a call costs beside it from the emptiest. The shape in between is what is compared.
pub(super) fn search(recording: &Recording) -> Result<Plan, String> {
    let params = params(recording, &["levels", "calls", "n"])?;
    let mut machines = Machines::read(recording)?;
    machines.add(SERVER, "listen: [(port: 8000)]".to_owned());
    let levels: Vec<u64> = params
        .get("levels")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .collect();
    let (calls, n) = (number(&params, "calls", 300.0)? as u32, number(&params, "n", 28232.0)?);
    let cost =
        |percent: &u64| recording.fact("connect_us_p50_by_percent_used")?[percent.to_string()].as_f64();
    let (Some(least), Some(most)) = (levels.first(), levels.last()) else {
        return Err("no levels".to_owned());
    };
    let (Some(alone), Some(full)) = (cost(least), cost(most)) else {
        return Err("levels without a cost".to_owned());
    };
    let walked = if *most >= 100 { n } else { n / 2.0 };
    let probe_ns = ((full - alone).max(0.0) * 1000.0 / walked).round().max(1.0);
    machines.add(CLIENT, format!("ports: (probe_time: \"{probe_ns}ns\")"));
    let longest = probe_ns * 1e-9 * n * 1.3;
    let (mut at, mut used) = (1.0, 0);
    let (mut traffic, mut told_levels) = (Vec::new(), Vec::new());
    for (i, &percent) in levels.iter().enumerate() {
        let wanted = (n * percent as f64 / 100.0).floor() as u64;
        if wanted > used {
            let gap_ns = if percent > 50 { (longest / 2.0 * 1e9).ceil() as u64 } else { 200_000 };
            let count = wanted - used;
            let stop = at + (gap_ns * count) as f64 / 1e9;
            traffic.push(format!(
                "\"fill{i}\": (from: \"{CLIENT}\", to: \"{SERVER}:8000\", requests_per_connection: 0, start: {}, stop: {}, \
                 arrivals: constant(\"1/{gap_ns}ns\"))",
                seconds(at),
                seconds(stop)
            ));
            at = stop;
            used = wanted;
        }
        let from = row_after(at + 0.1);
        let calls = if percent >= 100 { calls.min(100) } else { calls };
        let to = row_after(from + f64::from(calls) * (longest + 0.001));
        machines
            .add(SERVER, format!("drop: [(segments: syn, start: {}, stop: {})]", seconds(from), seconds(to)));
        traffic.push(format!(
            "\"calls{i}\": (from: \"{CLIENT}\", to: \"{SERVER}:8000\", start: {}, stop: {}, connect_timeout: \"100us\", \
             arrivals: constant(\"{calls}/{}ns\"))",
            seconds(from),
            seconds(to),
            ((to - from) * 1e9).round()
        ));
        told_levels.push(Level { percent, from, to, calls });
        at = to;
    }
    let mut plan =
        told(&machines, at + 1.0, &traffic, move |observed| facts(observed, &told_levels, alone, probe_ns));
    plan.text = plan.text.replacen("sample: \"1s\"", "sample: \"10ms\"", 1);
    // The recorder says of its machine that it was shared and noisy, and that the shape is what counts.
    Ok(plan
        .loosely("connect_us_p50_by_percent_used", Loose::Share(0.2))
        .loosely("connect_us_p90_by_percent_used", Loose::Noise(0.5))
        .loosely("ratio_p50_to_empty", Loose::Share(0.2)))
}

fn facts(observed: &Observed, levels: &[Level], alone: f64, probe_ns: f64) -> Option<super::Seen> {
    let client = observed.host(CLIENT)?;
    let value = |metric: Metric, at: f64| {
        let column = observed.summary.series.get(metric)?;
        column.get((at * ROWS).round() as usize).copied()
    };
    let waiting = |at| value(Metric::Sockets(client, State::TimeWait), at).unwrap_or(0);
    let probes = |host: HostId, at| value(Metric::PortProbes(host), at).unwrap_or(0);
    let mut cost = Map::new();
    for level in levels {
        let each = (probes(client, level.to) - probes(client, level.from)) as f64 / f64::from(level.calls);
        cost.insert(level.percent.to_string(), json!(alone + each * probe_ns / 1000.0));
    }
    let empty = cost.values().next().and_then(Value::as_f64)?;
    let ratio = |cost: &Value| json!(cost.as_f64().map(|cost| cost / empty));
    let full = levels.iter().rposition(|level| level.percent >= 100);
    let errors = full.and_then(|i| observed.traffic(&format!("calls{i}"))).map(|id| {
        let errors = &observed.summary.traffic[id.index()].errors;
        Value::Object(errors.iter().map(|e| (e.errno.name().to_owned(), json!(e.tally.count))).collect())
    });
    Some(seen([
        (
            "ratio_p50_to_empty",
            Value::Object(cost.iter().map(|(level, us)| (level.clone(), ratio(us))).collect()),
        ),
        ("connect_us_p90_by_percent_used", Value::Object(cost.clone())),
        ("connect_us_p50_by_percent_used", Value::Object(cost)),
        ("full_range_result", json!(errors)),
        (
            "time_wait_at_each_level",
            json!(levels.iter().map(|level| waiting(level.from)).collect::<Vec<_>>()),
        ),
    ]))
}
