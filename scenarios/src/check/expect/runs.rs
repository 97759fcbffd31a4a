//! Expectations of several runs: with several seeds, or with and without some changes.

use sim_core::scenario::{Band, Check, Runs};

use super::band::{Unit, band};
use super::{Reader, arguments};
use crate::Patch;
use crate::read::Notes;
use crate::report::Diagnostic;
use crate::syntax::{Kind, Node};

/// More runs than these for one expectation nobody waits for.
const MOST_RUNS: u64 = 1_000;

impl<'a> Reader<'a> {
    /// An expectation: of the run itself, or of several.
    pub(super) fn expectation(&self, notes: &mut Notes) -> Option<(Check, Runs)> {
        let args = match &self.item.kind {
            Kind::Tuple(_, args) => args.as_slice(),
            _ => &[],
        };
        match (self.item.head().map_or("", |(name, _)| name), args) {
            ("in_seeds", [hold, of, check]) => self.in_seeds(notes, hold, of, check),
            ("mean", [of, check]) => {
                let of = notes.integer(of, 2..=MOST_RUNS);
                let check = self.inner(check, true).numbered(notes);
                Some((check?, Runs::Mean { of: of? as u32 }))
            }
            ("same_curve", [metric, with]) => {
                let changes = Self::changes(notes, with);
                let metric = self.metric(notes, metric)?;
                let check = Check::Peak(metric, Band { low: 0, high: u64::MAX });
                Some((check, Runs::SameCurve { changes: changes? }))
            }
            ("times", [check, factor, with]) => {
                let changes = Self::changes(notes, with);
                let check = self.inner(check, false).numbered(notes);
                let factor = match factor.head() {
                    Some(_) => band(notes, Some(factor), Unit::Factor),
                    None => self.wrong_shape(notes, "times"),
                };
                Some((check?, Runs::Times { factor: factor?, changes: changes? }))
            }
            (name @ ("in_seeds" | "mean" | "same_curve" | "times"), _) => self.wrong_shape(notes, name),
            _ => self.check(notes).map(|check| (check, Runs::This)),
        }
    }

    fn in_seeds(&self, notes: &mut Notes, hold: &Node, of: &Node, check: &'a Node) -> Option<(Check, Runs)> {
        let counts = (notes.integer(hold, 1..=MOST_RUNS), notes.integer(of, 1..=MOST_RUNS));
        let check = self.inner(check, true).check(notes);
        let (Some(least), Some(all)) = counts else { return None };
        if least > all {
            notes.refuse(hold.place, format!("it cannot hold in {least} of {all}"));
            return None;
        }
        Some((check?, Runs::Seeds { hold: least as u32, of: all as u32 }))
    }

    /// The expectation inside another.
    fn inner(&self, item: &'a Node, bands: bool) -> Reader<'a> {
        Reader { names: self.names, item, bands }
    }

    /// A check that has a number.
    fn numbered(&self, notes: &mut Notes) -> Option<Check> {
        let check = self.check(notes)?;
        let never = self.item.head().is_some_and(|(name, _)| name == "never");
        if never || matches!(check, Check::BindsFirst(_) | Check::ErlangB { .. }) {
            let message = "this holds or does not, it has no number";
            let help =
                "a number is wanted, as in `rate(\"connected\")` or `share(\"failed\", at_most(\"1%\"))`";
            notes.error(Diagnostic::error(self.item.place, message).help(help));
            return None;
        }
        Some(check)
    }

    /// `with(["PATH=VALUE"])`.
    fn changes(notes: &mut Notes, node: &Node) -> Option<Vec<String>> {
        let named = node.head().is_some_and(|(name, _)| name == "with");
        let [list] = arguments(node) else { return wrong_with(notes, node) };
        let items = match &list.kind {
            Kind::List(items) if named && !items.is_empty() => items,
            _ => return wrong_with(notes, node),
        };
        let mut changes = Vec::new();
        for item in items {
            let text = notes.text(item, "a change", "\"duration=30s\"")?;
            if let Err(why) = Patch::parse(text) {
                notes.refuse(item.place, why);
                return None;
            }
            changes.push(text.to_owned());
        }
        Some(changes)
    }
}

fn wrong_with<T>(notes: &mut Notes, node: &Node) -> Option<T> {
    notes.expected(node, "a list of changes", "with([\"duration=30s\"])");
    None
}
