//! The command line as scripts and people see it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What a command came to.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn timewait(args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_timewait"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    Ran {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A directory for one test.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a place for files"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let dir = self.path(name);
        fs::create_dir_all(dir.parent().expect("below the place")).expect("it can be made");
        fs::write(self.path(name), text).expect("it can be written");
        self.name(name)
    }
}

#[test]
fn help_is_an_interface() {
    for args in [&["--help"][..], &["run", "--help"], &["check", "--help"], &["show", "--help"]] {
        let ran = timewait(args);
        assert_eq!(ran.code, 0);
        insta::assert_snapshot!(args.join(" "), ran.out);
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let ran = timewait(&["--version"]);
    assert_eq!((ran.code, ran.out), (0, format!("timewait {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn wrong_usage_is_two() {
    for args in [&[][..], &["run"], &["fly"], &["run", "x", "--seed", "many"], &["check", "--jobs", "0"]] {
        let ran = timewait(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert_eq!(ran.out, "");
    }
}

#[test]
fn an_unknown_name_is_two_and_says_what_to_do() {
    let ran = timewait(&["run", "no-such-scenario-anywhere"]);
    assert_eq!(ran.code, 2);
    insta::assert_snapshot!(ran.err);
}

#[test]
fn a_missing_file_is_three() {
    for args in [&["run", "missing.ron"][..], &["show", "no/such/dir"], &["check", "missing.ron"]] {
        let ran = timewait(args);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""));
        assert!(ran.err.starts_with("error: cannot read `"), "{}", ran.err);
    }
}

#[test]
fn a_directory_without_scenarios_is_two() {
    let place = Place::new();
    place.write("notes.txt", "nothing");
    let ran = timewait(&["check", &place.name("")]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("there is no `.ron` file below"), "{}", ran.err);
}

#[test]
fn a_closed_pipe_is_success() {
    for args in [&["check"][..], &["list"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = Command::new(env!("CARGO_BIN_EXE_timewait"))
            .args(args)
            .stdout(writer)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn a_broken_scenario_is_two_everywhere() {
    let place = Place::new();
    let file = place.write("broken.ron", "(title: 7");
    for command in ["run", "show"] {
        let ran = timewait(&[command, &file]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(!ran.err.is_empty());
    }
    let ran = timewait(&["check", &file, "--junit", &place.name("report.xml")]);
    assert_eq!(ran.code, 2);
    assert!(ran.out.starts_with("BAD   "), "{}", ran.out);
    assert!(ran.out.ends_with("1 scenario, 0 expectations: none failed; 1 scenario does not load\n"));
    assert!(fs::read_to_string(place.path("report.xml")).unwrap().contains("<error message="));
}
