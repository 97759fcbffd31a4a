//! Random walks of one connection: calls, segments and waits in turn, compared step by step.

use serde_json::Value;
use sim_core::errno::Errno;
use sim_core::seq::Seq;
use sim_core::tcp::config::TimerModel;
use sim_core::tcp::{Flags, Input, Segment, SynOptions, TsOption};
use sim_core::time::{Span, Time};

use super::notation::{
    differs, flag_letters, int, parse_flags, poll_names, recorded_poll, set_sysctls, text,
};
use super::replica::{Replica, recorded_host};
use super::report::Report;

/// The peer's base of sequence numbers.
const PEER_BASE: Seq = Seq(3_000_000_000);
/// The peer's base of timestamps.
const PEER_CLOCK: u32 = 2_000_000_000;
/// Stands for our initial sequence number before there is one.
const NO_ISS: Seq = Seq(500_000_000);
/// Farther than this, a number is written `far`.
const FAR: i32 = 8_000_000;
/// The kernel's timers fire late by up to a granule of its wheel, depending on where in the wheel's turn a walk began,
/// which was not recorded. A walk agrees if it does so for one of these beginnings, or with exact timers.
const PHASES_MS: [u64; 8] = [0, 8, 16, 24, 68, 140, 212, 1000];
/// The listeners' backlog.
const BACKLOG: u32 = 8;

/// Replays every walk of a file.
pub(super) fn replay(walks: &[Value], report: &mut Report) {
    for walk in walks {
        let wheels = PHASES_MS.map(|ms| TimerModel::Wheel { hz: 250, phase: Span::from_millis(ms) });
        let mut problems = Vec::new();
        for timers in wheels.into_iter().chain([TimerModel::Exact]) {
            let found = Walk::new(walk, timers).run(walk);
            let found = found.unwrap_or_else(|problem| vec![problem]);
            if problems.is_empty() || found.is_empty() {
                problems = found;
            }
            if problems.is_empty() {
                break;
            }
        }
        report.judge("walks", text(&walk["id"]), text(&walk["role"]), &problems);
    }
}

/// One walk under way.
struct Walk {
    host: Replica,
    start: Time,
    iss: Option<Seq>,
    /// The end of what we sent on the connection before.
    last_end: Seq,
}

impl Walk {
    fn new(walk: &Value, timers: TimerModel) -> Walk {
        let mut cfg = recorded_host(timers);
        set_sysctls(&mut cfg, &walk["sysctls"]);
        let host = Replica::new(cfg);
        Walk { start: host.now, host, iss: None, last_end: NO_ISS }
    }

    /// The problems of the first step that differs.
    fn run(&mut self, walk: &Value) -> Result<Vec<String>, String> {
        for (number, step) in walk["steps"].as_array().into_iter().flatten().enumerate() {
            let problems = self.step(step)?;
            if !problems.is_empty() {
                return Ok(problems.into_iter().map(|p| format!("step {number}: {p}")).collect());
            }
        }
        Ok(Vec::new())
    }

    fn moment(&self, value: &Value) -> Time {
        let millis = value.as_f64().unwrap_or(0.0);
        self.start + Span::from_micros((millis * 1e3).round() as u64)
    }

    fn step(&mut self, step: &Value) -> Result<Vec<String>, String> {
        let begin = self.moment(&step["t_ms"]);
        self.host.advance(begin);
        self.host.sent.clear();
        let mut problems = Vec::new();
        if step.get("app").is_some() {
            let got = self.call(text(&step["app"]), &step["arg"])?;
            problems.extend(differs("result", &step["result"].to_string(), &got.to_string()));
        } else if step.get("in").is_some() {
            let seg = self.incoming(&step["in"]);
            self.host.inject(&seg);
        }
        self.host.advance(self.moment(&step["end_ms"]));
        self.compare_sent(&step["out"], begin, &mut problems);
        problems.extend(differs("state", text(&step["state"]), self.host.state()));
        self.compare_timer(&step["timer"], &mut problems);
        self.compare_view(&step["app_view"], &mut problems);
        let _ = self.host.take_counters();
        Ok(problems)
    }

