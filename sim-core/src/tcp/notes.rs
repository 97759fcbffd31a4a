//! What a step says about itself, for a driver that wants to know whether an equal step would do the same.

use core::cell::Cell;

use crate::time::Span;

/// A timer of an endpoint, by its place among the deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Retransmission, tail loss probe, zero-window probe.
    Transmit,
    /// Delayed ACK.
    DelayedAck,
    /// Keep-alive, and the first part of an orphan's FIN_WAIT2.
    KeepAlive,
}

/// How many timers there are.
pub const ALARMS: usize = 3;

/// Nothing was armed.
const NOTHING: u64 = u64::MAX;

/// Notes of one step. A timer's deadline depends on the phase of the wheel; the delay for which it was armed does not, so
/// that is what is noted.
#[derive(Clone, Debug)]
pub struct Notes {
    armed: [Cell<u64>; ALARMS],
    mini: Cell<u64>,
    asked: Cell<bool>,
}

impl Default for Notes {
    fn default() -> Self {
        Notes {
            armed: [const { Cell::new(NOTHING) }; ALARMS],
            mini: Cell::new(NOTHING),
            asked: Cell::new(false),
        }
    }
}

fn span(cell: &Cell<u64>) -> Option<Span> {
    (cell.get() != NOTHING).then(|| Span(cell.get()))
}

impl Notes {
    pub(super) fn arm(&self, alarm: Alarm, delay: Span) {
        self.armed[alarm as usize].set(delay.0);
    }
    pub(super) fn leave_mini(&self, life: Span) {
        self.mini.set(life.0);
    }
    /// The step hangs on something outside of endpoint and input: a budget of the host, or how long a timer still runs.
    pub(super) fn ask_outside(&self) {
        self.asked.set(true);
    }

    /// For how long a timer was armed, last, in this step.
    pub fn armed(&self, alarm: Alarm) -> Option<Span> {
        span(&self.armed[alarm as usize])
    }
    /// Whether any timer was armed.
    pub fn arms(&self) -> bool {
        self.armed.iter().any(|cell| cell.get() != NOTHING)
    }
    /// For how long each timer was armed, in the order of [`Alarm`].
    pub fn alarms(&self) -> [Option<Span>; ALARMS] {
        core::array::from_fn(|alarm| span(&self.armed[alarm]))
    }
    /// The life of the mini-socket that was left behind.
    pub fn mini(&self) -> Option<Span> {
        span(&self.mini)
    }
    /// Whether the step asked for something that no input tells.
    pub fn asked_outside(&self) -> bool {
        self.asked.get()
    }
}
