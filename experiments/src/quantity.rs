//! Decimal numbers with a unit, exact, so that a range has the values that people expect of it.

use core::fmt;

/// A number with its unit, as scenarios write it: `470/s`, `0.5ms`, `1%`, `32768`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The number without its decimal point.
    digits: i64,
    /// Digits after the point.
    decimals: u32,
    /// What follows the number.
    unit: String,
}

/// More digits than these no quantity of a scenario has.
const MOST_DECIMALS: u32 = 9;

impl Quantity {
    /// Reads a number and its unit; none if it is not one.
    pub fn parse(text: &str) -> Option<Quantity> {
        let text = text.trim();
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let decimals = u32::try_from(fraction.len()).ok().filter(|&d| d <= MOST_DECIMALS)?;
        if !whole.starts_with(|c: char| c.is_ascii_digit()) || fraction.contains(['.', '_']) {
            return None;
        }
        let digits = [whole, fraction].concat().replace('_', "").parse().ok()?;
        Some(Quantity { digits, decimals, unit: unit.trim().to_owned() })
    }

    /// The number, whatever its unit.
    pub fn number(&self) -> f64 {
        self.digits as f64 / 10_i64.pow(self.decimals) as f64
    }

    /// The unit; empty if there is none.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// The digits at a finer resolution; none if they do not fit.
    fn at(&self, decimals: u32) -> Option<i64> {
        self.digits.checked_mul(10_i64.checked_pow(decimals.checked_sub(self.decimals)?)?)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.decimals == 0 {
            return write!(f, "{}{}", self.digits, self.unit);
        }
        let text = format!("{:0width$}", self.digits, width = self.decimals as usize + 1);
        let (whole, fraction) = text.split_at(text.len() - self.decimals as usize);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{whole}{point}{fraction}{}", self.unit)
    }
}

/// Two ends in one unit, and the smallest step between values: a one in the last place that either end was written with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    low: i64,
    high: i64,
    decimals: u32,
    unit: String,
}

/// More values than these nobody means.
const MOST_VALUES: usize = 100_000;

impl Range {
    /// Reads `LOW..HIGH`. The lower end may leave out the unit. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Range, String> {
        let wrong = || format!("`{}` is not LOW..HIGH, as in `100/s..2000/s`", text.trim());
        let (low, high) = text.split_once("..").ok_or_else(wrong)?;
        let (mut low, high) = Quantity::parse(low).zip(Quantity::parse(high)).ok_or_else(wrong)?;
        if low.unit.is_empty() {
            low.unit.clone_from(&high.unit);
        }
        if low.unit != high.unit {
            return Err(format!("both ends of `{}` need the same unit", text.trim()));
        }
        let decimals = low.decimals.max(high.decimals);
        let (from, to) = low.at(decimals).zip(high.at(decimals)).ok_or_else(wrong)?;
        if from >= to {
            return Err(format!("`{}` has its higher end first, or nothing between its ends", text.trim()));
        }
        Ok(Range { low: from, high: to, decimals, unit: high.unit })
    }

    /// How many of the smallest steps lie between the ends.
    pub fn steps(&self) -> u64 {
        self.high.abs_diff(self.low)
    }

    /// The value so many of the smallest steps above the lower end.
    pub fn value(&self, step: u64) -> Quantity {
        let digits = self.low.saturating_add_unsigned(step).min(self.high);
        Quantity { digits, decimals: self.decimals, unit: self.unit.clone() }
    }

    /// The same range in smaller steps.
    fn refined(&self, decimals: u32) -> Option<Range> {
        let more = 10_i64.checked_pow(decimals.checked_sub(self.decimals)?)?;
        let (low, high) = (self.low.checked_mul(more)?, self.high.checked_mul(more)?);
        Some(Range { low, high, decimals, unit: self.unit.clone() })
    }

    /// From the lower end on, each so much above the one before, as long as the higher end is not passed.
    pub fn by_step(&self, step: &str) -> Result<Vec<Quantity>, String> {
        let wrong = || format!("`step {step}` is not a step of this range, as in `step 100`");
        let by = Quantity::parse(step).filter(|q| q.digits > 0).ok_or_else(wrong)?;
        if !(by.unit.is_empty() || by.unit == self.unit) {
            return Err(format!("`step {step}` needs the unit of the range, or none"));
        }
        let range = self.refined(self.decimals.max(by.decimals)).ok_or_else(wrong)?;
        let step = by.at(range.decimals).filter(|&s| s > 0).ok_or_else(wrong)?.unsigned_abs();
        let count = range.steps() / step;
        if count >= MOST_VALUES as u64 {
            return Err(too_many());
        }
        Ok((0..=count).map(|i| range.value(i * step)).collect())
    }

    /// From the lower end on, each so many times the one before, and the higher end.
    pub fn by_factor(&self, factor: &str) -> Result<Vec<Quantity>, String> {
        let by = Quantity::parse(factor).filter(|q| q.unit.is_empty() && q.number() > 1.0);
        let by = by.ok_or_else(|| format!("`times {factor}`: a number above 1 is wanted"))?.number();
        if self.low == 0 {
            return Err("a range that is multiplied up cannot begin at zero".to_owned());
        }
        let mut at = self.low as f64;
        let mut values = Vec::new();
        while at < self.high as f64 {
            values.push(self.value((at.round() as i64).abs_diff(self.low)));
            at *= by;
            if values.len() > MOST_VALUES {
                return Err(too_many());
            }
        }
        values.push(self.value(self.steps()));
        values.dedup();
        Ok(values)
    }

    /// So many at equal distances, both ends among them, in the smallest step.
    pub fn by_points(&self, points: &str) -> Result<Vec<Quantity>, String> {
        let count: u64 = points
            .trim()
            .parse()
            .ok()
            .filter(|&n| n >= 2)
            .ok_or_else(|| format!("`points {points}`: a whole number from 2 on is wanted"))?;
        if count > MOST_VALUES as u64 {
            return Err(too_many());
        }
        let place = |i: u64| {
            let parts = u128::from(count - 1);
            ((u128::from(self.steps()) * u128::from(i) * 2 + parts) / (2 * parts)) as u64
        };
        let mut values: Vec<Quantity> = (0..count).map(|i| self.value(place(i))).collect();
        values.dedup();
        Ok(values)
    }
}