    /// Performs a call; the result as the recordings write it.
    fn call(&mut self, call: &str, arg: &Value) -> Result<Value, String> {
        let host = &mut self.host;
        let done =
            |result: Result<(), Errno>| result.map_or_else(|e| Value::from(e.name()), |()| "ok".into());
        let count = |result: Result<u32, Errno>| result.map_or_else(|e| Value::from(e.name()), Value::from);
        let bytes = int(arg).unwrap_or(0) as u32;
        Ok(match call {
            "listen" => {
                host.listen(BACKLOG);
                "ok".into()
            }
            "connect" => match host.connect(true) {
                Ok(()) => Errno::Einprogress.name().into(),
                // Only bind() finds the port in use.
                Err(Errno::Eaddrinuse) => format!("bind:{}", Errno::Eaddrinuse.name()).into(),
                Err(e) => e.name().into(),
            },
            "accept" => done(host.accept()),
            "send" => count(host.call(Input::Send { len: bytes })),
            "recv" => count(host.call(Input::Recv { len: 65_536 })),
            "close" => done(host.call(Input::Close).map(|_| ())),
            "close_linger0" => done(host.call(Input::Abort).map(|_| ())),
            "shutdown_wr" => done(host.call(Input::ShutdownWrite).map(|_| ())),
            "shutdown_rd" => done(host.call(Input::ShutdownRead).map(|_| ())),
            "close_listener" => {
                host.close_listener();
                "ok".into()
            }
            "so_error" => host.call(Input::TakeError).map_or_else(|e| e.name().into(), |_| 0.into()),
            other => return Err(format!("unknown call {other}")),
        })
    }

    fn incoming(&self, wanted: &Value) -> Segment {
        let flags = parse_flags(text(&wanted["flags"]));
        let iss = self.iss.unwrap_or(NO_ISS);
        let absolute = |value: &Value, base: Seq| {
            if value == "abs0" { Seq(0) } else { base + int(value).unwrap_or(0) as u32 }
        };
        Segment {
            seq: absolute(&wanted["seq"], PEER_BASE),
            ack: if wanted["ack"].is_null() { Seq(0) } else { absolute(&wanted["ack"], iss) },
            len: int(&wanted["len"]).unwrap_or(0) as u32,
            win: int(&wanted["win"]).unwrap_or(0) as u16,
            flags,
            ts: int(&wanted["tsval"]).map(|val| TsOption {
                val: PEER_CLOCK.wrapping_add(val as u32),
                ecr: if wanted["tsecr"] == "last" { self.host.last_tsval } else { 0 },
            }),
            syn: SynOptions { mss: if flags.has(Flags::SYN) { 1460 } else { 0 }, ..SynOptions::default() },
            ..Segment::default()
        }
    }

    fn compare_sent(&mut self, expected: &Value, begin: Time, problems: &mut Vec<String>) {
        let sent = std::mem::take(&mut self.host.sent);
        let expected = expected.as_array().cloned().unwrap_or_default();
        if sent.len() != expected.len() {
            let got: Vec<String> = sent.iter().map(|(at, s)| brief(*at, begin, s)).collect();
            let wanted: Vec<String> = expected.iter().map(brief_recorded).collect();
            problems.push(format!("out: expected {wanted:?}, got {got:?}"));
        }
        for (number, (at, seg)) in sent.iter().enumerate() {
            self.follow(seg);
            if let Some(wanted) = expected.get(number) {
                self.compare_segment(number, wanted, seg, at.since(begin), problems);
            }
        }
    }

    /// Keeps our bases: a SYN with a new number begins a new connection.
    fn follow(&mut self, seg: &Segment) {
        if seg.flags.has(Flags::SYN) && self.iss != Some(seg.seq) {
            self.iss = Some(seg.seq);
            self.last_end = seg.end();
        }
        if !seg.flags.has(Flags::RST) && seg.end().after(self.last_end) {
            self.last_end = seg.end();
        }
    }

