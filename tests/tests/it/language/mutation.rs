//! Nothing that can be written makes the language panic.

use proptest::prelude::*;
use scenarios::{Patch, library};
use tests::fuzz::{PIECES, exercise, smoke};

/// The nearest boundary between characters.
fn boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

fn everything() -> Vec<&'static str> {
    library().iter().map(|b| b.text).chain([include_str!("everything.ron")]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..crate::properties::config(400) })]

    #[test]
    fn mutated_files_are_refused_or_loaded(
        which in 0_usize..1000,
        edits in prop::collection::vec((0.0_f64..1.0, 0_usize..40, 0_usize..PIECES.len(), any::<bool>()), 1..5),
    ) {
        let texts = everything();
        let mut text = texts[which % texts.len()].to_owned();
        for (at, remove, piece, insert) in edits {
            let from = boundary(&text, (at * text.len() as f64) as usize);
            let to = boundary(&text, from + remove);
            text.replace_range(from..to, if insert { PIECES[piece] } else { "" });
        }
        exercise(&text, &[]);
    }

    #[test]
    fn values_of_all_kinds_in_all_places(which in 0_usize..1000, at in 0_usize..400, piece in 0_usize..PIECES.len()) {
        let texts = everything();
        let text = texts[which % texts.len()];
        // Replace the value after the nth colon, up to the next comma.
        if let Some((colon, _)) = text.match_indices(": ").nth(at) {
            let end = text[colon..].find(',').map_or(text.len(), |i| colon + i);
            exercise(&format!("{}: {}{}", &text[..colon], PIECES[piece], &text[end..]), &[]);
        }
    }

    /// Stretches of two files of the library, joined where lines end: RON nearly everywhere, sense seldom.
    #[test]
    fn spliced_files_are_refused_or_loaded(
        files in prop::array::uniform2(0_usize..1000),
        cuts in prop::array::uniform4(0.0_f64..1.0),
    ) {
        let texts = everything();
        let [a, b] = files.map(|which| texts[which % texts.len()].lines().collect::<Vec<_>>());
        let at = |lines: &[&str], cut: f64| (cut * lines.len() as f64) as usize;
        let (from, to) = (at(&b, cuts[1].min(cuts[2])), at(&b, cuts[1].max(cuts[2])));
        let (first, last) = (at(&a, cuts[0].min(cuts[3])), at(&a, cuts[0].max(cuts[3])));
        let lines = a[..first].iter().chain(&b[from..to]).chain(&a[last..]);
        exercise(&lines.copied().collect::<Vec<_>>().join("\n"), &[]);
    }

    #[test]
    fn any_patch_is_refused_or_applied(path in "[a-z.\\[\\]0-9\"]{0,30}", value in "\\PC{0,30}") {
        exercise(library()[0].text, &[Patch::new(path, value)]);
    }

    #[test]
    fn patches_of_all_kinds_in_all_places(place in 0_usize..12, piece in 0_usize..PIECES.len()) {
        let paths = [
            "duration", "sample", "seed", "hosts", "hosts.client", "hosts.client.tcp.time_wait", "links[0]", "links[0].path",
            "traffic.web.arrivals", "traffic.web.to", "expect[0]", "traffic.web.requests_per_connection",
        ];
        exercise(library()[0].text, &[Patch::new(paths[place], PIECES[piece])]);
    }
}

#[test]
fn big_and_deep_files_are_answered_in_time() {
    for text in [
        "(".repeat(1_000_000),
        "[".repeat(300),
        format!("(duration: {}", "[(".repeat(60)),
        "\"".repeat(100_001),
        format!("({})", "a: 1,".repeat(20_000)),
        format!("(hosts: {{{}}})", "\"h\": (),".repeat(3_000)),
        format!("(expect: [{}])", "never(\"x\"),".repeat(3_000)),
    ] {
        exercise(&text, &[]);
    }
}

/// Each target of the fuzzers over its corpus, and over some mutants of it: `fuzz -- 0 1000000` takes as many as wanted.
#[test]
fn targets_of_fuzzers_take_their_corpus_and_mutants() {
    for target in tests::fuzz::TARGETS {
        let texts = tests::fuzz::corpus(target);
        assert!(texts.len() > 1, "{}: a corpus", target.name);
        // Else only the first lines of a parser would be reached.
        assert!(
            texts.iter().any(|text| (target.run)(text.as_bytes())),
            "{}: nothing is accepted",
            target.name
        );
    }
    assert!(smoke(0..1_500) > 50);
}
