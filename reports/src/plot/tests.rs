//! Layout, judged by a program: texts stand clear of each other and inside the picture.

use sim_core::errno::{Call, Errno};
use sim_core::ids::{Addr, HostId, SockAddr, TrafficId};
use sim_core::profile::Stack;
use sim_core::record::{
    ErrorTally, Gauge, HostSummary, LimitSummary, Series, Summary, Tally, TrafficSummary,
};
use sim_core::scenario::{Host, Limit, Metric, Outcome, Scenario};
use sim_core::tcp::State;
use sim_core::time::{Span, Time};

use super::picture::{Picture, Shape};
use super::*;

/// Two hosts with long names, every state, several limits close to each other, failures at the very end.
fn crowded() -> (Scenario, Summary) {
    let host = |name: &str| {
        let d = Stack::Linux6_18.defaults();
        Host {
            name: name.to_owned(),
            addresses: vec![Addr(0x0a00_0001)],
            stack: Stack::Linux6_18,
            tcp: d.tcp,
            phase: None,
            ports: d.ports,
            open_files: 1024,
            listen: Vec::new(),
            drop: Vec::new(),
            conntrack: None,
        }
    };
    let scenario = Scenario {
        title:
            "A title that goes on and on, because whoever wrote it wanted to be sure that nobody could ever \
                misunderstand what it is that happens in this scenario"
                .to_owned(),
        teaches: String::new(),
        duration: Span::from_secs(60),
        seed: 1,
        sample: Span::from_secs(1),
        hosts: vec![host("front-end-proxy"), host("application-server")],
        links: Vec::new(),
        traffic: Vec::new(),
        events: Vec::new(),
        expect: Vec::new(),
    };
    let mut series = Series { interval: Span::from_secs(1), rows: 61, ..Series::default() };
    let rising = |most: u64| (0..61).map(|row| most * row / 60).collect::<Vec<u64>>();
    for (h, id) in [HostId(0), HostId(1)].into_iter().enumerate() {
        for (i, &state) in State::ALL.iter().enumerate() {
            series.columns.insert(Metric::Sockets(id, state), rising(900 + (i * 10 + h) as u64));
        }
    }
    let gauge = |peak| Gauge { now: peak, peak, peak_at: Time::ZERO };
    let to = |port| SockAddr { addr: Addr(0x0a00_0002), port };
    let mut limits = vec![
        (Limit::Ports { host: HostId(0), from: Addr(0x0a00_0001), to: to(80) }, 1_000),
        (Limit::OpenFiles(HostId(0)), 1_021),
        (Limit::TwBuckets(HostId(0)), 1_022),
        (Limit::AcceptQueue(HostId(1), 80), 1_020),
        (Limit::SynQueue(HostId(1), 80), 1_019),
    ];
    limits.sort();
    let failed = Tally { count: 5, first: Time(59_700_000_000), last: Time(59_900_000_000) };
    let refused = Tally { first: Time(59_500_000_000), ..failed };
    let limits = limits
        .into_iter()
        .map(|(limit, capacity)| {
            series.columns.insert(Metric::Used(limit), rising(capacity));
            LimitSummary { limit, capacity, used: gauge(capacity), refused, held_by: Vec::new() }
        })
        .collect();
    for outcome in [Outcome::Attempted, Outcome::Connected, Outcome::Error(Errno::Etimedout)] {
        series.columns.insert(Metric::Outcome(TrafficId(0), outcome), rising(6_000));
    }
    let all = Tally { count: 6_000, ..Tally::default() };
    let traffic = TrafficSummary {
        attempted: all,
        connected: all,
        failed,
        errors: vec![ErrorTally { call: Call::Connect, errno: Errno::Etimedout, tally: failed }],
        ..TrafficSummary::default()
    };
    let hosts = vec![HostSummary { states: [gauge(900); 11], ..HostSummary::default() }; 2];
    let ended = Time(60_000_000_000);
    (scenario, Summary { ended, traffic: vec![traffic], hosts, limits, series, ..Summary::default() })
}

fn drawn(view: View, width: u32) -> Option<Picture> {
    let (scenario, summary) = crowded();
    picture(Run::new(&scenario, &summary), view, Style { width, ..Style::default() })
}

fn texts(view: View) -> Vec<String> {
    let picture = drawn(view, 1_200).expect("there is something to draw");
    let text = |shape| match shape {
        Shape::Text(label) => Some(label.text),
        _ => None,
    };
    picture.shapes.into_iter().filter_map(text).collect()
}

