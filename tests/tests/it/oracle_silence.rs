//! What SO_KEEPALIVE and TCP_USER_TIMEOUT make of a silent peer, as a real kernel had it: segment by segment, with its times.
//! `tests/recorder/silence.py` asked it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use experiments::Run;
use scenarios::{Patch, Source};
use serde::Deserialize;
use sim_core::app::Booked;
use sim_core::counter::Counter;
use sim_core::engine::queue::Lanes;
use sim_core::engine::{Record, Sink, World};
use sim_core::host::Packet;
use sim_core::ids::HostId;
use sim_core::tcp::{Flags, State};
use sim_core::time::Time;
use tests::audit::referees;
use tests::conformance::{read_json, recordings};

/// Options of one socket: idle time, interval and probes (0: the sysctl's), and TCP_USER_TIMEOUT in milliseconds.
type Options = (Option<[u16; 3]>, u32);
/// When (seconds), from whom (`c` or `s`), which flags, how many octets.
type Seen = (f64, char, String, u32);

/// One case, and what the kernel made of it. Times are seconds.
#[derive(Clone, Debug, Deserialize)]
struct Case {
    name: String,
    until: f64,
    asks: Vec<f64>,
    client: Options,
    server: Options,
    sysctl: BTreeMap<String, String>,
    /// When the link goes down, up, down, ...; -1: it is never up.
    dark: Vec<f64>,
    /// When the server's process dies.
    dies: Option<f64>,
    half_close: Option<f64>,
    phase_ns: u64,
    segments: Vec<Seen>,
    client_ended: Option<(String, f64)>,
    server_ended: Option<(String, f64)>,
    counters: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Segments as they are sent, and how the connection came to its end.
#[derive(Clone, Debug, Default)]
struct Trail {
    segments: Vec<Seen>,
    client_failed: Option<(String, f64)>,
    server_closed: Option<f64>,
}

const CLIENT: HostId = HostId(0);
const SERVER: HostId = HostId(1);

fn seconds(at: Time) -> f64 {
    at.since(Time::ZERO).0 as f64 / 1e9
}

impl Sink for Trail {
    fn record(&mut self, at: Time, record: &Record) {
        let mut segment = |side, packet: &Packet| {
            let flags = [(Flags::SYN, 'S'), (Flags::FIN, 'F'), (Flags::RST, 'R'), (Flags::ACK, 'A')];
            let marks = flags.iter().filter(|(flag, _)| packet.seg.flags.has(*flag)).map(|(_, mark)| *mark);
            self.segments.push((seconds(at), side, marks.collect(), packet.seg.len));
        };
        match record {
            Record::Sent(CLIENT, packet) => segment('c', packet),
            Record::Sent(SERVER, packet) => segment('s', packet),
            Record::Booked(_, Booked::Failed(_, errno), _) => {
                self.client_failed = Some((errno.to_string(), seconds(at)));
            }
            Record::Moved(whose, step) if whose.host == SERVER && step.to == State::Closed => {
                self.server_closed = Some(seconds(at));
            }
            _ => {}
        }
    }
}

impl Case {
    fn time_of(&self, side: char, len: u32, after: f64) -> Option<f64> {
        let found = |seen: &&Seen| seen.1 == side && seen.3 == len && seen.0 >= after;
        self.segments.iter().find(found).map(|seen| seen.0)
    }

    /// The same in the language. When an application acts is read off the segments.
    fn text(&self, phase_ns: u64) -> String {
        let options = |(keepalive, patience): &Options, side: &str| {
            let mut text = String::new();
            if let Some([idle, interval, probes]) = keepalive {
                let mut fields = String::new();
                for (name, value) in [("time", idle), ("interval", interval)] {
                    let _ = if *value > 0 { write!(fields, "{name}: \"{value}s\", ") } else { Ok(()) };
                }
                let _ = if *probes > 0 { write!(fields, "probes: {probes}") } else { Ok(()) };
                let value = if fields.is_empty() { "on".to_owned() } else { format!("({fields})") };
                let _ = write!(text, "{side}keepalive: {value}, ");
            }
            let _ =
                if *patience > 0 { write!(text, "{side}user_timeout: \"{patience}ms\", ") } else { Ok(()) };
            text
        };
        let (asked, answered) = (self.time_of('c', 200, 0.0), self.time_of('s', 1000, 0.0));
        let again = self.asks.get(1).and_then(|ask| self.time_of('c', 200, ask - 0.01));
        let think = again.zip(answered).map_or(0.0, |(again, answered)| again - answered);
        let fin_of = |side| {
            self.segments.iter().find(|seen| seen.1 == side && seen.2.contains('F')).map(|seen| seen.0)
        };
        let fin = fin_of('c');
        let (how, hold) = match (self.half_close, fin.zip(answered)) {
            (Some(_), Some((fin, answered))) => ("half_close", fin - answered),
            _ => ("never", 0.0),
        };
        let mut events = Vec::new();
        for (i, at) in self.dark.iter().enumerate().filter(|(_, at)| **at >= 0.0) {
            let what = if i % 2 == 0 { "down" } else { "up" };
            events.push(format!("(at: \"{at}s\", what: link_{what}(\"c\", \"s\"))"));
        }
        let death = self.dies.map(|at| fin_of('s').unwrap_or(at));
        events.extend(death.map(|at| format!("(at: \"{at}s\", what: stop(\"s:80\"))")));
        let sysctl: Vec<_> =
            self.sysctl.iter().map(|(name, value)| format!("\"{name}\": \"{value}\"")).collect();
        let host = format!(
            "timers: wheel(hz: 250, phase: \"{}ns\"), sysctl: {{{}}}",
            phase_ns % ((1 << 18) * 625 * 4_000_000),
            sysctl.join(", ")
        );
        format!(
            r#"(duration: "{}s", sample: "1s",
                hosts: {{"c": (addresses: ["10.77.0.1"], {host}), "s": (addresses: ["10.77.0.2"], {host}, listen: [(port: 80)])}},
                links: [(path: ["c", "s"], delay: "10us", loss: "{}%")],
                traffic: {{"t": (from: "c", to: "s:80", arrivals: at(["0s"]), ask_after: "{:.4}s", requests_per_connection: {},
                    think_time: "{think:.4}s", hold: "{hold:.4}s", close: (how: {how}, other: never), wake_up: "100us", {}{})}},
                events: [{}],
            )"#,
            self.until,
            if self.dark.first() == Some(&-1.0) { 100 } else { 0 },
            asked.unwrap_or(0.0),
            self.asks.len(),
            options(&self.client, ""),
            options(&self.server, "server_"),
            events.join(", ")
        )
    }

