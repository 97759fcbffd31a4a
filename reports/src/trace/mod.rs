//! What happened to single connections: as ladders, as a capture, as lines of JSON.

mod capture;
mod explain;
mod lines;
mod story;
mod vantage;

pub use capture::{Capture, Limits, SNAPLEN, capture};
pub use explain::flags;
pub use lines::{FORMAT, lines};
pub use story::ladders;
pub use vantage::Vantage;
