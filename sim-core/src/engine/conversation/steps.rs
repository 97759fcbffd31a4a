//! What following does for each step: the room that it needs, its place in the books, its segments.

use super::act::Act;
use super::beats::{Beat, Beats, LaneNumber};
use super::script::{Begun, CLIENT, Exit, NOWHERE, SERVER, with_numbers};
use super::scripts::{MARGIN, Scripts};
use crate::engine::ends::book;
use crate::engine::event::Event;
use crate::engine::queue::Queue;
use crate::engine::record::DoneBy;
use crate::engine::world::{SourceLanes, queue_row};
use crate::host::ports::{DestId, Owner};
use crate::host::{Conversation, Hint, Host, Mini, NewMini, Packet};
use crate::ids::{HostId, Key};
use crate::log::LogLine;
use crate::net::{Carried, Net};
use crate::order::{Order, Rank};
use crate::record::{Digest, Gauge, HostSummary, TrafficSummary};
use crate::tcp::{Segment, Timestamps};
use crate::time::{Span, Time};

/// A segment that a side of a conversation sends, as a packet.
pub(super) fn packet(talk: &Conversation, seg: &Segment, side: usize) -> Packet {
    let tuple = talk.tuple_of(side);
    let seg = with_numbers(seg, side, &talk.numbers);
    Packet { tuple, seg, attempt: talk.attempt, from: Hint::NONE, to: Hint::NONE }
}

/// What the steps of conversations count.
pub(super) struct Scores<'a> {
    pub(super) digest: &'a mut Digest,
    pub(super) books: &'a mut [TrafficSummary],
    pub(super) events: &'a mut u64,
    pub(super) segments: &'a mut u64,
    pub(super) acceptable: &'a mut Vec<(HostId, u16)>,
}

/// The parts of a world that the steps of conversations touch.
pub(super) struct Parts<'a, Q> {
    pub(super) now: &'a mut Time,
    pub(super) moment: &'a mut Order,
    pub(super) scripts: &'a mut Scripts,
    pub(super) hosts: &'a mut [Host],
    pub(super) queue: &'a mut Q,
    pub(super) beats: &'a mut Beats,
    pub(super) source_lanes: &'a [SourceLanes],
    pub(super) net: &'a mut Net,
    pub(super) carried: &'a mut Vec<Carried>,
    pub(super) scores: Scores<'a>,
}

/// What a step, or what is due, leaves to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Nothing,
    /// A worker of the source begins anew.
    Done,
    /// The server has its request: how long it takes is to be drawn.
    Drawn,
    /// Somebody looks at each of its segments, and they have not been sent yet.
    Unsent,
    /// A host has passed on not all of them, or a link has done more than delay one.
    Stopped(Stop),
    /// All of it.
    All,
}

/// The first segment of a group that did not go as in the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    /// Which of them it is.
    pub(super) place: usize,
    /// The tracker let it pass.
    pub(super) passed: bool,
    /// What the link made of it.
    pub(super) carried: Carried,
    /// What the tracker's kernel printed.
    pub(super) line: Option<LogLine>,
}

