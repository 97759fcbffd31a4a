//! Following the script.

use super::beats::Beat;
use super::script::{Hop, SERVER, Script};
use super::scripts::Stage;
use super::steps::{Parts, Rest, Scores, finds_room, has_room, is_calm};
use crate::conntrack::NO_HINT;
use crate::engine::queue::Queue;
use crate::engine::record::{DoneBy, Sink};
use crate::engine::world::World;
use crate::host::{Attempt, Conversation, Job, Numbers, Opened, Place, Spot};
use crate::ids::{Addr, HostId, Key, Slab, SockAddr};
use crate::tcp::State;
use crate::time::Span;

impl<Q: Queue, S: Sink> World<Q, S> {
    /// A connection that has got its descriptor and its port begins to follow a script, if there is one for it.
    pub(in crate::engine) fn converse(&mut self, opened: &Opened, attempt: Attempt, job: Job) -> bool {
        let World { scripts, hosts, sources, net, now, talks, sink, beats, .. } = self;
        let Some(scripts) = scripts.as_deref_mut() else { return false };
        // Somebody looks on; or somebody else waits for what comes of it.
        if (S::FOLLOWS && sink.follows(attempt, opened.tuple)) || job.front.is_some() {
            return false;
        }
        let host = sources[attempt.traffic.index()].spec.from;
        let stage = Stage { hosts, sources, net };
        let Some((script, listener)) = scripts.find(*now, opened, attempt.traffic, &stage, beats) else {
            return false;
        };
        let here = &mut hosts[host.index()];
        let secrets = opened.params.secrets;
        let stamp = (now.as_millis() as u32).wrapping_add(secrets.ts_offset);
        if !here.clocks(*now).calm || !is_calm(stamp) || !has_room(here) {
            return false;
        }
        let Script { first, route, .. } = scripts.all[script as usize];
        let server = scripts.routes[route as usize].hosts[SERVER];
        let key = talks.insert(Conversation {
            tuple: opened.tuple,
            attempt,
            dest: opened.dest,
            began: *now,
            job,
            script,
            first,
            listener,
            numbers: Numbers { isn: [secrets.isn.0, 0], stamp: [stamp, 0] },
            words: [DoneBy::known(host, opened.tuple), DoneBy::known(server, opened.tuple.reversed())],
            state: State::SynSent,
            taken: [0; 2],
            armed: [0; 2],
            app_armed: [0; 2],
            queued: 0,
            left: false,
            served: Span::ZERO,
            hint: NO_HINT,
            spot: Spot::default(),
        });
        let spot = here.tables.index.put(opened.tuple, Place::Conversation(key.slot() as u32));
        if let Some(talk) = talks.get_mut(key) {
            talk.spot = spot;
        }
        scripts.followed += 1;
        self.act(key, 0);
        true
    }

    /// A connection has found no port, for the first time: conversations hold some too.
    pub(in crate::engine) fn add_talking_holders(&mut self, host: HostId, (from, to): (Addr, SockAddr)) {
        let here = &mut self.hosts[host.index()];
        let dest = here.ports.dest(from, to);
        if here.ports.dest_mut(dest).refused.count == 1 && here.ports.dest_mut(dest).refused.last == self.now
        {
            let here_too =
                self.talks.iter().filter(|talk| talk.tuple.local.addr == from && talk.tuple.remote == to);
            let states = here_too.map(|talk| talk.state).filter(|state| *state != State::Closed);
            here.add_holders(dest, states);
        }
    }

    /// A packet that is in no script meets a conversation: it leaves its script first.
    #[cold]
    pub(in crate::engine) fn meet(&mut self, slot: u32) {
        self.leave(self.talks.key(slot));
    }

