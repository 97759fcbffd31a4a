//! Where a step writes what it produces: segments for the network, notices for the application, and what is worth
//! recording.

use super::{Segment, State};
use crate::counter::Counter;
use crate::errno::Errno;

/// A sink for the effects of a step, in the order in which they happen.
///
/// Whoever drives an endpoint implements it: an engine sends a segment and counts at once, a test keeps everything in an
/// [`Outbox`](super::Outbox). The protocol never reads anything back.
pub trait Out {
    /// A segment is sent.
    fn segment(&mut self, seg: Segment);
    /// The application is to be woken for something. Only said while a descriptor is open.
    fn notice(&mut self, notice: Notice);
    /// A kernel counter moves by one.
    fn count(&mut self, counter: Counter);
    /// The connection's state at this end moves, one step at a time. It does not move where one thing takes the place of
    /// another in the same state: a mini-socket that of an endpoint, a child that of its request.
    fn moved(&mut self, from: State, to: State);
    /// A segment, or a part of it, is not taken.
    fn refused(&mut self, why: Why);
    /// A timer has fired.
    fn fired(&mut self, kind: TimerKind);
    /// The connection is cut off with so many bytes that were written and not acknowledged, or received and not read: nobody
    /// at this end will see to them any more.
    fn cut_off(&mut self, _bytes: u32) {}
    /// The connection ends and leaves its smoothed round-trip time to the host: eighths of a microsecond; 0: it failed to find out.
    fn measured(&mut self, _srtt: u32) {}
}

/// Something the application is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// connect() has succeeded.
    Connected,
    /// `len` more bytes may be read.
    Readable {
        /// Bytes that have become readable just now.
        len: u32,
    },
    /// The peer has sent FIN: after the data, end of file.
    PeerClosed,
    /// There is room in the send buffer again, after a send() that found none or too little.
    Writable,
    /// The connection ended in error.
    Error(Errno),
    /// The connection has left the tables without error while the descriptor is open.
    Finished,
}

/// Which timer fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKind {
    /// Retransmission (of a SYN, data or FIN).
    Retransmit,
    /// Tail loss probe.
    LossProbe,
    /// Zero-window probe.
    Persist,
    /// Delayed ACK.
    DelayedAck,
    /// Keep-alive, or the end of an orphan's FIN_WAIT2.
    KeepAlive,
    /// End of a mini-socket.
    TimeWait,
    /// Retransmission of a SYN,ACK by a request.
    SynAck,
}

/// Why a segment was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// Older timestamp (RFC 7323 §5).
    Paws,
    /// Outside the window.
    Sequence,
    /// The ACK is too old or acknowledges what was never sent.
    Ack,
    /// Flags that make no sense in this state.
    Flags,
    /// A SYN in a synchronised state.
    Syn,
    /// A RST that does not hit exactly.
    Reset,
    /// Data for an application that is gone.
    DataAfterClose,
    /// No socket for this segment.
    NoSocket,
    /// SYN queue full.
    SynQueueFull,
    /// Accept queue full.
    AcceptQueueFull,
    /// The receive window is closed.
    ZeroWindow,
}
