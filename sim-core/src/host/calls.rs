//! connect() and accept(): a descriptor, a port, a tuple, a SYN; what is missing is the error.

use super::Host;
use super::index::Place;
use super::minis::{Mini, NewMini};
use super::ports::{DestId, Owner};
use super::tables::{Conn, Tables};
use crate::app::Effects;
use crate::errno::{Call, Errno};
use crate::ids::{Addr, Key, SockAddr, Tuple};
use crate::scenario::PortOptions;
use crate::tcp::config::TwReuse;
use crate::tcp::{ConnectParams, Inherited, State};
use crate::time::{Span, Time};

/// Which local port a connection is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortRequest {
    /// connect() chooses.
    Auto(PortOptions),
    /// bind() with port 0 chooses first.
    Bound(PortOptions),
    /// bind() to this port first.
    Fixed {
        /// The port.
        port: u16,
        /// SO_REUSEADDR.
        reuse: bool,
        /// How many ports the caller takes in turn: then these are the limit, not the ephemeral range.
        of: u32,
    },
}

impl PortRequest {
    /// Whether the socket sets SO_REUSEADDR.
    const fn reuse(self) -> bool {
        match self {
            PortRequest::Auto(options) | PortRequest::Bound(options) => options.reuse,
            PortRequest::Fixed { reuse, .. } => reuse,
        }
    }
}

/// What `tcp_tw_reuse` = 2 means by the loopback.
fn is_loopback(local: Addr, remote: Addr) -> bool {
    local.is_loopback() || remote.is_loopback()
}

/// What connect() has got before the protocol begins.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// The tuple.
    pub tuple: Tuple,
    /// Towards which destination it consumes a port.
    pub dest: DestId,
    /// How it got its port.
    pub owner: Owner,
    /// Sequence number and timestamps to begin with.
    pub params: ConnectParams,
}

impl Host {
    /// What connect() needs before the protocol begins, and how long the call and its search for a port have taken.
    pub fn open(
        &mut self,
        now: Time,
        pair: (Addr, SockAddr),
        wanted: PortRequest,
        fx: &mut Effects,
    ) -> (Result<Opened, (Call, Errno)>, Span) {
        if self.probe_time == Span::ZERO {
            return (self.acquire(now, pair, wanted, fx), self.call_time);
        }
        let dest = self.ports.dest(pair.0, pair.1);
        let before = self.ports.probes_towards(dest);
        let opened = self.acquire(now, pair, wanted, fx);
        (opened, self.call_time + self.probe_time.times(self.ports.probes_towards(dest) - before))
    }

    /// A descriptor, a port and a tuple. What a mini-socket on the tuple
    /// hands down when it makes room is told to `fx`.
    ///
    /// # Errors
    /// The call that failed, and its errno. Nothing is left behind.
    fn acquire(
        &mut self,
        now: Time,
        (from, to): (Addr, SockAddr),
        wanted: PortRequest,
        fx: &mut Effects,
    ) -> Result<Opened, (Call, Errno)> {
        if self.stats.open_files.now >= u64::from(self.open_files_max) {
            self.refusals.open_files.add(now);
            return Err((Call::Socket, Errno::Emfile));
        }
        let dest = self.ports.dest(from, to);
        let (port, owner) = self.port_for(now, dest, wanted)?;
        let tuple = Tuple { local: SockAddr { addr: from, port }, remote: to };
        if tuple == tuple.reversed() {
            // Linux would let the socket meet itself in a simultaneous open. Here it finds that nobody listens.
            return Err((Call::Connect, Errno::Econnrefused));
        }
        // What connect() has chosen is free, or held by a mini-socket.
        let taken = owner == Owner::Explicit || self.ports.is_taken(port, dest);
        let inherited = if taken {
            fx.begin_step();
            let inherited = self.take_over(now, tuple, owner, fx);
            fx.end_step();
            inherited
        } else {
            None
        };
        let secrets = self.keys.without_cookie(&self.cfg, now, tuple);
        self.ports.take(now, port, owner, dest);
        if wanted.reuse() {
            self.ports.share(port, dest);
        }
        self.stats.open_files.up(now);
        Ok(Opened { tuple, dest, owner, params: ConnectParams { secrets, inherited } })
    }

    /// Puts the socket of a connect() into the tables.
    pub fn insert_client(&mut self, conn: Conn) -> Key {
        let tuple = conn.tuple;
        let key = self.tables.conns.insert(conn);
        self.account_later();
        self.tables.index.put(tuple, Place::Full(key.slot() as u32));
        key
    }

