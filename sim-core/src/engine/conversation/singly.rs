//! Segments of conversations one by one: where a tracker looks at each, or a link has luck with one, or the script has been left.

use super::beats::Beat;
use super::leave::Plain;
use super::script::{CLIENT, Hop, NOWHERE};
use super::scripts::Scripts;
use super::steps::{Stop, packet};
use crate::engine::queue::Queue;
use crate::engine::record::{Lost, Record, Sink};
use crate::engine::world::World;
use crate::host::Conversation;
use crate::ids::{HostId, Key};
use crate::net::Carried;
use crate::order::Order;
use crate::tcp::Segment;

impl<Q: Queue, S: Sink> World<Q, S> {
    /// Segments have come over a link, and what they meet there looks at each, or they are in the script no more.
    pub(super) fn arrive_one_by_one(&mut self, beat: &Beat) {
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
    pub(super) fn stop(&mut self, beat: &Beat, stop: &Stop) {
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

    /// The segments of a step whose host tracks what it sends, or whose link may lose one. Whether all of them go as in the script;
    /// if not, those that pass go as plain packets.
    pub(super) fn send_one_by_one(&mut self, key: Key, at: u16) -> bool {
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
