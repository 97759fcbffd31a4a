//! The event loop and the world it drives.

mod apps;
pub mod event;
pub mod queue;
pub mod record;
mod series;
mod source;
mod summary;
mod world;

pub use record::{Lost, Record, Sink};
pub use world::{Simulation, World};

#[cfg(test)]
mod tests;
