//! The answer that a run prints: what bound first and when, then the numbers behind it, in less than a screen.

mod binding;
mod counters;
mod hurt;
mod tables;

use crate::run::Run;
use crate::words;

/// Columns that the answer keeps within, where names allow.
const WIDTH: usize = 100;

/// The whole answer, ready to print. Only what the scenario and its summary determine: no wall clock, no speed.
pub fn answer(run: Run<'_>) -> String {
    answer_within(run, None)
}

/// The same for a terminal that has so many columns: no table is wider.
pub fn answer_within(run: Run<'_>, columns: Option<usize>) -> String {
    let room =
        Room { text: columns.unwrap_or(WIDTH).min(WIDTH), table: columns.map(|c| c.saturating_sub(2)) };
    let mut out = String::new();
    push_wrapped(&mut out, "", &run.scenario.title, room);
    if let Some(partial) = run.partial() {
        let text = format!("PARTIAL: {partial}. Everything here speaks of that part alone.");
        push_wrapped(&mut out, "", &text, room);
    }
    if !run.scenario.teaches.is_empty() {
        push_wrapped(&mut out, "", &run.scenario.teaches, room);
    }
    out.push('\n');
    section(&mut out, "What hurt", &felt(run), room);
    section(&mut out, "What ran out", &binding::sentences(run), room);
    section(&mut out, "Connections", &tables::traffic(run, room), room);
    section(&mut out, "Requests", &tables::requests(run, room), room);
    section(&mut out, "Sockets", &tables::sockets(run, room), room);
    section(&mut out, "Kernel counters", &counters::block(run, room), room);
    section(&mut out, "Kernel log", &tables::log(run), room);
    out.push_str(&foot(run));
    out
}

/// How much fits.
#[derive(Clone, Copy)]
struct Room {
    /// Columns of a line of text, and of a table that can be drawn in another way.
    text: usize,
    /// Columns of a table without its indentation, if there is a limit.
    table: Option<usize>,
}

fn felt(run: Run<'_>) -> Vec<String> {
    let lines = hurt::sentences(run);
    if lines.is_empty() { vec![hurt::nothing(run)] } else { lines }
}

/// What users would have felt, a sentence for each thing; none if nothing hurt.
pub fn hurt(run: Run<'_>) -> Vec<String> {
    hurt::sentences(run)
}

/// The headline alone: one sentence on what bound first; where nothing did, on what hurt all the same, or on what came
/// closest.
pub fn headline(run: Run<'_>) -> String {
    if run.summary.bound_first().is_none()
        && let Some(first) = hurt::sentences(run).first()
    {
        return format!("Nothing ran out, but {first}");
    }
    binding::headline(run)
}

/// A heading and its indented lines; nothing at all if there are none.
fn section(out: &mut String, heading: &str, lines: &[String], room: Room) {
    if lines.is_empty() {
        return;
    }
    out.push_str(heading);
    out.push('\n');
    for line in lines {
        push_wrapped(out, "  ", line, room);
    }
    out.push('\n');
}

/// A line broken at spaces so that it fits; tables are narrow enough to stay as they are.
fn push_wrapped(out: &mut String, indent: &str, line: &str, room: Room) {
    let line = line.trim_end();
    if line.chars().count() + indent.len() <= room.text || line.contains("  ") {
        if !line.is_empty() {
            out.push_str(indent);
            out.push_str(line);
        }
        out.push('\n');
        return;
    }
    out.push_str(&words::broken(line, indent.len(), room.text));
    out.push('\n');
}

fn foot(run: Run<'_>) -> String {
    let s = run.summary;
    let lost = if s.lost > 0 { format!(" ({} lost)", words::count(s.lost)) } else { String::new() };
    format!(
        "{} simulated, seed {}, {}{lost}, digest {}\n",
        words::at(s.ended),
        run.scenario.seed,
        words::counted(s.segments, "segment", "segments"),
        s.digest
    )
}
