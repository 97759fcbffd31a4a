//! `timewait compare`.

use std::io::IsTerminal;
use std::ops::ControlFlow;

use experiments::compare::Variant;
use experiments::sweep::Seeds;
use experiments::{Outcome, Run, in_order};
use reports::comparison::{Compared, Facts, answer, answer_within, compare_json, facts};
use reports::plot;
use scenarios::{Files, Patch};

use crate::args::CompareArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::load::{self, quoted};
use crate::output;
use crate::progress::Progress;
use crate::set::Batch;
use crate::terminal;

/// Written last: where it is, all others are of the same comparison.
const FILES: [&str; 4] = ["answer.txt", "compare.svg", "compare.png", "compare.json"];

/// Runs variants side by side and prints one table.
pub(crate) fn compare(args: &CompareArgs) -> Result<Exit, Failure> {
    interrupt::listen();
    let variants = variants(args)?;
    let seeds = seeds(args)?;
    let batch = args.out.as_deref().map(|dir| Batch::new(dir, &FILES)).transpose()?;
    let of_variant = |v: usize| seeds.iter().map(move |&seed| (v, seed));
    let tasks: Vec<(usize, Option<u64>)> = (0..variants.len()).flat_map(of_variant).collect();
    let mut found: Vec<Vec<Facts>> = vec![Vec::new(); variants.len()];
    // For the picture: the first seed of each.
    let mut shown: Vec<Outcome> = Vec::new();
    let mut progress = Progress::new(std::io::stderr().is_terminal());
    let (mut done, all) = (0, tasks.len());
    let run = |&(v, seed): &(usize, Option<u64>)| {
        let first = seed == seeds[0];
        let outcome = match variants[v].with_seed(seed).watched(|_| interrupt::flow()) {
            Ok(outcome) if outcome.stopped => return None,
            Ok(outcome) => outcome,
            // Every variant has been loaded before the first was run, so this one could not go on.
            Err(report) => return Some(Err(Failure::Scenario(format!("{}:\n{report}", variants[v].name)))),
        };
        let facts = facts(reports::Run::new(&outcome.scenario, &outcome.summary));
        Some(Ok((v, facts, first.then_some(outcome))))
    };
    let stopped = in_order(&tasks, usize::from(args.jobs), run, |result| {
        let (v, facts, outcome) = match result {
            None => return ControlFlow::Break(Ok(())),
            Some(Err(why)) => return ControlFlow::Break(Err(why)),
            Some(Ok(found)) => found,
        };
        found[v].push(facts);
        shown.extend(outcome);
        done += 1;
        progress.show(done, all);
        ControlFlow::Continue(())
    });
    drop(progress);
    let stopped = stopped.transpose()?;
    // Only variants with all their seeds can be compared.
    let whole = found.iter().take_while(|f| f.len() == seeds.len()).count();
    let asked = asked(args);
    let compared = Compared { asked: &asked, variants: &variants[..whole], facts: &found[..whole] };
    let answer = answer(&compared);
    if args.json {
        output::out(&compare_json(&compared))?;
    } else {
        output::answer(&answer_within(&compared, terminal::columns()))?;
    }
    if stopped.is_some() {
        output::note(&format!("stopped: {whole} of {} variants were run to the end", variants.len()));
        return Ok(Exit::Interrupted);
    }
    if let (Some(batch), Some(dir)) = (batch, &args.out) {
        write_files(batch, &compared, &shown, &answer)?;
        output::note(&format!("written to {}", dir.join("").display()));
    }
    Ok(Exit::Ok)
}

fn write_files(
    mut batch: Batch,
    compared: &Compared<'_>,
    shown: &[Outcome],
    answer: &str,
) -> Result<(), Failure> {
    let runs = compared.variants.iter().zip(shown);
    let runs: Vec<_> =
        runs.map(|(v, o)| (v.name.as_str(), reports::Run::new(&o.scenario, &o.summary))).collect();
    let (svg, png) = plot::overlay(&shown[0].scenario.title, &runs);
    batch.write("answer.txt", answer.as_bytes());
    batch.write("compare.svg", svg.as_bytes());
    batch.write("compare.png", png);
    batch.write("compare.json", compare_json(compared).as_bytes());
    batch.publish()
}

/// The base, what `--with` makes of it, and the other scenarios; each checked.
fn variants(args: &CompareArgs) -> Result<Vec<Variant>, Failure> {
    let patches = args.set.iter().map(|text| Patch::parse(text)).collect::<Result<Vec<_>, _>>();
    let patches = patches.map_err(|e| Failure::Usage(format!("--set: {e}")))?;
    let mut variants = Vec::new();
    for (i, given) in args.scenarios.iter().enumerate() {
        let found = load::find(given)?;
        let mut run = Run { patches: patches.clone(), seed: args.seed, ..Run::new(found.source.clone()) };
        let loaded = run.gather(found.files()).map_err(|report| Failure::Scenario(report.to_string()))?;
        let name = if args.scenarios.len() > 1 { given.clone() } else { "as it is".to_owned() };
        let base = Variant { name, set: Vec::new(), run };
        let with = if i == 0 { args.with.as_slice() } else { &[] };
        let changed = with.iter().map(|text| Variant::parse(text, &base.run, &loaded.scenario));
        let mut changed =
            changed.collect::<Result<Vec<_>, _>>().map_err(|why| Failure::Usage(format!("--with: {why}")))?;
        for variant in &mut changed {
            checked(variant, found.files())?;
        }
        variants.push(base);
        variants.append(&mut changed);
    }
    if variants.len() < 2 {
        return Err(Failure::Usage(
            "one scenario alone is compared to nothing: add --with or another one".to_owned(),
        ));
    }
    Ok(variants)
}

/// Takes in the files that a variant names, and checks it.
fn checked(variant: &mut Variant, files: &dyn Files) -> Result<(), Failure> {
    let mut run = variant.with_seed(None);
    let loaded = run.gather(files);
    variant.run.files = run.files;
    loaded.map(|_| ()).map_err(|report| Failure::Scenario(format!("with {}:\n{report}", variant.name)))
}

fn seeds(args: &CompareArgs) -> Result<Vec<Option<u64>>, Failure> {
    match args.seeds.as_deref().map_or(Ok(Seeds::Own), Seeds::parse) {
        Ok(Seeds::Own) => Ok(vec![None]),
        Ok(Seeds::Listed(seeds)) => Ok(seeds.into_iter().map(Some).collect()),
        Ok(Seeds::Until(_)) => {
            Err(Failure::Usage("--seeds: compare takes seeds as `1..20` or `1,5,9`".to_owned()))
        }
        Err(why) => Err(Failure::Usage(format!("--seeds: {why}"))),
    }
}

/// The command that asks this, without what changes no result.
fn asked(args: &CompareArgs) -> String {
    let mut words = vec!["timewait".to_owned(), "compare".to_owned()];
    words.extend(args.scenarios.iter().map(|s| quoted(s)));
    words.extend(args.with.iter().flat_map(|w| ["--with".to_owned(), quoted(w)]));
    words.extend(args.set.iter().flat_map(|s| ["--set".to_owned(), quoted(s)]));
    words.extend(args.seed.iter().flat_map(|s| ["--seed".to_owned(), s.to_string()]));
    words.extend(args.seeds.iter().flat_map(|s| ["--seeds".to_owned(), quoted(s)]));
    words.join(" ")
}
