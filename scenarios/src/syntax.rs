//! RON text to a tree in which every key and value knows its place.
//!
//! `ron` does the parsing: [`RawValue`] borrows the text it came from, so a value's place is a subtraction of two
//! addresses. What the tree means is decided elsewhere; here nothing is known of hosts or links.

use core::fmt;

use ron::error::{Error, Position, SpannedError};
use ron::value::RawValue;
use serde::de::{Deserialize, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::report::Diagnostic;
use crate::source::Place;

/// A key, or the name before a parenthesis.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `"text"`.
    Text(String),
    /// A bare word: `graceful`.
    Word(String),
    /// A number, as written.
    Number(String),
    /// `[a, b]`.
    List(Vec<Node>),
    /// `(a: 1)` or `name(a: 1)`.
    Fields(Option<Key>, Vec<(Key, Node)>),
    /// `(1, 2)` or `name(1, 2)`.
    Tuple(Option<Key>, Vec<Node>),
    /// `{"a": 1}`.
    Map(Vec<(Key, Node)>),
    /// Anything else that RON knows: a character, bytes.
    Other,
}

impl Node {
    /// What it is, for people: `the text "60"`, `a list`.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Text(t) => format!("the text {}", quoted(t)),
            Kind::Word(w) => format!("the word `{}`", clip(w)),
            Kind::Number(n) => format!("the number {}", clip(n)),
            Kind::List(_) => "a list [..]".into(),
            Kind::Fields(None, _) => "fields (name: ..)".into(),
            Kind::Tuple(None, _) => "a tuple (.., ..)".into(),
            Kind::Fields(Some(k), _) | Kind::Tuple(Some(k), _) => format!("`{}(..)`", clip(&k.text)),
            Kind::Map(_) => "a map {..}".into(),
            Kind::Other => "a character or bytes".into(),
        }
    }

    /// The word before the parenthesis, or the word alone.
    pub(crate) fn head(&self) -> Option<(&str, Place)> {
        match &self.kind {
            Kind::Word(w) => Some((w, self.place)),
            Kind::Fields(Some(k), _) | Kind::Tuple(Some(k), _) => Some((&k.text, k.place)),
            _ => None,
        }
    }
}

/// At most sixty characters of a text, so that a message stays a line.
pub(crate) fn clip(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if one_line.chars().count() <= 60 {
        return one_line;
    }
    one_line.chars().take(57).chain("...".chars()).collect()
}

/// The text in quotes, clipped.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", clip(text))
}

/// Reads a whole text. `source` is its number in the report.
pub(crate) fn parse(text: &str, source: usize) -> Result<Node, Diagnostic> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let reader = Reader { text, source };
    let start = reader.offset(body);
    let fail = |e: SpannedError| reader.syntax_error(start, body, &e);
    if let Some(at) = body.find("#![").filter(|&at| blank(&body[..at])) {
        let place = Place { source, start: start + at, end: start + at + 3 };
        return Err(Diagnostic::error(place, "RON attributes are not part of the scenario language")
            .label("not allowed here")
            .help("leave the line out: no extension is needed"));
    }
    if blank(body) {
        let place = Place { source, start: text.len(), end: text.len() };
        let help = "a scenario is `(duration: .., hosts: {..}, links: [..], traffic: {..})`";
        return Err(Diagnostic::error(place, "there is nothing here").help(help));
    }
    let raw = RawValue::from_ron(body).map_err(fail)?;
    reader.node(raw)
}

/// Whether there are only spaces and comments.
fn blank(text: &str) -> bool {
    ron::Deserializer::from_str(text).is_ok_and(|mut d| d.end().is_ok())
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    text: &'a str,
    source: usize,
}

/// What a bracket holds.
enum Children<'de> {
    Seq(Vec<&'de RawValue>),
    Fields(Vec<(&'de str, &'de RawValue)>),
    Map(Vec<(&'de RawValue, &'de RawValue)>),
}

impl<'a> Reader<'a> {
    /// Where a slice of the text begins.
    fn offset(&self, slice: &str) -> usize {
        (slice.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len())
    }

    fn place(&self, slice: &str) -> Place {
        let start = self.offset(slice);
        Place { source: self.source, start, end: (start + slice.len()).min(self.text.len()) }
    }

    fn key(&self, slice: &str) -> Key {
        Key { text: slice.to_owned(), place: self.place(slice) }
    }

    fn node(&self, raw: &'a RawValue) -> Result<Node, Diagnostic> {
        let text = raw.trim().get_ron();
        let place = self.place(text);
        let kind = match text.chars().next() {
            Some('"') => self.text_kind(text)?,
            Some('r') if text.starts_with("r\"") || text.starts_with("r#") => self.text_kind(text)?,
            Some('b') if text.starts_with("b\"") || text.starts_with("b'") || text.starts_with("br") => {
                Kind::Other
            }
            Some('0'..='9' | '+' | '-' | '.') => Kind::Number(text.to_owned()),
            Some('[' | '(' | '{') => self.bracket(None, text)?,
            Some(c) if c.is_alphabetic() || c == '_' => {
                let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
                let (word, rest) = text.split_at(end);
                match rest.find('(') {
                    None => Kind::Word(word.to_owned()),
                    Some(at) => self.bracket(Some(self.key(word)), &rest[at..])?,
                }
            }
            _ => Kind::Other,
        };
        Ok(Node { place, kind })
    }

