//! Ctrl-C: the first ends the work early and prints what there is, a later one ends the program.

use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::exit::Exit;

/// Signals that come closer together than this are one: `timeout` sends its signal to the program and to its group.
const ONE: Duration = Duration::from_millis(300);

static FIRST: OnceLock<Stopwatch> = OnceLock::new();
static WANTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C is heard by [`wanted`]. Where there is no such signal, nothing changes.
pub(crate) fn listen() {
    let _ = ctrlc::set_handler(|| {
        let again = WANTED.swap(true, Ordering::Relaxed);
        if FIRST.get_or_init(Stopwatch::start).elapsed() > ONE && again {
            std::process::exit(i32::from(Exit::Interrupted as u8));
        }
    });
}

/// Whether the work shall end early.
pub(crate) fn wanted() -> bool {
    WANTED.load(Ordering::Relaxed)
}

/// Goes on unless the work shall end early.
pub(crate) fn flow() -> ControlFlow<()> {
    if wanted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
