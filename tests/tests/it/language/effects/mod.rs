//! Every field that the language documents, alone, changes a run, and does what its documentation says. The rows of the text
//! files here claim it in the words of expectations: what holds with the change and not without it.

mod elsewhere;
mod rows;

use std::fs;
use std::path::{Path, PathBuf};

use reports::verdict::{Verdict, verdicts};
use scenarios::reference::tables;
use scenarios::{Extras, Patch, Source, bundled, load};
use sim_core::engine::Simulation;
use sim_core::record::Summary;

use rows::{Row, rows};

/// Small, with a router and room on both sides; timers are exact, so that what is set can be told from what is late.
///
/// A connection that is wanted at 0 is open at 4 ms; its request reaches the server at 6 ms and the answer the client at 8;
/// the client closes, and at 12 ms its TIME_WAIT begins.
const BASE: &str = r#"(
    duration: "20s", sample: "1s",
    hosts: {
        "c": (addresses: ["10.0.0.1", "10.0.0.3"], timers: exact, tcp: (time_wait: "3s")),
        "g": (timers: exact, conntrack: (first_gc: "2s")),
        "s": (addresses: ["10.0.0.2"], timers: exact, listen: [(port: 80), (port: 81)]),
    },
    links: [(path: ["c", "g"], delay: "1ms"), (path: ["g", "s"], delay: "1ms")],
    traffic: {"web": (from: "c", to: "s:80", arrivals: constant("20/s"))},
)"#;

/// Runs the world of a row, changed by patches before and after what is given, and judges its claims.
fn run(row: &Row, given: &[String], changes: &[String]) -> (Summary, Vec<Verdict>) {
    let claims: Vec<_> = row.claims.iter().map(|claim| claim.expectation.as_str()).collect();
    let expect = format!("expect=[{}]", claims.join(", "));
    let patches = given.iter().chain(changes).chain([&expect]);
    let patch = |p: &String| Patch::parse(p).unwrap_or_else(|why| panic!("{}: {p}: {why}", row.place));
    let patches: Vec<_> = patches.map(patch).collect();
    let source = match &row.scenario {
        Some(name) => bundled(name).unwrap_or_else(|| panic!("{}: no scenario {name}", row.place)).source(),
        None => Source::new("base.ron", BASE),
    };
    let loaded = load(&source, &Extras { patches: &patches, ..Extras::default() });
    let scenario = loaded.unwrap_or_else(|report| panic!("{}:\n{report}", row.place)).scenario;
    let summary = Simulation::new(&scenario).run();
    let verdicts = verdicts(reports::Run::new(&scenario, &summary));
    assert_eq!(verdicts.len(), row.claims.len(), "{}: one run judges all", row.place);
    (summary, verdicts)
}

/// What is wrong with a row, one line for each claim.
fn failures(row: &Row) -> Vec<String> {
    if row.set.is_empty() {
        return Vec::new();
    }
    let ((before, without), (after, with)) = (run(row, &row.given, &[]), run(row, &row.given, &row.set));
    let what = format!("{}: {} {}", row.place, row.table, row.field);
    let mut failed = Vec::new();
    if before == after {
        failed.push(format!("{what}: the run is the same"));
    }
    for (claim, (without, with)) in row.claims.iter().zip(without.iter().zip(&with)) {
        if (with.passed, without.passed) != (claim.with(), claim.without()) {
            let (word, text) = (&claim.word, &claim.expectation);
            failed
                .push(format!("{what}: {word} {text}\n    with: {}\n    without: {}", with.got, without.got));
        }
    }
    failed
}

/// The host of a row's `own` lines as a stack without sysctls that has Linux's values under the model's own names: those of the reference.
fn without_sysctls(row: &Row) -> Vec<String> {
    let host = row.own[0].split('.').nth(1).unwrap_or_else(|| panic!("{}: whose?", row.place));
    let mut patches = vec![format!("hosts.{host}.stack=rfc793")];
    for table in tables().iter().filter(|t| matches!(t.name, "tcp" | "ports")) {
        for field in &table.rows {
            let default = field.cells[1].trim_matches('`');
            patches.push(format!("hosts.{host}.{}.{}={default}", table.name, field.name));
        }
    }
    if host == "c" {
        patches.push("hosts.c.tcp.time_wait=3s".to_owned());
    }
    let sysctl = format!("hosts.{host}.sysctl");
    patches.extend(row.given.iter().filter(|given| !given.starts_with(&sysctl)).cloned());
    patches
}

