//! The forms in which a trace comes out, and that taking it changes nothing.

use std::collections::BTreeSet;

use experiments::execute;
use experiments::trace::{Fate, Which};
use reports::ladder::Charset;
use reports::trace::{Vantage, capture, ladders, lines};
use sim_core::engine::Record;
use sim_core::host::Attempt;
use sim_core::ids::TrafficId;

use super::{bundled, followed, world};
use std::ops::ControlFlow;

const FIRST: Which = Which::Attempt(Attempt { traffic: TrafficId(0), number: 0 });

/// Loss, copies and reordering; two connections.
const FAULTS: &str = r#", loss: "5%", duplicate: "5%", reorder: "10%", reorder_delay: "2ms""#;
const TWO: &str = r#", arrivals: at(["0s", "1s"]), request: "3kB", response: "40kB""#;

#[test]
fn following_a_connection_or_all_of_them_changes_nothing() {
    for bundled_one in scenarios::library() {
        let mut scenario = bundled(bundled_one.name);
        scenario.duration = scenario.duration.min(sim_core::time::Span::from_secs(40));
        let (plain, _) = execute(&scenario, |_| ControlFlow::Continue(()));
        assert_eq!(followed(&scenario, FIRST).summary, plain, "{}", bundled_one.name);
    }
    for scenario in [world(FAULTS, "", TWO), bundled("reuse-with-random-isn")] {
        let (plain, _) = execute(&scenario, |_| ControlFlow::Continue(()));
        assert_eq!(followed(&scenario, Which::All).summary, plain);
    }
}

#[test]
fn only_what_is_asked_for_is_recorded() {
    let scenario = world(FAULTS, "", TWO);
    let all = followed(&scenario, Which::All).records;
    let one: Vec<_> = followed(&scenario, FIRST).records;
    let of_first = |record: &Record| match record {
        Record::Sent(_, p)
        | Record::Carried(_, _, p)
        | Record::Forwarded(_, p)
        | Record::Arrived(_, p)
        | Record::Lost(_, _, p) => p.attempt.number == 0,
        Record::Moved(w, _)
        | Record::Refused(w, _)
        | Record::Fired(w, _)
        | Record::Armed(w, ..)
        | Record::Called(w, ..)
        | Record::Accepted(w)
        | Record::Booked(w, ..) => w.attempt.number == 0,
        Record::Denied(_, attempt, ..) => attempt.number == 0,
        Record::Logged(..) => true,
    };
    let expected: Vec<_> = all.iter().copied().filter(|(_, record)| of_first(record)).collect();
    assert!(one.len() > 50 && one.len() < all.len());
    assert_eq!(one, expected);
}

#[test]
fn the_first_with_a_fate_is_found() {
    let number = |name: &str, fate: Fate| {
        let trace = followed(&bundled(name), Which::First(fate));
        trace.records.iter().find_map(|(at, record)| match record {
            Record::Sent(_, packet) => Some((packet.attempt.number + 1, at.0 / 1_000_000)),
            Record::Denied(_, attempt, ..) => Some((attempt.number + 1, at.0 / 1_000_000)),
            _ => None,
        })
    };
    // The port search fails for the first time when 28,232 ports are taken.
    assert_eq!(number("ports-run-out", Fate::Failed), Some((28_233, 28_232)));
    assert_eq!(number("ports-run-out", Fate::Refused), Some((28_233, 28_232)));
    // Followed by tuple, the ladder begins with the first life.
    assert_eq!(number("reuse-with-random-isn", Fate::Reused), Some((1, 0)));
    assert_eq!(number("reuse-with-random-isn", Fate::Reset), Some((34, 2_031)));
    assert_eq!(number("reuse-with-random-isn", Fate::Retransmitted), Some((34, 2_031)));
    assert_eq!(number("conntrack-full", Fate::Refused), number("conntrack-full", Fate::Failed));
}

#[test]
fn a_ladder_tells_the_four_segments_of_a_reused_tuple() {
    let scenario = bundled("reuse-with-random-isn");
    let trace = followed(&scenario, Which::First(Fate::Reused));
    let drawn = ladders(&scenario, &trace, 1);
    insta::assert_snapshot!(drawn[0].text(100, Charset::Unicode));
}

#[test]
fn a_ladder_tells_what_was_dropped_and_why() {
    let scenario = bundled("conntrack-full");
    let refused = ladders(&scenario, &followed(&scenario, Which::First(Fate::Refused)), 1);
    let scenario = bundled("ports-run-out");
    let denied = ladders(&scenario, &followed(&scenario, Which::First(Fate::Failed)), 1);
    insta::assert_snapshot!(format!(
        "{}\n{}",
        refused[0].text(100, Charset::Ascii),
        denied[0].text(120, Charset::Unicode)
    ));
}

#[test]
fn a_ladder_shows_loss_copies_and_what_is_late() {
    let scenario = world(FAULTS, "", TWO);
    let text: String = ladders(&scenario, &followed(&scenario, Which::All), 2)
        .iter()
        .map(|l| l.text(110, Charset::Ascii))
        .collect();
    for sign in ["lost", " copy ", " late ", " again ", "refused: "] {
        assert!(text.contains(sign), "{sign}: {text}");
    }
}

#[test]
fn the_same_bytes_come_out_every_time() {
    let scenario = world(FAULTS, "", TWO);
    let forms = || {
        let trace = followed(&scenario, Which::All);
        let drawn = ladders(&scenario, &trace, 9);
        let mut bytes = Vec::new();
        capture(&mut bytes, &scenario, Vantage::all(&scenario), &trace.records)
            .expect("memory takes every write");
        let ladder = &drawn[0];
        (bytes, ladder.text(100, Charset::Unicode), ladder.svg("x"), lines(&scenario, &trace, &[]))
    };
    assert_eq!(forms(), forms());
}

/// A key of a line and its value's keys, as `reports/TRACE.md` names them.
fn keys(value: &serde_json::Value, into: &mut BTreeSet<String>) {
    let Some(object) = value.as_object() else { return };
    for (key, value) in object {
        into.insert(key.clone());
        keys(value, into);
    }
}

#[test]
fn each_field_of_the_lines_is_documented_and_each_documented_field_comes() {
    let mut met = BTreeSet::new();
    let no_answer =
        r#", arrivals: at(["0s", "1s"]), close: (first: client, how: reset), connect_timeout: "2s""#;
    let scenarios = [
        world(FAULTS, "", TWO),
        world(r#", loss: "40%""#, "", no_answer),
        bundled("reuse-with-random-isn"),
        bundled("ports-run-out"),
    ];
    for (i, scenario) in scenarios.iter().enumerate() {
        let which = if i == 3 { Which::First(Fate::Failed) } else { Which::All };
        for line in lines(scenario, &followed(scenario, which), &[]).lines() {
            keys(&serde_json::from_str(line).expect("each line is JSON"), &mut met);
        }
    }
    let page = include_str!("../../../../reports/TRACE.md");
    let cells =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |").map(|(cell, _)| cell));
    let documented: BTreeSet<String> =
        cells.flat_map(|cell| cell.trim_end_matches('`').split("`, `").map(str::to_owned)).collect();
    assert_eq!(met, documented);
}
