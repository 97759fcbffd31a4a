//! Events: what happens at a moment.

use sim_core::errno::Errno;
use sim_core::record::Summary;
use sim_core::scenario::Outcome;
use sim_core::tcp::State;
use sim_core::time::{Span, Time};

use super::clients::{conserved, run_text};

const BASE: &str = r#"(
    duration: "60s", sample: "1s",
    hosts: {
        "c": (addresses: ["10.0.0.1"], timers: exact),
        "s": (addresses: ["10.0.0.2"], timers: exact, listen: [(port: 80)]),
    },
    links: [(path: ["c", "s"], delay: "1ms")],
    traffic: {"web": (from: "c", to: "s:80", arrivals: constant("10/s"))},
)"#;

fn run(patches: &[&str]) -> Summary {
    let summary = run_text(BASE, patches);
    summary.traffic.iter().for_each(conserved);
    summary
}

fn seconds(n: u64) -> Time {
    Time::ZERO + Span::from_secs(n)
}

#[test]
fn a_link_goes_down_and_comes_up() {
    let events = r#"events=[(at: "10s", what: link_down("c", "s")), (at: "20s", what: link_up("s", "c"))]"#;
    let summary = run(&[events]);
    let web = &summary.traffic[0];
    // SYNs are sent again after 1, 2, 3, 4 and 5 s (linear timeouts): all get through once the link is up.
    assert_eq!((web.requested.count, web.abandoned.count), (600, 0));
    assert!(web.connect_latency.at_least(Span::from_secs(1)) >= 90, "{web:?}");
    assert!(summary.lost > 100);
    let down = run(&[r#"events=[(at: "10s", what: link_down("c", "s"))]"#]);
    assert_eq!(down.traffic[0].answered.count, 100);
}

#[test]
fn a_process_dies_and_comes_back() {
    let events = r#"events=[(at: "10s", what: stop("s:80")), (at: "20s", what: start("s:80"))]"#;
    let held = run(&[events, "traffic.web.hold=5s"]);
    let web = &held.traffic[0];
    assert_eq!(web.outcome(Outcome::Error(Errno::Econnrefused)).count, 100, "{web:?}");
    assert_eq!(held.hosts[1].state(State::Listen).now, 1);
    // The server closes the fifty that are open, so that their TIME_WAIT is its own.
    assert_eq!(held.hosts[1].state(State::TimeWait).peak, 50);
    assert_eq!(held.hosts[1].open_files.now, held.hosts[0].open_files.now);
}

#[test]
fn without_reuseaddr_a_time_wait_keeps_a_process_down() {
    let stop = r#"events=[(at: "10s", what: stop("s:80"))]"#;
    let close = "traffic.web.close.first=server";
    let until = "traffic.web.stop=11s";
    let start = |reuse| {
        format!(r#"events[1]=(at: "20s", what: start(listener: "s:80", reuseaddr: {reuse}, again: "1s"))"#)
    };
    let with = run(&[stop, &start(true), close, until]);
    assert_eq!((with.hosts[1].bind_refused.count, with.hosts[1].state(State::Listen).now), (0, 1));
    let without = run(&[stop, &start(false), close, until, "duration=90s"]);
    // The last TIME_WAIT began shortly before 10 s and ends 60 s later.
    let refused = without.hosts[1].bind_refused;
    assert_eq!((refused.first, refused.last), (seconds(20), seconds(69)));
    assert_eq!(without.hosts[1].state(State::Listen).now, 1);
}

#[test]
fn an_application_stops_accepting() {
    let events = r#"events=[(at: "10s", what: pause("s:80")), (at: "20s", what: resume("s:80"))]"#;
    let summary = run(&[events]);
    let web = &summary.traffic[0];
    assert_eq!((web.answered.count, web.abandoned.count), (600, 0));
    assert_eq!(web.request_latency.max().as_secs(), 10);
    assert!(summary.limits.iter().any(|l| l.used.peak == 100), "{:?}", summary.limits);
}

#[test]
fn a_sysctl_changes_on_the_way() {
    let few = r#"hosts.c.sysctl={"net.ipv4.ip_local_port_range": "40000 40099"}"#;
    let event = r#"events=[(at: "30s", what: sysctl("c", "net.ipv4.tcp_tw_reuse", "1"))]"#;
    let failed = |patches: &[&str]| run(patches).traffic[0].abandoned;
    let without = failed(&[few]);
    assert_eq!((without.count, without.last.since(Time::ZERO) > Span::from_secs(59)), (500, true));
    let with = failed(&[few, event]);
    assert!(with.last < seconds(30) && with.count == 200, "{with:?}");
}

#[test]
fn a_flood_of_spoofed_syns_fills_the_syn_queue() {
    let flood = r#"events=[(at: "10s", what: syn_flood(to: "s:80", rate: "1000/s", until: "20s"))]"#;
    let small = "hosts.s.listen[0].backlog=100";
    let cookies = run(&[flood, small]);
    assert_eq!(cookies.traffic[0].abandoned.count, 0, "cookies save them");
    assert!(cookies.hosts[1].state(State::SynRecv).peak >= 100);
    let without = run(&[flood, small, r#"hosts.s.sysctl={"net.ipv4.tcp_syncookies": "0"}"#]);
    assert!(without.traffic[0].connect_latency.at_least(Span::from_secs(1)) > 50, "{:?}", without.traffic[0]);
}

#[test]
fn a_listener_appears() {
    let summary = run(&["hosts.s.listen[0].closed=true", r#"events=[(at: "10s", what: start("s:80"))]"#]);
    let web = &summary.traffic[0];
    assert_eq!((web.answered.count, web.abandoned.count), (500, 100));
}

#[test]
fn a_process_that_dies_unseen_leaves_its_clients_half_open() {
    let events = r#"events=[(at: "5s", what: link_down("c", "s")), (at: "6s", what: stop("s:80")), (at: "200s", what: link_up("c", "s"))]"#;
    let once = r#"traffic.web.arrivals=at(["1s"])"#;
    let summary = run(&["duration=300s", events, once, "traffic.web.hold=10min"]);
    // The orphan at the server has sent its FIN eight times, and is gone before the link is back.
    assert_eq!(summary.hosts[0].state(State::Established).now, 1, "nobody has told the client");
    assert_eq!(summary.hosts[1].state(State::Established).now, 0);
}
