//! Quantities as people write them, each with its unit, to the integers of the checked scenario.
//!
//! Decimal fractions are taken exactly: nothing here is a float. An error says what to write instead.

use sim_core::ids::Addr;
use sim_core::rng::Ratio;
use sim_core::scenario::Rate;
use sim_core::time::Span;

use crate::syntax::{clip, quoted};

/// Units of time in nanoseconds, the smallest first.
const TIMES: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Units of size in bytes, the smallest first.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A decimal number as an integer and how many of its digits stand behind the point.
struct Decimal {
    digits: u128,
    scale: u32,
}

/// Splits `12.5ms` into the number and the rest.
fn decimal(text: &str) -> Option<(Decimal, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let number = number.replace('_', "");
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    if whole.len() + fraction.len() > 30 {
        return None;
    }
    let digits = format!("{whole}{fraction}").parse().ok()?;
    Some((Decimal { digits, scale: u32::try_from(fraction.len()).ok()? }, rest.trim()))
}

impl Decimal {
    /// The number times `unit`, if that is whole and fits.
    fn times(&self, unit: u64) -> Option<u64> {
        let power = 10_u128.checked_pow(self.scale)?;
        let product = self.digits.checked_mul(u128::from(unit))?;
        if product % power == 0 { u64::try_from(product / power).ok() } else { None }
    }
}

fn unit_names(table: &[(&str, u64)]) -> String {
    let names: Vec<_> = table.iter().map(|(n, _)| *n).filter(|n| n.is_ascii()).collect();
    names.join(", ")
}

fn quantity(text: &str, table: &[(&str, u64)], what: &str, example: &str) -> Result<u64, String> {
    let text = text.trim();
    let units = unit_names(table);
    let Some((number, unit)) = decimal(text) else {
        return Err(format!(
            "{} is not {what}: write a number and a unit ({units}), as in {example}",
            quoted(text)
        ));
    };
    if unit.is_empty() {
        if number.digits == 0 {
            return Ok(0);
        }
        return Err(format!("{} has no unit: write one of {units}, as in {example}", quoted(text)));
    }
    if unit.starts_with(',') {
        return Err(format!("{} has a comma in its number: write it without, or as in 1_000", quoted(text)));
    }
    let Some((_, factor)) = table.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("{} has the unknown unit `{unit}`: write one of {units}", quoted(text)));
    };
    number
        .times(*factor)
        .ok_or_else(|| format!("{} is too large, or finer than 1 {}", quoted(text), table[0].0))
}

/// `60s`, `0.5ms`.
pub fn span(text: &str) -> Result<Span, String> {
    quantity(text, TIMES, "a length of time", "\"60s\" or \"0.5ms\"").map(Span)
}

/// `200B`, `10kB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    quantity(text, SIZES, "a size", "\"200B\" or \"10kB\"")
}

/// `0.1%`, or `1/3`.
pub(crate) fn ratio(text: &str) -> Result<Ratio, String> {
    let text = text.trim();
    let bad = || format!("{} is not a share: write a percentage, as in \"0.1%\"", quoted(text));
    let (num, den) = if let Some((a, b)) = text.split_once('/') {
        let whole = |t: &str| t.trim().parse::<u64>().map_err(|_| bad());
        (u128::from(whole(a)?), u128::from(whole(b)?))
    } else {
        let (number, unit) = decimal(text).ok_or_else(bad)?;
        if unit != "%" && number.digits != 0 {
            return Err(bad());
        }
        (number.digits, 10_u128.checked_pow(number.scale + 2).ok_or_else(bad)?)
    };
    if den == 0 {
        return Err(format!("{} divides by zero", quoted(text)));
    }
    if num > den {
        return Err(format!("{} is more than 100%", quoted(text)));
    }
    let common = gcd(num, den);
    match (u64::try_from(num / common), u64::try_from(den / common)) {
        (Ok(num), Ok(den)) => Ok(Ratio { num, den }),
        _ => Err(format!("{} has too many digits", quoted(text))),
    }
}

/// `600/s`, `36000/min`, `5/10s`.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    let text = text.trim();
    let bad = |why: &str| {
        format!(
            "{} is not a rate{why}: write a number per time, as in \"600/s\" or \"36000/min\"",
            quoted(text)
        )
    };
    let (number, per) = text.split_once('/').ok_or_else(|| bad(""))?;
    let (number, rest) = decimal(number.trim()).ok_or_else(|| bad(""))?;
    if rest.starts_with(',') {
        return Err(bad(" (a number has no commas; `1_000` is allowed)"));
    }
    if !rest.is_empty() {
        return Err(bad(&format!(" (`{}` is no part of a number, which is written out)", clip(rest))));
    }
    let per = per.trim();
    let unit = match TIMES.iter().find(|(name, _)| *name == per) {
        Some((_, unit)) => *unit,
        None => span(per).map_err(|_| bad(" (the time after `/` is unknown)"))?.0,
    };
    if unit == 0 {
        return Err(format!("{} is a rate per no time at all", quoted(text)));
    }
    let power = 10_u128.checked_pow(number.scale).unwrap_or(u128::MAX);
    let (mut count, mut per) = (number.digits, u128::from(unit).saturating_mul(power));
    if number.scale > 0 {
        // 0.5/s is 1 in 2 s; whole rates keep the unit they were written in.
        let common = gcd(count, per);
        (count, per) = (count / common, per / common);
    }
    match (u64::try_from(count), u64::try_from(per)) {
        (Ok(count), Ok(per)) => Ok(Rate { count, per: Span(per) }),
        _ => Err(format!("{} is too large, or has too many digits", quoted(text))),
    }
}

