//! Lengths of time that applications take: the same each time, or drawn.
//!
//! A distribution is a table of quantiles in whole nanoseconds, made when the scenario is checked. So the engine needs no
//! float and no logarithm, and one mechanism serves every distribution.

use std::sync::Arc;

use crate::rng::Stream;
use crate::time::Span;

/// Cells of either part of a table.
pub const CELLS: usize = 1024;
const CELL_BITS: u32 = CELLS.ilog2();

/// A length of time: the same each time, or drawn anew each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// The same each time.
    Always(Span),
    /// Drawn.
    Drawn(Arc<Distribution>),
}

/// What is drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// As the scenario writes it.
    pub text: String,
    /// Mean, rounded: for estimates.
    pub mean: Span,
    /// The lengths.
    pub table: Table,
}

/// The lengths of a distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// Quantiles: at i/1024 for i in 0..=1024, and the last cell again at 1023/1024 + i/2^20. Between two of them, lengths
    /// are equally likely.
    Quantiles {
        /// `CELLS + 1` of them, the last of which is never reached.
        body: Vec<Span>,
        /// `CELLS + 1` of them.
        tail: Vec<Span>,
    },
    /// Each equally likely; at least one.
    Sample(Vec<Span>),
}

impl Lasting {
    /// No time at all.
    pub const ZERO: Lasting = Lasting::Always(Span::ZERO);

    /// The length, if it is the same each time.
    pub fn always(&self) -> Option<Span> {
        if let Lasting::Always(span) = self { Some(*span) } else { None }
    }

    /// The same each time, but drawn: for whoever needs to know beforehand what will be drawn.
    pub fn drawn_as(span: Span) -> Lasting {
        let table = Table::Sample(vec![span]);
        Lasting::Drawn(Arc::new(Distribution { text: String::new(), mean: span, table }))
    }

    /// Its mean.
    pub fn mean(&self) -> Span {
        match self {
            Lasting::Always(span) => *span,
            Lasting::Drawn(of) => of.mean,
        }
    }

    /// No length is longer.
    pub fn longest(&self) -> Span {
        let last = |lengths: &[Span]| lengths.iter().copied().max().unwrap_or(Span::ZERO);
        match self {
            Lasting::Always(span) => *span,
            Lasting::Drawn(of) => match &of.table {
                Table::Quantiles { body, tail } => last(body).max(last(tail)),
                Table::Sample(lengths) => last(lengths),
            },
        }
    }

    /// One length. What is the same each time draws nothing.
    pub fn draw(&self, rng: &mut Stream) -> Span {
        match self {
            Lasting::Always(span) => *span,
            Lasting::Drawn(of) => of.table.draw(rng),
        }
    }
}

impl From<Span> for Lasting {
    fn from(span: Span) -> Self {
        Lasting::Always(span)
    }
}

impl Table {
    fn draw(&self, rng: &mut Stream) -> Span {
        match self {
            Table::Sample(lengths) => lengths[rng.below(lengths.len() as u64) as usize],
            Table::Quantiles { body, tail } => {
                let bits = rng.bits64();
                let cell = (bits >> (64 - CELL_BITS)) as usize;
                if cell + 1 < CELLS {
                    return between(body, cell, bits << CELL_BITS);
                }
                let bits = bits << CELL_BITS;
                between(tail, (bits >> (64 - CELL_BITS)) as usize, bits << CELL_BITS)
            }
        }
    }
}

/// A length within a cell: `part` of 2^64 of the way through it.
fn between(quantiles: &[Span], cell: usize, part: u64) -> Span {
    let (low, high) = (quantiles[cell].0, quantiles[cell + 1].0);
    let more = (u128::from(high.saturating_sub(low)) * u128::from(part)) >> 64;
    Span(low + more as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Component, Purpose};

    fn uniform() -> Table {
        let up_to = |from: u64, step: u64| (0..=CELLS as u64).map(|i| Span(from + i * step)).collect();
        Table::Quantiles { body: up_to(0, CELLS as u64), tail: up_to((CELLS as u64 - 1) * CELLS as u64, 1) }
    }

    #[test]
    fn a_table_of_a_uniform_distribution_is_uniform_to_its_end() {
        let mut rng = Stream::new(1, Purpose::Service, Component::SHARED);
        let table = uniform();
        let most = (CELLS * CELLS) as u64;
        let n = 200_000;
        let drawn: Vec<u64> = (0..n).map(|_| table.draw(&mut rng).0).collect();
        assert!(drawn.iter().all(|&d| d < most));
        let mean = drawn.iter().sum::<u64>() / n;
        // Four standard errors: 4 * most / sqrt(12 n).
        assert!(mean.abs_diff(most / 2) < 4 * most / 1_549, "{mean}");
        assert!(drawn.iter().any(|&d| d > most - CELLS as u64), "the tail is reached");
    }

    #[test]
    fn a_sample_gives_its_members_and_a_constant_draws_nothing() {
        let mut rng = Stream::new(1, Purpose::Service, Component::SHARED);
        let sample = Table::Sample(vec![Span(3), Span(5)]);
        let drawn: Vec<u64> = (0..100).map(|_| sample.draw(&mut rng).0).collect();
        assert!(drawn.iter().all(|d| [3, 5].contains(d)) && drawn.contains(&3) && drawn.contains(&5));
        let (mut a, mut b) = (rng.clone(), rng);
        assert_eq!(Lasting::Always(Span(7)).draw(&mut a), Span(7));
        assert_eq!(a.bits64(), b.bits64());
    }
}
