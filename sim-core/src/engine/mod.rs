//! The event loop and the world it drives.

mod audit;
mod clients;
mod conversation;
mod ends;
pub mod event;
mod happenings;
mod inside;
mod moment;
pub mod queue;
pub mod record;
mod room;
mod search;
mod series;
mod service;
mod streams;
mod summary;
mod wire;
mod world;

pub use audit::Disagreement;
pub use record::{Carriage, Lost, Move, Record, Sink, Whose};
pub use room::MOST_ON_THE_WAY;
pub use world::{Simulation, World};

#[cfg(test)]
mod tests;
