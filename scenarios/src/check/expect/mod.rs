//! `expect: [..]`: what the run is held to.

mod band;
mod runs;
mod what;

use sim_core::counter::Counter;
use sim_core::record::LogLine;
use sim_core::scenario::{Band, Check, Expectation, Timing};
use sim_core::time::Time;

use self::band::{Unit, band, parts_per_million};
use self::what::unit_of;
use super::Input;
use super::host::Hosts;
use super::link::{self, Wiring};
use super::times::Times;
use super::traffic::TrafficRead;
use crate::Extras;
use crate::read::{Notes, nearest};
use crate::report::{Diagnostic, Severity};
use crate::source::{Place, line_and_column};
use crate::syntax::{Kind, Node, quoted};

/// What an expectation may speak of.
pub(crate) struct Names<'a> {
    pub(crate) hosts: &'a Hosts,
    pub(crate) net: &'a Wiring,
    pub(crate) traffic: &'a [TrafficRead],
    pub(crate) times: Times,
}

/// Every kind of expectation with an example, which is also its help.
const EXAMPLES: &[(&str, &str)] = &[
    ("binds_first", "binds_first(ports(from: \"client\", to: \"10.0.0.2:80\"))"),
    ("first", "first(\"EADDRNOTAVAIL\", between(\"28.2s\", \"28.3s\"))"),
    ("never", "never(\"ECONNREFUSED\")"),
    ("peak", "peak(\"client.time_wait\", equals(28232))"),
    ("at", "at(\"client.time_wait\", \"30s\", between(28000, 28232))"),
    ("count", "count(\"connected\", equals(28232), over(\"0s\", \"60s\"))"),
    ("share", "share(\"connected\", between(\"46%\", \"48%\"), over(\"0s\", \"120s\"))"),
    ("rate", "rate(\"connected\", between(\"469/s\", \"472/s\"), over(\"60s\", \"120s\"))"),
    ("erlang_b", "erlang_b(servers: 28232, hold: \"60s\", within: \"0.3%\", over: (\"120s\", \"600s\"))"),
    ("counter", "counter(\"server\", \"TcpOutRsts\", equals(0))"),
    ("log", "log(\"gateway\", \"table full\", at_least(1))"),
    ("latency", "latency(\"connect\", quantile(\"99%\"), below(\"20ms\"))"),
    ("in_seeds", "in_seeds(19, 20, never(\"web.failed\"))"),
    ("mean", "mean(20, share(\"failed\", at_most(\"1%\")))"),
    ("same_curve", "same_curve(\"client.time_wait\", with([\"hosts.client.tcp.isn=random\"]))"),
    ("times", "times(rate(\"connected\"), at_least(2), with([\"traffic.web.pool=none\"]))"),
];

/// Reads every expectation.
pub(crate) fn expectations(input: &mut Input<'_>, node: &Node) -> Vec<Expectation> {
    let Input { notes, extras, hosts, net, traffic, times, .. } = input;
    let names = &Names { hosts, net, traffic, times: *times };
    let items = notes.list(node, "a list of expectations", "[never(\"ECONNREFUSED\")]");
    let mut found = Vec::new();
    for item in items {
        let reader = Reader { names, item, bands: true };
        let before = notes.diagnostics.len();
        let checked = reader.expectation(notes);
        if !extras.patches.is_empty() && item.place.source == 0 {
            leave_out(notes, before, item.place, extras);
        }
        let Some((check, runs)) = checked else { continue };
        let (text, line) = notes.sources.get(item.place.source).map_or((String::new(), 0), |source| {
            let text = source.text.get(item.place.start..item.place.end).unwrap_or_default();
            let (line, _) = line_and_column(&source.text, item.place.start);
            (text.split_whitespace().collect::<Vec<_>>().join(" "), line)
        });
        found.push(Expectation { text, line, check, runs });
    }
    found
}

