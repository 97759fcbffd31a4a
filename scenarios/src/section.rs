//! A section of the language as a table with one row for each field: how it is read, how it is shown, what it is.
//!
//! Everything that concerns a field comes from its row: the list of known names and the error for an unknown one, the
//! default, the text of `timewait show`, and the line in `LANGUAGE.md`. The value without any field (`blank`) holds the
//! defaults; a row shows its own default from there.

use sim_core::scenario::Scenario;
use sim_core::time::Span;

use crate::check::Input;
use crate::read::Fields;
use crate::syntax::Node;
use crate::units::show_span;

/// One field of a section that is read into a `T`.
pub(crate) struct Field<T: 'static> {
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// What is written as its value, in words.
    pub(crate) takes: &'static str,
    /// What a file without it means.
    pub(crate) absent: Absent,
    /// What it does: one line of the reference.
    pub(crate) doc: &'static str,
    /// Reads it; none if the value is wrong, which has been noted.
    pub(crate) set: fn(&mut Input<'_>, &Node, &mut T) -> Option<()>,
    /// As text that `set` reads back; empty if it is not shown.
    pub(crate) get: fn(&T, &Scenario) -> String,
}

/// What a file means that leaves a field out.
#[derive(Clone, Copy)]
pub(crate) enum Absent {
    /// What the row shows of the blank value.
    Blank,
    /// What no single text says, in words.
    Words(&'static str),
    /// The field must be given; an example of it.
    Wrong(&'static str),
}

/// The names of a table.
pub(crate) fn names<T>(table: &[Field<T>]) -> Vec<&'static str> {
    table.iter().map(|field| field.name).collect()
}

impl Fields<'_> {
    /// Reads the fields of a table, in its order. False if one that must be given is missing or wrong.
    pub(crate) fn read<T>(&self, input: &mut Input<'_>, table: &[Field<T>], value: &mut T) -> bool {
        let mut whole = true;
        for field in table {
            let node = match field.absent {
                Absent::Wrong(example) => self.need(&mut input.notes, field.name, example),
                _ => self.get(field.name),
            };
            let read = node.and_then(|node| (field.set)(input, node, value));
            whole &= read.is_some() || !matches!(field.absent, Absent::Wrong(_));
        }
        whole
    }
}

/// Reads a whole section that stands alone: its fields, checked by name, into a value that holds the defaults.
pub(crate) fn section<T>(
    input: &mut Input<'_>,
    node: &Node,
    what: &'static str,
    table: &[Field<T>],
    mut value: T,
) -> Option<T> {
    let fields = input.notes.fields(node, what, &names(table));
    fields.read(input, table, &mut value).then_some(value)
}

/// The fields of a table with their values, as far as they are shown.
pub(crate) fn shown<T>(table: &[Field<T>], value: &T, scenario: &Scenario) -> Vec<String> {
    let line = |field: &Field<T>| {
        let text = (field.get)(value, scenario);
        (!text.is_empty()).then(|| format!("{}: {text}", field.name))
    };
    table.iter().filter_map(line).collect()
}

/// A section on one line: `(port: 80, backlog: 4096)`.
pub(crate) fn inline<T>(table: &[Field<T>], value: &T, scenario: &Scenario) -> String {
    format!("({})", shown(table, value, scenario).join(", "))
}

/// A section with a line for each field.
pub(crate) fn block<T>(table: &[Field<T>], value: &T, scenario: &Scenario) -> String {
    lines("(", shown(table, value, scenario), ")")
}

/// Entries between brackets, each on lines of its own, with a comma.
pub(crate) fn lines(open: &str, entries: impl IntoIterator<Item = String>, close: &str) -> String {
    let mut text = open.to_owned();
    for entry in entries {
        for line in entry.lines() {
            text.push_str("\n    ");
            text.push_str(line);
        }
        text.push(',');
    }
    // Empty brackets stay on one line.
    if text.len() > open.len() {
        text.push('\n');
    }
    text + close
}

/// A text in quotes.
pub(crate) fn text(text: &str) -> String {
    format!("{text:?}")
}

/// Texts in quotes, in a list.
pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    let items = items.iter().map(|i| format!("\"{}\"", i.to_string()));
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A length of time in quotes.
pub(crate) fn time(span: Span) -> String {
    format!("\"{}\"", show_span(span))
}

/// A length of time, or the word for "for ever".
pub(crate) fn time_or(span: Span, endless: &str) -> String {
    if span == Span::MAX { endless.to_owned() } else { time(span) }
}

/// A number, or the word for "without end".
pub(crate) fn count_or(n: u32, endless: &str) -> String {
    if n == u32::MAX { endless.to_owned() } else { n.to_string() }
}

/// The word for a value.
pub(crate) fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> String {
    words.iter().find(|(_, v)| v == value).map_or("", |(word, _)| *word).to_owned()
}

/// A row. Without an `absent` the default is that of the blank value.
macro_rules! field {
    ($name:ident, $takes:expr, $absent:expr, $doc:expr, $set:expr, $get:expr) => {
        $crate::section::Field {
            name: stringify!($name),
            takes: $takes,
            absent: $absent,
            doc: $doc,
            set: $set,
            get: $get,
        }
    };
    ($name:ident, $takes:expr, $doc:expr, $set:expr, $get:expr) => {
        $crate::section::field!($name, $takes, $crate::section::Absent::Blank, $doc, $set, $get)
    };
}

/// The row of a value that a method of `Notes` reads and a function shows: name, place in the value, what it takes.
macro_rules! plain {
    ($name:ident, $($place:ident).+, $takes:expr, $read:ident, $show:expr, $doc:expr) => {
        $crate::section::field!(
            $name, $takes, $doc,
            |input, node, value| { value.$($place).+ = input.notes.$read(node)?; Some(()) },
            |value, _| $show(value.$($place).+)
        )
    };
}

/// The row of a length of time.
macro_rules! span {
    ($name:ident, $($place:ident).+, $doc:expr) => {
        $crate::section::plain!($name, $($place).+, "time", span, $crate::section::time, $doc)
    };
}

/// The row of a whole number in a range.
macro_rules! number {
    ($name:ident, $($place:ident).+ as $int:ty, $range:expr, $takes:expr, $doc:expr) => {
        $crate::section::field!(
            $name, $takes, $doc,
            |input, node, value| {
                value.$($place).+ = input.notes.integer(node, $range)? as $int;
                Some(())
            },
            |value, _| value.$($place).+.to_string()
        )
    };
}

pub(crate) use {field, number, plain, span};
