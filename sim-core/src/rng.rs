//! Randomness: one seed, many named streams.
//!
//! Each stream is a ChaCha8 keyed by the seed and its component's name, with the purpose as its stream number, so a draw
//! in one place never shifts another's luck: two runs that differ in one setting stay paired, and so do two that differ
//! in a host that has nothing to do with the others. Only integers leave this module.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// What a stream is for. The number is part of every run's identity: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Purpose {
    /// Gaps between arrivals; component: the source.
    Arrivals = 1,
    /// Losses, duplicates and reordering; component: the link's ends and its direction.
    Link = 2,
    /// Secrets of a host: sequence numbers, timestamp offsets, port hash; component: the host.
    HostSecret = 3,
    /// Port choice perturbation; component: the host.
    Ports = 4,
    /// Phase of the timer wheel; no component, for all hosts share the clock.
    TimerPhase = 5,
    /// Random initial sequence numbers, where a profile asks for them; component: the host.
    Isn = 6,
    /// NAT port search; component: the host.
    Nat = 7,
    /// Conntrack hash seed and limits; component: the host.
    Conntrack = 8,
    /// Service times; component: the source.
    Service = 9,
    /// Think times; component: the source.
    Think = 10,
    /// Jitter of retries; component: the source.
    Retry = 11,
    /// Spoofed addresses of a flood; component: where to, and when it begins.
    Flood = 12,
}

/// Whose luck a stream is: a hash of a name, so that it does not depend on what else there is. Fixed for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component(u64);

impl Component {
    /// What all share.
    pub const SHARED: Component = Component(0);

    /// A host or a source by its name: 64-bit FNV-1a of its bytes, mixed.
    pub fn named(name: &str) -> Component {
        let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Component(mix(name.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step)))
    }

    /// A part of it, by number.
    pub const fn part(self, number: u64) -> Component {
        Component(mix(self.0 ^ mix(number)))
    }

    /// Something between it and another one.
    pub const fn towards(self, other: Component) -> Component {
        self.part(other.0)
    }
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
    pub fn new(seed: u64, purpose: Purpose, component: Component) -> Stream {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&component.0.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(u64::from(purpose as u16));
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

    /// Passes over so many draws of 32 bits.
    pub fn skip32(&mut self, draws: u64) {
        self.0.set_word_pos(self.0.get_word_pos() + u128::from(draws));
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

/// Two words as the place of an entry in a hash table: half the work of [`mix`], and good enough where nothing else hangs on it.
#[inline]
pub const fn scatter(a: u64, b: u64) -> u64 {
    let x = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xd6e8_feb8_6659_fd93);
    let x = (x ^ x >> 32).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 29
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_independent_and_repeat() {
        let draw = |p, c| Stream::new(7, p, Component::named(c)).bits64();
        assert_eq!(draw(Purpose::Ports, "a"), draw(Purpose::Ports, "a"));
        assert_ne!(draw(Purpose::Ports, "a"), draw(Purpose::Ports, "b"));
        assert_ne!(draw(Purpose::Ports, "a"), draw(Purpose::Link, "a"));
        let [a, b] = ["a", "b"].map(Component::named);
        assert_ne!(a.towards(b), b.towards(a));
        assert_ne!(a.part(0), a.part(1));
    }

    /// Results of every scenario hang on these.
    #[test]
    fn streams_are_these_numbers_for_ever() {
        let mut host = Stream::new(1, Purpose::Ports, Component::named("client"));
        let mut part =
            Stream::new(1, Purpose::Link, Component::named("a").towards(Component::named("b")).part(1));
        let mut shared = Stream::new(u64::MAX, Purpose::TimerPhase, Component::SHARED);
        let found =
            [host.bits64(), host.below(1_000), host.exponential(1_000_000), part.bits64(), shared.bits64()];
        assert_eq!(found, GOLDEN);
    }
    const GOLDEN: [u64; 5] =
        [2_974_651_689_835_922_966, 876, 513_831, 4_765_807_004_097_861_699, 2_108_776_548_490_310_835];

    #[test]
    fn logarithm_of_powers_of_two_is_exact() {
        assert_eq!(neg_log2_q32((1 << 63) - 1), 1 << 32);
        assert_eq!(neg_log2_q32((1 << 60) - 1), 4 << 32);
        assert_eq!(neg_log2_q32(u64::MAX), 0);
        assert_eq!(neg_log2_q32(0), 64 << 32);
    }

    #[test]
    fn exponential_has_its_mean() {
        let mut s = Stream::new(1, Purpose::Arrivals, Component::SHARED);
        let n = 100_000u64;
        let sum: u64 = (0..n).map(|_| s.exponential(1_000_000)).sum();
        let mean = sum / n;
        // Four standard errors of the mean: 4 * 1e6 / sqrt(1e5).
        assert!(mean.abs_diff(1_000_000) < 12_650, "mean {mean}");
    }

    #[test]
    fn below_stays_below_and_reaches_both_ends() {
        let mut s = Stream::new(3, Purpose::Ports, Component::SHARED);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[s.below(5) as usize] = true;
        }
        assert_eq!(seen, [true; 5]);
    }
}
