//! `hosts: {..}`.

use std::collections::BTreeMap;

use sim_core::ids::{Addr, HostId};
use sim_core::profile::Stack;
use sim_core::scenario::Host;
use sim_core::tcp::config::TimerModel;
use sim_core::time::Span;

use super::{Input, conntrack, listen, rules, stack};
use crate::read::Notes;
use crate::report::Diagnostic;
use crate::section::{Absent, Field, field, inline, lines, list, names, number, section, time};
use crate::source::Place;
use crate::syntax::{Key, Kind, Node};
use crate::sysctl::{self, HostSettings, SetAt};
use crate::units;

/// Most hosts: their ids have 16 bits.
const MOST: usize = 65_535;

/// A host as read, with the places that later checks point at.
pub(crate) struct HostRead {
    pub(crate) host: Host,
    /// Everything that settings reach; it becomes part of the host when all are read.
    knobs: HostSettings,
    tracks: bool,
    pub(crate) at: SetAt,
    /// Where each address stands.
    addresses: Vec<Place>,
    /// Where it is said whether connections are tracked; the host, if it is not said.
    pub(crate) tracking: Place,
    /// Addresses were given, though perhaps wrong ones.
    pub(crate) has_addresses: bool,
}

impl HostRead {
    /// A host that says nothing: the defaults.
    pub(crate) fn blank(name: &str, place: Place) -> HostRead {
        let defaults = Stack::Linux6_18.defaults();
        HostRead::of(
            &Host {
                name: name.to_owned(),
                addresses: Vec::new(),
                stack: Stack::Linux6_18,
                tcp: defaults.tcp,
                phase: None,
                ports: defaults.ports,
                // `fs.nr_open`, so that descriptors are not what runs out.
                open_files: 1_048_576,
                listen: Vec::new(),
                drop: Vec::new(),
                conntrack: None,
            },
            place,
        )
    }

    /// A checked host, as if it had been read.
    pub(crate) fn of(host: &Host, place: Place) -> HostRead {
        let (tcp, ports) = (host.tcp.clone(), host.ports.clone());
        let conntrack = host.conntrack.clone();
        HostRead {
            host: host.clone(),
            tracks: conntrack.is_some(),
            knobs: HostSettings { tcp, ports, phase: host.phase, conntrack: conntrack.unwrap_or_default() },
            at: SetAt::default(),
            addresses: Vec::new(),
            tracking: place,
            has_addresses: false,
        }
    }
}

/// What must be known of a host before its settings.
pub(crate) static FIRST: &[Field<HostRead>] = &[
    field!(
        addresses,
        "list of addresses",
        "IPv4 addresses; a pure router needs none. A name in a destination means the first",
        |input, node, read| {
            read.has_addresses = true;
            (read.host.addresses, read.addresses) = addresses(&mut input.notes, node);
            Some(())
        },
        |read, _| list(&read.host.addresses)
    ),
    field!(
        stack,
        "word",
        "`linux` (6.18), `linux(\"4.9\")`, `(\"4.19\")`, `(\"5.15\")`, `(\"6.1\")`, `(\"6.12\")`, `(\"6.18\")`, `freebsd`, \
         `macos`, `windows`, `rfc793`",
        |input, node, read| {
            read.host.stack = stack_name(&mut input.notes, node)?;
            let defaults = read.host.stack.defaults();
            (read.knobs.tcp, read.knobs.ports) = (defaults.tcp, defaults.ports);
            Some(())
        },
        |read, _| read.host.stack.to_string()
    ),
    field!(
        timers,
        "word, or a wheel",
        Absent::Words("`wheel` on Linux, else `exact`"),
        "`exact`: when they are due. `wheel`, `wheel(hz: 1000)`: late as the kernel's [timer wheel](#the-wheel) is late",
        |input, node, read| {
            (read.knobs.tcp.timers, read.knobs.phase) = timer_model(input, node)?;
            Some(())
        },
        |read, s| match read.knobs.tcp.timers {
            TimerModel::Exact => "exact".to_owned(),
            TimerModel::Wheel { hz, .. } => {
                format!("wheel{}", inline(WHEEL, &Wheel { hz, phase: read.knobs.phase }, s))
            }
        }
    ),
    field!(
        sysctl_file,
        "name of a file",
        Absent::Words("none"),
        "the output of `sysctl -a`, relative to the scenario's file",
        |input, node, read| {
            let name = input.notes.text(node, "the name of a file", "\"client.sysctl\"")?.to_owned();
            let stack = read.host.stack;
            if !stack.is_linux() {
                let message = format!("sysctls are Linux settings, and this host runs `{stack}`");
                input.notes.error(Diagnostic::error(node.place, message));
                return None;
            }
            let source = input.open(&name, node.place)?;
            apply_dump(input, source, read);
            Some(())
        },
        |_, _| String::new()
    ),
];

