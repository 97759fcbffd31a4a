//! The answer of `timewait solve`: the edge, why it is there, how sure it is, and what arithmetic says.

use experiments::formula::{Demand, Held, Tuples};
use experiments::solve::{Edge, Solution};
use experiments::{Estimate, Range, Target, share_interval};
use serde::Serialize;
use sim_core::scenario::{Check, Outcome, Scenario};
use sim_core::time::Time;

use crate::verdict::{Verdict, erlang_b};
use crate::words::{count, counted, decimal};

/// What was asked and found.
#[derive(Clone, Copy, Debug)]
pub struct Solved<'a> {
    /// The title of the scenario.
    pub title: &'a str,
    /// The command that asks this.
    pub asked: &'a str,
    /// What varied.
    pub target: &'a Target,
    /// Over which values.
    pub range: &'a Range,
    /// For each seed what was found.
    pub solutions: &'a [(u64, Solution)],
    /// The scenario at the lower end of the range.
    pub scenario: &'a Scenario,
    /// What failed just beyond the edge, with the first seed.
    pub beyond: &'a [Verdict],
    /// The limit that refused first there, in words.
    pub bound_first: Option<&'a str>,
    /// The tuples whose number bounds the rate, if arithmetic applies.
    pub tuples: Option<Tuples>,
    /// What is needed of what varies, if arithmetic knows it.
    pub demand: Option<&'a Demand>,
}

/// The whole answer. Of a search that was stopped it speaks of the seeds that came to their end, or of the first.
pub fn answer(solved: &Solved<'_>) -> String {
    let mut ended: Vec<_> = solved.solutions.iter().filter(|(_, s)| s.complete).cloned().collect();
    if ended.is_empty() {
        ended.extend(solved.solutions.first().cloned());
    }
    whole(&Solved { solutions: &ended, ..*solved })
}

fn whole(solved: &Solved<'_>) -> String {
    let mut lines = vec![solved.title.to_owned(), String::new()];
    lines.push(sentence(solved));
    lines.extend(beyond(solved));
    lines.push(String::new());
    lines.push(sureness(solved));
    lines.extend(astray(solved));
    lines.extend(arithmetic(solved));
    lines.push(String::new());
    lines.push(solved.asked.to_owned());
    let texts: Vec<_> = solved.scenario.expect.iter().map(|e| e.text.as_str()).collect();
    lines.push(format!("held to: {}; timewait {}", texts.join(", "), env!("CARGO_PKG_VERSION")));
    lines.join("\n") + "\n"
}

/// The value at which it still holds, for each seed that has an edge.
fn holding(solved: &Solved<'_>) -> Vec<u64> {
    let of = |s: &Solution| match s.edge {
        Some(Edge::Largest { holds, .. } | Edge::Smallest { holds, .. }) => Some(holds),
        _ => None,
    };
    solved.solutions.iter().filter_map(|(_, s)| of(s)).collect()
}

