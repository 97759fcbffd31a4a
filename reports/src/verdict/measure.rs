//! Numbers read from a summary for the verdicts: windows, values at a time, peaks.

use sim_core::errno::Errno;
use sim_core::ids::TrafficId;
use sim_core::record::{Series, TrafficSummary};
use sim_core::scenario::{Metric, Outcome, Window};
use sim_core::time::Time;

use crate::run::Run;

/// How often an outcome came in a window; `None` if the record cannot tell.
///
/// The cumulative columns hold what came before each sampling point, so a window's count is a difference of two
/// rows. A window up to the end of the run takes the final tally, which also holds what came after the last row.
pub(crate) fn in_window(run: Run<'_>, id: Option<TrafficId>, outcome: Outcome, over: Window) -> Option<u64> {
    run.sources(id)
        .map(|(traffic, _)| {
            let end = before(run, traffic, outcome, over.to)?;
            let begin = before(run, traffic, outcome, over.from)?;
            Some(end.saturating_sub(begin))
        })
        .sum()
}

/// How often an outcome of one source came before an instant.
fn before(run: Run<'_>, traffic: TrafficId, outcome: Outcome, time: Time) -> Option<u64> {
    let total = run.tally(Some(traffic), outcome);
    if time == Time::ZERO || total.count == 0 || total.first >= time {
        return Some(0);
    }
    if time >= run.summary.ended || total.last < time {
        return Some(total.count);
    }
    sampled(&run.summary.series, Metric::Outcome(traffic, outcome), time)
}

/// Whether an instant has a row.
fn has_row(series: &Series, time: Time) -> bool {
    let step = series.interval.0;
    step > 0 && time.0.is_multiple_of(step) && time.0 / step < series.rows as u64
}

/// The value of a column at a sampling point.
fn sampled(series: &Series, metric: Metric, time: Time) -> Option<u64> {
    let step = series.interval.0;
    if !has_row(series, time) {
        return None;
    }
    series.get(metric)?.get(usize::try_from(time.0 / step).ok()?).copied()
}

/// The value of a metric at a sampling point.
pub(super) fn value_at(run: Run<'_>, metric: Metric, time: Time) -> Option<u64> {
    if let Metric::Outcome(traffic, outcome) = metric {
        return before(run, traffic, outcome, time);
    }
    let series = &run.summary.series;
    let sample = sampled(series, metric, time);
    // A column that stayed at zero in every row is left out, even where something came and went between two rows.
    let zero = || run.gauge(metric).filter(|g| g.peak == 0 || (has_row(series, time))).map(|_| 0);
    sample.or_else(zero)
}

/// The highest value ever; of an outcome, its count.
pub(super) fn peak(run: Run<'_>, metric: Metric) -> Option<u64> {
    match metric {
        Metric::Outcome(traffic, outcome) => Some(run.tally(Some(traffic), outcome).count),
        other => run.gauge(other).map(|g| g.peak),
    }
}

/// The errors that were seen, most frequent first, as a hint beside a failed expectation.
pub(super) fn errors_seen(run: Run<'_>) -> Vec<(Errno, u64)> {
    let of = |t: &TrafficSummary| t.errors.iter().map(|e| (e.errno, e.tally.count)).collect::<Vec<_>>();
    let mut seen: Vec<(Errno, u64)> = Vec::new();
    for (errno, n) in run.summary.traffic.iter().flat_map(of).filter(|&(_, n)| n > 0) {
        match seen.iter_mut().find(|(e, _)| *e == errno) {
            Some((_, sum)) => *sum += n,
            None => seen.push((errno, n)),
        }
    }
    seen.sort_by_key(|&(errno, n)| (std::cmp::Reverse(n), errno));
    seen
}
