//! connect(): a descriptor, a port, a tuple, a SYN; what it finds missing is its error.

use super::ports::{DestId, Owner};
use super::sockets::{SockRef, Socket, Sockets};
use super::{Effects, Flow, Host, Move};
use crate::errno::{Call, Errno};
use crate::ids::{Addr, Key, SockAddr, Tuple};
use crate::tcp::config::TwReuse;
use crate::tcp::{ConnectParams, Cx, Endpoint, Inherited, State, TcpConfig};
use crate::time::Time;

/// Which local port a connection is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// connect() chooses.
    Auto,
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

/// What `tcp_tw_reuse` = 2 means by the loopback.
fn is_loopback(local: Addr, remote: Addr) -> bool {
    local.is_loopback() || remote.is_loopback()
}

/// What connect() may inherit from the mini-socket on a tuple, if it may take the tuple over.
fn heritage(sockets: &Sockets, cfg: &TcpConfig, now: Time, tuple: Tuple, fixed: bool) -> Option<Inherited> {
    let Some(&SockRef::Mini(key)) = sockets.tuples.get(&tuple) else { return None };
    let loopback = is_loopback(tuple.local.addr, tuple.remote.addr);
    sockets.mini.get(key)?.machine.reusable_by_connect(cfg, now, loopback, fixed)
}

impl Host {
    /// socket(), bind() if a port is wanted, connect(). The application must then be made known by [`Host::set_app`].
    ///
    /// # Errors
    /// The call that failed, and its errno. Nothing is left behind.
    pub fn connect(
        &mut self,
        now: Time,
        from: Addr,
        to: SockAddr,
        wanted: Wanted,
        flow: Flow,
        fx: &mut Effects,
    ) -> Result<Key, (Call, Errno)> {
        if self.stats.open_files.now >= u64::from(self.open_files_max) {
            self.refusals.open_files.add(now);
            return Err((Call::Socket, Errno::Emfile));
        }
        let dest = self.ports.dest(from, to);
        let (port, owner) = match wanted {
            Wanted::Auto => (self.pick_port(now, dest).ok_or((Call::Connect, self.exhausted))?, Owner::Auto),
            Wanted::Fixed { port, reuse, of } => {
                self.ports.dest_mut(dest).fixed = Some(of);
                let tuple = Tuple { local: SockAddr { addr: from, port }, remote: to };
                if let Err(failure) = self.check_fixed(now, tuple, reuse) {
                    self.refuse_port(now, dest);
                    return Err(failure);
                }
                (port, Owner::Explicit)
            }
        };
        let tuple = Tuple { local: SockAddr { addr: from, port }, remote: to };
        self.outbox.clear();
        let inherited = self.take_over(now, tuple, owner, fx);

        let secrets = self.keys.of(&self.cfg, now, tuple);
        let mut cx = Cx { now, cfg: &self.cfg, shared: &mut self.shared };
        let endpoint = Endpoint::connect(&mut cx, ConnectParams { secrets, inherited }, &mut self.outbox);
        let key = self.sockets.full.insert(Socket {
            endpoint,
            tuple,
            dest,
            owner,
            flow,
            app: None,
            hashed: true,
            wake: Time::NEVER,
        });
        self.sockets.tuples.insert(tuple, SockRef::Full(key));
        self.ports.take(now, port, owner, dest);
        self.stats.open_files.up(now);
        self.flush(now, tuple, flow, None, None, fx);
        self.moved(now, Move { tuple, flow, from: State::Closed, to: State::SynSent }, fx);
        self.arm_socket(key, fx);
        self.account(now);
        Ok(key)
    }

    /// The port for a connection whose port is not fixed. A failure is booked as a refusal.
    fn pick_port(&mut self, now: Time, dest: DestId) -> Option<u16> {
        let Host { ports, sockets, cfg, .. } = self;
        let (from, to) = ports.pair(dest);
        let may_take_over = |port| {
            let tuple = Tuple { local: SockAddr { addr: from, port }, remote: to };
            heritage(sockets, cfg, now, tuple, false).is_some()
        };
        let reuse = match cfg.tw_reuse {
            TwReuse::Off => false,
            TwReuse::On => true,
            TwReuse::Loopback => is_loopback(from, to.addr),
        };
        let port = ports.choose(now, dest, reuse, may_take_over);
        if port.is_none() {
            self.refuse_port(now, dest);
        }
        port
    }

    /// Books that there was no port towards a destination; the first time, also who held them.
    fn refuse_port(&mut self, now: Time, id: DestId) {
        let dest = self.ports.dest_mut(id);
        dest.refused.add(now);
        if dest.refused.count == 1 {
            dest.held_by = holders(&self.sockets, id);
        }
    }

    /// bind() and connect() with a port of the caller's.
    fn check_fixed(&self, now: Time, tuple: Tuple, reuse: bool) -> Result<(), (Call, Errno)> {
        if !reuse && self.ports.is_bound(tuple.local.port) {
            return Err((Call::Bind, Errno::Eaddrinuse));
        }
        let taken = self.sockets.tuples.contains_key(&tuple);
        if taken && heritage(&self.sockets, &self.cfg, now, tuple, true).is_none() {
            return Err((Call::Connect, Errno::Eaddrnotavail));
        }
        Ok(())
    }

    /// Removes the mini-socket on a tuple that connect() takes over.
    fn take_over(&mut self, now: Time, tuple: Tuple, owner: Owner, fx: &mut Effects) -> Option<Inherited> {
        let inherited = heritage(&self.sockets, &self.cfg, now, tuple, owner == Owner::Explicit)?;
        let Some(&SockRef::Mini(key)) = self.sockets.tuples.get(&tuple) else { return None };
        let mini = self.remove_mini(now, key, fx)?;
        mini.machine.taken_over(&mut self.shared, &mut self.outbox);
        Some(inherited)
    }
}

/// Who holds the ports towards a destination, by state, most first.
fn holders(sockets: &Sockets, dest: DestId) -> Vec<(State, u64)> {
    let mut count = [0u64; State::ALL.len()];
    for socket in sockets.full.iter().filter(|s| s.hashed && s.dest == dest) {
        count[socket.endpoint.state() as usize] += 1;
    }
    for mini in sockets.mini.iter().filter(|m| m.dest == dest) {
        count[mini.machine.state() as usize] += 1;
    }
    let mut holders: Vec<_> =
        State::ALL.iter().map(|&s| (s, count[s as usize])).filter(|&(_, n)| n > 0).collect();
    holders.sort_by_key(|&(state, n)| (core::cmp::Reverse(n), state));
    holders
}