#[test]
fn no_two_texts_overlap() {
    let views = View::ALL.into_iter().flat_map(|view| [600, 900, 1_200].map(|width| (view, width)));
    let mut pictures = 0;
    for (view, picture) in views.filter_map(|(view, width)| Some((view, drawn(view, width)?))) {
        pictures += 1;
        let texts: Vec<_> = picture
            .shapes
            .iter()
            .filter_map(|s| match s {
                Shape::Text(label) => Some((label, label.extent())),
                _ => None,
            })
            .collect();
        assert!(texts.len() > 15, "{view:?} has its texts");
        for (i, (a, (a_left, a_right))) in texts.iter().enumerate() {
            let inside = *a_left >= 0.0 && *a_right <= picture.width && a.at.1 <= picture.height;
            assert!(inside, "{view:?} {}: \"{}\" is cut off", picture.width, a.text);
            for (b, (b_left, b_right)) in &texts[i + 1..] {
                // A line of text reaches from 0.8 of its size above the baseline to 0.2 below it.
                let above = |l: &picture::Label| l.at.1 - 0.8 * l.size;
                let below = |l: &picture::Label| l.at.1 + 0.2 * l.size;
                let apart =
                    a_right <= b_left || b_right <= a_left || below(a) <= above(b) || below(b) <= above(a);
                assert!(apart, "{view:?} {}: \"{}\" and \"{}\" overlap", picture.width, a.text, b.text);
            }
        }
    }
    assert_eq!(pictures, 12, "all but latency and ladder, of which there is nothing here");
}

#[test]
fn a_limit_stands_only_on_a_curve_that_it_can_stop() {
    let texts = texts(View::Populations);
    let limits: Vec<_> = texts.iter().filter(|t| t.starts_with("limit ")).collect();
    assert!(limits.iter().any(|t| *t == "limit 1,022: tcp_max_tw_buckets of front-end-proxy"), "{limits:?}");
    // A queue of accept() is no population that is drawn.
    assert!(!limits.iter().any(|t| t.contains("accept queue")), "{limits:?}");
}

#[test]
fn colour_means_state_and_dash_means_host() {
    let (scenario, summary) = crowded();
    let panels = panels(Run::new(&scenario, &summary), View::Populations);
    for curve in panels.iter().flat_map(|p| &p.curves) {
        let host = usize::from(curve.name.starts_with("application-server"));
        assert_eq!(curve.dash, palette::HOSTS[host], "{}", curve.name);
        let state = State::ALL.iter().find(|s| curve.name.contains(&format!(" {},", s.name())));
        assert_eq!(curve.color, palette::state(*state.expect("a state")), "{}", curve.name);
    }
}

#[test]
fn on_a_dark_ground_everything_is_lighter_than_it() {
    let light = |(r, g, b): palette::Color| u32::from(r) + u32::from(g) + u32::from(b);
    let ground = light(Ground::Dark.color(palette::PAPER));
    let states = State::ALL.iter().map(|&s| palette::state(s));
    for color in states.chain([palette::INK, palette::SOFT_INK, palette::ALARM, palette::FRAME]) {
        assert!(light(Ground::Dark.color(color)) > ground + 220, "{color:?}");
    }
}

#[test]
fn thinning_keeps_the_extremes() {
    let spike = |i: usize| (i as f64, if i == 54_321 { 9.0 } else { (i % 2) as f64 });
    let thin = panel::thinned((0..100_000).map(spike).collect());
    assert!(thin.len() <= 2_002 && thin.contains(&(54_321.0, 9.0)));
    assert!(thin.windows(2).all(|w| w[0].0 <= w[1].0));
}

/// No pixel above the highest point of a jagged line, bar half the width of the line.
#[test]
fn bends_do_not_overshoot() {
    let mut picture = Picture { height: 100.0, ..Picture::new(100.0, "") };
    let points = (0..80).map(|i| (10.0 + f64::from(i), if i % 2 == 0 { 50.0 } else { 80.0 })).collect();
    picture.line(points, palette::INK, 2.0, palette::SOLID);
    let file = render::png(&picture);
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let first = pixels.chunks_exact(200 * 3).position(|row| row.iter().any(|&v| v < 128)).unwrap();
    // Two pixels to a unit: the line's highest point is in row 100, its upper edge a unit above.
    assert!((97..=100).contains(&first), "{first}");
}