/// An expectation of the file that was right before the patches is left out if they leave nothing to judge it by:
/// its first error becomes a warning. One that is wrong in the file itself stays an error.
fn leave_out(notes: &mut Notes, before: usize, place: Place, extras: &Extras<'_>) {
    let is_error = |d: &Diagnostic| d.severity == Severity::Error;
    let Some(first) = notes.diagnostics[before..].iter().find(|d| is_error(d)).cloned() else { return };
    let Some(file) = notes.sources.first() else { return };
    let within = |d: &Diagnostic| {
        d.place.is_some_and(|p| p.source == 0 && place.start <= p.start && p.end <= place.end)
    };
    let alone = crate::load(file, &Extras { patches: &[], ..*extras });
    if alone.is_err_and(|report| report.diagnostics.iter().any(|d| is_error(d) && within(d))) {
        return;
    }
    notes.diagnostics.truncate(before);
    let help = "this expectation is left out, because it does not fit what `--set` changed";
    notes.error(Diagnostic { severity: Severity::Warning, help: vec![help.to_owned()], ..first });
}

/// One expectation on its way to a check.
struct Reader<'a> {
    names: &'a Names<'a>,
    item: &'a Node,
    /// Whether a check that has a band must have it.
    bands: bool,
}

/// `over(..)`, `quantile(..)` and the band, in any order after what comes first.
#[derive(Default)]
struct Parts<'a> {
    band: Option<&'a Node>,
    over: Option<&'a Node>,
    quantile: Option<&'a Node>,
}

impl<'a> Reader<'a> {
    fn check(&self, notes: &mut Notes) -> Option<Check> {
        let kinds: Vec<_> = EXAMPLES.iter().map(|(name, _)| *name).collect();
        let Some((name, _)) = self.item.head().filter(|(name, _)| kinds.contains(name)) else {
            notes.not_one_of(self.item, "an expectation", &kinds);
            return None;
        };
        let args = match &self.item.kind {
            Kind::Tuple(_, args) => args.as_slice(),
            Kind::Fields(..) if name == "erlang_b" => return self.erlang_b(notes),
            _ => &[],
        };
        match (name, args) {
            ("binds_first", [limit]) if matches!(&limit.kind, Kind::Word(w) if w == "nothing") => {
                Some(Check::BindsFirst(None))
            }
            ("binds_first", [limit]) => self.limit(notes, limit).map(|l| Check::BindsFirst(Some(l))),
            ("first", [what, rest @ ..]) => self.first(notes, what, rest),
            ("never", [what, rest @ ..]) => self.never(notes, what, rest),
            ("peak", [metric, rest @ ..]) => self.peak(notes, metric, rest),
            ("at", [metric, time, rest @ ..]) => self.at(notes, metric, time, rest),
            ("count" | "share" | "rate", [what, rest @ ..]) => self.outcomes(notes, name, what, rest),
            ("counter", [host, counter, rest @ ..]) => self.counter(notes, host, counter, rest),
            ("log", [host, line, rest @ ..]) => self.log(notes, host, line, rest),
            ("latency", [what, rest @ ..]) => self.latency(notes, what, rest),
            ("in_seeds" | "mean" | "same_curve" | "times", _) => {
                notes.refuse(
                    self.item.place,
                    "what speaks of several runs cannot stand within another expectation",
                );
                None
            }
            _ => self.wrong_shape(notes, name),
        }
    }

    fn wrong_shape<T>(&self, notes: &mut Notes, name: &str) -> Option<T> {
        let example = EXAMPLES.iter().find(|(n, _)| *n == name).map_or("", |(_, e)| *e);
        let diagnostic = Diagnostic::error(self.item.place, format!("`{name}` is not written like this"));
        notes.error(diagnostic.help(format!("for example `{example}`")));
        None
    }

    fn first(&self, notes: &mut Notes, what: &Node, rest: &'a [Node]) -> Option<Check> {
        let parts = self.parts(notes, rest, &["band"])?;
        let (traffic, outcome) = self.outcome(notes, what)?;
        let band = band(notes, parts.band, Unit::Time)?;
        if let Some(node) = parts.band {
            self.within_run(notes, node.place, band.low)?;
        }
        Some(Check::First { traffic, outcome, band })
    }

    fn never(&self, notes: &mut Notes, what: &Node, rest: &'a [Node]) -> Option<Check> {
        let parts = self.parts(notes, rest, &["over"])?;
        let (traffic, outcome) = self.outcome(notes, what)?;
        let over = self.window(notes, parts.over)?;
        Some(Check::Count { traffic, outcome, over, band: Band { low: 0, high: 0 } })
    }

