//! A change to a scenario: a path and a value. `--set`, the axes of a sweep and advice are all made of these.

use core::fmt;

use crate::read::{Notes, nearest};
use crate::report::Diagnostic;
use crate::source::{Place, Source};
use crate::syntax::{self, Key, Kind, Node, is_ron};

/// A change: the value at a path is replaced, or put there if nothing was.
///
/// ```
/// use scenarios::Patch;
/// let patch = Patch::parse("traffic.web.arrivals=poisson(\"470/s\")").unwrap();
/// assert_eq!(patch, Patch::new("traffic.web.arrivals", "poisson(\"470/s\")"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Where: `duration`, `links[0].loss`, `hosts.client.sysctl."net.ipv4.tcp_tw_reuse"`.
    pub path: String,
    /// What: RON, or a bare quantity (`30s`).
    pub value: String,
    /// The flag that it came with: diagnostics name it.
    flag: &'static str,
}

impl Patch {
    /// The change of `path` to `value`.
    pub fn new(path: impl Into<String>, value: impl Into<String>) -> Patch {
        Patch { path: path.into(), value: value.into(), flag: "--set" }
    }

    /// The same change, as it came with another flag.
    #[must_use]
    pub fn of_flag(self, flag: &'static str) -> Patch {
        Patch { flag, ..self }
    }

    /// Reads `PATH=VALUE` as given to `--set`.
    pub fn parse(text: &str) -> Result<Patch, String> {
        match text.split_once('=') {
            Some((path, value)) if !path.trim().is_empty() => Ok(Patch::new(path.trim(), value.trim())),
            _ => Err(format!("`{text}` is not PATH=VALUE, as in `duration=30s` or `links[0].loss=1%`")),
        }
    }
}

/// As it is given to `--set`.
impl fmt::Display for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.path, self.value)
    }
}

/// Text after the equals sign that RON does not know but people write: `30s`, `1%`, `10.0.0.2:80`.
fn is_bare(value: &str) -> bool {
    !value.starts_with(['(', '[', '{', '"']) && !value.contains(['(', '"']) && !is_ron(value)
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
}

/// A step and where it stands in the path.
type Placed = (Step, usize, usize);

/// Applies patches in order. Their texts join the sources, so that diagnostics can point into them.
pub(crate) fn apply(notes: &mut Notes, root: &mut Node, patches: &[Patch]) {
    notes.first_patch = notes.sources.len();
    for patch in patches {
        let source = notes.sources.len();
        notes.sources.push(Source::new(patch.flag, patch.to_string()));
        if let Err(diagnostic) = apply_one(root, patch, source) {
            notes.error(diagnostic);
        }
    }
    notes.first_file = notes.sources.len();
}

fn apply_one(root: &mut Node, patch: &Patch, source: usize) -> Result<(), Diagnostic> {
    let steps = steps(&patch.path, source)?;
    let offset = patch.path.len() + 1;
    let value = if is_bare(&patch.value) {
        let place = Place { source, start: offset, end: offset + patch.value.len() };
        Node { place, kind: Kind::Text(patch.value.clone()) }
    } else {
        // Parsed behind as many spaces as the path is long, so that places are those of the whole text.
        let text = format!("{}{}", " ".repeat(offset), patch.value);
        syntax::parse(&text, source).map_err(|diagnostic| {
            if patch.value.contains('(') && !patch.value.contains('"') {
                return diagnostic.help("within parentheses quotes must stay: `constant(\"100/s\")`");
            }
            diagnostic
        })?
    };
    put(root, &steps, value, source)
}

/// `hosts.client.sysctl."net.ipv4.tcp_tw_reuse"`, `links[0].loss`. What follows `sysctl.` is one name, dots and all.
fn steps(path: &str, source: usize) -> Result<Vec<Placed>, Diagnostic> {
    let fail = |start: usize, end: usize, message: &str| {
        let help =
            "paths look like `duration`, `links[0].loss` or `hosts.client.sysctl.\"net.ipv4.tcp_tw_reuse\"`";
        Err(Diagnostic::error(Place { source, start, end }, message).help(help))
    };
    let mut found: Vec<Placed> = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let rest = &path[at..];
        if let Some(inside) = rest.strip_prefix('[') {
            let Some(end) = inside.find(']') else {
                return fail(at, path.len(), "`]` is missing in this path");
            };
            let Ok(index) = inside[..end].trim().parse() else {
                return fail(at + 1, at + 1 + end, "a number is wanted between `[` and `]`");
            };
            found.push((Step::Index(index), at, at + end + 2));
            at += end + 2;
        } else if let Some(inside) = rest.strip_prefix('"') {
            let Some(end) = inside.find('"') else {
                return fail(at, path.len(), "a quote is missing in this path");
            };
            found.push((Step::Name(inside[..end].to_owned()), at, at + end + 2));
            at += end + 2;
        } else {
            let in_sysctl = matches!(found.last(), Some((Step::Name(n), ..)) if n == "sysctl");
            let end = if in_sysctl { rest.len() } else { rest.find(['.', '[']).unwrap_or(rest.len()) };
            if end == 0 {
                return fail(at, at + 1, "a name is missing in this path");
            }
            found.push((Step::Name(rest[..end].to_owned()), at, at + end));
            at += end;
        }
        match path[at..].chars().next() {
            Some('.') if at + 1 == path.len() => return fail(at, at + 1, "a name is missing after this dot"),
            Some('.') => at += 1,
            None | Some('[') => {}
            Some(c) => return fail(at, at + c.len_utf8(), "a dot is missing here"),
        }
    }
    if found.is_empty() { fail(0, 1, "this path is empty") } else { Ok(found) }
}

