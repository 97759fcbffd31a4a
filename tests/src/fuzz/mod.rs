//! What reads text, as targets for fuzzers and for mutants of a corpus: nothing panics, whatever the text.
//!
//! The corpus is in `tests/corpus`, a directory for each target, and beside it the library of scenarios and the catalogue of changes. [`mutant()`] makes any
//! number of texts from it, the same ones on every machine. `fuzz/` is the program that AFL++ runs.

mod mutant;
mod targets;

use std::fs;
use std::ops::Range;
use std::path::Path;

pub use mutant::{PIECES, mutant};
use scenarios::library;
pub use targets::{TARGETS, Target, exercise};

/// The texts that mutants of a target are made from.
pub fn corpus(target: &Target) -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut files: Vec<_> = fs::read_dir(&dir)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    let mut texts: Vec<String> = files
        .iter()
        .map(|f| String::from_utf8_lossy(&fs::read(f).unwrap_or_default()).into_owned())
        .collect();
    match target.name {
        "scenario" => {
            texts.push(include_str!("../../tests/it/language/everything.ron").to_owned());
            texts.extend(library().iter().map(|bundled| bundled.text.to_owned()));
        }
        "catalogue" => texts.push(include_str!("../../../experiments/catalogue.ron").to_owned()),
        _ => {}
    }
    texts
}

/// Gives the mutants of these numbers to their targets. How many were accepted.
pub fn smoke(numbers: Range<u64>) -> usize {
    let corpora: Vec<_> = TARGETS.iter().map(corpus).collect();
    numbers.filter(|&number| give(number, &corpora)).count()
}

/// Gives one mutant to its target. Half of them are scenarios, a quarter patches. Whether it was accepted.
pub fn give(number: u64, corpora: &[Vec<String>]) -> bool {
    let place = match number % 4 {
        0 | 1 => 0,
        2 => 1,
        _ => 2 + (number / 4) as usize % (TARGETS.len() - 2),
    };
    (TARGETS[place].run)(mutant(number, &corpora[place]).as_bytes())
}
