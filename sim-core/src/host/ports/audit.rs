//! The books of ports against those who hold them: for tests.

use std::collections::BTreeMap;

use super::bind::{BUCKETS, Bucket};
use super::{DestId, Owner, Ports};
use crate::time::Time;

/// A port that a socket or a mini-socket holds.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Which.
    pub port: u16,
    /// How it was got.
    pub owner: Owner,
    /// Towards which destination.
    pub dest: DestId,
    /// Of a mini-socket that connect() may take over at some time: from when on.
    pub reusable_from: Time,
}

impl Ports {
    /// Whether buckets, sets and gauges are those of exactly these holders, a listener's port included.
    pub fn agree_with(&self, held: &[Held]) -> bool {
        let mut buckets: BTreeMap<u16, Bucket> = BTreeMap::new();
        let mut towards = vec![(0, 0); self.dests.len()];
        let mut known = true;
        for &Held { port, owner, dest, reusable_from } in held {
            buckets.entry(port).or_default().add(owner);
            if dest == DestId::NONE {
                continue;
            }
            let (pair, (taken, minis)) = (&self.dests[dest.index()], &mut towards[dest.index()]);
            known &= pair.taken.has(port);
            *taken += 1;
            if reusable_from != Time::NEVER {
                known &= pair.mini.has(port) && pair.reusable_from <= reusable_from;
                *minis += 1;
            }
        }
        let pairs = self.dests.iter().zip(towards).all(|(pair, (taken, minis))| {
            let counted = (pair.taken.len(), pair.mini.len(), pair.minis) == (taken, minis, minis);
            counted && pair.used.now == u64::from(taken) && pair.shared.is_within(&pair.taken)
        });
        known
            && pairs
            && self.here_agree()
            && self.live_buckets as usize == buckets.len()
            && self.buckets_are(&buckets)
    }

    /// Whether what is kept of all pairs of an address is what they hold.
    fn here_agree(&self) -> bool {
        self.by_source.values().all(|own| {
            let dests = || own.iter().map(|&i| &self.dests[i as usize]);
            let Some(here) = dests().next().and_then(|dest| dest.here) else { return true };
            let here = &self.here[here as usize];
            (0..65536 / 64).all(|word| {
                let taken = dests().fold(0, |all, dest| all | dest.taken.word(word));
                let alone =
                    dests().fold(0, |all, dest| all | dest.taken.word(word) & !dest.shared.word(word));
                (here.taken.word(word), here.alone.word(word)) == (taken, alone)
            })
        })
    }

    fn buckets_are(&self, expected: &BTreeMap<u16, Bucket>) -> bool {
        let owned = |(i, chunk): (usize, &Option<Box<[Bucket; BUCKETS]>>)| {
            let ports = (i * BUCKETS..).zip(chunk.iter().flat_map(|chunk| chunk.iter()));
            let owned = ports.filter(|(_, bucket)| bucket.is_owned());
            owned.map(|(port, bucket)| (port as u16, *bucket)).collect::<Vec<_>>()
        };
        let there = self.buckets.iter().enumerate().flat_map(owned);
        let bound = || expected.iter().filter(|(_, bucket)| bucket.is_bound()).map(|(&port, _)| port);
        let unreserved = bound().filter(|&port| !self.reserved.has(port)).count();
        there.eq(expected.iter().map(|(&port, &bucket)| (port, bucket)))
            && bound().all(|port| self.blocked.has(port))
            && self.reserved.is_within(&self.blocked)
            && self.blocked.len() as usize == self.reserved.len() as usize + unreserved
            && self.listening.is_within(&self.blocked)
    }
}
