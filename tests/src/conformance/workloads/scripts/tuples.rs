//! Scripts about ports and tuples: the order in which ports are chosen, and what a tuple in use or in TIME_WAIT answers.

use serde_json::{Map, Value, json};
use sim_core::counter::Counter;
use sim_core::tcp::State;
use sim_core::time::Time;

use super::super::Plan;
use super::super::judge::{Loose, step_classes};
use super::super::language::{CLIENT, Machines, SERVER, number, seconds};
use super::super::recording::Recording;
use super::super::trail::Connection;
use super::{between, handshake, moves_of, params, seen, states_at, told};

/// Ports chosen by calls in a row.
pub(super) fn order(recording: &Recording) -> Result<Plan, String> {
    let params = params(recording, &["lo", "n", "count", "mode"])?;
    let mut machines = Machines::read(recording)?;
    let server = machines.server().to_owned();
    machines.add(&server, "listen: [(port: 8000)]".to_owned());
    let (low, n) = (number(&params, "lo", 32768.0)? as u32, number(&params, "n", 28232.0)? as u32);
    let port = match params.get("mode").and_then(Value::as_str) {
        Some("connect") => "auto".to_owned(),
        Some("bind0") => "bound".to_owned(),
        Some("sockrange") => format!("auto(range: ({low}, {}))", low + n.max(1) - 1),
        other => return Err(format!("ports chosen by {other:?}")),
    };
    // The recorder goes on for some calls when the ports are used up.
    let errors = recording.fact("errors").and_then(Value::as_array).map_or(0, Vec::len);
    let count = number(&params, "count", 1.0)? as usize + errors;
    let times = vec!["\"1s\""; count].join(", ");
    let traffic = format!(
        "\"calls\": (from: \"{CLIENT}\", to: \"{}:8000\", arrivals: at([{times}]), requests_per_connection: 0, hold: \"1h\", \
         port: {port})",
        machines.server_address()?
    );
    Ok(told(&machines, 3.0, &[traffic], move |observed| {
        let calls = observed.traffic("calls")?;
        let found = observed.connections(calls);
        let ports: Vec<u32> = found.values().map(|c| u32::from(c.tuple.local.port)).collect();
        let errno = observed.summary.traffic[calls.index()].errors.first().map(|e| e.errno.name());
        let failed = (0..count as u32).filter(|number| !found.contains_key(number));
        let first = *ports.first()?;
        let parity = |port: u32| port.wrapping_sub(low) % 2;
        let mut steps = Map::new();
        for pair in ports.windows(2).take(59) {
            let step = ((pair[1] + n - pair[0]) % n).to_string();
            let count = steps.get(&step).and_then(Value::as_u64).unwrap_or(0) + 1;
            steps.insert(step, json!(count));
        }
        let mut distinct = ports.clone();
        distinct.sort_unstable();
        distinct.dedup();
        Some(seen([
            ("connected", json!(ports.len())),
            ("distinct", json!(distinct.len())),
            ("errors", json!(failed.map(|number| json!([number, errno])).collect::<Vec<_>>())),
            ("first_port_parity_vs_low", json!(parity(first))),
            (
                "index_of_first_other_parity",
                json!(ports.iter().position(|&port| parity(port) != parity(first))),
            ),
            ("count_same_parity_as_low", json!(ports.iter().filter(|&&port| parity(port) == 0).count())),
            ("first_60_steps_histogram", step_classes(&steps)),
            ("first_20_ports", json!(ports.iter().take(20).collect::<Vec<_>>())),
        ]))
    })
    // An example of what is drawn anew at each boot: that there are as many is all that can be compared.
    .loosely("first_20_ports", Loose::Share(2.0)))
}

/// A client whose FIN_WAIT2 has timed out comes back to servers in CLOSE_WAIT.
pub(super) fn close_wait(recording: &Recording) -> Result<Plan, String> {
    let params = params(recording, &["n"])?;
    let mut machines = Machines::read(recording)?;
    machines.add(SERVER, "listen: [(port: 8000)]".to_owned());
    let n = number(&params, "n", 10.0)? as usize;
    let fin_timeout: f64 =
        machines.setting(CLIENT, "net.ipv4.tcp_fin_timeout").and_then(|v| v.parse().ok()).unwrap_or(60.0);
    let again = 1.0 + fin_timeout.max(2.0 * fin_timeout - 60.0) + 4.0;
    let row = |at: f64| vec![seconds(at); n].join(", ");
    let source = |name: &str, at: f64, more: &str| {
        format!(
            "{name:?}: (from: {CLIENT:?}, to: \"{SERVER}:8000\", arrivals: at([{}]), requests_per_connection: 0, {more})",
            row(at)
        )
    };
    let traffic = [source("first", 1.0, "close: (other: never)"), source("again", again, "hold: \"1h\"")];
    Ok(told(&machines, again + 3.0, &traffic, move |observed| {
        let (client, server) = (observed.host(CLIENT)?, observed.host(SERVER)?);
        let at = |seconds: f64| Time((seconds * 1e9) as u64);
        let both = |when| json!({"client": states_at(observed, client, when, 0), "server": states_at(observed, server, when, 1)});
        let again_id = observed.traffic("again")?;
        let found: Vec<Connection> = observed.connections(again_id).into_values().collect();
        let results: Vec<_> =
            found.iter().map(|c| c.established.map(|up| json!([between(c.began, up), "ok"]))).collect();
        let last = found.last()?;
        let ends = moves_of(observed, observed.traffic("first")?, server).filter(|m| m.3 == State::CloseWait).count();
        let of = |host: sim_core::ids::HostId, counter| json!(observed.summary.hosts[host.index()].counters.get(counter));
        Some(seen([
            ("states_after_close", both(at(1.5))),
            ("states_after_fin_timeout", both(at(again - 0.01))),
            ("reconnect_results", json!(results)),
            ("one_reconnect_packets", handshake(observed, client, last.tuple, (last.began, last.established?))),
            ("old_server_sockets_recv", json!({"EOF": ends})),
            ("c0.TcpOutRsts", of(client, Counter::TcpOutRsts)),
            ("s.TcpEstabResets", of(server, Counter::TcpEstabResets)),
            ("s.TcpExtTCPChallengeACK", of(server, Counter::TcpExtTCPChallengeACK)),
            ("states_after_reconnect", both(at(again + 1.0))),
        ]))
    })
    .with_all_packets())
}

