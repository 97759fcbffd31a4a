//! From a packet to its verdict (`nf_conntrack_in` and what it calls, net/netfilter/nf_conntrack_core.c).

use super::buckets::NIL;
use super::config::ConntrackConfig;
use super::fact::{CtFact, CtState, CtVerdict, Destroyed, DropReason, FactSink};
use super::flow::Flow;
use super::gc::Gc;
use super::state::{Dir, FlowState, valid_flags};
use super::step::{FlowStep, Seen};
use super::table::{EntryView, NewEntry, Refused, Table, TupleKey, fold};
use crate::counter::Counter;
use crate::ids::Tuple;
use crate::tcp::{Flags, Segment};
use crate::time::{Span, Time};

/// `early_drop` looks into so many buckets in a row (`NF_CT_EVICTION_RANGE`).
const EVICTION_RANGE: u32 = 8;
/// Chains longer than a random number in this range refuse a new entry (`MIN_CHAINLEN`, `MAX_CHAINLEN`).
const CHAIN_LENGTHS: core::ops::Range<u32> = 50..80;

/// For [`Conntrack::packet_hinted`]: nothing is known yet.
pub const NO_HINT: u32 = NIL >> 1;

/// The connection tracker of one host or router.
#[derive(Clone, Debug)]
pub struct Conntrack {
    cfg: ConntrackConfig,
    pub(super) table: Table,
    pub(super) gc: Gc,
    census: Census,
    log: RateLimit,
    /// State of the generator of chain limits (SplitMix64).
    chain_seed: u64,
}

/// How many entries there are, expired ones that are not yet collected included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    states: [u32; FlowState::ALL.len()],
    /// Exempt from early drop.
    pub assured: u32,
    /// Entries that ever were.
    pub created: u64,
    /// Entries that have gone.
    pub destroyed: u64,
}

impl Census {
    /// Entries in a state.
    pub const fn of(&self, state: FlowState) -> u32 {
        self.states[state as usize]
    }
}

impl Conntrack {
    /// An empty table. `hash_seed` keys the hash: two trackers with the same seed behave alike.
    pub fn new(cfg: ConntrackConfig, hash_seed: u64) -> Conntrack {
        let table = Table::new(cfg.buckets, hash_seed);
        let gc = Gc::new(&cfg);
        let chain_seed = hash_seed ^ 0x5851_f42d_4c95_7f2d;
        Conntrack { cfg, table, gc, census: Census::default(), log: RateLimit::default(), chain_seed }
    }

    /// The settings in force.
    pub fn config(&self) -> &ConntrackConfig {
        &self.cfg
    }

    /// Changes settings, as writing the sysctls does: entries keep the expiry that they have. A new number of
    /// buckets has no effect.
    pub fn config_mut(&mut self) -> &mut ConntrackConfig {
        &mut self.cfg
    }

    /// Entries, expired ones that are not yet collected included: `nf_conntrack_count`.
    pub fn len(&self) -> usize {
        self.table.len() as usize
    }

    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Entries per state, without walking the table.
    pub fn census(&self) -> Census {
        self.census
    }

    /// Whether the table holds what is counted: entries made less those destroyed, by state, each found by both its
    /// tuples. It looks at every entry: for tests.
    pub fn agrees(&self) -> bool {
        let mut there = Census { created: self.census.created, ..Census::default() };
        there.destroyed = there.created - self.len() as u64;
        for entry in self.table.live() {
            there.states[entry.flow.state() as usize] += 1;
            there.assured += u32::from(entry.status.seen().assured);
        }
        there == self.census && self.table.chains_agree()
    }

    /// The entry of a tuple in either direction. Changes nothing.
    pub fn find(&self, now: Time, tuple: Tuple) -> Option<EntryView> {
        self.table.peek(now, tuple).map(|slot| self.table.view(slot, now))
    }

