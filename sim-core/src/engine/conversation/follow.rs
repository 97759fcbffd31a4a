//! Following the script.

use super::act::Act;
use super::beats::{Beat, Beats, LaneNumber};
use super::leave::Plain;
use super::script::{Begun, CLIENT, Exit, Hop, NOWHERE, SERVER, Which, with_numbers};
use super::scripts::{MARGIN, Scripts, Stage};
use crate::conntrack::NO_HINT;
use crate::engine::ends::book;
use crate::engine::event::Event;
use crate::engine::queue::Queue;
use crate::engine::record::{DoneBy, Lost, Record, Sink};
use crate::engine::world::{SourceLanes, World, queue_row};
use crate::host::ports::{DestId, Owner};
use crate::host::{Attempt, Conversation, Hint, Host, Job, Mini, NewMini, Numbers, Opened, Packet, Place};
use crate::ids::{Addr, HostId, Key, Slab, SockAddr};
use crate::log::LogLine;
use crate::net::{Carried, Net};
use crate::order::{Order, Rank};
use crate::record::{Digest, TrafficSummary};
use crate::tcp::{Segment, State, Timestamps};
use crate::time::{Span, Time};

/// A segment that a side of a conversation sends, as a packet.
pub(super) fn packet(talk: &Conversation, seg: &Segment, side: usize) -> Packet {
    let tuple = talk.tuple_of(side);
    let seg = with_numbers(seg, side, &talk.numbers);
    Packet { tuple, seg, attempt: talk.attempt, from: Hint::NONE, to: Hint::NONE }
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
    now: &'a mut Time,
    moment: &'a mut Order,
    scripts: &'a mut Scripts,
    hosts: &'a mut [Host],
    queue: &'a mut Q,
    beats: &'a mut Beats,
    source_lanes: &'a [SourceLanes],
    net: &'a mut Net,
    carried: &'a mut Vec<Carried>,
    scores: Scores<'a>,
}

/// What a step, or what is due, leaves to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    /// A worker of the source begins anew.
    Done,
    /// Somebody looks at each of its segments, and they have not been sent yet.
    Unsent,
    /// A host has passed on not all of them, or a link has done more than delay one.
    Stopped(Stop),
    /// All of it.
    All,
}

/// The first segment of a group that did not go as in the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stop {
    /// Which of them it is.
    place: usize,
    /// The tracker let it pass.
    passed: bool,
    /// What the link made of it.
    carried: Carried,
    /// What the tracker's kernel printed.
    line: Option<LogLine>,
}

/// Whether a step finds the room that it found in the rehearsal.
#[inline]
fn finds_room(act: &Act, talk: &Conversation, host: &Host, now: Time) -> bool {
    has_room(host) && (!act.looks || looks(act, talk, host, now))
}

/// Whether a step that opens, completes or accepts finds what it found in the rehearsal.
fn looks(act: &Act, talk: &Conversation, host: &Host, now: Time) -> bool {
    let listen = &host.listeners[usize::from(talk.listener)];
    if act.opens {
        let tuple = talk.tuple.reversed();
        let random = host.cfg.timestamps == Timestamps::RandomOffset;
        let stamp = || (talk.began.as_millis() as u32).wrapping_add(host.ts_offset(tuple));
        return host.look_up(tuple).is_none() && listen.is_open(&host.cfg) && (!random || is_calm(stamp()));
    }
    if !act.completes {
        return act.accepts == 0;
    }
    let descriptors = host.stats.open_files.now + u64::from(act.accepts) <= u64::from(host.open_files_max());
    descriptors && listen.accepts_at_once(now)
}

/// What a step does to the gauges and counts of its host.
#[inline]
fn move_gauges(act: &Act, here: &mut Host, now: Time, listener: usize) {
    for swing in act.states.list() {
        let gauge = &mut here.stats.states[swing.state as usize];
        gauge.swing(now, u64::from(swing.peak), i64::from(swing.net));
    }
    for swing in act.swings.list() {
        // Where entries of a tracker come and go between, memory is counted when all is done.
        if !(act.tracked && swing.which == Which::Memory) {
            swing.which.of(here, listener).swing(now, u64::from(swing.peak), i64::from(swing.net));
        }
    }
    if act.counted && (!act.tracked || act.counts.begins()) {
        act.counts.apply(here, (usize::from(act.side) == SERVER).then_some(listener));
    }
    if act.recount && !act.tracked {
        here.account(now);
    }
}

/// Gives the segments of a step to a link that may lose one. Whether it does nothing but delay them; else `carried` says what it does.
fn carries_plainly(net: &mut Net, carried: &mut Vec<Carried>, act: &Act) -> bool {
    carried.clear();
    carried.extend((0..act.sends).map(|_| net.carry(act.direction)));
    carried.iter().all(Carried::is_plain)
}

