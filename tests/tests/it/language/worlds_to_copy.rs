//! The worlds that the reference offers to begin with: each line of that table, put into the reference's first scenario, loads and
//! does what it is for.

use scenarios::{Extras, Patch, Source, load};
use sim_core::counter::Counter;
use sim_core::engine::Simulation;
use sim_core::errno::Errno;
use sim_core::record::Summary;
use sim_core::scenario::{Limit, Outcome};
use sim_core::tcp::State;

const REFERENCE: &str = include_str!("../../../../scenarios/LANGUAGE.md");

/// The first scenario of the reference, with patches; what a patch sets must stand in the table as it is.
fn world(patches: &[&str], more: &[&str]) -> Summary {
    let table = REFERENCE.split("| you want | write |").nth(1).and_then(|rest| rest.split("\n## ").next());
    let table = table.expect("the table");
    for patch in patches {
        let (_, value) = patch.split_once('=').expect("a patch");
        assert!(table.contains(value), "`{value}` is not in the table");
    }
    let text = REFERENCE.split("```ron\n").nth(1).and_then(|rest| rest.split("\n```").next());
    let text =
        text.expect("a scenario").replace("binds_first(ports(from: \"client\", to: \"10.0.0.2:80\")),", "");
    let patches: Vec<_> =
        patches.iter().chain(more).map(|p| Patch::parse(p).unwrap_or_else(|why| panic!("{why}"))).collect();
    let loaded = load(&Source::new("LANGUAGE.md", text), &Extras { patches: &patches, ..Extras::default() });
    Simulation::new(&loaded.unwrap_or_else(|report| panic!("{report}")).scenario).run()
}

const SLOW: &str = "traffic.web.service_time=20ms";
const FEW: &str = r#"traffic.web.arrivals=constant("100/s")"#;

#[test]
fn pools() {
    let go = world(&["traffic.web.pool=(size: unlimited, idle: 2)"], &[SLOW, "duration=60s"]);
    assert!(matches!(go.bound_first().map(|l| l.limit), None | Some(Limit::Ports { .. })));
    assert_eq!(
        go.traffic[0].answered.count + go.traffic[0].abandoned.count + go.traffic[0].waiting.count(),
        60_000
    );
    let queue = world(
        &[r#"traffic.web.pool=(size: 20, idle_timeout: "60s", lifetime: "30min")"#],
        &[SLOW, "duration=60s"],
    );
    assert!(queue.traffic[0].attempted.count == 20 && queue.traffic[0].waiting.queued > 100);
    let shared = world(&["traffic.web.pool=(size: 4, streams: 100)"], &[SLOW, "duration=60s"]);
    assert!(shared.traffic[0].attempted.count == 1 && shared.traffic[0].waiting.queued == 0);
}

#[test]
fn users_and_slow_backends() {
    let users = world(
        &["traffic.web.arrivals=workers(50)", r#"traffic.web.think_time=exponential(mean: "1s")"#],
        &["duration=60s"],
    );
    let asked = users.traffic[0].requested.count;
    assert!((2_700..3_300).contains(&asked), "fifty in a second: {asked}");
    let slow = world(
        &[
            "hosts.server.listen=[(port: 80, connections: 90)]",
            r#"traffic.web.service_time=lognormal(median: "50ms", p99: "2s")"#,
        ],
        &[],
    );
    let first = slow.bound_first().expect("the threads").limit;
    assert!(matches!(first, Limit::Threads(..)), "{first:?}");
}

#[test]
fn storms_restarts_and_leaks() {
    let retry =
        r#"traffic.web.on_error=retry(after: "100ms", times: 5, factor: 2, at_most: "5s", jitter: "50%")"#;
    let storm = world(&["traffic.web.response_timeout=\"1s\"", retry], &[FEW, "traffic.web.service_time=2s"]);
    assert!(storm.traffic[0].attempted.count > 5 * storm.traffic[0].requested.count);
    let restart = r#"events=[(at: "60s", what: stop("server:80")), (at: "62s", what: start(listener: "server:80", reuseaddr: false))]"#;
    let back = world(&[restart], &[FEW, "traffic.web.close=(first: server)"]);
    assert!(
        back.hosts[1].bind_refused.count > 30
            && back.traffic[0].outcome(Outcome::Error(Errno::Econnrefused)).count > 3_000
    );
    let leak = world(
        &["traffic.web.close=(first: client, other: never)", "hosts.server.limits=(open_files: 1024)"],
        &[FEW],
    );
    assert_eq!(leak.hosts[1].state(State::CloseWait).peak, 1_024);
}

#[test]
fn bursts_cables_and_silence() {
    let burst = world(
        &[
            r#"traffic.web.arrivals=phases([("10s", "10/s"), ("100ms", "20000/s"), ("1h", "10/s")])"#,
            "hosts.server.listen=[(port: 80, backlog: 128)]",
        ],
        &["hosts.server.listen[0].accept_every=1ms"],
    );
    assert!(burst.hosts[1].counters.get(Counter::TcpExtListenOverflows) > 100);
    let cable = r#"events=[(at: "60s", what: link_down("client", "server")), (at: "90s", what: link_up("client", "server"))]"#;
    let pulled = world(&[cable], &[FEW]);
    assert!(pulled.lost > 1_000 && pulled.traffic[0].syns_again.count > 1_000);
    let dark = world(
        &[
            r#"traffic.web.keepalive=(time: "60s", interval: "10s", probes: 3)"#,
            "traffic.web.user_timeout=\"30s\"",
            "traffic.web.hold=\"10min\"",
        ],
        &[
            r#"events=[(at: "5s", what: link_down("client", "server"))]"#,
            r#"traffic.web.arrivals=at(["1s"])"#,
        ],
    );
    assert_eq!(dark.traffic[0].outcome(Outcome::Error(Errno::Etimedout)).count, 1);
}

#[test]
fn proxies() {
    let up = r#"traffic.up=(from: "proxy", to: "backend:80", arrivals: behind("proxy:443"), pool: (size: unlimited, idle: 8))"#;
    let proxy = world(
        &[up],
        &[
            r#"hosts.proxy=(addresses: ["10.0.0.3"], listen: [(port: 443)])"#,
            r#"hosts.backend=(addresses: ["10.0.0.4"], listen: [(port: 80)])"#,
            r#"links[1]=(path: ["server", "proxy", "backend"])"#,
            "traffic.web.to=proxy:443",
            FEW,
        ],
    );
    let asked = proxy.traffic[1].requested.count;
    assert!(asked > 11_900 && proxy.traffic.iter().all(|t| t.answered.count > 11_900), "{asked}");
}
