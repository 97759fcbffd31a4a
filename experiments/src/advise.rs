//! Advice: which change takes a scenario how far, and what it risks.
//!
//! Each change of the catalogue is made alone, and the largest load is searched at which nothing fails; then the promising
//! ones are made together. What a change risks is measured at the scenario's own load, with loss, duplicates and reordering
//! added to every link.

use core::ops::ControlFlow;

use scenarios::{Patch, Report};
use sim_core::record::Summary;
use sim_core::scenario::{Limit, Scenario};

use crate::catalogue::{Change, expand};
use crate::hazard::{Hazards, watch};
use crate::load::{Load, OWN, PerMille};
use crate::parallel::in_order;
use crate::run::{Run, execute};

/// The load is searched to one part in so many.
const FINE: u64 = 200;
/// No load larger or smaller than this is tried.
const LARGEST: PerMille = 64 * OWN;
const SMALLEST: PerMille = OWN / 50;
/// A change helps if it takes the scenario so much further, in per mille.
const WORTH: PerMille = 1020;
/// So many of those that help are made together, in all combinations.
const TOGETHER: usize = 3;
/// Arrivals by chance may fail so often: one in so many attempts.
const CHANCE: u64 = 1000;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The scenario.
    pub base: Run,
    /// What it loads to.
    pub scenario: Scenario,
    /// Its load.
    pub load: Load,
    /// No run is made that is likely to take more events than these.
    pub events: u64,
}

/// What one run at some load came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Whether nothing failed, but for what chance may do.
    pub holds: bool,
    /// The share of attempts that failed.
    pub failed: f64,
    /// The limit that refused first.
    pub bound: Option<Limit>,
    /// The digest of the run.
    pub digest: String,
    /// Its events.
    pub events: u64,
    /// No machine could compute the load: the language refused it, or the run could not go on.
    pub refused: bool,
}

impl Point {
    fn too_much() -> Point {
        Point { holds: false, failed: 1.0, bound: None, digest: String::new(), events: 0, refused: true }
    }
}

/// With so many seeds hazards are measured, so that one lucky run does not decide.
pub const SEEDS: u64 = 3;

/// How far a scenario goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Reach {
    /// The largest load at which nothing fails; none if even the smallest fails.
    pub holds: Option<PerMille>,
    /// The next load, at which something fails, and the limit that refuses first there; none if nothing failed up to the
    /// largest that was tried.
    pub fails: Option<(PerMille, Option<Limit>)>,
}

/// What was found of a change, or of several together.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// How far it goes.
    pub reach: Reach,
    /// What comes of the scenario's own load.
    pub own: Point,
    /// What was risked at that load on a bad network, with all seeds together.
    pub hazards: Hazards,
    /// The same for each of the [`SEEDS`] seeds: the scenario's own and those that follow it.
    pub hazards_by_seed: Vec<Hazards>,
    /// The run is the same to the last bit as without it, wherever it was compared.
    pub inert: bool,
    /// Warnings about it, as that the model does not have it.
    pub warnings: String,
}

/// A change that was tried, or several together.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Which of the catalogue.
    pub changes: Vec<usize>,
    /// What they set here.
    pub set: Vec<Patch>,
    /// What was found, or why it does not apply.
    pub found: Result<Found, String>,
}

/// Which of the catalogue, and what they set here or why they do not apply.
type Candidate = (Vec<usize>, Result<Vec<Patch>, String>);

/// All that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// The scenario as it is.
    pub base: Found,
    /// Each change alone, in the order of the catalogue.
    pub alone: Vec<Trial>,
    /// The promising ones together.
    pub together: Vec<Trial>,
    /// False if it was stopped early: then some are missing.
    pub complete: bool,
}

/// What went wrong when a change was watched on a bad network, compared to the scenario as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Danger {
    /// This share of closes had no TIME_WAIT.
    Unprotected(f64),
    /// So many segments of old connections were taken by new ones.
    OldSegments(u64),
    /// So many bytes were sent and never arrived.
    BytesLost(u64),
}

