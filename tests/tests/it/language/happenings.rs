//! Events: what happens at a moment.

use sim_core::counter::Counter;
use sim_core::errno::Errno;
use sim_core::ids::HostId;
use sim_core::record::Summary;
use sim_core::scenario::{Metric, Outcome};
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

#[test]
fn half_open_peers_are_found_by_keepalive_and_not_by_waiting() {
    // The server's process dies while the link is down, for longer than its FIN is sent again.
    let events = r#"events=[(at: "5s", what: link_down("c", "s")), (at: "6s", what: stop("s:80")), (at: "200s", what: link_up("c", "s"))]"#;
    let once = r#"traffic.web.arrivals=at(["1s"])"#;
    let held = |more: &str| run(&["duration=300s", events, once, "traffic.web.hold=10min", more]);
    let error = |summary: &Summary, errno| summary.traffic[0].outcome(Outcome::Error(errno));
    // A peer that cannot be reached is given up after 9 probes; one that has forgotten answers the first with RST.
    let soon = held(r#"traffic.web.keepalive=(time: "20s", interval: "5s")"#);
    let given_up = error(&soon, Errno::Etimedout);
    let expected = Time::ZERO + Span::from_millis(1_004 + 20_000 + 9 * 5_000);
    assert_eq!(given_up.count, 1);
    assert!(given_up.first.since(expected) <= Span::from_millis(4), "{given_up:?}");
    let late = held(r#"traffic.web.keepalive=(time: "220s", interval: "5s")"#);
    assert_eq!(error(&late, Errno::Econnreset).count, 1);
    assert_eq!(late.hosts[0].state(State::Established).now, 0);
    // Patience alone sends nothing, and so finds nothing.
    let patient = held("traffic.web.user_timeout=10s");
    assert_eq!((patient.traffic[0].failed.count, patient.hosts[0].state(State::Established).now), (0, 1));
}

const PROXY: &str = r#"(
    duration: "30s", sample: "1s",
    hosts: {
        "c": (addresses: ["10.0.0.1"], timers: exact),
        "p": (addresses: ["10.0.0.2"], timers: exact, listen: [(port: 443)]),
        "b": (addresses: ["10.0.0.3"], timers: exact, listen: [(port: 80)]),
    },
    links: [(path: ["c", "p", "b"], delay: "1ms")],
    traffic: {
        "web": (from: "c", to: "p:443", arrivals: constant("50/s")),
        "up": (from: "p", to: "b:80", arrivals: behind("p:443"), service_time: "100ms", pool: (size: 20)),
    },
    events: [(at: "10s", what: stop("p:443")), (at: "20s", what: start("p:443"))],
)"#;

#[test]
fn a_proxy_that_dies_ends_its_connections_to_backends() {
    for pool in ["none", "(size: 20)", "(size: 2)", "(size: unlimited, streams: 50)"] {
        let patch = format!("traffic.up.pool={pool}");
        let summary = run_text(PROXY, &[&patch, "duration=15s"]);
        summary.traffic.iter().for_each(conserved);
        let [web, up] = [&summary.traffic[0], &summary.traffic[1]];
        // Nothing of the process is left: its sockets are closed, by itself, so that it keeps the TIME_WAITs.
        let [proxy, backend] = [&summary.hosts[1], &summary.hosts[2]];
        assert_eq!((proxy.open_files.now, backend.open_files.now), (0, 0), "{pool}");
        assert_eq!(up.waiting.count(), 0, "{pool}");
        let stopped = up.outcome(Outcome::Error(Errno::Stopped)).count;
        assert!((1..=6).contains(&stopped), "{pool}: {stopped} asked when it died");
        assert!(proxy.state(State::TimeWait).now > 0 && backend.state(State::CloseWait).now == 0, "{pool}");
        assert!(web.outcome(Outcome::Error(Errno::Econnrefused)).count > 240, "{pool}");
        let whole = run_text(PROXY, &[&patch]);
        whole.traffic.iter().for_each(conserved);
        let answered = whole.traffic[0].answered;
        assert!(answered.last > seconds(29), "{pool}: it comes back");
    }
}

#[test]
fn a_proxy_that_dies_in_a_search_for_a_port_connects_no_more() {
    let slow = "hosts.p.ports.call_time=15ms";
    // One connect() began at 9.983 s.
    let stop = r#"events=[(at: "9.99s", what: stop("p:443"))]"#;
    for pool in ["none", "(size: 20)", "(size: 1, streams: 9)"] {
        let pool = format!("traffic.up.pool={pool}");
        let summary = run_text(PROXY, &[slow, stop, &pool, "traffic.up.requests_per_connection=1"]);
        summary.traffic.iter().for_each(conserved);
        let up = &summary.traffic[1];
        assert!(up.connected.last < Time::ZERO + Span::from_millis(9_990), "{pool}: {:?}", up.connected);
        assert!(up.outcome(Outcome::Error(Errno::Stopped)).count > 0, "{pool}");
        assert_eq!(summary.hosts[1].open_files.now, 0, "{pool}");
    }
}

#[test]
fn ports_change_on_the_way() {
    let few = r#"hosts.c.sysctl={"net.ipv4.ip_local_port_range": "40000 40099"}"#;
    let wider = r#"events=[(at: "30s", what: sysctl("c", "net.ipv4.ip_local_port_range", "40000 40999"))]"#;
    let summary = run(&[few, wider]);
    let abandoned = summary.traffic[0].abandoned;
    assert!(abandoned.count == 200 && abandoned.last < seconds(30), "{abandoned:?}");
    let first = summary.bound_first().expect("the ports");
    assert_eq!((first.capacity, first.refused.count), (100, 200), "as many as there were then");
    // Reserving ports is as good as taking them away; what is in use stays.
    let reserved =
        r#"events=[(at: "5s", what: sysctl("c", "net.ipv4.ip_local_reserved_ports", "40010-40099"))]"#;
    let reserved = run(&[few, reserved]);
    let abandoned = reserved.traffic[0].abandoned;
    assert!(abandoned.first < seconds(6), "{abandoned:?}");
}

#[test]
fn conntrack_settings_change_on_the_way() {
    let tracked = r#"hosts.s.conntrack=(max: 100, tcp_timeout_time_wait: "600s")"#;
    let more = r#"events=[(at: "30s", what: sysctl("s", "net.netfilter.nf_conntrack_max", "10000"))]"#;
    let with = run(&[tracked, more]).traffic[0].clone();
    let without = run(&[tracked]).traffic[0].clone();
    assert!(
        with.answered.count > without.answered.count + 250,
        "{} {}",
        with.answered.count,
        without.answered.count
    );
    // Entries keep the time that they have; those that come later have another one.
    let shorter =
        r#"events=[(at: "5s", what: sysctl("s", "net.netfilter.nf_conntrack_tcp_timeout_time_wait", "1"))]"#;
    let summary = run(&[r#"hosts.s.conntrack=(tcp_timeout_time_wait: "600s")"#, shorter]);
    assert!((51..600).contains(&summary.hosts[1].conntrack.now));
}

#[test]
fn the_settings_that_hold_at_listen_hold_for_the_next_one() {
    // somaxconn counts at listen(), so a change needs a restart, as on Linux.
    let change = r#"events=[(at: "1s", what: sysctl("s", "net.core.somaxconn", "9"))]"#;
    let restart = r#"events=[(at: "1s", what: sysctl("s", "net.core.somaxconn", "9")), (at: "2s", what: stop("s:80")), (at: "2s", what: start("s:80"))]"#;
    let deaf = "hosts.s.listen[0].accept_after=never";
    let queue = |events: &str| {
        let summary = run(&[events, deaf]);
        summary.hosts[1].state(State::Established).now
    };
    assert_eq!(queue(restart), 10);
    assert!(queue(change) > 500);
}

#[test]
fn tw_buckets_change_on_the_way() {
    let fewer = r#"events=[(at: "30s", what: sysctl("c", "net.ipv4.tcp_max_tw_buckets", "5"))]"#;
    let summary = run(&[fewer]);
    // Those that wait go on waiting; each that would be one too many is closed without.
    let overflows = summary.hosts[0].counters.get(sim_core::counter::Counter::TcpExtTCPTimeWaitOverflow);
    assert!((290..=301).contains(&overflows), "{overflows}");
}

#[test]
fn the_nth_segment_is_lost_or_late() {
    let once = r#"traffic.web.arrivals=at(["1s"])"#;
    let three = "traffic.web.requests_per_connection=3";
    let latency = |rule: &str| {
        let summary = run(&[once, three, &format!("hosts.s.drop=[{rule}]")]);
        let web = &summary.traffic[0];
        assert_eq!((web.answered.count, summary.hosts[1].dropped <= 1), (3, true), "{rule}");
        (web.request_latency.at_least(Span::from_millis(100)), web.request_latency.max().as_millis())
    };
    assert_eq!(latency(""), (0, 4));
    // The third request: it is sent again after the tail loss probe's two round trips, or an RTO.
    let (slow, longest) = latency("(segments: data, skip: 2, times: 1)");
    assert!(slow == 1 && (200..250).contains(&longest), "{longest}");
    // Late by 150 ms, less than that: nothing is sent again.
    assert_eq!(latency(r#"(segments: data, skip: 2, times: 1, late: "150ms")"#), (1, 152));
    // Held back for longer, a probe overtakes it.
    let (slow, longest) = latency(r#"(segments: data, skip: 2, times: 1, late: "2s")"#);
    assert!(slow == 1 && (200..250).contains(&longest), "{longest}");
}

/// As 6.18 does (asked of it): a request stays when its listener is closed, without RST. Its timer ends it in silence; a SYN that
/// comes again is answered with RST.
#[test]
fn a_request_outlives_its_listener() {
    let one = r#"traffic.web.arrivals=at(["1s"])"#;
    let lost = "hosts.c.drop=[(segments: syn_ack)]";
    let closed = r#"events=[(at: "1500ms", what: stop("s:80"))]"#;
    let silent = "traffic.web.connect_timeout=200ms";
    let states = |summary: &Summary, ms: usize| {
        let requests = summary.series.get(Metric::Sockets(HostId(1), State::SynRecv)).expect("there was one");
        requests[ms / 100]
    };
    let again = run(&["sample=100ms", one, lost, closed]);
    assert_eq!([1_100, 1_600, 2_000, 2_100].map(|ms| states(&again, ms)), [1, 1, 1, 0]);
    assert_eq!(again.traffic[0].outcome(Outcome::Error(Errno::Econnrefused)).count, 1);
    let quiet = run(&["sample=100ms", one, lost, closed, silent]);
    assert_eq!([1_100, 1_600, 2_000, 2_100].map(|ms| states(&quiet, ms)), [1, 1, 1, 0]);
    assert_eq!([&again, &quiet].map(|summary| summary.hosts[1].counters.get(Counter::TcpOutRsts)), [1, 0]);
    assert_eq!(quiet.hosts[1].counters.get(Counter::TcpRetransSegs), 0);
}

/// A client with one port, which TIME_WAIT holds.
const ONE_PORT: &str = r#"(
    duration: "60s", sample: "1s",
    hosts: {
        "c": (addresses: ["10.0.0.1"], timers: exact, listen: [(port: 40000)], sysctl: {
            "net.ipv4.ip_local_port_range": "40000 40000",
            "net.ipv4.tcp_tw_reuse": "1",
            "net.ipv4.tcp_tw_reuse_delay": "60000",
        }),
        "s": (addresses: ["10.0.0.2"], timers: exact, listen: [(port: 80)]),
    },
    links: [(path: ["c", "s"], delay: "1ms")],
    traffic: {"web": (from: "c", to: "s:80", arrivals: constant("10/s"))},
)"#;

#[test]
fn time_waits_that_exist_go_by_a_new_reuse_delay() {
    let shorter = r#"(at: "10.05s", what: sysctl("c", "net.ipv4.tcp_tw_reuse_delay", "1"))"#;
    let never = "hosts.c.listen=[]";
    let before = run_text(ONE_PORT, &[never]);
    assert_eq!(before.traffic[0].connected.count, 1);
    let after = run_text(ONE_PORT, &[never, &format!("events=[{shorter}]")]);
    assert_eq!(after.traffic[0].connected.count, 1 + 499);
}

#[test]
fn a_port_is_free_for_bind_again_when_its_listener_has_gone() {
    let stop = r#"events=[(at: "10.05s", what: stop("c:40000"))]"#;
    let bound = "traffic.web.port=bound";
    let before = run_text(ONE_PORT, &[bound]);
    assert_eq!(before.traffic[0].connected.count, 0);
    // One connection, which leaves a TIME_WAIT that bind() does not pass over.
    let after = run_text(ONE_PORT, &[bound, stop]);
    assert_eq!(after.traffic[0].connected.count, 1);
}

#[test]
fn what_a_closed_listener_has_accepted_keeps_bind_from_its_port() {
    let events = r#"events=[(at: "1s", what: stop("s:80"))]"#;
    let own = r#"traffic.own=(from: "s", to: "c:40000", arrivals: at(["0.5s", "2s"]), port: fixed(range: (80, 80)))"#;
    let first = "traffic.web.close.first=server";
    // One connection, whose TIME_WAIT the server keeps.
    let (ports, once) = ("hosts.c.sysctl.net.ipv4.ip_local_port_range=40000 40009", "traffic.web.stop=0.1s");
    let summary = run_text(ONE_PORT, &[own, events, first, ports, once]);
    let own = &summary.traffic.iter().find(|t| t.attempted.count == 2).expect("two attempts");
    assert_eq!(own.outcome(Outcome::Error(Errno::Eaddrinuse)).count, 2, "{own:?}");
    let shared = "traffic.own.port=fixed(range: (80, 80), reuseaddr: true)";
    let own = r#"traffic.own=(from: "s", to: "c:40000", arrivals: at(["0.5s", "2s"]))"#;
    let summary = run_text(ONE_PORT, &[own, shared, events, first, ports, once]);
    let own = &summary.traffic.iter().find(|t| t.attempted.count == 2).expect("two attempts");
    assert_eq!((own.connected.count, own.failed.count), (1, 1), "{own:?}");
}

#[test]
fn a_search_for_a_port_has_its_descriptor_and_its_port() {
    let slow = "hosts.c.ports.probe_time=100s";
    let summary = run_text(ONE_PORT, &["hosts.c.listen=[]", slow]);
    let client = &summary.hosts[0];
    assert_eq!((client.open_files.now, client.memory.now), (1, 832 + 192 + 192 + 256));
}

#[test]
fn no_socket_meets_itself() {
    let own = r#"traffic.own=(from: "s", to: "s:81", arrivals: at(["1s"]), port: fixed(range: (81, 81)))"#;
    let summary = run_text(ONE_PORT, &[own]);
    let own = &summary.traffic.iter().find(|t| t.attempted.count == 1).expect("one attempt");
    assert_eq!(own.outcome(Outcome::Error(Errno::Econnrefused)).count, 1, "{own:?}");
}
