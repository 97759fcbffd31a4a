//! What clients do, seen from a scenario's text: pools, patience, retries, proxies, servers with few hands.

use scenarios::{Extras, Patch, Source, load};
use sim_core::engine::Simulation;
use sim_core::record::{Summary, TrafficSummary};
use sim_core::scenario::Limit;
use sim_core::time::{Span, Time};

const BASE: &str = r#"(
    duration: "20s", sample: "1s",
    hosts: {
        "c": (addresses: ["10.0.0.1"], timers: exact),
        "s": (addresses: ["10.0.0.2"], timers: exact, listen: [(port: 80)]),
    },
    links: [(path: ["c", "s"], delay: "1ms")],
    traffic: {"web": (from: "c", to: "s:80", arrivals: workers(50), service_time: "5ms")},
)"#;

pub(super) fn run_text(text: &str, patches: &[&str]) -> Summary {
    let patches: Vec<_> =
        patches.iter().map(|p| Patch::parse(p).unwrap_or_else(|why| panic!("{why}"))).collect();
    let loaded = load(&Source::new("base.ron", text), &Extras { patches: &patches, ..Extras::default() });
    let scenario = loaded.unwrap_or_else(|report| panic!("{report}")).scenario;
    Simulation::new(&scenario).run()
}

fn run(patches: &[&str]) -> Summary {
    run_text(BASE, patches)
}

/// No request is lost: each is answered, given up, or waits.
pub(super) fn conserved(t: &TrafficSummary) {
    let came_to = t.answered.count + t.abandoned.count + t.waiting.count();
    assert_eq!(t.requested.count, came_to, "{t:?}");
}

#[test]
fn a_pool_of_few_idle_opens_and_closes_what_more_it_needs() {
    let summary = run(&["traffic.web.pool=(size: unlimited, idle: 2)"]);
    let (web, client) = (&summary.traffic[0], &summary.hosts[0]);
    conserved(web);
    // 50 at once, all answered at once: each time but two of them are closed, and the rest is opened anew.
    assert_eq!(client.open_files.peak, 50);
    // That takes every port there is, in seven seconds.
    assert_eq!((web.connected.count, web.abandoned.count > 1_000), (28_232, true));
    let first = summary.bound_first().expect("the ports");
    assert!(matches!(first.limit, Limit::Ports { .. }), "{first:?}");
    let kept = run(&["traffic.web.pool=(size: unlimited)"]);
    assert_eq!(kept.traffic[0].attempted.count, 50);
    assert!(kept.traffic[0].answered.count > 100_000);
}

#[test]
fn workers_share_a_small_pool_and_its_size_is_what_runs_out() {
    let summary = run(&["traffic.web.pool=(size: 5)"]);
    let web = &summary.traffic[0];
    conserved(web);
    assert_eq!(web.attempted.count, 5);
    assert_eq!(web.waiting.queued, 45);
    let first = summary.bound_first().expect("the pool");
    assert!(matches!(first.limit, Limit::Pool(_)), "{first:?}");
    assert_eq!((first.capacity, first.used.peak), (5, 5));
}

#[test]
fn a_lifetime_and_idle_timeouts_end_pooled_connections() {
    let quiet = r#"traffic.web.arrivals=constant("1/s")"#;
    for (more, attempts) in [
        ("traffic.web.pool=(size: 5)", 1),
        ("traffic.web.pool=(size: 5, lifetime: \"4.5s\")", 4),
        ("traffic.web.pool=(size: 5, idle_timeout: \"500ms\")", 20),
        ("traffic.web.server_idle_timeout=500ms", 20),
    ] {
        let pool = "traffic.web.pool=(size: 5)";
        let web = &run(&[pool, quiet, more]).traffic[0];
        conserved(web);
        assert_eq!((web.attempted.count, web.answered.count), (attempts, 20), "{more}");
    }
}

