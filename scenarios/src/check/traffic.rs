//! `traffic: {..}`.

use sim_core::ids::HostId;
use sim_core::scenario::{
    Arrivals, ClientPort, CloseHow, OnError, OtherSide, PortOptions, Retry, Side, Traffic,
};
use sim_core::time::{Span, Time};

use super::{Input, arrivals, destination, lasting, pool, silence};
use crate::read::Fields;
use crate::report::Diagnostic;
use crate::section::{
    Absent, Field, count_or, field, inline, list, names, number, plain, section, span, text, time, time_or,
    word_of,
};
use crate::source::Place;
use crate::syntax::{Key, Kind, Node};
use crate::units::show_ratio;

/// A traffic source as read, with the place that later checks point at.
pub(crate) struct TrafficRead {
    pub(crate) traffic: Traffic,
    pub(crate) arrivals: Place,
}

/// A size in quotes.
fn size(bytes: u32) -> String {
    format!("\"{bytes}B\"")
}

/// The fields of a traffic source. `from` comes first, since other fields are read from its host's point of view.
pub(crate) static TRAFFIC: &[Field<Traffic>] = &[
    field!(
        from,
        "host",
        Absent::Wrong("\"client\""),
        "where the client runs",
        |input, node, t| {
            t.from = destination::client(input, node)?;
            Some(())
        },
        |t, s| s.hosts.get(t.from.index()).map_or(String::new(), |host| text(&host.name))
    ),
    field!(
        source,
        "list of addresses",
        Absent::Words("its first address"),
        "source addresses, used in turn",
        |input, node, t| {
            t.source = destination::sources(input, node)?;
            Some(())
        },
        |t, _| list(&t.source)
    ),
    field!(
        to,
        "destination, or list",
        Absent::Wrong("\"server:80\""),
        "destinations, used in turn",
        |input, node, t| {
            t.to = destination::destinations(input, node);
            Some(())
        },
        |t, _| list(&t.to)
    ),
    field!(
        arrivals,
        "[arrivals](#arrivals)",
        Absent::Wrong("constant(\"100/s\")"),
        "when requests are wanted; without a pool, each has a connection of its own",
        |input, node, t| {
            t.arrivals = arrivals::arrivals(input, node)?;
            Some(())
        },
        |t, s| arrivals::show(&t.arrivals, s)
    ),
    field!(
        start,
        "time",
        "no arrival before",
        |input, node, t| {
            t.start = Time(input.notes.span(node)?.0);
            Some(())
        },
        |t, _| time(Span(t.start.0))
    ),
    field!(
        stop,
        "time",
        Absent::Words("the end"),
        "no arrival from then on; what has begun goes on",
        |input, node, t| {
            t.stop = Time(input.notes.span(node)?.0);
            Some(())
        },
        |t, _| time(Span(t.stop.0))
    ),
    plain!(request, request, "size", size, size, "size of a request"),
    plain!(response, response, "size", size, size, "size of a response"),
    plain!(
        greeting,
        greeting,
        "size",
        size,
        size,
        "what the server says before it reads a request; the client waits for it"
    ),
    field!(
        service_time,
        lasting::TAKES,
        "from the request's last byte to the response's first, at the server",
        |input, node, t| {
            t.service_time = lasting::lasting(input, node)?;
            Some(())
        },
        |t, _| lasting::show(&t.service_time)
    ),
    span!(ask_after, ask_after, "from the success of connect() to the first request"),
    field!(
        requests_per_connection,
        "number, or `unlimited`",
        Absent::Words("`1`; with a pool `unlimited`"),
        "then the connection is closed; 0: it is opened and closed, nothing is asked, and that counts as answered",
        |input, node, t| {
            let range = 0..=u64::from(u32::MAX) - 1;
            t.requests_per_connection = input.notes.count_or(node, range, "unlimited")?;
            Some(())
        },
        |t, _| count_or(t.requests_per_connection, "unlimited")
    ),
    field!(
        think_time,
        lasting::TAKES,
        "between a response and the next request of the connection, or of the worker",
        |input, node, t| {
            t.think_time = lasting::lasting(input, node)?;
            Some(())
        },
        |t, _| lasting::show(&t.think_time)
    ),
    span!(
        wake_up,
        wake_up,
        "from the news that connect() is done or something can be read to what the application does about it, and from one read of a message to the next: how long it takes to run"
    ),
    span!(hold, hold, "how long the first closer keeps the connection after the last response"),
    field!(
        pool,
        "`none`, or [fields](#pool)",
        "connections are kept and shared; requests wait for one",
        pool::set_pool,
        |t, s| t.pool.map_or("none".to_owned(), |pool| inline(pool::POOL, &pool, s))
    ),
    field!(
        close,
        "[fields](#close)",
        "who closes, and how",
        |input, node, t| {
            let fields = input.notes.fields(node, "the section `close`", &names(CLOSE));
            let whole = fields.read(input, CLOSE, t);
            if t.first != Side::Client && t.how == CloseHow::Unread {
                let message = "only a client that closes first can leave a response unread";
                let place = fields.place_of("how");
                input.notes.error(Diagnostic::error(place, message).help("write `first: client`"));
                return None;
            }
            whole.then_some(())
        },
        |t, s| inline(CLOSE, t, s)
    ),
    field!(
        port,
        "`auto`, `auto(..)`, `bound`, `bound(..)`, or `fixed(..)`",
        "how the client's socket gets its [port](#port)",
        set_port,
        |t, s| match t.port {
            ClientPort::Auto(options) => with_options("auto", options, s),
            ClientPort::Bound(options) => with_options("bound", options, s),
            ClientPort::Fixed { low, high, reuse } => {
                format!("fixed{}", inline(FIXED, &Fixed { low, high, reuse }, s))
            }
        }
    ),
    field!(
        connect_timeout,
        "time, or `none`",
        "the application's own patience with connect()",
        |input, node, t| {
            t.connect_timeout = input.notes.span_or(node, "none")?;
            if t.connect_timeout == Span::ZERO {
                let message = "a client without any patience never connects: for example \"3s\", or `none`";
                input.notes.refuse(node.place, message);
            }
            Some(())
        },
        |t, _| time_or(t.connect_timeout, "none")
    ),
    field!(
        response_timeout,
        "time, or `none`",
        "the application's own patience with the server, from asking to the end of the answer: it closes",
        |input, node, t| {
            t.response_timeout = input.notes.span_or(node, "none")?;
            if t.response_timeout == Span::ZERO {
                let message = "a client without any patience gets no answer: for example \"3s\", or `none`";
                input.notes.refuse(node.place, message);
            }
            Some(())
        },
        |t, _| time_or(t.response_timeout, "none")
    ),
    field!(
        server_idle_timeout,
        "time, or `never`",
        "the server closes a connection on which it has waited so long for the next request",
        |input, node, t| {
            t.server_idle_timeout = input.notes.span_or(node, "never")?;
            Some(())
        },
        |t, _| time_or(t.server_idle_timeout, "never")
    ),
    field!(
        keepalive,
        silence::TAKES_KEEPALIVE,
        "SO_KEEPALIVE of the client's socket: [probes](#keepalive) tell it that an idle connection has lost its peer",
        |input, node, t| silence::set_keepalive(input, node, &mut t.options),
        |t, s| silence::show_keepalive(t.options.keepalive, s)
    ),
    field!(
        server_keepalive,
        silence::TAKES_KEEPALIVE,
        "the same of the server's socket",
        |input, node, t| silence::set_keepalive(input, node, &mut t.server_options),
        |t, s| silence::show_keepalive(t.server_options.keepalive, s)
    ),
    field!(
        user_timeout,
        "time, or `none`",
        "TCP_USER_TIMEOUT of the client's socket: how long what it sent may stay without an answer once it was sent again, or a probe",
        |input, node, t| {
            t.options.user_timeout = silence::user_timeout(input, node)?;
            Some(())
        },
        |t, _| silence::show_user_timeout(t.options.user_timeout)
    ),
    field!(
        server_user_timeout,
        "time, or `none`",
        "the same of the server's socket",
        |input, node, t| {
            t.server_options.user_timeout = silence::user_timeout(input, node)?;
            Some(())
        },
        |t, _| silence::show_user_timeout(t.server_options.user_timeout)
    ),
    field!(
        on_error,
        "`give_up`, or `retry(..)`",
        "what a client does about an [error](#retry), at connect() or before the answer has come",
        set_on_error,
        |t, s| match t.on_error {
            OnError::GiveUp => "give_up".to_owned(),
            OnError::Retry(retry) => format!("retry{}", inline(RETRY, &retry, s)),
        }
    ),
    plain!(
        tuples,
        tuples,
        "`true`, `false`",
        flag,
        |on: bool| on.to_string(),
        "`result.json` tells its ports in the order of their choice, and the gaps from a close() to the next use of the tuple"
    ),
];

