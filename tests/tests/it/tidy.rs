//! House rules that a tool can check.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// Every Rust file below a folder of the workspace: path relative to the workspace, text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).expect("below the root").display().to_string();
                files.push((name, fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "{folder} has no sources: this test would check nothing");
    files
}

/// The code of a line: without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

/// Whether `word` stands in `code` as a word of its own.
fn has_word(code: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].ends_with(part_of_name) && !code[at + word.len()..].starts_with(part_of_name)
    })
}

/// Lines of the files that contain one of the banned words, with the reason.
fn offenders(folder: &str, banned: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in sources(folder) {
        for (number, line) in text.lines().enumerate() {
            for (word, reason) in banned {
                if has_word(code(line), word) {
                    found.push(format!("{name}:{}: `{word}`: {reason}", number + 1));
                }
            }
        }
    }
    found
}

#[test]
fn the_core_is_integer_silent_and_alone() {
    let banned = [
        ("f32", "no floats in the core: use integers, or a ratio of them"),
        ("f64", "no floats in the core: use integers, or a ratio of them"),
        ("println", "the core says things as records"),
        ("eprintln", "the core says things as records"),
        ("format", "the core never formats; readers of records do"),
        ("SystemTime", "time is an argument"),
        ("Instant", "time is an argument"),
        ("thread", "a run is one thread"),
        ("fs", "the core reads no files"),
        ("env", "the core knows no environment"),
        ("RandomState", "its order differs between runs"),
        ("OsRng", "luck comes from the seed"),
        ("getrandom", "luck comes from the seed"),
        ("serde", "the core has never heard of formats"),
        ("Rc", "the endpoint is a value"),
        ("RefCell", "the endpoint is a value"),
        ("dyn", "nothing is dispatched at run time in the loop"),
    ];
    let found = offenders("sim-core/src", &banned);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn libraries_do_not_print() {
    let banned = [("println", "only the command prints"), ("eprintln", "only the command prints")];
    for folder in ["scenarios/src", "experiments/src", "reports/src"] {
        let found = offenders(folder, &banned);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// A run is a value that is computed anywhere: also where there are no files, no clock and no terminal.
#[test]
fn experiments_need_no_operating_system() {
    let banned = [
        ("fs", "whoever asks reads and writes the files"),
        ("var", "what a run depends on stands in the run"),
        ("Instant", "whoever waits has the clock"),
        ("SystemTime", "whoever waits has the clock"),
        ("process", "whoever asks decides where it runs"),
    ];
    let found = offenders("experiments/src", &banned);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The layers of the core, from `sim-core/src/lib.rs`: groups of `pub mod` lines separated by blank lines.
fn layers() -> Vec<Vec<String>> {
    let lib = fs::read_to_string(root().join("sim-core/src/lib.rs")).expect("the core");
    let groups = lib.split("\n\n").map(|group| {
        let names = group.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';'));
        names.map(String::from).collect::<Vec<_>>()
    });
    groups.filter(|names| !names.is_empty()).collect()
}

#[test]
fn no_layer_imports_upward() {
    let layers = layers();
    assert!(layers.len() > 5, "the list of layers was not understood: {layers:?}");
    let rank = |module: &str| layers.iter().position(|names| names.iter().any(|n| n == module));
    let mut found = Vec::new();
    for (name, text) in sources("sim-core/src") {
        let module = name.trim_start_matches("sim-core/src/").split(['/', '.']).next().unwrap_or("");
        let Some(own) = rank(module) else {
            assert_eq!(module, "lib", "{name} is in no layer");
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for (at, _) in code(line).match_indices("crate::") {
                let path = &code(line)[at + "crate::".len()..];
                let target = path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
                if rank(target).is_some_and(|other| other > own) {
                    found
                        .push(format!("{name}:{}: {module} imports {target}, which is above it", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn files_fit_in_one_sitting() {
    const MOST_LINES: usize = 800;
    let folders = ["sim-core/src", "scenarios/src", "experiments/src", "reports/src", "sim-cli/src", "tests"];
    let long: Vec<String> = folders
        .iter()
        .flat_map(|folder| sources(folder))
        .filter_map(|(name, text)| {
            let lines = text.lines().count();
            (lines > MOST_LINES).then(|| format!("{name}: {lines} lines, at most {MOST_LINES}"))
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn nothing_is_left_unfinished_or_ignored() {
    let banned = [("todo", "finish it"), ("unimplemented", "finish it"), ("dbg", "remove it")];
    for folder in
        ["sim-core/src", "scenarios/src", "experiments/src", "reports/src", "sim-cli/src", "tests/src"]
    {
        let mut found = offenders(folder, &banned);
        for (name, text) in sources(folder) {
            found.extend(
                text.lines()
                    .any(|l| l.trim().starts_with("#[ignore"))
                    .then(|| format!("{name}: ignored test")),
            );
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}
