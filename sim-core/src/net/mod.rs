//! The network between hosts: links with delay, loss, duplication and reordering, and the routes over them.
//!
//! Routes are shortest paths by number of links, ties to the link that is written first. A link knows a segment only
//! as something to delay or lose.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;

use crate::ids::{Addr, HostId, LinkId};
use crate::rng::{Component, Purpose, Stream, mix};
use crate::scenario::{Link, Scenario};
use crate::time::Span;

/// One direction of a link: the link's index twice, plus one for the way from `b` to `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction(pub u16);

impl Direction {
    fn new(link: LinkId, backward: bool) -> Direction {
        Direction(link.0 * 2 + u16::from(backward))
    }
    fn link(self) -> usize {
        self.0 as usize / 2
    }
}

/// One delivery of a segment: after this time, and whether it is in order with its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Delay from now.
    pub after: Span,
    /// Whether the delay is the link's own: then deliveries leave in the order in which they were made.
    pub in_order: bool,
}

/// What a link did with a segment: none, one or two deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// The segment itself; `None` if it was lost.
    pub first: Option<Delivery>,
    /// A duplicate.
    pub second: Option<Delivery>,
}

impl Carried {
    /// As by a link that only delays.
    pub const fn plainly(after: Span) -> Carried {
        Carried { first: Some(Delivery { after, in_order: true }), second: None }
    }

    /// Whether nothing but a delay came of it.
    pub fn is_plain(&self) -> bool {
        self.first.is_some_and(|first| first.in_order) && self.second.is_none()
    }
}

/// A fixed hash of addresses: the same on every machine, never iterated.
#[derive(Clone, Copy, Debug, Default)]
struct AddrHasher(u64);

impl Hasher for AddrHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = mix(self.0 ^ u64::from(byte));
        }
    }
    fn write_u32(&mut self, n: u32) {
        self.0 = mix(u64::from(n));
    }
}

/// Where a packet for some address goes from a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// It stays.
    Here,
    /// Over this direction of a link, to this neighbour.
    Link(Direction, HostId),
    /// There is no way.
    Nowhere,
}

/// Links and routes.
#[derive(Clone, Debug)]
pub struct Net {
    links: Vec<Link>,
    streams: Vec<Stream>,
    /// By link: whether it is down.
    down: Vec<bool>,
    /// The only way out of each host that has but one link.
    only: Vec<Option<(Direction, HostId)>>,
    /// The place of each other host among those that have a row in `next`.
    row: Vec<u32>,
    /// Next hop by (row, target). A thousand hosts around a router are one row.
    next: Vec<Option<(Direction, HostId)>>,
    hosts: usize,
    owner: HashMap<Addr, HostId, BuildHasherDefault<AddrHasher>>,
}

/// A stream for each direction of each link, by the names of its ends. Of links between the same two hosts each has its
/// number.
fn streams(scenario: &Scenario) -> Vec<Stream> {
    let named = |id: HostId| Component::named(&scenario.hosts[id.index()].name);
    let mut parallel: BTreeMap<(HostId, HostId), u64> = BTreeMap::new();
    let of_link = |link: &Link| {
        let number = parallel.entry((link.a.min(link.b), link.a.max(link.b))).or_default();
        let (a, b) = (named(link.a), named(link.b));
        let both = [a.towards(b), b.towards(a)]
            .map(|way| Stream::new(scenario.seed, Purpose::Link, way.part(*number)));
        *number += 1;
        both
    };
    scenario.links.iter().flat_map(of_link).collect()
}

impl Net {
    /// The network of a scenario.
    pub fn new(scenario: &Scenario) -> Net {
        let hosts = scenario.hosts.len();
        let mut owner = HashMap::default();
        for (i, host) in scenario.hosts.iter().enumerate() {
            owner.extend(host.addresses.iter().map(|&addr| (addr, HostId(i as u16))));
        }
        let mut net = Net {
            links: scenario.links.clone(),
            streams: streams(scenario),
            down: vec![false; scenario.links.len()],
            only: vec![None; hosts],
            row: vec![0; hosts],
            next: Vec::new(),
            hosts,
            owner,
        };
        let mut degree = vec![0; hosts];
        for link in &net.links {
            degree[link.a.index()] += 1;
            degree[link.b.index()] += 1;
        }
        let mut rows = 0;
        for (row, &links) in net.row.iter_mut().zip(&degree) {
            *row = rows;
            rows += u32::from(links != 1);
        }
        net.next = vec![None; rows as usize * hosts];
        // Of each host those neighbours that others can be reached through, with the direction from there.
        let mut neighbours: Vec<Vec<(usize, Direction)>> = vec![Vec::new(); hosts];
        for (i, link) in net.links.iter().enumerate() {
            for (here, there, backward) in [(link.b, link.a, false), (link.a, link.b, true)] {
                let direction = Direction::new(LinkId(i as u16), backward);
                if degree[there.index()] == 1 {
                    net.only[there.index()] = Some((direction, here));
                } else {
                    neighbours[here.index()].push((there.index(), direction));
                }
            }
        }
        (0..hosts).for_each(|target| net.route_to(target, &neighbours));
        net
    }

