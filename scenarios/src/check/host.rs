//! `hosts: {..}`.

use sim_core::conntrack::ConntrackConfig;
use sim_core::ids::Addr;
use sim_core::profile::Stack;
use sim_core::scenario::{Host, Listen};
use sim_core::tcp::config::TimerModel;
use sim_core::time::Span;

use super::Input;
use super::stack;
use crate::DumpNotes;
use crate::read::{Fields, Notes};
use crate::report::Diagnostic;
use crate::source::Place;
use crate::syntax::{Key, Kind, Node};
use crate::sysctl::{self, Knobs, SetAt};
use crate::units;

const FIELDS: &[&str] = &[
    "addresses",
    "stack",
    "timers",
    "sysctl",
    "sysctl_file",
    "tcp",
    "ports",
    "limits",
    "listen",
    "conntrack",
];

/// What `limits` gives if the file says nothing: `fs.nr_open`, so that descriptors are not what runs out.
pub(crate) const OPEN_FILES: u32 = 1_048_576;

/// A host as read, with the places that later checks point at.
pub(crate) struct Read {
    pub(crate) host: Host,
    pub(crate) addresses: Vec<Place>,
}

/// Reads every host, then compares them with one another.
pub(crate) fn hosts(input: &mut Input<'_>, node: &Node) -> Vec<Read> {
    let entries = input.notes.map(node, "a map of hosts", "{\"client\": (addresses: [\"10.0.0.1\"])}");
    if entries.is_empty() && matches!(node.kind, Kind::Map(_)) {
        input.notes.refuse(node.place, "there is no host: `hosts` needs at least one");
    }
    if entries.len() > usize::from(u16::MAX) {
        input.notes.refuse(node.place, format!("{} hosts are too many: at most 65535", entries.len()));
        return Vec::new();
    }
    let hosts: Vec<_> = entries.iter().map(|(key, node)| host(input, key, node)).collect();
    addresses_are_unique(&mut input.notes, &hosts);
    hosts
}

