//! `timewait sweep`.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use experiments::campaign::{Campaign, Constraint, Point, checks, combinations, is_whole, measuring};
use experiments::record::{Reading, RunKey};
use experiments::sweep::{Seeds, Swept, Task, sweep as sweep_all, tasks};
use experiments::{Axis, Run, in_order};
use reports::plot;
use reports::sweeps::{self, Sweep};
use reports::verdict::{Unit, number};
use scenarios::Loaded;
use sim_core::scenario::Scenario;

use crate::args::SweepArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::keeper::{self, Keeper, NAME};
use crate::load::{self, asked_scenario, quoted};
use crate::output;
use crate::progress::Progress;
use crate::set::Batch;
use crate::terminal;

/// What is measured if nothing is asked for.
const USUAL: [&str; 3] =
    ["share(\"connected\")", "share(\"failed\")", "latency(\"connect\", quantile(\"99%\"))"];

/// Runs a scenario at many points and prints a table.
pub(crate) fn sweep(args: &SweepArgs) -> Result<Exit, Failure> {
    interrupt::listen();
    let (campaign, loaded, units) = campaign(args)?;
    let seeds = args.seeds.as_deref().map_or(Ok(Seeds::Own), Seeds::parse);
    let seeds = seeds.map_err(|why| Failure::Usage(format!("--seeds: {why}")))?;
    if args.plan {
        return plan(&campaign, &seeds);
    }
    let names = ["points.csv", "sweep.svg", "sweep.png", "sweep.json"];
    let keeper = args.out.as_deref().map(|dir| keeper(args, dir, &campaign, &seeds)).transpose()?;
    if let (Some(part), Some(keeper)) = (args.part, &keeper) {
        return compute_part(&campaign, &seeds, usize::from(args.jobs), keeper, part);
    }
    let batch = args.out.as_deref().map(|dir| Batch::new(dir, &names)).transpose()?;
    let swept = compute(&campaign, &seeds, usize::from(args.jobs), keeper.as_ref())?;
    let title = &loaded.scenario.title;
    let result = Sweep {
        name: &args.scenario.scenario,
        asked: &asked(args),
        title,
        campaign: &campaign,
        seeds: &seeds,
        units: &units,
        swept: &swept,
    };
    if args.json {
        output::out(&sweeps::sweep_json(&result))?;
    } else {
        output::answer(&sweeps::answer_within(&result, terminal::columns()))?;
    }
    if !swept.complete {
        let kept = if args.out.is_some() {
            "the same command goes on from here"
        } else {
            "with --out it could go on"
        };
        output::note(&format!("stopped: this is what there is; {kept}"));
        return Ok(Exit::Interrupted);
    }
    if let (Some(batch), Some(keeper), Some(dir)) = (batch, keeper, &args.out) {
        write_files(batch, &keeper, &result, dir)?;
    }
    Ok(Exit::Ok)
}

/// The command that asks this, without what changes no result.
fn asked(args: &SweepArgs) -> String {
    let mut words = asked_scenario("sweep", &args.scenario);
    let design = args.design.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    let seeds = args.seeds.iter().cloned().collect::<Vec<_>>();
    for (flag, values) in [
        ("--vary", &args.vary),
        ("--where", &args.only),
        ("--design", &design),
        ("--seeds", &seeds),
        ("--measure", &args.measure),
    ] {
        words.extend(values.iter().flat_map(|value| [flag.to_owned(), quoted(value)]));
    }
    words.join(" ")
}