    fn compare_segment(
        &self,
        number: usize,
        wanted: &Value,
        seg: &Segment,
        after: Span,
        problems: &mut Vec<String>,
    ) {
        let relative = |value: Seq, base: Seq, wanted: &Value| {
            if wanted == "abs0" && value == Seq(0) {
                return wanted.clone();
            }
            let distance = value.diff(base);
            if distance.abs() > FAR { "far".into() } else { Value::from(distance) }
        };
        let seq = relative(seg.seq, self.iss.unwrap_or(NO_ISS), &wanted["seq"]);
        let ack = if seg.flags.has(Flags::ACK) {
            relative(seg.ack, PEER_BASE, &wanted["ack"])
        } else {
            Value::Null
        };
        let ecr = seg.ts.map_or(Value::Null, |ts| {
            if ts.ecr == 0 { "abs0".into() } else { Value::from(ts.ecr.wrapping_sub(PEER_CLOCK) as i32) }
        });
        let wanted_ecr = if wanted["ts"].is_null() { Value::Null } else { wanted["ts"]["ecr"].clone() };
        let pairs = [
            ("flags", wanted["flags"].to_string(), Value::from(flag_letters(seg.flags)).to_string()),
            ("seq", wanted["seq"].to_string(), seq.to_string()),
            ("ack", wanted["ack"].to_string(), ack.to_string()),
            ("len", wanted["len"].to_string(), seg.len.to_string()),
            ("win", wanted["win"].to_string(), seg.win.to_string()),
            ("ecr", wanted_ecr.to_string(), ecr.to_string()),
        ];
        for (what, expected, got) in pairs {
            problems.extend(differs(&format!("out {number} {what}"), &expected, &got));
        }
        let expected = wanted["ms"].as_f64().unwrap_or(0.0);
        let got = after.as_micros() as f64 / 1e3;
        // The recorded timers are late by the wheel's granule, and so may be what they cause.
        let tolerance = if expected < 25.0 { 18.0 } else { 300.0 };
        if (expected - got).abs() > tolerance {
            problems.push(format!("out {number} ms: expected {expected}, got {got}"));
        }
    }

    fn compare_timer(&self, expected: &Value, problems: &mut Vec<String>) {
        let shown = self.host.timer();
        let kind = if expected.is_null() { "null" } else { text(&expected["kind"]) };
        problems.extend(differs("timer", kind, shown.map_or("null", |t| t.kind)));
        if let (Some(shown), Some(millis)) = (shown, int(&expected["ms"])) {
            let got = shown.at.since(self.host.now).as_millis() as i64;
            // Ours includes the lateness to come, the recorded one does not.
            let lateness = if millis > 16_000 { 2_048 } else { 0 };
            if shown.kind == kind && !(-300..=300 + lateness).contains(&(got - millis)) {
                problems.push(format!("timer ms: expected {millis}, got {got}"));
            }
        }
    }

    fn compare_view(&self, view: &Value, problems: &mut Vec<String>) {
        let fd = &view["fd"];
        let got = self.host.poll();
        if fd.is_null() != got.is_none() {
            problems.push(format!("descriptor: expected {fd}, got {got:?}"));
        } else if let Some(poll) = got {
            let expected = recorded_poll(&fd["poll"]).join("+");
            problems.extend(differs("poll", &expected, &poll_names(poll).join("+")));
            let readable = self.host.readable().to_string();
            problems.extend(differs("rx_bytes", &fd["rx_bytes"].to_string(), &readable));
        }
        let listener = &view["listener"];
        let got = self.host.has_listener().then(|| self.host.can_accept());
        let expected = (!listener.is_null()).then(|| !recorded_poll(&listener["poll"]).is_empty());
        problems.extend(differs("listener", &format!("{expected:?}"), &format!("{got:?}")));
    }
}

fn brief(at: Time, begin: Time, seg: &Segment) -> String {
    format!("{} len {} at {} ms", flag_letters(seg.flags), seg.len, at.since(begin).as_millis())
}

fn brief_recorded(wanted: &Value) -> String {
    format!("{} len {} at {} ms", text(&wanted["flags"]), wanted["len"], wanted["ms"])
}
