//! The table by which connect() varies where its search begins: `table_perturb` of `inet_hash_connect`, random at boot.
//!
//! The kernel's has 65,536 entries, and most hosts use a few. So an entry is drawn when it is first asked for, from its own place in the stream
//! that would have filled the table; a host that uses many has them all.

use hashbrown::HashTable;

use crate::rng::{Stream, mix};

/// Whoever uses so many has the whole table.
const MANY: usize = 4_096;

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Perturb {
    size: u32,
    /// The stream at the place of the first entry.
    drawn_from: Stream,
    /// Those that were asked for, or all of them if they are many.
    values: Vec<u32>,
    /// Which of the kernel's places each value has, unless all are there, and where it lies. Never iterated.
    known: Option<HashTable<(u32, u32)>>,
}

impl Perturb {
    /// A table of that size; the stream goes on behind what fills it.
    pub(super) fn new(size: u32, rng: &mut Stream) -> Perturb {
        let drawn_from = rng.clone();
        rng.skip32(u64::from(size));
        Perturb { size, drawn_from, values: Vec::new(), known: Some(HashTable::new()) }
    }

    /// Where the entry at one of the kernel's places lies, for [`Self::entry`] until the next is asked for.
    #[inline]
    pub(super) fn find(&mut self, place: u32) -> usize {
        let Some(known) = &self.known else { return place as usize };
        match known.find(hash(place), |&(known, _)| known == place) {
            Some(&(_, at)) => at as usize,
            None => self.draw(place),
        }
    }

    /// The entry that lies there.
    #[inline]
    pub(super) fn entry(&mut self, at: usize) -> &mut u32 {
        &mut self.values[at]
    }

    #[cold]
    fn draw(&mut self, place: u32) -> usize {
        let mut rng = self.drawn_from.clone();
        if self.values.len() == MANY {
            let mut all: Vec<u32> = (0..self.size).map(|_| rng.bits32()).collect();
            for (place, at) in self.known.take().into_iter().flatten() {
                all[place as usize] = self.values[at as usize];
            }
            self.values = all;
            return place as usize;
        }
        rng.skip32(u64::from(place));
        let at = self.values.len();
        self.values.push(rng.bits32());
        if let Some(known) = &mut self.known {
            known.insert_unique(hash(place), (place, at as u32), |&(place, _)| hash(place));
        }
        at
    }
}

fn hash(place: u32) -> u64 {
    mix(u64::from(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Component, Purpose};

    /// However many are asked for, in whatever order, each is what a table filled at once would hold, and what was written stays.
    #[test]
    fn entries_are_those_of_a_table_that_was_filled_at_once() {
        for used in [10, MANY as u32 + 10] {
            let mut rng = Stream::new(7, Purpose::Ports, Component::SHARED);
            // Not at the edge of a block.
            let _ = rng.bits64();
            let mut plain = rng.clone();
            let mut table = Perturb::new(65_536, &mut rng);
            let mut all: Vec<u32> = (0..65_536).map(|_| plain.bits32()).collect();
            assert_eq!(rng.bits64(), plain.bits64(), "the stream goes on behind it");
            for i in (0..used).chain(0..used) {
                let place = i.wrapping_mul(40_503) % 65_536;
                let at = table.find(place);
                assert_eq!(*table.entry(at), all[place as usize]);
                *table.entry(at) = i;
                all[place as usize] = i;
            }
            assert_eq!(table.values.len() == 65_536, used > MANY as u32);
        }
    }
}
