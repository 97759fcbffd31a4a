//! How fast the engine is, and what it costs: the standard job (see `tests::job`), its gates, and its peers.
//!
//! `cargo run --release -p tests --bin bench -- MODE`:
//!
//! * `job N RATE DESTINATIONS [KIND] [no-memory | heap]`: N connections; start-up is part of the figure. KIND is one of
//!   `plain`, `ct`, `wheel`, `loss`, `reorder`, `poisson`, `drawn`; `no-memory` switches scripts and the memory of steps off, `heap` takes the
//!   plain binary heap for a queue as well. Prints one line; a row of `peers` is such a line.
//! * `peers [N]`: our rows, the floors and the peers that are to be had, one process each, as one table. smoltcp is there with
//!   `--features smoltcp`, the kernel of this machine for root.
//! * `smoltcp N RATE`: the job on smoltcp, whose TIME_WAIT is 10 s.
//! * `veth N`: the job on the kernel of this machine (see `tests::veth`).
//! * `floor split|splitx|splitd N RATE DESTINATIONS`: a lower bound.
//! * `life [LIVES]`: whole lives of two endpoints without an engine.
//! * `memory FROM TO [plain | ct]`: bytes a TIME_WAIT, as growth of resident memory between two counts of live ones; with
//!   `ct` a TIME_WAIT and a conntrack entry.
//! * `gates [update]`: what is counted or weighed against `tests/gates.txt`; `update` writes the figures anew.
//!
//! CPU seconds are the machine's; ratios in one run travel, and so do instructions.

use std::process::{Command, ExitCode};

use sim_core::engine::World;
use sim_core::engine::queue::{Heap, Lanes, Queue};
use sim_core::scenario::Scenario;
use sim_core::time::{Span, Time};
use tests::floors::{self, Floor};
use tests::job::{Job, Kind};
use tests::life::Life;
use tests::{gates, usage};

/// What a run came to.
#[derive(Debug)]
struct Outcome {
    lifecycles: u64,
    most_live: u64,
    /// How much was not done anew: conversations that followed a script, and of all other steps those that were recalled.
    known: String,
}

fn run<Q: Queue>(scenario: &Scenario, with_memory: bool) -> Outcome {
    let mut world = World::<Q, ()>::with_sink(scenario, ());
    if !with_memory {
        world = world.without_memory();
    }
    while world.advance(u64::MAX) {}
    let percent = |part: u64, all: u64| part as f64 / all.max(1) as f64 * 100.0;
    let (followed, _, scripts) = world.conversations();
    let memory = world.memory().map(|memory| (memory.tally(), memory.size()));
    let summary = world.run();
    let known = memory.map_or_else(
        || "-".to_owned(),
        |((recalled, _, missed), (values, steps))| {
            let scripted = percent(followed, summary.traffic[0].attempted.count);
            let recalled = percent(recalled, recalled + missed);
            format!("{scripted:.1} % in {scripts} scripts; {recalled:.2} % recalled, {values} values, {steps} steps")
        },
    );
    let most_live = summary.hosts[0].mini_sockets.peak;
    Outcome { lifecycles: summary.traffic[0].completed.count, most_live, known }
}

/// One line: lifecycles, lifecycles per CPU second, MB of peak memory, TIME_WAITs at most, and what was not done anew.
fn print(outcome: &Outcome) {
    print_for(outcome, usage::cpu_seconds().unwrap_or(f64::NAN));
}

fn print_for(outcome: &Outcome, cpu: f64) {
    let peak = usage::most_resident().unwrap_or(0);
    println!(
        "{} | {:.0} | {} | {} | {}",
        outcome.lifecycles,
        outcome.lifecycles as f64 / cpu,
        peak / 1_000_000,
        outcome.most_live,
        outcome.known,
    );
}

