//! Colour and line breaks for people at a terminal. Whoever reads a pipe or a file gets the plain text; NO_COLOR, CLICOLOR,
//! CLICOLOR_FORCE and `--color` decide as they do for other tools.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use reports::words;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default().bold();
const HEADING: Style = Style::new().bold();
const ASIDE: Style = Style::new().dimmed();

/// What lines begin with, and how it is shown.
const WORDS: [(&str, Style); 8] = [
    ("ok  ", GOOD),
    ("FAIL  ", BAD),
    ("BAD  ", BAD),
    ("none  ", ODD),
    ("error:", BAD),
    ("warning:", ODD),
    ("not known:", ODD),
    ("stopped", ODD),
];

/// Writes to standard output what people read.
pub(crate) fn out(text: &str) -> io::Result<()> {
    let stdout = io::stdout();
    match AutoStream::choice(&stdout) {
        ColorChoice::Never => stdout.lock().write_all(text.as_bytes()),
        choice => AutoStream::new(stdout.lock(), choice).write_all(painted(text).as_bytes()),
    }
}

/// Writes to standard error what people read.
pub(crate) fn err(text: &str) -> io::Result<()> {
    let stderr = io::stderr();
    match AutoStream::choice(&stderr) {
        ColorChoice::Never => stderr.lock().write_all(text.as_bytes()),
        choice => AutoStream::new(stderr.lock(), choice).write_all(painted(text).as_bytes()),
    }
}

/// The text with its headings, verdicts and findings in colour.
fn painted(text: &str) -> String {
    let mut out = String::new();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (i, whole) in lines.iter().enumerate() {
        let line = whole.trim_end_matches('\n');
        let indented = |at: usize| lines.get(at).is_some_and(|next| next.starts_with(' '));
        let blank = |at: usize| lines.get(at).is_some_and(|next| next.trim().is_empty());
        // Below a title may stand what it teaches.
        let title = i == 0 && (blank(1) || blank(2));
        let (head, style) = if let Some((word, style)) = WORDS.iter().find(|(word, _)| line.starts_with(word))
        {
            (word.trim_end().len(), *style)
        } else if line.starts_with("Expectations: ") {
            (line.len(), if indented(i + 1) { BAD } else { GOOD })
        } else if line.starts_with("timewait ") {
            (line.len(), ASIDE)
        } else if line.starts_with(char::is_alphabetic) && (title || indented(i + 1)) {
            (line.len(), if line == "Hazardous" { BAD } else { HEADING })
        } else {
            (0, Style::new())
        };
        let (head, tail) = line.split_at(head);
        if head.is_empty() {
            out.push_str(tail);
        } else {
            let _ = write!(out, "{style}{head}{style:#}{tail}");
        }
        out.push_str(&whole[line.len()..]);
    }
    out
}

/// Sentences that are wider than the terminal broken at spaces, their continuation set in. Tables have their own way, and
/// what is there to be copied stays in one piece.
pub(crate) fn wrapped(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.to_owned() };
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let sentence = line.trim();
        let copied = ["timewait ", "set: "].iter().any(|begin| sentence.starts_with(begin));
        if line.trim_end().chars().count() <= columns || sentence.contains("  ") || copied {
            out.push_str(line);
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        out.push_str(&words::broken(sentence, indent, columns));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_adds_nothing_but_colour() {
        let text = "A title\n\nWhat hurt\n  nothing\nok    a:1 never(\"x\") (0)\nFAIL  a:2\n      got 1\n\
                    Expectations: 1 of 2 hold\n  line 2\ntimewait run a\nerror: odd\nlast";
        let painted = painted(text);
        assert_eq!(anstream::adapter::strip_str(&painted).to_string(), text);
        for (word, style) in
            [("A title", HEADING), ("ok", GOOD), ("FAIL", BAD), ("error:", BAD), ("What hurt", HEADING)]
        {
            assert!(painted.contains(&format!("{style}{word}{style:#}")), "{word}: {painted:?}");
        }
        assert!(painted.ends_with("odd\nlast"));
    }

    #[test]
    fn sentences_are_broken_and_commands_and_tables_are_not() {
        let text = "  one two three four\n  a  b  c  d  e  f  g\ntimewait run something long\n";
        assert_eq!(wrapped(text, None), text);
        assert_eq!(
            wrapped(text, Some(12)),
            "  one two\n    three\n    four\n  a  b  c  d  e  f  g\ntimewait run something long\n"
        );
    }
}
