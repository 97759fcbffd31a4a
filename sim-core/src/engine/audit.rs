//! The books of a world against its tables, between two events: what is counted must be there, and what is there counted.

use super::queue::Queue;
use super::record::Sink;
use super::world::World;
use crate::app::{Application, Form};
use crate::errno::Call;
use crate::host::{Conn, Host};
use crate::scenario::Side;
use crate::tcp::State;

/// What does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disagreement {
    /// Sockets by state.
    States,
    /// Descriptors and applications.
    OpenFiles,
    /// Mini-sockets: gauge, tables, and the count that sockets share.
    MiniSockets,
    /// A tuple does not lead to its socket.
    Tuples,
    /// attempted = connected + failed at connect() + pending.
    Attempts,
    /// requested = answered + abandoned + waiting.
    Requests,
    /// Open connections of a pool and those that exist or are reserved.
    Pools,
    /// Connections that a listener's threads have.
    Threads,
    /// A request waits for a pool that has a place for it.
    IdlePlaces,
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// Everything that does not agree; none if all does. It looks at every socket: for tests. Conversations leave their scripts
    /// first, in a copy of the world.
    pub fn audit(&self) -> Vec<Disagreement>
    where
        Q: Clone,
        S: Clone,
    {
        let mut plain = self.clone();
        plain.leave_all_scripts();
        plain.audit_tables()
    }

    fn audit_tables(&self) -> Vec<Disagreement> {
        let mut found = Vec::new();
        for host in &self.hosts {
            self.audit_host(host, &mut found);
        }
        self.audit_sources(&mut found);
        found.sort();
        found.dedup();
        found
    }

    /// Whose application has the descriptor of a connection.
    fn app(&self, conn: &Conn) -> Option<Side> {
        let side = |app: &Application| app.side();
        match &conn.form {
            Form::Whole(end) => end.app.as_ref().map(side),
            Form::Lazy(lazy) => {
                self.memory.as_ref().and_then(|memory| memory.whole(lazy).app.as_ref().map(side))
            }
        }
    }

    fn audit_host(&self, host: &Host, found: &mut Vec<Disagreement>) {
        let mut check = |holds: bool, what: Disagreement| {
            if !holds {
                found.push(what);
            }
        };
        let tables = &host.tables;
        let mut states = [0u64; State::ALL.len()];
        let mut open = 0;
        for conn in tables.conns.iter() {
            if conn.view.hashed {
                states[conn.view.state as usize] += 1;
                check(host.look_up(conn.tuple).is_some(), Disagreement::Tuples);
            }
            open += u64::from(self.app(conn).is_some());
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
        check(agrees, Disagreement::States);
        check(host.stats.open_files.now == open, Disagreement::OpenFiles);
        let minis = tables.waiting.len() + tables.orphans.len() as u64;
        let gauged = host.stats.mini_sockets.now == minis && u64::from(host.shared.mini_sockets) == minis;
        check(gauged, Disagreement::MiniSockets);
        for listen in host.listeners.iter().filter(|l| l.spec.connections < u32::MAX) {
            let of = |conn: &&Conn| conn.tuple.local.port == listen.spec.port;
            let accepted = tables.conns.iter().filter(of).filter(|c| self.app(c) == Some(Side::Server));
            check(listen.open.now == accepted.count() as u64, Disagreement::Threads);
        }
    }

    fn audit_sources(&self, found: &mut Vec<Disagreement>) {
        let mut check = |holds: bool, what: Disagreement| {
            if !holds {
                found.push(what);
            }
        };
        for (i, (source, book)) in self.sources.iter().zip(&self.books).enumerate() {
            let here = &self.hosts[source.spec.from.index()].tables.conns;
            let clients = || {
                let own = here.iter().filter(move |conn| conn.attempt.traffic.index() == i);
                own.filter(|conn| self.app(conn) == Some(Side::Client))
            };
            let connecting = clients().filter(|conn| conn.view.connecting).count() as u64;
            let early = |call: Call| matches!(call, Call::Socket | Call::Bind | Call::Connect);
            let refused = book.errors.iter().filter(|e| early(e.call)).map(|e| e.tally.count).sum::<u64>();
            let attempts = book.connected.count + refused + connecting;
            check(book.attempted.count == attempts, Disagreement::Attempts);
            let shared = source.channels.values().map(|channel| channel.jobs().count() as u64).sum::<u64>();
            let open = clients().filter(|conn| conn.job.open).count() as u64 + shared;
            let queued = (source.pool.waiting.len() + source.jobs.len()) as u64;
            let came_to = book.answered.count + book.abandoned.count + open + queued;
            check(book.requested.count == came_to, Disagreement::Requests);
            if let Some(spec) = source.spec.pool {
                let reserved = source.jobs.iter().filter(|job| job.placed).count() as u64;
                let there = clients().count() as u64 + reserved;
                check(source.pool.open.now == there, Disagreement::Pools);
                let full = source.pool.open.now >= u64::from(spec.size);
                let coming = source.pool.opening > 0;
                check(source.pool.waiting.is_empty() || full || coming, Disagreement::IdlePlaces);
            }
        }
    }
}
