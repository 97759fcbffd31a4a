//! The endpoint without the engine around it: driven by hand, by chance, and exhaustively.
//!
//! | file | holds |
//! | --- | --- |
//! | `side` | one host with one tuple: what the tables hold for it, and the verbs |
//! | `watch` | what must hold of a side after every step, whoever drives it |
//! | `chance` | one side under an arbitrary list of calls and segments |
//! | `wire` | two sides over a network that loses, doubles and reorders |

pub mod chance;
pub mod side;
pub mod watch;
pub mod wire;
