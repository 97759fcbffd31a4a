//! What users would have felt: requests that failed, were never served or waited, whether or not any limit bound.

use sim_core::counter::Counter;
use sim_core::record::{LimitSummary, SynLoss, Tally, TrafficSummary};
use sim_core::scenario::{Limit, OnError, Timing, Traffic};
use sim_core::time::Span;

use crate::crowd::{Crowd, families, together};
use crate::run::Run;
use crate::words::{at, bytes, count, counted, share, span};

/// A screen has room for so many sources; the rest are in the files.
const SHOWN: usize = 3;
/// So many causes of one thing are named.
const CAUSES: usize = 3;
/// Who waits less than this at the end of a run is just being served.
const PATIENCE: Span = Span::from_secs(1);

/// The sentences, the worst source first; none if nothing hurt.
pub(super) fn sentences(run: Run<'_>) -> Vec<String> {
    let families = families(run.scenario.traffic.iter().map(|t| t.name.as_str()));
    let mut sources: Vec<(u64, usize, Vec<String>)> = families
        .into_iter()
        .map(|family| {
            let sum = together(family.members.iter().filter_map(|&i| run.summary.traffic.get(i)));
            (badness(&sum), family.members.len(), of_sources(run, &family, &sum))
        })
        .filter(|(_, _, lines)| !lines.is_empty())
        .collect();
    sources.sort_by_key(|(badness, _, _)| core::cmp::Reverse(*badness));
    let more: usize = sources.iter().skip(SHOWN).map(|(_, members, _)| members).sum();
    let mut lines: Vec<String> = sources.into_iter().take(SHOWN).flat_map(|(_, _, lines)| lines).collect();
    if more > 0 {
        lines.push(format!("and {} more", counted(more as u64, "traffic source", "traffic sources")));
    }
    lines.extend(without_worker(run));
    lines.extend(not_up(run));
    lines.extend(unprotected(run));
    lines
}

/// What is said where nothing hurt.
pub(super) fn nothing(run: Run<'_>) -> String {
    let answered: u64 = run.sources(None).map(|(_, t)| t.answered.count).sum();
    let latency = |per_mille| run.latency(None, Timing::Request, per_mille);
    match (latency(500), latency(990)) {
        (Some(p50), Some(p99)) => format!(
            "Nothing: {} answered, in {} (median) and {} (99%).",
            counted(answered, "request was", "requests were"),
            span(p50),
            span(p99)
        ),
        _ => "Nothing: no request was made.".to_owned(),
    }
}

/// Requests that were not served.
fn badness(t: &TrafficSummary) -> u64 {
    t.abandoned.count + t.waiting.count()
}

/// What one source felt, or the replicas of one together.
fn of_sources(run: Run<'_>, family: &Crowd, t: &TrafficSummary) -> Vec<String> {
    let Some(&first) = family.members.first() else { return Vec::new() };
    let spec = &run.scenario.traffic[first];
    let lines = [failed(spec, t), unserved(run, t), slow(run, spec, t), pooled(run, family, t), cut_off(t)];
    let name = match run.scenario.traffic.len() {
        0 | 1 => String::new(),
        _ => format!("{}: ", family.name),
    };
    lines.into_iter().flatten().map(|line| format!("{name}{line}.")).collect()
}