/// The settings of a host, and what is on it.
pub(crate) static THEN: &[Field<HostRead>] = &[
    field!(
        sysctl,
        "map of settings",
        Absent::Words("the stack's"),
        "[settings](#sysctls) under their real names",
        |input, node, read| {
            sysctl::apply_own(&mut input.notes, node, read.host.stack, &mut read.knobs, &mut read.at);
            Some(())
        },
        |read, _| sysctl::show(read.host.stack, &read.knobs)
    ),
    field!(
        tcp,
        "[fields](#tcp-and-ports)",
        Absent::Words("the stack's"),
        "what has no sysctl, and other stacks",
        |input, node, read| {
            stack::apply_tcp(input, node, read.host.stack, &mut read.knobs);
            Some(())
        },
        |read, s| stack::show(stack::TCP, read.host.stack, &read.knobs, s)
    ),
    field!(
        ports,
        "[fields](#tcp-and-ports)",
        Absent::Words("the stack's"),
        "how connect() finds its port, where no sysctl says so",
        |input, node, read| {
            stack::apply_ports(input, node, read.host.stack, &mut read.knobs);
            read.at.ports = Some(node.place);
            Some(())
        },
        |read, s| stack::show(stack::PORTS, read.host.stack, &read.knobs, s)
    ),
    field!(
        limits,
        "[fields](#limits)",
        "what the host's applications may have",
        |input, node, read| {
            let fields = input.notes.fields(node, "the section `limits`", &names(LIMITS));
            fields.read(input, LIMITS, &mut read.host).then_some(())
        },
        |read, s| inline(LIMITS, &read.host, s)
    ),
    field!(
        listen,
        "list of [listeners](#listeners)",
        "listening sockets",
        |input, node, read| {
            read.host.listen = listen::listeners(input, node);
            if read.host.addresses.is_empty() && !read.host.listen.is_empty() {
                let message = format!("`{}` listens but has no address", read.host.name);
                let help = "give it one: `addresses: [\"10.0.0.2\"]`";
                input.notes.error(Diagnostic::error(node.place, message).help(help));
            }
            Some(())
        },
        |read, s| {
            let one = |l| inline(listen::LISTEN, l, s);
            lines("[", read.host.listen.iter().map(one), "]")
        }
    ),
    field!(
        drop,
        "list of [rules](#dropped-segments)",
        "segments that it drops as they arrive",
        |input, node, read| {
            read.host.drop = rules::rules(input, node);
            Some(())
        },
        |read, s| {
            let one = |rule| inline(rules::DROP, rule, s);
            lines("[", read.host.drop.iter().map(one), "]")
        }
    ),
    field!(
        conntrack,
        "`on`, `off`, or [fields](#conntrack)",
        "connection tracking",
        |input, node, read| {
            read.tracking = node.place;
            read.tracks = conntrack::tracking(input, node, read.host.stack, &mut read.knobs);
            Some(())
        },
        |read, s| { if read.tracks { conntrack::show(&read.knobs, s) } else { "off".to_owned() } }
    ),
];

/// `limits: (..)`.
pub(crate) static LIMITS: &[Field<Host>] = &[number!(
    open_files,
    open_files as u32,
    1..=1_073_741_816,
    "number",
    "descriptors that the application may have open for connections: RLIMIT_NOFILE less those open from the start"
)];

/// More would bring the counter of ticks near the end of its range.
const LONGEST_PHASE: Span = Span::from_secs(100 * 86_400);

/// `wheel(..)`.
pub(crate) struct Wheel {
    hz: u32,
    /// None: it is drawn.
    phase: Option<Span>,
}

impl Wheel {
    /// What `wheel` alone means.
    pub(crate) const BLANK: Wheel = Wheel { hz: 250, phase: None };
}