#[test]
fn a_client_gives_up_waiting_and_tries_again_with_back_off() {
    let arrivals = r#"traffic.web.arrivals=at(["0s"])"#;
    let slow = "traffic.web.service_time=5s";
    let web = &run(&[arrivals, slow, "traffic.web.response_timeout=1s"]).traffic[0];
    conserved(web);
    assert_eq!((web.answered.count, web.abandoned.count), (0, 1));
    let again = r#"traffic.web.on_error=retry(after: "1s", times: 3, factor: 2, at_most: "3s")"#;
    let web = &run(&[arrivals, slow, "traffic.web.response_timeout=1s", again]).traffic[0];
    conserved(web);
    assert_eq!((web.requested.count, web.attempted.count, web.abandoned.count), (1, 4, 1));
    // Tries last 1 s after a connect of 2 ms; the pauses are 1 s, 2 s, and 3 s instead of 4 s.
    let last = web.abandoned.last.since(Time::ZERO);
    assert_eq!(last, Span::from_millis(4 * 1_002 + 1_000 + 2_000 + 3_000));
    let jitter =
        r#"traffic.web.on_error=retry(after: "1s", times: 3, factor: 2, at_most: "3s", jitter: "100%")"#;
    let web = &run(&[arrivals, slow, "traffic.web.response_timeout=1s", jitter]).traffic[0];
    assert!(web.abandoned.last.since(Time::ZERO) < last && web.attempted.count == 4);
}

#[test]
fn servers_speak_first_and_messages_may_be_empty() {
    let few = r#"traffic.web.arrivals=constant("10/s")"#;
    let latency = |patches: &[&str]| {
        let summary = run(patches);
        let web = summary.traffic[0].clone();
        conserved(&web);
        assert_eq!((web.answered.count, web.abandoned.count), (200, 0), "{patches:?}");
        web.request_latency.max().as_micros()
    };
    // connect, request and answer: two round trips of 2 ms, and 5 ms of service.
    assert_eq!(latency(&[few]), 9_000);
    // The request waits for a greeting, which leaves when the handshake's last ACK is there.
    assert_eq!(latency(&[few, "traffic.web.greeting=100B"]), 11_000);
    // A server that is asked nothing answers as soon as it can.
    assert_eq!(latency(&[few, "traffic.web.request=0B"]), 9_000);
    // A message without an answer is done when it is sent.
    assert_eq!(latency(&[few, "traffic.web.response=0B"]), 2_000);
}

#[test]
fn few_threads_fill_the_accept_queue_and_few_workers_do_not() {
    let arrivals = r#"traffic.web.arrivals=constant("100/s")"#;
    let slow = "traffic.web.service_time=100ms";
    let threads = run(&[arrivals, slow, "hosts.s.listen[0].connections=5"]);
    conserved(&threads.traffic[0]);
    let limit = |summary: &Summary, wanted: fn(&Limit) -> bool| {
        summary.limits.iter().find(|l| wanted(&l.limit)).cloned().expect("there is such a limit")
    };
    assert!(limit(&threads, |l| matches!(l, Limit::AcceptQueue(..))).used.peak > 500);
    assert!(matches!(threads.bound_first().map(|l| l.limit), Some(Limit::Threads(..))));
    let workers = run(&[arrivals, slow, "hosts.s.listen[0].workers=5"]);
    conserved(&workers.traffic[0]);
    assert_eq!(limit(&workers, |l| matches!(l, Limit::AcceptQueue(..))).used.peak, 1);
    assert!(matches!(workers.bound_first().map(|l| l.limit), Some(Limit::Workers(..))));
    // Either way five at once, 100 ms each.
    for summary in [&threads, &workers] {
        let answered = summary.traffic[0].answered.count;
        assert!((950..=1_000).contains(&answered), "{answered}");
    }
}

/// Client, proxy and backend.
const PROXY: &str = r#"(
    duration: "20s", sample: "1s",
    hosts: {
        "c": (addresses: ["10.0.0.1"], timers: exact),
        "p": (addresses: ["10.0.0.2"], timers: exact, listen: [(port: 443)]),
        "b": (addresses: ["10.0.0.3"], timers: exact, listen: [(port: 80)]),
    },
    links: [(path: ["c", "p", "b"], delay: "1ms")],
    traffic: {
        "web": (from: "c", to: "p:443", arrivals: constant("100/s"), stop: "15s"),
        "up": (from: "p", to: "b:80", arrivals: behind("p:443"), service_time: "5ms"),
    },
)"#;

