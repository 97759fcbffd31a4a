//! Following the script.

use super::leave::Plain;
use super::script::{Begun, CLIENT, Cause, Exit, NOWHERE, Route, SERVER, Script, Step, Which, with_numbers};
use super::scripts::{MARGIN, Scripts, Stage};
use crate::engine::ends::book;
use crate::engine::event::Event;
use crate::engine::queue::{LaneId, Queue};
use crate::engine::record::{SentBy, Sink, Whose, digest_move};
use crate::engine::world::World;
use crate::host::ports::{DestId, Owner};
use crate::host::{Attempt, Conversation, Hint, Host, Job, NewMini, Numbers, Opened, Packet, Place};
use crate::ids::{Addr, HostId, Key, Slab, SockAddr};
use crate::net::Direction;
use crate::order::{Order, Rank};
use crate::record::{Digest, TrafficSummary};
use crate::tcp::{Segment, State, Timestamps};
use crate::time::Time;

/// A segment that a side of a conversation sends, as a packet.
pub(super) fn packet(talk: &Conversation, seg: &Segment, side: usize) -> Packet {
    let tuple = talk.tuple_of(side);
    let seg = with_numbers(seg, side, &talk.numbers);
    Packet { tuple, seg, attempt: talk.attempt, from: Hint::NONE, to: Hint::NONE }
}

impl Step {
    /// The timers that it arms get their ranks, the application's first, as after any step.
    #[inline]
    fn give_ranks(&self, talk: &mut Conversation, queue: &mut impl Queue) {
        let side = usize::from(self.side & 1);
        if self.arms_app {
            talk.app_armed[side] = queue.ticket();
        }
        if self.arms {
            talk.armed[side] = queue.ticket();
        }
    }
}

/// What the steps of conversations count.
struct Scores<'a> {
    digest: &'a mut Digest,
    books: &'a mut [TrafficSummary],
    events: &'a mut u64,
    segments: &'a mut u64,
    acceptable: &'a mut Vec<(HostId, u16)>,
}

/// The parts of a world that the steps of conversations touch.
struct Parts<'a, Q> {
    now: Time,
    scripts: &'a mut Scripts,
    hosts: &'a mut [Host],
    queue: &'a mut Q,
    scores: Scores<'a>,
}

/// A step and where it is taken.
struct Here<'a> {
    step: &'a Step,
    route: &'a Route,
    host: &'a Host,
    side: usize,
}

impl Here<'_> {
    /// Whether the step finds the room that it found in the rehearsal.
    #[inline]
    fn has_room(&self, talk: &Conversation, now: Time) -> bool {
        let Here { step, host, .. } = self;
        if !has_room(host) {
            return false;
        }
        if !(step.opens | step.completes) {
            return step.accepts == 0;
        }
        let listen = &host.listeners[usize::from(talk.listener)];
        if step.opens {
            let tuple = talk.tuple.reversed();
            let random = host.cfg.timestamps == Timestamps::RandomOffset;
            let stamp = || (talk.began.as_millis() as u32).wrapping_add(host.ts_offset(tuple));
            return host.look_up(tuple).is_none()
                && listen.is_open(&host.cfg)
                && (!random || is_calm(stamp()));
        }
        let descriptors =
            host.stats.open_files.now + u64::from(step.accepts) <= u64::from(host.open_files_max());
        descriptors && listen.accepts_at_once(now)
    }
}

