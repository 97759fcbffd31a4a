//! What a host's step produces for the world around it.

use super::sockets::Flow;
use crate::ids::{Key, Tuple};
use crate::log::LogLine;
use crate::tcp::{Notice, Segment, State};
use crate::time::Time;

/// A segment with its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// `local` is the source.
    pub tuple: Tuple,
    /// The segment.
    pub seg: Segment,
    /// Whose it is.
    pub flow: Flow,
}

/// Whose timer to wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// A full socket's.
    Socket(Key),
    /// A mini-socket's.
    Mini(Key),
    /// A request's.
    Request(Key),
}

/// A connection moved from one state to another at one end. `Closed` stands for "not there".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The tuple as this end sees it.
    pub tuple: Tuple,
    /// Whose it is.
    pub flow: Flow,
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
}

/// Everything a step produced. The world owns one and reuses it.
#[derive(Debug, Default)]
pub struct Effects {
    /// Segments to send, in order.
    pub packets: Vec<Packet>,
    /// Wake-ups to queue.
    pub wakes: Vec<(Time, Wake)>,
    /// What applications are to be told: the application's key, and what.
    pub notices: Vec<(Key, Notice)>,
    /// Listeners (by index) whose application may have something to accept.
    pub acceptable: Vec<u16>,
    /// Moves of state.
    pub moves: Vec<Move>,
    /// Lines for the kernel's log.
    pub logs: Vec<LogLine>,
}
