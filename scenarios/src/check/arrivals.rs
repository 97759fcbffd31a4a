//! `arrivals: ..`: when connections are wanted.

use sim_core::scenario::{Arrivals, Rate, Scenario};
use sim_core::time::{Span, Time};

use super::Input;
use super::destination::endpoint;
use crate::read::Notes;
use crate::report::Diagnostic;
use crate::section::time;
use crate::source::Place;
use crate::syntax::{Kind, Node, quoted};
use crate::units::{self, show_rate};

/// One kind of arrivals.
pub(crate) struct ArrivalKind {
    /// How it is written.
    pub(crate) example: &'static str,
    /// What it means.
    pub(crate) doc: &'static str,
    /// Reads its argument.
    read: fn(&mut Input<'_>, &Node) -> Option<Arrivals>,
}

impl ArrivalKind {
    /// The word before the parenthesis.
    pub(crate) fn name(&self) -> &'static str {
        self.example.split('(').next().unwrap_or(self.example)
    }
}

/// Every kind of arrivals.
pub(crate) static KINDS: &[ArrivalKind] = &[
    ArrivalKind {
        example: "constant(\"100/s\")",
        doc: "at equal distances",
        read: |input, arg| some_rate(&mut input.notes, arg).map(Arrivals::Constant),
    },
    ArrivalKind {
        example: "poisson(\"100/s\")",
        doc: "with exponential gaps",
        read: |input, arg| some_rate(&mut input.notes, arg).map(Arrivals::Poisson),
    },
    ArrivalKind {
        example: "phases([(\"10s\", \"100/s\")])",
        doc: "constant rates one after the other; `\"0/s\"` is a pause",
        read: |input, arg| phases(&mut input.notes, arg).map(Arrivals::Phases),
    },
    ArrivalKind {
        example: "workers(50)",
        doc: "a closed loop: each worker starts again as soon as it is done; a turn that fails, or takes no time, lasts 1 ms",
        read: |input, arg| input.notes.integer(arg, 1..=10_000_000).map(|n| Arrivals::Workers(n as u32)),
    },
    ArrivalKind {
        example: "behind(\"proxy:80\")",
        doc: "a proxy: one request for each that its own clients make there; they are answered when this one is",
        read: behind,
    },
    ArrivalKind {
        example: "csv(\"arrivals.csv\")",
        doc: "at the times in a file: first column, seconds unless a unit is given, ascending; a heading is skipped",
        read: |input, arg| {
            let file = input.notes.text(arg, "the name of a file", "csv(\"arrivals.csv\")")?.to_owned();
            let source = input.open(&file, arg.place)?;
            column(&mut input.notes, source, true).map(Arrivals::At)
        },
    },
    ArrivalKind {
        example: "at([\"0s\", \"1s\"])",
        doc: "at these times",
        read: |input, arg| times(&mut input.notes, arg).map(Arrivals::At),
    },
];

/// Reads the arrivals of a source.
pub(crate) fn arrivals(input: &mut Input<'_>, node: &Node) -> Option<Arrivals> {
    if let Kind::Tuple(Some(name), args) = &node.kind
        && let [arg] = &args[..]
        && let Some(kind) = KINDS.iter().find(|kind| kind.name() == name.text)
    {
        return (kind.read)(input, arg);
    }
    let names: Vec<_> = KINDS.iter().map(ArrivalKind::name).collect();
    let found = node.head().map_or("", |(word, _)| word);
    let mut diagnostic = match node.head() {
        Some((word, place)) if !names.contains(&word) => {
            Diagnostic::error(place, format!("`{}` is not a kind of arrivals", crate::syntax::clip(word)))
        }
        Some((word, _)) => Diagnostic::error(node.place, format!("`{word}` takes one value in parentheses")),
        None => Diagnostic::error(node.place, format!("arrivals are wanted, not {}", node.describe())),
    };
    if let Some(near) = crate::read::nearest(found, names.iter().copied()).filter(|near| *near != found) {
        diagnostic = diagnostic.label(format!("did you mean `{near}`?"));
    }
    let examples: Vec<_> = KINDS.iter().map(|kind| kind.example).collect();
    input.notes.error(diagnostic.help(format!("one of `{}`", examples.join("`, `"))));
    None
}

