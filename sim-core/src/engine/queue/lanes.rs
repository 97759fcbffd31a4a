//! FIFO lanes, a tournament of their heads, and a heap for the rest.

use std::collections::VecDeque;

use super::heads::Heads;
use super::heap::Cause;
use super::{Heap, LaneId, Order, Queue, Rank};
use crate::engine::event::{Due, Event};
use crate::host::{Packet, RowId};
use crate::ids::HostId;
use crate::time::Time;

#[derive(Clone, Debug)]
struct Waiting<T> {
    order: Order,
    what: T,
}

/// What a lane holds.
#[derive(Clone, Debug)]
enum Lane {
    /// What fits no other lane.
    Rest,
    /// The rows of a host, of which the next is known here.
    Rows(HostId, Option<RowId>),
    Events(VecDeque<Waiting<Event>>),
    Packets(VecDeque<Waiting<(HostId, Packet)>>),
}

/// The engine's own queue.
#[derive(Clone, Debug)]
pub struct Lanes {
    all: Vec<Lane>,
    heads: Heads,
    rest: Heap,
    pushed: u64,
}

/// Puts a cause at the end of a lane, unless that would break its order. Whether it went in, and whether it is the head.
fn append<T>(lane: &mut VecDeque<Waiting<T>>, order: Order, what: T) -> Result<bool, T> {
    match lane.back() {
        Some(last) if last.order > order => return Err(what),
        _ => {}
    }
    lane.push_back(Waiting { order, what });
    Ok(lane.len() == 1)
}

impl Lanes {
    const REST: u32 = 0;

    fn add_rest(&mut self, order: Order, cause: Cause) {
        self.rest.add(order, cause);
        if order < self.heads.get(Lanes::REST) {
            self.heads.set(Lanes::REST, order);
        }
    }

    fn lane(&mut self, lane: Lane) -> LaneId {
        self.all.push(lane);
        LaneId(self.heads.add())
    }

    fn next_order(&mut self, time: Time, level: Option<u32>) -> Order {
        Order { time, rank: Rank::new(self.ticket(), level) }
    }
}

impl Queue for Lanes {
    fn new(hosts: usize) -> Self {
        let mut lanes =
            Lanes { all: vec![Lane::Rest], heads: Heads::new(), rest: Heap::default(), pushed: 0 };
        for host in 0..hosts {
            lanes.lane(Lane::Rows(HostId(host as u16), None));
        }
        lanes
    }

    fn event_lane(&mut self) -> LaneId {
        self.lane(Lane::Events(VecDeque::new()))
    }

    fn packet_lane(&mut self) -> LaneId {
        self.lane(Lane::Packets(VecDeque::new()))
    }

    fn ticket(&mut self) -> u64 {
        self.pushed += 1;
        self.pushed
    }

    fn push(&mut self, lane: LaneId, time: Time, level: Option<u32>, event: Event) {
        let order = self.next_order(time, level);
        let Some(Lane::Events(events)) = self.all.get_mut(lane.0 as usize) else {
            return self.add_rest(order, Cause::Event(event));
        };
        match append(events, order, event) {
            Ok(true) => self.heads.set(lane.0, order),
            Ok(false) => {}
            Err(event) => self.add_rest(order, Cause::Event(event)),
        }
    }

    fn send(&mut self, lane: LaneId, time: Time, to: HostId, packet: &Packet) {
        let order = self.next_order(time, None);
        let Some(Lane::Packets(packets)) = self.all.get_mut(lane.0 as usize) else {
            return self.add_rest(order, Cause::Packet(to, *packet));
        };
        match append(packets, order, (to, *packet)) {
            Ok(true) => self.heads.set(lane.0, order),
            Ok(false) => {}
            Err((to, packet)) => self.add_rest(order, Cause::Packet(to, packet)),
        }
    }

    fn wait(&mut self, host: HostId, order: Order, row: RowId) {
        let lane = u32::from(host.0) + 1;
        if self.heads.get(lane) == Order::NEVER {
            self.next_wait(host, Some((order, row)));
        }
    }

    fn next_wait(&mut self, host: HostId, next: Option<(Order, RowId)>) -> bool {
        let lane = u32::from(host.0) + 1;
        let order = next.map_or(Order::NEVER, |(order, _)| order);
        let news = order != self.heads.get(lane);
        if news {
            self.heads.set(lane, order);
        }
        if let Lane::Rows(_, row) = &mut self.all[lane as usize] {
            *row = next.map(|(_, row)| row);
        }
        news
    }

    fn peek(&self) -> Option<Time> {
        let (_, order) = self.heads.first();
        (order != Order::NEVER).then_some(order.time)
    }

    #[inline]
    fn pop(&mut self) -> Option<(Time, Due)> {
        let (lane, order) = self.heads.first();
        if order == Order::NEVER {
            return None;
        }
        let (due, next) = match &mut self.all[lane as usize] {
            Lane::Packets(_) => return Some((order.time, Due::Packet(LaneId(lane)))),
            Lane::Rows(host, row) => return Some((order.time, Due::Row(*host, row.take()?))),
            Lane::Events(events) => {
                let event = events.pop_front()?.what;
                (Due::Event(event), events.front().map_or(Order::NEVER, |next| next.order))
            }
            Lane::Rest => {
                let (_, due) = self.rest.pop()?;
                (due, self.rest.first())
            }
        };
        self.heads.set(lane, next);
        Some((order.time, due))
    }

    #[inline]
    fn packet(&mut self, lane: LaneId) -> Option<(HostId, Packet)> {
        let Some(Lane::Packets(packets)) = self.all.get_mut(lane.0 as usize) else {
            return self.rest.packet(lane);
        };
        let arrived = packets.pop_front()?.what;
        let next = packets.front().map_or(Order::NEVER, |next| next.order);
        self.heads.set(lane.0, next);
        Some(arrived)
    }
}