    /// The entries that a dump shows, in the order of the slab: expired ones are left out.
    pub fn entries(&self, now: Time) -> impl Iterator<Item = EntryView> + '_ {
        self.table.views(now)
    }

    /// Overwrites what is left of an entry's life (`conntrack -U --timeout`). Whether there is one.
    pub fn set_remaining(&mut self, now: Time, tuple: Tuple, remaining: Span) -> bool {
        let Some(slot) = self.table.peek(now, tuple) else { return false };
        self.table.entry_mut(slot).expires = now + remaining;
        true
    }

    /// Deletes an entry (`conntrack -D`). Whether there was one.
    pub fn delete(&mut self, now: Time, tuple: Tuple, out: &mut impl FactSink) -> bool {
        let Some(slot) = self.table.peek(now, tuple) else { return false };
        self.destroy(slot, Destroyed::Deleted, out);
        true
    }

    /// A packet meets the tracker. `tuple` is as the packet carries it: `local` its source, `remote` its destination.
    ///
    /// A packet on loopback meets it once (`nf_conntrack_in` skips one that bears a flow already).
    pub fn packet(&mut self, now: Time, tuple: Tuple, seg: &Segment, out: &mut impl FactSink) -> CtVerdict {
        let key = TupleKey::of(tuple);
        let node = self.lookup(now, key, out);
        self.judge(now, key, node, seg, &mut NO_HINT.clone(), out)
    }

    /// The same, for a caller who keeps a number with each connection. The tracker leaves in it where it found the entry,
    /// and looks there first. Whatever the number is, the outcome is that of [`Conntrack::packet`]: a wrong one costs
    /// time only. Begin with [`NO_HINT`].
    pub fn packet_hinted(
        &mut self,
        now: Time,
        tuple: Tuple,
        seg: &Segment,
        hint: &mut u32,
        out: &mut impl FactSink,
    ) -> CtVerdict {
        let key = TupleKey::of(tuple);
        let node = match self.table.guess(now, key, *hint) {
            Some(node) => node,
            None => self.lookup(now, key, out),
        };
        self.judge(now, key, node, seg, hint, out)
    }

    /// A packet whose entry has been looked up; [`NIL`] if it has none.
    #[inline]
    fn judge(
        &mut self,
        now: Time,
        key: TupleKey,
        node: u32,
        seg: &Segment,
        hint: &mut u32,
        out: &mut impl FactSink,
    ) -> CtVerdict {
        if node != NIL {
            *hint = node >> 1;
            if let Some(verdict) = self.common(now, node, seg, out) {
                return verdict;
            }
        }
        self.uncommon(now, key, node, seg, hint, out)
    }

    /// A packet in the common case ([`Flow::clean_step`]) of an entry that is ASSURED, with the outcome that
    /// [`Conntrack::known`] would have. Compiled once for each direction, so that none is looked up.
    #[inline]
    fn common(&mut self, now: Time, node: u32, seg: &Segment, out: &mut impl FactSink) -> Option<CtVerdict> {
        match Dir::of_node(node) {
            Dir::Original => self.common_in::<false>(now, node >> 1, seg, out),
            Dir::Reply => self.common_in::<true>(now, node >> 1, seg, out),
        }
    }

    #[inline]
    fn common_in<const REPLY: bool>(
        &mut self,
        now: Time,
        slot: u32,
        seg: &Segment,
        out: &mut impl FactSink,
    ) -> Option<CtVerdict> {
        let dir = if REPLY { Dir::Reply } else { Dir::Original };
        let entry = self.table.entry_mut(slot);
        let seen = entry.status.seen();
        if !(seen.reply && seen.assured) {
            return None;
        }
        let mut plain = entry.flow;
        let (from, to, timeout) = entry.flow.clean_step(dir, seg, &self.cfg)?;
        debug_assert_eq!(plain.step(dir, seg, seen, &self.cfg), FlowStep::Accepted { from, timeout });
        debug_assert_eq!(plain, entry.flow, "both ways lead to one flow");
        entry.expires = now + timeout;
        if from != to {
            self.moved(slot, from, to, out);
        }
        Some(CtVerdict::Pass(CtState::Established(dir)))
    }

    fn uncommon(
        &mut self,
        now: Time,
        key: TupleKey,
        node: u32,
        seg: &Segment,
        hint: &mut u32,
        out: &mut impl FactSink,
    ) -> CtVerdict {
        if !valid_flags(seg.flags) {
            return self.malformed_at(now, key, node, out);
        }
        if node != NIL {
            match self.known(now, node, seg, out) {
                Some(verdict) => return verdict,
                // The SYN opens the tuple anew: the old entry has gone, and nothing else can bear its tuple.
                None => debug_assert!(self.table.peek(now, key.tuple()).is_none()),
            }
        }
        self.unknown(now, key, seg, hint, out)
    }

    /// A packet that is no TCP segment as it stands: bad checksum, broken header, flags that cannot be mixed
    /// (`tcp_error`). It is looked up all the same, so it reaps what has expired and needs room for an entry.
    pub fn malformed(&mut self, now: Time, tuple: Tuple, out: &mut impl FactSink) -> CtVerdict {
        let key = TupleKey::of(tuple);
        let node = self.lookup(now, key, out);
        self.malformed_at(now, key, node, out)
    }

    fn malformed_at(&mut self, now: Time, key: TupleKey, node: u32, out: &mut impl FactSink) -> CtVerdict {
        if node == NIL && !self.make_room(now, key, out) {
            return CtVerdict::Drop(DropReason::TableFull);
        }
        invalid(out)
    }

    /// A packet of an existing entry; `None` if it opens the tuple anew.
    fn known(&mut self, now: Time, node: u32, seg: &Segment, out: &mut impl FactSink) -> Option<CtVerdict> {
        let (slot, dir) = (node >> 1, Dir::of_node(node));
        let entry = self.table.entry_mut(slot);
        let seen = entry.status.seen();
        let before = entry.flow.state();
        match entry.flow.step(dir, seg, seen, &self.cfg) {
            FlowStep::Reopen => {
                self.destroy(slot, Destroyed::Reopened, out);
                return None;
            }
            FlowStep::Invalid { doubtful } => {
                if doubtful {
                    self.shorten_timeout(now, slot);
                }
                return Some(invalid(out));
            }
            FlowStep::Passed => {}
            FlowStep::Accepted { from, timeout } => {
                let after = entry.flow.state();
                if before != after {
                    self.moved(slot, before, after, out);
                }
                if !seen.reply && seg.flags.has(Flags::RST) {
                    // Refused: a very common end, not worth keeping (`nf_ct_kill_acct`).
                    self.destroy(slot, Destroyed::Refused, out);
                    return Some(CtVerdict::Pass(ct_state(dir, seen)));
                }
                self.refresh(now, slot, seg, Accepted { from, to: after, timeout, seen }, out);
            }
        }
        if dir == Dir::Reply && !seen.reply {
            let entry = self.table.entry_mut(slot);
            entry.status.set_reply();
            out.fact(CtFact::Replied { original: entry.original() });
        }
        Some(CtVerdict::Pass(ct_state(dir, seen)))
    }

    /// The entry's life after a segment that belongs to it.
    fn refresh(&mut self, now: Time, slot: u32, seg: &Segment, step: Accepted, out: &mut impl FactSink) {
        let entry = self.table.entry_mut(slot);
        let Accepted { from, to, mut timeout, seen } = step;
        if !seen.reply {
            let bare_syn = seg.flags.has(Flags::SYN) && !seg.flags.has(Flags::ACK);
            if bare_syn && from == FlowState::SynSent {
                // A SYN repeated into the void does not lengthen the entry's life.
                return;
            }
            if to == FlowState::Established {
                // Picked up, and only one side heard.
                timeout = timeout.min(self.cfg.timeouts.unacknowledged);
            }
        } else if !seen.assured
            && matches!(from, FlowState::SynRecv | FlowState::Established)
            && to == FlowState::Established
        {
            entry.status.set_assured();
            out.fact(CtFact::Assured { original: entry.original() });
            self.census.assured += 1;
        }
        entry.expires = now + timeout;
    }

    /// A packet without an entry: a new flow, if it may begin one and there is room.
    fn unknown(
        &mut self,
        now: Time,
        original: TupleKey,
        seg: &Segment,
        hint: &mut u32,
        out: &mut impl FactSink,
    ) -> CtVerdict {
        if !self.make_room(now, original, out) {
            return CtVerdict::Drop(DropReason::TableFull);
        }
        let seen = Seen { reply: false, assured: false };
        let Some(mut flow) = Flow::begin(seg, &self.cfg) else { return invalid(out) };
        let FlowStep::Accepted { mut timeout, .. } = flow.step(Dir::Original, seg, seen, &self.cfg) else {
            return invalid(out);
        };
        let state = flow.state();
        if state == FlowState::Established {
            timeout = timeout.min(self.cfg.timeouts.unacknowledged);
        }
        let entry = NewEntry { original, reply: original.reversed(), expires: now + timeout, flow };
        let limit = self.chain_limit();
        match self.table.insert(entry, limit) {
            Ok(slot) => {
                *hint = slot;
                self.census.states[state as usize] += 1;
                self.census.created += 1;
                out.fact(CtFact::Inserted { original: original.tuple(), state });
                CtVerdict::Pass(CtState::New)
            }
            Err(refused) => {
                let reason = match refused {
                    Refused::Clash => DropReason::InsertFailed,
                    Refused::ChainTooLong => {
                        out.fact(CtFact::Counted(Counter::CtChainTooLong, 1));
                        DropReason::ChainTooLong
                    }
                };
                out.fact(CtFact::Counted(Counter::CtInsertFailed, 1));
                out.fact(CtFact::Counted(Counter::CtDrop, 1));
                CtVerdict::Drop(reason)
            }
        }
    }

    /// Finds the node of a tuple, and reaps the expired entries that stand before it in its bucket
    /// (`____nf_conntrack_find`). [`NIL`] if there is none.
    #[inline]
    fn lookup(&mut self, now: Time, key: TupleKey, out: &mut impl FactSink) -> u32 {
        match self.table.find(now, key) {
            Some(node) => node,
            None => self.reap(now, key, out),
        }
    }

    #[cold]
    fn reap(&mut self, now: Time, key: TupleKey, out: &mut impl FactSink) -> u32 {
        for node in self.table.chain(self.table.bucket(key)).nodes() {
            if !self.table.is_left(node) {
                continue;
            }
            if self.table.is_expired(node, now) {
                self.destroy(node >> 1, Destroyed::Expired, out);
            } else if self.table.bears(node, key) {
                return node;
            }
        }
        NIL
    }

    /// Sees to it that one more entry fits (`__nf_conntrack_alloc`). Whether it does.
    fn make_room(&mut self, now: Time, key: TupleKey, out: &mut impl FactSink) -> bool {
        if self.cfg.max == 0 || self.table.len() < self.cfg.max || self.early_drop(now, key, out) {
            return true;
        }
        self.gc.under_pressure();
        out.fact(CtFact::Counted(Counter::CtDrop, 1));
        self.log.line(now, out);
        false
    }

    /// Evicts all entries that are not ASSURED from the first of eight buckets that has any.
    fn early_drop(&mut self, now: Time, key: TupleKey, out: &mut impl FactSink) -> bool {
        let mut bucket = self.table.bucket(key);
        for _ in 0..EVICTION_RANGE {
            let mut dropped = 0;
            for node in self.table.chain(bucket).nodes() {
                if !self.table.is_left(node) {
                    continue;
                }
                if self.table.is_expired(node, now) {
                    // Reaped in passing, which the kernel does not count as a success.
                    self.destroy(node >> 1, Destroyed::Expired, out);
                } else if !self.table.entry(node >> 1).status.seen().assured {
                    self.destroy(node >> 1, Destroyed::EarlyDrop, out);
                    dropped += 1;
                }
            }
            if dropped > 0 {
                out.fact(CtFact::Counted(Counter::CtEarlyDrop, dropped));
                return true;
            }
            bucket = (bucket + 1) % self.table.buckets();
        }
        false
    }

    /// An entry whose two ends seem to have closed out of our sight is not left to live for days.
    fn shorten_timeout(&mut self, now: Time, slot: u32) {
        const WORTHWHILE: Span = Span::from_secs(120);
        let cap = self.cfg.timeouts.unacknowledged;
        let entry = self.table.entry_mut(slot);
        let remaining = entry.expires().since(now);
        if remaining >= WORTHWHILE && remaining > cap {
            entry.expires = now + cap;
        }
    }

    fn moved(&mut self, slot: u32, from: FlowState, to: FlowState, out: &mut impl FactSink) {
        self.census.states[from as usize] -= 1;
        self.census.states[to as usize] += 1;
        out.fact(CtFact::Moved { original: self.table.entry(slot).original(), from, to });
    }

    pub(super) fn destroy(&mut self, slot: u32, why: Destroyed, out: &mut impl FactSink) {
        let entry = self.table.entry(slot);
        let state = entry.flow.state();
        self.census.states[state as usize] -= 1;
        self.census.assured -= u32::from(entry.status.seen().assured);
        self.census.destroyed += 1;
        out.fact(CtFact::Destroyed { original: entry.original(), state, why });
        self.table.remove(slot);
    }

    fn chain_limit(&mut self) -> u32 {
        self.chain_seed = self.chain_seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let draw = fold(self.chain_seed, 0xbf58_476d_1ce4_e5b9) >> 32;
        CHAIN_LENGTHS.start + ((draw * CHAIN_LENGTHS.len() as u64) >> 32) as u32
    }
}

