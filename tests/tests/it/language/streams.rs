//! Pools whose connections carry several requests at once.

use sim_core::record::{Summary, TrafficSummary};
use sim_core::time::Span;

use super::clients::{conserved, run_text};

const BASE: &str = r#"(
    duration: "20s", sample: "1s",
    hosts: {
        "c": (addresses: ["10.0.0.1"], timers: exact),
        "s": (addresses: ["10.0.0.2"], timers: exact, listen: [(port: 80)]),
    },
    links: [(path: ["c", "s"], delay: "1ms")],
    traffic: {"web": (from: "c", to: "s:80", arrivals: workers(50), service_time: "5ms", pool: (size: 1, streams: 100))},
)"#;

fn run(patches: &[&str]) -> Summary {
    let summary = run_text(BASE, patches);
    summary.traffic.iter().for_each(conserved);
    summary
}

fn web(patches: &[&str]) -> TrafficSummary {
    run(patches).traffic[0].clone()
}

#[test]
fn many_workers_share_one_connection() {
    // Each asks again 7 ms after it asked: 2 ms on the way, and 5 of service.
    let shared = web(&[]);
    assert_eq!((shared.attempted.count, shared.abandoned.count), (1, 0));
    let latency = [500, 990].map(|per_mille| shared.request_latency.quantile(per_mille).map(Span::as_millis));
    assert_eq!(latency, [Some(7); 2]);
    assert!((141_000..143_000).contains(&shared.answered.count), "{}", shared.answered.count);
    // Ten at once: the other forty wait their turn.
    let few = web(&["traffic.web.pool.streams=10"]);
    assert!((28_400..28_600).contains(&few.answered.count), "{}", few.answered.count);
    assert_eq!((few.attempted.count, few.waiting.queued), (1, 40));
    // One at once is a connection as others have it.
    let one = web(&["traffic.web.pool.streams=1"]);
    assert!((2_840..2_860).contains(&one.answered.count), "{}", one.answered.count);
}

#[test]
fn a_connection_is_filled_before_another_is_opened() {
    // 1,000/s for 52 ms each: 52 at once.
    let open = [r#"traffic.web.arrivals=constant("1000/s")"#, "traffic.web.service_time=50ms"];
    for (pool, connections) in [
        ("(size: unlimited, streams: 20)", 3..=3),
        ("(size: unlimited, streams: 60)", 1..=1),
        ("(size: unlimited, streams: 1)", 52..=54),
    ] {
        let patch = format!("traffic.web.pool={pool}");
        let web = web(&[open[0], open[1], &patch]);
        assert!(connections.contains(&web.attempted.count), "{pool}: {}", web.attempted.count);
        assert_eq!(web.abandoned.count, 0, "{pool}");
        assert!(web.answered.count > 19_900, "{web:?}");
    }
}

#[test]
fn each_answer_finds_its_own_request() {
    // Slow and quick ones on one connection: nobody waits for a slow one but who asked for it.
    let drawn = r#"traffic.web.service_time=sample(["1ms", "1ms", "1ms", "1s"])"#;
    let web = web(&[drawn, r#"traffic.web.arrivals=constant("50/s")"#]);
    assert_eq!(web.attempted.count, 1);
    let latency = |per_mille| web.request_latency.quantile(per_mille).map(Span::as_millis);
    assert_eq!((latency(500), latency(950)), (Some(3), Some(1_002)));
    assert!(web.answered.count > 940);
}

#[test]
fn what_is_under_way_on_a_connection_fails_with_it() {
    let stop = r#"events=[(at: "10s", what: stop("s:80")), (at: "12s", what: start("s:80"))]"#;
    let slow = "traffic.web.service_time=100ms";
    let open = r#"traffic.web.arrivals=constant("100/s")"#;
    let gone = web(&[stop, slow, open]);
    // Some ten are on their way when the process dies; those of the next two seconds are refused.
    assert!((200..=215).contains(&gone.abandoned.count), "{gone:?}");
    assert!(gone.answered.count > 1_770);
    let retry = r#"traffic.web.on_error=retry(after: "500ms", times: 9)"#;
    let again = web(&[stop, slow, open, retry]);
    assert_eq!(again.abandoned.count, 0, "{again:?}");
}

#[test]
fn such_connections_end_as_others_do() {
    let open = r#"traffic.web.arrivals=constant("100/s")"#;
    let many = "traffic.web.pool=(size: unlimited, streams: 100)";
    // A hundred requests each.
    let counted = web(&[open, many, "traffic.web.requests_per_connection=100"]);
    assert_eq!((counted.completed.count, counted.abandoned.count), (20, 0), "{counted:?}");
    assert_eq!(counted.answered.count, 2_000);
    // Two seconds each.
    let aged = web(&[open, "traffic.web.pool=(size: unlimited, streams: 100, lifetime: \"2s\")"]);
    assert_eq!((aged.attempted.count, aged.abandoned.count), (10, 0), "{aged:?}");
    // Idle for half a second after each.
    let rare = r#"traffic.web.arrivals=constant("1/s")"#;
    let idle = web(&[rare, "traffic.web.pool=(size: unlimited, streams: 100, idle_timeout: \"500ms\")"]);
    assert_eq!(idle.attempted.count, 20);
}

#[test]
fn a_proxy_answers_each_request_of_a_shared_connection() {
    let text = r#"(
        duration: "20s", sample: "1s",
        hosts: {
            "c": (addresses: ["10.0.0.1"], timers: exact),
            "p": (addresses: ["10.0.0.2"], timers: exact, listen: [(port: 443)]),
            "b": (addresses: ["10.0.0.3"], timers: exact, listen: [(port: 80, workers: 4)]),
        },
        links: [(path: ["c", "p", "b"], delay: "1ms")],
        traffic: {
            "web": (from: "c", to: "p:443", arrivals: constant("200/s"), pool: (size: 2, streams: 50)),
            "up": (from: "p", to: "b:80", arrivals: behind("p:443"), service_time: exponential(mean: "10ms"), pool: (size: 3, streams: 8)),
        },
    )"#;
    let summary = run_text(text, &[]);
    summary.traffic.iter().for_each(conserved);
    let [web, up] = [&summary.traffic[0], &summary.traffic[1]];
    assert!(web.answered.count > 3_980 && web.abandoned.count == 0, "{web:?}");
    assert_eq!((web.attempted.count, up.attempted.count <= 3), (1, true));
    // A backend that is not there: each request is answered with an error, and the connection of its client stays.
    let down = run_text(text, &["hosts.b.listen[0].port=81"]);
    let web = &down.traffic[0];
    conserved(web);
    assert_eq!((web.attempted.count, web.answered.count), (1, 0), "{web:?}");
    assert!(web.abandoned.count > 3_980, "{web:?}");
}
