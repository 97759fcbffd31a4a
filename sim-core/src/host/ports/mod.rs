//! Local ports: which are taken towards which destination, and how connect() picks one.
//!
//! A local port is consumed per (source address, destination address, destination port); a port that was ever bound
//! explicitly is closed to automatic choice altogether while any owner lives (net/ipv4/inet_hashtables.c,
//! `__inet_hash_connect`; inet_connection_sock.c, `inet_csk_get_port`). What the kernel finds by probing port after
//! port is found here on bitmaps, word by word: the same port, without the cost of the walk.

mod audit;
mod bind;
mod here;
mod perturb;
mod set;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hashbrown::HashTable;

pub use self::audit::Held;
use self::bind::{BUCKETS, Bucket};
use self::here::Here;
use self::perturb::Perturb;
use self::set::{EVEN, ODD, PortSet};
use crate::ids::{Addr, SockAddr};
use crate::record::{Gauge, Tally};
use crate::rng::{Stream, mix, scatter};
use crate::scenario::{PortChoice, PortConfig};
use crate::tcp::State;
use crate::tcp::config::TimerModel;
use crate::time::Time;

/// Index of a (source, destination) pair in its host's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DestId(u32);

impl DestId {
    /// A socket that consumes no port towards a destination: the server's end.
    pub const NONE: DestId = DestId(u32::MAX);

    /// Its place in the table.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Ports taken from one source address towards one destination.
#[derive(Clone, Debug)]
pub struct Dest {
    /// Source address.
    pub from: Addr,
    /// Destination.
    pub to: SockAddr,
    /// How many ports are taken.
    pub used: Gauge,
    /// connect() calls that found none.
    pub refused: Tally,
    /// How many ports there are, where the callers name them themselves or narrow the range.
    pub fixed: Option<u32>,
    /// Who held the ports at the first refusal, by state.
    pub held_by: Vec<(State, u64)>,
    /// How many there were then, for the range may change.
    pub capacity: Option<u64>,
    /// How many ports the kernel's walk has looked at for all connect() calls together, those that found none
    /// included. A range that is nearly used up shows here: each such call walks the whole range.
    pub probes: u64,
    taken: PortSet,
    /// Those of the taken ports whose owner has set SO_REUSEADDR.
    shared: PortSet,
    /// Those of the taken ports that a mini-socket holds which connect() may take over, now or later.
    mini: PortSet,
    /// How many those are.
    minis: u32,
    /// No mini-socket may be taken over before this.
    reusable_from: Time,
    /// The place in `here` of what its source address holds, if that is kept.
    here: Option<u32>,
}

/// How a port came to be owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// connect() chose it.
    Auto,
    /// bind(), listen() or accept().
    Explicit,
}

/// All ports of a host.
#[derive(Clone, Debug)]
pub struct Ports {
    config: PortConfig,
    /// Bind buckets, in chunks of neighbouring ports that exist once one of theirs was used.
    buckets: Vec<Option<Box<[Bucket; BUCKETS]>>>,
    live_buckets: u32,
    /// Reserved, or with an explicit owner.
    blocked: PortSet,
    reserved: PortSet,
    /// Ports of listeners, which are bound to every address, and of what closed ones have accepted.
    listening: PortSet,
    dests: Vec<Dest>,
    /// The place of each pair in `dests`. Never iterated.
    by_pair: HashTable<u32>,
    /// The places in `dests` of the pairs of each source address.
    by_source: BTreeMap<Addr, Vec<u32>>,
    /// What all pairs of a source address hold together, where bind() needs to know.
    here: Vec<Here>,
    /// From the first search on.
    perturb: Option<Perturb>,
    /// How many ports bind() with port 0 has looked at.
    bound_probes: u64,
    secret: u64,
    /// Whose jiffies the port hash goes by.
    timers: TimerModel,
    rng: Stream,
}

/// What to do about mini-sockets in a search.
#[derive(Debug)]
struct Takeover<F> {
    /// Whether any may be taken over.
    reuse: bool,
    /// Whether the one on a port may.
    ask: F,
}

/// One pass of a search: upward from `start` to `end`, then the part that the walk reaches after wrapping.
#[derive(Clone, Copy, Debug)]
struct Pass {
    start: u32,
    end: u32,
    wrapped: Option<(u32, u32)>,
    /// Which ports of a word take part.
    mask: u64,
}

