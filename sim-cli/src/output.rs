//! Writing: to the terminal, and to files that are either whole or not there.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// Writes to standard output.
pub(crate) fn out(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|e| match e.kind() {
        ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::Files(format!("cannot write to standard output: {e}")),
    })
}

/// Writes to standard error. A closed one is not worth failing for.
pub(crate) fn err(text: &str) -> io::Result<()> {
    io::stderr().lock().write_all(text.as_bytes())
}

/// Says something beside the answer.
pub(crate) fn note(text: &str) {
    let _ = err(&format!("{}\n", text.trim_end()));
}

/// Files for a directory: all are written before the first takes its place, and none is ever seen half-written.
pub(crate) struct Batch {
    dir: PathBuf,
    /// Where each file is now, and where it goes.
    written: Vec<(PathBuf, PathBuf)>,
}

impl Batch {
    /// Makes the directory if need be. Files in it that we do not write are left alone.
    pub(crate) fn new(dir: &Path) -> Result<Batch, Failure> {
        fs::create_dir_all(dir).map_err(|e| Failure::file("make the directory", dir, &e))?;
        Ok(Batch { dir: dir.to_owned(), written: Vec::new() })
    }

    /// Writes a file beside its place.
    pub(crate) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let place = self.dir.join(name);
        let beside = self.dir.join(format!(".{name}.{}.part", std::process::id()));
        // Noted first, so that half a file is cleared away too.
        self.written.push((beside.clone(), place.clone()));
        fs::write(&beside, bytes).map_err(|e| Failure::file("write", &place, &e))
    }

    /// Moves all files to their places. What is not moved is cleared away when the batch is dropped.
    pub(crate) fn publish(self) -> Result<(), Failure> {
        for (beside, place) in &self.written {
            fs::rename(beside, place).map_err(|e| Failure::file("write", place, &e))?;
        }
        Ok(())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for (beside, _) in &self.written {
            // A file that has been moved is no longer here, which is as good.
            let _ = fs::remove_file(beside);
        }
    }
}

/// Writes one file whole.
pub(crate) fn file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let name = path.file_name().and_then(|n| n.to_str());
    let name =
        name.ok_or_else(|| Failure::Usage(format!("`{}` is not the name of a file", path.display())))?;
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut batch = Batch::new(dir)?;
    batch.write(name, bytes)?;
    batch.publish()
}
