//! The result of one run of a campaign as a line of text that is whole or noticed.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::run::Run;

/// The name of the format; the number rises when a field changes its meaning or goes.
pub const FORMAT: &str = "timewait-runs/1";

/// What a run depends on, and the version of the program, as 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunKey(u128);

impl RunKey {
    /// The key of a run. The names of texts do not count, what they hold does.
    pub fn of(run: &Run) -> RunKey {
        let mut hash = Fnv::new();
        hash.text(FORMAT);
        hash.text(env!("CARGO_PKG_VERSION"));
        hash.text(&run.source.text);
        hash.number(run.patches.len() as u64);
        for patch in &run.patches {
            hash.text(&patch.path);
            hash.text(&patch.value);
        }
        hash.number(u64::from(run.seed.is_some()));
        hash.number(run.seed.unwrap_or(0));
        hash.number(run.sysctl.len() as u64);
        for (host, source) in &run.sysctl {
            hash.text(host);
            hash.text(&source.text);
        }
        for (name, read) in &run.files.0 {
            hash.text(name);
            hash.text(read.as_ref().map_or("", |source| &source.text));
        }
        RunKey(hash.0)
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a run came to, as far as a campaign keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The seed with which it ran.
    pub seed: u64,
    /// The number of each measure, in their order; none where there is no such number (nothing connected, never happened).
    pub values: Vec<Option<f64>>,
    /// The limit that refused first, if any did.
    pub bound_first: Option<String>,
    /// The digest of the run.
    pub digest: String,
    /// Events processed.
    pub events: u64,
}

#[derive(Serialize, Deserialize)]
struct Body {
    key: String,
    #[serde(flatten)]
    reading: Reading,
}

/// A line that holds the result of a run: JSON with a sum over its own text.
pub fn line(key: RunKey, reading: &Reading) -> String {
    let body = Body { key: key.to_string(), reading: reading.clone() };
    let body = serde_json::to_string(&body).expect("plain data always serialises");
    format!("{{\"sum\":\"{:016x}\",\"run\":{body}}}\n", sum(&body))
}

/// The first line of a file of such lines.
pub fn heading() -> String {
    format!("{{\"format\":\"{FORMAT}\",\"timewait\":\"{}\"}}\n", env!("CARGO_PKG_VERSION"))
}

/// Reads a line; none if it is not whole, or not one of these.
pub fn parse(line: &str) -> Option<(RunKey, Reading)> {
    let (sum_text, rest) = line.trim_end().strip_prefix("{\"sum\":\"")?.split_once("\",\"run\":")?;
    let body = rest.strip_suffix('}')?;
    if u64::from_str_radix(sum_text, 16).ok()? != sum(body) {
        return None;
    }
    let Body { key, reading } = serde_json::from_str(body).ok()?;
    Some((RunKey(u128::from_str_radix(&key, 16).ok()?), reading))
}

fn sum(text: &str) -> u64 {
    let mut hash = Fnv::new();
    hash.text(text);
    (hash.0 ^ (hash.0 >> 64)) as u64
}

/// FNV-1a with 128 bits: against accidents, not against malice.
struct Fnv(u128);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    fn number(&mut self, n: u64) {
        self.bytes(&n.to_le_bytes());
    }

    /// With its length, so that two texts are not one.
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenarios::Patch;

    fn run() -> Run {
        Run::bundled(*scenarios::bundled("real-machine").expect("it is bundled"))
    }

    fn reading() -> Reading {
        Reading {
            seed: 7,
            values: vec![Some(0.1), None, Some(28_232.0)],
            bound_first: Some("client.ports".to_owned()),
            digest: "ab".to_owned(),
            events: 12,
        }
    }

    #[test]
    fn the_hash_is_fnv() {
        let mut hash = Fnv::new();
        hash.bytes(b"foobar");
        assert_eq!(hash.0, 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }

    #[test]
    fn all_that_a_run_depends_on_is_in_its_key() {
        let key = RunKey::of(&run());
        let mut others = vec![run().with(Patch::new("duration", "1s")), run(), run(), run(), run()];
        others[1].seed = Some(1);
        others[2].source.text.push(' ');
        others[3].files.0.values_mut().for_each(|f| f.as_mut().expect("it is there").text.push('\n'));
        others[4].sysctl.push(("client".to_owned(), scenarios::Source::new("a", "")));
        for other in &others {
            assert_ne!(RunKey::of(other), key);
        }
        let mut renamed = run();
        renamed.source.name = "elsewhere.ron".to_owned();
        assert_eq!(RunKey::of(&renamed), key);
    }

    #[test]
    fn lines_come_back_as_they_were_and_damage_is_noticed() {
        let key = RunKey::of(&run());
        let line = line(key, &reading());
        assert_eq!(parse(&line), Some((key, reading())));
        for at in 0..line.trim_end().len() {
            let mut damaged = line.clone().into_bytes();
            damaged[at] ^= 1;
            let damaged = String::from_utf8(damaged).expect("still text");
            assert_ne!(parse(&damaged), Some((key, reading())), "{damaged}");
            assert!(parse(&damaged).is_none(), "{damaged}");
            assert_eq!(parse(&line[..at]), None);
        }
        assert_eq!(parse(&heading()), None);
    }
}