const SIDES: &[(&str, Side)] = &[("client", Side::Client), ("server", Side::Server), ("both", Side::Both)];
const HOWS: &[(&str, CloseHow)] = &[
    ("graceful", CloseHow::Graceful),
    ("half_close", CloseHow::HalfClose),
    ("reset", CloseHow::Reset),
    ("unread", CloseHow::Unread),
    ("never", CloseHow::Never),
];

/// `close: (..)`.
pub(crate) static CLOSE: &[Field<Traffic>] = &[
    field!(
        first,
        "`client`, `server`, `both`",
        "who closes first, and so who keeps TIME_WAIT; `both`: each as soon as all is answered and `hold` is over",
        |input, node, t| {
            t.first = input.notes.word(node, "a side", SIDES)?;
            Some(())
        },
        |t, _| word_of(SIDES, &t.first)
    ),
    field!(
        how,
        "`graceful`, `half_close`, `reset`, `unread`, `never`",
        "close(); shutdown(), read to the end, close(); close() with SO_LINGER 0, a RST; close() of a client that leaves its \
         last response unread, a RST; not at all",
        |input, node, t| {
            t.how = input.notes.word(node, "a way to close", HOWS)?;
            Some(())
        },
        |t, _| word_of(HOWS, &t.how)
    ),
    field!(
        other,
        "`close_after(\"0s\")`, `never`",
        "what the other side does when it reads the end; `never`: it forgets, and stays in CLOSE_WAIT",
        set_other,
        |t, _| match t.other {
            OtherSide::CloseAfter(after) => format!("close_after({})", time(after)),
            OtherSide::Never => "never".to_owned(),
        }
    ),
];

