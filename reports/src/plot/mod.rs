//! Pictures of a run over simulated time, as SVG and PNG.
//!
//! A view becomes panels (what to show), panels become a picture (where everything stands, in shapes), and a picture
//! is rendered by either backend. Layout happens once, with the metrics of one embedded font, so that SVG and PNG
//! agree with each other and with those of every other machine.
//!
//! Colour means state (or outcome, or which limit) and dash means host, in every panel and on every page.

mod axis;
mod claims;
pub(crate) mod colors;
mod figure;
mod font;
mod latency;
mod legend;
mod marks;
mod occupancy;
mod outcomes;
mod overlay;
mod palette;
mod panel;
mod picture;
mod populations;
mod render;
mod rungs;
mod scan;

use crate::ladder::Ladder;
use crate::run::Run;
use crate::sweeps::Sweep;
use panel::Panel;
use picture::Picture;

pub use palette::Ground;

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// What is worth looking at in this run, on one slide.
    Overview,
    /// What became of connection attempts and requests.
    Outcomes,
    /// Sockets by state, against the limits that stop them.
    Populations,
    /// How full each limit is.
    Occupancy,
    /// How long connect() and requests took.
    Latency,
    /// One connection.
    Ladder,
}

impl View {
    /// Every view.
    pub const ALL: [View; 6] =
        [View::Overview, View::Outcomes, View::Populations, View::Occupancy, View::Latency, View::Ladder];

    /// The name of its file, without the extension.
    pub const fn name(self) -> &'static str {
        match self {
            View::Overview => "overview",
            View::Outcomes => "outcomes",
            View::Populations => "populations",
            View::Occupancy => "occupancy",
            View::Latency => "latency",
            View::Ladder => "ladder",
        }
    }

    /// The view with this name.
    pub fn named(name: &str) -> Option<View> {
        View::ALL.into_iter().find(|view| view.name() == name)
    }
}

/// How a picture is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Width in units: what a browser takes for pixels; a PNG has two for each.
    pub width: u32,
    /// What it is drawn on.
    pub ground: Ground,
}

impl Default for Style {
    fn default() -> Style {
        Style { width: 1_200, ground: Ground::Light }
    }
}

/// A picture, to be written as a file.
#[derive(Clone, Debug)]
pub struct Drawn {
    picture: Picture,
    /// A ladder's own document, which follows the reader's choice of light or dark.
    ladder: Option<String>,
}

impl Drawn {
    /// An SVG document. Texts stay texts, in a sans-serif font of the reader's machine.
    pub fn svg(&self) -> String {
        self.ladder.clone().unwrap_or_else(|| render::svg(&self.picture))
    }

    /// A PNG file, two pixels to a unit.
    pub fn png(&self) -> Vec<u8> {
        render::png(&self.picture)
    }

    /// Width and height in units.
    pub fn size(&self) -> (u32, u32) {
        (self.picture.width.ceil() as u32, self.picture.height.ceil() as u32)
    }
}

/// More attempts than these no ladder can stand for.
const FEW: u64 = 100;

/// Whether a ladder of one connection says more of a run than curves: there were only a few.
pub fn is_few(run: Run<'_>) -> bool {
    let attempted: u64 = run.sources(None).map(|(_, t)| t.attempted.count).sum();
    (1..=FEW).contains(&attempted)
}

/// Draws a view of a run. The ladder is that of the connection worth looking at: it is the view of that name, and the overview of
/// a run with few connections. None where there is nothing of the kind.
pub fn draw(run: Run<'_>, view: View, ladder: Option<&Ladder>, style: Style) -> Option<Drawn> {
    match (view, ladder) {
        (View::Ladder, None) => None,
        (View::Ladder, Some(ladder)) => Some(draw_ladder(ladder, style)),
        (View::Overview, Some(ladder)) if is_few(run) => {
            let title = run.scenario.title.clone();
            Some(draw_ladder(&Ladder { title, ..ladder.clone() }, style))
        }
        (view, _) => Some(Drawn { picture: picture(run, view, style)?, ladder: None }),
    }
}

fn draw_ladder(ladder: &Ladder, style: Style) -> Drawn {
    let picture = Picture { ground: style.ground, ..rungs::rungs(ladder) };
    Drawn { picture, ladder: Some(ladder.svg("ladder")) }
}

fn picture(run: Run<'_>, view: View, style: Style) -> Option<Picture> {
    let panels = panels(run, view);
    let figure = || figure::figure(run, &panels, f64::from(style.width));
    (!panels.is_empty()).then(|| Picture { ground: style.ground, ..figure() })
}

/// The picture of a sweep over one axis or two, as SVG and PNG; none over more.
pub fn sweep(sweep: &Sweep<'_>) -> Option<(String, Vec<u8>)> {
    scan::scan(sweep).map(|picture| (render::svg(&picture), render::png(&picture)))
}

/// Several runs with their names on one scale, as SVG and PNG.
pub fn overlay(title: &str, runs: &[(&str, Run<'_>)]) -> (String, Vec<u8>) {
    let picture = overlay::overlay(title, runs);
    (render::svg(&picture), render::png(&picture))
}

/// More panels than these do not fit on a slide.
const MOST_PANELS: usize = 4;

fn panels(run: Run<'_>, view: View) -> Vec<Panel> {
    match view {
        View::Populations => populations::panels(run),
        View::Outcomes => outcomes::panels(run),
        View::Occupancy => vec![occupancy::panel(run)],
        View::Latency => latency::panel(run).into_iter().collect(),
        View::Ladder => Vec::new(),
        View::Overview => overview(run),
    }
}

/// What the title claims, what was felt, what there was, and which limits came near; what another panel says is left out.
fn overview(run: Run<'_>) -> Vec<Panel> {
    let mut all = claims::erlang(run);
    if let Some(systems) = claims::systems(run) {
        // Several systems in one skyline would hide each other.
        all.push(systems);
        return all;
    }
    all.extend(outcomes::panels(run));
    all.extend(latency::symptom(run));
    let populations = populations::panels(run);
    let told: usize = populations.iter().map(|p| p.limits.len()).sum();
    let few_hosts = populations.len() <= 2;
    all.extend(populations.into_iter().take(if few_hosts { 2 } else { 0 }));
    let mut in_play: Vec<_> = occupancy::in_play(run).collect();
    in_play.dedup();
    // Where every limit that came near is a line of another panel, its fullness is seen there.
    if in_play.len() > told || all.iter().all(|p| p.limits.is_empty()) && !in_play.is_empty() {
        all.push(occupancy::panel(run));
    }
    while all.len() > MOST_PANELS {
        let least = (0..all.len()).min_by(|&a, &b| all[a].weight.total_cmp(&all[b].weight));
        let Some(least) = least.filter(|&i| all[i].weight < 1.0) else { break };
        all.remove(least);
    }
    if all.is_empty() { outcomes::panels(run) } else { all }
}

#[cfg(test)]
mod tests;
