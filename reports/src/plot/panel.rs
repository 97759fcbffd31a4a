//! What one panel shows, before anything has a place.

use super::palette::{Color, Dash};

/// How the curves of a panel stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Each from zero.
    Lines,
    /// Each from the top of the one before, filled.
    Stacked,
    /// No curves but a bar for each of several systems.
    Bars,
}

/// What the vertical axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Things.
    Count,
    /// Shares of a limit: to 100% at least.
    Percent,
    /// Shares that may be small.
    Share,
    /// Seconds.
    Seconds,
}

/// A curve: seconds and values. Where a value is not a number the curve is broken.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) color: Color,
    pub(super) dash: Dash,
    pub(super) points: Vec<(f64, f64)>,
}

impl Curve {
    /// The highest value.
    pub(super) fn highest(&self) -> f64 {
        self.points.iter().map(|p| p.1).fold(0.0, f64::max)
    }
}

/// A line that the curves cannot cross, or one that they should reach.
#[derive(Clone, Debug)]
pub(super) struct LimitLine {
    pub(super) value: f64,
    /// The number, and what it is.
    pub(super) text: String,
}

/// A bar: its parts side by side from the left.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) parts: Vec<(f64, Color)>,
    /// Written at its end.
    pub(super) text: String,
}

/// One panel.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) heading: String,
    /// What the vertical axis counts, above it.
    pub(super) unit: String,
    pub(super) measure: Measure,
    pub(super) kind: Kind,
    pub(super) curves: Vec<Curve>,
    pub(super) bars: Vec<Bar>,
    /// A thin line over a stack: what it should have reached.
    pub(super) outline: Option<Curve>,
    /// The name of what lies between the stack and the outline, if that is much: it is hatched.
    pub(super) pending: Option<String>,
    pub(super) limits: Vec<LimitLine>,
    /// Said instead of curves when there are none.
    pub(super) empty: &'static str,
    /// Its part of the height that there is for all.
    pub(super) weight: f64,
}

impl Panel {
    /// A panel of lines with nothing in it yet.
    pub(super) fn lines(heading: impl Into<String>, unit: &str, measure: Measure) -> Panel {
        Panel {
            heading: heading.into(),
            unit: unit.to_owned(),
            measure,
            kind: Kind::Lines,
            curves: Vec::new(),
            bars: Vec::new(),
            outline: None,
            pending: None,
            limits: Vec::new(),
            empty: "",
            weight: 1.0,
        }
    }

    /// The highest value of a curve.
    pub(super) fn highest(&self) -> f64 {
        let curves = match self.kind {
            Kind::Lines | Kind::Bars => self.curves.iter().map(Curve::highest).fold(0.0, f64::max),
            Kind::Stacked => {
                self.stacked().last().map_or(0.0, |top| top.iter().map(|p| p.1).fold(0.0, f64::max))
            }
        };
        self.outline.as_ref().map_or(0.0, Curve::highest).max(curves)
    }

    /// The highest limit.
    pub(super) fn highest_limit(&self) -> f64 {
        self.limits.iter().map(|l| l.value).fold(0.0, f64::max)
    }

    /// The curves as they stand on each other. All have the same times.
    pub(super) fn stacked(&self) -> Vec<Vec<(f64, f64)>> {
        let mut tops: Vec<Vec<(f64, f64)>> = Vec::new();
        for curve in &self.curves {
            let top = match tops.last() {
                None => curve.points.clone(),
                Some(below) => curve.points.iter().zip(below).map(|(p, b)| (p.0, p.1 + b.1)).collect(),
            };
            tops.push(top);
        }
        tops
    }
}

/// At most so many points are drawn of a curve: more than there are pixels.
const MOST_POINTS: usize = 1_500;

/// A column of the series as points, thinned so that every stretch keeps its highest and lowest value. What is not a number
/// stays where nothing else is.
pub(super) fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points;
    }
    let stretch = points.len().div_ceil(MOST_POINTS / 2);
    let mut out = Vec::with_capacity(MOST_POINTS + 2);
    for chunk in points.chunks(stretch) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let numbers = || chunk.iter().filter(|p| !p.1.is_nan());
        let ends = [numbers().min_by(by_value), numbers().max_by(by_value)];
        let mut kept: Vec<_> = ends.into_iter().flatten().copied().collect();
        if kept.is_empty() {
            kept.extend(chunk.first().copied());
        }
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.dedup();
        out.extend(kept);
    }
    out.extend(points.last().copied());
    out.dedup();
    out
}
