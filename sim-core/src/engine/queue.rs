//! The event queue: events leave in order of (time, rank), where the rank of an ordinary event is the order in which
//! it was pushed.
//!
//! The kernel's timers that fire in one tick come before the other events of that moment, those of the highest level of
//! the wheel first, and on each level last in, first out: `enqueue_timer` puts a timer at the head of its list, and
//! `expire_timers` begins there (kernel/time/timer.c). See [`wheel_rank`].
//!
//! Most delays are constant (a link's, TIME_WAIT's), so most events are pushed in the order in which they will leave.
//! [`Lanes`] keeps those in FIFO lanes and only the heads of the lanes, and events that fit no lane, in a heap.
//! [`Heap`] is the plain reference: the same order by the same key, whatever the lanes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::event::Event;
use crate::time::Time;

/// A FIFO lane for events whose times never decrease from push to push. A hint: an event that would break the order
/// of its lane goes to the heap instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneId(pub u16);

impl LaneId {
    /// No lane: straight to the heap.
    pub const NONE: LaneId = LaneId(u16::MAX);
}

/// An event with its key.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// When it happens.
    pub time: Time,
    /// Order among the events of one moment.
    pub rank: u64,
    /// What happens.
    pub event: Event,
}

impl Entry {
    const fn key(&self) -> u128 {
        key(self.time, self.rank)
    }
}

/// Time and rank as one number: a comparison is then one too.
const fn key(time: Time, rank: u64) -> u128 {
    (time.0 as u128) << 64 | rank as u128
}

/// Set in the rank of everything but the timers of a wheel.
const ORDINARY: u64 = 1 << 63;

/// The rank of an ordinary event, by the number of its push.
const fn push_rank(pushed: u64) -> u64 {
    ORDINARY | pushed
}

/// The rank of a timer in the wheel, by its level and the number of its push.
const fn wheel_rank(level: u32, pushed: u64) -> u64 {
    const LEVEL_SHIFT: u32 = 59;
    ((15 - level as u64) << LEVEL_SHIFT) | ((1 << LEVEL_SHIFT) - 1 - pushed)
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
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
        self.key().cmp(&other.key())
    }
}

/// Where events wait.
pub trait Queue {
    /// A queue with lanes `0..lanes`.
    fn with_lanes(lanes: u16) -> Self;
    /// Adds an event.
    fn push(&mut self, lane: LaneId, time: Time, event: Event);
    /// Adds the expiry of a timer that waits in a level of the kernel's wheel.
    fn push_timer(&mut self, lane: LaneId, time: Time, level: u32, event: Event);
    /// When the next event happens.
    fn peek(&self) -> Option<Time>;
    /// Takes the next event.
    fn pop(&mut self) -> Option<Entry>;
}

/// The plain reference: one binary heap.
#[derive(Debug, Default)]
pub struct Heap {
    heap: BinaryHeap<Reverse<Entry>>,
    pushed: u64,
}

impl Heap {
    fn add(&mut self, entry: Entry) {
        self.heap.push(Reverse(entry));
        self.pushed += 1;
    }
}

impl Queue for Heap {
    fn with_lanes(_lanes: u16) -> Self {
        Heap::default()
    }
    fn push(&mut self, _lane: LaneId, time: Time, event: Event) {
        self.add(Entry { time, rank: push_rank(self.pushed), event });
    }
    fn push_timer(&mut self, _lane: LaneId, time: Time, level: u32, event: Event) {
        self.add(Entry { time, rank: wheel_rank(level, self.pushed), event });
    }
    fn peek(&self) -> Option<Time> {
        self.heap.peek().map(|e| e.0.time)
    }
    fn pop(&mut self) -> Option<Entry> {
        self.heap.pop().map(|e| e.0)
    }
}

