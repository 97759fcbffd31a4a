//! `events: [..]`: what happens at a moment.

use sim_core::ids::{HostId, LinkId};
use sim_core::scenario::{Happening, Link, Occurrence, Rate, Scenario, Settings};
use sim_core::time::{Span, Time};

use super::destination::endpoint;
use super::{Input, link};
use crate::read::{Fields, Notes};
use crate::report::Diagnostic;
use crate::section::{text, time};
use crate::syntax::{Kind, Node};
use crate::sysctl::{self, HostSettings};
use crate::units::show_rate;

/// One kind of event.
pub(crate) struct EventKind {
    /// How it is written.
    pub(crate) example: &'static str,
    /// What it means.
    pub(crate) doc: &'static str,
}

/// Every kind of event.
pub(crate) static KINDS: &[EventKind] = &[
    EventKind {
        example: "link_down(\"client\", \"server\")",
        doc: "the link between two neighbours loses every segment from then on",
    },
    EventKind { example: "link_up(\"client\", \"server\")", doc: "it carries again" },
    EventKind {
        example: "stop(\"server:80\")",
        doc: "the process dies: its listener is closed, connections that nobody accepted are reset, the others closed, a proxy's to its backends too",
    },
    EventKind {
        example: "start(listener: \"server:80\", reuseaddr: true, again: \"1s\")",
        doc: "it comes up: bind() and listen(), again after a while where bind() fails (without `reuseaddr`, a TIME_WAIT is enough)",
    },
    EventKind { example: "pause(\"server:80\")", doc: "the application accepts no more" },
    EventKind { example: "resume(\"server:80\")", doc: "it accepts again" },
    EventKind {
        example: "sysctl(\"client\", \"net.ipv4.tcp_tw_reuse\", \"1\")",
        doc: "a setting changes: of TCP for connections that exist too; ports that are taken and entries that are tracked stay",
    },
    EventKind {
        example: "syn_flood(to: \"server:80\", rate: \"10000/s\", until: \"20s\")",
        doc: "SYNs from addresses that nobody has",
    },
];

/// Most events: they are counted in 16 bits.
const MOST: usize = 65_535;

/// Most SYNs of a flood.
const MOST_SYNS: u128 = 1_000_000_000;

/// Reads every event.
pub(crate) fn events(input: &mut Input<'_>, node: &Node, links: &[Link]) -> Vec<Occurrence> {
    let example = "[(at: \"60s\", what: link_down(\"client\", \"server\"))]";
    let mut found: Vec<Occurrence> = Vec::new();
    // By host: settings add up.
    let mut knobs: Vec<(HostId, HostSettings)> = Vec::new();
    let items = input.notes.list(node, "a list of events", example);
    if items.len() > MOST {
        input.notes.refuse(node.place, format!("{} events are too many: at most {MOST}", items.len()));
        return found;
    }
    let mut entries: Vec<(Time, &Node)> = Vec::new();
    for item in items {
        let fields = input.notes.fields(item, "an event", &["at", "what"]);
        let at = fields.need(&mut input.notes, "at", "\"60s\"").and_then(|node| moment(input, node));
        let what = fields.need(&mut input.notes, "what", KINDS[0].example);
        if let (Some(at), Some(what)) = (at, what) {
            entries.push((at, what));
        }
    }
    // In their order in time, that of the file among equals.
    entries.sort_by_key(|&(at, _)| at);
    for (at, what) in entries {
        let happening = Reader { input: &mut *input, links, at }.happening(what, &mut knobs);
        found.extend(happening.map(|what| Occurrence { at, what }));
    }
    found
}

/// A moment within the run.
fn moment(input: &mut Input<'_>, node: &Node) -> Option<Time> {
    let at = input.notes.span(node)?;
    if at >= input.times.duration && !input.times.patched {
        let end = input.times.duration;
        let message = format!("at {at} the scenario is over: it lasts {end}");
        input.notes.error(Diagnostic::error(node.place, message));
        return None;
    }
    Some(Time(at.0))
}

struct Reader<'a, 'b> {
    input: &'a mut Input<'b>,
    links: &'a [Link],
    at: Time,
}

