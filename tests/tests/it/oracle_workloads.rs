//! Whole workloads that a real kernel ran, replayed: see `oracle/kernel-6.18-workloads/README.md`.

use std::path::PathBuf;

use scenarios::Patch;
use tests::audit::referees;
use tests::conformance::workloads::{Comparison, compare, first_scenario, workloads};
use tests::conformance::{EXCEPTIONS, Report, Setups, read_json, replay_file};

/// Recordings that come with the repository, and those of them on the list of exceptions.
const RECORDINGS: u32 = 69;
const EXCUSED: u32 = 6;
/// Those with address translation, for which the language has no words.
const TRANSLATED: u32 = 4;

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(workloads()).expect("the folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "gz"));
    files.sort();
    files
}

#[test]
fn workloads_come_to_the_same_without_all_that_is_fast() {
    let told = files().into_iter().filter_map(|file| {
        let scenario = first_scenario(&read_json(&file).expect("a recording")).ok()?;
        referees(&scenario).unwrap_or_else(|how| panic!("{}: {how}", file.display()));
        Some(file)
    });
    assert_eq!(told.count() as u32, RECORDINGS - TRANSLATED, "those that can be told");
}

#[test]
fn workloads_agree() {
    let mut report = Report::new(EXCEPTIONS);
    for file in &files() {
        replay_file(file, &Setups::default(), &mut report).expect("a known format");
    }
    let found = report.mismatches.iter().chain(&report.untold);
    let found: Vec<_> = found.map(String::as_str).collect();
    assert!(found.is_empty(), "{}\n{}", found.join("\n"), report.summary());
    assert_eq!(report.counts("workloads"), (RECORDINGS - EXCUSED, 0, EXCUSED), "{}", report.summary());
}

/// What a change of the scenario makes of a recording that agrees without it.
fn spoilt(case: &str, path: &str, value: &str) -> Vec<String> {
    let recording = read_json(&workloads().join(format!("{case}.json.gz"))).expect("a recording");
    let judged = |patches: &[Patch]| match compare(&recording, patches).expect("a workload") {
        Comparison::Judged { differ, .. } => differ,
        Comparison::Inexpressible(why) => panic!("{case}: {why}"),
    };
    assert_eq!(judged(&[]), [""; 0], "{case} agrees as it is");
    judged(&[Patch::new(path, value)])
}

#[test]
fn the_judge_sees_a_port_too_many() {
    let path = r#"hosts.c0.sysctl."net.ipv4.ip_local_port_range""#;
    let differ = spoilt("exhaust_200p_10ps", path, r#""20000 20200""#);
    assert!(differ.iter().any(|line| line.starts_with("first_port_error_attempt_index")), "{differ:?}");
    let differ = spoilt("bind0_plain_100p_1dst", path, r#""20000 20100""#);
    assert!(differ.iter().any(|line| line.starts_with("client_tw_max")), "{differ:?}");
}

#[test]
fn the_judge_sees_a_reuse_that_is_100_ms_late() {
    let path = r#"hosts.c0.sysctl."net.ipv4.tcp_tw_reuse_delay""#;
    let differ = spoilt("twreuse1_veth_50p_100ps", path, r#""1100""#);
    assert!(differ.iter().any(|line| line.starts_with("steady_success_per_s")), "{differ:?}");
}

#[test]
fn the_judge_sees_that_reuse_is_off() {
    let path = r#"hosts.c0.sysctl."net.ipv4.tcp_tw_reuse""#;
    let differ = spoilt("twreuse1_veth_50p_100ps", path, r#""0""#);
    assert!(differ.iter().any(|line| line.starts_with("connected")), "{differ:?}");
}

#[test]
fn what_no_one_knows_is_said_and_never_a_panic() {
    let recording = read_json(&workloads().join("exhaust_200p_2ps.json.gz")).expect("a recording");
    let with = |path: &[&str], value: serde_json::Value| {
        let mut changed = recording.clone();
        let mut place = &mut changed;
        for key in path {
            place = &mut place[*key];
        }
        *place = value;
        compare(&changed, &[])
    };
    let why = |verdict: Result<Comparison, String>| match verdict {
        Ok(Comparison::Inexpressible(why)) => why,
        other => panic!("{other:?}"),
    };
    let client = |key: &str, value| why(with(&["parameters", "client", key], value));
    assert_eq!(client("splice", true.into()), "`client` has `splice`, which is not known here");
    assert_eq!(client("close", "abrupt".into()), "the side that closes first closes by `abrupt`");
    assert_eq!(client("phases", serde_json::json!([["a", 1]])), r#"the phase ["a",1]"#);
    let unknown = why(with(&["parameters", "sysctl", "c0", "net.ipv4.tcp_fastopen"], "3".into()));
    assert!(unknown.contains("`net.ipv4.tcp_fastopen` has no effect"), "{unknown}");
    let fact = serde_json::json!([{"name": "warmth", "value": 3, "why": ""}]);
    assert_eq!(why(with(&["key_facts"], fact)), "the fact `warmth` cannot be computed");
    assert_eq!(
        why(with(&["parameters", "topology", "kind"], "ring".into())),
        r#"a topology of the kind "ring""#
    );
    assert!(with(&["key_facts"], serde_json::json!([])).is_err(), "a recording without facts proves nothing");
}
