//! Which lane is next: a tournament over the heads of all lanes.

use super::Order;

/// A winner tree: one comparison for each round between a changed head and the root.
#[derive(Clone, Debug)]
pub(super) struct Heads {
    heads: Vec<Order>,
    /// The winner of each match; the root is at 1. Empty until the number of lanes is known.
    winners: Vec<u32>,
}

impl Heads {
    pub(super) fn new() -> Heads {
        Heads { heads: vec![Order::NEVER], winners: vec![0; 2] }
    }

    /// One more lane, empty as yet. Its number.
    pub(super) fn add(&mut self) -> u32 {
        let lane = self.heads.len() as u32;
        self.heads.push(Order::NEVER);
        let size = self.heads.len().next_power_of_two();
        if self.winners.len() != size * 2 {
            self.winners = vec![0; size * 2];
            let leaves = 0..size;
            leaves.for_each(|leaf| self.winners[size + leaf] = leaf as u32);
            (1..size).rev().for_each(|at| self.play(at));
        }
        lane
    }

    fn head(&self, lane: u32) -> Order {
        self.heads.get(lane as usize).copied().unwrap_or(Order::NEVER)
    }

    fn play(&mut self, at: usize) {
        let (left, right) = (self.winners[at * 2], self.winners[at * 2 + 1]);
        self.winners[at] = if self.head(right) < self.head(left) { right } else { left };
    }

    /// The head of a lane has changed.
    #[inline]
    pub(super) fn set(&mut self, lane: u32, head: Order) {
        self.heads[lane as usize] = head;
        let mut at = (self.winners.len() / 2 + lane as usize) / 2;
        while at > 0 {
            self.play(at);
            at /= 2;
        }
    }

    /// The lane that is next, and its head.
    #[inline]
    pub(super) fn first(&self) -> (u32, Order) {
        let lane = self.winners[1];
        (lane, self.head(lane))
    }

    /// The head of a lane as it was last set.
    pub(super) fn get(&self, lane: u32) -> Order {
        self.heads[lane as usize]
    }
}
