//! `result.json`: the whole summary for programs. The fields are documented in `reports/RESULT.md`.

use serde::Serialize;
use sim_core::conntrack::EntryView;
use sim_core::ids::TrafficId;
use sim_core::record::{Gauge, Histogram, HostSummary, LimitSummary, Tally, TrafficSummary, Tuples};
use sim_core::scenario::{Host, Scenario};
use sim_core::tcp::State;
use sim_core::time::{Span, Time};
use std::collections::BTreeMap;

use crate::answer;
use crate::parts::{FlowJson, ObjectJson, objects};
use crate::run::Run;
use crate::verdict::Verdict;

/// Name and version of the format; the number rises when a field changes its meaning or goes.
pub const FORMAT: &str = "timewait-result/1";

/// The result as JSON text, pretty-printed, its keys in a fixed order.
pub fn result_json(run: Run<'_>, verdicts: &[Verdict]) -> String {
    let mut text = serde_json::to_string_pretty(&whole(run, verdicts)).expect("plain data always serialises");
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Whole<'a> {
    format: &'static str,
    title: &'a str,
    seed: u64,
    duration_s: f64,
    partial: bool,
    planned_s: f64,
    digest: String,
    events: u64,
    segments: u64,
    segments_lost: u64,
    headline: String,
    hurt: Vec<String>,
    bound_first: Option<String>,
    passed: Option<bool>,
    verdicts: Vec<VerdictJson<'a>>,
    limits: Vec<LimitJson>,
    traffic: Vec<TrafficJson<'a>>,
    hosts: Vec<HostJson<'a>>,
    log: Vec<LogJson<'a>>,
}

#[derive(Serialize)]
pub(super) struct VerdictJson<'a> {
    text: &'a str,
    line: u32,
    passed: bool,
    expected: &'a str,
    got: &'a str,
}

impl<'a> From<&'a Verdict> for VerdictJson<'a> {
    fn from(v: &'a Verdict) -> VerdictJson<'a> {
        VerdictJson { text: &v.text, line: v.line, passed: v.passed, expected: &v.expected, got: &v.got }
    }
}

#[derive(Serialize)]
struct TallyJson {
    count: u64,
    first_s: Option<f64>,
    last_s: Option<f64>,
}

#[derive(Serialize)]
struct GaugeJson {
    end: u64,
    peak: u64,
    peak_at_s: f64,
}

#[derive(Serialize)]
struct LimitJson {
    limit: String,
    name: String,
    capacity: u64,
    used: GaugeJson,
    refused: TallyJson,
    held_by: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct TrafficJson<'a> {
    name: &'a str,
    attempted: TallyJson,
    connected: TallyJson,
    completed: TallyJson,
    requested: TallyJson,
    answered: TallyJson,
    abandoned: TallyJson,
    failed: TallyJson,
    pending: u64,
    waiting: WaitingJson,
    recovered_at_s: Option<f64>,
    errors: Vec<ErrorJson>,
    connect_latency_s: Option<LatencyJson>,
    request_latency_s: Option<LatencyJson>,
    syns_again: TallyJson,
    cut_off: TallyJson,
    bytes_lost: TallyJson,
    lost_syns: BTreeMap<String, u64>,
    tuples: Option<TuplesJson<'a>>,
}

#[derive(Serialize)]
struct TuplesJson<'a> {
    used: usize,
    shortest_gap_s: Option<f64>,
    gap_s: Option<LatencyJson>,
    ports: &'a [u16],
}

impl<'a> From<&'a Tuples> for TuplesJson<'a> {
    fn from(t: &'a Tuples) -> Self {
        TuplesJson {
            used: t.used(),
            shortest_gap_s: (t.shortest < Span::MAX).then(|| seconds(t.shortest.0)),
            gap_s: latency(&t.gaps),
            ports: &t.ports,
        }
    }
}

#[derive(Serialize)]
struct WaitingJson {
    queued: u64,
    connecting: u64,
    unanswered: u64,
    oldest_since_s: Option<f64>,
}

#[derive(Serialize)]
struct ErrorJson {
    call: &'static str,
    errno: &'static str,
    #[serde(flatten)]
    tally: TallyJson,
}