impl Pass {
    /// Every port of the range, from a start upward.
    fn whole(low: u32, high: u32, start: u32) -> Pass {
        Pass { start, end: high, wrapped: (start > low).then(|| (low, start - 1)), mask: u64::MAX }
    }

    /// Every second port: `remaining / 2` steps of 2 from `start`, where a step past `high` goes back by `remaining`.
    /// In a range of odd size, where `remaining` is one less, the walk leaves one port out, as the kernel's does.
    fn parity(high: u32, start: u32, remaining: u32) -> Pass {
        let mask = if start.is_multiple_of(2) { EVEN } else { ODD };
        let steps = (remaining / 2).max(1);
        let upward = steps.min((high - start) / 2 + 1);
        let end = start + 2 * (upward - 1);
        let wrapped = (upward < steps).then(|| {
            let first = end + 2 - remaining;
            (first, first + 2 * (steps - upward - 1))
        });
        Pass { start, end, wrapped, mask }
    }
}

impl Ports {
    /// The ports of a host at boot. `secret` keys the port hash, which changes with the jiffies of `timers`; `rng` draws
    /// the perturbation.
    pub fn new(config: &PortConfig, secret: u64, timers: TimerModel, rng: Stream) -> Ports {
        let mut reserved = PortSet::default();
        for &(low, high) in &config.reserved {
            (low..=high).for_each(|port| {
                reserved.insert(port);
            });
        }
        Ports {
            config: config.clone(),
            buckets: vec![None; 65536 / BUCKETS],
            live_buckets: 0,
            blocked: reserved.clone(),
            reserved,
            listening: PortSet::default(),
            dests: Vec::new(),
            by_pair: HashTable::new(),
            by_source: BTreeMap::new(),
            here: Vec::new(),
            perturb: None,
            bound_probes: 0,
            secret,
            timers,
            rng,
        }
    }

    /// Range and reserved ports change. A port that has an owner keeps it.
    pub fn configure(&mut self, config: &PortConfig) {
        if *config == self.config {
            return;
        }
        let mut reserved = PortSet::default();
        for &(low, high) in &config.reserved {
            (low..=high).for_each(|port| {
                reserved.insert(port);
            });
        }
        for port in 0..=u16::MAX {
            if reserved.has(port) {
                self.blocked.insert(port);
            } else if self.reserved.has(port) && !self.has_explicit_owner(port) {
                self.blocked.remove(port);
            }
        }
        self.reserved = reserved;
        self.config = config.clone();
    }

    /// How many ports connect() may choose from towards any one destination.
    pub fn capacity(&self) -> u64 {
        (self.config.low..=self.config.high).filter(|&p| !self.reserved.has(p)).count() as u64
    }

    /// The table of ports from a source towards a destination, if it was ever used.
    pub fn known(&self, from: Addr, to: SockAddr) -> Option<DestId> {
        let same = |&i: &u32| self.dests[i as usize].from == from && self.dests[i as usize].to == to;
        self.by_pair.find(hash_pair(from, to), same).map(|&known| DestId(known))
    }

    /// The table of ports from a source towards a destination, made on first use.
    pub fn dest(&mut self, from: Addr, to: SockAddr) -> DestId {
        if let Some(known) = self.known(from, to) {
            return known;
        }
        let Ports { dests, by_pair, by_source, .. } = self;
        let hash = hash_pair(from, to);
        let next = dests.len() as u32;
        let own = by_source.entry(from).or_default();
        let here = own.first().and_then(|&first| dests[first as usize].here);
        own.push(next);
        dests.push(Dest {
            from,
            to,
            used: Gauge::default(),
            refused: Tally::default(),
            fixed: None,
            held_by: Vec::new(),
            capacity: None,
            probes: 0,
            taken: PortSet::default(),
            shared: PortSet::default(),
            mini: PortSet::default(),
            minis: 0,
            reusable_from: Time::NEVER,
            here,
        });
        by_pair.insert_unique(hash, next, |&i| hash_pair(dests[i as usize].from, dests[i as usize].to));
        DestId(next)
    }

    /// How many ports connect() and bind() have looked at.
    pub fn probes(&self) -> u64 {
        self.bound_probes + self.dests.iter().map(|dest| dest.probes).sum::<u64>()
    }

    /// The same, as far as a search towards one pair can have moved it.
    pub fn probes_towards(&self, id: DestId) -> u64 {
        self.bound_probes + self.dests[id.0 as usize].probes
    }