    fn text_kind(&self, text: &'a str) -> Result<Kind, Diagnostic> {
        let read = ron::from_str::<String>(text);
        read.map(Kind::Text).map_err(|e| self.syntax_error(self.offset(text), text, &e))
    }

    fn bracket(&self, name: Option<Key>, text: &'a str) -> Result<Kind, Diagnostic> {
        let children = children(text).map_err(|e| self.syntax_error(self.offset(text), text, &e))?;
        Ok(match children {
            Children::Seq(items) => {
                let items = items.into_iter().map(|raw| self.node(raw)).collect::<Result<_, _>>()?;
                if text.starts_with('[') { Kind::List(items) } else { Kind::Tuple(name, items) }
            }
            Children::Fields(items) => {
                let items = items.into_iter().map(|(k, raw)| Ok((self.key(k), self.node(raw)?)));
                Kind::Fields(name, items.collect::<Result<_, Diagnostic>>()?)
            }
            Children::Map(items) => {
                let items = items.into_iter().map(|(k, raw)| Ok((self.map_key(k)?, self.node(raw)?)));
                Kind::Map(items.collect::<Result<_, Diagnostic>>()?)
            }
        })
    }

    fn map_key(&self, raw: &'a RawValue) -> Result<Key, Diagnostic> {
        let node = self.node(raw)?;
        match node.kind {
            Kind::Text(text) | Kind::Word(text) => Ok(Key { text, place: node.place }),
            _ => Err(Diagnostic::error(node.place, format!("a key must be a text, not {}", node.describe()))
                .label("a text in quotes is wanted here")),
        }
    }

    /// Says in our words what `ron` objects to, at the place it names.
    fn syntax_error(&self, base: usize, part: &str, error: &SpannedError) -> Diagnostic {
        let start = base + byte_at(part, error.span.start);
        let mut end = (base + byte_at(part, error.span.end)).max(start);
        // Where `ron` marks a long stretch, its end is where it got stuck.
        let mut start = if end - start > 1 { end } else { start };
        if let Some(c) = self.text.get(start..).and_then(|t| t.chars().next()).filter(|c| *c != '\n') {
            end = start + c.len_utf8();
        } else {
            end = start.min(end);
            start = end;
        }
        let place = Place { source: self.source, start, end };
        let before = self.text.get(..start).unwrap_or_default();
        if error.code == Error::ExpectedComma && self.text.get(start..end) == Some(":") {
            return self.mixed_arguments(before, place);
        }
        if let Some(diagnostic) = self.bare_quantity(start) {
            return diagnostic;
        }
        let (label, mut help) = explain(&error.code);
        if error.code == Error::ExpectedComma && runs_over_lines(before) {
            help = Some("or is a quote missing further up? the text before this runs over several lines");
        }
        let mut diagnostic = Diagnostic::error(place, "this is not RON").label(label);
        if let Some(help) = help {
            diagnostic = diagnostic.help(help);
        }
        diagnostic
    }

    /// `duration: 10s`, where `ron` stops in the middle or at the end of a quantity that begins with a digit.
    fn bare_quantity(&self, stuck: usize) -> Option<Diagnostic> {
        let part = |c: char| c.is_alphanumeric() || "._/%,".contains(c);
        let before = self.text.get(..stuck)?;
        let start = before.rfind(|c: char| !part(c)).map_or(0, |i| i + 1);
        let start = before.ceil_char_boundary(start);
        let line = self.text.get(start..)?;
        let value = line.split(|c: char| !part(c)).next()?.trim_end_matches(',');
        let begins = value.starts_with(|c: char| c.is_ascii_digit());
        let preceded = before[..start].trim_end().ends_with([':', '(', '[', ',']);
        if !begins || !preceded || !value.contains(|c: char| c.is_alphabetic() || c == '%' || c == '/') {
            return None;
        }
        let place = Place { source: self.source, start, end: start + value.len() };
        let diagnostic = Diagnostic::error(place, "quantities stand in quotes").label("without quotes");
        Some(diagnostic.help(format!("write `\"{}\"`", clip(value))))
    }

    /// `peak("client.time_wait", equals: 28232)`: the commonest slip, for other languages allow it.
    fn mixed_arguments(&self, before: &str, colon: Place) -> Diagnostic {
        let before = before.trim_end();
        let from = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |i| i + 1);
        let word = &before[before.ceil_char_boundary(from)..];
        let value = self.text.get(colon.end..).unwrap_or_default().trim_start();
        let value = value.split([',', '\n']).next().unwrap_or_default().trim_end_matches([' ', ')']);
        let place = Place { start: before.len() - word.len(), ..colon };
        let example = match (word, value.strip_prefix('(')) {
            ("", _) => "name(value)".to_owned(),
            (_, Some(_)) => format!("{word}(.., ..)"),
            (_, None) => format!("{word}({})", clip(value)),
        };
        Diagnostic::error(place, "named and unnamed arguments cannot be mixed")
            .label("an unnamed argument stands before this named one")
            .help(format!("write `{example}`"))
    }
}

