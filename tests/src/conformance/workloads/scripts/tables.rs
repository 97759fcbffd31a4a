//! Scripts about tables: what the tracker holds after each kind of close.

use serde_json::{Value, json};
use sim_core::conntrack::FlowState;

use super::super::Plan;
use super::super::language::{CLIENT, Machines, SERVER};
use super::super::recording::Recording;
use super::{params, told};

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

/// A state as /proc/net/nf_conntrack prints it.
fn flow_name(state: FlowState) -> Value {
    json!(state.to_string())
}
