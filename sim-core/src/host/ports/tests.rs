use super::*;
use crate::errno::Errno;
use crate::rng::{Component, Purpose};
use crate::scenario::PortOptions;
use crate::time::Span;

const TO: SockAddr = SockAddr { addr: Addr(2), port: 80 };

fn ports(low: u16, high: u16) -> Ports {
    ports_with(low, high, TimerModel::Exact)
}

fn ports_with(low: u16, high: u16, timers: TimerModel) -> Ports {
    let config = PortConfig {
        low,
        high,
        reserved: Vec::new(),
        choice: PortChoice::LinuxDoubleHash { perturb: 256 },
        exhausted: Errno::Eaddrnotavail,
        autobind_reuse: false,
        probe_time: Span::ZERO,
        call_time: Span::ZERO,
    };
    Ports::new(&config, 42, timers, Stream::new(1, Purpose::Ports, Component::SHARED))
}

/// Chooses and takes until no port is left.
fn drain(ports: &mut Ports, dest: DestId) -> Vec<u16> {
    let mut got = Vec::new();
    while let Some(port) = ports.choose(Time::ZERO, dest, None, false, |_| false) {
        ports.take(Time::ZERO, port, Owner::Auto, dest);
        got.push(port);
    }
    got
}

#[test]
fn the_parity_of_the_low_end_goes_first_in_steps_of_two_to_sixteen() {
    let mut p = ports(20_000, 20_399);
    let dest = p.dest(Addr(1), TO);
    let got = drain(&mut p, dest);
    assert_eq!(got.len(), 400);
    assert!(got[..200].iter().all(|port| port % 2 == 0) && got[200..].iter().all(|port| port % 2 == 1));
    let steps: Vec<i32> =
        got[..12].windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).rem_euclid(400)).collect();
    assert!(steps.iter().all(|s| (2..=16).contains(s)), "{steps:?}");
}

#[test]
fn each_destination_has_all_ports() {
    let mut p = ports(20_000, 20_099);
    let first = p.dest(Addr(1), TO);
    assert_eq!(drain(&mut p, first).len(), 100);
    let second = p.dest(Addr(1), SockAddr { addr: Addr(3), port: 80 });
    assert_eq!(drain(&mut p, second).len(), 100);
    assert_eq!(p.live_buckets(), 100);
}

#[test]
fn an_odd_range_is_used_up_across_calls() {
    // One call visits ten of eleven ports; which one it misses depends on where it starts, and that changes.
    let mut p = ports(20_000, 20_010);
    let dest = p.dest(Addr(1), TO);
    let mut taken = 0;
    for second in 0..400 {
        if let Some(port) = p.choose(Time(second * 1_000_000_000), dest, None, false, |_| false) {
            p.take(Time::ZERO, port, Owner::Auto, dest);
            taken += 1;
        }
    }
    assert_eq!(taken, 11);
}

#[test]
fn a_range_of_one_port_works() {
    let mut p = ports(20_000, 20_000);
    let dest = p.dest(Addr(1), TO);
    assert_eq!(drain(&mut p, dest), [20_000]);
    p.release(20_000, Owner::Auto, dest);
    assert_eq!(drain(&mut p, dest), [20_000]);
}

#[test]
fn an_explicit_owner_closes_the_port_to_every_destination() {
    let mut p = ports(20_000, 20_001);
    let dest = p.dest(Addr(1), TO);
    p.take(Time::ZERO, 20_000, Owner::Explicit, DestId::NONE);
    assert_eq!(drain(&mut p, dest), [20_001]);
    p.release(20_000, Owner::Explicit, DestId::NONE);
    assert_eq!(drain(&mut p, dest), [20_000]);
}

#[test]
fn a_mini_socket_is_offered_for_takeover_in_walk_order() {
    let mut p = ports(20_000, 20_003);
    let dest = p.dest(Addr(1), TO);
    for port in drain(&mut p, dest) {
        p.mark_mini(port, dest, Time::ZERO);
    }
    let mut asked = Vec::new();
    let got = p.choose(Time::ZERO, dest, None, true, |port| {
        asked.push(port);
        port % 2 == 1
    });
    assert_eq!(
        asked.iter().filter(|port| **port % 2 == 0).count(),
        2,
        "both even ports come first: {asked:?}"
    );
    assert_eq!(got, asked.last().copied());
}

