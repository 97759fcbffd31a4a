//! A world as a scenario: the same description, in the simulator's language.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use serde_json::Value;

use super::world::{Arrivals, Kind, Listen, Traffic, World};

/// What the machine that ran it adds to a world.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    /// Settings of the client and of the server, as they were read back.
    pub sysctl: [&'a BTreeMap<String, String>; 2],
    /// The kernel's jiffies when the world began, as nanoseconds.
    pub phase_ns: u64,
}

/// One way between two neighbours that are joined by a pair of virtual interfaces.
const DELAY: &str = "1us";
/// What a call of the recorder's application takes: connects of one moment follow each other at this distance.
const CALL: f64 = 0.000_12;
/// How long an application takes from the news of its socket to what it does about it.
const WAKE: &str = "100us";
/// And how long to accept: who connected runs first, for it heard first, and its request is there by then.
const WAKE_TO_ACCEPT: f64 = 0.000_15;
/// One that accepts now and then does so by its timer, which comes after all that has happened at once: of several listeners that wait for a
/// descriptor it is the last.
const LATER: f64 = 0.000_151;
/// From the last read, or the last write, to the close() that follows it at once: before the other side has run.
const CLOSE: f64 = 0.000_05;
/// The wheel and the hash of ports see the jiffies modulo this: 2¹⁸ ticks, the step of all timers up to some hours, times
/// the 2500 ticks of a port epoch, over their common factor 4.
const PHASE_MODULUS_NS: u64 = (1 << 18) * 625 * 4_000_000;

/// How the applications of a run keep time. The recorder's wait in epoll, in whole milliseconds, so each of their timers is late by up to one, and
/// by what it takes to wake up; how late hangs on the moment. It adds up where each thing is timed from the last, and decides who comes first where two are due together.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How late a timer fires, seconds.
    late: f64,
}

impl Pace {
    /// That of the n-th run: they are spread over what recordings show, the first in its middle.
    pub fn of(run: u64) -> Pace {
        const SPREAD: [f64; 8] = [0.8, 0.2, 1.1, 0.05, 0.95, 0.35, 0.65, 1.4];
        Pace { late: SPREAD[(run % 8) as usize] / 1e3 }
    }

    /// A length of time that an application waits; none at all is none.
    fn wait(self, seconds: f64) -> String {
        time(self.late(seconds))
    }

    fn late(self, seconds: f64) -> f64 {
        if seconds > 0.0 { seconds + self.late } else { seconds }
    }
}

/// The scenario's text. Nobody wants its time series.
pub fn text(world: &World, machine: &Machine<'_>, pace: Pace) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "(duration: {0}, sample: {0}, hosts: {{", time(world.duration));
    let routed = world.kind == Kind::Router;
    let (client, server) = (&world.client_ips, &world.server_ips);
    let tracked = |at: &str| world.conntrack.as_ref().filter(|ct| ct.get("where").is_some_and(|w| w == at));
    let host = |text: &mut String, name: &str, addresses: &[String], rest: &str| {
        let phase = machine.phase_ns % PHASE_MODULUS_NS;
        let list: Vec<String> = addresses.iter().map(|a| format!("\"{a}\"")).collect();
        let _ = writeln!(
            text,
            "  \"{name}\": (addresses: [{}], timers: wheel(hz: 250, phase: \"{phase}ns\"), {rest}{}),",
            list.join(", "),
            tracked(name).map_or(String::new(), conntrack)
        );
    };
    let calls = format!("ports: (call_time: {}), ", time(CALL));
    let client_rest = calls + &sysctls(machine.sysctl[0], &world.sysctl.c) + &limit(world.nofile.c);
    let server_rest = sysctls(machine.sysctl[1], world.server_sysctl()) + &limit(world.nofile.s);
    if world.kind == Kind::Loop {
        let all = [&client[..], &server[..]].concat();
        host(&mut text, "c", &all, &(client_rest + &listeners(world, pace)));
    } else {
        host(&mut text, "c", client, &client_rest);
        host(&mut text, "s", server, &(server_rest + &listeners(world, pace)));
    }
    if routed {
        host(&mut text, "r", &[], "");
    }
    let dark =
        world.dark.iter().filter(|dark| world.traffic.iter().any(|t| t.to.iter().any(|to| to.0 == **dark)));
    let dark: Vec<String> = dark.cloned().collect();
    if !dark.is_empty() {
        host(&mut text, "dark", &dark, "");
    }
    text.push_str("}, links: [");
    if world.kind != Kind::Loop {
        let middle = if routed { "\"c\", \"r\", \"s\"" } else { "\"c\", \"s\"" };
        let _ = write!(text, "(path: [{middle}], delay: \"{DELAY}\"), ");
    }
    if !dark.is_empty() {
        let _ = write!(text, "(path: [\"{}\", \"dark\"], loss: \"100%\"), ", if routed { "r" } else { "c" });
    }
    text.push_str("],\ntraffic: {\n");
    for t in &world.traffic {
        traffic(&mut text, t, world, pace);
    }
    text.push_str("})\n");
    text
}

fn limit(files: Option<u32>) -> String {
    files.map_or(String::new(), |n| format!("limits: (open_files: {n}), "))
}

/// Settings as they were read back, and on top of them what was set and not read back.
fn sysctls(read_back: &BTreeMap<String, String>, set: &BTreeMap<String, Value>) -> String {
    let mut all = read_back.clone();
    for (name, value) in set {
        all.entry(name.clone()).or_insert_with(|| plain(value));
    }
    let lines: Vec<String> =
        all.iter().map(|(name, value)| format!("\"{name}\": \"{}\"", value.replace('\t', " "))).collect();
    format!("sysctl: {{ {} }}, ", lines.join(", "))
}