/// `65,304 of 93,536 requests (69.8%) failed: EADDRNOTAVAIL from 28.232 s to 89.999 s`.
fn failed(spec: &Traffic, t: &TrafficSummary) -> Option<String> {
    if t.failed.count == 0 {
        return None;
    }
    let mut errors: Vec<_> = t.errors.iter().filter(|e| e.tally.count > 0).collect();
    errors.sort_by_key(|e| (core::cmp::Reverse(e.tally.count), e.errno));
    let alone = errors.len() == 1;
    let cause = |e: &&sim_core::record::ErrorTally| {
        let often = if alone { String::new() } else { format!(" x {}", count(e.tally.count)) };
        let when = if e.tally.count == 1 {
            format!("at {}", at(e.tally.first))
        } else {
            format!("from {} to {}", at(e.tally.first), at(e.tally.last))
        };
        format!("{} at {}(){often} {when}", e.errno, e.call)
    };
    let mut causes: Vec<_> = errors.iter().take(CAUSES).map(cause).collect();
    if errors.len() > CAUSES {
        causes.push(format!("and {} more", errors.len() - CAUSES));
    }
    let causes = causes.join(", ");
    let retries = spec.on_error != OnError::GiveUp;
    let again = t.failed.count - t.abandoned.count.min(t.failed.count);
    let tried = if retries && again > 0 {
        format!("; {} made again", counted(again, "try was", "tries were"))
    } else {
        String::new()
    };
    Some(if t.abandoned.count == 0 {
        format!("{} failed ({causes}), but no request was given up", counted(t.failed.count, "try", "tries"))
    } else {
        let of = counted(t.requested.count, "request", "requests");
        let part = share(t.abandoned.count, t.requested.count);
        format!("{} of {of} ({part}) failed: {causes}{tried}", count(t.abandoned.count))
    })
}

/// `1,976 of 3,000 requests (65.9%) were never answered: the oldest has waited 598 s`.
fn unserved(run: Run<'_>, t: &TrafficSummary) -> Option<String> {
    let waiting = t.waiting.count();
    if waiting == 0 {
        return None;
    }
    let waited = run.summary.ended.since(t.waiting.oldest);
    let usual = t.request_latency.quantile(990).unwrap_or_default();
    let long = waited >= usual.times(2) || waiting > t.requested.count / 2;
    if waited < PATIENCE || !long {
        return None;
    }
    let places = [
        (t.waiting.unanswered, "for an answer"),
        (t.waiting.connecting, "for connect()"),
        (t.waiting.queued, "for a connection of the pool or their next try"),
    ];
    let places: Vec<_> = places
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| if *n == waiting { (*what).to_owned() } else { format!("{} {what}", count(*n)) })
        .collect();
    let of = counted(t.requested.count, "request", "requests");
    let part = share(waiting, t.requested.count);
    Some(format!(
        "{} of {of} ({part}) still wait at the end, {}, the oldest since {}",
        count(waiting),
        places.join(", "),
        at(t.waiting.oldest)
    ))
}

/// `7.8% of connects (4,626) waited 1 s or longer: their SYN met a TIME_WAIT at traefik`.
fn slow(run: Run<'_>, spec: &Traffic, t: &TrafficSummary) -> Option<String> {
    let least = run.host(spec.from)?.tcp.rto_initial;
    let slow = t.connect_latency.at_least(least);
    // What takes longer than a retransmission anyway is far away, not slow.
    if slow == 0 || t.connect_latency.quantile(1).is_some_and(|fastest| fastest >= least) {
        return None;
    }
    let mut causes = t.lost_syns.clone();
    causes.sort_by_key(|&(why, n)| (core::cmp::Reverse(n), why));
    let alone = causes.len() == 1;
    let cause = |&(why, n): &(SynLoss, u64)| {
        let often = if alone { String::new() } else { format!(" ({})", count(n)) };
        format!("{}{often}", syn_loss(run, why))
    };
    let causes: Vec<_> = causes.iter().take(CAUSES).map(cause).collect();
    let causes =
        if causes.is_empty() { "the answer to their SYN was lost".to_owned() } else { causes.join(", ") };
    Some(format!(
        "{} of connects ({}) waited {} or longer: {causes}",
        share(slow, t.connected.count),
        count(slow),
        span(least)
    ))
}

/// `5,760 of 5,762 requests (100.0%) had to wait for a connection of the pool; half of the answers came within 176.2 ms`.
fn pooled(run: Run<'_>, family: &Crowd, t: &TrafficSummary) -> Option<String> {
    let theirs = |limit: &&LimitSummary| matches!(limit.limit, Limit::Pool(id) if family.members.contains(&id.index()));
    let waited: u64 = run.summary.limits.iter().filter(theirs).map(|limit| limit.refused.count).sum();
    if !is_many(waited, t.requested.count) {
        return None;
    }
    let of = counted(t.requested.count, "request", "requests");
    // Who tries again may wait again.
    let waited = waited.min(t.requested.count);
    let half = t.request_latency.quantile(500);
    let half =
        half.map_or_else(String::new, |p50| format!("; half of the answers came within {}", span(p50)));
    let part = share(waited, t.requested.count);
    Some(format!("{} of {of} ({part}) had to wait for a connection of the pool{half}", count(waited)))
}