/// The dangers of a change. Bytes are lost on a bad network without any change, too: with every seed it has to be more than
/// with any seed without it.
pub fn dangers(base: &Found, with: &Found) -> Vec<Danger> {
    let mut dangers = Vec::new();
    let per_close = |h: &Hazards| h.bytes_lost as f64 / h.closes.max(1) as f64;
    let least = with.hazards_by_seed.iter().map(per_close).fold(f64::MAX, f64::min);
    let most = base.hazards_by_seed.iter().map(per_close).fold(0.0, f64::max);
    let (base, with) = (&base.hazards, &with.hazards);
    if with.unprotected_share() > base.unprotected_share() + 0.01 {
        dangers.push(Danger::Unprotected(with.unprotected_share()));
    }
    if with.old_segments > base.old_segments {
        dangers.push(Danger::OldSegments(with.old_segments));
    }
    if per_close(with) > per_close(base) + 0.1 && least > most {
        dangers.push(Danger::BytesLost(with.bytes_lost));
    }
    dangers
}

impl Reach {
    /// The load up to which it holds, zero if it never does.
    pub fn load(&self) -> PerMille {
        self.holds.unwrap_or(0)
    }

    /// Whether it goes noticeably further than another.
    pub fn beyond(&self, other: &Reach) -> bool {
        self.load() * OWN > other.load() * WORTH || (self.fails.is_none() && other.fails.is_some())
    }
}

impl Question {
    /// A question about a scenario. None if it asks for nothing that could be more or less.
    pub fn new(base: Run, scenario: Scenario, events: u64) -> Option<Question> {
        Load::of(&scenario).map(|load| Question { base, scenario, load, events })
    }

    /// The run with some changes at some load: its own expectations are not judged.
    fn run(&self, set: &[Patch], load: PerMille) -> Run {
        let mut run = self.base.clone();
        run.patches.extend_from_slice(set);
        run.patches.extend(self.load.patches(load));
        run.with(Patch::new("expect", "[]"))
    }

    /// The changes that make the network bad: each entry of `links` loses, doubles and reorders at least so much.
    fn bad_network(&self) -> Vec<Patch> {
        let mut patches = Vec::new();
        // The file may have fewer entries than there are links, for an entry can be a path over several.
        for i in 0..self.scenario.links.len() {
            let entry = [("loss", "1%"), ("duplicate", "0.1%"), ("reorder", "1%"), ("reorder_delay", "50ms")];
            let entry = entry.map(|(field, value)| Patch::new(format!("links[{i}].{field}"), value));
            let longer: Vec<Patch> = patches.iter().cloned().chain(entry).collect();
            if self.run(&longer, OWN).load().is_err() {
                break;
            }
            patches = longer;
        }
        patches
    }

    /// Runs and judges.
    fn point(&self, set: &[Patch], load: PerMille, goes_on: &Watcher<'_>) -> Option<Point> {
        if goes_on().is_break() {
            return None;
        }
        let loaded = self.run(set, load).load();
        let Ok(loaded) = loaded else { return Some(Point::too_much()) };
        let (summary, stopped) = execute(&loaded.scenario, |_| goes_on());
        if summary.overrun.is_some() {
            return Some(Point::too_much());
        }
        (!stopped).then(|| self.judged(&loaded.scenario, &summary, load))
    }

    fn judged(&self, scenario: &Scenario, summary: &Summary, load: PerMille) -> Point {
        let attempted: u64 = summary.traffic.iter().map(|t| t.attempted.count).sum();
        let failed: u64 = summary.traffic.iter().map(|t| t.failed.count).sum();
        // What a full table of these does is no refusal of a connection: a close without TIME_WAIT, a cookie, a request
        // that waits.
        let harmless = |limit: Limit| {
            matches!(
                limit,
                Limit::TwBuckets(_)
                    | Limit::Orphans(_)
                    | Limit::SynQueue(..)
                    | Limit::Pool(_)
                    | Limit::Workers(..)
                    | Limit::Threads(..)
            )
        };
        let refusing = || summary.limits.iter().filter(|l| l.refused.count > 0 && !harmless(l.limit));
        let refused: u64 = refusing().map(|l| l.refused.count).sum();
        let allowed = if self.load.is_random() { attempted / CHANCE } else { 0 };
        Point {
            holds: failed <= allowed && refused <= allowed && self.is_served(scenario, summary, load),
            failed: failed as f64 / attempted.max(1) as f64,
            bound: refusing().min_by_key(|l| (l.refused.first, l.limit)).map(|l| l.limit),
            digest: summary.digest.to_string(),
            events: summary.events,
            refused: false,
        }
    }