    /// Everything in which the simulator differs from the kernel. The phase of its wheel was measured to a millisecond, and a
    /// timer that was armed so near to a tick may be a whole granule late: the nearest phase counts.
    fn differences(&self, changes: &[Patch]) -> Vec<String> {
        let phases = [0, 1_000_000, -1_000_000].map(|by: i64| self.phase_ns.saturating_add_signed(by));
        let all = phases.map(|phase| self.differences_at(phase, changes));
        all.into_iter().min_by_key(Vec::len).unwrap_or_default()
    }

    fn differences_at(&self, phase_ns: u64, changes: &[Patch]) -> Vec<String> {
        /// Seconds that the recorder's machine may be late.
        const LATE: f64 = 0.012;
        let run =
            changes.iter().cloned().fold(Run::new(Source::new(&self.name, self.text(phase_ns))), Run::with);
        let scenario = run.load().unwrap_or_else(|report| panic!("{report}")).scenario;
        let mut world: World<Lanes, Trail> = World::with_sink(&scenario, Trail::default());
        while world.advance(u64::MAX) {}
        let trail = world.sink().clone();
        let summary = world.into_summary();
        let near = |a: f64, b: f64| (a - b).abs() <= LATE;
        let mut found = Vec::new();
        // The recorder's processes end, and with them what is left.
        let kernel: Vec<_> = self.segments.iter().filter(|seen| seen.0 < self.until - 0.05).collect();
        let ours: Vec<_> = trail.segments.iter().filter(|seen| seen.0 < self.until - 0.05).collect();
        let same = kernel.len() == ours.len()
            && kernel.iter().zip(&ours).all(|(k, o)| near(k.0, o.0) && (k.1, &k.2, k.3) == (o.1, &o.2, o.3));
        if !same {
            found.push(format!("segments\n  kernel {kernel:?}\n  ours   {ours:?}"));
        }
        let error = |ended: &Option<(String, f64)>| ended.clone().filter(|(name, _)| name != "EOF");
        match (error(&self.client_ended), error(&trail.client_failed)) {
            (None, None) => {}
            (Some(k), Some(o)) if k.0 == o.0 && near(k.1, o.1) => {}
            (kernel, ours) => found.push(format!("client: kernel {kernel:?}, ours {ours:?}")),
        }
        if let Some((errno, at)) = error(&self.server_ended)
            && !trail.server_closed.is_some_and(|closed| near(closed, at))
        {
            found.push(format!("server: kernel {errno} at {at}, ours {:?}", trail.server_closed));
        }
        for (side, host) in [("c", CLIENT), ("s", SERVER)] {
            for (name, kernel) in &self.counters[side] {
                let Some(counter) = Counter::ALL.iter().copied().find(|c| c.name() == name) else { continue };
                let ours = summary.hosts[host.index()].counters.get(counter);
                if *kernel != ours {
                    found.push(format!("{side}.{name}: kernel {kernel}, ours {ours}"));
                }
            }
        }
        found
    }
}

fn cases() -> Vec<Case> {
    let value = read_json(&recordings().with_file_name("kernel-6.18-silence").join("silence.json.gz"))
        .expect("the recording");
    serde_json::from_value(value).expect("cases")
}

/// Cases in the recording.
const CASES: usize = 29;

#[test]
fn silent_peers_come_to_the_same_without_all_that_is_fast() {
    for case in cases() {
        let run = Run::new(Source::new(&case.name, case.text(case.phase_ns)));
        let scenario = run.load().unwrap_or_else(|report| panic!("{report}")).scenario;
        referees(&scenario).unwrap_or_else(|how| panic!("{}: {how}", case.name));
    }
}

#[test]
fn silent_peers_are_found_as_the_kernel_finds_them() {
    let cases = cases();
    assert_eq!(cases.len(), CASES);
    let differ: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let found = case.differences(&[]);
            (!found.is_empty()).then(|| format!("{}: {}", case.name, found.join("\n")))
        })
        .collect();
    assert!(differ.is_empty(), "{} of {} differ\n{}", differ.len(), cases.len(), differ.join("\n"));
}

#[test]
fn the_judge_sees_a_probe_too_many_and_a_patience_too_long() {
    let spoilt = |name: &str, change: &str| {
        let case = cases().into_iter().find(|case| case.name == name).expect("the case");
        let patch = Patch::parse(change).unwrap_or_else(|why| panic!("{why}"));
        case.differences(&[patch])
    };
    assert!(!spoilt("client_dark", "traffic.t.keepalive.probes=4").is_empty());
    assert!(!spoilt("asks_in_the_dark", "traffic.t.user_timeout=3200ms").is_empty());
}
