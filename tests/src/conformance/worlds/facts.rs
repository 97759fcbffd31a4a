//! What is compared of a world, fact by fact.

use std::collections::{BTreeMap, BTreeSet};

use sim_core::counter::Counter;
use sim_core::errno::Errno;
use sim_core::ids::HostId;
use sim_core::record::{HostSummary, TrafficSummary};
use sim_core::scenario::{Outcome, Scenario};
use sim_core::tcp::State;
use sim_core::time::Span;

use super::judge::{Columns, Slack, numbers, times};
use super::looks::{Level, Looks, Watched};
use super::recording::{Client, Recording};
use super::world::Arrivals;

/// One fact: its group, its name, and what differs, if it does.
#[derive(Debug)]
pub struct Fact {
    /// Which kind of fact it is.
    pub group: &'static str,
    /// What it is about.
    pub name: String,
    /// What differs.
    pub problem: Option<String>,
}

/// Counters that move with every segment.
const SEGMENTS: &[&str] = &[
    "TcpInSegs",
    "TcpOutSegs",
    "TcpExtTCPOrigDataSent",
    "TcpExtTCPDelivered",
    "TcpExtTCPPureAcks",
    "TcpExtTCPHPAcks",
    "TcpExtTCPHPHits",
    "TcpExtDelayedACKs",
];
/// The group of their facts where messages take so many segments that no report tells them.
pub const BULK: &str = "segments, not told";

/// Collects the facts of one recording.
pub struct Facts<'a> {
    recording: &'a Recording,
    scenario: &'a Scenario,
    looks: &'a Looks,
    runs: &'a [Watched],
    slack: Slack,
    /// What was found.
    pub found: Vec<Fact>,
}

