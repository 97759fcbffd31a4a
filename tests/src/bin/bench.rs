//! How fast the engine is, against a peer in the same run: the same world on a plain binary heap.
//!
//! `cargo run --release -p tests --bin bench -- [CONNECTIONS]`. Prints lifecycles per second and nanoseconds per
//! lifecycle for both queues, their ratio, and the memory that was live. Times are the machine's; ratios travel.

use std::time::{Duration, Instant};

use scenarios::{Extras, Source, load};
use sim_core::engine::World;
use sim_core::engine::queue::{Heap, Lanes, Queue};
use sim_core::record::Summary;
use sim_core::scenario::Scenario;

/// Scenario 1's shape, at a rate that keeps 28,232 ports busy, then far more destinations so that nothing is refused.
fn scenario(connections: u64) -> Scenario {
    const PER_SECOND: u64 = 10_000;
    let seconds = (connections / PER_SECOND).max(1) + 1;
    let destinations: Vec<String> = (80..112).map(|port| format!("\"10.0.0.2:{port}\"")).collect();
    let listeners: Vec<String> = (80..112).map(|port| format!("(port: {port}, backlog: 4096)")).collect();
    let text = format!(
        r#"(
            title: "bench", duration: "{seconds}s", seed: 1, sample: "1s",
            hosts: {{
                "client": (addresses: ["10.0.0.1"], timers: exact, limits: (open_files: 1000000),
                    sysctl: {{ "net.ipv4.tcp_max_tw_buckets": "2000000" }}),
                "server": (addresses: ["10.0.0.2"], timers: exact, limits: (open_files: 1000000),
                    listen: [{}]),
            }},
            links: [(path: ["client", "server"], delay: "0.5ms")],
            traffic: {{ "web": (from: "client", to: [{}], arrivals: constant("{PER_SECOND}/s"),
                request: "200B", response: "1kB", close: (first: client, how: graceful)) }},
        )"#,
        listeners.join(", "),
        destinations.join(", "),
    );
    match load(&Source::new("bench", text), &Extras::default()) {
        Ok(loaded) => loaded.scenario,
        Err(report) => {
            eprintln!("{report}");
            std::process::exit(2);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn measure<Q: Queue>(scenario: &Scenario) -> (Duration, Summary) {
    let world = World::<Q, ()>::with_sink(scenario, ());
    let begin = Instant::now();
    let summary = world.run();
    (begin.elapsed(), summary)
}

fn report(name: &str, took: Duration, summary: &Summary) -> f64 {
    let lifecycles = summary.traffic[0].completed.count as f64;
    let seconds = took.as_secs_f64();
    println!(
        "{name:>6}: {lifecycles:>10} lifecycles in {seconds:6.2} s = {:9.0} /s, {:5.0} ns each, {:4.1} events each",
        lifecycles / seconds,
        seconds / lifecycles * 1e9,
        summary.events as f64 / lifecycles,
    );
    seconds
}

/// The most memory this process ever had, bytes (`VmHWM`); `None` where /proc does not say.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn main() {
    let connections = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let scenario = scenario(connections);
    let (lanes_took, lanes) = measure::<Lanes>(&scenario);
    let memory = peak_memory();
    let ours = report("lanes", lanes_took, &lanes);
    let (heap_took, heap) = measure::<Heap>(&scenario);
    let theirs = report("heap", heap_took, &heap);
    assert_eq!(lanes.digest, heap.digest, "both queues must do the same");
    println!("lanes are {:.2} times as fast as the heap", theirs / ours);
    let live = lanes.hosts[0].mini_sockets.peak;
    if let Some(bytes) = memory {
        println!("peak memory {} MB with {live} TIME_WAIT live", bytes / 1_000_000);
    }
}
