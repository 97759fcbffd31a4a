//! Sockets by state, and the limits that stop them.

use sim_core::ids::HostId;
use sim_core::record::LimitSummary;
use sim_core::scenario::{Check, Limit, Metric};
use sim_core::tcp::State;

use super::palette;
use super::panel::{Curve, LimitLine, Measure, Panel, thinned};
use crate::run::Run;
use crate::words;

/// Curves this much lower than the highest get a panel of their own: beside it they would lie on the axis.
const SMALL: f64 = 20.0;
/// More curves than this in a panel cannot be told apart.
const MOST: usize = 6;
/// Dashes tell so many hosts apart; where more differ, each has a panel.
const DASHES: usize = 4;
/// More limits than this have no room for their labels in a panel.
const MOST_LIMITS: usize = 3;

/// What is counted of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Sockets(State),
    /// Descriptors, where an expectation speaks of them.
    Files,
}

/// A number of some hosts, which are alike.
struct Population {
    hosts: Vec<HostId>,
    counted: Counted,
    /// The same number under another name.
    also: Option<Counted>,
    peak: u64,
    values: Vec<u64>,
    exact: bool,
}

impl Population {
    /// The column that it is.
    fn metric(&self) -> Metric {
        match self.counted {
            Counted::Sockets(state) => Metric::Sockets(self.hosts[0], state),
            Counted::Files => Metric::OpenFiles(self.hosts[0]),
        }
    }
}

/// What is large, and what is small beside it but moves with what happens.
pub(super) fn panels(run: Run<'_>) -> Vec<Panel> {
    curves(run).into_iter().map(|(panel, _)| panel).collect()
}

/// A panel, and its curves each with the column that it is and the host that it is of.
type Columns = (Panel, Vec<(Curve, Metric, HostId)>);

/// The panels with the columns that their curves are.
pub(super) fn curves(run: Run<'_>) -> Vec<Columns> {
    let mut all = populations(run);
    all.sort_by_key(|p| core::cmp::Reverse(p.peak));
    let highest = all.first().map_or(0, |p| p.peak) as f64;
    let (large, small): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|p| p.counted == Counted::Files || p.peak as f64 * SMALL >= highest);
    let mut hosts: Vec<HostId> = large.iter().map(|p| p.hosts[0]).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let with_columns = |shown: &[&Population], host: Option<HostId>| {
        let panel = panel(run, shown, host);
        let columns = panel.curves.iter().cloned().zip(shown);
        let columns = columns.map(|(curve, p)| (curve, p.metric(), p.hosts[0])).collect();
        (panel, columns)
    };
    let mut panels: Vec<Columns> = if hosts.len() > DASHES {
        let of = |host: HostId| large.iter().filter(move |p| p.hosts[0] == host).collect::<Vec<_>>();
        hosts.iter().take(MOST).map(|&h| with_columns(&of(h), Some(h))).collect()
    } else {
        vec![with_columns(&large.iter().collect::<Vec<_>>(), None)]
    };
    let moving: Vec<_> = small.iter().filter(|p| moves(p)).collect();
    if !moving.is_empty() {
        let (panel, columns) = with_columns(&moving, None);
        let heading = "The smaller populations that moved".to_owned();
        panels.push((Panel { heading, limits: Vec::new(), weight: 0.6, ..panel }, columns));
    }
    panels
}

/// Whether a population rises or falls by half of its height and is more than noise: its ups and downs add up to no more than a
/// few times its height.
fn moves(p: &Population) -> bool {
    let (least, most) = (p.values.iter().min().unwrap_or(&0), p.values.iter().max().unwrap_or(&0));
    let way: u64 = p.values.windows(2).map(|w| w[0].abs_diff(w[1])).sum();
    *most >= 10 && (most - least) * 2 >= *most && way <= most * 8
}

