//! The table: what it counts, what it refuses, what gives it room again.

use super::*;
use crate::counter::Counter;
use crate::ids::{Addr, SockAddr, Tuple};
use crate::seq::Seq;
use crate::tcp::{Flags, Segment, SynOptions};
use crate::time::{Span, Time};

/// A tracker with its clock and its facts.
struct Bench {
    ct: Conntrack,
    now: Time,
    facts: Facts,
}

fn at(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

/// The client's tuple of flow `n`.
fn flow(n: u32) -> Tuple {
    let client = SockAddr { addr: Addr(0x0a00_0000 + n / 50_000), port: (10_000 + n % 50_000) as u16 };
    Tuple { local: client, remote: SockAddr { addr: Addr(0x0a01_0001), port: 80 } }
}

fn seg(flags: Flags, seq: u32, ack: u32) -> Segment {
    let mss = if flags.has(Flags::SYN) { 1460 } else { 0 };
    let syn = SynOptions { mss, ..SynOptions::default() };
    Segment { seq: Seq(seq), ack: Seq(ack), win: 65535, flags, syn, ..Segment::default() }
}

impl Bench {
    fn new(max: u32, buckets: u32) -> Bench {
        let cfg = ConntrackConfig { max, buckets, ..ConntrackConfig::default() };
        Bench { ct: Conntrack::new(cfg, 7), now: Time::ZERO, facts: Facts::new() }
    }

    fn send(&mut self, n: u32, dir: Dir, segment: Segment) -> CtVerdict {
        let tuple = if dir == Dir::Original { flow(n) } else { flow(n).reversed() };
        let verdict = self.ct.packet(self.now, tuple, &segment, &mut self.facts);
        self.check();
        verdict
    }

    fn syn(&mut self, n: u32) -> CtVerdict {
        self.send(n, Dir::Original, seg(Flags::SYN, 100, 0))
    }

    fn establish(&mut self, n: u32) -> CtVerdict {
        let verdict = self.syn(n);
        if verdict == CtVerdict::Pass(CtState::New) {
            self.send(n, Dir::Reply, seg(Flags::SYN_ACK, 500, 101));
            self.send(n, Dir::Original, seg(Flags::ACK, 101, 501));
        }
        verdict
    }

    /// Opens and closes, down to TIME_WAIT.
    fn close(&mut self, n: u32) -> CtVerdict {
        let verdict = self.establish(n);
        if verdict == CtVerdict::Pass(CtState::New) {
            self.send(n, Dir::Original, seg(Flags::FIN_ACK, 101, 501));
            self.send(n, Dir::Reply, seg(Flags::FIN_ACK, 501, 102));
            self.send(n, Dir::Original, seg(Flags::ACK, 102, 502));
            assert_eq!(self.state(n), Some(FlowState::TimeWait));
        }
        verdict
    }

    fn state(&self, n: u32) -> Option<FlowState> {
        self.ct.find(self.now, flow(n)).map(|e| e.state)
    }

    /// Lets the collector run whenever it wants, until then.
    fn run(&mut self, until: Time) {
        while self.ct.next_gc() <= until {
            self.now = self.ct.next_gc();
            self.ct.gc(self.now, &mut self.facts);
            self.check();
        }
        self.now = until;
    }

    fn counted(&self, counter: Counter) -> u32 {
        self.facts
            .iter()
            .map(|f| if let CtFact::Counted(c, n) = f { n * u32::from(*c == counter) } else { 0 })
            .sum()
    }

    fn destroyed(&self, why: Destroyed) -> usize {
        self.facts.iter().filter(|f| matches!(f, CtFact::Destroyed { why: w, .. } if *w == why)).count()
    }

    /// What must hold after every call.
    fn check(&self) {
        let all = self.ct.table.live().count();
        assert_eq!(all, self.ct.len());
        let census = self.ct.census();
        let sum: u32 = FlowState::ALL.iter().map(|&s| census.of(s)).sum();
        assert_eq!(sum as usize, all);
        assert_eq!(census.of(FlowState::None), 0);
        let assured = self.ct.table.live().filter(|e| e.status.seen().assured).count();
        assert_eq!(census.assured as usize, assured);
        let max = self.ct.config().max;
        assert!(max == 0 || all <= max as usize);
    }
}

const FULL: CtVerdict = CtVerdict::Drop(DropReason::TableFull);
const NEW: CtVerdict = CtVerdict::Pass(CtState::New);

#[test]
fn a_full_table_drops_new_flows_and_passes_old_ones() {
    let mut b = Bench::new(10, 262_144);
    for n in 0..10 {
        assert_eq!(b.establish(n), NEW);
    }
    assert_eq!(b.syn(10), FULL);
    // Any packet without an entry needs one before it can be judged, even one that could never begin a flow.
    assert_eq!(b.send(11, Dir::Reply, seg(Flags::RST, 1, 0)), FULL);
    assert_eq!(b.counted(Counter::CtDrop), 2);
    let old = b.send(3, Dir::Original, seg(Flags::ACK, 101, 501));
    assert_eq!(old, CtVerdict::Pass(CtState::Established(Dir::Original)));
    assert_eq!(b.ct.len(), 10);
}

#[test]
fn without_a_limit_nothing_is_dropped() {
    let mut b = Bench::new(0, 64);
    for n in 0..500 {
        assert_eq!(b.syn(n), NEW);
    }
    assert_eq!(b.ct.len(), 500);
}

#[test]
fn the_log_says_so_ten_times_in_five_seconds() {
    let lines = |b: &Bench| b.facts.iter().filter(|f| matches!(f, CtFact::LogTableFull)).count();
    let mut b = Bench::new(1, 64);
    b.establish(0);
    for n in 1..31 {
        assert_eq!(b.syn(n), FULL);
    }
    assert_eq!((lines(&b), b.counted(Counter::CtDrop)), (10, 30));
    b.now = at(6);
    b.syn(99);
    assert!(b.facts.contains(&CtFact::LogSuppressed { lines: 20 }));
    assert_eq!(lines(&b), 11);
}

#[test]
fn the_collector_kills_closing_entries_down_to_95_percent() {
    // As recorded: 300 entries, and after each scan room for 16 more.
    let mut b = Bench::new(300, 262_144);
    b.run(at(10));
    for n in 0..300 {
        assert_eq!(b.close(n), NEW);
    }
    assert_eq!(b.close(300), FULL);
    for (scan, first) in [(60, 301), (120, 320)] {
        b.run(at(scan));
        assert_eq!(b.ct.len(), 284);
        let fit = (first..first + 300).take_while(|&n| b.close(n) == NEW).count();
        assert_eq!(fit, 16);
    }
    assert_eq!(b.destroyed(Destroyed::Pressure), 32);
}

#[test]
fn without_a_failure_the_collector_takes_only_what_has_expired() {
    let mut b = Bench::new(300, 262_144);
    b.run(at(10));
    for n in 0..300 {
        b.close(n);
    }
    b.run(at(61));
    assert_eq!(b.ct.len(), 300);
}

#[test]
fn a_table_of_established_flows_never_recovers() {
    let mut b = Bench::new(300, 262_144);
    for n in 0..300 {
        b.establish(n);
    }
    for minute in 1..10 {
        assert_eq!(b.syn(999), FULL);
        b.run(at(60 * minute));
        assert_eq!(b.ct.len(), 300);
    }
}

#[test]
fn early_drop_finds_a_victim_only_where_the_hash_is_dense() {
    // As recorded: a SYN flood of 300 entries in 512 buckets gives way, in 262,144 it hardly ever does.
    for (buckets, low, high) in [(512, 98, 100), (262_144, 0, 5)] {
        let mut b = Bench::new(300, buckets);
        for n in 0..300 {
            b.syn(n);
        }
        let good = (1_000..1_100).filter(|&n| b.syn(n) == NEW).count();
        assert!((low..=high).contains(&good), "{good} of 100 with {buckets} buckets");
        // One bucket can yield several at once.
        assert!(b.counted(Counter::CtEarlyDrop) as usize >= good);
        assert_eq!(b.destroyed(Destroyed::EarlyDrop), b.counted(Counter::CtEarlyDrop) as usize);
    }
}

#[test]
fn early_drop_spares_assured_flows() {
    let mut b = Bench::new(50, 8);
    for n in 0..25 {
        b.establish(n);
        b.syn(1_000 + n);
    }
    for n in 0..25 {
        assert_eq!(b.syn(2_000 + n), NEW);
    }
    assert_eq!(b.ct.census().assured, 25);
}

#[test]
fn expired_entries_are_invisible_at_once_but_counted_until_collected() {
    let mut b = Bench::new(100, 262_144);
    b.ct.config_mut().timeouts.time_wait = Span::from_secs(5);
    b.run(at(1));
    for n in 0..100 {
        b.close(n);
    }
    b.run(at(6));
    assert_eq!((b.state(0), b.ct.entries(b.now).count()), (None, 0));
    assert_eq!(b.ct.len(), 100);
    assert_eq!(b.syn(500), FULL);
    b.run(at(60));
    assert_eq!((b.ct.len(), b.destroyed(Destroyed::Expired)), (0, 100));
    assert_eq!(b.syn(500), NEW);
}

#[test]
fn a_lookup_reaps_the_expired_of_its_bucket() {
    let mut b = Bench::new(100, 1);
    for n in 0..20 {
        b.syn(n);
    }
    b.now = at(120);
    assert_eq!(b.syn(20), NEW);
    assert_eq!(b.ct.len(), 1);
}

#[test]
fn a_flow_may_be_opened_anew_once_its_entry_has_expired() {
    let mut b = Bench::new(1, 64);
    b.close(0);
    b.now = at(120);
    assert_eq!(b.syn(0), NEW, "its own dead entry is in the bucket, so there is room");
    assert_eq!(b.state(0), Some(FlowState::SynSent));
}

#[test]
fn a_full_table_does_not_keep_a_flow_from_reopening() {
    let mut b = Bench::new(1, 64);
    b.close(0);
    assert_eq!(b.syn(0), NEW);
    assert_eq!(b.destroyed(Destroyed::Reopened), 1);
}

#[test]
fn a_refused_connection_leaves_nothing() {
    let mut b = Bench::new(10, 64);
    b.syn(0);
    b.send(0, Dir::Reply, seg(Flags::RST_ACK, 0, 101));
    assert!(b.ct.is_empty());
    assert_eq!(b.destroyed(Destroyed::Refused), 1);
}

#[test]
fn a_repeated_syn_does_not_lengthen_life() {
    let mut b = Bench::new(10, 64);
    b.syn(0);
    b.now = at(100);
    assert_eq!(b.syn(0), NEW);
    b.now = at(119);
    assert_eq!(b.state(0), Some(FlowState::SynSent));
    b.now = at(120);
    assert_eq!(b.state(0), None);
}

#[test]
fn a_chain_grows_to_some_number_between_50_and_80() {
    let mut b = Bench::new(0, 1);
    let fit = (0..300).take_while(|&n| b.syn(n) == NEW).count();
    // Each entry stands in the chain twice.
    assert!((25..=41).contains(&fit), "{fit}");
    assert_eq!((b.counted(Counter::CtChainTooLong), b.counted(Counter::CtInsertFailed)), (1, 1));
    assert_eq!(b.counted(Counter::CtDrop), 1);
}

#[test]
fn the_collector_pauses_after_256_expired_entries() {
    let mut b = Bench::new(0, 4_096);
    for n in 0..1_000 {
        b.syn(n);
    }
    b.run(at(59));
    assert_eq!(b.ct.next_gc(), at(60));
    b.now = at(60);
    b.ct.config_mut().timeouts.syn_sent = Span::from_secs(1);
    for n in 0..1_000 {
        b.ct.set_remaining(b.now, flow(n), Span::ZERO);
    }
    let mut left = Vec::new();
    while !b.ct.is_empty() {
        assert_eq!(b.ct.next_gc(), b.now);
        b.ct.gc(b.now, &mut b.facts);
        left.push(b.ct.len());
        b.now += Span::from_millis(4);
    }
    assert_eq!(left, [743, 486, 229, 0]);
    // The next scan is a minute after the beginning of this one.
    assert_eq!(b.ct.next_gc(), at(120));
}

#[test]
fn short_lives_bring_the_collector_sooner() {
    let mut b = Bench::new(0, 262_144);
    b.run(at(59));
    b.ct.config_mut().timeouts.syn_sent = Span::from_secs(5);
    for n in 0..100 {
        b.syn(n);
    }
    b.run(at(60));
    // The average of 100 imaginary minutes and twice 100 times 4 s.
    let pause = b.ct.next_gc().since(b.now).as_secs();
    assert!((20..26).contains(&pause), "{pause}");
}

#[test]
fn random_traffic_keeps_the_table_sound() {
    let mut b = Bench::new(40, 16);
    let mut draw = 1_u64;
    let mut next = |n: u64| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 33) % n
    };
    let classes = [Flags::SYN, Flags::SYN_ACK, Flags::ACK, Flags::FIN_ACK, Flags::RST, Flags(0)];
    for _ in 0..20_000 {
        let flags = classes[next(classes.len() as u64) as usize];
        let (seq, ack) = (100 + next(4) as u32, 100 + next(4) as u32);
        let dir = if next(2) == 0 { Dir::Original } else { Dir::Reply };
        b.send(next(120) as u32, dir, seg(flags, seq, ack));
        let until = b.now + Span::from_millis(next(400));
        b.run(until);
        b.facts.clear();
        assert!(b.ct.table.chains_agree());
    }
}

