//! Readers of records: the answer in words, verdicts, files and pictures.
//!
//! A report sees a checked scenario and the summary of its run, nothing else; it never looks into a world.
//! Everything made here is a pure function of the two, so the same run gives the same bytes on every machine.

pub mod advice;
pub mod answer;
pub mod comparison;
mod crowd;
pub mod files;
mod fold;
pub mod html;
pub mod ladder;
pub mod moment;
mod parts;
pub mod plot;
mod run;
pub mod solution;
pub mod strip;
pub mod sweeps;
pub mod trace;
pub mod verdict;
pub mod words;

pub use run::Run;
