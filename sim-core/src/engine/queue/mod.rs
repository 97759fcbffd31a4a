//! The queue of causes: they leave in order of (time, rank), where the rank of an ordinary one is the order in which it
//! was pushed.
//!
//! The kernel's timers that fire in one tick come before the other causes of that moment. See [`crate::order::Rank`].
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
use crate::order::{Order, Rank};
use crate::time::Time;

pub(super) use heads::Heads;
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

/// Where causes wait.
pub trait Queue {
    /// Whether it has to be told of each TIME_WAIT, for it does not look at the hosts' rows.
    const EACH_WAIT: bool;
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
    /// Adds an event whose place is already known: a timer that was armed before.
    fn place(&mut self, lane: LaneId, order: Order, event: Event);
    /// Adds an event, after all that were pushed before.
    fn push(&mut self, lane: LaneId, time: Time, event: Event) {
        let rank = Rank::new(self.ticket(), None);
        self.place(lane, Order { time, rank }, event);
    }
    /// Adds the arrival of a packet at a host.
    fn send(&mut self, lane: LaneId, time: Time, to: HostId, packet: &Packet);
    /// A TIME_WAIT will end. A queue that looks at the host's rows for it need not remember.
    fn wait(&mut self, host: HostId, order: Order, row: RowId);
    /// Which TIME_WAIT of a host ends next, and when. Answers whether that is news.
    fn next_wait(&mut self, host: HostId, next: Option<(Order, RowId)>) -> bool;
    /// How many packets wait.
    fn packets(&self) -> u64;
    /// How many of them wait in a lane, as far as that is known.
    fn packets_in(&self, lane: LaneId) -> u64;
    /// Everything that waits, in no order; of packets only that they do. It looks at all of it: for tests.
    fn waiting(&self) -> Vec<(Order, Due)>;
    /// The place of the next cause; [`Order::NEVER`] if there is none.
    fn first(&self) -> Order;
    /// Takes the next cause. A packet stays behind for [`Queue::packet`].
    fn pop(&mut self) -> Option<(Order, Due)>;
    /// The packet that was next, and the host that it reaches.
    fn packet(&mut self, lane: LaneId) -> Option<(HostId, Packet)>;
}
