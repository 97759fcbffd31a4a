//! Scripts about timers: SYNs, TIME_WAIT and FIN_WAIT2, a lost last ACK, a simultaneous close, orphans in the dark.

use serde_json::{Value, json};
use sim_core::counter::Counter;
use sim_core::tcp::{Flags, State};
use sim_core::time::Time;

use super::super::Plan;
use super::super::language::{CLIENT, Machines, SERVER, number, seconds};
use super::super::recording::Recording;
use super::super::trail::Observed;
use super::{
    between, least, lives, most, moves_of, params, seen, sent, since_first, state_name, states_at, told,
};

/// When the one connection of a script begins, so that nothing falls on the scenario's first moment.
const BEGIN: f64 = 1.0;

/// A source with one connection at a time, to the port where the server listens.
fn one(name: &str, at: f64, more: &str) -> String {
    many(name, &[at], more)
}

fn many(name: &str, at: &[f64], more: &str) -> String {
    let times: Vec<_> = at.iter().map(|at| seconds(*at)).collect();
    format!(
        "{name:?}: (from: {CLIENT:?}, to: \"{SERVER}:8000\", arrivals: at([{}]), {more})",
        times.join(", ")
    )
}

fn listening(recording: &Recording) -> Result<Machines, String> {
    let mut machines = Machines::read(recording)?;
    if machines.server() != SERVER {
        return Err("a script on the loopback".to_owned());
    }
    machines.add(SERVER, "listen: [(port: 8000)]".to_owned());
    Ok(machines)
}

/// SYNs to a host that drops them.
pub(super) fn syn(recording: &Recording) -> Result<Plan, String> {
    params(recording, &[])?;
    let mut machines = listening(recording)?;
    machines.add(SERVER, "drop: [(segments: syn)]".to_owned());
    let traffic = [one("syn", BEGIN, "")];
    // Longer than any number of SYNs lasts that one would wait for.
    Ok(told(&machines, 4000.0, &traffic, |observed| {
        let (client, syn) = (observed.host(CLIENT)?, observed.traffic("syn")?);
        let times = sent(observed, syn, client, |flags, _| flags.has(Flags::SYN));
        let error = observed.summary.traffic[syn.index()].errors.first();
        let error = error.map(|e| json!([e.errno.name(), between(times[0], e.tally.first)]));
        Some(seen([
            ("syn_times_s", since_first(&times)),
            ("connect_error", json!(error)),
            ("syn_count", json!(times.len())),
        ]))
    }))
}

/// Lengths of TIME_WAIT, of orphans in FIN_WAIT2, and of what comes after a late FIN.
pub(super) fn lengths(recording: &Recording) -> Result<Plan, String> {
    let params = params(recording, &["n", "spacing_s", "limit_s"])?;
    let machines = listening(recording)?;
    let (n, spacing) = (number(&params, "n", 24.0)? as u32, number(&params, "spacing_s", 0.27)?);
    let fin_timeout =
        machines.setting(CLIENT, "net.ipv4.tcp_fin_timeout").and_then(|v| v.parse().ok()).unwrap_or(60.0);
    let row = |count: u32, from: f64| (0..count).map(|i| from + f64::from(i) * spacing).collect::<Vec<_>>();
    // All have begun, and one of the three late FINs has come, when the recorder looks at them in the middle.
    let last = BEGIN + f64::from(n) * spacing;
    let late_by = 3.0_f64.min(fin_timeout / 2.0);
    let orphans = n / 2;
    let first_orphan = last - f64::from(orphans) * spacing;
    let middle = ((last + 0.5) * 10.0).ceil() / 10.0;
    let late = [-0.05, 0.05, 0.15].map(|after: f64| (middle + after - late_by).max(BEGIN));
    let traffic = [
        many("waits", &row(n, BEGIN), ""),
        many("orphans", &row(orphans.saturating_sub(1), first_orphan), "close: (other: never)"),
        one(
            "answered",
            last - spacing,
            &format!("close: (other: close_after({}))", seconds(fin_timeout + 8.0)),
        ),
        many("late", &late, &format!("close: (other: close_after({}))", seconds(late_by))),
        many("halves", &row(3, BEGIN), "close: (how: half_close, other: never)"),
    ];
    let echo = recording.fact("half_closed_not_orphan").map_or(Value::Null, |v| v[1].clone());
    let facts = move |observed: &Observed| {
        let client = observed.host(CLIENT)?;
        let of = |name, state| Some(lives(observed, observed.traffic(name)?, client, state));
        let waits = of("waits", State::TimeWait)?;
        let mut orphans = of("orphans", State::FinWait2)?;
        orphans.extend(of("answered", State::FinWait2)?);
        let late = of("late", State::TimeWait)?;
        let halves = observed.traffic("halves")?;
        let half = moves_of(observed, halves, client).last().map(|(_, _, _, to)| state_name(to));
        let middle = Time((middle * 1e9) as u64);
        let minis = observed
            .summary
            .series
            .get(sim_core::scenario::Metric::Used(sim_core::scenario::Limit::TwBuckets(client)))?;
        let resets = observed.summary.hosts[client.index()].counters.get(Counter::TcpOutRsts);
        Some(seen([
            ("time_wait_min_s", json!(least(&waits))),
            ("time_wait_max_s", json!(most(&waits))),
            ("time_wait_expiry_burst_spacing_s", bursts(observed)?),
            ("fin_wait_2_orphan_min_s", json!(least(&orphans))),
            ("fin_wait_2_orphan_max_s", json!(most(&orphans))),
            ("time_wait_after_late_fin_s", json!([least(&late), most(&late)])),
            ("half_closed_not_orphan", json!([[half], echo])),
            (
                "sockstat_tw_counts_fin_wait_2",
                json!([
                    minis.get(((middle.0 + SAMPLE / 2) / SAMPLE) as usize),
                    states_at(observed, client, middle, 0)
                ]),
            ),
            ("client_RST_to_fin_after_fw2_timeout", json!(resets)),
        ]))
    };
    let mut plan = told(&machines, last + 2.0 * fin_timeout + 140.0, &traffic, facts);
    plan.text = plan.text.replacen("sample: \"1s\"", "sample: \"100ms\"", 1);
    Ok(plan)
}