    fn port_for(
        &mut self,
        now: Time,
        dest: DestId,
        wanted: PortRequest,
    ) -> Result<(u16, Owner), (Call, Errno)> {
        match wanted {
            PortRequest::Auto(options) => {
                self.ports.narrow(dest, options.range);
                let port = self.pick_port(now, dest, options.range).ok_or((Call::Connect, self.exhausted))?;
                Ok((port, Owner::Auto))
            }
            PortRequest::Bound(options) => {
                let (addr, remote) = self.ports.pair(dest);
                self.ports.narrow(dest, options.range);
                let found = self.ports.find_open(addr, options).ok_or((Call::Bind, Errno::Eaddrinuse));
                let port = found.and_then(|port| {
                    self.check_tuple(now, Tuple { local: SockAddr { addr, port }, remote })?;
                    Ok(port)
                });
                if port.is_err() {
                    self.refuse_port(now, dest);
                }
                Ok((port?, Owner::Explicit))
            }
            PortRequest::Fixed { port, reuse, of } => {
                let (addr, remote) = self.ports.pair(dest);
                self.ports.dest_mut(dest).fixed = Some(of);
                let tuple = Tuple { local: SockAddr { addr, port }, remote };
                if let Err(failure) = self.check_fixed(now, tuple, reuse) {
                    self.refuse_port(now, dest);
                    return Err(failure);
                }
                Ok((port, Owner::Explicit))
            }
        }
    }

    /// The mini-socket on a tuple.
    fn mini_on(&self, tuple: Tuple) -> Option<Mini> {
        match self.tables.index.get(tuple)? {
            Place::Row(place) => Some(Mini::Row(self.tables.waiting.at(place))),
            Place::Orphan(slot) => Some(Mini::Orphan(self.tables.orphans.key(slot))),
            Place::Full(_) | Place::Request(_) | Place::Conversation(_) => None,
        }
    }

    /// What connect() may inherit from the mini-socket on a tuple, if it may take the tuple over.
    fn inheritable(&mut self, now: Time, tuple: Tuple, fixed: bool) -> Option<Inherited> {
        let mini = self.mini_on(tuple)?;
        let loopback = is_loopback(tuple.local.addr, tuple.remote.addr);
        self.load_mini(mini)?.reusable_by_connect(&self.cfg, now, loopback, fixed)
    }

    /// The port for a connection whose port is not fixed. A failure is booked as a refusal.
    fn pick_port(&mut self, now: Time, dest: DestId, range: Option<(u16, u16)>) -> Option<u16> {
        let Host { ports, tables, cfg, .. } = self;
        let (from, to) = ports.pair(dest);
        let loopback = is_loopback(from, to.addr);
        let Tables { index, waiting, orphans, .. } = tables;
        let may_take_over = |port| {
            let tuple = Tuple { local: SockAddr { addr: from, port }, remote: to };
            match index.get(tuple) {
                Some(Place::Row(place)) => {
                    let deadline = |armed| cfg.timers.expiry(armed, cfg.time_wait);
                    let machine = waiting.load(waiting.at(place), deadline, |_| 0);
                    machine.is_some_and(|m| m.reusable_by_connect(cfg, now, loopback, false).is_some())
                }
                Some(Place::Orphan(slot)) => {
                    let machine = orphans.get(orphans.key(slot)).map(|orphan| &orphan.machine);
                    machine.is_some_and(|m| m.reusable_by_connect(cfg, now, loopback, false).is_some())
                }
                _ => false,
            }
        };
        let reuse = match cfg.tw_reuse {
            TwReuse::Off => false,
            TwReuse::On => true,
            TwReuse::Loopback => loopback,
        };
        let port = ports.choose(now, dest, range, reuse, may_take_over);
        if port.is_none() {
            self.refuse_port(now, dest);
        }
        port
    }

    /// Books that there was no port towards a destination; the first time, also who held them.
    fn refuse_port(&mut self, now: Time, id: DestId) {
        let pair = self.ports.pair(id);
        let dest = self.ports.dest_mut(id);
        dest.refused.add(now);
        if dest.refused.count == 1 {
            dest.held_by = holders(&self.tables, id, pair);
            let capacity = self.ports.capacity();
            self.ports.dest_mut(id).capacity = Some(capacity);
        }
    }

    /// Adds sockets that stand in no table here to those that held the ports towards a destination at the first refusal.
    pub fn add_holders(&mut self, id: DestId, states: impl Iterator<Item = State>) {
        let held_by = &mut self.ports.dest_mut(id).held_by;
        for state in states {
            match held_by.iter_mut().find(|(known, _)| *known == state) {
                Some((_, n)) => *n += 1,
                None => held_by.push((state, 1)),
            }
        }
        held_by.sort_by_key(|&(state, n)| (core::cmp::Reverse(n), state));
    }