#[test]
fn two_trackers_with_one_seed_are_alike() {
    let mut pair = [Bench::new(300, 64), Bench::new(300, 64)];
    for n in 0..2_000 {
        let [a, b] = pair.each_mut().map(|b| b.syn(n % 700));
        assert_eq!(a, b);
    }
    assert_eq!(pair[0].facts, pair[1].facts);
}

/// Whatever a caller remembers or makes up, a hint changes nothing but the way to the entry. (That the short way through a
/// flow is the long one is asserted at each packet, in a build with assertions.)
#[test]
fn a_hint_never_changes_what_happens() {
    let mut plain = Bench::new(40, 16);
    let mut hinted = Bench::new(40, 16);
    let mut rng = crate::rng::Stream::new(4, crate::rng::Purpose::Ports, crate::rng::Component::SHARED);
    let mut hints = [NO_HINT; 60];
    let classes = [Flags::SYN, Flags::SYN_ACK, Flags::ACK, Flags::ACK, Flags::FIN_ACK, Flags::RST, Flags(0)];
    let mut in_time_wait = 0;
    for _ in 0..60_000 {
        let flags = classes[rng.below(classes.len() as u64) as usize];
        let (seq, ack) = (100 + rng.below(4) as u32, 100 + rng.below(4) as u32);
        let n = rng.below(60) as u32;
        let tuple = if rng.below(2) == 0 { flow(n) } else { flow(n).reversed() };
        let segment = seg(flags, seq, ack);
        if rng.below(10) == 0 {
            hints[n as usize] = rng.below(50) as u32;
        }
        let a = plain.ct.packet(plain.now, tuple, &segment, &mut plain.facts);
        let hint = &mut hints[n as usize];
        let b = hinted.ct.packet_hinted(hinted.now, tuple, &segment, hint, &mut hinted.facts);
        assert_eq!(a, b);
        assert_eq!(plain.facts, hinted.facts);
        let until = plain.now + Span::from_millis(rng.below(400));
        plain.run(until);
        hinted.run(until);
        assert!(plain.ct.entries(until).eq(hinted.ct.entries(until)));
        in_time_wait += plain.ct.census().of(FlowState::TimeWait);
        plain.facts.clear();
        hinted.facts.clear();
        assert!(hinted.ct.table.chains_agree());
    }
    assert!(in_time_wait > 0, "whole lives are among them");
}

