//! Which lane is next: a tournament over the heads of all lanes.

use super::Order;

/// A winner tree: one comparison for each round between a changed head and the root.
#[derive(Clone, Debug)]
pub(super) struct Heads {
    /// Times and ranks of the heads, as many as a power of two.
    heads: Vec<Order>,
    /// The winner of each match; the root is at 1, the lanes themselves stand in the second half.
    winners: Vec<u32>,
    lanes: u32,
    /// The winner of all, and its head.
    first: (u32, Order),
}

impl Heads {
    pub(super) fn new() -> Heads {
        Heads { heads: vec![Order::NEVER], winners: vec![0, 0], lanes: 1, first: (0, Order::NEVER) }
    }

    /// One more lane, empty as yet. Its number.
    pub(super) fn add(&mut self) -> u32 {
        let lane = self.lanes;
        self.lanes += 1;
        if self.heads.len() < self.lanes as usize {
            let size = self.heads.len() * 2;
            self.heads.resize(size, Order::NEVER);
            self.winners = (0..size * 2).map(|at| at.saturating_sub(size) as u32).collect();
            (1..size).rev().for_each(|at| self.play(at));
        }
        lane
    }

    fn play(&mut self, at: usize) {
        let (left, right) = (self.winners[at * 2], self.winners[at * 2 + 1]);
        let second = self.heads[right as usize] < self.heads[left as usize];
        self.winners[at] = if second { right } else { left };
    }

    /// The head of a lane has changed.
    #[inline]
    pub(super) fn set(&mut self, lane: u32, head: Order) {
        let Heads { heads, winners, first, .. } = self;
        heads[lane as usize] = head;
        // The new head plays against the other branch in each round up to the root.
        let (mut winner, mut best) = (lane, head);
        let mut at = heads.len() + lane as usize;
        while at > 1 {
            let other = winners[at ^ 1];
            let theirs = heads[other as usize];
            if theirs < best {
                (winner, best) = (other, theirs);
            }
            at >>= 1;
            winners[at] = winner;
        }
        *first = (winner, best);
    }

    /// The head of a lane that was empty, or later, has come.
    #[inline]
    pub(super) fn improve(&mut self, lane: u32, head: Order) {
        let Heads { heads, winners, first, .. } = self;
        heads[lane as usize] = head;
        let mut at = heads.len() + lane as usize;
        while at > 1 {
            // Whoever beats it here beat whatever it was before, so nothing changes further up.
            if heads[winners[at ^ 1] as usize] < head {
                return;
            }
            at >>= 1;
            winners[at] = lane;
        }
        *first = (lane, head);
    }

    /// The lane that is next, and its head.
    #[inline]
    pub(super) fn first(&self) -> (u32, Order) {
        self.first
    }

    /// The head of a lane as it was last set.
    #[inline]
    pub(super) fn get(&self, lane: u32) -> Order {
        self.heads[lane as usize]
    }
}
