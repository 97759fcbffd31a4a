//! Running a scenario, with progress for people who wait.

use std::io::IsTerminal;
use std::time::Duration;

use experiments::{Progress, execute, follow};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reports::words;
use scenarios::overrun;
use sim_core::engine::Sink;
use sim_core::record::Summary;
use sim_core::scenario::Scenario;

use crate::clock::Stopwatch;
use crate::interrupt;

/// Whoever waits less than this does not need to be told.
const PATIENCE: Duration = Duration::from_secs(1);

/// A finished run and what it took.
pub(crate) struct Finished {
    pub(crate) summary: Summary,
    /// Whether it ended early: by Ctrl-C, or since it could not go on.
    pub(crate) stopped: bool,
    pub(crate) took: Duration,
}

impl Finished {
    /// One line on speed, for standard error.
    pub(crate) fn speed(&self) -> String {
        let seconds = self.took.as_secs_f64().max(1e-9);
        format!(
            "{} in {} ({})",
            words::counted(self.summary.events, "event", "events"),
            duration(self.took),
            rates(self.summary.ended.0 as f64 / 1e9 / seconds, self.summary.events as f64 / seconds)
        )
    }
}

/// Runs a scenario to its end or until Ctrl-C, without a word; nothing if it was stopped, an error if it could not go on.
pub(crate) fn quietly(scenario: &Scenario) -> Option<Result<Summary, String>> {
    let (summary, stopped) = execute(scenario, |_| interrupt::flow());
    match &summary.overrun {
        Some(seen) => Some(Err(overrun(scenario, seen).to_string())),
        None => (!stopped).then_some(Ok(summary)),
    }
}

/// Runs a scenario to its end or until Ctrl-C; if that takes long and standard error is a terminal, shows how far it is.
pub(crate) fn with_progress(scenario: &Scenario) -> Finished {
    followed(scenario, ()).0
}

/// The same with a follower.
pub(crate) fn followed<S: Sink>(scenario: &Scenario, sink: S) -> (Finished, S) {
    let watch = Stopwatch::start();
    let mut bar = None;
    let visible = std::io::stderr().is_terminal();
    let (summary, sink, stopped) = follow(scenario, sink, |progress| {
        let elapsed = watch.elapsed();
        if visible && elapsed >= PATIENCE {
            let bar = bar.get_or_insert_with(|| new_bar(scenario));
            bar.set_position(progress.now.0);
            bar.set_message(message(progress, elapsed));
        }
        interrupt::flow()
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    (Finished { summary, stopped, took: watch.elapsed() }, sink)
}

fn new_bar(scenario: &Scenario) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(scenario.duration.0), ProgressDrawTarget::stderr_with_hz(5));
    let style = ProgressStyle::with_template("[{bar:30}] {msg}").expect("the template is a constant");
    bar.set_style(style.progress_chars("=> "));
    bar
}

/// `45.2 s of 150 s, 12.3 simulated s/s, 3.1 M events/s, 9 s left`.
fn message(progress: Progress, elapsed: Duration) -> String {
    let (done, total) = (progress.now.0 as f64 / 1e9, progress.of.0 as f64 / 1e9);
    let seconds = elapsed.as_secs_f64();
    let left = if done > 0.0 { (total - done) * seconds / done } else { 0.0 };
    format!(
        "{done:.1} s of {} s, {}, {} left",
        words::decimal(total, 3),
        rates(done / seconds, progress.events as f64 / seconds),
        wait(left)
    )
}

/// A time to wait as people say it: `9 s`, `39 min`, `2 h 5 min`.
pub(crate) fn wait(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match seconds {
        s if s < 99.5 => format!("{s:.0} s"),
        _ if minutes < 120 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

fn rates(simulated_per_second: f64, events_per_second: f64) -> String {
    let (events, prefix) = match events_per_second {
        e if e >= 1e6 => (e / 1e6, " M"),
        e if e >= 1e3 => (e / 1e3, " k"),
        e => (e, ""),
    };
    format!("{simulated_per_second:.1} simulated s/s, {events:.1}{prefix} events/s")
}

fn duration(took: Duration) -> String {
    words::span(sim_core::time::Span(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)))
}
