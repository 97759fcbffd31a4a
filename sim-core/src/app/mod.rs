//! One end of a connection as a value: a TCP endpoint and the application that holds its descriptor.
//!
//! A step of an [`End`] runs the endpoint, tells the application what it is to know, and lets it call the endpoint again,
//! until nothing is left to tell. Everything that comes of it stands in [`Effects`], in order; whoever drives the end
//! carries them out. Nothing in here knows a table, a clock or a queue, so that an equal end given an equal input has
//! equal effects: that is what makes a memory of steps possible.

mod application;
mod effects;
mod end;
mod lazy;
mod memory;
mod streams;

pub use application::{Application, Status};
pub use effects::{AppTimer, Booked, Called, Effect, Effects, Scarce};
pub use end::{Around, Cause, End, Progress, View};
pub use lazy::{Form, Lazy};
pub use memory::{Edge, EdgeId, Lesson, Memory, Recalled, Taken, at_moment};