/// Greatest common divisor; 1 if both are zero.
pub(crate) fn gcd(a: u128, b: u128) -> u128 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// `10.0.0.1`.
pub fn addr(text: &str) -> Result<Addr, String> {
    let bad = || format!("{} is not an IPv4 address, as in \"10.0.0.1\"", quoted(text));
    let ip: std::net::Ipv4Addr = text.trim().parse().map_err(|_| bad())?;
    if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() {
        return Err(format!("{} cannot be a host's address", quoted(text)));
    }
    Ok(Addr(ip.to_bits()))
}

/// A port from 1 to 65535.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    match text.trim().parse::<u64>() {
        Ok(0) => Err("port 0 is no port: ports are 1 to 65535".to_owned()),
        Ok(n) => u16::try_from(n).map_err(|_| format!("port {n} does not exist: ports are 1 to 65535")),
        Err(_) => Err(format!("{} is not a port: ports are 1 to 65535", quoted(text))),
    }
}

/// `1,234,567`.
pub(crate) fn thousands(n: u128) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

/// The shortest text that [`span`] reads back.
pub(crate) fn show_span(span: Span) -> String {
    for (name, unit) in [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)] {
        if span.0.is_multiple_of(unit) {
            return format!("{}{name}", span.0 / unit);
        }
    }
    if span.0 >= 1_000_000_000 { span.to_string() } else { format!("{}ns", span.0) }
}

/// A text that [`rate`] reads back.
pub(crate) fn show_rate(rate: Rate) -> String {
    let names = [("s", 1_000_000_000), ("min", 60_000_000_000), ("h", 3_600_000_000_000)];
    match names.iter().find(|(_, unit)| *unit == rate.per.0) {
        Some((name, _)) => format!("{}/{name}", rate.count),
        None => format!("{}/{}", rate.count, show_span(rate.per)),
    }
}

/// A text that [`ratio`] reads back.
pub(crate) fn show_ratio(ratio: Ratio) -> String {
    // A finite decimal if the denominator divides a power of ten; else the fraction itself.
    for places in 0..=12_u32 {
        let power = 10_u128.pow(places);
        let scaled = u128::from(ratio.num) * 100 * power;
        if scaled % u128::from(ratio.den) == 0 {
            let digits = scaled / u128::from(ratio.den);
            let (whole, fraction) = (digits / power, digits % power);
            return match places {
                0 => format!("{whole}%"),
                _ => format!("{whole}.{fraction:0width$}%", width = places as usize),
            };
        }
    }
    format!("{}/{}", ratio.num, ratio.den)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact() {
        assert_eq!(span("60s"), Ok(Span::from_secs(60)));
        assert_eq!(span("0.5ms"), Ok(Span(500_000)));
        assert_eq!(span("28.232 s"), Ok(Span(28_232_000_000)));
        assert_eq!(span("1_000us"), Ok(Span(1_000_000)));
        assert_eq!(span("1.5min"), Ok(Span::from_secs(90)));
        for bad in
            ["60", "s", "-1s", "1..5s", "1.s", "0.1ns", "1e3s", "99999999999h", "1 fortnight", "NaN", ""]
        {
            assert!(span(bad).is_err(), "{bad}");
        }
        assert!(span(&"9".repeat(1000)).is_err());
    }

    #[test]
    fn rates_keep_their_unit() {
        assert_eq!(rate("36000/min"), Ok(Rate { count: 36_000, per: Span::from_secs(60) }));
        assert_eq!(rate("0.5/s"), Ok(Rate { count: 1, per: Span::from_secs(2) }));
        assert_eq!(rate("5/10s"), Ok(Rate { count: 5, per: Span::from_secs(10) }));
        for bad in ["600", "600/", "/s", "1/0s", "a/s", "1/fortnight"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_are_reduced() {
        assert_eq!(ratio("0.01%"), Ok(Ratio { num: 1, den: 10_000 }));
        assert_eq!(ratio("100%"), Ok(Ratio { num: 1, den: 1 }));
        assert_eq!(ratio("1/3"), Ok(Ratio { num: 1, den: 3 }));
        assert_eq!(ratio("0"), Ok(Ratio { num: 0, den: 1 }));
        for bad in ["101%", "5", "1/0", "-1%", "%"] {
            assert!(ratio(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for text in ["60s", "1500ms", "3ns", "0s", "1.000000001s"] {
            let s = span(text).unwrap();
            assert_eq!(span(&show_span(s)), Ok(s));
        }
        for text in ["0.01%", "1/3", "100%", "0", "12.5%"] {
            let r = ratio(text).unwrap();
            assert_eq!(ratio(&show_ratio(r)), Ok(r));
        }
        for text in ["600/s", "36000/min", "0.5/s", "7/1500ms"] {
            let r = rate(text).unwrap();
            assert_eq!(rate(&show_rate(r)), Ok(r));
        }
    }
}
