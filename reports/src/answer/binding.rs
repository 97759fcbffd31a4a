//! What bound first and when, what else did, and what came closest if nothing did.

use std::collections::BTreeSet;

use sim_core::errno::Errno;
use sim_core::ids::HostId;
use sim_core::record::LimitSummary;
use sim_core::scenario::Limit;
use sim_core::tcp::config::{Syncookies, TwOverflow};

use crate::crowd::families;
use crate::run::Run;
use crate::words::{at, count, counted, share, span};

/// A screen has room for so many limits after the first; the rest are in the files.
const SHOWN: usize = 4;

/// One sentence: the limit that bound first, or the one that came closest.
pub(super) fn headline(run: Run<'_>) -> String {
    match causes(run).first() {
        Some(first) => sentence(run, first),
        None => closest(run),
    }
}

/// The headline, recovery, and the other limits that refused something.
pub(super) fn sentences(run: Run<'_>) -> Vec<String> {
    let mut causes = causes(run);
    if causes.is_empty() {
        return vec![closest(run)];
    }
    let first = causes.remove(0);
    let mut lines = vec![sentence(run, &first)];
    lines.extend(recovery(run));
    lines.extend(causes.iter().take(SHOWN).map(|cause| format!("Then {}", sentence(run, cause))));
    if causes.len() > SHOWN {
        lines.push(format!("and {} more limits refused something.", causes.len() - SHOWN));
    }
    lines
}

/// Limits with one cause, as one: the first of them stands for all.
struct Cause {
    limit: LimitSummary,
    /// How many limits it stands for.
    of: usize,
    /// Whose they are: hosts, or sources, that are replicas of one.
    owners: BTreeSet<u16>,
}

/// Whose a limit is: a host's, or a source's for its pool.
fn owner(run: Run<'_>, limit: Limit) -> u16 {
    match limit {
        Limit::Pool(source) => source.0,
        _ => run.limit_host(limit).map_or(u16::MAX, |host| host.0),
    }
}

/// The port of the listener whose limit it is; 0 for limits of a whole host.
fn listener(limit: Limit) -> u16 {
    match limit {
        Limit::AcceptQueue(_, port)
        | Limit::SynQueue(_, port)
        | Limit::Threads(_, port)
        | Limit::Workers(_, port) => port,
        _ => 0,
    }
}

/// Whether two limits are one thing: of one owner, or of replicas of which there are many.
fn same(run: Run<'_>, families: &Families, one: Limit, other: Limit) -> bool {
    let kind = core::mem::discriminant::<Limit>;
    let alike = kind(&one) == kind(&other) && families.of(run, one) == families.of(run, other);
    alike
        && match (one, other) {
            (Limit::Ports { host, from, to }, Limit::Ports { host: h, from: f, to: t }) => {
                (host != h || from == f) && run.binds_before(host, to) == run.binds_before(h, t)
            }
            _ => listener(one) == listener(other),
        }
}

/// Which hosts and which sources are replicas of one, by number.
struct Families {
    hosts: Vec<usize>,
    sources: Vec<usize>,
}

impl Families {
    fn new(run: Run<'_>) -> Families {
        fn numbers<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Vec<usize> {
            let mut numbers = vec![0; names.len()];
            for (number, family) in families(names).iter().enumerate() {
                family.members.iter().for_each(|&member| numbers[member] = number);
            }
            numbers
        }
        Families {
            hosts: numbers(run.scenario.hosts.iter().map(|host| host.name.as_str())),
            sources: numbers(run.scenario.traffic.iter().map(|t| t.name.as_str())),
        }
    }

    fn of(&self, run: Run<'_>, limit: Limit) -> Option<usize> {
        let list = if matches!(limit, Limit::Pool(_)) { &self.sources } else { &self.hosts };
        list.get(usize::from(owner(run, limit))).copied()
    }
}