/// Whether what ends here is a text in quotes that began on an earlier line.
fn runs_over_lines(before: &str) -> bool {
    let Some(inside) = before.trim_end().strip_suffix('"') else { return false };
    inside.rfind('"').is_some_and(|start| inside[start..].contains('\n'))
}

/// The commonest errors in plain words.
fn explain(code: &Error) -> (String, Option<&'static str>) {
    let (label, help) = match code {
        Error::Eof => ("the text ends too early", Some("a bracket or a quote is still open")),
        Error::ExpectedComma => ("a comma is missing before this", None),
        Error::ExpectedMapColon => ("a colon is missing before this", None),
        Error::ExpectedStringEnd => ("a quote is missing", Some("texts stand in \"double quotes\"")),
        Error::ExpectedArrayEnd => ("`]` is missing before this", None),
        Error::ExpectedMapEnd => ("`}` is missing before this", None),
        Error::ExpectedStructLikeEnd => ("`)` is missing before this", None),
        Error::TrailingCharacters => ("the value has ended before this", None),
        Error::ExceededRecursionLimit => ("brackets are nested too deep here", None),
        Error::UnclosedBlockComment => ("the comment `/*` is never closed", None),
        Error::ExpectedIdentifier | Error::InvalidIdentifier(_) => {
            ("a field's name is wanted here", Some("or is a bracket further up still open?"))
        }
        other => return (other.to_string().to_lowercase(), None),
    };
    (label.to_owned(), help)
}

/// The byte at a position that `ron` tells; never beyond the end nor inside a character.
fn byte_at(text: &str, position: Position) -> usize {
    let mut start = 0;
    for _ in 1..position.line {
        match text.get(start..).and_then(|t| t.find('\n')) {
            Some(i) => start += i + 1,
            None => return text.len(),
        }
    }
    let rest = text.get(start..).unwrap_or_default();
    let within = rest.char_indices().nth(position.col.saturating_sub(1));
    within.map_or(text.len(), |(i, _)| start + i)
}

/// The parts of a bracket, unparsed.
fn children(text: &str) -> Result<Children<'_>, SpannedError> {
    let mut deserializer = ron::Deserializer::from_str(text)?;
    let visitor = ChildVisitor { map: text.starts_with('{') };
    let children = deserializer.deserialize_any(visitor).map_err(|e| deserializer.span_error(e))?;
    deserializer.end().map_err(|e| deserializer.span_error(e))?;
    Ok(children)
}

struct ChildVisitor {
    map: bool,
}

impl<'de> Visitor<'de> for ChildVisitor {
    type Value = Children<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bracket")
    }

    fn visit_unit<E>(self) -> Result<Children<'de>, E> {
        Ok(Children::Seq(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Children<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<&'de RawValue>()? {
            items.push(item);
        }
        Ok(Children::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Children<'de>, A::Error> {
        if self.map {
            let mut items = Vec::new();
            while let Some(item) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                items.push(item);
            }
            return Ok(Children::Map(items));
        }
        let mut items = Vec::new();
        while let Some(item) = map.next_entry::<&'de str, &'de RawValue>()? {
            items.push(item);
        }
        Ok(Children::Fields(items))
    }
}

/// Whether a text is RON at all.
pub(crate) fn is_ron(text: &str) -> bool {
    ron::Deserializer::from_str(text)
        .is_ok_and(|mut d| IgnoredAny::deserialize(&mut d).is_ok() && d.end().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let text = "// c\n( a: /* x */ \"é\", // tail\n b: f(1, g(k: [2 , 3])), c: {\"k\": word} )\n";
        let root = parse(text, 0).unwrap();
        let at = |n: &Node| &text[n.place.start..n.place.end];
        let Kind::Fields(None, fields) = &root.kind else { panic!("{root:?}") };
        assert_eq!(
            fields.iter().map(|(k, v)| (&k.text[..], at(v))).collect::<Vec<_>>(),
            [("a", "\"é\""), ("b", "f(1, g(k: [2 , 3]))"), ("c", "{\"k\": word}"),]
        );
        let Kind::Tuple(Some(name), args) = &fields[1].1.kind else { panic!("{fields:?}") };
        assert_eq!((&text[name.place.start..name.place.end], at(&args[1])), ("f", "g(k: [2 , 3])"));
    }

    #[test]
    fn deep_nesting_is_refused_in_time() {
        for bracket in ["(", "[", "{", "a(", "Some(", "(a:", "{1:"] {
            for depth in [60, 127, 100_000] {
                assert!(parse(&bracket.repeat(depth), 0).is_err(), "{bracket}");
            }
        }
        let nested = format!("{}1{}", "(a:".repeat(40), ")".repeat(40));
        assert!(parse(&nested, 0).is_ok());
    }
}
