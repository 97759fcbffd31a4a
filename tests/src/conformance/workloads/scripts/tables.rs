//! Scripts about tables: what the tracker holds after each kind of close, and what many connections take in memory.

use serde_json::{Value, json};
use sim_core::conntrack::FlowState;
use sim_core::host::memory::OBJECTS;

use super::super::Plan;
use super::super::judge::Loose;
use super::super::language::{CLIENT, Machines, SERVER, number};
use super::super::recording::Recording;
use super::{params, seen, told};

/// What each entry of the recording is called, the port that it goes to, and how its connection closes.
const KINDS: &[(&str, u16, &str)] = &[
    ("established idle", 8000, "hold: \"1h\""),
    ("client closes, server closes", 8001, ""),
    ("server closes, client closes", 8002, "close: (first: server)"),
    ("client closes, server does not (FIN acked)", 8003, "close: (other: never)"),
    ("server closes, client does not (FIN acked)", 8004, "close: (first: server, other: never)"),
    ("client RST (linger 0)", 8005, "close: (how: reset)"),
    ("server RST (linger 0)", 8006, "close: (first: server, how: reset)"),
    ("SYN unanswered", 8009, ""),
    ("SYN refused (RST)", 8010, ""),
];

/// Entries of the tracker between client and server, some time after each kind of close.
pub(super) fn flows(recording: &Recording) -> Result<Plan, String> {
    params(recording, &[])?;
    let mut machines = Machines::read(recording)?;
    let tracker = machines.tracker().ok_or("a recording of entries on hosts that do not track")?.to_owned();
    let ports: Vec<_> =
        KINDS.iter().filter(|kind| kind.1 < 8009).map(|kind| format!("(port: {})", kind.1)).collect();
    machines.add(SERVER, format!("listen: [{}]", ports.join(", ")));
    machines.add(SERVER, "drop: [(port: 8009)]".to_owned());
    let traffic: Vec<_> = KINDS
        .iter()
        .map(|(_, port, more)| {
            format!("\"p{port}\": (from: \"{CLIENT}\", to: \"{SERVER}:{port}\", arrivals: at([\"0.9985s\"]), requests_per_connection: 0, {more})")
        })
        .collect();
    let names: Vec<String> = recording.facts.iter().map(|fact| fact.name.clone()).collect();
    Ok(told(&machines, 1.0, &traffic, move |observed| {
        let host = observed.host(&tracker)?;
        let flows = &observed.summary.hosts[host.index()].flows;
        let fact = |name: &str| {
            let kind = name.strip_prefix("entry: ")?;
            let (_, port, _) = KINDS.iter().find(|(known, ..)| *known == kind)?;
            let Some(flow) = flows.iter().find(|flow| flow.original.remote.port == *port) else {
                return Some(json!("no entry"));
            };
            let mut flags = Vec::new();
            if flow.assured {
                flags.push("ASSURED");
            }
            if !flow.seen_reply {
                flags.push("UNREPLIED");
            }
            let left = flow.remaining.as_secs();
            Some(json!({"state": flow_name(flow.state), "timeout_s": left, "flags": flags}))
        };
        Some(names.iter().filter_map(|name| Some((name.clone(), fact(name)?))).collect())
    }))
}

/// So many connections, closed by their client, between hosts of which the server's tracks.
pub(super) fn memory(recording: &Recording) -> Result<Plan, String> {
    let params = params(recording, &["n"])?;
    let n = number(&params, "n", 20_000.0)?;
    let mut machines = Machines::read(recording)?;
    let tracker = machines.tracker().ok_or("a recording of entries on hosts that do not track")?.to_owned();
    machines.add(SERVER, "listen: [(port: 8000)]".to_owned());
    let traffic = format!(
        "\"calls\": (from: \"{CLIENT}\", to: \"{SERVER}:8000\", arrivals: constant(\"{n}/s\"), stop: \"1s\", \
         requests_per_connection: 0)"
    );
    let plan = told(&machines, 2.0, &[traffic], move |observed| {
        let (client, tracker) = (observed.host(CLIENT)?, observed.host(&tracker)?);
        let [client, tracker] = [client, tracker].map(|host| &observed.summary.hosts[host.index()]);
        let objects = |what: &dyn Fn(&sim_core::host::memory::Object) -> Value| {
            Value::Object(OBJECTS.iter().map(|object| (object.name.to_owned(), what(object))).collect())
        };
        // What the slabs of both hosts take in whole pages.
        let slabs = |name: &str| {
            let object = OBJECTS.iter().find(|object| object.name == name)?;
            let hosts = [client, tracker].into_iter().flat_map(|host| &host.objects);
            let count: u64 = hosts.filter(|found| found.name == name).map(|found| found.count).sum();
            Some((count.div_ceil(u64::from(object.per_slab)) * (4096 << object.order)) as f64 / n)
        };
        let all: f64 = OBJECTS.iter().filter_map(|object| slabs(object.name)).sum();
        let full = client.states.iter().map(|gauge| gauge.now).sum::<u64>() - client.mini_sockets.now;
        Some(seen([
            ("object_bytes", objects(&|object| json!(object.asked))),
            ("slab_bytes_per_object", objects(&|object| json!(object.bytes))),
            ("objs_per_slab_and_order", objects(&|object| json!([object.per_slab, object.order]))),
            ("time_wait_sockets", json!(client.mini_sockets.now)),
            ("conntrack_entries", json!(tracker.conntrack.now)),
            (
                "slab_bytes_grown_per_connection",
                json!({
                    "tw_sock_TCP": slabs("tw_sock_TCP"), "nf_conntrack": slabs("nf_conntrack"),
                    "sock_inode_cache": slabs("sock_inode_cache"),
                }),
            ),
            ("meminfo_slab_bytes_per_connection", json!(all)),
            (
                "sockstat",
                json!({
                    "inuse": full, "orphan": client.orphans.now, "tw": client.mini_sockets.now, "alloc": 0, "mem": 0,
                }),
            ),
        ]))
    });
    // Of the whole machine: slabs that were half empty before, and whatever else took memory.
    let plan = plan.loosely("slab_bytes_grown_per_connection", Loose::Noise(0.02));
    Ok(plan
        .loosely("meminfo_slab_bytes_per_connection", Loose::Noise(0.02))
        .loosely("sockstat", Loose::AtLeast))
}

/// A state as /proc/net/nf_conntrack prints it.
fn flow_name(state: FlowState) -> Value {
    json!(state.to_string())
}
