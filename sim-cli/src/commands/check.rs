//! `timewait check`.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use experiments::campaign::{Point, combinations};
use experiments::sweep::Seeds;
use experiments::{Axis, Run, in_order};
use reports::answer;
use reports::files::{Case, Told, check_json, junit};
use reports::html::library;
use reports::plot::{self, Style, View};
use reports::verdict::Verdict;
use reports::words::counted;
use scenarios::Patch;
use sim_core::scenario::Scenario;

use super::seen;
use crate::args::CheckArgs;
use crate::clock::Stopwatch;
use crate::exit::{Exit, Failure};
use crate::load::{self, Found};
use crate::output::{self, Single};
use crate::{interrupt, judge};

/// A scenario to judge, or why it cannot even be read.
type Target = Result<Found, Unreadable>;

/// A file that was to be judged and cannot be read. The others are judged all the same.
struct Unreadable {
    name: String,
    why: String,
}

/// One thing to judge: a scenario with one choice of values and seed.
struct Piece<'a> {
    name: String,
    file: String,
    /// What to run and where its files are, or why there is nothing to run.
    run: Result<(Run, &'a Found), String>,
}

/// Runs scenarios and judges them; prints a line for each expectation as soon as all before it are judged.
pub(crate) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    interrupt::listen();
    let targets = targets(&args.scenarios)?;
    let pieces = pieces(args, &targets)?;
    // A place that cannot be written is said before the work, not after it.
    let report = args.junit.as_deref().map(Single::new).transpose()?;
    let mut cases = Vec::with_capacity(pieces.len());
    let mut failed = false;
    let page = args.html.as_deref().map(Single::new).transpose()?;
    let judged = |piece: &Piece<'_>| judge(piece, args.strict, args.html.is_some());
    let ended = in_order(&pieces, usize::from(args.jobs), judged, |judged| {
        let Some(case) = judged else { return ControlFlow::Break(Ok(())) };
        let text = if args.json { String::new() } else { lines(&case, args.quiet) };
        cases.push(case);
        failed = args.fail_fast && verdict_of(&cases) != Exit::Ok;
        match output::answer(&text) {
            Ok(()) if failed => ControlFlow::Break(Ok(())),
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => ControlFlow::Break(Err(failure)),
        }
    });
    ended.unwrap_or(Ok(()))?;
    if args.json {
        output::out(&check_json(&cases))?;
    } else {
        output::answer(&summary(&cases))?;
    }
    if args.durations {
        output::note(&durations(&cases));
    }
    if cases.len() < pieces.len() && !failed {
        let asked = args.junit.is_some() || args.html.is_some();
        let unwritten = if asked { "; no report was written" } else { "" };
        let (judged, all) = (cases.len(), pieces.len());
        output::note(&format!("stopped: {judged} of {all} scenarios were judged{unwritten}"));
        return Ok(Exit::Interrupted);
    }
    if cases.len() < pieces.len() {
        let (judged, all) = (cases.len(), pieces.len());
        output::note(&format!("stopped at the first failure: {judged} of {all} scenarios were judged"));
    }
    if let Some(report) = report {
        report.publish(junit(&cases).as_bytes())?;
    }
    if let Some(page) = page {
        page.publish(library(&cases).as_bytes())?;
    }
    let unreadable = targets.iter().any(Result::is_err);
    Ok(if unreadable { Exit::Files } else { verdict_of(&cases) })
}

