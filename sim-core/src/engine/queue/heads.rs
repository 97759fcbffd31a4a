//! Which lane is next: the heads of all lanes, the earliest at hand.
//!
//! Of few lanes (a world of some hosts) those that are not empty stand in a sorted list: a new head is mostly among the
//! next, so it moves a place or two. Many lanes hold a tournament: one comparison for each round between a changed head and
//! the root of a winner tree.

use crate::order::Order;

const FEW: usize = 32;

/// The list of a few lanes.
#[derive(Clone, Debug)]
struct Few {
    heads: [Order; FEW],
    /// Lanes that are not empty, the next one last.
    sorted: [(Order, u32); FEW],
    len: usize,
}

/// The tree of many lanes.
#[derive(Clone, Debug)]
struct Many {
    heads: Vec<Order>,
    winners: Vec<u32>,
}

#[derive(Clone, Debug)]
enum Tree {
    Few(Box<Few>),
    Many(Many),
}

/// The heads of all lanes.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Heads {
    tree: Tree,
    lanes: u32,
    /// The winner of all, and its head.
    first: (u32, Order),
}

impl Few {
    const EMPTY: Few = Few { heads: [Order::NEVER; FEW], sorted: [(Order::NEVER, 0); FEW], len: 0 };

    #[inline]
    fn set(&mut self, lane: u32, head: Order) -> (u32, Order) {
        let before = core::mem::replace(&mut self.heads[lane as usize % FEW], head);
        if before != Order::NEVER {
            // Nearly always the last: whoever was next has been taken.
            let mut at = self.len - 1;
            while self.sorted[at % FEW].1 != lane {
                at -= 1;
            }
            self.len -= 1;
            while at < self.len {
                self.sorted[at % FEW] = self.sorted[(at + 1) % FEW];
                at += 1;
            }
        }
        if head != Order::NEVER {
            let mut at = self.len;
            while at > 0 && self.sorted[(at - 1) % FEW].0 < head {
                self.sorted[at % FEW] = self.sorted[(at - 1) % FEW];
                at -= 1;
            }
            self.sorted[at % FEW] = (head, lane);
            self.len += 1;
        }
        if self.len == 0 {
            return (0, Order::NEVER);
        }
        let (order, lane) = self.sorted[(self.len - 1) % FEW];
        (lane, order)
    }
}

impl Many {
    fn new(mut heads: Vec<Order>) -> Many {
        let size = heads.len().next_power_of_two();
        heads.resize(size, Order::NEVER);
        let winners = (0..size * 2).map(|at| at.saturating_sub(size) as u32).collect();
        let mut many = Many { heads, winners };
        for at in (1..size).rev() {
            let (left, right) = (many.winners[at * 2], many.winners[at * 2 + 1]);
            let second = many.heads[right as usize] < many.heads[left as usize];
            many.winners[at] = if second { right } else { left };
        }
        many
    }

    fn set(&mut self, lane: u32, head: Order) -> (u32, Order) {
        self.heads[lane as usize] = head;
        let (mut winner, mut best) = (lane, head);
        let mut at = self.heads.len() + lane as usize;
        while at > 1 {
            let other = self.winners[at ^ 1];
            let theirs = self.heads[other as usize];
            if theirs < best {
                (winner, best) = (other, theirs);
            }
            at >>= 1;
            self.winners[at] = winner;
        }
        (winner, best)
    }
}

impl Heads {
    pub(in crate::engine) fn new() -> Heads {
        Heads { tree: Tree::Few(Box::new(Few::EMPTY)), lanes: 1, first: (0, Order::NEVER) }
    }

    /// One more lane, empty as yet. Its number.
    pub(in crate::engine) fn add(&mut self) -> u32 {
        let lane = self.lanes;
        self.lanes += 1;
        let wanted = self.lanes as usize;
        match &mut self.tree {
            Tree::Few(few) if wanted > FEW => {
                self.tree = Tree::Many(Many::new([&few.heads[..], &[Order::NEVER]].concat()));
            }
            Tree::Many(many) if wanted > many.heads.len() => {
                let mut heads = core::mem::take(&mut many.heads);
                heads.resize(wanted, Order::NEVER);
                *many = Many::new(heads);
            }
            Tree::Few(_) | Tree::Many(_) => {}
        }
        lane
    }

    /// The head of a lane has changed.
    #[inline]
    pub(in crate::engine) fn set(&mut self, lane: u32, head: Order) {
        self.first = match &mut self.tree {
            Tree::Few(few) => few.set(lane, head),
            Tree::Many(many) => many.set(lane, head),
        };
    }

    /// The lane that is next, and its head.
    #[inline]
    pub(in crate::engine) fn first(&self) -> (u32, Order) {
        self.first
    }

    /// The head of a lane as it was last set.
    #[inline]
    pub(in crate::engine) fn get(&self, lane: u32) -> Order {
        match &self.tree {
            Tree::Few(few) => few.heads[lane as usize % FEW],
            Tree::Many(many) => many.heads[lane as usize],
        }
    }
}
