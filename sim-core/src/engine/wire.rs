//! Packets between hosts: from the segment that a socket sends to its arrival. Whatever happens to a packet on its way
//! (tracking, translation, loss, record) happens here.

use super::queue::{LaneId, Queue};
use super::record::{Lost, Record, Sink, Whose};
use super::world::World;
use crate::host::{Hint, Packet};
use crate::ids::HostId;
use crate::tcp::Segment;

impl<Q: Queue, S: Sink> World<Q, S> {
    /// A host sends a segment of its own, to the peer that may be at `to`.
    pub(super) fn transmit(&mut self, whose: Whose, seg: &Segment, from: Hint, to: Hint) {
        let Whose { host, tuple, attempt } = whose;
        let packet = Packet { tuple, seg: *seg, attempt, from, to };
        self.segments += 1;
        self.record(Record::Sent(host, packet));
        let here = &mut self.hosts[host.index()];
        if here.has_address(tuple.remote.addr) {
            let lane = self.host_lanes[host.index()].loopback;
            return self.queue.send(lane, self.now, host, packet);
        }
        let mut line = None;
        if here.track(self.now, &packet, &mut line) {
            self.forward(host, packet);
        } else {
            self.record(Record::Lost(host, Lost::Conntrack, packet));
        }
        self.log(host, line);
    }

    /// A packet reaches a host: its own, or one to pass on.
    pub(super) fn arrive(&mut self, host: HostId, packet: Packet) {
        let here = &mut self.hosts[host.index()];
        let mut line = None;
        if !here.track(self.now, &packet, &mut line) {
            self.record(Record::Lost(host, Lost::Conntrack, packet));
        } else if here.has_address(packet.tuple.remote.addr) {
            self.record(Record::Arrived(host, packet));
            self.deliver(host, &packet);
        } else {
            self.record(Record::Forwarded(host, packet));
            self.forward(host, packet);
        }
        self.log(host, line);
    }

    /// Puts a packet on the link towards its destination.
    fn forward(&mut self, host: HostId, packet: Packet) {
        let target = self.net.owner(packet.tuple.remote.addr);
        let Some((direction, next)) = target.and_then(|t| self.net.next_hop(host, t)) else {
            return self.record(Record::Lost(host, Lost::NoRoute, packet));
        };
        let carried = self.net.carry(direction);
        if carried.first.is_none() {
            self.lost += 1;
            self.record(Record::Lost(host, Lost::Link, packet));
        }
        for delivery in [carried.first, carried.second].into_iter().flatten() {
            let lane = if delivery.in_order { self.link_lanes[direction.0 as usize] } else { LaneId::NONE };
            self.queue.send(lane, self.now + delivery.after, next, packet);
        }
    }
}
