//! Service and think times: constants and distributions. A distribution becomes a table of quantiles in nanoseconds here, so
//! that the engine needs no float. The mathematics comes from the crate libm and not from the machine: the same everywhere.

use std::sync::Arc;

use sim_core::lasting::{CELLS, Distribution, Lasting, Table};
use sim_core::time::Span;

use super::{Input, arrivals};
use crate::read::{Fields, Notes};
use crate::report::Diagnostic;
use crate::section::{list, time};
use crate::syntax::{Kind, Node};
use crate::units::show_span;

/// What a length of time may be written as, for the reference.
pub(crate) const TAKES: &str = "[time or distribution](#distributions)";

const EXAMPLES: [&str; 6] = [
    "\"5ms\"",
    "exponential(mean: \"5ms\")",
    "lognormal(median: \"5ms\", p99: \"50ms\")",
    "pareto(least: \"1ms\", mean: \"5ms\")",
    "sample([\"1ms\", \"9ms\"])",
    "csv(\"times.csv\")",
];

/// Reads a length of time, fixed or drawn.
pub(crate) fn lasting(input: &mut Input<'_>, node: &Node) -> Option<Lasting> {
    match (&node.kind, node.head()) {
        (Kind::Fields(..), Some((name, _))) => of_fields(input, node, name),
        (Kind::Tuple(Some(_), args), Some((name, _))) => match (name, &args[..]) {
            ("sample", [arg]) => {
                let items = input.notes.list(arg, "a list of times", "[\"1ms\", \"9ms\"]");
                let lengths: Option<Vec<_>> = items.iter().map(|item| input.notes.span(item)).collect();
                sample(&mut input.notes, node, lengths?)
            }
            ("csv", [arg]) => {
                let file = input.notes.text(arg, "the name of a file", "csv(\"times.csv\")")?.to_owned();
                let source = input.open(&file, arg.place)?;
                let lengths = arrivals::column(&mut input.notes, source, false)?;
                sample(&mut input.notes, node, lengths.into_iter().map(|t| Span(t.0)).collect())
            }
            _ => unknown(&mut input.notes, node),
        },
        (Kind::Word(_), _) if !input.notes.is_command_line(node.place) => unknown(&mut input.notes, node),
        _ => input.notes.span(node).map(Lasting::Always),
    }
}

fn unknown(notes: &mut Notes, node: &Node) -> Option<Lasting> {
    let kinds = EXAMPLES.map(|example| example.split('(').next().unwrap_or(example));
    notes.not_one_of(node, "a length of time or a distribution", &kinds[1..]);
    if let Some(last) = notes.diagnostics.last_mut() {
        last.help = vec![format!("one of `{}`", EXAMPLES.join("`, `"))];
    }
    None
}

fn of_fields(input: &mut Input<'_>, node: &Node, name: &str) -> Option<Lasting> {
    let notes = &mut input.notes;
    match name {
        "exponential" => {
            let fields = notes.fields(node, "an exponential distribution", &["mean"]);
            let mean = positive(notes, fields, "mean")?;
            let scale = mean.0 as f64;
            let text = format!("exponential(mean: {})", time(mean));
            Some(drawn(text, mean, |_, rest| -libm::log(rest) * scale))
        }
        "lognormal" => {
            let fields = notes.fields(node, "a log-normal distribution", &["median", "p99"]);
            let (median, p99) = (positive(notes, fields, "median"), positive(notes, fields, "p99"));
            let (median, p99) = (median?, p99?);
            if p99 <= median {
                let message = format!("the 99th percentile, {}, lies above the median", show_span(p99));
                notes.refuse(fields.place_of("p99"), message.replace("lies", "must lie"));
                return None;
            }
            let sigma = libm::log(p99.0 as f64 / median.0 as f64) / Z_99;
            let mean = median.0 as f64 * libm::exp(sigma * sigma / 2.0);
            let text = format!("lognormal(median: {}, p99: {})", time(median), time(p99));
            let mut normal = Normal::default();
            Some(drawn(text, nanoseconds(mean), move |share, rest| {
                median.0 as f64 * libm::exp(sigma * normal.quantile(share, rest))
            }))
        }
        "pareto" => {
            let fields = notes.fields(node, "a Pareto distribution", &["least", "mean"]);
            let (least, mean) = (positive(notes, fields, "least"), positive(notes, fields, "mean"));
            let (least, mean) = (least?, mean?);
            if mean <= least {
                notes.refuse(fields.place_of("mean"), "the mean must lie above the least");
                return None;
            }
            // mean = least * shape / (shape - 1).
            let (l, m) = (least.0 as f64, mean.0 as f64);
            let shape = m / (m - l);
            let text = format!("pareto(least: {}, mean: {})", time(least), time(mean));
            Some(drawn(text, mean, move |_, rest| l * libm::pow(rest, -1.0 / shape)))
        }
        _ => unknown(notes, node),
    }
}

/// A length of time that is not zero.
fn positive(notes: &mut Notes, fields: Fields<'_>, name: &str) -> Option<Span> {
    let node = fields.need(notes, name, "\"5ms\"")?;
    let span = notes.span(node)?;
    if span == Span::ZERO {
        notes.refuse(node.place, "a distribution of no length: leave it out, or write a time");
        return None;
    }
    Some(span)
}