/// Every scenario with every choice of values and every seed.
fn pieces<'a>(args: &CheckArgs, targets: &'a [Target]) -> Result<Vec<Piece<'a>>, Failure> {
    let patches = args.set.iter().map(|text| Patch::parse(text)).collect::<Result<Vec<_>, _>>();
    let patches = patches.map_err(|e| Failure::Usage(format!("--set: {e}")))?;
    let seeds = match args.seeds.as_deref().map_or(Ok(Seeds::Own), Seeds::parse) {
        Ok(Seeds::Own) => vec![args.seed],
        Ok(Seeds::Listed(seeds)) => seeds.into_iter().map(Some).collect(),
        Ok(Seeds::Until(_)) => {
            return Err(Failure::Usage("--seeds: check takes seeds as `1..20` or `1,5,9`".to_owned()));
        }
        Err(why) => return Err(Failure::Usage(format!("--seeds: {why}"))),
    };
    let mut pieces = Vec::new();
    for target in targets {
        let name = target.as_ref().map_or_else(|unreadable| &unreadable.name, |found| &found.name);
        if args.filter.as_ref().is_some_and(|part| !name.contains(part)) {
            continue;
        }
        let found = match target {
            Ok(found) => found,
            Err(Unreadable { name, why }) => {
                pieces.push(Piece { name: name.clone(), file: name.clone(), run: Err(why.clone()) });
                continue;
            }
        };
        let file = found.source.name.clone();
        let mut base = Run { patches: patches.clone(), ..Run::new(found.source.clone()) };
        let choices = if args.matrix.is_empty() {
            vec![Vec::new()]
        } else {
            match base.gather(found.files()) {
                Err(report) => {
                    pieces.push(Piece { name: found.name.clone(), file, run: Err(report.to_string()) });
                    continue;
                }
                Ok(loaded) => choices(&args.matrix, &loaded.scenario)?,
            }
        };
        for choice in choices {
            for &seed in &seeds {
                let mut run = base.clone();
                run.seed = seed;
                run.patches.extend(choice.iter().cloned());
                let mut label: Vec<String> = choice.iter().map(ToString::to_string).collect();
                label.extend(args.seeds.iter().filter_map(|_| seed.map(|seed| format!("seed {seed}"))));
                let label = if label.is_empty() { String::new() } else { format!(" [{}]", label.join(", ")) };
                let name = format!("{}{label}", found.name);
                pieces.push(Piece { name, file: file.clone(), run: Ok((run, found)) });
            }
        }
    }
    if pieces.is_empty() {
        return Err(Failure::Usage("no scenario is left to judge".to_owned()));
    }
    Ok(pieces)
}

/// All combinations of the values of a matrix.
fn choices(matrix: &[String], scenario: &Scenario) -> Result<Vec<Vec<Patch>>, Failure> {
    let axes = matrix.iter().map(|text| Axis::parse(text, scenario)).collect::<Result<Vec<_>, _>>();
    let axes = axes.map_err(|why| Failure::Usage(format!("--matrix: {why}")))?;
    let patches = |point: &Point| {
        axes.iter().zip(&point.choice).map(|(axis, &i)| axis.target.patch(&axis.values[i].text)).collect()
    };
    Ok(combinations(&axes).iter().map(patches).collect())
}