#[test]
fn under_its_own_name_a_sysctl_does_the_same() {
    let rows = rows();
    let mut failed = Vec::new();
    for row in rows.iter().filter(|row| !row.own.is_empty()) {
        let (_, verdicts) = run(row, &without_sysctls(row), &row.own);
        for (claim, verdict) in row.claims.iter().zip(verdicts) {
            if verdict.passed != claim.with() {
                failed.push(format!("{}: {} {}: {}", row.place, claim.word, claim.expectation, verdict.got));
            }
        }
    }
    assert!(failed.is_empty(), "{} claims fail:\n{}", failed.len(), failed.join("\n"));
    // Each has a row in which it comes last: the change.
    let tables = tables();
    let fields = tables.iter().filter(|t| matches!(t.name, "tcp" | "ports")).flat_map(|t| &t.rows);
    let renamed = fields.filter(|field| field.cells.last().is_some_and(|cell| cell.contains("net.")));
    let is_last =
        |row: &Row, name: &str| row.own.last().is_some_and(|own| own.contains(&format!(".{name}=")));
    let missing: Vec<_> =
        renamed.map(|field| &field.name).filter(|n| !rows.iter().any(|r| is_last(r, n))).collect();
    assert!(missing.is_empty(), "nothing is claimed of {missing:?} on stacks without sysctls");
}

#[test]
fn every_field_does_what_is_claimed_of_it() {
    let failed: Vec<_> = rows().iter().flat_map(failures).collect();
    assert!(failed.is_empty(), "{} claims fail:\n{}", failed.len(), failed.join("\n"));
}

/// A parameter under the model's own name that a sysctl sets on Linux is the same one.
fn is_known(rows: &[Row], table: &str, field: &str, cells: &[String]) -> bool {
    let same_as_sysctl = matches!(table, "tcp" | "ports") && cells.last().is_some_and(|c| c.contains("net."));
    same_as_sysctl || rows.iter().any(|r| (r.table.as_str(), r.field.as_str()) == (table, field))
}

#[test]
fn every_documented_field_has_a_claim_or_a_test() {
    let (tables, rows) = (tables(), rows());
    let fields = || tables.iter().flat_map(|t| t.rows.iter().map(|row| (t.name, row)));
    let missing: Vec<_> = fields()
        .filter(|(table, row)| !is_known(&rows, table, &row.name, &row.cells))
        .map(|(table, row)| format!("{table} {}", row.name))
        .collect();
    assert!(missing.is_empty(), "nothing is claimed of: {}", missing.join(", "));
    let exists = |r: &Row| fields().any(|(table, row)| (table, &row.name) == (r.table.as_str(), &r.field));
    let gone: Vec<_> = rows.iter().filter(|r| !exists(r)).map(|r| &r.place).collect();
    assert!(gone.is_empty(), "no such fields: {gone:?}");
    let idle = |r: &&Row| r.see.is_none() && !r.claims.iter().any(|c| c.word == "then");
    let idle: Vec<_> = rows.iter().filter(idle).map(|r| &r.place).collect();
    assert!(idle.is_empty(), "neither a change with a claim nor a test: {idle:?}");
}

/// The text of every source of the test crate's one binary.
fn sources() -> Vec<String> {
    let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it"))];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path: PathBuf = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                texts.push(fs::read_to_string(&path as &Path).expect("UTF-8"));
            }
        }
    }
    texts
}

#[test]
fn every_test_that_a_row_names_exists() {
    let sources = sources();
    let is_test = |name: &str| sources.iter().any(|text| text.contains(&format!("#[test]\nfn {name}() {{")));
    let gone: Vec<_> = rows()
        .into_iter()
        .filter_map(|r| r.see.map(|(test, _)| (r.place, test)))
        .filter(|(_, test)| !is_test(test))
        .collect();
    assert!(gone.is_empty(), "no such tests: {gone:?}");
}
