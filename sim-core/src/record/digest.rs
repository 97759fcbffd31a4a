//! The running digest: one number that two runs share if and only if they did the same things in the same order.

use core::fmt;

/// What each word of a sentence is multiplied by: odd, and without any pattern (from the digits of pi). Sentences that differ have the
/// same sum about once in 2⁶⁴.
const WEIGHTS: [u64; 6] = [
    0x4528_21e6_38d0_1377,
    0xbe54_66cf_34e9_0c6d,
    0xc0ac_29b7_c97c_50dd,
    0x3f84_d5b5_b547_0917,
    0x9216_d5d9_8979_fb1b,
    0xd131_0ba6_98df_b5ad,
];

/// A word in its place of a sentence. A sentence is the sum of its words, so that what is known of it beforehand is added
/// beforehand.
#[inline]
pub const fn word(place: usize, word: u64) -> u64 {
    word.wrapping_mul(WEIGHTS[place])
}

/// Segments (sent, lost), lines of the log and outcomes in one running hash, moves of state in another: within each the
/// order matters, between them it does not, so that a step may report its moves before its segments or after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest {
    traffic: u64,
    moves: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Digest { traffic: 0x243f_6a88_85a3_08d3, moves: 0x1319_8a2e_0370_7344 }
    }
}

const fn chain(state: u64, word: u64) -> u64 {
    (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

impl Digest {
    /// Takes a sentence of six words about a segment, a line or an outcome.
    #[inline]
    pub const fn traffic(&mut self, sentence: u64) {
        self.traffic = chain(self.traffic, sentence);
    }

    /// Takes a sentence of four words about a move of state.
    #[inline]
    pub const fn moved(&mut self, sentence: u64) {
        self.moves = chain(self.moves, sentence);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", crate::rng::mix(self.traffic), crate::rng::mix(self.moves))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(traffic: &[u64], moves: &[u64]) -> Digest {
        let mut digest = Digest::default();
        for &word in traffic {
            digest.traffic(super::word(0, word));
        }
        for &word in moves {
            digest.moved(super::word(0, word));
        }
        digest
    }

    #[test]
    fn order_and_content_matter() {
        assert_eq!(of(&[1, 2], &[3]), of(&[1, 2], &[3]));
        assert_ne!(of(&[1, 2], &[]), of(&[2, 1], &[]));
        assert_ne!(of(&[0], &[]), of(&[0, 0], &[]));
        assert_ne!(of(&[], &[1, 2]), of(&[], &[2, 1]));
    }

    #[test]
    fn every_word_counts_and_none_stands_for_another() {
        let of = |words: [u64; 6]| {
            let mut digest = Digest::default();
            let sum = |sum: u64, (place, &n): (usize, &u64)| sum.wrapping_add(word(place, n));
            digest.traffic(words.iter().enumerate().fold(0, sum));
            digest
        };
        let mut all: Vec<_> = (0..6).map(|at| of(core::array::from_fn(|i| u64::from(i == at)))).collect();
        all.push(of([0; 6]));
        for (i, digest) in all.iter().enumerate() {
            assert!(!all[..i].contains(digest));
        }
    }
}
