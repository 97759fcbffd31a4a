//! What is wrong with a scenario: every finding at once, each with its place and a way out.

use core::fmt;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

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
        let mut group = level
            .primary_title(diagnostic.message.as_str())
            .elements(core::iter::empty::<Snippet<'_, annotate_snippets::Annotation<'_>>>());
        let marks = diagnostic
            .place
            .map(|p| (p, AnnotationKind::Primary, diagnostic.label.as_str()))
            .into_iter()
            .chain(diagnostic.other.iter().map(|other| (other.0, AnnotationKind::Context, other.1.as_str())));
        let mut snippets: Vec<(usize, Snippet<'_, _>)> = Vec::new();
        for (place, kind, label) in marks {
            let Some(source) = self.sources.get(place.source) else { continue };
            let mut mark = kind.span(place.start..place.end.max(place.start));
            if !label.is_empty() {
                mark = mark.label(label);
            }
            match snippets.iter().position(|(s, _)| *s == place.source) {
                Some(i) => {
                    let (s, snippet) = snippets.swap_remove(i);
                    snippets.push((s, snippet.annotation(mark)));
                }
                None => snippets.push((
                    place.source,
                    Snippet::source(source.text.as_str()).path(source.name.as_str()).annotation(mark),
                )),
            }
        }
        group = group.elements(snippets.into_iter().map(|(_, s)| s));
        group = group.elements(diagnostic.help.iter().map(|h| Level::HELP.message(h.as_str())));
        Renderer::plain().render(&[group])
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.diagnostics.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{}", self.render(diagnostic).trim_end())?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