impl<'a> Facts<'a> {
    /// Compares all of it.
    pub fn of(
        recording: &'a Recording,
        scenario: &'a Scenario,
        looks: &'a Looks,
        runs: &'a [Watched],
    ) -> Facts<'a> {
        let traffic = &recording.world.traffic;
        let closed = traffic.iter().any(|t| matches!(t.arrivals, Arrivals::Workers { .. }));
        let slack = if closed { Slack::CLOSED_LOOP } else { Slack::NONE };
        let mut facts = Facts { recording, scenario, looks, runs, slack, found: Vec::new() };
        for (name, client) in &recording.client {
            facts.client(name, client);
        }
        for (host, id) in facts.hosts() {
            facts.sockets(host, id);
            facts.states(host, id);
            facts.counters(host, id);
        }
        facts
    }

    fn put(&mut self, group: &'static str, name: String, problem: Option<String>) {
        self.found.push(Fact { group, name, problem });
    }

    /// Hosts that both sides know.
    fn hosts(&self) -> Vec<(&'a str, HostId)> {
        let hosts = self.scenario.hosts.iter().enumerate();
        let known = hosts.filter(|(_, host)| self.recording.series.contains_key(&host.name));
        known.map(|(i, host)| (host.name.as_str(), HostId(i as u16))).collect()
    }

    fn client(&mut self, name: &str, client: &Client) {
        let Some(index) = self.scenario.traffic.iter().position(|t| t.name == name) else { return };
        let books: Vec<&TrafficSummary> = self.runs.iter().map(|run| &run.summary.traffic[index]).collect();
        let mut outcome = |what: &str, want: u64, get: &dyn Fn(&TrafficSummary) -> u64| {
            let got: Vec<u64> = books.iter().map(|book| get(book)).collect();
            let problem = numbers(want, &got, self.slack);
            self.found.push(Fact { group: "outcomes", name: format!("{name}.{what}"), problem });
        };
        outcome("attempted", client.attempted, &|b| b.attempted.count);
        outcome("connected", client.connected, &|b| b.connected.count);
        outcome("completed", client.completed, &|b| b.completed.count);
        outcome("failed", client.failed, &|b| b.failed.count - unnoticed(b));
        outcome("answered", client.answered, &|b| b.answered.count);
        outcome("pending", client.pending, &|b| b.pending);
        self.errors(name, client, &books);
        self.latency(name, client, &books);
    }

    fn errors(&mut self, name: &str, client: &Client, books: &[&TrafficSummary]) {
        let key = |e: &sim_core::record::ErrorTally| format!("{}:{}", e.call.name(), e.errno.name());
        let mut keys: BTreeSet<String> = client.errors.keys().cloned().collect();
        keys.extend(
            books.iter().flat_map(|book| book.errors.iter().filter(|e| e.errno != Errno::Eof).map(key)),
        );
        for error in keys {
            let tally =
                |book: &&TrafficSummary| book.errors.iter().find(|e| key(e) == error).map(|e| e.tally);
            let tallies: Vec<_> = books.iter().filter_map(tally).collect();
            let mut got: Vec<u64> = tallies.iter().map(|t| t.count).collect();
            got.resize(books.len(), 0);
            let want = client.errors.get(&error).copied().unwrap_or(0);
            self.put("errors", format!("{name}.{error}"), numbers(want, &got, self.slack));
            if let (Some((at, _)), Some(low), Some(high)) = (
                client.first.get(&error),
                tallies.iter().map(|t| t.first.0).min(),
                tallies.iter().map(|t| t.first.0).max(),
            ) {
                let problem = times(Span((at * 1e9) as u64), Span(low), Span(high));
                self.put("errors", format!("{name}.{error}.first"), problem);
            }
        }
    }

    fn latency(&mut self, name: &str, client: &Client, books: &[&TrafficSummary]) {
        for (quantile, seconds) in client.latency.iter().flatten() {
            let per_mille: u32 = match quantile.as_str() {
                "max" => 1_000,
                other => other.trim_start_matches('p').parse().unwrap_or(0) * 10,
            };
            // One more or less of some hundred connections may stand on either side of a step.
            let (mut low, mut high) = (Span::MAX, Span::ZERO);
            for book in books {
                let step = 1_000_u64.div_ceil(book.connect_latency.count().max(1)) as u32;
                for per_mille in [per_mille.saturating_sub(step).max(1), (per_mille + step).min(1_000)] {
                    let Some(got) = book.connect_latency.quantile(per_mille) else { continue };
                    // A histogram knows it within 1/32, and says the most that it can be.
                    (low, high) = (low.min(Span(got.0 - got.0 / 32)), high.max(got));
                }
            }
            let want = Span((seconds * 1e9) as u64);
            let problem = times(want, low.min(high), high);
            self.put("latency", format!("{name}.{quantile}"), problem);
        }
    }

    fn columns(&self, id: HostId, level: Level) -> Columns<'a> {
        Columns { looks: self.looks, runs: self.runs.iter().map(|run| run.level(id, level)).collect() }
    }

    fn sockets(&mut self, host: &str, id: HostId) {
        let series = &self.recording.series[host];
        if host != "r" {
            self.series(host, id, "tw", Level::Mini, series.tw.as_ref());
            self.series(host, id, "inuse", Level::Full, series.inuse.as_ref());
            let established = Level::Either(State::Established, State::CloseWait);
            self.series(host, id, "estab", established, series.estab.as_ref());
        }
        if self.scenario.hosts[id.index()].conntrack.is_some() {
            self.series(host, id, "conntrack", Level::Entries, series.ct.as_ref());
        }
    }

    fn series(&mut self, host: &str, id: HostId, what: &str, level: Level, want: Option<&Vec<u64>>) {
        let times = &self.recording.series[host].t;
        let zeros = vec![0; times.len()];
        let looks = times.iter().copied().zip(want.unwrap_or(&zeros).iter().copied());
        let problem = self.columns(id, level).differ(looks, self.slack);
        let group = if what == "conntrack" { "conntrack" } else { "sockets" };
        self.put(group, format!("{host}.{what}"), problem);
    }

    fn states(&mut self, host: &str, id: HostId) {
        let Some(looks) = self.recording.states.get(host) else { return };
        for &state in State::ALL.iter().filter(|&&state| state != State::Closed) {
            let name = kernel_name(state);
            let got = self.columns(id, Level::State(state));
            if got.idle() && !looks.iter().any(|(_, states)| states.contains_key(name)) {
                continue;
            }
            let looks = looks.iter().map(|(at, states)| (*at, states.get(name).copied().unwrap_or(0)));
            let problem = got.differ(looks, self.slack);
            self.put("states", format!("{host}.{name}"), problem);
        }
    }

    fn counters(&mut self, host: &str, id: HostId) {
        let none = BTreeMap::new();
        let recorded = self.recording.counters.get(host).unwrap_or(&none);
        let books: Vec<&HostSummary> = self.runs.iter().map(|run| &run.summary.hosts[id.index()]).collect();
        let not_told = self.scenario.not_told();
        for &counter in Counter::ALL {
            let name = counter.name();
            let got: Vec<u64> = books.iter().map(|book| book.counters.get(counter)).collect();
            let want = recorded.get(name).copied().unwrap_or(0);
            let moved = want > 0 || got.iter().any(|&n| n > 0);
            // Those of conntrack are read elsewhere, and a router's own stack is idle.
            if !moved || name.starts_with("Ct") || host == "r" {
                continue;
            }
            let (group, slack) = match SEGMENTS.contains(&name) {
                true if not_told.contains(&counter) => (BULK, self.slack.or(Slack::SEGMENTS)),
                true => ("segments", self.slack.or(Slack::SEGMENTS)),
                false => ("counters", self.slack),
            };
            self.put(group, format!("{host}.{name}"), numbers(want, &got, slack));
        }
    }
}

/// Ends of stream before the answer: the recorded applications take them for no failure.
fn unnoticed(book: &TrafficSummary) -> u64 {
    book.outcome(Outcome::Error(Errno::Eof)).count
}

/// The state's name in a dump.
fn kernel_name(state: State) -> &'static str {
    match state {
        State::FinWait1 => "FIN_WAIT_1",
        State::FinWait2 => "FIN_WAIT_2",
        _ => state.name(),
    }
}
