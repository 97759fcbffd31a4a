//! What a scenario would cost: refused if that is more than a machine has, with the number that makes it so.
//!
//! Rough on purpose: the bounds are an order of magnitude above what is sensible.

use sim_core::profile::Stack;
use sim_core::scenario::{Arrivals, CloseHow, OtherSide, Rate, Side, Traffic};
use sim_core::time::Span;

use super::host::usable_ports;
use super::link::Net;
use super::traffic::Read;
use crate::read::Notes;
use crate::report::Diagnostic;

/// Events of one connection with one request; and of each further request.
const EVENTS: u128 = 20;
const EVENTS_PER_REQUEST: u128 = 6;
/// About half an hour of one core.
const MOST_EVENTS: u128 = 40_000_000_000;
/// Bytes of a live connection, both ends and what belongs to it; and of a TIME_WAIT.
const LIVE_BYTES: u128 = 1024;
const TIME_WAIT_BYTES: u128 = 64;
const MOST_BYTES: u128 = 16 << 30;

/// Refuses what cannot be computed.
pub(crate) fn check(notes: &mut Notes, net: &Net<'_>, traffic: &[Read], duration: Span) {
    for read in traffic {
        if endless_loop(notes, net, read) {
            continue;
        }
        let traffic = &read.traffic;
        let attempts = attempts(net, traffic, duration);
        let each = EVENTS + EVENTS_PER_REQUEST * u128::from(traffic.requests_per_connection - 1);
        let events = attempts.saturating_mul(each);
        if events > MOST_EVENTS {
            let message = format!(
                "`{}` would make {} connections and about {} events; {} are the most",
                traffic.name,
                thousands(attempts),
                thousands(events),
                thousands(MOST_EVENTS)
            );
            let help = "lower the rate, or shorten the duration";
            notes.error(Diagnostic::error(read.arrivals, message).help(help));
            continue;
        }
        let (live, time_wait) = population(net, traffic, attempts, duration);
        let bytes = live * LIVE_BYTES + time_wait * TIME_WAIT_BYTES;
        if bytes > MOST_BYTES {
            let message = format!(
                "`{}` would keep {} connections and {} TIME_WAITs at once, about {} GiB; {} are the most",
                traffic.name,
                thousands(live),
                thousands(time_wait),
                thousands(bytes >> 30),
                MOST_BYTES >> 30
            );
            let help = "lower the rate, close sooner, or limit descriptors";
            notes.error(Diagnostic::error(read.arrivals, message).help(help));
        }
    }
}

/// Time that one connection takes at least.
fn life(net: &Net<'_>, traffic: &Traffic) -> Span {
    let delays = traffic.to.iter().filter_map(|to| net.delay(traffic.from, net.owner(to.addr)?));
    let delay = delays.min().unwrap_or(Span::ZERO);
    let requests = u64::from(traffic.requests_per_connection);
    delay.times(4)
        + traffic.service_time.times(requests)
        + traffic.think_time.times(requests - 1)
        + traffic.hold
}

/// Workers that need no time at all would turn for ever at one instant.
fn endless_loop(notes: &mut Notes, net: &Net<'_>, read: &Read) -> bool {
    let endless =
        matches!(read.traffic.arrivals, Arrivals::Workers(_)) && life(net, &read.traffic) == Span::ZERO;
    if endless {
        let message = "these workers need no time for a connection, so they would never let time pass";
        let help = "give the link a `delay`, or the traffic a `service_time` or `hold`";
        notes.error(Diagnostic::error(read.arrivals, message).help(help));
    }
    endless
}

fn of_rate(rate: Rate, time: Span) -> u128 {
    u128::from(rate.count) * u128::from(time.0) / u128::from(rate.per.0.max(1))
}

fn attempts(net: &Net<'_>, traffic: &Traffic, duration: Span) -> u128 {
    let active = traffic.stop.since(traffic.start);
    match &traffic.arrivals {
        Arrivals::Constant(rate) | Arrivals::Poisson(rate) => of_rate(*rate, active),
        Arrivals::Phases(phases) => {
            let mut left = active;
            let mut sum: u128 = 0;
            for (length, rate) in phases {
                let time = left.min(*length);
                sum = of_rate(*rate, time).saturating_add(sum);
                left = left - time;
            }
            sum
        }
        Arrivals::Workers(n) => {
            u128::from(*n) * u128::from(duration.0) / u128::from(life(net, traffic).0.max(1))
        }
        Arrivals::At(times) => times.len() as u128,
    }
}

/// Most connections and TIME_WAITs at once.
fn population(net: &Net<'_>, traffic: &Traffic, attempts: u128, duration: Span) -> (u128, u128) {
    let client = &net.hosts[traffic.from.index()].host;
    let per_source = u128::from(usable_ports(&client.ports)) * traffic.source.len() as u128;
    let tuples = per_source * traffic.to.len() as u128;
    let within = |span: Span| {
        let share = u128::from(span.0.min(duration.0));
        (attempts * share / u128::from(duration.0.max(1)) + 1).min(attempts)
    };
    let endless = traffic.how == CloseHow::Never || traffic.other == OtherSide::Never;
    let live = if endless { attempts } else { within(life(net, traffic)) };
    let live = live.min(u128::from(client.open_files)).min(tuples.max(1));
    let closer = match traffic.first {
        Side::Client => Some(client),
        Side::Server => {
            traffic.to.first().and_then(|to| net.owner(to.addr)).map(|id| &net.hosts[id.index()].host)
        }
    };
    let time_wait = closer.map_or(0, |host| {
        let kept = within(host.tcp.time_wait).min(tuples.max(1));
        // Only Linux and older FreeBSD bound the number; a strict stack keeps them all.
        if host.stack == Stack::Rfc793 { kept } else { kept.min(u128::from(host.tcp.max_tw_buckets)) }
    });
    (live, time_wait)
}

/// `1,234,567`.
fn thousands(n: u128) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}
