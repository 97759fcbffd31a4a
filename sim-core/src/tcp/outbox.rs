//! A sink that keeps everything, for whoever wants to look at it afterwards.

use super::{Notice, Out, Segment, State, TimerKind, Why};
use crate::counter::Counter;

/// Something worth recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// The state moved.
    State {
        /// Before.
        from: State,
        /// After.
        to: State,
    },
    /// A segment was refused.
    Refused {
        /// The reason.
        why: Why,
    },
    /// A timer fired.
    TimerFired {
        /// Which one.
        kind: TimerKind,
    },
}

/// Everything that was produced since it was last emptied. It is owned and reused by a driver, so a step allocates
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// Segments to send, in order.
    pub segments: Vec<Segment>,
    /// Wake-ups for the application.
    pub notices: Vec<Notice>,
    /// What happened.
    pub facts: Vec<Fact>,
    /// Kernel counters that moved.
    pub counters: Vec<Counter>,
}

impl Outbox {
    /// Empties the box, keeping its memory.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.notices.clear();
        self.facts.clear();
        self.counters.clear();
    }
}

impl Out for Outbox {
    fn segment(&mut self, seg: Segment) {
        self.segments.push(seg);
    }
    fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }
    fn count(&mut self, counter: Counter) {
        self.counters.push(counter);
    }
    fn moved(&mut self, from: State, to: State) {
        self.facts.push(Fact::State { from, to });
    }
    fn refused(&mut self, why: Why) {
        self.facts.push(Fact::Refused { why });
    }
    fn fired(&mut self, kind: TimerKind) {
        self.facts.push(Fact::TimerFired { kind });
    }
}
