//! A ladder for a terminal.

use super::{Arrow, Ladder, Mark, MarkKind, What, seconds};
use sim_core::time::Time;

/// The characters that a ladder is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// Box drawing characters.
    Unicode,
    /// Nothing beyond ASCII.
    Ascii,
}

struct Glyphs {
    line: char,
    dash: char,
    stray: char,
    cross: char,
    right: char,
    left: char,
    lost: char,
    fold: char,
}

const UNICODE: Glyphs =
    Glyphs {
        line: '│', dash: '─', stray: '╌', cross: '┼', right: '▶', left: '◀', lost: '✗', fold: '⋮'
    };
const ASCII: Glyphs =
    Glyphs { line: '|', dash: '-', stray: '~', cross: '+', right: '>', left: '<', lost: 'x', fold: ':' };

/// Narrower than this it is not drawn.
const NARROWEST: usize = 60;
/// Narrower than this it has one column of times.
const NARROW: usize = 90;
/// An arrow with the longest of labels that matter.
const MIDDLE: usize = 38;
const TIME: usize = 11;

/// One line before it is laid out.
#[derive(Clone, Debug, Default)]
struct Line {
    times: [Option<Time>; 2],
    notes: [Vec<String>; 2],
    middle: Option<String>,
    /// What happens in a box, and at which cell of the middle: it may reach over the lines and notes beside it.
    over: Option<(usize, String)>,
}

impl Line {
    fn is_empty(&self) -> bool {
        self.middle.is_none() && self.over.is_none() && self.notes.iter().all(Vec::is_empty)
    }
}

struct Page<'a> {
    ladder: &'a Ladder,
    glyphs: Glyphs,
    narrow: bool,
    note: usize,
    middle: usize,
    text: String,
    pending: Line,
    /// Rows that stand beside an earlier one.
    drawn: Vec<bool>,
}

impl Ladder {
    /// The ladder in so many columns of text. The time at the left is that of the left end, the one at the right that of
    /// the right end.
    pub fn text(&self, width: usize, charset: Charset) -> String {
        let ladder = self.folded();
        let width = width.max(NARROWEST);
        let narrow = width < NARROW;
        let room = width - if narrow { TIME } else { 2 * TIME } - 2;
        let note = ((room - (room / 2).min(MIDDLE)) / 2).min(34);
        let middle = (room - 2 * note).min(64);
        let glyphs = match charset {
            Charset::Unicode => UNICODE,
            Charset::Ascii => ASCII,
        };
        let pending = Line::default();
        let drawn = vec![false; ladder.rows.len()];
        let mut page =
            Page { ladder: &ladder, glyphs, narrow, note, middle, text: String::new(), pending, drawn };
        page.heading();
        page.rows();
        page.text
    }
}

