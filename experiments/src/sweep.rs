//! All runs of a campaign, those at hand taken as they are, the others computed.

use core::ops::ControlFlow;

use crate::campaign::{Campaign, Point, is_whole};
use crate::parallel::in_order;
use crate::record::Reading;
use crate::statistics::Estimate;

/// With which seeds each point runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Seeds {
    /// The scenario's own.
    Own,
    /// These.
    Listed(Vec<u64>),
    /// 1, 2, 3, ... until half the interval of every measure is at most this share of its mean.
    Until(f64),
}

/// No point draws more seeds than these, however wide its intervals are.
pub const MOST_SEEDS: u64 = 200;
/// An interval of fewer seeds than these is an accident.
const FEWEST_SEEDS: u64 = 4;

impl Seeds {
    /// Reads `7`, `1,5,9`, `1..20` (both ends included) or `until 2%`. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Seeds, String> {
        let wrong = || format!("`{text}` is not a choice of seeds, as in `1..20`, `1,5,9` or `until 2%`");
        let text_of = text.trim();
        if let Some(width) = text_of.strip_prefix("until") {
            let width = width.trim().trim_start_matches(['±', '+', '-', '/']);
            let percent: f64 =
                width.strip_suffix('%').and_then(|n| n.trim().parse().ok()).ok_or_else(wrong)?;
            return if percent > 0.0 && percent <= 100.0 {
                Ok(Seeds::Until(percent / 100.0))
            } else {
                Err(wrong())
            };
        }
        if let Some((low, high)) = text_of.split_once("..") {
            let (low, high): (u64, u64) =
                low.trim().parse().ok().zip(high.trim().parse().ok()).ok_or_else(wrong)?;
            if low > high || high - low >= 100_000 {
                return Err(wrong());
            }
            return Ok(Seeds::Listed((low..=high).collect()));
        }
        let mut seeds: Vec<u64> =
            text_of.split(',').map(|s| s.trim().parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let count = seeds.len();
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.len() < count {
            Err(format!("`{text}` names a seed twice"))
        } else {
            Ok(Seeds::Listed(seeds))
        }
    }
}

/// One run to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Which point.
    pub point: usize,
    /// With which seed, if not with the scenario's own.
    pub seed: Option<u64>,
}

/// What a campaign came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Swept {
    /// For each point what its runs gave, in the order of their seeds.
    pub readings: Vec<Vec<Reading>>,
    /// False if it was stopped early: then some runs are missing.
    pub complete: bool,
}

impl Swept {
    /// A measure at a point, over the seeds.
    pub fn estimate(&self, point: usize, measure: usize) -> Option<Estimate> {
        estimate(&self.readings[point], measure)
    }
}

fn estimate(readings: &[Reading], measure: usize) -> Option<Estimate> {
    let values: Vec<f64> = readings.iter().filter_map(|r| r.values.get(measure).copied().flatten()).collect();
    Estimate::of(&values)
}

/// The runs that are certain to be needed; with `until`, those of the first round.
pub fn tasks(campaign: &Campaign, seeds: &Seeds) -> Vec<Task> {
    let seeds: Vec<Option<u64>> = match seeds {
        Seeds::Own => vec![None],
        Seeds::Listed(listed) => listed.iter().copied().map(Some).collect(),
        Seeds::Until(_) => (1..=FEWEST_SEEDS).map(Some).collect(),
    };
    let of_point = |point| seeds.iter().map(move |&seed| Task { point, seed });
    (0..campaign.points.len()).flat_map(of_point).collect()
}

/// Obtains the reading of every run, on so many threads, and tells `done` of each in order: how many of how many known
/// so far. `obtain` gives nothing when the work shall end. Neither the readings nor their order depend on the number
/// of threads, nor on which of them were at hand.
pub fn sweep(
    campaign: &Campaign,
    seeds: &Seeds,
    jobs: usize,
    obtain: impl Fn(&Point, Task) -> Option<Reading> + Sync,
    mut done: impl FnMut(usize, usize),
) -> Swept {
    let mut swept = Swept { readings: vec![Vec::new(); campaign.points.len()], complete: true };
    let mut round = tasks(campaign, seeds);
    let (mut before, mut drawn) = (0, FEWEST_SEEDS);
    loop {
        let total = before + round.len();
        let mut next = 0;
        let stopped = in_order(
            &round,
            jobs,
            |&task| obtain(&campaign.points[task.point], task),
            |reading| {
                let Some(reading) = reading else { return ControlFlow::Break(()) };
                swept.readings[round[next].point].push(reading);
                next += 1;
                done(before + next, total);
                ControlFlow::Continue(())
            },
        );
        if stopped.is_some() {
            swept.complete = false;
            return swept;
        }
        before = total;
        let Seeds::Until(width) = seeds else { return swept };
        // Half as many again each time, for the points whose intervals are still too wide.
        let more = (drawn / 2).min(MOST_SEEDS - drawn);
        let wide = |point: &usize| !is_narrow(campaign, &swept.readings[*point], *width);
        let wide: Vec<usize> = (0..campaign.points.len()).filter(wide).collect();
        round = wide
            .iter()
            .flat_map(|&point| (drawn + 1..=drawn + more).map(move |n| Task { point, seed: Some(n) }))
            .collect();
        drawn += more;
        if round.is_empty() {
            return swept;
        }
    }
}