fn sentence(solved: &Solved<'_>) -> String {
    let (name, range) = (solved.target.name.as_str(), solved.range);
    let shown = |step: u64| solved.target.whole(&range.value(step).to_string());
    let (low, high) = (shown(0), shown(range.steps()));
    let holding = holding(solved);
    let edges: Vec<_> = solved.solutions.iter().filter_map(|(_, s)| s.edge).collect();
    if holding.is_empty() {
        let every = |edge| edges.iter().all(|e| *e == edge);
        return match edges.as_slice() {
            [] => "Stopped before anything was found.".to_owned(),
            _ if every(Edge::Everywhere) => {
                format!("{name}: all hold from {low} to {high}; widen the range to find the edge.")
            }
            _ if every(Edge::Nowhere) => format!("{name}: nowhere from {low} to {high} do all hold."),
            _ => format!("{name}: all hold from {low} to {high} with some seeds, and nowhere with others."),
        };
    }
    let largest = edges.iter().any(|e| matches!(e, Edge::Largest { .. }));
    let smallest = edges.iter().any(|e| matches!(e, Edge::Smallest { .. }));
    if holding.len() < solved.solutions.len() || (largest && smallest) {
        return format!(
            "{name}: the seeds do not agree where from {low} to {high} all hold; widen the range or lengthen the run."
        );
    }
    let word = if largest { "largest" } else { "smallest" };
    if let [
        (_, Solution { edge: Some(Edge::Largest { holds, fails } | Edge::Smallest { fails, holds }), .. }),
    ] = solved.solutions
    {
        let near = if holds.abs_diff(*fails) == 1 { "" } else { ", as far as was searched" };
        return format!(
            "{name}: {} is the {word} at which all hold; {} fails{near}.",
            shown(*holds),
            shown(*fails)
        );
    }
    let safe = if largest { holding.iter().min() } else { holding.iter().max() };
    let numbers: Vec<f64> = holding.iter().map(|&h| range.value(h).number()).collect();
    let unit = range.value(0).unit().to_owned();
    let estimate = Estimate::of(&numbers);
    let mean = estimate.map(|e| {
        let half = e.half_width.unwrap_or(0.0);
        format!("{}{unit} ± {}{unit}", decimal(e.mean, 3), decimal(half, 3))
    });
    format!(
        "{name}: {} is the {word} at which all hold with every seed.\nThe mean of the seeds is {} (95% interval), from {} to {}.",
        safe.map_or_else(String::new, |&s| shown(s)),
        mean.unwrap_or_default(),
        shown(*holding.iter().min().unwrap_or(&0)),
        shown(*holding.iter().max().unwrap_or(&0)),
    )
}

/// What fails next to the edge.
fn beyond(solved: &Solved<'_>) -> Vec<String> {
    let failed = solved.beyond.iter().filter(|v| !v.passed);
    let mut lines: Vec<_> =
        failed.map(|v| format!("  beyond it {}: expected {}, got {}", v.text, v.expected, v.got)).collect();
    if !lines.is_empty() {
        lines.push(format!("  beyond it runs out first: {}", solved.bound_first.unwrap_or("nothing")));
    }
    lines
}

fn sureness(solved: &Solved<'_>) -> String {
    let runs: usize = solved.solutions.iter().map(|(_, s)| s.tried.len()).sum();
    let runs = counted(runs as u64, "run", "runs");
    match solved.solutions {
        [(seed, _)] => {
            format!("{runs}, seed {seed} alone; with chance in the scenario, --seeds says how sure this is.")
        }
        several => {
            let n = several.len();
            let least = share_interval(n, n).0 * 100.0;
            format!(
                "{runs}, {n} seeds: with another seed the chance to hold there, too, is at least {}% (95% confidence).",
                decimal(least, 0)
            )
        }
    }
}

fn astray(solved: &Solved<'_>) -> Option<String> {
    let mut wrong: Vec<u64> = solved.solutions.iter().flat_map(|(_, s)| s.astray()).collect();
    wrong.sort_unstable();
    wrong.dedup();
    if wrong.is_empty() {
        let steady = solved.solutions.iter().all(|(_, s)| s.complete) && !holding(solved).is_empty();
        return steady.then(|| {
            "Among the values tried the answer is monotone: on one side all hold, on the other none."
                .to_owned()
        });
    }
    let values: Vec<_> = wrong.iter().take(8).map(|&w| solved.range.value(w).to_string()).collect();
    Some(format!(
        "Not monotone: it is the other way round at {}. The edge found is the lowest among them.",
        values.join(", ")
    ))
}

/// The share of failed attempts that is allowed, if that is all that is asked, and from when on it is counted.
fn allowed_loss(scenario: &Scenario) -> Option<(f64, Time)> {
    match scenario.expect.as_slice() {
        [one] => match &one.check {
            Check::Share { outcome: Outcome::Failed, over, band, .. } => {
                Some((band.high as f64 / 1e6, over.from))
            }
            _ => None,
        },
        _ => None,
    }
}