/// What refused something, the first first: a cause comes before its consequences.
///
/// Ports that clients bind before connect() are one pool for all destinations: bind() looks at the local address alone.
/// Ephemeral ports are taken per destination, but where several run out they do so for the same reason.
fn causes(run: Run<'_>) -> Vec<Cause> {
    let mut refused: Vec<_> = run.summary.limits.iter().filter(|l| l.refused.count > 0).collect();
    refused.sort_by_key(|l| (l.refused.first, l.limit));
    let mut causes: Vec<Cause> = Vec::new();
    let replicas = Families::new(run);
    for l in refused {
        let Some(cause) = causes.iter_mut().find(|cause| same(run, &replicas, cause.limit.limit, l.limit))
        else {
            causes.push(Cause { limit: l.clone(), of: 1, owners: [owner(run, l.limit)].into() });
            continue;
        };
        cause.of += 1;
        cause.owners.insert(owner(run, l.limit));
        cause.limit.refused = cause.limit.refused.merged(l.refused);
        cause.limit.used.peak += l.used.peak;
        let fixed = matches!(l.limit, Limit::Ports { host, to, .. } if run.binds_before(host, to));
        if !fixed {
            cause.limit.capacity += l.capacity;
        }
        for &(state, n) in &l.held_by {
            match cause.limit.held_by.iter_mut().find(|(s, _)| *s == state) {
                Some((_, sum)) => *sum += n,
                None => cause.limit.held_by.push((state, n)),
            }
        }
    }
    for cause in &mut causes {
        let Limit::Ports { host, from, to } = cause.limit.limit else { continue };
        if run.binds_before(host, to) {
            // Whoever has bound a port has it, whether or not anyone was refused on the way to his destination.
            let of_host = |host| run.ports_of(HostId(host));
            let pool = cause.owners.iter().flat_map(|&host| of_host(host)).filter(|l| {
                host.0 != owner(run, l.limit) || matches!(l.limit, Limit::Ports { from: f, .. } if f == from)
            });
            cause.limit.used.peak = pool.map(|l| l.used.peak).sum();
        }
    }
    causes
}

/// The name of a cause: of its limit, or of the one thing that several are.
fn cause_name(run: Run<'_>, cause: &Cause) -> String {
    match cause.owners.len() as u64 {
        0 | 1 => name_of_one(run, cause),
        all => format!("{} and of {} like it", run.limit_name(cause.limit.limit), count(all - 1)),
    }
}

fn name_of_one(run: Run<'_>, cause: &Cause) -> String {
    let Limit::Ports { host, from, to } = cause.limit.limit else { return run.limit_name(cause.limit.limit) };
    // Destinations that nobody was refused share a pool of bound ports too.
    let shares = run.ports_of(host).filter(|l| matches!(l.limit, Limit::Ports { from: f, .. } if f == from));
    let all = shares.count();
    match run.binds_before(host, to) {
        true if all > 1 => format!(
            "ports that {} binds before connect(), one pool for all {all} destinations",
            run.host_name(host)
        ),
        false if cause.of > 1 => format!(
            "ephemeral ports of {} to {} destinations",
            run.host_name(host),
            if cause.of == all { format!("all {all}") } else { format!("{} of {all}", cause.of) }
        ),
        _ => run.limit_name(cause.limit.limit),
    }
}

/// `ephemeral ports of client to 10.0.0.2:80: 28,232 of 28,232 in TIME_WAIT from 28.232 s; ...`.
fn sentence(run: Run<'_>, cause: &Cause) -> String {
    let l = &cause.limit;
    format!("{}: {} from {}; {}.", cause_name(run, cause), holders(l), at(l.refused.first), refusals(run, l))
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
        Limit::Ports { host, to, .. } if run.binds_before(host, to) => {
            format!("{} failed with EADDRINUSE", counted(n, "bind()", "bind()s"))
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
        Limit::Threads(..) => {
            format!("{} to be accepted", counted(n, "connection had to wait", "connections had to wait"))
        }
        Limit::Workers(..) | Limit::Pool(_) => counted(n, "request had to wait", "requests had to wait"),
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
