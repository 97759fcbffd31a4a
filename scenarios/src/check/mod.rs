//! From the tree to the checked scenario: names to ids, units to integers, contradictions refused.
//!
//! Every function notes what is wrong and goes on with something harmless, so that one run finds every mistake;
//! the scenario that results is thrown away if anything was noted. The fields of each section are a table; see
//! [`crate::section`].

pub(crate) mod arrivals;
mod budget;
pub(crate) mod conntrack;
mod destination;
pub(crate) mod events;
mod expect;
pub(crate) mod host;
pub(crate) mod lasting;
pub(crate) mod link;
pub(crate) mod listen;
pub(crate) mod pool;
pub(crate) mod rules;
pub(crate) mod silence;
pub(crate) mod stack;
mod times;
pub(crate) mod traffic;

use sim_core::scenario::Scenario;
use sim_core::time::Span;

use self::times::Times;
use crate::read::{Notes, nearest};
use crate::report::Diagnostic;
use crate::section::{Absent, Field, field, names, number, text};
use crate::show;
use crate::source::{Place, Source};
use crate::syntax::{Key, Kind, Node};
use crate::{DumpNotes, Extras};

/// Everything at hand while a scenario is read.
pub(crate) struct Input<'a> {
    pub(crate) notes: Notes,
    pub(crate) extras: &'a Extras<'a>,
    pub(crate) dumps: Vec<DumpNotes>,
    /// Length and sampling, once they are read.
    times: Times,
    /// The hosts, once they are read.
    hosts: host::Hosts,
    /// Who reaches whom, once hosts and links are read.
    net: link::Wiring,
    /// The traffic sources, once they are read.
    traffic: Vec<traffic::TrafficRead>,
    /// The host of the client, while a traffic source is read.
    client: Option<destination::Client>,
}

impl<'a> Input<'a> {
    /// Before anything is read.
    pub(crate) fn new(source: Source, extras: &'a Extras<'a>) -> Input<'a> {
        Input {
            notes: Notes { sources: vec![source], ..Notes::default() },
            extras,
            dumps: Vec::new(),
            times: Times::UNKNOWN,
            hosts: host::Hosts::default(),
            net: link::Wiring::default(),
            traffic: Vec::new(),
            client: None,
        }
    }

    /// Takes a text in; its number is what places refer to.
    pub(crate) fn add(&mut self, source: Source) -> usize {
        self.notes.sources.push(source);
        self.notes.sources.len() - 1
    }

    /// Reads a file that the scenario names at `place`.
    pub(crate) fn open(&mut self, name: &str, place: Place) -> Option<usize> {
        match self.extras.files.read(name) {
            Ok(source) => Some(self.add(source)),
            Err(message) => {
                let help = "names are relative to the scenario's own file";
                self.notes.error(Diagnostic::error(place, message).help(help));
                None
            }
        }
    }
}

/// What the scenario is, and its times, which the rest depends on.
pub(crate) static GENERAL: &[Field<Scenario>] = &[
    field!(
        title,
        "text",
        Absent::Words("the file's name"),
        "one line: what happens",
        |input, node, s| {
            s.title = line(&mut input.notes, node)?;
            Some(())
        },
        |s, _| text(&s.title)
    ),
    field!(
        teaches,
        "text",
        "one or two sentences: what it shows",
        |input, node, s| {
            s.teaches = line(&mut input.notes, node)?;
            Some(())
        },
        |s, _| text(&s.teaches)
    ),
    field!(
        duration,
        "time",
        Absent::Wrong("\"60s\""),
        "length of the simulation, at most 200 years",
        |input, node, s| {
            s.duration = times::duration(&mut input.notes, node)?;
            Some(())
        },
        |s, _| crate::section::time(s.duration)
    ),
    number!(
        seed,
        seed as u64,
        0..=u64::MAX,
        "number",
        "seed of every random stream: the same seed, the same run"
    ),
    field!(
        sample,
        "time",
        Absent::Words("`\"1s\"`, or what suits the duration"),
        "interval of the time series",
        |input, node, s| {
            // `Span::MAX` is left for what was not read.
            s.sample = input.notes.span(node)?.min(Span(u64::MAX - 1));
            Some(())
        },
        |s, _| crate::section::time(s.sample)
    ),
];

