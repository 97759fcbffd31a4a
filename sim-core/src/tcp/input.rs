//! Every cause of change. A list of these, with their times, replays an endpoint exactly.

use super::{Segment, TimeWait};
use crate::errno::Errno;
use crate::time::Span;

/// One cause of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A segment has arrived.
    Segment(Segment),
    /// `now` has reached [`super::Endpoint::next_deadline`].
    Timer,
    /// send(): the answer is the number of bytes taken, or EAGAIN, EPIPE, an error of the connection.
    Send {
        /// Bytes offered.
        len: u32,
    },
    /// recv(): the answer is the number of bytes, 0 at end of file, EAGAIN if there is nothing yet.
    Recv {
        /// Room for so many bytes.
        len: u32,
    },
    /// shutdown(SHUT_WR).
    ShutdownWrite,
    /// shutdown(SHUT_RD).
    ShutdownRead,
    /// close() without SO_LINGER.
    Close,
    /// close() with SO_LINGER on and 0 s.
    Abort,
    /// The end of a connection that nobody ever accepted, because its listener was closed.
    Disconnect,
    /// getsockopt(SO_ERROR): the answer is `Err` of the pending error, which is thereby cleared.
    TakeError,
    /// TCP_LINGER2.
    SetLinger2(Linger2),
    /// TCP_NODELAY.
    SetNoDelay(bool),
    /// SO_KEEPALIVE.
    SetKeepAlive(bool),
    /// TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT.
    SetKeepTimes(KeepTimes),
    /// TCP_USER_TIMEOUT in milliseconds; 0 is none.
    SetUserTimeout(u32),
}

/// What a socket says of its keep-alive probes; a 0 leaves it to the host's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeepTimes {
    /// Seconds of silence before the first probe (TCP_KEEPIDLE).
    pub idle: u16,
    /// Seconds from one probe to the next (TCP_KEEPINTVL).
    pub interval: u16,
    /// Probes without an answer after which the connection is given up (TCP_KEEPCNT).
    pub probes: u8,
}

/// TCP_LINGER2: how long an orphan may stay in FIN_WAIT2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Linger2 {
    /// As long as `tcp_fin_timeout` says.
    #[default]
    Sysctl,
    /// Not at all: RST instead.
    Never,
    /// So long.
    For(Span),
}

/// What becomes of an endpoint after a step, as far as its driver's tables are concerned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It stays where it is.
    Keep,
    /// It leaves the tables. The tuple is free; the endpoint lives on, CLOSED, as long as its descriptor is open
    /// ([`super::Endpoint::has_owner`]). Also the answer to the close() of an endpoint that had left them before: then it
    /// is only to be dropped, because the tuple may lead to another socket by now.
    Gone,
    /// This mini-socket takes its place in the tables. The endpoint lives on as with [`Fate::Gone`].
    TimeWait(TimeWait),
}

/// What a step comes to, beside its effects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// What becomes of the endpoint.
    pub fate: Fate,
    /// The result of the application's call: a count of bytes, or an error. `Ok(0)` if the input was no call.
    pub answer: Result<u32, Errno>,
}