impl Page<'_> {
    /// Where the lifeline of a column stands, counted from that of the first.
    fn place(&self, column: usize) -> usize {
        column * (self.middle + 1) / self.ladder.last().max(1)
    }

    fn heading(&mut self) {
        if !self.ladder.title.is_empty() {
            self.text.push_str(&self.ladder.title);
            self.text.push_str("\n\n");
        }
        let mut line = vec![' '; TIME + self.note + self.middle + 2 + self.note + TIME];
        let first = TIME + self.note;
        let mut put = |at: usize, text: &str| {
            for (i, c) in text.chars().enumerate() {
                if let Some(cell) = line.get_mut(at + i) {
                    *cell = c;
                }
            }
        };
        put(TIME - 8, "seconds");
        if !self.narrow {
            put(first + self.middle + 2 + self.note + 3, "seconds");
        }
        for (i, name) in self.ladder.columns.iter().enumerate() {
            let length = name.chars().count();
            let at = first + self.place(i);
            let at = match i {
                0 => (at + 1).saturating_sub(length).max(TIME + 1),
                i if i == self.ladder.last() => at,
                _ => at.saturating_sub(length / 2),
            };
            put(at, name);
        }
        self.push_line(&line.into_iter().collect::<String>());
    }

    fn push_line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn rows(&mut self) {
        let rows = &self.ladder.rows;
        for (i, row) in rows.iter().enumerate() {
            if self.drawn[i] {
                continue;
            }
            match &row.what {
                What::Arrow(arrow) => self.arrow(i, row.at, arrow),
                What::Mark(mark) => self.mark(row.at, mark),
                What::Folded(text) => self.folded(row.at, text),
            }
        }
        self.flush();
    }

    /// At which end a column is, if at any.
    fn end(&self, column: usize) -> Option<usize> {
        match column {
            0 => Some(0),
            c if c == self.ladder.last() => Some(1),
            _ => None,
        }
    }

    fn mark(&mut self, at: Time, mark: &Mark) {
        let Some(end) = self.end(mark.column) else {
            self.flush();
            let over = Some(self.box_note(mark, true));
            let line = Line { times: [Some(at), None], over, ..Line::default() };
            return self.emit(&line);
        };
        let other = &self.pending.notes[1 - end];
        if !other.is_empty() || (!self.pending.is_empty() && self.pending.times[end] != Some(at)) {
            self.flush();
        }
        self.pending.times[end] = Some(at);
        self.pending.notes[end].push(mark.text.clone());
    }

    /// What happens in a box in the middle stands beside its lifeline: behind it as the arrow flies.
    fn box_note(&self, mark: &Mark, rightward: bool) -> (usize, String) {
        let sign = if mark.kind == MarkKind::Trouble { self.glyphs.lost } else { self.glyphs.line };
        let at = self.place(mark.column);
        if rightward {
            return (TIME + self.note + at, format!("{sign} {}", mark.text));
        }
        let text = format!("{} {sign}", mark.text);
        ((TIME + self.note + at + 1).saturating_sub(text.chars().count()), text)
    }

    /// Every lifeline from the first to the last.
    fn lifelines(&self) -> Vec<char> {
        let mut cells = vec![' '; self.middle + 2];
        for column in 0..self.ladder.columns.len() {
            cells[self.place(column)] = self.glyphs.line;
        }
        cells
    }

    fn folded(&mut self, at: Time, text: &str) {
        self.flush();
        for (i, told) in wrapped(&[text.to_owned()], self.middle + self.note - 2).into_iter().enumerate() {
            let (sign, time) = if i == 0 { (self.glyphs.fold, Some(at)) } else { (' ', None) };
            let over = Some((TIME + self.note + 1, format!("{sign} {told}")));
            self.emit(&Line { times: [time, None], over, ..Line::default() });
        }
    }

    /// Draws an arrow, with what happens at its ends at the same moments beside it.
    fn arrow(&mut self, row: usize, at: Time, arrow: &Arrow) {
        let (from, to) = (self.end(arrow.from), self.end(arrow.to));
        let fits = from.is_some_and(|end| {
            self.pending.notes[1 - end].is_empty() && self.pending.times[end].is_none_or(|t| t == at)
        });
        if !fits {
            self.flush();
        }
        let mut line = core::mem::take(&mut self.pending);
        if let Some(end) = from {
            line.times[end] = Some(at);
            line.notes[end].extend(self.beside_sender(row, at, arrow));
        }
        if arrow.lost.is_none() {
            let caused = self.beside_receiver(row, arrow);
            match to {
                Some(end) => {
                    line.times[end] = Some(arrow.arrives);
                    line.notes[end].extend(caused.iter().map(|mark| mark.text.clone()));
                }
                None => {
                    line.over = caused.first().map(|mark| self.box_note(mark, arrow.to > arrow.from));
                }
            }
        }
        if line.times == [None, None] {
            line.times[0] = Some(at);
        }
        line.middle = Some(self.shaft(arrow));
        self.emit(&line);
    }

    /// States and timers that follow at the sender at the same moment; a call belongs to what comes of it.
    fn beside_sender(&mut self, row: usize, at: Time, arrow: &Arrow) -> Vec<String> {
        let mut notes = Vec::new();
        for (i, next) in self.ladder.rows.iter().enumerate().skip(row + 1) {
            match &next.what {
                What::Mark(mark)
                    if next.at == at && mark.column == arrow.from && mark.kind != MarkKind::Call =>
                {
                    if !core::mem::replace(&mut self.drawn[i], true) {
                        notes.push(mark.text.clone());
                    }
                }
                _ => break,
            }
        }
        notes
    }

    /// What the arrival causes at once, until something leaves from there or an application acts; nothing if the receiver
    /// has something to tell before.
    fn beside_receiver(&mut self, row: usize, arrow: &Arrow) -> Vec<Mark> {
        /// No causes are looked for further than this.
        const NEAR: usize = 200;
        let mut caused = Vec::new();
        for (i, next) in self.ladder.rows.iter().enumerate().skip(row + 1).take(NEAR) {
            let here = match &next.what {
                What::Mark(mark) => mark.column == arrow.to,
                What::Arrow(other) => other.from == arrow.to,
                What::Folded(_) => true,
            };
            if next.at > arrow.arrives || self.drawn[i] || !here {
                if next.at > arrow.arrives {
                    break;
                }
                continue;
            }
            match &next.what {
                What::Mark(mark) if mark.after == Some(arrow.id) && !acts(mark) => {
                    self.drawn[i] = true;
                    caused.push(mark.clone());
                }
                _ => break,
            }
        }
        caused
    }

    /// The arrow itself, between the outer lifelines.
    fn shaft(&self, arrow: &Arrow) -> String {
        let mut cells = self.lifelines();
        let rightward = arrow.to > arrow.from;
        let (a, b) = (self.place(arrow.from), self.place(arrow.to));
        let (mut low, mut high) = (a.min(b) + 1, a.max(b).saturating_sub(1));
        if high < low + 4 {
            return cells[1..=self.middle].iter().collect();
        }
        let dash = if arrow.look == super::Look::Stray { self.glyphs.stray } else { self.glyphs.dash };
        let mut head = if rightward { self.glyphs.right } else { self.glyphs.left };
        let mut label = arrow.label.clone();
        if let Some(why) = &arrow.lost {
            // It ends on its way: the words behind the cross say why.
            head = self.glyphs.lost;
            let words = format!("{} {why}", self.glyphs.lost).chars().count() + 1;
            let room = (high - low).saturating_sub(words).max(high.saturating_sub(low) / 3);
            let tail = cut(why, (high - low).saturating_sub(room + 2));
            let length = tail.chars().count();
            if rightward {
                high = high.saturating_sub(length + 2).max(low + 2);
                put(&mut cells, high + 2, &tail);
            } else {
                put(&mut cells, low, &tail);
                low = (low + length + 2).min(high - 2);
            }
            label = cut(&label, (high - low).saturating_sub(5));
        }
        for cell in &mut cells[low..=high] {
            *cell = if *cell == self.glyphs.line { self.glyphs.cross } else { dash };
        }
        let tip = if rightward { high } else { low };
        cells[tip] = head;
        let label = cut(&label, (high - low + 1).saturating_sub(5));
        if !label.is_empty() {
            let label = format!(" {label} ");
            let room = high - low;
            let begin = low + usize::from(!rightward) + room.saturating_sub(label.chars().count()) / 2;
            put(&mut cells, begin, &label);
        }
        cells[1..=self.middle].iter().collect()
    }

    fn flush(&mut self) {
        if !self.pending.is_empty() {
            let line = core::mem::take(&mut self.pending);
            self.emit(&line);
        }
    }

    /// Lays a line out; notes that are too long go on in the next one.
    fn emit(&mut self, line: &Line) {
        let plain: String = self.lifelines()[1..=self.middle].iter().collect();
        let notes = [0, 1].map(|end| wrapped(&line.notes[end], self.note.saturating_sub(1)));
        let height = notes.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let narrow = self.narrow;
        let time = |end: usize, row: usize| {
            let time = match (narrow, end) {
                (true, 0) => line.times[0].or(line.times[1]),
                (true, _) => None,
                (false, end) => line.times[end],
            };
            time.filter(|_| row == 0).map_or_else(String::new, seconds)
        };
        for row in 0..height {
            let middle = line.middle.as_ref().filter(|_| row == 0).unwrap_or(&plain);
            let note = |end: usize| notes[end].get(row).map_or("", String::as_str);
            let (left, right) = (pad(note(0), self.note - 1, true), pad(note(1), self.note - 1, false));
            let bar = self.glyphs.line;
            let text = format!(
                "{:>width$} {left} {bar}{middle}{bar} {right} {:>width$}",
                time(0, row),
                time(1, row),
                width = TIME - 1
            );
            match line.over.as_ref().filter(|_| row == 0) {
                None => self.push_line(&text),
                Some((at, over)) => {
                    let mut cells: Vec<char> = text.chars().collect();
                    cells.resize(cells.len().max(at + over.chars().count()), ' ');
                    put(&mut cells, *at, over);
                    self.push_line(&cells.into_iter().collect::<String>());
                }
            }
        }
    }
}

