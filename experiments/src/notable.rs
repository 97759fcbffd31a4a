//! The connection of a run that is worth looking at: one that failed, else the one that waited longest, else one that had to do
//! with another before it.
//!
//! [`Witness`] hears of failures and slow connects while a run goes on, and follows nobody, so that connections keep to their
//! scripts; the connection itself is then recorded by a second run that ends with it.

use core::ops::ControlFlow;
use std::collections::BTreeMap;

use sim_core::app::Booked;
use sim_core::engine::{Record, Sink};
use sim_core::errno::Call;
use sim_core::host::Attempt;
use sim_core::ids::{TrafficId, Tuple};
use sim_core::scenario::Scenario;
use sim_core::tcp::Flags;
use sim_core::time::{Span, Time};

use crate::run::Progress;
use crate::trace::{Target, Trace, Wanted, Which, trace};

/// Why a connection is worth looking at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is the first that failed.
    Failed,
    /// Its connect() took longest, and much longer than others.
    Slow,
    /// Its tuple had belonged to another connection before.
    Reused,
    /// It is the first of all.
    First,
}

/// A connect() that takes so many times as long as the fastest is slow.
const SLOW: u64 = 3;
/// So long after its failure or success a connection is still looked at: longer than most TIME_WAITs.
const AFTERWARDS: Span = Span::from_secs(70);
/// More lives of one tuple than this do not fit into a ladder.
const MOST_LIVES: usize = 4;
/// Records that one connection is drawn from at most.
const MOST_RECORDS: usize = 4_000;
/// Records of a whole run of few connections.
const MOST_OF_ALL: usize = 500_000;

/// Hears which connection is worth looking at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    failed: Option<(Attempt, Time)>,
    fastest: Option<Span>,
    slowest: Option<(Span, Attempt, Time)>,
}

impl Sink for Witness {
    const HEARS: bool = true;
    fn follows(&self, _attempt: Attempt, _tuple: Tuple) -> bool {
        false
    }
    fn record(&mut self, at: Time, record: &Record) {
        match record {
            Record::Denied(_, attempt, ..) => {
                // It is over at once.
                self.failed.get_or_insert((*attempt, at));
            }
            Record::Booked(whose, Booked::Failed(..), _) => {
                self.failed.get_or_insert((whose.attempt, at + AFTERWARDS));
            }
            Record::Booked(whose, Booked::Connected, began) => {
                let took = at.since(*began);
                self.fastest = Some(self.fastest.map_or(took, |fastest| fastest.min(took)));
                if self.slowest.is_none_or(|(slowest, ..)| took > slowest) {
                    self.slowest = Some((took, whose.attempt, at + AFTERWARDS));
                }
            }
            _ => {}
        }
    }
}

impl Witness {
    /// Which connection that is, and until when it is looked at.
    fn names(&self) -> (Why, Attempt, Time) {
        if let Some((attempt, until)) = self.failed {
            return (Why::Failed, attempt, until);
        }
        if let (Some(fastest), Some((slowest, attempt, until))) = (self.fastest, self.slowest)
            && slowest > fastest.times(SLOW)
        {
            return (Why::Slow, attempt, until);
        }
        let first = Attempt { traffic: TrafficId(0), number: 0 };
        (Why::First, first, Time::NEVER)
    }

    /// Records the connection in a run that ends with it.
    pub fn trace(
        &self,
        scenario: &Scenario,
        watch: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Option<(Why, Trace)> {
        let (why, attempt, to) = self.names();
        let to = to.max(Time(1)) + Span(1);
        let wanted = Wanted { which: Which::Attempt(attempt), from: Time::ZERO, to, most: MOST_RECORDS };
        trace(scenario, &wanted, watch).ok().map(|traced| (why, traced))
    }
}

/// The same of a run with few connections, from one run that records all of them: with what its tuple had been before.
pub fn of_few(scenario: &Scenario, watch: impl FnMut(Progress) -> ControlFlow<()>) -> Option<(Why, Trace)> {
    let wanted = Wanted { which: Which::All, from: Time::ZERO, to: Time::NEVER, most: MOST_OF_ALL };
    let mut traced = trace(scenario, &wanted, watch).ok()?;
    let (why, target) = choose(&traced.records);
    traced.target = target;
    traced.records.retain(|(_, record)| of(record).is_some_and(|(attempt, tuple)| target.is(attempt, tuple)));
    traced.records.truncate(MOST_RECORDS);
    Some((why, traced))
}

fn choose(records: &[(Time, Record)]) -> (Why, Target) {
    let mut lives: BTreeMap<Tuple, usize> = BTreeMap::new();
    let (mut failed, mut reused) = (None, None);
    let (mut fastest, mut slowest) = (Span::MAX, (Span::ZERO, None));
    for (at, record) in records {
        match record {
            Record::Denied(_, attempt, ..) => {
                failed.get_or_insert(Target::Attempt(*attempt));
            }
            Record::Booked(whose, Booked::Failed(call, _), began) => {
                failed.get_or_insert(Target::Tuple(whose.tuple));
                if *call == Call::Connect && at.since(*began) > slowest.0 {
                    slowest = (at.since(*began), Some(Target::Tuple(whose.tuple)));
                }
            }
            Record::Booked(whose, Booked::Connected, began) => {
                fastest = fastest.min(at.since(*began));
                if at.since(*began) > slowest.0 {
                    slowest = (at.since(*began), Some(Target::Tuple(whose.tuple)));
                }
            }
            Record::Sent(_, packet) if packet.seg.flags == Flags::SYN && !packet.seg.rtx => {
                let life = lives.entry(packet.tuple).or_default();
                *life += 1;
                if *life == 2 {
                    reused.get_or_insert(Target::Tuple(packet.tuple));
                }
            }
            _ => {}
        }
    }
    let short = |target: &Target| match target {
        Target::Tuple(tuple) => lives.get(tuple).is_none_or(|&n| n <= MOST_LIVES),
        _ => true,
    };
    let slow = slowest.1.filter(|_| slowest.0 > fastest.times(SLOW));
    let first = Target::Attempt(Attempt { traffic: TrafficId(0), number: 0 });
    let choices = [(Why::Failed, failed), (Why::Slow, slow), (Why::Reused, reused)];
    let found = choices.into_iter().find_map(|(why, target)| Some((why, target.filter(short)?)));
    found.unwrap_or((Why::First, first))
}

/// The attempt and the tuple that a record is about.
fn of(record: &Record) -> Option<(Attempt, Tuple)> {
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
            let local = sim_core::ids::SockAddr { addr: *from, port: 0 };
            Some((*attempt, Tuple { local, remote: *to }))
        }
        Record::Logged(..) => None,
    }
}