/// A client comes back at once, on the same port, to a server that has closed first.
pub(super) fn reconnect(recording: &Recording) -> Result<Plan, String> {
    let params = params(recording, &["mb", "n"])?;
    let mut machines = Machines::read(recording)?;
    machines.add(SERVER, "listen: [(port: 8000)]".to_owned());
    let (mb, n) = (number(&params, "mb", 0.0)?, number(&params, "n", 1.0)? as usize);
    if mb > 0.0 {
        // A veth passes segments on as the sender's GSO made them.
        for host in [CLIENT, SERVER] {
            machines.add(host, "tcp: (mss: 65000)".to_owned());
        }
    }
    // A pool of one connection opens the next as soon as the last is closed.
    let wanted = vec!["\"1s\""; n + 1].join(", ");
    let request = if mb > 0.0 { format!("{mb}MB") } else { "16B".to_owned() };
    let traffic = format!(
        "\"again\": (from: \"{CLIENT}\", to: \"{SERVER}:8000\", arrivals: at([{wanted}]), pool: (size: 1), requests_per_connection: 1, request: \"{request}\", \
         response: \"16B\", close: (first: server), on_error: retry(after: \"1ms\", times: 100), port: fixed(range: (40000, 40000), reuseaddr: true))"
    );
    let plan = told(&machines, 600.0, &[traffic], move |observed| {
        let (client, server, id) =
            (observed.host(CLIENT)?, observed.host(SERVER)?, observed.traffic("again")?);
        let found: Vec<Connection> = observed.connections(id).into_values().collect();
        let accepted: Vec<Time> = observed.trail.accepted.iter().map(|(at, _)| *at).collect();
        let again = found.iter().zip(&accepted).skip(1);
        let latency: Vec<f64> = again.map(|(connection, &at)| between(connection.began, at)).collect();
        let first = found.get(1)?;
        let ends = found.iter().skip(1).map(|c| c.began).chain([found.last()?.closed?]);
        let waiting = ends.map(|at| {
            let before =
                Time(at.0 + u64::from(found.last().is_some_and(|c| c.closed == Some(at))) * 1_000_000);
            states_at(observed, server, before, 0)["TIME_WAIT"].as_u64().unwrap_or(0)
        });
        // Until its own last FIN is acknowledged the client is too early: the recorder's is never so fast.
        let errors = observed.summary.traffic[id.index()].errors.iter().map(|e| e.errno.name());
        let errors: Vec<_> = errors.filter(|name| *name != "EADDRNOTAVAIL").collect();
        let of = |host: sim_core::ids::HostId, counter| {
            json!(observed.summary.hosts[host.index()].counters.get(counter))
        };
        Some(seen([
            ("reconnect_latency_s", json!(latency)),
            ("errors", json!(errors)),
            ("server_time_wait_count", json!(waiting.collect::<Vec<_>>())),
            (
                "reconnect_packets",
                handshake(observed, client, first.tuple, (first.began, first.established?)),
            ),
            ("c0.TcpOutRsts", of(client, Counter::TcpOutRsts)),
            ("s.TcpExtTW", of(server, Counter::TcpExtTW)),
            ("s.TcpExtTWKilled", of(server, Counter::TcpExtTWKilled)),
            ("s.TcpExtTWRecycled", of(server, Counter::TcpExtTWRecycled)),
            ("c0.TcpRetransSegs", of(client, Counter::TcpRetransSegs)),
            ("s.TcpExtTCPACKSkippedTimeWait", of(server, Counter::TcpExtTCPACKSkippedTimeWait)),
            ("s.TcpExtPAWSTimewait", of(server, Counter::TcpExtPAWSTimewait)),
        ]))
    })
    .with_all_packets();
    // The recorder's bulk overran the queue of its veth; the SYNs are below.
    Ok(if mb > 0.0 { plan.loosely("c0.TcpRetransSegs", Loose::AtLeast) } else { plan })
}
