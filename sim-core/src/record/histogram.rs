//! A histogram of lengths of time with 1/32 relative resolution and a fixed size.

use crate::time::Span;

const SUB_BITS: u32 = 5;
const SUB: usize = 1 << SUB_BITS;

/// Counts of lengths of time, in nanoseconds, exact below 32 ns and within 1/32 above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    fn bucket(ns: u64) -> usize {
        if ns < SUB as u64 {
            return ns as usize;
        }
        let exponent = ns.ilog2() - SUB_BITS;
        (exponent as usize + 1) * SUB + ((ns >> exponent) as usize - SUB)
    }

    /// The highest value that falls into a bucket.
    fn upper(bucket: usize) -> u64 {
        if bucket < SUB {
            return bucket as u64;
        }
        let exponent = (bucket / SUB - 1) as u32;
        (((bucket % SUB + SUB + 1) as u64) << exponent) - 1
    }

    /// Counts one length.
    pub fn add(&mut self, span: Span) {
        let bucket = Self::bucket(span.0);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.max = self.max.max(span.0);
    }

    /// How many lengths were counted.
    pub const fn count(&self) -> u64 {
        self.total
    }

    /// The longest.
    pub const fn max(&self) -> Span {
        Span(self.max)
    }

    /// The length that `per_mille` of 1000 do not exceed; `None` when nothing was counted.
    pub fn quantile(&self, per_mille: u32) -> Option<Span> {
        self.quantile_since(&Histogram::default(), per_mille)
    }

    /// The same of what was counted since `before`, which is this histogram at an earlier time.
    pub fn quantile_since(&self, before: &Histogram, per_mille: u32) -> Option<Span> {
        let total = self.total - before.total;
        if total == 0 {
            return None;
        }
        let rank = (u128::from(total) * u128::from(per_mille)).div_ceil(1000).max(1) as u64;
        let mut seen = 0;
        for (bucket, &n) in self.counts.iter().enumerate() {
            seen += n - before.counts.get(bucket).copied().unwrap_or(0);
            if seen >= rank {
                return Some(Span(Self::upper(bucket).min(self.max)));
            }
        }
        Some(Span(self.max))
    }

    /// How many lasted at least so long, but for the histogram's resolution.
    pub fn at_least(&self, span: Span) -> u64 {
        self.counts.iter().skip(Self::bucket(span.0)).sum()
    }

    /// Becomes the other one, in the memory that it has.
    pub(crate) fn copy_from(&mut self, other: &Histogram) {
        self.counts.clone_from(&other.counts);
        (self.total, self.max) = (other.total, other.max);
    }

    /// Adds the counts of another histogram.
    pub fn merge(&mut self, other: &Histogram) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_thirty_second() {
        let mut h = Histogram::default();
        (1..=1000u64).for_each(|ms| h.add(Span::from_millis(ms)));
        for (per_mille, ms) in [(500, 500), (990, 990), (1000, 1000)] {
            let got = h.quantile(per_mille).unwrap().as_micros();
            let want = ms * 1000;
            assert!(got >= want && got <= want + want / 32 + 1, "{per_mille}: {got} us");
        }
        assert_eq!(Histogram::default().quantile(500), None);
    }

    #[test]
    fn buckets_tile_the_numbers() {
        for ns in (0..100_000u64).chain([u64::MAX / 2, 1 << 40]) {
            let b = Histogram::bucket(ns);
            assert!(ns <= Histogram::upper(b), "{ns}");
            assert!(b == 0 || ns > Histogram::upper(b - 1), "{ns}");
        }
    }
}
