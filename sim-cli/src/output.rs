//! Writing: to the terminal, and to a file that is either whole or not there. Sets of files: [`crate::set`].

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

use crate::exit::Failure;
use crate::{paint, set, terminal};

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

/// One file: a place that was looked at before the work, and what is written for it without a name until it is whole.
pub(crate) struct Single {
    place: PathBuf,
    text: File,
}

impl Single {
    /// Sees whether the file can be written. Nothing with a name is made before it is published.
    pub(crate) fn new(path: &Path) -> Result<Single, Failure> {
        if path.file_name().is_none() {
            return Err(Failure::Usage(format!("`{}` is not the name of a file", path.display())));
        }
        set::check_place(path)?;
        let dir = path.parent().unwrap_or(Path::new(""));
        let text = set::scratch(dir).map_err(|e| Failure::file("write", path, &e))?;
        Ok(Single { place: path.to_owned(), text })
    }

    /// A way to write it as the work goes on; it takes its place with [`Single::publish_written`].
    pub(crate) fn writer(&self) -> Result<BufWriter<File>, Failure> {
        let clone = self.text.try_clone().map_err(|e| Failure::file("write", &self.place, &e))?;
        Ok(BufWriter::new(clone))
    }

    /// Puts what was written into its place.
    pub(crate) fn publish_written(mut self) -> Result<(), Failure> {
        self.put_in_place().map_err(|e| Failure::file("write", &self.place, &e))
    }

    /// Writes the file whole.
    pub(crate) fn publish(mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.text.write_all(bytes).map_err(|e| Failure::file("write", &self.place, &e))?;
        self.publish_written()
    }

    /// Copies it beside its place and moves it there whole.
    fn put_in_place(&mut self) -> io::Result<()> {
        let dir = self.place.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(dir)?;
        self.text.rewind()?;
        let name = self.place.file_name().unwrap_or_default().to_string_lossy();
        let beside = dir.join(format!(".{name}.{}.part", std::process::id()));
        let copied = File::create(&beside).and_then(|mut file| io::copy(&mut self.text, &mut file));
        let moved = copied.and_then(|_| fs::rename(&beside, &self.place));
        if moved.is_err() {
            let _ = fs::remove_file(&beside);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("deep/report.xml");
        drop(Single::new(&path).unwrap());
        assert!(!place.path().join("deep").exists());
        Single::new(&path).unwrap().publish(b"first").unwrap();
        let single = Single::new(&path).unwrap();
        let mut writer = single.writer().unwrap();
        writer.write_all(b"second").unwrap();
        writer.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        single.publish_written().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
