//! The table of entries: a slab, and one hash in which each entry stands twice, once per direction.
//!
//! The buckets are the kernel's, not only ours: `early_drop` looks into eight of them in a row, expired entries are met
//! bucket by bucket, and the garbage collector walks them in order. A node of a chain is `slot * 2 + direction`.

use super::flow::{Flow, Seen, SideFlags};
use super::state::{Dir, FlowState};
use crate::ids::Tuple;
use crate::time::{Span, Time};

/// No node.
pub(super) const NIL: u32 = u32::MAX;

/// Status bits of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status(u8);

impl Status {
    const LIVE: u8 = 1;
    const SEEN_REPLY: u8 = 2;
    const ASSURED: u8 = 4;

    pub(super) const fn seen(self) -> Seen {
        Seen { reply: self.0 & Self::SEEN_REPLY != 0, assured: self.0 & Self::ASSURED != 0 }
    }
    pub(super) fn set_reply(&mut self) {
        self.0 |= Self::SEEN_REPLY;
    }
    pub(super) fn set_assured(&mut self) {
        self.0 |= Self::ASSURED;
    }
}

/// One entry (`struct nf_conn`, 256 bytes there). Two cache lines, and what a walk along a chain reads is in the first.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Entry {
    /// Original and reply. Without translation one is the other reversed.
    pub(super) tuples: [Tuple; 2],
    /// When it ceases to be found.
    pub(super) expires: Time,
    /// The next node of either chain; of a free slot the first is the next free slot.
    next: [u32; 2],
    pub(super) status: Status,
    pub(super) flow: Flow,
}

/// What `conntrack -L` shows of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryView {
    /// The tuple as the first packet carried it.
    pub original: Tuple,
    /// The tuple of the answers.
    pub reply: Tuple,
    /// The state.
    pub state: FlowState,
    /// What is left of its life.
    pub remaining: Span,
    /// A packet in the reply direction was accepted.
    pub seen_reply: bool,
    /// Exempt from early drop.
    pub assured: bool,
    /// Window-tracking flags of the original and of the reply direction.
    pub flags: [SideFlags; 2],
}

/// What [`Table::insert`] may fail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// An entry has one of the tuples already.
    Clash,
    /// A chain is longer than the limit.
    ChainTooLong,
}

/// The head of a chain, and its length: what a new entry must know of a chain without walking it.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    head: u32,
    len: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    entries: Vec<Entry>,
    heads: Vec<Bucket>,
    free: u32,
    len: u32,
    seed: u64,
}

