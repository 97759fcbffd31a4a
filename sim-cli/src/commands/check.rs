//! `timewait check`.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use experiments::in_order;
use reports::Run;
use reports::files::{Case, junit};
use reports::verdict::{Verdict, verdicts};
use reports::words::counted;

use crate::args::CheckArgs;
use crate::exit::{Exit, Failure};
use crate::load::{self, Found};
use crate::output::{self, Single};
use crate::{interrupt, simulate};

/// A scenario to judge, or why it cannot even be read.
type Target = Result<Found, Unreadable>;

/// A file that was to be judged and cannot be read. The others are judged all the same.
struct Unreadable {
    name: String,
    why: String,
}

/// Runs scenarios and judges them; prints a line for each expectation as soon as all before it are judged.
pub(crate) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    interrupt::listen();
    let targets = targets(&args.scenarios)?;
    // A place that cannot be written is said before the work, not after it.
    let report = args.junit.as_deref().map(Single::new).transpose()?;
    let mut cases = Vec::with_capacity(targets.len());
    let ended = in_order(&targets, usize::from(args.jobs), judge, |judged| {
        let Some(case) = judged else { return ControlFlow::Break(Ok(())) };
        let text = lines(&case, args.quiet);
        cases.push(case);
        match output::out(&text) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => ControlFlow::Break(Err(failure)),
        }
    });
    ended.unwrap_or(Ok(()))?;
    output::out(&summary(&cases))?;
    if cases.len() < targets.len() {
        let unwritten = if args.junit.is_some() { "; no report was written" } else { "" };
        let (judged, all) = (cases.len(), targets.len());
        output::note(&format!("stopped: {judged} of {all} scenarios were judged{unwritten}"));
        return Ok(Exit::Interrupted);
    }
    if let Some(report) = report {
        report.publish(junit(&cases).as_bytes())?;
    }
    let unreadable = targets.iter().any(Result::is_err);
    Ok(if unreadable { Exit::Files } else { verdict_of(&cases) })
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
fn judge(target: &Target) -> Option<Case> {
    if interrupt::wanted() {
        return None;
    }
    let found = match target {
        Ok(found) => found,
        Err(Unreadable { name, why }) => {
            let (name, file) = (name.clone(), name.clone());
            return Some(Case { name, file, outcome: Err(why.clone()) });
        }
    };
    let outcome = match found.load() {
        Err(report) => Err(report.to_string()),
        Ok(loaded) => {
            let summary = simulate::quietly(&loaded.scenario)?;
            Ok(verdicts(Run::new(&loaded.scenario, &summary)))
        }
    };
    Some(Case { name: found.name.clone(), file: found.source.name.clone(), outcome })
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