/// What is asked, each part of it checked at every point.
fn campaign(args: &SweepArgs) -> Result<(Campaign, Loaded, Vec<Unit>), Failure> {
    let (mut base, loaded, found) = load::gather(&args.scenario)?;
    let usage = |flag: &str, why: String| Failure::Usage(format!("{flag}: {why}"));
    let (axes, mut points) = if let Some(path) = &args.design {
        design(path, &loaded.scenario)?
    } else {
        let axes = args.vary.iter().map(|text| Axis::parse(text, &loaded.scenario));
        let axes = axes.collect::<Result<Vec<_>, _>>().map_err(|why| usage("--vary", why))?;
        (axes.clone(), combinations(&axes))
    };
    for text in &args.only {
        let constraint = Constraint::parse(text, &axes).map_err(|why| usage("--where", why))?;
        points.retain(|point| constraint.holds(&axes, point) == Ok(true));
    }
    if points.is_empty() {
        return Err(Failure::Usage("no point is left to run".to_owned()));
    }
    let measures =
        if args.measure.is_empty() { USUAL.map(str::to_owned).to_vec() } else { args.measure.clone() };
    // Not understood anywhere, it is no matter of a point.
    let mut alone = base.clone().with(measuring(&measures));
    alone.gather(found.files()).map_err(|report| Failure::Scenario(report.to_string()))?;
    // The expectations of the file are not judged here, so that none of them forbids a point.
    let mut campaign = Campaign { base: base.clone(), axes, points, measures };
    let mut units = Vec::new();
    for point in &campaign.points {
        let mut run = campaign.run(point, None);
        let loaded = run.gather(found.files()).map_err(|report| {
            let set: Vec<_> = campaign.patches(point).iter().map(ToString::to_string).collect();
            Failure::Scenario(format!("at the point {}:\n{report}", set.join(", ")))
        })?;
        let Some(checks) = checks(&loaded.scenario, &campaign.measures) else {
            return Err(Failure::Scenario(loaded.warnings.to_string()));
        };
        if reports::verdict::of_several(&loaded.scenario) > 0 {
            let why = "an expectation of several runs is no measure; --seeds and --vary make the runs here";
            return Err(usage("--measure", why.to_owned()));
        }
        let whole = campaign.measures.iter().map(|m| is_whole(m));
        units = checks.iter().zip(whole).map(|(check, whole)| Unit::of(check, whole)).collect();
        base.files.0.extend(run.files.0);
    }
    campaign.base = base;
    Ok((campaign, loaded, units))
}

/// The points of a file.
fn design(path: &Path, scenario: &Scenario) -> Result<(Vec<Axis>, Vec<Point>), Failure> {
    let text = load::text(path)?.text;
    let wrong = |why: String| Failure::Usage(format!("--design `{}`: {why}", path.display()));
    experiments::design::design(&text, scenario).map_err(wrong)
}

/// Prints every run as a line of JSON, without running any.
fn plan(campaign: &Campaign, seeds: &Seeds) -> Result<Exit, Failure> {
    for task in tasks(campaign, seeds) {
        let run = campaign.run(&campaign.points[task.point], task.seed);
        output::out(&sweeps::plan_line(&run, RunKey::of(&run)))?;
    }
    Ok(Exit::Ok)
}

/// What is kept in the directory, and what is taken in from elsewhere.
fn keeper(args: &SweepArgs, dir: &Path, campaign: &Campaign, seeds: &Seeds) -> Result<Keeper, Failure> {
    let mut keeper = Keeper::open(dir)?;
    same_program(campaign, seeds, keeper.kept(), &dir.join(NAME))?;
    for path in &args.take {
        let others = keeper::read(path)?;
        same_program(campaign, seeds, &others, path)?;
        keeper.take(others)?;
    }
    Ok(keeper)
}

