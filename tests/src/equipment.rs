//! What a test needs beside a Rust toolchain. Where it is missing the test is left out, and says so.

use std::io::Write;
use std::process::Command;

/// The variable under which nothing may be left out: `.ci/run` sets it.
const NOTHING_OUT: &str = "TIMEWAIT_LEAVE_NOTHING_OUT";

/// Says loudly that `what` is left out for want of `missing`.
///
/// # Panics
/// Where nothing may be left out.
pub fn left_out(what: &str, missing: &str) {
    assert!(std::env::var_os(NOTHING_OUT).is_none(), "{what} cannot be tested here: {missing}");
    say_left_out(what, missing);
}

/// The same for what another command of `.ci/run` tests.
pub fn say_left_out(what: &str, missing: &str) {
    // Not a print: those of a test that passes are not shown.
    let _ = writeln!(std::io::stderr(), "\n*** LEFT OUT: {what}: {missing} (.ci/run leaves nothing out)\n");
}

/// Whether a program is there.
pub fn program(name: &str) -> bool {
    Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success())
}
