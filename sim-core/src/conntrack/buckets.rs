//! The heads of the chains, one for each bucket of the hash.
//!
//! The number of buckets is the kernel's setting and means something (`early_drop` and the garbage collector walk them in
//! order), but most of them may be empty for ever. So heads lie in pages of 64 that exist only while one of theirs is
//! in use, and a tree of bits leads from one bucket in use to the next without touching those between.

/// No node: the end of a chain, or an empty bucket.
pub(super) const NIL: u32 = u32::MAX;

/// 64 neighbouring buckets.
#[derive(Clone, Debug)]
struct Page {
    heads: [u32; 64],
    /// How many nodes each chain has: its length is asked at each insertion, and is limited to less than a hundred.
    lengths: [u8; 64],
    /// One bit for each bucket that is not empty.
    filled: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Buckets {
    len: u32,
    pages: Vec<Option<Box<Page>>>,
    /// Pages out of use, all of their buckets empty: a table whose entries come and go does not allocate.
    #[expect(clippy::vec_box, reason = "a page moves between here and `pages` as it is")]
    spare: Vec<Box<Page>>,
    in_use: BitTree,
}

impl Buckets {
    pub(super) fn new(len: u32) -> Buckets {
        let pages = len.div_ceil(64) as usize;
        Buckets { len, pages: vec![None; pages], spare: Vec::new(), in_use: BitTree::new(pages) }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn head(&self, bucket: u32) -> u32 {
        match &self.pages[(bucket / 64) as usize] {
            Some(page) => page.heads[(bucket % 64) as usize],
            None => NIL,
        }
    }

    /// How many nodes the chain of a bucket has.
    pub(super) fn length(&self, bucket: u32) -> u32 {
        let page = self.pages[(bucket / 64) as usize].as_ref();
        page.map_or(0, |page| u32::from(page.lengths[(bucket % 64) as usize]))
    }

    /// A node has come to a chain, or gone from it.
    pub(super) fn count(&mut self, bucket: u32, by: i8) {
        if let Some(page) = &mut self.pages[(bucket / 64) as usize] {
            let length = &mut page.lengths[(bucket % 64) as usize];
            *length = length.saturating_add_signed(by);
        }
    }

    /// Puts a node in front of a chain, or, with [`NIL`], empties it.
    pub(super) fn set_head(&mut self, bucket: u32, head: u32) {
        let (index, at) = ((bucket / 64) as usize, bucket % 64);
        let slot = &mut self.pages[index];
        if slot.is_none() {
            self.in_use.insert(index);
            *slot = self.spare.pop();
        }
        let page =
            slot.get_or_insert_with(|| Box::new(Page { heads: [NIL; 64], lengths: [0; 64], filled: 0 }));
        page.heads[at as usize] = head;
        if head != NIL {
            page.filled |= 1 << at;
            return;
        }
        page.filled &= !(1 << at);
        page.lengths[at as usize] = 0;
        if page.filled == 0 {
            self.spare.extend(slot.take());
            self.in_use.remove(index);
        }
    }

    /// The first bucket from `bucket` on that is not empty.
    pub(super) fn next_filled(&self, bucket: u32) -> Option<u32> {
        let index = (bucket / 64) as usize;
        let here = self.pages.get(index)?.as_ref().map_or(0, |page| page.filled & u64::MAX << (bucket % 64));
        if here != 0 {
            return Some(bucket / 64 * 64 + here.trailing_zeros());
        }
        let next = self.in_use.next(index + 1)?;
        let page = self.pages[next].as_ref()?;
        Some(next as u32 * 64 + page.filled.trailing_zeros())
    }
}

/// A set of small numbers with a quick "next member": the bits of each level say which words of the level below are not 0.
#[derive(Clone, Debug)]
struct BitTree {
    levels: Vec<Vec<u64>>,
}

impl BitTree {
    /// An empty set of numbers below `len`.
    fn new(len: usize) -> BitTree {
        let mut levels = vec![vec![0; len.div_ceil(64).max(1)]];
        while levels[levels.len() - 1].len() > 1 {
            let words = levels[levels.len() - 1].len().div_ceil(64);
            levels.push(vec![0; words]);
        }
        BitTree { levels }
    }

    fn insert(&mut self, mut n: usize) {
        for level in &mut self.levels {
            let word = &mut level[n / 64];
            let known = *word != 0;
            *word |= 1 << (n % 64);
            if known {
                return;
            }
            n /= 64;
        }
    }

    fn remove(&mut self, mut n: usize) {
        for level in &mut self.levels {
            let word = &mut level[n / 64];
            *word &= !(1 << (n % 64));
            if *word != 0 {
                return;
            }
            n /= 64;
        }
    }

    /// The first member from `n` on.
    fn next(&self, mut n: usize) -> Option<usize> {
        for (height, level) in self.levels.iter().enumerate() {
            let word = level.get(n / 64)? & u64::MAX << (n % 64);
            if word != 0 {
                let mut found = n / 64 * 64 + word.trailing_zeros() as usize;
                for below in self.levels[..height].iter().rev() {
                    found = found * 64 + below[found].trailing_zeros() as usize;
                }
                return Some(found);
            }
            n = n / 64 + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Component, Purpose, Stream};

    #[test]
    fn the_next_filled_bucket_is_the_one_that_a_walk_finds() {
        let mut rng = Stream::new(3, Purpose::Ports, Component::SHARED);
        for len in [1, 63, 64, 65, 4_096, 300_000] {
            let mut buckets = Buckets::new(len);
            let mut plain = vec![NIL; len as usize];
            for _ in 0..2_000 {
                let bucket = rng.below(u64::from(len)) as u32;
                let head = if rng.below(2) == 0 { NIL } else { rng.below(100) as u32 };
                buckets.set_head(bucket, head);
                plain[bucket as usize] = head;
                let from = rng.below(u64::from(len) + 2) as u32;
                let walk = (from..len).find(|&b| plain[b as usize] != NIL);
                assert_eq!(buckets.next_filled(from), walk, "from {from} of {len}");
                assert_eq!(buckets.head(bucket), head);
            }
        }
    }

    #[test]
    fn pages_that_fall_empty_serve_again() {
        let mut buckets = Buckets::new(u32::MAX >> 1);
        for n in 0..10_000 {
            buckets.set_head(n * 200_000, 7);
            buckets.set_head(n * 200_000, NIL);
        }
        assert_eq!((buckets.spare.len(), buckets.next_filled(0)), (1, None));
    }
}
