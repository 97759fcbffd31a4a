//! A pause of a drawn length: the server of a conversation serves its request.
//!
//! What comes before the pause hangs on when the conversation began. What comes after it hangs, beside that, on how far each clock has
//! moved during the pause, and where in its period each of them goes on: on nothing else of the length that was drawn. So each
//! beginning has scripts for the ways to go on, one for each such class of lengths, which agree with it up to the pause. The length is drawn when
//! the server has the request, as for any connection, and then the conversation takes up the script of its class.
//!
//! A class is rehearsed with the shortest and the longest of its lengths. How exactly an end stands after the pause may differ between two lengths
//! of a class by less than a tick, so a conversation that leaves there is played once more, with its own length.

use std::collections::VecDeque;

use super::rehearsal::{Cast, Raw, play, rehearse};
use super::script::{Awaits, CLIENT, Clock, Phase, SERVER, Script, Stand};
use super::scripts::{Scripts, Stage};
use super::writing::{Groups, phases};
use crate::app::AppTimer;
use crate::engine::event::Event;
use crate::engine::queue::{LaneId, Queue};
use crate::engine::record::Sink;
use crate::engine::world::World;
use crate::host::Conversation;
use crate::ids::{HostId, Key};
use crate::order::{Order, Rank};
use crate::time::{Span, Time};

/// Two lengths of a class differ by less: all clocks but the finest have moved by as many periods, and one of them counts
/// milliseconds.
pub(super) const WIDEST: Span = Span::from_millis(2);
/// Conversations of a class that must have found no script before one is rehearsed.
const WORTH_A_REHEARSAL: u32 = 16;
/// A rehearsal costs as much as a script saves for thirty conversations. So there are as many scripts as these, and one more for
/// each so many conversations: where lengths are spread so widely that few are alike, that costs a fifth at most.
const FIRST_SCRIPTS: u64 = 16;
const CONVERSATIONS_A_SCRIPT: u64 = 128;
/// Most classes that are counted.
const MOST_CLASSES: usize = 1 << 16;

/// By how many periods each clock has moved during a pause, the finest left out.
pub(super) type Moved = [u64; 4];

/// A pause in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// The step with which it begins.
    pub(super) draws: u16,
    /// The step with which it ends. All steps behind it come after the pause, and no other does.
    pub(super) resumes: u16,
    /// When it begins, after the conversation did.
    after: Span,
    /// How long it was in the rehearsal.
    pub(super) lasts: Span,
    /// The phases of clocks in which it must end.
    phases: Vec<Phase>,
}

impl Pause {
    /// Where it is: the same for all scripts with the same beginning.
    pub(super) fn place(&self) -> (u16, u16, Span) {
        (self.draws, self.resumes, self.after)
    }

    /// The shortest and the longest pause of this class, for a conversation that begins `at`; the rehearsal began at `start`.
    pub(super) fn extremes(&self, clocks: &[Clock], start: Time, at: Time) -> Option<[Span; 2]> {
        let (mut shortest, mut longest) = (0, u64::MAX);
        for &clock in clocks.iter().filter(|clock| !clock.is_finest()) {
            let into = |moment: Time| clock.into_period(moment) + self.after.0;
            let periods = (into(start) + self.lasts.0) / clock.period * clock.period;
            let phase = self.phases.iter().find(|phase| phase.clock == clock);
            let (low, high) = phase.map_or((0, clock.period), |phase| (phase.low, phase.high));
            shortest = shortest.max((periods + low).saturating_sub(into(at)));
            longest = longest.min((periods + high).checked_sub(into(at))?);
        }
        (shortest < longest).then_some([Span(shortest), Span(longest - 1)])
    }
}

/// By how many periods the clocks move between two moments.
fn moved(clocks: &[Clock], from: Time, to: Time) -> Moved {
    let mut moved = Moved::default();
    let coarse = clocks.iter().filter(|clock| !clock.is_finest());
    for (moved, clock) in moved.iter_mut().zip(coarse) {
        *moved = clock.periods(to) - clock.periods(from);
    }
    moved
}

/// The events of a rehearsal, in an order that is the same for all lengths of the pause: first those that do not wait for its
/// end. Each end keeps the order of its own.
pub(super) struct Played {
    pub(super) raws: Vec<Raw>,
    /// The places of the events with which the pause begins and ends, and how long it is.
    pause: Option<(usize, usize, Span)>,
}

