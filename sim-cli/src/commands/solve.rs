//! `timewait solve`.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::PoisonError;

use experiments::formula::{demand, tuples};
use experiments::solve::{Edge, Solution, search};
use experiments::sweep::Seeds;
use experiments::{Range, Run, Target, in_order, range};
use reports::solution::{Solved, answer, solve_json};
use reports::verdict::{Verdict, beside};
use scenarios::{Loaded, Patch};

use crate::args::SolveArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::judge;
use crate::load::{self, asked_scenario, quoted};
use crate::output;
use crate::progress::Progress;
use crate::set::Batch;

/// What is asked: a scenario, what of it varies, and its expectations.
struct Question {
    base: Run,
    target: Target,
    range: Range,
    until: Option<Patch>,
}

impl Question {
    /// The run at a value of the range.
    fn run(&self, step: u64, seed: Option<u64>) -> Run {
        let mut run = self.base.clone();
        run.patches.push(self.target.patch(&self.range.value(step).to_string()));
        run.patches.extend(self.until.clone());
        run.seed = seed.or(run.seed);
        run
    }

    /// How it went there; nothing if Ctrl-C came before the end.
    fn judged(&self, step: u64, seed: Option<u64>) -> Option<Judged> {
        if interrupt::wanted() {
            return None;
        }
        let run = self.run(step, seed);
        // Both ends have been loaded; a value between them that is refused counts as one that fails.
        let Ok(loaded) = run.load() else { return Some(Judged::default()) };
        let mut bound_first = None;
        let verdicts = judge::judged(&run, &loaded.scenario, &run.files, |run, _| {
            bound_first = run.summary.bound_first().map(|l| run.limit_name(l.limit));
        });
        Some(Judged { verdicts: verdicts?.unwrap_or_default(), bound_first })
    }
}

/// How a run went.
#[derive(Default)]
struct Judged {
    /// None if its value was refused.
    verdicts: Vec<Verdict>,
    /// What ran out first.
    bound_first: Option<String>,
}

impl Judged {
    /// Whether all expectations hold.
    fn holds(&self) -> bool {
        !self.verdicts.is_empty() && self.verdicts.iter().all(|v| v.passed)
    }
}

/// Finds the largest or smallest value at which all expectations hold.
pub(crate) fn solve(args: &SolveArgs) -> Result<Exit, Failure> {
    interrupt::listen();
    let (question, at_low) = question(args)?;
    let seeds = seeds(args)?;
    let batch = args.out.as_deref().map(|dir| Batch::new(dir, &["answer.txt", "solve.json"])).transpose()?;
    let (solutions, mut failures) = search_all(&question, &seeds, usize::from(args.jobs));
    let solutions: Vec<(u64, Solution)> =
        solutions.into_iter().map(|(seed, s)| (seed.unwrap_or(at_low.scenario.seed), s)).collect();
    let complete = solutions.len() == seeds.len() && solutions.iter().all(|(_, s)| s.complete);
    let edge = solutions.first().and_then(|(_, s)| match s.edge {
        Some(Edge::Largest { holds, fails } | Edge::Smallest { fails, holds }) => Some((holds, fails)),
        _ => None,
    });
    let beyond = edge.filter(|_| complete).and_then(|(_, fails)| failures.remove(&fails)).unwrap_or_default();
    let name = &question.target.name;
    let source = name.strip_prefix("traffic.").and_then(|rest| rest.strip_suffix(".rate"));
    let demand = edge.and_then(|(holds, fails)| {
        let at = |step: u64| Some(question.run(step, seeds[0]).load().ok()?.scenario);
        demand(name, &at(holds)?, &at(fails)?)
    });
    let asked = asked(args);
    let solved = Solved {
        title: &at_low.scenario.title,
        asked: &asked,
        target: &question.target,
        range: &question.range,
        solutions: &solutions,
        scenario: &at_low.scenario,
        beyond: &beyond.verdicts,
        bound_first: beyond.bound_first.as_deref(),
        tuples: source.and_then(|source| tuples(&at_low.scenario, source)),
        demand: demand.as_ref(),
    };
    let (text, json) = (answer(&solved), solve_json(&solved, &question.base.source.text));
    if args.json {
        output::out(&json)?;
    } else {
        output::answer(&text)?;
    }
    if let (true, Some(mut batch), Some(dir)) = (complete, batch, &args.out) {
        batch.write("answer.txt", text.as_bytes());
        batch.write("solve.json", json.as_bytes());
        batch.publish()?;
        output::note(&format!("written to {}", dir.join("").display()));
    }
    if complete {
        return Ok(Exit::Ok);
    }
    output::note("stopped: this is what was found by then");
    Ok(Exit::Interrupted)
}

