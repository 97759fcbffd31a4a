//! From the tree to values: fields, words and quantities, with every mistake noted and none fatal.

use core::ops::RangeInclusive;
use std::collections::BTreeMap;

use sim_core::rng::Ratio;
use sim_core::scenario::Rate;
use sim_core::time::Span;

use crate::report::Diagnostic;
use crate::source::{Place, Source};
use crate::syntax::{Key, Kind, Node, clip};
use crate::units;

/// The findings so far, and the texts they point into.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) sources: Vec<Source>,
    /// Texts from this one on came from a command line: quotes may be left out there.
    pub(crate) first_patch: usize,
    /// Texts from this one on are data files again.
    pub(crate) first_file: usize,
}

impl Notes {
    /// Notes an error.
    pub(crate) fn error(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Notes what a reader of quantities objected to.
    pub(crate) fn refuse(&mut self, place: Place, message: impl Into<String>) {
        let message: String = message.into();
        // What is wrong before the first colon, what to do about it after: two lines are easier to read than one.
        let diagnostic = match message.split_once(": ") {
            Some((what, how)) => Diagnostic::error(place, what).help(how),
            None => Diagnostic::error(place, message),
        };
        self.error(diagnostic);
    }

    /// Notes that something else stands where `wanted` should.
    pub(crate) fn expected(&mut self, node: &Node, wanted: &str, example: &str) {
        let mut diagnostic =
            Diagnostic::error(node.place, format!("{wanted} is wanted, not {}", node.describe()));
        if !example.is_empty() {
            diagnostic = diagnostic.help(format!("for example `{example}`"));
        }
        self.error(diagnostic);
    }

    pub(crate) fn is_command_line(&self, place: Place) -> bool {
        (self.first_patch..self.first_file).contains(&place.source)
    }

    /// A text. On a command line a bare word or number is one too.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, what: &str, example: &str) -> Option<&'n str> {
        match &node.kind {
            Kind::Text(t) => return Some(t),
            Kind::Word(t) | Kind::Number(t) if self.is_command_line(node.place) => return Some(t),
            Kind::Word(t) => {
                let diagnostic =
                    Diagnostic::error(node.place, format!("{what} is wanted, not the word `{t}`"));
                self.error(
                    diagnostic.help(format!("texts stand in quotes: `\"{t}\"`, for example `{example}`")),
                );
            }
            _ => self.expected(node, what, example),
        }
        None
    }