#[test]
fn a_proxy_has_two_connections_for_each_request_or_a_pool_behind() {
    let plain = run_text(PROXY, &[]);
    let pooled = run_text(PROXY, &["traffic.up.pool=(size: unlimited)"]);
    for (summary, attempts) in [(&plain, 1_500), (&pooled, 1)] {
        let [web, up] = &summary.traffic[..] else { panic!("two sources") };
        conserved(web);
        conserved(up);
        assert_eq!((web.answered.count, up.answered.count, up.attempted.count), (1_500, 1_500, attempts));
    }
    // Four round trips of 2 ms and the service; two of them before the pool has a connection.
    assert_eq!(plain.traffic[0].request_latency.max().as_micros(), 13_000);
    assert_eq!(
        pooled.traffic[0].request_latency.quantile(500).map(Span::as_micros).map(|us| us / 1_000),
        Some(11)
    );
}

#[test]
fn a_proxy_whose_backend_is_gone_answers_nobody() {
    let summary = run_text(PROXY, &["hosts.b.listen[0].closed=true"]);
    let [web, up] = &summary.traffic[..] else { panic!("two sources") };
    conserved(web);
    conserved(up);
    assert_eq!((web.abandoned.count, up.abandoned.count), (1_500, 1_500));
    let errors: Vec<_> = web.errors.iter().map(|e| e.errno.name()).collect();
    assert_eq!(errors, ["EOF"]);
}

#[test]
fn service_times_are_drawn_with_the_mean_that_is_asked_for() {
    let arrivals = r#"traffic.web.arrivals=constant("200/s")"#;
    for of in [
        r#"exponential(mean: "20ms")"#,
        r#"lognormal(median: "10ms", p99: "154.6ms")"#,
        r#"pareto(least: "10ms", mean: "20ms")"#,
        r#"sample(["10ms", "30ms"])"#,
    ] {
        let web = &run(&[arrivals, &format!("traffic.web.service_time={of}")]).traffic[0];
        conserved(web);
        // A few round trips and the median of the distribution: 13.9 ms, 10 ms, 14.1 ms, or one of two.
        let median = web.request_latency.quantile(500).expect("some are answered").as_micros();
        assert!((13_000..=19_500).contains(&median) || median / 1_000 == 34, "{of}: {median}");
        let slowest = web.request_latency.max().as_micros();
        assert!(slowest > 33_000, "{of}: {slowest}");
    }
}

