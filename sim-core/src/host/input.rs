//! A segment for which no full socket is there: for a request, a mini-socket, a listener, or nobody.

use super::Host;
use super::index::Place;
use super::minis::Mini;
use super::packet::Packet;
use super::ports::{DestId, Owner};
use super::tables::{Conn, Pending};
use crate::app::{Effects, End, Form, View};
use crate::ids::{Key, Tuple};
use crate::log::LogLine;
use crate::net::Path;
use crate::order::Wake;
use crate::socket::{self, Listener, MiniFate, Next, Request, SocketMut};
use crate::tcp::config::Syncookies;
use crate::tcp::{Cx, Flags, Out as _, Secrets, State, TimeWait};
use crate::time::Time;

/// Something whose timer has been armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// A full socket.
    Conn(Key),
    /// A request.
    Request(Key),
    /// A mini-socket in FIN_WAIT2.
    Orphan(Key),
    /// A mini-socket in TIME_WAIT.
    Row(super::waiting::RowId),
}

/// What the world is to do after a segment, or after the timer of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// A timer to queue.
    pub timed: Option<Timed>,
    /// A listener, by its place, that has a connection for its application.
    pub acceptable: Option<u16>,
    /// A line that the kernel prints.
    pub line: Option<LogLine>,
}

impl Host {
    /// What a tuple leads to.
    pub fn look_up(&self, tuple: Tuple) -> Option<Place> {
        self.tables.index.get(tuple)
    }

    /// Delivers a segment to whoever is at `place`. `pushed` gives the number for the end of a TIME_WAIT.
    pub fn receive(
        &mut self,
        now: Time,
        packet: &Packet,
        path: Path,
        place: Option<Place>,
        pushed: impl FnOnce() -> u64,
        fx: &mut Effects,
    ) -> Arrived {
        let tuple = packet.tuple.reversed();
        let listener = self.listener_on(tuple.local.port);
        fx.begin_step();
        let mut arrived = match place {
            Some(Place::Row(place)) => {
                let mini = Mini::Row(self.tables.waiting.at(place));
                self.arrive_at_mini(now, mini, (packet, path), listener, pushed, fx)
            }
            Some(Place::Orphan(slot)) => {
                let mini = Mini::Orphan(self.tables.orphans.key(slot));
                self.arrive_at_mini(now, mini, (packet, path), listener, pushed, fx)
            }
            Some(Place::Request(slot)) => self.arrive_at_request(now, slot, packet, path, listener, fx),
            Some(Place::Full(_) | Place::Conversation(_)) | None => {
                let next = self.pass(now, SocketMut::None, packet, listener, fx);
                self.admit(now, (packet, path), next, listener)
            }
        };
        fx.end_step();
        arrived.line = self.count_at_listener(now, listener, &fx.counters);
        fx.counters.clear();
        self.gauge_listener(now, listener);
        self.account(now);
        arrived
    }

    /// The protocol's part.
    fn pass(
        &mut self,
        now: Time,
        socket: SocketMut<'_>,
        packet: &Packet,
        listener: Option<usize>,
        fx: &mut Effects,
    ) -> Next {
        let Host { cfg, shared, peers, listeners, keys, .. } = self;
        let tuple = packet.tuple.reversed();
        let secrets = || keys.of(cfg, now, tuple);
        let queue = listener.map(|i| &mut listeners[i].listener);
        let mut cx = Cx::new(now, cfg, shared);
        // Asked by a SYN where the queue is short, and by the child of a cookie.
        let plain_syn = !packet.seg.flags.has(Flags::ACK) && cfg.syncookies != Syncookies::Off;
        if cfg.metrics && queue.is_some() && !plain_syn {
            cx.peer_rtt = peers.rtt(now, tuple.pair());
        }
        let next = socket::receive(&mut cx, socket, queue, &packet.seg, secrets, fx);
        fx.notes.clone_from(&cx.notes);
        next
    }

