//! The edge of what holds: the largest or smallest value of a range at which all expectations are met.

use core::ops::ControlFlow;
use std::collections::BTreeMap;

use crate::parallel::in_order;

/// Where the answer changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It holds up to the first and fails at the second, the next above.
    Largest {
        /// The last at which it holds.
        holds: u64,
        /// The next, at which it fails.
        fails: u64,
    },
    /// It fails up to the first and holds from the second on, the next above.
    Smallest {
        /// The last at which it fails.
        fails: u64,
        /// The next, at which it holds.
        holds: u64,
    },
    /// It holds wherever it was tried.
    Everywhere,
    /// It fails wherever it was tried.
    Nowhere,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// The edge; if the search was stopped, as narrow as it was by then. None if not even both ends were tried.
    pub edge: Option<Edge>,
    /// Every value that was tried, and whether it holds.
    pub tried: BTreeMap<u64, bool>,
    /// Whether the search came to its end.
    pub complete: bool,
}

impl Solution {
    /// The values that lie on the wrong side of the edge: there are none if the answer is monotone between those tried.
    pub fn astray(&self) -> Vec<u64> {
        let wrong = |at: u64, holds: bool| match self.edge {
            Some(Edge::Largest { holds: last, .. }) => holds != (at <= last),
            Some(Edge::Smallest { holds: first, .. }) => holds != (at >= first),
            _ => false,
        };
        self.tried.iter().filter(|&(&at, &holds)| wrong(at, holds)).map(|(&at, _)| at).collect()
    }
}

/// Values tried between the ends when both give the same answer, and on either side of the edge to see whether the answer
/// is monotone.
const PROBES: u64 = 7;

/// Searches `0..=steps` for the edge. `holds` is asked for two values at once where there are threads for it, and gives
/// nothing when the search shall end. Which values are tried does not depend on the number of threads.
///
/// `like` is the edge of the same question under another seed. It lies near, so that the search begins there, and a few
/// values do for it; that the answer is monotone was looked at then.
pub fn search(
    steps: u64,
    like: Option<Edge>,
    jobs: usize,
    holds: impl Fn(u64) -> Option<bool> + Sync,
) -> Solution {
    let mut search = Search { tried: BTreeMap::new(), jobs, holds };
    let complete = search.whole(steps, like).is_some();
    let edge = search.narrowest(steps);
    Solution { edge, tried: search.tried, complete }
}

struct Search<F> {
    tried: BTreeMap<u64, bool>,
    jobs: usize,
    holds: F,
}

impl<F: Fn(u64) -> Option<bool> + Sync> Search<F> {
    /// Tries values; none if the search shall end.
    fn ask(&mut self, values: &[u64]) -> Option<()> {
        let fresh: Vec<u64> = values.iter().copied().filter(|v| !self.tried.contains_key(v)).collect();
        let mut answers = fresh.iter();
        let (tried, holds) = (&mut self.tried, &self.holds);
        let stopped = in_order(
            &fresh,
            self.jobs,
            |&value| holds(value),
            |answer| {
                let (Some(answer), Some(&value)) = (answer, answers.next()) else {
                    return ControlFlow::Break(());
                };
                tried.insert(value, answer);
                ControlFlow::Continue(())
            },
        );
        stopped.is_none().then_some(())
    }

    /// Tries values between.
    fn probe(&mut self, steps: u64) -> Option<()> {
        let probes: Vec<u64> = (1..=PROBES).map(|i| part(steps, i, PROBES + 1)).collect();
        self.ask(&probes)
    }

    /// The whole search; none if it shall end before.
    fn whole(&mut self, steps: u64, like: Option<Edge>) -> Option<()> {
        match like {
            Some(Edge::Largest { holds: low, .. }) => self.around(low, true, steps)?,
            Some(Edge::Smallest { fails: low, .. }) => self.around(low, false, steps)?,
            _ => {}
        }
        if self.change().is_some() {
            return self.narrow();
        }
        self.ask(&[0, steps])?;
        if self.change().is_none() {
            self.probe(steps)?;
        }
        self.narrow()?;
        self.probe(steps)
    }

    /// Goes from a value and the next, towards where the answer changes if it holds below the edge (or above it), in steps
    /// that double.
    fn around(&mut self, low: u64, holds_below: bool, steps: u64) -> Option<()> {
        let mut at = [low, low + 1];
        self.ask(&at)?;
        let upwards = self.tried[&low] == holds_below;
        let mut stride = 1;
        while self.change().is_none() && (if upwards { at[1] < steps } else { at[0] > 0 }) {
            at = if upwards {
                [at[1], at[1].saturating_add(stride).min(steps)]
            } else {
                [at[0].saturating_sub(stride), at[0]]
            };
            self.ask(&at)?;
            stride *= 2;
        }
        Some(())
    }

