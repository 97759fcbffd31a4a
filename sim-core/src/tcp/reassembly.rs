//! The out-of-order queue: segments that wait for the hole before them.

use super::emit::Range;
use crate::seq::Seq;

/// One segment held, with its FIN if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held {
    start: Seq,
    end: Seq,
    fin: bool,
}

/// Segments held out of order. Unallocated as long as nothing ever was out of order.
///
/// They stay apart, as the kernel's buffers do (`tcp_data_queue_ofo`): each keeps its own FIN, because a peer may
/// say more than once, and differently, where its stream ends. None lies wholly within another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct OutOfOrder {
    /// Ascending, by start and by end.
    held: Vec<Held>,
    /// The block that grew last, which SACK reports first (RFC 2018 §4).
    newest: Range,
}

impl OutOfOrder {
    /// Nothing held.
    pub(super) const EMPTY: OutOfOrder = OutOfOrder { held: Vec::new(), newest: (Seq(0), Seq(0)) };

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
    pub(super) fn clear(&mut self) {
        self.held.clear();
    }
    /// Moves sequence numbers. What was newest among segments that are gone is forgotten.
    pub(super) fn shift(&mut self, by: u32) {
        if self.held.is_empty() {
            self.newest = (Seq(0), Seq(0));
            return;
        }
        for held in &mut self.held {
            held.start += by;
            held.end += by;
        }
        self.newest = (self.newest.0 + by, self.newest.1 + by);
    }
    /// The two blocks to report first, as far as there are any: the newest, and the rightmost other one.
    pub(super) fn blocks(&self) -> (Option<Range>, Option<Range>) {
        let first = (!self.held.is_empty()).then_some(self.newest);
        let starts = (0..self.held.len()).rev();
        (first, starts.map(|i| self.block(i)).find(|block| Some(*block) != first))
    }
    /// The stretch without a hole around the i-th segment.
    fn block(&self, i: usize) -> Range {
        let touch = |a: &Held, b: &Held| !b.start.after(a.end);
        let mut first = i;
        while first > 0 && touch(&self.held[first - 1], &self.held[first]) {
            first -= 1;
        }
        let mut last = i;
        while last + 1 < self.held.len() && touch(&self.held[last], &self.held[last + 1]) {
            last += 1;
        }
        (self.held[first].start, self.held[last].end)
    }
    /// Whether the segments ascend, the first of them beyond a hole after `next`.
    pub(super) fn is_sorted_after(&self, next: Seq) -> bool {
        let ascending = |w: &[Held]| w[1].start.after(w[0].start) && w[1].end.after(w[0].end);
        self.held.first().is_none_or(|h| h.start.after(next))
            && self.held.iter().all(|h| h.end.after(h.start))
            && self.held.windows(2).all(ascending)
    }
    /// The right edge of the rightmost segment.
    pub(super) fn right_edge(&self) -> Option<Seq> {
        self.held.last().map(|h| h.end)
    }
    /// Queues `[start, end)`, in which `fin` marks a FIN at the end. Answers whether one segment held it all before.
    pub(super) fn insert(&mut self, start: Seq, end: Seq, fin: bool) -> bool {
        let at = self.held.iter().position(|h| start.before(h.start)).unwrap_or(self.held.len());
        let before = at.checked_sub(1).map(|i| self.held[i]);
        if before.is_some_and(|h| !end.after(h.end)) {
            self.newest = self.block(at - 1);
            return true;
        }
        // One that begins at the same place is replaced, those that lie within the new one go.
        let at = at - usize::from(before.is_some_and(|h| h.start == start));
        let covered = self.held[at..].iter().take_while(|h| !h.end.after(end)).count();
        self.held.splice(at..at + covered, [Held { start, end, fin }]);
        self.newest = self.block(at);
        false
    }
    /// Takes what follows `next` without a hole: the new RCV.NXT, and whether a FIN was reached, behind which nothing
    /// counts (`tcp_ofo_queue`).
    pub(super) fn advance(&mut self, next: Seq) -> (Seq, bool) {
        let mut next = next;
        while let Some(&Held { start, end, fin }) = self.held.first() {
            if start.after(next) {
                break;
            }
            self.held.remove(0);
            if end.after(next) {
                next = end;
                if fin {
                    self.held.clear();
                    return (next, true);
                }
            }
        }
        if self.newest.0.before(next) && !self.held.is_empty() {
            self.newest = self.block(0);
        }
        (next, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(segments: &[(u32, u32, bool)]) -> OutOfOrder {
        let mut queue = OutOfOrder::EMPTY;
        for &(start, end, fin) in segments {
            queue.insert(Seq(start), Seq(end), fin);
            assert!(queue.is_sorted_after(Seq(0)), "{queue:?}");
        }
        queue
    }

    #[test]
    fn touching_segments_are_one_block() {
        let queue = holding(&[(10, 20, false), (40, 50, false), (20, 30, false)]);
        assert_eq!(queue.blocks(), (Some((Seq(10), Seq(30))), Some((Seq(40), Seq(50)))));
        assert_eq!(queue.right_edge(), Some(Seq(50)));
    }

    #[test]
    fn what_one_segment_holds_is_known() {
        let mut queue = holding(&[(10, 20, false), (20, 30, false)]);
        assert!(queue.insert(Seq(12), Seq(18), false));
        assert!(!queue.insert(Seq(15), Seq(25), false), "held, but by no single buffer");
        assert!(!queue.insert(Seq(10), Seq(40), false), "it covers the others");
        assert_eq!(queue.advance(Seq(10)), (Seq(40), false));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_contradicted_end_does_not_lose_the_fin() {
        let mut queue = holding(&[(1, 179, true), (1, 2, true)]);
        assert_eq!(queue.advance(Seq(1)), (Seq(179), true));
        let mut queue = holding(&[(1, 2, true), (2, 3, false)]);
        assert_eq!(queue.advance(Seq(1)), (Seq(2), true), "what lies behind a FIN does not count");
        assert!(queue.is_empty());
    }
}
