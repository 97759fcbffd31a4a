//! Files of a directory that belong together. Whenever the program ends, by `kill -9` too, the directory holds the files of one
//! run, or a file that says that it does not; and nothing else of ours.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// The file that says that a set is not whole: there while one takes the place of another. It names the files of the set.
pub(crate) const NOTICE: &str = "INCOMPLETE";

const NOTICE_TEXT: &str = "\
timewait was replacing the files named below when it was ended. Some are of the run before, some of the new one, some are cut off.
The next run into this directory clears them away.
";

/// Commands whose sets have a file of the same name, `answer.txt`, by the mark of each.
const RIVALS: [&str; 3] = ["result.json", "solve.json", "compare.json"];
const SHARED: &str = "answer.txt";

/// What is done to a file system, step by step: a test ends the program after any of them.
trait Disk {
    /// Makes a directory and those above it.
    fn make_dirs(&mut self, dir: &Path) -> io::Result<()>;
    /// Writes a file that was not there.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Adds to the end of a file.
    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Removes a file. None there is as good.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

struct Real;

impl Disk for Real {
    fn make_dirs(&mut self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        File::create_new(path)?.write_all(bytes)
    }
    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new().append(true).open(path)?.write_all(bytes)
    }
    fn remove(&mut self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}

/// A set of files on its way into a directory. The last name is the mark of the set: the first to go, the last to come.
pub(crate) struct Batch {
    dir: PathBuf,
    names: Vec<String>,
    written: Vec<(String, Vec<u8>)>,
}

impl Batch {
    /// Sees whether these files can be written to the directory, so that it is said before the work and not after it.
    /// Nothing is made there before [`Batch::publish`].
    pub(crate) fn new(dir: &Path, names: &[&str]) -> Result<Batch, Failure> {
        check_room(dir)?;
        for name in names {
            check_place(&dir.join(name))?;
        }
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let batch = Batch { dir: dir.to_owned(), names, written: Vec::new() };
        batch.check_rivals()?;
        Ok(batch)
    }

    /// Sets of two commands would be mixed where they share a name.
    fn check_rivals(&self) -> Result<(), Failure> {
        let own = |name: &str| self.names.iter().any(|own| own == name);
        let rival = RIVALS.iter().find(|mark| !own(mark) && self.dir.join(mark).exists());
        match rival.filter(|_| own(SHARED)) {
            None => Ok(()),
            Some(mark) => Err(Failure::Files(format!(
                "`{}` holds the results of another command, `{mark}` among them, and both have a file `{SHARED}`: take another \
                 directory",
                self.dir.display()
            ))),
        }
    }

    /// Adds a file to the set.
    pub(crate) fn write(&mut self, name: &str, bytes: impl Into<Vec<u8>>) {
        debug_assert!(self.names.iter().any(|known| known == name), "only announced files are written");
        self.written.push((name.to_owned(), bytes.into()));
    }

    /// Puts the set into its place. Files of these names that it does not have are removed, others left alone.
    pub(crate) fn publish(self) -> Result<(), Failure> {
        let made = |e: &io::Error| Failure::file("make the directory", &self.dir, e);
        fs::create_dir_all(&self.dir).map_err(|e| made(&e))?;
        // Two sets for one directory take turns, where a directory can be locked.
        let turn = File::open(&self.dir);
        let _ = turn.as_ref().map(File::lock);
        self.check_rivals()?;
        self.replace(&mut Real).map_err(|(path, e)| Failure::file("write", &path, &e))
    }

