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
pub fn search(steps: u64, jobs: usize, holds: impl Fn(u64) -> Option<bool> + Sync) -> Solution {
    let mut search = Search { tried: BTreeMap::new(), jobs, holds };
    let edge = search.edge(steps);
    let complete = edge.is_some() && search.probe(steps).is_some();
    let edge = search.narrowest();
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

    /// Narrows the first change of the answer, going up, to neighbours.
    fn edge(&mut self, steps: u64) -> Option<()> {
        self.ask(&[0, steps])?;
        if self.change().is_none() {
            self.probe(steps)?;
        }
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

    fn narrowest(&self) -> Option<Edge> {
        if self.tried.len() < 2 {
            return None;
        }
        Some(match self.change() {
            Some((holds, fails)) if self.tried[&holds] => Edge::Largest { holds, fails },
            Some((fails, holds)) => Edge::Smallest { fails, holds },
            None if self.tried.values().all(|&holds| holds) => Edge::Everywhere,
            None => Edge::Nowhere,
        })
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
            let up = search(1900, 1, |v| Some(v < edge));
            assert_eq!(up.edge, Some(Edge::Largest { holds: edge - 1, fails: edge }));
            let down = search(1900, 2, |v| Some(v >= edge));
            assert_eq!(down.edge, Some(Edge::Smallest { fails: edge - 1, holds: edge }));
            assert!(
                up.complete && up.astray().is_empty() && up.tried.len() <= 2 + 14 + 7,
                "{}",
                up.tried.len()
            );
        }
    }

    #[test]
    fn no_edge_is_said() {
        assert_eq!(search(100, 1, |_| Some(true)).edge, Some(Edge::Everywhere));
        assert_eq!(search(100, 1, |_| Some(false)).edge, Some(Edge::Nowhere));
        assert_eq!(search(1, 1, |v| Some(v == 0)).edge, Some(Edge::Largest { holds: 0, fails: 1 }));
    }

    #[test]
    fn an_answer_that_is_not_monotone_is_noticed() {
        let solution = search(1000, 1, |v| Some(!(300..=700).contains(&v)));
        assert_eq!(solution.edge, Some(Edge::Largest { holds: 299, fails: 300 }));
        assert!(!solution.astray().is_empty() && solution.astray().iter().all(|&v| v > 700));
        let inside = search(1000, 1, |v| Some((400..600).contains(&v)));
        assert_eq!(inside.edge, Some(Edge::Smallest { fails: 399, holds: 400 }));
        assert!(inside.astray().contains(&1000));
    }

    #[test]
    fn what_is_tried_does_not_depend_on_the_threads() {
        let of = |jobs| search(12_345, jobs, |v| Some(v < 777));
        assert_eq!(of(1), of(2));
        assert_eq!(of(1), of(8));
    }

    #[test]
    fn stopped_early_it_has_what_it_knows() {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let next = || count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let solution = search(1000, 1, |v| (next() < 6).then_some(v < 300));
        let Some(Edge::Largest { holds, fails }) = solution.edge else { panic!("{solution:?}") };
        assert!(!solution.complete && holds < 300 && fails >= 300);
        assert_eq!(search(1000, 1, |_| None).edge, None);
    }
}