fn panel(run: Run<'_>, shown: &[&Population], host: Option<HostId>) -> Panel {
    let files = shown.iter().any(|p| p.counted == Counted::Files);
    let no_time_wait = run.summary.hosts.iter().all(|h| h.state(State::TimeWait).peak == 0);
    let mut heading = match host {
        Some(host) => format!("Sockets of {} by state", run.host_name(host)),
        None if files => "Sockets by state, and open descriptors".to_owned(),
        None => "Sockets by state".to_owned(),
    };
    if no_time_wait && host.is_none() {
        heading.push_str(" (no TIME_WAIT in this run)");
    }
    let more = shown.len().saturating_sub(MOST);
    if more > 0 {
        heading = format!("{heading} (and {})", words::counted(more as u64, "lower curve", "lower curves"));
    }
    let shown = &shown[..shown.len().min(MOST)];
    Panel {
        curves: shown.iter().map(|p| curve(run, p)).collect(),
        limits: limits(run, shown),
        empty: "no sockets but listening ones whenever a sample was taken",
        weight: 1.2,
        ..Panel::lines(heading, if files { "number" } else { "sockets" }, Measure::Count)
    }
}

/// Every number that was ever above zero at a sampling point. Hosts whose sockets come and go together share one: their
/// curves would hide each other.
fn populations(run: Run<'_>) -> Vec<Population> {
    let series = &run.summary.series;
    let mut populations: Vec<Population> = Vec::new();
    for (&metric, values) in &series.columns {
        let (host, counted) = match metric {
            Metric::Sockets(_, State::Listen) => continue,
            Metric::Sockets(host, state) => (host, Counted::Sockets(state)),
            Metric::OpenFiles(host) if claims(run, metric) => (host, Counted::Files),
            _ => continue,
        };
        if values.iter().all(|&v| v == 0) {
            continue;
        }
        let peak = run.gauge(metric).map_or(0, |g| g.peak);
        let apart = |p: &Population| p.values.iter().zip(values).map(|(a, b)| a.abs_diff(*b)).max();
        let known = populations.iter_mut().find(|p| {
            let near = p.peak.max(peak) * 3 / 100;
            p.counted == counted && p.peak.abs_diff(peak) <= near && apart(p).unwrap_or(0) <= near
        });
        if let Some(p) = known {
            p.hosts.push(host);
            p.exact &= p.values == *values;
            p.peak = p.peak.max(peak);
            continue;
        }
        // Each descriptor a socket in one state: one curve says both.
        let twin = populations
            .iter_mut()
            .find(|p| counted == Counted::Files && p.hosts == [host] && p.values == *values);
        if let Some(p) = twin {
            p.also = Some(counted);
            continue;
        }
        populations.push(Population {
            hosts: vec![host],
            counted,
            also: None,
            peak,
            values: values.clone(),
            exact: true,
        });
    }
    // A column that stayed at zero is not in the series; where somebody claims that it does, it is drawn.
    for (host, summary) in (0u16..).map(HostId).zip(&run.summary.hosts) {
        let metric = Metric::OpenFiles(host);
        if claims(run, metric) && !series.columns.contains_key(&metric) && !populations.is_empty() {
            populations.push(Population {
                hosts: vec![host],
                counted: Counted::Files,
                also: None,
                peak: summary.open_files.peak,
                values: vec![0; series.rows],
                exact: true,
            });
        }
    }
    populations
}

/// Whether an expectation speaks of a number.
fn claims(run: Run<'_>, metric: Metric) -> bool {
    run.scenario.expect.iter().any(|e| match e.check {
        Check::Peak(claimed, _) | Check::At(claimed, ..) => claimed == metric,
        _ => false,
    })
}

fn curve(run: Run<'_>, p: &Population) -> Curve {
    let series = &run.summary.series;
    let what = |counted: Counted| match counted {
        Counted::Sockets(state) => state.name().to_owned(),
        Counted::Files => "open descriptors".to_owned(),
    };
    let also = p.also.map(|also| format!(" and {}", what(also))).unwrap_or_default();
    let each = match (p.hosts.len(), p.exact) {
        (1, _) => "",
        (_, true) => " each",
        (_, false) => " each, nearly alike",
    };
    let points = p.values.iter().enumerate().map(|(row, &v)| (series.time(row).0 as f64 / 1e9, v as f64));
    Curve {
        name: format!(
            "{} {}{also}, peak {}{each}",
            hosts(run, &p.hosts),
            what(p.counted),
            words::count(p.peak)
        ),
        color: match p.counted {
            Counted::Sockets(state) => palette::state(state),
            Counted::Files => palette::INK,
        },
        dash: palette::dash(run, p.hosts[0]),
        points: thinned(points.collect()),
    }
}

