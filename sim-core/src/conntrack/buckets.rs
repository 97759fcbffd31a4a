//! The chains, one for each bucket of the hash.
//!
//! The number of buckets is the kernel's setting and means something (`early_drop` and the garbage collector walk them in
//! order), but most of them may be empty for ever. So they lie in pages of 64 that exist only while one of theirs is
//! in use, and a tree of bits leads from one bucket in use to the next without touching those between.
//!
//! A chain is an array and no list: a walk knows all its nodes beforehand, so that the memory of one entry is on its way
//! while another is looked at. In a table of a million entries that is most of what a walk costs.

use super::pool::Pool;

/// No node, or no block.
pub(super) const NIL: u32 = u32::MAX;

/// So many nodes lie in a block: with the number of the next block they fill a line of the cache.
const WIDE: usize = 15;

/// The most nodes of a chain that a walk may copy: insertion refuses far shorter ones.
const LONGEST: usize = 128;

/// A part of a chain, the oldest node first. The number of the block with older ones comes last.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Block([u32; WIDE + 1]);

/// 64 neighbouring buckets.
#[derive(Clone, Debug)]
struct Page {
    /// Of a chain of one node: the node. Of a longer one: the block with its newest nodes, the only one that may not be full.
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
    blocks: Pool<Block>,
    /// Pages out of use, all of their buckets empty: a table whose entries come and go does not allocate.
    #[expect(clippy::vec_box, reason = "a page moves between here and `pages` as it is")]
    spare: Vec<Box<Page>>,
    in_use: BitTree,
}

/// The nodes of a chain as they stood when a walk began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    nodes: [u32; LONGEST],
    len: usize,
}

impl Chain {
    /// The newest first.
    pub(super) fn nodes(&self) -> impl Iterator<Item = u32> + '_ {
        self.nodes[..self.len].iter().copied()
    }
}

/// The nodes of a chain, the newest first.
#[derive(Clone, Debug)]
pub(super) struct Nodes<'a> {
    blocks: &'a Pool<Block>,
    /// The rest of the chain in one block, and the next block.
    here: &'a [u32],
    next: u32,
}

impl Iterator for Nodes<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.here.is_empty() {
            if self.next == NIL {
                return None;
            }
            let Block(block) = self.blocks.get(self.next);
            (self.here, self.next) = (&block[..WIDE], block[WIDE]);
        }
        let (&node, rest) = self.here.split_last()?;
        self.here = rest;
        Some(node)
    }
}

/// How many nodes of a chain of so many lie in its first block.
fn in_first(length: usize) -> usize {
    (length - 1) % WIDE + 1
}

impl Buckets {
    pub(super) fn new(len: u32) -> Buckets {
        let pages = len.div_ceil(64) as usize;
        let blocks = Pool::new();
        Buckets { len, pages: vec![None; pages], blocks, spare: Vec::new(), in_use: BitTree::new(pages) }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// How many nodes the chain of a bucket has.
    pub(super) fn length(&self, bucket: u32) -> u32 {
        let page = self.pages[(bucket / 64) as usize].as_ref();
        page.map_or(0, |page| u32::from(page.lengths[(bucket % 64) as usize]))
    }

    /// The nodes of a bucket's chain, the newest first.
    #[inline]
    pub(super) fn nodes(&self, bucket: u32) -> Nodes<'_> {
        let mut nodes = Nodes { blocks: &self.blocks, here: &[], next: NIL };
        if let Some(page) = &self.pages[(bucket / 64) as usize] {
            let at = (bucket % 64) as usize;
            match usize::from(page.lengths[at]) {
                0 => {}
                1 => nodes.here = &page.heads[at..=at],
                length => {
                    let Block(block) = self.blocks.get(page.heads[at]);
                    (nodes.here, nodes.next) = (&block[..in_first(length)], block[WIDE]);
                }
            }
        }
        nodes
    }

    /// The same as they stand now, for a walk that changes them.
    pub(super) fn chain(&self, bucket: u32) -> Chain {
        let mut chain = Chain { nodes: [NIL; LONGEST], len: 0 };
        for (place, node) in chain.nodes.iter_mut().zip(self.nodes(bucket)) {
            *place = node;
            chain.len += 1;
        }
        chain
    }

