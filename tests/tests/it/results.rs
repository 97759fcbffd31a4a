//! What `result.json` tells beside counts: tuples, entries of connection tracking, kernel objects.

use experiments::Run as Asked;
use reports::Run;
use reports::files::result_json;
use scenarios::{Patch, Source};
use serde_json::Value;

/// A client with 10 ports and 2 connects a second, behind a gateway that tracks.
const TEXT: &str = r#"(
    duration: "70s",
    hosts: {
        "client": (addresses: ["10.0.0.1"], sysctl: {"net.ipv4.ip_local_port_range": "20000 20009"}),
        "gateway": (addresses: ["10.0.0.9"], conntrack: (), sysctl: {"net.netfilter.nf_conntrack_tcp_timeout_time_wait": "90"}),
        "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
    },
    links: [(path: ["client", "gateway", "server"], delay: "1ms")],
    traffic: { "web": (from: "client", to: "server:80", arrivals: constant("2/s"), tuples: true) },
)"#;

fn result(changes: &[(&str, &str)]) -> Value {
    let mut asked = Asked::new(Source::new("results.ron", TEXT));
    asked.patches.extend(changes.iter().map(|(path, value)| Patch::new(*path, *value)));
    let scenario = asked.load().expect("a scenario").scenario;
    let (summary, _) = experiments::execute(&scenario, |_| std::ops::ControlFlow::Continue(()));
    serde_json::from_str(&result_json(Run::new(&scenario, &summary), &[])).expect("JSON")
}

fn numbers(list: &Value) -> Vec<u64> {
    list.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

#[test]
fn a_source_tells_its_ports_in_order_and_how_long_tuples_rest() {
    let result = result(&[]);
    let tuples = &result["traffic"][0]["tuples"];
    let ports = numbers(&tuples["ports"]);
    let (first, second) = (&ports[..5], &ports[5..10]);
    assert!(
        first.iter().all(|port| port % 2 == 0),
        "connect() takes the parity of the low end first: {ports:?}"
    );
    assert!(second.iter().all(|port| port % 2 == 1), "{ports:?}");
    assert_eq!(tuples["used"], 10);
    let connected = result["traffic"][0]["connected"]["count"].as_u64().expect("a count");
    assert_eq!(ports.len() as u64, connected, "refused connects choose no port");
    let again = tuples["gap_s"]["count"].as_u64().expect("some were used again");
    assert_eq!(again, connected - 10);
    let shortest = tuples["shortest_gap_s"].as_f64().expect("a time");
    assert!(
        (60.0..62.1).contains(&shortest),
        "TIME_WAIT lasts 60 s and up to a granule of the wheel: {shortest}"
    );
}

#[test]
fn gaps_count_from_the_close_that_frees_the_tuple() {
    let server_first = [("traffic.web.close.first", "server"), ("traffic.web.arrivals", "constant(\"1/s\")")];
    let result = result(&server_first);
    let shortest = result["traffic"][0]["tuples"]["shortest_gap_s"].as_f64().expect("a time");
    // The client keeps nothing: it stays on the ports of one parity, and its walk comes to the same port twice in a row.
    assert_eq!(result["traffic"][0]["tuples"]["used"], 5);
    assert!(
        (0.98..1.0).contains(&shortest),
        "a connection lasts some milliseconds of its second: {shortest}"
    );
}

#[test]
fn nothing_is_told_of_tuples_unless_asked_and_nothing_else_hangs_on_it() {
    let (told, untold) = (result(&[]), result(&[("traffic.web.tuples", "false")]));
    assert_eq!(untold["traffic"][0]["tuples"], Value::Null);
    assert_eq!(told["digest"], untold["digest"]);
}

#[test]
fn entries_of_a_tracker_have_state_and_time_out() {
    let result = result(&[]);
    assert_eq!(result["hosts"][0]["conntrack_entries"], Value::Null, "a client that does not track");
    let gateway = &result["hosts"][1];
    let entries = gateway["conntrack_entries"].as_array().expect("a list");
    assert_eq!(entries.len(), 10);
    for entry in entries {
        assert_eq!((&entry["state"], &entry["assured"]), (&Value::from("TIME_WAIT"), &Value::from(true)));
        assert_eq!(entry["destination"], "10.0.0.2:80");
        assert_eq!(entry["source"], entry["reply_destination"]);
        let left = entry["timeout_s"].as_f64().expect("a time");
        assert!((0.0..=90.0).contains(&left), "{left}");
    }
}

#[test]
fn objects_make_up_the_memory() {
    let result = result(&[]);
    for host in result["hosts"].as_array().expect("hosts") {
        let objects = host["memory_objects"].as_array().expect("objects");
        let sum: u64 = objects.iter().filter_map(|object| object["bytes"].as_u64()).sum();
        assert_eq!(host["memory_bytes"]["end"], sum, "{}", host["name"]);
    }
    let count = |host: usize, name: &str| {
        let objects = result["hosts"][host]["memory_objects"].as_array().expect("objects");
        objects.iter().find(|object| object["object"] == name).map(|object| object["count"].clone())
    };
    assert_eq!(count(0, "tw_sock_TCP"), Some(result["hosts"][0]["mini_sockets"]["end"].clone()));
    assert_eq!(count(1, "nf_conntrack"), Some(result["hosts"][1]["conntrack"]["end"].clone()));
    assert_eq!(count(2, "TCP"), Some(0.into()), "the server's connections are over");
}

/// What is told of segments received, ACKs of the fast path, and data of the fast path, with responses of so many bytes. (The first data of a
/// connection never take the fast path, so there are several requests on each.)
fn told(response: &str) -> [bool; 3] {
    let slow = "constant(\"1/s\")";
    let result = result(&[
        ("traffic.web.response", response),
        ("traffic.web.arrivals", slow),
        ("traffic.web.requests_per_connection", "3"),
    ]);
    let counters = &result["hosts"][0]["counters"];
    assert!(counters["TcpActiveOpens"].is_u64(), "the others are told: {counters}");
    ["TcpInSegs", "TcpExtTCPPureAcks", "TcpExtTCPHPHits"].map(|name| counters[name].is_u64())
}

#[test]
fn counters_that_cannot_be_right_are_not_told() {
    assert_eq!(told("1448B"), [true, true, true], "messages of one segment");
    assert_eq!(told("1449B"), [true, false, false], "of two: which way each takes is not known");
    assert_eq!(told("2896B"), [true, false, false]);
    assert_eq!(told("2897B"), [false, false, false], "of three: nor how many ACKs");
}

#[test]
fn an_expectation_on_a_counter_that_is_not_told_says_so() {
    let mut asked = Asked::new(Source::new("results.ron", TEXT));
    asked.patches.extend([
        Patch::new("traffic.web.response", "10kB"),
        Patch::new(
            "expect",
            r#"[counter("client", "TcpInSegs", at_least(0)), counter("client", "TcpOutRsts", equals(0))]"#,
        ),
    ]);
    let loaded = asked.load().expect("a scenario");
    let (summary, _) = experiments::execute(&loaded.scenario, |_| std::ops::ControlFlow::Continue(()));
    let verdicts = reports::verdict::verdicts(Run::new(&loaded.scenario, &summary));
    let got: Vec<_> = verdicts.iter().map(|verdict| (verdict.passed, verdict.got.as_str())).collect();
    assert_eq!(got, [(false, "not told where messages take several segments"), (true, "0")]);
}