/// How long each took, the slowest first; those of more than a second are marked.
fn durations(cases: &[Case]) -> String {
    const SLOW: Duration = Duration::from_secs(1);
    let mut took: Vec<(Duration, &str)> =
        cases.iter().filter_map(|c| c.took.map(|t| (t, c.name.as_str()))).collect();
    took.sort_by_key(|&(took, _)| core::cmp::Reverse(took));
    let line = |(took, name): &(Duration, &str)| {
        let mark = if *took >= SLOW { "  slow" } else { "" };
        format!("{:>9.3} s  {name}{mark}", took.as_secs_f64())
    };
    took.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What the arguments stand for, in their order; a directory's files in the order of their paths.
fn targets(given: &[String]) -> Result<Vec<Target>, Failure> {
    if given.is_empty() {
        return Ok(scenarios::library().iter().copied().map(load::of_library).map(Ok).collect());
    }
    let mut targets = Vec::new();
    for name in given {
        let path = Path::new(name);
        if !path.is_dir() || scenarios::bundled(name).is_some() {
            targets.push(target(name)?);
            continue;
        }
        let mut files = Vec::new();
        ron_files(path, &mut files)?;
        if files.is_empty() {
            return Err(Failure::Usage(format!("there is no `.ron` file below `{name}`")));
        }
        files.sort();
        for file in files {
            targets.push(target(&file.display().to_string())?);
        }
    }
    Ok(targets)
}

/// A name that stands for nothing is a slip on the command line; a file that cannot be read is one case of many.
fn target(name: &str) -> Result<Target, Failure> {
    match load::find(name) {
        Err(Failure::Files(why)) => Ok(Err(Unreadable { name: name.to_owned(), why })),
        found => found.map(Ok),
    }
}

fn ron_files(dir: &Path, out: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |e: &std::io::Error| Failure::file("read the directory", dir, e);
    for entry in fs::read_dir(dir).map_err(|e| failed(&e))? {
        let path = entry.map_err(|e| failed(&e))?.path();
        if path.is_dir() {
            ron_files(&path, out)?;
        } else if path.extension().is_some_and(|e| e == "ron") {
            out.push(path);
        }
    }
    Ok(())
}

/// Runs one scenario and judges it; nothing if Ctrl-C came before its end.
fn judge(piece: &Piece<'_>, strict: bool, looked_at: bool) -> Option<Case> {
    if interrupt::wanted() {
        return None;
    }
    let watch = Stopwatch::start();
    let (name, file) = (piece.name.clone(), piece.file.clone());
    let (mut run, found) = match &piece.run {
        Ok((run, found)) => (run.clone(), *found),
        Err(why) => return Some(Case { name, file, outcome: Err(why.clone()), took: None, told: None }),
    };
    let mut told = None;
    let outcome = match run.gather(found.files()) {
        Err(report) => Err(report.to_string()),
        Ok(loaded) if strict && loaded.scenario.expect.is_empty() => {
            Err("it expects nothing, and --strict was asked for".to_owned())
        }
        Ok(loaded) => judge::judged(&run, &loaded.scenario, found.files(), |run, verdicts| {
            told = looked_at.then(|| tell(run, verdicts));
        })?,
    };
    Some(Case { name, file, outcome, took: Some(watch.elapsed()), told })
}

/// What a page tells of a scenario: with a picture if something failed.
fn tell(run: reports::Run<'_>, verdicts: &[Verdict]) -> Told {
    let failed = verdicts.iter().any(|v| !v.passed);
    let picture = failed.then(|| {
        let ladder = seen::seen(run, None).map(|(_, ladder)| ladder);
        plot::draw(run, View::Overview, ladder.as_ref(), Style { width: 900, ..Style::default() })
    });
    Told {
        title: run.scenario.title.clone(),
        teaches: run.scenario.teaches.clone(),
        headline: answer::headline(run),
        picture: picture.flatten().map(|drawn| drawn.svg()),
    }
}

/// A line for each expectation; more for what failed.
fn lines(case: &Case, quiet: bool) -> String {
    let name = &case.name;
    match &case.outcome {
        Err(findings) => {
            let indented: Vec<_> = findings.trim_end().lines().map(|l| format!("      {l}")).collect();
            format!("BAD   {name}\n{}\n", indented.join("\n"))
        }
        Ok(verdicts) if verdicts.is_empty() && !quiet => format!("none  {name}: expects nothing\n"),
        Ok(verdicts) => verdicts.iter().filter(|v| !(quiet && v.passed)).map(|v| line(name, v)).collect(),
    }
}

fn line(name: &str, v: &Verdict) -> String {
    if v.passed {
        format!("ok    {name}:{} {} ({})\n", v.line, v.text, v.got)
    } else {
        format!(
            "FAIL  {name}:{} {}\n      expected {}\n      got      {}\n",
            v.line, v.text, v.expected, v.got
        )
    }
}

fn failures(cases: &[Case]) -> (usize, usize, usize) {
    let judged = || cases.iter().filter_map(|c| c.outcome.as_ref().ok()).flatten();
    let bad = cases.iter().filter(|c| c.outcome.is_err()).count();
    (judged().count(), judged().filter(|v| !v.passed).count(), bad)
}

fn summary(cases: &[Case]) -> String {
    let (judged, failed, bad) = failures(cases);
    let scenarios = counted(cases.len() as u64, "scenario", "scenarios");
    let expectations = counted(judged as u64, "expectation", "expectations");
    let failed = match failed {
        0 => "none failed".to_owned(),
        n => format!("{n} failed"),
    };
    let bad = match bad {
        0 => String::new(),
        1 => "; 1 scenario does not load".to_owned(),
        n => format!("; {n} scenarios do not load"),
    };
    format!("{scenarios}, {expectations}: {failed}{bad}\n")
}

fn verdict_of(cases: &[Case]) -> Exit {
    match failures(cases) {
        (_, _, bad) if bad > 0 => Exit::Usage,
        (_, failed, _) if failed > 0 => Exit::ExpectationFailed,
        _ => Exit::Ok,
    }
}
