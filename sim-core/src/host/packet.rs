//! A segment with its addresses, on its way from one host to another.

use crate::ids::{TrafficId, Tuple};
use crate::tcp::Segment;

/// Which attempt of which traffic source a connection belongs to. It travels with each segment, as the meaning of its
/// payload would, so that the server's application knows what is asked of it, even behind a NAT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The source.
    pub traffic: TrafficId,
    /// Number of the attempt, from 0.
    pub number: u32,
}

/// A slot in the table of full sockets that may be the right one: a guess that is checked against the tuple, and saves a
/// look into the index where it is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint(pub u32);

impl Hint {
    /// No guess.
    pub const NONE: Hint = Hint(u32::MAX);
}

/// A segment with its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// `local` is the source.
    pub tuple: Tuple,
    /// The segment.
    pub seg: Segment,
    /// Whose it is.
    pub attempt: Attempt,
    /// The sender's slot.
    pub from: Hint,
    /// The receiver's slot, as far as the sender knows.
    pub to: Hint,
}
