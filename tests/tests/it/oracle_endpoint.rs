//! What a real kernel's endpoints did, replayed: see `oracle/kernel-6.18/README.md`.

use tests::conformance::{EXCEPTIONS, Report, Setups, read_json, recordings, replay_file};

/// Replays one recording and demands that all of it agrees, listed exceptions aside.
fn agrees(file: &str, kind: &str, at_least: u32) {
    let folder = recordings();
    let setups = Setups(read_json(&folder.join("setups.json.gz")).expect("the set-ups"));
    let mut report = Report::new(EXCEPTIONS);
    replay_file(&folder.join(file), &setups, &mut report).expect("a known format");
    assert!(report.mismatches.is_empty(), "{}\n{}", report.mismatches.join("\n"), report.summary());
    let (agree, _, _) = report.counts(kind);
    assert!(agree >= at_least, "only {agree} agree: {}", report.summary());
}

#[test]
fn endpoint_cells_agree() {
    agrees("endpoint.json.gz", "endpoint", 2_920);
}

#[test]
fn actions_agree() {
    agrees("endpoint_actions.json.gz", "actions", 54);
}

#[test]
fn timer_schedules_agree() {
    agrees("timers.json.gz", "schedules", 41);
}

#[test]
fn walks_agree() {
    agrees("walks.json.gz", "walks", 1_980);
}