/// Whether a step finds the room that it found in the rehearsal.
#[inline]
pub(super) fn finds_room(act: &Act, talk: &Conversation, host: &Host, now: Time) -> bool {
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
    for &state in act.falls.list() {
        here.stats.states[state as usize].now -= 1;
    }
    for swing in act.states.list() {
        let gauge = &mut here.stats.states[swing.state as usize];
        gauge.swing(now, u64::from(swing.peak), i64::from(swing.net));
    }
    let HostSummary { open_files, orphans, mini_sockets, memory, .. } = &mut here.stats;
    let [files, orphaned, minis, bytes] = act.gauges;
    let swing =
        |gauge: &mut Gauge, (peak, net): (u32, i32)| gauge.swing(now, u64::from(peak), i64::from(net));
    swing(open_files, files);
    swing(orphans, orphaned);
    swing(mini_sockets, minis);
    // Where entries of a tracker come and go between, memory is counted when all is done.
    if !act.tracked {
        swing(memory, bytes);
    }
    for queue in act.queues.list() {
        queue.which.of(here, listener).swing(now, u64::from(queue.peak), i64::from(queue.net));
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
    /// Segments that go on with a step have come over so many links, less one: to where they are for, or to a host that passes them on.
    #[expect(clippy::inline_always, reason = "the loop of all conversations: a call costs a tenth of a step")]
    #[inline(always)]
    pub(super) fn arrive(&mut self, talk: &mut Conversation, key: Key, at: u16, hop: u16) -> Rest {
        let act = &self.scripts.acts[(talk.first + u32::from(at)) as usize];
        if talk.left {
            return Rest::All;
        }
        if hop + 1 < act.hops {
            return self.pass_on(talk, &Beat { order: *self.moment, key, at, hop });
        }
        if act.tracked || !finds_room(act, talk, &self.hosts[act.host.index()], *self.now) {
            return Rest::All;
        }
        *self.scores.events += u64::from(act.arrive);
        self.act(talk, key, at)
    }

    /// A host passes on what goes on with a step. It may track it, and the next link may lose some of it.
    #[inline(never)]
    pub(super) fn pass_on(&mut self, talk: &mut Conversation, beat: &Beat) -> Rest {
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
    pub(super) fn put(&mut self, (lane, delay): (LaneNumber, Span), talk: &mut Conversation, beat: Beat) {
        talk.queued += 1;
        let order = Order { time: *self.now + delay, rank: Rank::new(self.queue.ticket(), None) };
        self.beats.push(lane, Beat { order, ..beat });
    }

    /// Carries out a step of the script, unless somebody looks at its segments one by one.
    #[expect(clippy::inline_always, reason = "the loop of all conversations: a call costs a tenth of a step")]
    #[inline(always)]
    pub(super) fn act(&mut self, talk: &mut Conversation, key: Key, at: u16) -> Rest {
        let Parts { now, scripts, hosts, queue, beats, net, carried, scores, .. } = self;
        let now = **now;
        let Scripts { acts, lines, .. } = &mut **scripts;
        let act = &mut acts[(talk.first + u32::from(at)) as usize];
        act.taken += 1;
        let act = &*act;
        let side = usize::from(act.side & 1);
        let listener = usize::from(talk.listener);
        talk.taken[side] = at + 1;
        let here = &mut hosts[act.host.index()];
        if side == CLIENT {
            talk.state = act.state;
        }
        if act.opens {
            let secrets = here.secrets_without_cookie(now, talk.tuple.reversed());
            talk.numbers.isn[SERVER] = secrets.isn.0;
            talk.numbers.stamp[SERVER] = (talk.began.as_millis() as u32).wrapping_add(secrets.ts_offset);
        }
        move_gauges(act, here, now, listener);
        here.stats.accepted += u64::from(act.accepts);
        if act.measured > 0 {
            here.peers.told(now, talk.tuple_of(side).pair(), act.measured);
        }
        if act.frees {
            here.descriptor_freed(|listener| scores.acceptable.push((act.host, listener)));
        }
        let by = DoneBy::at(talk.words[side], now);
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
        for line in lines.get(act.lines as usize..(act.lines + act.sends) as usize).unwrap_or_default() {
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
    pub(super) fn settle(&mut self, talk: &mut Conversation, key: Key, at: u16) -> Rest {
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
    pub(super) fn end(&mut self, talk: &mut Conversation, key: Key, at: u16) -> Rest {
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
                    here.tables.index.remove_at(talk.spot, tuple);
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
                let spot = (side == CLIENT).then_some(talk.spot);
                let who = NewMini { tuple, attempt: talk.attempt, dest, owner, spot };
                // Where the oldest has to make room, nobody follows a script.
                if let Mini::Row(row) = here.begin_mini(now, pushed, who, &machine) {
                    queue_row(&mut **queue, here, row);
                }
            }
        }
        if route.tracked[side] {
            here.account(now);
        }
        // A client is through, a server draws: no step is of both.
        debug_assert!(!(step.done && step.draws));
        if step.done {
            Rest::Done
        } else if step.draws {
            Rest::Drawn
        } else {
            Rest::Nothing
        }
    }
}

/// Whether a timestamp stays clear of the 0 that means "none" for as long as a script takes.
#[inline]
pub(super) fn is_calm(stamp: u32) -> bool {
    stamp.wrapping_sub(1) < u32::MAX - (1 << 17)
}

/// Whether a host has room for more orphans and mini-sockets.
#[inline]
pub(super) fn has_room(host: &Host) -> bool {
    host.shared.orphans + MARGIN <= host.cfg.max_orphans
        && host.shared.mini_sockets + MARGIN <= host.cfg.max_tw_buckets
}