/// The head of a lane as the heap of heads sees it. No two have the same key.
#[derive(Clone, Copy, Debug)]
struct Head {
    key: u128,
    lane: u16,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for Head {}
impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Head {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

/// FIFO lanes, a heap of their heads, and a heap for the rest.
#[derive(Debug)]
pub struct Lanes {
    fifos: Vec<VecDeque<Entry>>,
    heads: BinaryHeap<Reverse<Head>>,
    rest: Heap,
}

impl Lanes {
    fn add(&mut self, lane: LaneId, entry: Entry) {
        let Some(fifo) = self.fifos.get_mut(lane.0 as usize) else {
            return self.rest.add(entry);
        };
        match fifo.back() {
            Some(last) if last.key() > entry.key() => return self.rest.add(entry),
            Some(_) => {}
            None => self.heads.push(Reverse(Head { key: entry.key(), lane: lane.0 })),
        }
        fifo.push_back(entry);
        self.rest.pushed += 1;
    }

    fn rest_is_next(&self) -> bool {
        match (self.heads.peek(), self.rest.heap.peek()) {
            (Some(Reverse(head)), Some(Reverse(entry))) => entry.key() < head.key,
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }
}

impl Queue for Lanes {
    fn with_lanes(lanes: u16) -> Self {
        Lanes {
            fifos: (0..lanes).map(|_| VecDeque::new()).collect(),
            heads: BinaryHeap::new(),
            rest: Heap::default(),
        }
    }

    fn push(&mut self, lane: LaneId, time: Time, event: Event) {
        self.add(lane, Entry { time, rank: push_rank(self.rest.pushed), event });
    }

    fn push_timer(&mut self, lane: LaneId, time: Time, level: u32, event: Event) {
        self.add(lane, Entry { time, rank: wheel_rank(level, self.rest.pushed), event });
    }

    fn peek(&self) -> Option<Time> {
        let head = self.heads.peek().map(|h| Time((h.0.key >> 64) as u64));
        match (head, self.rest.peek()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn pop(&mut self) -> Option<Entry> {
        if self.rest_is_next() {
            return self.rest.pop();
        }
        let mut top = self.heads.peek_mut()?;
        let fifo = &mut self.fifos[top.0.lane as usize];
        let entry = fifo.pop_front().expect("a lane with a head is not empty");
        match fifo.front() {
            Some(next) => {
                top.0 = Head { key: next.key(), lane: top.0.lane };
                drop(top);
            }
            None => {
                std::collections::binary_heap::PeekMut::pop(top);
            }
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// Pushes and pops at random, into lanes that are only sometimes in order, and compares with the heap.
    #[test]
    fn lanes_leave_in_the_order_of_the_heap() {
        let mut rng = Stream::new(1, Purpose::Link, 0);
        let (mut lanes, mut heap) = (Lanes::with_lanes(3), Heap::with_lanes(3));
        let mut now = 0;
        for i in 0..20_000u16 {
            if rng.below(100) < 55 {
                let lane = LaneId(rng.below(4) as u16);
                let delay = if rng.below(4) == 0 { rng.below(50) } else { u64::from(lane.0) * 10 };
                let event = Event::probe(i);
                let at = Time(now + delay);
                if rng.below(3) == 0 {
                    let level = rng.below(3) as u32;
                    lanes.push_timer(lane, at, level, event);
                    heap.push_timer(lane, at, level, event);
                } else {
                    lanes.push(lane, at, event);
                    heap.push(lane, at, event);
                }
            } else {
                assert_eq!(lanes.peek(), heap.peek());
                let (a, b) = (lanes.pop(), heap.pop());
                assert_eq!(a, b);
                assert_eq!(a.map(|e| e.event), b.map(|e| e.event));
                now = a.map_or(now, |e| e.time.0);
            }
        }
    }

    #[test]
    fn timers_of_one_tick_leave_last_in_first_out_and_before_the_rest() {
        let mut heap = Heap::with_lanes(0);
        let tick = Time(4_000_000);
        heap.push(LaneId::NONE, tick, Event::probe(0));
        for (n, level) in [(1, 0), (2, 3), (3, 0), (4, 3)] {
            heap.push_timer(LaneId::NONE, tick, level, Event::probe(n));
        }
        let order: Vec<_> = core::iter::from_fn(|| heap.pop()).map(|entry| entry.event).collect();
        assert_eq!(order, [4, 2, 3, 1, 0].map(Event::probe));
    }

    #[test]
    fn an_entry_stays_small() {
        assert!(size_of::<Entry>() <= 32, "{}", size_of::<Entry>());
    }
}
