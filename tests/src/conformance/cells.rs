//! Endpoint cells: a state, one injected segment, what came of it.

use std::collections::BTreeMap;

use serde_json::Value;
use sim_core::seq::Seq;
use sim_core::tcp::config::TimerModel;
use sim_core::tcp::{Flags, Input, Segment, SynOptions, TsOption};
use sim_core::time::{Span, Time};

use super::notation::{
    differs, flag_letters, int, parse_flags, poll_names, recorded_poll, set_sysctls, text,
};
use super::replica::{Replica, recorded_host};
use super::report::{Report, Setups};
use super::setup::{PEER_CLOCK, Prepared, prepare};

/// How long after a segment its effects were read.
const SETTLE: Span = Span::from_millis(100);
/// A reply later than this was delayed.
const IMMEDIATE: Span = Span::from_millis(25);
/// A mini-socket had lived so long when the segment came.
const AGE: Span = Span::from_millis(350);

/// Replays every cell of a file.
pub(super) fn replay(cells: &[Value], setups: &Setups, report: &mut Report) {
    for cell in cells {
        let problems = match replay_one(cell, setups) {
            Ok(problems) => problems,
            Err(problem) => vec![problem],
        };
        report.judge("endpoint", text(&cell["id"]), text(&cell["state"]), &problems);
    }
}

/// Numbers relative to the moment before the segment.
struct Bases {
    snd_nxt: Seq,
    rcv_nxt: Seq,
    ts_recent: u32,
}

fn replay_one(cell: &Value, setups: &Setups) -> Result<Vec<String>, String> {
    let mut it = enter(cell, setups)?;
    let bases = Bases { snd_nxt: it.snd_nxt, rcv_nxt: it.rcv_nxt, ts_recent: PEER_CLOCK };
    let seg = injected(cell, &it, &bases);
    let before = it.host.timer();
    let began = it.host.now;
    it.host.inject(&seg);
    let mut marks = Vec::new();
    for after in cell["repeat_after_s"].as_array().into_iter().flatten() {
        let millis = (after.as_f64().unwrap_or(0.0) * 1e3).round() as u64;
        it.host.advance(began + Span::from_millis(millis));
        marks.push(it.host.sent.len());
        let again = refreshed(cell, &seg, &it.host);
        it.host.inject(&again);
    }
    it.host.wait(SETTLE);
    let mut problems = Vec::new();
    compare_replies(cell, &it, &bases, &marks, began, &mut problems);
    compare_state(cell, &it, &mut problems);
    compare_timers(cell, &it, before.map(|t| t.at), &mut problems);
    compare_application(cell, &mut it, &mut problems);
    compare_counters(&cell["counters"], &it.host.take_counters(), &mut problems);
    Ok(problems)
}

/// The host in the cell's state.
fn enter(cell: &Value, setups: &Setups) -> Result<Prepared, String> {
    let state = text(&cell["state"]);
    let suffix = if cell["timestamps"] == true { "ts" } else { "nots" };
    let log = setups.endpoint(&format!("{state}/{suffix}"))?;
    let mut cfg = recorded_host(TimerModel::Exact);
    set_sysctls(&mut cfg, &cell["sysctls"]);
    if state == "FIN_WAIT2_ORPHAN_FULL" {
        cfg.fin_timeout = Span::from_secs(120);
    }
    let mut host = Replica::new(cfg);
    if cell["listener"] == true && !log.iter().any(|e| text(&e["call"]).starts_with("listen")) {
        host.listen(8);
    }
    let mut it = prepare(host, log, &|_, _| {})?;
    if it.host.timer().is_some_and(|t| t.kind == "timewait") {
        it.host.wait(AGE);
    }
    Ok(it)
}

fn injected(cell: &Value, it: &Prepared, bases: &Bases) -> Segment {
    let wanted = &cell["segment"];
    let flags = parse_flags(text(&wanted["flags"]));
    let ts_val = int(&wanted["ts_val"]);
    Segment {
        seq: bases.rcv_nxt + int(&wanted["seq"]).unwrap_or(0) as u32,
        ack: int(&wanted["ack"]).map_or(Seq(0), |ack| bases.snd_nxt + ack as u32),
        len: int(&wanted["len"]).unwrap_or(0) as u32,
        win: int(&wanted["win"]).unwrap_or(65_535) as u16,
        flags,
        ts: ts_val.map(|val| TsOption {
            val: bases.ts_recent.wrapping_add(val as u32),
            ecr: echo(wanted, &it.host),
        }),
        syn: if flags.has(Flags::SYN) {
            SynOptions { mss: 1460, ..SynOptions::default() }
        } else {
            SynOptions::default()
        },
        ..Segment::default()
    }
}

