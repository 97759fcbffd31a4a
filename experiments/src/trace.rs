//! Following single connections through a run: which ones, and what happened to them.
//!
//! A run is deterministic, so "the first that failed" is found by running once and followed by running again; only the
//! connections that are asked for are recorded.

use core::ops::ControlFlow;
use std::collections::BTreeSet;

use scenarios::Report;
use sim_core::app::Booked;
use sim_core::engine::queue::Lanes;
use sim_core::engine::{Lost, Record, Sink, World};
use sim_core::errno::Call;
use sim_core::host::{Attempt, Packet};
use sim_core::ids::{SockAddr, Tuple};
use sim_core::record::{Moment, Summary};
use sim_core::scenario::Scenario;
use sim_core::tcp::Flags;
use sim_core::time::{Span, Time};

use crate::run::Progress;

/// Something that happens to a connection, to find the first one by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A call failed.
    Failed,
    /// A RST was sent.
    Reset,
    /// A segment was not taken, was dropped by connection tracking, or there was no port or descriptor.
    Refused,
    /// A segment was sent again.
    Retransmitted,
    /// Its tuple had belonged to another connection before.
    Reused,
    /// Its connect() took longest of all.
    Slow,
}

impl Fate {
    /// Each with its name on the command line.
    pub const ALL: [(&str, Fate); 6] = [
        ("failed", Fate::Failed),
        ("reset", Fate::Reset),
        ("refused", Fate::Refused),
        ("retransmitted", Fate::Retransmitted),
        ("reused", Fate::Reused),
        ("slow", Fate::Slow),
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Fate::ALL.iter().find(|(_, fate)| *fate == self).map_or("", |(name, _)| name)
    }
}

/// Which connections are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// One attempt.
    Attempt(Attempt),
    /// Everything between two sockets, whichever connection it belongs to.
    Tuple(SockAddr, SockAddr),
    /// The first one with a fate.
    First(Fate),
}

impl Which {
    /// Those of a tuple as people write it: `10.0.0.1:32768-10.0.0.2:80`.
    pub fn tuple(text: &str) -> Option<Which> {
        let (local, remote) = text.split_once('-')?;
        Some(Which::Tuple(socket(local)?, socket(remote)?))
    }
}

fn socket(text: &str) -> Option<SockAddr> {
    let (addr, port) = text.trim().rsplit_once(':')?;
    Some(SockAddr { addr: scenarios::addr(addr).ok()?, port: port.parse().ok()? })
}

/// Which connections those are, once the first has been found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// All of them.
    #[default]
    All,
    /// One attempt.
    Attempt(Attempt),
    /// A tuple, as the client has it.
    Tuple(Tuple),
}

impl Target {
    pub(crate) fn is(self, attempt: Attempt, tuple: Tuple) -> bool {
        match self {
            Target::All => true,
            Target::Attempt(one) => one == attempt,
            Target::Tuple(one) => tuple == one || tuple == one.reversed(),
        }
    }
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// What was followed.
    pub target: Target,
    /// What happened, in order.
    pub records: Vec<(Time, Record)>,
    /// Records that there was no room for.
    pub left_out: u64,
    /// What the run came to by then.
    pub summary: Summary,
}

/// How a trace ends without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// No connection had that fate.
    NoSuch,
    /// It was stopped early.
    Stopped,
    /// The run has ended by itself before that, since too much was on its way.
    Overrun,
}

/// Follows connections from one moment to another, and takes at most so many records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub which: Which,
    /// From when.
    pub from: Time,
    /// Until when; what happens at this time is left out.
    pub to: Time,
    /// Most records.
    pub most: usize,
}

