//! Ctrl-C: the first ends the work early and prints what there is, the second ends the program.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::Exit;

static WANTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C is heard by [`wanted`]. Where there is no such signal, nothing changes.
pub(crate) fn listen() {
    let _ = ctrlc::set_handler(|| {
        if WANTED.swap(true, Ordering::Relaxed) {
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
