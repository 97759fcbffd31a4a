//! Records: what happened, with its time, for whoever follows a run closely; and their digest.

use crate::app::{AppTimer, Booked, Called};
use crate::errno::{Call, Errno};
use crate::host::{Attempt, Packet};
use crate::ids::{Addr, HostId, SockAddr, Tuple};
use crate::log::LogLine;
use crate::record::{Digest, word};
use crate::tcp::{ALARMS, Segment, State, TimerKind, Why};
use crate::time::{Span, Time};

/// Why a packet did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The link lost it.
    Link,
    /// Connection tracking dropped it.
    Conntrack,
    /// There is no way to its destination.
    NoRoute,
    /// A rule of the host drops it.
    Rule,
}

/// One end of a connection, as its host sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The host.
    pub host: HostId,
    /// The tuple.
    pub tuple: Tuple,
    /// The attempt that it belongs to.
    pub attempt: Attempt,
}

/// A connection moved from one state to another at one end. `Closed` stands for "not there".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// No further move follows within the same step.
    pub last: bool,
}

/// How a packet travels from one host to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carriage {
    /// The next host; the host itself, if it speaks to itself.
    pub to: HostId,
    /// When it gets there.
    pub arrives: Time,
    /// The link made it: a copy of what it was given.
    pub copy: bool,
    /// The link holds it back: others may overtake it.
    pub late: bool,
}

/// What a rehearsal has to know beside the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    /// A socket took a step, and armed these timers.
    Stepped(HostId, StepArms),
    /// A client is through; with its last request still open, or not.
    Done(bool),
    /// A connection has left its round-trip time to the host.
    Measured(HostId, u32),
}

/// Timers that a step armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepArms {
    /// Those of the endpoint, in the order of [`crate::tcp::Alarm`].
    pub alarms: [Option<Span>; ALARMS],
    /// The application's.
    pub app: AppTimer,
    /// How long a mini-socket lives that was left behind.
    pub mini: Option<Span>,
    /// The step asked for something that neither the socket nor its input tells.
    pub asked_outside: bool,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A host sent a segment of its own.
    Sent(HostId, Packet),
    /// A packet leaves a host for the next.
    Carried(HostId, Carriage, Packet),
    /// A segment reached a host that passes it on, or a host that has nothing to do with it.
    Forwarded(HostId, Packet),
    /// A segment reached the host it is for.
    Arrived(HostId, Packet),
    /// A segment was lost at, or on the way from, a host.
    Lost(HostId, Lost, Packet),
    /// A connection moved.
    Moved(Whose, Move),
    /// The segment that has just arrived was not taken, or not whole.
    Refused(Whose, Why),
    /// accept() returned a connection.
    Accepted(Whose),
    /// A timer fired.
    Fired(Whose, TimerKind),
    /// A timer runs until this time. Of full sockets only where the follower looks inside.
    Armed(Whose, TimerKind, Time),
    /// An application made a call, and this was the answer: a count of bytes, or an error. Only where the follower looks
    /// inside.
    Called(Whose, Called, Result<u32, Errno>),
    /// What an attempt that began at this time came to.
    Booked(Whose, Booked, Time),
    /// An attempt failed before it had a connection.
    Denied(HostId, Attempt, (Addr, SockAddr), (Call, Errno)),
    /// The kernel printed a line.
    Logged(HostId, LogLine),
}

/// Follows a run.
pub trait Sink {
    /// Whether anybody looks: records are not even made for a sink that does not.
    const FOLLOWS: bool = true;
    /// Whether it is told what only a rehearsal needs.
    const REHEARSES: bool = false;
    /// Whether it is told what each attempt came to ([`Record::Booked`], [`Record::Denied`]), followed or not. Those that go by a
    /// script succeed alike, and are not told of.
    const HEARS: bool = false;
    /// Whether what happens to the connection of an attempt on a tuple (as either end has it) is to be recorded. Asked
    /// before a record is made, so that what nobody follows costs next to nothing.
    #[inline]
    fn follows(&self, _attempt: Attempt, _tuple: Tuple) -> bool {
        true
    }
    /// Whether the calls of its applications and its timers are wanted too. Such a connection takes all its steps itself,
    /// with the same result as by memory.
    #[inline]
    fn looks_inside(&self, _attempt: Attempt, _tuple: Tuple) -> bool {
        false
    }
    /// Takes one record. Times never decrease.
    fn record(&mut self, at: Time, record: &Record);
    /// Takes what only a rehearsal needs.
    fn aside(&mut self, _aside: Aside) {}
}

/// Nobody follows.
impl Sink for () {
    const FOLLOWS: bool = false;
    fn record(&mut self, _at: Time, _record: &Record) {}
}