#[test]
fn a_table_of_two_thousand_million_buckets_holds_one_flow_for_a_month() {
    let mut b = Bench::new(10, u32::MAX >> 1);
    b.establish(0);
    let month = at(30 * 86_400);
    while b.ct.next_gc() <= month {
        b.now = b.ct.next_gc();
        b.ct.gc(b.now, &mut b.facts);
    }
    assert_eq!(b.destroyed(Destroyed::Expired), 1);
}

#[test]
fn counts_are_the_facts_counted() {
    let mut counts = FactCounts::default();
    let mut b = Bench::new(1, 64);
    let mut twin = b.ct.clone();
    b.establish(0);
    twin.packet(b.now, flow(0), &seg(Flags::SYN, 100, 0), &mut counts);
    twin.packet(b.now, flow(0).reversed(), &seg(Flags::SYN_ACK, 500, 101), &mut counts);
    twin.packet(b.now, flow(0), &seg(Flags::ACK, 101, 501), &mut counts);
    for n in 1..15 {
        b.syn(n);
        twin.packet(b.now, flow(n), &seg(Flags::SYN, 100, 0), &mut counts);
    }
    assert_eq!(counts.counters.get(Counter::CtDrop), u64::from(b.counted(Counter::CtDrop)));
    assert_eq!((counts.counters.get(Counter::CtDrop), counts.table_full_lines), (14, 10));
}
