//! The script of an accept queue that nobody empties for a while.

use scenarios::Patch;
use serde_json::{Map, Value, json};
use sim_core::counter::Counter;
use sim_core::time::Time;

use super::super::Plan;
use super::super::language::{CLIENT, Machines, SERVER, number, seconds};
use super::super::recording::Recording;
use super::{between, params, states_at, told};

/// The recorder connects every 20 ms, and all ask at once when the last has; its server accepts one in 20 ms.
const PACE: f64 = 0.02;
const BEGIN: f64 = 1.0;

/// So many connects to a listener whose application begins to accept late.
pub(super) fn accept_queue(recording: &Recording) -> Result<Plan, String> {
    let params = params(recording, &["backlog", "n", "accept_at", "via_synrecv"])?;
    let mut machines = Machines::read(recording)?;
    let (backlog, n) = (number(&params, "backlog", 1.0)?, number(&params, "n", 8.0)? as usize);
    let accept_at = number(&params, "accept_at", 3.5)?;
    let listen = format!(
        "listen: [(port: 8000, backlog: {backlog}, accept_after: {}, accept_every: {})]",
        seconds(BEGIN + accept_at + 0.03),
        seconds(PACE)
    );
    machines.add(SERVER, listen);
    let through = number(&params, "via_synrecv", 0.0)? as usize;
    if through > 0 {
        // The final ACKs of all but the first are lost until 0.4 s, and whatever follows them.
        let start = seconds(BEGIN + (through as f64 - 0.5) * PACE);
        machines
            .add(SERVER, format!("drop: [(segments: ack, start: {start}, stop: {})]", seconds(BEGIN + 0.4)));
    }
    let ask = n as f64 * PACE + 0.02;
    let traffic: Vec<_> = (0..n).map(|i| client(i, ask)).collect();
    let names: Vec<String> = recording.facts.iter().map(|fact| fact.name.clone()).collect();
    Ok(told(&machines, BEGIN + 16.0, &traffic, move |observed| {
        let (client, server) = (observed.host(CLIENT)?, observed.host(SERVER)?);
        let begin = Time((BEGIN * 1e9) as u64);
        let mut connected = Map::new();
        let mut errors = Map::new();
        for i in 0..n {
            let id = observed.traffic(&format!("n{i}"))?;
            let connection = observed.connections(id).into_values().next();
            if let Some(at) = connection.and_then(|c| c.established) {
                connected.insert(i.to_string(), json!(between(begin, at).max(ask)));
            }
            if let Some(error) = observed.summary.traffic[id.index()].errors.first() {
                errors.insert(i.to_string(), json!([between(begin, error.tally.first), error.errno.name()]));
            }
        }
        let accepted = observed.trail.accepted.iter();
        let accepted: Vec<_> =
            accepted.map(|(at, whose)| json!([between(begin, *at), whose.attempt.traffic.index()])).collect();
        let fact = |name: &str| {
            Some(match name {
                "connected_at_s" => Value::Object(connected.clone()),
                "client_errors_at_s" => Value::Object(errors.clone()),
                "accepted_at_s_index" => json!(accepted),
                "server_counters" => server_counters(observed, server),
                "client_retrans" => {
                    json!(observed.summary.hosts[client.index()].counters.get(Counter::TcpRetransSegs))
                }
                _ => {
                    let at: f64 = name.strip_prefix("states_")?.strip_suffix('s')?.parse().ok()?;
                    let at = Time(begin.0 + (at * 1e9) as u64);
                    json!({
                        "client": states_at(observed, client, at, 0),
                        "server": states_at(observed, server, at, 1),
                    })
                }
            })
        };
        Some(names.iter().filter_map(|name| Some((name.clone(), fact(name)?))).collect())
    })
    // The recorder's application wakes when it gets the processor: before or after a retransmission of that moment.
    .varied(move |seed| {
        let late = accept_at + 0.005 * (seed % 12) as f64;
        vec![Patch::new("hosts.s.listen[0].accept_after", seconds(BEGIN + late))]
    }))
}

/// The client of a number, which connects when its turn comes and asks when all do.
fn client(number: usize, ask: f64) -> String {
    let at = number as f64 * PACE;
    format!(
        "\"n{number}\": (from: \"{CLIENT}\", to: \"{SERVER}:8000\", arrivals: at([{}]), ask_after: {}, request: \"5B\", \
         service_time: \"1h\")",
        seconds(BEGIN + at),
        seconds(ask - at)
    )
}

/// The counters of a listener's queues that moved.
fn server_counters(observed: &super::super::trail::Observed, server: sim_core::ids::HostId) -> Value {
    const COUNTERS: &[Counter] = &[
        Counter::TcpOutRsts,
        Counter::TcpRetransSegs,
        Counter::TcpExtListenOverflows,
        Counter::TcpExtListenDrops,
        Counter::TcpExtTCPReqQFullDoCookies,
        Counter::TcpExtTCPReqQFullDrop,
        Counter::TcpExtTCPSynRetrans,
    ];
    let counters = &observed.summary.hosts[server.index()].counters;
    let moved = COUNTERS.iter().map(|&c| (c.name().to_owned(), counters.get(c))).filter(|(_, n)| *n > 0);
    Value::Object(moved.map(|(name, n)| (name, json!(n))).collect())
}
