//! Segments of conversations on their way.
//!
//! Links that delay by the same time pass on what they are given in the order in which they are given it: all of them together are
//! one queue. These queues stand beside the queue of all other causes, in one order with it.

use std::collections::VecDeque;

use crate::engine::queue::Heads;
use crate::ids::Key;
use crate::order::Order;
use crate::time::Span;

/// Those that go on with one step have come over a link.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Beat {
    pub(super) order: Order,
    /// The conversation.
    pub(super) key: Key,
    /// The step that they go on with.
    pub(super) at: u16,
    /// How many links they have come over, less one.
    pub(super) hop: u16,
}

/// The queue of links of one delay, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaneNumber(u32);

/// The queue that the heads begin with, which stays empty, and one more: then that one is next.
const FIRST_TWO: usize = 2;

/// All that is on its way.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Beats {
    lanes: Vec<VecDeque<Beat>>,
    heads: Heads,
    delays: Vec<Span>,
    /// The queue that is next, and its head.
    first: (u32, Order),
}

impl Beats {
    /// Nothing.
    pub(in crate::engine) fn new() -> Beats {
        // The heads begin with one lane.
        let (lanes, delays) = (vec![VecDeque::new()], vec![Span::ZERO]);
        Beats { lanes, heads: Heads::new(), delays, first: (0, Order::NEVER) }
    }

    /// The queue of links that delay by so much.
    pub(super) fn lane(&mut self, delay: Span) -> LaneNumber {
        if let Some(known) = self.delays.iter().position(|known| *known == delay) {
            return LaneNumber(known as u32);
        }
        self.delays.push(delay);
        if self.lanes.len() == FIRST_TWO {
            // While there was one, the heads were not kept.
            self.heads.set(self.first.0, self.first.1);
        }
        self.lanes.push(VecDeque::new());
        LaneNumber(self.heads.add())
    }

    /// Adds one, which comes after all that are in that queue.
    #[inline]
    pub(super) fn push(&mut self, lane: LaneNumber, beat: Beat) {
        let queue = &mut self.lanes[lane.0 as usize];
        debug_assert!(queue.back().is_none_or(|last| last.order < beat.order));
        let alone = queue.is_empty();
        queue.push_back(beat);
        if alone {
            self.head(lane.0, beat.order);
        }
    }

    /// When the next one is due.
    #[inline]
    pub(in crate::engine) fn first(&self) -> Order {
        self.first.1
    }

    /// All that are on their way, and whose they are: for tests.
    pub(in crate::engine) fn waiting(&self) -> impl Iterator<Item = (Order, Key)> {
        self.lanes.iter().flatten().map(|beat| (beat.order, beat.key))
    }

    /// Takes the next one.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Beat> {
        let (lane, _) = self.first;
        let queue = &mut self.lanes[lane as usize];
        let beat = queue.pop_front()?;
        let next = queue.front().map_or(Order::NEVER, |next| next.order);
        self.head(lane, next);
        Some(beat)
    }

    /// A queue has another head.
    #[inline]
    fn head(&mut self, lane: u32, order: Order) {
        if self.lanes.len() == FIRST_TWO {
            self.first = (lane, order);
        } else {
            self.heads.set(lane, order);
            self.first = self.heads.first();
        }
    }
}
