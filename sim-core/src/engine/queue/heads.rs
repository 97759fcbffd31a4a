//! Which lane is next: a tournament over the heads of all lanes.

use super::Order;

/// A winner tree: one comparison for each round between a changed head and the root.
#[derive(Clone, Debug)]
pub(super) struct Heads {
    /// Keys of the heads, as many as a power of two.
    heads: Vec<u128>,
    /// The winner of each match; the root is at 1, the lanes themselves stand in the second half.
    winners: Vec<u32>,
    lanes: u32,
}

impl Heads {
    pub(super) fn new() -> Heads {
        Heads { heads: vec![Order::NEVER.key()], winners: vec![0, 0], lanes: 1 }
    }

    /// One more lane, empty as yet. Its number.
    pub(super) fn add(&mut self) -> u32 {
        let lane = self.lanes;
        self.lanes += 1;
        if self.heads.len() < self.lanes as usize {
            let size = self.heads.len() * 2;
            self.heads.resize(size, Order::NEVER.key());
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
        let key = head.key();
        self.heads[lane as usize] = key;
        // The new key plays against the other branch in each round up to the root.
        let (mut winner, mut best) = (lane, key);
        let mut at = self.heads.len() + lane as usize;
        while at > 1 {
            let Some(&other) = self.winners.get(at ^ 1) else { return };
            let theirs = self.heads[other as usize];
            if theirs < best {
                (winner, best) = (other, theirs);
            }
            at /= 2;
            self.winners[at] = winner;
        }
    }

    /// The lane that is next, and its head.
    #[inline]
    pub(super) fn first(&self) -> (u32, Order) {
        let lane = self.winners[1];
        (lane, self.get(lane))
    }

    /// The head of a lane as it was last set.
    #[inline]
    pub(super) fn get(&self, lane: u32) -> Order {
        Order::from_key(self.heads[lane as usize])
    }
}