    /// bind() and connect() with a port of the caller's.
    ///
    /// A listener is bound to every address and listens, so bind() to its port fails whatever either has set. (Nearly every
    /// server sets SO_REUSEADDR on its listener, and what accept() makes has the listener's flags. So where a listener has
    /// been closed, what it has accepted is in the way of those that have not set it.)
    fn check_fixed(&mut self, now: Time, tuple: Tuple, reuse: bool) -> Result<(), (Call, Errno)> {
        let SockAddr { addr, port } = tuple.local;
        let left_behind = !reuse && self.ports.is_of_listener(port);
        if self.listener_on(port).is_some() || left_behind || self.ports.bind_conflict(addr, port, reuse) {
            return Err((Call::Bind, Errno::Eaddrinuse));
        }
        self.check_tuple(now, tuple)
    }

    /// connect() of a socket that has its port: only a TIME_WAIT with timestamps makes room.
    fn check_tuple(&mut self, now: Time, tuple: Tuple) -> Result<(), (Call, Errno)> {
        let taken = self.tables.index.get(tuple).is_some();
        if taken && self.inheritable(now, tuple, true).is_none() {
            return Err((Call::Connect, Errno::Eaddrnotavail));
        }
        Ok(())
    }

    /// Removes the mini-socket on a tuple that connect() takes over.
    fn take_over(&mut self, now: Time, tuple: Tuple, owner: Owner, fx: &mut Effects) -> Option<Inherited> {
        let inherited = self.inheritable(now, tuple, owner == Owner::Explicit)?;
        let mini = self.mini_on(tuple)?;
        let machine = self.load_mini(mini)?;
        let _: NewMini = self.remove_mini(mini)?;
        machine.taken_over(&mut self.shared, fx);
        Some(inherited)
    }

    /// accept() on a listener, by its place. The application is not there yet.
    ///
    /// # Errors
    /// EAGAIN if nothing waits; EMFILE if there is no descriptor: then the connection stays in the queue.
    pub fn accept(&mut self, now: Time, listener: u16) -> Result<Key, Errno> {
        let listen = &mut self.listeners[listener as usize];
        let Some(&key) = listen.ready.front() else { return Err(Errno::Eagain) };
        if self.stats.open_files.now >= u64::from(self.open_files_max) {
            self.starving += u32::from(!core::mem::replace(&mut listen.starved, true));
            self.refusals.open_files.add(now);
            return Err(Errno::Emfile);
        }
        listen.ready.pop_front();
        listen.listener.accepted();
        self.stats.accepted += 1;
        listen.accept_queue.set(now, u64::from(listen.listener.accept_queue_len()));
        self.stats.open_files.up(now);
        self.account(now);
        Ok(key)
    }

    /// A descriptor is closed. Calls `again` with each listener whose accept() had found none.
    pub fn descriptor_closed(&mut self, again: impl FnMut(u16)) {
        self.account_later();
        self.stats.open_files.down();
        self.descriptor_freed(again);
    }

    /// There is a descriptor again. Calls `again` with each listener whose accept() had found none.
    #[inline]
    pub fn descriptor_freed(&mut self, mut again: impl FnMut(u16)) {
        if core::mem::take(&mut self.starving) == 0 {
            return;
        }
        for (i, listener) in self.listeners.iter_mut().enumerate() {
            if core::mem::take(&mut listener.starved) {
                again(i as u16);
            }
        }
    }

    /// The tuple of a full socket no longer leads to it.
    pub fn unhash(&mut self, key: Key) {
        self.populations_moved = true;
        let Some(conn) = self.tables.conns.get(key) else { return };
        self.tables.index.remove(conn.tuple);
        self.ports.release(conn.tuple.local.port, conn.owner, conn.dest);
    }
}

/// Who holds the ports towards a destination, by state, most first.
fn holders(tables: &Tables, id: DestId, (from, to): (Addr, SockAddr)) -> Vec<(State, u64)> {
    let mut count = [0u64; State::ALL.len()];
    for conn in tables.conns.iter().filter(|conn| conn.view.hashed && conn.dest == id) {
        count[conn.view.state as usize] += 1;
    }
    for orphan in tables.orphans.iter().filter(|orphan| orphan.dest == id) {
        count[orphan.machine.state() as usize] += 1;
    }
    let here = |tuple: Tuple| tuple.local.addr == from && tuple.remote == to;
    count[State::TimeWait as usize] +=
        tables.waiting.iter().filter(|waiter| waiter.outgoing && here(waiter.tuple)).count() as u64;
    let mut holders: Vec<_> =
        State::ALL.iter().map(|&s| (s, count[s as usize])).filter(|&(_, n)| n > 0).collect();
    holders.sort_by_key(|&(state, n)| (core::cmp::Reverse(n), state));
    holders
}
