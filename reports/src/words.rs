//! How numbers, times and shares are written for people.

use sim_core::time::{Span, Time};

/// A whole number with thousands separators: `28,232`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun, the noun in the plural unless there is exactly one.
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A decimal with at most `digits` places and no trailing zeros.
pub fn decimal(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// An instant, to the millisecond (to the microsecond in the first second): `28.232 s`.
pub fn at(time: Time) -> String {
    let digits = if time.0 < 1_000_000_000 { 6 } else { 3 };
    format!("{} s", decimal(time.0 as f64 / 1e9, digits))
}

/// A length of time in the unit that suits it, to four digits: `1.002 ms`.
pub fn span(span: Span) -> String {
    let (value, unit) = match span.0 {
        0 => return "0 s".to_owned(),
        ns @ 1..=999 => return format!("{ns} ns"),
        ns @ 1_000..=999_999 => (ns as f64 / 1e3, "µs"),
        ns @ 1_000_000..=999_999_999 => (ns as f64 / 1e6, "ms"),
        ns => (ns as f64 / 1e9, "s"),
    };
    let digits = if value >= 100.0 {
        1
    } else if value >= 10.0 {
        2
    } else {
        3
    };
    format!("{} {unit}", decimal(value, digits))
}

/// A share in per cent: `47.2%`; tiny shares are not rounded to nothing, nor nearly all to all.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0%".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    if part > 0 && percent < 0.1 {
        return "<0.1%".to_owned();
    }
    if part < whole && percent > 99.9 {
        return ">99.9%".to_owned();
    }
    format!("{}%", decimal(percent, 1))
}

/// An amount of memory: `12.3 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", decimal(value, usize::from(unit > 0)), UNITS[unit])
}

/// A sentence, set in by so many columns and broken at spaces so that no line is wider than it may be. Its continuation is set in by
/// two more, so that the next sentence is seen to begin.
pub fn broken(sentence: &str, indent: usize, columns: usize) -> String {
    let mut out = " ".repeat(indent);
    let mut length = indent;
    for (i, word) in sentence.split(' ').enumerate() {
        let word_length = word.chars().count();
        if i > 0 && length + 1 + word_length > columns {
            out.push('\n');
            out.push_str(&" ".repeat(indent + 2));
            length = indent + 2;
        } else if i > 0 {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += word_length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (28_232, "28,232"), (1_234_567, "1,234,567")];
        for (n, text) in cases {
            assert_eq!(count(n), text);
        }
    }

    #[test]
    fn times_keep_the_digits_that_matter() {
        assert_eq!(at(Time(28_232_000_000)), "28.232 s");
        assert_eq!(at(Time(500_000)), "0.0005 s");
        assert_eq!(at(Time(60_000_000_000)), "60 s");
        assert_eq!(span(Span::from_micros(1_002)), "1.002 ms");
        assert_eq!(span(Span::from_millis(31_776)), "31.78 s");
        assert_eq!(span(Span(999)), "999 ns");
    }

    #[test]
    fn shares_never_lie_at_the_ends() {
        assert_eq!(share(0, 7), "0%");
        assert_eq!(share(1, 10_000), "<0.1%");
        assert_eq!(share(9_999, 10_000), ">99.9%");
        assert_eq!(share(7, 7), "100%");
        assert_eq!(share(1, 3), "33.3%");
        assert_eq!(share(0, 0), "0%");
    }

    #[test]
    fn memory_has_binary_units() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(12 * 1024 * 1024 + 300 * 1024), "12.3 MiB");
    }
}
