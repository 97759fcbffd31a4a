//! The pictures of the bundled scenarios: each shows what its title says, and nothing that is not so.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use experiments::{notable, trace};
use reports::plot::{Drawn, Style, View, draw, is_few};
use reports::trace::ladders;

use sim_core::time::Time;
use tests::model::document;

use crate::library_runs::RUNS;

/// The overview of a scenario of the library.
fn overview(name: &str) -> Drawn {
    let (_, outcome) = RUNS.iter().find(|(b, _)| b.name == name).expect("it is bundled");
    let run = reports::Run::new(&outcome.scenario, &outcome.summary);
    let ladder = is_few(run).then(|| {
        let (_, traced) = notable::of_few(run.scenario, |_| ControlFlow::Continue(())).expect("a connection");
        ladders(run.scenario, &traced, 1).remove(0)
    });
    draw(run, View::Overview, ladder.as_ref(), Style::default()).expect("every run has a picture")
}

/// All texts of a picture.
fn texts(svg: &str) -> Vec<&str> {
    svg.split("</text>").filter_map(|part| part.rsplit_once('>').map(|(_, text)| text)).collect()
}

/// What stands in the picture of a scenario, and words that do not begin any text in it.
const SHOWN: &[(&str, &[&str], &[&str])] = &[
    (
        "ports-run-out",
        &["limit 28,232: ports of client to 10.0.0.2:80", "28.232 s: first EADDRNOTAVAIL"],
        &["How full"],
    ),
    // A sum of two limits is none: neither stands on the curve that counts the sockets of both.
    (
        "unaffected-destination",
        &["busy: Connection attempts by outcome, when it came (mean over 1 s)", "connected, 9,000 in all"],
        &["limit "],
    ),
    (
        "two-destinations",
        &["ports of client to 2 destinations alike, at most 28,232 of 28,232 each"],
        &["limit "],
    ),
    (
        "conntrack-first",
        &["ports of client to 8 destinations alike, at most 4,501 of 28,232 each"],
        &["limit "],
    ),
    (
        "time-wait-holds-no-descriptor",
        &["client TIME_WAIT, peak 20,400", "client open descriptors, peak 1"],
        &[],
    ),
    (
        "close-wait-holds-descriptors",
        &[
            "server CLOSE_WAIT and open descriptors, peak 1,024",
            "not answered yet, 1,976 at the end",
            "limit 1,024: open files of server",
        ],
        &["limit 4,097"],
    ),
    (
        "msl-by-system",
        &[
            "470.5/s of 1,000/s",
            "546.1/s of 1,000/s",
            "136.5/s of 1,000/s",
            "925.6/s of 1,000/s",
            "117.6/s of 1,000/s",
        ],
        &["Sockets"],
    ),
    ("poisson-470", &["Erlang B: 0.30%"], &["The smaller"]),
    ("poisson-500", &["Erlang B: 5.79%"], &["The smaller"]),
    ("fin-timeout", &["plain and tuned TIME_WAIT, peak 6,000 each"], &["tuned TIME_WAIT"]),
    // A queue of accept() is no limit on TIME_WAIT.
    (
        "time-wait-one-second",
        &["connect 99%, 1.001 s over the whole run", "connect median, 1.016 ms over the whole run"],
        &["limit "],
    ),
    (
        "node-conntrack",
        &[
            "probe: Connection attempts by outcome, when it came (mean over 1 s)",
            "no outcome yet, 16,112 at the end",
        ],
        &["work-1"],
    ),
    ("bind-before-connect", &["limit 28,232: ports that envoy binds before connect()"], &[]),
    (
        "both-tables",
        &["limit 16,384: tcp_max_tw_buckets of proxy", "nf_conntrack_max of proxy, peak 40,000 of 40,000"],
        &[],
    ),
    ("reuse-with-random-isn", &["SYN in TIME_WAIT: lower", "SYN 0 again"], &["per second"]),
    ("reuse-with-rfc793", &["RST,ACK 0 ack 1", "connect(): ECONNREFUSED"], &["per second"]),
    ("reuse-with-timestamps", &["timestamp, reopened"], &["per second"]),
];

#[test]
fn a_picture_shows_what_its_title_says() {
    for (name, there, not_there) in SHOWN {
        let svg = overview(name).svg();
        let texts = texts(&svg);
        for words in *there {
            assert!(texts.contains(words), "{name}: \"{words}\" is missing in {texts:#?}");
        }
        for words in *not_there {
            assert!(!texts.iter().any(|t| t.starts_with(words)), "{name}: \"{words}\" in {texts:#?}");
        }
    }
}

#[test]
fn no_two_pictures_are_alike_and_curves_fit_a_slide() {
    let mut seen = BTreeSet::new();
    for (bundled, outcome) in RUNS.iter() {
        let drawn = overview(bundled.name);
        let svg = drawn.svg();
        assert!(
            seen.insert(svg.replace(&outcome.scenario.title, "")),
            "{} looks like another one",
            bundled.name
        );
        let (width, height) = drawn.size();
        if !svg.contains("class=\"ladder\"") {
            assert_eq!(width, 1_200);
            assert!(height * 3 <= width * 2, "{}: {width} x {height}", bundled.name);
        }
    }
}

/// `docs/ladder.svg` is what `timewait trace reuse-with-random-isn --first reused --as svg` prints, `docs/ports-run-out.png` the
/// picture that `timewait run ports-run-out --out` leaves.
#[test]
fn the_pictures_in_docs_are_what_the_tool_draws() {
    let (_, outcome) = RUNS.iter().find(|(b, _)| b.name == "reuse-with-random-isn").expect("it is bundled");
    let wanted = trace::Wanted {
        which: trace::Which::First(trace::Fate::Reused),
        from: Time::ZERO,
        to: Time::NEVER,
        most: 10_000,
    };
    let traced =
        trace::trace(&outcome.scenario, &wanted, |_| ControlFlow::Continue(())).expect("there is one");
    let ladder = ladders(&outcome.scenario, &traced, 1).remove(0).svg("ladder");
    document::check("docs/ladder.svg", &ladder).unwrap_or_else(|e| panic!("{e}"));
    let picture = overview("ports-run-out").png();
    document::check_bytes("docs/ports-run-out.png", &picture).unwrap_or_else(|e| panic!("{e}"));
}
