//! `traffic: {..}`.

use sim_core::ids::{Addr, HostId, SockAddr};
use sim_core::scenario::{Arrivals, ClientPort, CloseHow, OnError, OtherSide, Pool, Rate, Side, Traffic};
use sim_core::time::{Span, Time};

use super::link::{self, Net};
use super::{Input, Times};
use crate::read::{Fields, Notes};
use crate::report::Diagnostic;
use crate::source::Place;
use crate::syntax::{Key, Kind, Node, quoted};
use crate::units;

const FIELDS: &[&str] = &[
    "from",
    "source",
    "to",
    "arrivals",
    "start",
    "stop",
    "request",
    "response",
    "service_time",
    "requests_per_connection",
    "think_time",
    "hold",
    "pool",
    "close",
    "port",
    "connect_timeout",
    "on_error",
];

/// A traffic source as read, with the places that later checks point at.
pub(crate) struct Read {
    pub(crate) traffic: Traffic,
    pub(crate) arrivals: Place,
}

/// Reads every traffic source.
pub(crate) fn traffic(input: &mut Input<'_>, node: &Node, net: &Net<'_>, times: Times) -> Vec<Read> {
    let example = "{\"web\": (from: \"client\", to: \"server:80\", arrivals: constant(\"10/s\"))}";
    let entries = input.notes.map(node, "a map of traffic sources", example);
    if entries.len() > usize::from(u16::MAX) {
        let message = format!("{} traffic sources are too many: at most 65535", entries.len());
        input.notes.refuse(node.place, message);
        return Vec::new();
    }
    entries.iter().filter_map(|(key, node)| one(input, key, node, net, times)).collect()
}

fn one(input: &mut Input<'_>, key: &Key, node: &Node, net: &Net<'_>, times: Times) -> Option<Read> {
    super::name_is_plain(&mut input.notes, key, "traffic source");
    let fields = input.notes.fields(node, "a traffic source", FIELDS);
    let arrivals_node = fields.need(&mut input.notes, "arrivals", "constant(\"100/s\")");
    let arrivals = arrivals_node.and_then(|node| arrivals(input, node));
    let notes = &mut input.notes;
    let (start, stop) = active(notes, fields, times);
    let (first, how, other) = fields.get("close").map_or(CLOSE, |node| close(notes, node));
    let requests =
        fields.or(notes, "requests_per_connection", 1, |n, v| n.integer(v, 1..=u64::from(u32::MAX)));
    let pool = fields.get("pool").and_then(|node| pool(notes, node));
    let request = fields.or(notes, "request", 200, Notes::size);
    let response = fields.or(notes, "response", 1000, Notes::size);
    let service_time = fields.or(notes, "service_time", Span::ZERO, Notes::span);
    let think_time = fields.or(notes, "think_time", Span::ZERO, Notes::span);
    let hold = fields.or(notes, "hold", Span::ZERO, Notes::span);
    let port = fields.or(notes, "port", ClientPort::Auto, client_port);
    let connect_timeout = fields.or(notes, "connect_timeout", Span::MAX, |n, v| n.span_or(v, "none"));
    if connect_timeout == Span::ZERO {
        notes.refuse(
            fields.place_of("connect_timeout"),
            "a client without any patience never connects: for example \"3s\", or `none`",
        );
    }
    let on_error = fields.or(notes, "on_error", OnError::GiveUp, on_error);
    let from_node = fields.need(notes, "from", "\"client\"");
    let to_node = fields.need(notes, "to", "\"server:80\"");
    let from = from_node.and_then(|node| link::host_id(notes, node, net.hosts));
    if let (Some(node), Some(id)) = (from_node, from)
        && net.hosts[id.index()].host.addresses.is_empty()
    {
        let message = format!("`{}` has no address to connect from", net.hosts[id.index()].host.name);
        notes.error(Diagnostic::error(node.place, message).help("give it one: `addresses: [\"10.0.0.1\"]`"));
        return None;
    }
    let to = to_node.map(|node| destinations(notes, node, from, net)).unwrap_or_default();
    let from = from?;
    let source = sources(notes, fields, from, net);
    Some(Read {
        traffic: Traffic {
            name: key.text.clone(),
            from,
            source,
            to,
            arrivals: arrivals?,
            start,
            stop,
            request,
            response,
            service_time,
            requests_per_connection: requests as u32,
            think_time,
            hold,
            pool,
            first,
            how,
            other,
            port,
            connect_timeout,
            on_error,
        },
        arrivals: fields.place_of("arrivals"),
    })
}

fn active(notes: &mut Notes, fields: Fields<'_>, times: Times) -> (Time, Time) {
    let start = fields.or(notes, "start", Span::ZERO, Notes::span);
    let duration = times.duration;
    let mut stop = fields.or(notes, "stop", duration, Notes::span);
    if times.patched && start < duration {
        stop = stop.min(duration);
    }
    if let Some(node) = fields.get("stop").filter(|_| stop > duration) {
        let message = format!("it stops at {stop}, after the end of the scenario at {duration}");
        notes.error(Diagnostic::error(node.place, message).help("leave `stop` out to go on to the end"));
    } else if start >= stop {
        let place = fields.get("start").map_or_else(|| fields.place_of("stop"), |n| n.place);
        notes.error(Diagnostic::error(place, format!("it starts at {start} but is over at {stop}")));
    }
    (Time(start.0), Time(stop.0))
}

