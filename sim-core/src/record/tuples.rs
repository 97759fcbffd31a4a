//! The tuples of a traffic source: which ports were chosen, in what order, and how long a tuple rests between two uses.

use std::collections::BTreeMap;

use super::Histogram;
use crate::ids::Tuple;
use crate::time::{Span, Time};

/// Ports that are written down at most.
pub const PORTS: usize = 10_000;

/// What a source that books its tuples came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuples {
    /// The local ports of its connects in the order of their choice, the first [`PORTS`] of them.
    pub ports: Vec<u16>,
    /// From the close() of a client to the next connect() on the same tuple.
    pub gaps: Histogram,
    /// The shortest of these; [`Span::MAX`] if no tuple was used again.
    pub shortest: Span,
    /// When each tuple was last given up.
    closed: BTreeMap<Tuple, Time>,
}

impl Tuples {
    /// Nothing as yet.
    pub fn new() -> Tuples {
        Tuples { shortest: Span::MAX, ..Tuples::default() }
    }

    /// How many tuples have been given up at least once.
    pub fn used(&self) -> usize {
        self.closed.len()
    }

    /// connect() goes out on a tuple.
    pub fn opened(&mut self, now: Time, tuple: Tuple) {
        if self.ports.len() < PORTS {
            self.ports.push(tuple.local.port);
        }
        if let Some(closed) = self.closed.get(&tuple) {
            let gap = now.since(*closed);
            self.gaps.add(gap);
            self.shortest = self.shortest.min(gap);
        }
    }

    /// A client has closed.
    pub fn closed(&mut self, now: Time, tuple: Tuple) {
        self.closed.insert(tuple, now);
    }
}