/// Sections whose keys are names of the user's own choice.
fn holds_names(section: &str) -> bool {
    matches!(section, "hosts" | "traffic" | "sysctl")
}

fn put(node: &mut Node, steps: &[Placed], value: Node, source: usize) -> Result<(), Diagnostic> {
    let mut node = node;
    let mut walked = "the scenario".to_owned();
    for (i, (step, start, end)) in steps.iter().enumerate() {
        let place = Place { source, start: *start, end: *end };
        let last = i + 1 == steps.len();
        node = match step {
            Step::Index(index) => element(node, *index, place, &walked, last)?,
            Step::Name(name) => entry(node, name, place, &walked, last)?,
        };
        walked = match step {
            Step::Name(name) => format!("`{name}`"),
            Step::Index(index) => format!("element {index} of {walked}"),
        };
    }
    *node = value;
    Ok(())
}

/// The element of a list, or one more at its end.
fn element<'n>(
    node: &'n mut Node,
    index: usize,
    place: Place,
    walked: &str,
    last: bool,
) -> Result<&'n mut Node, Diagnostic> {
    let described = node.describe();
    let (Kind::List(items) | Kind::Tuple(_, items)) = &mut node.kind else {
        let message = format!("{walked} is {described}, which has no elements");
        return Err(Diagnostic::error(place, message));
    };
    let count = items.len();
    if index == count && last {
        items.push(Node { place, kind: Kind::Tuple(None, Vec::new()) });
    }
    items.get_mut(index).ok_or_else(|| {
        let message = format!("{walked} has no element {index}: it has {count}, counted from 0");
        Diagnostic::error(place, message)
    })
}

/// The value of a field or key, made if it is not there.
fn entry<'n>(
    node: &'n mut Node,
    name: &str,
    place: Place,
    walked: &str,
    last: bool,
) -> Result<&'n mut Node, Diagnostic> {
    // A word that stands for a whole section gives way to the section.
    let switched_on = matches!(&node.kind, Kind::Word(w)
        if (walked, w.as_str()) == ("`conntrack`", "on") || (walked, w.as_str()) == ("`pool`", "none"));
    if switched_on || matches!(&node.kind, Kind::Tuple(None, items) if items.is_empty()) {
        let map = walked.trim_matches('`');
        node.kind = if holds_names(map) { Kind::Map(Vec::new()) } else { Kind::Fields(None, Vec::new()) };
    }
    let described = node.describe();
    let is_map = matches!(node.kind, Kind::Map(_));
    let (Kind::Map(entries) | Kind::Fields(_, entries)) = &mut node.kind else {
        let message = format!("{walked} is {described}, which has no fields");
        return Err(Diagnostic::error(place, message));
    };
    if let Some(i) = entries.iter().position(|(key, _)| key.text == name) {
        return Ok(&mut entries[i].1);
    }
    if is_map && !last {
        // A path through a host that is not there is a slip, not a wish for a new host.
        let near = nearest(name, entries.iter().map(|(k, _)| k.text.as_str()));
        let mut diagnostic = Diagnostic::error(place, format!("{walked} has no `{name}`"));
        if let Some(near) = near {
            diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
        }
        let names = entries.iter().take(12).map(|(k, _)| format!("`{}`", k.text)).collect::<Vec<_>>();
        return Err(diagnostic.help(format!("it has {}", names.join(", "))));
    }
    let key = Key { text: name.to_owned(), place };
    entries.push((key, Node { place, kind: Kind::Tuple(None, Vec::new()) }));
    let (_, node) = entries.last_mut().ok_or_else(|| Diagnostic::error(place, "no such field"))?;
    Ok(node)
}