/// Where connections go: `"host:port"` or `"address:port"`, one or a list.
fn destinations(notes: &mut Notes, node: &Node, from: Option<HostId>, net: &Net<'_>) -> Vec<SockAddr> {
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => core::slice::from_ref(node),
    };
    if items.is_empty() {
        notes.refuse(node.place, "there is no destination: for example \"server:80\"");
    }
    let mut found: Vec<SockAddr> = Vec::new();
    for item in items {
        let Some((host, to)) = endpoint(notes, item, from, net) else { continue };
        if found.contains(&to) {
            notes.refuse(item.place, format!("the destination {to} is listed twice"));
        }
        if let Some(from) = from {
            reachable(notes, item, from, host, to, net);
        }
        found.push(to);
    }
    found
}

/// An address and a port of some host, by name or by number.
pub(crate) fn endpoint(
    notes: &mut Notes,
    node: &Node,
    from: Option<HostId>,
    net: &Net<'_>,
) -> Option<(HostId, SockAddr)> {
    let text = notes.text(node, "a destination", "\"server:80\"")?;
    let Some((host, port)) = text.rsplit_once(':') else {
        let message = format!("{} has no port: write host and port, as in \"{text}:80\"", quoted(text));
        notes.refuse(node.place, message);
        return None;
    };
    let port = units::port(port).map_err(|message| notes.refuse(node.place, message)).ok();
    if let Some(id) = link::find_host(host, net.hosts) {
        let Some(addr) = net.hosts[id.index()].host.addresses.first() else {
            notes.error(Diagnostic::error(node.place, format!("`{host}` has no address to connect to")));
            return None;
        };
        return Some((id, SockAddr { addr: *addr, port: port? }));
    }
    let Ok(addr) = units::addr(host) else {
        link::unknown_host(notes, node, host, net.hosts);
        return None;
    };
    let owner = if addr.is_loopback() { from } else { net.owner(addr) };
    let Some(id) = owner else {
        notes.error(Diagnostic::error(node.place, format!("no host has the address {addr}")));
        return None;
    };
    Some((id, SockAddr { addr, port: port? }))
}

fn reachable(notes: &mut Notes, node: &Node, from: HostId, to: HostId, addr: SockAddr, net: &Net<'_>) {
    let (client, server) = (&net.hosts[from.index()].host, &net.hosts[to.index()].host);
    if net.delay(from, to).is_none() {
        let message = format!("there is no route from `{}` to `{}`", client.name, server.name);
        let help = format!("join them: `links: [(path: [\"{}\", \"{}\"])]`", client.name, server.name);
        notes.error(Diagnostic::error(node.place, message).help(help));
        return;
    }
    if !server.listen.iter().any(|l| l.port == addr.port) {
        let message = format!(
            "nothing listens on port {} of `{}`: every connection will be refused",
            addr.port, server.name
        );
        let ports: Vec<_> = server.listen.iter().map(|l| l.port.to_string()).collect();
        let mut diagnostic = Diagnostic::warning(node.place, message).label("ECONNREFUSED");
        if !ports.is_empty() {
            diagnostic = diagnostic.help(format!("it listens on {}", ports.join(", ")));
        }
        notes.error(diagnostic);
    }
}

/// The client's addresses.
fn sources(notes: &mut Notes, fields: Fields<'_>, from: HostId, net: &Net<'_>) -> Vec<Addr> {
    let host = &net.hosts[from.index()].host;
    let first: Vec<Addr> = host.addresses.first().copied().into_iter().collect();
    let Some(node) = fields.get("source") else { return first };
    let mut found = Vec::new();
    for item in notes.list(node, "a list of addresses", "[\"10.0.0.1\"]") {
        let Some(text) = notes.text(item, "an address", "\"10.0.0.1\"") else { continue };
        match units::addr(text) {
            Ok(addr) if found.contains(&addr) => notes.refuse(item.place, format!("{addr} is listed twice")),
            Ok(addr) if host.addresses.contains(&addr) => found.push(addr),
            Ok(addr) => {
                let own =
                    host.addresses.iter().take(8).map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let message = format!("`{}` does not have the address {addr}", host.name);
                notes.error(Diagnostic::error(item.place, message).help(format!("it has {own}")));
            }
            Err(message) => notes.refuse(item.place, message),
        }
    }
    if found.is_empty() { first } else { found }
}