/// The fields of `auto(..)` and `bound(..)`.
pub(crate) static OPTIONS: &[Field<PortOptions>] = &[
    field!(
        range,
        "`(low, high)`",
        Absent::Words("the host's"),
        "IP_LOCAL_PORT_RANGE, inclusive: what the port is chosen from; an end outside of the host's range does not count",
        |input, node, options| {
            options.range = Some(super::stack::port_range(&mut input.notes, node)?);
            Some(())
        },
        |options, _| options.range.map_or(String::new(), |(low, high)| format!("({low}, {high})"))
    ),
    plain!(reuseaddr, reuse, "`true`, `false`", flag, |on: bool| on.to_string(), "SO_REUSEADDR"),
];

/// The word alone where the client sets nothing.
fn with_options(word: &str, options: PortOptions, scenario: &sim_core::scenario::Scenario) -> String {
    if options == PortOptions::default() {
        return word.to_owned();
    }
    format!("{word}{}", inline(OPTIONS, &options, scenario))
}

/// `fixed(..)`.
pub(crate) struct Fixed {
    low: u16,
    high: u16,
    reuse: bool,
}

impl Fixed {
    pub(crate) const BLANK: Fixed = Fixed { low: 0, high: 0, reuse: false };
}

/// The fields of `fixed(..)`.
pub(crate) static FIXED: &[Field<Fixed>] = &[
    field!(
        range,
        "`(low, high)`",
        Absent::Wrong("(40000, 40003)"),
        "bind() to these in turn, inclusive",
        |input, node, fixed| {
            (fixed.low, fixed.high) = super::stack::port_range(&mut input.notes, node)?;
            Some(())
        },
        |fixed, _| format!("({}, {})", fixed.low, fixed.high)
    ),
    plain!(reuseaddr, reuse, "`true`, `false`", flag, |on: bool| on.to_string(), "SO_REUSEADDR"),
];

