//! The finite things of a host: ports, tuples, sockets, descriptors, memory.
//!
//! A [`Host`] is the kernel of one machine without a clock or a network: calls, segments and timer expiries go in,
//! [`Effects`] come out. The protocol itself is in [`crate::tcp`] and its neighbours; here is what surrounds it.

mod arrive;
mod connect;
mod effects;
pub mod memory;
pub mod ports;
mod secrets;
mod sockets;
mod track;

use std::collections::VecDeque;

pub use connect::Wanted;
pub use effects::{Effects, Move, Packet, Wake};
pub use sockets::Flow;
pub use track::Tracking;

use crate::conntrack::Conntrack;
use crate::counter::Counter;
use crate::errno::Errno;
use crate::ids::{Addr, HostId, Key, Tuple};
use crate::listener::Listener;
use crate::log::LogLine;
use crate::record::{Gauge, HostSummary, Tally};
use crate::rng::{Purpose, Stream};
use crate::scenario::{self, Listen};
use crate::tcp::config::TwOverflow;
use crate::tcp::{Cx, Input, Next, Outbox, Shared, State, TcpConfig};
use crate::time::Time;
use crate::timewait::{self, TimeWait};
use ports::Ports;
use secrets::Keys;
use sockets::{Mini, SockRef, Sockets};

/// A listening socket with the children that wait for accept().
#[derive(Debug)]
pub struct ListenSocket {
    /// What the scenario says of it.
    pub spec: Listen,
    listener: Listener,
    ready: VecDeque<Key>,
    /// accept() found no descriptor; tried again when one is closed.
    starved: bool,
    /// For an application that takes its time: not before this.
    pub next_accept: Time,
    /// For an application that takes its time: its next accept() is queued.
    pub accept_queued: bool,
    /// Accept queue.
    pub accept_queue: Gauge,
    /// SYN queue.
    pub syn_queue: Gauge,
    /// Handshakes refused by a full accept queue.
    pub accept_refused: Tally,
    /// SYNs that met a full SYN queue.
    pub syn_refused: Tally,
}

impl ListenSocket {
    /// How many connections either queue holds.
    pub fn capacity(&self) -> u64 {
        u64::from(self.listener.backlog()) + 1
    }
}

/// Refusals by limits that are not tied to a port.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refusals {
    /// No descriptor.
    pub open_files: Tally,
    /// No mini-socket.
    pub tw_buckets: Tally,
    /// Orphans killed.
    pub orphans: Tally,
}

/// One host.
#[derive(Debug)]
pub struct Host {
    /// Which one.
    pub id: HostId,
    /// Parameters of its TCP.
    pub cfg: TcpConfig,
    /// Its ports.
    pub ports: Ports,
    /// Its listening sockets.
    pub listeners: Vec<ListenSocket>,
    /// Populations and counters.
    pub stats: HostSummary,
    /// What its limits refused.
    pub refusals: Refusals,
    /// Its connection tracker, if it has one.
    pub tracking: Option<Tracking>,
    addresses: Vec<Addr>,
    open_files_max: u32,
    exhausted: Errno,
    sockets: Sockets,
    /// Mini-sockets in order of age, where the oldest makes room for the newest; keys that have gone stale among them.
    mini_by_age: VecDeque<Key>,
    keys: Keys,
    shared: Shared,
    outbox: Outbox,
}

impl Host {
    /// A host at boot.
    pub fn new(id: HostId, spec: &scenario::Host, seed: u64) -> Host {
        let keys = Keys::new(seed, u32::from(id.0));
        let mut host = Host {
            id,
            cfg: spec.tcp.clone(),
            ports: Ports::new(&spec.ports, keys.ports, Stream::new(seed, Purpose::Ports, u32::from(id.0))),
            listeners: Vec::new(),
            stats: HostSummary { states: vec![Gauge::default(); State::ALL.len()], ..HostSummary::default() },
            refusals: Refusals::default(),
            tracking: spec.conntrack.as_ref().map(|cfg| {
                let seed = Stream::new(seed, Purpose::Conntrack, u32::from(id.0)).bits64();
                Tracking::new(Conntrack::new(cfg.clone(), seed))
            }),
            addresses: spec.addresses.clone(),
            open_files_max: spec.open_files,
            exhausted: spec.ports.exhausted,
            sockets: Sockets::default(),
            mini_by_age: VecDeque::new(),
            keys,
            shared: Shared::default(),
            outbox: Outbox::default(),
        };
        for listen in &spec.listen {
            host.listen(listen);
        }
        host
    }

