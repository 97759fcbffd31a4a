//! TCP sequence numbers: points on a circle of 2³² (RFC 9293 §3.4).
//!
//! There is no order on a circle, so [`Seq`] has no `Ord`: the only questions are "how far ahead" and
//! "in this window". The comparisons are the kernel's `before()` and `after()` (include/net/tcp.h).

use core::ops::{Add, AddAssign, Sub};

/// A sequence or acknowledgment number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// The signed distance from `other` to `self` on the shorter way round.
    pub const fn diff(self, other: Seq) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
    /// Whether `self` comes before `other` (`before()` in the kernel).
    pub const fn before(self, other: Seq) -> bool {
        self.diff(other) < 0
    }
    /// Whether `self` comes after `other` (`after()` in the kernel).
    pub const fn after(self, other: Seq) -> bool {
        other.before(self)
    }
    /// Whether `self` lies in `lo..=hi`, walking upward from `lo` (`between()` in the kernel).
    pub const fn between(self, lo: Seq, hi: Seq) -> bool {
        hi.0.wrapping_sub(lo.0) >= self.0.wrapping_sub(lo.0)
    }
}

impl Add<u32> for Seq {
    type Output = Seq;
    fn add(self, rhs: u32) -> Seq {
        Seq(self.0.wrapping_add(rhs))
    }
}

impl AddAssign<u32> for Seq {
    fn add_assign(&mut self, rhs: u32) {
        *self = *self + rhs;
    }
}

impl Sub<u32> for Seq {
    type Output = Seq;
    fn sub(self, rhs: u32) -> Seq {
        Seq(self.0.wrapping_sub(rhs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_wraps() {
        let high = Seq(u32::MAX - 2);
        let low = high + 10;
        assert!(high.before(low) && low.after(high));
        assert_eq!(low.diff(high), 10);
        assert!(Seq(1).between(high, low) && !Seq(9).between(high, low));
    }
}
