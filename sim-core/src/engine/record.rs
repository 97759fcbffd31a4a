//! Records: what happened, with its time, for whoever follows a run closely; and their digest.

use crate::host::{Move, Packet};
use crate::ids::{HostId, Tuple};
use crate::log::LogLine;
use crate::record::{Digest, Digest2};
use crate::time::Time;

/// Why a packet did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The link lost it.
    Link,
    /// Connection tracking dropped it.
    Conntrack,
    /// There is no way to its destination.
    NoRoute,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A host sent a segment of its own.
    Sent(HostId, Packet),
    /// A segment reached the host it is for.
    Arrived(HostId, Packet),
    /// A segment was lost at, or on the way from, a host.
    Lost(HostId, Lost, Packet),
    /// A connection moved at one end.
    Moved(HostId, Move),
    /// The kernel printed a line.
    Logged(HostId, LogLine),
}

/// Follows a run.
pub trait Sink {
    /// Takes one record. Times never decrease.
    fn record(&mut self, at: Time, record: &Record);
}

/// Nobody follows.
impl Sink for () {
    fn record(&mut self, _at: Time, _record: &Record) {}
}

/// Everything, in order. For tests and small runs.
impl Sink for Vec<(Time, Record)> {
    fn record(&mut self, at: Time, record: &Record) {
        self.push((at, *record));
    }
}

fn digest_tuple(digest: &mut Digest, tuple: Tuple, rest: u32) {
    digest.word(u64::from(tuple.local.addr.0) << 32 | u64::from(tuple.remote.addr.0));
    digest.word(u64::from(rest) << 32 | u64::from(tuple.local.port) << 16 | u64::from(tuple.remote.port));
}

/// Takes a record into a digest. What arrives was sent, and shows in what it causes: arrivals are left out.
pub(super) fn digest_record(digest: &mut Digest, at: Time, record: &Record) {
    let (kind, host) = match record {
        Record::Sent(host, _) => (1, host),
        Record::Arrived(..) => return,
        Record::Lost(host, why, _) => (3 + *why as u64, host),
        Record::Moved(host, _) => (8, host),
        Record::Logged(host, line) => (16 + *line as u64, host),
    };
    digest.word(at.0 << 8 ^ kind << 56 ^ u64::from(host.0));
    match record {
        Record::Sent(_, packet) | Record::Lost(_, _, packet) => {
            let seg = &packet.seg;
            digest_tuple(digest, packet.tuple, u32::from(seg.flags.0) << 16 | u32::from(seg.win));
            digest.word(u64::from(seg.seq.0) << 32 | u64::from(seg.ack.0));
            digest.word(u64::from(seg.len) << 32 | seg.ts.map_or(0, |ts| u64::from(ts.val)));
        }
        Record::Moved(_, step) => digest_tuple(digest, step.tuple, (step.from as u32) << 8 | step.to as u32),
        Record::Arrived(..) | Record::Logged(..) => {}
    }
}

fn addresses(tuple: Tuple) -> u64 {
    u64::from(tuple.local.addr.0) << 32 | u64::from(tuple.remote.addr.0)
}

fn ports(tuple: Tuple) -> u64 {
    u64::from(tuple.local.port) << 16 | u64::from(tuple.remote.port)
}

/// Takes a record into the digest by its coming definition.
pub(super) fn digest2_record(digest: &mut Digest2, at: Time, record: &Record) {
    let kind = |kind: u64, host: &HostId| kind << 16 | u64::from(host.0);
    let mut packet = |kind: u64, packet: &Packet| {
        let seg = &packet.seg;
        let (val, ecr) = seg.ts.map_or((0, 0), |ts| (ts.val, ts.ecr));
        digest.traffic([
            addresses(packet.tuple),
            ports(packet.tuple) << 32 | u64::from(seg.flags.0) << 16 | u64::from(seg.win),
            u64::from(seg.seq.0) << 32 | u64::from(seg.ack.0),
            u64::from(val) << 32 | u64::from(ecr),
            at.0,
            kind << 32 | u64::from(seg.len),
        ]);
    };
    match record {
        Record::Sent(host, p) => packet(kind(1, host), p),
        Record::Lost(host, why, p) => packet(kind(3 + *why as u64, host), p),
        Record::Arrived(..) => {}
        Record::Moved(host, step) => digest.moved([
            addresses(step.tuple),
            ports(step.tuple) << 8 | step.to as u64,
            at.0,
            u64::from(host.0),
        ]),
        Record::Logged(host, line) => digest.traffic([kind(16 + *line as u64, host), 0, 0, 0, at.0, 0]),
    }
}
