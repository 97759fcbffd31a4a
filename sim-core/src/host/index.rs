//! From a tuple to what it leads to: the established hash (`inet_hashinfo.ehash`), made for tuples that differ in one port.
//!
//! Ephemeral ports are handed out in runs, so tuples come in families that share addresses and one port. Thirty-two
//! neighbours in the other port share a block: one hash entry finds them all, and the next connection of a run finds its
//! block in the cache. In a well-used range an entry costs some five bytes.

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

const BLOCK: usize = 32;

/// What thirty-two neighbouring tuples share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Family {
    addresses: u64,
    /// The fixed port, the block of the other one, and which of the two is the local one.
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

/// The family of a tuple, and its place among the neighbours. The larger port is taken for the ephemeral one: if it is
/// not, blocks are emptier, nothing else.
fn family(tuple: Tuple) -> (Family, usize) {
    let (local, remote) = (tuple.local, tuple.remote);
    let ours = local.port >= remote.port;
    let (varying, fixed) = if ours { (local.port, remote.port) } else { (remote.port, local.port) };
    let block = u32::from(varying) / BLOCK as u32;
    let family = Family {
        addresses: u64::from(local.addr.0) << 32 | u64::from(remote.addr.0),
        ports: u32::from(fixed) << 12 | block << 1 | u32::from(ours),
    };
    (family, usize::from(varying) % BLOCK)
}

/// The index of one host.
#[derive(Clone, Debug, Default)]
pub struct Index {
    families: HashMap<Family, u32, BuildHasherDefault<FamilyHasher>>,
    blocks: Vec<[u32; BLOCK]>,
    /// How many tuples of each block are taken.
    taken: Vec<u8>,
    free: Vec<u32>,
}

impl Index {
    /// What a tuple leads to.
    pub fn get(&self, tuple: Tuple) -> Option<Place> {
        let (family, at) = family(tuple);
        let block = *self.families.get(&family)?;
        Place::unpack(self.blocks[block as usize][at])
    }

    /// How many tuples lead somewhere.
    pub fn len(&self) -> usize {
        self.taken.iter().map(|&taken| usize::from(taken)).sum()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes a tuple lead to a place, whatever it led to before.
    pub fn put(&mut self, tuple: Tuple, place: Place) {
        let (family, at) = family(tuple);
        let Index { families, blocks, taken, free } = self;
        let block = *families.entry(family).or_insert_with(|| {
            free.pop().unwrap_or_else(|| {
                blocks.push([NOTHING; BLOCK]);
                taken.push(0);
                blocks.len() as u32 - 1
            })
        });
        let word = &mut blocks[block as usize][at];
        taken[block as usize] += u8::from(*word == NOTHING);
        *word = place.pack();
    }

    /// The tuple leads nowhere any more.
    pub fn remove(&mut self, tuple: Tuple) {
        let (family, at) = family(tuple);
        let Some(&block) = self.families.get(&family) else { return };
        let word = &mut self.blocks[block as usize][at];
        if *word == NOTHING {
            return;
        }
        *word = NOTHING;
        let taken = &mut self.taken[block as usize];
        *taken -= 1;
        if *taken == 0 {
            self.families.remove(&family);
            self.free.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ids::{Addr, SockAddr};
    use crate::rng::{Component, Purpose, Stream};

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