/// A number or a text, without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn conntrack(settings: &BTreeMap<String, Value>) -> String {
    let fields: Vec<String> = settings
        .iter()
        .filter(|(name, _)| *name != "where")
        .map(|(name, value)| {
            let value = plain(value);
            if name.starts_with("tcp_timeout_") {
                format!("{name}: \"{value}s\"")
            } else {
                format!("{name}: {value}")
            }
        })
        .collect();
    if fields.is_empty() { "conntrack: on".to_owned() } else { format!("conntrack: ({})", fields.join(", ")) }
}

fn listeners(world: &World, pace: Pace) -> String {
    let mut text = "listen: [".to_owned();
    for l in &world.listen {
        let after =
            if l.accept_after < 0.0 { "never".to_owned() } else { time(accepts_from(world, l, pace)) };
        let every = pace.wait(l.accept_every);
        let wake = if l.accept_every > 0.0 { wake_to_accept_slowly(world) } else { time(WAKE_TO_ACCEPT) };
        let _ = write!(
            text,
            "(port: {}, backlog: {}, accept_after: {after}, accept_every: {every}, wake_up: {wake}), ",
            l.port, l.backlog
        );
    }
    text + "], "
}

/// When a listener begins to accept: if its queue cannot hold the first connects of all workers, not before these are made.
fn accepts_from(world: &World, l: &Listen, pace: Pace) -> f64 {
    let begun = world.traffic.iter().filter_map(|t| match t.arrivals {
        Arrivals::Workers { n } if n > l.backlog.saturating_add(1) => {
            Some(pace.late(t.start) + f64::from(n) * CALL + WAKE_TO_ACCEPT)
        }
        _ => None,
    });
    begun.fold(pace.late(l.accept_after), f64::max)
}

/// All processes of a world share one processor: while a client makes the connects of one moment, nobody accepts.
fn wake_to_accept_slowly(world: &World) -> String {
    let longest = |at: &[f64]| at.chunk_by(|one, next| next - one < 1e-9).map(<[f64]>::len).max();
    let bursts = world.traffic.iter().filter_map(|t| match &t.arrivals {
        Arrivals::At { at } => longest(at),
        _ => None,
    });
    time(LATER + bursts.max().unwrap_or(0) as f64 * CALL)
}

fn traffic(text: &mut String, t: &Traffic, world: &World, pace: Pace) {
    let to: Vec<String> = t.to.iter().map(|(ip, port)| format!("\"{ip}:{port}\"")).collect();
    let source: Vec<String> = t.source.iter().map(|ip| format!("\"{ip}\"")).collect();
    let _ = write!(
        text,
        "  \"{}\": (from: \"c\", source: [{}], to: [{}], ",
        t.name,
        source.join(", "),
        to.join(", ")
    );
    let _ = write!(text, "arrivals: {}, start: {}, ", arrivals(t, pace), pace.wait(t.start));
    if t.stop < world.duration {
        let _ = write!(text, "stop: {}, ", time(t.stop));
    }
    let _ = write!(
        text,
        "request: \"{}B\", response: \"{}B\", service_time: {}, requests_per_connection: {}, think_time: {}, hold: {}, ",
        t.request,
        t.response,
        pace.wait(t.service),
        t.rpc,
        // The recorded workers think between the requests of a connection only.
        pace.wait(if t.rpc > 1 { t.think } else { 0.0 }),
        if t.hold > 0.0 { pace.wait(t.hold) } else { time(CLOSE) }
    );
    let other = if t.close.other < 0.0 {
        "never".to_owned()
    } else {
        format!("close_after({})", pace.wait(t.close.other))
    };
    let _ = write!(text, "close: (first: {}, how: {}, other: {other}), ", t.close.first, t.close.how);
    if let Some(patience) = t.connect_timeout {
        let _ = write!(text, "connect_timeout: {}, ", pace.wait(patience));
    }
    if let Some(retry) = &t.retry {
        // The recorded applications make no attempt after the end of their traffic, retries among them.
        let (after, until) = (pace.wait(retry.after), time(t.stop));
        let _ = write!(
            text,
            "on_error: retry(after: {after}, times: {}, until: {until}, broken: false), ",
            retry.times
        );
    }
    if let Some(port) = &t.port {
        let _ =
            write!(text, "port: fixed(range: ({}, {}), reuseaddr: {}), ", port.lo, port.hi, port.reuseaddr);
    }
    let _ = writeln!(text, "wake_up: \"{WAKE}\"),");
}

fn arrivals(t: &Traffic, pace: Pace) -> String {
    match &t.arrivals {
        Arrivals::Constant { rate } => format!("constant(\"{rate}/s\")"),
        Arrivals::Workers { n } => format!("workers({n})"),
        Arrivals::Phases { phases } => {
            let phases: Vec<String> =
                phases.iter().map(|(length, rate)| format!("({}, \"{rate}/s\")", time(*length))).collect();
            format!("phases([{}])", phases.join(", "))
        }
        Arrivals::At { at } => {
            let all: Vec<_> = at.iter().map(|x| pace.wait(t.start + x)).collect();
            format!("at([{}])", all.join(", "))
        }
    }
}

/// Seconds as a quantity.
fn time(seconds: f64) -> String {
    format!("\"{}ns\"", (seconds * 1e9).round())
}
