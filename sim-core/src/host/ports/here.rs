//! What all pairs of one source address hold together. bind() asks for it, as it does not know the destination yet.
//!
//! Kept for addresses that bind() has been called with and that have many destinations: with few, their sets are asked one by one.

use super::set::PortSet;

/// So many destinations are asked one by one.
pub(super) const FEW: usize = 8;

/// Counts that are allocated together.
const COUNTS: usize = 64;

/// In how many pairs a port is taken, and in how many of them its owner has not set SO_REUSEADDR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    all: u32,
    alone: u32,
}

/// The ports of one source address.
#[derive(Clone, Debug)]
pub(super) struct Here {
    counts: Vec<Option<Box<[Count; COUNTS]>>>,
    /// Ports that any pair has taken; and those that any has taken without SO_REUSEADDR.
    pub(super) taken: PortSet,
    pub(super) alone: PortSet,
}

impl Here {
    /// Nothing is taken.
    pub(super) fn new() -> Here {
        Here { counts: vec![None; 65536 / COUNTS], taken: PortSet::default(), alone: PortSet::default() }
    }

    fn count(&mut self, port: u16) -> &mut Count {
        let chunk = &mut self.counts[port as usize / COUNTS];
        &mut chunk.get_or_insert_with(|| Box::new([Count::default(); COUNTS]))[port as usize % COUNTS]
    }

    /// A pair has taken a port.
    pub(super) fn add(&mut self, port: u16) {
        let count = self.count(port);
        count.all += 1;
        count.alone += 1;
        self.taken.insert(port);
        self.alone.insert(port);
    }

    /// Its owner has set SO_REUSEADDR.
    pub(super) fn share(&mut self, port: u16) {
        let count = self.count(port);
        count.alone -= 1;
        if count.alone == 0 {
            self.alone.remove(port);
        }
    }

    /// A pair has given a port back.
    pub(super) fn remove(&mut self, port: u16, shared: bool) {
        if !shared {
            self.share(port);
        }
        let count = self.count(port);
        count.all -= 1;
        if count.all == 0 {
            self.taken.remove(port);
        }
    }
}