fn arrivals(input: &mut Input<'_>, node: &Node) -> Option<Arrivals> {
    const NAMES: &[&str] = &[
        "constant(\"100/s\")",
        "poisson(\"100/s\")",
        "phases([(\"10s\", \"100/s\")])",
        "workers(50)",
        "csv(\"arrivals.csv\")",
        "at([\"0s\", \"1s\"])",
    ];
    let notes = &mut input.notes;
    if let Kind::Tuple(Some(name), args) = &node.kind
        && let [arg] = &args[..]
    {
        match name.text.as_str() {
            "constant" => return some_rate(notes, arg).map(Arrivals::Constant),
            "poisson" => return some_rate(notes, arg).map(Arrivals::Poisson),
            "phases" => return phases(notes, arg).map(Arrivals::Phases),
            "workers" => return notes.integer(arg, 1..=10_000_000).map(|n| Arrivals::Workers(n as u32)),
            "csv" => {
                let file = notes.text(arg, "the name of a file", "csv(\"arrivals.csv\")")?;
                let source = input.open(file, arg.place)?;
                return csv(&mut input.notes, source).map(Arrivals::At);
            }
            "at" => return times(notes, arg).map(Arrivals::At),
            _ => {}
        }
    }
    let names: Vec<_> = NAMES.iter().map(|n| n.split('(').next().unwrap_or(n)).collect();
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
    input.notes.error(diagnostic.help(format!("one of `{}`", NAMES.join("`, `"))));
    None
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
fn csv(notes: &mut Notes, source: usize) -> Option<Vec<Time>> {
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
        if let Some(before) = found.last().filter(|t| **t > at) {
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

fn pool(notes: &mut Notes, node: &Node) -> Option<Pool> {
    let fields = notes.fields(node, "a pool", &["size", "idle_timeout"]);
    let idle_timeout = fields.or(notes, "idle_timeout", Span::MAX, |n, v| n.span_or(v, "never"));
    let size = fields.need(notes, "size", "50")?;
    let size = notes.integer(size, 1..=10_000_000)?;
    Some(Pool { size: size as u32, idle_timeout })
}

/// What `close` says if it says nothing.
const CLOSE: (Side, CloseHow, OtherSide) =
    (Side::Client, CloseHow::Graceful, OtherSide::CloseAfter(Span::ZERO));

fn close(notes: &mut Notes, node: &Node) -> (Side, CloseHow, OtherSide) {
    let fields = notes.fields(node, "the section `close`", &["first", "how", "other"]);
    let first = fields.or(notes, "first", CLOSE.0, |n, v| {
        n.word(v, "a side", &[("client", Side::Client), ("server", Side::Server)])
    });
    let how = fields.or(notes, "how", CLOSE.1, |n, v| {
        let words = [
            ("graceful", CloseHow::Graceful),
            ("half_close", CloseHow::HalfClose),
            ("reset", CloseHow::Reset),
            ("never", CloseHow::Never),
        ];
        n.word(v, "a way to close", &words)
    });
    let other = fields.or(notes, "other", CLOSE.2, |notes, node| match &node.kind {
        Kind::Word(w) if w == "never" => Some(OtherSide::Never),
        Kind::Tuple(Some(name), args) if name.text == "close_after" && args.len() == 1 => {
            notes.span(&args[0]).map(OtherSide::CloseAfter)
        }
        _ => {
            notes.not_one_of(node, "an answer of the other side", &["close_after(\"0s\")", "never"]);
            None
        }
    });
    (first, how, other)
}

fn client_port(notes: &mut Notes, node: &Node) -> Option<ClientPort> {
    match (&node.kind, node.head()) {
        (Kind::Word(_), Some(("auto", _))) => Some(ClientPort::Auto),
        (Kind::Fields(..), Some(("fixed", _))) => {
            let fields = notes.fields(node, "fixed ports", &["range", "reuseaddr"]);
            let reuse = fields.or(notes, "reuseaddr", false, Notes::flag);
            let range = fields.need(notes, "range", "(40000, 40003)")?;
            let (low, high) = super::stack::port_range(notes, range)?;
            Some(ClientPort::Fixed { low, high, reuse })
        }
        _ => {
            notes.not_one_of(
                node,
                "a choice of ports",
                &["auto", "fixed(range: (40000, 40003), reuseaddr: true)"],
            );
            None
        }
    }
}

fn on_error(notes: &mut Notes, node: &Node) -> Option<OnError> {
    match (&node.kind, node.head()) {
        (Kind::Word(_), Some(("give_up", _))) => Some(OnError::GiveUp),
        (Kind::Fields(..), Some(("retry", _))) => {
            let fields = notes.fields(node, "a retry", &["after", "times"]);
            let after = fields.need(notes, "after", "\"50ms\"")?;
            let times = fields.need(notes, "times", "3")?;
            let (after, times) = (notes.span(after)?, notes.integer(times, 1..=1_000_000)?);
            Some(OnError::Retry { after, times: times as u32 })
        }
        _ => {
            notes.not_one_of(node, "a reaction to errors", &["give_up", "retry(after: \"50ms\", times: 3)"]);
            None
        }
    }
}
