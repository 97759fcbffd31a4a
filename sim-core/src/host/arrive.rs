//! A segment for this host: the lookup before the protocol, and the tables after it.

use super::ports::{DestId, Owner};
use super::sockets::{Pending, SockRef, Socket};
use super::{Effects, Flow, Host, Move, Packet, Wake};
use crate::ids::{Key, Tuple};
use crate::socket::{self, Next, Request, SocketMut};
use crate::tcp::{Cx, Endpoint, State};
use crate::time::Time;

impl Host {
    /// Delivers a segment that is for this host.
    pub fn receive(&mut self, now: Time, packet: &Packet, fx: &mut Effects) {
        let tuple = packet.tuple.reversed();
        let found = self.sockets.tuples.get(&tuple).copied();
        let listener = self.listeners.iter().position(|l| l.spec.port == tuple.local.port);
        let before = self.state_of(found);

        let Host { cfg, shared, sockets, outbox, listeners, keys, .. } = self;
        outbox.clear();
        let socket = match found {
            None => SocketMut::None,
            Some(SockRef::Full(key)) => {
                sockets.full.get_mut(key).map_or(SocketMut::None, |s| SocketMut::Full(&mut s.endpoint))
            }
            Some(SockRef::Mini(key)) => {
                sockets.mini.get_mut(key).map_or(SocketMut::None, |m| SocketMut::TimeWait(&mut m.machine))
            }
            Some(SockRef::Request(key)) => {
                sockets.requests.get_mut(key).map_or(SocketMut::None, |r| SocketMut::Request(&mut r.request))
            }
        };
        let secrets = || keys.of(cfg, now, tuple);
        let queue = listener.map(|i| &mut listeners[i].listener);
        let next = socket::receive(&mut Cx { now, cfg, shared }, socket, queue, &packet.seg, secrets, outbox);
        match found {
            // Nothing of the listener's has moved.
            Some(SockRef::Full(key)) => return self.settle_socket(now, key, before, next, fx),
            Some(SockRef::Mini(key)) => {
                self.settle_arrival_at_mini(now, key, before, packet, next, listener, fx);
            }
            Some(SockRef::Request(key)) => self.settle_request(now, key, next, listener, fx),
            None => {
                self.flush(now, tuple, packet.flow, None, listener, fx);
                self.admit(now, tuple, packet.flow, next, listener, fx);
            }
        }
        self.gauge_listener(now, listener);
        self.account(now);
    }

    fn state_of(&self, found: Option<SockRef>) -> State {
        let state = match found {
            Some(SockRef::Full(key)) => self.sockets.full.get(key).map(|s| s.endpoint.state()),
            Some(SockRef::Mini(key)) => self.sockets.mini.get(key).map(|m| m.machine.state()),
            Some(SockRef::Request(_)) => Some(State::SynRecv),
            None => None,
        };
        state.unwrap_or(State::Closed)
    }

    #[expect(clippy::too_many_arguments, reason = "one call, of what the caller has just found out")]
    fn settle_arrival_at_mini(
        &mut self,
        now: Time,
        key: Key,
        before: State,
        packet: &Packet,
        next: Next,
        listener: Option<usize>,
        fx: &mut Effects,
    ) {
        let tuple = packet.tuple.reversed();
        match next {
            Next::Keep | Next::TimeWait(_) => {
                self.flush(now, tuple, packet.flow, None, listener, fx);
                let after = self.sockets.mini.get(key).map_or(before, |m| m.machine.state());
                self.moved(now, Move { tuple, flow: packet.flow, from: before, to: after }, fx);
                self.arm_mini(key, fx);
            }
            // A SYN opened the tuple anew, or a RST ended it.
            next => {
                self.remove_mini(now, key, fx);
                self.flush(now, tuple, packet.flow, None, listener, fx);
                self.admit(now, tuple, packet.flow, next, listener, fx);
            }
        }
    }

    /// Puts what has come into being on a free tuple into the tables.
    fn admit(
        &mut self,
        now: Time,
        tuple: Tuple,
        flow: Flow,
        next: Next,
        listener: Option<usize>,
        fx: &mut Effects,
    ) {
        match next {
            Next::Request(request) => self.insert_request(now, tuple, flow, request, fx),
            Next::Child(endpoint) => {
                self.insert_child(now, tuple, flow, endpoint, listener, State::Closed, fx);
            }
            Next::Keep | Next::Gone | Next::TimeWait(_) => {}
        }
    }