fn host(input: &mut Input<'_>, key: &Key, node: &Node) -> Read {
    super::name_is_plain(&mut input.notes, key, "host");
    let fields = input.notes.fields(node, "a host", FIELDS);
    let stack = fields.or(&mut input.notes, "stack", Stack::Linux6_18, stack_name);
    let (addresses, places) = addresses(&mut input.notes, fields);
    let (knobs, tracks) = knobs(input, key, fields, stack);
    let notes = &mut input.notes;
    let open_files = fields.or(notes, "limits", OPEN_FILES, |notes, node| {
        let limits = notes.fields(node, "the section `limits`", &["open_files"]);
        let open_files =
            limits.or(notes, "open_files", u64::from(OPEN_FILES), |n, v| n.integer(v, 1..=1_073_741_816));
        u32::try_from(open_files).ok()
    });
    let listen = fields.get("listen").map(|node| listeners(notes, node)).unwrap_or_default();
    if let Some(place) =
        fields.get("listen").map(|n| n.place).filter(|_| addresses.is_empty() && !listen.is_empty())
    {
        let diagnostic = Diagnostic::error(place, format!("`{}` listens but has no address", key.text));
        notes.error(diagnostic.help("give it one: `addresses: [\"10.0.0.2\"]`"));
    }
    let conntrack = tracks.then_some(knobs.conntrack);
    Read {
        host: Host {
            name: key.text.clone(),
            addresses,
            stack,
            tcp: knobs.tcp,
            phase: knobs.phase,
            ports: knobs.ports,
            open_files,
            listen,
            conntrack,
        },
        addresses: places,
    }
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
fn timer_model(notes: &mut Notes, node: &Node) -> Option<(TimerModel, Option<Span>)> {
    let wheel = |hz| TimerModel::Wheel { hz, phase: Span::ZERO };
    match node.head() {
        Some(("exact", _)) if matches!(node.kind, Kind::Word(_)) => Some((TimerModel::Exact, None)),
        Some(("wheel", _)) if matches!(node.kind, Kind::Word(_)) => Some((wheel(250), None)),
        Some(("wheel", _)) => {
            let fields = notes.fields(node, "`wheel` with fields", &["hz", "phase"]);
            let hz = fields.or(notes, "hz", 250, |n, v| n.integer(v, 24..=12_000));
            let phase = fields.get("phase").and_then(|node| phase(notes, node));
            Some((wheel(u32::try_from(hz).ok()?), phase))
        }
        _ => {
            notes.not_one_of(node, "a model of timers", &["exact", "wheel", "wheel(hz: 1000)"]);
            None
        }
    }
}

/// More would bring the jiffies counter near the end of its range.
const LONGEST_PHASE: Span = Span::from_secs(100 * 86_400);

fn phase(notes: &mut Notes, node: &Node) -> Option<Span> {
    let phase = notes.span(node)?;
    if phase > LONGEST_PHASE {
        notes.refuse(node.place, "a phase is at most \"100d\"");
        return None;
    }
    Some(phase)
}

fn addresses(notes: &mut Notes, fields: Fields<'_>) -> (Vec<Addr>, Vec<Place>) {
    let Some(node) = fields.get("addresses") else { return Default::default() };
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

/// Stack, then dumps, then the scenario's own settings: the nearer to the scenario, the later.
fn knobs(input: &mut Input<'_>, key: &Key, fields: Fields<'_>, stack: Stack) -> (Knobs, bool) {
    let defaults = stack.defaults();
    let mut knobs = Knobs {
        tcp: defaults.tcp,
        ports: defaults.ports,
        phase: None,
        conntrack: ConntrackConfig::default(),
    };
    if let Some((timers, phase)) = fields.get("timers").and_then(|node| timer_model(&mut input.notes, node)) {
        knobs.tcp.timers = timers;
        knobs.phase = phase;
    }
    let mut at = SetAt::default();
    for source in dump_sources(input, &key.text, fields, stack) {
        let dump = sysctl::apply_dump(&mut input.notes, source, &key.text, stack, &mut knobs, &mut at);
        input.dumps.push(DumpNotes { host: key.text.clone(), ..dump });
    }
    let notes = &mut input.notes;
    if let Some(node) = fields.get("sysctl") {
        sysctl::apply_own(notes, node, stack, &mut knobs, &mut at);
    }
    if let Some(node) = fields.get("tcp") {
        stack::apply_tcp(notes, node, stack, &mut knobs);
    }
    if let Some(node) = fields.get("ports") {
        stack::apply_ports(notes, node, stack, &mut knobs);
        at.ports = Some(node.place);
    }
    let usable = usable_ports(&knobs.ports);
    if usable == 0 {
        let place = at.ports.unwrap_or(key.place);
        let message = format!(
            "no ephemeral port is left: {} to {} are {} ports, and every one is reserved",
            knobs.ports.low,
            knobs.ports.high,
            u32::from(knobs.ports.high) - u32::from(knobs.ports.low) + 1
        );
        notes.error(Diagnostic::error(place, message));
    }
    let tracks = tracking(notes, fields, stack, &mut knobs, at);
    (knobs, tracks)
}

/// The dumps for a host: the file that the scenario names, then the one from the command line.
fn dump_sources(input: &mut Input<'_>, host: &str, fields: Fields<'_>, stack: Stack) -> Vec<usize> {
    let mut found = Vec::new();
    if let Some(node) = fields.get("sysctl_file")
        && let Some(name) = input.notes.text(node, "the name of a file", "\"client.sysctl\"")
    {
        if stack.is_linux() {
            found.extend(input.open(name, node.place));
        } else {
            let message = format!("sysctls are Linux settings, and this host runs `{stack}`");
            input.notes.error(Diagnostic::error(node.place, message));
        }
    }
    let given: Vec<_> =
        input.extras.sysctl.iter().filter(|(h, _)| h == host).map(|(_, s)| s.clone()).collect();
    for source in given {
        if stack.is_linux() {
            found.push(input.add(source));
        } else {
            let message =
                format!("--sysctl {host}: sysctls are Linux settings, and this host runs `{stack}`");
            input.notes.error(Diagnostic { place: None, ..Diagnostic::error(Place::default(), message) });
        }
    }
    found
}

/// How many ports can be chosen automatically.
pub(crate) fn usable_ports(ports: &sim_core::scenario::PortConfig) -> u32 {
    let reserved = |p: u16| ports.reserved.iter().any(|&(low, high)| (low..=high).contains(&p));
    (ports.low..=ports.high).filter(|&p| !reserved(p)).count() as u32
}

/// Whether the host tracks connections. Settings of its own in `sysctl:` say so too; those of a dump do not.
fn tracking(notes: &mut Notes, fields: Fields<'_>, stack: Stack, knobs: &mut Knobs, at: SetAt) -> bool {
    let Some(node) = fields.get("conntrack") else { return at.conntrack.is_some() };
    if !stack.is_linux() && !matches!(&node.kind, Kind::Word(w) if w == "off") {
        let message = format!("conntrack is Linux's, and this host runs `{stack}`");
        notes.error(Diagnostic::error(node.place, message));
        return false;
    }
    match &node.kind {
        Kind::Word(w) if w == "on" => true,
        Kind::Word(w) if w == "off" => false,
        Kind::Word(_) => {
            notes.not_one_of(node, "a value of `conntrack`", &["on", "off", "(max: 65536)"]);
            false
        }
        _ => {
            sysctl::apply_conntrack(notes, node, knobs);
            true
        }
    }
}

fn listeners(notes: &mut Notes, node: &Node) -> Vec<Listen> {
    let mut found: Vec<(Listen, Place)> = Vec::new();
    for item in notes.list(node, "a list of listening sockets", "[(port: 80, backlog: 4096)]") {
        let fields =
            notes.fields(item, "a listening socket", &["port", "backlog", "accept_after", "accept_every"]);
        let backlog = fields.or(notes, "backlog", 4096, |n, v| n.integer(v, 0..=2_147_483_647));
        let accept_after = fields.or(notes, "accept_after", Span::ZERO, |n, v| n.span_or(v, "never"));
        let accept_every = fields.or(notes, "accept_every", Span::ZERO, Notes::span);
        let Some(node) = fields.need(notes, "port", "80") else { continue };
        let Some(port) = notes.integer(node, 1..=65_535) else { continue };
        let port = port as u16;
        if let Some((_, first)) = found.iter().find(|(l, _)| l.port == port) {
            let diagnostic = Diagnostic::error(node.place, format!("two sockets listen on port {port}"));
            notes.error(diagnostic.label("EADDRINUSE").other(*first, "first here"));
        }
        found.push((Listen { port, backlog: backlog as u32, accept_after, accept_every }, node.place));
    }
    found.into_iter().map(|(listen, _)| listen).collect()
}

fn addresses_are_unique(notes: &mut Notes, hosts: &[Read]) {
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
