//! What one panel shows, before anything has a place.

use super::palette::{Color, Dash};

/// How the curves of a panel stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Each from zero.
    Lines,
    /// Each from the top of the one before, filled.
    Stacked,
}

/// What the vertical axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Things.
    Count,
    /// Shares of a limit.
    Percent,
}

/// A curve: seconds and values.
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

/// A line that the curves cannot cross.
#[derive(Clone, Debug)]
pub(super) struct LimitLine {
    pub(super) value: f64,
    /// The number, in the first line of the label.
    pub(super) number: String,
    /// What is limited, in the lines below.
    pub(super) name: String,
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
    /// A thin line over a stack: what it should have reached.
    pub(super) outline: Option<Curve>,
    pub(super) limits: Vec<LimitLine>,
    /// Said instead of curves when there are none.
    pub(super) empty: &'static str,
    /// Height of the plot area.
    pub(super) height: f64,
}

impl Panel {
    /// The highest value on the vertical axis, limits included.
    pub(super) fn highest(&self) -> f64 {
        let curves = match self.kind {
            Kind::Lines => self.curves.iter().map(Curve::highest).fold(0.0, f64::max),
            Kind::Stacked => {
                self.stacked().last().map_or(0.0, |top| top.iter().map(|p| p.1).fold(0.0, f64::max))
            }
        };
        let outline = self.outline.as_ref().map_or(0.0, Curve::highest);
        self.limits.iter().map(|l| l.value).fold(curves.max(outline), f64::max)
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

/// A column of the series as points, thinned so that every stretch keeps its highest and lowest value.
pub(super) fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points;
    }
    let stretch = points.len().div_ceil(MOST_POINTS / 2);
    let mut out = Vec::with_capacity(MOST_POINTS + 2);
    for chunk in points.chunks(stretch) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let ends = [chunk.iter().min_by(by_value), chunk.iter().max_by(by_value)];
        let mut kept: Vec<_> = ends.into_iter().flatten().copied().collect();
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.dedup();
        out.extend(kept);
    }
    out.extend(points.last().copied());
    out.dedup();
    out
}
