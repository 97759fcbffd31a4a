//! Every cause of change. A list of these, with their times, replays an endpoint exactly.

use super::{Endpoint, Segment};
use crate::listener::Request;
use crate::time::Span;
use crate::timewait::TimeWait;

/// One cause of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A segment has arrived.
    Segment(Segment),
    /// `now` has reached [`Endpoint::next_deadline`].
    Timer,
    /// send(): `answer` is the number of bytes taken, or EAGAIN, EPIPE, an error of the connection.
    Send {
        /// Bytes offered.
        len: u32,
    },
    /// recv(): `answer` is the number of bytes, 0 at end of file, EAGAIN if there is nothing yet.
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
    /// getsockopt(SO_ERROR): `answer` is `Err` of the pending error, which is thereby cleared.
    TakeError,
    /// TCP_LINGER2.
    SetLinger2(Linger2),
    /// TCP_NODELAY.
    SetNoDelay(bool),
    /// SO_KEEPALIVE, with the times of the configuration.
    SetKeepAlive(bool),
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

/// What becomes of the socket that was stepped, as far as the tables are concerned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::large_enum_variant,
    reason = "moved once in a connection's life; a box would cost an allocation"
)]
pub enum Next {
    /// It stays where it is.
    Keep,
    /// It leaves the tables. The tuple is free; a full socket lives on, CLOSED, as long as its descriptor is open
    /// ([`Endpoint::has_owner`]). Also the answer to the close() of a socket that had left them before: then it is only
    /// to be dropped, for the tuple may be another's by now.
    Gone,
    /// This mini-socket takes its place in the tables. A full socket lives on as with [`Next::Gone`].
    TimeWait(TimeWait),
    /// This request takes its place (or is new).
    Request(Request),
    /// The handshake is complete: this connection takes the request's place (or is new, by a SYN cookie) and goes to
    /// the end of the listener's accept queue.
    Child(Endpoint),
}