fn echo(wanted: &Value, host: &Replica) -> u32 {
    if wanted["ts_ecr"] == "last" { host.last_tsval } else { 0 }
}

/// The same segment once more; `last` means the newest TSval then.
fn refreshed(cell: &Value, seg: &Segment, host: &Replica) -> Segment {
    Segment { ts: seg.ts.map(|ts| TsOption { ecr: echo(&cell["segment"], host), ..ts }), ..*seg }
}

fn relative(value: Seq, base: Seq) -> Value {
    Value::from(value.diff(base))
}

/// One reply in the recordings' terms; `expected` decides between relative and absolute zeros.
fn describe(seg: &Segment, at: Span, bases: &Bases, expected: Option<&Value>) -> Vec<(&'static str, String)> {
    let expected = expected.unwrap_or(&Value::Null);
    let seq = match text(&expected["seq"]) {
        "isn" => Value::from("isn"),
        "abs0" if seg.seq == Seq(0) => Value::from("abs0"),
        _ => relative(seg.seq, bases.snd_nxt),
    };
    let ack = if !seg.flags.has(Flags::ACK) {
        Value::Null
    } else if text(&expected["ack"]) == "abs0" && seg.ack == Seq(0) {
        Value::from("abs0")
    } else {
        relative(seg.ack, bases.rcv_nxt)
    };
    let ecr = seg.ts.map_or(Value::Null, |ts| {
        if ts.ecr == 0 {
            Value::from("abs0")
        } else {
            Value::from(ts.ecr.wrapping_sub(bases.ts_recent) as i32)
        }
    });
    let blocks: Vec<Value> = [seg.sack, seg.sack2]
        .into_iter()
        .flatten()
        .map(|(lo, hi)| vec![relative(lo, bases.rcv_nxt), relative(hi, bases.rcv_nxt)].into())
        .collect();
    let sack = if blocks.is_empty() { Value::Null } else { blocks.into() };
    vec![
        ("flags", flag_letters(seg.flags)),
        ("seq", seq.to_string()),
        ("ack", ack.to_string()),
        ("len", seg.len.to_string()),
        ("win", seg.win.to_string()),
        ("ecr", ecr.to_string()),
        ("sack", sack.to_string()),
        ("when", if at < IMMEDIATE { "immediate" } else { "delayed" }.to_owned()),
    ]
}

/// The same of a recorded reply.
fn recorded(reply: &Value) -> Vec<(&'static str, String)> {
    let ecr = if reply["ts"].is_null() { Value::Null } else { reply["ts"]["ecr"].clone() };
    vec![
        ("flags", text(&reply["flags"]).to_owned()),
        ("seq", reply["seq"].to_string()),
        ("ack", reply["ack"].to_string()),
        ("len", reply["len"].to_string()),
        ("win", reply["win"].to_string()),
        ("ecr", ecr.to_string()),
        ("sack", reply["sack"].to_string()),
        ("when", text(&reply["when"]).to_owned()),
    ]
}

fn compare_replies(
    cell: &Value,
    it: &Prepared,
    bases: &Bases,
    marks: &[usize],
    began: Time,
    problems: &mut Vec<String>,
) {
    let list = cell["reply"].as_array().cloned().unwrap_or_default();
    let mut expected = Vec::new();
    let mut expected_marks = Vec::new();
    for reply in &list {
        if reply == "REPEAT" {
            expected_marks.push(expected.len());
        } else {
            expected.push(reply);
        }
    }
    let sent: Vec<_> = it.host.sent.iter().filter(|s| s.0 >= began).collect();
    if sent.len() != expected.len() || marks != expected_marks.as_slice() {
        let got: Vec<_> = sent
            .iter()
            .map(|(at, seg)| format!("{:?}", describe(seg, at.since(began), bases, None)))
            .collect();
        problems.push(format!("reply: expected {}, got {got:?}", cell["reply"]));
        return;
    }
    let moments = cell["repeat_after_s"].as_array().cloned().unwrap_or_default();
    for (number, (&(at, ref seg), expected)) in sent.into_iter().zip(expected).enumerate() {
        // A reply counts from the injection it follows.
        let rounds = marks.iter().filter(|m| **m <= number).count();
        let offset = rounds.checked_sub(1).and_then(|i| moments.get(i)?.as_f64()).unwrap_or(0.0);
        let origin = began + Span::from_millis((offset * 1e3).round() as u64);
        let got = describe(seg, at.since(origin), bases, Some(expected));
        for ((what, got), (_, expected)) in got.iter().zip(recorded(expected)) {
            problems.extend(differs(&format!("reply {number} {what}"), &expected, got));
        }
    }
}