/// An accepted segment: the state that the kernel reasons from, the flow's state now, the timeout to apply, and what was
/// seen before.
#[derive(Clone, Copy, Debug)]
struct Accepted {
    from: FlowState,
    to: FlowState,
    timeout: Span,
    seen: Seen,
}

fn ct_state(dir: Dir, seen: Seen) -> CtState {
    if dir == Dir::Original && !seen.reply { CtState::New } else { CtState::Established(dir) }
}

fn invalid(out: &mut impl FactSink) -> CtVerdict {
    out.fact(CtFact::Counted(Counter::CtInvalid, 1));
    CtVerdict::Pass(CtState::Invalid)
}

/// The limiter of the kernel's log lines about packets (`net_ratelimit`: 10 in 5 s). The kernel shares one among
/// all such lines of the machine; here each tracker has its own.
#[derive(Clone, Debug, Default)]
struct RateLimit {
    begun: Option<Time>,
    printed: u32,
    missed: u32,
}

impl RateLimit {
    const INTERVAL: Span = Span::from_secs(5);
    const BURST: u32 = 10;

    fn line(&mut self, now: Time, out: &mut impl FactSink) {
        if self.begun.is_none_or(|t| now > t + Self::INTERVAL) {
            if self.missed > 0 {
                out.fact(CtFact::LogSuppressed { lines: self.missed });
            }
            *self = RateLimit { begun: Some(now), printed: 0, missed: 0 };
        }
        if self.printed < Self::BURST {
            self.printed += 1;
            out.fact(CtFact::LogTableFull);
        } else {
            self.missed += 1;
        }
    }
}
