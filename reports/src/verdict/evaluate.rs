//! One check against one run.

use sim_core::counter::Counter;
use sim_core::ids::{HostId, TrafficId};
use sim_core::record::LogLine;
use sim_core::scenario::{Band, Check, Limit, Metric, Outcome, Timing, Window};
use sim_core::time::{Span, Time};

use super::erlang::erlang_b;
use super::measure;
use crate::run::{Run, outcome_name};
use crate::words::{at, bytes, count, counted, decimal, span};

/// A check's outcome in words.
pub(super) struct Finding {
    pub(super) passed: bool,
    pub(super) expected: String,
    pub(super) got: String,
}

/// Evaluates a check.
pub(super) fn evaluate(run: Run<'_>, check: &Check) -> Finding {
    match *check {
        Check::BindsFirst(limit) => binds_first(run, limit),
        Check::First { traffic, outcome, band } => first(run, traffic, outcome, band),
        Check::Peak(metric, band) => {
            let what = format!("peak of {}", run.metric_key(metric));
            value(metric, &what, measure::peak(run, metric), band)
        }
        Check::At(metric, time, band) => {
            let what = format!("{} at {}", run.metric_key(metric), at(time));
            value(metric, &what, measure::value_at(run, metric, time), band)
        }
        Check::Count { traffic, outcome, over, band } => counted_outcome(run, traffic, outcome, over, band),
        Check::Share { traffic, outcome, over, band } => share(run, traffic, outcome, over, band),
        Check::Rate { traffic, outcome, over, band } => rate(run, traffic, outcome, over, band),
        Check::ErlangB { traffic, over, servers, hold, within } => {
            erlang(run, traffic, over, servers, hold, within)
        }
        Check::Counter(host, counter, band) => kernel_counter(run, host, counter, band),
        Check::Log(host, line, band) => log(run, host, line, band),
        Check::Latency { traffic, timing, quantile, band } => latency(run, (traffic, timing), quantile, band),
    }
}

const fn holds(band: Band, value: u64) -> bool {
    band.low <= value && value <= band.high
}

/// A band in words, each end written by `show`.
pub(super) fn band_text(band: Band, show: impl Fn(u64) -> String) -> String {
    match band {
        Band { low, high } if low == high => show(low),
        Band { low: 0, high: u64::MAX } => "any".to_owned(),
        Band { low, high: u64::MAX } => format!("at least {}", show(low)),
        Band { low: 0, high } => format!("at most {}", show(high)),
        Band { low, high } => format!("{} to {}", show(low), show(high)),
    }
}

fn window_text(run: Run<'_>, over: Window) -> String {
    if over.from == Time::ZERO && over.to >= run.summary.ended {
        return String::new();
    }
    format!(" from {} to {}", at(over.from), at(over.to))
}

/// A value that must exist and lie in the band.
fn finding(what: &str, band: Band, got: Option<u64>, show: impl Fn(u64) -> String, missing: &str) -> Finding {
    Finding {
        passed: got.is_some_and(|n| holds(band, n)),
        expected: format!("{what}: {}", band_text(band, &show)),
        got: got.map_or_else(|| missing.to_owned(), show),
    }
}

const NOT_RECORDED: &str = "not recorded";
/// Of a counter that the model cannot have right.
const NOT_TOLD: &str = "not told where messages take several segments";

fn binds_first(run: Run<'_>, limit: Option<Limit>) -> Finding {
    let name = |l: Option<Limit>| l.map_or_else(|| "nothing".to_owned(), |l| run.limit_name(l));
    let first = run.summary.bound_first();
    let got = match first {
        Some(l) => format!("{} at {}", run.limit_name(l.limit), at(l.refused.first)),
        None => match measure::errors_seen(run).first() {
            // "Nothing bound" surprises when things failed: say what did.
            Some((errno, n)) => format!("nothing ({errno} x {}, but no limit refused)", count(*n)),
            None => "nothing".to_owned(),
        },
    };
    Finding {
        passed: first.map(|l| l.limit) == limit,
        expected: format!("binds first: {}", name(limit)),
        got,
    }
}

fn first(run: Run<'_>, id: Option<TrafficId>, outcome: Outcome, band: Band) -> Finding {
    let tally = run.tally(id, outcome);
    let got = (tally.count > 0).then_some(tally.first.0);
    finding(&format!("first {}", subject(run, id, outcome)), band, got, |ns| at(Time(ns)), "never")
}

fn subject(run: Run<'_>, id: Option<TrafficId>, outcome: Outcome) -> String {
    match id {
        Some(_) => format!("{} of {}", outcome_name(outcome), run.traffic_name(id)),
        None => outcome_name(outcome).to_owned(),
    }
}

fn value(metric: Metric, what: &str, got: Option<u64>, band: Band) -> Finding {
    finding(what, band, got, |n| value_text(metric, Some(n)), NOT_RECORDED)
}

/// The value of a metric in words.
pub(super) fn value_text(metric: Metric, value: Option<u64>) -> String {
    match value {
        None => NOT_RECORDED.to_owned(),
        Some(n) if matches!(metric, Metric::Memory(_)) => format!("{} ({})", count(n), bytes(n)),
        Some(n) => count(n),
    }
}

fn counted_outcome(run: Run<'_>, id: Option<TrafficId>, o: Outcome, over: Window, band: Band) -> Finding {
    let what = format!("{}{}", subject(run, id, o), window_text(run, over));
    finding(&what, band, measure::in_window(run, id, o, over), count, NOT_RECORDED)
}

/// Parts per million as per cent.
fn percent(ppm: u64) -> String {
    format!("{}%", decimal(ppm as f64 / 1e4, 4))
}