/// Whether so many of all are worth a sentence: one in a hundred.
fn is_many(some: u64, all: u64) -> bool {
    some > 0 && some.saturating_mul(100) >= all
}

/// Requests that found every worker of their server busy, by listener.
fn without_worker(run: Run<'_>) -> Vec<String> {
    let requested = run.sources(None).map(|(_, t)| t.requested.count).sum();
    let busy = run.summary.limits.iter().filter(|limit| matches!(limit.limit, Limit::Workers(..)));
    let many = busy.filter(|limit| is_many(limit.refused.count, requested));
    let line = |limit: &LimitSummary| {
        let waited = counted(limit.refused.count, "request", "requests");
        format!("{waited} had to wait for one of the {}.", run.limit_name(limit.limit))
    };
    many.map(line).take(SHOWN).collect()
}

/// `20 ends of connections were cut off, from 10 s to 12 s, with 4.2 kB on their way or unread`.
fn cut_off(t: &TrafficSummary) -> Option<String> {
    let Tally { count: n, first, last } = t.cut_off;
    if n == 0 {
        return None;
    }
    let ends = counted(n, "end of a connection was", "ends of connections were");
    let when =
        if n == 1 { format!("at {}", at(first)) } else { format!("from {} to {}", at(first), at(last)) };
    Some(format!("{ends} cut off {when} with {} on their way or unread", bytes(t.bytes_lost.count)))
}

fn syn_loss(run: Run<'_>, why: SynLoss) -> String {
    match why {
        SynLoss::Link => "their SYN was lost on a link".to_owned(),
        SynLoss::NoRoute => "there was no way for their SYN".to_owned(),
        SynLoss::Rule(host) => format!("their SYN was dropped by a rule of {}", run.host_name(host)),
        SynLoss::Conntrack(host) => format!("their SYN was dropped by conntrack of {}", run.host_name(host)),
        SynLoss::TimeWait(host) => format!("their SYN met a TIME_WAIT at {}", run.host_name(host)),
        SynLoss::Listener(host, port) => {
            format!("their SYN was dropped by the full queues of {}:{port}", run.host_name(host))
        }
    }
}

/// Processes that could not come up, by host.
fn not_up(run: Run<'_>) -> Vec<String> {
    let hosts = run.scenario.hosts.iter().zip(&run.summary.hosts);
    let failed = hosts.filter(|(_, summary)| summary.bind_refused.count > 0);
    let line = |(host, summary): (&sim_core::scenario::Host, &sim_core::record::HostSummary)| {
        let Tally { count: n, first, last } = summary.bind_refused;
        format!(
            "At {} a process could not come up: bind() failed {} with EADDRINUSE, from {} to {}.",
            host.name,
            counted(n, "time", "times"),
            at(first),
            at(last)
        )
    };
    failed.map(line).take(SHOWN).collect()
}

/// Closes that leave nobody to answer what comes late, by host.
fn unprotected(run: Run<'_>) -> Vec<String> {
    let kinds = [
        (
            Counter::TcpExtTCPTimeWaitOverflow,
            "closed without a TIME_WAIT: a late segment may meet the next one",
        ),
        (Counter::TcpExtTCPAbortOnMemory, "reset for want of room for orphans: what was on its way is lost"),
        (Counter::TcpExtTCPAbortOnData, "cut off by RST: what was on its way is lost"),
        (Counter::TcpExtTCPAbortOnClose, "reset with data that nobody had read"),
    ];
    let hosts = run.scenario.hosts.iter().zip(&run.summary.hosts);
    let lines = hosts.flat_map(|(host, summary)| {
        kinds.iter().filter_map(move |(counter, what)| {
            let n = summary.counters.get(*counter);
            (n > 0).then(|| {
                let of = counted(n, "connection was", "connections were");
                format!("At {} {of} {what} ({}).", host.name, counter.name())
            })
        })
    });
    lines.take(SHOWN).collect()
}
