//! Writing: to the terminal, and to files that are either whole or not there.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::exit::Failure;
use crate::{paint, terminal};

/// Writes to standard output.
pub(crate) fn out(text: &str) -> Result<(), Failure> {
    out_bytes(text.as_bytes())
}

/// Writes to standard output what people read: in colour and in the width of their terminal, if it is one.
pub(crate) fn answer(text: &str) -> Result<(), Failure> {
    let shown = paint::wrapped(text, terminal::columns());
    paint::out(&shown).and_then(|()| io::stdout().flush()).map_err(|e| unwritten(&e))
}

/// Writes to standard output what may be no text.
pub(crate) fn out_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|e| unwritten(&e))
}

fn unwritten(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::Files(format!("cannot write to standard output: {error}")),
    }
}

/// Writes to standard error. A closed one is not worth failing for.
pub(crate) fn err(text: &str) -> io::Result<()> {
    paint::err(text)
}

/// Says something beside the answer.
pub(crate) fn note(text: &str) {
    let _ = err(&format!("{}\n", text.trim_end()));
}

/// Files for a directory, whole as a set: all are written before the first takes its place. The last that was claimed is
/// the mark of a whole set: it goes before any other changes and comes back after all others have.
pub(crate) struct Batch {
    dir: PathBuf,
    /// Whether the directory was made for this batch.
    made: bool,
    claims: Vec<Claim>,
}

/// A file of a batch before it takes its place. As long as it is open and locked, it is in use.
struct Claim {
    file: File,
    beside: PathBuf,
    place: PathBuf,
    written: bool,
}

impl Batch {
    /// Makes the directory if need be and claims the files, so that what cannot be written is said before the work
    /// and not after it. Files in the directory that are not claimed are left alone, but for what an interrupted batch
    /// left behind.
    pub(crate) fn new(dir: &Path, names: &[&str]) -> Result<Batch, Failure> {
        let made = !dir.exists();
        fs::create_dir_all(dir).map_err(|e| Failure::file("make the directory", dir, &e))?;
        clear_leftovers(dir, names);
        let mut batch = Batch { dir: dir.to_owned(), made, claims: Vec::with_capacity(names.len()) };
        for name in names {
            let place = dir.join(name);
            if place.is_dir() {
                let taken = io::Error::from(ErrorKind::IsADirectory);
                return Err(Failure::file("write", &place, &taken));
            }
            let beside = dir.join(format!(".{name}.{}.part", std::process::id()));
            let claimed = File::create(&beside).and_then(|file| file.lock().map(|()| file));
            let file = claimed.map_err(|e| Failure::file("write", &place, &e))?;
            batch.claims.push(Claim { file, beside, place, written: false });
        }
        Ok(batch)
    }

    /// Writes a claimed file beside its place.
    pub(crate) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let place = self.dir.join(name);
        let claim =
            self.claims.iter_mut().find(|c| c.place == place).expect("only claimed files are written");
        claim.written = true;
        claim.file.write_all(bytes).map_err(|e| Failure::file("write", &place, &e))
    }

    /// Moves what was written to its place. What is not moved is cleared away when the batch is dropped.
    pub(crate) fn publish(self) -> Result<(), Failure> {
        // Two batches in one directory take turns. Where a directory cannot be locked, they have to be careful.
        let turn = File::open(&self.dir);
        let _ = turn.as_ref().map(File::lock);
        let written = || self.claims.iter().filter(|c| c.written);
        if let Some(mark) = written().next_back().filter(|_| written().count() > 1) {
            match fs::remove_file(&mark.place) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(Failure::file("replace", &mark.place, &e));
                }
                _ => {}
            }
        }
        // A file that this set does not have must not be left from another one.
        for claim in self.claims.iter().filter(|c| !c.written) {
            let _ = fs::remove_file(&claim.place);
        }
        for claim in written() {
            fs::rename(&claim.beside, &claim.place).map_err(|e| Failure::file("write", &claim.place, &e))?;
        }
        Ok(())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for claim in &self.claims {
            // A file that has been moved is no longer here, which is as good.
            let _ = fs::remove_file(&claim.beside);
        }
        if self.made {
            // Succeeds only if nothing was written.
            let _ = fs::remove_dir(&self.dir);
        }
    }
}

