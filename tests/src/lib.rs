//! Shared helpers of the end-to-end tests, the conformance replayer, the model checker and the benchmarks.

pub mod audit;
pub mod conformance;
pub mod floors;
pub mod fuzz;
pub mod gates;
pub mod job;
pub mod life;
pub mod model;
pub mod usage;
pub mod worlds;