fn sample(notes: &mut Notes, node: &Node, lengths: Vec<Span>) -> Option<Lasting> {
    if lengths.is_empty() {
        notes.error(Diagnostic::error(node.place, "a sample of no times has nothing to draw"));
        return None;
    }
    let sum: u128 = lengths.iter().map(|l| u128::from(l.0)).sum();
    let mean = Span((sum / lengths.len() as u128) as u64);
    let texts: Vec<_> = lengths.iter().map(|l| show_span(*l)).collect();
    let text = format!("sample({})", list(&texts));
    Some(Lasting::Drawn(Arc::new(Distribution { text, mean, table: Table::Sample(lengths) })))
}

/// The table of a distribution, from its quantile function of a share and of what is left of one.
fn drawn(text: String, mean: Span, mut quantile: impl FnMut(f64, f64) -> f64) -> Lasting {
    let cells = CELLS as f64;
    let mut part = |from: f64, width: f64| -> Vec<Span> {
        let share = |i: usize| {
            // The end of all is infinite: half a cell before it stands for it.
            let at = if i == CELLS { cells - if from > 0.0 { 0.5 } else { 0.0 } } else { i as f64 };
            from + at * width
        };
        let at = |i| {
            let share = share(i).min(1.0 - 0.5 / (cells * cells));
            nanoseconds(quantile(share, 1.0 - share))
        };
        (0..=CELLS).map(at).collect()
    };
    let mut body = part(0.0, 1.0 / cells);
    let tail = part(1.0 - 1.0 / cells, 1.0 / (cells * cells));
    body[CELLS] = tail[CELLS];
    Lasting::Drawn(Arc::new(Distribution { text, mean, table: Table::Quantiles { body, tail } }))
}

/// At most a year: nothing that a run could see lasts longer.
fn nanoseconds(ns: f64) -> Span {
    const YEAR: f64 = 365.0 * 86_400.0 * 1e9;
    Span(libm::round(ns.clamp(0.0, YEAR)) as u64)
}

/// The 99 % quantile of the standard normal distribution.
const Z_99: f64 = 2.326_347_874_040_841;

/// Quantiles of the standard normal distribution, asked for in ascending order: each is found by Newton's method from the one
/// before.
#[derive(Default)]
struct Normal {
    last: f64,
}

impl Normal {
    fn quantile(&mut self, share: f64, rest: f64) -> f64 {
        // By symmetry, so that the smaller of the two tails is what is compared.
        let (tail, sign) = if share < 0.5 { (share, -1.0) } else { (rest, 1.0) };
        if tail <= 0.0 {
            return -40.0;
        }
        let mut x = (self.last * sign).max(0.0);
        for _ in 0..60 {
            let beyond = 0.5 * libm::erfc(x / core::f64::consts::SQRT_2);
            let density = libm::exp(-x * x / 2.0) / libm::sqrt(2.0 * core::f64::consts::PI);
            let step = (beyond - tail) / density;
            x = (x + step.clamp(-1.0, 1.0)).max(0.0);
            if libm::fabs(step) < 1e-12 {
                break;
            }
        }
        self.last = x * sign;
        self.last
    }
}

/// As text that is read back to the same.
pub(crate) fn show(lasting: &Lasting) -> String {
    match lasting {
        Lasting::Always(span) => time(*span),
        Lasting::Drawn(of) => of.text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::rng::{Component, Purpose, Stream};

    fn quantiles(lasting: &Lasting) -> (Vec<Span>, Vec<Span>) {
        let Lasting::Drawn(of) = lasting else { panic!("it is a constant") };
        let Table::Quantiles { body, tail } = &of.table else { panic!("it is a sample") };
        (body.clone(), tail.clone())
    }

    fn exponential() -> Lasting {
        drawn(String::new(), Span(1_000_000), |_, rest| -libm::log(rest) * 1e6)
    }

    fn normal() -> Lasting {
        let mut normal = Normal::default();
        // Shifted, for lengths are not negative.
        drawn(String::new(), Span::ZERO, move |share, rest| {
            1e9 + 1e6 * normal.quantile(share, rest).max(-9.0)
        })
    }

    #[test]
    fn quantiles_are_those_of_the_books() {
        let (body, tail) = quantiles(&exponential());
        assert!(body.is_sorted() && tail.is_sorted() && tail[0] == body[CELLS - 1]);
        // ln 2 and ln 1024.
        assert_eq!((body[512].0, tail[0].0), (693_147, 6_931_472));
        let (body, tail) = quantiles(&normal());
        assert!(body.is_sorted() && tail.is_sorted());
        let z = |span: Span| (span.0 as i64 - 1_000_000_000) as f64 / 1e6;
        // 0.75 and 1023/1024, from tables of the normal distribution.
        let cases = [
            (z(body[768]), 0.674_49),
            (z(tail[0]), 3.097_27),
            (z(body[512]), 0.0),
            (z(body[256]), -0.674_49),
        ];
        for (got, want) in cases {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn what_is_drawn_has_the_mean() {
        let mut rng = Stream::new(5, Purpose::Service, Component::SHARED);
        let exponential = exponential();
        let n = 200_000;
        let sum: u64 = (0..n).map(|_| exponential.draw(&mut rng).0).sum();
        // Four standard errors: 4e6 / sqrt(n).
        assert!((sum / n).abs_diff(1_000_000) < 8_944, "{}", sum / n);
    }
}