/// Removes what interrupted batches left beside the places of these files: `.NAME.PID.part` that nobody has locked.
fn clear_leftovers(dir: &Path, names: &[&str]) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let file = entry.file_name();
        let ours = |name: &&str| {
            let middle =
                file.to_str().and_then(|f| f.strip_prefix('.')?.strip_prefix(name)?.strip_prefix('.'));
            let pid = middle.and_then(|m| m.strip_suffix(".part"));
            pid.is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()))
        };
        if names.iter().any(ours) && File::open(entry.path()).is_ok_and(|left| left.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// One file, claimed before the work and written after it.
pub(crate) struct Single {
    batch: Batch,
    name: String,
}

impl Single {
    /// Claims the file.
    pub(crate) fn new(path: &Path) -> Result<Single, Failure> {
        let name = path.file_name().and_then(|n| n.to_str());
        let name =
            name.ok_or_else(|| Failure::Usage(format!("`{}` is not the name of a file", path.display())))?;
        let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Single { batch: Batch::new(dir, &[name])?, name: name.to_owned() })
    }

    /// A way to write it as the work goes on; it takes its place with [`Single::publish_written`].
    pub(crate) fn writer(&self) -> Result<BufWriter<File>, Failure> {
        let claim = &self.batch.claims[0];
        let clone = claim.file.try_clone().map_err(|e| Failure::file("write", &claim.place, &e))?;
        Ok(BufWriter::new(clone))
    }

    /// Puts what was written into its place.
    pub(crate) fn publish_written(mut self) -> Result<(), Failure> {
        self.batch.claims[0].written = true;
        self.batch.publish()
    }

    /// Writes the file whole.
    pub(crate) fn publish(mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.batch.write(&self.name, bytes)?;
        self.batch.publish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    }

    #[test]
    fn a_set_that_could_not_be_finished_has_no_mark() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path();
        fs::write(dir.join("mark"), "old").unwrap();
        let mut batch = Batch::new(dir, &["first", "second", "mark"]).unwrap();
        for name in ["first", "second", "mark"] {
            batch.write(name, b"new").unwrap();
        }
        // Something gets into the way of the second.
        fs::create_dir(dir.join("second")).unwrap();
        fs::write(dir.join("second/file"), "").unwrap();
        assert!(matches!(batch.publish(), Err(Failure::Files(_))));
        assert_eq!(names(dir), ["first", "second"]);
    }

    #[test]
    fn what_an_interrupted_batch_left_is_cleared_and_what_is_in_use_is_not() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path();
        for name in [".a.1.part", ".b.77.part", ".a.part", ".other.1.part", ".a.x.part"] {
            fs::write(dir.join(name), "").unwrap();
        }
        let in_use = File::open(dir.join(".b.77.part")).unwrap();
        in_use.lock().unwrap();
        drop(Batch::new(dir, &["a", "b"]).unwrap());
        assert_eq!(names(dir), [".a.part", ".a.x.part", ".b.77.part", ".other.1.part"]);
    }

    #[test]
    fn a_directory_made_for_nothing_goes_again() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("out");
        drop(Batch::new(&dir, &["a"]).unwrap());
        assert!(!dir.exists());
        let mut batch = Batch::new(&dir, &["a", "b"]).unwrap();
        batch.write("a", b"text").unwrap();
        batch.write("b", b"text").unwrap();
        batch.publish().unwrap();
        assert_eq!(names(&dir), ["a", "b"]);
    }

    #[test]
    fn what_a_set_does_not_have_is_not_left_from_another() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().to_owned();
        fs::write(dir.join("b"), "of another set").unwrap();
        fs::write(dir.join("c"), "not ours").unwrap();
        let mut batch = Batch::new(&dir, &["a", "b"]).unwrap();
        batch.write("a", b"text").unwrap();
        batch.publish().unwrap();
        assert_eq!(names(&dir), ["a", "c"]);
    }
}
