//! `timewait run`.

use std::path::Path;

use reports::plot::{self, View};
use reports::verdict::{Verdict, verdicts};
use reports::{Run, answer, files};

use crate::args::RunArgs;
use crate::exit::{Exit, Failure};
use crate::output::{self, Batch};
use crate::{load, simulate};

/// Runs a scenario, prints the answer and writes the files.
pub(crate) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let loaded = load::load(&args.scenario)?;
    // Said before minutes of work, not after them.
    let batch = args.out.as_deref().map(Batch::new).transpose()?;
    let finished = simulate::with_progress(&loaded.scenario);
    let run = Run::new(&loaded.scenario, &finished.summary);
    let verdicts = verdicts(run);
    let answer = format!("{}{}", answer::answer(run), expectations(&verdicts));
    if let (Some(batch), Some(dir)) = (batch, &args.out) {
        write_files(batch, run, &verdicts, &answer)?;
        if !args.quiet {
            output::note(&format!("written to {}", shown(dir)));
        }
    }
    if !args.quiet {
        output::note(&finished.speed());
    }
    output::out(&if args.quiet { format!("{}\n", answer::headline(run)) } else { answer })?;
    Ok(Exit::Ok)
}

fn shown(dir: &Path) -> String {
    dir.join("").display().to_string()
}

/// How many expectations hold, and those that do not.
fn expectations(verdicts: &[Verdict]) -> String {
    if verdicts.is_empty() {
        return String::new();
    }
    let held = verdicts.iter().filter(|v| v.passed).count();
    let failed = verdicts.iter().filter(|v| !v.passed).map(|v| {
        format!("  line {}: {}\n    expected {}\n    got      {}\n", v.line, v.text, v.expected, v.got)
    });
    format!("\nExpectations: {held} of {} hold\n{}", verdicts.len(), failed.collect::<String>())
}

fn write_files(mut batch: Batch, run: Run<'_>, verdicts: &[Verdict], answer: &str) -> Result<(), Failure> {
    batch.write("answer.txt", answer.as_bytes())?;
    batch.write("result.json", files::result_json(run, verdicts).as_bytes())?;
    batch.write("series.csv", files::series_csv(run).as_bytes())?;
    batch.write("scenario.ron", scenarios::show(run.scenario).as_bytes())?;
    for view in View::ALL {
        batch.write(&format!("{}.svg", view.name()), plot::svg(run, view).as_bytes())?;
        batch.write(&format!("{}.png", view.name()), &plot::png(run, view))?;
    }
    batch.publish()
}