/// `client`, `client and server`, `pod-1 and 9 more`.
fn hosts(run: Run<'_>, hosts: &[HostId]) -> String {
    match hosts {
        [one] => run.host_name(*one).to_owned(),
        [one, other] => format!("{} and {}", run.host_name(*one), run.host_name(*other)),
        [one, ..] => format!("{} and {} more", run.host_name(*one), hosts.len() - 1),
        [] => String::new(),
    }
}

/// The limits that can stop what is drawn, if it came near them.
fn limits(run: Run<'_>, shown: &[&Population]) -> Vec<LimitLine> {
    let mut lines: Vec<(u64, String, bool)> = Vec::new();
    for l in run.summary.limits.iter().filter(|l| l.used.peak > 0) {
        let Some((host, state)) = stopped(run, l) else { continue };
        let Some(p) = shown.iter().find(|p| p.hosts.contains(&host) && p.counted == Counted::Sockets(state))
        else {
            continue;
        };
        // What stands above a limit was not stopped by it.
        if p.peak <= l.capacity && l.capacity * 10 <= p.peak * 17 {
            let name = match l.limit {
                Limit::Ports { host, to, .. } if run.binds_before(host, to) => {
                    format!("ports that {} binds before connect()", run.host_name(host))
                }
                limit => run.limit_name(limit).replacen("ephemeral ", "", 1),
            };
            let same =
                lines.iter_mut().find(|(capacity, ..)| *capacity == l.capacity && l.refused.count == 0);
            if same.is_none() {
                lines.push((l.capacity, name, l.refused.count > 0));
            }
        }
    }
    // Those that refused something, then those nearest to the data tell most.
    lines.sort_by_key(|&(capacity, _, refused)| (!refused, capacity));
    lines.truncate(MOST_LIMITS);
    let line = |(capacity, name, _): (u64, String, bool)| LimitLine {
        value: capacity as f64,
        text: format!("limit {}: {name}", words::count(capacity)),
    };
    lines.into_iter().map(line).collect()
}

/// Which population a limit stops.
pub(super) fn stopped(run: Run<'_>, l: &LimitSummary) -> Option<(HostId, State)> {
    match l.limit {
        Limit::TwBuckets(host) => Some((host, State::TimeWait)),
        Limit::SynQueue(host, _) if run.host(host)?.listen.len() == 1 => Some((host, State::SynRecv)),
        Limit::OpenFiles(host) => Some((host, holder(run, l, host)?)),
        // Towards several destinations a curve counts the sockets of all, and no limit is on their sum.
        // But ports that are bound before connect() are one pool for all.
        Limit::Ports { host, from, to } if run.binds_before(host, to) => {
            let of_pool = |m: &&LimitSummary| matches!(m.limit, Limit::Ports { from: f, .. } if f == from);
            let first = run.ports_of(host).find(of_pool).is_some_and(|m| m.limit == l.limit);
            if first { Some((host, holder(run, l, host)?)) } else { None }
        }
        Limit::Ports { host, .. } => {
            let alone = run.ports_of(host).filter(|m| m.used.peak > 0).take(2).count() == 1;
            if alone { Some((host, holder(run, l, host)?)) } else { None }
        }
        _ => None,
    }
}

/// The state of nearly all sockets that hold a limit: at its first refusal, or else of the most.
fn holder(run: Run<'_>, l: &LimitSummary, host: HostId) -> Option<State> {
    let all: u64 = l.held_by.iter().map(|(_, n)| n).sum();
    if let Some((state, n)) = l.held_by.first() {
        return (n * 10 >= all * 9).then_some(*state);
    }
    let summary = run.summary.hosts.get(host.index())?;
    let peak = |state: &&State| summary.state(**state).peak;
    let held = State::ALL.iter().filter(|s| !matches!(s, State::Listen | State::Closed));
    held.filter(|s| peak(s) <= l.capacity).max_by_key(peak).copied()
}