/// A retry that says nothing.
pub(crate) const NO_RETRY: Retry = Retry::new(Span::ZERO, 0);

/// The fields of `retry(..)`.
pub(crate) static RETRY: &[Field<Retry>] = &[
    field!(
        after,
        "time",
        Absent::Wrong("\"50ms\""),
        "pause before the retry",
        |input, node, retry| {
            retry.after = input.notes.span(node)?;
            Some(())
        },
        |retry, _| time(retry.after)
    ),
    field!(
        times,
        "number",
        Absent::Wrong("3"),
        "how often at most",
        |input, node, retry| {
            retry.times = input.notes.integer(node, 1..=1_000_000)? as u32;
            Some(())
        },
        |retry, _| retry.times.to_string()
    ),
    number!(factor, factor as u32, 1..=1000, "number", "each pause is so many times the one before"),
    field!(
        at_most,
        "time, or `none`",
        "the longest pause",
        |input, node, retry| {
            retry.at_most = input.notes.span_or(node, "none")?;
            Some(())
        },
        |retry, _| time_or(retry.at_most, "none")
    ),
    field!(
        jitter,
        "share",
        "by how much of itself a pause may be shorter, drawn each time: `\"100%\"` is from nothing to all of it",
        |input, node, retry| {
            let jitter = input.notes.ratio(node)?;
            if jitter.num > jitter.den {
                input
                    .notes
                    .refuse(node.place, "more than all of a pause cannot be left out: \"100%\" is the most");
                return None;
            }
            retry.jitter = jitter;
            Some(())
        },
        |retry, _| text(&show_ratio(retry.jitter))
    ),
    field!(
        until,
        "time, or `never`",
        "no retry is made from then on; `never`: that time does not come",
        |input, node, retry| {
            retry.until = Time(input.notes.span_or(node, "never")?.0);
            Some(())
        },
        |retry, _| time_or(Span(retry.until.0), "never")
    ),
    plain!(
        broken,
        broken,
        "`true`, `false`",
        flag,
        |on: bool| on.to_string(),
        "also of a request whose connection ended before its answer"
    ),
];

/// A source that says nothing: the defaults.
pub(crate) fn blank(name: &str, duration: Span) -> Traffic {
    Traffic { stop: Time(duration.0), ..Traffic::new(name, HostId(0)) }
}

/// Most traffic sources: their ids have 16 bits.
const MOST: usize = 65_535;

/// Reads every traffic source.
pub(crate) fn traffic(input: &mut Input<'_>, node: &Node) -> Vec<TrafficRead> {
    let example = "{\"web\": (from: \"client\", to: \"server:80\", arrivals: constant(\"10/s\"))}";
    let entries = input.notes.map(node, "a map of traffic sources", example);
    if entries.len() > MOST {
        let message = format!("{} traffic sources are too many: at most {MOST}", entries.len());
        input.notes.refuse(node.place, message);
        return Vec::new();
    }
    entries.iter().filter_map(|(key, node)| one(input, key, node)).collect()
}

