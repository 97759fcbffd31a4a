//! The table of entries: a slab, and one hash in which each entry stands twice, once per direction.
//!
//! The buckets are the kernel's, not only ours: `early_drop` looks into eight of them in a row, expired entries are met
//! bucket by bucket, and the garbage collector walks them in order. A node of a chain is `slot * 2 + direction`.

use hashbrown::HashTable;

use super::buckets::{Buckets, Chain, NIL};
use super::flow::{Flow, SideFlags};
use super::pool::Pool;
use super::state::{Dir, FlowState};
use super::step::Seen;
use crate::ids::{Addr, SockAddr, Tuple};
use crate::rng::mix;
use crate::time::{Span, Time};

/// A tuple as the hash reads it: addresses, then ports, the source's in the upper half.
#[derive(Clone, Copy, Debug, Default, Eq)]
#[repr(C, packed)]
pub(super) struct TupleKey {
    addrs: u64,
    ports: u32,
}

impl PartialEq for TupleKey {
    /// Both at once: most comparisons succeed.
    #[inline]
    fn eq(&self, other: &TupleKey) -> bool {
        (self.addrs ^ other.addrs) | u64::from(self.ports ^ other.ports) == 0
    }
}

impl TupleKey {
    pub(super) fn of(tuple: Tuple) -> TupleKey {
        let Tuple { local, remote } = tuple;
        TupleKey {
            addrs: u64::from(local.addr.0) << 32 | u64::from(remote.addr.0),
            ports: u32::from(local.port) << 16 | u32::from(remote.port),
        }
    }

    pub(super) fn reversed(self) -> TupleKey {
        TupleKey { addrs: self.addrs.rotate_left(32), ports: self.ports.rotate_left(16) }
    }

    pub(super) fn tuple(self) -> Tuple {
        let TupleKey { addrs, ports } = self;
        Tuple {
            local: SockAddr { addr: Addr((addrs >> 32) as u32), port: (ports >> 16) as u16 },
            remote: SockAddr { addr: Addr(addrs as u32), port: ports as u16 },
        }
    }
}

/// Status bits of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status(u8);

impl Status {
    const LIVE: u8 = 1;
    const SEEN_REPLY: u8 = 2;
    const ASSURED: u8 = 4;
    /// The reply tuple is not the original one reversed, and stands in [`Table::translated`].
    const TRANSLATED: u8 = 8;
    /// The node of the original direction is the first of its chain; the bit above it says so of the reply.
    const FIRST: u8 = 16;

    pub(super) const fn seen(self) -> Seen {
        Seen { reply: self.0 & Self::SEEN_REPLY != 0, assured: self.0 & Self::ASSURED != 0 }
    }
    pub(super) fn set_reply(&mut self) {
        self.0 |= Self::SEEN_REPLY;
    }
    pub(super) fn set_assured(&mut self) {
        self.0 |= Self::ASSURED;
    }
    const fn has(self, bits: u8) -> bool {
        self.0 & bits == bits
    }
    /// The bit that says that a node is the first of its chain.
    const fn first(node: u32) -> u8 {
        Self::FIRST << (node & 1)
    }
}

