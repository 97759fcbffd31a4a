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
