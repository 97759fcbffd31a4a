//! Processes that die and come back: listeners that are closed and opened, settings that change.

use super::Host;
use super::ports::{DestId, Owner};
use crate::conntrack::ConntrackConfig;
use crate::ids::{Key, Tuple};
use crate::scenario::Settings;
use crate::socket::Listener;
use crate::tcp::config::TimerModel;
use crate::tcp::{Clocks, State, TcpConfig};
use crate::time::Time;

/// What a listener leaves behind that is closed.
#[derive(Clone, Debug, Default)]
pub struct Closed {
    /// Connections that nobody has accepted.
    pub waiting: Vec<Key>,
    /// Connections that the application has accepted.
    pub accepted: Vec<Key>,
}

impl Host {
    /// Closes the listener on a port, if one listens (`inet_csk_listen_stop`, net/ipv4/inet_connection_sock.c). Its requests stay in
    /// SYN_RECV until a segment finds them, which is answered with RST, or their timer. What becomes of its connections is for the caller.
    pub fn close_listener(&mut self, now: Time, port: u16) -> Option<Closed> {
        let listener = self.listener_on(port)?;
        self.by_port.retain(|&(open, _)| open != port);
        self.ports.release(port, Owner::Explicit, DestId::NONE);
        self.stats.states[State::Listen as usize].down();
        let mut closed = Closed::default();
        let of_port = |tuple: &Tuple| tuple.local.port == port;
        for pending in self.tables.requests.iter_mut().filter(|pending| of_port(&pending.tuple)) {
            pending.forsaken = true;
        }
        let listen = &mut self.listeners[listener];
        closed.waiting = listen.ready.drain(..).collect();
        listen.requests.clear();
        self.starving -= u32::from(core::mem::take(&mut listen.starved));
        listen.paused = false;
        listen.epoch = listen.epoch.wrapping_add(1);
        let gauges = [&mut listen.open, &mut listen.working, &mut listen.accept_queue, &mut listen.syn_queue];
        for gauge in gauges {
            gauge.set(now, 0);
        }
        let conns = self.tables.conns.entries();
        let accepted = conns.filter(|(_, conn)| conn.view.server && of_port(&conn.tuple));
        closed.accepted = accepted.map(|(key, _)| key).collect();
        self.account(now);
        Some(closed)
    }

    /// bind() and listen() on the port of a listener that is not open. Whether it worked: what is left of connections on the
    /// port is in the way, TIME_WAITs too, unless the new socket has set SO_REUSEADDR (as they have, then) and the owner is
    /// none that connect() made.
    pub fn open_listener(&mut self, now: Time, port: u16, reuseaddr: bool) -> bool {
        if self.listener_on(port).is_some() {
            return true;
        }
        let Some(i) = self.listeners.iter().position(|l| l.spec.port == port) else { return true };
        if self.ports.listen_conflict(port, reuseaddr) {
            self.stats.bind_refused.add(now);
            return false;
        }
        self.ports.listen(now, port);
        self.stats.states[State::Listen as usize].up(now);
        let listen = &mut self.listeners[i];
        listen.listener = Listener::new(listen.spec.backlog, self.cfg.somaxconn);
        self.by_port.push((port, i as u16));
        self.by_port.sort_unstable();
        self.account(now);
        true
    }

    /// Closes the listeners that an event opens later.
    pub fn close_those_not_yet_open(&mut self) {
        let closed: Vec<u16> = self.listeners.iter().filter(|l| l.spec.closed).map(|l| l.spec.port).collect();
        for port in closed {
            self.close_listener(Time::ZERO, port);
        }
    }

    /// Its sysctls change. The timer wheel stays as it is, and so do ports that are taken and entries of the tracker.
    pub fn set(&mut self, settings: &Settings) {
        let Settings { tcp, ports, conntrack } = settings;
        let timers: TimerModel = self.cfg.timers;
        if tcp.tw_reuse_delay != self.cfg.tw_reuse_delay {
            self.ports.ask_all_minis();
        }
        self.cfg = TcpConfig { timers, ..tcp.clone() };
        self.clocks = (Time::NEVER, Clocks::default());
        self.ports.configure(ports);
        if let (Some(tracking), Some(conntrack)) = (&mut self.tracking, conntrack) {
            let cfg = tracking.table.config_mut();
            let ConntrackConfig { buckets, timers, first_gc, .. } = cfg.clone();
            *cfg = ConntrackConfig { buckets, timers, first_gc, ..conntrack.clone() };
        }
    }
}