/// One entry (`struct nf_conn`, 256 bytes there). No padding: a large table is mostly entries that wait to expire.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed)]
pub(super) struct Entry {
    /// The tuple as the first packet carried it. Without translation the reply's is the same reversed.
    original: TupleKey,
    /// When it ceases to be found.
    pub(super) expires: Time,
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

#[derive(Clone, Debug)]
pub(super) struct Table {
    entries: Pool<Entry>,
    buckets: Buckets,
    /// The reply tuples of translated entries, by slot. Never iterated.
    translated: HashTable<(u32, TupleKey)>,
    len: u32,
    seed: u64,
}

impl Table {
    pub(super) fn new(buckets: u32, seed: u64) -> Table {
        Table {
            entries: Pool::new(),
            buckets: Buckets::new(buckets.max(1)),
            translated: HashTable::new(),
            len: 0,
            seed,
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn buckets(&self) -> u32 {
        self.buckets.len()
    }

    #[inline]
    pub(super) fn entry(&self, slot: u32) -> &Entry {
        self.entries.get(slot)
    }

    #[inline]
    pub(super) fn entry_mut(&mut self, slot: u32) -> &mut Entry {
        self.entries.get_mut(slot)
    }

    /// The bucket of a tuple: `reciprocal_scale` of a keyed 32-bit hash. The kernel's hash is SipHash; ours only has to
    /// spread well and never change: two rounds of multiply and fold.
    pub(super) fn bucket(&self, key: TupleKey) -> u32 {
        let first = fold(key.addrs ^ self.seed, 0x9e37_79b9_7f4a_7c15);
        let hash = fold(first ^ u64::from(key.ports), 0xd6e8_feb8_6659_fd93 ^ self.seed) >> 32;
        ((hash * u64::from(self.buckets.len())) >> 32) as u32
    }

    /// The first bucket from `bucket` on that is not empty.
    pub(super) fn next_filled(&self, bucket: u32) -> Option<u32> {
        self.buckets.next_filled(bucket)
    }

    /// The chain of a bucket, for a walk that may destroy entries: it looks at each node whether its entry [is left].
    ///
    /// [is left]: Table::is_left
    pub(super) fn chain(&self, bucket: u32) -> Chain {
        self.buckets.chain(bucket)
    }

    /// Whether the entry of a node that was in a chain has not been removed since.
    pub(super) fn is_left(&self, node: u32) -> bool {
        self.entry(node >> 1).status.has(Status::LIVE)
    }

    pub(super) fn is_expired(&self, node: u32, now: Time) -> bool {
        self.entry(node >> 1).expires() <= now
    }

    /// The tuple of the answers of an entry that is translated.
    #[cold]
    fn translation(&self, slot: u32) -> TupleKey {
        let found = self.translated.find(hash_slot(slot), |&(s, _)| s == slot);
        found.expect("a translated entry has a reply tuple").1
    }

    /// The tuple that a node of an entry stands for.
    #[inline]
    fn key_in(&self, entry: &Entry, node: u32) -> TupleKey {
        if node & 1 == 0 {
            entry.original
        } else if entry.status.has(Status::TRANSLATED) {
            self.translation(node >> 1)
        } else {
            entry.original.reversed()
        }
    }

    fn node_key(&self, node: u32) -> TupleKey {
        self.key_in(self.entry(node >> 1), node)
    }

    /// Whether a node stands for a tuple.
    #[inline]
    pub(super) fn bears(&self, node: u32, key: TupleKey) -> bool {
        self.node_key(node) == key
    }

    /// The node of a tuple, [`NIL`] if there is none; nothing if an expired entry stands before it, or before the end.
    #[inline]
    pub(super) fn find(&self, now: Time, key: TupleKey) -> Option<u32> {
        for node in self.buckets.nodes(self.bucket(key)) {
            let entry = self.entry(node >> 1);
            if entry.expires() <= now {
                return None;
            }
            if self.key_in(entry, node) == key {
                return Some(node);
            }
        }
        Some(NIL)
    }

    /// The node of a tuple, if the caller guessed the slot of its entry and a walk along the chain could not do more
    /// than find it at once: it is the first of its chain and has not expired.
    #[inline]
    pub(super) fn guess(&self, now: Time, key: TupleKey, slot: u32) -> Option<u32> {
        let entry = self.entries.find(slot)?;
        let node = slot << 1 | u32::from(entry.original != key);
        let first = entry.status.has(Status::LIVE | Status::first(node));
        (first && entry.expires() > now && (node & 1 == 0 || self.bears(node, key))).then_some(node)
    }

    /// Finds without reaping: for those who only look.
    pub(super) fn peek(&self, now: Time, tuple: Tuple) -> Option<u32> {
        let key = TupleKey::of(tuple);
        let mut nodes = self.buckets.nodes(self.bucket(key));
        let found = nodes.find(|&node| !self.is_expired(node, now) && self.bears(node, key));
        found.map(|node| node >> 1)
    }

    /// Inserts at the heads of both chains, unless a tuple is taken or a chain is too long (`__nf_conntrack_confirm`).
    /// The original tuple was just looked up in vain. `limit` = links that may be followed.
    pub(super) fn insert(&mut self, new: NewEntry, limit: u32) -> Result<u32, Refused> {
        let keys = [new.original, new.reply];
        let buckets = keys.map(|key| self.bucket(key));
        let translated = new.reply != new.original.reversed();
        // Whoever bore the reversed tuple would have been found under the original one.
        if translated && self.is_taken(buckets[1], new.reply) {
            return Err(Refused::Clash);
        }
        if buckets.iter().any(|&bucket| self.buckets.length(bucket) > limit + 1) {
            return Err(Refused::ChainTooLong);
        }
        let status = Status::LIVE | if translated { Status::TRANSLATED } else { 0 };
        assert!(self.len < NIL >> 1, "fewer than 2^31 entries");
        let slot = self.entries.add(Entry {
            original: new.original,
            expires: new.expires,
            status: Status(status),
            flow: new.flow,
        });
        if translated {
            self.translated.insert_unique(hash_slot(slot), (slot, new.reply), |&(s, _)| hash_slot(s));
        }
        for (dir, bucket) in (0..).zip(buckets) {
            self.link(slot << 1 | dir, bucket);
        }
        self.len += 1;
        Ok(slot)
    }

    /// Whether an entry has a tuple, expired or not.
    fn is_taken(&self, bucket: u32, key: TupleKey) -> bool {
        self.buckets.nodes(bucket).any(|node| self.bears(node, key))
    }

    /// Takes an entry out of both chains.
    pub(super) fn remove(&mut self, slot: u32) {
        for dir in [Dir::Original, Dir::Reply] {
            self.unlink(slot << 1 | dir as u32);
        }
        if self.entry(slot).status.has(Status::TRANSLATED)
            && let Ok(reply) = self.translated.find_entry(hash_slot(slot), |&(s, _)| s == slot)
        {
            reply.remove();
        }
        self.entry_mut(slot).status = Status(0);
        self.entries.free(slot);
        self.len -= 1;
    }

    /// Puts a node in front of its chain.
    fn link(&mut self, node: u32, bucket: u32) {
        if let Some(second) = self.buckets.nodes(bucket).next() {
            self.entry_mut(second >> 1).status.0 &= !Status::first(second);
        }
        self.entry_mut(node >> 1).status.0 |= Status::first(node);
        self.buckets.push(bucket, node);
    }

    fn unlink(&mut self, node: u32) {
        let bucket = self.bucket(self.node_key(node));
        let was_first = self.entry(node >> 1).status.has(Status::first(node));
        self.buckets.remove(bucket, node);
        if was_first && let Some(first) = self.buckets.nodes(bucket).next() {
            self.entry_mut(first >> 1).status.0 |= Status::first(first);
        }
    }

    /// Whether each live node stands once, in its own bucket, and the first of a chain knows that it is. It looks at all of
    /// them: for tests.
    pub(super) fn chains_agree(&self) -> bool {
        let (mut nodes, mut agree) = (0, true);
        let mut filled = self.next_filled(0);
        while let Some(bucket) = filled {
            let mut is_first = true;
            for node in self.buckets.nodes(bucket) {
                let status = self.entry(node >> 1).status;
                agree &= self.bucket(self.node_key(node)) == bucket && status.has(Status::LIVE);
                agree &= status.has(Status::first(node)) == is_first;
                (is_first, nodes) = (false, nodes + 1);
            }
            filled = self.next_filled(bucket + 1);
        }
        agree && nodes == 2 * self.len
    }

    /// Every entry not yet collected, in the order of the slab.
    pub(super) fn live(&self) -> impl Iterator<Item = &Entry> + '_ {
        self.entries.iter().filter(|e| e.status.has(Status::LIVE))
    }

    /// The entries that have not expired, in the order of the slab.
    pub(super) fn views(&self, now: Time) -> impl Iterator<Item = EntryView> + '_ {
        let slots = self.entries.iter().zip(0..);
        slots
            .filter(move |(e, _)| e.status.has(Status::LIVE) && e.expires() > now)
            .map(move |(_, s)| self.view(s, now))
    }

