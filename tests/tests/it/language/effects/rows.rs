//! The rows of `effects/*.txt`: a field, a world, a change in it, and what is claimed of the change.
//!
//! ```text
//! // A comment.
//! world NAME                  what several rows begin with
//!     given PATH=VALUE
//!
//! TABLE FIELD                 as the reference names them
//!     in    WORLD             a world of the file, or a bundled scenario; the base world if left out
//!     given PATH=VALUE        what must be set for the field to matter
//!     set   PATH=VALUE        the change, a line for each
//!     own   PATH=VALUE        the same under the model's own name, for a stack without sysctls
//!     then  EXPECTATION       holds with the change and not without
//!     else  EXPECTATION       holds without the change and not with
//!     still EXPECTATION       holds with the change and without
//!     see   TEST: REASON      who asserts it, where expectations cannot
//! ```

use std::fs;
use std::path::Path;

/// An expectation, and where it holds.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// `then`, `else` or `still`.
    pub(super) word: String,
    pub(super) expectation: String,
}

impl Claim {
    /// Whether it must hold with the change.
    pub(super) fn with(&self) -> bool {
        self.word != "else"
    }

    /// Whether it must hold without it.
    pub(super) fn without(&self) -> bool {
        self.word != "then"
    }
}

/// What is claimed of one field.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// The file and the line of its heading.
    pub(super) place: String,
    /// The table of the reference; `world` for a world.
    pub(super) table: String,
    /// The field, as its row in the table has it.
    pub(super) field: String,
    /// A bundled scenario, if it is not about the base world.
    pub(super) scenario: Option<String>,
    pub(super) given: Vec<String>,
    pub(super) set: Vec<String>,
    pub(super) own: Vec<String>,
    pub(super) claims: Vec<Claim>,
    /// A test and the reason why it has to be one.
    pub(super) see: Option<(String, String)>,
}

impl Row {
    fn begin(place: String, heading: &str) -> Row {
        let (table, field) =
            heading.split_once(' ').unwrap_or_else(|| panic!("{place}: a table and a field, please"));
        Row { place, table: table.to_owned(), field: field.trim().to_owned(), ..Row::default() }
    }

    /// Takes a line below the heading.
    fn take(&mut self, line: &str, worlds: &[Row]) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim().to_owned();
        assert!(!rest.is_empty(), "{}: `{line}` says nothing", self.place);
        match word {
            "in" => match worlds.iter().find(|w| w.field == rest) {
                Some(world) => {
                    self.scenario.clone_from(&world.scenario);
                    self.given.extend(world.given.iter().cloned());
                }
                None => self.scenario = Some(rest),
            },
            "given" => self.given.push(rest),
            "set" => self.set.push(rest),
            "own" => self.own.push(rest),
            "then" | "else" | "still" => {
                self.claims.push(Claim { word: word.to_owned(), expectation: rest });
            }
            "see" => {
                let (test, reason) = rest.split_once(": ").unwrap_or_else(|| panic!("{}: why?", self.place));
                self.see = Some((test.to_owned(), reason.to_owned()));
            }
            _ => panic!("{}: `{word}`?", self.place),
        }
    }
}

/// The rows of a file. Worlds are already in the rows that use them.
fn parse(name: &str, text: &str) -> Vec<Row> {
    let (mut worlds, mut rows): (Vec<Row>, Vec<Row>) = (Vec::new(), Vec::new());
    let mut row: Option<Row> = None;
    let lines = text.lines().map(str::trim_end).enumerate();
    let lines = lines.filter(|(_, l)| !l.is_empty() && !l.trim_start().starts_with("//"));
    // One heading more ends the last row.
    for (number, line) in lines.chain([(0, "the end")]) {
        if let Some(line) = line.strip_prefix(' ') {
            let row = row.as_mut().unwrap_or_else(|| panic!("{name}: a heading first"));
            row.take(line.trim_start(), &worlds);
            continue;
        }
        let done = row.replace(Row::begin(format!("{name}:{}", number + 1), line));
        let Some(done) = done else { continue };
        if done.table == "world" { &mut worlds } else { &mut rows }.push(done);
    }
    rows
}

/// The rows of all files, in their order.
pub(super) fn rows() -> Vec<Row> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/language/effects"));
    let paths = fs::read_dir(folder).expect("the folder of the rows").map(|e| e.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|p| p.extension().is_some_and(|e| e == "txt")).collect();
    paths.sort();
    let read = |path: &Path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        parse(&name, &fs::read_to_string(path).expect("UTF-8"))
    };
    paths.iter().flat_map(|path| read(path)).collect()
}