    /// Whether requests that wait for a pool are answered nearly as fast as they come.
    fn is_served(&self, scenario: &Scenario, summary: &Summary, load: PerMille) -> bool {
        scenario.traffic.iter().zip(&summary.traffic).filter(|(spec, _)| spec.pool.is_some()).all(
            |(spec, t)| {
                let ends = spec.stop.min(sim_core::time::Time::ZERO + scenario.duration);
                let wanted = self.load.wanted(&spec.name, load, ends.since(spec.start.min(ends)));
                wanted.is_none_or(|wanted| (t.answered.count + t.failed.count) as f64 >= 0.95 * wanted)
            },
        )
    }

    /// The largest load at which nothing fails. `near` are loads that are likely to be on either side of it.
    fn reach(
        &self,
        set: &[Patch],
        own: &Point,
        near: Option<&Reach>,
        goes_on: &Watcher<'_>,
    ) -> Option<Reach> {
        let (mut low, mut high) = if own.holds { (OWN, None) } else { (0, Some((OWN, own.bound))) };
        let try_at = |load: PerMille, low: &mut PerMille, high: &mut Option<(PerMille, Option<Limit>)>| {
            let point = self.point(set, load, goes_on)?;
            if point.holds {
                *low = load;
            } else if !point.refused {
                *high = Some((load, point.bound));
            }
            Some(point.refused)
        };
        let within = |load: PerMille, low: PerMille, high: &Option<(PerMille, Option<Limit>)>| {
            load > low && high.is_none_or(|(h, _)| load < h)
        };
        // Where the scenario as it is has its edge, most changes have theirs.
        if let Some(Reach { holds: Some(holds), fails: Some((fails, _)) }) = near {
            for load in [*fails, *holds] {
                if within(load, low, &high) && self.is_cheap(own, load) {
                    try_at(load, &mut low, &mut high)?;
                }
            }
        }
        while high.is_none() && low < LARGEST && self.is_cheap(own, low * 2) {
            if try_at(low * 2, &mut low, &mut high)? {
                break;
            }
        }
        while low == 0 {
            let Some((fails, _)) = high.filter(|(fails, _)| *fails > SMALLEST) else { break };
            try_at(fails / 2, &mut low, &mut high)?;
        }
        while let Some((fails, _)) = high.filter(|(fails, _)| low > 0 && fails - low > (low / FINE).max(1)) {
            try_at(low + (fails - low) / 2, &mut low, &mut high)?;
        }
        Some(Reach { holds: Some(low).filter(|low| *low > 0), fails: high })
    }

    fn is_cheap(&self, own: &Point, load: PerMille) -> bool {
        load <= OWN || own.events.saturating_mul(load) / OWN <= self.events
    }

    /// Tries some changes. None if `goes_on` breaks.
    fn found(
        &self,
        set: &[Patch],
        base: Option<&Found>,
        goes_on: &Watcher<'_>,
    ) -> Option<Result<Found, String>> {
        let warnings = match self.run(set, OWN).load() {
            Ok(loaded) => loaded.warnings,
            Err(report) => return Some(Err(reason(&report))),
        };
        let own = self.point(set, OWN, goes_on)?;
        if own.refused {
            return Some(Err("it could not go on to its end: too many segments on their way".to_owned()));
        }
        let stressed: Vec<Patch> = set.iter().cloned().chain(self.bad_network()).collect();
        let mut hazards_by_seed = Vec::new();
        for n in 0..SEEDS {
            let mut run = self.run(&stressed, OWN);
            run.seed = Some(self.scenario.seed.wrapping_add(n));
            if let Ok(loaded) = run.load() {
                hazards_by_seed.push(watch(&loaded.scenario, goes_on)?.1);
            }
        }
        let hazards = Hazards::sum(&hazards_by_seed);
        let reach = self.reach(set, &own, base.map(|b| &b.reach), goes_on)?;
        let same = base.is_some_and(|b| {
            b.own.digest == own.digest && b.hazards_by_seed == hazards_by_seed && b.reach == reach
        });
        Some(Ok(Found { inert: same, reach, own, hazards, hazards_by_seed, warnings: warnings.to_string() }))
    }
}

/// Whether the work goes on.
pub type Watcher<'a> = dyn Fn() -> ControlFlow<()> + Sync + 'a;