/// Everything, in order. For tests and small runs.
impl Sink for Vec<(Time, Record)> {
    fn record(&mut self, at: Time, record: &Record) {
        self.push((at, *record));
    }
}

fn addresses(tuple: Tuple) -> u64 {
    u64::from(tuple.local.addr.0) << 32 | u64::from(tuple.remote.addr.0)
}

fn ports(tuple: Tuple) -> u64 {
    u64::from(tuple.local.port) << 16 | u64::from(tuple.remote.port)
}

/// What one end of a conversation does at one moment, as the digest sees it: the words of its sentences that are known beforehand.
#[derive(Clone, Copy, Debug)]
pub(super) struct DoneBy {
    segment: u64,
    moved: u64,
}

impl DoneBy {
    #[inline]
    pub(super) fn new(at: Time, host: HostId, tuple: Tuple) -> DoneBy {
        DoneBy::at(DoneBy::known(host, tuple), at)
    }

    /// The words that are the same at every moment.
    #[inline]
    pub(super) fn known(host: HostId, tuple: Tuple) -> [u64; 2] {
        let (first, ports) = (word(0, addresses(tuple)), ports(tuple));
        let sent = (1 << 16 | u64::from(host.0)) << 32;
        [
            add([first, word(1, ports << 32), word(5, sent)]),
            add([first, word(1, ports << 8), word(3, u64::from(host.0))]),
        ]
    }

    /// With those that are known, at a moment.
    #[inline]
    pub(super) fn at([segment, moved]: [u64; 2], at: Time) -> DoneBy {
        DoneBy { segment: segment.wrapping_add(word(4, at.0)), moved: moved.wrapping_add(word(2, at.0)) }
    }

    /// The words of a segment that hang on nothing but what it is: its flags with the window, and its length.
    #[inline]
    pub(super) const fn kind(flags_and_window: u64, len: u64) -> u64 {
        word(1, flags_and_window).wrapping_add(word(5, len))
    }

    /// Takes a segment that is sent: its kind, its sequence numbers, its timestamps.
    #[inline]
    pub(super) fn sent(&self, digest: &mut Digest, kind: u64, numbers: [u64; 2]) {
        digest.traffic(add([self.segment, kind, word(2, numbers[0]), word(3, numbers[1])]));
    }

    /// Takes a move, the last of a step.
    #[inline]
    pub(super) fn moved(&self, digest: &mut Digest, to: State) {
        digest.moved(self.moved.wrapping_add(word(1, to as u64)));
    }
}

/// A sentence, or a part of one.
#[inline]
fn add<const N: usize>(words: [u64; N]) -> u64 {
    words.into_iter().fold(0, u64::wrapping_add)
}

/// Takes a segment that was sent into the digest.
#[inline]
pub(super) fn digest_sent(digest: &mut Digest, at: Time, host: HostId, tuple: Tuple, seg: &Segment) {
    digest_packet(digest, at, host, 1, tuple, seg);
}

#[inline]
fn digest_packet(digest: &mut Digest, at: Time, host: HostId, kind: u64, tuple: Tuple, seg: &Segment) {
    let (val, ecr) = seg.ts.map_or((0, 0), |ts| (ts.val, ts.ecr));
    digest.traffic(add([
        word(0, addresses(tuple)),
        word(1, ports(tuple) << 32 | u64::from(seg.flags.0) << 16 | u64::from(seg.win)),
        word(2, u64::from(seg.seq.0) << 32 | u64::from(seg.ack.0)),
        word(3, u64::from(val) << 32 | u64::from(ecr)),
        word(4, at.0),
        word(5, (kind << 16 | u64::from(host.0)) << 32 | u64::from(seg.len)),
    ]));
}

/// Takes what happened to a packet into the digest. What arrives or is passed on was sent, and shows in what it causes.
#[inline]
pub(super) fn digest_packet_record(
    digest: &mut Digest,
    at: Time,
    packet: &Packet,
    record: impl FnOnce(HostId, Packet) -> Record,
    host: HostId,
) {
    match record(host, *packet) {
        Record::Sent(..) => digest_sent(digest, at, host, packet.tuple, &packet.seg),
        Record::Lost(_, why, _) => {
            digest_packet(digest, at, host, 3 + why as u64, packet.tuple, &packet.seg);
        }
        _ => {}
    }
}

/// Takes a move into the digest, the last of a step: it says it all.
#[inline]
pub(super) fn digest_move(digest: &mut Digest, at: Time, whose: &Whose, to: State) {
    DoneBy::new(at, whose.host, whose.tuple).moved(digest, to);
}

/// Takes a line of the log into the digest.
pub(super) fn digest_line(digest: &mut Digest, at: Time, host: HostId, line: LogLine) {
    let line = (16 + line as u64) << 16 | u64::from(host.0);
    digest.traffic(word(0, line).wrapping_add(word(4, at.0)));
}
