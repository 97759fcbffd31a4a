//! A ladder as a picture, for those who want it in pixels.

use sim_core::tcp::State;

use super::palette::{self, ALARM, FRAME, INK, PAPER, SOFT_INK};
use super::picture::{Anchor, Label, Picture, Point, label};
use crate::ladder::draw::{Align, Ink, Pen, Place, Stroke, WIDTH};
use crate::ladder::{Ladder, Look};

/// The picture of a ladder.
pub(super) fn rungs(ladder: &Ladder) -> Picture {
    let ladder = ladder.folded();
    let plan = ladder.plan();
    let mut picture = Picture::new(WIDTH as f64, ladder.title.as_str());
    picture.height = plan.height as f64;
    ladder.draw(&plan, &mut picture);
    picture
}

fn point((x, y): Place) -> Point {
    (x as f64, y as f64)
}

fn corners((x, y): Point, (width, height): Place) -> Vec<Point> {
    let (right, bottom) = (x + width as f64, y + height as f64);
    vec![(x, y), (right, y), (right, bottom), (x, bottom)]
}

impl Pen for Picture {
    fn text(&mut self, ink: Ink, at: Place, align: Align, text: &str) {
        let (size, bold, color) = match ink {
            Ink::Plain => (12.0, false, INK),
            Ink::Title => (16.0, true, INK),
            Ink::Column => (14.0, true, INK),
            Ink::Time | Ink::Gap | Ink::Timer => (12.0, false, SOFT_INK),
            Ink::Call => (12.0, true, INK),
            Ink::Bad => (12.0, false, ALARM),
        };
        let anchor = match align {
            Align::Start => Anchor::Start,
            Align::Middle => Anchor::Middle,
            Align::End => Anchor::End,
        };
        // The font has no such signs.
        let text = text.replace('✗', "×").replace('⋮', "…");
        Picture::text(self, Label { bold, anchor, ..label(point(at), text, size, color) });
    }

    fn along(&mut self, at: Place, _slope: f64, text: &str) {
        let (x, y) = point(at);
        let label = Label { anchor: Anchor::Middle, ..label((x, y - 4.0), text, 12.0, INK) };
        let (left, right) = label.extent();
        let ground = vec![
            (left - 2.0, y - 15.0),
            (right + 2.0, y - 15.0),
            (right + 2.0, y - 1.0),
            (left - 2.0, y - 1.0),
        ];
        self.area(ground, PAPER, 0.9);
        Picture::text(self, label);
    }

    fn line(&mut self, stroke: Stroke, from: Place, to: Place) {
        let (color, width, dash): (_, _, palette::Dash) = match stroke {
            Stroke::Life => (FRAME, 1.5, &[]),
            Stroke::Cut => (FRAME, 1.5, &[2.0, 4.0]),
            Stroke::Arrow(look, arrives) => {
                let dash: palette::Dash = match look {
                    Look::Plain => &[],
                    Look::Again => &[7.0, 4.0],
                    Look::Stray => &[2.0, 4.0],
                };
                (if arrives { INK } else { ALARM }, 1.5, dash)
            }
        };
        Picture::line(self, vec![point(from), point(to)], color, width, dash);
    }

    fn head(&mut self, corners: [Place; 3]) {
        self.area(corners.map(point).to_vec(), INK, 1.0);
    }

    fn state(&mut self, state: State, at: Place, size: Place) {
        self.area(corners(point(at), size), palette::state(state), 1.0);
    }

    fn ground(&mut self, at: Place, size: Place) {
        self.area(corners(point(at), size), PAPER, 1.0);
    }
}
