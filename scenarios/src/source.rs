//! Texts that a scenario is made of, and where they come from.

use std::path::{Path, PathBuf};

/// A text with the name that diagnostics give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As people name it: a path, or `--set`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A text under a name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    /// Reads a file. The error says what is wrong and, for bytes that are not UTF-8, at which of them.
    pub fn read(path: &Path) -> Result<Source, String> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|e| format!("cannot read `{name}`: {e}"))?;
        Source::from_bytes(name, bytes)
    }

    /// The name without directories and extension.
    pub(crate) fn stem(&self) -> String {
        let stem = Path::new(&self.name).file_stem();
        stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Takes bytes for a text.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Source, String> {
        let name = name.into();
        let text = String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            format!("`{name}` is not text: byte {} is not UTF-8", at + 1)
        })?;
        Ok(Source { name, text })
    }
}

/// Where the files that a scenario names are looked for.
pub trait Files {
    /// Reads the file that a scenario calls `name`. The error is a sentence for people.
    fn read(&self, name: &str) -> Result<Source, String>;
}

/// Files in a directory: names in the scenario are relative to it.
#[derive(Clone, Debug)]
pub struct Directory(pub PathBuf);

impl Directory {
    /// The directory that holds `file`.
    pub fn of(file: &Path) -> Directory {
        Directory(file.parent().map(Path::to_path_buf).unwrap_or_default())
    }
}

impl Files for Directory {
    fn read(&self, name: &str) -> Result<Source, String> {
        Source::read(&self.0.join(name))
    }
}

/// A place without files.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, name: &str) -> Result<Source, String> {
        Err(format!("cannot read `{name}`: no files are at hand here"))
    }
}

/// A stretch of one of the texts of a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which text.
    pub(crate) source: usize,
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
}

/// Line and column of a byte, both from 1; columns count characters.
pub(crate) fn line_and_column(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}
