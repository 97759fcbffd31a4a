//! Who owns a port, and whether bind() may share it (net/ipv4/inet_connection_sock.c, `inet_csk_bind_conflict`).

use super::{DestId, Owner, Ports};
use crate::ids::Addr;
use crate::time::Time;

/// Who owns a port: the kernel's bind bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Sockets and mini-sockets whose port was chosen by connect().
    auto: u32,
    /// Sockets and mini-sockets bound by bind() or listen(), and what a listener accepted.
    explicit: u32,
}

impl Bucket {
    fn is_owned(self) -> bool {
        self.auto + self.explicit > 0
    }

    /// A chunk of buckets without owners.
    fn chunk() -> Box<[Bucket; BUCKETS]> {
        Box::new([Bucket::default(); BUCKETS])
    }
}

/// Bind buckets that are allocated together.
pub(super) const BUCKETS: usize = 512;

impl Ports {
    /// How many bind buckets live: ports with any owner.
    pub fn live_buckets(&self) -> u32 {
        self.live_buckets
    }

    /// A socket takes a port. Towards a destination it also takes the tuple.
    pub fn take(&mut self, now: Time, port: u16, owner: Owner, dest: DestId) {
        let chunk = self.buckets[port as usize / BUCKETS].get_or_insert_with(Bucket::chunk);
        let bucket = &mut chunk[port as usize % BUCKETS];
        if !bucket.is_owned() {
            self.live_buckets += 1;
        }
        match owner {
            Owner::Auto => bucket.auto += 1,
            Owner::Explicit => {
                bucket.explicit += 1;
                self.blocked.insert(port);
            }
        }
        if dest != DestId::NONE {
            let dest = &mut self.dests[dest.0 as usize];
            if !dest.taken.has(port) {
                dest.used.up(now);
            }
            dest.taken.insert(port);
        }
    }

    /// The owner of a port towards a destination has set SO_REUSEADDR. A mini-socket that takes its place has it too, until
    /// the port is released.
    pub fn share(&mut self, port: u16, dest: DestId) {
        self.dests[dest.0 as usize].shared.insert(port);
    }

    /// A socket gives its port back.
    pub fn release(&mut self, port: u16, owner: Owner, dest: DestId) {
        let chunk = self.buckets[port as usize / BUCKETS].get_or_insert_with(Bucket::chunk);
        let bucket = &mut chunk[port as usize % BUCKETS];
        match owner {
            Owner::Auto => bucket.auto -= 1,
            Owner::Explicit => bucket.explicit -= 1,
        }
        // Linux 6.18 opens a bucket again as soon as its last explicit owner has gone.
        if bucket.explicit == 0 && !self.reserved.has(port) {
            self.blocked.remove(port);
        }
        if !bucket.is_owned() {
            self.live_buckets -= 1;
        }
        if dest != DestId::NONE {
            let dest = &mut self.dests[dest.0 as usize];
            if dest.taken.has(port) {
                dest.used.down();
            }
            dest.taken.remove(port);
            dest.shared.remove(port);
            if dest.mini.has(port) {
                dest.mini.remove(port);
                dest.minis -= 1;
                if dest.minis == 0 {
                    dest.reusable_from = Time::NEVER;
                }
            }
        }
    }

    /// Whether bind() to a port of a local address fails because of sockets and mini-sockets that connections from here
    /// have left on it. Owners at other addresses do not conflict. Owners at this one conflict unless they and the new
    /// socket have set SO_REUSEADDR, here `reuse`; those whose port connect() chose have not.
    ///
    /// Listeners and what they accepted are not asked about: they have no destination.
    pub fn bind_conflict(&self, addr: Addr, port: u16, reuse: bool) -> bool {
        if !self.has_owner(port) {
            return false;
        }
        let here = self.by_source.get(&addr).map_or(&[][..], Vec::as_slice);
        here.iter().map(|&i| &self.dests[i as usize]).any(|dest| {
            let shared = reuse && dest.shared.has(port);
            dest.taken.has(port) && !shared
        })
    }

    /// Whether a port has any owner, at whatever address.
    fn has_owner(&self, port: u16) -> bool {
        let chunk = &self.buckets[port as usize / BUCKETS];
        chunk.as_ref().is_some_and(|chunk| chunk[port as usize % BUCKETS].is_owned())
    }
}
