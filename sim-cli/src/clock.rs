//! The real clock, for progress and speed on the terminal only: no result depends on it.

use std::time::{Duration, Instant};

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins to measure.
    #[expect(
        clippy::disallowed_methods,
        reason = "people want to know how long they wait; the simulation does not"
    )]
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// The time since then.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Lets real time pass.
#[expect(clippy::disallowed_methods, reason = "a rate of a real machine is counted over real time")]
pub(crate) fn wait(time: Duration) {
    std::thread::sleep(time);
}
