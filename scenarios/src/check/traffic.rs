//! `traffic: {..}`.

use sim_core::ids::HostId;
use sim_core::scenario::{
    Arrivals, ClientPort, CloseHow, OnError, OtherSide, Pool, PortOptions, Side, Traffic,
};
use sim_core::time::{Span, Time};

use super::{Input, arrivals, destination};
use crate::read::Fields;
use crate::report::Diagnostic;
use crate::section::{
    Absent, Field, field, inline, list, names, number, plain, section, span, text, time, time_or, word_of,
};
use crate::source::Place;
use crate::syntax::{Key, Kind, Node};

/// A traffic source as read, with the place that later checks point at.
pub(crate) struct Read {
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
        "when connections (with a pool: requests) are wanted",
        |input, node, t| {
            t.arrivals = arrivals::arrivals(input, node)?;
            Some(())
        },
        |t, _| arrivals::show(&t.arrivals)
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
    span!(service_time, service_time, "from the request's last byte to the response's first, at the server"),
    number!(
        requests_per_connection,
        requests_per_connection as u32,
        1..=u64::from(u32::MAX),
        "number",
        "then the connection is closed"
    ),
    span!(think_time, think_time, "between a response and the next request"),
    span!(hold, hold, "how long the first closer keeps the connection after the last response"),
    field!(
        pool,
        "`none`, or [fields](#pool)",
        "at most so many connections; requests wait for one",
        |input, node, t| {
            t.pool = if matches!(&node.kind, Kind::Word(w) if w == "none") {
                None
            } else {
                Some(section(input, node, "a pool", POOL, NO_POOL)?)
            };
            Some(())
        },
        |t, s| t.pool.map_or("none".to_owned(), |pool| inline(POOL, &pool, s))
    ),
    field!(
        close,
        "[fields](#close)",
        "who closes, and how",
        |input, node, t| {
            let fields = input.notes.fields(node, "the section `close`", &names(CLOSE));
            let whole = fields.read(input, CLOSE, t);
            if (t.first, t.how) == (Side::Server, CloseHow::Unread) {
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
        on_error,
        "`give_up`, or `retry(..)`",
        "what a client does about an [error](#retry)",
        set_on_error,
        |t, s| match t.on_error {
            OnError::GiveUp => "give_up".to_owned(),
            OnError::Retry { after, times } => format!("retry{}", inline(RETRY, &Retry { after, times }, s)),
        }
    ),
];

/// `pool: (..)`.
pub(crate) static POOL: &[Field<Pool>] = &[
    field!(
        size,
        "number",
        Absent::Wrong("50"),
        "most connections at once",
        |input, node, pool| {
            pool.size = input.notes.integer(node, 1..=10_000_000)? as u32;
            Some(())
        },
        |pool, _| pool.size.to_string()
    ),
    field!(
        idle_timeout,
        "time, or `never`",
        "an idle connection is closed after this time",
        |input, node, pool| {
            pool.idle_timeout = input.notes.span_or(node, "never")?;
            Some(())
        },
        |pool, _| time_or(pool.idle_timeout, "never")
    ),
];

/// A pool that says nothing.
pub(crate) const NO_POOL: Pool = Pool { size: 0, idle_timeout: Span::MAX };

const SIDES: &[(&str, Side)] = &[("client", Side::Client), ("server", Side::Server)];
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
        "`client`, `server`",
        "who closes first, and so who keeps TIME_WAIT",
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

/// `retry(..)`.
pub(crate) struct Retry {
    after: Span,
    times: u32,
}

impl Retry {
    pub(crate) const BLANK: Retry = Retry { after: Span::ZERO, times: 0 };
}

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
];

/// A source that says nothing: the defaults.
pub(crate) fn blank(name: &str, duration: Span) -> Traffic {
    Traffic {
        name: name.to_owned(),
        from: HostId(0),
        source: Vec::new(),
        to: Vec::new(),
        arrivals: Arrivals::At(Vec::new()),
        start: Time::ZERO,
        stop: Time(duration.0),
        request: 200,
        response: 1000,
        service_time: Span::ZERO,
        requests_per_connection: 1,
        think_time: Span::ZERO,
        hold: Span::ZERO,
        pool: None,
        first: Side::Client,
        how: CloseHow::Graceful,
        other: OtherSide::CloseAfter(Span::ZERO),
        port: ClientPort::AUTO,
        connect_timeout: Span::MAX,
        on_error: OnError::GiveUp,
    }
}

/// Most traffic sources: their ids have 16 bits.
const MOST: usize = 65_535;

/// Reads every traffic source.
pub(crate) fn traffic(input: &mut Input<'_>, node: &Node) -> Vec<Read> {
    let example = "{\"web\": (from: \"client\", to: \"server:80\", arrivals: constant(\"10/s\"))}";
    let entries = input.notes.map(node, "a map of traffic sources", example);
    if entries.len() > MOST {
        let message = format!("{} traffic sources are too many: at most {MOST}", entries.len());
        input.notes.refuse(node.place, message);
        return Vec::new();
    }
    entries.iter().filter_map(|(key, node)| one(input, key, node)).collect()
}

fn one(input: &mut Input<'_>, key: &Key, node: &Node) -> Option<Read> {
    super::name_is_plain(&mut input.notes, key, "traffic source");
    let fields = input.notes.fields(node, "a traffic source", &names(TRAFFIC));
    let mut traffic = blank(&key.text, input.times.duration);
    input.client = None;
    let whole = fields.read(input, TRAFFIC, &mut traffic);
    active(input, fields, &mut traffic);
    if !whole {
        return None;
    }
    if traffic.source.is_empty() {
        let addresses = &input.hosts[traffic.from.index()].host.addresses;
        traffic.source.extend(addresses.first());
    }
    Some(Read { traffic, arrivals: fields.place_of("arrivals") })
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
            let Retry { after, times } = section(input, node, "a retry", RETRY, Retry::BLANK)?;
            OnError::Retry { after, times }
        }
        _ => {
            let words = ["give_up", "retry(after: \"50ms\", times: 3)"];
            input.notes.not_one_of(node, "a reaction to errors", &words);
            return None;
        }
    };
    Some(())
}