    /// Whether a port is taken towards a destination.
    #[inline]
    pub fn is_taken(&self, port: u16, id: DestId) -> bool {
        self.dests[id.0 as usize].taken.has(port)
    }

    /// All pairs met so far, in order of their first use.
    pub fn dests(&self) -> &[Dest] {
        &self.dests
    }

    /// The source and the destination of a pair.
    pub fn pair(&self, id: DestId) -> (Addr, SockAddr) {
        let dest = &self.dests[id.0 as usize];
        (dest.from, dest.to)
    }

    /// One pair.
    pub fn dest_mut(&mut self, id: DestId) -> &mut Dest {
        &mut self.dests[id.0 as usize]
    }

    /// The socket on a port became a mini-socket. connect() cannot take it over before `reusable_from`; with
    /// [`Time::NEVER`] it never can, as without timestamps.
    pub fn mark_mini(&mut self, port: u16, dest: DestId, reusable_from: Time) {
        if dest == DestId::NONE || reusable_from == Time::NEVER {
            return;
        }
        let dest = &mut self.dests[dest.0 as usize];
        dest.minis += u32::from(dest.mini.insert(port));
        dest.reusable_from = dest.reusable_from.min(reusable_from);
    }

    /// How old mini-sockets must be that connect() takes over has changed: each is asked again.
    pub fn ask_all_minis(&mut self) {
        for pair in self.dests.iter_mut().filter(|pair| pair.minis > 0) {
            pair.reusable_from = Time::ZERO;
        }
    }

    /// The port that connect() chooses, or `None` if there is none.
    ///
    /// `range` is the socket's own. `reuse` says whether mini-sockets may be taken over at all; if so, `takeover(port)` says whether the one on that
    /// port may (`tcp_twsk_unique`); it is asked in the order in which the kernel would walk.
    pub fn choose(
        &mut self,
        now: Time,
        id: DestId,
        range: Option<(u16, u16)>,
        reuse: bool,
        mut takeover: impl FnMut(u16) -> bool,
    ) -> Option<u16> {
        // While the earliest of them is too young, each would be asked in vain.
        let reuse = reuse && now >= self.dests[id.0 as usize].reusable_from;
        let takeover = Takeover { reuse, ask: &mut takeover };
        match self.config.choice {
            PortChoice::LinuxDoubleHash { perturb } => self.choose_linux(now, id, perturb, range, takeover),
            PortChoice::Random => {
                let (low, high) = self.range(range);
                let start = low + self.rng.below(u64::from(high - low) + 1) as u32;
                let found = self.search(id, Pass::whole(low, high, start), &mut { takeover });
                let span = high - low + 1;
                let probes = found.map_or(span, |port| (u32::from(port) + span - start) % span + 1);
                self.dests[id.0 as usize].probes += u64::from(probes);
                found
            }
        }
    }

    fn choose_linux(
        &mut self,
        now: Time,
        id: DestId,
        perturb: u32,
        range: Option<(u16, u16)>,
        mut takeover: Takeover<impl FnMut(u16) -> bool>,
    ) -> Option<u16> {
        let (low, high) = self.range(range);
        // A socket with a range of its own walks through all of it, port by port; else the ports of one parity come first.
        let stride = if range.is_some() { 1 } else { 2 };
        let size = high - low + 1;
        let remaining = if stride == 1 || size == 1 { size } else { size & !1 };
        let passes = remaining.min(stride);
        let dest = &self.dests[id.0 as usize];
        let hash = self.port_hash(now, dest.from, dest.to);
        let index = (hash % u64::from(perturb)) as u32;
        let table = self.perturb.get_or_insert_with(|| Perturb::new(perturb, &mut self.rng));
        let entry = table.find(index);
        let offset = table.entry(entry).wrapping_add((hash >> 32) as u32) % remaining;
        let offset = if stride == 1 { offset } else { offset & !1 };
        // `inet_hash_connect` keeps `offset` for both passes. The first looks at `low + offset` and every second port
        // from there, and offset is even, so they have the parity of `low`. The second (`offset++`, `goto other_parity_scan`)
        // begins one port higher and so meets exactly those that the first left out. bind() prefers the other parity:
        // the two kinds of users seldom compete while ports are plenty.
        let steps = remaining.div_ceil(stride);
        for other_parity in 0..passes {
            let start = low + offset + other_parity;
            let pass = if stride == 1 {
                Pass::whole(low, high, start)
            } else {
                Pass::parity(high, start, remaining)
            };
            if let Some(port) = self.search(id, pass, &mut takeover) {
                let port32 = u32::from(port);
                let walked = if port32 >= start { port32 - start } else { port32 + remaining - start };
                let probes = other_parity * steps + walked / stride + 1;
                self.dests[id.0 as usize].probes += u64::from(probes);
                let step = walked.max(stride * self.rng.below(8) as u32) + stride;
                if let Some(table) = &mut self.perturb {
                    let value = table.entry(entry);
                    *value = value.wrapping_add(step);
                }
                return Some(port);
            }
        }
        self.dests[id.0 as usize].probes += u64::from(steps * passes);
        None
    }