    fn arrive_at_mini(
        &mut self,
        now: Time,
        mini: Mini,
        (packet, path): (&Packet, Path),
        listener: Option<usize>,
        pushed: impl FnOnce() -> u64,
        fx: &mut Effects,
    ) -> Arrived {
        let Some(before) = self.load_mini(mini) else { return Arrived::default() };
        let mut machine: TimeWait = before.clone();
        let next = self.pass(now, SocketMut::TimeWait(&mut machine), packet, listener, fx);
        if next != Next::Keep {
            // A SYN opened the tuple anew, or a RST ended it.
            self.remove_mini(mini);
            return self.admit(now, (packet, path), next, listener);
        }
        let moved = self.store_mini(now, mini, &before, &machine, pushed);
        let timed = match (moved, mini) {
            (Some(Mini::Row(row)), _) => Some(Timed::Row(row)),
            (Some(Mini::Orphan(key)), _) | (None, Mini::Orphan(key)) => Some(Timed::Orphan(key)),
            (None, Mini::Row(_)) => None,
        };
        Arrived { timed, ..Arrived::default() }
    }

    /// A request, the listener that it belongs to, and what surrounds a step of it.
    pub fn request_mut(
        &mut self,
        now: Time,
        key: Key,
    ) -> Option<(&mut Request, Option<&mut Listener>, Cx<'_>)> {
        let Host { cfg, shared, peers, listeners, tables, by_port, .. } = self;
        let pending = tables.requests.get_mut(key)?;
        let port = pending.tuple.local.port;
        let found = by_port.binary_search_by_key(&port, |&(port, _)| port).ok();
        let found = found.filter(|_| !pending.forsaken);
        let queue = found.map(|found| &mut listeners[usize::from(by_port[found].1)].listener);
        let mut cx = Cx::new(now, cfg, shared);
        // Its child asks, if the handshake gave no sample.
        if cfg.metrics && pending.request.retransmissions() > 0 {
            cx.peer_rtt = peers.rtt(now, pending.tuple.pair());
        }
        Some((&mut pending.request, queue, cx))
    }

    fn arrive_at_request(
        &mut self,
        now: Time,
        slot: u32,
        packet: &Packet,
        path: Path,
        listener: Option<usize>,
        fx: &mut Effects,
    ) -> Arrived {
        let key = self.tables.requests.key(slot);
        if self.tables.requests.get(key).is_some_and(|pending| pending.forsaken) {
            // The segment is looked up again (`tcp_v4_rcv`): another process may listen by now.
            self.drop_request(key);
            fx.moved(State::SynRecv, State::Closed);
            let next = self.pass(now, SocketMut::None, packet, listener, fx);
            return self.admit(now, (packet, path), next, listener);
        }
        let Some((request, queue, mut cx)) = self.request_mut(now, key) else { return Arrived::default() };
        // A request never begins a connection anew, so nobody asks for secrets.
        let secrets = Secrets::default;
        let next = socket::receive(&mut cx, SocketMut::Request(request), queue, &packet.seg, secrets, fx);
        fx.notes.clone_from(&cx.notes);
        match next {
            Next::Keep | Next::Request(_) | Next::TimeWait(_) => {
                Arrived { timed: Some(Timed::Request(key)), ..Arrived::default() }
            }
            Next::Gone => {
                self.drop_request(key);
                Arrived::default()
            }
            Next::Child(endpoint) => {
                self.tables.requests.remove(key);
                self.insert_child(now, packet, path, End::new(endpoint, true), listener)
            }
        }
    }

    pub(super) fn drop_request(&mut self, key: Key) {
        if let Some(pending) = self.tables.requests.remove(key) {
            self.tables.index.remove(pending.tuple);
        }
    }

    /// Puts what has come into being on a free tuple into the tables.
    fn admit(
        &mut self,
        now: Time,
        (packet, path): (&Packet, Path),
        next: Next,
        listener: Option<usize>,
    ) -> Arrived {
        match next {
            Next::Request(request) => self.insert_request(packet, request),
            Next::Child(endpoint) => self.insert_child(now, packet, path, End::new(endpoint, true), listener),
            Next::Keep | Next::Gone | Next::TimeWait(_) => Arrived::default(),
        }
    }

