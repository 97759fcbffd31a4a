//! The queue of causes: they leave in order of (time, rank), where the rank of an ordinary one is the order in which it
//! was pushed.
//!
//! The kernel's timers that fire in one tick come before the other causes of that moment, those of the highest level of
//! the wheel first, and on each level last in, first out: `enqueue_timer` puts a timer at the head of its list, and
//! `expire_timers` begins there (kernel/time/timer.c). See [`Rank`].
//!
//! Most delays are constant (a link's, TIME_WAIT's), so most causes are pushed in the order in which they will leave.
//! [`Lanes`] keeps those in FIFO lanes and only the heads of the lanes in a tournament, and what fits no lane in a heap.
//! [`Heap`] is the plain reference: the same order by the same key, whatever the lanes.

mod heads;
mod heap;
mod lanes;
#[cfg(test)]
mod tests;

use super::event::{Due, Event};
use crate::host::{Packet, RowId};
use crate::ids::HostId;
use crate::time::Time;

pub use heap::Heap;
pub use lanes::Lanes;

/// A FIFO lane for causes whose keys never decrease from push to push. A hint: one that would break the order of its lane
/// goes to the heap instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneId(u32);

impl LaneId {
    /// No lane: straight to the heap.
    pub const NONE: LaneId = LaneId(u32::MAX);
}

/// Order among the causes of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u64);

impl Rank {
    /// Set in the rank of everything but the timers of a wheel.
    const ORDINARY: u64 = 1 << 63;
    const LEVEL_SHIFT: u32 = 59;

    /// The rank of the n-th push; of a timer, with the level of the wheel in which it waits.
    pub const fn new(pushed: u64, level: Option<u32>) -> Rank {
        match level {
            None => Rank(Rank::ORDINARY | pushed),
            Some(level) => {
                Rank(((15 - level as u64) << Rank::LEVEL_SHIFT) | ((1 << Rank::LEVEL_SHIFT) - 1 - pushed))
            }
        }
    }
}

/// Time and rank: no two causes share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// When.
    pub time: Time,
    /// Among the causes of that moment.
    pub rank: Rank,
}

impl Order {
    /// Later than everything.
    pub const NEVER: Order = Order { time: Time::NEVER, rank: Rank(u64::MAX) };
}

impl PartialOrd for Order {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
    #[inline]
    fn lt(&self, other: &Self) -> bool {
        self.time.0 < other.time.0 || (self.time.0 == other.time.0 && self.rank.0 < other.rank.0)
    }
    #[inline]
    fn gt(&self, other: &Self) -> bool {
        other < self
    }
}

impl Ord for Order {
    #[inline]
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.time.0, self.rank.0).cmp(&(other.time.0, other.rank.0))
    }
}

/// Where causes wait.
pub trait Queue {
    /// A queue for so many hosts.
    fn new(hosts: usize) -> Self;
    /// A lane for events.
    fn event_lane(&mut self) -> LaneId;
    /// A lane for the timers of a wheel.
    fn timer_lane(&mut self) -> LaneId;
    /// A lane for packets.
    fn packet_lane(&mut self) -> LaneId;
    /// The number of the next push.
    fn ticket(&mut self) -> u64;
    /// Adds an event; a timer of a wheel with the level in which it waits.
    fn push(&mut self, lane: LaneId, time: Time, level: Option<u32>, event: Event);
    /// Adds the arrival of a packet at a host.
    fn send(&mut self, lane: LaneId, time: Time, to: HostId, packet: &Packet);
    /// A TIME_WAIT will end. A queue that looks at the host's rows for it need not remember.
    fn wait(&mut self, host: HostId, order: Order, row: RowId);
    /// Which TIME_WAIT of a host ends next, and when. Answers whether that is news.
    fn next_wait(&mut self, host: HostId, next: Option<(Order, RowId)>) -> bool;
    /// When the next cause is due.
    fn peek(&self) -> Option<Time>;
    /// Takes the next cause. A packet stays behind for [`Queue::packet`].
    fn pop(&mut self) -> Option<(Time, Due)>;
    /// The packet that was next, and the host that it reaches.
    fn packet(&mut self, lane: LaneId) -> Option<(HostId, Packet)>;
}