    fn quantity<T>(
        &mut self,
        node: &Node,
        what: &str,
        example: &str,
        read: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        if let Kind::Number(n) = &node.kind {
            // `60` is the slip; say which unit is missing rather than that quotes are.
            return match read(n) {
                Ok(value) => Some(value),
                Err(message) => {
                    self.refuse(node.place, message);
                    None
                }
            };
        }
        let text = self.text(node, what, example)?;
        match read(text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.refuse(node.place, message);
                None
            }
        }
    }

    /// A length of time; the word `never` (or `none`) is the longest of all where the caller allows it.
    pub(crate) fn span(&mut self, node: &Node) -> Option<Span> {
        self.quantity(node, "a length of time", "\"60s\"", units::span)
    }

    /// A length of time or a word for "for ever".
    pub(crate) fn span_or(&mut self, node: &Node, endless: &str) -> Option<Span> {
        match &node.kind {
            Kind::Word(w) if w == endless => Some(Span::MAX),
            Kind::Word(_) => {
                self.expected(node, &format!("a length of time or the word `{endless}`"), "\"60s\"");
                None
            }
            _ => self.span(node),
        }
    }

    /// A size in bytes that fits 32 bits.
    pub(crate) fn size(&mut self, node: &Node) -> Option<u32> {
        let bytes = self.quantity(node, "a size", "\"10kB\"", units::size)?;
        u32::try_from(bytes).ok().or_else(|| {
            self.refuse(node.place, format!("{bytes} bytes are too many: at most 4 GiB less one byte"));
            None
        })
    }

    /// A share of one.
    pub(crate) fn ratio(&mut self, node: &Node) -> Option<Ratio> {
        self.quantity(node, "a share", "\"0.1%\"", units::ratio)
    }

    /// So many in some time.
    pub(crate) fn rate(&mut self, node: &Node) -> Option<Rate> {
        self.quantity(node, "a rate", "\"600/s\"", units::rate)
    }

    /// A whole number in a range.
    pub(crate) fn integer(&mut self, node: &Node, range: RangeInclusive<u64>) -> Option<u64> {
        let (low, high) = (*range.start(), *range.end());
        let wanted = if high == u64::MAX {
            format!("a whole number from {low}")
        } else {
            format!("a whole number from {low} to {high}")
        };
        let text = match &node.kind {
            Kind::Number(n) => n.as_str(),
            Kind::Text(t) if self.is_command_line(node.place) => t.as_str(),
            _ => {
                self.expected(node, &wanted, "");
                return None;
            }
        };
        let value = text.replace('_', "").parse::<u64>().ok().filter(|n| range.contains(n));
        if value.is_none() {
            self.expected(node, &wanted, "");
        }
        value
    }

    /// A whole number in a range, or a word for "without end", which is the largest number of all.
    pub(crate) fn count_or(&mut self, node: &Node, range: RangeInclusive<u64>, endless: &str) -> Option<u32> {
        match &node.kind {
            Kind::Word(w) if w == endless => Some(u32::MAX),
            Kind::Word(_) => {
                self.expected(node, &format!("a whole number or the word `{endless}`"), "");
                None
            }
            _ => self.integer(node, range).map(|n| n as u32),
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, node: &Node) -> Option<bool> {
        match &node.kind {
            Kind::Word(w) if w == "true" => Some(true),
            Kind::Word(w) if w == "false" => Some(false),
            _ => {
                self.expected(node, "`true` or `false`", "");
                None
            }
        }
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        if let Kind::Word(w) = &node.kind
            && let Some((_, value)) = words.iter().find(|(name, _)| name == w)
        {
            return Some(*value);
        }
        let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
        self.not_one_of(node, what, &names);
        None
    }

    /// Notes that a word is not one of those that are known.
    pub(crate) fn not_one_of(&mut self, node: &Node, what: &str, names: &[&str]) {
        let (found, place) = match (&node.kind, node.head()) {
            (Kind::Text(t), _) => (t.as_str(), node.place),
            (_, Some((word, place))) => (word, place),
            _ => ("", node.place),
        };
        let wanted = names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        let message = if found.is_empty() {
            format!("{what} is wanted, not {}", node.describe())
        } else {
            format!("`{}` is not {what}", clip(found))
        };
        let mut diagnostic = Diagnostic::error(place, message);
        if let Some(near) = nearest(found, names.iter().copied()) {
            if near == found {
                diagnostic = diagnostic.label(match node.kind {
                    Kind::Text(_) => "without the quotes",
                    Kind::Word(_) => "more must be said in parentheses",
                    _ => "without the parentheses",
                });
            } else {
                diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
            }
        }
        self.error(diagnostic.help(format!("one of {wanted}")));
    }

    /// The parts of a list.
    pub(crate) fn list<'n>(&mut self, node: &'n Node, what: &str, example: &str) -> &'n [Node] {
        if let Kind::List(items) = &node.kind {
            return items;
        }
        self.expected(node, what, example);
        &[]
    }

    /// The entries of a map with texts for keys. A key that comes twice is noted.
    pub(crate) fn map<'n>(&mut self, node: &'n Node, what: &str, example: &str) -> &'n [(Key, Node)] {
        match &node.kind {
            Kind::Map(entries) => {
                self.no_key_twice(entries, "key");
                entries
            }
            Kind::Tuple(None, items) if items.is_empty() => &[],
            _ => {
                self.expected(node, what, example);
                &[]
            }
        }
    }

    fn no_key_twice(&mut self, entries: &[(Key, Node)], kind: &str) {
        let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
        for (key, _) in entries {
            let Some(first) = seen.insert(&key.text, key.place) else { continue };
            let diagnostic =
                Diagnostic::error(key.place, format!("the {kind} `{}` comes twice", clip(&key.text)));
            self.error(diagnostic.label("again here").other(first, "first here"));
        }
    }

    /// Exactly two parts of a tuple: `("28.2s", "28.3s")`.
    pub(crate) fn pair<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        example: &str,
    ) -> Option<(&'n Node, &'n Node)> {
        if let Kind::Tuple(None, items) = &node.kind
            && let [a, b] = &items[..]
        {
            return Some((a, b));
        }
        self.expected(node, what, example);
        None
    }

    /// The fields of a section. `what` has an article: "a link".
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, what: &'static str, known: &[&str]) -> Fields<'n> {
        let mut fields = Fields { what, place: node.place, entries: &[], readable: true };
        match &node.kind {
            Kind::Fields(_, entries) => fields.entries = entries,
            Kind::Tuple(_, items) if items.is_empty() => {}
            Kind::Map(_) => {
                fields.readable = false;
                let diagnostic = Diagnostic::error(node.place, format!("{what} is written in parentheses"));
                self.error(
                    diagnostic
                        .help("`(name: value, ..)` instead of `{..}`; braces hold names of your own choice"),
                );
            }
            _ => {
                fields.readable = false;
                let names = known.iter().take(4).map(|k| format!("{k}: ..")).collect::<Vec<_>>().join(", ");
                self.expected(node, what, &format!("({names})"));
            }
        }
        self.no_key_twice(fields.entries, "field");
        for (key, _) in fields.entries {
            if !known.contains(&key.text.as_str()) {
                self.unknown_field(key, what, known);
            }
        }
        fields
    }

    fn unknown_field(&mut self, key: &Key, what: &str, known: &[&str]) {
        let mut diagnostic =
            Diagnostic::error(key.place, format!("{what} has no field `{}`", clip(&key.text)));
        diagnostic = match nearest(&key.text, known.iter().copied()) {
            Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
            None => diagnostic.label("unknown field"),
        };
        let names = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
        self.error(diagnostic.help(format!("its fields are {names}")));
    }
}

