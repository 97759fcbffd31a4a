//! What bound first and when, what else did, and what came closest if nothing did.

use sim_core::errno::Errno;
use sim_core::record::LimitSummary;
use sim_core::scenario::Limit;
use sim_core::tcp::config::{Syncookies, TwOverflow};

use crate::run::Run;
use crate::words::{at, count, counted, share, span};

/// A screen has room for so many limits after the first; the rest are in the files.
const SHOWN: usize = 4;

/// One sentence: the limit that bound first, or the one that came closest.
pub(super) fn headline(run: Run<'_>) -> String {
    match run.summary.bound_first() {
        Some(first) => sentence(run, first),
        None => closest(run),
    }
}

/// The headline, recovery, and the other limits that refused something.
pub(super) fn sentences(run: Run<'_>) -> Vec<String> {
    let mut lines = vec![headline(run)];
    lines.extend(recovery(run));
    let first = run.summary.bound_first().map(|l| l.limit);
    let mut others: Vec<_> =
        run.summary.limits.iter().filter(|l| l.refused.count > 0 && Some(l.limit) != first).collect();
    others.sort_by_key(|l| (l.refused.first, l.limit));
    lines.extend(others.iter().take(SHOWN).map(|l| format!("Then {}", sentence(run, l))));
    if others.len() > SHOWN {
        lines.push(format!("and {} more limits refused something.", others.len() - SHOWN));
    }
    lines
}

/// `ephemeral ports of client to 10.0.0.2:80: 28,232 of 28,232 in TIME_WAIT from 28.232 s; ...`.
fn sentence(run: Run<'_>, l: &LimitSummary) -> String {
    format!("{}: {} from {}; {}.", run.limit_name(l.limit), holders(l), at(l.refused.first), refusals(run, l))
}

/// How much was used at the first refusal, and by whom.
fn holders(l: &LimitSummary) -> String {
    let of = format!("{} of {}", count(l.used.peak.min(l.capacity)), count(l.capacity));
    match l.held_by.as_slice() {
        [] => format!("{of} in use"),
        [(state, n)] if *n == l.capacity => format!("{of} in {state}"),
        held => {
            // The few that are just being opened or closed say nothing.
            let worth = |n: u64| n * 100 >= l.capacity;
            let parts: Vec<_> = held
                .iter()
                .filter(|h| worth(h.1))
                .map(|(state, n)| format!("{} in {state}", count(*n)))
                .collect();
            if parts.is_empty() {
                format!("{of} in use")
            } else {
                format!("{of} in use ({})", parts.join(", "))
            }
        }
    }
}

/// What the refusals did, in the kernel's terms.
fn refusals(run: Run<'_>, l: &LimitSummary) -> String {
    let n = l.refused.count;
    let tcp = |host| run.host(host).map(|h| &h.tcp);
    match l.limit {
        Limit::Ports { host, to, .. } if run.fixed_ports(host, to).is_some() => {
            let errno = run.fixed_ports(host, to).unwrap_or(Errno::Eaddrinuse);
            format!("{} failed with {errno}", counted(n, "attempt", "attempts"))
        }
        Limit::Ports { host, .. } => {
            let errno = run.host(host).map_or(Errno::Eaddrnotavail, |h| h.ports.exhausted);
            format!("{} failed with {errno}", counted(n, "connect", "connects"))
        }
        Limit::OpenFiles(_) => format!("{} failed with EMFILE", counted(n, "call", "calls")),
        Limit::TwBuckets(host) => match tcp(host).map(|t| t.tw_overflow) {
            Some(TwOverflow::RecycleOldest) => {
                format!("{} ended early to make room", counted(n, "TIME_WAIT", "TIME_WAITs"))
            }
            _ => format!(
                "{} closed without a TIME_WAIT (TcpExtTCPTimeWaitOverflow)",
                counted(n, "connection", "connections")
            ),
        },
        Limit::Orphans(_) => {
            format!("{} reset (TcpExtTCPAbortOnMemory)", counted(n, "orphan was", "orphans were"))
        }
        Limit::Conntrack(_) => {
            format!("{} dropped (\"table full, dropping packet\")", counted(n, "packet was", "packets were"))
        }
        Limit::AcceptQueue(..) => {
            format!(
                "{} dropped (TcpExtListenOverflows, TcpExtListenDrops)",
                counted(n, "SYN or ACK was", "SYNs and ACKs were")
            )
        }
        Limit::SynQueue(host, _) => match tcp(host).map(|t| t.syncookies) {
            Some(Syncookies::Off) => {
                format!("{} dropped (TcpExtTCPReqQFullDrop)", counted(n, "SYN was", "SYNs were"))
            }
            _ => format!(
                "{} answered with a cookie (TcpExtTCPReqQFullDoCookies)",
                counted(n, "SYN was", "SYNs were")
            ),
        },
    }
}

/// When connections succeeded again, by the source that waited longest; none if nothing failed.
fn recovery(run: Run<'_>) -> Option<String> {
    let failed = run.summary.traffic.iter().filter(|t| t.failed.count > 0);
    let first = failed.clone().map(|t| t.failed.first).min()?;
    let never = failed.clone().any(|t| t.recovered.is_none());
    if never {
        let again = failed.filter(|t| t.recovered.is_some()).count();
        return Some(if again > 0 {
            "Not every traffic source connected again after its first failure.".to_owned()
        } else {
            format!("No connect succeeded after the first failure at {}.", at(first))
        });
    }
    let (failed_at, recovered) = failed
        .filter_map(|t| t.recovered.map(|r| (t.failed.first, r)))
        .max_by_key(|&(failed_at, recovered)| (recovered.since(failed_at), failed_at))?;
    Some(format!(
        "First success after the first failure ({}): at {}, {} later.",
        at(failed_at),
        at(recovered),
        span(recovered.since(failed_at))
    ))
}

/// What came closest to running out.
fn closest(run: Run<'_>) -> String {
    let used = run.summary.limits.iter().filter(|l| l.capacity > 0 && l.used.peak > 0);
    // Compared as cross products, so that equal shares tie exactly; the first in order of `Limit` wins.
    let top = used.reduce(|best, l| {
        let (a, b) = (
            u128::from(l.used.peak) * u128::from(best.capacity),
            u128::from(best.used.peak) * u128::from(l.capacity),
        );
        if a > b { l } else { best }
    });
    match top {
        None => "Nothing ran out: no limit of the scenario was touched.".to_owned(),
        Some(l) => format!(
            "Nothing ran out. Closest: {}, {} of {} ({}) at {}.",
            run.limit_name(l.limit),
            count(l.used.peak),
            count(l.capacity),
            share(l.used.peak, l.capacity),
            at(l.used.peak_at)
        ),
    }
}
