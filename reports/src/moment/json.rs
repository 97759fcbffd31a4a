//! A moment as JSON: everything that the other forms show. The fields are documented in `reports/MOMENT.md`.

use std::collections::BTreeMap;

use serde::Serialize;
use sim_core::conntrack::EntryView;
use sim_core::record::{HostMoment, Moment};
use sim_core::scenario::Scenario;
use sim_core::tcp::TimerKind;

use crate::parts::{FlowJson, ObjectJson, objects};

/// Name and version of the format; the number rises when a field changes its meaning or goes.
pub const FORMAT: &str = "timewait-moment/1";

#[derive(Serialize)]
struct Whole<'a> {
    format: &'static str,
    title: &'a str,
    seed: u64,
    at_ns: u64,
    hosts: Vec<HostJson<'a>>,
}

#[derive(Serialize)]
struct HostJson<'a> {
    name: &'a str,
    listeners: Vec<ListenerJson>,
    sockets: Vec<SocketJson<'a>>,
    flows: Option<Vec<TimedFlowJson>>,
    open_files: u64,
    orphans: u64,
    mini_sockets: u64,
    memory_bytes: u64,
    memory_objects: Vec<ObjectJson>,
    counters: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct ListenerJson {
    port: u16,
    waiting: u32,
    backlog: u32,
}

#[derive(Serialize)]
struct SocketJson<'a> {
    state: &'static str,
    local: String,
    remote: String,
    recv_q: u32,
    send_q: u32,
    owned: bool,
    timer: Option<TimerJson>,
    traffic: &'a str,
    number: u64,
}

#[derive(Serialize)]
struct TimerJson {
    name: &'static str,
    left_ns: u64,
    retries: u8,
}

#[derive(Serialize)]
struct TimedFlowJson {
    #[serde(flatten)]
    flow: FlowJson,
    left_ns: u64,
}

/// A moment as JSON text; of one host alone, if one is named.
pub fn json(scenario: &Scenario, moment: &Moment, only: Option<usize>) -> String {
    let hosts = scenario.hosts.iter().zip(&moment.hosts).enumerate();
    let hosts = hosts.filter(|(i, _)| only.is_none_or(|only| only == *i));
    let whole = Whole {
        format: FORMAT,
        title: &scenario.title,
        seed: scenario.seed,
        at_ns: moment.at.0,
        hosts: hosts.map(|(_, (spec, host))| of_host(scenario, &spec.name, host)).collect(),
    };
    let mut text = serde_json::to_string_pretty(&whole).expect("plain data always serialises");
    text.push('\n');
    text
}

fn of_host<'a>(scenario: &'a Scenario, name: &'a str, host: &HostMoment) -> HostJson<'a> {
    let listeners = host.listeners.iter();
    let sockets = host.sockets.iter().map(|socket| SocketJson {
        state: socket.state.name(),
        local: socket.tuple.local.to_string(),
        remote: socket.tuple.remote.to_string(),
        recv_q: socket.recv_q,
        send_q: socket.send_q,
        owned: socket.owned,
        timer: socket.timer.map(|timer| TimerJson {
            name: match timer.kind {
                TimerKind::KeepAlive => "keepalive",
                TimerKind::TimeWait => "time_wait",
                TimerKind::Persist => "persist",
                _ => "retransmit",
            },
            left_ns: timer.left.0,
            retries: timer.retries,
        }),
        traffic: scenario.traffic.get(socket.attempt.0.index()).map_or("?", |t| t.name.as_str()),
        number: u64::from(socket.attempt.1) + 1,
    });
    let flow = |flow: &EntryView| TimedFlowJson { flow: flow.into(), left_ns: flow.remaining.0 };
    let told = host.summary.counters.moved().filter(|(c, _)| !scenario.not_told().contains(c));
    HostJson {
        name,
        listeners: listeners
            .map(|l| ListenerJson { port: l.port, waiting: l.waiting, backlog: l.backlog })
            .collect(),
        sockets: sockets.collect(),
        flows: host.flows.as_ref().map(|flows| flows.iter().map(flow).collect()),
        open_files: host.summary.open_files.now,
        orphans: host.summary.orphans.now,
        mini_sockets: host.summary.mini_sockets.now,
        memory_bytes: host.summary.memory.now,
        memory_objects: objects(&host.summary),
        counters: told.map(|(c, n)| (c.name(), n)).collect(),
    }
}
