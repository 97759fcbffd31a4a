//! Expectations as text.

use sim_core::ids::{HostId, TrafficId};
use sim_core::rng::Ratio;
use sim_core::scenario::{
    Band, Check, Expectation, Limit, Metric, Outcome, Rate, Runs, Scenario, Timing, Window,
};
use sim_core::time::Span;

use crate::section::{text, time};
use crate::units::{show_rate, show_ratio};

/// What the numbers of a band are.
#[derive(Clone, Copy)]
enum Unit {
    Number,
    Bytes,
    Time,
    Share,
    Rate,
    /// Thousandths.
    Factor,
}

/// One expectation.
pub(super) fn expectation(s: &Scenario, expectation: &Expectation) -> String {
    let check = |bands| check(s, &expectation.check, bands);
    let changed = |changes: &[String]| {
        let changes: Vec<_> = changes.iter().map(|change| text(change)).collect();
        format!("[{}]", changes.join(", "))
    };
    match &expectation.runs {
        Runs::This => check(true),
        Runs::Seeds { hold, of } => format!("in_seeds({hold}, {of}, {})", check(true)),
        Runs::Mean { of } => format!("mean({of}, {})", check(true)),
        Runs::SameCurve { changes } => {
            let metric = if let Check::Peak(m, _) = expectation.check { metric(s, m) } else { String::new() };
            format!("same_curve({metric}, with({}))", changed(changes))
        }
        Runs::Times { factor, changes } => {
            format!("times({}, {}, with({}))", check(false), band(*factor, Unit::Factor), changed(changes))
        }
    }
}

/// A name with its arguments, those that are empty left out.
fn call<const N: usize>(name: &str, arguments: [String; N]) -> String {
    let arguments: Vec<_> = arguments.into_iter().filter(|argument| !argument.is_empty()).collect();
    format!("{name}({})", arguments.join(", "))
}

/// One check, with its band or without.
fn check(s: &Scenario, check: &Check, bands: bool) -> String {
    let band = |b: Band, unit| if bands { band(b, unit) } else { String::new() };
    match check {
        Check::BindsFirst(None) => "binds_first(nothing)".to_owned(),
        Check::BindsFirst(Some(l)) => format!("binds_first({})", limit(s, *l)),
        Check::First { traffic, outcome: o, band: b } => {
            call("first", [outcome(s, *traffic, *o), band(*b, Unit::Time)])
        }
        Check::Peak(m, b) => call("peak", [metric(s, *m), band(*b, unit(*m))]),
        Check::At(m, at, b) => call("at", [metric(s, *m), time(Span(at.0)), band(*b, unit(*m))]),
        Check::Count { traffic, outcome: o, over: w, band: b } => {
            call("count", [outcome(s, *traffic, *o), band(*b, Unit::Number), over(*w)])
        }
        Check::Share { traffic, outcome: o, over: w, band: b } => {
            call("share", [outcome(s, *traffic, *o), band(*b, Unit::Share), over(*w)])
        }
        Check::Rate { traffic, outcome: o, over: w, band: b } => {
            call("rate", [outcome(s, *traffic, *o), band(*b, Unit::Rate), over(*w)])
        }
        Check::ErlangB { traffic, over: w, servers, hold, within } => {
            let traffic =
                traffic.map_or(String::new(), |t| format!("traffic: {}, ", text(traffic_name(s, t))));
            let within = show_ratio(Ratio { num: *within, den: 1_000_000 });
            format!(
                "erlang_b({traffic}servers: {servers}, hold: {}, within: \"{within}\", over: ({}, {}))",
                time(*hold),
                time(Span(w.from.0)),
                time(Span(w.to.0))
            )
        }
        Check::Counter(host, counter, b) => {
            call("counter", [host_name(s, *host), text(counter.name()), band(*b, Unit::Number)])
        }
        Check::Log(host, line, b) => {
            call("log", [host_name(s, *host), text(line.name()), band(*b, Unit::Number)])
        }
        Check::Latency { traffic, timing, quantile, band: b } => {
            let timed = match timing {
                Timing::Connect => "connect",
                Timing::Request => "request",
            };
            let what = traffic.map_or(timed.to_owned(), |t| format!("{}.{timed}", traffic_name(s, t)));
            let quantile = show_ratio(Ratio { num: u64::from(*quantile), den: 1_000 });
            call("latency", [text(&what), format!("quantile(\"{quantile}\")"), band(*b, Unit::Time)])
        }
    }
}

fn host_name(s: &Scenario, id: HostId) -> String {
    text(&s.hosts[id.index()].name)
}

