//! `conntrack: ..`: the sysctls without their common beginning, and what no sysctl says.

use sim_core::profile::Stack;
use sim_core::scenario::Scenario;

use super::Input;
use crate::read::nearest;
use crate::report::Diagnostic;
use crate::section::{Absent, Field, field, lines, number, shown, time};
use crate::syntax::{Key, Kind, Node, clip, quoted};
use crate::sysctl::{CONNTRACK, HostSettings, SETTINGS, find};

/// What no sysctl sets: the collector runs from boot, so a scenario may meet it at any phase.
pub(crate) static OTHERS: &[Field<HostSettings>] = &[
    field!(
        first_gc,
        "time",
        Absent::Words("drawn from the first 60 s; `\"60s\"` where timers are exact"),
        "when the garbage collector runs first; no sysctl says so",
        |input, node, knobs| {
            knobs.conntrack.first_gc = Some(input.notes.span(node)?);
            Some(())
        },
        |knobs, _| knobs.conntrack.first_gc.map_or(String::new(), time)
    ),
    number!(
        neighbours,
        conntrack.neighbours as u32,
        0..=1_000_000_000,
        "number",
        "entries of other network namespaces, with long lives: one collector walks all, and they slow it down to once in 60 s"
    ),
];

/// Names of the fields: the sysctls after their common beginning, then the others.
fn fields() -> impl Iterator<Item = &'static str> {
    let settings = SETTINGS.iter().filter_map(|s| s.name.strip_prefix(CONNTRACK));
    settings.chain(OTHERS.iter().map(|f| f.name))
}

/// Whether connections are tracked, and how.
pub(crate) fn tracking(input: &mut Input<'_>, node: &Node, stack: Stack, knobs: &mut HostSettings) -> bool {
    if !stack.is_linux() && !matches!(&node.kind, Kind::Word(w) if w == "off") {
        let message = format!("conntrack is Linux's, and this host runs `{stack}`");
        input.notes.error(Diagnostic::error(node.place, message));
        return false;
    }
    match &node.kind {
        Kind::Word(w) if w == "on" => true,
        Kind::Word(w) if w == "off" => false,
        Kind::Word(_) => {
            input.notes.not_one_of(node, "a value of `conntrack`", &["on", "off", "(max: 65536)"]);
            false
        }
        Kind::Fields(_, entries) => {
            for (i, (key, value)) in entries.iter().enumerate() {
                if let Some((first, _)) = entries[..i].iter().find(|(k, _)| k.text == key.text) {
                    let message = format!("the field `{}` comes twice", key.text);
                    let diagnostic = Diagnostic::error(key.place, message).label("again here");
                    input.notes.error(diagnostic.other(first.place, "first here"));
                }
                set(input, key, value, knobs);
            }
            true
        }
        Kind::Tuple(None, items) if items.is_empty() => true,
        _ => {
            input.notes.expected(node, "`on`, `off` or the fields of conntrack", "(max: 65536)");
            true
        }
    }
}

/// Sets one field.
fn set(input: &mut Input<'_>, key: &Key, value: &Node, knobs: &mut HostSettings) {
    if let Some(field) = OTHERS.iter().find(|f| f.name == key.text) {
        // What is wrong with it has been noted.
        let _ = (field.set)(input, value, knobs);
        return;
    }
    let notes = &mut input.notes;
    let Some(setting) = find(&format!("{CONNTRACK}{}", key.text)) else {
        let message = format!("conntrack has no field `{}`", clip(&key.text));
        let mut diagnostic = Diagnostic::error(key.place, message);
        if let Some(near) = nearest(&key.text, fields()) {
            diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
        }
        let names = fields().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        return notes
            .error(diagnostic.help(format!("its fields are the sysctls after `nf_conntrack_`: {names}")));
    };
    let text = match &value.kind {
        Kind::Text(t) if setting.unit == "seconds" => {
            crate::units::span(t).map_or_else(|_| t.clone(), |s| s.as_secs().to_string())
        }
        Kind::Text(t) | Kind::Number(t) => t.replace('_', ""),
        Kind::Word(w) if w == "true" => "1".to_owned(),
        Kind::Word(w) if w == "false" => "0".to_owned(),
        _ => return notes.expected(value, &setting.takes(), ""),
    };
    if let Err(takes) = setting.set(knobs, &text) {
        let message = format!("Linux would refuse {} here", quoted(&text));
        notes.error(Diagnostic::error(value.place, message).label("EINVAL").help(takes));
    }
}

/// The section with every field.
pub(crate) fn show(knobs: &HostSettings, scenario: &Scenario) -> String {
    let settings = SETTINGS.iter().filter_map(|setting| {
        let name = setting.name.strip_prefix(CONNTRACK)?;
        Some(format!("{name}: {}", setting.get(knobs)))
    });
    lines("(", settings.chain(shown(OTHERS, knobs, scenario)), ")")
}