impl Table {
    pub(super) fn new(buckets: u32, seed: u64) -> Table {
        let heads = vec![Bucket { head: NIL, len: 0 }; buckets.max(1) as usize];
        Table { entries: Vec::new(), heads, free: NIL, len: 0, seed }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn buckets(&self) -> u32 {
        self.heads.len() as u32
    }

    pub(super) fn entry(&self, slot: u32) -> &Entry {
        &self.entries[slot as usize]
    }

    pub(super) fn entry_mut(&mut self, slot: u32) -> &mut Entry {
        &mut self.entries[slot as usize]
    }

    /// The bucket of a tuple: `reciprocal_scale` of a keyed 32-bit hash.
    pub(super) fn bucket(&self, tuple: Tuple) -> u32 {
        let hash = self.hash(tuple) >> 32;
        ((hash * self.heads.len() as u64) >> 32) as u32
    }

    /// A keyed hash. The kernel's is SipHash; ours only has to spread well and never change: two rounds of
    /// multiply and fold.
    fn hash(&self, tuple: Tuple) -> u64 {
        let Tuple { local, remote } = tuple;
        let addrs = u64::from(local.addr.0) << 32 | u64::from(remote.addr.0);
        let ports = u64::from(local.port) << 16 | u64::from(remote.port);
        let first = fold(addrs ^ self.seed, 0x9e37_79b9_7f4a_7c15);
        fold(first ^ ports, 0xd6e8_feb8_6659_fd93 ^ self.seed)
    }

    pub(super) fn head(&self, bucket: u32) -> u32 {
        self.heads[bucket as usize].head
    }

    pub(super) fn next(&self, node: u32) -> u32 {
        self.entries[(node >> 1) as usize].next[(node & 1) as usize]
    }

    /// The node after `node` that will still be there when the entry of `node` has been removed.
    pub(super) fn next_other(&self, node: u32) -> u32 {
        let next = self.next(node);
        if next != NIL && next >> 1 == node >> 1 { self.next(next) } else { next }
    }

    pub(super) fn is_expired(&self, node: u32, now: Time) -> bool {
        self.entries[(node >> 1) as usize].expires <= now
    }

    pub(super) fn node_tuple(&self, node: u32) -> Tuple {
        self.entries[(node >> 1) as usize].tuples[(node & 1) as usize]
    }

    /// Finds without reaping: for those who only look.
    pub(super) fn peek(&self, now: Time, tuple: Tuple) -> Option<u32> {
        let mut node = self.head(self.bucket(tuple));
        while node != NIL {
            if !self.is_expired(node, now) && self.node_tuple(node) == tuple {
                return Some(node >> 1);
            }
            node = self.next(node);
        }
        None
    }

    /// Inserts at the heads of both chains, unless a tuple is taken or a chain is too long (`__nf_conntrack_confirm`).
    /// The original tuple was just looked up in vain. `limit` = links that may be followed.
    pub(super) fn insert(&mut self, entry: NewEntry, limit: u32) -> Result<u32, Refused> {
        let [original, reply] = entry.tuples;
        let buckets = entry.tuples.map(|t| self.bucket(t));
        // Whoever bore the reversed tuple would have been found under the original one.
        if reply != original.reversed() && self.bears(buckets[1], reply) {
            return Err(Refused::Clash);
        }
        if buckets.iter().any(|&b| self.heads[b as usize].len > limit + 1) {
            return Err(Refused::ChainTooLong);
        }
        let slot = self.store(entry);
        for (dir, bucket) in (0..).zip(buckets) {
            let bucket = &mut self.heads[bucket as usize];
            self.entries[slot as usize].next[dir] = bucket.head;
            bucket.head = slot << 1 | dir as u32;
            bucket.len += 1;
        }
        self.len += 1;
        Ok(slot)
    }

    /// Whether an entry has a tuple, expired or not.
    fn bears(&self, bucket: u32, tuple: Tuple) -> bool {
        let mut node = self.head(bucket);
        while node != NIL && self.node_tuple(node) != tuple {
            node = self.next(node);
        }
        node != NIL
    }

    fn store(&mut self, new: NewEntry) -> u32 {
        let entry = Entry {
            tuples: new.tuples,
            next: [NIL; 2],
            expires: new.expires,
            flow: new.flow,
            status: Status(Status::LIVE),
        };
        if self.free == NIL {
            let slot = self.entries.len() as u32;
            assert!(slot < NIL >> 1, "fewer than 2^31 entries");
            self.entries.push(entry);
            return slot;
        }
        let slot = self.free;
        let place = &mut self.entries[slot as usize];
        self.free = place.next[0];
        *place = entry;
        slot
    }

    /// Takes an entry out of both chains.
    pub(super) fn remove(&mut self, slot: u32) {
        for dir in [Dir::Original, Dir::Reply] {
            self.unlink(slot << 1 | dir as u32);
        }
        let place = &mut self.entries[slot as usize];
        place.status = Status(0);
        place.next[0] = self.free;
        self.free = slot;
        self.len -= 1;
    }

    fn unlink(&mut self, node: u32) {
        let after = self.next(node);
        let bucket = self.bucket(self.node_tuple(node)) as usize;
        let bucket = &mut self.heads[bucket];
        bucket.len -= 1;
        if bucket.head == node {
            bucket.head = after;
            return;
        }
        let mut at = bucket.head;
        while self.next(at) != node {
            at = self.next(at);
        }
        self.entries[(at >> 1) as usize].next[(at & 1) as usize] = after;
    }

    /// Each live node stands once, in its own bucket, and the lengths are right.
    #[cfg(test)]
    pub(super) fn check_chains(&self) {
        let mut nodes = 0;
        for (index, bucket) in (0..).zip(&self.heads) {
            let mut len = 0;
            let mut node = bucket.head;
            while node != NIL {
                assert_eq!(self.bucket(self.node_tuple(node)), index);
                assert!(self.entry(node >> 1).status.0 & Status::LIVE != 0);
                len += 1;
                node = self.next(node);
            }
            assert_eq!(len, bucket.len);
            nodes += len;
        }
        assert_eq!(nodes, 2 * self.len);
    }

    /// Every entry not yet collected, in the order of the slab.
    pub(super) fn live(&self) -> impl Iterator<Item = &Entry> + '_ {
        self.entries.iter().filter(|e| e.status.0 & Status::LIVE != 0)
    }
}

impl Entry {
    pub(super) fn view(&self, now: Time) -> EntryView {
        let Seen { reply, assured } = self.status.seen();
        EntryView {
            original: self.tuples[0],
            reply: self.tuples[1],
            state: self.flow.state,
            remaining: self.expires.since(now),
            seen_reply: reply,
            assured,
            flags: [self.flow.seen[0].flags, self.flow.seen[1].flags],
        }
    }
}

/// An entry about to be inserted.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewEntry {
    pub(super) tuples: [Tuple; 2],
    pub(super) expires: Time,
    pub(super) flow: Flow,
}

/// Multiplies to 128 bits and folds the halves.
pub(super) const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stays_small() {
        // The kernel pays 256 bytes; ten million of ours fit where a laptop has room.
        assert!(size_of::<Entry>() <= 128, "{}", size_of::<Entry>());
    }
}