    fn listen(&mut self, spec: &Listen) {
        self.ports.take(Time::ZERO, spec.port, ports::Owner::Explicit, ports::DestId::NONE);
        self.stats.states[State::Listen as usize].up(Time::ZERO);
        self.listeners.push(ListenSocket {
            spec: spec.clone(),
            listener: Listener::new(spec.backlog, self.cfg.somaxconn),
            ready: VecDeque::new(),
            starved: false,
            next_accept: Time::ZERO,
            accept_queued: false,
            accept_queue: Gauge::default(),
            syn_queue: Gauge::default(),
            accept_refused: Tally::default(),
            syn_refused: Tally::default(),
        });
    }

    /// Descriptors that applications may have open.
    pub fn open_files_max(&self) -> u32 {
        self.open_files_max
    }

    /// Whether a segment for this address is for this host.
    pub fn has_address(&self, addr: Addr) -> bool {
        addr.is_loopback() || self.addresses.contains(&addr)
    }

    /// Makes an application the owner of a socket's notices.
    pub fn set_app(&mut self, socket: Key, app: Key) {
        if let Some(socket) = self.sockets.full.get_mut(socket) {
            socket.app = Some(app);
        }
    }

    /// The tuple of a full socket.
    pub fn tuple(&self, socket: Key) -> Option<Tuple> {
        self.sockets.full.get(socket).map(|s| s.tuple)
    }

    /// An application's call on its socket, other than close: the count of bytes or the error.
    ///
    /// # Errors
    /// EBADF if there is no such socket; otherwise as the call.
    pub fn call(&mut self, now: Time, key: Key, input: Input, fx: &mut Effects) -> Result<u32, Errno> {
        let Host { cfg, shared, sockets, outbox, .. } = self;
        let Some(socket) = sockets.full.get_mut(key) else { return Err(Errno::Ebadf) };
        let before = socket.endpoint.state();
        outbox.clear();
        let next = socket.endpoint.step(&mut Cx { now, cfg, shared }, input, outbox);
        let answer = outbox.answer;
        self.settle_socket(now, key, before, next, fx);
        answer
    }

    /// close(), or an abort: gives the descriptor back, whatever becomes of the connection.
    pub fn close(&mut self, now: Time, key: Key, how: Input, fx: &mut Effects) {
        let Some(socket) = self.sockets.full.get_mut(key) else { return };
        if socket.app.take().is_some() {
            self.stats.open_files.down();
            for (i, listener) in self.listeners.iter_mut().enumerate() {
                if core::mem::take(&mut listener.starved) {
                    fx.acceptable.push(i as u16);
                }
            }
        }
        let _ = self.call(now, key, how, fx);
    }

    /// accept() on a listener, by index. The application must then be made known by [`Host::set_app`].
    ///
    /// # Errors
    /// EAGAIN if nothing waits; EMFILE if there is no descriptor: then the connection stays in the queue.
    pub fn accept(&mut self, now: Time, listener: u16) -> Result<(Key, Flow), Errno> {
        let listen = &mut self.listeners[listener as usize];
        let Some(&key) = listen.ready.front() else { return Err(Errno::Eagain) };
        if self.stats.open_files.now >= u64::from(self.open_files_max) {
            listen.starved = true;
            self.refusals.open_files.add(now);
            return Err(Errno::Emfile);
        }
        listen.ready.pop_front();
        listen.listener.accepted();
        listen.accept_queue.set(now, u64::from(listen.listener.accept_queue_len()));
        self.stats.open_files.up(now);
        let flow = self.sockets.full.get(key).map(|s| s.flow).unwrap_or_default();
        Ok((key, flow))
    }

    /// A queued wake-up has come.
    pub fn wake(&mut self, now: Time, wake: Wake, fx: &mut Effects) {
        match wake {
            Wake::Socket(key) => self.wake_socket(now, key, fx),
            Wake::Mini(key) => self.wake_mini(now, key, fx),
            Wake::Request(key) => self.wake_request(now, key, fx),
        }
    }