    /// Conversations go on until something else is due, or so many groups of segments have arrived. How many that were.
    pub(in crate::engine) fn follow(&mut self, most: u64) -> u64 {
        let pause = self.pause;
        let (Some(mut parts), talks) = self.parts() else { return most };
        let mut taken = 0;
        let (beat, rest) = loop {
            let order = parts.beats.first();
            if taken == most || order > parts.queue.first() || order.time >= pause {
                return taken;
            }
            let Some(Beat { key, at, hop, .. }) = parts.beats.pop() else { return taken };
            taken += 1;
            (*parts.now, *parts.moment) = (order.time, order);
            let Some(talk) = talks.get_mut(key) else { continue };
            talk.queued -= 1;
            let rest = parts.arrive(talk, key, at, hop);
            if rest != Rest::Nothing || !parts.scores.acceptable.is_empty() {
                break (Beat { order, key, at, hop }, rest);
            }
            if talk.queued == 0 {
                talks.remove(key);
            }
        };
        match rest {
            Rest::All => self.arrive_one_by_one(&beat),
            Rest::Stopped(stop) => self.stop(&beat, &stop),
            rest => self.go_on_with(beat.key, beat.at, rest),
        }
        self.forget_if_over(beat.key);
        self.settle();
        taken
    }

    /// The timer of an application fires.
    pub(in crate::engine) fn on_cue(&mut self, key: Key, at: u16) {
        let Some(talk) = self.talks.get_mut(key) else { return };
        talk.queued -= 1;
        if !talk.left && self.may_follow(key, at) {
            // That a worker is through is no event of its own.
            let served = self.end_service_in_script(key, at);
            self.events += u64::from(!served);
            self.act(key, at);
        } else {
            self.leave(key);
        }
        self.forget_if_over(key);
    }

    fn forget_if_over(&mut self, key: Key) {
        if self.talks.get(key).is_some_and(|talk| talk.queued == 0) {
            self.talks.remove(key);
        }
    }

    pub(super) fn put(&mut self, link: Hop, beat: Beat) {
        let (Some(mut parts), talks) = self.parts() else { return };
        if let Some(talk) = talks.get_mut(beat.key) {
            parts.put((link.lane, link.delay), talk, beat);
        }
    }

    /// Whether a step finds the room that it found in the rehearsal.
    pub(super) fn may_follow(&mut self, key: Key, at: u16) -> bool {
        let (Some(parts), talks) = self.parts() else { return false };
        let now = *parts.now;
        talks.get(key).is_some_and(|talk| {
            let act = &parts.scripts.acts[(talk.first + u32::from(at)) as usize];
            finds_room(act, talk, &parts.hosts[act.host.index()], now)
        })
    }

    /// Carries out a step of the script.
    pub(super) fn act(&mut self, key: Key, at: u16) {
        let (Some(mut parts), talks) = self.parts() else { return };
        let Some(talk) = talks.get_mut(key) else { return };
        let rest = parts.act(talk, key, at);
        self.go_on_with(key, at, rest);
    }

    fn parts(&mut self) -> (Option<Parts<'_, Q>>, &mut Slab<Conversation>) {
        let World { now, moment, talks, hosts, scripts, queue, beats, source_lanes, .. } = self;
        let World { digest, books, events, segments, acceptable, net, carried, .. } = self;
        let scores = Scores { digest, books, events, segments, acceptable };
        let parts = scripts.as_deref_mut().map(|scripts| Parts {
            now,
            moment,
            scripts,
            hosts,
            queue,
            beats,
            source_lanes,
            net,
            carried,
            scores,
        });
        (parts, talks)
    }

    /// What is left of a step.
    pub(super) fn go_on_with(&mut self, key: Key, at: u16, rest: Rest) {
        let Some(&Conversation { attempt, began, .. }) = self.talks.get(key) else { return };
        let (mut clean, mut rest) = (true, rest);
        if rest == Rest::Unsent {
            clean = self.send_one_by_one(key, at);
            let (Some(mut parts), talks) = self.parts() else { return };
            let Some(talk) = talks.get_mut(key) else { return };
            rest = parts.settle(talk, key, at);
        }
        match rest {
            Rest::Done => self.on_done(attempt.traffic, began, Job::NONE),
            Rest::Drawn => self.begin_service_in_script(key),
            _ => {}
        }
        if !clean {
            self.leave(key);
        }
    }
}
