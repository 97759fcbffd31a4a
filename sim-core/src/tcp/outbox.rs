//! What a step produces: segments for the network, notices for the application, facts for the record.
//!
//! The driver owns one [`Outbox`] and reuses it, so a step allocates nothing.

use super::{Flags, Segment, State};
use crate::counter::Counter;
use crate::errno::Errno;
use crate::timewait::TimeWait;

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

/// Everything one step produced. Vectors are appended to; the driver clears them.
#[derive(Clone, Debug)]
pub struct Outbox {
    /// Segments to send, in order.
    pub segments: Vec<Segment>,
    /// Wake-ups for the application.
    pub notices: Vec<Notice>,
    /// What happened.
    pub facts: Vec<Fact>,
    /// Kernel counters that moved.
    pub counters: Vec<Counter>,
    /// The result of the application call, if the input was one: a count of bytes, or an error.
    pub answer: Result<u32, Errno>,
    /// The mini-socket that takes the endpoint's place; [`super::Next`] carries it out.
    pub(super) successor: Option<TimeWait>,
}

impl Default for Outbox {
    fn default() -> Self {
        Outbox {
            segments: Vec::new(),
            notices: Vec::new(),
            facts: Vec::new(),
            counters: Vec::new(),
            answer: Ok(0),
            successor: None,
        }
    }
}

impl Outbox {
    /// Empties the box, keeping its memory.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.notices.clear();
        self.facts.clear();
        self.counters.clear();
        self.answer = Ok(0);
        self.successor = None;
    }
    pub(crate) fn count(&mut self, counter: Counter) {
        self.counters.push(counter);
    }
    pub(crate) fn refuse(&mut self, why: Why) {
        self.facts.push(Fact::Refused { why });
    }
}

/// A RST in answer to a segment for which there is no socket, or none that can use it (`tcp_v4_send_reset`).
pub(crate) fn reply_with_reset(seg: &Segment, out: &mut Outbox) {
    if seg.flags.has(Flags::RST) {
        return;
    }
    let reset = if seg.flags.has(Flags::ACK) {
        Segment { seq: seg.ack, flags: Flags::RST, ..Segment::default() }
    } else {
        Segment { ack: seg.end(), flags: Flags::RST_ACK, ..Segment::default() }
    };
    out.count(Counter::TcpOutSegs);
    out.count(Counter::TcpOutRsts);
    out.segments.push(reset);
}
