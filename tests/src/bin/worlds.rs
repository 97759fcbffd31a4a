//! Digests of random worlds, one a line: to compare two builds, or two ways of running.
//!
//! `cargo run --release -p tests --bin worlds -- FROM TO [text | books | compare | audit] [calm | small]`. `audit` holds the books of
//! each against its tables on the way, under both queues, and names those that disagree, or whose two runs do; build it with
//! `--profile audit`, so that assertions are on. `compare` runs each in four ways and names those that differ: as it is, without
//! scripts, without the memory of steps either, and on the plain heap. `calm` draws worlds in which conversations follow scripts,
//! `small` those with everything in them.

use std::ops::ControlFlow;
use std::process::ExitCode;

use experiments::in_order;
use scenarios::{Extras, Source, load};
use sim_core::engine::queue::{Heap, Lanes};
use sim_core::engine::{Simulation, World};
use sim_core::scenario::Scenario;
use tests::audit::both_ways;
use tests::worlds::{calm, small, text};

/// A 128-bit hash of a text, for comparing.
fn digest(text: &str) -> String {
    let mut lanes = [0x243f_6a88_85a3_08d3_u64, 0x1319_8a2e_0370_7344];
    for byte in text.bytes() {
        lanes[0] = (lanes[0] ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        lanes[1] = lanes[1].wrapping_add(u64::from(byte)).wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(37)
            ^ lanes[0];
    }
    format!("{:016x}{:016x}", sim_core::rng::mix(lanes[0]), sim_core::rng::mix(lanes[1]))
}

/// Says in which ways of running a world comes to something else.
fn compare(world: u64, scenario: &Scenario) {
    let mut ours = Simulation::new(scenario);
    while ours.advance(u64::MAX) {}
    let (followed, left, scripts) = ours.conversations();
    println!("{world}: {followed} conversations followed a script of {scripts}, {left} left theirs");
    let ours = ours.run();
    let ways = [
        ("without scripts", World::<Lanes, ()>::new(scenario).without_scripts().run()),
        ("without the memory of steps", World::<Lanes, ()>::new(scenario).without_memory().run()),
        ("on the heap", World::<Heap, ()>::with_sink(scenario, ()).run()),
    ];
    for (way, theirs) in ways {
        if ours != theirs {
            println!("{world} differs {way}: {} and {}", ours.digest, theirs.digest);
        }
    }
}

/// Audits worlds on every processor. Names those that disagree or panic; whether there was none.
fn audit(numbers: std::ops::Range<u64>, text: impl Fn(u64) -> String + Sync) -> ExitCode {
    let numbers: Vec<u64> = numbers.collect();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let one = |&number: &u64| {
        let loaded = load(&Source::new("world", text(number)), &Extras::default()).ok()?;
        let audited = || both_ways(&loaded.scenario, number);
        Some(std::panic::catch_unwind(audited).unwrap_or_else(|_| Err("panics".to_owned())))
    };
    let (mut valid, mut bad, mut next, mut events) = (0, 0, numbers.iter(), 0);
    let _: Option<()> = in_order(&numbers, threads, one, |audited| {
        let number = next.next().copied().unwrap_or(0);
        valid += u64::from(audited.is_some());
        match audited {
            Some(Err(why)) => {
                bad += 1;
                println!("{number} {why}");
            }
            Some(Ok(summary)) => events += summary.events,
            None => {}
        }
        ControlFlow::Continue(())
    });
    println!("{} worlds, {valid} of them valid, {events} events, {bad} disagree", numbers.len());
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> ExitCode {
    let number = |n: usize| std::env::args().nth(n).and_then(|arg| arg.parse().ok()).unwrap_or(0);
    let (from, to): (u64, u64) = (number(1), number(2));
    let mode = std::env::args().nth(3).unwrap_or_default();
    let kind = std::env::args().nth(4).unwrap_or_default();
    let text_of = |world: u64| match kind.as_str() {
        "calm" => calm(world),
        "small" => small(world),
        _ => text(world),
    };
    if mode == "audit" {
        return audit(from..to, text_of);
    }
    for world in from..to {
        let text = text_of(world);
        if mode == "text" {
            println!("{text}");
        }
        match load(&Source::new("world", text), &Extras::default()) {
            Ok(loaded) if mode == "compare" => compare(world, &loaded.scenario),
            Ok(loaded) => {
                let summary = Simulation::new(&loaded.scenario).run();
                let books = format!(
                    "{:?}",
                    (&summary.traffic, &summary.hosts, &summary.limits, &summary.logs, &summary.series)
                );
                if mode == "books" {
                    println!("{books}");
                }
                println!(
                    "{world} {} {} {} segments, {} lost, ended {}",
                    summary.digest,
                    digest(&books),
                    summary.segments,
                    summary.lost,
                    summary.ended
                );
            }
            Err(report) => println!("{world} refused: {}", report.to_string().lines().next().unwrap_or("")),
        }
    }
    ExitCode::SUCCESS
}
