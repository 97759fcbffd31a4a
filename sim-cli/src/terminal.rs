//! What the terminal can show.

use std::io::IsTerminal;

use reports::ladder::Charset;

/// Columns where nobody says how many there are.
const USUAL: usize = 100;

/// Whether standard output is looked at by somebody.
pub(crate) fn visible() -> bool {
    std::io::stdout().is_terminal()
}

/// How many columns standard output has, if it is a terminal.
pub(crate) fn columns() -> Option<usize> {
    visible().then(width)
}

/// How many columns standard output has.
pub(crate) fn width() -> usize {
    if !visible() {
        return USUAL;
    }
    terminal_size::terminal_size().map_or(USUAL, |(width, _)| usize::from(width.0))
}

/// Box drawing characters, unless the locale of a terminal cannot show them. What goes to a file is the same everywhere.
pub(crate) fn charset(ascii: bool) -> Charset {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let plain =
        visible() && locale.is_some_and(|l| !l.to_ascii_lowercase().replace('-', "").contains("utf8"));
    if ascii || plain { Charset::Ascii } else { Charset::Unicode }
}
