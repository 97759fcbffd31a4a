//! The running digest: one number that two runs share if and only if they did the same things in the same order.

use core::fmt;

/// A 128-bit running hash of 64-bit words. Ours, so that no library update changes a golden value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest {
    a: u64,
    b: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Digest { a: 0x243f_6a88_85a3_08d3, b: 0x1319_8a2e_0370_7344 }
    }
}

impl Digest {
    /// Takes one more word in.
    pub const fn word(&mut self, w: u64) {
        // Two independent multiply-rotate lanes: order matters in both, and a swap cannot cancel out.
        self.a = (self.a ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        self.b = (self.b.wrapping_add(w)).wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(37) ^ self.a;
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", crate::rng::mix(self.a), crate::rng::mix(self.b))
    }
}

/// Multiplies to 128 bits and folds the halves: a cheap mixture of two words.
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a ^ 0x9e37_79b9_7f4a_7c15) as u128 * (b ^ 0xd6e8_feb8_6659_fd93) as u128;
    (product >> 64) as u64 ^ product as u64
}

/// Segments (sent, lost), lines of the log and outcomes in one running hash, moves of state in another: within each the
/// order matters, between them it does not, so that a step may report its moves before its segments or after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest2 {
    traffic: u64,
    moves: u64,
}

impl Default for Digest2 {
    fn default() -> Self {
        Digest2 { traffic: 0x243f_6a88_85a3_08d3, moves: 0x1319_8a2e_0370_7344 }
    }
}

const fn chain(state: u64, word: u64) -> u64 {
    (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

impl Digest2 {
    /// Takes six words about a segment, a line or an outcome.
    pub const fn traffic(&mut self, words: [u64; 6]) {
        let [a, b, c, d, e, f] = words;
        // Turned against each other, or equal pairs of words would cancel out.
        let word = fold(a, b) ^ fold(c, d).rotate_left(21) ^ fold(e, f).rotate_left(42);
        self.traffic = chain(self.traffic, word);
    }

    /// Takes four words about a move of state.
    pub const fn moved(&mut self, words: [u64; 4]) {
        let [a, b, c, d] = words;
        self.moves = chain(self.moves, fold(a, b) ^ fold(c, d).rotate_left(21));
    }
}

impl fmt::Display for Digest2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", crate::rng::mix(self.traffic), crate::rng::mix(self.moves))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_content_matter() {
        let of = |words: &[u64]| {
            let mut d = Digest::default();
            for &w in words {
                d.word(w);
            }
            d
        };
        assert_eq!(of(&[1, 2]), of(&[1, 2]));
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
        assert_ne!(of(&[0]), of(&[0, 0]));
    }
}