impl Reader<'_, '_> {
    fn happening(&mut self, node: &Node, knobs: &mut Vec<(HostId, HostSettings)>) -> Option<Happening> {
        let args = match &node.kind {
            Kind::Tuple(Some(_), args) => args.as_slice(),
            _ => &[],
        };
        match (node.head().map_or("", |(name, _)| name), args) {
            ("link_down", [a, b]) => self.link(a, b, false),
            ("link_up", [a, b]) => self.link(a, b, true),
            ("stop", [at]) => self.listener(at).map(|(host, port)| Happening::Stop { host, port }),
            ("pause", [at]) => self.accepting(at, false),
            ("resume", [at]) => self.accepting(at, true),
            ("sysctl", [host, name, value]) => self.sysctl(host, name, value, knobs),
            ("start", [at]) => self.start(at, None),
            ("start", []) if matches!(node.kind, Kind::Fields(..)) => {
                let known = ["listener", "reuseaddr", "again"];
                let fields = self.input.notes.fields(node, "the start of a process", &known);
                let at = fields.need(&mut self.input.notes, "listener", "\"server:80\"")?;
                self.start(at, Some(fields))
            }
            ("syn_flood", []) if matches!(node.kind, Kind::Fields(..)) => {
                let fields = self.input.notes.fields(node, "a flood", &["to", "rate", "until"]);
                self.flood(fields)
            }
            _ => {
                let names = KINDS.iter().map(|kind| kind.example.split('(').next().unwrap_or(""));
                self.input.notes.not_one_of(node, "an event", &names.collect::<Vec<_>>());
                if let Some(last) = self.input.notes.diagnostics.last_mut() {
                    let examples: Vec<_> = KINDS.iter().map(|kind| kind.example).collect();
                    last.help = vec![format!("one of `{}`", examples.join("`, `"))];
                }
                None
            }
        }
    }

    fn link(&mut self, a: &Node, b: &Node, up: bool) -> Option<Happening> {
        let Input { notes, hosts, .. } = &mut *self.input;
        let (first, second) = (link::host_id(notes, a, hosts), link::host_id(notes, b, hosts));
        let (first, second) = (first?, second?);
        let joins = |l: &Link| (l.a, l.b) == (first, second) || (l.b, l.a) == (first, second);
        let Some(found) = self.links.iter().position(joins) else {
            let name = |id: HostId| &hosts[id.index()].host.name;
            let message = format!("`{}` and `{}` are no neighbours", name(first), name(second));
            notes.error(Diagnostic::error(b.place, message).help("name the two ends of one link"));
            return None;
        };
        Some(Happening::Link { link: LinkId(found as u16), up })
    }

    fn listener(&mut self, node: &Node) -> Option<(HostId, u16)> {
        let Input { notes, hosts, net, .. } = &mut *self.input;
        let (host, at) = endpoint(notes, node, None, hosts, net)?;
        let read = &hosts[host.index()].host;
        if !read.listen.iter().any(|l| l.port == at.port) {
            let message = format!("`{}` has no listener on port {}", read.name, at.port);
            let help = "one that opens later is written in `listen`, with `closed: true`";
            notes.error(Diagnostic::error(node.place, message).help(help));
            return None;
        }
        Some((host, at.port))
    }

    fn accepting(&mut self, node: &Node, accepting: bool) -> Option<Happening> {
        self.listener(node).map(|(host, port)| Happening::Accepting { host, port, accepting })
    }

    fn start(&mut self, at: &Node, fields: Option<Fields<'_>>) -> Option<Happening> {
        let (host, port) = self.listener(at)?;
        let notes: &mut Notes = &mut self.input.notes;
        let reuseaddr = match fields.and_then(|f| f.get("reuseaddr")) {
            Some(node) => notes.flag(node)?,
            None => true,
        };
        let again = match fields.and_then(|f| f.get("again")) {
            Some(node) => {
                let again = notes.span(node)?;
                if again < Span::from_millis(1) {
                    notes.refuse(
                        node.place,
                        "a process that starts again at once would never let time pass: for example \"1s\"",
                    );
                    return None;
                }
                again
            }
            None => Span::from_secs(1),
        };
        Some(Happening::Start { host, port, reuseaddr, again })
    }