fn job(args: &[String]) -> Result<(), String> {
    let number = |n: usize, what: &str| {
        let arg = args.get(n).ok_or_else(|| format!("{what} is missing"))?;
        let number: u64 = arg.parse().map_err(|_| format!("{what}: `{arg}` is not a whole number"))?;
        if number == 0 { Err(format!("{what} must be at least 1")) } else { Ok(number) }
    };
    let mut job = Job {
        connections: number(0, "the number of connections")?,
        rate: number(1, "the rate")?,
        destinations: number(2, "the number of destinations")?,
        kind: Kind::Plain,
    };
    let (mut with_memory, mut heap) = (true, false);
    for word in &args[3..] {
        match (word.as_str(), Kind::named(word)) {
            (_, Some(kind)) => job.kind = kind,
            ("no-memory", None) => with_memory = false,
            ("heap", None) => (with_memory, heap) = (false, true),
            _ => return Err(format!("`{word}` is none of {}, no-memory, heap", Kind::names())),
        }
    }
    let scenario = job.scenario()?;
    print(&if heap { run::<Heap>(&scenario, with_memory) } else { run::<Lanes>(&scenario, with_memory) });
    Ok(())
}

fn floor(args: &[String]) -> Result<(), String> {
    let name = args.first().map_or("", String::as_str);
    let floor = match name {
        "split" => Floor::Split,
        "splitx" => Floor::Indexed,
        "splitd" => Floor::Direct,
        _ => return Err(format!("`{name}` is none of split, splitx, splitd")),
    };
    let number = |n: usize| args.get(n).and_then(|arg| arg.parse::<u64>().ok()).filter(|&n| n > 0);
    let (connections, rate, destinations) = number(1)
        .zip(number(2))
        .zip(number(3))
        .map(|((n, r), d)| (n, r, d))
        .ok_or("three numbers are needed")?;
    let lifecycles = floors::run(floor, connections, rate, destinations);
    print(&Outcome { lifecycles, most_live: (rate * 60).min(connections), known: "-".to_owned() });
    Ok(())
}

fn memory(args: &[String]) -> Result<(), String> {
    let number = |n: usize| args.get(n).and_then(|arg| arg.parse::<u64>().ok());
    let (from, to) = number(0).zip(number(1)).ok_or("two numbers are needed")?;
    let kind = args.get(2).map_or(Some(Kind::Plain), |name| Kind::named(name));
    let kind = kind.ok_or_else(|| format!("the kind is none of {}", Kind::names()))?;
    println!("{:.2} bytes each from {from} to {to}", gates::bytes_each(from, to, kind)?);
    Ok(())
}

/// Rows of the table: what they are called, and how this program is called for them. `{n}` is the number of connections,
/// which is more than fit in 60 s of TIME_WAIT, so that the tables are in their steady state.
const ROWS: &[(&str, &str)] = &[
    ("24,000 live", "job {n} 400 1"),
    ("10^6 live", "job {n} 16667 40"),
    ("10^6 live, tracking router", "job {n} 16667 40 ct"),
    ("10^6 live, timer wheel", "job {n} 16667 40 wheel"),
    ("10^6 live, Poisson arrivals", "job {n} 16667 40 poisson"),
    ("10^6 live, 1 % loss", "job {n} 16667 40 loss"),
    ("10^6 live, 25 % reordered", "job {n} 16667 40 reorder"),
    ("10^6 live, service times drawn", "job {n} 16667 40 drawn"),
    ("10^6 live, neither scripts nor memory", "job {n} 16667 40 no-memory"),
    ("10^6 live, plain binary heap", "job {n} 16667 40 heap"),
    ("floor split, 24,000", "floor split {n} 400 1"),
    ("floor split, 10^6", "floor split {n} 16667 40"),
    ("floor splitx, 10^6", "floor splitx {n} 16667 40"),
    ("floor splitd, 10^6", "floor splitd {n} 16667 40"),
];

/// Peers: the same for those that may be missing.
const PEERS: &[(&str, &str)] = &[
    ("smoltcp 0.14, 4,000 live (its TIME_WAIT is 10 s)", "smoltcp 20000 400"),
    ("the kernel of this machine, over veth, TIME_WAIT not waited out", "veth 40000"),
];

