//! Sockets by state, against the limits that hold them.

use sim_core::ids::HostId;
use sim_core::record::LimitSummary;
use sim_core::scenario::{Limit, Metric};
use sim_core::tcp::State;

use super::palette;
use super::panel::{Curve, Kind, LimitLine, Measure, Panel, thinned};
use crate::run::Run;
use crate::words;

/// Curves this much lower than the highest get a panel of their own: beside it they would lie on the axis.
const SMALL: f64 = 20.0;
/// More curves than this in a panel cannot be told apart.
const MOST: usize = 8;
/// Up to so many hosts are told apart by dashes.
const FEW_HOSTS: usize = 2;
/// More limits than this have no room for their labels beside a panel.
const MOST_LIMITS: usize = 5;

/// One panel, or two if the populations differ too much in size.
pub(super) fn panels(run: Run<'_>) -> Vec<Panel> {
    let mut curves = curves(run);
    let highest = curves.iter().map(|(_, c)| c.highest()).fold(0.0, f64::max);
    curves.sort_by(|a, b| b.1.highest().total_cmp(&a.1.highest()));
    let (large, small): (Vec<_>, Vec<_>) =
        curves.into_iter().partition(|(_, c)| c.highest() * SMALL >= highest);
    let mut panels = vec![panel(run, large, false)];
    if !small.is_empty() {
        panels.push(panel(run, small, true));
    }
    panels
}

fn panel(run: Run<'_>, curves: Vec<(HostId, Curve)>, small: bool) -> Panel {
    let hosts: Vec<HostId> = curves.iter().map(|c| c.0).collect();
    let highest = curves.iter().map(|c| c.1.highest()).fold(0.0, f64::max);
    let no_time_wait = run.summary.hosts.iter().all(|h| h.state(State::TimeWait).peak == 0);
    let mut heading = match (small, no_time_wait) {
        (true, _) => "Sockets by state, the small populations",
        (false, false) => "Sockets by state",
        (false, true) => "Sockets by state (no TIME_WAIT sockets in this run)",
    }
    .to_owned();
    let more = curves.len().saturating_sub(MOST);
    if more > 0 {
        heading = format!("{heading} (and {})", words::counted(more as u64, "lower curve", "lower curves"));
    }
    Panel {
        heading,
        unit: "sockets".to_owned(),
        measure: Measure::Count,
        kind: Kind::Lines,
        curves: curves.into_iter().take(MOST).map(|c| c.1).collect(),
        outline: None,
        limits: if small { Vec::new() } else { limits(run, &hosts, highest) },
        empty: "no sockets but listening ones whenever a sample was taken",
        height: if small { 120.0 } else { 300.0 },
    }
}

/// A curve for each host and state in which there was ever a socket at a sampling point. Hosts whose sockets come and
/// go together share one: their curves would hide each other.
fn curves(run: Run<'_>) -> Vec<(HostId, Curve)> {
    struct Population<'a> {
        hosts: Vec<HostId>,
        state: State,
        peak: u64,
        values: &'a [u64],
    }
    let series = &run.summary.series;
    let mut populations: Vec<Population<'_>> = Vec::new();
    let mut hosts: Vec<HostId> = Vec::new();
    let mut states: Vec<State> = Vec::new();
    for (&metric, values) in &series.columns {
        let Metric::Sockets(host, state) = metric else { continue };
        if state == State::Listen || values.iter().all(|&v| v == 0) {
            continue;
        }
        if !hosts.contains(&host) {
            hosts.push(host);
        }
        if !states.contains(&state) {
            states.push(state);
        }
        let peak = run.gauge(metric).map_or(0, |g| g.peak);
        let same = |p: &&mut Population<'_>| p.state == state && p.peak == peak && p.values == values;
        match populations.iter_mut().find(same) {
            Some(p) => p.hosts.push(host),
            None => populations.push(Population { hosts: vec![host], state, peak, values }),
        }
    }
    let curve = |p: Population<'_>| {
        let first = p.hosts[0];
        let order = hosts.iter().position(|&h| h == first).unwrap_or(0);
        // A colour for each state and a dash for each host; among many hosts, the other way round.
        let (color, dash) = if hosts.len() <= FEW_HOSTS {
            (palette::state(p.state), palette::HOSTS[order % palette::HOSTS.len()])
        } else {
            let state = State::ALL.iter().rev().filter(|s| states.contains(s)).position(|&s| s == p.state);
            let dash = palette::HOSTS[state.unwrap_or(0) % palette::HOSTS.len()];
            (palette::SERIES[order % palette::SERIES.len()], dash)
        };
        let names: Vec<_> = p.hosts.iter().map(|&h| run.host_name(h)).collect();
        let each = if names.len() > 1 { " each" } else { "" };
        let points = p.values.iter().enumerate().map(|(row, &v)| (series.time(row).0 as f64 / 1e9, v as f64));
        let curve = Curve {
            name: format!("{} {}, peak {}{each}", names.join(" and "), p.state, words::count(p.peak)),
            color,
            dash,
            points: thinned(points.collect()),
        };
        (first, curve)
    };
    populations.into_iter().map(curve).collect()
}

/// The limits of these hosts that lie near enough to the data to be drawn beside it.
fn limits(run: Run<'_>, hosts: &[HostId], highest: f64) -> Vec<LimitLine> {
    let mut lines: Vec<LimitLine> = Vec::new();
    for &host in hosts {
        let mut of_host = ports(run, host);
        let others = run.summary.limits.iter().filter(|l| match l.limit {
            Limit::TwBuckets(h)
            | Limit::Orphans(h)
            | Limit::OpenFiles(h)
            | Limit::AcceptQueue(h, _)
            | Limit::SynQueue(h, _)
            | Limit::Threads(h, _)
            | Limit::Workers(h, _) => h == host,
            Limit::Pool(_) | Limit::Ports { .. } | Limit::Conntrack(_) => false,
        });
        of_host.extend(others.filter(|l| l.used.peak > 0).map(|l| line(run.limit_name(l.limit), l.capacity)));
        for candidate in of_host {
            let near = candidate.value <= highest * 1.7 && candidate.value * 3.0 >= highest;
            let known = lines.iter().any(|l| l.name == candidate.name);
            if near && !known {
                lines.push(candidate);
            }
        }
    }
    // Those nearest to the data tell most.
    lines.sort_by(|a, b| a.value.total_cmp(&b.value));
    lines.truncate(MOST_LIMITS);
    lines
}

fn line(name: String, capacity: u64) -> LimitLine {
    LimitLine { value: capacity as f64, number: format!("limit {}", words::count(capacity)), name }
}

/// The ports of a host: towards one destination a limit of its own, towards several their sum, since the curves
/// count the sockets of all.
fn ports(run: Run<'_>, host: HostId) -> Vec<LimitLine> {
    let of_host = |l: &&LimitSummary| matches!(l.limit, Limit::Ports { host: h, .. } if h == host);
    let used: Vec<_> = run.summary.limits.iter().filter(of_host).filter(|l| l.used.peak > 0).collect();
    match used.as_slice() {
        [] => Vec::new(),
        [one] => vec![line(run.limit_name(one.limit).replacen("ephemeral ", "", 1), one.capacity)],
        many => {
            let name = format!("ports of {} to {} destinations", run.host_name(host), many.len());
            vec![line(name, many.iter().map(|l| l.capacity).sum())]
        }
    }
}
