//! The books of a world against its tables, between two events: what is counted must be there, what is there counted, and
//! whatever is to happen must be queued. For tests.

mod deadlines;
mod hosts;
mod sources;

use super::queue::Queue;
use super::record::Sink;
use super::world::World;
use crate::app::{End, Form};
use crate::host::Conn;
use crate::scenario::Side;

/// What does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disagreement {
    /// Sockets by state.
    States,
    /// Descriptors and applications.
    OpenFiles,
    /// Mini-sockets: gauge, tables, and the count that sockets share.
    MiniSockets,
    /// Sockets without a descriptor.
    Orphans,
    /// A tuple does not lead to its socket, or one leads to nothing.
    Tuples,
    /// Ports and those who hold them.
    Ports,
    /// Queues of a listener: requests, connections that wait for accept(), and what is counted of them.
    ListenQueues,
    /// A connection waits for accept() although the application would take it.
    Unaccepted,
    /// Entries of a connection tracker: made = destroyed + there.
    Conntrack,
    /// Memory.
    Memory,
    /// Conversations that follow a script and what hosts count of them.
    Scripts,
    /// What is queued of scripts, and what conversations wait for.
    Beats,
    /// attempted = connected + failed at connect() + pending, and failures by error.
    Attempts,
    /// requested = answered + abandoned + waiting.
    Requests,
    /// Open connections of a pool and those that exist or are reserved.
    Pools,
    /// Connections of a pool that are being opened, where each carries several requests.
    Opening,
    /// Idle connections of a pool, and its list of them.
    IdleConnections,
    /// A request waits for a pool that has a place for it.
    IdlePlaces,
    /// Workers of a source: each wants a request, has one, or thinks.
    Workers,
    /// Connections that a listener's threads have.
    Threads,
    /// Requests that a listener's workers serve.
    ListenWorkers,
    /// A request at a server for whose answer nothing will happen.
    Unserved,
    /// The queue does not know its own first.
    Queue,
    /// A timer of a socket of whatever size is not queued.
    Timers,
    /// A timer of an application is not queued.
    AppTimers,
    /// The end of a TIME_WAIT is not queued.
    TimeWaits,
    /// A connection tracker's garbage collection is not queued, or twice.
    Collections,
    /// Something that a source is to do is not queued: an arrival, a retry, the end of a search.
    Tasks,
    /// Something that the scenario plans is not queued.
    Planned,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Found(Vec<Disagreement>);

impl Found {
    fn check(&mut self, holds: bool, what: Disagreement) {
        if !holds {
            self.0.push(what);
        }
    }
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// Everything that does not agree; none if all does. It looks at everything there is. Conversations leave their scripts
    /// first, in a copy of the world.
    pub fn audit(&self) -> Vec<Disagreement>
    where
        Q: Clone,
        S: Clone,
    {
        let mut found = Found::default();
        self.audit_scripts(&mut found);
        self.audit_beats(&mut found);
        let mut plain = self.clone();
        plain.leave_all_scripts();
        plain.audit_scripts(&mut found);
        for host in &plain.hosts {
            plain.audit_host(host, &mut found);
        }
        plain.audit_sources(&mut found);
        plain.audit_deadlines(&mut found);
        let Found(mut found) = found;
        found.sort();
        found.dedup();
        found
    }

    /// Asks an end something, whatever its form.
    fn ask<R>(&self, conn: &Conn, question: impl FnOnce(&End) -> R) -> Option<R> {
        match &conn.form {
            Form::Whole(end) => Some(question(end)),
            Form::Lazy(lazy) => self.memory.as_ref().map(|memory| question(&memory.whole(lazy))),
        }
    }

    /// Whose application has the descriptor of a connection.
    fn app(&self, conn: &Conn) -> Option<Side> {
        self.ask(conn, |end| end.app.as_ref().map(crate::app::Application::side)).flatten()
    }
}
