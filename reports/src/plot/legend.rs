//! The legend: rows of swatches and names above a plot, where no data ever is.

use super::font;
use super::palette::{INK, SOFT_INK};
use super::panel::{Curve, Kind, Panel};
use super::picture::{Picture, label};

const SIZE: f64 = 12.5;
const ROW: f64 = 19.0;
const SWATCH: f64 = 26.0;
const GAP: f64 = 26.0;

/// Draws the legend of a panel into a stretch from `left` to `right` below `top`; returns its height.
pub(super) fn draw(picture: &mut Picture, panel: &Panel, (left, right): (f64, f64), top: f64) -> f64 {
    let (mut x, mut y) = (left, top + ROW * 0.7);
    let hatched = panel.pending.as_ref().map(|name| Curve {
        name: name.clone(),
        color: INK,
        dash: &[],
        points: Vec::new(),
    });
    for curve in panel.curves.iter().chain(&hatched).chain(&panel.outline) {
        let name = &curve.name;
        let width = SWATCH + 8.0 + font::width(name, SIZE, false);
        if x > left && x + width > right {
            x = left;
            y += ROW;
        }
        let middle = y - SIZE * 0.33;
        let outline = panel.outline.as_ref().is_some_and(|o| std::ptr::eq(o, curve));
        let (low, high) = (middle + 5.5, middle - 5.5);
        if hatched.as_ref().is_some_and(|h| std::ptr::eq(h, curve)) {
            super::figure::hatched(picture, (x, high), (x + SWATCH, low));
        } else if panel.kind != Kind::Lines && !outline {
            let swatch = vec![(x, low), (x, high), (x + SWATCH, high), (x + SWATCH, low)];
            picture.area(swatch, curve.color, super::figure::FILL);
        } else {
            picture.line(vec![(x, middle), (x + SWATCH, middle)], curve.color, 2.5, curve.dash);
        }
        let color = if outline { SOFT_INK } else { INK };
        picture.text(label((x + SWATCH + 8.0, y), name.as_str(), SIZE, color));
        x += width + GAP;
    }
    if panel.curves.is_empty() { 0.0 } else { y - top + ROW * 0.25 }
}
