//! From the tree to the checked scenario: names to ids, units to integers, contradictions refused.
//!
//! Every function notes what is wrong and goes on with something harmless, so that one run finds every mistake;
//! the scenario that results is thrown away if anything was noted.

mod budget;
mod expect;
pub(crate) mod host;
mod link;
pub(crate) mod stack;
mod traffic;

use sim_core::scenario::Scenario;
use sim_core::time::Span;

use crate::read::{Fields, Notes, nearest};
use crate::report::Diagnostic;
use crate::source::{Place, Source};
use crate::syntax::{Key, Kind, Node};
use crate::units::{show_span, thousands};
use crate::{DumpNotes, Extras};

/// Everything at hand while a scenario is read.
pub(crate) struct Input<'a> {
    pub(crate) notes: Notes,
    pub(crate) extras: &'a Extras<'a>,
    pub(crate) dumps: Vec<DumpNotes>,
}

impl Input<'_> {
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

/// Most rows of the time series.
const MOST_SAMPLES: u64 = 1_000_000;

/// Reads the whole scenario.
pub(crate) fn scenario(input: &mut Input<'_>, root: &Node) -> Scenario {
    const FIELDS: &[&str] =
        &["title", "teaches", "duration", "seed", "sample", "hosts", "links", "traffic", "expect"];
    let fields = input.notes.fields(root, "a scenario", FIELDS);
    let times = times(&mut input.notes, fields);
    let Times { duration, sample, .. } = times;
    let line = |notes: &mut Notes, name: &str| {
        let text = fields.get(name).and_then(|n| notes.text(n, "a text", "\"Ports run out\"")).unwrap_or("");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let title = line(&mut input.notes, "title");
    let teaches = line(&mut input.notes, "teaches");
    let seed = fields.or(&mut input.notes, "seed", 1, |n, v| n.integer(v, 0..=u64::MAX));
    let hosts_node = fields.need(&mut input.notes, "hosts", "{\"client\": (addresses: [\"10.0.0.1\"])}");
    let hosts = hosts_node.map(|node| host::hosts(input, node)).unwrap_or_default();
    let links =
        fields.get("links").map(|node| link::links(&mut input.notes, node, &hosts)).unwrap_or_default();
    let net = link::Net::new(&hosts, &links);
    let traffic_node = fields.need(&mut input.notes, "traffic", "{\"web\": (from: \"client\", ..)}");
    let traffic = traffic_node.map(|node| traffic::traffic(input, node, &net, times)).unwrap_or_default();
    let expect = match fields.get("expect") {
        Some(node) => {
            let names = expect::Names { hosts: &hosts, traffic: &traffic, times };
            expect::expectations(&mut input.notes, node, &names)
        }
        None => Vec::new(),
    };
    if times.known {
        budget::check(&mut input.notes, &net, &traffic, duration);
    }
    Scenario {
        title,
        teaches,
        duration,
        seed,
        sample,
        hosts: hosts.into_iter().map(|h| h.host).collect(),
        links,
        traffic: traffic.into_iter().map(|t| t.traffic).collect(),
        expect,
    }
}

/// Length and sampling interval, and how strict to be about them.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) duration: Span,
    pub(crate) sample: Span,
    /// False if the file's duration could not be read: what depends on it is not judged then.
    pub(crate) known: bool,
    /// Set from outside the file, whose expectations may then no longer fit.
    pub(crate) patched: bool,
}

fn times(notes: &mut Notes, fields: Fields<'_>) -> Times {
    // Nothing is too long for this stand-in, and everything lies on its sampling points.
    let unknown = Times { duration: Span(1 << 60), sample: Span(1), known: false, patched: false };
    let node = fields.need(notes, "duration", "\"60s\"");
    let Some(duration) = node.and_then(|node| notes.span(node)) else { return unknown };
    if let Some(node) = node.filter(|_| duration == Span::ZERO) {
        notes.refuse(node.place, "a scenario of no length shows nothing: for example \"60s\"");
        return unknown;
    }
    let usual = usual_sample(duration);
    let sample = fields.or(notes, "sample", usual, Notes::span);
    let place = fields.place_of("sample");
    let patched = notes.is_command_line(fields.place_of("duration")) || notes.is_command_line(place);
    let Some(message) = sample_refused(duration, sample) else {
        return Times { duration, sample, known: true, patched };
    };
    let help = format!("without `sample` it is {}", show_span(usual));
    notes.error(Diagnostic::error(place, message).help(help));
    Times { duration, sample: usual, known: true, patched }
}

/// What is wrong with a sampling interval, if anything is.
fn sample_refused(duration: Span, sample: Span) -> Option<String> {
    let (whole, step) = (show_span(duration), show_span(sample));
    if sample == Span::ZERO {
        return Some("the sampling interval must be longer than nothing".to_owned());
    }
    if sample > duration {
        return Some(format!("the sampling interval, {step}, is longer than the scenario, {whole}"));
    }
    let rows = duration.0 / sample.0;
    if rows > MOST_SAMPLES {
        let (rows, most) = (thousands(rows.into()), thousands(MOST_SAMPLES.into()));
        return Some(format!("{whole} sampled every {step} are {rows} rows; {most} are the most"));
    }
    if !duration.0.is_multiple_of(sample.0) {
        let last = show_span(Span(duration.0 - duration.0 % sample.0));
        return Some(format!(
            "the duration, {whole}, is not a multiple of the sampling interval, {step}: the last row is at {last}"
        ));
    }
    None
}

/// One second, or what divides the duration and gives neither too many rows nor none.
fn usual_sample(duration: Span) -> Span {
    const SECOND: u64 = 1_000_000_000;
    let divides = |unit: &u64| duration.0.is_multiple_of(*unit);
    if duration.0 / SECOND > 100_000 {
        let long = [10 * SECOND, 60 * SECOND, 600 * SECOND, 3600 * SECOND, 86_400 * SECOND];
        let fits = |unit: &&u64| divides(unit) && duration.0 / **unit <= 100_000;
        if let Some(unit) = long.iter().find(fits) {
            return Span(*unit);
        }
    }
    let steps = [SECOND, SECOND / 10, SECOND / 100, SECOND / 1_000, 100_000, 10_000, 1_000];
    match steps.iter().find(|s| divides(s) && duration.0 / **s <= MOST_SAMPLES) {
        Some(step) => Span(*step),
        None => duration,
    }
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