/// The search by words, with its short cuts, against the walk that the kernel makes, port by port.
#[test]
fn the_search_finds_what_a_walk_finds() {
    let mut rng = Stream::new(9, Purpose::Ports, Component::SHARED.part(1));
    for round in 0..400 {
        let low = 1_000 + rng.below(200) as u16;
        let high = low + rng.below(400) as u16;
        let mut p = ports(low, high);
        let dest = p.dest(Addr(1), TO);
        let taken_of_16 = rng.below(17);
        for port in low..=high {
            if rng.below(16) < taken_of_16 {
                p.take(Time::ZERO, port, Owner::Auto, dest);
            } else if rng.below(20) == 0 {
                p.take(Time::ZERO, port, Owner::Explicit, DestId::NONE);
            }
        }
        let (low, high) = (u32::from(low), u32::from(high));
        let remaining = if high == low { 1 } else { (high - low + 1) & !1 };
        let start = low + rng.below(u64::from(remaining)) as u32;
        let found = p.search(
            dest,
            Pass::parity(high, start, remaining),
            &mut Takeover { reuse: false, ask: |_| false },
        );
        let mut walk = (0..remaining).step_by(2).map(|i| {
            let port = start + i;
            if port > high { port - remaining } else { port }
        });
        let table = &p.dests[0];
        let wanted = walk.find(|&port| !table.taken.has(port as u16) && !p.blocked.has(port as u16));
        assert_eq!(found.map(u32::from), wanted, "round {round}: {low}..={high} from {start}");
    }
}

/// A walk as the kernel makes it: the port, and how many it looked at.
fn walk(p: &Ports, dest: DestId, starts: [u32; 2], asks: impl Fn(u16) -> bool) -> (Option<u16>, u64) {
    let (low, high) = (u32::from(p.config.low), u32::from(p.config.high));
    let remaining = (high - low + 1) & !1;
    let table = &p.dests[dest.0 as usize];
    let mut probes = 0;
    for start in starts {
        for step in (0..remaining).step_by(2) {
            let port = start + step;
            let port = if port > high { port - remaining } else { port } as u16;
            probes += 1;
            if !p.blocked.has(port) && (!table.taken.has(port) || asks(port)) {
                return (Some(port), probes);
            }
        }
    }
    (None, probes)
}

#[test]
fn connect_finds_what_a_walk_finds_and_knows_its_length() {
    let mut rng = Stream::new(11, Purpose::Ports, Component::SHARED.part(2));
    let now = Time(5_000_000_000);
    for _ in 0..300 {
        let low = 2_000 + rng.below(300) as u16;
        let mut p = ports(low, low + 1 + rng.below(2_500) as u16);
        let dest = p.dest(Addr(1), TO);
        let mut from = vec![None; 65_536];
        let (share, share_mini) = (rng.below(18), rng.below(18));
        for port in low..=p.config.high {
            if rng.below(17) < share {
                p.take(now, port, Owner::Auto, dest);
                if rng.below(17) < share_mini {
                    // Some never, some already, some later.
                    let when = [Time::NEVER, Time(rng.below(5_000_000_000)), Time(6_000_000_000)];
                    let when = when[rng.below(3) as usize];
                    p.mark_mini(port, dest, when);
                    from[port as usize] = Some(when);
                }
            } else if rng.below(40) == 0 {
                p.take(now, port, Owner::Explicit, DestId::NONE);
            }
        }
        let asks = |port: u16| from[port as usize].is_some_and(|when| when <= now);
        // Where the walk starts: the first port that a table without owners would give.
        let mut empty = ports(low, p.config.high);
        let other = empty.dest(Addr(1), TO);
        let start = u32::from(empty.choose(now, other, None, false, |_| false).expect("all are free"));
        let wanted = walk(&p, dest, [start, start + 1], asks);
        let found = p.choose(now, dest, None, true, asks);
        assert_eq!((found, p.dests[0].probes), wanted);
    }
}

#[test]
fn nobody_is_asked_while_no_mini_socket_is_old_enough() {
    let mut p = ports(20_000, 20_099);
    let dest = p.dest(Addr(1), TO);
    for (port, n) in drain(&mut p, dest).into_iter().zip(0..) {
        p.mark_mini(port, dest, if n % 2 == 0 { Time(1_000) } else { Time::NEVER });
    }
    assert_eq!(p.choose(Time(999), dest, None, true, |_| unreachable!("too early")), None);
    let mut asked = 0;
    p.choose(Time(1_000), dest, None, true, |_| {
        asked += 1;
        false
    });
    assert_eq!(asked, 50);
}

#[test]
fn a_pair_with_one_port_costs_a_few_hundred_bytes() {
    assert!(size_of::<Dest>() <= 320, "{}", size_of::<Dest>());
}

