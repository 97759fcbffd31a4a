//! From the events of a rehearsal to the steps of a script.

use super::rehearsal::{Cast, Raw};
use super::script::{
    Awaits, Counts, Exit, NOWHERE, Part, Phase, Scene, Script, Stand, StateSwing, Step, Swing, Which,
    without_numbers,
};
use crate::app::AppTimer;
use crate::counter::Counter;
use crate::host::Numbers;
use crate::tcp::State;
use crate::time::{Span, Time};

/// Which events are one step, and where the segments of each step land.
pub(super) struct Groups {
    pub(super) steps: Vec<core::ops::Range<usize>>,
    pub(super) lands: Vec<(u16, u16)>,
}

pub(super) fn group(raws: &[Raw], tracked: [bool; 2]) -> Option<Groups> {
    let mut steps: Vec<core::ops::Range<usize>> = Vec::new();
    let mut lands: Vec<(u16, u16)> = Vec::new();
    // By sender: the steps whose segments are still on their way, one entry for each.
    let mut flying: [std::collections::VecDeque<u16>; 2] = Default::default();
    let mut before: Option<(usize, u16, Span)> = None;
    for (i, raw) in raws.iter().enumerate() {
        let arrival = match raw.cause {
            Awaits::Segments(_) => Some((raw.side, flying[1 - raw.side].pop_front()?, raw.after)),
            Awaits::Start | Awaits::AppTimer => None,
        };
        // What is served for as long as is drawn ends its step.
        let drawn = i > 0 && raws[i - 1].draws;
        let together = arrival.is_some() && arrival == before && !drawn;
        if together && !tracked[raw.side] {
            steps.last_mut()?.end = i + 1;
        } else {
            if let Some((_, from, _)) = arrival {
                let (first, count) = &mut lands[usize::from(from)];
                if *first == NOWHERE {
                    *first = steps.len() as u16;
                } else if !together {
                    // Something came between.
                    return None;
                }
                *count += 1;
            }
            steps.push(i..i + 1);
            lands.push((NOWHERE, 0));
        }
        before = arrival;
        let this = steps.len() as u16 - 1;
        flying[raw.side].extend(raw.sent.iter().map(|_| this));
    }
    Some(Groups { steps, lands })
}

/// What several events do together.
struct Sum {
    states: Vec<StateSwing>,
    swings: Vec<Swing>,
    counts: Counts,
    counters: Vec<(Counter, u64)>,
}

impl Sum {
    fn of(raws: &[Raw]) -> Sum {
        let (states, swings, counters) = (Vec::new(), Vec::new(), Vec::new());
        let mut sum = Sum { states, swings, counts: Counts::default(), counters };
        for raw in raws {
            for swing in &raw.states {
                match sum.states.iter_mut().find(|known| known.state == swing.state) {
                    Some(known) => {
                        known.peak = known.peak.max((known.net + swing.peak as i8).max(0) as u8);
                        known.net += swing.net;
                    }
                    None => sum.states.push(*swing),
                }
            }
            for swing in &raw.swings {
                match sum.swings.iter_mut().find(|known| known.which == swing.which) {
                    Some(known) => {
                        known.peak = known.peak.max((known.net + swing.peak as i32).max(0) as u32);
                        known.net += swing.net;
                    }
                    None => sum.swings.push(*swing),
                }
            }
            sum.counts.add(raw.counts);
            for &(counter, n) in &raw.counters {
                match sum.counters.iter_mut().find(|(known, _)| *known == counter) {
                    Some((_, all)) => *all += n,
                    None => sum.counters.push((counter, n)),
                }
            }
        }
        sum.counters.sort_unstable_by_key(|&(counter, _)| counter as usize);
        sum
    }
}

impl Script {
    /// One step out of its events.
    pub(super) fn step(&mut self, raws: &[Raw], numbers: &Numbers) -> Option<()> {
        let (first, last) = (&raws[0], &raws[raws.len() - 1]);
        let Sum { states, swings, counts, counters } = Sum::of(raws);
        let (moves, books, segments) = (self.moves.len(), self.books.len(), self.segments.len());
        for raw in raws {
            self.moves.extend(&raw.moves);
            self.books.extend(&raw.booked);
            self.segments.extend(raw.sent.iter().map(|seg| without_numbers(seg, raw.side, numbers)));
        }
        let (states_at, at) = (self.states.len(), self.swings.len());
        let opened = swings.iter().find(|swing| swing.which == Which::OpenFiles);
        let (accepts, frees) = opened.map_or((0, false), |swing| (swing.peak, swing.net < swing.peak as i32));
        self.states.extend(states);
        self.swings.extend(swings);
        let exit = raws.iter().map(|raw| &raw.exit).find(|exit| **exit != Exit::Stays);
        self.steps.push(Step {
            counts,
            states: Part::new(states_at, self.states.len())?,
            swings: Part::new(at, self.swings.len())?,
            moves: Part::new(moves, self.moves.len())?,
            books: Part::new(books, self.books.len())?,
            segments: Part::new(segments, self.segments.len())?,
            lands: (NOWHERE, 0),
            cause: if let Awaits::Segments(_) = first.cause {
                Awaits::Segments(raws.len() as u16)
            } else {
                first.cause
            },
            accepts: accepts as u16,
            measured: raws.iter().map(|raw| raw.measured).max().unwrap_or(0),
            side: first.side as u8,
            state: match &last.stand {
                Stand::Full(end) if end.hashed => end.endpoint.state(),
                Stand::Orphan(machine) => machine.state(),
                Stand::Full(_) | Stand::Gone | Stand::Request(_) => State::Closed,
            },
            opens: counts.listener[0] > 0,
            completes: counts.listener[0] < 0,
            looks: counts.listener[0] != 0 || accepts > 0,
            arms: raws.iter().any(|raw| raw.arms),
            arms_app: raws.iter().any(|raw| matches!(raw.app, AppTimer::Armed(_))),
            done: raws.iter().any(|raw| raw.done),
            draws: raws.iter().any(|raw| raw.draws),
            frees,
            recount: raws.iter().any(|raw| raw.recount),
            counted: counts != Counts::default(),
            asks_more: false,
        });
        self.scenes.push(Scene {
            after: first.after,
            sender: 0,
            app: None,
            exit: exit.cloned().unwrap_or(Exit::Stays),
            counters,
            stand: last.stand.clone(),
            connecting: last.connecting,
            alarms: last.alarms,
            app_timer: last.app_timer,
        });
        Some(())
    }

    /// Whose a step is.
    pub(super) fn side(&self, step: usize) -> usize {
        usize::from(self.steps[step].side)
    }
}

/// The phases of every clock that an end can read, for steps that follow a moment: `from` after the beginning of the rehearsal.
pub(super) fn phases(cast: &Cast<'_>, start: Time, raws: &[Raw], from: Span) -> Vec<Phase> {
    let steps = || raws.iter().map(|raw| Span(raw.after.0 - from.0));
    let phases = cast.clocks.iter().map(|&clock| Phase::of(clock, start + from, steps()));
    // Those that any moment is in need no looking at.
    phases.filter(|phase| !phase.is_whole()).collect()
}
