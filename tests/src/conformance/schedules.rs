//! Schedules: when timers made the host speak, and when the connection ended.

use serde_json::Value;
use sim_core::seq::Seq;
use sim_core::tcp::config::TimerModel;
use sim_core::tcp::{Input, Linger2};
use sim_core::time::{Span, Time};

use super::cells::compare_counters;
use super::notation::{differs, int, set_sysctls, text};
use super::replica::{Replica, recorded_host};
use super::report::{Report, Setups};
use super::setup::{PEER_ISN, Prepared, call, prepare};

/// Segments and ends are noted to within so much, the wheel's lateness aside.
const NOTING: f64 = 0.05;
/// The end was polled for.
const POLLING: f64 = 0.15;

/// Replays every schedule of a file.
pub(super) fn replay(schedules: &[Value], setups: &Setups, report: &mut Report) {
    for record in schedules {
        let problems = replay_one(record, setups).unwrap_or_else(|problem| vec![problem]);
        report.judge("schedules", text(&record["name"]), "", &problems);
    }
}

/// The state a schedule begins in, and the calls that begin it, by the beginning of its name.
const BEGINNINGS: [(&str, &str, &[&str]); 12] = [
    ("synack_rtx", "SYN_RECV", &[]),
    ("syn_rtx", "SYN_SENT", &[]),
    ("fin_wait1_orphan", "FIN_WAIT1_ORPHAN", &[]),
    ("fin_wait1_open", "FIN_WAIT1", &[]),
    ("last_ack", "LAST_ACK", &[]),
    ("data_then_close", "ESTABLISHED", &["write 100", "close"]),
    ("data_rtx", "ESTABLISHED_INFLIGHT", &[]),
    ("fin_wait2_open", "FIN_WAIT2", &[]),
    ("fin_wait2_close_later", "FIN_WAIT2", &["close"]),
    ("fin_wait2_orphan", "FIN_WAIT2_ORPHAN", &[]),
    ("time_wait_via_closing", "CLOSING", &[]),
    ("time_wait", "TIME_WAIT", &[]),
];

fn replay_one(record: &Value, setups: &Setups) -> Result<Vec<String>, String> {
    let (mut it, zero) = begin(record, setups)?;
    let mut problems = Vec::new();
    let end = zero + Span::from_micros((record["watched_s"].as_f64().unwrap_or(0.0) * 1e6) as u64);
    for event in record["events"].as_array().into_iter().flatten().filter(|e| e["kind"] == "in") {
        let at = Span::from_micros((event["t"].as_f64().unwrap_or(0.0) * 1e6) as u64);
        it.host.advance(zero + at);
        let seg = it.segment(
            text(&event["flags"]),
            int(&event["seq"]).unwrap_or(0),
            int(&event["ack"]).unwrap_or(0),
            int(&event["len"]).unwrap_or(0) as u32,
            int(&event["ts_val"]),
        );
        it.host.inject(&seg);
    }
    let closed = run_until_gone(&mut it.host, end);
    compare_times(record, &it, zero, closed, &mut problems);
    let error = it.host.call(Input::TakeError).err().filter(|_| record["so_error"].is_string());
    let got = error.map_or("null".to_owned(), |e| format!("{:?}", e.name()));
    problems.extend(differs("so_error", &record["so_error"].to_string(), &got));
    let mut counters = std::mem::take(&mut it.counters);
    counters.extend(it.host.take_counters());
    compare_counters(&record["counters"], &counters, &mut problems);
    Ok(problems)
}

