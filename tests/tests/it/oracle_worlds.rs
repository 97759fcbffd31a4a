//! Random worlds that a real kernel ran, replayed: see `oracle/kernel-6.18-random/README.md`.

use std::path::PathBuf;

use scenarios::Patch;
use tests::conformance::worlds::{Recording, compare};
use tests::conformance::{EXCEPTIONS, Report, Setups, read_json, replay_file};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("oracle/kernel-6.18-random").join(name)
}

/// Replays a file, and demands that all of it is there and agrees, listed exceptions aside.
fn agrees(name: &str, facts: u32) {
    let mut report = Report::new(EXCEPTIONS);
    replay_file(&file(name), &Setups::default(), &mut report).expect("a known format");
    let found = report.mismatches.iter().chain(&report.untold).cloned().chain(report.idle());
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{}\n{}", found.join("\n"), report.summary());
    let (agree, _, excused) = report.counts("random worlds");
    assert!(agree + excused >= facts, "{}", report.summary());
}

#[test]
fn drawn_worlds_agree() {
    agrees("worlds.json.gz", 4_000);
}

#[test]
fn freshly_drawn_worlds_agree() {
    agrees("fresh.json.gz", 1_500);
}

#[test]
fn worlds_drawn_last_agree() {
    agrees("later.json.gz", 2_000);
}

#[test]
fn worlds_recorded_again_agree() {
    agrees("again.json.gz", 1_200);
}

#[test]
fn small_worlds_agree() {
    agrees("small.json.gz", 2_500);
}

/// What a change of the scenario makes of a world that agrees without it.
fn spoilt(name: &str, seed: u64, path: &str, value: &str) -> Vec<String> {
    let all = read_json(&file(name)).expect("recordings");
    let one = all.as_array().into_iter().flatten().find(|one| one["world"]["seed"] == seed);
    let recording: Recording =
        serde_json::from_value(one.expect("it is there").clone()).expect("a recording");
    let judged = |changes: &[Patch]| {
        let (facts, _) = compare(&recording, changes).expect("it can be said");
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