    fn insert_request(&mut self, now: Time, tuple: Tuple, flow: Flow, request: Request, fx: &mut Effects) {
        let due = request.deadline();
        let key = self.sockets.requests.insert(Pending { request, tuple, flow, wake: due });
        self.sockets.tuples.insert(tuple, SockRef::Request(key));
        fx.wakes.push((due, Wake::Request(key)));
        self.moved(now, Move { tuple, flow, from: State::Closed, to: State::SynRecv }, fx);
    }

    #[expect(clippy::too_many_arguments, reason = "one call, of what the caller has just found out")]
    fn insert_child(
        &mut self,
        now: Time,
        tuple: Tuple,
        flow: Flow,
        endpoint: Endpoint,
        listener: Option<usize>,
        from: State,
        fx: &mut Effects,
    ) {
        let to = endpoint.state();
        // The segment that completes a handshake may end the connection too: such a child waits for accept() to hand
        // out its error, but is in no table.
        let hashed = to != State::Closed;
        let key = self.sockets.full.insert(Socket {
            endpoint,
            tuple,
            dest: DestId::NONE,
            owner: Owner::Explicit,
            flow,
            app: None,
            hashed,
            wake: Time::NEVER,
        });
        if hashed {
            self.sockets.tuples.insert(tuple, SockRef::Full(key));
            self.ports.take(now, tuple.local.port, Owner::Explicit, DestId::NONE);
        } else {
            self.sockets.tuples.remove(&tuple);
        }
        self.moved(now, Move { tuple, flow, from, to }, fx);
        self.arm_socket(key, fx);
        if let Some(i) = listener {
            self.listeners[i].ready.push_back(key);
            fx.acceptable.push(i as u16);
        }
    }

    /// Carries out what a step said of a request.
    fn settle_request(&mut self, now: Time, key: Key, next: Next, listener: Option<usize>, fx: &mut Effects) {
        let Some(pending) = self.sockets.requests.get(key) else { return };
        let (tuple, flow) = (pending.tuple, pending.flow);
        self.flush(now, tuple, flow, None, listener, fx);
        match next {
            Next::Keep | Next::Request(_) | Next::TimeWait(_) => self.arm_request(key, fx),
            Next::Child(endpoint) => {
                self.sockets.requests.remove(key);
                self.insert_child(now, tuple, flow, endpoint, listener, State::SynRecv, fx);
            }
            Next::Gone => {
                self.sockets.requests.remove(key);
                self.sockets.tuples.remove(&tuple);
                self.moved(now, Move { tuple, flow, from: State::SynRecv, to: State::Closed }, fx);
            }
        }
    }

    fn arm_request(&mut self, key: Key, fx: &mut Effects) {
        let Some(pending) = self.sockets.requests.get_mut(key) else { return };
        let due = pending.request.deadline();
        if due < pending.wake {
            pending.wake = due;
            fx.wakes.push((due, Wake::Request(key)));
        }
    }

    pub(super) fn wake_request(&mut self, now: Time, key: Key, fx: &mut Effects) {
        let Host { cfg, shared, sockets, outbox, listeners, .. } = self;
        let Some(pending) = sockets.requests.get_mut(key) else { return };
        if pending.wake != now {
            return;
        }
        pending.wake = Time::NEVER;
        let port = pending.tuple.local.port;
        let listener = listeners.iter().position(|l| l.spec.port == port);
        if pending.request.deadline() > now {
            return self.arm_request(key, fx);
        }
        outbox.clear();
        let queue = listener.map(|i| &mut listeners[i].listener);
        let next = pending.request.on_timer(&mut Cx { now, cfg, shared }, queue, outbox);
        self.settle_request(now, key, next.into(), listener, fx);
        self.gauge_listener(now, listener);
        self.account(now);
    }

    fn gauge_listener(&mut self, now: Time, listener: Option<usize>) {
        if let Some(listen) = listener.map(|i| &mut self.listeners[i]) {
            listen.accept_queue.set(now, u64::from(listen.listener.accept_queue_len()));
            listen.syn_queue.set(now, u64::from(listen.listener.syn_queue_len()));
        }
    }
}
