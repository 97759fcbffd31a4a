//! Runs as values: a scenario's text and the changes to it go in, what came of it comes out.
//!
//! ```text
//! Run { source, patches, seed, sysctl, files } ──load──▶ Scenario ──execute──▶ Outcome { scenario, summary, .. } or Report
//! ```
//!
//! Both ends are plain data, so that whoever asks may have the answer computed on another thread, process or machine.
//! Nothing here needs an operating system but the threads of [`in_order`], which does without them where there are none.

#![allow(
    clippy::missing_errors_doc,
    reason = "what the error says is part of each function's first sentences"
)]

pub mod advise;
mod axis;
pub mod campaign;
pub mod catalogue;
pub mod compare;
pub mod design;
pub mod draft;
pub mod formula;
pub mod hazard;
pub mod load;
pub mod notable;
mod parallel;
mod quantity;
pub mod record;
mod run;
pub mod solve;
mod statistics;
pub mod sweep;
pub mod trace;

pub use axis::{Axis, Setting, Target, range};
pub use parallel::in_order;
pub use quantity::{Quantity, Range};
pub use run::{Outcome, Progress, Run, Shelf, execute, follow};
pub use statistics::{Estimate, share_interval};
