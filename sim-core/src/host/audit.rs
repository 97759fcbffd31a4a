//! The books of a host against its own tables: for tests.

use super::calls::Opened;
use super::index::Place;
use super::ports::{DestId, Held, Owner};
use super::waiting::Waiter;
use super::{Host, ListenSocket, Pending};
use crate::ids::Tuple;
use crate::socket::Request;
use crate::time::Time;

impl Host {
    /// Whether every tuple leads to the socket that has it, and no other tuple anywhere.
    pub fn tuples_agree(&self) -> bool {
        let tables = &self.tables;
        let leads = |tuple: Tuple, place: Place| tables.index.get(tuple) == Some(place);
        let hashed = || tables.conns.entries().filter(|(_, conn)| conn.view.hashed);
        let waits = |waiter: Waiter| match tables.index.get(waiter.tuple) {
            Some(Place::Row(place)) => tables.waiting.who(tables.waiting.at(place)) == Some(waiter),
            _ => false,
        };
        let all = hashed().count() + tables.requests.len() + tables.orphans.len();
        hashed().all(|(key, conn)| leads(conn.tuple, Place::Full(key.slot() as u32)))
            && tables.requests.entries().all(|(key, r)| leads(r.tuple, Place::Request(key.slot() as u32)))
            && tables.orphans.entries().all(|(key, o)| leads(o.tuple, Place::Orphan(key.slot() as u32)))
            && tables.waiting.iter().all(waits)
            && tables.index.len() as u64 == all as u64 + tables.waiting.len()
    }

    /// Whether the queues of listeners hold what is counted in them.
    pub fn queues_agree(&self) -> bool {
        let starved = self.listeners.iter().filter(|l| l.starved).count();
        starved == self.starving as usize && self.listeners.iter().all(|l| self.queue_agrees(l))
    }

    fn queue_agrees(&self, listen: &ListenSocket) -> bool {
        let port = listen.spec.port;
        let here = |r: &&Pending| r.tuple.local.port == port && !r.forsaken;
        let requests = || self.tables.requests.iter().filter(here);
        if self.listener_on(port).is_none() {
            return listen.ready.is_empty()
                && requests().next().is_none()
                && listen.accept_queue.now + listen.syn_queue.now + listen.open.now + listen.working.now
                    == 0;
        }
        let young = requests().map(|r| &r.request).filter(|r| Request::retransmissions(r) == 0).count();
        let counted = listen.counts().map(|n| n as usize);
        let gauged = (listen.syn_queue.now as usize, listen.accept_queue.now as usize);
        let there = listen.ready.iter().all(|&key| self.tables.conns.get(key).is_some());
        counted == [requests().count(), young, listen.ready.len()]
            && gauged == (counted[0], counted[2])
            && there
    }

    /// Whether each port is taken by those who hold it, `calling` among them: a socket that has its port and stands in no
    /// table yet.
    pub fn ports_agree(&self, calling: Option<&Opened>) -> bool {
        let tables = &self.tables;
        let held = |port, owner, dest| Held { port, owner, dest, reusable_from: Time::NEVER };
        let mut all = Vec::new();
        all.extend(self.by_port.iter().map(|&(port, _)| held(port, Owner::Explicit, DestId::NONE)));
        all.extend(calling.map(|opened| held(opened.tuple.local.port, opened.owner, opened.dest)));
        let hashed = tables.conns.iter().filter(|conn| conn.view.hashed);
        all.extend(hashed.map(|conn| held(conn.tuple.local.port, conn.owner, conn.dest)));
        for orphan in tables.orphans.iter() {
            let reusable_from = offered_from(orphan.machine.reusable_from(&self.cfg), orphan.dest);
            all.push(Held { reusable_from, ..held(orphan.tuple.local.port, orphan.owner, orphan.dest) });
        }
        for waiter in tables.waiting.iter() {
            let Waiter { tuple, auto_port, outgoing, .. } = waiter;
            let owner = if auto_port { Owner::Auto } else { Owner::Explicit };
            let pair = if outgoing { self.ports.known(tuple.local.addr, tuple.remote) } else { None };
            if outgoing && pair.is_none() {
                return false;
            }
            let dest = pair.unwrap_or(DestId::NONE);
            let Some(Place::Row(place)) = tables.index.get(tuple) else { return false };
            let machine = tables.waiting.load(tables.waiting.at(place), |armed| armed, |_| 0);
            let from = machine.map_or(Time::NEVER, |machine| machine.reusable_from(&self.cfg));
            let reusable_from = offered_from(from, dest);
            all.push(Held { reusable_from, ..held(tuple.local.port, owner, dest) });
        }
        self.by_port.iter().all(|&(port, _)| self.ports.is_of_listener(port)) && self.ports.agree_with(&all)
    }

    /// Whether the gauges that follow from the tables say what the tables hold.
    pub fn gauges_agree(&self) -> bool {
        let orphans = u64::from(self.shared.orphans);
        self.stats.memory.now == self.bytes() && self.stats.orphans.now == orphans
    }

    /// Whether the connection tracker holds what it has counted.
    pub fn tracking_agrees(&self) -> bool {
        let Some(tracking) = &self.tracking else { return self.stats.conntrack.now == 0 };
        self.stats.conntrack.now == tracking.table.len() as u64 && tracking.table.agrees()
    }
}

/// A mini-socket without a destination is never offered to connect().
fn offered_from(reusable_from: Time, dest: DestId) -> Time {
    if dest == DestId::NONE { Time::NEVER } else { reusable_from }
}