/// The question, and the scenario at the lower end of the range.
fn question(args: &SolveArgs) -> Result<(Question, Loaded), Failure> {
    let (base, loaded, found) = load::gather(&args.scenario)?;
    let ranged = range(&args.vary, &loaded.scenario);
    let (target, range) = ranged.map_err(|why| Failure::Usage(format!("--vary: {why}")))?;
    let until = (!args.until.is_empty())
        .then(|| Patch::new("expect", format!("[{}]", args.until.join(", "))).of_flag("--until"));
    let mut question = Question { base, target, range, until };
    let mut ends = Vec::new();
    for step in [0, question.range.steps()] {
        let mut run = question.run(step, None);
        let loaded = run.gather(found.files()).map_err(|report| {
            let (name, value) = (&question.target.name, question.range.value(step));
            Failure::Scenario(format!("at {name}={value}:\n{report}"))
        })?;
        // What expectations need beside it has to load, too, and may need files of its own.
        for other in beside(&loaded.scenario) {
            judge::load(&mut run, &other, found.files()).map_err(Failure::Scenario)?;
        }
        question.base.files.0.extend(run.files.0);
        ends.push(loaded);
    }
    let at_low = ends.swap_remove(0);
    if at_low.scenario.expect.is_empty() {
        let said = "the scenario expects nothing; say what shall hold: --until 'never(\"failed\")'";
        return Err(Failure::Usage(said.to_owned()));
    }
    Ok((question, at_low))
}

fn seeds(args: &SolveArgs) -> Result<Vec<Option<u64>>, Failure> {
    let Some(text) = &args.seeds else { return Ok(vec![None]) };
    match Seeds::parse(text).map_err(|why| Failure::Usage(format!("--seeds: {why}")))? {
        Seeds::Own => Ok(vec![None]),
        Seeds::Listed(seeds) => Ok(seeds.into_iter().map(Some).collect()),
        Seeds::Until(_) => Err(Failure::Usage("--seeds: solve takes seeds as `1..20` or `1,5,9`".to_owned())),
    }
}

/// What was found for each seed that was searched.
type Found = Vec<(Option<u64>, Solution)>;

/// The edge for each seed: the first with several values at once; its edge is where the search for the others begins,
/// several of which go on at once. Also how the runs of the first went that failed.
fn search_all(question: &Question, seeds: &[Option<u64>], jobs: usize) -> (Found, BTreeMap<u64, Judged>) {
    let steps = question.range.steps();
    let usual = usual_tries(steps) + TRIES_OF_ANOTHER_SEED * (seeds.len() - 1);
    let progress = Mutex::new((0, Progress::new(std::io::stderr().is_terminal())));
    let failures = Mutex::new(BTreeMap::new());
    let one = |&seed: &Option<u64>, like: Option<Edge>, jobs: usize| {
        let holds = |step: u64| {
            let judged = question.judged(step, seed)?;
            let holds = judged.holds();
            if like.is_none() && !holds {
                failures.lock().unwrap_or_else(PoisonError::into_inner).insert(step, judged);
            }
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.0 += 1;
            let done = progress.0;
            progress.1.show(done, usual.max(done));
            Some(holds)
        };
        (seed, search(steps, like, jobs, holds))
    };
    let mut found = Vec::new();
    if let Some((first, others)) = seeds.split_first() {
        found.push(one(first, None, jobs));
        let like = found[0].1.edge.filter(|_| found[0].1.complete);
        // Without an edge the search is over the whole range again, and the first seed has no failure to tell of.
        let like = like.or(Some(Edge::Nowhere));
        let _: Option<()> = in_order(
            others,
            jobs,
            |seed| one(seed, like, 1),
            |solution| {
                found.push(solution);
                ControlFlow::Continue(())
            },
        );
    }
    (found, failures.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// So many values are usually tried where the edge of another seed is known: one step or two away from it.
const TRIES_OF_ANOTHER_SEED: usize = 4;

/// So many values are usually tried: both ends, two for each third, and those that show whether the answer is monotone.
fn usual_tries(steps: u64) -> usize {
    let thirds = std::iter::successors(Some(steps), |s| (*s > 1).then_some(s.div_ceil(3)));
    2 + 2 * (thirds.count() - 1) + 7
}

/// The command that asks this, without what changes no result.
fn asked(args: &SolveArgs) -> String {
    let mut words = asked_scenario("solve", &args.scenario);
    words.extend(["--vary".to_owned(), quoted(&args.vary)]);
    words.extend(args.until.iter().flat_map(|e| ["--until".to_owned(), quoted(e)]));
    words.extend(args.seeds.iter().flat_map(|s| ["--seeds".to_owned(), quoted(s)]));
    words.join(" ")
}
