//! Segments that multiply on a link without a rate: the world ends before they fill the memory, and says why.

use scenarios::{Extras, Source, load, overrun};
use sim_core::engine::queue::{Heap, Lanes, Queue};
use sim_core::engine::{Simulation, World};
use sim_core::scenario::Scenario;

/// A full queue answers with cookies, whose ACKs, doubled by the link, each open the connection anew; as there may be no orphans,
/// each is answered with FIN and RST, and the client answers every FIN.
const TEXT: &str = r#"(
    duration: "30s", seed: 7,
    hosts: {
        "c": (addresses: ["10.0.0.1"], stack: windows, timers: exact),
        "s": (addresses: ["10.0.1.1"], timers: exact, limits: (open_files: 8), listen: [(port: 80, backlog: 1, connections: 4)],
            sysctl: { "net.ipv4.tcp_max_orphans": "0", "net.ipv4.tcp_syncookies": "2" }),
    },
    links: [(path: ["c", "s"], delay: "1ms", loss: "10%", duplicate: "30%")],
    traffic: { "t": (from: "c", to: "10.0.1.1:80", arrivals: constant("100/s"), stop: "200ms", requests_per_connection: 0,
        close: (first: both, how: graceful)) },
)"#;

fn scenario(text: &str) -> Scenario {
    let loaded = load(&Source::new("multiplies.ron", text), &Extras::default());
    loaded.unwrap_or_else(|report| panic!("{report}")).scenario
}

/// Far more events than any of these worlds takes: without a bound they would fill the memory instead of failing.
const ENOUGH: u64 = 2_000_000;

fn run<Q: Queue>(scenario: &Scenario, slice: u64) -> sim_core::record::Summary {
    let mut world = World::<Q, ()>::with_sink(scenario, ()).with_most_on_the_way(5_000);
    while world.advance(slice) {
        assert!(world.events() < ENOUGH, "nothing ends this world");
    }
    world.into_summary()
}

#[test]
fn a_world_ends_before_what_is_on_its_way_fills_the_memory() {
    let scenario = scenario(TEXT);
    let summary = run::<Lanes>(&scenario, ENOUGH);
    let seen = summary.overrun.expect("they multiply");
    assert!(seen.segments > 5_000 && seen.most == 5_000, "{seen:?}");
    let (from, to, held) = seen.busiest.expect("a link");
    assert!(from != to && held > seen.segments / 3, "{seen:?}");
    assert!(seen.at < sim_core::time::Time::ZERO + scenario.duration && seen.at <= summary.ended);
    assert_eq!(summary, run::<Lanes>(&scenario, 7), "however it is cut into slices");
    let heap = run::<Heap>(&scenario, ENOUGH);
    assert_eq!((heap.digest, heap.ended), (summary.digest, summary.ended));

    let report = overrun(&scenario, &seen).to_string();
    let words: Vec<&str> = report.split_whitespace().collect();
    let report = words.join(" ");
    for part in [
        "segments were on their way at once, and 5,000 are the most that a run may have",
        "between `s` and `c`",
        "delivers 30% of all segments twice",
        "a smaller `duplicate`",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
}

#[test]
fn a_world_with_as_many_on_their_way_as_may_be_goes_on() {
    // 20,000 connections a second over a second of delay: 20,000 segments, most of the time.
    let calm = TEXT
        .replace("loss: \"10%\", duplicate: \"30%\"", "loss: \"0\"")
        .replace("30s", "3s")
        .replace("100/s", "2000/s")
        .replace("delay: \"1ms\"", "delay: \"1s\"");
    let summary = Simulation::new(&scenario(&calm)).run();
    assert_eq!(summary.overrun, None);
}
