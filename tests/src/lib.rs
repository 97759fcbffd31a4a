//! Shared helpers of the end-to-end tests, the conformance replayer, the model checker and the benchmarks.

pub mod conformance;
pub mod floors;
pub mod gates;
pub mod job;
pub mod life;
pub mod model;
pub mod usage;
pub mod worlds;
