//! Finished runs of a campaign, kept in a file as they finish, so that the same command goes on where it was stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use experiments::record::{self, Reading, RunKey};

use crate::exit::Failure;
use crate::output;

/// The file of runs in a directory. It is locked as long as this lives.
pub(crate) struct Keeper {
    path: PathBuf,
    kept: BTreeMap<RunKey, Reading>,
    file: Mutex<File>,
}

/// The name of the file.
pub(crate) const NAME: &str = "runs.jsonl";

impl Keeper {
    /// Opens or begins the file. What is damaged is told and not used; a file that is something else is refused.
    pub(crate) fn open(dir: &Path) -> Result<Keeper, Failure> {
        fs::create_dir_all(dir).map_err(|e| Failure::file("make the directory", dir, &e))?;
        let path = dir.join(NAME);
        let failed = |e: &std::io::Error| Failure::file("open", &path, e);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(|e| failed(&e))?;
        if file.try_lock().is_err() {
            let dir = dir.display();
            return Err(Failure::Files(format!(
                "another sweep is at work in `{dir}`: wait for it, or take another directory"
            )));
        }
        // What a sweep has left that was killed while it tidied up.
        let _ = fs::remove_file(path.with_extension("part"));
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| failed(&e))?;
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        let heading = record::heading();
        let begun = bytes.len() <= heading.len() && heading.as_bytes().starts_with(&bytes);
        if !begun && !bytes.starts_with(heading.as_bytes()) {
            return Err(foreign(&path));
        }
        if begun {
            bytes = heading.into_bytes();
            file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(|e| failed(&e))?;
            file.write_all(&bytes).map_err(|e| failed(&e))?;
        } else if whole < bytes.len() {
            // The run that was being written when the last sweep was killed.
            bytes.truncate(whole);
            file.set_len(whole as u64).map_err(|e| failed(&e))?;
            file.seek(SeekFrom::End(0)).map_err(|e| failed(&e))?;
        }
        let kept = parsed(&path, &String::from_utf8_lossy(&bytes));
        Ok(Keeper { path, kept, file: Mutex::new(file) })
    }

    /// Takes in runs that were kept elsewhere.
    pub(crate) fn take(&mut self, others: BTreeMap<RunKey, Reading>) -> Result<(), Failure> {
        for (key, reading) in others {
            if !self.kept.contains_key(&key) {
                self.keep(key, &reading)?;
                self.kept.insert(key, reading);
            }
        }
        Ok(())
    }

    /// All that is kept from before.
    pub(crate) fn kept(&self) -> &BTreeMap<RunKey, Reading> {
        &self.kept
    }

    /// Keeps one more, at once and in one write.
    pub(crate) fn keep(&self, key: RunKey, reading: &Reading) -> Result<(), Failure> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(record::line(key, reading).as_bytes())
            .map_err(|e| Failure::file("write", &self.path, &e))
    }

    /// Replaces the file by these runs in this order, and after them what else was kept in it: the file of a campaign
    /// that is done does not tell how often it was stopped.
    pub(crate) fn tidy(&self, runs: &[(RunKey, &Reading)]) -> Result<(), Failure> {
        let mut text = record::heading();
        let asked: BTreeSet<RunKey> = runs.iter().map(|(key, _)| *key).collect();
        let others = self.kept.iter().filter(|(key, _)| !asked.contains(key)).map(|(key, r)| (*key, r));
        for (key, reading) in runs.iter().copied().chain(others) {
            text.push_str(&record::line(key, reading));
        }
        let beside = self.path.with_extension("part");
        let replaced = fs::write(&beside, text).and_then(|()| fs::rename(&beside, &self.path));
        replaced.map_err(|e| Failure::file("write", &self.path, &e))
    }
}

/// Reads the runs that another directory keeps.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<RunKey, Reading>, Failure> {
    let bytes = fs::read(path).map_err(|e| Failure::file("read", path, &e))?;
    if !bytes.starts_with(record::heading().as_bytes()) {
        return Err(foreign(path));
    }
    Ok(parsed(path, &String::from_utf8_lossy(&bytes)))
}

/// The runs of a text. Lines that are damaged are told and left out.
fn parsed(path: &Path, text: &str) -> BTreeMap<RunKey, Reading> {
    let mut kept = BTreeMap::new();
    let mut damaged = Vec::new();
    for (number, line) in text.lines().enumerate().skip(1) {
        match record::parse(line) {
            Some((key, reading)) => {
                kept.insert(key, reading);
            }
            None => damaged.push((number + 1).to_string()),
        }
    }
    if !damaged.is_empty() {
        let (lines, are) = if damaged.len() == 1 { ("line", "is") } else { ("lines", "are") };
        output::note(&format!(
            "{}: {lines} {} {are} damaged and not used",
            path.display(),
            damaged.join(", ")
        ));
    }
    kept
}

fn foreign(path: &Path) -> Failure {
    Failure::Files(format!(
        "`{}` was not written by a sweep of this version: remove it, or take another directory",
        path.display()
    ))
}
