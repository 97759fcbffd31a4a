//! Random worlds that a real kernel ran, replayed: see `oracle/kernel-6.18-random/README.md`.

use std::path::PathBuf;

use scenarios::Patch;
use serde_json::Value;
use sim_core::counter::Counter;
use tests::audit::referees;
use tests::conformance::worlds::{Recording, compare_any, first_scenario};
use tests::conformance::{EXCEPTIONS, Report, Setups, read_json, replay_file};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("oracle/kernel-6.18-random").join(name)
}

/// All recordings that come with the repository.
const FILES: [&str; 9] = [
    "worlds.json.gz",
    "fresh.json.gz",
    "later.json.gz",
    "held.json.gz",
    "last.json.gz",
    "next.json.gz",
    "newest.json.gz",
    "again.json.gz",
    "small.json.gz",
];

/// Replays a file, and demands that all of it is there and agrees, listed exceptions aside: so many facts, no more and no fewer.
fn agrees(name: &str, facts: u32) {
    let mut report = Report::new(EXCEPTIONS);
    replay_file(&file(name), &Setups::default(), &mut report).expect("a known format");
    let found = report.mismatches.iter().chain(&report.untold).cloned().chain(report.idle());
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{}\n{}", found.join("\n"), report.summary());
    let (agree, _, excused) = report.counts("random worlds");
    assert_eq!(agree + excused, facts, "{}", report.summary());
    what_is_told_is_right(name, &report);
}

/// Of counters that differ in bulk data none is told in any report.
fn what_is_told_is_right(name: &str, report: &Report) {
    let all = read_json(&file(name)).expect("recordings");
    let segments = |seed: u64| {
        let worlds = all.as_array().into_iter().flatten().map(|one| &one["world"]);
        let world = worlds.into_iter().find(|world| world["seed"] == seed).expect("its world");
        let sizes = world["traffic"].as_array().into_iter().flatten();
        let sizes = sizes.flat_map(|t| [&t["request"], &t["response"]]).filter_map(Value::as_u64);
        sizes.max().unwrap_or(0).div_ceil(1_448) as u32
    };
    for line in report.excused.iter().filter(|line| line.ends_with("(excused: bulk)")) {
        let fact = line.trim_start_matches("random worlds ").split(' ').next().unwrap_or_default();
        let (seed, counter) = fact.trim_end_matches(':').split_once(':').expect("SEED:HOST.COUNTER");
        let silent = Counter::not_told(segments(seed.parse().expect("a number")))
            .iter()
            .any(|c| counter[2..] == *c.name());
        assert!(silent, "told, and wrong: {line}");
    }
}

#[test]
fn drawn_worlds_agree() {
    agrees("worlds.json.gz", 4_426);
}

#[test]
fn freshly_drawn_worlds_agree() {
    agrees("fresh.json.gz", 1_605);
}

#[test]
fn worlds_drawn_last_agree() {
    agrees("later.json.gz", 2_155);
}

#[test]
fn held_back_worlds_agree() {
    agrees("held.json.gz", 2_717);
}

#[test]
fn worlds_drawn_after_that_agree() {
    agrees("last.json.gz", 2_255);
}

#[test]
fn worlds_drawn_at_the_end_agree() {
    agrees("next.json.gz", 2_670);
}

#[test]
fn the_newest_worlds_agree() {
    agrees("newest.json.gz", 2_092);
}

#[test]
fn worlds_recorded_again_agree() {
    agrees("again.json.gz", 2_065);
}

#[test]
fn small_worlds_agree() {
    agrees("small.json.gz", 3_119);
}

#[test]
fn worlds_come_to_the_same_without_all_that_is_fast() {
    let mut worlds = 0;
    for name in FILES {
        let recordings: Vec<Recording> =
            serde_json::from_value(read_json(&file(name)).expect("recordings")).expect("recordings");
        for recording in recordings {
            let scenario = first_scenario(&recording).unwrap_or_else(|why| panic!("{name}: {why}"));
            let Some(scenario) = scenario else { continue };
            let seed = recording.world.seed;
            referees(&scenario).unwrap_or_else(|how| panic!("{name}, {seed}: {how}"));
            worlds += 1;
        }
    }
    assert_eq!(worlds, 570, "those that are judged");
}

/// What a change of the scenario makes of a world that agrees without it.
fn spoilt(name: &str, seed: u64, path: &str, value: &str) -> Vec<String> {
    let all = read_json(&file(name)).expect("recordings");
    let here = all.as_array().into_iter().flatten().filter(|one| one["world"]["seed"] == seed);
    let recordings: Vec<Recording> =
        here.map(|one| serde_json::from_value(one.clone()).expect("a recording")).collect();
    assert!(!recordings.is_empty(), "{seed} is there");
    let judged = |changes: &[Patch]| {
        let facts = compare_any(&recordings, changes, |_| false).expect("it can be said");
        let differ = facts.into_iter().filter(|fact| fact.problem.is_some());
        differ.map(|fact| fact.name).collect::<Vec<_>>()
    };
    assert_eq!(judged(&[]), [""; 0], "{seed} agrees as it is");
    judged(&[Patch::new(path, value)])
}

#[test]
fn the_judge_sees_a_timer_that_is_100_ms_late() {
    let differ = spoilt("worlds.json.gz", 103, "hosts.c.tcp.rto_initial", "1100ms");
    assert!(differ.iter().any(|name| name == "w0.connect:ETIMEDOUT.first"), "{differ:?}");
}

#[test]
fn the_judge_sees_that_reuse_is_off() {
    let differ = spoilt("small.json.gz", 9110, r#"hosts.c.sysctl."net.ipv4.tcp_tw_reuse""#, r#""0""#);
    assert!(differ.iter().any(|name| name == "w0.connected"), "{differ:?}");
}

#[test]
fn the_judge_sees_another_rto() {
    let rto = r#"hosts.c.sysctl."net.ipv4.tcp_rto_min_us""#;
    let differ = spoilt("small.json.gz", 9032, rto, r#""800000""#);
    assert!(differ.iter().any(|name| name == "c.TcpExtTCPTimeouts"), "{differ:?}");
}

/// A world that the kernel answers in several ways is not one that agrees with everything.
#[test]
fn the_judge_sees_a_spoilt_simulator_beside_several_recordings() {
    let differ = spoilt("held.json.gz", 12_010, "hosts.c.tcp.rto_initial", "1100ms");
    assert!(differ.iter().any(|name| name.starts_with("c.Tcp")), "{differ:?}");
    let differ = spoilt("held.json.gz", 12_046, "hosts.r.conntrack.tcp_timeout_established", "60s");
    assert!(differ.iter().any(|name| name == "r.conntrack"), "{differ:?}");
}
