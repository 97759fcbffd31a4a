//! How full each finite thing is, in per cent of its limit.

use sim_core::ids::HostId;
use sim_core::record::LimitSummary;
use sim_core::scenario::{Limit, Metric};

use super::palette;
use super::panel::{Curve, LimitLine, Measure, Panel, thinned};
use crate::run::Run;
use crate::words;

/// More curves than this cannot be told apart; the fullest are shown.
const MOST: usize = 6;
/// Limits whose fullness never differs by more than this part of the whole share one curve.
const ALIKE: f64 = 0.03;

/// Limits that fill and empty together.
struct Group<'a> {
    limits: Vec<&'a LimitSummary>,
    shares: Vec<f64>,
    highest: f64,
}

/// The panel.
pub(super) fn panel(run: Run<'_>) -> Panel {
    curves(run).0
}

/// The panel, and the limit whose column each curve is.
pub(super) fn curves(run: Run<'_>) -> (Panel, Vec<&LimitSummary>) {
    let mut groups = groups(run);
    groups.sort_by(|a, b| b.highest.total_cmp(&a.highest));
    // A limit that is all but untouched is only drawn if none is more than that.
    if groups.iter().any(|g| g.highest >= 0.01) {
        groups.retain(|g| g.highest >= 0.01);
    }
    let more = groups.len().saturating_sub(MOST);
    let series = &run.summary.series;
    let curve = |(i, g): (usize, &Group<'_>)| Curve {
        name: name(run, &g.limits),
        color: palette::SERIES[i % palette::SERIES.len()],
        dash: run.limit_host(g.limits[0].limit).map_or(palette::SOLID, |host| palette::dash(run, host)),
        points: thinned(
            g.shares
                .iter()
                .enumerate()
                .map(|(row, s)| (series.time(row).0 as f64 / 1e9, s * 100.0))
                .collect(),
        ),
    };
    let curves: Vec<_> = groups.iter().take(MOST).enumerate().map(curve).collect();
    let heading = match more {
        0 => "How full the limits are".to_owned(),
        n => format!("How full the limits are (the {MOST} fullest; {n} more lie lower)"),
    };
    let full = LimitLine { value: 100.0, text: "100%: the limit".to_owned() };
    let limits = groups.iter().take(MOST).map(|g| g.limits[0]).collect();
    let panel = Panel {
        limits: if curves.is_empty() { Vec::new() } else { vec![full] },
        curves,
        empty: "no limit was touched whenever a sample was taken",
        ..Panel::lines(heading, "in use", Measure::Percent)
    };
    (panel, limits)
}

/// The limits that were ever at least half full.
pub(super) fn in_play(run: Run<'_>) -> impl Iterator<Item = Limit> {
    run.summary.limits.iter().filter(|l| l.used.peak * 2 >= l.capacity && l.used.peak > 0).map(|l| l.limit)
}

fn groups(run: Run<'_>) -> Vec<Group<'_>> {
    let series = &run.summary.series;
    let mut groups: Vec<Group<'_>> = Vec::new();
    for l in run.summary.limits.iter().filter(|l| l.capacity > 0 && l.used.peak > 0) {
        let Some(values) = series.get(Metric::Used(l.limit)) else { continue };
        let part = |v: u64| v as f64 / l.capacity as f64;
        let shares: Vec<f64> = values.iter().map(|&v| part(v)).collect();
        let highest = part(l.used.peak);
        let same = |g: &&mut Group<'_>| {
            kind(g.limits[0].limit) == kind(l.limit)
                && (g.highest - highest).abs() <= ALIKE
                && g.shares.iter().zip(&shares).all(|(a, b)| (a - b).abs() <= ALIKE)
        };
        match groups.iter_mut().find(same) {
            Some(group) => {
                group.limits.push(l);
                group.highest = group.highest.max(highest);
            }
            None => groups.push(Group { limits: vec![l], shares, highest }),
        }
    }
    groups
}

/// Only limits of one kind are said to be alike.
fn kind(limit: Limit) -> core::mem::Discriminant<Limit> {
    core::mem::discriminant(&limit)
}

fn name(run: Run<'_>, limits: &[&LimitSummary]) -> String {
    let fullest = limits.iter().max_by_key(|l| l.used.peak).expect("a group has a limit");
    let (peak, capacity) = (words::count(fullest.used.peak), words::count(fullest.capacity));
    let first = run.limit_name(limits[0].limit);
    match (limits, limits[0].limit) {
        ([_], _) => format!("{first}, peak {peak} of {capacity}"),
        (_, Limit::Ports { host, .. }) => {
            let mut hosts: Vec<HostId> = limits.iter().filter_map(|l| run.limit_host(l.limit)).collect();
            hosts.sort_unstable();
            hosts.dedup();
            let of = run.host_name(host);
            let whose = match hosts.len() {
                1 => format!("{of} to {} destinations", limits.len()),
                n => {
                    let others = words::counted(n as u64 - 1, "other host", "other hosts");
                    format!("{of} and {others} to {}", destinations(limits))
                }
            };
            format!("ports of {whose} alike, at most {peak} of {capacity} each")
        }
        ([_, second], _) => {
            format!("{first} and {} alike, at most {peak} of {capacity}", run.limit_name(second.limit))
        }
        _ => format!("{first} and {} more alike, at most {peak} of {capacity} each", limits.len() - 1),
    }
}

/// `10.0.0.2:80`, `10.0.0.2:80 and 8 more`.
fn destinations(limits: &[&LimitSummary]) -> String {
    let to = |l: &&LimitSummary| if let Limit::Ports { to, .. } = l.limit { Some(to) } else { None };
    let all: std::collections::BTreeSet<_> = limits.iter().filter_map(to).collect();
    match (all.first(), all.len()) {
        (Some(one), 1) => one.to_string(),
        (Some(first), n) => format!("{first} and {} more", n - 1),
        (None, _) => String::new(),
    }
}