    pub(super) fn view(&self, slot: u32, now: Time) -> EntryView {
        let entry = self.entry(slot);
        let Seen { reply, assured } = entry.status.seen();
        EntryView {
            original: entry.original.tuple(),
            reply: self.node_key(slot << 1 | 1).tuple(),
            state: entry.flow.state(),
            remaining: entry.expires().since(now),
            seen_reply: reply,
            assured,
            flags: [Dir::Original, Dir::Reply].map(|dir| entry.flow.flags(dir)),
        }
    }
}

impl Entry {
    /// When it ceases to be found.
    pub(super) fn expires(&self) -> Time {
        self.expires
    }

    /// The tuple as the first packet carried it.
    pub(super) fn original(&self) -> Tuple {
        { self.original }.tuple()
    }
}

/// An entry about to be inserted.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewEntry {
    pub(super) original: TupleKey,
    pub(super) reply: TupleKey,
    pub(super) expires: Time,
    pub(super) flow: Flow,
}

fn hash_slot(slot: u32) -> u64 {
    mix(u64::from(slot))
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
        assert!(size_of::<Entry>() <= 71, "{}", size_of::<Entry>());
    }

    fn tuple(n: u32) -> Tuple {
        let local = SockAddr { addr: Addr(0x0a00_0000 + n), port: 1_024 + n as u16 };
        Tuple { local, remote: SockAddr { addr: Addr(0x0b00_0001), port: 443 } }
    }

    /// A new entry of flow `n` whose source is translated to one address and port `outside`.
    fn translated(n: u32, outside: u16) -> NewEntry {
        let original = tuple(n);
        let outside = SockAddr { addr: Addr(0xc000_0201), port: outside };
        let reply = Tuple { local: original.remote, remote: outside };
        NewEntry {
            original: TupleKey::of(original),
            reply: TupleKey::of(reply),
            expires: Time::NEVER,
            flow: Flow::default(),
        }
    }

    #[test]
    fn a_translated_entry_is_found_by_either_tuple_and_by_no_other() {
        let mut table = Table::new(4, 1);
        for n in 0..20 {
            let new = translated(n, 5_000 + n as u16);
            let slot = table.insert(new, 79).expect("room");
            assert_eq!(table.peek(Time::ZERO, tuple(n)), Some(slot));
            assert_eq!(table.peek(Time::ZERO, new.reply.tuple()), Some(slot));
            assert_eq!(table.peek(Time::ZERO, tuple(n).reversed()), None);
            assert_eq!(table.guess(Time::ZERO, new.reply, slot), Some(slot << 1 | 1));
            assert_eq!(table.view(slot, Time::ZERO).reply, new.reply.tuple());
        }
        assert!(table.chains_agree());
        for slot in 0..20 {
            table.remove(slot);
            assert!(table.chains_agree());
        }
        assert_eq!((table.len(), table.translated.len()), (0, 0));
    }

    #[test]
    fn two_flows_cannot_be_translated_to_one_tuple() {
        let mut table = Table::new(4, 1);
        table.insert(translated(1, 5_000), 79).expect("room");
        assert_eq!(table.insert(translated(2, 5_000), 79), Err(Refused::Clash));
        assert_eq!(table.len(), 1);
    }
}
