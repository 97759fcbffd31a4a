//! The out-of-order queue: ranges of sequence space that wait for the hole before them.

use super::emit::Range;
use crate::seq::Seq;

/// Ranges held out of order. Unallocated as long as nothing ever was out of order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct OutOfOrder {
    /// Disjoint, ascending from RCV.NXT; touching ranges are merged.
    ranges: Vec<Range>,
    /// The range that grew last, which SACK reports first (RFC 2018 §4).
    newest: Range,
    /// A FIN ends the last range.
    fin: Option<Seq>,
}

impl OutOfOrder {
    /// Nothing held.
    pub(super) const EMPTY: OutOfOrder =
        OutOfOrder { ranges: Vec::new(), newest: (Seq(0), Seq(0)), fin: None };

    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
    pub(super) fn clear(&mut self) {
        self.ranges.clear();
        self.fin = None;
    }
    /// The two blocks to report first, as far as there are any: the newest range, and the rightmost other one.
    pub(super) fn blocks(&self) -> (Option<Range>, Option<Range>) {
        let first = (!self.ranges.is_empty()).then_some(self.newest);
        (first, self.ranges.iter().rev().copied().find(|r| Some(*r) != first))
    }
    /// Whether the ranges ascend without touching, each of them beyond `next`.
    pub(super) fn is_sorted_after(&self, next: Seq) -> bool {
        let mut edge = next;
        self.ranges.iter().all(|&(start, end)| {
            let fits = start.after(edge) && end.after(start);
            edge = end;
            fits
        })
    }
    /// The right edge of the rightmost range.
    pub(super) fn right_edge(&self) -> Option<Seq> {
        self.ranges.last().map(|r| r.1)
    }
    /// Queues `[start, end)`, in which `fin` marks a FIN at the end. Answers whether it was wholly known before.
    pub(super) fn insert(&mut self, start: Seq, end: Seq, fin: bool) -> bool {
        if fin {
            self.fin = Some(end);
        }
        let known = self.ranges.iter().any(|r| !start.before(r.0) && !end.after(r.1));
        let (mut lo, mut hi) = (start, end);
        self.ranges.retain(|r| {
            let apart = r.1.before(lo) || r.0.after(hi);
            if !apart {
                lo = if r.0.before(lo) { r.0 } else { lo };
                hi = if r.1.after(hi) { r.1 } else { hi };
            }
            apart
        });
        let at = self.ranges.iter().position(|r| r.0.after(lo)).unwrap_or(self.ranges.len());
        self.ranges.insert(at, (lo, hi));
        self.newest = (lo, hi);
        known
    }
    /// Takes what follows `next` without a hole: the new RCV.NXT, and whether a FIN was reached.
    pub(super) fn advance(&mut self, next: Seq) -> (Seq, bool) {
        let mut next = next;
        while let Some(&(start, end)) = self.ranges.first() {
            if start.after(next) {
                break;
            }
            if end.after(next) {
                next = end;
            }
            self.ranges.remove(0);
        }
        if self.newest.0.before(next)
            && let Some(&first) = self.ranges.first()
        {
            self.newest = first;
        }
        let fin = self.fin == Some(next);
        if self.ranges.is_empty() && self.fin.is_some_and(|f| !f.after(next)) {
            self.fin = None;
        }
        (next, fin)
    }
}
