//! Recordings of scripts: a few connections led through a story. Which one it is, is told by the facts that it has.

mod cost;
mod queue;
mod tables;
mod timers;
mod tuples;

use scenarios::Patch;
use serde_json::{Map, Value, json};
use sim_core::ids::{HostId, TrafficId, Tuple};
use sim_core::tcp::{Flags, State};
use sim_core::time::Time;

use super::Plan;
use super::judge::{Loose, Seen};
use super::language::Machines;
use super::recording::Recording;
use super::trail::{Observed, Place};

/// The fact by which each script is known, and how it is told.
type Teller = fn(&Recording) -> Result<Plan, String>;
const SCRIPTS: &[(&str, Teller)] = &[
    ("syn_times_s", timers::syn),
    ("time_wait_min_s", timers::lengths),
    ("server_fin_times_s", timers::last_ack),
    ("time_wait_at_both_ends", timers::simultaneous),
    ("fin_wait_1_orphan_life_s", timers::blackhole),
    ("first_port_parity_vs_low", tuples::order),
    ("old_server_sockets_recv", tuples::close_wait),
    ("server_time_wait_count", tuples::reconnect),
    ("accepted_at_s_index", queue::accept_queue),
    ("entry: established idle", tables::flows),
    ("slab_bytes_per_object", tables::memory),
    ("connect_us_p50_by_percent_used", cost::search),
];

/// Tells a script as a scenario.
pub(super) fn plan(recording: &Recording) -> Result<Plan, String> {
    let found = SCRIPTS.iter().find(|(fact, _)| recording.fact(fact).is_some());
    let (_, tell) = found.ok_or("a script of an unknown kind")?;
    tell(recording)
}

/// The numbers of a script.
fn params(recording: &Recording, keys: &[&str]) -> Result<Map<String, Value>, String> {
    let params = recording.parameters.get("params").and_then(Value::as_object).cloned().unwrap_or_default();
    super::language::known(&params, "`params`", keys)?;
    Ok(params)
}

/// A plan for one text.
fn told(
    machines: &Machines,
    duration: f64,
    traffic: &[String],
    facts: impl Fn(&Observed) -> Option<Seen> + 'static,
) -> Plan {
    Plan {
        text: machines.scenario(duration.ceil(), "1s", traffic),
        loose: Vec::new(),
        vary: Box::new(|_| Vec::new()),
        all_packets: false,
        // A run in which something did not happen at all has none of its facts.
        facts: Box::new(move |observed| facts(observed).unwrap_or_default()),
    }
}

impl Plan {
    fn with_all_packets(self) -> Plan {
        Plan { all_packets: true, ..self }
    }

    fn varied(self, vary: impl Fn(u64) -> Vec<Patch> + 'static) -> Plan {
        Plan { vary: Box::new(vary), ..self }
    }

    fn loosely(mut self, fact: &'static str, how: Loose) -> Plan {
        self.loose.push((fact, how));
        self
    }
}

/// Facts by name.
fn seen<const N: usize>(facts: [(&str, Value); N]) -> Seen {
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn seconds_of(at: Time) -> f64 {
    at.0 as f64 / 1e9
}

/// From one time to another, seconds.
fn between(from: Time, to: Time) -> f64 {
    seconds_of(to) - seconds_of(from)
}

/// Times since the first of them.
fn since_first(times: &[Time]) -> Value {
    let first = times.first().copied().unwrap_or(Time::ZERO);
    json!(times.iter().map(|&at| between(first, at)).collect::<Vec<_>>())
}

/// Flags as the recorder writes them.
fn flags(flags: Flags) -> String {
    const LETTERS: &[(Flags, char)] =
        &[(Flags::SYN, 'S'), (Flags::FIN, 'F'), (Flags::RST, 'R'), (Flags::PSH, 'P'), (Flags::ACK, 'A')];
    LETTERS.iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, letter)| *letter).collect()
}

