//! Replays what a real kernel did and compares.
//!
//! The recordings' formats are described beside them, in `oracle/kernel-6.18/README.md`. A file's format is told by its
//! content, so a further format is one more line in `replay_value`.

mod actions;
mod cells;
pub mod conntrack;
pub mod conntrack_walks;
mod notation;
mod replica;
mod report;
mod schedules;
mod setup;
mod walks;
pub mod workloads;
pub mod worlds;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

pub use report::{Report, Setups};

/// The cells that cannot agree, each with its reason.
pub const EXCEPTIONS: &str = concat!(
    include_str!("../../oracle/exceptions.txt"),
    include_str!("../../oracle/kernel-6.18-random/exceptions.txt")
);

/// Reads a JSON file, compressed or not.
///
/// # Errors
///
/// If the file cannot be read or is not JSON; the text names the file.
pub fn read_json(path: &Path) -> Result<Value, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut text = Vec::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(&bytes[..]).read_to_end(&mut text).map_err(|e| format!("{}: {e}", path.display()))?;
    } else {
        text = bytes;
    }
    serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))
}

/// The folder of recordings that comes with the repository.
pub fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/kernel-6.18")
}

/// Replays one file of any known format.
///
/// # Errors
///
/// If the file cannot be read, or its format is not known. Mismatches are no errors: they go to the report.
pub fn replay_file(path: &Path, setups: &Setups, report: &mut Report) -> Result<(), String> {
    let value = read_json(path)?;
    replay_value(&value, setups, report).map_err(|e| format!("{}: {e}", path.display()))
}

/// Replays a file's content; its keys tell the format.
fn replay_value(value: &Value, setups: &Setups, report: &mut Report) -> Result<(), String> {
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let first = |v: &Value, key: &str| v.get(0).is_some_and(|first| first.get(key).is_some());
    if workloads::is_workload(value) {
        workloads::replay(value, report)?;
    } else if first(&value["cells"], "pre_timer") {
        cells::replay(&list(&value["cells"]), setups, report);
    } else if first(&value["cells"], "ct_state") {
        conntrack::report("conntrack", conntrack::cells(value, &setups.0, conntrack::ISNS), report);
    } else if value["sequences"].is_array() {
        conntrack::report("sequences", conntrack::sequences(value, conntrack::ISNS), report);
    } else if value["walks"].is_array() && value["timeouts"].is_object() {
        conntrack::report("conntrack walks", conntrack_walks::walks(value), report);
    } else if value["walks"].is_array() {
        walks::replay(&list(&value["walks"]), report);
    } else if first(value, "out_times_s") {
        schedules::replay(&list(value), setups, report);
    } else if first(value, "name") && first(value, "stable") {
        actions::replay(&list(value), setups, report);
    } else if worlds::is_world(value) {
        worlds::replay(std::slice::from_ref(value), report);
    } else if value.get(0).is_some_and(worlds::is_world) {
        for recordings in worlds::by_world(&list(value)) {
            worlds::replay(recordings, report);
        }
    } else if value["endpoint_states"].is_object() {
        // Set-ups: nothing to replay by themselves.
    } else {
        return Err("no known format".to_owned());
    }
    Ok(())
}