impl<Q: Queue> Parts<'_, Q> {
    /// Segments that go on with a step have come over a link: to where they are for, or to a host that passes them on.
    #[expect(clippy::inline_always, reason = "the loop of all conversations: a call costs a tenth of a step")]
    #[inline(always)]
    fn arrive(&mut self, talk: &mut Conversation, beat: &Beat) -> Rest {
        let act = &self.scripts.acts[(talk.first + u32::from(beat.at)) as usize];
        if talk.left {
            return Rest::All;
        }
        if beat.hop + 1 < act.hops {
            return self.pass_on(talk, beat);
        }
        if act.tracked || !finds_room(act, talk, &self.hosts[act.host.index()], *self.now) {
            return Rest::All;
        }
        *self.scores.events += u64::from(act.arrive);
        self.act(talk, beat.key, beat.at)
    }

    /// A host passes on what goes on with a step. It may track it, and the next link may lose some of it.
    #[inline(never)]
    fn pass_on(&mut self, talk: &mut Conversation, beat: &Beat) -> Rest {
        let Parts { now, scripts, hosts, net, scores, .. } = self;
        let act = &scripts.acts[(talk.first + u32::from(beat.at)) as usize];
        let sender = &scripts.acts[(talk.first + u32::from(act.sender)) as usize];
        let script = &scripts.all[talk.script as usize];
        let side = usize::from(sender.side & 1);
        let links = &scripts.routes[script.route as usize].ways[side].links;
        let (here, next) = (links[usize::from(beat.hop)], links[usize::from(beat.hop) + 1]);
        if here.tracked | next.lucky {
            let segments = script.steps[usize::from(act.sender)].segments.of(&script.segments);
            for (place, seg) in segments.iter().enumerate() {
                *scores.events += 1;
                let mut line = None;
                let passed = !here.tracked || {
                    let packet = packet(talk, seg, side);
                    hosts[here.to.index()].track_hinted(**now, &packet, &mut talk.hint, &mut line)
                };
                let carried = if passed { net.carry(next.direction) } else { Carried::default() };
                if !(passed && carried.is_plain()) {
                    return Rest::Stopped(Stop { place, passed, carried, line });
                }
            }
        } else {
            *scores.events += u64::from(sender.sends);
        }
        self.put((next.lane, next.delay), talk, Beat { hop: beat.hop + 1, ..*beat });
        Rest::Nothing
    }

    /// Puts what goes on with a step on a link, now.
    #[inline]
    fn put(&mut self, (lane, delay): (LaneNumber, Span), talk: &mut Conversation, beat: Beat) {
        talk.queued += 1;
        let order = Order { time: *self.now + delay, rank: Rank::new(self.queue.ticket(), None) };
        self.beats.push(lane, Beat { order, ..beat });
    }

    /// Carries out a step of the script, unless somebody looks at its segments one by one.
    #[expect(clippy::inline_always, reason = "the loop of all conversations: a call costs a tenth of a step")]
    #[inline(always)]
    fn act(&mut self, talk: &mut Conversation, key: Key, at: u16) -> Rest {
        let Parts { now, scripts, hosts, queue, beats, net, carried, scores, .. } = self;
        let now = **now;
        let place = (talk.first + u32::from(at)) as usize;
        scripts.taken[place] += 1;
        let act = &scripts.acts[place];
        let side = usize::from(act.side & 1);
        let listener = usize::from(talk.listener);
        talk.taken[side] = at + 1;
        let here = &mut hosts[act.host.index()];
        let tuple = talk.tuple_of(side);
        if side == CLIENT {
            talk.state = act.state;
        }
        if act.opens {
            let secrets = here.secrets_without_cookie(now, tuple);
            talk.numbers.isn[SERVER] = secrets.isn.0;
            talk.numbers.stamp[SERVER] = (talk.began.as_millis() as u32).wrapping_add(secrets.ts_offset);
        }
        move_gauges(act, here, now, listener);
        here.stats.accepted += u64::from(act.accepts);
        if act.frees {
            here.descriptor_freed(|listener| scores.acceptable.push((act.host, listener)));
        }
        let by = DoneBy::new(now, act.host, tuple);
        for &to in act.moves.list() {
            by.moved(scores.digest, to);
        }
        for &booked in act.books.list() {
            book(&mut scores.books[talk.attempt.traffic.index()], now, booked, talk.began, &mut talk.job);
        }
        debug_assert!(
            act.tracked || act.asks_more || here.stats.memory.now == here.bytes(),
            "step {at} of {:?}: {} for {}",
            act,
            here.stats.memory.now,
            here.bytes()
        );
        if act.watched && (act.tracked || !carries_plainly(net, carried, act)) {
            return Rest::Unsent;
        }
        let lines =
            scripts.lines.get(act.lines as usize..(act.lines + act.sends) as usize).unwrap_or_default();
        for line in lines {
            line.digest(scores.digest, &by, side, &talk.numbers);
        }
        *scores.segments += u64::from(act.sends);
        if act.lands != NOWHERE {
            talk.queued += 1;
            let order = Order { time: now + act.delay, rank: Rank::new(queue.ticket(), None) };
            beats.push(act.lane, Beat { order, key, at: act.lands, hop: 0 });
        }
        if act.arms_app {
            talk.app_armed[side] = queue.ticket();
        }
        if act.arms {
            talk.armed[side] = queue.ticket();
        }
        if act.asks_more { self.end(talk, key, at) } else { Rest::Nothing }
    }

    /// What a step does after it has sent, if its segments were looked at.
    fn settle(&mut self, talk: &mut Conversation, key: Key, at: u16) -> Rest {
        let act = &self.scripts.acts[(talk.first + u32::from(at)) as usize];
        let side = usize::from(act.side & 1);
        // The timers that it arms get their ranks, the application's first, as after any step.
        if act.arms_app {
            talk.app_armed[side] = self.queue.ticket();
        }
        if act.arms {
            talk.armed[side] = self.queue.ticket();
        }
        if act.asks_more { self.end(talk, key, at) } else { Rest::Nothing }
    }

    /// What few steps do after they have sent: an application's timer is queued, an end goes.
    fn end(&mut self, talk: &mut Conversation, key: Key, at: u16) -> Rest {
        let Parts { now, scripts, hosts, queue, source_lanes, .. } = self;
        let now = **now;
        let script = &scripts.all[talk.script as usize];
        let route = &scripts.routes[script.route as usize];
        let (step, scene) = (&script.steps[at as usize], &script.scenes[at as usize]);
        let side = usize::from(step.side & 1);
        let there = route.hosts[side];
        let here = &mut hosts[there.index()];
        if let Some((delay, fires)) = scene.app {
            talk.queued += 1;
            let lane = source_lanes[talk.attempt.traffic.index()].apps[side];
            let order = Order { time: now + delay, rank: Rank::new(talk.app_armed[side], None) };
            queue.place(lane, order, Event::Cue(key, fires));
        }
        if route.tracked[side] && step.counted && !step.counts.begins() {
            step.counts.apply(here, (side == SERVER).then_some(usize::from(talk.listener)));
        }
        let (dest, owner) =
            if side == CLIENT { (talk.dest, Owner::Auto) } else { (DestId::NONE, Owner::Explicit) };
        let tuple = talk.tuple_of(side);
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
                let pushed = queue.ticket();
                let who = NewMini { tuple, attempt: talk.attempt, dest, owner };
                // Where the oldest has to make room, nobody follows a script.
                if let Mini::Row(row) = here.begin_mini(now, pushed, who, &machine) {
                    queue_row(&mut **queue, here, row);
                }
            }
        }
        if route.tracked[side] {
            here.account(now);
        }
        if step.done { Rest::Done } else { Rest::Nothing }
    }
}

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
        let first = scripts.all[script as usize].first;
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
            state: State::SynSent,
            taken: [0; 2],
            armed: [0; 2],
            app_armed: [0; 2],
            queued: 0,
            left: false,
            hint: NO_HINT,
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
            let Some(beat) = parts.beats.pop() else { return taken };
            taken += 1;
            (*parts.now, *parts.moment) = (order.time, order);
            let Some(talk) = talks.get_mut(beat.key) else { continue };
            talk.queued -= 1;
            let rest = parts.arrive(talk, &beat);
            if rest != Rest::Nothing || !parts.scores.acceptable.is_empty() {
                break (beat, rest);
            }
            if talk.queued == 0 {
                talks.remove(beat.key);
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
            self.events += 1;
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

    /// Segments have come over a link, and what they meet there looks at each, or they are in the script no more.
    fn arrive_one_by_one(&mut self, beat: &Beat) {
        let Beat { key, at, hop, .. } = *beat;
        let Some(talk) = self.talks.get_mut(key) else { return };
        let Some(scripts) = self.scripts.as_deref() else { return };
        let script = &scripts.all[talk.script as usize];
        let way = &scripts.routes[script.route as usize].ways[1 - script.side(usize::from(at))];
        let here = way.links[usize::from(hop)];
        let plain = Plain { here: here.to, from: 0 };
        if !talk.left && here.tracked {
            return self.reach_tracked(key, at, here.to);
        }
        self.leave(key);
        self.go_plainly(key, at, plain);
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

    /// A segment of a group did not leave a host as in the script. Those before it did, and those behind it are still to come.
    fn stop(&mut self, beat: &Beat, stop: &Stop) {
        let Beat { key, at, hop, .. } = *beat;
        let (Some(talk), Some(scripts)) = (self.talks.get(key).cloned(), self.scripts.as_deref()) else {
            return;
        };
        let script = &scripts.all[talk.script as usize];
        let side = 1 - script.side(usize::from(at));
        let links = &scripts.routes[script.route as usize].ways[side].links;
        let (here, next) = (links[usize::from(hop)].to, links[usize::from(hop) + 1]);
        let sender = self.sender_of(key, at);
        let Some(seg) = self.segment(key, sender, stop.place) else { return };
        let packet = packet(&talk, &seg, side);
        if !stop.passed {
            self.lose(here, Lost::Conntrack, &packet);
        }
        self.log(here, stop.line);
        self.send_before(&talk, (key, sender, stop.place), side, (here, next));
        if stop.passed {
            self.put_on_link(here, next.path(), &packet, stop.carried);
        }
        self.leave(key);
        self.go_plainly(key, at, Plain { here, from: stop.place + 1 });
    }

    /// The segments of a step before the one in that place go over a link as plain packets: it has carried them already.
    fn send_before(
        &mut self,
        talk: &Conversation,
        (key, step, place): (Key, usize, usize),
        side: usize,
        (host, link): (HostId, Hop),
    ) {
        for i in 0..place {
            let Some(seg) = self.segment(key, step, i) else { return };
            let carried = Carried::plainly(link.delay);
            self.put_on_link(host, link.path(), &packet(talk, &seg, side), carried);
        }
    }

    fn put(&mut self, link: Hop, beat: Beat) {
        let (Some(mut parts), talks) = self.parts() else { return };
        if let Some(talk) = talks.get_mut(beat.key) {
            parts.put((link.lane, link.delay), talk, beat);
        }
    }

    /// Whether a step finds the room that it found in the rehearsal.
    fn may_follow(&mut self, key: Key, at: u16) -> bool {
        let (Some(parts), talks) = self.parts() else { return false };
        let now = *parts.now;
        talks.get(key).is_some_and(|talk| {
            let act = &parts.scripts.acts[(talk.first + u32::from(at)) as usize];
            finds_room(act, talk, &parts.hosts[act.host.index()], now)
        })
    }

    /// Carries out a step of the script.
    fn act(&mut self, key: Key, at: u16) {
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
    fn go_on_with(&mut self, key: Key, at: u16, rest: Rest) {
        let Some(attempt) = self.talks.get(key).map(|talk| talk.attempt) else { return };
        let (mut clean, mut rest) = (true, rest);
        if rest == Rest::Unsent {
            clean = self.send_one_by_one(key, at);
            let (Some(mut parts), talks) = self.parts() else { return };
            let Some(talk) = talks.get_mut(key) else { return };
            rest = parts.settle(talk, key, at);
        }
        if rest == Rest::Done {
            self.on_done(attempt.traffic, Job::NONE);
        }
        if !clean {
            self.leave(key);
        }
    }

    /// The segments of a step whose host tracks what it sends, or whose link may lose one. Whether all of them go as in the script;
    /// if not, those that pass go as plain packets.
    fn send_one_by_one(&mut self, key: Key, at: u16) -> bool {
        let at = usize::from(at);
        let (Some(talk), Some(scripts)) = (self.talks.get(key).cloned(), self.scripts.as_deref()) else {
            return true;
        };
        let script = &scripts.all[talk.script as usize];
        let (side, lands) = (script.side(at), script.steps[at].lands.0);
        let route = &scripts.routes[script.route as usize];
        let (there, tracked, link) = (route.hosts[side], route.tracked[side], route.ways[side].links[0]);
        let mut clean = true;
        let mut i = 0;
        while let Some(seg) = self.segment(key, at, i) {
            let sent = packet(&talk, &seg, side);
            self.segments += 1;
            self.record_packet(there, &sent, Record::Sent);
            let passed = !tracked || self.track(there, &sent);
            // Without a tracker all of them have been given to the link already.
            let carried = match self.carried.get(i) {
                Some(&carried) if !tracked => carried,
                _ if passed => self.net.carry(link.direction),
                _ => Carried::default(),
            };
            if clean && !(passed && carried.is_plain()) {
                clean = false;
                self.send_before(&talk, (key, at, i), side, (there, link));
            }
            if passed && !clean {
                self.put_on_link(there, link.path(), &sent, carried);
            }
            i += 1;
        }
        if clean && lands != NOWHERE {
            self.put(link, Beat { order: Order::NEVER, key, at: lands, hop: 0 });
        }
        clean
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