#[test]
fn bind_asks_the_owners_at_its_own_address() {
    let mut p = ports(20_000, 20_001);
    let (here, there) = (p.dest(Addr(1), TO), p.dest(Addr(3), TO));
    let second = p.dest(Addr(1), SockAddr { addr: Addr(2), port: 81 });
    let conflicts =
        |p: &mut Ports, addr| [false, true].map(|reuse| p.bind_conflict(Addr(addr), 20_000, reuse));
    assert_eq!(conflicts(&mut p, 1), [false, false], "nobody owns it");
    p.take(Time::ZERO, 20_000, Owner::Explicit, here);
    assert_eq!((conflicts(&mut p, 1), conflicts(&mut p, 3)), ([true, true], [false, false]));
    p.release(20_000, Owner::Explicit, here);
    p.take(Time::ZERO, 20_000, Owner::Explicit, second);
    p.share(20_000, second);
    assert_eq!(conflicts(&mut p, 1), [true, false]);
    // One owner that has not set it is enough, wherever among the others it stands.
    p.take(Time::ZERO, 20_000, Owner::Auto, here);
    p.take(Time::ZERO, 20_000, Owner::Auto, there);
    assert_eq!((conflicts(&mut p, 1), conflicts(&mut p, 3)), ([true, true], [true, true]));
    p.release(20_000, Owner::Auto, here);
    p.release(20_000, Owner::Explicit, second);
    p.take(Time::ZERO, 20_000, Owner::Auto, second);
    assert_eq!(conflicts(&mut p, 1), [true, true], "the flag went with the owner that had set it");
}

#[test]
fn the_search_begins_elsewhere_at_multiples_of_ten_seconds_of_jiffies() {
    // The first port that connect() chooses at a moment, on a host that has chosen none before.
    let first = |timers, millis: u64| {
        let mut p = ports_with(20_000, 29_999, timers);
        let dest = p.dest(Addr(1), TO);
        p.choose(Time(millis * 1_000_000), dest, None, false, |_| false)
    };
    let jumps = |timers| -> Vec<u64> {
        (1..40_000).filter(|&millis| first(timers, millis) != first(timers, millis - 1)).collect()
    };
    let wheel = |phase| TimerModel::Wheel { hz: 250, phase: Span::from_millis(phase) };
    assert_eq!(jumps(TimerModel::Exact), [10_000, 20_000, 30_000]);
    assert_eq!(jumps(wheel(0)), [10_000, 20_000, 30_000]);
    assert_eq!(jumps(wheel(23_400)), [6_600, 16_600, 26_600, 36_600]);
}

/// Binds and takes until no port is left, always towards one destination.
fn drain_bound(ports: &mut Ports, dest: DestId, options: PortOptions) -> Vec<u16> {
    let mut got = Vec::new();
    let (addr, _) = ports.pair(dest);
    while let Some(port) = ports.find_open(addr, options) {
        ports.take(Time::ZERO, port, Owner::Explicit, dest);
        got.push(port);
    }
    got
}

#[test]
fn bind_to_port_zero_begins_with_the_other_parity_and_is_uniform() {
    let mut p = ports(20_000, 20_399);
    let dest = p.dest(Addr(1), TO);
    let got = drain_bound(&mut p, dest, PortOptions::default());
    assert_eq!(got.len(), 400);
    assert!(got[..200].iter().all(|port| port % 2 == 1) && got[200..].iter().all(|port| port % 2 == 0));
    let far = got[..60].windows(2).filter(|w| (i32::from(w[1]) - i32::from(w[0])).rem_euclid(400) > 16);
    assert!(far.count() > 30, "steps of more than 16 are most: {:?}", &got[..60]);
}

/// The figure behind the time that a search takes: where all is free, the first port that is looked at is the one that is taken.
#[test]
fn one_port_is_looked_at_where_all_are_free() {
    for choice in [PortChoice::Random, PortChoice::LinuxDoubleHash { perturb: 256 }] {
        let mut p = ports(20_000, 20_399);
        p.config.choice = choice;
        let dest = p.dest(Addr(1), TO);
        p.choose(Time::ZERO, dest, None, false, |_| false).expect("all are free");
        assert_eq!(p.probes_towards(dest), 1, "connect(), {choice:?}");
    }
    let mut p = ports(20_050, 20_449);
    for n in 1..=3 {
        p.find_open(Addr(1), PortOptions::default()).expect("all are free");
        assert_eq!(p.probes(), n, "bind()");
    }
}

#[test]
fn bind_to_port_zero_asks_for_its_own_address_alone_and_for_all_destinations() {
    let mut p = ports(20_000, 20_003);
    let here = p.dest(Addr(1), TO);
    assert_eq!(drain_bound(&mut p, here, PortOptions::default()).len(), 4);
    let reuse = PortOptions { reuse: true, range: None };
    assert_eq!(p.find_open(Addr(1), reuse), None, "SO_REUSEADDR does not help");
    let other_address = p.dest(Addr(9), TO);
    assert_eq!(drain_bound(&mut p, other_address, PortOptions::default()).len(), 4);
}