/// Whether an application sets something going, rather than take what there is.
fn acts(mark: &Mark) -> bool {
    mark.kind == MarkKind::Call && !mark.text.starts_with("recv()") && !mark.text.starts_with("accept()")
}

fn put(cells: &mut [char], at: usize, text: &str) {
    for (i, c) in text.chars().enumerate() {
        if let Some(cell) = cells.get_mut(at + i) {
            *cell = c;
        }
    }
}

fn pad(text: &str, width: usize, to_the_right: bool) -> String {
    let spaces = " ".repeat(width.saturating_sub(text.chars().count()));
    if to_the_right { format!("{spaces}{text}") } else { format!("{text}{spaces}") }
}

/// As many words of a text as there is room for.
fn cut(text: &str, room: usize) -> String {
    let mut cut = String::new();
    for word in text.split(' ') {
        let more = word.chars().count() + usize::from(!cut.is_empty());
        if cut.chars().count() + more > room {
            break;
        }
        if !cut.is_empty() {
            cut.push(' ');
        }
        cut.push_str(word);
    }
    cut
}

/// Notes one after the other, in lines of at most `room`; a word that is too long is broken.
fn wrapped(notes: &[String], room: usize) -> Vec<String> {
    let room = room.max(8);
    let mut lines: Vec<String> = Vec::new();
    for (i, note) in notes.iter().enumerate() {
        let note = if i + 1 < notes.len() { format!("{note},") } else { note.clone() };
        for word in note.split(' ') {
            let mut word: Vec<char> = word.chars().collect();
            // The end of a line that it fills stands for a comma.
            if word.len() == room + 1 && word.last() == Some(&',') {
                word.pop();
            }
            while word.len() > room {
                lines.push(word.drain(..room).collect());
            }
            let word: String = word.into_iter().collect();
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                    line.push(' ');
                    line.push_str(&word);
                }
                _ => lines.push(word),
            }
        }
    }
    lines
}
