//! A picture drawn by plotters, as SVG or as pixels.

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{PathElement, Polygon, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

use super::font::{self, FAMILY, SIZE_PER_EM, TOP_TO_BASELINE};
use super::palette::{Color, Dash, Ground, PAPER};
use super::picture::{Anchor, Label, Picture, Point, Shape};

/// Plotters counts in whole pixels: four to a unit keep lines where they belong, and are averaged into smooth PNGs.
const FINE: u32 = 4;
/// Fine pixels in a row, and in a column, that make one of the PNG.
const AVERAGED: u32 = 2;

/// The picture as an SVG document.
pub(super) fn svg(picture: &Picture) -> String {
    let (width, height) = fine_size(picture);
    let mut out = String::new();
    draw(&SVGBackend::with_string(&mut out, (width, height)).into_drawing_area(), picture);
    // The view box counts in fine pixels; the size on the page is in units.
    let fine = format!("width=\"{width}\" height=\"{height}\"");
    let units = format!("width=\"{}\" height=\"{}\"", width / FINE, height / FINE);
    // Bends are round, as in the PNG: mitred ones would turn noise into peaks that are not there.
    let units = format!("{units} stroke-linejoin=\"round\"");
    let out = unbroken_texts(&out.replacen(&fine, &units, 1));
    // The first element is the root: its title is what a screen reader says.
    let title = format!(">\n<title>{}</title>", crate::ladder::escaped(&picture.title));
    out.replacen('>', &title, 1).replacen("<svg ", "<svg role=\"img\" ", 1)
}

/// Without the line ends that plotters puts around texts: they would be shown as spaces, and shift what is centred.
fn unbroken_texts(svg: &str) -> String {
    let mut out = String::with_capacity(svg.len());
    for line in svg.replace("\n</text>", "</text>").split_inclusive('\n') {
        let opens = line.starts_with("<text") && !line.contains("</text>");
        out.push_str(if opens { line.trim_end_matches('\n') } else { line });
    }
    out
}

/// The picture as a PNG file.
pub(super) fn png(picture: &Picture) -> Vec<u8> {
    let (width, height) = fine_size(picture);
    let mut pixels = vec![255; (width * height * 3) as usize];
    let backend = Smooth(BitMapBackend::with_buffer(&mut pixels, (width, height)));
    draw(&backend.into_drawing_area(), picture);
    encode(&average(&pixels, width), width / AVERAGED, height / AVERAGED)
}

fn fine_size(picture: &Picture) -> (u32, u32) {
    // Whole units, so that every size that is derived is whole too.
    let fine = |units: f64| units.ceil() as u32 * FINE;
    (fine(picture.width), fine(picture.height))
}

/// Each pixel the mean of a square of fine ones.
fn average(fine: &[u8], width: u32) -> Vec<u8> {
    let (n, row) = (AVERAGED as usize, width as usize * 3);
    let mut out = Vec::with_capacity(fine.len() / (n * n));
    for rows in fine.chunks_exact(row * n) {
        for x in (0..row).step_by(3 * n) {
            for channel in 0..3 {
                let square = (0..n).flat_map(|dy| (0..n).map(move |dx| dy * row + x + dx * 3 + channel));
                let sum: usize = square.map(|i| usize::from(rows[i])).sum();
                out.push(((sum + n * n / 2) / (n * n)) as u8);
            }
        }
    }
    out
}

fn encode(pixels: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().expect("a vector takes every write");
    writer.write_image_data(pixels).expect("as many pixels as the header says");
    writer.finish().expect("a vector takes every write");
    out
}

fn draw<B: DrawingBackend>(area: &DrawingArea<B, Shift>, picture: &Picture) {
    let drawn = area
        .fill(&rgb(picture.ground.color(PAPER)))
        .and_then(|()| picture.shapes.iter().try_for_each(|s| draw_shape(area, s, picture.ground)))
        .and_then(|()| area.present());
    // Both backends write to memory and the font is embedded: nothing here can fail on one machine only.
    assert!(drawn.is_ok(), "drawing into memory failed");
}

type Drawn<B> = Result<(), plotters::drawing::DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

fn draw_shape<B: DrawingBackend>(area: &DrawingArea<B, Shift>, shape: &Shape, ground: Ground) -> Drawn<B> {
    let rgb = |color| rgb(ground.color(color));
    match shape {
        Shape::Line { points, color, width, dash } => {
            let stroke = (width * f64::from(FINE)).round() as u32;
            let style = ShapeStyle { color: rgb(*color).to_rgba(), filled: false, stroke_width: stroke };
            let pieces = dashes(points, dash);
            pieces.iter().try_for_each(|p| area.draw(&PathElement::new(fine_points(p), style)))
        }
        Shape::Area { points, color, opacity } => {
            area.draw(&Polygon::new(fine_points(points), rgb(*color).mix(*opacity).filled()))
        }
        Shape::Text(label) => draw_label(area, label, rgb(label.color)),
    }
}

fn draw_label<B: DrawingBackend>(area: &DrawingArea<B, Shift>, label: &Label, color: RGBColor) -> Drawn<B> {
    let em = label.size * f64::from(FINE);
    let horizontal = match label.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let weight = if label.bold { FontStyle::Bold } else { FontStyle::Normal };
    let style = TextStyle::from((FAMILY, em * SIZE_PER_EM).into_font().style(weight))
        .color(&color)
        .pos(Pos::new(horizontal, VPos::Top));
    let (x, baseline) = (label.at.0 * f64::from(FINE), label.at.1 * f64::from(FINE));
    let top = (x.round() as i32, (baseline - em * TOP_TO_BASELINE).round() as i32);
    area.draw(&Text::new(label.text.as_str(), top, style))
}

const fn rgb((r, g, b): Color) -> RGBColor {
    RGBColor(r, g, b)
}

fn fine_points(points: &[Point]) -> Vec<(i32, i32)> {
    let fine = |v: f64| (v * f64::from(FINE)).round() as i32;
    let mut out: Vec<_> = points.iter().map(|&(x, y)| (fine(x), fine(y))).collect();
    out.dedup();
    out
}

/// The length of a vector. Not `hypot`, whose last digit is the machine's own; a square root is the same everywhere.
fn length(dx: f64, dy: f64) -> f64 {
    (dx * dx + dy * dy).sqrt()
}

/// A polyline cut into the pieces that a dash pattern draws.
fn dashes(points: &[Point], dash: Dash) -> Vec<Vec<Point>> {
    if dash.is_empty() {
        return vec![points.to_vec()];
    }
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    let (mut phase, mut left) = (0, dash[0]);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = length(to.0 - from.0, to.1 - from.1);
            let drawn = phase % 2 == 0;
            if drawn && piece.is_empty() {
                piece.push(from);
            }
            if length <= left {
                left -= length;
                piece.extend(drawn.then_some(to));
                break;
            }
            from = (from.0 + (to.0 - from.0) * left / length, from.1 + (to.1 - from.1) * left / length);
            if drawn {
                piece.push(from);
                pieces.push(std::mem::take(&mut piece));
            }
            phase = (phase + 1) % dash.len();
            left = dash[phase];
        }
    }
    pieces.extend(Some(piece).filter(|p| p.len() > 1));
    pieces
}