#[test]
fn combinations_that_would_do_nothing_are_told() {
    let told = |patches: &[&str]| {
        let patches: Vec<_> = patches.iter().map(|p| Patch::parse(p).expect("a patch")).collect();
        let loaded = load(&Source::new("base.ron", BASE), &Extras { patches: &patches, ..Extras::default() });
        match loaded {
            Ok(loaded) => loaded.warnings.to_string(),
            Err(report) => report.to_string(),
        }
    };
    let pool = "traffic.web.pool=(size: 5)";
    let open = r#"traffic.web.arrivals=constant("1/s")"#;
    assert!(told(&[pool, open, "traffic.web.think_time=1s"]).contains("has no effect"));
    assert!(told(&[pool, "traffic.web.request=0B"]).contains("no bytes"));
    assert!(told(&[pool, "traffic.web.response=0B"]).contains("no bytes"));
    assert!(told(&[r#"traffic.web.arrivals=behind("c:80")"#]).contains("does not listen on port 80"));
    assert!(told(&[r#"traffic.web.arrivals=behind("s:80")"#]).contains("a proxy asks from its own host"));
    let circle = ["traffic.web.from=s", r#"traffic.web.arrivals=behind("s:80")"#];
    assert!(told(&circle).contains("ask in a circle"));
    assert!(told(&[r#"expect=[binds_first(pool("web"))]"#]).contains("no pool of limited size"));
}

#[test]
fn what_is_cut_off_is_counted() {
    let few = r#"traffic.web.arrivals=at(["0s", "1s"])"#;
    let hurt = |patches: &[&str]| {
        let all: Vec<&str> = [few].into_iter().chain(patches.iter().copied()).collect();
        let web = run(&all).traffic[0].clone();
        (web.cut_off.count, web.bytes_lost.count)
    };
    assert_eq!(hurt(&[]), (0, 0));
    // A client that leaves its response unread throws a thousand bytes away.
    assert_eq!(hurt(&["traffic.web.close=(first: client, how: unread)"]), (2, 2_000));
    // A server that aborts behind its response has not seen it acknowledged.
    assert_eq!(hurt(&["traffic.web.close=(first: server, how: reset)"]), (2, 2_000));
    // A client that aborts when it has all of it loses nothing.
    assert_eq!(hurt(&["traffic.web.close=(first: client, how: reset)"]), (0, 0));
    let dark = r#"events=[(at: "500ms", what: link_down("c", "s"))]"#;
    let asks = "traffic.web.requests_per_connection=2";
    let think = "traffic.web.think_time=600ms";
    let patient = "traffic.web.user_timeout=2s";
    // The second request of the first connection never arrives; the second connection sends SYN after SYN.
    let web = run(&[few, dark, asks, think, patient]).traffic[0].clone();
    assert_eq!(
        (web.cut_off.count, web.bytes_lost.count, web.syns_again.count > 0),
        (1, 200, true),
        "{web:?}"
    );
}

/// Workers on one host: no segment needs time.
const ON_ONE_HOST: &str = r#"(
    duration: "1s", sample: "100ms",
    hosts: {"s": (addresses: ["10.0.1.1"], timers: exact, listen: [(port: 80, closed: true)])},
    traffic: {"web": (from: "s", to: "10.0.1.1:80", arrivals: workers(2))},
)"#;

#[test]
fn no_loop_of_workers_keeps_time_from_passing() {
    let endings = |patches: &[&str]| {
        let summary = run_text(ON_ONE_HOST, patches);
        conserved(&summary.traffic[0]);
        (summary.traffic[0].answered.count, summary.traffic[0].abandoned.count)
    };
    let open = "hosts.s.listen[0].closed=false";
    let port = "hosts.s.sysctl.net.ipv4.ip_local_port_range=20000 60000";
    // Each of these would be over when it begins: a turn a millisecond is what a worker then has.
    let impatient = ["traffic.web.response_timeout=1ns", "traffic.web.service_time=1s"];
    assert_eq!(endings(&[open, port, impatient[0], impatient[1]]), (0, 2_000));
    // Times that are drawn are nothing now and then.
    let drawn = r#"traffic.web.service_time=sample(["0s", "0s", "0s", "1ms"])"#;
    let (answered, _) = endings(&[open, port, drawn, "traffic.web.pool=(size: 2)"]);
    assert!((1_990..=2_000).contains(&answered), "{answered}");
}

#[test]
fn workers_whose_connections_need_no_time_are_refused() {
    let why = |patches: &[&str]| {
        let patches: Vec<_> = patches.iter().filter_map(|p| Patch::parse(p).ok()).collect();
        let extras = Extras { patches: &patches, ..Extras::default() };
        let report = load(&Source::new("base.ron", ON_ONE_HOST), &extras).err();
        report.map(|report| report.to_string()).unwrap_or_default()
    };
    let refused = |patches: &[&str]| why(patches).contains("would never let time pass");
    let close = |first, how, other| format!("traffic.web.close=(first: {first}, how: {how}, other: {other})");
    assert!(refused(&[]));
    // The client waits for the server's close, unless that is a RST.
    assert!(!refused(&[&close("server", "graceful", "close_after(\"300ms\")")]));
    assert!(!refused(&[&close("client", "half_close", "close_after(\"300ms\")")]));
    assert!(refused(&[&close("server", "reset", "close_after(\"300ms\")")]));
    assert!(refused(&[&close("server", "reset", "never")]));
    assert!(!refused(&[&close("server", "reset", "never"), "traffic.web.hold=1ms"]));
    // A server that waits for less than the client holds.
    let idle = |time: &str| {
        let timeout = format!("traffic.web.server_idle_timeout={time}");
        why(&["traffic.web.hold=1s", &timeout, "traffic.web.arrivals=workers(50)"])
    };
    assert_eq!(idle("1ms"), "");
    assert!(idle("1ns").contains("events"), "{}", idle("1ns"));
}