#[test]
fn ip_autobind_reuse_lets_owners_share_when_none_is_free() {
    let reuse = PortOptions { reuse: true, range: None };
    let mut p = ports(20_000, 20_003);
    p.config.autobind_reuse = true;
    let first = p.dest(Addr(1), TO);
    while p.dests()[0].used.now < 4 {
        let port = p.find_open(Addr(1), reuse).expect("some are free");
        p.take(Time::ZERO, port, Owner::Explicit, first);
        if port != 20_003 {
            p.share(port, first);
        }
    }
    assert_eq!(p.find_open(Addr(1), PortOptions::default()), None, "the new socket must have set it, too");
    let shared: Vec<_> = (0..50).filter_map(|_| p.find_open(Addr(1), reuse)).collect();
    assert!(shared.iter().all(|&port| port != 20_003) && shared.len() == 50, "{shared:?}");
}

#[test]
fn reuseaddr_looks_in_the_lower_half_first() {
    let mut p = ports(20_000, 20_099);
    let dest = p.dest(Addr(1), TO);
    let got = drain_bound(&mut p, dest, PortOptions { reuse: true, range: None });
    assert_eq!(got.len(), 100);
    assert!(got[..50].iter().all(|&port| port < 20_050), "{got:?}");
}

#[test]
fn a_socket_with_a_range_of_its_own_walks_through_it_port_by_port() {
    let mut p = ports(20_000, 20_399);
    let dest = p.dest(Addr(1), TO);
    let own = Some((20_100, 20_149));
    let mut got = Vec::new();
    while let Some(port) = p.choose(Time::ZERO, dest, own, false, |_| false) {
        p.take(Time::ZERO, port, Owner::Auto, dest);
        got.push(port);
    }
    assert_eq!(got.len(), 50);
    assert!(got.iter().all(|port| (20_100..20_150).contains(port)));
    let steps: Vec<i32> =
        got[..6].windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).rem_euclid(50)).collect();
    assert!(
        steps.iter().all(|s| (1..=8).contains(s)) && got[..8].iter().any(|port| port % 2 == 1),
        "{got:?}"
    );
    // An end outside of the host's range does not count.
    assert_eq!(p.range(Some((19_000, 20_149))), (20_000, 20_149));
    assert_eq!(p.range(Some((20_100, 30_000))), (20_100, 20_399));
}

#[test]
fn a_listener_has_its_port_at_every_address() {
    let mut p = ports(20_000, 20_000);
    p.listen(Time::ZERO, 20_000);
    assert_eq!(p.find_open(Addr(1), PortOptions { reuse: true, range: None }), None);
}

#[test]
fn a_range_of_one_port_is_a_range() {
    let mut p = ports(20_000, 20_000);
    let dest = p.dest(Addr(1), TO);
    assert_eq!(drain_bound(&mut p, dest, PortOptions::default()), [20_000]);
}

/// With few destinations their sets are asked, with many what they hold together: the answers must be the same.
#[test]
fn bind_knows_what_all_destinations_of_its_address_hold() {
    let mut rng = Stream::new(7, Purpose::Ports, Component::SHARED);
    let mut p = ports(20_000, 20_031);
    p.config.autobind_reuse = true;
    let mut held: Vec<(u16, DestId)> = Vec::new();
    let (mut full, mut open) = (0, 0);
    for round in 0..4_000_u64 {
        // More and more destinations.
        let to = SockAddr { addr: Addr(10 + rng.below(1 + round / 200) as u32), port: 80 };
        let dest = p.dest(Addr(1), to);
        let port = 20_000 + rng.below(32) as u16;
        if rng.below(5) < 2 && !held.is_empty() {
            let (port, dest) = held.swap_remove(rng.below(held.len() as u64) as usize);
            p.release(port, Owner::Explicit, dest);
        } else if !p.is_taken(port, dest) {
            p.take(Time::ZERO, port, Owner::Explicit, dest);
            if rng.below(2) == 0 {
                p.share(port, dest);
            }
            held.push((port, dest));
        }
        for reuse in [false, true] {
            let conflicts = |p: &Ports, port: u16| {
                let taken = |dest: &Dest| dest.taken.has(port) && !(reuse && dest.shared.has(port));
                p.dests.iter().any(taken)
            };
            for port in 20_000..20_032 {
                assert_eq!(p.bind_conflict(Addr(1), port, reuse), conflicts(&p, port), "round {round}");
            }
            let found = p.find_open(Addr(1), PortOptions { reuse, range: None });
            assert!(found.is_none_or(|port| !conflicts(&p, port)), "round {round}: {found:?}");
            let free = (20_000..20_032).any(|port| !conflicts(&p, port));
            assert_eq!(found.is_some(), free, "round {round}");
            full += u32::from(!free);
            open += u32::from(free);
        }
    }
    assert!(full > 500 && open > 500 && p.here.len() == 1, "{full} {open}");
}
