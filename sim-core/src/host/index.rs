//! From a tuple to what it leads to: the established hash (`inet_hashinfo.ehash`), made for tuples that differ in one port.
//!
//! Ephemeral ports are handed out in runs, so tuples come in families that share addresses and one port. Thirty-two
//! neighbours of one parity in the other port share a block, and sixteen blocks an entry of the hash table: the next connection of a
//! run finds both in the cache. In a well-used range an entry costs some five bytes. Who remembers where his tuple stands ([`Spot`])
//! need not look it up again.

use core::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use crate::ids::Tuple;
use crate::rng::scatter;

/// A place in a host's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A full socket: its slot.
    Full(u32),
    /// A TIME_WAIT: its row.
    Row(u32),
    /// A mini-socket in FIN_WAIT2: its slot.
    Orphan(u32),
    /// A request: its slot.
    Request(u32),
    /// A conversation that follows a script: its slot in the world.
    Conversation(u32),
}

const KIND_SHIFT: u32 = 30;
const VALUE: u32 = (1 << KIND_SHIFT) - 1;
/// Set in the value of a [`Place::Conversation`], which shares its kind with [`Place::Full`].
const CONVERSATION: u32 = 1 << (KIND_SHIFT - 1);
const NOTHING: u32 = u32::MAX;

impl Place {
    /// The bits of a row's number that fit.
    pub const ROW_BITS: u32 = VALUE;

    const fn pack(self) -> u32 {
        let (kind, value) = match self {
            Place::Full(value) => (0, value),
            Place::Row(value) => (1, value),
            Place::Orphan(value) => (2, value),
            Place::Request(value) => (3, value),
            Place::Conversation(value) => (0, value | CONVERSATION),
        };
        debug_assert!(value <= VALUE);
        kind << KIND_SHIFT | value
    }

    const fn unpack(word: u32) -> Option<Place> {
        if word == NOTHING {
            return None;
        }
        let value = word & VALUE;
        Some(match word >> KIND_SHIFT {
            0 if value & CONVERSATION != 0 => Place::Conversation(value ^ CONVERSATION),
            0 => Place::Full(value),
            1 => Place::Row(value),
            2 => Place::Orphan(value),
            _ => Place::Request(value),
        })
    }
}

/// Neighbours that share a block.
const BLOCK: usize = 32;
/// Neighbouring blocks that share an entry of the hash table.
const BLOCKS: usize = 16;

/// What five hundred and twelve neighbouring tuples share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Family {
    addresses: u64,
    /// The fixed port, the part of the other one that they share, and which of the two is the local one.
    ports: u32,
}

impl core::hash::Hash for Family {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(scatter(self.addresses, u64::from(self.ports)));
    }
}

/// Passes on what [`Family`] has made: nothing is iterated, and the hash is the same on every machine.
#[derive(Clone, Copy, Debug, Default)]
struct FamilyHasher(u64);

impl Hasher for FamilyHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(byte));
        }
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

/// The family of a tuple, and its place among the neighbours: even ports come first, for connect() takes those of one parity while
/// it can. The larger port is taken for the ephemeral one: if it is not, blocks are emptier, nothing else.
fn family(tuple: Tuple) -> (Family, usize) {
    let (local, remote) = (tuple.local, tuple.remote);
    let ours = local.port >= remote.port;
    let (varying, fixed) = if ours { (local.port, remote.port) } else { (remote.port, local.port) };
    let (varying, most) = (usize::from(varying), BLOCK * BLOCKS);
    let part = (varying / most) as u32;
    let family = Family {
        addresses: u64::from(local.addr.0) << 32 | u64::from(remote.addr.0),
        ports: u32::from(fixed) << 8 | part << 1 | u32::from(ours),
    };
    let at = varying % most;
    (family, at / 2 + at % 2 * (most / 2))
}

/// Where a tuple stands that leads somewhere: it stays there until it leads nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot(u32);

impl Spot {
    /// As a number.
    pub const fn number(self) -> u32 {
        self.0
    }
    /// The spot of a number.
    pub const fn numbered(number: u32) -> Spot {
        Spot(number)
    }
    const fn block(self) -> usize {
        self.0 as usize / BLOCK
    }
    const fn within(self) -> usize {
        self.0 as usize % BLOCK
    }
}

/// The index of one host.
#[derive(Clone, Debug, Default)]
pub struct Index {
    families: HashMap<Family, [u32; BLOCKS], BuildHasherDefault<FamilyHasher>>,
    blocks: Vec<[u32; BLOCK]>,
    /// How many tuples of each block are taken.
    taken: Vec<u8>,
    free: Vec<u32>,
}

impl Index {
    /// What a tuple leads to.
    pub fn get(&self, tuple: Tuple) -> Option<Place> {
        let spot = self.spot(tuple)?;
        Place::unpack(self.blocks[spot.block()][spot.within()])
    }

