//! A picture as shapes with places: what is left to do is to draw them.

use super::font;
use super::palette::{Color, Dash, Ground};

/// A place: right and down from the upper left corner.
pub(super) type Point = (f64, f64);

/// Which end of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Something drawn.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Line { points: Vec<Point>, color: Color, width: f64, dash: Dash },
    Area { points: Vec<Point>, color: Color, opacity: f64 },
    Text(Label),
}

/// A text on a baseline.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) at: Point,
    pub(super) text: String,
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) color: Color,
    pub(super) anchor: Anchor,
}

impl Label {
    /// Left and right end.
    pub(super) fn extent(&self) -> (f64, f64) {
        let width = font::width(&self.text, self.size, self.bold);
        let left = match self.anchor {
            Anchor::Start => self.at.0,
            Anchor::Middle => self.at.0 - width / 2.0,
            Anchor::End => self.at.0 - width,
        };
        (left, left + width)
    }
}

/// Shapes, first at the bottom.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// What it shows, for those who cannot see it.
    pub(super) title: String,
    pub(super) ground: Ground,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) shapes: Vec<Shape>,
}

impl Picture {
    /// An empty picture of a width; its height is still to come.
    pub(super) fn new(width: f64, title: impl Into<String>) -> Picture {
        Picture { title: title.into(), ground: Ground::Light, width, height: 0.0, shapes: Vec::new() }
    }

    /// A line through these places.
    pub(super) fn line(&mut self, points: Vec<Point>, color: Color, width: f64, dash: Dash) {
        self.shapes.push(Shape::Line { points, color, width, dash });
    }

    /// A filled polygon.
    pub(super) fn area(&mut self, points: Vec<Point>, color: Color, opacity: f64) {
        self.shapes.push(Shape::Area { points, color, opacity });
    }

    /// A text.
    pub(super) fn text(&mut self, label: Label) {
        self.shapes.push(Shape::Text(label));
    }
}

/// A regular text that starts at a place.
pub(super) fn label(at: Point, text: impl Into<String>, size: f64, color: Color) -> Label {
    Label { at, text: text.into(), size, bold: false, color, anchor: Anchor::Start }
}
