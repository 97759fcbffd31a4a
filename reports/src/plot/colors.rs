//! What pages share with pictures: colours, dashes, which populations are shown, limits, and marked moments.

use sim_core::ids::{HostId, TrafficId};
use sim_core::scenario::{Metric, Outcome};

use super::palette::{self, Color, Ground};
use super::panel::LimitLine;
use super::{latency, marks, occupancy, outcomes, populations};
use crate::run::Run;

/// A colour on a light ground and on a dark one, as pages write it.
pub(crate) type Hex = [String; 2];

fn hex(color: Color) -> Hex {
    [Ground::Light, Ground::Dark].map(|ground| {
        let (r, g, b) = ground.color(color);
        format!("#{r:02x}{g:02x}{b:02x}")
    })
}

/// An outcome's colour.
pub(crate) fn outcome(outcome: Outcome) -> Hex {
    hex(match outcome {
        Outcome::Attempted | Outcome::Requested => palette::INK,
        Outcome::Failed | Outcome::Abandoned => palette::ALARM,
        Outcome::Error(errno) => palette::errno(errno),
        _ => palette::SUCCESS,
    })
}

/// What has no outcome yet.
pub(crate) fn pending() -> Hex {
    hex(palette::FRAME)
}

/// Whether latency is what hurts or what is claimed.
pub(crate) fn latency_is_felt(run: Run<'_>) -> bool {
    latency::symptom(run).is_some()
}

/// Of a latency: the median, or the slowest.
pub(crate) fn latency_quantile(slowest: bool) -> Hex {
    hex(if slowest { palette::SLOWEST } else { palette::MEDIAN })
}

/// The colour of the n-th thing without one of its own.
pub(crate) fn series(n: usize) -> Hex {
    hex(palette::SERIES[n % palette::SERIES.len()])
}

/// Sources that are looked at together; one of all where there are many.
pub(crate) fn groups(run: Run<'_>) -> Vec<(&str, Vec<TrafficId>)> {
    const MOST: usize = 4;
    let all: Vec<TrafficId> = run.sources(None).map(|(id, _)| id).collect();
    let groups = outcomes::groups(run, &all);
    if groups.len() > MOST { vec![("all", all)] } else { groups }
}

/// The dash of a host, as SVG writes it.
pub(crate) fn dash(run: Run<'_>, host: HostId) -> String {
    palette::dash(run, host).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// A curve of the time series.
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) metric: Metric,
    pub(crate) color: Hex,
    pub(crate) dash: String,
    /// Of a limit: how much there is.
    pub(crate) of: Option<u64>,
}

/// Curves under a heading, and the limits that can stop what is drawn.
pub(crate) type Group = (String, Vec<Shown>, Vec<(f64, String)>);

/// Populations, each panel with its heading and the limits that can stop what is in it.
pub(crate) fn populations(run: Run<'_>) -> Vec<Group> {
    let line = |l: LimitLine| (l.value, l.text);
    let shown = |(curve, metric, host): (super::panel::Curve, Metric, HostId)| Shown {
        name: curve.name,
        metric,
        color: hex(curve.color),
        dash: dash(run, host),
        of: None,
    };
    populations::curves(run)
        .into_iter()
        .map(|(panel, curves)| {
            let limits = panel.limits.into_iter().map(line).collect();
            (panel.heading, curves.into_iter().map(shown).collect(), limits)
        })
        .collect()
}

/// How full the limits are.
pub(crate) fn occupancy(run: Run<'_>) -> (String, Vec<Shown>) {
    let (panel, limits) = occupancy::curves(run);
    let shown = panel.curves.into_iter().zip(limits).map(|(curve, l)| Shown {
        name: curve.name,
        metric: Metric::Used(l.limit),
        color: hex(curve.color),
        dash: run.limit_host(l.limit).map(|host| dash(run, host)).unwrap_or_default(),
        of: Some(l.capacity),
    });
    (panel.heading, shown.collect())
}

/// The moments that are marked, in seconds, with their names.
pub(crate) fn moments(run: Run<'_>) -> Vec<(f64, String)> {
    marks::marks(run).into_iter().map(|mark| (mark.seconds, mark.text)).collect()
}
