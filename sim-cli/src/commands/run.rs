//! `timewait run`.

use std::path::Path;

use experiments::notable::Witness;
use reports::ladder::Ladder;
use reports::plot::{self, Ground, Style, View};
use reports::strip::strip;
use reports::trace::{Capture, Limits, SNAPLEN, Vantage};
use reports::verdict::{Verdict, of_several, verdicts};
use reports::words::{self, at};
use reports::{Run, answer, files};
use sim_core::scenario::Scenario;
use sim_core::time::Time;

use super::{page, seen, trace};
use crate::args::{RunArgs, Views};
use crate::exit::{Exit, Failure};
use crate::output::{self, Single};
use crate::set::Batch;
use crate::simulate::Finished;
use crate::{interrupt, load, simulate, terminal};

/// Runs a scenario, prints the answer and writes the files.
pub(crate) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    interrupt::listen();
    let scenario = load::load(&args.scenario)?.scenario;
    // Said before minutes of work, not after them.
    let views = views(&args.plot);
    let names = file_names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let batch = args.out.as_deref().map(|dir| Batch::new(dir, &names)).transpose()?;
    let html = page::claim(args.html.as_deref())?;
    // Who looks at one connection has to hear which one that is.
    let looks = html.is_some() || views.contains(&View::Ladder);
    let (finished, witness) = match args.pcap.as_deref() {
        None if looks => {
            let (finished, witness) = simulate::followed(&scenario, Witness::default());
            (finished, Some(witness))
        }
        None => (simulate::with_progress(&scenario), None),
        Some(file) => (captured(&scenario, file, &args.pcap_at)?, None),
    };
    let run = Run::new(&scenario, &finished.summary);
    // Expectations speak of the whole run.
    let verdicts = if finished.stopped { Vec::new() } else { verdicts(run) };
    let answer = format!("{}{}", answer::answer(run), expectations(&verdicts, of_several(&scenario)));
    let witness = match witness {
        None if looks => Some(simulate::followed(&scenario, Witness::default()).1),
        witness => witness,
    };
    // One that has ended early is not run again for it.
    let looks = !finished.stopped && (looks || batch.is_some());
    let seen = if looks { seen::seen(run, witness) } else { None };
    if let (Some(batch), Some(dir)) = (batch, &args.out) {
        let ground = if args.dark { Ground::Dark } else { Ground::Light };
        let drawn = Drawing {
            views,
            style: Style { width: args.width, ground },
            ladder: seen.as_ref().map(|s| &s.1),
        };
        write_files(batch, run, &verdicts, &answer, &drawn)?;
        if !args.quiet {
            output::note(&format!("written to {}", shown(dir)));
        }
    }
    if let Some(html) = html {
        page::write(html, &args.scenario, run, &verdicts, seen.as_ref())?;
    }
    if !args.quiet {
        output::note(&finished.speed());
    }
    if args.json {
        output::out(&files::result_json(run, &verdicts))?;
    } else if args.quiet {
        output::answer(&format!("{}\n", run.marked(&answer::headline(run))))?;
    } else {
        let shown = answer::answer_within(run, terminal::columns());
        let text = format!("{shown}{}", expectations(&verdicts, of_several(&scenario)));
        output::answer(&if terminal::visible() { beside(&text, run) } else { text })?;
    }
    match &finished.summary.overrun {
        Some(overrun) => Err(Failure::Scenario(scenarios::overrun(&scenario, overrun).to_string())),
        None if finished.stopped => Ok(stopped(run)),
        None => Ok(Exit::Ok),
    }
}

/// Columns of a chart beside the answer, and below it.
const CHART: std::ops::RangeInclusive<usize> = 44..=100;
/// Between the answer and a chart at its right.
const GAP: usize = 3;

/// The answer as somebody sees it: with a small chart at its right if there is room, else below it.
fn beside(answer: &str, run: Run<'_>) -> String {
    let room = terminal::width();
    let widest = answer.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let right = room.saturating_sub(widest + GAP);
    if right < *CHART.start() {
        let chart = strip(run, room.min(*CHART.end()), terminal::charset(false));
        return format!("{answer}\n{}\n", chart.join("\n"));
    }
    let chart = strip(run, right.min(*CHART.end()), terminal::charset(false));
    let lines = answer.lines().count().max(chart.len());
    let (mut words, mut drawn) = (answer.lines(), chart.iter());
    let line = |_| {
        let (left, right) = (words.next().unwrap_or(""), drawn.next().map_or("", String::as_str));
        format!("{}\n", format!("{left:widest$}{:GAP$}{right}", "").trim_end())
    };
    (0..lines).map(line).collect()
}