/// What a client saw of its handshake, from connect() to its own ACK of the SYN,ACK: when, which way, which flags. The recorder
/// stops after so many.
fn handshake(observed: &Observed, client: HostId, tuple: Tuple, (from, to): (Time, Time)) -> Value {
    const MOST: usize = 24;
    let mut lines = Vec::new();
    for (at, place, host, packet) in &observed.trail.packets {
        let ours = *host == client && (packet.tuple == tuple || packet.tuple.reversed() == tuple);
        if !ours || !(from..=to).contains(at) || lines.len() == MOST {
            continue;
        }
        let way = if *place == Place::Sent { '>' } else { '<' };
        lines.push(json!([between(from, *at), format!("{way} {}", flags(packet.seg.flags))]));
        if *at == to && way == '>' {
            break;
        }
    }
    Value::Array(lines)
}

/// Sockets of a host by state at a moment, as the recorder counts them.
fn states_at(observed: &Observed, host: HostId, at: Time, listeners: u64) -> Value {
    let mut states = std::collections::BTreeMap::new();
    for (when, whose, step) in observed.trail.moves.iter().filter(|(_, whose, _)| whose.host == host) {
        if *when <= at {
            states.insert(whose.tuple, step.to);
        }
    }
    let mut counts = Map::new();
    if listeners > 0 {
        counts.insert("LISTEN".to_owned(), json!(listeners));
    }
    for state in states.into_values().filter(|state| *state != State::Closed) {
        let name = state_name(state);
        let count = counts.get(name).and_then(Value::as_u64).unwrap_or(0) + 1;
        counts.insert(name.to_owned(), json!(count));
    }
    Value::Object(counts)
}

/// A state as ss prints it.
fn state_name(state: State) -> &'static str {
    match state {
        State::Closed => "gone",
        State::Listen => "LISTEN",
        State::SynSent => "SYN_SENT",
        State::SynRecv => "SYN_RECV",
        State::Established => "ESTABLISHED",
        State::FinWait1 => "FIN_WAIT_1",
        State::FinWait2 => "FIN_WAIT_2",
        State::CloseWait => "CLOSE_WAIT",
        State::Closing => "CLOSING",
        State::LastAck => "LAST_ACK",
        State::TimeWait => "TIME_WAIT",
    }
}

/// Moves of one end: the attempts of a source at a host.
fn moves_of(
    observed: &Observed,
    id: TrafficId,
    host: HostId,
) -> impl Iterator<Item = (u32, Time, State, State)> + '_ {
    let ours = move |whose: &sim_core::engine::Whose| whose.attempt.traffic == id && whose.host == host;
    let moves = observed.trail.moves.iter().filter(move |(_, whose, _)| ours(whose));
    moves.map(|(at, whose, step)| (whose.attempt.number, *at, step.from, step.to))
}

/// How long each attempt of a source stayed in a state at a host, until it was gone.
fn lives(observed: &Observed, id: TrafficId, host: HostId, state: State) -> Vec<f64> {
    let mut entered = std::collections::BTreeMap::new();
    let mut lives = Vec::new();
    for (number, at, _, to) in moves_of(observed, id, host) {
        if to == state {
            entered.insert(number, at);
        } else if to == State::Closed
            && let Some(since) = entered.remove(&number)
        {
            lives.push(between(since, at));
        }
    }
    lives
}

/// When a source's segments with a flag left a host.
fn sent(observed: &Observed, id: TrafficId, host: HostId, wanted: impl Fn(Flags, u32) -> bool) -> Vec<Time> {
    let packets = observed.trail.packets.iter().filter(|(_, place, at, packet)| {
        *place == Place::Sent
            && *at == host
            && packet.attempt.traffic == id
            && wanted(packet.seg.flags, packet.seg.len)
    });
    packets.map(|(at, ..)| *at).collect()
}

fn least(values: &[f64]) -> Option<f64> {
    values.iter().copied().min_by(f64::total_cmp)
}

fn most(values: &[f64]) -> Option<f64> {
    values.iter().copied().max_by(f64::total_cmp)
}
