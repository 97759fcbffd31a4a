//! The scenario language: RON text to a checked [`sim_core::scenario::Scenario`].
