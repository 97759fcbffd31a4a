//! One run: from its text to what came of it.

use core::ops::ControlFlow;
use std::cell::RefCell;
use std::collections::BTreeMap;

use scenarios::{Bundled, Extras, Files, Loaded, Patch, Report, Source};
use sim_core::engine::queue::Lanes;
use sim_core::engine::{Sink, World};
use sim_core::record::Summary;
use sim_core::scenario::Scenario;
use sim_core::time::{Span, Time};

/// Events between two calls of a watcher: some hundredths of a second of work.
pub(crate) const SLICE: u64 = 50_000;

/// Everything that a run depends on, as plain data. Two equal runs give equal outcomes, wherever they are computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The scenario's text.
    pub source: Source,
    /// Changes to it, applied in order.
    pub patches: Vec<Patch>,
    /// Another seed than the scenario's own.
    pub seed: Option<u64>,
    /// The output of `sysctl -a` for a host, by the host's name.
    pub sysctl: Vec<(String, Source)>,
    /// The files that the scenario names.
    pub files: Shelf,
}

/// Files by the name that a scenario gives them, each with its text or with the reason why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf(pub BTreeMap<String, Result<Source, String>>);

impl Files for Shelf {
    fn read(&self, name: &str) -> Result<Source, String> {
        let missing = || Err(format!("cannot read `{name}`: it did not come with the run"));
        self.0.get(name).cloned().unwrap_or_else(missing)
    }
}

/// Reads from elsewhere and keeps what was read.
struct Gathering<'a> {
    from: &'a dyn Files,
    shelf: RefCell<Shelf>,
}

impl Files for Gathering<'_> {
    fn read(&self, name: &str) -> Result<Source, String> {
        let read = self.from.read(name);
        self.shelf.borrow_mut().0.insert(name.to_owned(), read.clone());
        read
    }
}

impl Run {
    /// A scenario as it is, without any files beside it.
    pub fn new(source: Source) -> Run {
        Run { source, patches: Vec::new(), seed: None, sysctl: Vec::new(), files: Shelf::default() }
    }

    /// A bundled scenario, with its files.
    pub fn bundled(bundled: Bundled) -> Run {
        let mut run = Run::new(bundled.source());
        // Whether it loads is said by whoever runs it.
        let _ = run.gather(&bundled);
        run
    }

    /// The same with one more change.
    pub fn with(mut self, patch: Patch) -> Run {
        self.patches.push(patch);
        self
    }

    /// Reads and checks the scenario with its changes, and takes in the files that it names. They are read from `files`
    /// once, here; a name that cannot be read is remembered with the reason. On failure the report holds every error
    /// that could be found.
    pub fn gather(&mut self, files: &dyn Files) -> Result<Loaded, Report> {
        let gathering = Gathering { from: files, shelf: RefCell::default() };
        let loaded = self.load_from(&gathering);
        self.files.0.extend(gathering.shelf.into_inner().0);
        loaded
    }

    /// Reads and checks the scenario with its changes. On failure the report holds every error that could be found.
    pub fn load(&self) -> Result<Loaded, Report> {
        self.load_from(&self.files)
    }

    fn load_from(&self, files: &dyn Files) -> Result<Loaded, Report> {
        let mut patches = self.patches.clone();
        patches.extend(self.seed.map(|seed| Patch::new("seed", seed.to_string())));
        scenarios::load(&self.source, &Extras { files, patches: &patches, sysctl: &self.sysctl })
    }

    /// Loads the scenario and runs it to its end, or says what is wrong with it, or why it could not go on to its end.
    pub fn run(&self) -> Result<Outcome, Report> {
        self.watched(|_| ControlFlow::Continue(()))
    }