/// The first line of what is wrong.
fn reason(report: &Report) -> String {
    let text = report.to_string();
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it does not load");
    first.trim().trim_start_matches("error:").trim().to_owned()
}

/// Tries every change of a catalogue, and the promising ones together, on so many threads. `done` is told of each trial
/// that is finished. None if `goes_on` breaks before the scenario as it is has been tried.
pub fn advise(
    question: &Question,
    catalogue: &[Change],
    jobs: usize,
    goes_on: &Watcher<'_>,
    mut done: impl FnMut(usize, usize),
) -> Option<Advice> {
    let base = question.found(&[], None, goes_on)?.ok()?;
    let likely = 1 + catalogue.len() + (1 << TOGETHER) - TOGETHER - 1;
    let mut finished = 1;
    done(finished, likely);
    let alone: Vec<Candidate> =
        catalogue.iter().enumerate().map(|(i, c)| (vec![i], expand(c, &question.scenario))).collect();
    let mut advice = Advice { base, alone: Vec::new(), together: Vec::new(), complete: true };
    let tried = |advice: &Advice, items: &[Candidate], done: &mut dyn FnMut()| {
        let one = |(changes, set): &Candidate| {
            let (set, found) = match set {
                Err(why) => (Vec::new(), Err(why.clone())),
                Ok(set) => (set.clone(), question.found(set, Some(&advice.base), goes_on)?),
            };
            Some(Trial { changes: changes.clone(), set, found })
        };
        let mut trials = Vec::new();
        let stopped = in_order(items, jobs, one, |trial| {
            let Some(trial) = trial else { return ControlFlow::Break(()) };
            trials.push(trial);
            done();
            ControlFlow::Continue(())
        });
        (trials, stopped.is_none())
    };
    let mut count = || {
        finished += 1;
        done(finished, likely);
    };
    let (trials, complete) = tried(&advice, &alone, &mut count);
    (advice.alone, advice.complete) = (trials, complete);
    if advice.complete {
        let (trials, complete) = tried(&advice, &combinations(&advice), &mut count);
        (advice.together, advice.complete) = (trials, complete);
    }
    Some(advice)
}