/// What the closed formula says, and why a run may differ.
fn arithmetic(solved: &Solved<'_>) -> Vec<String> {
    let Some(tuples) = solved.tuples else { return solved.demand.map(needed).into_iter().collect() };
    let rate = |r: f64| format!("{}/s", decimal(r, if r < 10.0 { 4 } else { 1 }));
    let late = if tuples.late_s > 0.0 {
        format!(" and up to {} s more, for the timer wheel is late", decimal(tuples.late_s, 2))
    } else {
        String::new()
    };
    let held = format!("{} tuples held for {} s{late}", count(tuples.count), decimal(tuples.hold_s, 3));
    let duration = solved.scenario.duration.0 as f64 / 1e9;
    if duration <= tuples.hold_s {
        let drained = rate(tuples.count as f64 / duration);
        let whole = rate(tuples.rate());
        return vec![format!(
            "By arithmetic {drained}: the run ends before any of {held} comes back; a longer one would find {whole}."
        )];
    }
    match (tuples.random, allowed_loss(solved.scenario)) {
        (false, _) => vec![format!(
            "By arithmetic {}: {held}, and a little longer while the connection lives.",
            rate(tuples.rate())
        )],
        (true, Some((share, from))) => {
            let mut lines = vec![format!(
                "By Erlang's formula {} lose {}%: {}.",
                rate(tuples.rate_with_loss(share, erlang_b)),
                decimal(share * 100.0, 4),
                held
            )];
            if (from.0 as f64) < (tuples.hold_s + tuples.late_s) * 1e9 {
                lines.push(
                    "The run begins with all of them free, so fewer fail in it than the formula says."
                        .to_owned(),
                );
            }
            lines
        }
        (true, None) => vec![format!(
            "By arithmetic {} on the average: {held}. But arrivals are random, and crowds fail before that: by Erlang's formula 1 in 1,000 at {}.",
            rate(tuples.rate()),
            rate(tuples.rate_with_loss(0.001, erlang_b))
        )],
    }
}

/// What connections need of what varies.
fn needed(demand: &Demand) -> String {
    let Demand { rate, hold_s, needed, random, held } = demand;
    let mean = if *random { " on the average" } else { "" };
    let each = format!("{}/s held for {} s", decimal(*rate, 1), decimal(*hold_s, 3));
    let needed = count(needed.ceil() as u64);
    match held {
        Held::Tuples([there, short]) => format!(
            "By arithmetic {each} need {needed} tuples{mean}: there are {} where all hold, and {} beyond it.",
            count(*there),
            count(*short)
        ),
        Held::Entries => format!(
            "By arithmetic {each} need {needed} entries{mean}, and some more: an entry that is over counts until it is collected."
        ),
    }
}

/// Name and version of the format; the number rises when a field changes its meaning or goes.
pub const FORMAT: &str = "timewait-solution/1";

#[derive(Serialize)]
struct WholeJson<'a> {
    format: &'static str,
    timewait: &'static str,
    asked: &'a str,
    title: &'a str,
    scenario: &'a str,
    path: &'a str,
    low: String,
    high: String,
    held_to: Vec<&'a str>,
    complete: bool,
    solutions: Vec<SolutionJson>,
    beyond: Vec<BeyondJson<'a>>,
    bound_first: Option<&'a str>,
    formula: Option<FormulaJson>,
}

#[derive(Serialize)]
struct SolutionJson {
    seed: u64,
    complete: bool,
    edge: Option<&'static str>,
    holds: Option<String>,
    fails: Option<String>,
    astray: Vec<String>,
    tried: Vec<TriedJson>,
}

#[derive(Serialize)]
struct TriedJson {
    value: String,
    holds: bool,
}

#[derive(Serialize)]
struct BeyondJson<'a> {
    text: &'a str,
    expected: &'a str,
    got: &'a str,
}

#[derive(Serialize)]
struct FormulaJson {
    tuples: u64,
    hold_s: f64,
    late_s: f64,
    random: bool,
    rate: f64,
}

