//! Shared helpers of the end-to-end tests, the conformance replayer, the model checker and the benchmarks.

pub mod audit;
#[cfg(feature = "browser")]
pub mod browser;
pub mod conformance;
pub mod equipment;
pub mod floors;
pub mod fuzz;
pub mod gates;
pub mod job;
pub mod life;
pub mod model;
#[cfg(feature = "smoltcp")]
pub mod smoltcp;
pub mod usage;
pub mod veth;
pub mod worlds;