    fn peak(&self, notes: &mut Notes, metric: &Node, rest: &'a [Node]) -> Option<Check> {
        let parts = self.parts(notes, rest, &["band"])?;
        let metric = self.metric(notes, metric)?;
        let band = band(notes, parts.band, unit_of(metric))?;
        Some(Check::Peak(metric, band))
    }

    fn at(&self, notes: &mut Notes, metric: &Node, time: &Node, rest: &'a [Node]) -> Option<Check> {
        let parts = self.parts(notes, rest, &["band"])?;
        let metric = self.metric(notes, metric)?;
        let at = notes.span(time)?;
        self.on_sample(notes, time, at)?;
        let band = band(notes, parts.band, unit_of(metric))?;
        Some(Check::At(metric, Time(at.0), band))
    }

    fn outcomes(&self, notes: &mut Notes, name: &str, what: &Node, rest: &'a [Node]) -> Option<Check> {
        let parts = self.parts(notes, rest, &["band", "over"])?;
        let unit = match name {
            "count" => Unit::Number,
            "share" => Unit::Share,
            _ => Unit::Rate,
        };
        let outcome = self.outcome(notes, what);
        let over = self.window(notes, parts.over);
        let band = band(notes, parts.band, unit);
        let ((traffic, outcome), over, band) = (outcome?, over?, band?);
        Some(match unit {
            Unit::Number => Check::Count { traffic, outcome, over, band },
            Unit::Share => Check::Share { traffic, outcome, over, band },
            _ => Check::Rate { traffic, outcome, over, band },
        })
    }

    fn counter(&self, notes: &mut Notes, host: &Node, counter: &Node, rest: &'a [Node]) -> Option<Check> {
        let parts = self.parts(notes, rest, &["band"])?;
        let host = link::host_id(notes, host, self.names.hosts)?;
        let name = notes.text(counter, "the name of a counter", "\"TcpOutRsts\"")?;
        let Some(found) = Counter::ALL.iter().find(|c| c.name() == name) else {
            let mut diagnostic =
                Diagnostic::error(counter.place, format!("there is no counter {}", quoted(name)));
            // People leave out the prefix that `nstat` prints.
            let near = Counter::ALL.iter().map(|c| c.name()).find(|c| c.ends_with(name) && !name.is_empty());
            if let Some(near) = near.or_else(|| nearest(name, Counter::ALL.iter().map(|c| c.name()))) {
                diagnostic = diagnostic.label(format!("did you mean \"{near}\"?"));
            }
            notes.error(diagnostic.help(
                "counters bear the names that `nstat -a` prints, and `Ct..` for those of `conntrack -S`",
            ));
            return None;
        };
        let band = band(notes, parts.band, Unit::Number)?;
        Some(Check::Counter(host, *found, band))
    }

    fn log(&self, notes: &mut Notes, host: &Node, line: &Node, rest: &'a [Node]) -> Option<Check> {
        let parts = self.parts(notes, rest, &["band"])?;
        let host = link::host_id(notes, host, self.names.hosts)?;
        let part = notes.text(line, "a part of a log line", "\"table full\"")?.to_lowercase();
        let fits: Vec<_> =
            LogLine::ALL.iter().filter(|l| l.name().to_lowercase().contains(&part)).copied().collect();
        let [found] = fits[..] else {
            let message = match fits.len() {
                0 => format!("no log line of the model contains {}", quoted(&part)),
                n => format!("{n} log lines contain {}", quoted(&part)),
            };
            let all = LogLine::ALL.iter().map(|l| format!("\"{l}\"")).collect::<Vec<_>>().join("\n");
            notes.error(
                Diagnostic::error(line.place, message)
                    .help(format!("a part of one of these lines is wanted:\n{all}")),
            );
            return None;
        };
        let band = band(notes, parts.band, Unit::Number)?;
        Some(Check::Log(host, found, band))
    }

