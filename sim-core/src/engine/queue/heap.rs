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

/// Everything in one heap: the keys, and each with the place of its cause, so that what moves in the heap is small.
#[derive(Clone, Debug, Default)]
pub struct Heap {
    keys: BinaryHeap<Reverse<(Order, u32)>>,
    causes: Vec<Queued>,
    /// Places that are free.
    free: Vec<u32>,
    arriving: Option<(HostId, Packet)>,
    pushed: u64,
    packets: u64,
}

impl Heap {
    pub(super) fn add(&mut self, order: Order, cause: Queued) {
        self.packets += u64::from(matches!(cause, Queued::Packet(..)));
        let place = self.free.pop().unwrap_or(self.causes.len() as u32);
        match self.causes.get_mut(place as usize) {
            Some(free) => *free = cause,
            None => self.causes.push(cause),
        }
        self.keys.push(Reverse((order, place)));
    }

    /// The key of the next cause.
    pub(super) fn first(&self) -> Order {
        self.keys.peek().map_or(Order::NEVER, |Reverse((order, _))| *order)
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
        self.keys.iter().map(|&Reverse((order, place))| (order, due(self.causes[place as usize]))).collect()
    }
    fn first(&self) -> Order {
        Heap::first(self)
    }
    fn pop(&mut self) -> Option<(Order, Due)> {
        let Reverse((order, place)) = self.keys.pop()?;
        self.free.push(place);
        let due = match self.causes[place as usize] {
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
