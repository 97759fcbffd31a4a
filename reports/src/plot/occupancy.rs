//! How full each finite thing is, in per cent of its limit.

use sim_core::scenario::Metric;

use super::palette;
use super::panel::{Curve, Kind, LimitLine, Measure, Panel, thinned};
use crate::run::Run;
use crate::words;

/// More curves than this cannot be told apart; the fullest are shown.
const MOST: usize = 8;

/// The panel.
pub(super) fn panel(run: Run<'_>) -> Panel {
    let series = &run.summary.series;
    let mut touched: Vec<_> = run
        .summary
        .limits
        .iter()
        .filter(|l| l.capacity > 0 && l.used.peak > 0)
        .filter_map(|l| series.get(Metric::Used(l.limit)).map(|values| (l, values)))
        .collect();
    // A stable sort: equally full limits stay in their order.
    let fullness = |peak: u64, capacity: u64| peak as f64 / capacity as f64;
    touched.sort_by(|a, b| {
        fullness(b.0.used.peak, b.0.capacity).total_cmp(&fullness(a.0.used.peak, a.0.capacity))
    });
    // A limit that is all but untouched is only drawn if none is more than that.
    let in_play = |peak: u64, capacity: u64| peak.saturating_mul(100) >= capacity;
    if touched.iter().any(|(l, _)| in_play(l.used.peak, l.capacity)) {
        touched.retain(|(l, _)| in_play(l.used.peak, l.capacity));
    }
    let more = touched.len().saturating_sub(MOST);
    let curves: Vec<_> = touched
        .iter()
        .take(MOST)
        .enumerate()
        .map(|(i, (l, values))| {
            let share =
                |(row, &v): (usize, &u64)| (series.time(row).0 as f64 / 1e9, fullness(v, l.capacity) * 100.0);
            Curve {
                name: format!(
                    "{}, peak {} of {}",
                    run.limit_name(l.limit),
                    words::count(l.used.peak),
                    words::count(l.capacity)
                ),
                color: palette::SERIES[i],
                dash: palette::HOSTS[i % palette::HOSTS.len()],
                points: thinned(values.iter().enumerate().map(share).collect()),
            }
        })
        .collect();
    let heading = match more {
        0 => "How full the limits are".to_owned(),
        n => format!("How full the limits are (the {MOST} fullest; {n} more lie lower)"),
    };
    let full = LimitLine { value: 100.0, number: "100%".to_owned(), name: "the limit".to_owned() };
    Panel {
        heading,
        unit: "in use".to_owned(),
        measure: Measure::Percent,
        kind: Kind::Lines,
        limits: if curves.is_empty() { Vec::new() } else { vec![full] },
        curves,
        outline: None,
        empty: "no limit was touched whenever a sample was taken",
        height: 220.0,
    }
}
