//! Bare JSON through the binary, against its documentation; and what else a terminal is given.

use std::collections::BTreeSet;
use std::fs;

use crate::place::{Place, timewait};

fn few_ports(place: &Place, expect: &str) -> String {
    let text = r#"(
    title: "Few ports", // A comment.
    duration: "130s",
    hosts: {
        "client": (addresses: ["10.0.0.1"], sysctl: {"net.ipv4.ip_local_port_range": "40000 40009"}),
        "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
    },
    links: [(path: ["client", "server"], delay: "1ms")],
    traffic: { "web": (from: "client", to: "server:80", arrivals: constant("1/s")) },
    EXPECT
)"#;
    place.write("few.ron", &text.replace("EXPECT", expect))
}

const EXPECT: &str = r#"expect: [binds_first(ports(from: "client", to: "10.0.0.2:80")), never("EMFILE")],"#;

#[test]
fn what_is_documented_is_printed_and_nothing_else() {
    let place = Place::new();
    let file = few_ports(&place, EXPECT);
    let documented = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../reports/JSON.md")).unwrap();
    let rate = "traffic.web.rate=0.1/s..0.3/s";
    let asked: [(&str, Vec<&str>); 7] = [
        ("run", vec![&file]),
        ("check", vec![&file]),
        ("list", vec![]),
        ("sweep", vec![&file, "--vary", "traffic.web.rate=0.1/s,2/s"]),
        ("solve", vec![&file, "--vary", rate, "--until", "never(\"failed\")"]),
        ("compare", vec![&file, "--with", "short: duration=9s"]),
        ("advise", vec![&file, "--events", "1"]),
    ];
    for (command, args) in asked {
        let ran = timewait(&[&[command, "--json"], &args[..]].concat());
        assert_eq!(ran.code, 0, "{command}: {}", ran.err);
        let json: serde_json::Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{command}: {e}"));
        let row = documented.lines().find(|l| l.starts_with(&format!("| `{command}` |"))).unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(format!("`{}`", json["format"].as_str().unwrap()), cells[2], "{command}");
        if command == "run" {
            assert_eq!(timewait(&["run", &file, "--out", &place.name("out")]).code, 0);
            assert_eq!(ran.out, fs::read_to_string(place.path("out/result.json")).unwrap());
            continue;
        }
        let told: BTreeSet<&str> = cells[3].split_whitespace().map(|f| f.trim_matches('`')).collect();
        let printed: BTreeSet<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(told, printed, "{command}");
    }
}

#[test]
fn solve_writes_its_answer_and_the_same_json() {
    let place = Place::new();
    let file = few_ports(&place, "");
    let args = ["solve", &file, "--vary", "traffic.web.rate=0.10/s..0.30/s", "--until", "never(\"failed\")"];
    let words = timewait(&[&args[..], &["--out", &place.name("out")]].concat());
    let json = timewait(&[&args[..], &["--json"]].concat());
    assert_eq!((words.code, json.code), (0, 0), "{}", words.err);
    assert_eq!(words.out, fs::read_to_string(place.path("out/answer.txt")).unwrap());
    assert_eq!(json.out, fs::read_to_string(place.path("out/solve.json")).unwrap());
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let holds = json["solutions"][0]["holds"].as_str().unwrap();
    assert!(words.out.contains(&format!("{holds} is the largest at which all hold")), "{}", words.out);
}

#[test]
fn a_check_over_a_matrix_and_seeds_judges_every_combination() {
    let place = Place::new();
    let file = few_ports(&place, EXPECT);
    let matrix =
        ["--matrix", "traffic.web.rate=1/s,2/s", "--matrix", "links[0].delay=1ms,2ms", "--seeds", "1..3"];
    let ran = timewait(&[&["check", &file], &matrix[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.ends_with("12 scenarios, 24 expectations: none failed\n"), "{}", ran.out);
    assert!(ran.out.contains("links[0].delay=2ms, seed 3]:"), "{}", ran.out);
    let slow = timewait(&[
        "check",
        &file,
        "--matrix",
        "traffic.web.rate=0.1/s,1/s,2/s",
        "--jobs",
        "1",
        "--fail-fast",
    ]);
    assert_eq!(slow.code, 1);
    assert!(slow.err.contains("stopped at the first failure: 1 of 3"), "{}", slow.err);
    let set = timewait(&["check", &file, "--set", "traffic.web.arrivals=constant(\"0.1/s\")", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&set.out).unwrap();
    assert_eq!((set.code, &json["passed"]), (1, &false.into()));
    let junit = place.name("junit.xml");
    assert_eq!(timewait(&["check", &file, "--junit", &junit, "--durations"]).code, 0);
    assert!(fs::read_to_string(&junit).unwrap().contains(" time=\""));
}

#[test]
fn a_scenario_that_expects_nothing_fails_on_demand_and_names_can_be_chosen() {
    let place = Place::new();
    let file = few_ports(&place, "");
    assert_eq!(timewait(&["check", &file]).code, 0);
    let strict = timewait(&["check", &file, "--strict"]);
    assert_eq!(strict.code, 2);
    assert!(strict.out.contains("it expects nothing, and --strict was asked for"), "{}", strict.out);
    let some = timewait(&["check", "--filter", "reuse-with-rfc793"]);
    assert!(some.out.contains("1 scenario,"), "{}", some.out);
    assert_eq!(timewait(&["check", "--filter", "no such name"]).code, 2);
}

#[test]
fn a_file_is_shown_with_its_comments_and_shells_are_told_the_commands() {
    let place = Place::new();
    let file = few_ports(&place, "");
    assert_eq!(timewait(&["show", &file, "--source"]).out, fs::read_to_string(&file).unwrap());
    assert!(timewait(&["show", "ports-run-out", "--source"]).out.starts_with("//"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = timewait(&["completions", shell]);
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains("advise") && ran.out.contains("fail-fast"), "{shell}");
    }
    let man = timewait(&["man"]).out;
    for word in [".TH", "timewait sweep", "timewait advise", "fail\\-fast"] {
        assert!(man.contains(word), "{word}");
    }
}
