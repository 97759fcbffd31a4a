//! The reports as their readers see them, on summaries made by hand.

mod answers;
mod files;
mod pictures;
mod sample;
mod verdicts;
