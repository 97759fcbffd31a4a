//! The one font: Noto Sans, embedded, so that every machine lays out and draws the same.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

/// What an SVG asks for: ours first, then fonts that are not wider than it, so that nothing grows out of its place.
pub(super) const FAMILY: &str = "Noto Sans, Helvetica, Arial, sans-serif";

/// From the top of the em box to the baseline, as a share of the em, where plotters' SVG backend puts it.
pub(super) const TOP_TO_BASELINE: f64 = 0.76;

/// Plotters' unit of font size: its SVG backend writes this part of it as the em.
pub(super) const SIZE_PER_EM: f64 = 1.24;

fn face(bold: bool) -> &'static FontRef<'static> {
    static FACES: OnceLock<[FontRef<'static>; 2]> = OnceLock::new();
    let load = |bytes| FontRef::try_from_slice(bytes).expect("the embedded font is sound");
    &FACES.get_or_init(|| [load(notosans::REGULAR_TTF), load(notosans::BOLD_TTF)])[usize::from(bold)]
}

/// The scale at which the em is so many pixels; `ab_glyph` counts from ascent to descent.
fn scale(font: &FontRef<'static>, em: f64) -> PxScale {
    let units = font.units_per_em().unwrap_or(1000.0);
    PxScale::from(em as f32 * font.height_unscaled() / units)
}

/// The width of a text whose em is so many pixels.
pub(super) fn width(text: &str, em: f64, bold: bool) -> f64 {
    let font = face(bold);
    let scaled = font.as_scaled(scale(font, em));
    text.chars().map(|c| f64::from(scaled.h_advance(scaled.glyph_id(c)))).sum()
}

/// Gives the coverage of each pixel of a text whose first glyph stands at `x` on the baseline `y`.
pub(super) fn rasterize(
    text: &str,
    em: f64,
    bold: bool,
    (x, y): (f64, f64),
    mut pixel: impl FnMut(i32, i32, f32),
) {
    let font = face(bold);
    let scaled = font.as_scaled(scale(font, em));
    let mut pen = x as f32;
    for c in text.chars() {
        let id = scaled.glyph_id(c);
        let glyph = id.with_scale_and_position(scaled.scale(), point(pen, y as f32));
        if let Some(outline) = font.outline_glyph(glyph) {
            let bounds = outline.px_bounds();
            outline.draw(|dx, dy, coverage| {
                pixel(bounds.min.x as i32 + dx as i32, bounds.min.y as i32 + dy as i32, coverage);
            });
        }
        pen += scaled.h_advance(id);
    }
}

/// A text in lines no wider than `room`, broken at spaces.
pub(super) fn wrap(text: &str, em: f64, bold: bool, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), em, bold) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    /// The licence that a font names in its table of names, as `README.md` and `deny.toml` say it.
    #[test]
    fn the_font_is_under_the_licence_that_we_pass_on() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        for face in [notosans::REGULAR_TTF, notosans::BOLD_TTF] {
            for says in ["Licensed under the Apache License, Version 2.0", "Copyright 2012 Google Inc."] {
                let says = utf16(says);
                assert!(face.windows(says.len()).any(|window| window == says));
            }
        }
        assert!(include_str!("../../../LICENSE-OFL").contains("SIL OPEN FONT LICENSE Version 1.1"));
        assert!(include_str!("../../../LICENSE-APACHE").contains("Version 2.0, January 2004"));
    }
}
