//! Searches for a port that take time: on one host one has the processor, and the others wait for it.

use std::collections::VecDeque;

use super::event::Event;
use super::queue::{LaneId, Queue};
use super::record::{Sink, Whose};
use super::world::World;
use crate::errno::{Call, Errno};
use crate::host::{Attempt, Hint, Job, Opened};
use crate::ids::{Addr, HostId, SockAddr, TrafficId};
use crate::time::{Span, Time};

/// A connect() from its call to its SYN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calling {
    /// What socket(), bind() and the search came to.
    pub(super) opened: Result<Opened, (Call, Errno)>,
    /// Whose it is.
    pub(super) attempt: Attempt,
    /// Source and destination.
    pub(super) pair: (Addr, SockAddr),
    /// What it is for.
    pub(super) job: Job,
    /// When it was called.
    pub(super) began: Time,
    /// Its process has died meanwhile.
    pub(super) dying: bool,
}

/// The searches of one host, where they take time.
#[derive(Clone, Debug, Default)]
pub(super) struct Searches {
    /// The call whose search it is.
    pub(super) under_way: Option<Calling>,
    /// Clients that would call connect().
    pub(super) waiting: VecDeque<(TrafficId, Job)>,
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// A call has its port, or knows that there is none, after a search that lasted so long.
    pub(super) fn found(&mut self, host: HostId, call: Calling, lasted: Span) {
        if lasted == Span::ZERO {
            return self.opened(host, call);
        }
        self.make_room(host, &call);
        self.hosts[host.index()].account(self.now);
        self.searches[host.index()].under_way = Some(call);
        self.queue.push(LaneId::NONE, self.now + lasted, Event::Searched(host));
    }

    /// Carries out what the mini-socket said that the call has taken over, before others have their say.
    fn make_room(&mut self, host: HostId, call: &Calling) {
        let Ok(opened) = &call.opened else { return };
        for &counter in &self.fx.counters {
            self.hosts[host.index()].stats.counters.bump(counter);
        }
        let whose = Whose { host, tuple: opened.tuple, attempt: call.attempt };
        let path = self.net.path(host, opened.tuple.remote.addr);
        self.carry_out_loose(&whose, path, Hint::NONE);
    }

    /// A search is over: its call goes on, and the next one begins.
    pub(super) fn searched(&mut self, host: HostId) {
        if let Some(call) = self.searches[host.index()].under_way.take() {
            self.fx.clear();
            self.opened(host, call);
        }
        while self.searches[host.index()].under_way.is_none()
            && let Some((id, job)) = self.searches[host.index()].waiting.pop_front()
        {
            self.start(id, job);
        }
    }
}
