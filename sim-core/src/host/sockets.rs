//! The tables of a host: sockets of three sizes, and the tuples that lead to them.

use core::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::ports::{DestId, Owner};
use crate::ids::{Key, Slab, TrafficId, Tuple};
use crate::rng::mix;
use crate::socket::Request;
use crate::tcp::{Endpoint, TimeWait};
use crate::time::Time;

/// Which attempt of which source a connection belongs to. It travels with each segment, as the meaning of its payload
/// would, so that the server's application knows what is asked of it, even behind a NAT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The source.
    pub traffic: TrafficId,
    /// Number of the attempt, from 0.
    pub attempt: u32,
}

/// A place in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SockRef {
    /// A full socket.
    Full(Key),
    /// A mini-socket.
    Mini(Key),
    /// A request.
    Request(Key),
}

/// A full socket and what the host knows of it.
#[derive(Debug)]
pub struct Socket {
    /// The protocol machine.
    pub endpoint: Endpoint,
    /// Its tuple.
    pub tuple: Tuple,
    /// Towards which destination it consumes a port.
    pub dest: DestId,
    /// How it got its port.
    pub owner: Owner,
    /// Whose it is.
    pub flow: Flow,
    /// The application that has its descriptor; its key in the table of applications.
    pub app: Option<Key>,
    /// Whether the tuple leads to it; if not, only the descriptor does.
    pub hashed: bool,
    /// When the wake-up that counts is queued.
    pub wake: Time,
}

/// A mini-socket and what the host knows of it.
#[derive(Debug)]
pub struct Mini {
    /// The protocol machine.
    pub machine: TimeWait,
    /// Its tuple.
    pub tuple: Tuple,
    /// Towards which destination it consumes a port.
    pub dest: DestId,
    /// How it got its port.
    pub owner: Owner,
    /// Whose it was.
    pub flow: Flow,
    /// When the wake-up that counts is queued.
    pub wake: Time,
}

/// A request and what the host knows of it.
#[derive(Debug)]
pub struct Pending {
    /// The protocol machine.
    pub request: Request,
    /// Its tuple.
    pub tuple: Tuple,
    /// Whose it is.
    pub flow: Flow,
    /// When the wake-up that counts is queued.
    pub wake: Time,
}

/// A fixed hash of tuples: the same on every machine, never iterated.
#[derive(Clone, Copy, Debug, Default)]
pub struct TupleHasher(u64);

impl Hasher for TupleHasher {
    fn finish(&self) -> u64 {
        mix(self.0)
    }
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(b);
        }
    }
    fn write_u16(&mut self, n: u16) {
        self.0 = self.0.rotate_left(16) ^ u64::from(n);
    }
    fn write_u32(&mut self, n: u32) {
        self.0 = (self.0 ^ u64::from(n)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Every socket of a host.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Full sockets.
    pub full: Slab<Socket>,
    /// Mini-sockets.
    pub mini: Slab<Mini>,
    /// Requests.
    pub requests: Slab<Pending>,
    /// The established hash.
    pub tuples: HashMap<Tuple, SockRef, BuildHasherDefault<TupleHasher>>,
}
