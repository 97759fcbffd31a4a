//! One connection as a value: its variables, and the verbs of its face.

use super::{ConnectParams, Cx, Input, Next, Outbox, Segment, State};
use crate::time::Time;

/// A full TCP socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub(super) state: State,
    pub(super) deadline: Time,
}

impl Endpoint {
    /// connect(): sends a SYN.
    pub fn connect(cx: &mut Cx<'_>, params: ConnectParams, out: &mut Outbox) -> Endpoint {
        let _ = (cx, params, out);
        Endpoint { state: State::SynSent, deadline: Time::NEVER }
    }
    /// Takes one step.
    pub fn step(&mut self, cx: &mut Cx<'_>, input: Input, out: &mut Outbox) -> Next {
        match input {
            Input::Segment(seg) => self.arrive(cx, &seg, out),
            _ => Next::Keep,
        }
    }
    /// A segment has arrived: [`Input::Segment`] without the copy.
    pub fn arrive(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut Outbox) -> Next {
        let _ = (cx, seg, out);
        Next::Keep
    }
    /// When the endpoint next wants [`Input::Timer`].
    pub fn next_deadline(&self) -> Option<Time> {
        (self.deadline != Time::NEVER).then_some(self.deadline)
    }
    /// The state.
    pub const fn state(&self) -> State {
        self.state
    }
    /// Whether a descriptor (or a listener's accept queue) still refers to it.
    pub const fn has_owner(&self) -> bool {
        true
    }
    /// Bytes that may be read (FIONREAD).
    pub const fn readable(&self) -> u32 {
        0
    }
}