    /// Fills in the next hop of every host towards a target, breadth first from the target.
    fn route_to(&mut self, target: usize, neighbours: &[Vec<(usize, Direction)>]) {
        let place = |host: usize| self.row[host] as usize * self.hosts + target;
        let mut frontier = VecDeque::from([target]);
        while let Some(here) = frontier.pop_front() {
            for &(neighbour, direction) in &neighbours[here] {
                let next = &mut self.next[place(neighbour)];
                if neighbour != target && next.is_none() {
                    *next = Some((direction, HostId(here as u16)));
                    frontier.push_back(neighbour);
                }
            }
        }
    }

    /// Number of directions: two for each link.
    pub fn directions(&self) -> u16 {
        self.links.len() as u16 * 2
    }

    /// Whether a link, as the scenario has it, may hold back what is sent in that direction.
    pub fn holds_back(&self, direction: Direction) -> bool {
        self.links[direction.link()].reorder.num > 0
    }

    /// From which host a direction leads to which.
    pub fn ends(&self, direction: Direction) -> (HostId, HostId) {
        let link = &self.links[direction.link()];
        if direction == Direction::new(LinkId(direction.link() as u16), false) {
            (link.a, link.b)
        } else {
            (link.b, link.a)
        }
    }

    /// The host that has an address.
    pub fn owner(&self, addr: Addr) -> Option<HostId> {
        self.owner.get(&addr).copied()
    }

    /// Where a segment for `target` leaves `here`, and which host is next.
    pub fn next_hop(&self, here: HostId, target: HostId) -> Option<(Direction, HostId)> {
        let by_row = |host: HostId| self.next[self.row[host.index()] as usize * self.hosts + target.index()];
        let Some(only) = self.only[here.index()] else { return by_row(here) };
        let neighbour = only.1;
        let further = || self.only[neighbour.index()].is_none() && by_row(neighbour).is_some();
        (here != target && (neighbour == target || further())).then_some(only)
    }

    /// Where a packet for an address goes from a host.
    pub fn path(&self, here: HostId, to: Addr) -> Path {
        if to.is_loopback() {
            return Path::Here;
        }
        match self.owner(to) {
            None => Path::Nowhere,
            Some(owner) if owner == here => Path::Here,
            Some(owner) => {
                self.next_hop(here, owner).map_or(Path::Nowhere, |(link, next)| Path::Link(link, next))
            }
        }
    }

    /// A link stops carrying segments, or carries them again. What is on its way arrives.
    pub fn set_up(&mut self, link: LinkId, up: bool) {
        self.down[link.0 as usize] = !up;
    }

    /// The whole way from a host to an address: every direction of a link with the host that it leads to. `None` if there is
    /// none, or if it does not leave the host.
    pub fn way(&self, from: HostId, to: Addr) -> Option<Vec<(Direction, HostId)>> {
        let (mut here, mut way) = (from, Vec::new());
        loop {
            match self.path(here, to) {
                Path::Here => return (!way.is_empty()).then_some(way),
                Path::Nowhere => return None,
                Path::Link(direction, next) => {
                    way.push((direction, next));
                    here = next;
                }
            }
        }
    }

    /// How long nearly every segment takes over a link, and whether it may lose, double or hold back one. `None` if it does so
    /// often: to one in sixteen or more.
    pub fn mostly_delays(&self, direction: Direction) -> Option<(Span, bool)> {
        let link = &self.links[direction.link()];
        let lucks = [link.loss, link.duplicate, link.reorder];
        let lucky = lucks.iter().any(|luck| luck.num > 0);
        let seldom = lucks.iter().all(|luck| luck.num.saturating_mul(16) < luck.den);
        seldom.then_some((link.delay, lucky))
    }

    /// Puts a segment on a link.
    #[inline]
    pub fn carry(&mut self, direction: Direction) -> Carried {
        let link = &self.links[direction.link()];
        let down = u64::from(self.down[direction.link()]);
        if link.loss.num | link.duplicate.num | link.reorder.num | down == 0 {
            return Carried::plainly(link.delay);
        }
        self.carry_with_luck(direction)
    }

    fn carry_with_luck(&mut self, direction: Direction) -> Carried {
        if self.down[direction.link()] {
            return Carried::default();
        }
        let link = &self.links[direction.link()];
        let rng = &mut self.streams[direction.0 as usize];
        if rng.chance(link.loss) {
            return Carried::default();
        }
        let deliver = |rng: &mut Stream| {
            if rng.chance(link.reorder) {
                Delivery { after: link.delay + link.reorder_delay, in_order: false }
            } else {
                Delivery { after: link.delay, in_order: true }
            }
        };
        let first = Some(deliver(rng));
        let second = rng.chance(link.duplicate).then(|| deliver(rng));
        Carried { first, second }
    }
}