/// The promising changes in all combinations of two and more: those that help, are not dangerous, and still run out of
/// something.
fn combinations(advice: &Advice) -> Vec<Candidate> {
    let promising = |trial: &&Trial| {
        trial.found.as_ref().is_ok_and(|f| {
            f.reach.beyond(&advice.base.reach)
                && f.reach.fails.is_some()
                && dangers(&advice.base, f).is_empty()
        })
    };
    let mut best: Vec<&Trial> = advice.alone.iter().filter(promising).collect();
    best.sort_by_key(|t| core::cmp::Reverse(t.found.as_ref().map_or(0, |f| f.reach.load())));
    best.truncate(TOGETHER);
    let chosen =
        |mask: usize| best.iter().enumerate().filter(move |(i, _)| mask & (1 << i) != 0).map(|(_, t)| *t);
    let masks = (0..1_usize << best.len()).filter(|mask| mask.count_ones() > 1);
    let sets = masks.map(|mask| {
        let changes: Vec<usize> = chosen(mask).flat_map(|t| t.changes.clone()).collect();
        let set: Vec<Patch> = chosen(mask).flat_map(|t| t.set.clone()).collect();
        (changes, set)
    });
    // Two that set the same thing are alternatives.
    let apart = |set: &[Patch]| {
        set.iter().enumerate().all(|(i, p)| set[..i].iter().all(|q| q.path != p.path || q.value == p.value))
    };
    sets.filter(|(_, set)| apart(set)).map(|(changes, set)| (changes, Ok(set))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::parse;
    use scenarios::Source;

    const CATALOGUE: &str = r##"[
        (name: "range", set: [r#"hosts.{client}.sysctl."net.ipv4.ip_local_port_range"="40000 40019""#],
         when: "", cost: "", risk: "", kernels: "", source: ""),
        (name: "addresses", set: ["hosts.{client}.addresses={more_addresses}", "traffic.{traffic}.source={more_addresses}"],
         when: "", cost: "", risk: "", kernels: "", source: ""),
        (name: "fin", set: [r#"hosts.{client}.sysctl."net.ipv4.tcp_fin_timeout"=5"#],
         when: "", cost: "", risk: "", kernels: "", source: ""),
        (name: "buckets", set: [r#"hosts.{client}.sysctl."net.ipv4.tcp_max_tw_buckets"=2"#],
         when: "", cost: "", risk: "", kernels: "", source: ""),
        (name: "pool", set: ["traffic.{traffic}.pool.size=5"], only: [pool],
         when: "", cost: "", risk: "", kernels: "", source: ""),
        (name: "recycle", set: [r#"hosts.{client}.sysctl."net.ipv4.tcp_tw_recycle"=1"#],
         when: "", cost: "", risk: "", kernels: "", source: ""),
    ]"##;

    fn question() -> Question {
        let text = r#"(
    duration: "150s",
    hosts: {
        "client": (addresses: ["10.0.0.1"], timers: exact, sysctl: {"net.ipv4.ip_local_port_range": "40000 40009"}),
        "server": (addresses: ["10.0.0.2"], timers: exact, listen: [(port: 80)]),
    },
    links: [(path: ["client", "server"], delay: "1ms")],
    traffic: { "web": (from: "client", to: "server:80", arrivals: constant("1/s")) },
)"#;
        let run = Run::new(Source::new("ten.ron", text));
        let scenario = run.load().unwrap_or_else(|report| panic!("{report}")).scenario;
        Question::new(run, scenario, 100_000).expect("it has a rate")
    }

    fn asked(jobs: usize) -> Advice {
        let catalogue = parse(CATALOGUE).expect("it is right");
        advise(&question(), &catalogue, jobs, &|| ControlFlow::Continue(()), |_, _| ())
            .expect("nobody stops it")
    }

    fn of(trial: &Trial) -> &Found {
        trial.found.as_ref().unwrap_or_else(|why| panic!("{why}"))
    }

    #[test]
    fn each_change_has_its_reach_and_combinations_multiply() {
        let advice = asked(2);
        // Ten ports for a minute: one in 6 s.
        let near = |load: PerMille, wanted: PerMille| load.abs_diff(wanted) * 100 <= wanted * 2;
        assert!(near(advice.base.reach.load(), 166), "{:?}", advice.base.reach);
        assert!(matches!(advice.base.reach.fails, Some((_, Some(Limit::Ports { .. })))));
        assert!(near(of(&advice.alone[0]).reach.load(), 333));
        assert!(near(of(&advice.alone[1]).reach.load(), 666));
        assert_eq!(advice.together.len(), 1);
        assert_eq!(advice.together[0].changes, [1, 0]);
        assert!(near(of(&advice.together[0]).reach.load(), 1333));
    }

    #[test]
    fn what_does_nothing_is_inert_and_what_is_dangerous_is_named() {
        let advice = asked(1);
        assert!(of(&advice.alone[2]).inert);
        assert!(dangers(&advice.base, of(&advice.alone[2])).is_empty());
        let buckets = of(&advice.alone[3]);
        assert!(!buckets.inert && buckets.reach.fails.is_none());
        let dangers = dangers(&advice.base, buckets);
        assert!(matches!(dangers[..], [Danger::Unprotected(share), ..] if share > 0.9), "{dangers:?}");
        assert_eq!(advice.alone[4].found, Err("there is no pool".to_owned()));
        assert!(advice.alone[5].found.as_ref().is_err_and(|why| why.contains("tcp_tw_recycle")));
    }

    #[test]
    fn bytes_that_are_lost_are_weighed_by_the_close() {
        let base = asked(1).base;
        let lossy = |closes: u64, bytes_lost: u64| {
            let hazards = Hazards { closes, bytes_lost, ..Hazards::default() };
            Found { hazards, hazards_by_seed: vec![hazards; 3], ..base.clone() }
        };
        // Twice the bytes of four times the closes are less, not more.
        assert_eq!(dangers(&lossy(100, 100), &lossy(400, 200)), []);
        assert_eq!(dangers(&lossy(400, 200), &lossy(100, 100)), [Danger::BytesLost(100)]);
    }

    #[test]
    fn the_advice_does_not_depend_on_the_threads_and_can_be_stopped() {
        assert_eq!(asked(1), asked(3));
        let catalogue = parse(CATALOGUE).expect("it is right");
        let calls = std::sync::atomic::AtomicUsize::new(0);
        let few = || match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0..30 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        };
        let stopped = advise(&question(), &catalogue, 1, &few, |_, _| ());
        assert!(stopped.is_none_or(|advice| !advice.complete));
    }
}