fn share(run: Run<'_>, id: Option<TrafficId>, outcome: Outcome, over: Window, band: Band) -> Finding {
    let what = format!("share {}{}", subject(run, id, outcome), window_text(run, over));
    let (Some(part), Some(whole)) =
        (measure::in_window(run, id, outcome, over), measure::in_window(run, id, Outcome::Attempted, over))
    else {
        return finding(&what, band, None, percent, NOT_RECORDED);
    };
    // Compared exactly, as part·10^6 against band·whole, so that no rounding decides; ppm is only for the reader.
    let (scaled, whole_wide) = (u128::from(part) * 1_000_000, u128::from(whole));
    let inside = scaled >= u128::from(band.low) * whole_wide && scaled <= u128::from(band.high) * whole_wide;
    let got = match whole {
        0 => "no attempts".to_owned(),
        _ => format!("{} ({} of {})", percent((scaled / whole_wide) as u64), count(part), count(whole)),
    };
    Finding { passed: whole > 0 && inside, expected: format!("{what}: {}", band_text(band, percent)), got }
}

/// Thousandths per second as a rate.
fn per_second(thousandths: u64) -> String {
    format!("{}/s", decimal(thousandths as f64 / 1e3, 3))
}

fn rate(run: Run<'_>, id: Option<TrafficId>, outcome: Outcome, over: Window, band: Band) -> Finding {
    let what = format!("rate {}{}", subject(run, id, outcome), window_text(run, over));
    let length = over.to.min(run.summary.ended).since(over.from);
    let n = measure::in_window(run, id, outcome, over).filter(|_| length > Span::ZERO);
    // Thousandths per second, kept exact: n·10^12 / ns.
    let scaled = n.map(|n| u128::from(n) * 1_000_000_000_000);
    let bound = |end: u64| u128::from(end) * u128::from(length.0);
    Finding {
        passed: scaled.is_some_and(|s| s >= bound(band.low) && s <= bound(band.high)),
        expected: format!("{what}: {}", band_text(band, per_second)),
        got: match (scaled, n) {
            (Some(s), Some(n)) => {
                let thousandths = (s / u128::from(length.0)) as u64;
                format!("{} ({} in {})", per_second(thousandths), count(n), span(length))
            }
            _ => NOT_RECORDED.to_owned(),
        },
    }
}

/// The share that Erlang's formula says is lost in a window, for the load that came.
pub(crate) fn erlang_loss(
    run: Run<'_>,
    id: Option<TrafficId>,
    over: Window,
    servers: u64,
    hold: Span,
) -> Option<f64> {
    let length = over.to.min(run.summary.ended).since(over.from);
    let attempted = measure::in_window(run, id, Outcome::Attempted, over)?;
    (length > Span::ZERO).then(|| erlang_b(attempted as f64 * hold.0 as f64 / length.0 as f64, servers))
}

fn erlang(
    run: Run<'_>,
    id: Option<TrafficId>,
    over: Window,
    servers: u64,
    hold: Span,
    within: u64,
) -> Finding {
    let what = format!("share failed{}", window_text(run, over));
    let length = over.to.min(run.summary.ended).since(over.from);
    let counts = measure::in_window(run, id, Outcome::Failed, over)
        .zip(measure::in_window(run, id, Outcome::Attempted, over))
        .filter(|&(_, attempted)| attempted > 0 && length > Span::ZERO);
    let Some((failed, attempted)) = counts else {
        let expected = format!("{what}: as Erlang B says, ± {}", percent(within));
        return Finding { passed: false, expected, got: "no attempts".to_owned() };
    };
    // The offered load as measured: it is what the servers really saw, and a luckier sample than the nominal rate.
    let load = attempted as f64 * hold.0 as f64 / length.0 as f64;
    let theory = erlang_b(load, servers) * 1e6;
    let got = failed as f64 * 1e6 / attempted as f64;
    Finding {
        passed: (got - theory).abs() <= within as f64,
        expected: format!(
            "{what}: {}% ± {} (Erlang B: {} erlangs on {})",
            decimal(theory / 1e4, 4),
            percent(within),
            decimal(load, 1),
            counted(servers, "server", "servers")
        ),
        got: format!("{}% ({} of {})", decimal(got / 1e4, 4), count(failed), count(attempted)),
    }
}

fn kernel_counter(run: Run<'_>, host: HostId, counter: Counter, band: Band) -> Finding {
    let told = !run.scenario.not_told().contains(&counter);
    let got = run.summary.hosts.get(host.index()).filter(|_| told).map(|h| h.counters.get(counter));
    let missing = if told { NOT_RECORDED } else { NOT_TOLD };
    finding(&format!("{} of {}", counter.name(), run.host_name(host)), band, got, count, missing)
}

fn log(run: Run<'_>, host: HostId, line: LogLine, band: Band) -> Finding {
    let printed = run.summary.logs.iter().filter(|(h, l)| *h == host.index() && l.line == line);
    let got = printed.map(|(_, l)| l.printed.count).sum();
    finding(&format!("\"{line}\" at {}", run.host_name(host)), band, Some(got), count, NOT_RECORDED)
}

fn latency(run: Run<'_>, (id, timing): (Option<TrafficId>, Timing), quantile: u32, band: Band) -> Finding {
    let which = if quantile == 1000 {
        "max".to_owned()
    } else {
        format!("p{}", decimal(f64::from(quantile) / 10.0, 1))
    };
    let (timed, nothing) = match timing {
        Timing::Connect => ("connect()", "nothing connected"),
        Timing::Request => ("request", "no request was answered"),
    };
    let what = match id {
        Some(_) => format!("{timed} {which} of {}", run.traffic_name(id)),
        None => format!("{timed} {which}"),
    };
    let got = run.latency(id, timing, quantile).map(|s| s.0);
    finding(&what, band, got, |ns| span(Span(ns)), nothing)
}
