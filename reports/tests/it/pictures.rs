//! Pictures, as far as a program can judge them.

use std::path::Path;

use crate::sample::{self, Sample};
use reports::plot::{Ground, Style, View, draw};

fn svg(run: reports::Run<'_>, view: View) -> String {
    draw(run, view, None, Style::default()).expect("there is something to draw").svg()
}

fn samples() -> [(&'static str, Sample); 7] {
    [
        ("ports", sample::ports_bound()),
        ("conntrack", sample::conntrack_bound()),
        ("files", sample::files_bound()),
        ("accept-queue", sample::accept_queue_bound()),
        ("nothing", sample::nothing_bound()),
        ("five-clients", sample::five_clients()),
        ("no-traffic", sample::no_traffic()),
    ]
}

/// Writes every picture where a person can look at it.
#[test]
fn every_view_of_every_sample_can_be_drawn() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    std::fs::create_dir_all(&dir).unwrap();
    for (name, s) in samples() {
        for view in View::ALL {
            let file = dir.join(format!("{name}-{}", view.name()));
            let Some(drawn) = draw(s.run(), view, None, Style::default()) else {
                assert!(matches!(view, View::Ladder | View::Latency), "{name} {view:?}");
                continue;
            };
            std::fs::write(file.with_extension("svg"), drawn.svg()).unwrap();
            std::fs::write(file.with_extension("png"), drawn.png()).unwrap();
        }
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let s = sample::ports_bound();
    for view in [View::Overview, View::Occupancy] {
        assert_eq!(svg(s.run(), view), svg(s.run(), view));
    }
    let png = || draw(s.run(), View::Occupancy, None, Style::default()).map(|d| d.png());
    assert_eq!(png(), png());
}

#[test]
fn a_picture_says_what_happened() {
    let s = sample::ports_bound();
    let text = svg(s.run(), View::Overview);
    for words in [
        "Client ports run out at 1,000 connections/s to one destination",
        "28.232 s: first EADDRNOTAVAIL",
        "60.008 s: first success after it",
        "limit 28,232: ports of client to 10.0.0.2:80",
        "simulated time (s)",
        "client TIME_WAIT, peak 28,232",
    ] {
        assert!(text.contains(&format!(">{words}</text>")), "{words}");
    }
}

/// A million samples are more than a picture has pixels; its size follows the pixels.
#[test]
fn long_series_make_small_pictures() {
    let mut s = sample::ports_bound();
    let factor = 2_000;
    for values in s.summary.series.columns.values_mut() {
        *values = values.iter().flat_map(|&v| std::iter::repeat_n(v, factor)).collect();
    }
    s.summary.series.rows *= factor;
    s.summary.series.interval.0 /= factor as u64;
    assert!(svg(s.run(), View::Overview).len() < 500_000);
}

#[test]
fn width_and_ground_are_as_asked() {
    let s = sample::ports_bound();
    let style = Style { width: 800, ground: Ground::Dark };
    let dark = draw(s.run(), View::Overview, None, style).unwrap();
    assert!(dark.svg().contains("width=\"800\"") && dark.svg().contains("#16181D"), "{}", dark.svg());
    assert_eq!(dark.png()[16..20], 1_600u32.to_be_bytes(), "two pixels to a unit");
    let light = draw(s.run(), View::Overview, None, Style::default()).unwrap();
    assert!(light.svg().contains("width=\"1200\"") && !light.svg().contains("#16181D"));
    assert!(
        light.svg().contains("<title>Client ports run out at 1,000 connections/s to one destination</title>")
    );
}
