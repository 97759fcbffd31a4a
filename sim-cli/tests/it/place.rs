//! Running the command, and directories to run it in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What a command came to.
pub struct Ran {
    pub code: i32,
    #[allow(dead_code, reason = "not every test reads what is printed")]
    pub out: String,
    pub err: String,
}

/// Runs the command with these arguments.
pub fn timewait(args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_timewait"));
    // Help is wrapped to the terminal; here there is none.
    command.args(args).env_remove("COLUMNS").stdin(Stdio::null());
    let output = command.output().expect("it starts");
    Ran {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A directory for one test.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().expect("a place for files"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let dir = self.path(name);
        fs::create_dir_all(dir.parent().expect("below the place")).expect("it can be made");
        fs::write(self.path(name), text).expect("it can be written");
        self.name(name)
    }
}

/// Names in a directory, sorted.
#[allow(dead_code, reason = "not every test looks into a directory")]
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory").map(|e| e.expect("an entry").file_name());
    let mut names: Vec<_> = entries.map(|n| n.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A scenario whose texts would do harm if they were taken for HTML.
#[allow(dead_code, reason = "for those who make pages")]
pub const HOSTILE: &str = r#"(
    title: "</script><script>document.title = 'taken'</script> & <b>",
    teaches: "<img src=x onerror=alert(1)>",
    duration: "5s",
    hosts: {
        "client": (addresses: ["10.0.0.1"], sysctl: {"net.ipv4.ip_local_port_range": "40000 40009"}),
        "server": (addresses: ["10.0.0.2"], listen: [(port: 80)]),
    },
    links: [(path: ["client", "server"], delay: "1ms")],
    traffic: { "web": (from: "client", to: "server:80", arrivals: constant("10/s")) },
    expect: [never("failed")],
)"#;
