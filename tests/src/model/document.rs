//! Documents that are generated: a test fails when the committed file differs from what the code says.

use std::path::Path;

/// The variable that has documents rewritten instead of compared.
pub const UPDATE: &str = "UPDATE_DOCS";

/// Compares a generated file that is no text with the committed one, or rewrites it if [`UPDATE`] is set.
///
/// # Errors
/// What to do about the difference.
pub fn check_bytes(path: &str, bytes: &[u8]) -> Result<(), String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?.join(path);
    if std::env::var_os(UPDATE).is_some() {
        return std::fs::write(&file, bytes).map_err(|e| format!("{path}: {e}"));
    }
    let same = std::fs::read(&file).is_ok_and(|committed| committed == bytes);
    if same { Ok(()) } else { Err(format!("{path} is out of date: rewrite it with {UPDATE}=1")) }
}

/// Compares a generated text with the committed file, or rewrites the file if [`UPDATE`] is set.
///
/// # Errors
/// What to do about the difference.
pub fn check(path: &str, text: &str) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
    let file = root.join(path);
    if std::env::var_os(UPDATE).is_some() {
        return std::fs::write(&file, text).map_err(|e| format!("{path}: {e}"));
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    if committed == text {
        return Ok(());
    }
    let (old, new): (Vec<_>, Vec<_>) = (committed.lines().collect(), text.lines().collect());
    let at = old.iter().zip(&new).position(|(a, b)| a != b).unwrap_or(old.len().min(new.len()));
    let line = |lines: &[&str]| lines.get(at).copied().unwrap_or("(nothing)").to_string();
    Err(format!(
        "{path} is out of date from line {} on:\n  committed: {}\n  generated: {}\nrewrite it with {UPDATE}=1",
        at + 1,
        line(&old),
        line(&new)
    ))
}