/// The host at the schedule's zero.
fn begin(record: &Value, setups: &Setups) -> Result<(Prepared, Time), String> {
    let name = text(&record["name"]);
    let beginning = BEGINNINGS.iter().find(|b| name.starts_with(b.0)).map(|b| (b.1, b.2));
    // Otherwise the name begins with its state's.
    let beginning = beginning.or_else(|| setups.state_named_by(name).map(|state| (state, &[][..])));
    let (state, calls) = beginning.ok_or_else(|| format!("no set-up for {name}"))?;
    let fd_open = name.contains("fd_open");
    let state = if fd_open { "FIN_WAIT2" } else { state };
    let suffix = if record["timestamps"] == true { "ts" } else { "nots" };
    let mut cfg = recorded_host(TimerModel::Wheel { hz: 250, phase: Span::ZERO });
    set_sysctls(&mut cfg, &record["sysctls"]);
    let linger = name.split_once("linger2_").map(|(_, value)| match value.parse() {
        Ok(seconds) => Linger2::For(Span::from_secs(seconds)),
        Err(_) => Linger2::Never,
    });
    let before = |host: &mut Replica, call: &str| {
        if let (Some(linger), "close") = (linger, call) {
            let _ = host.call(Input::SetLinger2(linger));
        }
    };
    let log = setups.endpoint(&format!("{state}/{suffix}"))?;
    let mut it = prepare(Replica::new(cfg), log, &before)?;
    let ts = (record["timestamps"] == true).then_some(0);
    if name.starts_with("fin_wait2_close_later") {
        it.host.wait(Span::from_secs(2));
    }
    // What begins the state is sent at its zero; the log's last segment was a millisecond ago.
    let mut zero = it.host.now;
    for text in calls {
        call(&mut it.host, text)?;
    }
    if fd_open || state == "CLOSING" && name.starts_with("time_wait") {
        let seg = it.segment(if fd_open { "FA" } else { "A" }, 0, 0, 0, ts);
        it.host.inject(&seg);
        it.rcv_nxt = seg.end();
        zero = it.host.now;
    }
    if !calls.is_empty() || fd_open {
        it.counters.extend(it.host.take_counters());
        it.host.sent.clear();
    }
    if it.iss.is_none() {
        it.rcv_nxt = PEER_ISN;
        it.snd_nxt = Seq(0);
    }
    Ok((it, zero))
}

/// Runs to `end`; answers when the tuple became free, if it did.
fn run_until_gone(host: &mut Replica, end: Time) -> Option<Time> {
    while host.now < end && !host.is_gone() {
        host.wait(Span::from_millis(4));
    }
    host.is_gone().then_some(host.now)
}

/// How late the kernel may fire after a delay.
fn lateness(delay: f64) -> f64 {
    match delay {
        d if d < 0.25 => 0.004,
        d if d < 2.0 => 0.032,
        d if d < 16.0 => 0.256,
        d if d < 128.0 => 2.048,
        _ => 16.4,
    }
}

fn compare_times(
    record: &Value,
    it: &Prepared,
    zero: Time,
    closed: Option<Time>,
    problems: &mut Vec<String>,
) {
    let seconds = |at: Time| at.since(zero).as_micros() as f64 / 1e6;
    let got: Vec<f64> = it.host.sent.iter().map(|s| seconds(s.0)).collect();
    let list = |v: &Value| -> Vec<f64> {
        v["out_times_s"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
    };
    let runs = [list(record), list(&record["second_run"])];
    if got.len() != runs[0].len() {
        problems.push(format!("out_times_s: expected {:?}, got {got:?}", runs[0]));
        return;
    }
    // Each expiry may have been late, in theirs and in ours.
    let mut slack = NOTING;
    let mut last = 0.0;
    for (number, at) in got.iter().enumerate() {
        slack += lateness(at - last);
        last = *at;
        let low = runs.iter().filter_map(|r| r.get(number)).fold(f64::MAX, |a, b| a.min(*b)) - slack;
        let high = runs.iter().filter_map(|r| r.get(number)).fold(0.0, |a: f64, b| a.max(*b)) + slack;
        if !(low..=high).contains(at) {
            problems.push(format!("out {number}: expected {low:.3} to {high:.3} s, got {at:.3}"));
        }
    }
    let ends = [record["closed_at_s"].as_f64(), record["second_run"]["closed_at_s"].as_f64()];
    match (closed.map(seconds), ends[0]) {
        (None, None) => {}
        (Some(at), Some(end)) => {
            slack += lateness(at - last) + POLLING;
            let other = ends[1].unwrap_or(end);
            if at < end.min(other) - slack || at > end.max(other) + slack {
                problems.push(format!("closed_at_s: expected {end}, got {at:.3}"));
            }
        }
        (got, end) => problems.push(format!("closed_at_s: expected {end:?}, got {got:?}")),
    }
}
