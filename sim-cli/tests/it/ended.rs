//! Runs that are ended early: by Ctrl-C, or by `kill -9` at any moment.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::place::{Place, names, timewait};
use serde_json::Value;

/// A scenario whose runs differ from seed to seed.
const SMALL: &str = r#"(
    title: "Some connections",
    duration: "2s",
    sample: "100ms",
    hosts: {
        "client": (addresses: ["10.0.0.1"]),
        "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
    },
    links: [(path: ["client", "server"], delay: "1ms")],
    traffic: { "web": (from: "client", to: "server:80", arrivals: poisson("50/s")) },
    expect: [never("EMFILE")],
)
"#;

fn spawn(args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_timewait"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

#[test]
fn ctrl_c_prints_and_writes_what_there_is_marked_as_partial() {
    let place = Place::new();
    let (out, page) = (place.name("out"), place.name("page.html"));
    let long = SMALL.replace("\"2s\"", "\"10d\"").replace("100ms", "1h").replace("50/s", "1000/s");
    let mut child = spawn(&["run", "-", "--out", &out, "--html", &page]);
    // More than a pipe holds: once all is written, most has been read, and before that it has begun to listen to signals.
    let mut pipe = child.stdin.take().expect("it is piped");
    pipe.write_all(long.as_bytes()).and_then(|()| pipe.write_all(&b"// nothing\n".repeat(40_000))).unwrap();
    drop(pipe);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (text, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(
        text.starts_with("Some connections\nPARTIAL: stopped at ") && text.contains("What hurt"),
        "{text}"
    );
    assert!(err.contains(" of 864000 s: this is what there is; the expectations are not judged"), "{err}");
    let read = |name: &str| fs::read_to_string(place.path("out").join(name)).unwrap();
    assert_eq!(read("answer.txt"), text);
    let result: Value = serde_json::from_str(&read("result.json")).unwrap();
    assert_eq!((&result["partial"], &result["passed"]), (&Value::Bool(true), &Value::Null));
    assert_eq!(result["planned_s"], 864_000.0);
    assert!(read("series.csv").starts_with("time [s] (PARTIAL: stopped at "));
    assert!(read("overview.svg").contains("PARTIAL: stopped at "));
    assert!(fs::read_to_string(&page).unwrap().contains("PARTIAL: stopped at "));
    assert_eq!(names(&place.path("")), ["out", "page.html"]);
}

/// What a directory holds: nothing, one run's files (with its seed), or what it says is not whole.
#[derive(Debug, PartialEq)]
enum Holds {
    Nothing,
    Run(u64),
    NotWhole,
}

fn holds(dir: &Path, whole: &[String]) -> Holds {
    let there = if dir.exists() { names(dir) } else { Vec::new() };
    if there.is_empty() {
        return Holds::Nothing;
    }
    let strangers: Vec<_> = there.iter().filter(|n| !whole.contains(n) && *n != "INCOMPLETE").collect();
    assert!(strangers.is_empty(), "{strangers:?} were left");
    if there.iter().any(|name| name == "INCOMPLETE") {
        return Holds::NotWhole;
    }
    assert_eq!(there, whole);
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect("a text");
    let result: Value = serde_json::from_str(&read("result.json")).expect("JSON");
    let seed = result["seed"].as_u64().expect("a seed");
    let digest = result["digest"].as_str().expect("a digest");
    assert!(read("answer.txt").contains(&format!("seed {seed},")) && read("answer.txt").contains(digest));
    assert!(read("scenario.ron").contains(&format!("seed: {seed},")));
    Holds::Run(seed)
}

#[test]
fn killed_at_any_moment_a_directory_holds_one_run_or_says_that_it_does_not() {
    let place = Place::new();
    let file = place.write("small.ron", SMALL);
    let (dir, out) = (place.path("out"), place.name("out"));
    assert_eq!(timewait(&["run", &file, "--seed", "999", "--out", &place.name("whole")]).code, 0);
    let whole = names(&place.path("whole"));
    let mut not_whole = 0;
    for round in 0..40_u64 {
        let seed = round.to_string();
        let mut child = spawn(&["run", &file, "--seed", &seed, "--out", &out]);
        // Half of them when the directory begins to change, half of them whenever.
        let mut spins = 0;
        while child.try_wait().unwrap().is_none() {
            let due = if round % 2 == 0 { dir.join("INCOMPLETE").exists() } else { spins > round * 400 };
            if due {
                child.kill().unwrap();
            }
            spins += 1;
        }
        let held = holds(&dir, &whole);
        not_whole += u32::from(held == Holds::NotWhole);
        assert!(!matches!(held, Holds::Run(seed) if seed > round), "{held:?}");
        assert_eq!(names(&place.path("")).iter().filter(|n| n.starts_with('.')).count(), 0);
    }
    assert_eq!(timewait(&["run", &file, "--seed", "77", "--out", &out]).code, 0);
    assert_eq!(holds(&dir, &whole), Holds::Run(77), "after {not_whole} that were not whole");
}

#[test]
fn runs_into_one_directory_do_not_mix() {
    let place = Place::new();
    let file = place.write("small.ron", SMALL);
    assert_eq!(timewait(&["run", &file, "--out", &place.name("whole")]).code, 0);
    let whole = names(&place.path("whole"));
    let seeds = ["1", "2", "3", "4", "5", "6"];
    let children = seeds.map(|seed| spawn(&["run", &file, "--seed", seed, "--out", &place.name("out")]));
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert!(matches!(holds(&place.path("out"), &whole), Holds::Run(1..=6)));
    // Another command has an answer of its own.
    let vary = "hosts.client.sysctl.net.ipv4.ip_local_port_range=40000 {40009..40999}";
    let refused = timewait(&["solve", &file, "--vary", vary, "--out", &place.name("out")]);
    assert!(refused.code == 3 && refused.err.contains("take another directory"), "{}", refused.err);
}
