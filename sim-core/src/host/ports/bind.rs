//! Who owns a port, and whether bind() may share it (net/ipv4/inet_connection_sock.c, `inet_csk_bind_conflict`).

use super::here::{FEW, Here};
use super::{DestId, Owner, Pass, Ports};
use crate::ids::Addr;
use crate::scenario::PortOptions;
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
    pub(super) fn is_owned(self) -> bool {
        self.auto + self.explicit > 0
    }

    /// Whether any owner was bound, so that connect() leaves the port alone.
    pub(super) fn is_bound(self) -> bool {
        self.explicit > 0
    }

    /// One more owner.
    pub(super) fn add(&mut self, owner: Owner) {
        match owner {
            Owner::Auto => self.auto += 1,
            Owner::Explicit => self.explicit += 1,
        }
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
        bucket.add(owner);
        if owner == Owner::Explicit {
            self.blocked.insert(port);
        }
        if dest != DestId::NONE {
            let dest = &mut self.dests[dest.0 as usize];
            if dest.taken.insert(port) {
                dest.used.up(now);
                if let Some(here) = dest.here {
                    self.here[here as usize].add(port);
                }
            }
        }
    }

    /// The owner of a port towards a destination has set SO_REUSEADDR. A mini-socket that takes its place has it too, until
    /// the port is released.
    pub fn share(&mut self, port: u16, dest: DestId) {
        let dest = &mut self.dests[dest.0 as usize];
        if let Some(here) = dest.here.filter(|_| !dest.shared.has(port)) {
            self.here[here as usize].share(port);
        }
        dest.shared.insert(port);
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
        if owner == Owner::Explicit && bucket.explicit == 0 {
            self.listening.remove(port);
            if !self.reserved.has(port) {
                self.blocked.remove(port);
            }
        }
        if !bucket.is_owned() {
            self.live_buckets -= 1;
        }
        if dest != DestId::NONE {
            let dest = &mut self.dests[dest.0 as usize];
            if dest.taken.remove(port) {
                dest.used.down();
                if let Some(here) = dest.here {
                    self.here[here as usize].remove(port, dest.shared.has(port));
                }
            }
            if !dest.shared.is_empty() {
                dest.shared.remove(port);
            }
            if dest.minis > 0 && dest.mini.remove(port) {
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
    pub fn bind_conflict(&mut self, addr: Addr, port: u16, reuse: bool) -> bool {
        if !self.has_owner(port) {
            return false;
        }
        if let Some(here) = self.here(addr) {
            let here = &self.here[here as usize];
            return if reuse { here.alone.has(port) } else { here.taken.has(port) };
        }
        let here = self.by_source.get(&addr).map_or(&[][..], Vec::as_slice);
        here.iter().map(|&i| &self.dests[i as usize]).any(|dest| {
            let shared = reuse && dest.shared.has(port);
            dest.taken.has(port) && !shared
        })
    }

    /// The place of what a source address holds, if it has many destinations.
    fn here(&mut self, addr: Addr) -> Option<u32> {
        let own = self.by_source.get(&addr).filter(|own| own.len() > FEW)?;
        let first = *own.first()?;
        if let Some(known) = self.dests[first as usize].here {
            return Some(known);
        }
        let next = self.here.len() as u32;
        let mut here = Here::new();
        for &i in own {
            let dest = &mut self.dests[i as usize];
            dest.here = Some(next);
            for port in dest.taken.iter() {
                here.add(port);
                if dest.shared.has(port) {
                    here.share(port);
                }
            }
        }
        self.here.push(here);
        Some(next)
    }

    /// The port that bind() with port 0 chooses for a local address, or `None` if it has none (`inet_csk_find_open_port`).
    ///
    /// It must be free for every destination, so what the address has connected counts whatever its owner has set. Only
    /// when none is left, and `ip_autobind_reuse` is on, one that all of its owners share will do.
    pub fn find_open(&mut self, addr: Addr, options: PortOptions) -> Option<u16> {
        let strict = self.find_open_among(addr, options, false);
        if strict.is_some() || !self.config.autobind_reuse {
            return strict;
        }
        self.find_open_among(addr, options, true)
    }

    /// The halves of the range one after the other if the socket has set SO_REUSEADDR, else all of it.
    fn find_open_among(&mut self, addr: Addr, options: PortOptions, relaxed: bool) -> Option<u16> {
        let (low, high) = self.range(options.range);
        let size = high - low + 1;
        if options.reuse && size >= 4 {
            let half = low + (size >> 2 << 1);
            let found = self.walk_open(addr, (low, half - 1), options.reuse && relaxed);
            return found.or_else(|| self.walk_open(addr, (half, high), options.reuse && relaxed));
        }
        self.walk_open(addr, (low, high), options.reuse && relaxed)
    }

    /// From a random port upward in steps of 2: the parity that connect() leaves for last comes first.
    fn walk_open(&mut self, addr: Addr, (low, high): (u32, u32), share: bool) -> Option<u16> {
        let size = high - low + 1;
        let remaining = if size > 1 { size & !1 } else { size };
        let offset = self.rng.below(u64::from(remaining)) as u32 | 1;
        if size == 1 {
            self.bound_probes += 1;
            return self.first_open(addr, Pass::whole(low, low, low), share);
        }
        for start in [low + offset, low + offset - 1] {
            let found = self.first_open(addr, Pass::parity(high, start, remaining), share);
            let walked =
                found.map_or(remaining - 2, |port| (u32::from(port) + remaining - start) % remaining);
            self.bound_probes += u64::from(walked / 2 + 1);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The first port of a pass on which bind() meets no conflict.
    fn first_open(&mut self, addr: Addr, pass: Pass, share: bool) -> Option<u16> {
        let all = self.here(addr).map(|here| &self.here[here as usize]);
        let all = all.map(|here| if share { &here.alone } else { &here.taken });
        let here = self.by_source.get(&addr).filter(|_| all.is_none()).map_or(&[][..], Vec::as_slice);
        let conflicts = |word: usize| {
            let of = |&i: &u32| {
                let dest = &self.dests[i as usize];
                dest.taken.word(word) & if share { !dest.shared.word(word) } else { u64::MAX }
            };
            let own = here.iter().map(of).fold(0, |all, taken| all | taken);
            own | all.map_or(0, |all| all.word(word)) | self.reserved.word(word) | self.listening.word(word)
        };
        let scan = |from: u32, to: u32| {
            (from as usize / 64..=to as usize / 64).find_map(|word| {
                let base = word as u32 * 64;
                let upper = if base + 63 > to { u64::MAX >> (base + 63 - to) } else { u64::MAX };
                let lower = if base < from { u64::MAX << (from - base) } else { u64::MAX };
                let open = !conflicts(word) & pass.mask & upper & lower;
                (open != 0).then(|| (base + open.trailing_zeros()) as u16)
            })
        };
        scan(pass.start, pass.end).or_else(|| pass.wrapped.and_then(|(from, to)| scan(from, to)))
    }

    /// A listener takes its port, at every address.
    pub fn listen(&mut self, now: Time, port: u16) {
        self.take(now, port, Owner::Explicit, DestId::NONE);
        self.listening.insert(port);
    }

    /// Whether a port is a listener's, or was one's that has left accepted connections on it.
    pub fn is_of_listener(&self, port: u16) -> bool {
        self.listening.has(port)
    }

    /// Whether bind() of a listener, to every address, fails. What a listener there has accepted before, and its TIME_WAITs,
    /// have its SO_REUSEADDR, which is taken to be the same as the new one's, here `reuse`.
    pub fn listen_conflict(&self, port: u16, reuse: bool) -> bool {
        if !reuse {
            return self.has_owner(port);
        }
        self.dests.iter().any(|dest| dest.taken.has(port) && !dest.shared.has(port))
    }

    /// Whether bind(), listen() or accept() has given a port to anybody.
    pub(super) fn has_explicit_owner(&self, port: u16) -> bool {
        let chunk = &self.buckets[port as usize / BUCKETS];
        chunk.as_ref().is_some_and(|chunk| chunk[port as usize % BUCKETS].explicit > 0)
    }

    /// Whether a port has any owner, at whatever address.
    fn has_owner(&self, port: u16) -> bool {
        let chunk = &self.buckets[port as usize / BUCKETS];
        chunk.as_ref().is_some_and(|chunk| chunk[port as usize % BUCKETS].is_owned())
    }
}