/// The parts of a scenario, each of which may speak of those before it.
pub(crate) static PARTS: &[Field<Scenario>] = &[
    field!(
        hosts,
        "map",
        Absent::Wrong("{\"client\": (addresses: [\"10.0.0.1\"])}"),
        "[hosts](#hosts) by name",
        |input, node, _| {
            input.hosts = host::hosts(input, node);
            Some(())
        },
        |s, _| show::hosts(s)
    ),
    field!(
        links,
        "list",
        "[links](#links)",
        |input, node, s| {
            s.links = link::links(input, node);
            Some(())
        },
        |s, _| show::links(s)
    ),
    field!(
        traffic,
        "map",
        Absent::Wrong("{\"web\": (from: \"client\", ..)}"),
        "[traffic sources](#traffic) by name",
        |input, node, s| {
            input.net = link::Wiring::new(&input.hosts, &s.links);
            input.traffic = traffic::traffic(input, node);
            traffic::check_proxies(input);
            silence::check_settings(input);
            Some(())
        },
        |s, _| show::traffic(s)
    ),
    field!(
        events,
        "list",
        "[what happens at a moment](#events)",
        |input, node, s| {
            s.events = events::events(input, node, &s.links);
            Some(())
        },
        |s, _| show::events(s)
    ),
    field!(
        expect,
        "list",
        "[expectations](#expectations)",
        |input, node, s| {
            s.expect = expect::expectations(input, node);
            Some(())
        },
        |s, _| show::expectations(s)
    ),
];

/// A scenario that says nothing: the defaults.
pub(crate) fn blank() -> Scenario {
    Scenario {
        title: String::new(),
        teaches: String::new(),
        duration: Span::MAX,
        seed: 1,
        sample: Span::MAX,
        hosts: Vec::new(),
        links: Vec::new(),
        traffic: Vec::new(),
        events: Vec::new(),
        expect: Vec::new(),
    }
}

/// Reads the whole scenario.
pub(crate) fn scenario(input: &mut Input<'_>, root: &Node) -> Scenario {
    let known: Vec<_> = names(GENERAL).into_iter().chain(names(PARTS)).collect();
    let fields = input.notes.fields(root, "a scenario", &known);
    let mut scenario = blank();
    fields.read(input, GENERAL, &mut scenario);
    if scenario.title.is_empty() {
        scenario.title = input.notes.sources.first().map(Source::stem).unwrap_or_default();
    }
    input.times = times::times(&mut input.notes, fields, &scenario);
    (scenario.duration, scenario.sample) = (input.times.duration, input.times.sample);
    fields.read(input, PARTS, &mut scenario);
    if input.times.known {
        budget::check(input, fields, &scenario);
    }
    scenario.hosts = core::mem::take(&mut input.hosts).all.into_iter().map(|read| read.host).collect();
    scenario.traffic = core::mem::take(&mut input.traffic).into_iter().map(|read| read.traffic).collect();
    scenario
}

/// A text on one line.
fn line(notes: &mut Notes, node: &Node) -> Option<String> {
    let text = notes.text(node, "a text", "\"Ports run out\"")?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Names of hosts and traffic become parts of `HOST.time_wait` and of `--set` paths.
pub(crate) fn name_is_plain(notes: &mut Notes, key: &Key, what: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !key.text.starts_with(first) || !key.text.chars().all(plain) || key.text.len() > 64 {
        let message = format!("{} cannot be the name of a {what}", crate::syntax::quoted(&key.text));
        let help = "names are letters, digits, `_` and `-`, a letter first, 64 at most";
        notes.error(Diagnostic::error(key.place, message).help(help));
    }
}

/// A dump on the command line for a host that is not there is a slip.
pub(crate) fn sysctl_hosts_exist(input: &mut Input<'_>, root: &Node) {
    let Kind::Fields(_, fields) = &root.kind else { return };
    let Some((_, hosts)) = fields.iter().find(|(k, _)| k.text == "hosts") else { return };
    let Kind::Map(hosts) = &hosts.kind else { return };
    for (host, source) in input.extras.sysctl {
        if hosts.iter().any(|(k, _)| k.text == *host) {
            continue;
        }
        let message = format!("--sysctl {host}={}: there is no host `{host}`", source.name);
        let mut diagnostic = Diagnostic { place: None, ..Diagnostic::error(Place::default(), message) };
        if let Some(near) = nearest(host, hosts.iter().map(|(k, _)| k.text.as_str())) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        }
        input.notes.error(diagnostic);
    }
}
