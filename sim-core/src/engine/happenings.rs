//! What happens at a moment of the scenario's choice: links, processes, settings, floods.

use super::event::Event;
use super::queue::{LaneId, Queue};
use super::record::{Sink, Whose};
use super::world::World;
use crate::app::{Cause, Form};
use crate::host::{Attempt, Closed, Hint, Packet};
use crate::ids::{Addr, HostId, SockAddr, TrafficId, Tuple};
use crate::rng::{Purpose, Stream};
use crate::scenario::{Happening, Occurrence};
use crate::seq::Seq;
use crate::tcp::{Flags, Segment, State, SynOptions, TcpConfig};
use crate::traffic::nth;

/// Something that is to happen, and how far it is.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    occurrence: Occurrence,
    /// SYNs of a flood so far.
    count: u64,
    rng: Stream,
}

impl Planned {
    pub(super) fn all(events: &[Occurrence], seed: u64) -> Vec<Planned> {
        let one = |(i, occurrence): (usize, &Occurrence)| Planned {
            occurrence: occurrence.clone(),
            count: 0,
            rng: Stream::new(seed, Purpose::Flood, i as u32),
        };
        events.iter().enumerate().map(one).collect()
    }
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// Queues what the scenario has planned.
    pub(super) fn plan(&mut self) {
        for i in 0..self.planned.len() {
            let at = self.planned[i].occurrence.at;
            self.queue.push(LaneId::NONE, at, Event::Planned(i as u16));
        }
        for host in &mut self.hosts {
            host.close_those_not_yet_open();
        }
    }

    /// The time of something planned has come.
    pub(super) fn planned(&mut self, number: u16) {
        match self.planned[number as usize].occurrence.what.clone() {
            Happening::Link { link, up } => self.net.set_up(link, up),
            Happening::Stop { host, port } => self.stop_process(host, port),
            Happening::Start { host, port, reuseaddr, again } => {
                if !self.hosts[host.index()].open_listener(self.now, port, reuseaddr) {
                    self.queue.push(LaneId::NONE, self.now + again, Event::Planned(number));
                }
            }
            Happening::Accepting { host, port, accepting } => {
                let here = &mut self.hosts[host.index()];
                if let Some(listener) = here.listener_on(port) {
                    here.listeners[listener].paused = !accepting;
                    self.acceptable.push((host, listener as u16));
                }
            }
            Happening::Sysctl { host, tcp, .. } => self.set_tcp(host, &tcp),
            Happening::SynFlood { to, rate, until } => {
                let planned = &mut self.planned[number as usize];
                planned.count += 1;
                let next = planned.occurrence.at + nth(rate, planned.count);
                let bits = planned.rng.bits64();
                self.spoof(to, bits);
                if next < until {
                    self.queue.push(LaneId::NONE, next, Event::Planned(number));
                }
            }
        }
    }

    /// A process dies: its listener is closed first, then its connections, as the kernel closes descriptors. Those that
    /// nobody has accepted are reset, those in use closed.
    fn stop_process(&mut self, host: HostId, port: u16) {
        let Some(Closed { requests, waiting, accepted }) =
            self.hosts[host.index()].close_listener(self.now, port)
        else {
            return;
        };
        for (tuple, attempt) in requests {
            self.moved(&Whose { host, tuple, attempt }, State::SynRecv, State::Closed, true);
        }
        for key in waiting {
            self.step(host, key, Cause::Disconnect);
        }
        for key in accepted {
            self.step(host, key, Cause::Close);
        }
    }

    /// A sysctl changes. What steps were learnt with the old value are forgotten.
    fn set_tcp(&mut self, host: HostId, tcp: &TcpConfig) {
        if let Some(memory) = self.memory.take() {
            for here in &mut self.hosts {
                memory.count(here.id, &mut here.stats.counters);
                for conn in here.tables.conns.iter_mut() {
                    if let Form::Lazy(lazy) = &conn.form {
                        conn.form = Form::Whole(memory.whole(lazy));
                    }
                }
            }
            self.memory = Some(Box::default());
        }
        self.hosts[host.index()].set_tcp(tcp);
    }

    /// A SYN from an address that nobody has (RFC 2544 keeps 198.18.0.0/15 for tests) reaches the host of `to`.
    fn spoof(&mut self, to: SockAddr, bits: u64) {
        let Some(host) = self.net.owner(to.addr) else { return };
        let addr = Addr(0xc612_0000 | (bits as u32 & 0x1_ffff));
        let local = SockAddr { addr, port: 1024 + (bits >> 17) as u16 % 64_512 };
        let seg = Segment {
            seq: Seq((bits >> 32) as u32),
            ack: Seq(0),
            len: 0,
            win: 64_240,
            flags: Flags::SYN,
            ts: None,
            syn: SynOptions { mss: 1460, ..SynOptions::default() },
            sack: None,
            sack2: None,
            rtx: false,
        };
        let attempt = Attempt { traffic: NOBODY, number: 0 };
        let packet =
            Packet { tuple: Tuple { local, remote: to }, seg, attempt, from: Hint::NONE, to: Hint::NONE };
        self.arrive(host, &packet);
    }
}

/// Whose a spoofed SYN is.
const NOBODY: TrafficId = TrafficId(u16::MAX);
