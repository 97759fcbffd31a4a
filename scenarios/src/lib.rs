//! The scenario language: RON text to a checked [`Scenario`], or all its mistakes at once.
//!
//! ```text
//! Source, patches, files ──load──▶ Loaded { scenario, warnings, sysctls } or Report
//! ```

#![allow(
    clippy::missing_errors_doc,
    reason = "what the error says is part of each function's first sentences"
)]

mod check;
mod expand;
mod library;
mod overrun;
mod patch;
mod read;
pub mod reference;
mod report;
mod section;
mod show;
mod source;
mod syntax;
mod sysctl;
mod units;

use sim_core::scenario::Scenario;

pub use library::{Bundled, bundled, library};
pub use overrun::overrun;
pub use patch::Patch;
pub use report::{Diagnostic, Report, Severity};
pub use show::{limit, show};
pub use source::{Directory, Files, NoFiles, Source};
pub use sysctl::{Changed, MachineSettings};
pub use units::{addr, span};

/// What goes into a scenario beside its own text.
pub struct Extras<'a> {
    /// Where the files that the scenario names are looked for.
    pub files: &'a dyn Files,
    /// Changes, applied in order.
    pub patches: &'a [Patch],
    /// The output of `sysctl -a` for a host, by the host's name; it overrides `sysctl_file`, and `sysctl` overrides it.
    pub sysctl: &'a [(String, Source)],
}

impl Default for Extras<'_> {
    fn default() -> Self {
        Extras { files: &NoFiles, patches: &[], sysctl: &[] }
    }
}

/// What a dump of sysctls came to on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DumpNotes {
    /// The host.
    pub host: String,
    /// The dump's name.
    pub file: String,
    /// How many settings of the dump the model has and took.
    pub applied: usize,
    /// Settings that Linux has and the model has not.
    pub unmodelled: Vec<String>,
    /// Settings of another age or misspelt, each with what to say about it.
    pub unknown: Vec<(String, String)>,
}

/// A scenario that can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The scenario.
    pub scenario: Scenario,
    /// What should be said about it; no errors.
    pub warnings: Report,
    /// What became of the sysctl dumps.
    pub dumps: Vec<DumpNotes>,
}

/// Reads and checks a scenario. On failure the report holds every error that could be found.
pub fn load(source: &Source, extras: &Extras<'_>) -> Result<Loaded, Report> {
    let mut input = check::Input::new(source.clone(), extras);
    let scenario = match syntax::parse(&source.text, 0) {
        Ok(mut root) => {
            patch::apply(&mut input.notes, &mut root, extras.patches);
            expand::expand(&mut input.notes, &mut root);
            check::sysctl_hosts_exist(&mut input, &root);
            Some(check::scenario(&mut input, &root))
        }
        Err(diagnostic) => {
            input.notes.error(diagnostic);
            None
        }
    };
    let read::Notes { diagnostics, sources, .. } = input.notes;
    let mut report = Report { diagnostics, sources };
    report.sort();
    match scenario {
        Some(scenario) if report.errors() == 0 => {
            Ok(Loaded { scenario, warnings: report, dumps: input.dumps })
        }
        _ => Err(report),
    }
}
