//! The bundled scenarios, run: what they claim holds, fails when the setting it hangs on is changed, and is the same
//! every time.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use experiments::{Outcome, Run, in_order};
use reports::verdict::verdicts;
use scenarios::{Bundled, Patch, bundled, library};
use sim_core::engine::World;
use sim_core::engine::queue::{Heap, Lanes};

/// Does `work` for each item on two threads; the results come in the order of the items.
pub(crate) fn on_two_threads<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let mut results = Vec::with_capacity(items.len());
    let end: Option<()> = in_order(items, 2, work, |result| {
        results.push(result);
        ControlFlow::Continue(())
    });
    assert_eq!(end, None);
    results
}

fn run(bundled: &Bundled, patches: Vec<Patch>) -> Outcome {
    let run = Run { patches, ..Run::bundled(*bundled) };
    run.run().unwrap_or_else(|report| panic!("{report}"))
}

/// Every scenario of the library, run once; all tests here read these.
pub(crate) static RUNS: LazyLock<Vec<(&Bundled, Outcome)>> =
    LazyLock::new(|| library().iter().zip(on_two_threads(library(), |b| run(b, Vec::new()))).collect());

/// The expectations of a scenario that do not hold.
fn failures(outcome: &Outcome) -> Vec<String> {
    let read = reports::Run::new(&outcome.scenario, &outcome.summary);
    let failed = verdicts(read).into_iter().filter(|v| !v.passed);
    failed.map(|v| format!("line {}: {}: expected {}, got {}", v.line, v.text, v.expected, v.got)).collect()
}

#[test]
fn every_expectation_holds() {
    let failed: Vec<String> = RUNS
        .iter()
        .flat_map(|(bundled, run)| failures(run).into_iter().map(|f| format!("{}: {f}", bundled.name)))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// For each scenario a change of the setting that it is about.
const CHANGES: &[(&str, &str)] = &[
    ("ports-run-out", r#"hosts.client.sysctl."net.ipv4.ip_local_port_range"="1024 60999""#),
    ("two-destinations", r#"traffic.web.arrivals=constant("500/s")"#),
    ("unaffected-destination", r#"traffic.calm.to="server:80""#),
    ("reuse-with-timestamps", r#"hosts.client.sysctl."net.ipv4.tcp_timestamps"=0"#),
    ("reuse-with-random-isn", "hosts.client.tcp=(isn: clock)"),
    ("reuse-with-rfc1337", r#"hosts.server.sysctl."net.ipv4.tcp_rfc1337"=0"#),
    ("reuse-with-rfc793", "hosts.server.stack=linux"),
    ("conntrack-full", "hosts.router.conntrack.max=16384"),
    ("ports-first", r#"traffic.web.to=["10.0.1.2:80", "10.0.1.2:81"]"#),
    ("two-destinations-neither", r#"hosts.router.sysctl."net.netfilter.nf_conntrack_max"=32768"#),
    ("conntrack-first", r#"hosts.router.sysctl."net.netfilter.nf_conntrack_max"=262144"#),
    ("time-wait-holds-no-descriptor", "traffic.web.close=(first: client, how: never)"),
    ("close-wait-holds-descriptors", "traffic.web.close=(first: client, how: graceful)"),
    ("msl-by-system", "hosts.macos.stack=windows"),
    ("fin-timeout", r#"hosts.tuned.tcp=(time_wait: "5s")"#),
    ("poisson-470", r#"traffic.web.arrivals=constant("470/s")"#),
    ("poisson-500", r#"hosts.client.tcp=(time_wait: "30s")"#),
    ("real-machine", r#"hosts.client.sysctl={"net.ipv4.ip_local_port_range": "1024 65535"}"#),
    ("redis-loop", "hosts.app.stack=linux"),
    ("websockets-held", r#"traffic.sockets.source=["10.0.0.1", "10.0.0.2"]"#),
    ("proxy-idle-pool", "traffic.upstream.pool.idle=50"),
    ("macos-16384", "hosts.mac.tcp.time_wait=15s"),
    ("bind-before-connect", "traffic.upstream.port=auto"),
    ("time-wait-one-second", "traffic.https.close.first=client"),
    ("node-conntrack", "hosts.node.conntrack.max=131072"),
    ("both-tables", r#"hosts.proxy.sysctl={"net.ipv4.tcp_max_tw_buckets": "131072"}"#),
    ("threads-close-wait", "hosts.app.listen[0].connections=600"),
    ("close-wait-leak", r#"traffic.upstream.close.other=close_after("0s")"#),
];

#[test]
fn every_scenario_fails_when_its_key_setting_changes() {
    let named: Vec<&str> = CHANGES.iter().map(|(name, _)| *name).collect();
    let unnamed: Vec<&str> = library().iter().map(|b| b.name).filter(|n| !named.contains(n)).collect();
    assert!(unnamed.is_empty(), "no change is known for {unnamed:?}");
    let held = on_two_threads(CHANGES, |(name, change)| {
        let bundled = bundled(name).unwrap_or_else(|| panic!("no scenario {name}"));
        let patch = Patch::parse(change).unwrap_or_else(|why| panic!("{change}: {why}"));
        failures(&run(bundled, vec![patch])).is_empty()
    });
    let untouched: Vec<_> = CHANGES.iter().zip(held).filter(|(_, held)| *held).map(|(c, _)| c).collect();
    assert!(untouched.is_empty(), "these changes go unnoticed: {untouched:#?}");
}

/// The long ones of the library add nothing here.
const LONG: &[&str] = &["poisson-470", "poisson-500", "msl-by-system"];

#[test]
fn runs_repeat_to_the_bit_on_either_queue() {
    let short: Vec<_> = RUNS.iter().filter(|(bundled, _)| !LONG.contains(&bundled.name)).collect();
    let digests = on_two_threads(&short, |(bundled, run)| {
        let heap = World::<Heap, ()>::with_sink(&run.scenario, ()).run();
        assert_eq!(run.summary, heap, "{}: on lanes and on the heap", bundled.name);
        let without = World::<Lanes, ()>::new(&run.scenario).without_memory().run();
        assert_eq!(run.summary, without, "{}: with and without the memory of steps", bundled.name);
        format!("{} {}", heap.digest, bundled.name)
    });
    // The same on every machine, and in every version until behaviour changes; then CHANGELOG.md says why.
    insta::assert_snapshot!("digests", digests.join("\n"));
}