    fn insert_request(&mut self, packet: &Packet, request: Request) -> Arrived {
        let tuple = packet.tuple.reversed();
        let (attempt, peer) = (packet.attempt, packet.from);
        let wake = Wake::default();
        let key = self.enter_request(Pending { request, tuple, attempt, peer, wake, forsaken: false });
        Arrived { timed: Some(Timed::Request(key)), ..Arrived::default() }
    }

    /// A request takes its place.
    pub fn enter_request(&mut self, pending: Pending) -> Key {
        let tuple = pending.tuple;
        let key = self.tables.requests.insert(pending);
        self.tables.index.put(tuple, Place::Request(key.slot() as u32));
        key
    }

    /// A full socket takes its place, or none if its tuple leads elsewhere. A server's shares the port of its listener; a
    /// client's has its port already.
    pub fn enter_conn(&mut self, now: Time, conn: Conn) -> Key {
        let (tuple, hashed, owner) = (conn.tuple, conn.view.hashed, conn.owner);
        let key = self.tables.conns.insert(conn);
        if hashed {
            self.tables.index.put(tuple, Place::Full(key.slot() as u32));
            if owner == Owner::Explicit {
                self.ports.take(now, tuple.local.port, Owner::Explicit, DestId::NONE);
            }
        }
        key
    }

    fn insert_child(
        &mut self,
        now: Time,
        packet: &Packet,
        path: Path,
        mut end: End,
        listener: Option<usize>,
    ) -> Arrived {
        // The segment that completes a handshake may end the connection too: such a child waits for accept() to hand
        // out its error, but is in no table.
        end.hashed = end.endpoint.state() != State::Closed;
        let view = end.view();
        self.place_child(now, packet, path, (Form::Whole(end), view), listener)
    }

    fn place_child(
        &mut self,
        now: Time,
        packet: &Packet,
        path: Path,
        end: (Form, View),
        listener: Option<usize>,
    ) -> Arrived {
        let tuple = packet.tuple.reversed();
        let hashed = end.1.hashed;
        let conn = Conn { peer: packet.from, ..Conn::new(now, tuple, packet.attempt, path, end) };
        let key = self.enter_conn(now, conn);
        if !hashed {
            self.tables.index.remove(tuple);
        }
        if let Some(i) = listener {
            self.listeners[i].ready.push_back(key);
        }
        Arrived { timed: Some(Timed::Conn(key)), acceptable: listener.map(|i| i as u16), line: None }
    }

    /// A handshake is complete whose last step was recalled: its connection takes the request's place.
    pub fn complete(
        &mut self,
        now: Time,
        request: Key,
        packet: &Packet,
        path: Path,
        end: (Form, View),
    ) -> Arrived {
        let listener = self.listener_on(packet.tuple.remote.port);
        if let Some(pending) = self.tables.requests.remove(request)
            && let Some(i) = listener
        {
            self.listeners[i].listener.completed(&pending.request);
        }
        let arrived = self.place_child(now, packet, path, end, listener);
        self.gauge_listener(now, listener);
        self.account(now);
        arrived
    }

    /// The timer of a request is due.
    pub fn wake_request(&mut self, now: Time, key: Key, fx: &mut Effects) -> Arrived {
        let Some(pending) = self.tables.requests.get(key) else { return Arrived::default() };
        let listener = self.listener_on(pending.tuple.local.port);
        let Some((request, queue, mut cx)) = self.request_mut(now, key) else { return Arrived::default() };
        fx.begin_step();
        let fate = request.on_timer(&mut cx, queue, fx);
        fx.end_step();
        let timed = (fate == MiniFate::Keep).then_some(Timed::Request(key));
        if timed.is_none() {
            self.drop_request(key);
        }
        let line = self.count_at_listener(now, listener, &fx.counters);
        fx.counters.clear();
        self.gauge_listener(now, listener);
        self.account(now);
        Arrived { timed, acceptable: None, line }
    }
}
