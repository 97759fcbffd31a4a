//! The states of RFC 9293 §3.3.2, and the table of legal moves.

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