/// The corners of a straight line of some width.
fn stretch(from: BackendCoord, to: BackendCoord, half: f64) -> [BackendCoord; 4] {
    let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let length = length(dx, dy).max(f64::MIN_POSITIVE);
    let (nx, ny) = (-dy / length * half, dx / length * half);
    let corner = |p: BackendCoord, sign: f64| {
        let at = |v: i32, n: f64| (f64::from(v) + sign * n).round() as i32;
        (at(p.0, nx), at(p.1, ny))
    };
    [corner(from, 1.0), corner(to, 1.0), corner(to, -1.0), corner(from, -1.0)]
}

/// The bitmap backend with texts drawn from our font, placed as the SVG backend places them.
struct Smooth<'a>(BitMapBackend<'a>);

impl<'a> DrawingBackend for Smooth<'a> {
    type ErrorType = <BitMapBackend<'a> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.0.present()
    }

    fn draw_pixel(
        &mut self,
        point: BackendCoord,
        color: BackendColor,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.0.draw_pixel(point, color)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        self.0.draw_rect(upper_left, bottom_right, style, fill)
    }

    // Plotters extends the outer edges of a bend until they meet, which turns noise into peaks that are not there: a
    // stretch for each pair of points and a disc at each bend show no more than the data.
    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        let points: Vec<BackendCoord> = path.into_iter().collect();
        let half = f64::from(style.stroke_width()) / 2.0;
        let color = style.color();
        for pair in points.windows(2) {
            self.0.fill_polygon(stretch(pair[0], pair[1], half), &color)?;
        }
        for &bend in points.iter().skip(1).take(points.len().saturating_sub(2)) {
            self.0.draw_circle(bend, half as u32, &color, true)?;
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        pos: BackendCoord,
    ) -> Result<(), DrawingErrorKind<Self::ErrorType>> {
        let em = style.size() / SIZE_PER_EM;
        let bold = matches!(style.style(), FontStyle::Bold);
        let width = font::width(text, em, bold);
        let x = f64::from(pos.0)
            - match style.anchor().h_pos {
                HPos::Left => 0.0,
                HPos::Center => width / 2.0,
                HPos::Right => width,
            };
        let baseline = f64::from(pos.1) + em * TOP_TO_BASELINE;
        let (w, h) = self.get_size();
        let color = style.color();
        let mut drawn = Ok(());
        font::rasterize(text, em, bold, (x, baseline), |x, y, coverage| {
            let inside = x >= 0 && y >= 0 && x < w as i32 && y < h as i32;
            if inside && drawn.is_ok() {
                let alpha = color.alpha * f64::from(coverage);
                drawn = self.0.draw_pixel((x, y), BackendColor { alpha, ..color });
            }
        });
        drawn
    }
}