/// Distance of the rows in which the middle of [`lengths`] is looked up, nanoseconds.
const SAMPLE: u64 = 100_000_000;

/// From burst to burst of ends of TIME_WAIT: what comes within a third of a second is one.
fn bursts(observed: &Observed) -> Option<Value> {
    let (client, waits) = (observed.host(CLIENT)?, observed.traffic("waits")?);
    let ends = moves_of(observed, waits, client)
        .filter(|(_, _, from, to)| (*from, *to) == (State::TimeWait, State::Closed));
    let mut firsts: Vec<Time> = Vec::new();
    let mut last = None;
    for (_, at, ..) in ends {
        if last.is_none_or(|last| between(last, at) > 0.3) {
            firsts.push(at);
        }
        last = Some(at);
    }
    Some(json!(firsts.windows(2).map(|pair| between(pair[0], pair[1])).collect::<Vec<_>>()))
}

/// How long the client of [`last_ack`] holds on.
const HOLD: f64 = 0.2;

/// The last ACK is lost for some seconds, so that each FIN that is sent again begins TIME_WAIT anew.
pub(super) fn last_ack(recording: &Recording) -> Result<Plan, String> {
    let params = params(recording, &["drop_s"])?;
    let mut machines = listening(recording)?;
    let drop = number(&params, "drop_s", 5.0)?;
    // The client closes, the server 50 ms later; between the two its ACKs begin to be lost.
    let close = BEGIN + HOLD;
    let rule = format!(
        "drop: [(segments: ack, start: {}, stop: {})]",
        seconds(close + 0.03),
        seconds(close + 0.03 + drop)
    );
    machines.add(SERVER, rule);
    let traffic =
        [one("one", BEGIN, &format!("hold: {}, close: (other: close_after(\"50ms\"))", seconds(HOLD)))];
    Ok(told(&machines, close + drop * 3.0 + 200.0, &traffic, move |observed| {
        let (client, server, one) =
            (observed.host(CLIENT)?, observed.host(SERVER)?, observed.traffic("one")?);
        let begin = *sent(observed, one, client, |flags, _| flags.has(Flags::FIN)).first()?;
        let fins = sent(observed, one, server, |flags, _| flags.has(Flags::FIN));
        let gone = |host| moves_of(observed, one, host).find(|m| m.3 == State::Closed).map(|m| m.1);
        let waits = moves_of(observed, one, client).find(|m| m.3 == State::TimeWait).map(|m| m.1)?;
        let end = gone(client)?;
        Some(seen([
            ("server_fin_times_s", json!(fins.iter().map(|&at| between(begin, at)).collect::<Vec<_>>())),
            ("server_gone_s", json!(gone(server).map(|at| between(begin, at)))),
            ("client_time_wait_end_s", json!(between(begin, end))),
            ("time_wait_after_last_fin_s", json!(between(*fins.last()?, end))),
            ("time_wait_total_s", json!(between(waits, end))),
        ]))
    }))
}

