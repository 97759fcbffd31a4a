//! A ladder as SVG: for a page, a slide, and a reader who cannot see it.

use std::fmt::Write as _;

use sim_core::tcp::State;

use super::draw::{Align, Ink, Pen, Place, Stroke, WIDTH};
use super::{Ladder, Look};

/// The style of every ladder: colours follow the page, light or dark.
pub const STYLE: &str = "\
.ladder{--ink:#222;--soft:#5f5f5f;--paper:#fff;--grid:#c9c9c9;--bad:#be1e2d;background:var(--paper);\
font:12px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace}\
@media screen and (prefers-color-scheme:dark){.ladder{--ink:#e8e8e8;--soft:#a8a8a8;--paper:#16181d;--grid:#4a4d55;--bad:#ff7b86}}\
.ladder text{fill:var(--ink)}.ladder .t,.ladder .gap{fill:var(--soft)}.ladder .h{font-weight:bold;font-size:14px}\
.ladder .title{font:bold 16px system-ui,'Noto Sans',sans-serif}.ladder .bad{fill:var(--bad)}\
.ladder .call{font-weight:bold}.ladder .timer{fill:var(--soft);font-style:italic}\
.ladder .life{stroke:var(--grid);stroke-width:2}.ladder .cut{stroke:var(--grid);stroke-width:2;stroke-dasharray:2 4}\
.ladder .a{stroke:var(--ink);stroke-width:1.5;fill:none}.ladder .again{stroke-dasharray:7 4}\
.ladder .stray{stroke-dasharray:2 4}.ladder .gone{stroke:var(--bad)}.ladder .head{fill:var(--ink)}\
.ladder .halo{fill:none;stroke:var(--paper);stroke-width:4;stroke-linejoin:round}\
.ladder .s-established{fill:#0072b2}.ladder .s-time_wait{fill:#d55e00}.ladder .s-syn_sent{fill:#56b4e9}\
.ladder .s-syn_recv{fill:#009e73}.ladder .s-fin_wait1{fill:#948c14}.ladder .s-fin_wait2{fill:#cc79a7}\
.ladder .s-close_wait{fill:#e69f00}.ladder .s-last_ack{fill:#7a7a92}.ladder .s-closing{fill:#7d4b23}\
.ladder .s-listen,.ladder .s-closed{fill:none}";

impl Ladder {
    /// The ladder as SVG. `id` is put before the names inside, so that several can stand on one page.
    pub fn svg(&self, id: &str) -> String {
        let ladder = self.folded();
        let plan = ladder.plan();
        let mut out = String::new();
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"ladder\" viewBox=\"0 0 {WIDTH} {}\" width=\"{WIDTH}\" \
             role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n<title id=\"{id}-title\">{}</title>\n<desc \
             id=\"{id}-desc\">{}</desc>\n<style>{STYLE}</style>\n",
            plan.height,
            escaped(&self.title),
            escaped(&ladder.spoken())
        );
        let _ = writeln!(out, "<rect width=\"{WIDTH}\" height=\"{}\" fill=\"var(--paper)\"/>", plan.height);
        ladder.draw(&plan, &mut Svg(&mut out));
        out.push_str("</svg>\n");
        out
    }
}

/// A pen that writes elements.
struct Svg<'a>(&'a mut String);

fn anchor(align: Align) -> &'static str {
    match align {
        Align::Start => "",
        Align::Middle => " text-anchor=\"middle\"",
        Align::End => " text-anchor=\"end\"",
    }
}

impl Pen for Svg<'_> {
    fn text(&mut self, ink: Ink, (x, y): Place, align: Align, text: &str) {
        let class = match ink {
            Ink::Plain => "",
            Ink::Title => " class=\"title\"",
            Ink::Column => " class=\"h\"",
            Ink::Time => " class=\"t\"",
            Ink::Gap => " class=\"gap\"",
            Ink::Call => " class=\"call\"",
            Ink::Timer => " class=\"timer\"",
            Ink::Bad => " class=\"bad\"",
        };
        let _ =
            writeln!(self.0, "<text{class} x=\"{x}\" y=\"{y}\"{}>{}</text>", anchor(align), escaped(text));
    }

    fn along(&mut self, (x, y): Place, slope: f64, text: &str) {
        // A halo first, against what it crosses.
        for class in [" class=\"halo\"", ""] {
            let _ = writeln!(
                self.0,
                "<text{class} transform=\"matrix(1 {slope:.4} 0 1 {x} {y})\" y=\"-4\" text-anchor=\"middle\">{}</text>",
                escaped(text)
            );
        }
    }

    fn line(&mut self, stroke: Stroke, (x1, y1): Place, (x2, y2): Place) {
        let class = match stroke {
            Stroke::Life => "life",
            Stroke::Cut => "cut",
            Stroke::Arrow(Look::Plain, true) => "a",
            Stroke::Arrow(Look::Plain, false) => "a gone",
            Stroke::Arrow(Look::Again, true) => "a again",
            Stroke::Arrow(Look::Again, false) => "a again gone",
            Stroke::Arrow(Look::Stray, true) => "a stray",
            Stroke::Arrow(Look::Stray, false) => "a stray gone",
        };
        let _ = writeln!(self.0, "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>");
    }

    fn head(&mut self, [(x, y), (x2, y2), (x3, y3)]: [Place; 3]) {
        let _ = writeln!(self.0, "<path class=\"head\" d=\"M{x} {y}L{x2} {y2}L{x3} {y3}Z\"/>");
    }

    fn state(&mut self, state: State, (x, y): Place, (width, height): Place) {
        let name = state.name().to_ascii_lowercase();
        let _ = writeln!(
            self.0,
            "<rect class=\"s-{name}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        );
    }

    fn ground(&mut self, (x, y): Place, (width, height): Place) {
        let _ = writeln!(
            self.0,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"var(--paper)\"/>"
        );
    }
}

/// Text as XML takes it, control characters left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
