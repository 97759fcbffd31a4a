//! One TCP endpoint as a value: segment in, effects out. No I/O, clock, generator or log inside.
//!
//! | file | holds |
//! | --- | --- |
//! | `endpoint` | the variables, the face, the one place that writes the state |
//! | `connect` | connect(), SYN_SENT, the child of a request |
//! | `arrive` | the order of steps for a segment; the steps: `validate`, `ack`, `data` |
//! | `backlog` | segments that wait while the owner is inside a call |
//! | `emit` | everything that is sent |
//! | `timers` | everything that time does |
//! | `app` | send, recv, shutdown, close |
//! | `delack`, `window`, `rtt`, `congestion` | when to acknowledge, what to offer, how long to wait, how much to send |
//! | `undo` | whether what was sent again had been lost at all |
//! | `invariants` | what must hold after every step |
//! | `timewait` | the way into a mini-socket |
//! | `input`, `out`, `outbox` | what goes in; where everything goes that comes out; a box that keeps it |
//! | `look` | what `ss` and a recorder see of an endpoint |
//! | `notes`, `relative` | what a step says about itself; endpoints without their place in sequence space and time |
//! | `flight`, `scoreboard`, `reassembly` | what is in flight, what of it has arrived, what waits for a hole to be filled |

mod ack;
mod app;
mod arrive;
mod backlog;
mod buffers;
pub mod config;
mod congestion;
mod connect;
mod context;
mod data;
mod delack;
mod emit;
mod endpoint;
mod flight;
mod input;
mod invariants;
mod look;
mod notes;
mod out;
mod outbox;
mod reassembly;
mod relative;
mod rtt;
mod scoreboard;
mod segment;
mod state;
mod timers;
mod timewait;
mod undo;
mod validate;
mod window;

pub use config::{TcpConfig, Timestamps};
pub use connect::Handshake;
pub use context::{ConnectParams, Cx, Inherited, Secrets, Shared};
pub(crate) use context::{oow_limited, second_reached, whole_seconds};
pub(crate) use delack::DEFAULT_MSS;
pub(crate) use emit::reply_with_reset;
pub use endpoint::{ArmedTimer, Endpoint, Poll};
pub use input::{Fate, Input, KeepTimes, Linger2, Step};
pub use notes::{ALARMS, Alarm, Notes};
pub use out::{Notice, Out, TimerKind, Why};
pub use outbox::{Fact, Outbox};
pub use relative::{AlarmChange, Bases, Clocks, Shift};
pub use segment::{Flags, Segment, SynOptions, TsOption};
pub use state::State;
pub use timewait::TimeWait;
pub(crate) use validate::{in_window, limitable, paws_rejects};
pub(crate) use window::{TSTAMP_LEN, initial_window};