    fn wake_socket(&mut self, now: Time, key: Key, fx: &mut Effects) {
        let Some(socket) = self.sockets.full.get_mut(key) else { return };
        // A wake-up that was overtaken by an earlier one, or a timer that was put off since: nothing is due.
        if socket.wake != now {
            return;
        }
        socket.wake = Time::NEVER;
        if socket.endpoint.next_deadline().is_some_and(|due| due <= now) {
            let _ = self.call(now, key, Input::Timer, fx);
        } else {
            self.arm_socket(key, fx);
        }
    }

    fn wake_mini(&mut self, now: Time, key: Key, fx: &mut Effects) {
        let Host { cfg, shared, sockets, outbox, .. } = self;
        let Some(mini) = sockets.mini.get_mut(key) else { return };
        if mini.wake != now {
            return;
        }
        mini.wake = Time::NEVER;
        outbox.clear();
        let next = mini.machine.on_timer(&mut Cx { now, cfg, shared }, outbox);
        self.settle_mini(now, key, &next, fx);
    }

    /// Queues a wake-up at a socket's deadline, unless one that is early enough is queued already.
    fn arm_socket(&mut self, key: Key, fx: &mut Effects) {
        let Some(socket) = self.sockets.full.get_mut(key) else { return };
        if let Some(due) = socket.endpoint.next_deadline().filter(|&due| due < socket.wake) {
            socket.wake = due;
            fx.wakes.push((due, Wake::Socket(key)));
        }
    }

    fn arm_mini(&mut self, key: Key, fx: &mut Effects) {
        let Some(mini) = self.sockets.mini.get_mut(key) else { return };
        let due = mini.machine.deadline();
        if due < mini.wake {
            mini.wake = due;
            fx.wakes.push((due, Wake::Mini(key)));
        }
    }

    /// Carries out what a step said of a full socket.
    fn settle_socket(&mut self, now: Time, key: Key, before: State, next: Next, fx: &mut Effects) {
        let Some(socket) = self.sockets.full.get_mut(key) else { return };
        let (tuple, flow, app) = (socket.tuple, socket.flow, socket.app);
        let after = match &next {
            Next::TimeWait(machine) => machine.state(),
            Next::Gone => State::Closed,
            Next::Keep | Next::Request(_) | Next::Child(_) => socket.endpoint.state(),
        };
        let step = socket.hashed.then_some(Move { tuple, flow, from: before, to: after });
        let stays = socket.hashed && !matches!(next, Next::Gone | Next::TimeWait(_));
        let remove = !stays && !socket.endpoint.has_owner();
        if let Some(due) = socket.endpoint.next_deadline().filter(|&due| !remove && due < socket.wake) {
            socket.wake = due;
            fx.wakes.push((due, Wake::Socket(key)));
        }
        self.flush(now, tuple, flow, app, None, fx);
        if let Some(step) = step {
            self.moved(now, step, fx);
        }
        match next {
            Next::Gone => self.unhash(key),
            Next::TimeWait(machine) => self.become_mini(now, key, machine, fx),
            Next::Keep | Next::Request(_) | Next::Child(_) => {}
        }
        if remove {
            self.sockets.full.remove(key);
        }
        self.account(now);
    }

    /// The tuple no longer leads to a full socket.
    fn unhash(&mut self, key: Key) {
        let Some(socket) = self.sockets.full.get_mut(key) else { return };
        if core::mem::take(&mut socket.hashed) {
            self.sockets.tuples.remove(&socket.tuple);
            self.ports.release(socket.tuple.local.port, socket.owner, socket.dest);
        }
    }

    /// A mini-socket takes the place of a full one in the tables, its port with it.
    fn become_mini(&mut self, now: Time, key: Key, machine: TimeWait, fx: &mut Effects) {
        let Some(socket) = self.sockets.full.get_mut(key) else { return };
        socket.hashed = false;
        let (tuple, dest, owner, flow) = (socket.tuple, socket.dest, socket.owner, socket.flow);
        self.ports.mark_mini(tuple.local.port, dest, machine.reusable_from(&self.cfg));
        let mini = self.sockets.mini.insert(Mini { machine, tuple, dest, owner, flow, wake: Time::NEVER });
        self.sockets.tuples.insert(tuple, SockRef::Mini(mini));
        self.arm_mini(mini, fx);
        if self.cfg.tw_overflow == TwOverflow::RecycleOldest {
            self.recycle_oldest(now, mini, fx);
        }
    }

