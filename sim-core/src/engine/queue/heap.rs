//! The plain reference: one binary heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{LaneId, Queue};
use crate::engine::event::{Due, Event};
use crate::host::{Packet, RowId};
use crate::ids::HostId;
use crate::order::{Order, Rank};
use crate::time::Time;

/// What waits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Queued {
    Event(Event),
    Row(HostId, RowId),
    Packet(HostId, Packet),
}

/// A cause with its key.
#[derive(Clone, Copy, Debug)]
struct Entry {
    order: Order,
    cause: Queued,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

/// Everything in one heap.
#[derive(Clone, Debug, Default)]
pub struct Heap {
    entries: BinaryHeap<Reverse<Entry>>,
    arriving: Option<(HostId, Packet)>,
    pushed: u64,
    packets: u64,
}

impl Heap {
    pub(super) fn add(&mut self, order: Order, cause: Queued) {
        self.packets += u64::from(matches!(cause, Queued::Packet(..)));
        self.entries.push(Reverse(Entry { order, cause }));
    }

    /// The key of the next cause.
    pub(super) fn first(&self) -> Order {
        self.entries.peek().map_or(Order::NEVER, |entry| entry.0.order)
    }
}

impl Queue for Heap {
    const EACH_WAIT: bool = true;

    fn new(_hosts: usize) -> Self {
        Heap::default()
    }
    fn event_lane(&mut self) -> LaneId {
        LaneId::NONE
    }
    fn timer_lane(&mut self) -> LaneId {
        LaneId::NONE
    }
    fn packet_lane(&mut self) -> LaneId {
        LaneId::NONE
    }
    fn ticket(&mut self) -> u64 {
        self.pushed += 1;
        self.pushed
    }
    fn place(&mut self, _lane: LaneId, order: Order, event: Event) {
        self.add(order, Queued::Event(event));
    }
    fn send(&mut self, _lane: LaneId, time: Time, to: HostId, packet: &Packet) {
        let rank = Rank::new(self.ticket(), None);
        self.add(Order { time, rank }, Queued::Packet(to, *packet));
    }
    fn wait(&mut self, host: HostId, order: Order, row: RowId) {
        self.add(order, Queued::Row(host, row));
    }
    fn next_wait(&mut self, _host: HostId, _next: Option<(Order, RowId)>) -> bool {
        false
    }
    fn packets(&self) -> u64 {
        self.packets
    }
    fn packets_in(&self, _lane: LaneId) -> u64 {
        0
    }
    fn waiting(&self) -> Vec<(Order, Due)> {
        let due = |cause| match cause {
            Queued::Event(event) => Due::Event(event),
            Queued::Row(host, row) => Due::Row(host, row),
            Queued::Packet(..) => Due::Packet(LaneId::NONE),
        };
        self.entries.iter().map(|Reverse(entry)| (entry.order, due(entry.cause))).collect()
    }
    fn first(&self) -> Order {
        Heap::first(self)
    }
    fn pop(&mut self) -> Option<(Order, Due)> {
        let Reverse(Entry { order, cause }) = self.entries.pop()?;
        let due = match cause {
            Queued::Event(event) => Due::Event(event),
            Queued::Row(host, row) => Due::Row(host, row),
            Queued::Packet(to, packet) => {
                self.packets -= 1;
                self.arriving = Some((to, packet));
                Due::Packet(LaneId::NONE)
            }
        };
        Some((order, due))
    }
    fn packet(&mut self, _lane: LaneId) -> Option<(HostId, Packet)> {
        self.arriving.take()
    }
}
