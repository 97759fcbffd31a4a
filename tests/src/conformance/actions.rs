//! Actions: a state, a call or a connect over a mini-socket, what came of it.

use serde_json::Value;
use sim_core::errno::Errno;
use sim_core::tcp::Input;
use sim_core::tcp::config::TimerModel;
use sim_core::time::Span;

use super::cells::compare_counters;
use super::notation::{differs, int, set_sysctls, text};
use super::replica::{Replica, recorded_host};
use super::report::{Report, Setups};
use super::setup::{Prepared, prepare};

/// How long after an action its effects were read.
const SETTLE: Span = Span::from_millis(50);
/// How far a timer may be from the recorded one, whose moment of reading varied.
const SLACK_MS: i64 = 200;

/// Replays every action of a file.
pub(super) fn replay(actions: &[Value], setups: &Setups, report: &mut Report) {
    for action in actions {
        let problems = Action { record: action, setups }.replay().unwrap_or_else(|problem| vec![problem]);
        report.judge("actions", text(&action["name"]), "", &problems);
    }
}

struct Action<'a> {
    record: &'a Value,
    setups: &'a Setups,
}

impl Action<'_> {
    /// The name says what was done: `verb/STATE/details`.
    fn replay(&self) -> Result<Vec<String>, String> {
        let name = text(&self.record["name"]);
        let parts: Vec<&str> = name.split('/').collect();
        let state = parts.get(1).copied().unwrap_or("");
        match parts[0] {
            "close" => self.call(state, &[Input::Close]),
            "close_linger0" => self.call(state, &[Input::Abort]),
            "shutdown_wr" => self.call(state, &[Input::ShutdownWrite]),
            "shutdown_rd" => self.call(state, &[Input::ShutdownRead]),
            "shutdown_rdwr" => self.call(state, &[Input::ShutdownRead, Input::ShutdownWrite]),
            "close_unread" => self.close_unread(state),
            "shutdown_rd_then_data" => self.data_after_shutdown(state),
            "close_listener" => self.close_listener(),
            "time_wait_overflow" => self.time_wait_overflow(),
            "fin_wait2_overflow" => {
                let it = self.enter("FIN_WAIT2_ORPHAN")?;
                Ok(self.compare(it, true))
            }
            "bind" => {
                let it = self.enter(state)?;
                let mut problems = self.compare_result(it.host.bind_exclusively());
                problems.extend(self.compare(it, false));
                Ok(problems)
            }
            "connect_bound_port" => self.connect(state, &parts, true),
            "connect_auto_port" => self.connect(state, &parts, false),
            "reopen_by_syn" => self.reopen(state),
            verb if verb.starts_with("challenge_ack_limit") => self.challenge_limit(),
            verb => Err(format!("unknown action {verb}")),
        }
    }

    fn has_timestamps(&self) -> bool {
        self.record["timestamps"] == true
    }
    fn ts(&self) -> Option<i64> {
        self.has_timestamps().then_some(0)
    }

    fn enter(&self, state: &str) -> Result<Prepared, String> {
        let suffix = if self.has_timestamps() { "ts" } else { "nots" };
        let mut cfg = recorded_host(TimerModel::Exact);
        set_sysctls(&mut cfg, &self.record["sysctls"]);
        prepare(Replica::new(cfg), self.setups.endpoint(&format!("{state}/{suffix}"))?, &|_, _| {})
    }

    fn call(&self, state: &str, inputs: &[Input]) -> Result<Vec<String>, String> {
        let mut it = self.enter(state)?;
        for input in inputs {
            let _ = it.host.call(*input);
        }
        it.host.wait(SETTLE);
        Ok(self.compare(it, false))
    }

    fn close_unread(&self, state: &str) -> Result<Vec<String>, String> {
        // The data come before the peer's FIN, which makes CLOSE_WAIT of ESTABLISHED.
        let closing = state == "CLOSE_WAIT";
        let mut it = self.enter(if closing { "ESTABLISHED" } else { state })?;
        self.feed(&mut it, "PA", 10);
        if closing {
            self.feed(&mut it, "FA", 0);
            it.host.wait(Span::from_millis(60));
        }
        it.host.sent.clear();
        let _ = it.host.take_counters();
        let _ = it.host.call(Input::Close);
        it.host.wait(SETTLE);
        Ok(self.compare(it, false))
    }

    /// The next segment in sequence from the peer.
    fn feed(&self, it: &mut Prepared, flags: &str, len: u32) {
        // What acknowledges nothing new leaves the state as it is.
        let unacked = if it.host.state() == "FIN_WAIT1" { -1 } else { 0 };
        let seg = it.segment(flags, 0, unacked, len, self.ts());
        it.host.inject(&seg);
        it.rcv_nxt = seg.end();
        it.host.wait(Span::from_millis(5));
    }

    fn data_after_shutdown(&self, state: &str) -> Result<Vec<String>, String> {
        let mut it = self.enter(state)?;
        let _ = it.host.call(Input::ShutdownRead);
        it.host.wait(SETTLE);
        let mut problems = it.compare("out_of_shutdown", &self.record["out_of_shutdown"], &it.host.sent);
        it.host.sent.clear();
        let seg = it.segment("PA", 0, 0, 10, self.ts());
        it.host.inject(&seg);
        it.host.wait(SETTLE);
        problems.extend(self.compare(it, false));
        Ok(problems)
    }

    fn close_listener(&self) -> Result<Vec<String>, String> {
        let mut it = self.enter("SYN_RECV")?;
        self.feed(&mut it, "A", 0);
        it.host.sent.clear();
        let _ = it.host.take_counters();
        it.host.close_listener();
        it.host.wait(SETTLE);
        Ok(self.compare(it, false))
    }

    fn time_wait_overflow(&self) -> Result<Vec<String>, String> {
        let mut it = self.enter("FIN_WAIT2")?;
        let seg = it.segment("FA", 0, 0, 0, self.ts());
        it.host.inject(&seg);
        it.host.sent.clear();
        it.host.wait(SETTLE);
        Ok(self.compare(it, true))
    }

    fn connect(&self, state: &str, parts: &[&str], port_fixed: bool) -> Result<Vec<String>, String> {
        let server_side = parts.contains(&"server_side");
        let mut it = self.enter(if server_side { "TIME_WAIT_LISTENER" } else { state })?;
        it.host.close_listener();
        let age = parts.iter().find_map(|p| p.strip_prefix("age=")?.parse::<f64>().ok()).unwrap_or(0.0);
        it.host.wait(Span::from_millis((age * 1e3) as u64));
        let _ = it.host.take_counters();
        let mut problems =
            self.compare_result(it.host.connect(port_fixed).and(Err::<(), _>(Errno::Einprogress)));
        it.host.wait(SETTLE);
        problems.extend(it.compare("out", &self.record["out"], &it.host.sent));
        problems.extend(Self::compare_after(&self.record["after"], &it));
        compare_counters(&self.record["counters"], &it.host.take_counters(), &mut problems);
        if !self.record["after_old_ack_out"].is_null() {
            // The peer still has the old connection, and says so.
            it.host.sent.clear();
            let seg = it.segment("A", 0, 0, 0, self.ts());
            it.host.inject(&seg);
            it.host.wait(SETTLE);
            problems.extend(it.compare(
                "after_old_ack_out",
                &self.record["after_old_ack_out"],
                &it.host.sent,
            ));
            problems.extend(Self::compare_after(&self.record["after_old_ack"], &it));
        }
        Ok(problems)
    }

    fn reopen(&self, state: &str) -> Result<Vec<String>, String> {
        let mut it = self.enter(state)?;
        let syn = it.segment("S", 5_000, 0, 0, None);
        it.host.inject(&syn);
        let mut problems = it.compare("out", &self.record["out"], &it.host.sent);
        if let Some((_, answer)) = it.host.sent.pop() {
            let ack = it.segment("A", 5_001, i64::from(answer.end().diff(it.snd_nxt)), 0, None);
            it.host.inject(&ack);
        }
        it.host.wait(SETTLE);
        problems.extend(Self::compare_after(&self.record["after"], &it));
        Ok(problems)
    }

    /// Two connections of one host, which share its budget.
    fn challenge_limit(&self) -> Result<Vec<String>, String> {
        let mut connections = [self.enter("ESTABLISHED")?, self.enter("ESTABLISHED")?];
        let mut problems = Vec::new();
        let mut counters = Vec::new();
        let steps = self.record["steps"].as_array().cloned().unwrap_or_default();
        for step in &steps {
            let to = text(&step["to"]);
            let index = usize::from(to.contains("second"));
            if to.contains("later") {
                for connection in &mut connections {
                    connection.host.wait(Span::from_millis(1_100));
                }
            }
            let it = &mut connections[index];
            it.host.sent.clear();
            let rst = it.segment("R", 100, 0, 0, self.ts());
            it.host.inject(&rst);
            problems.extend(it.compare(to, &step["out"], &it.host.sent));
            counters.extend(it.host.take_counters());
            connections[1 - index].host.seat.shared = connections[index].host.seat.shared;
        }
        compare_counters(&self.record["counters"], &counters, &mut problems);
        Ok(problems)
    }

    fn compare_result(&self, got: Result<(), Errno>) -> Vec<String> {
        let got = got.map_or_else(|e| e.name().to_owned(), |()| "ok".to_owned());
        differs("result", text(&self.record["result"]), &got).into_iter().collect()
    }

    /// State and timer.
    fn compare_after(after: &Value, it: &Prepared) -> Vec<String> {
        let mut problems = Vec::new();
        let state = it.host.state();
        let state = if state == "LISTEN" { "CLOSED" } else { state };
        problems.extend(differs("state", text(&after["state"]), state));
        let shown = it.host.timer();
        let timer = &after["timer"];
        let kind = if timer.is_null() { "off" } else { text(&timer["kind"]) };
        problems.extend(differs("timer", kind, shown.map_or("off", |t| t.kind)));
        if let (Some(shown), Some(expected)) = (shown, int(&timer["ms"])) {
            let got = shown.at.since(it.host.now).as_millis() as i64;
            if (got - expected).abs() > SLACK_MS {
                problems.push(format!("timer: expected {expected} ms, got {got} ms"));
            }
        }
        problems
    }

    fn compare(&self, mut it: Prepared, from_start: bool) -> Vec<String> {
        let mut problems = Self::compare_after(&self.record["after"], &it);
        if !self.record["out"].is_null() {
            problems.extend(it.compare("out", &self.record["out"], &it.host.sent));
        }
        let mut counters = if from_start { std::mem::take(&mut it.counters) } else { Vec::new() };
        counters.extend(it.host.take_counters());
        compare_counters(&self.record["counters"], &counters, &mut problems);
        problems
    }
}
