//! Pictures: populations, outcomes and occupancy over simulated time, as SVG and PNG.
//!
//! A view becomes panels (what to show), panels become a picture (where everything stands, in shapes), and a picture
//! is rendered by either backend. Layout happens once, with the metrics of one embedded font, so that SVG and PNG
//! agree with each other and with those of every other machine.

mod axis;
pub(crate) mod colors;
mod figure;
mod font;
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
mod scan;

use crate::run::Run;
use crate::sweeps::Sweep;
use panel::Panel;

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Sockets by state, against their limits.
    Populations,
    /// Outcomes of connection attempts per second.
    Outcomes,
    /// How full each limit is.
    Occupancy,
    /// The three above each other.
    Overview,
}

impl View {
    /// Every view.
    pub const ALL: [View; 4] = [View::Populations, View::Outcomes, View::Occupancy, View::Overview];

    /// The name of its file, without the extension.
    pub const fn name(self) -> &'static str {
        match self {
            View::Populations => "populations",
            View::Outcomes => "outcomes",
            View::Occupancy => "occupancy",
            View::Overview => "overview",
        }
    }
}

/// The view as an SVG document. Texts stay texts, in a sans-serif font of the reader's machine.
pub fn svg(run: Run<'_>, view: View) -> String {
    render::svg(&figure::figure(run, &panels(run, view)))
}

/// The view as a PNG file, two pixels to a unit.
pub fn png(run: Run<'_>, view: View) -> Vec<u8> {
    render::png(&figure::figure(run, &panels(run, view)))
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

fn panels(run: Run<'_>, view: View) -> Vec<Panel> {
    match view {
        View::Populations => populations::panels(run),
        View::Outcomes => vec![outcomes::panel(run)],
        View::Occupancy => vec![occupancy::panel(run)],
        View::Overview => {
            let mut all = vec![outcomes::panel(run)];
            all.extend(populations::panels(run));
            all.push(occupancy::panel(run));
            // Together they should still fit on a screen.
            for panel in &mut all {
                panel.height = (panel.height * 0.7).max(80.0);
            }
            all
        }
    }
}

#[cfg(test)]
mod tests;
