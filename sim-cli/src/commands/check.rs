//! `timewait check`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use reports::Run;
use reports::files::{Case, junit};
use reports::verdict::{Verdict, verdicts};
use reports::words::counted;

use crate::args::CheckArgs;
use crate::exit::{Exit, Failure};
use crate::load::{self, Found};
use crate::{output, simulate};

/// Runs scenarios and judges them; prints a line for each expectation as soon as all before it are judged.
pub(crate) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let targets = targets(&args.scenarios)?;
    let mut cases = Vec::with_capacity(targets.len());
    judge_all(&targets, usize::from(args.jobs), |case| {
        let text = lines(&case, args.quiet);
        cases.push(case);
        output::out(&text)
    })?;
    if let Some(path) = &args.junit {
        output::file(path, junit(&cases).as_bytes())?;
    }
    output::out(&summary(&cases))?;
    Ok(verdict_of(&cases))
}

/// What the arguments stand for, in their order; a directory's files in the order of their paths.
fn targets(given: &[String]) -> Result<Vec<Found>, Failure> {
    if given.is_empty() {
        return Ok(scenarios::library().iter().copied().map(load::of_library).collect());
    }
    let mut targets = Vec::new();
    for name in given {
        let path = Path::new(name);
        if !path.is_dir() || scenarios::bundled(name).is_some() {
            targets.push(load::find(name)?);
            continue;
        }
        let mut files = Vec::new();
        ron_files(path, &mut files)?;
        if files.is_empty() {
            return Err(Failure::Usage(format!("there is no `.ron` file below `{name}`")));
        }
        files.sort();
        for file in files {
            targets.push(load::find(&file.display().to_string())?);
        }
    }
    Ok(targets)
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

/// Judges scenarios on some threads and hands the cases over in order. Ends early if nobody takes them.
fn judge_all(
    targets: &[Found],
    jobs: usize,
    mut each: impl FnMut(Case) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(targets.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(target) = targets.get(i) else { return };
                    if sender.send((i, judge(target))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // Whichever is ready first waits for those before it: the output does not depend on the threads.
        let mut ready: Vec<Option<Case>> = targets.iter().map(|_| None).collect();
        let mut shown = 0;
        for (i, case) in receiver {
            ready[i] = Some(case);
            while let Some(case) = ready.get_mut(shown).and_then(Option::take) {
                shown += 1;
                if let Err(failure) = each(case) {
                    next.store(targets.len(), Ordering::Relaxed);
                    return Err(failure);
                }
            }
        }
        Ok(())
    })
}

fn judge(target: &Found) -> Case {
    let outcome = target.load().map_err(|f| f.to_string()).map(|loaded| {
        let summary = simulate::quietly(&loaded.scenario);
        verdicts(Run::new(&loaded.scenario, &summary))
    });
    Case { name: target.name.clone(), file: target.source.name.clone(), outcome }
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
