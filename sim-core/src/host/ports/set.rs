//! A set of ports, in memory that grows with the ranges that are used.

/// The even ports of a word, and the odd ones.
pub(super) const EVEN: u64 = 0x5555_5555_5555_5555;
pub(super) const ODD: u64 = !EVEN;

/// Words of all ports.
const WORDS: usize = 65536 / 64;
/// Words of a chunk.
const CHUNK: usize = 16;

/// One bit for each port, in up to 64 chunks of 1,024 ports, of which only those exist that ever had a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PortSet {
    /// One bit for each chunk that exists. They stand in `chunks` in this order.
    present: u64,
    chunks: Box<[[u64; CHUNK]]>,
    /// The first of them, if no chunk between two that exist is missing, as where ports come from one range; else [`SPARSE`].
    first: u8,
    /// One bit for each chunk: all its even ports are in; all its odd ones are. So a search over a range that is nearly
    /// used up looks at the chunks that have something to offer.
    even_full: u64,
    odd_full: u64,
}

/// Chunks that exist do not stand side by side: their places have to be counted.
const SPARSE: u8 = u8::MAX;

impl Default for PortSet {
    fn default() -> PortSet {
        PortSet { present: 0, chunks: Box::default(), first: SPARSE, even_full: 0, odd_full: 0 }
    }
}

impl PortSet {
    /// The place of a chunk that exists among all that do.
    #[inline]
    fn place(&self, chunk: usize) -> usize {
        if self.first != SPARSE {
            return chunk - usize::from(self.first);
        }
        (self.present & ((1 << chunk) - 1)).count_ones() as usize
    }

    /// A chunk comes to be, with no port in it.
    #[cold]
    fn add_chunk(&mut self, chunk: usize) {
        let place = (self.present & ((1 << chunk) - 1)).count_ones() as usize;
        let mut chunks = core::mem::take(&mut self.chunks).into_vec();
        chunks.reserve_exact(1);
        chunks.insert(place, [0; CHUNK]);
        self.chunks = chunks.into_boxed_slice();
        self.present |= 1 << chunk;
        let first = self.present.trailing_zeros();
        let side_by_side = (self.present >> first).trailing_ones() == self.present.count_ones();
        self.first = if side_by_side { first as u8 } else { SPARSE };
    }

    /// Whether no port was ever put in.
    pub(super) fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// How many ports are in.
    pub(super) fn len(&self) -> u32 {
        self.chunks.iter().flatten().map(|word| word.count_ones()).sum()
    }

    /// Whether each of its ports is in the other set, too.
    pub(super) fn is_within(&self, other: &PortSet) -> bool {
        let there = (0..64).filter(|&chunk| self.present >> chunk & 1 == 1);
        let mut words = there.flat_map(|chunk| chunk * CHUNK..(chunk + 1) * CHUNK);
        words.all(|word| self.word(word) & !other.word(word) == 0)
    }

    /// Its ports, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u16> {
        let ports = |word: usize| {
            let bits = self.word(word);
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| (word * 64 + bit) as u16)
        };
        (0..WORDS).filter(|word| self.present >> (word / CHUNK) & 1 == 1).flat_map(ports)
    }

    fn words(&self, chunk: usize) -> Option<&[u64; CHUNK]> {
        if self.present >> chunk & 1 == 0 { None } else { self.chunks.get(self.place(chunk)) }
    }

    /// 64 neighbouring ports.
    pub(super) fn word(&self, word: usize) -> u64 {
        self.words(word / CHUNK).map_or(0, |words| words[word % CHUNK])
    }

    pub(super) fn has(&self, port: u16) -> bool {
        self.word(port as usize / 64) >> (port % 64) & 1 == 1
    }

    /// Puts a port in. Whether it was not in before.
    pub(super) fn insert(&mut self, port: u16) -> bool {
        let (word, chunk) = (port as usize / 64, port as usize / 64 / CHUNK);
        if self.present >> chunk & 1 == 0 {
            self.add_chunk(chunk);
        }
        let place = self.place(chunk);
        let words = &mut self.chunks[place];
        let bit = 1 << (port % 64);
        let news = words[word % CHUNK] & bit == 0;
        words[word % CHUNK] |= bit;
        let (mask, full) =
            if port.is_multiple_of(2) { (EVEN, &mut self.even_full) } else { (ODD, &mut self.odd_full) };
        if words[word % CHUNK] & mask == mask && words.iter().all(|w| w & mask == mask) {
            *full |= 1 << chunk;
        }
        news
    }

    /// Takes a port out. Whether it was in.
    pub(super) fn remove(&mut self, port: u16) -> bool {
        let (word, chunk) = (port as usize / 64, port as usize / 64 / CHUNK);
        if self.present >> chunk & 1 == 0 {
            return false;
        }
        let place = self.place(chunk);
        let (words, bit) = (&mut self.chunks[place][word % CHUNK], 1 << (port % 64));
        let was_in = *words & bit != 0;
        *words &= !bit;
        let full = if port.is_multiple_of(2) { &mut self.even_full } else { &mut self.odd_full };
        *full &= !(1 << chunk);
        was_in
    }

    /// The first word from `word` on in which a port under the mask is not in; at least 1,024 if there is none.
    pub(super) fn next_open(&self, word: usize, mask: u64) -> usize {
        let full = match mask {
            EVEN => self.even_full,
            ODD => self.odd_full,
            _ => self.even_full & self.odd_full,
        };
        let mut word = word;
        while word < WORDS {
            let chunk = word / CHUNK;
            let open = !full & u64::MAX << chunk;
            if open == 0 {
                return WORDS;
            }
            let first = open.trailing_zeros() as usize;
            if first > chunk {
                word = first * CHUNK;
            }
            let Some(words) = self.words(first) else { return word };
            let found = (word % CHUNK..CHUNK).find(|&i| words[i] & mask != mask);
            match found {
                Some(i) => return first * CHUNK + i,
                None => word = (first + 1) * CHUNK,
            }
        }
        WORDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Component, Purpose, Stream};

    #[test]
    fn a_set_of_ports_is_a_set() {
        let mut rng = Stream::new(5, Purpose::Ports, Component::SHARED);
        let mut set = PortSet::default();
        let mut plain = vec![false; 65_536];
        for round in 0..40 {
            // Whole stretches at a time, so that chunks become full and open again.
            let (low, fill) = (rng.below(65_536) as u16, rng.below(3) > 0);
            for port in low..=low.saturating_add(rng.below(6_000) as u16) {
                if fill {
                    set.insert(port);
                } else {
                    set.remove(port);
                }
                plain[port as usize] = fill;
            }
            for _ in 0..200 {
                let (word, port) = (rng.below(1_024) as usize, rng.below(65_536) as u16);
                assert_eq!(set.has(port), plain[port as usize]);
                for mask in [EVEN, ODD, u64::MAX] {
                    let open = |w: &usize| (0..64).any(|b| mask >> b & 1 == 1 && !plain[w * 64 + b]);
                    let walk = (word..1_024).find(open).unwrap_or(1_024);
                    assert_eq!(set.next_open(word, mask), walk, "round {round}");
                }
            }
        }
    }

    #[test]
    fn one_port_costs_one_chunk() {
        let mut set = PortSet::default();
        set.insert(40_000);
        let bytes = size_of::<PortSet>() + set.chunks.len() * size_of::<[u64; CHUNK]>();
        assert!(bytes <= 176, "{bytes}");
    }
}
