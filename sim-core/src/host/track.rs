//! Connection tracking on a host: the packet goes through the table, its facts into the books.

use super::{Host, Packet};
use crate::conntrack::{Conntrack, DropReason, Fact, Facts, Verdict};
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
    facts: Facts,
}

impl Tracking {
    /// A tracker at boot.
    pub fn new(table: Conntrack) -> Tracking {
        Tracking { table, refused: Tally::default(), facts: Facts::new() }
    }
}

impl Host {
    /// Shows a packet to the tracker, if there is one. Returns whether the packet goes on; `line` becomes the line that
    /// the kernel prints, if it does.
    pub fn track(&mut self, now: Time, packet: &Packet, line: &mut Option<LogLine>) -> bool {
        let Some(tracking) = &mut self.tracking else { return true };
        tracking.facts.clear();
        let verdict = tracking.table.packet(now, packet.tuple, &packet.seg, &mut tracking.facts);
        if verdict == Verdict::Drop(DropReason::TableFull) {
            tracking.refused.add(now);
        }
        self.book_tracking(now, line);
        matches!(verdict, Verdict::Pass(_))
    }

    /// Runs the tracker's garbage collector. Returns when it wants to run again.
    pub fn collect(&mut self, now: Time, line: &mut Option<LogLine>) -> Option<Time> {
        let tracking = self.tracking.as_mut()?;
        tracking.facts.clear();
        tracking.table.gc(now, &mut tracking.facts);
        let next = tracking.table.next_gc();
        self.book_tracking(now, line);
        Some(next)
    }

    fn book_tracking(&mut self, now: Time, line: &mut Option<LogLine>) {
        let Some(tracking) = &self.tracking else { return };
        for fact in &tracking.facts {
            match *fact {
                Fact::Counted(counter, n) => self.stats.counters.add(counter, u64::from(n)),
                Fact::LogTableFull => *line = Some(LogLine::ConntrackTableFull),
                _ => {}
            }
        }
        self.stats.conntrack.set(now, tracking.table.len() as u64);
        self.account(now);
    }
}
