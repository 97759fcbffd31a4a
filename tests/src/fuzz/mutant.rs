//! Mutants: a text of the corpus with a few pieces cut, doubled, moved, or replaced by what parsers stumble over.

use sim_core::rng::{Component, Purpose, Stream};

/// Pieces that parsers stumble over.
pub const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    ",",
    ":",
    "..",
    "-",
    "0",
    "99999999999999999999",
    "NaN",
    "inf",
    "1e999",
    "\\u{d800}",
    "\u{0}",
    "\u{feff}",
    "é",
    "\u{2028}",
    "/*",
    "*/",
    "//",
    "r#\"",
    "b\"",
    "Some(",
    "None",
    "()",
    "#![enable(unwrap_newtypes)]",
    "\"0s\"",
    "\"99999999999h\"",
    "\"1/0s\"",
    "\"18446744073709551615/ns\"",
    "\"100%\"",
    "never",
    "constant(",
    "duration:",
    "\r\n",
    "workers(10000000)",
    "(low: 1)",
    "\"10.0.0.1:0\"",
    "4294967296",
    "$",
    "=",
    "10.0.0.1-10.255.255.255",
    "1-65535",
    "replicas: 100000",
    "\"1ns\"",
    "\"200d\"",
    "0.000000001",
    "true",
    "unlimited",
];

/// The nearest boundary between characters.
fn boundary(text: &str, at: u64) -> usize {
    text.floor_char_boundary((at as usize).min(text.len()))
}

/// The mutant with this number of a corpus.
pub fn mutant(number: u64, corpus: &[String]) -> String {
    let mut rng = Stream::new(number, Purpose::Arrivals, Component::SHARED.part(80));
    let below = |rng: &mut Stream, n: usize| rng.below(n.max(1) as u64);
    let whole = &corpus[below(&mut rng, corpus.len()) as usize];
    let other = &corpus[below(&mut rng, corpus.len()) as usize];
    let mut text = whole.clone();
    for _ in 0..=below(&mut rng, 4) {
        let from = boundary(&text, below(&mut rng, text.len() + 1));
        let length = below(&mut rng, 40);
        let to = boundary(&text, from as u64 + length);
        match rng.below(8) {
            0 => text.replace_range(from..to, ""),
            1 => text.insert_str(from, PIECES[below(&mut rng, PIECES.len()) as usize]),
            2 => {
                let again = text[from..to].to_owned();
                text.insert_str(to, &again);
            }
            // Another value where one stands.
            3 | 4 => replace_value(&mut text, &mut rng, |rng| {
                PIECES[rng.below(PIECES.len() as u64) as usize].to_owned()
            }),
            5 => replace_value(&mut text, &mut rng, |rng| {
                let at = boundary(other, rng.below(other.len() as u64 + 1));
                let end = other[at..].find([',', '\n']).map_or(other.len(), |i| at + i);
                other[at..end].trim_start_matches(|c| c != ':').trim_start_matches(':').to_owned()
            }),
            6 => other_number(&mut text, &mut rng),
            // Lines of another text.
            _ => {
                let lines: Vec<&str> = other.lines().collect();
                let first = below(&mut rng, lines.len()) as usize;
                let last = (first + 1 + rng.below(6) as usize).min(lines.len());
                text.insert_str(from, &lines[first.min(last)..last].join("\n"));
            }
        }
    }
    text
}

/// Replaces what stands between a colon and the next comma.
fn replace_value(text: &mut String, rng: &mut Stream, value: impl FnOnce(&mut Stream) -> String) {
    let colons: Vec<usize> = text.match_indices([':', '=']).map(|(at, _)| at + 1).collect();
    if colons.is_empty() {
        return;
    }
    let from = colons[rng.below(colons.len() as u64) as usize];
    let to = text[from..].find([',', '\n']).map_or(text.len(), |i| from + i);
    let value = value(rng);
    text.replace_range(from..to, &value);
}

/// Makes a number another one, most of them near an edge.
fn other_number(text: &mut String, rng: &mut Stream) {
    let digits: Vec<usize> = text.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).collect();
    if digits.is_empty() {
        return;
    }
    let from = digits[rng.below(digits.len() as u64) as usize];
    let to = text[from..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |i| from + i);
    let edges =
        [0, 1, 2, 63, 255, 256, 1_000, 65_535, 65_536, 1 << 31, u64::from(u32::MAX), 1 << 53, u64::MAX];
    let number = if rng.below(2) == 0 { rng.below(100) } else { edges[rng.below(13) as usize] };
    text.replace_range(from..to, &number.to_string());
}
