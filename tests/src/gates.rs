//! Gates: what a lifecycle costs in instructions and allocations, and a TIME_WAIT and a conntrack entry in bytes, against
//! the figures in `tests/gates.txt`. None of them depends on how busy the machine is.
//!
//! Instructions and calls of the allocator are counted by callgrind, which needs neither a counting allocator nor
//! `unsafe`: a run of 2N connections is taken from one of 3N, and what is left is the steady state. Bytes are the growth of
//! resident memory of a process of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sim_core::engine::Simulation;
use sim_core::time::{Span, Time};

use crate::job::{Job, Kind};
use crate::usage::resident;

/// Connections that are counted under callgrind, after twice as many that are not: at 400 a second, 24,000 TIME_WAITs live after 60 s, and
/// 48,000 tracked flows after 120 s.
const COUNTED: u64 = 30_000;

/// One line of the file.
#[derive(Clone, Debug, PartialEq)]
struct Gate {
    name: String,
    figure: f64,
    /// By how much the figure may be exceeded, percent.
    growth: f64,
}

fn parse(text: &str) -> Result<Vec<Gate>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number_of = |word: &str| word.parse::<f64>().ok().filter(|figure| *figure >= 0.0);
            match words[..] {
                [_, figure, growth] => number_of(figure).zip(number_of(growth)),
                _ => None,
            }
            .map(|(figure, growth)| Gate { name: words[0].to_owned(), figure, growth })
            .ok_or_else(|| format!("gates.txt:{}: expected `name figure percent`, got `{line}`", number + 1))
        })
        .collect()
}

/// Whether a figure passes. One that is zero may not grow at all.
fn passes(gate: &Gate, measured: f64) -> bool {
    measured <= gate.figure * (1.0 + gate.growth / 100.0)
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("gates.txt")
}

/// Measures everything and compares, or writes the file anew with the same allowances.
///
/// # Errors
/// The gates that do not hold, or what kept this from measuring.
pub fn check(update: bool) -> Result<(), String> {
    let text = fs::read_to_string(file()).map_err(|why| format!("{}: {why}", file().display()))?;
    let mut gates = parse(&text)?;
    let measured = measure()?;
    let mut failed = String::new();
    for gate in &mut gates {
        let figure =
            *measured.get(gate.name.as_str()).ok_or_else(|| format!("no gate is called {}", gate.name))?;
        println!("{:<36} {figure:>10.1}, committed {:.1} + {} %", gate.name, gate.figure, gate.growth);
        if update {
            gate.figure = figure;
        } else if !passes(gate, figure) {
            let _ = writeln!(
                failed,
                "{} is {figure:.1}, more than {:.1} + {} %",
                gate.name, gate.figure, gate.growth
            );
        }
    }
    if let Some(name) = measured.keys().find(|name| gates.iter().all(|gate| gate.name != **name)) {
        return Err(format!("gates.txt has no line for {name}"));
    }
    if update {
        let remarks = text.split_inclusive('\n').filter(|line| line.starts_with('#'));
        let mut text: String = remarks.collect();
        for gate in &gates {
            let _ = writeln!(text, "{:<36} {:>10.1} {:>4}", gate.name, gate.figure, gate.growth);
        }
        fs::write(file(), text).map_err(|why| why.to_string())?;
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("{failed}if that is meant: `bench gates update`, and say why in the commit"))
    }
}

fn measure() -> Result<BTreeMap<&'static str, f64>, String> {
    let plain = steady(Kind::Plain)?;
    let tracked = steady(Kind::Tracked)?;
    let bytes = |kind: &str| -> Result<f64, String> {
        let output =
            me()?.args(["memory", "1000000", "3000000", kind]).output().map_err(|why| why.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let figure = text.split_whitespace().next().and_then(|word| word.parse().ok());
        figure.ok_or_else(|| format!("bench memory: {text}{}", String::from_utf8_lossy(&output.stderr)))
    };
    let time_wait = bytes("plain")?;
    Ok(BTreeMap::from([
        ("instructions-a-lifecycle", plain.instructions),
        ("instructions-a-tracked-lifecycle", tracked.instructions),
        ("allocations-in-1000-lifecycles", plain.allocations * 1_000.0),
        ("allocations-in-1000-tracked", tracked.allocations * 1_000.0),
        ("bytes-a-time-wait", time_wait),
        ("bytes-a-conntrack-entry", bytes("ct")? - time_wait),
    ]))
}

fn me() -> Result<Command, String> {
    std::env::current_exe().map(Command::new).map_err(|why| why.to_string())
}

/// What callgrind counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counted {
    instructions: f64,
    allocations: f64,
}