    /// Loads the scenario and runs it to its end or until `watch` says to stop; says what is wrong with it if it does
    /// not load, or cannot go on to its end.
    pub fn watched(&self, watch: impl FnMut(Progress) -> ControlFlow<()>) -> Result<Outcome, Report> {
        let Loaded { scenario, warnings, .. } = self.load()?;
        let (summary, stopped) = execute(&scenario, watch);
        if let Some(overrun) = &summary.overrun {
            return Err(scenarios::overrun(&scenario, overrun));
        }
        Ok(Outcome { scenario, warnings, summary, stopped })
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The scenario as it ran, all changes made.
    pub scenario: Scenario,
    /// What should be said about it; no errors.
    pub warnings: Report,
    /// What happened.
    pub summary: Summary,
    /// Whether it was stopped early: then the summary ends at `summary.ended`, before the scenario's end.
    pub stopped: bool,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Events processed so far.
    pub events: u64,
    /// Simulated time so far.
    pub now: Time,
    /// Simulated time in all.
    pub of: Span,
}

/// Runs a checked scenario to its end, or until `watch` breaks or [`Summary::overrun`] says that it could not go on; says
/// whether it ended early. `watch` is called every few hundredths of a second, and when it is called depends on the events
/// alone.
pub fn execute(scenario: &Scenario, watch: impl FnMut(Progress) -> ControlFlow<()>) -> (Summary, bool) {
    let (summary, (), stopped) = follow(scenario, (), watch);
    (summary, stopped)
}

/// The same with a follower, which is given back.
pub fn follow<S: Sink>(
    scenario: &Scenario,
    sink: S,
    mut watch: impl FnMut(Progress) -> ControlFlow<()>,
) -> (Summary, S, bool) {
    let mut world: World<Lanes, S> = World::with_sink(scenario, sink);
    let mut stopped = false;
    while !stopped && world.advance(SLICE) {
        let progress = Progress { events: world.events(), now: world.now(), of: scenario.duration };
        stopped = watch(progress).is_break();
    }
    let (summary, sink) = world.into_summary_and_sink();
    let stopped = stopped || summary.overrun.is_some();
    (summary, sink, stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports_run_out() -> Run {
        Run::bundled(*scenarios::bundled("ports-run-out").expect("it is bundled"))
            .with(Patch::new("duration", "40s"))
    }

    #[test]
    fn a_run_gives_the_same_wherever_it_is_computed() {
        let run = ports_run_out();
        let there = run.clone();
        let elsewhere = std::thread::spawn(move || there.run()).join().expect("it ends by itself");
        assert_eq!(run.run(), elsewhere);
    }

    #[test]
    fn patches_and_seed_reach_the_scenario_and_the_seed_comes_last() {
        let mut run = ports_run_out().with(Patch::new("seed", "3"));
        assert_eq!(run.load().expect("it loads").scenario.seed, 3);
        run.seed = Some(9);
        assert_eq!(run.load().expect("it loads").scenario.seed, 9);
    }

    #[test]
    fn files_travel_with_the_run() {
        let bundled = *scenarios::bundled("real-machine").expect("it is bundled");
        let mut bare = Run::new(bundled.source());
        let report = bare.load().expect_err("its file is missing").to_string();
        assert!(report.contains("it did not come with the run"), "{report}");
        bare.gather(&bundled).expect("its file is there");
        assert_eq!(bare.files.0.keys().collect::<Vec<_>>(), ["real-machine.sysctl"]);
        assert_eq!(bare.load().expect("it loads"), Run::bundled(bundled).load().expect("it loads"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_said_when_the_run_is_loaded() {
        let text = r#"(duration: "1s", hosts: {"a": (addresses: ["10.0.0.1"], sysctl_file: "no.txt")}, traffic: {})"#;
        let mut run = Run::new(Source::new("a.ron", text));
        let gathered = run.gather(&scenarios::NoFiles).expect_err("there is no such file");
        assert_eq!(run.load(), Err(gathered.clone()));
        let report = gathered.to_string();
        assert!(report.contains("cannot read `no.txt`: no files are at hand here"), "{report}");
    }

    #[test]
    fn a_watcher_hears_of_progress_and_can_stop() {
        let run = ports_run_out();
        let mut heard = Vec::new();
        let whole = run.watched(|progress| {
            heard.push(progress);
            ControlFlow::Continue(())
        });
        let whole = whole.expect("it loads");
        assert!(!whole.stopped);
        assert_eq!(whole.summary.ended, Time::ZERO + Span::from_secs(40));
        assert!(
            heard.len() > 2 && heard.windows(2).all(|w| w[0].events < w[1].events && w[0].now <= w[1].now)
        );
        assert!(heard.iter().all(|p| p.of == Span::from_secs(40)));
        let first = run.watched(|_| ControlFlow::Break(())).expect("it loads");
        assert!(first.stopped);
        assert_eq!((first.summary.events, first.summary.ended), (heard[0].events, heard[0].now));
    }

    #[test]
    fn a_run_that_does_not_load_says_why() {
        let report = ports_run_out().with(Patch::new("duraton", "1s")).run().expect_err("a slip");
        assert!(report.to_string().contains("did you mean `duration`?"), "{report}");
    }
}