    /// FreeBSD before 14 keeps its mini-sockets in a list by age: when there is one too many, the oldest ends early
    /// (sys/netinet/tcp_timewait.c, `tcp_tw_2msl_scan`).
    fn recycle_oldest(&mut self, now: Time, newest: Key, fx: &mut Effects) {
        self.mini_by_age.push_back(newest);
        while let Some(&oldest) = self.mini_by_age.front() {
            let gone = self.sockets.mini.get(oldest).is_none();
            if !gone && self.sockets.mini.len() as u64 <= u64::from(self.cfg.max_tw_buckets) {
                return;
            }
            self.mini_by_age.pop_front();
            if self.remove_mini(now, oldest, fx).is_some() {
                timewait::uncount(&mut self.shared);
                self.refusals.tw_buckets.add(now);
            }
        }
    }

    /// Carries out what the timer of a mini-socket came to.
    fn settle_mini(&mut self, now: Time, key: Key, next: &Next, fx: &mut Effects) {
        let Some(mini) = self.sockets.mini.get(key) else { return };
        let (tuple, flow) = (mini.tuple, mini.flow);
        self.flush(now, tuple, flow, None, None, fx);
        if matches!(next, Next::Keep | Next::TimeWait(_)) {
            return self.arm_mini(key, fx);
        }
        self.remove_mini(now, key, fx);
        self.account(now);
    }

    fn remove_mini(&mut self, now: Time, key: Key, fx: &mut Effects) -> Option<Mini> {
        let mini = self.sockets.mini.remove(key)?;
        self.sockets.tuples.remove(&mini.tuple);
        self.ports.release(mini.tuple.local.port, mini.owner, mini.dest);
        let from = mini.machine.state();
        self.moved(now, Move { tuple: mini.tuple, flow: mini.flow, from, to: State::Closed }, fx);
        Some(mini)
    }

    /// Books a move of state.
    fn moved(&mut self, now: Time, step: Move, fx: &mut Effects) {
        if step.from == step.to {
            return;
        }
        if step.from != State::Closed {
            self.stats.states[step.from as usize].down();
        }
        if step.to != State::Closed {
            self.stats.states[step.to as usize].up(now);
        }
        fx.moves.push(step);
    }

    /// Hands on what the outbox holds.
    fn flush(
        &mut self,
        now: Time,
        tuple: Tuple,
        flow: Flow,
        app: Option<Key>,
        listener: Option<usize>,
        fx: &mut Effects,
    ) {
        fx.packets.extend(self.outbox.segments.iter().map(|&seg| Packet { tuple, seg, flow }));
        if let Some(app) = app {
            fx.notices.extend(self.outbox.notices.iter().map(|&notice| (app, notice)));
        }
        for &counter in &self.outbox.counters {
            self.stats.counters.bump(counter);
            let listen = listener.map(|i| &mut self.listeners[i]);
            match (counter, listen) {
                (Counter::TcpExtListenOverflows, Some(listen)) => listen.accept_refused.add(now),
                (Counter::TcpExtTCPReqQFullDoCookies, Some(listen)) => {
                    if listen.syn_refused.count == 0 {
                        fx.logs.push(LogLine::SynFloodCookies);
                    }
                    listen.syn_refused.add(now);
                }
                (Counter::TcpExtTCPReqQFullDrop, Some(listen)) => {
                    if listen.syn_refused.count == 0 {
                        fx.logs.push(LogLine::SynFloodDrop);
                    }
                    listen.syn_refused.add(now);
                }
                (Counter::TcpExtTCPTimeWaitOverflow, _) => self.refusals.tw_buckets.add(now),
                (Counter::TcpExtTCPAbortOnMemory, _) => {
                    self.refusals.orphans.add(now);
                    fx.logs.push(LogLine::TooManyOrphans);
                }
                _ => {}
            }
        }
    }

    /// Brings the gauges that follow from the tables up to date.
    fn account(&mut self, now: Time) {
        let (full, mini) = (self.sockets.full.len() as u64, self.sockets.mini.len() as u64);
        self.stats.orphans.set(now, u64::from(self.shared.orphans));
        self.stats.mini_sockets.set(now, mini);
        let bytes = full * memory::SOCKET
            + self.stats.open_files.now * memory::DESCRIPTOR
            + mini * memory::MINI_SOCKET
            + self.sockets.requests.len() as u64 * memory::REQUEST
            + u64::from(self.ports.live_buckets()) * memory::BIND_BUCKETS
            + self.stats.conntrack.now * memory::CONNTRACK_ENTRY;
        self.stats.memory.set(now, bytes);
    }
}