/// The fields of `wheel(..)`.
pub(crate) static WHEEL: &[Field<Wheel>] = &[
    number!(hz, hz as u32, 24..=12_000, "number", "ticks per second"),
    field!(
        phase,
        "time",
        Absent::Words("drawn, the same for all hosts"),
        "how far the wheel has turned when the simulation begins, at most `\"100d\"`",
        |input, node, wheel| {
            let phase = input.notes.span(node)?;
            if phase > LONGEST_PHASE {
                input.notes.refuse(node.place, "a phase is at most \"100d\"");
                return None;
            }
            wheel.phase = Some(phase);
            Some(())
        },
        |wheel, _| wheel.phase.map_or(String::new(), time)
    ),
];

/// All hosts, and which has which name.
#[derive(Default)]
pub(crate) struct Hosts {
    pub(crate) all: Vec<HostRead>,
    by_name: BTreeMap<String, HostId>,
}

impl Hosts {
    fn new(all: Vec<HostRead>) -> Hosts {
        let mut by_name = BTreeMap::new();
        for (i, read) in all.iter().enumerate() {
            by_name.entry(read.host.name.clone()).or_insert(HostId(i as u16));
        }
        Hosts { all, by_name }
    }

    /// The host of that name.
    pub(crate) fn named(&self, name: &str) -> Option<HostId> {
        self.by_name.get(name).copied()
    }
}

impl core::ops::Deref for Hosts {
    type Target = [HostRead];

    fn deref(&self) -> &[HostRead] {
        &self.all
    }
}

/// Reads every host, then compares them with one another.
pub(crate) fn hosts(input: &mut Input<'_>, node: &Node) -> Hosts {
    let entries = input.notes.map(node, "a map of hosts", "{\"client\": (addresses: [\"10.0.0.1\"])}");
    if entries.is_empty() && matches!(node.kind, Kind::Map(_)) {
        input.notes.refuse(node.place, "there is no host: `hosts` needs at least one");
    }
    if entries.len() > MOST {
        input.notes.refuse(node.place, format!("{} hosts are too many: at most {MOST}", entries.len()));
        return Hosts::default();
    }
    let hosts: Vec<_> = entries.iter().map(|(key, node)| host(input, key, node)).collect();
    addresses_are_unique(&mut input.notes, &hosts);
    Hosts::new(hosts)
}

/// Stack, then dumps, then the scenario's own settings: the nearer to the scenario, the later.
fn host(input: &mut Input<'_>, key: &Key, node: &Node) -> HostRead {
    super::name_is_plain(&mut input.notes, key, "host");
    let known: Vec<_> = names(FIRST).into_iter().chain(names(THEN)).collect();
    let fields = input.notes.fields(node, "a host", &known);
    let mut read = HostRead::blank(&key.text, node.place);
    fields.read(input, FIRST, &mut read);
    given_dumps(input, &mut read);
    fields.read(input, THEN, &mut read);
    if fields.get("conntrack").is_none() {
        read.tracks = read.at.conntrack.is_some();
    }
    let HostRead { host, knobs, tracks, at, .. } = &mut read;
    if usable_ports(&knobs.ports) == 0 {
        let message = format!(
            "no ephemeral port is left: {} to {} are {} ports, and every one is reserved",
            knobs.ports.low,
            knobs.ports.high,
            u32::from(knobs.ports.high) - u32::from(knobs.ports.low) + 1
        );
        input.notes.error(Diagnostic::error(at.ports.unwrap_or(key.place), message));
    }
    host.phase = knobs.phase;
    (host.tcp, host.ports) = (knobs.tcp.clone(), knobs.ports.clone());
    host.conntrack = tracks.then(|| knobs.conntrack.clone());
    read
}

/// Applies the dumps that the command line gives this host.
fn given_dumps(input: &mut Input<'_>, read: &mut HostRead) {
    let (host, stack) = (read.host.name.clone(), read.host.stack);
    let given = input.extras.sysctl.iter().filter(|(name, _)| *name == host);
    for source in given.map(|(_, source)| source.clone()).collect::<Vec<_>>() {
        if stack.is_linux() {
            let source = input.add(source);
            apply_dump(input, source, read);
        } else {
            let message =
                format!("--sysctl {host}: sysctls are Linux settings, and this host runs `{stack}`");
            input.notes.error(Diagnostic { place: None, ..Diagnostic::error(Place::default(), message) });
        }
    }
}

fn apply_dump(input: &mut Input<'_>, source: usize, read: &mut HostRead) {
    let HostRead { host, knobs, at, .. } = read;
    let dump = sysctl::apply_dump(&mut input.notes, source, &host.name, host.stack, knobs, at);
    input.dumps.push(dump);
}

