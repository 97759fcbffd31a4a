//! What a real kernel's endpoints did, replayed: see `oracle/kernel-6.18/README.md`.

use tests::conformance::{EXCEPTIONS, Report, Setups, read_json, recordings, replay_file};

/// Replays one recording and demands that all of it is there and agrees, so many listed exceptions aside.
fn agrees(file: &str, kind: &str, count: u32, excused: u32) {
    let folder = recordings();
    let setups = Setups(read_json(&folder.join("setups.json.gz")).expect("the set-ups"));
    let mut report = Report::new(EXCEPTIONS);
    replay_file(&folder.join(file), &setups, &mut report).expect("a known format");
    assert!(report.mismatches.is_empty(), "{}\n{}", report.mismatches.join("\n"), report.summary());
    assert_eq!(report.counts(kind), (count, 0, excused), "agree, differ, excused: {}", report.summary());
}

#[test]
fn endpoint_cells_agree() {
    agrees("endpoint.json.gz", "endpoint", 2_920, 0);
}

#[test]
fn actions_agree() {
    agrees("endpoint_actions.json.gz", "actions", 54, 0);
}

#[test]
fn timer_schedules_agree() {
    agrees("timers.json.gz", "schedules", 41, 0);
}

#[test]
fn walks_agree() {
    agrees("walks.json.gz", "walks", 1_996, 4);
}