    fn latency(&self, notes: &mut Notes, what: &Node, rest: &'a [Node]) -> Option<Check> {
        let parts = self.parts(notes, rest, &["band", "quantile"])?;
        let text = notes.text(what, "what is timed", "\"connect\"")?;
        let (prefix, name) = text.rsplit_once('.').map_or((None, text), |(p, n)| (Some(p), n));
        let timing = match name {
            "connect" => Timing::Connect,
            "request" => Timing::Request,
            _ => {
                let message = format!("{} is not timed", quoted(name));
                let help = "\"connect\" and \"request\" are, and \"web.request\" for one traffic source";
                notes.error(Diagnostic::error(what.place, message).help(help));
                return None;
            }
        };
        let traffic = match prefix {
            Some(name) => Some(self.traffic_id(notes, what, name)?),
            None => None,
        };
        let quantile_node = parts.quantile?;
        let [share] = arguments(quantile_node) else { return self.wrong_shape(notes, "latency") };
        let ratio = notes.ratio(share)?;
        let per_mille = u128::from(ratio.num) * 1000;
        if per_mille % u128::from(ratio.den) != 0 {
            notes.refuse(share.place, "quantiles go in steps of 0.1%: for example \"99.9%\"");
            return None;
        }
        let quantile = (per_mille / u128::from(ratio.den)) as u32;
        let band = band(notes, parts.band, Unit::Time)?;
        Some(Check::Latency { traffic, timing, quantile, band })
    }

    fn erlang_b(&self, notes: &mut Notes) -> Option<Check> {
        let known = &["servers", "hold", "within", "over", "traffic"];
        let fields = notes.fields(self.item, "an Erlang B expectation", known);
        let traffic = match fields.get("traffic") {
            Some(node) => {
                let name = notes.text(node, "the name of a traffic source", "\"web\"")?;
                Some(self.traffic_id(notes, node, name)?)
            }
            None => None,
        };
        let servers = fields.need(notes, "servers", "28232").and_then(|n| notes.integer(n, 1..=10_000_000));
        let hold = fields.need(notes, "hold", "\"60s\"").and_then(|n| notes.span(n));
        let within = fields.need(notes, "within", "\"0.3%\"").and_then(|n| parts_per_million(notes, n));
        let over = self.window_pair(notes, fields.get("over"));
        Some(Check::ErlangB { traffic, over: over?, servers: servers?, hold: hold?, within: within? })
    }

    /// Sorts what follows the first arguments. `allowed` of band, over and quantile may come; band and quantile must.
    fn parts(&self, notes: &mut Notes, rest: &'a [Node], allowed: &[&str]) -> Option<Parts<'a>> {
        let mut parts = Parts::default();
        let name = self.item.head().map_or("", |(name, _)| name);
        for node in rest {
            let kind = match node.head().map(|(head, _)| head) {
                Some("over") => "over",
                Some("quantile") => "quantile",
                Some("equals" | "between" | "at_least" | "at_most" | "below" | "above") => "band",
                _ => "",
            };
            let slot = match kind {
                "over" => &mut parts.over,
                "quantile" => &mut parts.quantile,
                _ => &mut parts.band,
            };
            if !allowed.contains(&kind) || slot.is_some() {
                return wrong_part(notes, name, node, allowed, slot.is_some());
            }
            *slot = Some(node);
        }
        let missing = |kind: &str, slot: Option<&Node>| allowed.contains(&kind) && slot.is_none();
        if (self.bands && missing("band", parts.band)) || missing("quantile", parts.quantile) {
            return self.wrong_shape(notes, name);
        }
        Some(parts)
    }
}

/// Says which parts there are.
fn wrong_part<T>(notes: &mut Notes, name: &str, node: &Node, allowed: &[&str], again: bool) -> Option<T> {
    let mut words = Vec::new();
    for part in allowed {
        match *part {
            "band" => words.extend(["equals", "between", "at_least", "at_most", "below", "above"]),
            other => words.push(other),
        }
    }
    match node.head() {
        Some((word, place)) if again && words.contains(&word) => {
            let message = format!("`{name}` already has what `{word}` would say");
            notes.error(Diagnostic::error(place, message));
        }
        _ => notes.not_one_of(node, &format!("a part of `{name}`"), &words),
    }
    None
}

/// The arguments in the parentheses, if they have no names.
fn arguments(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::Tuple(Some(_), args) => args,
        _ => &[],
    }
}