fn traffic_name(s: &Scenario, id: TrafficId) -> &str {
    &s.traffic[id.index()].name
}

fn outcome_name(outcome: Outcome) -> String {
    match outcome {
        Outcome::Attempted => "attempted".to_owned(),
        Outcome::Connected => "connected".to_owned(),
        Outcome::Completed => "completed".to_owned(),
        Outcome::Failed => "failed".to_owned(),
        Outcome::Requested => "requested".to_owned(),
        Outcome::Answered => "answered".to_owned(),
        Outcome::Abandoned => "abandoned".to_owned(),
        Outcome::SynsAgain => "syns_again".to_owned(),
        Outcome::CutOff => "cut_off".to_owned(),
        Outcome::BytesLost => "bytes_lost".to_owned(),
        Outcome::Error(errno) => errno.name().to_owned(),
    }
}

fn outcome(s: &Scenario, traffic: Option<TrafficId>, outcome: Outcome) -> String {
    let prefix = traffic.map_or(String::new(), |t| format!("{}.", traffic_name(s, t)));
    text(&format!("{prefix}{}", outcome_name(outcome)))
}

fn unit(metric: Metric) -> Unit {
    if matches!(metric, Metric::Memory(_)) { Unit::Bytes } else { Unit::Number }
}

fn metric(s: &Scenario, metric: Metric) -> String {
    let (host, suffix) = match metric {
        Metric::Sockets(host, state) => (host, state.name().to_lowercase()),
        Metric::OpenFiles(host) => (host, "open_files".to_owned()),
        Metric::Orphans(host) => (host, "orphans".to_owned()),
        Metric::Conntrack(host) => (host, "conntrack".to_owned()),
        Metric::Memory(host) => (host, "memory".to_owned()),
        Metric::PortProbes(host) => (host, "port_probes".to_owned()),
        Metric::Used(l) => return format!("used({})", limit(s, l)),
        Metric::Outcome(traffic, o) => return outcome(s, Some(traffic), o),
        // No expectation speaks of it: quantiles of the whole run are asked for with `latency`.
        Metric::Latency(..) => return String::new(),
    };
    text(&format!("{}.{suffix}", s.hosts[host.index()].name))
}

pub(super) fn limit(s: &Scenario, limit: Limit) -> String {
    let queue = |name: &str, host: HostId, port: u16| {
        format!("{name}({})", text(&format!("{}:{port}", s.hosts[host.index()].name)))
    };
    match limit {
        Limit::Ports { host: _, from, to } => format!("ports(from: \"{from}\", to: \"{to}\")"),
        Limit::OpenFiles(host) => format!("open_files({})", host_name(s, host)),
        Limit::TwBuckets(host) => format!("tw_buckets({})", host_name(s, host)),
        Limit::Orphans(host) => format!("orphans({})", host_name(s, host)),
        Limit::Conntrack(host) => format!("conntrack({})", host_name(s, host)),
        Limit::AcceptQueue(host, port) => queue("accept_queue", host, port),
        Limit::SynQueue(host, port) => queue("syn_queue", host, port),
        Limit::Threads(host, port) => queue("threads", host, port),
        Limit::Workers(host, port) => queue("workers", host, port),
        Limit::Pool(traffic) => format!("pool({})", text(traffic_name(s, traffic))),
    }
}

fn over(window: Window) -> String {
    format!("over({}, {})", time(Span(window.from.0)), time(Span(window.to.0)))
}

fn band(band: Band, unit: Unit) -> String {
    let show = |n: u64| value(n, unit);
    match (band.low, band.high) {
        (low, high) if low == high => format!("equals({})", show(low)),
        (low, u64::MAX) => format!("at_least({})", show(low)),
        (0, high) => format!("at_most({})", show(high)),
        (low, high) => format!("between({}, {})", show(low), show(high)),
    }
}

fn value(n: u64, unit: Unit) -> String {
    match unit {
        Unit::Number => n.to_string(),
        Unit::Factor if n.is_multiple_of(1_000) => (n / 1_000).to_string(),
        Unit::Factor => format!("{}.{:03}", n / 1_000, n % 1_000),
        Unit::Bytes => format!("\"{n}B\""),
        Unit::Time => time(Span(n)),
        Unit::Share => format!("\"{}\"", show_ratio(Ratio { num: n, den: 1_000_000 })),
        Unit::Rate if n.is_multiple_of(1_000) => {
            format!("\"{}\"", show_rate(Rate { count: n / 1_000, per: Span::from_secs(1) }))
        }
        Unit::Rate => format!("\"{n}/1000s\""),
    }
}
