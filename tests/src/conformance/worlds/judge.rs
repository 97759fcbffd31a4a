//! The rules of comparison: what a kernel did once, against what some runs of the simulator did.
//!
//! A number on which all runs agree is to be the recorded one. One that differs from run to run hangs on chance: the
//! recorded one is to lie in the range of the runs, widened by a quarter of its width.

use sim_core::time::Span;

use super::looks::Looks;

/// How near is near enough, beyond what chance does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slack {
    /// Share of the recorded number, in percent.
    pub percent: u64,
    /// And so many.
    pub more: u64,
}

impl Slack {
    /// Not at all.
    pub const NONE: Slack = Slack { percent: 0, more: 0 };
    /// Closed loops go at the speed of the machine.
    pub const CLOSED_LOOP: Slack = Slack { percent: 4, more: 0 };
    /// Counters that move with every segment.
    pub const SEGMENTS: Slack = Slack { percent: 2, more: 2 };

    /// The larger of both.
    #[must_use]
    pub fn or(self, other: Slack) -> Slack {
        Slack { percent: self.percent.max(other.percent), more: self.more.max(other.more) }
    }

    fn of(self, number: u64) -> u64 {
        (number * self.percent).div_ceil(100) + self.more
    }
}

/// Times agree within this; the application's and the recorder's own delays are below it.
const TIMES: Span = Span::from_millis(40);

/// What differs, if it does: `want` against what the runs `got`.
pub fn numbers(want: u64, got: &[u64], slack: Slack) -> Option<String> {
    let (low, high) = (*got.iter().min()?, *got.iter().max()?);
    let wide = (high - low).div_ceil(4) + slack.of(want);
    let agree = want + wide >= low && want <= high + wide;
    (!agree).then(|| format!("kernel {want}, simulator {}", range(low, high)))
}

/// The same for moments and lengths of time; `None`: it did not come.
pub fn times(want: Span, low: Span, high: Span) -> Option<String> {
    let wide = Span((high.0 - low.0) / 4) + TIMES;
    let agree = want + wide >= low && want <= high + wide;
    let show = |span: Span| format!("{}s", span.as_millis() as f64 / 1e3);
    (!agree).then(|| format!("kernel {}, simulator {}..{}", show(want), show(low), show(high)))
}

fn range(low: u64, high: u64) -> String {
    if low == high { low.to_string() } else { format!("{low}..{high}") }
}

/// A level in each run, at the looks that all of them were watched at.
#[derive(Debug)]
pub struct Columns<'a> {
    /// When.
    pub looks: &'a Looks,
    /// Ranges by run; none: always zero.
    pub runs: Vec<Option<&'a [(u64, u64)]>>,
}

impl Columns<'_> {
    /// Whether it never was anything but zero.
    pub fn idle(&self) -> bool {
        self.runs.iter().flatten().all(|values| values.iter().all(|range| range.1 == 0))
    }

    /// The range about a look.
    fn around(&self, look: f64) -> (u64, u64) {
        let at = |run: Option<&[(u64, u64)]>| {
            let range = self.looks.place(look).and_then(|place| run?.get(place));
            range.copied().unwrap_or_default()
        };
        let ranges = || self.runs.iter().copied().map(at);
        let (low, high) = (ranges().map(|range| range.0).min(), ranges().map(|range| range.1).max());
        (low.unwrap_or(0), high.unwrap_or(0))
    }

    /// What differs, if something does: the first look that does, and how many do.
    pub fn differ(&self, looks: impl Iterator<Item = (f64, u64)>, slack: Slack) -> Option<String> {
        let (mut first, mut count, mut all) = (None, 0, 0);
        for (at, want) in looks {
            all += 1;
            let (low, high) = self.around(at);
            if let Some(problem) = numbers(want, &[low, high], slack) {
                count += 1;
                first.get_or_insert_with(|| format!("at {at:.1} s {problem}"));
            }
        }
        first.map(|first| format!("{first} ({count} of {all} looks differ)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chance_does_not_touch_is_exact() {
        assert_eq!(numbers(7, &[7, 7], Slack::NONE), None);
        assert!(numbers(8, &[7, 7], Slack::NONE).is_some());
        assert_eq!(numbers(21, &[10, 20], Slack::NONE), None, "a quarter wider");
        assert!(numbers(24, &[10, 20], Slack::NONE).is_some());
        assert_eq!(numbers(100, &[104, 104], Slack::SEGMENTS), None);
        assert!(numbers(100, &[105, 105], Slack::SEGMENTS).is_some());
    }
}
