//! FIFO lanes, their heads, and a heap for the rest.

use std::collections::VecDeque;

use super::heads::Heads;
use super::heap::Queued;
use super::{Heap, LaneId, Queue};
use crate::engine::event::{Due, Event};
use crate::host::{Packet, RowId};
use crate::ids::HostId;
use crate::order::{Order, Rank};
use crate::time::Time;

#[derive(Clone, Debug)]
struct Waiting<T> {
    order: Order,
    what: T,
}

/// Timers of a wheel: those of one tick leave last in, first out.
#[derive(Clone, Debug, Default)]
struct Ticks {
    queue: VecDeque<Waiting<Event>>,
    /// How many entries at the front are of the first tick, and how many of these are still to leave.
    tick: usize,
    left: usize,
}

impl Ticks {
    /// Adds a timer, unless that would break the order. The head, if it is another one now.
    fn push(&mut self, order: Order, what: Event) -> Result<Option<Order>, Event> {
        let Some(last) = self.queue.back() else {
            self.queue.push_back(Waiting { order, what });
            (self.tick, self.left) = (1, 1);
            return Ok(Some(order));
        };
        let same_tick = last.order.time == order.time;
        if last.order.time > order.time || (same_tick && last.order < order) {
            return Err(what);
        }
        let first_tick = same_tick && self.tick == self.queue.len();
        if first_tick && self.left < self.tick {
            return Err(what);
        }
        self.queue.push_back(Waiting { order, what });
        if !first_tick {
            return Ok(None);
        }
        self.tick += 1;
        self.left = self.tick;
        Ok(Some(order))
    }

    /// Those that have not left.
    fn waiting(&self) -> impl Iterator<Item = &Waiting<Event>> {
        self.queue.iter().take(self.left).chain(self.queue.iter().skip(self.tick))
    }

    /// Takes the next timer, and says what is the head after it.
    fn pop(&mut self) -> Option<(Event, Order)> {
        self.left = self.left.checked_sub(1)?;
        let event = self.queue.get(self.left)?.what;
        if self.left == 0 {
            self.queue.drain(..self.tick);
            let first = self.queue.front().map(|first| first.order.time);
            let same = |entry: &&Waiting<Event>| Some(entry.order.time) == first;
            self.tick = self.queue.iter().take_while(same).count();
            self.left = self.tick;
        }
        let next = self.left.checked_sub(1).and_then(|at| self.queue.get(at));
        Some((event, next.map_or(Order::NEVER, |next| next.order)))
    }
}

/// What a lane holds.
#[derive(Clone, Debug)]
enum Lane {
    Ticks(Ticks),
    /// What fits no other lane.
    Rest,
    /// The rows of a host, of which the next is known here.
    Rows(HostId, Option<RowId>),
    Events(VecDeque<Waiting<Event>>),
    Packets(VecDeque<Waiting<(HostId, Packet)>>),
}

impl Lane {
    fn packets(&self) -> u64 {
        match self {
            Lane::Packets(packets) => packets.len() as u64,
            _ => 0,
        }
    }
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

    fn add_rest(&mut self, order: Order, cause: Queued) {
        self.rest.add(order, cause);
        if order < self.heads.get(Lanes::REST) {
            self.heads.set(Lanes::REST, order);
        }
    }

    fn lane(&mut self, lane: Lane) -> LaneId {
        self.all.push(lane);
        LaneId(self.heads.add())
    }

    fn next_order(&mut self, time: Time) -> Order {
        Order { time, rank: Rank::new(self.ticket(), None) }
    }
}

impl Queue for Lanes {
    const EACH_WAIT: bool = false;

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

    fn timer_lane(&mut self) -> LaneId {
        self.lane(Lane::Ticks(Ticks::default()))
    }

    fn packet_lane(&mut self) -> LaneId {
        self.lane(Lane::Packets(VecDeque::new()))
    }

    fn ticket(&mut self) -> u64 {
        self.pushed += 1;
        self.pushed
    }

    fn place(&mut self, lane: LaneId, order: Order, event: Event) {
        let head = match self.all.get_mut(lane.0 as usize) {
            Some(Lane::Events(events)) => append(events, order, event).map(|head| head.then_some(order)),
            Some(Lane::Ticks(ticks)) => ticks.push(order, event),
            _ => Err(event),
        };
        match head {
            Ok(Some(head)) => self.heads.set(lane.0, head),
            Ok(None) => {}
            Err(event) => self.add_rest(order, Queued::Event(event)),
        }
    }

    fn send(&mut self, lane: LaneId, time: Time, to: HostId, packet: &Packet) {
        let order = self.next_order(time);
        let Some(Lane::Packets(packets)) = self.all.get_mut(lane.0 as usize) else {
            return self.add_rest(order, Queued::Packet(to, *packet));
        };
        match append(packets, order, (to, *packet)) {
            Ok(true) => self.heads.set(lane.0, order),
            Ok(false) => {}
            Err((to, packet)) => self.add_rest(order, Queued::Packet(to, packet)),
        }
    }

    fn wait(&mut self, host: HostId, order: Order, row: RowId) {
        let lane = u32::from(host.0) + 1;
        // Also where it ends in the tick of the one that was next: then it comes first.
        if order < self.heads.get(lane) {
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

    fn packets(&self) -> u64 {
        self.rest.packets() + self.all.iter().map(Lane::packets).sum::<u64>()
    }

    fn packets_in(&self, lane: LaneId) -> u64 {
        self.all.get(lane.0 as usize).map_or(0, Lane::packets)
    }

    fn waiting(&self) -> Vec<(Order, Due)> {
        let mut all = self.rest.waiting();
        for (number, lane) in (0..).zip(&self.all) {
            match lane {
                Lane::Rest => {}
                Lane::Rows(host, row) => {
                    let head = self.heads.get(number);
                    all.extend(row.map(|row| (head, Due::Row(*host, row))));
                }
                Lane::Events(events) => all.extend(events.iter().map(|e| (e.order, Due::Event(e.what)))),
                Lane::Ticks(ticks) => all.extend(ticks.waiting().map(|e| (e.order, Due::Event(e.what)))),
                Lane::Packets(packets) => {
                    all.extend(packets.iter().map(|p| (p.order, Due::Packet(LaneId(number)))));
                }
            }
        }
        all
    }

    #[inline]
    fn first(&self) -> Order {
        self.heads.first().1
    }

    #[inline]
    fn pop(&mut self) -> Option<(Order, Due)> {
        let (lane, order) = self.heads.first();
        if order == Order::NEVER {
            return None;
        }
        let (due, next) = match &mut self.all[lane as usize] {
            Lane::Packets(_) => return Some((order, Due::Packet(LaneId(lane)))),
            Lane::Rows(host, row) => return Some((order, Due::Row(*host, row.take()?))),
            Lane::Events(events) => {
                let event = events.pop_front()?.what;
                (Due::Event(event), events.front().map_or(Order::NEVER, |next| next.order))
            }
            Lane::Ticks(ticks) => {
                let (event, next) = ticks.pop()?;
                (Due::Event(event), next)
            }
            Lane::Rest => {
                let (_, due) = self.rest.pop()?;
                (due, self.rest.first())
            }
        };
        self.heads.set(lane, next);
        Some((order, due))
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