/// The sources whose requests come to a listener.
pub(crate) fn in_front(input: &Input<'_>, host: HostId, port: u16) -> Vec<usize> {
    let owner = |t: &Traffic, to: &sim_core::ids::SockAddr| {
        if to.addr.is_loopback() { Some(t.from) } else { input.net.owner(to.addr) }
    };
    let reaches = |t: &Traffic| t.to.iter().any(|to| to.port == port && owner(t, to) == Some(host));
    (0..input.traffic.len()).filter(|&i| reaches(&input.traffic[i].traffic)).collect()
}

/// Proxies: one source behind a listener, and no circle of them.
pub(crate) fn check_proxies(input: &mut Input<'_>) {
    let mut seen: Vec<((HostId, u16), Place)> = Vec::new();
    for i in 0..input.traffic.len() {
        let Arrivals::Behind(host, port) = input.traffic[i].traffic.arrivals else { continue };
        let place = input.traffic[i].arrivals;
        if let Some((_, first)) = seen.iter().find(|(listener, _)| *listener == (host, port)) {
            let diagnostic = Diagnostic::error(place, "two sources stand behind the same listener");
            input.notes.error(diagnostic.other(*first, "first here").help("one request is asked on once"));
        }
        seen.push(((host, port), place));
        // Whoever stands in front of it, and in front of those.
        let (mut before, mut next) = (vec![i], 0);
        while let Some(&at) = before.get(next) {
            next += 1;
            let Arrivals::Behind(host, port) = input.traffic[at].traffic.arrivals else { continue };
            let front = in_front(input, host, port);
            if front.contains(&i) {
                let message = "these proxies ask in a circle: a request would never be answered";
                input.notes.error(Diagnostic::error(place, message));
                break;
            }
            before.extend(front.into_iter().filter(|f| !before.contains(f)).collect::<Vec<_>>());
        }
        if in_front(input, host, port).is_empty() {
            let message = "nothing asks this proxy, so it never asks on";
            input.notes.error(Diagnostic::warning(place, message));
        }
    }
}

fn one(input: &mut Input<'_>, key: &Key, node: &Node) -> Option<TrafficRead> {
    super::name_is_plain(&mut input.notes, key, "traffic source");
    let fields = input.notes.fields(node, "a traffic source", &names(TRAFFIC));
    let mut traffic = blank(&key.text, input.times.duration);
    input.client = None;
    let whole = fields.read(input, TRAFFIC, &mut traffic);
    active(input, fields, &mut traffic);
    if traffic.pool.is_some() && fields.get("requests_per_connection").is_none() {
        traffic.requests_per_connection = u32::MAX;
    }
    fits_together(input, fields, &traffic);
    if !whole {
        return None;
    }
    if traffic.source.is_empty() {
        let addresses = &input.hosts[traffic.from.index()].host.addresses;
        traffic.source.extend(addresses.first());
    }
    Some(TrafficRead { traffic, arrivals: fields.place_of("arrivals") })
}

/// Fields that would do nothing together, or never end, are told.
fn fits_together(input: &mut Input<'_>, fields: Fields<'_>, t: &Traffic) {
    let many = t.requests_per_connection > 1;
    let refuse = |input: &mut Input<'_>, name: &str, message: &str, help: &str| {
        input.notes.error(Diagnostic::error(fields.place_of(name), message).help(help));
    };
    if t.request == 0 && many {
        let message = "a server cannot tell where one request of no bytes ends and the next begins";
        refuse(input, "request", message, "have one request per connection (and no pool), or give it a size");
    }
    if t.response == 0 && many {
        let message = "a client cannot tell which of several requests an answer of no bytes is for";
        refuse(
            input,
            "response",
            message,
            "have one request per connection (and no pool), or give it a size",
        );
    }
    if t.multiplexes() && t.response_timeout != Span::MAX {
        let message = "a client whose connections carry several requests at once waits for each answer as long as it takes";
        refuse(input, "response_timeout", message, "leave it out, or have `streams: 1`");
    }
    if t.multiplexes() && t.how == CloseHow::Unread {
        let message =
            "which answer is the last is not known where a connection carries several requests at once";
        refuse(input, "close", message, "close in another way, or have `streams: 1`");
    }
    let think = fields.get("think_time").filter(|_| t.think_time.always() != Some(Span::ZERO));
    if let Some(node) = think.filter(|_| !matches!(t.arrivals, Arrivals::Workers(_))) {
        let why = match (t.pool.is_some(), many) {
            (true, _) => "the requests of a pool come when `arrivals` says, whatever anyone thinks",
            (false, false) => "each connection has one request only",
            (false, true) => return,
        };
        let diagnostic = Diagnostic::warning(node.place, format!("`think_time` has no effect: {why}"));
        input
            .notes
            .error(diagnostic.help("think with `arrivals: workers(..)`, or several requests per connection"));
    }
}

