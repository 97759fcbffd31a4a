//! How the program ends: exit codes are an interface, scripts depend on them.

use std::fmt;
use std::io;
use std::path::Path;

/// Exit codes. Listed in `--help` and in the README; a number never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; with `check`, every expectation holds.
    Ok = 0,
    /// `check`: an expectation failed.
    ExpectationFailed = 1,
    /// The command line or a scenario is wrong. (Also what clap exits with.)
    Usage = 2,
    /// A file could not be read or written.
    Files = 3,
    /// Ctrl-C ended it early. (128 + SIGINT, as shells have it.)
    Interrupted = 130,
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// A scenario is wrong: the findings, ready to print.
    Scenario(String),
    /// A file could not be read or written.
    Files(String),
    /// Whoever read our output has seen enough. Not an error.
    ClosedPipe,
}

impl Failure {
    /// The exit code that says so.
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Failure::Usage(_) | Failure::Scenario(_) => Exit::Usage,
            Failure::Files(_) => Exit::Files,
            Failure::ClosedPipe => Exit::Ok,
        }
    }

    /// Something could not be done with a file.
    pub(crate) fn file(what: &str, path: &Path, error: &io::Error) -> Failure {
        Failure::Files(format!("cannot {what} `{}`: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Files(text) => writeln!(f, "error: {text}"),
            // These findings come with their own headings.
            Failure::Scenario(findings) => f.write_str(findings),
            Failure::ClosedPipe => Ok(()),
        }
    }
}
