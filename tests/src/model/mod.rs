//! The endpoint without the engine around it: driven by hand, by chance, and exhaustively.
//!
//! | file | holds |
//! | --- | --- |
//! | `side` | one host with one tuple: what the tables hold for it, and the verbs |
//! | `watch` | what must hold of a side after every step, whoever drives it |
//! | `chance` | one side under an arbitrary list of calls and segments |
//! | `world`, `actions`, `checker` | two sides without time, all that can happen to them, and the search through it |
//! | `ladder` | a path of that search once more, with a clock, and as a drawing |
//! | `lesson`, `document` | what it found, as a page of the documentation; pages that are generated |
//! | `table`, `transitions`, `diagram` | each cause in each state, as a page and as a picture |
//! | `twin` | one side that does what a host of a recorded run did, and must say the same |
//! | `wire` | two sides over a network that loses, doubles and reorders |

pub mod actions;
pub mod chance;
pub mod checker;
pub mod diagram;
pub mod document;
pub mod ladder;
pub mod lesson;
pub mod side;
pub mod table;
pub mod transitions;
pub mod twin;
pub mod watch;
pub mod wire;
pub mod world;
