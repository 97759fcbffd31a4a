//! Packets between hosts: from the segment that a socket sends to its arrival. Whatever happens to a packet on its way
//! (tracking, translation, loss, record) happens here.

use super::event::Event;
use super::queue::{LaneId, Queue};
use super::record::{Carriage, Lost, Record, Sink, Whose};
use super::world::World;
use crate::host::{Hint, Packet};
use crate::ids::{HostId, Key};
use crate::net::{Carried, Path};
use crate::record::SynLoss;
use crate::tcp::{Flags, Segment};
use crate::time::Span;

impl<Q: Queue, S: Sink> World<Q, S> {
    /// A host sends a segment of its own, along `path`, from the socket at `from` to the peer that may be at `to`.
    #[inline]
    pub(super) fn transmit(&mut self, whose: &Whose, path: Path, seg: &Segment, from: Hint, to: Hint) {
        let Whose { host, tuple, attempt } = *whose;
        let packet = Packet { tuple, seg: *seg, attempt, from, to };
        self.segments += 1;
        if seg.rtx {
            self.book_repeated(&packet);
        }
        self.record_packet(host, &packet, Record::Sent);
        if path == Path::Here {
            let lane = self.host_lanes[host.index()].loopback;
            self.record_carried(
                host,
                Carriage { to: host, arrives: self.now, copy: false, late: false },
                &packet,
            );
            return self.queue.send(lane, self.now, host, &packet);
        }
        if self.hosts[host.index()].tracking.is_none() || self.track(host, &packet) {
            self.forward(host, path, &packet);
        }
    }

    /// A segment is sent again: of SYNs the source keeps count.
    fn book_repeated(&mut self, packet: &Packet) {
        let syn = packet.seg.flags.has(Flags::SYN) && !packet.seg.flags.has(Flags::ACK);
        if let Some(book) = self.books.get_mut(packet.attempt.traffic.index()).filter(|_| syn) {
            book.syns_again.add(self.now);
        }
    }

    /// Shows a packet to the connection tracker of a host. Whether it goes on.
    pub(super) fn track(&mut self, host: HostId, packet: &Packet) -> bool {
        let mut line = None;
        let passed = self.hosts[host.index()].track(self.now, packet, &mut line);
        if !passed {
            self.lose(host, Lost::Conntrack, packet);
        }
        self.log(host, line);
        passed
    }

    /// Shows a packet that reaches a host to its rules and to its connection tracker. Whether it goes on.
    fn screen(&mut self, host: HostId, packet: &Packet) -> bool {
        match self.hosts[host.index()].rule_for(self.now, packet) {
            None => self.hosts[host.index()].tracking.is_none() || self.track(host, packet),
            Some(Span::ZERO) => {
                self.lose(host, Lost::Rule, packet);
                false
            }
            Some(late) => {
                let held = self.held_back.insert((host, *packet));
                self.queue.push(LaneId::NONE, self.now + late, Event::Late(held));
                false
            }
        }
    }

    /// A packet that a rule has held back goes on.
    pub(super) fn release(&mut self, held: Key) {
        let Some((host, packet)) = self.held_back.remove(held) else { return };
        if self.hosts[host.index()].tracking.is_none() || self.track(host, &packet) {
            self.come(host, &packet);
        }
    }

    /// A packet reaches a host: its own, or one to pass on.
    pub(super) fn arrive(&mut self, host: HostId, packet: &Packet) {
        if self.hosts[host.index()].screens && !self.screen(host, packet) {
            return;
        }
        self.come(host, packet);
    }

    #[inline]
    fn come(&mut self, host: HostId, packet: &Packet) {
        let here = &self.hosts[host.index()];
        if let Some(key) = here.guess(packet) {
            self.record_packet(host, packet, Record::Arrived);
            return self.deliver_to(host, key, packet);
        }
        let path = self.net.path(host, packet.tuple.remote.addr);
        if path == Path::Here {
            self.record_packet(host, packet, Record::Arrived);
            self.deliver(host, packet);
        } else {
            self.record_packet(host, packet, Record::Forwarded);
            self.forward(host, path, packet);
        }
    }

    /// Puts a packet on the link towards its destination.
    #[inline]
    pub(super) fn forward(&mut self, host: HostId, path: Path, packet: &Packet) {
        let Path::Link(direction, _) = path else { return self.lose(host, Lost::NoRoute, packet) };
        let carried = self.net.carry(direction);
        self.put_on_link(host, path, packet, carried);
    }

    /// What a link makes of a packet that it has been given.
    #[inline]
    pub(super) fn put_on_link(&mut self, host: HostId, path: Path, packet: &Packet, carried: Carried) {
        let Path::Link(direction, next) = path else { return };
        let lanes = self.link_lanes[direction.0 as usize];
        if carried.first.is_none() {
            self.lost += 1;
            self.lose(host, Lost::Link, packet);
        }
        for (copy, delivery) in [(false, carried.first), (true, carried.second)] {
            let Some(delivery) = delivery else { continue };
            let (arrives, late) = (self.now + delivery.after, !delivery.in_order);
            self.record_carried(host, Carriage { to: next, arrives, copy, late }, packet);
            let lane = if delivery.in_order { lanes.plain } else { lanes.late };
            self.queue.send(lane, arrives, next, packet);
        }
    }

    #[inline]
    fn record_carried(&mut self, host: HostId, carriage: Carriage, packet: &Packet) {
        self.record(packet.attempt, packet.tuple, || Record::Carried(host, carriage, *packet));
    }

    pub(super) fn lose(&mut self, host: HostId, why: Lost, packet: &Packet) {
        if packet.seg.flags.has(Flags::SYN) && !packet.seg.flags.has(Flags::ACK) {
            let why = match why {
                Lost::Link => SynLoss::Link,
                Lost::Conntrack => SynLoss::Conntrack(host),
                Lost::NoRoute => SynLoss::NoRoute,
                Lost::Rule => SynLoss::Rule(host),
            };
            if let Some(book) = self.books.get_mut(packet.attempt.traffic.index()) {
                book.lose_syn(why);
            }
        }
        self.record_packet(host, packet, |host, packet| Record::Lost(host, why, packet));
    }
}