#[cfg(feature = "smoltcp")]
fn smoltcp(args: &[String]) -> Result<(), String> {
    let number = |n: usize| args.get(n).and_then(|arg| arg.parse::<u64>().ok()).filter(|&n| n > 0);
    let (connections, rate) = number(0).zip(number(1)).ok_or("two numbers are needed")?;
    let (lifecycles, most_live) = tests::smoltcp::run(connections, rate)?;
    print(&Outcome { lifecycles, most_live, known: "-".to_owned() });
    Ok(())
}

#[cfg(not(feature = "smoltcp"))]
fn smoltcp(_: &[String]) -> Result<(), String> {
    Err("not run: built without `--features smoltcp`".to_owned())
}

fn veth(args: &[String]) -> Result<(), String> {
    let number = args.first().and_then(|arg| arg.parse::<u64>().ok()).filter(|n| (1..=500_000).contains(n));
    let lifecycles = number.ok_or("a number of connections up to 500000 is needed")?;
    let cpu = tests::veth::run(lifecycles).map_err(|why| format!("not run: {why}"))?;
    print_for(&Outcome { lifecycles, most_live: lifecycles, known: "-".to_owned() }, cpu);
    Ok(())
}

/// An end of the job on the kernel, in its namespace.
fn end(of: fn(u64) -> std::io::Result<()>, args: &[String]) -> Result<(), String> {
    let connections = args.first().and_then(|arg| arg.parse().ok()).ok_or("a number is needed")?;
    of(connections).map_err(|why| why.to_string())
}

fn peers(args: &[String]) -> Result<(), String> {
    let connections: u64 = args.first().and_then(|arg| arg.parse().ok()).unwrap_or(3_000_000);
    let program = std::env::current_exe().map_err(|why| why.to_string())?;
    println!("| what | lifecycles | per CPU second | peak MB | live | in scripts; other steps recalled |");
    println!("| --- | ---: | ---: | ---: | ---: | --- |");
    for (name, call) in ROWS {
        let call = call.replace("{n}", &connections.to_string());
        let output = Command::new(&program).args(call.split(' ')).output().map_err(|why| why.to_string())?;
        if !output.status.success() {
            return Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        println!("| {name} | {} |", String::from_utf8_lossy(&output.stdout).trim());
    }
    for (name, call) in PEERS {
        let output = Command::new(&program).args(call.split(' ')).output().map_err(|why| why.to_string())?;
        let said = if output.status.success() { &output.stdout } else { &output.stderr };
        println!("| {name} | {} |", String::from_utf8_lossy(said).trim());
    }
    Ok(())
}

fn lives(args: &[String]) -> Result<(), String> {
    let lives: u64 = args.first().and_then(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let mut life = Life::default();
    for i in 0..lives {
        life.live(Time::ZERO + Span::from_secs(100).times(i));
    }
    if !life.is_over() {
        return Err("a life did not end".to_owned());
    }
    let cpu = usage::cpu_seconds().unwrap_or(f64::NAN);
    let each = |figure: f64| figure / lives as f64;
    println!("{lives} lives, {:.0} ns and {:.1} segments each", each(cpu * 1e9), each(life.segments as f64));
    Ok(())
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (mode, rest) = args.split_first().map_or(("", &[][..]), |(mode, rest)| (mode.as_str(), rest));
    let result = match mode {
        "job" => job(rest),
        "peers" => peers(rest),
        "floor" => floor(rest),
        "smoltcp" => smoltcp(rest),
        "veth" => veth(rest),
        "veth-server" => end(tests::veth::serve, rest),
        "veth-client" => end(tests::veth::ask, rest),
        "life" => lives(rest),
        "memory" => memory(rest),
        "gates" => gates::check(rest.first().is_some_and(|word| word == "update")),
        _ => Err("usage: bench job N RATE DESTINATIONS [KIND] [no-memory | heap] | peers [N] | \
                  floor split|splitx|splitd N RATE DESTINATIONS | smoltcp N RATE | veth N | life [LIVES] | \
                  memory FROM TO [plain | ct] | gates [update]"
            .to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}
