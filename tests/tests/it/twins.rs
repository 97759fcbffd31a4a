//! The two drivers of sockets agree: each tuple of a host in a world does what a `Seat` does with the same inputs.

use std::fmt::Display;

use proptest::prelude::*;
use scenarios::{Extras, Source, load};
use sim_core::counter::Counters;
use sim_core::engine::queue::Lanes;
use sim_core::engine::{Record, World};
use sim_core::ids::Tuple;
use sim_core::scenario::{Host, Scenario};
use sim_core::tcp::TcpConfig;
use sim_core::tcp::config::TimerModel;
use sim_core::time::Time;
use tests::model::twin::{Seen, Twin};

type Records = Vec<(Time, Record)>;

/// `"name": "value"` of a sysctl.
fn sysctl(name: &str, value: impl Display) -> String {
    format!("\"net.ipv4.{name}\": \"{value}\"")
}

/// The settings of a Linux. Four ports, so that tuples are used again.
fn linux() -> impl Strategy<Value = String> {
    let choices = any::<[bool; 6]>();
    (choices, 0..2_u8, 0..2_u8, prop_oneof![3 => Just(60), 1 => Just(3)]).prop_map(
        |([sack, scaling, rfc1337, no_buckets, no_orphans, small], reuse, timestamps, fin)| {
            let mut list = vec![
                sysctl("tcp_sack", u8::from(sack)),
                sysctl("tcp_window_scaling", u8::from(scaling)),
                sysctl("tcp_rfc1337", u8::from(rfc1337)),
                sysctl("tcp_tw_reuse", reuse),
                sysctl("tcp_timestamps", timestamps),
                sysctl("tcp_fin_timeout", fin),
                // A seat knows nothing of other tuples.
                sysctl("tcp_no_metrics_save", 1),
                sysctl("ip_local_port_range", "20000 20003"),
            ];
            list.extend(no_buckets.then(|| sysctl("tcp_max_tw_buckets", 0)));
            list.extend((no_buckets && no_orphans).then(|| sysctl("tcp_max_orphans", 0)));
            if small {
                list.push(sysctl("tcp_rmem", "4096 16384 16384"));
                list.push(sysctl("tcp_wmem", "4096 8192 8192"));
            }
            format!("sysctl: {{ {} }}", list.join(", "))
        },
    )
}

fn host() -> impl Strategy<Value = String> {
    let other = "ports: (range: (20000, 20003))".to_owned();
    let stack = prop_oneof![
        4 => (prop_oneof![2 => Just("linux"), 1 => Just("linux(\"6.1\")"), 1 => Just("linux(\"4.19\")")], linux()),
        1 => (prop_oneof![Just("freebsd"), Just("windows"), Just("rfc793")], Just(other)),
    ];
    let timers = prop_oneof![
        Just("exact"),
        Just("wheel(hz: 250, phase: \"3ms\")"),
        Just("wheel(hz: 1000, phase: \"0s\")"),
    ];
    (stack, timers)
        .prop_map(|((stack, settings), timers)| format!("stack: {stack}, timers: {timers}, {settings}"))
}

