//! Simulated time: integer nanoseconds, an instant and a length.
//!
//! No clock is read anywhere: the engine supplies `now`. Arithmetic saturates, so a scenario that says
//! "for ever" (`Span::MAX`) needs no special case.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// An instant: nanoseconds since the simulation began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// A length of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Time {
    /// The beginning of the simulation.
    pub const ZERO: Time = Time(0);
    /// Later than anything that happens.
    pub const NEVER: Time = Time(u64::MAX);

    /// The time that has passed since `earlier`; zero if `earlier` is in the future.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds since the beginning.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// Longer than any simulation.
    pub const MAX: Span = Span(u64::MAX);

    /// So many nanoseconds.
    pub const fn from_nanos(n: u64) -> Span {
        Span(n)
    }
    /// So many microseconds.
    pub const fn from_micros(n: u64) -> Span {
        Span(n.saturating_mul(1_000))
    }
    /// So many milliseconds.
    pub const fn from_millis(n: u64) -> Span {
        Span(n.saturating_mul(1_000_000))
    }
    /// So many seconds.
    pub const fn from_secs(n: u64) -> Span {
        Span(n.saturating_mul(1_000_000_000))
    }
    /// Whole microseconds.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }
    /// Whole milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
    /// Whole seconds.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }
    /// `self` multiplied by `n`, saturating.
    pub const fn times(self, n: u64) -> Span {
        Span(self.0.saturating_mul(n))
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, rhs: Span) -> Time {
        Time(self.0.saturating_add(rhs.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, rhs: Span) {
        *self = *self + rhs;
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, rhs: Span) -> Span {
        Span(self.0.saturating_add(rhs.0))
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, rhs: Span) -> Span {
        Span(self.0.saturating_sub(rhs.0))
    }
}

/// Seconds with as many decimals as are needed: `28.232s`.
fn write_seconds(f: &mut fmt::Formatter<'_>, ns: u64) -> fmt::Result {
    let (whole, mut frac) = (ns / 1_000_000_000, ns % 1_000_000_000);
    if frac == 0 {
        return write!(f, "{whole}s");
    }
    let mut digits = 9;
    while frac % 10 == 0 {
        frac /= 10;
        digits -= 1;
    }
    write!(f, "{whole}.{frac:0digits$}s")
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_seconds(f, self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_seconds(f, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_the_shortest_seconds() {
        assert_eq!(Time(28_232_000_000).to_string(), "28.232s");
        assert_eq!(Span::from_micros(500).to_string(), "0.0005s");
        assert_eq!(Span::from_secs(60).to_string(), "60s");
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Time(5) + Span::MAX, Time::NEVER);
        assert_eq!(Time(5).since(Time(9)), Span::ZERO);
    }
}
