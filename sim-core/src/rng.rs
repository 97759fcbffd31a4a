//! Randomness: one seed, many named streams.
//!
//! Each stream is a ChaCha8 keyed by the seed, with the (purpose, component) pair as its stream number, so a draw
//! in one place never shifts another's luck: two runs that differ in one setting stay paired.
//! Only integers leave this module.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// What a stream is for. The number is part of every run's identity: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Purpose {
    /// Gaps between arrivals; component: traffic.
    Arrivals = 1,
    /// Losses, duplicates and reordering; component: link direction.
    Link = 2,
    /// Secrets of a host: sequence numbers, timestamp offsets, port hash; component: host.
    HostSecret = 3,
    /// Port choice perturbation; component: host.
    Ports = 4,
    /// Phase of the timer wheel; component: 0, for all hosts share the clock.
    TimerPhase = 5,
    /// Random initial sequence numbers, where a profile asks for them; component: host.
    Isn = 6,
    /// NAT port search; component: host.
    Nat = 7,
    /// Conntrack hash seed and limits; component: host.
    Conntrack = 8,
    /// Service times; component: traffic.
    Service = 9,
    /// Think times; component: traffic.
    Think = 10,
    /// Jitter of retries; component: traffic.
    Retry = 11,
    /// Spoofed addresses of a flood; component: its number among the events.
    Flood = 12,
}

/// A ratio of integers, in `0..=1` where it is a probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ratio {
    /// Numerator.
    pub num: u64,
    /// Denominator, never zero.
    pub den: u64,
}

impl Ratio {
    /// Never.
    pub const ZERO: Ratio = Ratio { num: 0, den: 1 };
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of `seed` for a purpose and a component.
    pub fn new(seed: u64, purpose: Purpose, component: u32) -> Stream {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(u64::from(purpose as u16) << 32 | u64::from(component));
        Stream(rng)
    }

    /// 64 random bits.
    pub fn bits64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 32 random bits.
    pub fn bits32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number in `0..n`, without bias (Lemire's method). `n` must not be zero.
    pub fn below(&mut self, n: u64) -> u64 {
        debug_assert!(n > 0, "an empty range has no member");
        let mut product = u128::from(self.bits64()) * u128::from(n);
        if (product as u64) < n {
            let threshold = n.wrapping_neg() % n;
            while (product as u64) < threshold {
                product = u128::from(self.bits64()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// True with the given probability; draws nothing when it is zero.
    pub fn chance(&mut self, p: Ratio) -> bool {
        p.num != 0 && self.below(p.den) < p.num
    }

    /// An exponential gap of the given mean, in the unit of `mean`, rounded down.
    pub fn exponential(&mut self, mean: u64) -> u64 {
        // -ln(u) = -log2(u) * ln 2, in 32.32 fixed point: integers only, so the same on every machine.
        const LN2_Q32: u128 = 2_977_044_472;
        let neg_log2 = u128::from(neg_log2_q32(self.bits64()));
        let neg_ln_q32 = (neg_log2 * LN2_Q32) >> 32;
        ((neg_ln_q32 * u128::from(mean)) >> 32).min(u128::from(u64::MAX)) as u64
    }
}

/// `-log2((x + 1) / 2^64)` in 32.32 fixed point, by repeated squaring of the mantissa.
fn neg_log2_q32(x: u64) -> u64 {
    // u = (x+1)/2^64 lies in (0, 1]; the all-ones draw is exactly 1 and has logarithm 0.
    let Some(x) = x.checked_add(1) else { return 0 };
    let shift = x.leading_zeros();
    let mut mantissa = x << shift; // in [2^63, 2^64), that is [1, 2) in 1.63
    let mut fraction = 0u64;
    for bit in (0..32).rev() {
        let square = u128::from(mantissa) * u128::from(mantissa); // in [2^126, 2^128): 2.126
        if square >> 127 == 1 {
            fraction |= 1 << bit;
            mantissa = (square >> 64) as u64;
        } else {
            mantissa = (square >> 63) as u64;
        }
    }
    // log2(u) = -(shift + 1) + fraction
    (u64::from(shift + 1) << 32) - fraction
}

/// A stateless mix of 64 bits (the finaliser of `SplitMix64`): for fixed hashes, not for luck.
pub const fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_independent_and_repeat() {
        let draw = |p, c| Stream::new(7, p, c).bits64();
        assert_eq!(draw(Purpose::Ports, 1), draw(Purpose::Ports, 1));
        assert_ne!(draw(Purpose::Ports, 1), draw(Purpose::Ports, 2));
        assert_ne!(draw(Purpose::Ports, 1), draw(Purpose::Link, 1));
    }

    #[test]
    fn logarithm_of_powers_of_two_is_exact() {
        assert_eq!(neg_log2_q32((1 << 63) - 1), 1 << 32);
        assert_eq!(neg_log2_q32((1 << 60) - 1), 4 << 32);
        assert_eq!(neg_log2_q32(u64::MAX), 0);
        assert_eq!(neg_log2_q32(0), 64 << 32);
    }

    #[test]
    fn exponential_has_its_mean() {
        let mut s = Stream::new(1, Purpose::Arrivals, 0);
        let n = 100_000u64;
        let sum: u64 = (0..n).map(|_| s.exponential(1_000_000)).sum();
        let mean = sum / n;
        // Four standard errors of the mean: 4 * 1e6 / sqrt(1e5).
        assert!(mean.abs_diff(1_000_000) < 12_650, "mean {mean}");
    }

    #[test]
    fn below_stays_below_and_reaches_both_ends() {
        let mut s = Stream::new(3, Purpose::Ports, 0);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[s.below(5) as usize] = true;
        }
        assert_eq!(seen, [true; 5]);
    }
}