/// The fields of one section, all of them known by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'n> {
    what: &'static str,
    pub(crate) place: Place,
    entries: &'n [(Key, Node)],
    /// False if there are no fields at all, which has been noted: then none is missed.
    readable: bool,
}

impl<'n> Fields<'n> {
    /// The value of a field, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(k, _)| k.text == name).map(|(_, node)| node)
    }

    /// The value of a field that must be there.
    pub(crate) fn need(&self, notes: &mut Notes, name: &str, example: &str) -> Option<&'n Node> {
        let found = self.get(name);
        if found.is_none() && self.readable {
            let start = Place { end: self.place.start + 1, ..self.place };
            let diagnostic = Diagnostic::error(start, format!("{} needs the field `{name}`", self.what));
            notes.error(
                diagnostic
                    .label(format!("`{name}` is missing here"))
                    .help(format!("for example `{name}: {example}`")),
            );
        }
        found
    }

    /// Where a field stands, or the section if it does not.
    pub(crate) fn place_of(&self, name: &str) -> Place {
        self.get(name).map_or(self.place, |node| node.place)
    }
}

/// The known word that is nearest to what was written, if any is near.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.is_empty() || word.len() > 100 {
        return None;
    }
    let lower = word.to_lowercase();
    let score = |k: &str| {
        let other = k.split('(').next().unwrap_or(k).to_lowercase();
        let distance = strsim::damerau_levenshtein(&lower, &other);
        let near = distance <= 1 + lower.chars().count().min(other.chars().count()) / 5;
        let within =
            lower.len() >= 4 && (other.contains(&lower) || (other.len() >= 4 && lower.contains(&other)));
        (near || within).then_some(if near { distance } else { distance + 100 })
    };
    known.into_iter().filter_map(|k| Some((score(k)?, k))).min_by_key(|(d, _)| *d).map(|(_, k)| k)
}