/// What was asked and found as JSON text. `scenario` is the scenario's text.
pub fn solve_json(solved: &Solved<'_>, scenario: &str) -> String {
    let shown = |step: u64| solved.range.value(step).to_string();
    let one = |(seed, s): &(u64, Solution)| {
        let (edge, holds, fails) = match s.edge {
            Some(Edge::Largest { holds, fails }) => (Some("largest"), Some(holds), Some(fails)),
            Some(Edge::Smallest { fails, holds }) => (Some("smallest"), Some(holds), Some(fails)),
            Some(Edge::Everywhere) => (Some("everywhere"), None, None),
            Some(Edge::Nowhere) => (Some("nowhere"), None, None),
            None => (None, None, None),
        };
        SolutionJson {
            seed: *seed,
            complete: s.complete,
            edge,
            holds: holds.map(shown),
            fails: fails.map(shown),
            astray: s.astray().into_iter().map(shown).collect(),
            tried: s.tried.iter().map(|(&at, &holds)| TriedJson { value: shown(at), holds }).collect(),
        }
    };
    let failed = solved.beyond.iter().filter(|v| !v.passed);
    let whole = WholeJson {
        format: FORMAT,
        timewait: env!("CARGO_PKG_VERSION"),
        asked: solved.asked,
        title: solved.title,
        scenario,
        path: &solved.target.name,
        low: shown(0),
        high: shown(solved.range.steps()),
        held_to: solved.scenario.expect.iter().map(|e| e.text.as_str()).collect(),
        complete: solved.solutions.iter().all(|(_, s)| s.complete),
        solutions: solved.solutions.iter().map(one).collect(),
        beyond: failed.map(|v| BeyondJson { text: &v.text, expected: &v.expected, got: &v.got }).collect(),
        bound_first: solved.bound_first,
        formula: solved.tuples.map(|t| FormulaJson {
            tuples: t.count,
            hold_s: t.hold_s,
            late_s: t.late_s,
            random: t.random,
            rate: t.rate(),
        }),
    };
    let mut text = serde_json::to_string_pretty(&whole).expect("plain data always serialises");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solution(holds: u64, complete: bool) -> Solution {
        let edge = Some(Edge::Largest { holds, fails: if complete { holds + 1 } else { holds + 50 } });
        Solution { edge, tried: [(0, true), (900, false)].into_iter().collect(), complete }
    }

    fn said(solutions: &[(u64, Solution)]) -> String {
        let run = experiments::Run::bundled(*scenarios::bundled("ports-run-out").expect("it is bundled"));
        let scenario = run.load().expect("it loads").scenario;
        let range = Range::parse("100/s..1000/s").expect("a range");
        let target = Target::new("rate", &scenario).expect("a path");
        let solved = Solved {
            title: "title",
            asked: "asked",
            target: &target,
            range: &range,
            solutions,
            scenario: &scenario,
            beyond: &[],
            bound_first: None,
            tuples: None,
            demand: None,
        };
        answer(&solved).lines().skip(2).take_while(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn one_seed_has_an_edge_and_several_an_interval() {
        assert_eq!(
            said(&[(1, solution(370, true))]),
            "rate: 470/s is the largest at which all hold; 471/s fails."
        );
        let several = said(&[(1, solution(370, true)), (2, solution(374, true)), (3, solution(372, true))]);
        assert!(
            several.starts_with("rate: 470/s is the largest at which all hold with every seed.\n"),
            "{several}"
        );
        assert!(several.ends_with("is 472/s ± 4.969/s (95% interval), from 470/s to 474/s."), "{several}");
    }

    #[test]
    fn a_search_that_was_stopped_says_what_it_knows() {
        let first = said(&[(1, solution(370, false)), (2, solution(0, false))]);
        assert_eq!(
            first,
            "rate: 470/s is the largest at which all hold; 520/s fails, as far as was searched."
        );
        let ended = said(&[(1, solution(370, false)), (2, solution(374, true))]);
        assert_eq!(ended, "rate: 474/s is the largest at which all hold; 475/s fails.");
        assert_eq!(said(&[]), "Stopped before anything was found.");
    }
}
