//! Connection tracking on a host: the packet goes through the table, its facts into the books.

use super::{Host, Packet};
use crate::conntrack::{Conntrack, CtFact, CtVerdict, DropReason, FactSink, NO_HINT};
use crate::counter::Counters;
use crate::log::LogLine;
use crate::record::Tally;
use crate::time::Time;

/// The tracker of a host and what became of its packets.
#[derive(Clone, Debug)]
pub struct Tracking {
    /// The table.
    pub table: Conntrack,
    /// Packets dropped because the table was full.
    pub refused: Tally,
}

impl Tracking {
    /// A tracker at boot.
    pub fn new(table: Conntrack) -> Tracking {
        Tracking { table, refused: Tally::default() }
    }
}

/// Facts of the tracker that a host has books for.
struct Books<'a> {
    counters: &'a mut Counters,
    line: &'a mut Option<LogLine>,
}

impl FactSink for Books<'_> {
    fn fact(&mut self, fact: CtFact) {
        match fact {
            CtFact::Counted(counter, n) => self.counters.add(counter, u64::from(n)),
            CtFact::LogTableFull => *self.line = Some(LogLine::ConntrackTableFull),
            _ => {}
        }
    }
}

impl Host {
    /// Shows a packet to the tracker, if there is one. Returns whether the packet goes on; `line` becomes the line that
    /// the kernel prints, if it does.
    pub fn track(&mut self, now: Time, packet: &Packet, line: &mut Option<LogLine>) -> bool {
        self.track_hinted(now, packet, &mut NO_HINT.clone(), line)
    }

    /// The same, for a caller who keeps a number with each connection ([`Conntrack::packet_hinted`]).
    #[inline]
    pub fn track_hinted(
        &mut self,
        now: Time,
        packet: &Packet,
        hint: &mut u32,
        line: &mut Option<LogLine>,
    ) -> bool {
        let Some(tracking) = &mut self.tracking else { return true };
        let mut books = Books { counters: &mut self.stats.counters, line };
        let verdict = tracking.table.packet_hinted(now, packet.tuple, &packet.seg, hint, &mut books);
        if verdict == CtVerdict::Drop(DropReason::TableFull) {
            tracking.refused.add(now);
        }
        self.count_entries(now);
        matches!(verdict, CtVerdict::Pass(_))
    }

    /// Runs the tracker's garbage collector. Returns when it wants to run again.
    pub fn collect(&mut self, now: Time, line: &mut Option<LogLine>) -> Option<Time> {
        let tracking = self.tracking.as_mut()?;
        tracking.table.gc(now, &mut Books { counters: &mut self.stats.counters, line });
        let next = tracking.table.next_gc();
        self.count_entries(now);
        Some(next)
    }

    fn count_entries(&mut self, now: Time) {
        let Some(tracking) = &self.tracking else { return };
        let entries = tracking.table.len() as u64;
        if entries != self.stats.conntrack.now {
            self.stats.conntrack.set(now, entries);
            self.account(now);
        }
    }
}