/// One of these.
fn one<const N: usize>(of: [&'static str; N]) -> impl Strategy<Value = &'static str> {
    (0..N).prop_map(move |i| of[i])
}

fn link() -> impl Strategy<Value = String> {
    let delay = one(["50us", "1234567ns", "20ms", "150ms"]);
    let rare = || one(["0", "0", "10%"]);
    (delay, one(["0", "0", "5%", "30%"]), rare(), rare()).prop_map(|(delay, loss, duplicate, reorder)| {
        format!(
            "delay: \"{delay}\", loss: \"{loss}\", duplicate: \"{duplicate}\", reorder: \"{reorder}\", \
             reorder_delay: \"30ms\""
        )
    })
}

fn traffic() -> impl Strategy<Value = String> {
    let size = || one(["1B", "100B", "5kB", "100kB"]);
    let port = prop_oneof![7 => Just(80), 1 => Just(99)];
    let close = (one(["client", "server"]), one(["graceful", "graceful", "half_close", "reset"]));
    (port, size(), size(), 1..4_u8, close).prop_map(|(port, request, response, times, (first, how))| {
        format!(
            "to: \"10.0.1.1:{port}\", arrivals: constant(\"3/s\"), request: \"{request}\", response: \"{response}\", \
             requests_per_connection: {times}, close: (first: {first}, how: {how})"
        )
    })
}

/// A client, a server, a link, and one kind of connection between applications that never wait.
fn text() -> impl Strategy<Value = String> {
    let numbers = (0..1_000_u32, 5..150_u32);
    (numbers, host(), host(), link(), traffic()).prop_map(|((seed, seconds), client, server, link, traffic)| {
        format!(
            "(duration: \"{seconds}s\", seed: {seed}, hosts: {{ \"c\": (addresses: [\"10.0.0.1\"], {client}), \
             \"s\": (addresses: [\"10.0.1.1\"], {server}, listen: [(port: 80)]) }}, \
             links: [(path: [\"c\", \"s\"], {link})], traffic: {{ \"t\": (from: \"c\", {traffic}) }})"
        )
    })
}

/// The parameters of a host as its run has them.
fn parameters(host: &Host) -> TcpConfig {
    let mut cfg = host.tcp.clone();
    if let (TimerModel::Wheel { hz, .. }, Some(phase)) = (cfg.timers, host.phase) {
        cfg.timers = TimerModel::Wheel { hz, phase };
    }
    cfg
}

/// What happened to one tuple, in order.
type Story = Vec<(Time, Seen)>;

/// What happened to each tuple of a host.
fn by_tuple(records: &Records, number: usize) -> Vec<(Tuple, Story)> {
    let mut stories: Vec<(Tuple, Story)> = Vec::new();
    for (at, record) in records {
        let Some((host, tuple, seen)) = Seen::of(record) else { continue };
        if host.index() != number {
            continue;
        }
        match stories.iter_mut().find(|story| story.0 == tuple) {
            Some((_, story)) => story.push((*at, seen)),
            None => stories.push((tuple, vec![(*at, seen)])),
        }
    }
    stories
}

/// Every tuple of every host, compared. Answers how much was compared.
fn compare(scenario: &Scenario) -> Result<usize, String> {
    let mut world = World::<Lanes, Records>::new(scenario);
    while world.advance(u64::MAX) {}
    let records = world.sink().clone();
    let summary = world.into_summary();
    let mut compared = 0;
    for (number, host) in scenario.hosts.iter().enumerate() {
        let cfg = parameters(host);
        let mut counters = Counters::default();
        for (tuple, seen) in by_tuple(&records, number) {
            let listen = host.listen.iter().find(|listen| listen.port == tuple.local.port);
            let mut twin = Twin::new(&cfg, &scenario.traffic[0], listen.map(|listen| listen.backlog));
            let end = Time::ZERO + scenario.duration;
            twin.follow(&seen, end).map_err(|difference| format!("{}: {difference}", host.name))?;
            twin.counters().moved().for_each(|(counter, n)| counters.add(counter, n));
            compared += seen.len();
        }
        let (own, twins) = (&summary.hosts[number].counters, &counters);
        if own != twins {
            let [own, twins] =
                [own, twins].map(|all| all.moved().map(|(c, n)| (c.name(), n)).collect::<Vec<_>>());
            return Err(format!("{}: the host counts {own:?}, the seats {twins:?}", host.name));
        }
    }
    Ok(compared)
}

proptest! {
    #![proptest_config(super::properties::config(400))]

    #[test]
    fn a_host_does_what_seats_do(text in text()) {
        let source = Source { name: "twins.ron".into(), text };
        let loaded = load(&source, &Extras::default());
        let scenario = loaded.map_err(|report| TestCaseError::fail(report.to_string()))?.scenario;
        let compared = compare(&scenario).map_err(TestCaseError::fail)?;
        prop_assert!(compared > 10, "something happened: {compared}");
    }
}
