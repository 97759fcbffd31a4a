//! `timewait ss`, `nstat`, `conntrack`, `sockstat`: the pipelines of the internet work on them.

use std::process::Command;

use crate::place::{Place, names, timewait};

/// What a shell makes of a command of ours piped into others.
fn piped(ours: &str, others: &str) -> String {
    let line = format!("{} {ours} | {others}", env!("CARGO_BIN_EXE_timewait"));
    let out = Command::new("sh").args(["-c", &line]).output().expect("there is a shell");
    assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

#[test]
fn states_are_counted_as_with_ss() {
    let counted = piped("ss ports-run-out --at 30s --host client", "awk 'NR>1 {print $1}' | sort | uniq -c");
    let words: Vec<&str> = counted.split_whitespace().collect();
    assert_eq!(words, ["28232", "TIME-WAIT"]);
    let timers = piped("ss ports-run-out --at 30s --host client", "grep -c 'timer:(timewait,[0-9]*sec,0)'");
    assert_eq!(timers.trim(), "28232");
    // The oldest ends next: at 60.003 s, which is 30.003 s from now.
    let soonest = piped("ss ports-run-out --at 30s --host client", "grep -o '[0-9]*sec' | sort -n | head -1");
    assert_eq!(soonest.trim(), "30sec");
    let summary = piped("ss ports-run-out --at 30s --host client --summary", "awk '/^TCP:/ {print $2, $NF}'");
    assert_eq!(summary.trim(), "28232 28232)");
    let tw = piped("sockstat ports-run-out --at 30s --host client", "awk '/^TCP:/ {print $7}'");
    assert_eq!(tw.trim(), "28232");
    let opened = piped("nstat ports-run-out --at 30s --host client", "awk '/^TcpActiveOpens/ {print $2}'");
    assert_eq!(opened.trim(), "28232");
}

#[test]
fn listeners_show_their_queues() {
    let place = Place::new();
    let text = r#"(
        duration: "20s",
        hosts: {
            "client": (addresses: ["10.0.0.1"]),
            "server": (addresses: ["10.0.0.2"], listen: [(port: 80, backlog: 5, accept_after: "10s")]),
        },
        links: [(path: ["client", "server"], delay: "1ms")],
        traffic: { "web": (from: "client", to: "server:80", arrivals: constant("10/s"), stop: "2s") },
    )"#;
    let file = place.write("full.ron", text);
    let full =
        piped(&format!("ss {file} --at 1900ms --host server -l"), "awk 'NR>1 && $2>0 {print $2, $3, $4}'");
    assert_eq!(full.trim(), "6 5 0.0.0.0:80");
    // Handshakes that wait for room, with their timers.
    let half =
        piped(&format!("ss {file} --at 1900ms --host client"), "awk '$1 ~ /SYN/ {print $6}' | head -1");
    assert!(half.starts_with("timer:(on,"), "{half}");
    let inuse = piped(&format!("sockstat {file} --at 1900ms --host server"), "awk '/^TCP:/ {print $3}'");
    assert_eq!(inuse.trim(), "7");
}

#[test]
fn flows_are_counted_as_with_conntrack() {
    let states = piped("conntrack conntrack-full --at 20s --host router", "awk '{print $4}' | sort -u");
    assert_eq!(states.split_whitespace().collect::<Vec<_>>(), ["ESTABLISHED", "TIME_WAIT"]);
    let line = piped("conntrack conntrack-full --at 20s --host router", "head -1");
    let expected = "tcp      6 ";
    assert!(line.starts_with(expected) && line.contains("[ASSURED] mark=0 use=1"), "{line}");
}

#[test]
fn each_form_looks_like_this() {
    let place = Place::new();
    let text = r#"(
        duration: "90s",
        hosts: {
            "client": (addresses: ["10.0.0.1"]),
            "router": (conntrack: (max: 1000)),
            "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
        },
        links: [(path: ["client", "router", "server"], delay: "10ms")],
        traffic: {
            "web": (from: "client", to: "server:80", arrivals: at(["0s", "1s", "1990ms"]), service_time: "200ms"),
        },
    )"#;
    let file = place.write("three.ron", text);
    let mut all = String::new();
    for form in ["ss", "ss -l", "ss -s", "nstat", "conntrack", "sockstat"] {
        let words: Vec<&str> = form.split(' ').chain([file.as_str(), "--at", "2s"]).collect();
        let ran = timewait(&words);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        all = format!("{all}== {form}\n{}", ran.out);
    }
    assert_eq!(names(&place.path("")), ["three.ron"]);
    insta::assert_snapshot!(all);
    insta::assert_snapshot!(timewait(&["ss", &file, "--at", "2s", "--host", "router", "--json"]).out);
}

/// The keys of a value, each of which must be documented.
fn visit(value: &serde_json::Value, documented: &[&str], met: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(all) => all.iter().for_each(|one| visit(one, documented, met)),
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                assert!(documented.contains(&key.as_str()), "{key}");
                met.push(key.clone());
                if key != "counters" {
                    visit(value, documented, met);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn json_has_the_documented_fields() {
    let ran = timewait(&["ss", "conntrack-full", "--at", "20s", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    let page = include_str!("../../../reports/MOMENT.md");
    let cells =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |").map(|(cell, _)| cell));
    let documented: Vec<&str> = cells.flat_map(|cell| cell.trim_end_matches('`').split("`, `")).collect();
    let mut met = Vec::new();
    visit(&value, &documented, &mut met);
    for name in documented {
        assert!(met.iter().any(|key| key == name), "{name} is documented and does not come");
    }
}

#[test]
fn what_is_asked_wrongly_is_told() {
    let late = timewait(&["ss", "ports-run-out", "--at", "10min"]);
    assert_eq!(late.code, 2);
    assert!(late.err.contains("the run ends at 150 s"), "{}", late.err);
    let nobody = timewait(&["ss", "ports-run-out", "--at", "1s", "--host", "cliont"]);
    assert_eq!(nobody.code, 2);
    assert!(nobody.err.contains("no host `cliont`, only `client`, `server`"), "{}", nobody.err);
}

/// The columns of a heading, and the places of the fields in a line.
#[test]
fn the_heading_is_that_of_the_real_ss() {
    let Ok(real) = Command::new("ss").arg("-tano").output() else { return };
    let real = String::from_utf8(real.stdout).expect("text");
    let ours = timewait(&["ss", "ports-run-out", "--at", "1ms", "--host", "server"]).out;
    let words = |text: &str| -> Vec<String> {
        // Without a socket that has a timer the real one leaves no room before the last word.
        let heading = text.lines().next().expect("a heading").replace("PortProcess", "Port Process");
        heading.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(words(&ours), words(&real));
}