    fn sysctl(
        &mut self,
        host: &Node,
        name: &Node,
        value: &Node,
        knobs: &mut Vec<(HostId, HostSettings)>,
    ) -> Option<Happening> {
        let Input { notes, hosts, .. } = &mut *self.input;
        let id = link::host_id(notes, host, hosts)?;
        let read = &hosts[id.index()].host;
        let name_text = notes.text(name, "the name of a setting", "\"net.ipv4.tcp_tw_reuse\"")?.to_owned();
        let value_text = notes.text(value, "a value in quotes", "\"1\"")?.to_owned();
        let Some(setting) = sysctl::find(&name_text).filter(|setting| setting.exists_in(read.stack)) else {
            let message = format!("the model has no setting `{name_text}` on {}", read.stack);
            notes.error(Diagnostic::error(name.place, message));
            return None;
        };
        let place = knobs.iter().position(|(host, _)| *host == id).unwrap_or_else(|| {
            let conntrack = read.conntrack.clone().unwrap_or_default();
            let (tcp, ports) = (read.tcp.clone(), read.ports.clone());
            knobs.push((id, HostSettings { tcp, ports, phase: read.phase, conntrack }));
            knobs.len() - 1
        });
        let after = &mut knobs[place].1;
        let buckets = after.conntrack.buckets;
        if let Err(message) = setting.set(after, &value_text) {
            notes.error(Diagnostic::error(value.place, message).label("EINVAL"));
            return None;
        }
        if name_text.contains("conntrack") && read.conntrack.is_none() {
            let message = format!("`{}` tracks no connections", read.name);
            notes.error(Diagnostic::error(name.place, message).help("write `conntrack: on` at the host"));
            return None;
        }
        if after.conntrack.buckets != buckets {
            let message =
                format!("`{name_text}` cannot change on the way: the model does not rebuild the hash");
            notes.error(Diagnostic::error(name.place, message));
            return None;
        }
        let HostSettings { tcp, ports, conntrack, .. } = after.clone();
        let conntrack = read.conntrack.as_ref().map(|_| conntrack);
        let settings = Box::new(Settings { tcp, ports, conntrack });
        Some(Happening::Sysctl { host: id, name: name_text, value: value_text, settings })
    }

    fn flood(&mut self, fields: Fields<'_>) -> Option<Happening> {
        let notes: &mut Notes = &mut self.input.notes;
        let to = fields.need(notes, "to", "\"server:80\"");
        let rate = fields.need(notes, "rate", "\"10000/s\"");
        let until = fields.need(notes, "until", "\"20s\"");
        let (to, rate_node, until_node) = (to?, rate?, until?);
        let rate: Rate = notes.rate(rate_node)?;
        let until = notes.span(until_node)?;
        if rate.count == 0 {
            notes.refuse(rate_node.place, "a flood of no SYNs: leave it out");
            return None;
        }
        if Time(until.0) <= self.at {
            let message = format!("the flood is over at {until}, before it begins at {}", self.at);
            notes.error(Diagnostic::error(until_node.place, message));
            return None;
        }
        let end = self.input.times.duration.min(until);
        let length = u128::from(end.0.saturating_sub(self.at.0));
        if u128::from(rate.count) * length / u128::from(rate.per.0.max(1)) > MOST_SYNS {
            let message = "a flood of more than 1,000,000,000 SYNs takes too long to compute";
            self.input.notes.error(Diagnostic::error(rate_node.place, message));
            return None;
        }
        let Input { notes, hosts, net, .. } = &mut *self.input;
        let (_, to) = endpoint(notes, to, None, hosts, net)?;
        Some(Happening::SynFlood { to, rate, until: Time(until.0) })
    }
}

/// An event as text.
pub(crate) fn show(occurrence: &Occurrence, s: &Scenario) -> String {
    let name = |host: HostId| s.hosts.get(host.index()).map_or("", |h| h.name.as_str());
    let listener = |host: HostId, port: u16| text(&format!("{}:{port}", name(host)));
    let what = match &occurrence.what {
        Happening::Link { link, up } => {
            let (a, b) = s.links.get(link.0 as usize).map_or((HostId(0), HostId(0)), |l| (l.a, l.b));
            format!("link_{}({}, {})", if *up { "up" } else { "down" }, text(name(a)), text(name(b)))
        }
        Happening::Stop { host, port } => format!("stop({})", listener(*host, *port)),
        Happening::Start { host, port, reuseaddr, again } => format!(
            "start(listener: {}, reuseaddr: {reuseaddr}, again: {})",
            listener(*host, *port),
            time(*again)
        ),
        Happening::Accepting { host, port, accepting } => {
            format!("{}({})", if *accepting { "resume" } else { "pause" }, listener(*host, *port))
        }
        Happening::Sysctl { host, name: setting, value, .. } => {
            format!("sysctl({}, {}, {})", text(name(*host)), text(setting), text(value))
        }
        Happening::SynFlood { to, rate, until } => {
            format!("syn_flood(to: \"{to}\", rate: \"{}\", until: {})", show_rate(*rate), time(Span(until.0)))
        }
    };
    format!("(at: {}, what: {what})", time(Span(occurrence.at.0)))
}
