//! Shared helpers of the end-to-end tests and the conformance replayer.

pub mod conformance;
