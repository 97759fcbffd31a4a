//! The running digest: one number that two runs share if and only if they did the same things in the same order.

use core::fmt;

/// Multiplies to 128 bits and folds the halves: a cheap mixture of two words.
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a ^ 0x9e37_79b9_7f4a_7c15) as u128 * (b ^ 0xd6e8_feb8_6659_fd93) as u128;
    (product >> 64) as u64 ^ product as u64
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
    /// Takes six words about a segment, a line or an outcome.
    pub const fn traffic(&mut self, words: [u64; 6]) {
        // Turned against each other, or equal pairs of words would cancel out.
        let word = fold(words[0], words[1])
            ^ fold(words[2], words[3]).rotate_left(21)
            ^ fold(words[4], words[5]).rotate_left(42);
        self.traffic = chain(self.traffic, word);
    }

    /// Takes four words about a move of state.
    pub const fn moved(&mut self, words: [u64; 4]) {
        self.moves = chain(self.moves, fold(words[0], words[1]) ^ fold(words[2], words[3]).rotate_left(21));
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
            digest.traffic([word, 0, 0, 0, 0, 0]);
        }
        for &word in moves {
            digest.moved([word, 0, 0, 0]);
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
            digest.traffic(words);
            digest
        };
        let mut all: Vec<_> = (0..6).map(|at| of(core::array::from_fn(|i| u64::from(i == at)))).collect();
        all.push(of([0; 6]));
        for (i, digest) in all.iter().enumerate() {
            assert!(!all[..i].contains(digest));
        }
    }
}