/// Whether the interval of every number is narrow enough. What holds or does not is no such number.
fn is_narrow(campaign: &Campaign, readings: &[Reading], width: f64) -> bool {
    let numbers = campaign.measures.iter().enumerate().filter(|(_, m)| !is_whole(m));
    numbers.map(|(i, _)| estimate(readings, i)).all(|e| e.is_none_or(|e| e.is_within(width)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Axis;
    use crate::campaign::combinations;
    use crate::run::Run;

    fn campaign() -> Campaign {
        let base = Run::bundled(*scenarios::bundled("ports-run-out").expect("it is bundled"));
        let scenario = base.load().expect("it loads").scenario;
        let axes = vec![Axis::parse("n=1,2,3", &scenario).expect("an axis")];
        let measures = vec!["share(\"failed\")".to_owned()];
        Campaign { base, points: combinations(&axes), axes, measures }
    }

    /// The third point scatters by 10 % of its value, the others not at all.
    fn reading(point: &Point, seed: u64) -> Reading {
        let scatter = if point.choice[0] == 2 && seed.is_multiple_of(2) { 20.0 } else { 0.0 };
        let value = 100.0 * point.choice[0] as f64 + scatter;
        Reading { seed, values: vec![Some(value)], bound_first: None, digest: String::new(), events: seed }
    }

    #[test]
    fn seeds_are_read() {
        assert_eq!(Seeds::parse("1..4"), Ok(Seeds::Listed(vec![1, 2, 3, 4])));
        assert_eq!(Seeds::parse("9, 5,1"), Ok(Seeds::Listed(vec![1, 5, 9])));
        assert_eq!(Seeds::parse("until ±2%"), Ok(Seeds::Until(0.02)));
        assert_eq!(Seeds::parse("until 0.5%"), Ok(Seeds::Until(0.005)));
        for text in ["", "4..1", "a", "until", "until 2", "until 0%", "1,1", "-1"] {
            assert!(Seeds::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn readings_stand_in_order_whatever_the_threads_do() {
        let seeds = Seeds::Listed(vec![3, 5, 8]);
        let run = |jobs| {
            let mut told = Vec::new();
            let obtain = |p: &Point, t: Task| Some(reading(p, t.seed.unwrap_or(0)));
            let swept = sweep(&campaign(), &seeds, jobs, obtain, |n, of| told.push((n, of)));
            assert_eq!(told, (1..=9).map(|n| (n, 9)).collect::<Vec<_>>());
            swept
        };
        let one = run(1);
        assert_eq!(one.readings[1].iter().map(|r| r.seed).collect::<Vec<_>>(), [3, 5, 8]);
        assert_eq!(one, run(4));
    }

    #[test]
    fn only_points_that_scatter_draw_more_seeds() {
        let obtain = |p: &Point, t: Task| Some(reading(p, t.seed.unwrap_or(0)));
        let swept = sweep(&campaign(), &Seeds::Until(0.02), 2, obtain, |_, _| ());
        let counts: Vec<_> = swept.readings.iter().map(Vec::len).collect();
        assert_eq!(counts[..2], [4, 4]);
        assert!(counts[2] > 10 && counts[2] < 200, "{counts:?}");
        assert!(swept.estimate(2, 0).expect("there are numbers").is_within(0.02));
    }

    #[test]
    fn what_never_gets_narrow_ends_at_the_most_seeds() {
        let obtain = |p: &Point, t: Task| Some(reading(p, t.seed.unwrap_or(0)));
        let swept = sweep(&campaign(), &Seeds::Until(1e-9), 2, obtain, |_, _| ());
        assert_eq!(swept.readings[2].len() as u64, MOST_SEEDS);
        assert!(swept.complete);
    }

    #[test]
    fn stopped_early_it_has_what_was_done() {
        let obtain = |p: &Point, t: Task| (p.choice[0] < 1).then(|| reading(p, t.seed.unwrap_or(0)));
        let swept = sweep(&campaign(), &Seeds::Listed(vec![1, 2]), 1, obtain, |_, _| ());
        assert!(!swept.complete);
        assert_eq!(swept.readings.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 0]);
    }
}
