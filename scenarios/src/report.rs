//! What is wrong with a scenario: every finding at once, each with its place and a way out.

use core::fmt;

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};

use crate::source::{Place, Source, line_and_column};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The scenario can run, but perhaps not as it was meant.
    Warning,
    /// The scenario cannot run.
    Error,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Said at the marked text.
    pub label: String,
    /// What is allowed, what to write instead.
    pub help: Vec<String>,
    /// The marked text; none if the finding is about a thing that is not there at all.
    pub(crate) place: Option<Place>,
    /// Another place that matters, with what to say there.
    pub(crate) other: Option<Box<(Place, String)>>,
}

impl Diagnostic {
    pub(crate) fn new(severity: Severity, place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity,
            message: message.into(),
            label: String::new(),
            help: Vec::new(),
            place: Some(place),
            other: None,
        }
    }

    pub(crate) fn error(place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, place, message)
    }

    pub(crate) fn warning(place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, place, message)
    }

    pub(crate) fn label(mut self, text: impl Into<String>) -> Diagnostic {
        self.label = text.into();
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }

    pub(crate) fn other(mut self, place: Place, text: impl Into<String>) -> Diagnostic {
        self.other = Some(Box::new((place, text.into())));
        self
    }
}

/// More than these nobody reads; they are counted.
const MOST_SHOWN: usize = 100;

/// All findings about one scenario, with the texts that they point into. Displays as plain text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) sources: Vec<Source>,
}

impl Report {
    /// A report of one error that has no place in a text.
    pub fn message(text: impl Into<String>) -> Report {
        let diagnostic = Diagnostic { place: None, ..Diagnostic::error(Place::default(), text) };
        Report { diagnostics: vec![diagnostic], sources: Vec::new() }
    }

    /// The findings, errors first, each kind in the order of the texts.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.diagnostics.len() - self.errors()
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Where a finding is: name of the text, line and column, both from 1.
    pub fn position(&self, diagnostic: &Diagnostic) -> Option<(&str, u32, u32)> {
        let place = diagnostic.place?;
        let source = self.sources.get(place.source)?;
        let (line, column) = line_and_column(&source.text, place.start);
        Some((&source.name, line, column))
    }

    /// Errors first, then by place; a finding that was made twice is said once.
    pub(crate) fn sort(&mut self) {
        self.diagnostics.sort_by_key(|d| {
            let place = d.place.unwrap_or_default();
            (core::cmp::Reverse(d.severity), place.source, place.start, place.end)
        });
        self.diagnostics.dedup();
    }

    fn render(&self, diagnostic: &Diagnostic) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let first = diagnostic.place.map(|p| (p, AnnotationKind::Primary, diagnostic.label.as_str()));
        let second = diagnostic.other.iter().map(|o| (o.0, AnnotationKind::Context, o.1.as_str()));
        let marks: Vec<_> = first.into_iter().chain(second).collect();
        let together = marks.iter().all(|(p, ..)| p.source == marks[0].0.source);
        let snippets: Vec<_> = if together {
            self.snippet(&marks).into_iter().collect()
        } else {
            marks.iter().filter_map(|mark| self.snippet(core::slice::from_ref(mark))).collect()
        };
        let help = diagnostic.help.iter().map(|h| Level::HELP.message(wrap(h)));
        let group = level.primary_title(diagnostic.message.as_str()).elements(snippets).elements(help);
        Renderer::plain().render(&[group])
    }

    /// The lines of some marks in one text. Only these lines are given to the renderer, which reads all it is given.
    fn snippet<'a>(
        &'a self,
        marks: &[(Place, AnnotationKind, &'a str)],
    ) -> Option<Snippet<'a, Annotation<'a>>> {
        let source = self.sources.get(marks.first()?.0.source)?;
        let text = source.text.as_str();
        let ranges: Vec<_> = marks.iter().map(|(place, ..)| within(text, *place)).collect();
        let start = ranges.iter().map(|r| r.start).min()?;
        let end = ranges.iter().map(|r| r.end).max()?;
        let from = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let to = text[end..].find('\n').map_or(text.len(), |i| end + i);
        let (line, _) = line_and_column(text, from);
        let mut snippet =
            Snippet::source(&text[from..to]).path(source.name.as_str()).line_start(line as usize);
        for ((_, kind, label), range) in marks.iter().zip(ranges) {
            let mark = kind.span(range.start - from..range.end - from);
            snippet = snippet.annotation(if label.is_empty() { mark } else { mark.label(*label) });
        }
        Some(snippet)
    }
}

/// Breaks lines between words, as help that lists many names is long.
fn wrap(text: &str) -> String {
    const WIDTH: usize = 100;
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut current = String::new();
        for word in line.split(' ') {
            if !current.is_empty() && current.chars().count() + word.chars().count() >= WIDTH {
                lines.push(core::mem::take(&mut current));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        lines.push(current);
    }
    lines.join("\n")
}

/// The bytes of a place, on boundaries of characters whatever it was made from: the renderer insists.
fn within(text: &str, place: Place) -> core::ops::Range<usize> {
    let start = text.floor_char_boundary(place.start);
    start..text.ceil_char_boundary(place.end.clamp(start, text.len()))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.diagnostics.iter().take(MOST_SHOWN).enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{}", self.render(diagnostic).trim_end())?;
        }
        match self.diagnostics.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "\n... and {more} more"),
        }
    }
}

impl std::error::Error for Report {}