impl Played {
    /// `served` is how long the server took. `None` if an end does something before its pause ends that would, with another length, come
    /// after it.
    pub(super) fn new(raws: Vec<Raw>, served: Option<Span>) -> Option<Played> {
        let Some(draws) = raws.iter().position(|raw| raw.draws) else {
            return Some(Played { raws, pause: None });
        };
        let lasts = served?;
        let ends = raws[draws].after + lasts;
        let is_end = |raw: &Raw| (raw.side, raw.cause, raw.after) == (SERVER, Awaits::AppTimer, ends);
        let resumes = draws + 1 + raws[draws + 1..].iter().position(is_end)?;
        let waits = those_that_wait(&raws, resumes)?;
        for side in [CLIENT, SERVER] {
            let own = raws.iter().zip(&waits).filter(|(raw, _)| raw.side == side).map(|(_, &waits)| waits);
            if !own.is_sorted() {
                return None;
            }
        }
        let draws = waits[..draws].iter().filter(|&&waits| !waits).count();
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for (raw, waits) in raws.into_iter().zip(waits) {
            if waits { then.push(raw) } else { first.push(raw) }
        }
        let resumes = first.len();
        first.append(&mut then);
        Some(Played { raws: first, pause: Some((draws, resumes, lasts)) })
    }

    /// Those that do not wait for the end of the pause.
    pub(super) fn before(&self) -> &[Raw] {
        &self.raws[..self.pause.map_or(self.raws.len(), |(_, resumes, _)| resumes)]
    }

    /// The pause of the script that they become.
    pub(super) fn pause(&self, groups: &Groups, cast: &Cast<'_>, start: Time) -> Option<Pause> {
        let (draws, resumes, lasts) = self.pause?;
        let step = |raw: usize| groups.steps.iter().position(|step| step.contains(&raw));
        let from = self.raws[resumes].after;
        Some(Pause {
            draws: step(draws)? as u16,
            resumes: step(resumes)? as u16,
            after: self.raws[draws].after,
            lasts,
            phases: phases(cast, start, &self.raws[resumes..], from),
        })
    }
}

/// Which events come of the one at `resumes`.
fn those_that_wait(raws: &[Raw], resumes: usize) -> Option<Vec<bool>> {
    let mut flying: [VecDeque<bool>; 2] = Default::default();
    let mut armed = [false; 2];
    let mut all = Vec::new();
    for (i, raw) in raws.iter().enumerate() {
        let waits = i == resumes
            || match raw.cause {
                Awaits::Start => false,
                Awaits::Segments(_) => flying[1 - raw.side].pop_front()?,
                Awaits::AppTimer => armed[raw.side],
            };
        flying[raw.side].extend(raw.sent.iter().map(|_| waits));
        if matches!(raw.app, AppTimer::Armed(_)) {
            armed[raw.side] = waits;
        }
        all.push(waits);
    }
    Some(all)
}

/// The scripts of one class of lengths behind one beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Class {
    scripts: Vec<u32>,
    missed: u32,
    /// A rehearsal has failed.
    hopeless: bool,
}

impl Script {
    /// Whether a step comes after the pause.
    pub(super) fn is_after_pause(&self, step: usize) -> bool {
        self.pause.as_ref().is_some_and(|pause| step >= usize::from(pause.resumes))
    }

    /// Whether another script is the same up to the pause.
    fn begins_like(&self, other: &Script) -> bool {
        let (Some(pause), Some(theirs)) = (&self.pause, &other.pause) else { return false };
        let steps = 0..usize::from(pause.resumes);
        let segments =
            |script: &Script, step: usize| script.steps[step].segments.of(&script.segments).to_vec();
        pause.place() == theirs.place()
            && self.steps[steps.clone()] == other.steps[steps.clone()]
            && steps.into_iter().all(|step| segments(self, step) == segments(other, step))
    }
}

impl Scripts {
    /// A script goes on after its pause in one way: the first for its beginning, or another one.
    pub(super) fn file(&mut self, beginning: u32, script: u32) {
        let Script { model, pause: Some(pause), route, .. } = &self.all[script as usize] else { return };
        let moved =
            moved(&self.routes[*route as usize].clocks, model.at, model.at + pause.after + pause.lasts);
        self.classes.entry((beginning, moved)).or_default().scripts.push(script);
    }

