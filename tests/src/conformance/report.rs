//! What agreed and what did not.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// The logs that lead to named states.
#[derive(Debug, Default)]
pub struct Setups(pub Value);

impl Setups {
    /// The endpoint state that a name begins with, in small letters; the longest if there are several.
    pub(super) fn state_named_by(&self, name: &str) -> Option<&str> {
        let states = self.0["endpoint_states"].as_object()?.keys().map(String::as_str);
        states.filter(|state| name.starts_with(&state.to_lowercase())).max_by_key(|state| state.len())
    }

    /// The log of an endpoint state, such as `ESTABLISHED/ts`.
    pub(super) fn endpoint(&self, key: &str) -> Result<&[Value], String> {
        // Nothing leads to CLOSED.
        if key.starts_with("CLOSED/") {
            return Ok(&[]);
        }
        self.0["endpoint"][key].as_array().map(Vec::as_slice).ok_or_else(|| format!("no set-up for {key}"))
    }
}

/// Counts of one kind of recording.
#[derive(Debug, Default)]
struct Tally {
    agree: u32,
    differ: u32,
    excused: u32,
    untold: u32,
    apart: u32,
    groups: BTreeMap<String, (u32, u32)>,
}

/// Everything the replay found.
#[derive(Debug, Default)]
pub struct Report {
    tallies: BTreeMap<String, Tally>,
    /// One line for each mismatch.
    pub mismatches: Vec<String>,
    /// One line for each cell on the list of exceptions that did not agree.
    pub excused: Vec<String>,
    /// One line for each recording that cannot be told to the simulator, those on the list of exceptions aside.
    pub untold: Vec<String>,
    /// One line for each recording that nobody can compare, and why.
    pub apart: Vec<String>,
    /// Of the exceptions that end in `*` and so stand for several: how many of theirs were judged, and how many differ.
    whole: BTreeMap<String, (u32, u32)>,
    exceptions: BTreeMap<String, String>,
}

impl Report {
    /// A report that knows which cells cannot agree: lines `id<TAB or spaces>reason`, `#` for remarks.
    pub fn new(exceptions: &str) -> Report {
        let lines = exceptions.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let pairs = lines.filter_map(|l| l.split_once(char::is_whitespace));
        Report {
            exceptions: pairs.map(|(id, why)| (id.to_owned(), why.trim().to_owned())).collect(),
            ..Report::default()
        }
    }

    /// The reason of an exception: the id itself, or the longest beginning of it followed by `*`.
    fn excuse(&self, id: &str) -> Option<(&String, &String)> {
        let fits = |key: &str| key.strip_suffix('*').is_some_and(|begin| id.starts_with(begin));
        let whole = || self.exceptions.iter().filter(|(key, _)| fits(key)).max_by_key(|(key, _)| key.len());
        self.exceptions.get_key_value(id).or_else(whole)
    }

    /// Whether something is on the list of exceptions.
    pub(super) fn excuses(&self, id: &str) -> bool {
        self.excuse(id).is_some()
    }

    /// The exceptions that end in `*` and of which everything agrees by now.
    pub fn idle(&self) -> Vec<String> {
        let idle = self.whole.iter().filter(|(_, (_, differ))| *differ == 0);
        idle.map(|(key, _)| format!("{key}: all of it agrees by now; take it off the list of exceptions"))
            .collect()
    }

    /// Files the verdict on one recording. An exception that agrees is a mismatch: the list must not hide anything.
    pub fn judge(&mut self, kind: &str, id: &str, group: &str, problems: &[String]) {
        let found = self.excuse(id).map(|(key, why)| (key.clone(), why.clone()));
        let whole = found.as_ref().is_some_and(|(key, _)| key.ends_with('*'));
        if let (Some((key, _)), true) = (&found, whole) {
            let seen = self.whole.entry(key.clone()).or_default();
            *seen = (seen.0 + 1, seen.1 + u32::from(!problems.is_empty()));
        }
        let excuse = found.map(|(_, why)| why);
        let tally = self.tallies.entry(kind.to_owned()).or_default();
        let row = tally.groups.entry(group.to_owned()).or_default();
        row.1 += 1;
        if problems.is_empty() && excuse.is_some() && !whole {
            tally.differ += 1;
            self.mismatches.push(format!("{kind} {id}: agrees by now; take it off the list of exceptions"));
        } else if problems.is_empty() {
            tally.agree += 1;
            row.0 += 1;
        } else if let Some(why) = excuse {
            tally.excused += 1;
            self.excused.push(format!("{kind} {id}: {} (excused: {why})", problems.join("; ")));
        } else {
            tally.differ += 1;
            self.mismatches.push(format!("{kind} {id}: {}", problems.join("; ")));
        }
    }

    /// Files a recording that cannot be told to the simulator, and why. It does not agree, unless it is on the list.
    pub fn cannot_tell(&mut self, kind: &str, id: &str, group: &str, reason: &str) {
        let tally = self.tallies.entry(kind.to_owned()).or_default();
        tally.groups.entry(group.to_owned()).or_default().1 += 1;
        if let Some(why) = self.exceptions.get(id) {
            tally.excused += 1;
            self.excused.push(format!("{kind} {id}: cannot be told: {reason} (excused: {why})"));
        } else {
            tally.untold += 1;
            self.untold.push(format!("{kind} {id}: cannot be told: {reason}"));
        }
    }

    /// Files a recording that hangs on something that is no part of it, such as how a scheduler treated the recorder.
    pub fn set_apart(&mut self, kind: &str, id: &str, reason: &str) {
        self.tallies.entry(kind.to_owned()).or_default().apart += 1;
        self.apart.push(format!("{kind} {id}: set apart: {reason}"));
    }

    /// Whether everything agreed, the listed exceptions aside.
    pub fn all_agree(&self) -> bool {
        self.mismatches.is_empty()
            && self.untold.is_empty()
            && self.idle().is_empty()
            && !self.tallies.is_empty()
    }

    /// How many of a kind agreed, differed without excuse, and differed with one.
    pub fn counts(&self, kind: &str) -> (u32, u32, u32) {
        self.tallies.get(kind).map_or((0, 0, 0), |t| (t.agree, t.differ, t.excused))
    }

    /// The summary, with a table for each kind.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for (kind, tally) in &self.tallies {
            let total = tally.agree + tally.differ + tally.excused + tally.untold;
            let unit = if kind == "endpoint" || kind == "conntrack" { "cells" } else { "of them" };
            let _ = write!(text, "{kind}: {} of {total} {unit} agree", tally.agree);
            if tally.excused > 0 {
                let _ = write!(text, ", {} excused", tally.excused);
            }
            if tally.untold > 0 {
                let _ = write!(text, ", {} cannot be told", tally.untold);
            }
            if tally.apart > 0 {
                let _ = write!(text, ", {} set apart", tally.apart);
            }
            text.push('\n');
            if tally.groups.len() > 1 {
                for (group, (agree, all)) in &tally.groups {
                    let _ = writeln!(text, "  {group:<28} {agree:>5} of {all:>5}");
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn an_exception_that_agrees_is_a_mismatch() {
        let mut report = Report::new("# remark\nw1 why\nw2 as w1\n");
        report.judge("walks", "w1", "", &["differs".to_owned()]);
        assert!(report.all_agree(), "an excused one is no mismatch");
        report.judge("walks", "w2", "", &[]);
        assert_eq!(report.counts("walks"), (0, 1, 1));
        assert!(report.mismatches[0].starts_with("walks w2: agrees by now"), "{:?}", report.mismatches);
    }
}