    /// Puts a node in front of a chain.
    pub(super) fn push(&mut self, bucket: u32, node: u32) {
        let (index, at) = ((bucket / 64) as usize, (bucket % 64) as usize);
        let slot = &mut self.pages[index];
        if slot.is_none() {
            self.in_use.insert(index);
            *slot = self.spare.pop();
        }
        let page =
            slot.get_or_insert_with(|| Box::new(Page { heads: [NIL; 64], lengths: [0; 64], filled: 0 }));
        let (head, length) = (&mut page.heads[at], usize::from(page.lengths[at]));
        assert!(length < LONGEST, "whoever inserts looks at the length");
        page.lengths[at] += 1;
        page.filled |= 1 << at;
        match length {
            0 => *head = node,
            _ if length > 1 && !length.is_multiple_of(WIDE) => {
                self.blocks.get_mut(*head).0[length % WIDE] = node;
            }
            _ => {
                let mut block = [NIL; WIDE + 1];
                // A single node moves into the block, and a full block comes behind it.
                if length == 1 {
                    (block[0], block[1]) = (*head, node);
                } else {
                    (block[0], block[WIDE]) = (node, *head);
                }
                *head = self.blocks.add(Block(block));
            }
        }
    }

    /// Takes a node, which must be there, out of a chain. Those behind and before it keep their order.
    pub(super) fn remove(&mut self, bucket: u32, node: u32) {
        let (index, at) = ((bucket / 64) as usize, (bucket % 64) as usize);
        let slot = &mut self.pages[index];
        let Some(page) = slot.as_mut() else { return };
        let length = usize::from(page.lengths[at]);
        page.lengths[at] -= 1;
        if length == 1 {
            page.heads[at] = NIL;
            page.filled &= !(1 << at);
            if page.filled == 0 {
                self.spare.extend(slot.take());
                self.in_use.remove(index);
            }
            return;
        }
        // Each of those before it moves to the place of the next.
        let first = page.heads[at];
        let (mut block, mut fill, mut moving) = (first, in_first(length), node);
        'all: loop {
            let Block(here) = self.blocks.get_mut(block);
            for place in here[..fill].iter_mut().rev() {
                core::mem::swap(place, &mut moving);
                if moving == node {
                    break 'all;
                }
            }
            (block, fill) = (here[WIDE], WIDE);
        }
        let Block(newest) = self.blocks.get(first);
        if length == 2 {
            page.heads[at] = newest[0];
        } else if in_first(length) == 1 {
            page.heads[at] = newest[WIDE];
        } else {
            return;
        }
        self.blocks.free(first);
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
    fn chains_are_what_a_list_of_lists_would_be() {
        let mut rng = Stream::new(3, Purpose::Ports, Component::SHARED);
        for len in [1, 63, 64, 65, 300] {
            let mut buckets = Buckets::new(len);
            let mut plain = vec![Vec::new(); len as usize];
            for node in 0..20_000 {
                // A few buckets only, so that their chains grow over several blocks and shrink again.
                let bucket = (rng.below(4) * u64::from(len.saturating_sub(1)) / 3) as u32;
                let chain = &mut plain[bucket as usize];
                let grows = rng.below(100) < if node / 2_000 % 2 == 0 { 60 } else { 40 };
                if grows && chain.len() < 80 {
                    buckets.push(bucket, node);
                    chain.insert(0, node);
                } else if !chain.is_empty() {
                    let gone = chain.remove(rng.below(chain.len() as u64) as usize);
                    buckets.remove(bucket, gone);
                }
                assert_eq!(buckets.nodes(bucket).collect::<Vec<_>>(), *chain);
                assert_eq!(buckets.chain(bucket).nodes().collect::<Vec<_>>(), *chain);
                assert_eq!(buckets.length(bucket), chain.len() as u32);
                let from = rng.below(u64::from(len) + 2) as u32;
                let walk = (from..len).find(|&b| !plain[b as usize].is_empty());
                assert_eq!(buckets.next_filled(from), walk, "from {from} of {len}");
            }
        }
    }

    #[test]
    fn pages_and_blocks_that_fall_empty_serve_again() {
        let mut buckets = Buckets::new(u32::MAX >> 1);
        for n in 0..10_000 {
            (0..40).for_each(|node| buckets.push(n * 200_000, node));
            (0..40).for_each(|node| buckets.remove(n * 200_000, node));
        }
        assert_eq!((buckets.spare.len(), buckets.next_filled(0)), (1, None));
        assert_eq!(buckets.blocks.capacity(), 3);
    }
}
