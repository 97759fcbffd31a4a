//! A traffic source in the world: its schedule, its turn, its pool.

use crate::host::Wanted;
use crate::ids::{Addr, Key, SockAddr};
use crate::scenario::{ClientPort, Traffic};
use crate::traffic::Schedule;

/// The pool of one source: kept connections and requests that wait for one.
#[derive(Debug, Default)]
pub(super) struct PoolState {
    /// Connections that exist or are being opened.
    pub(super) open: u32,
    /// Idle applications, the longest idle first; a key that has gone stale is skipped when met.
    pub(super) idle: Vec<Key>,
    /// Requests that wait.
    pub(super) waiting: u64,
}

/// One source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) spec: Traffic,
    pub(super) schedule: Schedule,
    pub(super) pool: PoolState,
    /// Attempts so far: whose turn it is among sources, destinations and fixed ports.
    attempts: u64,
}

impl Source {
    pub(super) fn new(spec: &Traffic, schedule: Schedule) -> Source {
        Source { spec: spec.clone(), schedule, pool: PoolState::default(), attempts: 0 }
    }

    /// Whose turn it is: number of the attempt, source address, destination, port. Destinations change fastest, so
    /// that every pair of source and destination comes up.
    pub(super) fn next_attempt(&mut self) -> (u32, Addr, SockAddr, Wanted) {
        let n = self.attempts;
        self.attempts += 1;
        let to = self.spec.to[(n % self.spec.to.len() as u64) as usize];
        let turn = n / self.spec.to.len() as u64;
        let from = self.spec.source[(turn % self.spec.source.len() as u64) as usize];
        let wanted = match self.spec.port {
            ClientPort::Auto => Wanted::Auto,
            ClientPort::Fixed { low, high, reuse } => {
                let ports = u64::from(high - low) + 1;
                Wanted::Fixed { port: low + (n % ports) as u16, reuse, of: ports as u32 }
            }
        };
        (n as u32, from, to, wanted)
    }
}