#[derive(Serialize)]
struct LatencyJson {
    count: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

#[derive(Serialize)]
struct HostJson<'a> {
    name: &'a str,
    sockets: BTreeMap<String, GaugeJson>,
    mini_sockets: GaugeJson,
    orphans: GaugeJson,
    open_files: GaugeJson,
    conntrack: GaugeJson,
    conntrack_entries: Option<Vec<EntryJson>>,
    memory_bytes: GaugeJson,
    memory_objects: Vec<ObjectJson>,
    accepted: u64,
    dropped: u64,
    port_probes: u64,
    counters: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct EntryJson {
    #[serde(flatten)]
    flow: FlowJson,
    timeout_s: f64,
}

#[derive(Serialize)]
struct LogJson<'a> {
    host: &'a str,
    line: &'static str,
    #[serde(flatten)]
    printed: TallyJson,
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

impl From<Tally> for TallyJson {
    fn from(t: Tally) -> Self {
        let some = |time: Time| (t.count > 0).then(|| seconds(time.0));
        TallyJson { count: t.count, first_s: some(t.first), last_s: some(t.last) }
    }
}

impl From<Gauge> for GaugeJson {
    fn from(g: Gauge) -> Self {
        GaugeJson { end: g.now, peak: g.peak, peak_at_s: seconds(g.peak_at.0) }
    }
}

fn whole<'a>(run: Run<'a>, verdicts: &'a [Verdict]) -> Whole<'a> {
    let s = run.summary;
    Whole {
        format: FORMAT,
        title: &run.scenario.title,
        seed: run.scenario.seed,
        duration_s: seconds(s.ended.0),
        partial: run.partial().is_some(),
        planned_s: seconds(run.scenario.duration.0),
        digest: s.digest.to_string(),
        events: s.events,
        segments: s.segments,
        segments_lost: s.lost,
        headline: answer::headline(run),
        hurt: answer::hurt(run),
        bound_first: s.bound_first().map(|l| run.limit_key(l.limit)),
        passed: run.partial().is_none().then(|| verdicts.iter().all(|v| v.passed)),
        verdicts: verdicts.iter().map(VerdictJson::from).collect(),
        limits: s.limits.iter().map(|l| limit(run, l)).collect(),
        traffic: run.sources(None).map(|(id, t)| traffic(run, id, t)).collect(),
        hosts: run
            .scenario
            .hosts
            .iter()
            .zip(&s.hosts)
            .map(|(spec, summary)| host(run.scenario, spec, summary))
            .collect(),
        log: s
            .logs
            .iter()
            .map(|(host, l)| LogJson {
                host: run.scenario.hosts.get(*host).map_or("?", |h| h.name.as_str()),
                line: l.line.name(),
                printed: l.printed.into(),
            })
            .collect(),
    }
}

fn limit(run: Run<'_>, l: &LimitSummary) -> LimitJson {
    LimitJson {
        limit: run.limit_key(l.limit),
        name: run.limit_name(l.limit),
        capacity: l.capacity,
        used: l.used.into(),
        refused: l.refused.into(),
        held_by: l.held_by.iter().map(|&(state, n)| (state.name(), n)).collect(),
    }
}

fn latency(h: &Histogram) -> Option<LatencyJson> {
    let quantile = |per_mille| h.quantile(per_mille).map_or(0.0, |s: Span| seconds(s.0));
    (h.count() > 0).then(|| LatencyJson {
        count: h.count(),
        p50: quantile(500),
        p90: quantile(900),
        p99: quantile(990),
        p999: quantile(999),
        max: seconds(h.max().0),
    })
}

fn traffic<'a>(run: Run<'a>, id: TrafficId, t: &'a TrafficSummary) -> TrafficJson<'a> {
    let name = run.traffic_name(Some(id));
    TrafficJson {
        name,
        attempted: t.attempted.into(),
        connected: t.connected.into(),
        completed: t.completed.into(),
        requested: t.requested.into(),
        answered: t.answered.into(),
        abandoned: t.abandoned.into(),
        failed: t.failed.into(),
        pending: t.pending,
        waiting: WaitingJson {
            queued: t.waiting.queued,
            connecting: t.waiting.connecting,
            unanswered: t.waiting.unanswered,
            oldest_since_s: (t.waiting.count() > 0).then(|| seconds(t.waiting.oldest.0)),
        },
        recovered_at_s: t.recovered.map(|r| seconds(r.0)),
        errors: t
            .errors
            .iter()
            .map(|e| ErrorJson { call: e.call.name(), errno: e.errno.name(), tally: e.tally.into() })
            .collect(),
        connect_latency_s: latency(&t.connect_latency),
        request_latency_s: latency(&t.request_latency),
        syns_again: t.syns_again.into(),
        cut_off: t.cut_off.into(),
        bytes_lost: t.bytes_lost.into(),
        tuples: t.tuples.as_deref().map(TuplesJson::from),
        lost_syns: t.lost_syns.iter().map(|&(why, n)| (run.syn_loss_key(why), n)).collect(),
    }
}

fn host<'a>(scenario: &Scenario, spec: &'a Host, h: &HostSummary) -> HostJson<'a> {
    let touched = State::ALL.iter().filter(|&&s| h.state(s).peak > 0);
    let told = h.counters.moved().filter(|(c, _)| !scenario.not_told().contains(c));
    let entry = |flow: &EntryView| EntryJson { flow: flow.into(), timeout_s: seconds(flow.remaining.0) };
    HostJson {
        name: &spec.name,
        sockets: touched.map(|&s| (s.name().to_ascii_lowercase(), h.state(s).into())).collect(),
        mini_sockets: h.mini_sockets.into(),
        orphans: h.orphans.into(),
        open_files: h.open_files.into(),
        conntrack: h.conntrack.into(),
        conntrack_entries: spec.conntrack.is_some().then(|| h.flows.iter().map(entry).collect()),
        memory_bytes: h.memory.into(),
        memory_objects: objects(h),
        accepted: h.accepted,
        dropped: h.dropped,
        port_probes: h.port_probes.now,
        counters: told.map(|(c, n)| (c.name(), n)).collect(),
    }
}
