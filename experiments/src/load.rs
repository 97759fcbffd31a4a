//! How much is asked of a scenario, and the same scenario with more or less of it.

use scenarios::Patch;
use sim_core::scenario::{Arrivals, Rate, Scenario};
use sim_core::time::Span;

/// The sources whose demand can be scaled: those with rates; where there are none, those with workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    sources: Vec<(String, Arrivals)>,
}

/// A load in thousandths of the scenario's own.
pub type PerMille = u64;

/// The load that the scenario has by itself.
pub const OWN: PerMille = 1000;

impl Load {
    /// What a scenario asks for; none if no source has a rate or workers.
    pub fn of(scenario: &Scenario) -> Option<Load> {
        let rated =
            |a: &Arrivals| matches!(a, Arrivals::Constant(_) | Arrivals::Poisson(_) | Arrivals::Phases(_));
        let busy = |a: &Arrivals| matches!(a, Arrivals::Workers(_));
        let with = |wanted: &dyn Fn(&Arrivals) -> bool| -> Vec<_> {
            let found = scenario.traffic.iter().filter(|t| wanted(&t.arrivals));
            found.map(|t| (t.name.clone(), t.arrivals.clone())).collect()
        };
        let sources = Some(with(&rated)).filter(|found| !found.is_empty()).unwrap_or_else(|| with(&busy));
        (!sources.is_empty()).then_some(Load { sources })
    }

    /// The changes that make the load so large; none for the scenario's own.
    pub fn patches(&self, load: PerMille) -> Vec<Patch> {
        if load == OWN {
            return Vec::new();
        }
        let patch = |(name, arrivals): &(String, Arrivals)| {
            #[allow(clippy::match_wildcard_for_single_variants, reason = "only these kinds are taken in")]
            let text = match arrivals {
                Arrivals::Constant(rate) => format!("constant(\"{}\")", scaled(*rate, load)),
                Arrivals::Poisson(rate) => format!("poisson(\"{}\")", scaled(*rate, load)),
                Arrivals::Phases(phases) => {
                    let phase = |(length, rate): &(Span, Rate)| {
                        format!("(\"{}ns\", \"{}\")", length.0, scaled(*rate, load))
                    };
                    format!("phases([{}])", phases.iter().map(phase).collect::<Vec<_>>().join(", "))
                }
                Arrivals::Workers(workers) => format!("workers({})", crew(*workers, load)),
                _ => return None,
            };
            Some(Patch::new(format!("traffic.{name}.arrivals"), text))
        };
        self.sources.iter().filter_map(patch).collect()
    }

    /// Arrivals a second of all these sources at such a load, at their busiest; or how many workers there are.
    pub fn amount(&self, load: PerMille) -> Amount {
        let per_second = |rate: &Rate| rate.count as f64 * 1e9 / (rate.per.0.max(1) as f64);
        let (mut rate, mut workers) = (0.0, 0);
        for (_, arrivals) in &self.sources {
            #[allow(clippy::match_wildcard_for_single_variants, reason = "only these kinds are taken in")]
            match arrivals {
                Arrivals::Constant(r) | Arrivals::Poisson(r) => rate += per_second(r),
                Arrivals::Phases(phases) => {
                    rate += phases.iter().map(|(_, r)| per_second(r)).fold(0.0, f64::max);
                }
                Arrivals::Workers(n) => workers += u64::from(crew(*n, load)),
                _ => {}
            }
        }
        if workers > 0 { Amount::Workers(workers) } else { Amount::Rate(rate * load as f64 / OWN as f64) }
    }

    /// Arrivals of a source in so long a time from the start on, if it has a rate.
    pub fn wanted(&self, name: &str, load: PerMille, time: Span) -> Option<f64> {
        let (_, arrivals) = self.sources.iter().find(|(n, _)| n == name)?;
        let of = |rate: &Rate, span: Span| rate.count as f64 * span.0 as f64 / (rate.per.0.max(1) as f64);
        let own = match arrivals {
            Arrivals::Constant(rate) | Arrivals::Poisson(rate) => of(rate, time),
            Arrivals::Phases(phases) => phases.iter().map(|(length, rate)| of(rate, *length)).sum(),
            _ => return None,
        };
        Some(own * load as f64 / OWN as f64)
    }

    /// Whether chance decides when they come.
    pub fn is_random(&self) -> bool {
        self.sources.iter().any(|(_, a)| matches!(a, Arrivals::Poisson(_)))
    }
}

/// How large a load is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Arrivals a second.
    Rate(f64),
    /// Workers.
    Workers(u64),
}

fn crew(workers: u32, load: PerMille) -> u32 {
    let scaled = (u64::from(workers) * load).div_ceil(OWN).max(1);
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

/// `600/60000000000ns`: exact, whatever the factor.
fn scaled(rate: Rate, load: PerMille) -> String {
    let (count, per) = (u128::from(rate.count) * u128::from(load), u128::from(rate.per.0) * u128::from(OWN));
    if count == 0 {
        return "0/s".to_owned();
    }
    let divisor = gcd(count, per);
    format!("{}/{}ns", count / divisor, per / divisor)
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Run;

    fn run(name: &str) -> Run {
        Run::bundled(*scenarios::bundled(name).expect("it is bundled"))
    }

    /// Whatever is multiplied on the way, the text says it in the smallest numbers.
    #[test]
    fn a_scaled_rate_is_written_in_lowest_terms() {
        let rate = Rate { count: 600, per: Span::from_secs(60) };
        assert_eq!(scaled(rate, OWN), "1/100000000ns");
        assert_eq!(scaled(rate, 1500), "3/200000000ns");
    }

    #[test]
    fn a_load_is_scaled_exactly() {
        for (name, own, twice) in [
            ("ports-run-out", Amount::Rate(1000.0), Amount::Rate(2000.0)),
            ("poisson-470", Amount::Rate(470.0), Amount::Rate(940.0)),
            ("conntrack-full", Amount::Rate(200.0), Amount::Rate(400.0)),
        ] {
            let scenario = run(name).load().expect("it loads").scenario;
            let load = Load::of(&scenario).expect("it has rates");
            assert_eq!((load.amount(OWN), load.amount(2000)), (own, twice));
            assert!(load.patches(OWN).is_empty());
            for factor in [1, 333, 999, 1500, 64_000] {
                let mut changed = run(name);
                changed.patches.extend(load.patches(factor));
                let again = changed.load().unwrap_or_else(|report| panic!("{name} {factor}: {report}"));
                let got = Load::of(&again.scenario).expect("it has rates").amount(OWN);
                assert_eq!(got, load.amount(factor), "{name} {factor}");
            }
        }
    }

    #[test]
    fn workers_are_scaled_where_no_source_has_a_rate() {
        let set = Patch::new("traffic.web.arrivals", "workers(5)");
        let scenario = run("ports-run-out").with(set).load().expect("it loads").scenario;
        let load = Load::of(&scenario).expect("it has workers");
        assert_eq!((load.amount(OWN), load.amount(1)), (Amount::Workers(5), Amount::Workers(1)));
        assert_eq!(load.patches(2500)[0].to_string(), "traffic.web.arrivals=workers(13)");
        assert_eq!(load.wanted("web", OWN, Span::from_secs(1)), None);
    }
}
