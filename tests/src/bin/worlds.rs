//! Digests of random worlds, one a line: to compare two builds, or two ways of running.
//!
//! `cargo run --release -p tests --bin worlds -- FROM TO [text | books | compare | audit] [calm]`. `audit` holds the books of each
//! against its tables and names those that disagree. `compare` runs each in four ways and names those that differ: as it is,
//! without scripts, without the memory of steps either, and on the plain heap. `calm` draws worlds in which conversations follow
//! scripts.

use scenarios::{Extras, Source, load};
use sim_core::engine::queue::{Heap, Lanes};
use sim_core::engine::{Simulation, World};
use sim_core::scenario::Scenario;

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

/// Says what of a world's books does not agree with its tables, and when that was first seen.
fn audit(number: u64, scenario: &Scenario) {
    let mut world = Simulation::new(scenario);
    let (mut more, mut stride) = (true, 61);
    while more {
        more = world.advance(stride);
        let found = world.audit();
        if !found.is_empty() {
            return println!(
                "{number} disagrees after {} events, at {}: {found:?}",
                world.events(),
                world.now()
            );
        }
        stride += stride / 3;
    }
}

fn main() {
    let number = |n: usize| std::env::args().nth(n).and_then(|arg| arg.parse().ok()).unwrap_or(0);
    let (from, to): (u64, u64) = (number(1), number(2));
    let mode = std::env::args().nth(3).unwrap_or_default();
    let calm = std::env::args().nth(4).is_some_and(|arg| arg == "calm");
    for world in from..to {
        let text = if calm { tests::worlds::calm(world) } else { tests::worlds::text(world) };
        if mode == "text" {
            println!("{text}");
        }
        match load(&Source::new("world", text), &Extras::default()) {
            Ok(loaded) if mode == "compare" => compare(world, &loaded.scenario),
            Ok(loaded) if mode == "audit" => audit(world, &loaded.scenario),
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
}