fn too_many() -> String {
    format!("more than {MOST_VALUES} values")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: Result<Vec<Quantity>, String>) -> Vec<String> {
        values.expect("it is right").iter().map(Quantity::to_string).collect()
    }

    fn range(text: &str) -> Range {
        Range::parse(text).expect("it is right")
    }

    #[test]
    fn quantities_are_read_and_written_exactly() {
        for text in ["470/s", "0.5ms", "1%", "32768", "5/10s", "0.001"] {
            assert_eq!(Quantity::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(Quantity::parse("1_000/s").expect("underscores").to_string(), "1000/s");
        assert_eq!(Quantity::parse("2.50ms").expect("zeros").to_string(), "2.5ms");
        for text in ["", "/s", "fast", "-1", ".5", "1.2.3", "99999999999999999999", "1.0000000001"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ranges_have_the_values_that_people_expect() {
        assert_eq!(texts(range("100/s..400/s").by_step("100/s")), ["100/s", "200/s", "300/s", "400/s"]);
        assert_eq!(texts(range("0..1").by_step("0.3")), ["0", "0.3", "0.6", "0.9"]);
        assert_eq!(texts(range("0.1%..0.3%").by_step("0.1")), ["0.1%", "0.2%", "0.3%"]);
        assert_eq!(
            texts(range("100..1500/s").by_factor("2")),
            ["100/s", "200/s", "400/s", "800/s", "1500/s"]
        );
        assert_eq!(texts(range("1..3").by_factor("1.1")), ["1", "2", "3"]);
        assert_eq!(texts(range("100..2000").by_points("4")), ["100", "733", "1367", "2000"]);
        assert_eq!(texts(range("1..3").by_points("9")), ["1", "2", "3"]);
    }

    #[test]
    fn what_is_no_range_is_said() {
        for text in ["100", "2..1", "1..1", "1s..2ms", "a..b", "1.."] {
            assert!(Range::parse(text).is_err(), "{text}");
        }
        assert!(range("1..9").by_step("0").is_err() && range("1/s..9/s").by_step("1ms").is_err());
        assert!(range("0..9").by_factor("2").is_err() && range("1..9").by_factor("1").is_err());
        assert!(range("1..9").by_points("1").is_err() && range("0..1000000000").by_step("1").is_err());
    }
}