    /// How many tuples lead somewhere.
    pub fn len(&self) -> usize {
        self.taken.iter().map(|&taken| usize::from(taken)).sum()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a tuple would stand, if its block is there.
    #[inline]
    fn spot(&self, tuple: Tuple) -> Option<Spot> {
        let (family, at) = family(tuple);
        let block = self.families.get(&family)?[at / BLOCK];
        (block != NOTHING).then(|| Spot(block * BLOCK as u32 + (at % BLOCK) as u32))
    }

    /// Makes a tuple lead to a place, whatever it led to before. Answers where it stands.
    pub fn put(&mut self, tuple: Tuple, place: Place) -> Spot {
        let (family, at) = family(tuple);
        let Index { families, blocks, taken, free } = self;
        let block = &mut families.entry(family).or_insert([NOTHING; BLOCKS])[at / BLOCK];
        if *block == NOTHING {
            *block = free.pop().unwrap_or_else(|| {
                blocks.push([NOTHING; BLOCK]);
                taken.push(0);
                blocks.len() as u32 - 1
            });
        }
        let spot = Spot(*block * BLOCK as u32 + (at % BLOCK) as u32);
        let word = &mut blocks[spot.block()][spot.within()];
        taken[spot.block()] += u8::from(*word == NOTHING);
        *word = place.pack();
        spot
    }

    /// Makes the tuple that stands there lead to another place.
    #[inline]
    pub fn put_at(&mut self, spot: Spot, place: Place) {
        let word = &mut self.blocks[spot.block()][spot.within()];
        debug_assert!(*word != NOTHING, "what leads nowhere has no spot");
        *word = place.pack();
    }

    /// The tuple leads nowhere any more.
    pub fn remove(&mut self, tuple: Tuple) {
        if let Some(spot) = self.spot(tuple) {
            self.remove_at(spot, tuple);
        }
    }

    /// The tuple, which stands there, leads nowhere any more.
    #[inline]
    pub fn remove_at(&mut self, spot: Spot, tuple: Tuple) {
        debug_assert_eq!(self.spot(tuple), Some(spot));
        let word = &mut self.blocks[spot.block()][spot.within()];
        if *word == NOTHING {
            return;
        }
        *word = NOTHING;
        let taken = &mut self.taken[spot.block()];
        *taken -= 1;
        if *taken == 0 {
            self.give_back(tuple);
        }
    }

    /// The block of a tuple is empty.
    fn give_back(&mut self, tuple: Tuple) {
        let (family, at) = family(tuple);
        let Some(blocks) = self.families.get_mut(&family) else { return };
        self.free.push(core::mem::replace(&mut blocks[at / BLOCK], NOTHING));
        if blocks.iter().all(|&block| block == NOTHING) {
            self.families.remove(&family);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ids::{Addr, SockAddr};
    use crate::rng::{Component, Purpose, Stream};

    /// A spot is good for as long as its tuple leads somewhere, whoever comes and goes beside it.
    #[test]
    fn a_spot_stays_with_its_tuple() {
        let from = |port| Tuple {
            local: SockAddr { addr: Addr(1), port },
            remote: SockAddr { addr: Addr(2), port: 80 },
        };
        let mut index = Index::default();
        let spot = index.put(from(40_001), Place::Request(7));
        let others = || (39_000..42_000).filter(|&port| port != 40_001).map(from);
        others().for_each(|tuple| {
            index.put(tuple, Place::Full(1));
        });
        index.put_at(spot, Place::Row(9));
        assert_eq!(index.get(from(40_001)), Some(Place::Row(9)));
        assert_eq!(index.len(), 3_000);
        others().for_each(|tuple| index.remove(tuple));
        index.remove_at(spot, from(40_001));
        assert!(index.is_empty() && index.families.is_empty());
    }

    /// Against an ordered map, with few enough tuples that they collide, and with ports on either side of each other.
    #[test]
    fn it_is_a_map() {
        let mut rng = Stream::new(3, Purpose::Link, Component::SHARED);
        let (mut index, mut model) = (Index::default(), BTreeMap::new());
        for _ in 0..200_000 {
            let end = |rng: &mut Stream| SockAddr {
                addr: Addr(rng.below(2) as u32),
                port: [80, 79, 1000, 1031, 1032, 65535][rng.below(6) as usize],
            };
            let tuple = Tuple { local: end(&mut rng), remote: end(&mut rng) };
            let value = rng.below(1000) as u32;
            let place = [
                Place::Full(value),
                Place::Row(value),
                Place::Orphan(value),
                Place::Request(value),
                Place::Conversation(value),
            ][rng.below(5) as usize];
            if rng.below(2) == 0 {
                index.put(tuple, place);
                model.insert(tuple, place);
            } else {
                index.remove(tuple);
                model.remove(&tuple);
            }
            assert_eq!(index.get(tuple), model.get(&tuple).copied());
        }
        for (tuple, place) in &model {
            assert_eq!(index.get(*tuple), Some(*place));
        }
        for tuple in model.keys() {
            index.remove(*tuple);
        }
        assert!(index.families.is_empty());
    }
}
