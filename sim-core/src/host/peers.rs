//! What a host remembers of its peers between connections (`tcp_metrics`, net/ipv4/tcp_metrics.c): how far away they are.
//!
//! A connection that ends in order leaves its round-trip time behind, by pair of addresses. It serves two ends: a connection whose
//! handshake gave no sample begins with an RTO made of it, not with 3 s; and a listener without cookies keeps the last quarter of its SYN
//! queue for peers that have one. The kernel also keeps the deviation, the window and the reordering; without locks on
//! routes it reads nothing of these but the reordering, which the model leaves out. A cached time that is larger
//! than the handshake's own sample would add to the first RTO: left out too, it is at most a tick where peers are near.

use core::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use crate::ids::Addr;
use crate::rng::mix;
use crate::time::{Span, Time};

/// A pair of addresses, ours first.
pub type Pair = (Addr, Addr);

/// What was not refreshed for so long is forgotten (`TCP_METRICS_TIMEOUT`).
const TIMEOUT: Span = Span::from_secs(3_600);

/// What is known of one pair.
#[derive(Clone, Copy, Debug)]
struct Metric {
    pair: Pair,
    /// Round-trip time, eighths of a microsecond; 0 = unknown.
    rtt: u32,
    /// When it was last told.
    at: Time,
}

/// Hashes a pair of addresses.
#[derive(Clone, Debug, Default)]
struct PairHasher(u64);

impl Hasher for PairHasher {
    fn finish(&self) -> u64 {
        mix(self.0)
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }
    fn write_u32(&mut self, n: u32) {
        self.0 = self.0 << 32 | self.0 >> 32 ^ u64::from(n);
    }
}

/// What a host remembers. It grows with the pairs of addresses, not with the connections.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    metrics: Vec<Metric>,
    places: HashMap<Pair, u32, BuildHasherDefault<PairHasher>>,
    /// The one that was told last: connections come in runs, or go to one destination after the other.
    last: usize,
}

impl Peers {
    /// The round-trip time to a peer, eighths of a microsecond; 0 if nothing is known.
    pub fn rtt(&self, now: Time, pair: Pair) -> u32 {
        let metric = self.places.get(&pair).map(|&place| self.metrics[place as usize]);
        metric.filter(|metric| now <= metric.at + TIMEOUT).map_or(0, |metric| metric.rtt)
    }

    /// A connection ends and tells its smoothed round-trip time; 0: it failed to find out (`tcp_update_metrics`).
    #[inline]
    pub fn told(&mut self, now: Time, pair: Pair, srtt: u32) {
        let after = if self.last + 1 < self.metrics.len() { self.last + 1 } else { 0 };
        for place in [self.last, after] {
            if let Some(metric) = self.metrics.get_mut(place).filter(|metric| metric.pair == pair) {
                self.last = place;
                return metric.told(now, srtt);
            }
        }
        self.told_other(now, pair, srtt);
    }

    fn told_other(&mut self, now: Time, pair: Pair, srtt: u32) {
        let metrics = &mut self.metrics;
        if srtt == 0 && !self.places.contains_key(&pair) {
            return;
        }
        let place = *self.places.entry(pair).or_insert_with(|| {
            metrics.push(Metric { pair, rtt: 0, at: now });
            metrics.len() as u32 - 1
        });
        self.last = place as usize;
        self.metrics[self.last].told(now, srtt);
    }
}

impl Metric {
    #[inline]
    fn told(&mut self, now: Time, srtt: u32) {
        if now > self.at + TIMEOUT {
            self.rtt = 0;
        }
        if srtt == 0 {
            self.rtt = 0;
            return;
        }
        // Better too long than too short: more is believed at once, less by and by.
        self.rtt = if self.rtt <= srtt { srtt } else { self.rtt - ((self.rtt - srtt) >> 3) };
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Pair = (Addr(1), Addr(2));

    #[test]
    fn more_is_believed_at_once_and_less_by_and_by() {
        let mut peers = Peers::default();
        assert_eq!(peers.rtt(Time::ZERO, PAIR), 0);
        for (srtt, known) in [(800, 800), (1_600, 1_600), (800, 1_500), (0, 0), (800, 800)] {
            peers.told(Time::ZERO, PAIR, srtt);
            assert_eq!(peers.rtt(Time::ZERO, PAIR), known);
        }
    }

    #[test]
    fn a_failure_to_find_out_is_not_remembered_of_a_stranger() {
        let mut peers = Peers::default();
        peers.told(Time::ZERO, PAIR, 0);
        assert!(peers.metrics.is_empty());
    }

    #[test]
    fn it_forgets_after_an_hour() {
        let mut peers = Peers::default();
        peers.told(Time::ZERO, PAIR, 8_000);
        assert_eq!(peers.rtt(Time::ZERO + TIMEOUT, PAIR), 8_000);
        let late = Time::ZERO + TIMEOUT + Span(1);
        assert_eq!(peers.rtt(late, PAIR), 0);
        peers.told(late, PAIR, 800);
        assert_eq!(peers.rtt(late, PAIR), 800, "not weighed with what is forgotten");
    }

    #[test]
    fn pairs_are_told_apart() {
        let mut peers = Peers::default();
        for peer in 0..100 {
            peers.told(Time::ZERO, (Addr(1), Addr(peer)), 100 + peer);
        }
        for peer in 0..100 {
            assert_eq!(peers.rtt(Time::ZERO, (Addr(1), Addr(peer))), 100 + peer);
        }
    }
}
