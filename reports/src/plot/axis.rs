//! Axes: from values to places, and ticks at round numbers.

use crate::words;

/// A tick: its value and what is written at it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) text: String,
}

/// A straight map from `0..=top` to a stretch of the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) top: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Scale {
    /// Where a value stands.
    pub(super) fn place(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * value / self.top
    }
}

/// The smallest of 1, 2, 5, 10, ... times a power of ten that divides `top` into at most `parts`.
fn round_step(top: f64, parts: f64) -> f64 {
    // Found by multiplication: logarithms and powers are not the same on every machine.
    let rough = top / parts * 0.999_999;
    let mut power = 1.0;
    while power * 10.0 <= rough {
        power *= 10.0;
    }
    while power > rough && power > 1e-12 {
        power /= 10.0;
    }
    [1.0, 2.0, 5.0].into_iter().map(|m| m * power).find(|step| *step >= rough).unwrap_or(power * 10.0)
}

/// A top for an axis of counts that holds `highest` with room above it, and ticks up to it, some `parts` apart.
pub(super) fn counts(highest: f64, parts: f64) -> (f64, Vec<Tick>) {
    let wanted = (highest * 1.06).max(1.0);
    // Counts are whole: no ticks between them.
    let step = round_step(wanted, parts).max(1.0);
    let steps = (wanted / step).ceil();
    let text = |value: f64| words::count(value.round() as u64);
    (steps * step, ticks(step, steps as u32, text))
}

/// Ticks of an axis of per cent whose highest value is `highest`, some `parts` apart: a hundred is always among them.
pub(super) fn percents(highest: f64, parts: f64) -> (f64, Vec<Tick>) {
    let top = (highest * 1.08).max(108.0);
    let step = if top > 220.0 {
        round_step(top, parts)
    } else if parts < 4.0 {
        50.0
    } else {
        25.0
    };
    (top, ticks(step, (top / step).floor() as u32, |v| format!("{}%", words::decimal(v, 0))))
}

/// An axis of anything up to `highest`: round steps, and the digits after the point that they need.
pub(super) fn scaled(highest: f64, parts: f64, text: impl Fn(f64, usize) -> String) -> (f64, Vec<Tick>) {
    let highest = if highest > 0.0 { highest } else { 1.0 };
    let step = round_step(highest, parts);
    let mut digits = 0;
    let mut unit = 1.0;
    while unit > step * 1.000_001 && digits < 9 {
        unit /= 10.0;
        digits += 1;
    }
    let steps = (highest / step).ceil();
    (steps * step, ticks(step, steps as u32, |value| text(value, digits)))
}

/// An axis of lengths of time, in seconds: the ticks say ms or us where those are what there is.
pub(super) fn seconds(highest: f64, parts: f64) -> (f64, Vec<Tick>) {
    let (unit, name) = match highest {
        h if h >= 1.0 => (1.0, "s"),
        h if h >= 1e-3 => (1e-3, "ms"),
        _ => (1e-6, "us"),
    };
    let text = |value: f64, digits| format!("{} {name}", words::decimal(value, digits));
    let (top, ticks) = scaled(highest * 1.06 / unit, parts, text);
    (top * unit, ticks.into_iter().map(|t| Tick { value: t.value * unit, ..t }).collect())
}

fn ticks(step: f64, steps: u32, text: impl Fn(f64) -> String) -> Vec<Tick> {
    (0..=steps)
        .map(|i| {
            let value = f64::from(i) * step;
            Tick { value, text: text(value) }
        })
        .collect()
}

/// The unit and ticks of an axis of simulated time so many seconds long; the values of the ticks are seconds.
pub(super) fn times(seconds: f64) -> (&'static str, Vec<Tick>) {
    let (unit, size) = match seconds {
        s if s >= 3.0 * 86_400.0 => ("days", 86_400.0),
        s if s >= 3.0 * 3_600.0 => ("h", 3_600.0),
        s if s >= 900.0 => ("min", 60.0),
        s if s >= 1.0 => ("s", 1.0),
        _ => ("ms", 0.001),
    };
    let length = seconds / size;
    let step = time_step(length, unit);
    let steps = (length / step + 1e-9).floor() as u32;
    let ticks = ticks(step, steps, |v| words::decimal(v, 6));
    (unit, ticks.into_iter().map(|t| Tick { value: t.value * size, ..t }).collect())
}

/// A round step that divides the axis into 4 to 10 parts, without a remainder if there is such a one.
fn time_step(length: f64, unit: &str) -> f64 {
    let sixties: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];
    let decimals: &[f64] = &[0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];
    let steps = if matches!(unit, "s" | "min") && length >= 4.0 { sixties } else { decimals };
    let fits = |step: &&f64| (4.0..=10.0).contains(&(length / **step));
    let exact = |step: &&f64| ((length / **step).round() * **step - length).abs() < 1e-9 * length;
    let candidates: Vec<&f64> = steps.iter().filter(fits).collect();
    let exactly = candidates.iter().copied().filter(exact).min_by(|a, b| a.total_cmp(b));
    exactly.or(candidates.first().copied()).copied().unwrap_or_else(|| round_step(length, 10.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|t| t.text.as_str()).collect()
    }

    #[test]
    fn counts_are_round_and_hold_the_highest() {
        let (top, ticks) = counts(28_232.0, 5.0);
        assert!((top - 30_000.0).abs() < f64::EPSILON);
        assert_eq!(texts(&ticks), ["0", "10,000", "20,000", "30,000"]);
        assert_eq!(texts(&counts(8.0, 5.0).1), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(texts(&counts(0.0, 5.0).1), ["0", "1"]);
    }

    #[test]
    fn times_divide_the_run() {
        assert_eq!(texts(&times(150.0).1), ["0", "30", "60", "90", "120", "150"]);
        assert_eq!(texts(&times(10.0).1), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
        assert_eq!(times(3_600.0).0, "min");
        assert_eq!(texts(&times(3_600.0).1), ["0", "10", "20", "30", "40", "50", "60"]);
        assert_eq!(times(0.25).0, "ms");
        assert_eq!(texts(&times(0.25).1), ["0", "50", "100", "150", "200", "250"]);
        assert_eq!(texts(&times(7.0).1), ["0", "1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!(times(86_400.0).0, "h");
    }

    #[test]
    fn hundred_per_cent_has_a_tick() {
        assert_eq!(texts(&percents(40.0, 5.0).1), ["0%", "25%", "50%", "75%", "100%"]);
    }
}
