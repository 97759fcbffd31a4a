//! Ladders: what passes between a few places, time running downward. One drawing for all of them: of a run, of the model
//! checker, of a page.
//!
//! A [`Ladder`] is plain data. [`Ladder::text`] draws it for a terminal, [`Ladder::svg`] for a page or a slide.

pub(crate) mod draw;
mod fold;
mod svg;
mod text;

use sim_core::tcp::State;
use sim_core::time::Time;

pub use svg::STYLE;
pub(crate) use svg::escaped;
pub use text::Charset;

/// A ladder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// One line: what is seen.
    pub title: String,
    /// In a few sentences, for whoever cannot see the picture.
    pub about: String,
    /// The places, from left to right: at least two.
    pub columns: Vec<String>,
    /// What happens, in order of time.
    pub rows: Vec<Row>,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When.
    pub at: Time,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Something goes from one place to another.
    Arrow(Arrow),
    /// Something happens in one place.
    Mark(Mark),
    /// Several things that are not drawn one by one.
    Folded(String),
}

/// Something that goes from one place to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// A number of its own, for what it causes.
    pub id: u32,
    /// Where from.
    pub from: usize,
    /// Where to, or where it should have got.
    pub to: usize,
    /// When it gets there.
    pub arrives: Time,
    /// What it is; the most important words first.
    pub label: String,
    /// How it goes.
    pub look: Look,
    /// Why it does not arrive.
    pub lost: Option<String>,
}

/// How an arrow looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// As it should be.
    #[default]
    Plain,
    /// Sent once more.
    Again,
    /// Made by the network, or held back by it.
    Stray,
}

/// Something that happens in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where.
    pub column: usize,
    /// Of which kind.
    pub kind: MarkKind,
    /// In a few words.
    pub text: String,
    /// The arrow whose arrival causes it.
    pub after: Option<u32>,
}

/// Kinds of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// The connection is in this state from here on.
    State(State),
    /// An application does something.
    Call,
    /// A timer is armed or fires.
    Timer,
    /// Something goes wrong: an error, a refusal, a loss.
    Trouble,
}

impl Ladder {
    /// A ladder without rows.
    pub fn new(title: impl Into<String>, columns: Vec<String>) -> Ladder {
        Ladder { title: title.into(), columns, ..Ladder::default() }
    }

    /// Adds a mark.
    pub fn mark(&mut self, at: Time, column: usize, kind: MarkKind, text: impl Into<String>) {
        self.mark_after(at, column, kind, text, None);
    }

    /// Adds a mark that the arrival of an arrow causes.
    pub fn mark_after(
        &mut self,
        at: Time,
        column: usize,
        kind: MarkKind,
        text: impl Into<String>,
        after: Option<u32>,
    ) {
        self.rows.push(Row { at, what: What::Mark(Mark { column, kind, text: text.into(), after }) });
    }

    /// Adds an arrow.
    pub fn arrow(&mut self, at: Time, arrow: Arrow) {
        self.rows.push(Row { at, what: What::Arrow(arrow) });
    }

    /// The rightmost column.
    fn last(&self) -> usize {
        self.columns.len().saturating_sub(1)
    }
}

/// A time in seconds, to the microsecond; three places at least: `0.000`, `1.000251`.
fn seconds(at: Time) -> String {
    let text = format!("{}.{:06}", at.0 / 1_000_000_000, at.0 / 1_000 % 1_000_000);
    let least = text.len() - 3;
    let zeros = text.len() - text.trim_end_matches('0').len();
    text[..(text.len() - zeros).max(least)].to_owned()
}

#[cfg(test)]
mod tests;