/// Start and stop lie within the run, in this order.
fn active(input: &mut Input<'_>, fields: Fields<'_>, traffic: &mut Traffic) {
    let (start, end) = (traffic.start, Time(input.times.duration.0));
    if input.times.patched && start < end {
        traffic.stop = traffic.stop.min(end);
    }
    let stop = traffic.stop;
    if let Some(node) = fields.get("stop").filter(|_| stop > end) {
        let message = format!("it stops at {stop}, after the end of the scenario at {end}");
        let help = "leave `stop` out to go on to the end";
        input.notes.error(Diagnostic::error(node.place, message).help(help));
    } else if start >= stop {
        let place = fields.get("start").map_or_else(|| fields.place_of("stop"), |n| n.place);
        let message = format!("it starts at {start} but is over at {stop}");
        input.notes.error(Diagnostic::error(place, message));
    }
}

fn set_other(input: &mut Input<'_>, node: &Node, traffic: &mut Traffic) -> Option<()> {
    traffic.other = match &node.kind {
        Kind::Word(w) if w == "never" => OtherSide::Never,
        Kind::Tuple(Some(name), args) if name.text == "close_after" && args.len() == 1 => {
            OtherSide::CloseAfter(input.notes.span(&args[0])?)
        }
        _ => {
            let words = ["close_after(\"0s\")", "never"];
            input.notes.not_one_of(node, "an answer of the other side", &words);
            return None;
        }
    };
    Some(())
}

fn set_port(input: &mut Input<'_>, node: &Node, traffic: &mut Traffic) -> Option<()> {
    traffic.port = match (&node.kind, node.head()) {
        (Kind::Word(_), Some(("auto", _))) => ClientPort::AUTO,
        (Kind::Word(_), Some(("bound", _))) => ClientPort::Bound(PortOptions::default()),
        (Kind::Fields(..), Some((word @ ("auto" | "bound"), _))) => {
            let chooses = if word == "auto" { ClientPort::Auto } else { ClientPort::Bound };
            chooses(section(input, node, "options of a port", OPTIONS, PortOptions::default())?)
        }
        (Kind::Fields(..), Some(("fixed", _))) => {
            let Fixed { low, high, reuse } = section(input, node, "fixed ports", FIXED, Fixed::BLANK)?;
            ClientPort::Fixed { low, high, reuse }
        }
        _ => {
            let words = [
                "auto",
                "auto(range: (40000, 40099))",
                "bound",
                "bound(reuseaddr: true)",
                "fixed(range: (40000, 40003), reuseaddr: true)",
            ];
            input.notes.not_one_of(node, "a choice of ports", &words);
            return None;
        }
    };
    Some(())
}

fn set_on_error(input: &mut Input<'_>, node: &Node, traffic: &mut Traffic) -> Option<()> {
    traffic.on_error = match (&node.kind, node.head()) {
        (Kind::Word(_), Some(("give_up", _))) => OnError::GiveUp,
        (Kind::Fields(..), Some(("retry", _))) => {
            OnError::Retry(section(input, node, "a retry", RETRY, NO_RETRY)?)
        }
        _ => {
            let words = ["give_up", "retry(after: \"50ms\", times: 3)"];
            input.notes.not_one_of(node, "a reaction to errors", &words);
            return None;
        }
    };
    Some(())
}