/// Packets that a capture of a whole run takes.
const MOST_PACKETS: u64 = 1_000_000;

/// Runs a scenario and captures what passes at some places.
fn captured(scenario: &Scenario, path: &Path, places: &[String]) -> Result<Finished, Failure> {
    let vantages = match places {
        [] => Vantage::of_clients(scenario),
        names => {
            trace::vantages(scenario, names).map_err(|why| Failure::Usage(format!("--pcap-at: {why}")))?
        }
    };
    let file = Single::new(path)?;
    let limits = Limits { packets: MOST_PACKETS, snaplen: SNAPLEN };
    let failed = |e: &std::io::Error| Failure::file("write", path, e);
    let capture = Capture::new(file.writer()?, scenario, vantages, limits).map_err(|e| failed(&e))?;
    let (finished, capture) = simulate::followed(scenario, capture);
    let left_out = capture.finish().map_err(|e| failed(&e))?;
    if left_out > 0 {
        let left_out = words::counted(left_out, "packet", "packets");
        output::note(&format!(
            "{}: the first million packets; {left_out} more were left out",
            path.display()
        ));
    }
    file.publish_written()?;
    Ok(finished)
}

/// What is said of a run that Ctrl-C has ended early. What was printed and written is marked as partial.
fn stopped(run: Run<'_>) -> Exit {
    let unjudged = if run.scenario.expect.is_empty() { "" } else { "; the expectations are not judged" };
    let (ended, whole) = (at(run.summary.ended), at(Time(run.scenario.duration.0)));
    output::note(&format!("stopped at {ended} of {whole}: this is what there is{unjudged}"));
    Exit::Interrupted
}

fn shown(dir: &Path) -> String {
    dir.join("").display().to_string()
}

/// How many expectations hold, and those that do not.
fn expectations(verdicts: &[Verdict], of_several: usize) -> String {
    let several = match of_several {
        0 => String::new(),
        n => format!("Expectations of several runs: {n}; `timewait check` judges them\n"),
    };
    if verdicts.is_empty() {
        return if several.is_empty() { several } else { format!("\n{several}") };
    }
    let held = verdicts.iter().filter(|v| v.passed).count();
    let failed = verdicts.iter().filter(|v| !v.passed).map(|v| {
        format!("  line {}: {}\n    expected {}\n    got      {}\n", v.line, v.text, v.expected, v.got)
    });
    format!("\nExpectations: {held} of {} hold\n{}{several}", verdicts.len(), failed.collect::<String>())
}

const TEXTS: [&str; 3] = ["answer.txt", "series.csv", "scenario.ron"];
/// Written last: where it is, all others are of the same run.
const MARK: &str = "result.json";

/// Every file that is written.
fn file_names() -> Vec<String> {
    let pictures = View::ALL.iter().flat_map(|v| [format!("{}.svg", v.name()), format!("{}.png", v.name())]);
    TEXTS.map(str::to_owned).into_iter().chain(pictures).chain([MARK.to_owned()]).collect()
}

/// Which pictures are drawn, and how.
struct Drawing<'a> {
    views: Vec<View>,
    style: Style,
    ladder: Option<&'a Ladder>,
}

/// The pictures that were asked for; without a word the one that is looked at.
fn views(asked: &[Views]) -> Vec<View> {
    if asked.is_empty() {
        return vec![View::Overview];
    }
    let wanted = |view: &View| {
        asked.iter().any(|asked| match asked {
            Views::All => true,
            Views::One(one) => one == view,
        })
    };
    View::ALL.into_iter().filter(wanted).collect()
}

fn write_files(
    mut batch: Batch,
    run: Run<'_>,
    verdicts: &[Verdict],
    answer: &str,
    drawing: &Drawing<'_>,
) -> Result<(), Failure> {
    batch.write("answer.txt", answer.as_bytes());
    batch.write("series.csv", files::series_csv(run).as_bytes());
    batch.write("scenario.ron", scenarios::show(run.scenario).as_bytes());
    for &view in &drawing.views {
        let Some(drawn) = plot::draw(run, view, drawing.ladder, drawing.style) else { continue };
        batch.write(&format!("{}.svg", view.name()), drawn.svg().as_bytes());
        batch.write(&format!("{}.png", view.name()), drawn.png());
    }
    batch.write(MARK, files::result_json(run, verdicts).as_bytes());
    batch.publish()
}