/// The cost of one lifecycle once everything has grown to its size.
fn steady(kind: Kind) -> Result<Counted, String> {
    let (small, large) = (counted(2 * COUNTED, kind)?, counted(3 * COUNTED, kind)?);
    // What still grew in the smaller run may have grown less often in the larger one.
    let each = |small: f64, large: f64| (large - small).max(0.0) / COUNTED as f64;
    Ok(Counted {
        instructions: each(small.instructions, large.instructions),
        allocations: each(small.allocations, large.allocations),
    })
}

fn counted(connections: u64, kind: Kind) -> Result<Counted, String> {
    let program = std::env::current_exe().map_err(|why| why.to_string())?;
    let out = std::env::temp_dir().join(format!("callgrind.{}.{connections}", std::process::id()));
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["job", &connections.to_string(), "400", "2", kind.name()])
        .output()
        .map_err(|why| format!("valgrind: {why}; `apt-get install valgrind` gets it"))?;
    let profile = fs::read_to_string(&out).map_err(|why| format!("{}: {why}", out.display()));
    // It is of no more use, and a file that is left in the folder for such files does no harm.
    let _ = fs::remove_file(&out);
    if !status.status.success() {
        return Err(String::from_utf8_lossy(&status.stderr).into_owned());
    }
    profile_of(&profile?).ok_or_else(|| "callgrind wrote something that is not understood".to_owned())
}

/// Instructions in all, and calls of the allocator, from callgrind's profile: `cfn=(id) name` is followed by
/// `calls=count position`; a name is written once for its id.
fn profile_of(text: &str) -> Option<Counted> {
    const ALLOCATOR: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut callee, mut counted) = ("", Counted::default());
    for line in text.lines() {
        let name = line.strip_prefix("fn=").map(|name| (name, false));
        if let Some((name, called)) = name.or_else(|| line.strip_prefix("cfn=").map(|name| (name, true))) {
            let (id, name) = name.split_once(' ').unwrap_or((name, ""));
            if !name.is_empty() {
                names.insert(id, name);
            }
            if called {
                callee = names.get(id).copied().unwrap_or("");
            }
        } else if let Some(calls) = line.strip_prefix("calls=") {
            if ALLOCATOR.contains(&callee) {
                counted.allocations += calls.split(' ').next()?.parse::<f64>().ok()?;
            }
        } else if let Some(total) = line.strip_prefix("totals:") {
            counted.instructions = total.trim().parse().ok()?;
        }
    }
    (counted.instructions > 0.0).then_some(counted)
}

/// Growth of resident memory between two counts of live TIME_WAITs, bytes for each. `tracked`: and of conntrack entries,
/// of which there are as many.
///
/// # Errors
/// Counts that make no sense, and a system without `/proc`.
pub fn bytes_each(from: u64, to: u64, kind: Kind) -> Result<f64, String> {
    if from == 0 || from >= to {
        return Err(format!("the second number of TIME_WAITs must be greater than {from}"));
    }
    // Nothing expires before all are there.
    let rate = to.div_ceil(59);
    let job = Job { connections: to + rate, rate, destinations: rate.div_ceil(460), kind };
    let mut world = Simulation::new(&job.scenario()?);
    let mut grow = |live: u64| -> Result<u64, String> {
        let then = Time::ZERO
            + Span(u64::try_from(u128::from(live) * 1_000_000_000 / u128::from(rate)).unwrap_or(0));
        while world.now() < then && world.advance(1_000) {}
        resident().ok_or_else(|| "/proc does not say how much memory is resident".to_owned())
    };
    let (before, after) = (grow(from)?, grow(to)?);
    Ok((after as f64 - before as f64) / (to - from) as f64)
}

#[cfg(test)]
mod tests {
    use super::{Counted, Gate, parse, passes, profile_of};

    #[test]
    fn a_gate_is_a_name_a_figure_and_an_allowance() {
        let gate = Gate { name: "a".to_owned(), figure: 100.0, growth: 5.0 };
        assert_eq!(parse("# remark\na 100 5\n"), Ok(vec![gate.clone()]));
        assert!(parse("a 100\n").is_err_and(|why| why.contains("gates.txt:1")));
        assert!(passes(&gate, 105.0) && !passes(&gate, 105.1));
        assert!(!passes(&Gate { figure: 0.0, ..gate }, 0.1), "nothing is not allowed to grow");
    }

    #[test]
    fn calls_of_the_allocator_are_read_from_a_profile() {
        let text = "fn=(1) main\n0 5\ncfn=(2) malloc\ncalls=3 0\n0 9\ncfn=(3) free\ncalls=3 0\n\
                    fn=(4) grow\ncfn=(2)\ncalls=4 0\ntotals: 1000\n";
        assert_eq!(profile_of(text), Some(Counted { instructions: 1_000.0, allocations: 7.0 }));
        assert_eq!(profile_of("nothing"), None);
    }
}
