//! What the tables of a host cost: instructions and memory of connection tracking and of port choice.
//!
//! Each mode does its work N times, so that two runs under callgrind give instructions without start-up:
//! `valgrind --tool=callgrind target/release/tables MODE 2N`, less the same with N, divided by N.
//!
//! * `conntrack lives N [LIVE]`: N whole lives of ten segments through one tracker that holds LIVE entries.
//! * `conntrack flow N`: N round trips (data and its acknowledgment) of one established flow.
//! * `conntrack memory`: growth of resident memory from one to ten million entries.

use sim_core::conntrack::{Conntrack, ConntrackConfig, Facts};
use sim_core::ids::{Addr, SockAddr, Tuple};
use sim_core::time::{Span, Time};
use tests::life::{Crossing, Life};

/// Lives that are under way at once differ by so many in their progress by one segment.
const STAGGER: u64 = 8;

/// The tuple of packets from the client of life `n`: 50,000 ports on as many addresses as it takes.
fn client(n: u64) -> Tuple {
    let addr = Addr(0x0a00_0000 + (n / 50_000) as u32);
    let port = 10_000 + (n % 50_000) as u16;
    let server = SockAddr { addr: Addr(0x0b00_0001), port: 80 };
    Tuple { local: SockAddr { addr, port }, remote: server }
}

fn toward(crossing: &Crossing, n: u64) -> Tuple {
    if crossing.from_client { client(n) } else { client(n).reversed() }
}

fn tracker(buckets: u32) -> Conntrack {
    Conntrack::new(ConntrackConfig { max: 0, buckets, ..ConntrackConfig::default() }, 7)
}

/// Whole lives, many of them under way at once, begun at a rate that keeps `live` entries in the table.
fn lives(count: u64, live: u64) {
    let trace = Life::traced();
    let mut tracker = tracker((live as u32).next_power_of_two());
    let mut facts = Facts::new();
    let gap = Span(tracker.config().timeouts.time_wait.0 / live);
    let mut now = Time::ZERO;
    for step in 0..count + STAGGER * trace.len() as u64 {
        now += gap;
        while tracker.next_gc() <= now {
            facts.clear();
            tracker.gc(now, &mut facts);
        }
        for (k, crossing) in (0..).zip(&trace) {
            let Some(n) = step.checked_sub(k * STAGGER).filter(|&n| n < count) else { continue };
            facts.clear();
            let verdict = tracker.packet(now, toward(crossing, n), &crossing.seg, &mut facts);
            std::hint::black_box(verdict);
        }
    }
    println!("{count} lives of {} segments; {} entries at the end", trace.len(), tracker.len());
}

/// One established flow that exchanges data for ever.
fn flow(count: u64) {
    let trace = Life::traced();
    let mut tracker = tracker(1 << 16);
    let mut facts = Facts::new();
    let mut now = Time::ZERO;
    for crossing in &trace[..3] {
        tracker.packet(now, toward(crossing, 0), &crossing.seg, &mut facts);
    }
    let (mut data, mut answer) = (trace[3].seg, trace[5].seg);
    for _ in 0..count {
        now += Span::from_millis(1);
        facts.clear();
        tracker.packet(now, client(0), &data, &mut facts);
        data.seq += data.len;
        (answer.seq, answer.ack, answer.len) = (data.ack, data.seq, 0);
        tracker.packet(now, client(0).reversed(), &answer, &mut facts);
        assert!(facts.is_empty(), "nothing happens but data");
    }
    println!("{count} round trips; {:?}", tracker.find(now, client(0)).map(|e| e.remaining));
}

/// Resident memory of this process, bytes (`VmRSS`); `None` where /proc does not say.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Growth of resident memory while ten times as many flows live.
fn memory() {
    const FROM: u64 = 1_000_000;
    const TO: u64 = 10_000_000;
    let trace = Life::traced();
    let mut tracker = tracker(1 << 23);
    let mut facts = Facts::new();
    let mut before = None;
    for n in 0..TO {
        for crossing in &trace {
            facts.clear();
            tracker.packet(Time::ZERO, toward(crossing, n), &crossing.seg, &mut facts);
        }
        if n + 1 == FROM {
            before = resident();
        }
    }
    assert_eq!(tracker.len() as u64, TO, "each life leaves an entry in TIME_WAIT");
    if let Some((before, after)) = before.zip(resident()) {
        let each = (after - before) as f64 / (TO - FROM) as f64;
        println!(
            "{} MB with {FROM} entries, {} MB with {TO}: {each:.2} bytes each",
            before >> 20,
            after >> 20
        );
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize, default: u64| args.get(n).and_then(|arg| arg.parse().ok()).unwrap_or(default);
    let word = |n: usize| args.get(n).map_or("", String::as_str);
    match (word(0), word(1)) {
        ("conntrack", "lives") => lives(number(2, 1_000_000), number(3, 1_000_000)),
        ("conntrack", "flow") => flow(number(2, 1_000_000)),
        ("conntrack", "memory") => memory(),
        _ => {
            eprintln!("usage: tables conntrack lives N [LIVE] | conntrack flow N | conntrack memory");
            std::process::exit(2);
        }
    }
}
