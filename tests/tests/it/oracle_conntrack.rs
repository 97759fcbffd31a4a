//! The connection tracker against the recorded kernel.

use std::fs::File;

use flate2::read::GzDecoder;
use serde_json::Value;
use sim_core::seq::Seq;
use tests::conformance::conntrack::{ISNS, Outcome, cells, sequences};
use tests::conformance::conntrack_walks::walks;

fn recording(name: &str) -> Value {
    let path = format!("{}/oracle/kernel-6.18/{name}.json.gz", env!("CARGO_MANIFEST_DIR"));
    let file = File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_reader(GzDecoder::new(file)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Another pair on the same half of the circle: there our choice must not matter. On the other half it does, to the
/// kernel too, for some segments bear a literal zero, and a side not heard yet is known by zeroes.
const OTHERS: [Seq; 2] = [Seq(0x7000_0000), Seq(0x0100_0000)];
/// The client's numbers wrap at once.
const WRAPPING: [Seq; 2] = [Seq(u32::MAX - 60), ISNS[1]];

fn assert_agree(outcomes: &[Outcome], count: usize) {
    let wrong: Vec<String> = outcomes
        .iter()
        .filter_map(|o| o.result.as_ref().err().map(|m| (o, m)))
        .map(|(o, m)| format!("{}\n  expected {}\n  got      {}", o.id, m.expected, m.got))
        .collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), outcomes.len(), wrong.join("\n"));
    assert_eq!(outcomes.len(), count, "the recording is complete");
}

#[test]
fn every_cell_agrees() {
    let (file, setups) = (recording("conntrack"), recording("setups"));
    for isns in [ISNS, OTHERS] {
        assert_agree(&cells(&file, &setups, isns), 1_224);
    }
}

#[test]
fn every_sequence_agrees() {
    let file = recording("conntrack_sequences");
    for isns in [ISNS, OTHERS, WRAPPING] {
        assert_agree(&sequences(&file, isns), 37);
    }
}

#[test]
fn every_walk_agrees() {
    assert_agree(&walks(&recording("conntrack_walks")), 1_500);
}