    /// The script for a conversation whose server will answer at that time.
    fn going_on(&mut self, talk: &Conversation, due: Time, stage: &Stage<'_>) -> Option<u32> {
        let beginning = talk.script;
        let place = self.all[beginning as usize].route;
        let moved = moved(&self.routes[place as usize].clocks, talk.began, due);
        let paid = FIRST_SCRIPTS + self.followed / CONVERSATIONS_A_SCRIPT;
        let full = self.is_full() || self.all.len() as u64 >= paid;
        if self.classes.len() == MOST_CLASSES && !self.classes.contains_key(&(beginning, moved)) {
            return None;
        }
        let class = self.classes.entry((beginning, moved)).or_default();
        let all = &self.all;
        let fits = |&&script: &&u32| {
            let pause = all[script as usize].pause.as_ref();
            pause.is_some_and(|pause| pause.phases.iter().all(|phase| phase.has(due)))
        };
        let known = class.scripts.iter().find(fits).copied();
        if known.is_some() {
            return known;
        }
        class.missed += 1;
        if class.missed < WORTH_A_REHEARSAL || class.hopeless || full {
            return None;
        }
        class.missed = 0;
        let cast = self.cast_of(talk, stage);
        let script = rehearse(&cast, place, talk.began)
            .filter(|script| script.begins_like(&self.all[beginning as usize]));
        let added = script.and_then(|mut script| {
            let after = script.pause.as_ref().map_or(0, |pause| usize::from(pause.resumes));
            script.scenes[after..].iter_mut().for_each(|scene| scene.stand = Stand::Gone);
            self.add(place, script)
        });
        match added {
            Some(script) => self.file(beginning, script),
            None => self.classes.entry((beginning, moved)).or_default().hopeless = true,
        }
        added
    }

    fn cast_of<'a>(&'a self, talk: &Conversation, stage: &'a Stage<'a>) -> Cast<'a> {
        let place = self.all[talk.script as usize].route;
        let pair = (talk.tuple.local.addr, talk.tuple.remote);
        Cast { served: Some(talk.served), ..self.cast(place, talk.attempt.traffic, pair, stage) }
    }

    /// A conversation as it was, played anew.
    pub(super) fn as_it_was(&self, talk: &Conversation, stage: &Stage<'_>) -> Option<Script> {
        play(&self.cast_of(talk, stage), self.all[talk.script as usize].route, talk.began)
    }
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// The server of a conversation has its request, and a worker takes it.
    pub(super) fn begin_service_in_script(&mut self, key: Key) {
        let World { scripts, hosts, sources, net, now, talks, queue, .. } = self;
        let (Some(scripts), Some(talk)) = (scripts.as_deref_mut(), talks.get_mut(key)) else { return };
        let route = &scripts.routes[scripts.all[talk.script as usize].route as usize];
        let listeners = &mut hosts[route.hosts[SERVER].index()].listeners;
        listeners[usize::from(talk.listener)].working.up(*now);
        let source = &mut sources[talk.attempt.traffic.index()];
        talk.served = source.spec.service_time.draw(&mut source.service);
        talk.app_armed[SERVER] = queue.ticket();
        let order = Order { time: *now + talk.served, rank: Rank::new(talk.app_armed[SERVER], None) };
        let stage = Stage { hosts, sources, net };
        let Some(script) = scripts.going_on(talk, order.time, &stage) else { return self.leave(key) };
        let Script { first, pause, .. } = &scripts.all[script as usize];
        (talk.script, talk.first) = (script, *first);
        talk.queued += 1;
        queue.place(LaneId::NONE, order, Event::Cue(key, pause.as_ref().map_or(0, |pause| pause.resumes)));
    }

    /// A cue of a conversation has come. Whether it is the end of its pause: then the worker is free.
    pub(super) fn end_service_in_script(&mut self, key: Key, at: u16) -> bool {
        let (Some(scripts), Some(talk)) = (self.scripts.as_deref(), self.talks.get(key)) else {
            return false;
        };
        let script = &scripts.all[talk.script as usize];
        let ends = script.pause.as_ref().is_some_and(|pause| pause.resumes == at);
        if ends {
            let server = scripts.routes[script.route as usize].hosts[SERVER];
            self.hosts[server.index()].listeners[usize::from(talk.listener)].working.down();
        }
        ends
    }

    /// A conversation leaves its script within its pause: the worker goes on with a full socket.
    pub(super) fn go_on_serving(&mut self, host: HostId, key: Key, talk: &Conversation, pause: &Pause) {
        let epoch = self.hosts[host.index()].listeners[usize::from(talk.listener)].epoch;
        let time = talk.began + pause.after + talk.served;
        let order = Order { time, rank: Rank::new(talk.app_armed[SERVER], None) };
        self.queue.place(LaneId::NONE, order, Event::Served(host, talk.listener, epoch, key));
    }
}
