//! Shared helpers of the end-to-end tests, the conformance replayer and the model checker.

pub mod conformance;
pub mod job;
pub mod life;
pub mod model;
pub mod worlds;
