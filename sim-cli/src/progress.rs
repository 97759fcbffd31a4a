//! How many of many runs are done, for people who wait.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::Stopwatch;
use crate::simulate::wait;

/// Whoever waits less than this does not need to be told.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that appears if the work takes long, and goes when this is dropped.
pub(crate) struct Progress {
    watch: Stopwatch,
    visible: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins to measure. Nothing is ever shown if it is not `visible`.
    pub(crate) fn new(visible: bool) -> Progress {
        Progress { watch: Stopwatch::start(), visible, bar: None }
    }

    /// So many of so many are done.
    pub(crate) fn show(&mut self, done: usize, of: usize) {
        let elapsed = self.watch.elapsed();
        if !self.visible || elapsed < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let target = ProgressDrawTarget::stderr_with_hz(5);
            let style = ProgressStyle::with_template("[{bar:30}] {msg}").expect("the template is a constant");
            ProgressBar::with_draw_target(None, target).with_style(style.progress_chars("=> "))
        });
        bar.set_length(of as u64);
        bar.set_position(done as u64);
        let left = elapsed.as_secs_f64() * (of - done.min(of)) as f64 / done.max(1) as f64;
        bar.set_message(format!("{done} of {of} runs, {} left", wait(left)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