    /// The range that a socket's port comes from: its own ends count where they lie within the host's
    /// (`inet_sk_get_local_port_range`).
    fn range(&self, own: Option<(u16, u16)>) -> (u32, u32) {
        let PortConfig { low, high, .. } = self.config;
        let (from, to) = own.unwrap_or((low, high));
        let within = |port: u16| (low..=high).contains(&port);
        let from = if within(from) { from } else { low };
        let to = if within(to) { to } else { high };
        (u32::from(from), u32::from(to))
    }

    /// Notes how many ports there are towards a destination for sockets with a range of their own.
    pub fn narrow(&mut self, id: DestId, range: Option<(u16, u16)>) {
        if range.is_none() || self.dests[id.0 as usize].fixed.is_some() {
            return;
        }
        let (low, high) = self.range(range);
        let ports = (low..=high).filter(|&port| !self.reserved.has(port as u16)).count();
        self.dests[id.0 as usize].fixed = Some(ports as u32);
    }

    /// `secure_ipv4_port_ephemeral` (net/core/secure_seq.c): changes at each multiple of 10 s of jiffies. A wheel has run
    /// since boot, so the first change comes at any moment of a scenario's first 10 s.
    fn port_hash(&self, now: Time, from: Addr, to: SockAddr) -> u64 {
        /// `EPHEMERAL_PORT_SHUFFLE_PERIOD`, nanoseconds.
        const SHUFFLE_PERIOD: u64 = 10_000_000_000;
        let phase = match self.timers {
            TimerModel::Exact => 0,
            TimerModel::Wheel { phase, .. } => phase.0,
        };
        let epoch = now.0.saturating_add(phase) / SHUFFLE_PERIOD;
        let addresses = u64::from(from.0) << 32 | u64::from(to.addr.0);
        mix(mix(mix(self.secret ^ addresses) ^ u64::from(to.port)) ^ epoch)
    }

    /// Finds the first usable port of a pass.
    fn search(
        &self,
        id: DestId,
        pass: Pass,
        takeover: &mut Takeover<impl FnMut(u16) -> bool>,
    ) -> Option<u16> {
        let dest = &self.dests[id.0 as usize];
        let upward = self.scan(dest, pass.start, pass.end, pass.mask, takeover);
        upward.or_else(|| pass.wrapped.and_then(|(from, to)| self.scan(dest, from, to, pass.mask, takeover)))
    }

    /// The first port of `from..=to` under the mask that is free, or whose mini-socket may be taken over.
    fn scan(
        &self,
        dest: &Dest,
        from: u32,
        to: u32,
        mask: u64,
        takeover: &mut Takeover<impl FnMut(u16) -> bool>,
    ) -> Option<u16> {
        let offered = if takeover.reuse { u64::MAX } else { 0 };
        let mut word = from as usize / 64;
        loop {
            if !takeover.reuse {
                word = dest.taken.next_open(word, mask);
            }
            if word > to as usize / 64 {
                return None;
            }
            let base = word as u32 * 64;
            let taken = dest.taken.word(word);
            let free = !taken | (dest.mini.word(word) & offered);
            let mut candidates = free & !self.blocked.word(word) & mask;
            if base < from {
                candidates &= u64::MAX << (from - base);
            }
            if base + 63 > to {
                candidates &= u64::MAX >> (base + 63 - to);
            }
            while candidates != 0 {
                let bit = candidates.trailing_zeros();
                let port = (base + bit) as u16;
                if taken >> bit & 1 == 0 || (takeover.ask)(port) {
                    return Some(port);
                }
                candidates &= candidates - 1;
            }
            word += 1;
        }
    }
}

fn hash_pair(from: Addr, to: SockAddr) -> u64 {
    scatter(u64::from(from.0) << 32 | u64::from(to.addr.0), u64::from(to.port))
}
