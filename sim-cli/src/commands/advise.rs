//! `timewait advise`.

use std::io::IsTerminal;
use std::path::Path;

use experiments::advise::{Question, advise as advise_all};
use experiments::catalogue::{BUNDLED, Change, parse};
use reports::advice::{Advised, advice_json, answer};

use crate::args::AdviseArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::load::{self, asked_scenario, quoted};
use crate::output;
use crate::progress::Progress;

/// Tries the changes that people recommend and ranks them.
pub(crate) fn advise(args: &AdviseArgs) -> Result<Exit, Failure> {
    interrupt::listen();
    let catalogue = catalogue(&args.catalogue)?;
    let (base, loaded, _) = load::gather(&args.scenario)?;
    let text = base.source.text.clone();
    let alone = base.clone();
    let events = u64::from(args.events) * 1_000_000;
    let Some(question) = Question::new(base, loaded.scenario, events) else {
        let why = "no source of the scenario has a rate or workers, so there is no load that could grow";
        return Err(Failure::Usage(why.to_owned()));
    };
    let mut progress = Progress::new(std::io::stderr().is_terminal());
    let shown = |done: usize, of: usize| progress.show(done, of.max(done));
    let found = advise_all(&question, &catalogue, usize::from(args.jobs), &interrupt::flow, shown);
    drop(progress);
    let Some(advice) = found else {
        if !interrupt::wanted() {
            // It loads, but could not go on to its end.
            let why = alone.run().err().map(|report| report.to_string());
            return Err(Failure::Scenario(why.unwrap_or_default()));
        }
        output::note("stopped before the scenario as it is had been tried: nothing is known");
        return Ok(Exit::Interrupted);
    };
    let advised = Advised {
        asked: &asked(args),
        scenario: &question.scenario,
        text: &text,
        load: &question.load,
        catalogue: &catalogue,
        advice: &advice,
    };
    if args.json {
        output::out(&advice_json(&advised))?;
    } else {
        output::answer(&answer(&advised))?;
    }
    if advice.complete {
        return Ok(Exit::Ok);
    }
    let (tried, all) = (advice.alone.len(), catalogue.len());
    output::note(&format!("stopped: {tried} of {all} changes were tried"));
    Ok(Exit::Interrupted)
}

/// The changes of the bundled catalogue, and those of the files.
fn catalogue(files: &[std::path::PathBuf]) -> Result<Vec<Change>, Failure> {
    let mut changes = parse(BUNDLED).map_err(|why| Failure::Usage(format!("the catalogue: {why}")))?;
    for path in files {
        let text = load::text(path)?.text;
        let read = parse(&text).map_err(|why| wrong(path, &why))?;
        if let Some(twice) = read.iter().find(|c| changes.iter().any(|other| other.name == c.name)) {
            return Err(wrong(path, &format!("`{}` is in the catalogue already", twice.name)));
        }
        changes.extend(read);
    }
    Ok(changes)
}

fn wrong(path: &Path, why: &str) -> Failure {
    Failure::Usage(format!("--catalogue `{}`: {why}", path.display()))
}

/// The command that asks this, without what changes no result.
fn asked(args: &AdviseArgs) -> String {
    let mut words = asked_scenario("advise", &args.scenario);
    words.extend(
        args.catalogue.iter().flat_map(|c| ["--catalogue".to_owned(), quoted(&c.display().to_string())]),
    );
    if args.events != AdviseArgs::EVENTS {
        words.extend(["--events".to_owned(), args.events.to_string()]);
    }
    words.join(" ")
}