impl<Q: Queue> Parts<'_, Q> {
    #[inline]
    fn at(&mut self, talk: &Conversation, at: u16) -> Here<'_> {
        let script = &self.scripts.all[talk.script as usize];
        let (step, route) = (&script.steps[at as usize], &self.scripts.routes[script.route as usize]);
        let side = usize::from(step.side & 1);
        Here { step, route, host: &self.hosts[route.hosts[side].index()], side }
    }

    /// Carries out a step of the script: what nearly every step has. Whether this one has more.
    #[inline]
    fn act(&mut self, talk: &mut Conversation, key: Key, at: u16) -> bool {
        let Parts { now, scripts, hosts, queue, scores } = self;
        let now = *now;
        let Script { route, steps, scenes, swings, moves, books, lines, .. } =
            &mut scripts.all[talk.script as usize];
        let route = &scripts.routes[*route as usize];
        let step = &mut steps[at as usize];
        let side = usize::from(step.side & 1);
        let listener = usize::from(talk.listener);
        step.taken += 1;
        talk.taken[side] = at + 1;
        let there = route.hosts[side];
        let here = &mut hosts[there.index()];
        let tuple = talk.tuple_of(side);
        if side == CLIENT {
            talk.state = step.state;
        }
        if step.opens {
            let secrets = here.secrets(now, tuple);
            talk.numbers.isn[SERVER] = secrets.isn.0;
            talk.numbers.stamp[SERVER] = (talk.began.as_millis() as u32).wrapping_add(secrets.ts_offset);
        }
        let tracked = route.tracked[side];
        for swing in step.swings.of(swings) {
            // Where entries of a tracker come and go between, memory is counted when all is done.
            if !(tracked && swing.which == Which::Memory) {
                swing.which.of(here, listener).swing(now, swing.peak, swing.net);
            }
        }
        if step.counted && (!tracked || step.counts.begins()) {
            step.counts.apply(here, (side == SERVER).then_some(listener));
        }
        if step.recount && !tracked {
            here.account(now);
        }
        here.stats.accepted += u64::from(step.accepts);
        if step.frees {
            here.descriptor_freed(|listener| scores.acceptable.push((there, listener)));
        }
        let whose = Whose { host: there, tuple, attempt: talk.attempt };
        for &to in step.moves.of(moves) {
            digest_move(scores.digest, now, &whose, to);
        }
        for &booked in step.books.of(books) {
            book(&mut scores.books[talk.attempt.traffic.index()], now, booked, talk.began, &mut talk.job);
        }
        if !tracked {
            let lines = step.segments.of(lines);
            let by = SentBy::new(now, there, tuple);
            for line in lines {
                let (numbers, flags_and_window, len) = line.words(side, &talk.numbers);
                by.take(scores.digest, numbers, flags_and_window, len);
            }
            *scores.segments += lines.len() as u64;
            if step.lands.0 != NOWHERE {
                let hop = &route.ways[side][0];
                talk.queued += 1;
                queue.push(hop.lane, now + hop.delay, Event::Beat(key, step.lands.0, 0));
            }
        }
        if !tracked {
            step.give_ranks(talk, &mut **queue);
        }
        debug_assert!(
            tracked || scenes[at as usize].exit != Exit::Stays || here.stats.memory.now == here.bytes(),
            "step {at} of {:?}: {} for {}",
            step,
            here.stats.memory.now,
            here.bytes()
        );
        step.asks_more | tracked
    }
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// A connection that has got its descriptor and its port begins to follow a script, if there is one for it.
    pub(in crate::engine) fn converse(&mut self, opened: &Opened, attempt: Attempt, job: Job) -> bool {
        let World { scripts, hosts, sources, net, queue, now, talks, sink, .. } = self;
        let Some(scripts) = scripts.as_deref_mut() else { return false };
        // Somebody looks on; or somebody else waits for what comes of it.
        if (S::FOLLOWS && sink.follows(attempt, opened.tuple)) || job.front.is_some() {
            return false;
        }
        let host = sources[attempt.traffic.index()].spec.from;
        let stage = Stage { hosts, sources, net };
        let mut lanes = core::mem::take(&mut scripts.lanes);
        let lane_of = &mut |direction: Direction| {
            let at = direction.0 as usize;
            if lanes.len() <= at {
                lanes.resize(at + 1, LaneId::NONE);
            }
            if lanes[at] == LaneId::NONE {
                lanes[at] = queue.event_lane();
            }
            lanes[at]
        };
        let found = scripts.find(*now, opened, attempt.traffic, &stage, lane_of);
        scripts.lanes = lanes;
        let Some((script, listener)) = found else { return false };
        let here = &mut hosts[host.index()];
        let secrets = opened.params.secrets;
        let stamp = (now.as_millis() as u32).wrapping_add(secrets.ts_offset);
        if !here.clocks(*now).calm || !is_calm(stamp) || !has_room(here) {
            return false;
        }
        let key = talks.insert(Conversation {
            tuple: opened.tuple,
            attempt,
            dest: opened.dest,
            began: *now,
            job,
            script,
            listener,
            numbers: Numbers { isn: [secrets.isn.0, 0], stamp: [stamp, 0] },
            state: State::SynSent,
            taken: [0; 2],
            armed: [0; 2],
            app_armed: [0; 2],
            queued: 0,
            left: false,
        });
        here.tables.index.put(opened.tuple, Place::Conversation(key.slot() as u32));
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

    /// Something of a conversation is due: the segments that arrive with its step `at` have come so many links far, or the timer of
    /// an application fires.
    pub(in crate::engine) fn on_beat(&mut self, key: Key, at: u16, hop: u16) {
        let now = self.now;
        let (Some(mut parts), talks) = self.parts() else { return };
        let Some(talk) = talks.get_mut(key) else { return };
        talk.queued -= 1;
        let here = parts.at(talk, at);
        if let Cause::Segments(n) = here.step.cause
            && !talk.left
            && hop + 1 == here.route.hops[here.side]
            && !here.route.tracked[here.side]
            && here.has_room(talk, now)
        {
            *parts.scores.events += u64::from(n);
            let more = parts.act(talk, key, at);
            if !more {
                if talk.queued == 0 {
                    self.talks.remove(key);
                }
                return;
            }
            self.act_on(key, at);
        } else {
            self.on_rare_beat(key, at, hop);
        }
        if self.talks.get(key).is_some_and(|talk| talk.queued == 0) {
            self.talks.remove(key);
        }
    }

    fn on_rare_beat(&mut self, key: Key, at: u16, hop: u16) {
        let Some(talk) = self.talks.get_mut(key) else { return };
        let Some(scripts) = self.scripts.as_deref() else { return };
        let script = &scripts.all[talk.script as usize];
        let step = &script.steps[at as usize];
        let way = &scripts.routes[script.route as usize].ways[1 - script.side(usize::from(at))];
        let Cause::Segments(n) = step.cause else {
            if !talk.left && self.may_follow(key, at) {
                self.events += 1;
                self.act(key, at);
            } else {
                self.leave(key);
            }
            return;
        };
        let (here, next) = (way[usize::from(hop)], way.get(usize::from(hop) + 1).copied());
        let plain = Plain { here: here.to, from: 0 };
        match next {
            _ if talk.left => self.go_plainly(key, at, plain),
            Some(next) if !here.tracked => {
                self.events += u64::from(n);
                talk.queued += 1;
                self.queue.push(next.lane, self.now + next.delay, Event::Beat(key, at, hop + 1));
            }
            Some(_) => self.pass_tracked(key, at, hop, here.to),
            None if here.tracked => self.reach_tracked(key, at, here.to),
            None => {
                self.leave(key);
                self.go_plainly(key, at, plain);
            }
        }
    }

    /// The segments of a group reach a host that tracks them: one by one.
    fn reach_tracked(&mut self, key: Key, first: u16, here: HostId) {
        let sender = self.sender_of(key, first);
        for (i, at) in (usize::from(first)..).enumerate() {
            let (Some(talk), Some(seg)) = (self.talks.get(key), self.segment(key, sender, i)) else { return };
            let side = self.side_of(talk, first);
            let packet = packet(talk, &seg, 1 - side);
            if !self.may_follow(key, at as u16) {
                self.leave(key);
                return self.go_plainly(key, first, Plain { here, from: i });
            }
            self.events += 1;
            if !self.track(here, &packet) {
                self.leave(key);
                return self.go_plainly(key, first, Plain { here, from: i + 1 });
            }
            self.act(key, at as u16);
            if self.talks.get(key).is_some_and(|talk| talk.left) {
                return self.go_plainly(key, first, Plain { here, from: i + 1 });
            }
            self.settle();
        }
    }

    /// A host on the way tracks the segments of a group.
    fn pass_tracked(&mut self, key: Key, at: u16, hop: u16, here: HostId) {
        let Some(talk) = self.talks.get(key).cloned() else { return };
        let (side, sender) = (1 - self.side_of(&talk, at), self.sender_of(key, at));
        let mut i = 0;
        while let Some(seg) = self.segment(key, sender, i) {
            self.events += 1;
            if self.track(here, &packet(&talk, &seg, side)) {
                i += 1;
                continue;
            }
            self.leave(key);
            let path = self.net.path(here, packet(&talk, &seg, side).tuple.remote.addr);
            for passed in (0..i).filter_map(|i| self.segment(key, sender, i)).collect::<Vec<_>>() {
                self.forward(here, path, &packet(&talk, &passed, side));
            }
            return self.go_plainly(key, at, Plain { here, from: i + 1 });
        }
        let Some(scripts) = self.scripts.as_deref() else { return };
        let route = &scripts.routes[scripts.all[talk.script as usize].route as usize];
        let next = route.ways[side][usize::from(hop) + 1];
        self.queue.push(next.lane, self.now + next.delay, Event::Beat(key, at, hop + 1));
        if let Some(talk) = self.talks.get_mut(key) {
            talk.queued += 1;
        }
    }

    /// Whether a step finds the room that it found in the rehearsal.
    fn may_follow(&mut self, key: Key, at: u16) -> bool {
        let (Some(mut parts), talks) = self.parts() else { return false };
        let now = parts.now;
        talks.get(key).is_some_and(|talk| parts.at(talk, at).has_room(talk, now))
    }

    /// Carries out a step of the script.
    fn act(&mut self, key: Key, at: u16) {
        let (Some(mut parts), talks) = self.parts() else { return };
        let Some(talk) = talks.get_mut(key) else { return };
        if parts.act(talk, key, at) {
            self.act_on(key, at);
        }
    }

    fn parts(&mut self) -> (Option<Parts<'_, Q>>, &mut Slab<Conversation>) {
        let World { hosts, now, talks, scripts, digest, queue, books, events, segments, acceptable, .. } =
            self;
        let scores = Scores { digest, books, events, segments, acceptable };
        let parts = scripts.as_deref_mut().map(|scripts| Parts { now: *now, scripts, hosts, queue, scores });
        (parts, talks)
    }

    /// What few steps have beside what [`Parts::act`] does.
    fn act_on(&mut self, key: Key, at: u16) {
        let Some(talk) = self.talks.get_mut(key) else { return };
        let Some(scripts) = self.scripts.as_deref() else { return };
        let script = &scripts.all[talk.script as usize];
        let route = &scripts.routes[script.route as usize];
        let step = &script.steps[at as usize];
        let (side, now, attempt) = (script.side(usize::from(at)), self.now, talk.attempt);
        let (there, tuple) = (route.hosts[side], talk.tuple_of(side));
        let (done, tracked) = (step.done, route.tracked[side]);
        let late = (tracked && step.counted && !step.counts.begins()).then_some(step.counts);
        let passed = if tracked { self.send_tracked(key, usize::from(at), there) } else { None };
        let Some(talk) = self.talks.get_mut(key) else { return };
        let Some(scripts) = self.scripts.as_deref() else { return };
        let script = &scripts.all[talk.script as usize];
        let (step, scene) = (&script.steps[at as usize], &script.scenes[at as usize]);
        if tracked {
            step.give_ranks(talk, &mut self.queue);
        }
        if let Some((delay, fires)) = scene.app {
            talk.queued += 1;
            let lane = self.source_lanes[attempt.traffic.index()].apps[side];
            let order = Order { time: now + delay, rank: Rank::new(talk.app_armed[side], None) };
            self.queue.place(lane, order, Event::Beat(key, fires, 0));
        }
        let here = &mut self.hosts[there.index()];
        if let Some(counts) = late {
            counts.apply(here, (side == SERVER).then_some(usize::from(talk.listener)));
        }
        let (dest, owner) =
            if side == CLIENT { (talk.dest, Owner::Auto) } else { (DestId::NONE, Owner::Explicit) };
        match &scene.exit {
            Exit::Stays => {}
            Exit::Free => {
                if side == CLIENT {
                    here.tables.index.remove(tuple);
                    here.ports.release(tuple.local.port, owner, dest);
                    here.account(now);
                }
            }
            Exit::TimeWait(machine) => {
                let machine = script.waits(machine, side, &Begun::new(talk.began, talk.numbers), here, now);
                if side == SERVER {
                    here.ports.take(now, tuple.local.port, owner, dest);
                }
                self.begin_mini(there, NewMini { tuple, attempt, dest, owner }, &machine);
            }
        }
        if tracked {
            self.hosts[there.index()].account(now);
        }
        if done {
            self.on_done(attempt.traffic, Job::NONE);
        }
        if let Some(passed) = passed {
            self.leave(key);
            for packet in passed {
                let path = self.net.path(there, packet.tuple.remote.addr);
                self.forward(there, path, &packet);
            }
        }
    }

    /// The segments of a step of a host that tracks what it sends. If one does not pass: those that do.
    fn send_tracked(&mut self, key: Key, at: usize, there: HostId) -> Option<Vec<Packet>> {
        let talk = self.talks.get(key)?.clone();
        let scripts = self.scripts.as_deref()?;
        let script = &scripts.all[talk.script as usize];
        let step = &script.steps[at];
        let (side, lands) = (script.side(at), step.lands.0);
        let hop = scripts.routes[script.route as usize].ways[side][0];
        // Made only once a segment has not passed.
        let mut passed: Option<Vec<Packet>> = None;
        let mut i = 0;
        while let Some(seg) = self.segment(key, at, i) {
            let sent = packet(&talk, &seg, side);
            self.segments += 1;
            self.record_packet(there, &sent, crate::engine::record::Record::Sent);
            match (self.track(there, &sent), &mut passed) {
                (true, None) | (false, Some(_)) => {}
                (true, Some(passed)) => passed.push(sent),
                (false, None) => {
                    let before = (0..i).filter_map(|i| self.segment(key, at, i));
                    passed = Some(before.map(|seg| packet(&talk, &seg, side)).collect());
                }
            }
            i += 1;
        }
        if passed.is_none() && lands != NOWHERE {
            self.queue.push(hop.lane, self.now + hop.delay, Event::Beat(key, lands, 0));
            if let Some(talk) = self.talks.get_mut(key) {
                talk.queued += 1;
            }
        }
        passed
    }

    /// The step that sends what arrives with a step.
    pub(super) fn sender_of(&self, key: Key, at: u16) -> usize {
        let (Some(talk), Some(scripts)) = (self.talks.get(key), self.scripts.as_deref()) else { return 0 };
        scripts.all[talk.script as usize].scenes[at as usize].sender
    }

    /// A segment that a step sends, by its place among them, without the numbers of the conversation.
    pub(super) fn segment(&self, key: Key, step: usize, i: usize) -> Option<Segment> {
        let (talk, scripts) = (self.talks.get(key)?, self.scripts.as_deref()?);
        let script = &scripts.all[talk.script as usize];
        script.steps.get(step)?.segments.of(&script.segments).get(i).copied()
    }

    /// Whose step it is.
    pub(super) fn side_of(&self, talk: &Conversation, at: u16) -> usize {
        let side = |scripts: &Scripts| scripts.all[talk.script as usize].side(usize::from(at));
        self.scripts.as_deref().map_or(CLIENT, side)
    }
}

/// Whether a timestamp stays clear of the 0 that means "none" for as long as a script takes.
#[inline]
fn is_calm(stamp: u32) -> bool {
    stamp.wrapping_sub(1) < u32::MAX - (1 << 17)
}

/// Whether a host has room for more orphans and mini-sockets.
#[inline]
fn has_room(host: &Host) -> bool {
    host.shared.orphans + MARGIN <= host.cfg.max_orphans
        && host.shared.mini_sockets + MARGIN <= host.cfg.max_tw_buckets
}