/// Both close at once, and both first FINs are lost.
pub(super) fn simultaneous(recording: &Recording) -> Result<Plan, String> {
    params(recording, &[])?;
    let mut machines = listening(recording)?;
    for host in [CLIENT, SERVER] {
        machines.add(host, "drop: [(segments: fin, times: 1)]".to_owned());
    }
    let traffic = [one("one", BEGIN, "hold: \"1s\", close: (first: both)")];
    Ok(told(&machines, 200.0, &traffic, |observed| {
        let (client, server, one) =
            (observed.host(CLIENT)?, observed.host(SERVER)?, observed.traffic("one")?);
        let fin = |flags: Flags, _| flags.has(Flags::FIN);
        let mut fins: Vec<_> =
            sent(observed, one, client, fin).into_iter().map(|at| (at, "client")).collect();
        fins.extend(sent(observed, one, server, fin).into_iter().map(|at| (at, "server")));
        fins.sort_by_key(|(at, who)| (at.0 / 10_000_000, *who));
        let begin = fins.first()?.0;
        let way = |host| moves_of(observed, one, host).map(|(_, at, _, to)| (at, to)).collect::<Vec<_>>();
        let (near, far) = (way(client), way(server));
        let gone = |moves: &[(Time, State)]| {
            moves.iter().find(|m| m.1 == State::Closed).map(|m| between(begin, m.0))
        };
        let held = [&near, &far].into_iter().all(|moves| moves.iter().any(|m| m.1 == State::TimeWait));
        Some(seen([
            ("states", together(&near, &far)),
            ("time_wait_at_both_ends", json!(held)),
            (
                "fin_times_s",
                json!(fins.iter().map(|(at, who)| json!([between(begin, *at), who])).collect::<Vec<_>>()),
            ),
            ("client_gone_s", json!(gone(&near))),
            ("server_gone_s", json!(gone(&far))),
        ]))
    }))
}

/// The states of both ends from the close on, where one stays for longer than the recorder needs to look.
fn together(near: &[(Time, State)], far: &[(Time, State)]) -> Value {
    const LOOK: f64 = 0.01;
    let at = |moves: &[(Time, State)], time: Time| moves.iter().rev().find(|m| m.0 <= time).map(|m| m.1);
    let mut times: Vec<Time> = near.iter().chain(far).map(|m| m.0).collect();
    times.sort();
    times.dedup();
    let mut pairs: Vec<[&str; 2]> = Vec::new();
    for (i, &time) in times.iter().enumerate() {
        let stays = times.get(i + 1).is_none_or(|&next| between(time, next) > LOOK);
        let (Some(a), Some(b)) = (at(near, time), at(far, time)) else { continue };
        let pair = [state_name(a), state_name(b)];
        if stays && a != State::Established && b != State::Established && pairs.last() != Some(&pair) {
            pairs.push(pair);
        }
    }
    json!(pairs)
}

/// close() and then the path goes dark: with data under way, with a FIN alone, and at the passive end.
pub(super) fn blackhole(recording: &Recording) -> Result<Plan, String> {
    let params = params(recording, &["limit_s"])?;
    let mut machines = listening(recording)?;
    machines.add(CLIENT, "listen: [(port: 8000)]".to_owned());
    let dark = format!("drop: [(start: {})]", seconds(BEGIN + 0.5));
    machines.add(CLIENT, dark.clone());
    machines.add(SERVER, dark);
    // The side that closes first is the recorder's client; here it answers, so that it has data to send when it is dark.
    let begin = seconds(BEGIN);
    let back = |name: &str, more: &str| {
        format!(
            "{name:?}: (from: {SERVER:?}, to: \"{CLIENT}:8000\", arrivals: at([{begin}]), response: \"1000B\", {more})"
        )
    };
    let traffic = [
        back("data", "service_time: \"1s\", close: (first: server)"),
        back("fin", "hold: \"1s\", close: (first: server)"),
        one("last", BEGIN, "close: (other: close_after(\"1s\"))"),
    ];
    let limit = number(&params, "limit_s", 130.0)?;
    Ok(told(&machines, BEGIN + 2.0 * limit + 200.0, &traffic, |observed| {
        let (client, server) = (observed.host(CLIENT)?, observed.host(SERVER)?);
        let dark = Time(((BEGIN + 0.9) * 1e9) as u64);
        let story = |name, host| {
            let id = observed.traffic(name)?;
            let mut sends = sent(observed, id, host, |_, _| true);
            sends.retain(|&at| at > dark);
            let gone = moves_of(observed, id, host).find(|m| m.3 == State::Closed).map(|m| m.1)?;
            Some((since_first(&sends), between(*sends.first()?, gone)))
        };
        let (data_sends, data_life) = story("data", client)?;
        let (fin_sends, fin_life) = story("fin", client)?;
        let (last_sends, last_life) = story("last", server)?;
        Some(seen([
            ("fin_wait_1_data_orphan_life_s", json!(data_life)),
            ("fin_wait_1_data_sends_s", data_sends),
            ("fin_wait_1_orphan_life_s", json!(fin_life)),
            ("fin_wait_1_sends_s", fin_sends),
            ("last_ack_orphan_life_s", json!(last_life)),
            ("last_ack_sends_s", last_sends),
        ]))
    })
    .with_all_packets())
}
