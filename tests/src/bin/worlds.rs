//! Digests of random worlds, one a line: to compare two builds, or two ways of running.
//!
//! `cargo run --release -p tests --bin worlds -- FROM TO [text]`

use scenarios::{Extras, Source, load};
use sim_core::engine::Simulation;
use sim_core::record::Digest;

fn digest(text: &str) -> Digest {
    let mut digest = Digest::default();
    text.bytes().for_each(|byte| digest.word(u64::from(byte)));
    digest
}

fn main() {
    let number = |n: usize| std::env::args().nth(n).and_then(|arg| arg.parse().ok()).unwrap_or(0);
    let (from, to): (u64, u64) = (number(1), number(2));
    for world in from..to {
        let text = tests::worlds::text(world);
        if std::env::args().nth(3).as_deref() == Some("text") {
            println!("{text}");
        }
        match load(&Source::new("world", text), &Extras::default()) {
            Ok(loaded) => {
                let summary = Simulation::new(&loaded.scenario).run();
                let books = format!(
                    "{:?}",
                    (&summary.traffic, &summary.hosts, &summary.limits, &summary.logs, &summary.series)
                );
                if std::env::args().nth(3).as_deref() == Some("books") {
                    println!("{books}");
                }
                println!(
                    "{world} {} {} {} segments, {} lost, ended {}",
                    summary.digest2,
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
