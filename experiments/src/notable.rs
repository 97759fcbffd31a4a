//! The connection of a run that is worth looking at: one that failed, else the one that waited longest, else one that had to do
//! with another before it.
//!
//! [`Witness`] hears of failures and slow connects while a run goes on, and follows the first connection alone, so that all others
//! keep to their scripts. If another one is worth looking at, a second run records it and ends with it: which one that is is known only
//! when it has happened, and to have all of them recorded just in case would cost every run its scripts, many times the second run.

use core::ops::ControlFlow;
use std::collections::BTreeMap;

use sim_core::app::Booked;
use sim_core::engine::{Record, Sink};
use sim_core::errno::Call;
use sim_core::host::Attempt;
use sim_core::ids::{TrafficId, Tuple};
use sim_core::record::Summary;
use sim_core::scenario::Scenario;
use sim_core::tcp::Flags;
use sim_core::time::{Span, Time};

use crate::run::Progress;
use crate::trace::{Target, Trace, Wanted, Which, about, trace};

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

/// The attempt that is looked at if no other is worth it.
const FIRST: Attempt = Attempt { traffic: TrafficId(0), number: 0 };

/// Hears which connection is worth looking at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    failed: Option<(Attempt, Time)>,
    fastest: Option<Span>,
    slowest: Option<(Span, Attempt, Time)>,
    /// What happened to the first connection, and how much of it there was no room for.
    first: Vec<(Time, Record)>,
    left_out: u64,
}

impl Sink for Witness {
    const HEARS: bool = true;
    fn follows(&self, attempt: Attempt, _tuple: Tuple) -> bool {
        attempt == FIRST
    }
    fn looks_inside(&self, attempt: Attempt, _tuple: Tuple) -> bool {
        attempt == FIRST
    }
    fn record(&mut self, at: Time, record: &Record) {
        if about(record).is_some_and(|(attempt, _)| attempt == FIRST) {
            if self.first.len() < MOST_RECORDS {
                self.first.push((at, *record));
            } else {
                self.left_out += 1;
            }
        }
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
    /// Which connection that is, and until when it is looked at; none if it is the first.
    fn names(&self) -> Option<(Why, Attempt, Time)> {
        if let Some((attempt, until)) = self.failed {
            return Some((Why::Failed, attempt, until));
        }
        let (fastest, (slowest, attempt, until)) = self.fastest.zip(self.slowest)?;
        (slowest > fastest.times(SLOW)).then_some((Why::Slow, attempt, until))
    }

    /// What happened to that connection, in a run that came to this summary. One that is not the first is recorded in a second run that
    /// ends with it.
    pub fn trace(
        self,
        scenario: &Scenario,
        summary: &Summary,
        watch: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Option<(Why, Trace)> {
        let Some((why, attempt, to)) = self.names() else {
            let Witness { first: records, left_out, .. } = self;
            let summary = summary.clone();
            return Some((Why::First, Trace { target: Target::Attempt(FIRST), records, left_out, summary }));
        };
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
    traced
        .records
        .retain(|(_, record)| about(record).is_some_and(|(attempt, tuple)| target.is(attempt, tuple)));
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
    let choices = [(Why::Failed, failed), (Why::Slow, slow), (Why::Reused, reused)];
    let found = choices.into_iter().find_map(|(why, target)| Some((why, target.filter(short)?)));
    found.unwrap_or((Why::First, Target::Attempt(FIRST)))
}
