//! Variants of a scenario side by side, paired by seed: named streams give all of them the same luck.

use scenarios::Patch;

use crate::axis::Target;
use crate::run::Run;
use crate::statistics::Estimate;
use sim_core::scenario::Scenario;

/// One of the things compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What it is called.
    pub name: String,
    /// Its changes to the base, for people.
    pub set: Vec<String>,
    /// The run, without its seed.
    pub run: Run,
}

impl Variant {
    /// Reads `NAME: PATH=V; PATH=V`, changes to a base; without a name the changes are the name. The error says what is
    /// wrong.
    pub fn parse(text: &str, base: &Run, scenario: &Scenario) -> Result<Variant, String> {
        let equals = text.find('=').unwrap_or(text.len());
        let (name, changes) = match text[..equals].split_once(':') {
            Some((name, _)) => (name.trim(), text[name.len() + 1..].trim()),
            None => (text.trim(), text.trim()),
        };
        let mut run = base.clone();
        let mut set = Vec::new();
        for change in parts(changes) {
            let patch = Patch::parse(change)?;
            // `traffic.NAME.rate` stands for the rate within the arrivals, as in a sweep.
            run.patches.push(Target::new(&patch.path, scenario)?.patch(&patch.value));
            set.push(patch.to_string());
        }
        if name.is_empty() || set.is_empty() {
            return Err(format!("`{text}` is not NAME: PATH=VALUE; PATH=VALUE"));
        }
        Ok(Variant { name: name.to_owned(), set, run })
    }

    /// Its run with a seed: expectations are not judged, so that none of them forbids a variant.
    pub fn with_seed(&self, seed: Option<u64>) -> Run {
        let mut run = self.run.clone().with(Patch::new("expect", "[]"));
        run.seed = seed.or(run.seed);
        run
    }
}

/// The parts between semicolons that stand in no quotes.
fn parts(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let split = text.split(move |c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    split.map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// How much larger a number is than that of the base, over the seeds for which both are known: by pairs, so that what
/// chance does to both alike does not count.
pub fn difference(base: &[Option<f64>], other: &[Option<f64>]) -> Option<Estimate> {
    let pairs = base.iter().zip(other).filter_map(|(b, o)| Some((*o)? - (*b)?));
    Estimate::of(&pairs.collect::<Vec<_>>())
}

/// The mean of what is known.
pub fn mean(values: &[Option<f64>]) -> Option<Estimate> {
    Estimate::of(&values.iter().copied().flatten().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Variant, String> {
        let base = Run::bundled(*scenarios::bundled("ports-run-out").expect("it is bundled"));
        let scenario = base.load().expect("it loads").scenario;
        Variant::parse(text, &base, &scenario)
    }

    #[test]
    fn variants_are_named_changes() {
        let variant =
            parse(r#"wide: hosts.client.sysctl."a;b"="1; 2"; traffic.web.rate=5/s"#).expect("it is right");
        assert_eq!(variant.name, "wide");
        let patches: Vec<_> = variant.run.patches.iter().map(ToString::to_string).collect();
        assert_eq!(
            patches,
            [r#"hosts.client.sysctl."a;b"="1; 2""#, r#"traffic.web.arrivals=constant("5/s")"#]
        );
        assert_eq!(parse("duration=1s").expect("it is right").name, "duration=1s");
        assert_eq!(parse("short: duration=1s").expect("it is right").set, ["duration=1s"]);
        for text in ["", "name:", ": duration=1s", "name: duration"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn differences_are_taken_by_pairs() {
        let base = [Some(10.0), Some(20.0), None, Some(30.0)];
        let other = [Some(11.0), Some(21.0), Some(5.0), Some(31.0)];
        let difference = difference(&base, &other).expect("three pairs");
        assert_eq!((difference.count, difference.half_width), (3, Some(0.0)));
        assert!((difference.mean - 1.0).abs() < 1e-12);
        assert!(mean(&base).expect("three numbers").half_width.expect("several") > 1.0);
        assert_eq!(super::difference(&[None], &[Some(1.0)]), None);
    }
}
