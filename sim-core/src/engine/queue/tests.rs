use super::*;
use crate::order::Rank;
use crate::rng::{Component, Purpose, Stream};

/// Adds a timer that is armed now.
fn arm(queue: &mut impl Queue, lane: LaneId, time: Time, level: Option<u32>, event: Event) {
    let rank = Rank::new(queue.ticket(), level);
    queue.place(lane, Order { time, rank }, event);
}

/// Pushes and pops at random, into lanes that are only sometimes in order, and compares with the heap.
fn lanes_leave_in_the_order_of_the_heap(hosts: usize) {
    let mut rng = Stream::new(1, Purpose::Link, Component::SHARED);
    let (mut lanes, mut heap) = (Lanes::new(hosts), Heap::new(hosts));
    let ids = [lanes.event_lane(), lanes.timer_lane(), lanes.event_lane(), LaneId::NONE];
    let mut now = 0;
    for i in 0..20_000u16 {
        if rng.below(100) < 55 {
            let lane = rng.below(4);
            let delay = if rng.below(4) == 0 { rng.below(50) } else { lane * 10 };
            // In the lane for timers of a wheel, several of one tick, mostly of one level.
            let delay = if lane == 1 { 20 - now % 20 } else { delay };
            let level = (lane == 1).then(|| u32::from(rng.below(9) == 0));
            arm(&mut lanes, ids[lane as usize], Time(now + delay), level, Event::probe(i));
            arm(&mut heap, LaneId::NONE, Time(now + delay), level, Event::probe(i));
        } else {
            assert_eq!(Queue::first(&lanes), Queue::first(&heap));
            let (a, b) = (lanes.pop(), heap.pop());
            assert_eq!(a, b);
            now = a.map_or(now, |(order, _)| order.time.0);
        }
    }
}

#[test]
fn few_lanes_leave_in_the_order_of_the_heap() {
    lanes_leave_in_the_order_of_the_heap(2);
}

#[test]
fn many_lanes_leave_in_the_order_of_the_heap() {
    lanes_leave_in_the_order_of_the_heap(100);
}

#[test]
fn timers_of_one_tick_leave_last_in_first_out_and_before_the_rest() {
    let mut heap = Heap::new(0);
    let tick = Time(4_000_000);
    heap.push(LaneId::NONE, tick, Event::probe(0));
    for (n, level) in [(1, 0), (2, 3), (3, 0), (4, 3)] {
        arm(&mut heap, LaneId::NONE, tick, Some(level), Event::probe(n));
    }
    let order: Vec<_> = core::iter::from_fn(|| heap.pop()).map(|(_, due)| due).collect();
    assert_eq!(order, [4, 2, 3, 1, 0].map(|n| Due::Event(Event::probe(n))));
}