/// Runs one of the kept runs again: results of another program must not be mixed with those of this one.
fn same_program(
    campaign: &Campaign,
    seeds: &Seeds,
    kept: &BTreeMap<RunKey, Reading>,
    path: &Path,
) -> Result<(), Failure> {
    if kept.is_empty() {
        return Ok(());
    }
    let known = tasks(campaign, seeds).into_iter().filter_map(|task| {
        let reading = kept.get(&campaign.key(&campaign.points[task.point], task.seed))?;
        Some((task, reading))
    });
    let Some((task, reading)) = known.min_by_key(|(_, reading)| reading.events) else { return Ok(()) };
    match measured(&campaign.run(&campaign.points[task.point], task.seed), &campaign.measures) {
        Some(Err(why)) => Err(why),
        Some(Ok(again)) if again != *reading => Err(Failure::Files(format!(
            "what `{}` keeps was computed by another program: remove it, or take another directory",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Does one part of the runs and keeps them, for a sweep elsewhere to take in.
fn compute_part(
    campaign: &Campaign,
    seeds: &Seeds,
    jobs: usize,
    keeper: &Keeper,
    (part, of): (usize, usize),
) -> Result<Exit, Failure> {
    if matches!(seeds, Seeds::Until(_)) {
        let why = "--part: how many seeds `until` draws is known only when all parts are together";
        return Err(Failure::Usage(why.to_owned()));
    }
    let mine: Vec<Task> = tasks(campaign, seeds).into_iter().skip(part - 1).step_by(of).collect();
    let mut progress = Progress::new(std::io::stderr().is_terminal());
    let mut found = Vec::new();
    let obtain = |task: &Task| obtained(campaign, *task, Some(keeper));
    let ended = in_order(&mine, jobs, obtain, |result| match result {
        None => ControlFlow::Break(Ok(())),
        Some(Err(failure)) => ControlFlow::Break(Err(failure)),
        Some(Ok(one)) => {
            found.push(one);
            progress.show(found.len(), mine.len());
            ControlFlow::Continue(())
        }
    });
    drop(progress);
    let stopped = ended.is_some();
    ended.unwrap_or(Ok(()))?;
    output::note(&format!("part {part} of {of}: {} of {} runs are kept", found.len(), mine.len()));
    if stopped {
        return Ok(Exit::Interrupted);
    }
    keeper.tidy(&found.iter().map(|(key, reading)| (*key, reading)).collect::<Vec<_>>())?;
    Ok(Exit::Ok)
}

/// A run's key and reading, as it is kept or computed and kept; nothing if Ctrl-C came before the end.
fn obtained(
    campaign: &Campaign,
    task: Task,
    keeper: Option<&Keeper>,
) -> Option<Result<(RunKey, Reading), Failure>> {
    let run = campaign.run(&campaign.points[task.point], task.seed);
    let key = RunKey::of(&run);
    if let Some(kept) = keeper.and_then(|keeper| keeper.kept().get(&key)) {
        return Some(Ok((key, kept.clone())));
    }
    let reading = match measured(&run, &campaign.measures)? {
        Ok(reading) => reading,
        Err(why) => return Some(Err(why)),
    };
    Some(keeper.map_or(Ok(()), |keeper| keeper.keep(key, &reading)).map(|()| (key, reading)))
}

/// Every run, from the kept ones or computed, with progress.
fn compute(
    campaign: &Campaign,
    seeds: &Seeds,
    jobs: usize,
    keeper: Option<&Keeper>,
) -> Result<Swept, Failure> {
    let failure = Mutex::new(None);
    let obtain = |_: &Point, task: Task| match obtained(campaign, task, keeper)? {
        Ok((_, reading)) => Some(reading),
        Err(why) => {
            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
            None
        }
    };
    let mut progress = Progress::new(std::io::stderr().is_terminal());
    let swept = sweep_all(campaign, seeds, jobs, obtain, |done, of| progress.show(done, of));
    drop(progress);
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(why) => Err(why),
        None => Ok(swept),
    }
}

/// Runs and measures; nothing if Ctrl-C came before the end.
fn measured(run: &Run, measures: &[String]) -> Option<Result<Reading, Failure>> {
    if interrupt::wanted() {
        return None;
    }
    let outcome = match run.watched(|_| interrupt::flow()) {
        Ok(outcome) if outcome.stopped => return None,
        Ok(outcome) => outcome,
        // Every point has been loaded before the first was run, so this one could not go on.
        Err(report) => return Some(Err(Failure::Scenario(report.to_string()))),
    };
    let read = reports::Run::new(&outcome.scenario, &outcome.summary);
    let values = outcome.scenario.expect.iter().zip(measures);
    Some(Ok(Reading {
        seed: outcome.scenario.seed,
        values: values.map(|(e, measure)| number(read, &e.check, is_whole(measure))).collect(),
        bound_first: outcome.summary.bound_first().map(|l| read.limit_key(l.limit)),
        digest: outcome.summary.digest.to_string(),
        events: outcome.summary.events,
    }))
}

fn write_files(mut batch: Batch, keeper: &Keeper, sweep: &Sweep<'_>, dir: &Path) -> Result<(), Failure> {
    batch.write("points.csv", sweeps::points_csv(sweep).as_bytes());
    if let Some((svg, png)) = plot::sweep(sweep) {
        batch.write("sweep.svg", svg.as_bytes());
        batch.write("sweep.png", png);
    }
    batch.write("sweep.json", sweeps::sweep_json(sweep).as_bytes());
    batch.publish()?;
    let campaign = sweep.campaign;
    let points = campaign.points.iter().zip(&sweep.swept.readings);
    let runs: Vec<_> = points
        .flat_map(|(point, readings)| {
            let seed = |r: &Reading| (*sweep.seeds != Seeds::Own).then_some(r.seed);
            readings.iter().map(move |r| (campaign.key(point, seed(r)), r))
        })
        .collect();
    keeper.tidy(&runs)?;
    output::note(&format!("written to {}", dir.join("").display()));
    Ok(())
}