    /// Every step of it. One that fails is told with its place.
    fn replace(&self, disk: &mut impl Disk) -> Result<(), (PathBuf, io::Error)> {
        let notice = self.dir.join(NOTICE);
        let at = |path: &Path| {
            let path = path.to_owned();
            move |e| (path, e)
        };
        let left_over = listed(&fs::read_to_string(&notice).unwrap_or_default());
        disk.make_dirs(&self.dir).map_err(at(&self.dir))?;
        let mut stale: Vec<&String> = self.names.iter().rev().collect();
        stale.extend(left_over.iter().filter(|name| !self.names.contains(name)));
        let names: Vec<String> = stale.iter().map(|name| format!("- {name}\n")).collect();
        let names = names.concat();
        if left_over.is_empty() {
            disk.remove(&notice).map_err(at(&notice))?;
            disk.write(&notice, format!("{NOTICE_TEXT}{names}").as_bytes()).map_err(at(&notice))?;
        } else {
            // What an interrupted set has left is not whole before its files have gone. A line may be cut off.
            disk.append(&notice, format!("\n{names}").as_bytes()).map_err(at(&notice))?;
        }
        for name in &stale {
            let path = self.dir.join(name);
            disk.remove(&path).map_err(at(&path))?;
        }
        for (name, bytes) in &self.written {
            let path = self.dir.join(name);
            disk.write(&path, bytes).map_err(at(&path))?;
        }
        disk.remove(&notice).map_err(at(&notice))
    }
}

/// The names that a notice lists in whole lines: of files beside it, nothing else.
fn listed(notice: &str) -> Vec<String> {
    let lines = notice.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let names = lines.filter_map(|line| line.strip_prefix("- "));
    names.filter(|name| Path::new(name).file_name().is_some_and(|n| n == *name)).map(str::to_owned).collect()
}

/// Whether something can be written to a directory, or where it is yet to be made. Nothing with a name is made for it.
pub(crate) fn check_room(dir: &Path) -> Result<(), Failure> {
    scratch(dir).map(|_| ()).map_err(|e| Failure::file("make the directory", dir, &e))
}

/// A file without a name beside where another one is to be. It goes when it is closed, however that comes about.
pub(crate) fn scratch(dir: &Path) -> io::Result<File> {
    let there = |dir: &&Path| dir.as_os_str().is_empty() || dir.symlink_metadata().is_ok();
    let above = dir.ancestors().find(there).filter(|dir| !dir.as_os_str().is_empty());
    tempfile::tempfile_in(above.unwrap_or(Path::new(".")))
}

/// A directory where a file is to go is in the way.
pub(crate) fn check_place(place: &Path) -> Result<(), Failure> {
    if !place.is_dir() {
        return Ok(());
    }
    Err(Failure::file("write", place, &io::Error::from(ErrorKind::IsADirectory)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A disk whose program is killed in its n-th step: half of what the step does is done, and nothing after it.
    struct Killed {
        left: usize,
    }

    impl Killed {
        /// Whether this is the last step.
        fn dies(&mut self) -> io::Result<bool> {
            self.left = self.left.checked_sub(1).ok_or(ErrorKind::Interrupted)?;
            Ok(self.left == 0)
        }
    }

    impl Disk for Killed {
        fn make_dirs(&mut self, dir: &Path) -> io::Result<()> {
            if self.dies()? {
                let _ = fs::create_dir(dir.parent().expect("below the place"));
                return Err(ErrorKind::Interrupted.into());
            }
            Real.make_dirs(dir)
        }
        fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            let dies = self.dies()?;
            Real.write(path, if dies { &bytes[..bytes.len() / 2] } else { bytes })?;
            if dies { Err(ErrorKind::Interrupted.into()) } else { Ok(()) }
        }
        fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            let dies = self.dies()?;
            Real.append(path, if dies { &bytes[..bytes.len() / 2] } else { bytes })?;
            if dies { Err(ErrorKind::Interrupted.into()) } else { Ok(()) }
        }
        fn remove(&mut self, path: &Path) -> io::Result<()> {
            // It is gone or not.
            if self.dies()? { Err(ErrorKind::Interrupted.into()) } else { Real.remove(path) }
        }
    }

    type Files = BTreeMap<String, String>;

    fn files(dir: &Path) -> Files {
        let Ok(entries) = fs::read_dir(dir) else { return Files::new() };
        let one =
            |e: fs::DirEntry| (e.file_name().into_string().unwrap(), fs::read_to_string(e.path()).unwrap());
        entries.map(|e| one(e.unwrap())).collect()
    }

    fn set(dir: &Path, names: &[&str], text: &str) -> Batch {
        let mut batch = Batch::new(dir, names).unwrap();
        for name in names {
            batch.write(name, format!("{name} of {text}"));
        }
        batch
    }

    fn expected(names: &[&str], text: &str) -> Files {
        names.iter().map(|&name| (name.to_owned(), format!("{name} of {text}"))).collect()
    }

    const OLD: [&str; 3] = ["answer.txt", "gone.svg", "result.json"];
    const NEW: [&str; 4] = ["answer.txt", "gone.svg", "more.png", "result.json"];

    /// The new set lacks one file of the old.
    fn new(dir: &Path) -> Batch {
        let mut batch = set(dir, &NEW, "new");
        batch.written.retain(|(name, _)| name != "gone.svg");
        batch
    }

    #[test]
    fn killed_at_any_step_a_directory_holds_one_set_or_says_that_it_does_not() {
        let of_new = expected(&["answer.txt", "more.png", "result.json"], "new");
        for old_there in [true, false] {
            let (mut said, mut ended) = (0, false);
            for step in 1.. {
                let place = tempfile::tempdir().unwrap();
                let dir = place.path().join("deep/out");
                let mut old = Files::new();
                if old_there {
                    set(&dir, &OLD, "old").publish().unwrap();
                    old = expected(&OLD, "old");
                }
                let killed = new(&dir).replace(&mut Killed { left: step });
                let mut there = files(&dir);
                if there.remove(NOTICE).is_some() {
                    said += 1;
                    assert!(there.keys().all(|name| NEW.contains(&name.as_str())), "step {step}: {there:?}");
                } else {
                    assert!(there == old || there == of_new, "step {step}: {there:?}");
                }
                // Killed again while it clears up, at the same step, and then not.
                let _ = new(&dir).replace(&mut Killed { left: step });
                let other = expected(&["a", "b"], "another");
                set(&dir, &["a", "b"], "another").publish().unwrap();
                let mut there = files(&dir);
                assert_eq!(there.remove(NOTICE), None);
                for (name, text) in &other {
                    assert_eq!(there.remove(name).as_ref(), Some(text));
                }
                assert!(there.is_empty() || there == old || there == of_new, "step {step}: {there:?}");
                if killed.is_ok() {
                    ended = true;
                    break;
                }
            }
            assert!(ended && said > 5, "the notice was seen {said} times");
        }
    }

    #[test]
    fn what_a_set_does_not_have_is_not_left_from_another_and_strangers_are_left_alone() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("mine.txt"), "mine").unwrap();
        set(place.path(), &OLD, "old").publish().unwrap();
        new(place.path()).publish().unwrap();
        let mut there = files(place.path());
        assert_eq!(there.remove("mine.txt").as_deref(), Some("mine"));
        assert_eq!(there, expected(&["answer.txt", "more.png", "result.json"], "new"));
    }

    #[test]
    fn a_set_that_cannot_be_finished_says_so() {
        let place = tempfile::tempdir().unwrap();
        let batch = set(place.path(), &OLD, "new");
        // Something gets into the way of the second.
        fs::create_dir(place.path().join("gone.svg")).unwrap();
        assert!(matches!(batch.publish(), Err(Failure::Files(why)) if why.contains("gone.svg")));
        assert!(place.path().join(NOTICE).exists());
    }

    #[test]
    fn nothing_is_made_for_a_set_that_does_not_come() {
        let place = tempfile::tempdir().unwrap();
        drop(Batch::new(&place.path().join("deep/out"), &OLD).unwrap());
        assert!(files(place.path()).is_empty() && !place.path().join("deep").exists());
    }

    #[test]
    fn sets_of_two_commands_are_not_mixed() {
        let place = tempfile::tempdir().unwrap();
        set(place.path(), &["answer.txt", "solve.json"], "old").publish().unwrap();
        let refused = Batch::new(place.path(), &OLD).map(|_| ());
        assert!(matches!(refused, Err(Failure::Files(why)) if why.contains("`solve.json`")));
        assert!(Batch::new(place.path(), &["points.csv", "sweep.json"]).is_ok());
    }

    #[test]
    fn a_notice_names_files_beside_it_and_nothing_else() {
        let names = "text\n- answer.txt\n- ../up\n- /etc/x\n- a/b\n- ..\n- \n- cut o";
        assert_eq!(listed(names), ["answer.txt"]);
    }
}
