//! What several seeds say together.

/// A mean with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// How many numbers it is made of.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Half the width of the interval that holds the true mean with 95 % confidence, by Student's t; none for one number.
    pub half_width: Option<f64>,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Estimate {
    /// From the numbers themselves; none if there are none.
    pub fn of(values: &[f64]) -> Option<Estimate> {
        let first = *values.first()?;
        let count = values.len();
        // As distances from the first, so that equal numbers have exactly themselves as mean, and no spread.
        let mean = first + values.iter().map(|v| v - first).sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        let half_width = (count > 1).then(|| {
            let deviation = (squares / (count - 1) as f64).sqrt();
            student(count - 1) * deviation / (count as f64).sqrt()
        });
        let least = values.iter().copied().fold(first, f64::min);
        let most = values.iter().copied().fold(first, f64::max);
        Some(Estimate { count, mean, half_width, least, most })
    }

    /// Whether the interval is so narrow: half its width at most this share of the mean.
    pub fn is_within(&self, share: f64) -> bool {
        self.half_width.is_some_and(|half| half <= share * self.mean.abs())
    }
}

/// The interval that holds the true share with 95 % confidence, when so many of so many had it: Wilson's, which stays
/// between nothing and all, and is no point where all are alike.
pub fn share_interval(part: usize, whole: usize) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    if whole == 0 {
        return (0.0, 1.0);
    }
    let (n, share) = (whole as f64, part as f64 / whole as f64);
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
}

/// The 97.5 % quantile of Student's t: beyond 30 degrees of freedom an approximation good to three digits.
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048,
        2.045, 2.042,
    ];
    match freedom.checked_sub(1).and_then(|i| TABLE.get(i)) {
        Some(t) => *t,
        None => 1.96 + 2.4 / freedom as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_student() {
        // Mean 3, deviation sqrt(2.5): 2.776 * 1.5811 / sqrt(5).
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).expect("five numbers");
        assert!((estimate.mean - 3.0).abs() < 1e-12);
        assert!((estimate.half_width.expect("more than one") - 1.9629).abs() < 1e-4);
        assert!(estimate.is_within(0.66) && !estimate.is_within(0.65));
        assert!((estimate.least - 1.0).abs() < 1e-12 && (estimate.most - 5.0).abs() < 1e-12);
        assert!((student(60) - 2.000).abs() < 2e-3 && (student(120) - 1.980).abs() < 2e-3);
    }

    #[test]
    fn the_interval_of_a_share_is_that_of_wilson() {
        // 8 of 10: 0.490 to 0.943; 10 of 10: 0.722 to 1.
        let (low, high) = share_interval(8, 10);
        assert!((low - 0.4902).abs() < 1e-4 && (high - 0.9433).abs() < 1e-4, "{low} {high}");
        let (low, high) = share_interval(10, 10);
        assert!((low - 0.7225).abs() < 1e-4 && (high - 1.0).abs() < 1e-9, "{low} {high}");
        assert_eq!(share_interval(0, 0), (0.0, 1.0));
    }

    #[test]
    fn one_number_has_no_interval_and_equal_ones_have_none_to_speak_of() {
        assert_eq!(Estimate::of(&[]), None);
        assert_eq!(Estimate::of(&[7.0]).expect("one").half_width, None);
        let equal = Estimate::of(&[0.1; 7]).expect("seven");
        assert_eq!((equal.mean.to_bits(), equal.half_width), (0.1_f64.to_bits(), Some(0.0)));
        assert!(equal.is_within(0.0));
    }
}
