//! Applications: when connections are wanted, and what both ends do on them.

mod app;
mod arrivals;

pub use app::{App, Desk, Status};
pub use arrivals::Schedule;