/// How many ports can be chosen automatically.
pub(crate) fn usable_ports(ports: &sim_core::scenario::PortConfig) -> u32 {
    let reserved = |p: u16| ports.reserved.iter().any(|&(low, high)| (low..=high).contains(&p));
    (ports.low..=ports.high).filter(|&p| !reserved(p)).count() as u32
}

/// `linux`, `linux("6.1")`, `freebsd`, ...
fn stack_name(notes: &mut Notes, node: &Node) -> Option<Stack> {
    const VERSIONS: &[(&str, Stack)] = &[
        ("4.9", Stack::Linux4_9),
        ("4.19", Stack::Linux4_19),
        ("5.15", Stack::Linux5_15),
        ("6.1", Stack::Linux6_1),
        ("6.12", Stack::Linux6_12),
        ("6.18", Stack::Linux6_18),
    ];
    const OTHERS: &[(&str, Stack)] = &[
        ("linux", Stack::Linux6_18),
        ("freebsd", Stack::FreeBsd),
        ("macos", Stack::MacOs),
        ("windows", Stack::Windows),
        ("rfc793", Stack::Rfc793),
    ];
    let Kind::Tuple(Some(name), args) = &node.kind else {
        return notes.word(node, "a stack", OTHERS);
    };
    let [version] = &args[..] else {
        notes.not_one_of(
            node,
            "a stack",
            &["linux", "linux(\"6.1\")", "freebsd", "macos", "windows", "rfc793"],
        );
        return None;
    };
    if name.text != "linux" {
        notes.not_one_of(node, "a stack with a version", &["linux"]);
        return None;
    }
    let text = notes.text(version, "a version", "linux(\"6.1\")")?;
    let found = VERSIONS.iter().find(|(v, _)| *v == text);
    if found.is_none() {
        let names: Vec<_> = VERSIONS.iter().map(|(v, _)| *v).collect();
        let message = format!("there is no profile of Linux {}", crate::syntax::clip(text));
        let help =
            format!("the profiles are {}: take the newest that is not newer than yours", names.join(", "));
        notes.error(Diagnostic::error(version.place, message).help(help));
    }
    found.map(|(_, stack)| *stack)
}

/// When timers fire, and the phase of the wheel if the file says it.
fn timer_model(input: &mut Input<'_>, node: &Node) -> Option<(TimerModel, Option<Span>)> {
    let wheel = match (node.head(), &node.kind) {
        (Some(("exact", _)), Kind::Word(_)) => return Some((TimerModel::Exact, None)),
        (Some(("wheel", _)), Kind::Word(_)) => Wheel::BLANK,
        (Some(("wheel", _)), _) => section(input, node, "`wheel` with fields", WHEEL, Wheel::BLANK)?,
        _ => {
            input.notes.not_one_of(node, "a model of timers", &["exact", "wheel", "wheel(hz: 1000)"]);
            return None;
        }
    };
    Some((TimerModel::Wheel { hz: wheel.hz, phase: Span::ZERO }, wheel.phase))
}

fn addresses(notes: &mut Notes, node: &Node) -> (Vec<Addr>, Vec<Place>) {
    let mut found = Vec::new();
    for item in notes.list(node, "a list of addresses", "[\"10.0.0.1\"]") {
        let Some(text) = notes.text(item, "an address", "\"10.0.0.1\"") else { continue };
        match units::addr(text) {
            Ok(addr) => found.push((addr, item.place)),
            Err(message) => notes.refuse(item.place, message),
        }
    }
    found.into_iter().unzip()
}

fn addresses_are_unique(notes: &mut Notes, hosts: &[HostRead]) {
    let mut all: Vec<(Addr, Place, &str)> = Vec::new();
    for read in hosts {
        for (addr, place) in read.host.addresses.iter().zip(&read.addresses) {
            all.push((*addr, *place, &read.host.name));
        }
    }
    all.sort_by_key(|(addr, place, _)| (*addr, place.source, place.start));
    for pair in all.windows(2) {
        let [(a, first, owner), (b, again, _)] = pair else { continue };
        if a == b && !a.is_loopback() {
            let diagnostic = Diagnostic::error(*again, format!("the address {a} is taken"));
            notes.error(diagnostic.label("again here").other(*first, format!("`{owner}` has it")));
        }
    }
}