    /// Narrows the first change of the answer, going up, to neighbours.
    fn narrow(&mut self) -> Option<()> {
        while let Some((low, high)) = self.change() {
            if high - low == 1 {
                break;
            }
            // Thirds, for two threads need no longer for both.
            let width = high - low;
            self.ask(&[low + part(width, 1, 3).max(1), low + part(width, 2, 3).max(1)])?;
        }
        Some(())
    }

    /// The first two neighbours among those tried that give different answers.
    fn change(&self) -> Option<(u64, u64)> {
        let pairs = self.tried.iter().zip(self.tried.iter().skip(1));
        pairs.into_iter().find(|(low, high)| low.1 != high.1).map(|(low, high)| (*low.0, *high.0))
    }

    fn narrowest(&self, steps: u64) -> Option<Edge> {
        match self.change() {
            Some((holds, fails)) if self.tried[&holds] => Some(Edge::Largest { holds, fails }),
            Some((fails, holds)) => Some(Edge::Smallest { fails, holds }),
            None => match (self.tried.get(&0)?, self.tried.get(&steps)?) {
                (true, _) => Some(Edge::Everywhere),
                (false, _) => Some(Edge::Nowhere),
            },
        }
    }
}

/// So many of so many parts of a whole, rounded down.
fn part(whole: u64, n: u64, of: u64) -> u64 {
    (u128::from(whole) * u128::from(n) / u128::from(of)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_is_found_from_either_side_with_few_tries() {
        for edge in [1, 2, 370, 371, 1000, 1899, 1900] {
            let up = search(1900, None, 1, |v| Some(v < edge));
            assert_eq!(up.edge, Some(Edge::Largest { holds: edge - 1, fails: edge }));
            let down = search(1900, None, 2, |v| Some(v >= edge));
            assert_eq!(down.edge, Some(Edge::Smallest { fails: edge - 1, holds: edge }));
            assert!(
                up.complete && up.astray().is_empty() && up.tried.len() <= 2 + 14 + 7,
                "{}",
                up.tried.len()
            );
        }
    }

    #[test]
    fn near_the_edge_of_another_seed_a_few_tries_do() {
        for edge in [1, 2, 369, 370, 371, 372, 380, 1899, 1900] {
            let up = search(1900, Some(Edge::Largest { holds: 370, fails: 371 }), 1, |v| Some(v < edge));
            assert_eq!(up.edge, Some(Edge::Largest { holds: edge - 1, fails: edge }));
            let down = search(1900, Some(Edge::Smallest { fails: 370, holds: 371 }), 2, |v| Some(v >= edge));
            assert_eq!(down.edge, Some(Edge::Smallest { fails: edge - 1, holds: edge }));
            let enough = if edge.abs_diff(371) <= 1 { 3 } else { 2 + 11 + 14 };
            assert!(up.complete && up.tried.len() <= enough, "{edge}: {:?}", up.tried);
            assert_eq!(up.tried.keys().collect::<Vec<_>>(), down.tried.keys().collect::<Vec<_>>());
        }
        for near in [Edge::Largest { holds: 99, fails: 100 }, Edge::Smallest { fails: 0, holds: 1 }] {
            assert_eq!(search(100, Some(near), 1, |_| Some(true)).edge, Some(Edge::Everywhere));
            assert_eq!(search(100, Some(near), 1, |_| Some(false)).edge, Some(Edge::Nowhere));
        }
    }

    #[test]
    fn no_edge_is_said() {
        assert_eq!(search(100, None, 1, |_| Some(true)).edge, Some(Edge::Everywhere));
        assert_eq!(search(100, None, 1, |_| Some(false)).edge, Some(Edge::Nowhere));
        assert_eq!(search(1, None, 1, |v| Some(v == 0)).edge, Some(Edge::Largest { holds: 0, fails: 1 }));
    }

    #[test]
    fn an_answer_that_is_not_monotone_is_noticed() {
        let solution = search(1000, None, 1, |v| Some(!(300..=700).contains(&v)));
        assert_eq!(solution.edge, Some(Edge::Largest { holds: 299, fails: 300 }));
        assert!(!solution.astray().is_empty() && solution.astray().iter().all(|&v| v > 700));
        let inside = search(1000, None, 1, |v| Some((400..600).contains(&v)));
        assert_eq!(inside.edge, Some(Edge::Smallest { fails: 399, holds: 400 }));
        assert!(inside.astray().contains(&1000));
    }

    #[test]
    fn what_is_tried_does_not_depend_on_the_threads() {
        let of = |jobs| search(12_345, None, jobs, |v| Some(v < 777));
        assert_eq!(of(1), of(2));
        assert_eq!(of(1), of(8));
    }

    #[test]
    fn stopped_early_it_has_what_it_knows() {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let next = || count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let solution = search(1000, None, 1, |v| (next() < 6).then_some(v < 300));
        let Some(Edge::Largest { holds, fails }) = solution.edge else { panic!("{solution:?}") };
        assert!(!solution.complete && holds < 300 && fails >= 300);
        assert_eq!(search(1000, None, 1, |_| None).edge, None);
    }
}
