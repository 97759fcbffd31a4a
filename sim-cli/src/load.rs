//! From what stands on the command line to a checked scenario.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use experiments::Run;
use reports::words;
use scenarios::{Bundled, Directory, DumpNotes, Files, Loaded, Patch, Report, Source};

use crate::args::ScenarioArgs;
use crate::exit::Failure;
use crate::output;

/// A scenario's text and where its files are.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) source: Source,
    files: Box<dyn Files + Send + Sync>,
}

/// Finds a scenario by path or by bundled name; `-` is standard input. A bundled name wins over a directory, a file over
/// a bundled name.
pub(crate) fn find(given: &str) -> Result<Found, Failure> {
    if given == "-" {
        return standard_input();
    }
    let path = Path::new(given);
    if !path.is_file() {
        if let Some(bundled) = scenarios::bundled(given) {
            return Ok(of_library(*bundled));
        }
        if path.is_dir() {
            return Err(Failure::Usage(format!(
                "`{given}` is a directory; one scenario is wanted\n  `timewait check {given}` takes all that are below it"
            )));
        }
        if !looks_like_path(given) {
            return Err(Failure::Usage(unknown(given)));
        }
    }
    let source = Source::read(path).map_err(Failure::Files)?;
    Ok(Found { name: given.to_owned(), source, files: Box::new(Directory::of(path)) })
}

/// A bundled scenario.
pub(crate) fn of_library(bundled: Bundled) -> Found {
    let source = Source::new(format!("{}.ron", bundled.name), bundled.text);
    Found { name: bundled.name.to_owned(), source, files: Box::new(bundled) }
}

/// The scenario that is piped in; the files that it names are looked for in the current directory.
fn standard_input() -> Result<Found, Failure> {
    let source = text(Path::new("-"))?;
    Ok(Found { name: "-".to_owned(), source, files: Box::new(Directory(PathBuf::new())) })
}

/// Reads a file; `-` is standard input, which can be read only once.
pub(crate) fn text(path: &Path) -> Result<Source, Failure> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if path != Path::new("-") {
        return Source::read(path).map_err(Failure::Files);
    }
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(Failure::Usage("`-`: standard input can be read only once".to_owned()));
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(|e| Failure::Files(format!("cannot read standard input: {e}")))?;
    Source::from_bytes("standard input", bytes).map_err(Failure::Files)
}

fn looks_like_path(given: &str) -> bool {
    given.contains(std::path::MAIN_SEPARATOR) || Path::new(given).extension().is_some()
}

/// What to say about a name that stands for nothing.
pub(crate) fn unknown(given: &str) -> String {
    const SUGGESTIONS: usize = 3;
    let distance = |b: &&Bundled| strsim::damerau_levenshtein(b.name, given);
    // Every third letter may be wrong, and a part of a name is near too.
    let is_near = |b: &&Bundled| distance(b) * 3 <= given.len().max(3) || b.name.contains(given);
    let mut near: Vec<&Bundled> = scenarios::library().iter().filter(is_near).collect();
    near.sort_by_key(distance);
    let names: Vec<_> = near.iter().take(SUGGESTIONS).map(|b| format!("`{}`", b.name)).collect();
    let hint =
        if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(" or ")) };
    format!(
        "`{given}` is neither a file nor a bundled scenario{hint}\n  `timewait list` shows what is bundled"
    )
}

impl Found {
    /// Where the files that the scenario names are looked for.
    pub(crate) fn files(&self) -> &dyn Files {
        self.files.as_ref()
    }

    /// Reads and checks the scenario as it is.
    pub(crate) fn load(&self) -> Result<Loaded, Report> {
        Run::new(self.source.clone()).gather(self.files.as_ref())
    }
}

/// Finds and changes the scenario of a command, and checks it; says on standard error what should be said about it.
pub(crate) fn load(args: &ScenarioArgs) -> Result<Loaded, Failure> {
    gather(args).map(|(_, loaded, _)| loaded)
}

/// The run that a command asks for with everything that it depends on, what it loads to, and where its files are.
pub(crate) fn gather(args: &ScenarioArgs) -> Result<(Run, Loaded, Found), Failure> {
    let found = find(&args.scenario)?;
    let patches = args.set.iter().map(|text| Patch::parse(text)).collect::<Result<Vec<_>, _>>();
    let patches = patches.map_err(|e| Failure::Usage(format!("--set: {e}")))?;
    let sysctl = args.sysctl.iter().map(|text| dump(text)).collect::<Result<Vec<_>, _>>()?;
    let mut run = Run { patches, seed: args.seed, sysctl, ..Run::new(found.source.clone()) };
    let loaded = run.gather(found.files.as_ref()).map_err(|report| Failure::Scenario(report.to_string()))?;
    if !loaded.warnings.is_empty() {
        output::note(&loaded.warnings.to_string());
    }
    for notes in &loaded.dumps {
        output::note(&said_of_dump(notes, args.unmodelled));
    }
    Ok((run, loaded, found))
}

/// `HOST=FILE`.
fn dump(text: &str) -> Result<(String, Source), Failure> {
    let (host, file) =
        text.split_once('=').filter(|(host, file)| !host.is_empty() && !file.is_empty()).ok_or_else(
            || Failure::Usage(format!("--sysctl: `{text}` is not HOST=FILE, as in `client=sysctl.txt`")),
        )?;
    Ok((host.to_owned(), self::text(Path::new(file))?))
}

/// What became of a dump of sysctls.
fn said_of_dump(notes: &DumpNotes, list: bool) -> String {
    let settings = words::counted(notes.applied as u64, "setting", "settings");
    let taken = format!("{}: {} taken from {}", notes.host, settings, notes.file);
    let unmodelled = match notes.unmodelled.len() {
        0 => String::new(),
        n if list => {
            let names: Vec<_> = notes.unmodelled.iter().map(|name| format!("\n    {name}")).collect();
            format!("\n  {n} that the model does not have:{}", names.concat())
        }
        n => format!("; {n} that the model does not have (--unmodelled lists them)"),
    };
    let unknown: Vec<_> = notes.unknown.iter().map(|(name, why)| format!("\n  {name}: {why}")).collect();
    format!("{taken}{unmodelled}{}", unknown.concat())
}

/// The words of a command with its scenario and the changes to it, as a shell takes them.
pub(crate) fn asked_scenario(command: &str, args: &ScenarioArgs) -> Vec<String> {
    let mut words = vec!["timewait".to_owned(), command.to_owned(), quoted(&args.scenario)];
    words.extend(args.set.iter().flat_map(|set| ["--set".to_owned(), quoted(set)]));
    words.extend(args.seed.iter().flat_map(|seed| ["--seed".to_owned(), seed.to_string()]));
    words.extend(args.sysctl.iter().flat_map(|dump| ["--sysctl".to_owned(), quoted(dump)]));
    words
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=,:%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
