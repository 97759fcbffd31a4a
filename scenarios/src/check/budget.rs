//! What a scenario would cost: refused if that is more than a machine has, with the number that makes it so.
//!
//! Rough on purpose: the bounds are an order of magnitude above what is sensible.

use sim_core::profile::Stack;
use sim_core::scenario::{Arrivals, CloseHow, OnError, OtherSide, Rate, Side, Traffic};
use sim_core::time::Span;

use super::host::usable_ports;
use super::link::Net;
use super::traffic::Read;
use crate::read::Notes;
use crate::report::Diagnostic;
use crate::units::thousands;

/// Events of one connection with one request; and of each further request.
const EVENTS: u128 = 20;
const EVENTS_PER_REQUEST: u128 = 6;
/// A retry that fails at once costs this much.
const EVENTS_PER_RETRY: u128 = 1;
/// About half an hour of one core.
const MOST_EVENTS: u128 = 40_000_000_000;
/// Bytes of a live connection, both ends and what belongs to it; and of a TIME_WAIT.
const LIVE_BYTES: u128 = 1024;
const TIME_WAIT_BYTES: u128 = 64;
const MOST_BYTES: u128 = 16 << 30;

/// What a traffic source, or all of them, would cost.
#[derive(Clone, Copy, Default)]
struct Cost {
    attempts: u128,
    events: u128,
    live: u128,
    time_wait: u128,
}

impl Cost {
    fn plus(self, other: Cost) -> Cost {
        Cost {
            attempts: self.attempts.saturating_add(other.attempts),
            events: self.events.saturating_add(other.events),
            live: self.live.saturating_add(other.live),
            time_wait: self.time_wait.saturating_add(other.time_wait),
        }
    }

    fn bytes(self) -> u128 {
        let time_wait = self.time_wait.saturating_mul(TIME_WAIT_BYTES);
        self.live.saturating_mul(LIVE_BYTES).saturating_add(time_wait)
    }

    /// Why `who` cannot be computed, if so, and what to do.
    fn refused(self, who: &str) -> Option<(String, &'static str)> {
        if self.events > MOST_EVENTS {
            let message = format!(
                "{who} would make {} connections and about {} events; {} are the most",
                thousands(self.attempts),
                thousands(self.events),
                thousands(MOST_EVENTS)
            );
            return Some((message, "lower the rate, or shorten the duration"));
        }
        (self.bytes() > MOST_BYTES).then(|| {
            let message = format!(
                "{who} would keep {} connections and {} TIME_WAITs at once, about {} GiB; {} are the most",
                thousands(self.live),
                thousands(self.time_wait),
                thousands(self.bytes() >> 30),
                MOST_BYTES >> 30
            );
            (message, "lower the rate, close sooner, or limit descriptors")
        })
    }
}

/// Refuses what cannot be computed.
pub(crate) fn check(notes: &mut Notes, net: &Net<'_>, traffic: &[Read], duration: Span) {
    let mut all = Cost::default();
    for read in traffic {
        if endless_loop(notes, net, read) {
            continue;
        }
        let cost = cost(net, &read.traffic, duration);
        if let Some((message, help)) = cost.refused(&format!("`{}`", read.traffic.name)) {
            notes.error(Diagnostic::error(read.arrivals, message).help(help));
            continue;
        }
        let before = all;
        all = all.plus(cost);
        // Said once, at the source that is one too many.
        if before.refused("").is_none()
            && let Some((message, help)) = all.refused("the traffic up to here")
        {
            notes.error(Diagnostic::error(read.arrivals, message).help(help));
        }
    }
}

fn cost(net: &Net<'_>, traffic: &Traffic, duration: Span) -> Cost {
    let attempts = attempts(net, traffic, duration);
    let retries = match traffic.on_error {
        OnError::GiveUp => 0,
        OnError::Retry { times, .. } => u128::from(times),
    };
    let requests = u128::from(traffic.requests_per_connection) - 1;
    let each = EVENTS + EVENTS_PER_REQUEST * requests + EVENTS_PER_RETRY * retries;
    let events = attempts.saturating_mul(each);
    let (live, time_wait) = population(net, traffic, attempts, duration);
    Cost { attempts, events, live, time_wait }
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
        (attempts.saturating_mul(share) / u128::from(duration.0.max(1))).saturating_add(1).min(attempts)
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
