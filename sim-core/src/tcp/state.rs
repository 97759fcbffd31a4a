//! The states of RFC 9293 §3.3.2, the table of legal moves, and the one variable that is held to it.

use crate::errno::named;

named! {
    /// A connection's state. The order is the kernel's own (include/net/tcp_states.h).
    State {
        /// Data may flow both ways.
        Established = "ESTABLISHED",
        /// SYN sent.
        SynSent = "SYN_SENT",
        /// SYN received, our SYN,ACK sent.
        SynRecv = "SYN_RECV",
        /// FIN queued, not acknowledged.
        FinWait1 = "FIN_WAIT1",
        /// FIN acknowledged, the peer's awaited.
        FinWait2 = "FIN_WAIT2",
        /// Both FINs acknowledged; waiting for old segments to die.
        TimeWait = "TIME_WAIT",
        /// No connection.
        Closed = "CLOSED",
        /// The peer has closed.
        CloseWait = "CLOSE_WAIT",
        /// Closed after the peer; FIN not acknowledged.
        LastAck = "LAST_ACK",
        /// Waiting for connections.
        Listen = "LISTEN",
        /// Both closed at once; our FIN not acknowledged.
        Closing = "CLOSING",
    }
}

impl State {
    /// Whether one step may lead from here to `next`: the arrows of RFC 9293 §3.3.2 (figure 5), those of the kernel's
    /// `new_state` (net/ipv4/tcp.c) and, from every state but CLOSED, the abrupt end.
    ///
    /// One segment can cause two steps: a FIN that acknowledges ours leads from FIN_WAIT1 through FIN_WAIT2 to TIME_WAIT.
    pub const fn may_become(self, next: State) -> bool {
        use State::{
            CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynRecv, SynSent,
            TimeWait,
        };
        match self {
            Closed => matches!(next, Listen | SynSent),
            Listen => matches!(next, SynRecv | Closed),
            SynSent => matches!(next, SynRecv | Established | Closed),
            SynRecv => matches!(next, Established | FinWait1 | Closed),
            Established => matches!(next, FinWait1 | CloseWait | Closed),
            FinWait1 => matches!(next, FinWait2 | Closing | Closed),
            FinWait2 | Closing => matches!(next, TimeWait | Closed),
            CloseWait => matches!(next, LastAck | Closed),
            LastAck | TimeWait => matches!(next, Closed),
        }
    }
}

/// The state of an endpoint. Only a legal move changes it, for the field is private to this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CurrentState(State);

impl CurrentState {
    /// An endpoint that connect() makes.
    pub(super) const SYN_SENT: CurrentState = CurrentState(State::SynSent);
    /// An endpoint that takes the place of a request.
    pub(super) const SYN_RECV: CurrentState = CurrentState(State::SynRecv);

    pub(super) const fn get(self) -> State {
        self.0
    }

    /// Moves on (`tcp_set_state`).
    pub(super) fn set(&mut self, next: State) {
        debug_assert!(self.0.may_become(next), "from {} to {}", self.0.name(), next.name());
        self.0 = next;
    }
}