/// Runs a scenario, twice if a connection has to be found first, and records what is wanted.
pub fn trace(
    scenario: &Scenario,
    wanted: &Wanted,
    mut watch: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Trace, Nothing> {
    let target = match wanted.which {
        Which::All => Target::All,
        Which::Attempt(attempt) => Target::Attempt(attempt),
        Which::Tuple(local, remote) => Target::Tuple(Tuple { local, remote }),
        Which::First(fate) => find(scenario, fate, &mut watch)?,
    };
    let recorder =
        Recorder { target, from: wanted.from, to: wanted.to, most: wanted.most, ..Recorder::default() };
    let mut world: World<Lanes, Recorder> = World::with_sink(scenario, recorder);
    // What comes after the last moment that is wanted is not recorded, so nobody waits for it.
    while world.now() < wanted.to && world.advance(crate::run::SLICE) {
        let progress = Progress { events: world.events(), now: world.now(), of: scenario.duration };
        if watch(progress).is_break() {
            return Err(Nothing::Stopped);
        }
    }
    let (summary, recorder) = world.into_summary_and_sink();
    Ok(Trace { target, records: recorder.records, left_out: recorder.left_out, summary })
}

/// The attempt and the tuple, as it is told of, that a record is about; none if it is about a host.
pub fn about(record: &Record) -> Option<(Attempt, Tuple)> {
    match record {
        Record::Sent(_, packet)
        | Record::Carried(_, _, packet)
        | Record::Forwarded(_, packet)
        | Record::Arrived(_, packet)
        | Record::Lost(_, _, packet) => Some((packet.attempt, packet.tuple)),
        Record::Moved(whose, _)
        | Record::Refused(whose, _)
        | Record::Fired(whose, _)
        | Record::Armed(whose, ..)
        | Record::Called(whose, ..)
        | Record::Accepted(whose)
        | Record::Booked(whose, ..) => Some((whose.attempt, whose.tuple)),
        Record::Denied(_, attempt, (from, to), _) => {
            let local = SockAddr { addr: *from, port: 0 };
            Some((*attempt, Tuple { local, remote: *to }))
        }
        Record::Logged(..) => None,
    }
}

/// The state of everything at a moment: what happens at this very time has not happened yet. An error if the run does not
/// come so far.
pub fn moment(scenario: &Scenario, at: Time) -> Result<Moment, Report> {
    let mut world: World<Lanes, ()> = World::new(scenario);
    world.advance_until(at);
    match world.overrun() {
        Some(overrun) => Err(scenarios::overrun(scenario, &overrun)),
        None => Ok(world.moment()),
    }
}

/// Keeps what happens to its target.
#[derive(Clone, Debug, Default)]
struct Recorder {
    target: Target,
    from: Time,
    to: Time,
    most: usize,
    records: Vec<(Time, Record)>,
    left_out: u64,
}

impl Sink for Recorder {
    fn follows(&self, attempt: Attempt, tuple: Tuple) -> bool {
        self.target.is(attempt, tuple)
    }
    fn looks_inside(&self, attempt: Attempt, tuple: Tuple) -> bool {
        self.target.is(attempt, tuple)
    }
    fn record(&mut self, at: Time, record: &Record) {
        if at < self.from || at >= self.to {
            return;
        }
        if self.records.len() < self.most {
            self.records.push((at, *record));
        } else {
            self.left_out += 1;
        }
    }
}

/// Looks for the first connection with a fate.
#[derive(Clone, Debug)]
struct Finder {
    fate: Fate,
    found: Option<Target>,
    /// The longest connect() so far.
    longest: Span,
    /// Tuples on which a SYN was sent.
    met: BTreeSet<Tuple>,
}

impl Default for Finder {
    fn default() -> Self {
        Finder { fate: Fate::Failed, found: None, longest: Span::ZERO, met: BTreeSet::new() }
    }
}

fn find(
    scenario: &Scenario,
    fate: Fate,
    watch: &mut impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Target, Nothing> {
    let mut world: World<Lanes, Finder> = World::with_sink(scenario, Finder { fate, ..Finder::default() });
    loop {
        let more = world.advance(crate::run::SLICE);
        let found = world.sink().found;
        if let Some(target) = found.filter(|_| fate != Fate::Slow || !more) {
            return Ok(target);
        }
        if !more {
            return Err(if world.overrun().is_some() { Nothing::Overrun } else { Nothing::NoSuch });
        }
        let progress = Progress { events: world.events(), now: world.now(), of: scenario.duration };
        if watch(progress).is_break() {
            return Err(Nothing::Stopped);
        }
    }
}

impl Finder {
    fn whose(&mut self, attempt: Attempt) {
        self.found.get_or_insert(Target::Attempt(attempt));
    }

    fn sent(&mut self, packet: &Packet) {
        let seg = &packet.seg;
        match self.fate {
            Fate::Reset if seg.flags.has(Flags::RST) => self.whose(packet.attempt),
            Fate::Retransmitted if seg.rtx => self.whose(packet.attempt),
            Fate::Reused if seg.flags == Flags::SYN && !seg.rtx && !self.met.insert(packet.tuple) => {
                self.found.get_or_insert(Target::Tuple(packet.tuple));
            }
            _ => {}
        }
    }
}

impl Sink for Finder {
    fn record(&mut self, at: Time, record: &Record) {
        if self.found.is_some() && self.fate != Fate::Slow {
            return;
        }
        match (record, self.fate) {
            (Record::Sent(_, packet), _) => self.sent(packet),
            (
                Record::Booked(whose, Booked::Connected | Booked::Failed(Call::Connect, _), began),
                Fate::Slow,
            ) if at.since(*began) > self.longest => {
                self.longest = at.since(*began);
                self.found = Some(Target::Attempt(whose.attempt));
            }
            (Record::Booked(whose, Booked::Failed(..), _), Fate::Failed)
            | (Record::Refused(whose, _), Fate::Refused) => self.whose(whose.attempt),
            (Record::Denied(_, attempt, ..), Fate::Failed | Fate::Refused) => self.whose(*attempt),
            (Record::Lost(_, Lost::Conntrack | Lost::Rule | Lost::NoRoute, packet), Fate::Refused) => {
                self.whose(packet.attempt);
            }
            _ => {}
        }
    }
}