fn compare_state(cell: &Value, it: &Prepared, problems: &mut Vec<String>) {
    let mut got = it.host.state();
    let expected = text(&cell["next_state"]);
    // Where a listener is not what the cell is about, an empty tuple is CLOSED.
    if got == "LISTEN" && expected != "LISTEN" {
        got = "CLOSED";
    }
    problems.extend(differs("next_state", expected, got));
    let listening = it.host.has_listener();
    if let Some(expected) = cell["listener_after"].as_bool()
        && expected != listening
    {
        problems.push(format!("listener_after: expected {expected}, got {listening}"));
    }
    if let Some(expected) = cell["accepted"].as_bool() {
        let got = it.host.can_accept();
        problems.extend(differs("accepted", &expected.to_string(), &got.to_string()));
    }
}

fn compare_timers(cell: &Value, it: &Prepared, before: Option<Time>, problems: &mut Vec<String>) {
    let shown = it.host.timer();
    let after = &cell["timer_after"];
    let got_kind = shown.map_or("off", |t| t.kind);
    let expected_kind = if after.is_null() { "off" } else { text(&after["kind"]) };
    problems.extend(differs("timer", expected_kind, got_kind));
    if let (Some(shown), Some(expected)) = (shown, int(&after["ms"]))
        && expected_kind == got_kind
    {
        let got = shown.at.since(it.host.now).as_millis() as i64;
        // The recorded moment may lie up to 60 ms after ours, or 20 before.
        if got - expected > 60 + 4 || expected - got > 20 + 4 {
            problems.push(format!("timer_after: expected {expected} ms, got {got} ms"));
        }
    }
    let tw = shown.filter(|t| t.kind == "timewait");
    let had_tw = matches!(text(&cell["state"]), "TIME_WAIT" | "TIME_WAIT_LISTENER" | "FIN_WAIT2_ORPHAN");
    let got = match tw {
        None => "null",
        Some(_) if !had_tw => "started",
        Some(now) if before == Some(now.at) => "kept",
        Some(_) => "restarted",
    };
    let expected = cell["timewait_timer"].as_str().unwrap_or("null");
    // An orphan's FIN_WAIT2 is a timewait timer too; its beginning is not always noted.
    if !(expected == "null" && got == "started" && text(&cell["next_state"]) == "FIN_WAIT2") {
        problems.extend(differs("timewait_timer", expected, got));
    }
}

fn compare_application(cell: &Value, it: &mut Prepared, problems: &mut Vec<String>) {
    let app = &cell["app"];
    if app.is_null() {
        return;
    }
    let error = it.host.call(Input::TakeError).err().map_or("null".to_owned(), |e| format!("{:?}", e.name()));
    problems.extend(differs("so_error", &app["so_error"].to_string(), &error));
    let poll = it.host.poll().map(poll_names).unwrap_or_default();
    let expected = recorded_poll(&app["poll"]);
    problems.extend(differs("poll", &expected.join("+"), &poll.join("+")));
    problems.extend(differs("rx_bytes", &app["rx_bytes"].to_string(), &it.host.readable().to_string()));
}

/// Compares counters by name and number.
pub(super) fn compare_counters(expected: &Value, got: &[&str], problems: &mut Vec<String>) {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for name in got {
        *counts.entry((*name).to_owned()).or_default() += 1;
    }
    let wanted: BTreeMap<String, i64> = expected
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !name.contains("DelayedACK"))
        .map(|(name, value)| (name.clone(), value.as_i64().unwrap_or(0)))
        .collect();
    if counts != wanted {
        problems.push(format!("counters: expected {wanted:?}, got {counts:?}"));
    }
}
