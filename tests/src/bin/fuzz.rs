//! Mutants of everything that reads text: nothing panics, hangs, or takes memory that nobody counted.
//!
//! `cargo run --profile audit -p tests --bin fuzz -- FROM TO` gives the mutants of these numbers to their targets on every processor,
//! names those that panic or take longer than ten seconds, and says how much memory the process had at most.
//! `... -- show NUMBER` prints one. `fuzz/` is the same under AFL++.

#![allow(clippy::disallowed_methods, reason = "a hang is a matter of real time")]

use std::fs;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use experiments::in_order;
use tests::fuzz::{TARGETS, corpus, give, mutant};

/// Nothing that is read may take longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Mutants that one thread takes at a time.
const CHUNK: u64 = 500;

/// What came of many mutants.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// How many there were, and those that were accepted.
    texts: u64,
    accepted: u64,
    /// The number of the one that took longest, and how long.
    slowest: (u64, Duration),
}

/// The one that took longer.
fn longer(a: (u64, Duration), b: (u64, Duration)) -> (u64, Duration) {
    if b.1 > a.1 { b } else { a }
}

/// How long this thread has had a processor; other programs do not make a mutant slow.
fn worked() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// The most memory that the process ever had, in MiB.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// The mutants of a chunk, and those that panic or take too long.
fn chunk(from: u64, to: u64, corpora: &[Vec<String>]) -> (Tally, Vec<String>) {
    let (mut tally, mut bad) = (Tally::default(), Vec::new());
    for number in from..to {
        let (began, before) = (Instant::now(), worked());
        let given = std::panic::catch_unwind(|| give(number, corpora));
        let spent = before.and_then(|before| Some(worked()?.saturating_sub(before)));
        let took = spent.unwrap_or_else(|| began.elapsed());
        tally.texts += 1;
        tally.accepted += u64::from(given.as_ref().is_ok_and(|accepted| *accepted));
        tally.slowest = longer(tally.slowest, (number, took));
        if given.is_err() {
            bad.push(format!("{number} panics"));
        } else if took > PATIENCE {
            bad.push(format!("{number} takes {took:?}"));
        }
    }
    (tally, bad)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let corpora: Vec<_> = TARGETS.iter().map(corpus).collect();
    let numbers: Vec<u64> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let (from, to) = match numbers[..] {
        [number] => {
            for (target, texts) in TARGETS.iter().zip(&corpora) {
                println!("--- {}\n{}", target.name, mutant(number, texts));
            }
            return ExitCode::SUCCESS;
        }
        [from, to] => (from, to),
        _ => {
            eprintln!("usage: fuzz FROM TO | show NUMBER");
            return ExitCode::from(2);
        }
    };
    let starts: Vec<u64> = (from..to).step_by(CHUNK as usize).collect();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (mut all, mut failed) = (Tally::default(), 0);
    let one = |&start: &u64| chunk(start, (start + CHUNK).min(to), &corpora);
    let _: Option<()> = in_order(&starts, threads, one, |(tally, bad)| {
        all.texts += tally.texts;
        all.accepted += tally.accepted;
        all.slowest = longer(all.slowest, tally.slowest);
        failed += bad.len();
        for what in &bad {
            println!("{what}");
        }
        if all.texts % 50_000 < CHUNK {
            println!("{} texts, {} accepted, {} MiB", all.texts, all.accepted, most_memory());
        }
        ControlFlow::Continue(())
    });
    let (number, took) = all.slowest;
    println!(
        "{} texts, {} accepted, {failed} panic or hang; the slowest, {number}, took {took:?}; at most {} MiB",
        all.texts,
        all.accepted,
        most_memory()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
