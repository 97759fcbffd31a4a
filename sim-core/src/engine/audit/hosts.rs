//! Hosts: sockets, ports, descriptors, queues, memory.

use super::{Disagreement, Found};
use crate::engine::queue::Queue;
use crate::engine::record::Sink;
use crate::engine::world::World;
use crate::host::{Conn, Host, Scripted};
use crate::scenario::Side;
use crate::tcp::State;
use crate::time::Time;

impl<Q: Queue, S: Sink> World<Q, S> {
    pub(super) fn audit_host(&self, host: &Host, found: &mut Found) {
        self.audit_sockets(host, found);
        let calling = self.searches[host.id.index()].under_way.as_ref();
        let opened = calling.and_then(|call| call.opened.as_ref().ok());
        let open = host.tables.conns.iter().filter(|conn| self.app(conn).is_some()).count();
        let open = open as u64 + u64::from(opened.is_some());
        found.check(host.stats.open_files.now == open, Disagreement::OpenFiles);
        found.check(host.ports_agree(opened), Disagreement::Ports);
        found.check(host.tuples_agree(), Disagreement::Tuples);
        found.check(host.gauges_agree(), Disagreement::Memory);
        found.check(host.tracking_agrees(), Disagreement::Conntrack);
        found.check(host.queues_agree(), Disagreement::ListenQueues);
        self.audit_listeners(host, found);
    }

    fn audit_sockets(&self, host: &Host, found: &mut Found) {
        let tables = &host.tables;
        let mut states = [0u64; State::ALL.len()];
        let mut orphans = 0;
        for conn in tables.conns.iter().filter(|conn| conn.view.hashed) {
            states[conn.view.state as usize] += 1;
            let orphan = self.ask(conn, |end| !end.endpoint.has_owner());
            orphans += u64::from(orphan == Some(true));
        }
        states[State::SynRecv as usize] += tables.requests.len() as u64;
        states[State::TimeWait as usize] += tables.waiting.len();
        for orphan in tables.orphans.iter() {
            states[orphan.machine.state() as usize] += 1;
        }
        let listening = |port| host.listener_on(port).is_some();
        let listeners = host.listeners.iter().filter(|l| listening(l.spec.port));
        states[State::Listen as usize] = listeners.count() as u64;
        states[State::Closed as usize] = 0;
        let agrees = State::ALL.iter().all(|&s| host.stats.state(s).now == states[s as usize]);
        found.check(agrees, Disagreement::States);
        found.check(host.stats.orphans.now == orphans, Disagreement::Orphans);
        let minis = tables.waiting.len() + tables.orphans.len() as u64;
        let gauged = host.stats.mini_sockets.now == minis && u64::from(host.shared.mini_sockets) == minis;
        found.check(gauged, Disagreement::MiniSockets);
    }

    /// What applications do with their listeners.
    fn audit_listeners(&self, host: &Host, found: &mut Found) {
        for listen in host.listeners.iter().filter(|l| host.listener_on(l.spec.port).is_some()) {
            let of = |conn: &&Conn| conn.tuple.local.port == listen.spec.port;
            let accepted = || {
                let here = host.tables.conns.iter().filter(of);
                here.filter(|conn| self.app(conn) == Some(Side::Server)).count() as u64
            };
            let few = listen.spec.connections < u32::MAX;
            found.check(!few || listen.open.now == accepted(), Disagreement::Threads);
            // At that very moment it is about to begin.
            let begun = self.now > Time::ZERO + listen.spec.accept_after && !listen.paused;
            let ready = begun && listen.spec.is_always_ready() && listen.has_ready();
            let threads = listen.open.now < u64::from(listen.spec.connections);
            let descriptors = host.stats.open_files.now < u64::from(host.open_files_max());
            found.check(!(ready && threads && descriptors), Disagreement::Unaccepted);
        }
    }

    /// What hosts count of conversations that follow a script, against those that do.
    pub(super) fn audit_scripts(&self, found: &mut Found) {
        let following = self.talks.iter().any(|talk| !talk.left);
        let none = |host: &Host| host.tables.scripted == Scripted::default();
        found.check(following || self.hosts.iter().all(none), Disagreement::Scripts);
    }
}
