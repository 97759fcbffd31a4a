//! What the tracker says: a verdict on the packet, and facts for the record.

use super::state::{Dir, FlowState};
use crate::counter::{Counter, Counters};
use crate::errno::named;
use crate::ids::Tuple;

/// What becomes of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CtVerdict {
    /// It goes on, bearing this state.
    Pass(CtState),
    /// It is dropped without a word. On its way out of a host the sender sees EPERM (TCP treats that as a loss).
    Drop(DropReason),
}

/// What a rule sees as `ct state` and `ct direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CtState {
    /// Of a flow that has not been answered yet, from its originator (IP_CT_NEW).
    New,
    /// Of a flow that has been answered, or the answer itself (IP_CT_ESTABLISHED, IP_CT_ESTABLISHED_REPLY).
    Established(Dir),
    /// It belongs to no flow. It passes, but is not translated.
    Invalid,
    /// Tracking was not asked.
    Untracked,
}

named! {
    /// Why a packet was dropped.
    DropReason {
        /// It needed a new entry, and there was no room.
        TableFull = "table full",
        /// Its entry clashed with another one when it was to be inserted.
        InsertFailed = "insert failed",
        /// The chain of its bucket was too long.
        ChainTooLong = "chain too long",
    }
}

named! {
    /// Why an entry went.
    Destroyed {
        /// Its timeout had passed, and a lookup or the garbage collector met it.
        Expired = "expired",
        /// A new flow needed the room (`early_drop`).
        EarlyDrop = "early drop",
        /// The garbage collector killed it, for an allocation had failed.
        Pressure = "gc under pressure",
        /// A RST was the only answer.
        Refused = "refused",
        /// A SYN opened the tuple anew.
        Reopened = "reopened",
        /// By hand (`conntrack -D`).
        Deleted = "deleted",
    }
}

/// One thing that happened. `original` names the entry by its first packet's tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CtFact {
    /// An entry was inserted (event NEW).
    Inserted {
        /// The entry.
        original: Tuple,
        /// Its state.
        state: FlowState,
    },
    /// The first packet in the reply direction was accepted (SEEN_REPLY).
    Replied {
        /// The entry.
        original: Tuple,
    },
    /// The entry is now exempt from early drop (ASSURED).
    Assured {
        /// The entry.
        original: Tuple,
    },
    /// The entry's state moved.
    Moved {
        /// The entry.
        original: Tuple,
        /// Before.
        from: FlowState,
        /// After.
        to: FlowState,
    },
    /// The entry went (event DESTROY).
    Destroyed {
        /// The entry.
        original: Tuple,
        /// Its last state.
        state: FlowState,
        /// Why.
        why: Destroyed,
    },
    /// The kernel logs "nf_conntrack: table full, dropping packet". At most 10 lines in 5 s pass the kernel's
    /// limiter (`net_ratelimit`); the drop itself is always counted.
    LogTableFull,
    /// The kernel logs that it kept so many lines back.
    LogSuppressed {
        /// Lines.
        lines: u32,
    },
    /// A counter moved.
    Counted(Counter, u32),
}

/// Who is told of facts.
pub trait FactSink {
    /// One thing happened.
    fn fact(&mut self, fact: CtFact);
}

/// All facts, in order: the driver owns the buffer, reads it and clears it.
pub type Facts = Vec<CtFact>;

impl FactSink for Facts {
    fn fact(&mut self, fact: CtFact) {
        self.push(fact);
    }
}

/// Keeps counters and lines of the log, and lets everything else go: what a host needs whose entries nobody follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactCounts {
    /// What was counted.
    pub counters: Counters,
    /// Lines "table full" that the log got.
    pub table_full_lines: u32,
    /// Lines that the log's limiter kept back, as it said later.
    pub suppressed_lines: u32,
}

impl FactSink for FactCounts {
    fn fact(&mut self, fact: CtFact) {
        match fact {
            CtFact::Counted(counter, n) => self.counters.add(counter, u64::from(n)),
            CtFact::LogTableFull => self.table_full_lines += 1,
            CtFact::LogSuppressed { lines } => self.suppressed_lines += lines,
            _ => {}
        }
    }
}
