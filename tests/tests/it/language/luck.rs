//! Luck belongs to a name: what has nothing to do with a host does not change what it draws.

use sim_core::record::TrafficSummary;
use sim_core::time::Span;

use super::clients::run_text;

const BASE: &str = r#"(
    duration: "60s", sample: "1s",
    hosts: {
        "c": (addresses: ["10.0.0.1"], sysctl: {"net.ipv4.ip_local_port_range": "2000 2199"}),
        "s": (addresses: ["10.0.0.2"], listen: [(port: 80)], tcp: (isn: random)),
    },
    links: [(path: ["c", "s"], delay: "1ms", loss: "2%", reorder: "3%", reorder_delay: "4ms")],
    traffic: {"web": (from: "c", to: "s:80", arrivals: poisson("20/s"), service_time: exponential(mean: "9ms"),
        on_error: retry(after: "50ms", times: 3, jitter: "50%"))},
)"#;

fn web(text: &str, patches: &[&str]) -> TrafficSummary {
    let summary = run_text(text, patches);
    summary.traffic.last().expect("a source").clone()
}

#[test]
fn a_host_in_front_changes_nothing_for_the_others() {
    let alone = web(BASE, &[]);
    let slow = alone.connect_latency.at_least(Span::from_secs(1));
    assert!(alone.failed.count > 100 && slow > 5, "{} {slow}", alone.failed.count);
    let more = BASE
        .replace("hosts: {", r#"hosts: {"a": (addresses: ["10.9.0.1"]), "b": (addresses: ["10.9.0.2"], listen: [(port: 80)]),"#)
        .replace("links: [", r#"links: [(path: ["a", "b"], delay: "3ms", loss: "5%"),"#)
        .replace("traffic: {", r#"traffic: {"other": (from: "a", to: "b:80", arrivals: poisson("30/s"), service_time: exponential(mean: "5ms")),"#);
    assert_eq!(web(&more, &[]), alone);
    // Another name, another luck; and so has another seed.
    assert_ne!(web(&BASE.replace("\"web\"", "\"wet\""), &[]), alone);
    assert_ne!(web(BASE, &["seed=2"]), alone);
}
