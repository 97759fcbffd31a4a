//! `drop: [..]`.

use sim_core::scenario::{DropRule, Dropped};
use sim_core::time::{Span, Time};

use super::Input;
use crate::report::Diagnostic;
use crate::section::{Absent, Field, field, names, number, span, time, word_of};
use crate::syntax::{Kind, Node};

const SEGMENTS: &[(&str, Dropped)] = &[
    ("any", Dropped::Any),
    ("syn", Dropped::Syn),
    ("syn_ack", Dropped::SynAck),
    ("ack", Dropped::Ack),
    ("data", Dropped::Data),
    ("fin", Dropped::Fin),
    ("rst", Dropped::Rst),
];

/// The fields of a rule.
pub(crate) static DROP: &[Field<DropRule>] = &[
    field!(
        segments,
        "`any`, `syn`, `syn_ack`, `ack`, `data`, `fin`, `rst`",
        "which: `syn` has no ACK, `ack` no SYN; `data`, `fin` and `rst` whatever else they carry",
        |input, node, rule| {
            rule.segments = input.notes.word(node, "a kind of segment", SEGMENTS)?;
            Some(())
        },
        |rule, _| word_of(SEGMENTS, &rule.segments)
    ),
    field!(
        port,
        "number, or `any`",
        "the port that they are sent to",
        |input, node, rule| {
            rule.port = if is_word(node, "any") { 0 } else { input.notes.integer(node, 1..=65_535)? as u16 };
            Some(())
        },
        |rule, _| if rule.port == 0 { "any".to_owned() } else { rule.port.to_string() }
    ),
    field!(
        start,
        "time",
        "from when on",
        |input, node, rule| {
            rule.start = Time(input.notes.span(node)?.0);
            Some(())
        },
        |rule, _| time(Span(rule.start.0))
    ),
    field!(
        stop,
        "time",
        Absent::Words("the end"),
        "until when",
        |input, node, rule| {
            rule.stop = Time(input.notes.span(node)?.0);
            Some(())
        },
        |rule, _| if rule.stop == Time::NEVER { String::new() } else { time(Span(rule.stop.0)) }
    ),
    field!(
        times,
        "number, or `unlimited`",
        "how many at most",
        |input, node, rule| {
            rule.times = if is_word(node, "unlimited") {
                u64::MAX
            } else {
                input.notes.integer(node, 1..=1_000_000_000_000)?
            };
            Some(())
        },
        |rule, _| if rule.times == u64::MAX { "unlimited".to_owned() } else { rule.times.to_string() }
    ),
    number!(skip, skip as u64, 0..=1_000_000_000_000, "number", "so many that fit are let through first"),
    span!(late, late, "they are held back for so long instead: others may overtake them"),
];

/// A rule that says nothing: everything, always.
pub(crate) const BLANK: DropRule = DropRule {
    segments: Dropped::Any,
    port: 0,
    start: Time::ZERO,
    stop: Time::NEVER,
    times: u64::MAX,
    skip: 0,
    late: Span::ZERO,
};

fn is_word(node: &Node, word: &str) -> bool {
    matches!(&node.kind, Kind::Word(w) if w == word)
}

/// Reads every rule of a host.
pub(crate) fn rules(input: &mut Input<'_>, node: &Node) -> Vec<DropRule> {
    let mut found = Vec::new();
    for item in input.notes.list(node, "a list of rules", "[(segments: fin, times: 1)]") {
        let fields = input.notes.fields(item, "a rule", &names(DROP));
        let mut rule = BLANK;
        if !fields.read(input, DROP, &mut rule) {
            continue;
        }
        if rule.start >= rule.stop {
            let message = format!("it begins at {} but is over at {}", rule.start, rule.stop);
            let place = fields.place_of(if fields.get("stop").is_some() { "stop" } else { "start" });
            input.notes.error(Diagnostic::error(place, message));
            continue;
        }
        found.push(rule);
    }
    found
}