/// Arrivals as text.
pub(crate) fn show(arrivals: &Arrivals, scenario: &Scenario) -> String {
    match arrivals {
        Arrivals::Constant(rate) => format!("constant(\"{}\")", show_rate(*rate)),
        Arrivals::Poisson(rate) => format!("poisson(\"{}\")", show_rate(*rate)),
        Arrivals::Workers(n) => format!("workers({n})"),
        Arrivals::Behind(host, port) => {
            let name = scenario.hosts.get(host.index()).map_or("", |host| host.name.as_str());
            format!("behind(\"{name}:{port}\")")
        }
        Arrivals::Phases(phases) => {
            let phases =
                phases.iter().map(|(len, rate)| format!("({}, \"{}\")", time(*len), show_rate(*rate)));
            format!("phases([{}])", phases.collect::<Vec<_>>().join(", "))
        }
        Arrivals::At(times) => {
            let times = times.iter().map(|t| time(Span(t.0)));
            format!("at([{}])", times.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A listener of the client's own host.
fn behind(input: &mut Input<'_>, node: &Node) -> Option<Arrivals> {
    let Input { notes, hosts, net, client, .. } = input;
    let own = client.as_ref().map(|client| client.id)?;
    let (host, at) = endpoint(notes, node, Some(own), hosts, net)?;
    let name = &hosts[host.index()].host.name;
    if host != own {
        let message = format!("a proxy asks from its own host, and that is not `{name}`");
        let help = format!("write `from: \"{name}\"`, or a listener of `{}`", hosts[own.index()].host.name);
        notes.error(Diagnostic::error(node.place, message).help(help));
        return None;
    }
    if !hosts[host.index()].host.listen.iter().any(|listen| listen.port == at.port) {
        let message = format!("`{name}` does not listen on port {}", at.port);
        notes.error(Diagnostic::error(node.place, message));
        return None;
    }
    Some(Arrivals::Behind(host, at.port))
}

/// A rate that is not zero.
fn some_rate(notes: &mut Notes, node: &Node) -> Option<Rate> {
    let rate = notes.rate(node)?;
    if rate.count == 0 {
        notes.refuse(
            node.place,
            "nothing arrives at a rate of zero: leave the traffic out, or use `phases` for a pause",
        );
        return None;
    }
    Some(rate)
}

fn phases(notes: &mut Notes, node: &Node) -> Option<Vec<(Span, Rate)>> {
    let items = notes.list(node, "a list of phases", "[(\"10s\", \"100/s\"), (\"5s\", \"0/s\")]");
    let mut phases = Vec::new();
    for item in items {
        let (length, rate) = notes.pair(item, "a length and a rate", "(\"10s\", \"100/s\")")?;
        let place = length.place;
        let (length, rate) = (notes.span(length)?, notes.rate(rate)?);
        if length == Span::ZERO {
            notes.refuse(place, "a phase of no length does nothing");
        }
        phases.push((length, rate));
    }
    if phases.iter().all(|(_, rate)| rate.count == 0) {
        notes.refuse(node.place, "nothing arrives: every phase has a rate of zero");
        return None;
    }
    Some(phases)
}

fn times(notes: &mut Notes, node: &Node) -> Option<Vec<Time>> {
    let items = notes.list(node, "a list of times", "[\"0s\", \"1.5s\"]");
    let mut found: Vec<Time> = Vec::with_capacity(items.len());
    for item in items {
        let at = Time(notes.span(item)?.0);
        if let Some(before) = found.last().filter(|t| **t > at) {
            let message = format!("times must ascend: {at} comes after {before}");
            notes.refuse(item.place, message);
            return None;
        }
        found.push(at);
    }
    if found.is_empty() {
        notes.refuse(node.place, "nothing arrives: the list of times is empty");
        return None;
    }
    Some(found)
}

/// One time a line, in the first column; without a unit it is seconds. A first line without digits is a heading.
pub(crate) fn column(notes: &mut Notes, source: usize, ascending: bool) -> Option<Vec<Time>> {
    let text = notes.sources.get(source)?.text.clone();
    let mut found: Vec<Time> = Vec::new();
    let mut start = 0;
    for (i, line) in text.split_inclusive('\n').enumerate() {
        let begin = start;
        start += line.len();
        let column = line.trim_start_matches('\u{feff}').split([',', ';', '\t']).next().unwrap_or_default();
        let cell = column.trim().trim_matches('"');
        if cell.is_empty()
            || cell.starts_with('#')
            || (i == 0 && !cell.contains(|c: char| c.is_ascii_digit()))
        {
            continue;
        }
        let place = Place { source, start: begin, end: begin + line.trim_end().len() };
        let unit = if cell.ends_with(|c: char| c.is_ascii_digit()) { "s" } else { "" };
        let Ok(at) = units::span(&format!("{cell}{unit}")) else {
            let message =
                format!("{} is not a time: write seconds, as in 1.5, or a unit, as in 1500ms", quoted(cell));
            notes.refuse(place, message);
            return None;
        };
        let at = Time(at.0);
        if let Some(before) = found.last().filter(|t| ascending && **t > at) {
            notes.refuse(place, format!("times must ascend: {at} comes after {before}"));
            return None;
        }
        found.push(at);
    }
    if found.is_empty() {
        notes.refuse(
            Place { source, start: 0, end: 0 },
            "the file holds no times: one is wanted on each line",
        );
        return None;
    }
    Some(found)
}
