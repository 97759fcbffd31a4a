//! Small worlds: each reaches its state by traffic alone.

use super::queue::{Heap, Lanes};
use super::{Lost, Record, World};
use crate::conntrack::ConntrackConfig;
use crate::counter::Counter;
use crate::errno::{Call, Errno};
use crate::ids::{Addr, HostId, SockAddr};
use crate::profile::Stack;
use crate::record::{LogLine, Summary};
use crate::rng::Ratio;
use crate::scenario::{
    Arrivals, ClientPort, CloseHow, Host, Limit, Link, Listen, Metric, OnError, OtherSide, Outcome, Pool,
    Rate, Retry, Scenario, Side, Traffic,
};
use crate::tcp::State;
use crate::tcp::config::{TimerModel, TwOverflow, TwReuse};
use crate::time::{Span, Time};

const CLIENT: Addr = Addr(0x0a00_0001);
const SERVER: Addr = Addr(0x0a00_0002);
const WEB: SockAddr = SockAddr { addr: SERVER, port: 80 };

fn host(name: &str, addresses: &[Addr]) -> Host {
    let defaults = Stack::Linux6_18.defaults();
    let mut tcp = defaults.tcp;
    tcp.timers = TimerModel::Exact;
    Host {
        name: name.into(),
        addresses: addresses.to_vec(),
        stack: Stack::Linux6_18,
        tcp,
        phase: None,
        ports: defaults.ports,
        open_files: 65_536,
        listen: Vec::new(),
        drop: Vec::new(),
        conntrack: None,
    }
}

fn link(a: u16, b: u16) -> Link {
    Link {
        a: HostId(a),
        b: HostId(b),
        delay: Span::from_micros(500),
        loss: Ratio::ZERO,
        duplicate: Ratio::ZERO,
        reorder: Ratio::ZERO,
        reorder_delay: Span::ZERO,
    }
}

/// One client, one server, `per_second` connections a second for `seconds`, the client closes first.
fn scenario(per_second: u64, seconds: u64) -> Scenario {
    let listen = Listen::new(80);
    Scenario {
        title: String::new(),
        teaches: String::new(),
        duration: Span::from_secs(seconds),
        seed: 1,
        sample: Span::from_secs(1),
        hosts: vec![host("client", &[CLIENT]), Host { listen: vec![listen], ..host("server", &[SERVER]) }],
        links: vec![link(0, 1)],
        traffic: vec![Traffic {
            source: vec![CLIENT],
            to: vec![WEB],
            arrivals: Arrivals::Constant(Rate { count: per_second, per: Span::from_secs(1) }),
            service_time: Span::from_millis(1).into(),
            ..Traffic::new("web", HostId(0))
        }],
        events: Vec::new(),
        expect: Vec::new(),
    }
}

fn ports(scenario: &mut Scenario, count: u16) {
    scenario.hosts[0].ports.low = 20_000;
    scenario.hosts[0].ports.high = 20_000 + count - 1;
}

fn run(scenario: &Scenario) -> Summary {
    World::<Lanes, ()>::new(scenario).run()
}

fn error(summary: &Summary, call: Call, errno: Errno) -> u64 {
    let errors = &summary.traffic[0].errors;
    errors.iter().find(|e| e.call == call && e.errno == errno).map_or(0, |e| e.tally.count)
}

#[test]
fn the_first_closer_keeps_the_time_wait() {
    let mut s = scenario(10, 5);
    s.traffic[0].stop = Time(2_000_000_000);
    let client_first = run(&s);
    assert_eq!(client_first.traffic[0].completed.count, 20);
    assert_eq!(client_first.hosts[0].state(State::TimeWait).now, 20);
    assert_eq!(client_first.hosts[1].state(State::TimeWait).peak, 0);
    s.traffic[0].first = Side::Server;
    let server_first = run(&s);
    assert_eq!(server_first.hosts[0].state(State::TimeWait).peak, 0);
    assert_eq!(server_first.hosts[1].state(State::TimeWait).now, 20);
}

#[test]
fn a_time_wait_lasts_sixty_seconds_and_then_nothing_is_left() {
    let mut s = scenario(10, 70);
    s.traffic[0].stop = Time(1_000_000_000);
    let summary = run(&s);
    let column = summary.series.get(Metric::Sockets(HostId(0), State::TimeWait)).unwrap();
    assert_eq!((column[1], column[60], column[62]), (10, 10, 0));
    for host in &summary.hosts {
        let open = State::ALL.iter().filter(|&&state| state != State::Listen);
        assert!(open.clone().all(|&state| host.state(state).now == 0));
        assert_eq!((host.open_files.now, host.orphans.now, host.mini_sockets.now), (0, 0, 0));
    }
}

#[test]
fn ports_run_out_and_come_back() {
    let mut s = scenario(10, 75);
    ports(&mut s, 100);
    let summary = run(&s);
    let web = &summary.traffic[0];
    let refused = error(&summary, Call::Connect, Errno::Eaddrnotavail);
    assert_eq!(web.connected.count + refused, 750);
    let bound = summary.bound_first().expect("a limit refuses");
    assert_eq!(bound.limit, Limit::Ports { host: HostId(0), from: CLIENT, to: WEB });
    assert_eq!((bound.capacity, bound.used.peak), (100, 100));
    assert_eq!(bound.refused.first, Time(10_000_000_000));
    assert_eq!(bound.held_by, [(State::TimeWait, 100)]);
    let recovered = web.recovered.expect("ports come back");
    assert!(recovered > Time(60_000_000_000) && recovered < Time(60_200_000_000), "{recovered}");
}

#[test]
fn a_second_destination_has_ports_of_its_own() {
    let mut s = scenario(10, 30);
    ports(&mut s, 100);
    let second = Listen { port: 81, ..s.hosts[1].listen[0].clone() };
    s.hosts[1].listen.push(second);
    s.traffic[0].to.push(SockAddr { addr: SERVER, port: 81 });
    let summary = run(&s);
    assert_eq!(summary.bound_first().expect("both run out").refused.first, Time(20_000_000_000));
}

#[test]
fn tcp_tw_reuse_lets_a_port_serve_once_a_second() {
    let mut s = scenario(50, 20);
    ports(&mut s, 100);
    s.hosts[0].tcp.tw_reuse = TwReuse::On;
    let summary = run(&s);
    assert_eq!(summary.traffic[0].failed.count, 0);
    assert!(summary.hosts[0].counters.get(Counter::TcpExtTWRecycled) > 800);
    assert!(summary.hosts[0].state(State::TimeWait).peak <= 100);
}

#[test]
fn a_full_table_of_mini_sockets_refuses_the_newest_or_ends_the_oldest() {
    let mut s = scenario(10, 20);
    s.hosts[0].tcp.max_tw_buckets = 50;
    let linux = run(&s);
    assert_eq!(linux.hosts[0].counters.get(Counter::TcpExtTCPTimeWaitOverflow), 150);
    s.hosts[0].tcp.tw_overflow = TwOverflow::RecycleOldest;
    let bsd = run(&s);
    assert_eq!(bsd.hosts[0].counters.get(Counter::TcpExtTCPTimeWaitOverflow), 0);
    for summary in [&linux, &bsd] {
        let full = summary.bound_first().expect("the table is full");
        assert_eq!((full.limit, full.refused.count), (Limit::TwBuckets(HostId(0)), 150));
        assert_eq!((summary.hosts[0].mini_sockets.now, summary.traffic[0].failed.count), (50, 0));
    }
    // The ports tell which ones are left: on Linux the first fifty are, on FreeBSD the last.
    assert_ne!(linux.digest, bsd.digest);
}

#[test]
fn a_full_conntrack_table_drops_new_flows_only() {
    let mut s = scenario(10, 40);
    s.hosts.push(host("router", &[]));
    s.links = vec![link(0, 2), link(2, 1)];
    s.hosts[2].conntrack = Some(ConntrackConfig { max: 100, ..ConntrackConfig::default() });
    let summary = run(&s);
    let bound = summary.bound_first().expect("the table fills");
    assert_eq!(bound.limit, Limit::Conntrack(HostId(2)));
    assert_eq!(bound.refused.first.as_millis() / 100, 100);
    assert_eq!(summary.traffic[0].connected.count, 100);
    assert_eq!(summary.traffic[0].completed.count, 100);
    assert!(summary.logs.iter().any(|(host, log)| *host == 2 && log.line == LogLine::ConntrackTableFull));
    assert!(summary.hosts[2].counters.get(Counter::CtDrop) > 300);
}

#[test]
fn descriptors_bind_when_nobody_closes_and_not_in_time_wait() {
    let mut s = scenario(10, 30);
    s.hosts[1].open_files = 50;
    assert_eq!(run(&s).bound_first(), None);
    s.traffic[0].other = OtherSide::Never;
    let leak = run(&s);
    assert_eq!(leak.bound_first().expect("descriptors run out").limit, Limit::OpenFiles(HostId(1)));
    assert_eq!(leak.hosts[1].open_files.peak, 50);
    assert!(leak.hosts[1].state(State::CloseWait).now >= 50);
}

#[test]
fn a_reset_leaves_no_time_wait() {
    let mut s = scenario(10, 5);
    s.traffic[0].how = CloseHow::Reset;
    let summary = run(&s);
    assert_eq!(summary.hosts[0].state(State::TimeWait).peak, 0);
    assert_eq!(summary.hosts[1].state(State::TimeWait).peak, 0);
    assert!(summary.hosts[0].counters.get(Counter::TcpOutRsts) >= 49);
}

#[test]
fn nobody_listening_is_refused_at_once() {
    let mut s = scenario(10, 5);
    s.hosts[1].listen.clear();
    let summary = run(&s);
    assert_eq!(error(&summary, Call::Connect, Errno::Econnrefused), 50);
    assert_eq!(summary.hosts[0].open_files.now, 0);
}

#[test]
fn a_pool_keeps_its_connections() {
    let mut s = scenario(100, 10);
    s.traffic[0].pool = Some(Pool::new(5));
    s.traffic[0].requests_per_connection = u32::MAX;
    let summary = run(&s);
    assert_eq!(
        summary.traffic[0].connected.count, 1,
        "one connection is idle whenever the next request comes"
    );
    assert_eq!(summary.traffic[0].answered.count, 1000);
}

#[test]
fn workers_start_again_when_they_are_done() {
    let mut s = scenario(1, 10);
    s.traffic[0].arrivals = Arrivals::Workers(4);
    s.hosts[0].tcp.tw_reuse = TwReuse::Off;
    let summary = run(&s);
    // One turn is SYN, SYN,ACK, request, response: two round trips of 1 ms and 1 ms of service.
    let turns = summary.traffic[0].completed.count;
    assert!((4 * 3_000..=4 * 3_400).contains(&turns), "{turns}");
}

#[test]
fn retries_are_attempts_of_their_own() {
    let mut s = scenario(1, 5);
    s.hosts[1].listen.clear();
    s.traffic[0].stop = Time(50_000_000);
    s.traffic[0].on_error = OnError::Retry(Retry::new(Span::from_millis(100), 3));
    assert_eq!(run(&s).traffic[0].attempted.count, 4, "`stop` ends arrivals, and a retry is none");
    s.traffic[0].on_error = OnError::GiveUp;
    assert_eq!(run(&s).traffic[0].attempted.count, 1);
}

/// Loss, duplicates and reordering, several hops, workers: whatever the queue, the same bytes.
#[test]
fn the_digest_does_not_depend_on_the_queue() {
    let mut s = scenario(200, 20);
    s.links[0].loss = Ratio { num: 5, den: 100 };
    s.links[0].duplicate = Ratio { num: 5, den: 100 };
    s.links[0].reorder = Ratio { num: 10, den: 100 };
    s.links[0].reorder_delay = Span::from_millis(3);
    let lanes = run(&s);
    let heap = World::<Heap, ()>::with_sink(&s, ()).run();
    assert_eq!(lanes, heap);
    assert_eq!(lanes.digest, run(&s).digest);
    assert!(lanes.lost > 0 && lanes.traffic[0].completed.count > 3_000);
    s.seed = 2;
    assert_ne!(run(&s).digest, lanes.digest);
}

#[test]
fn a_follower_sees_every_segment_arrive_or_be_lost() {
    let mut s = scenario(20, 10);
    s.traffic[0].stop = Time(5_000_000_000);
    s.links[0].loss = Ratio { num: 1, den: 10 };
    let mut world = World::<Lanes, Vec<(Time, Record)>>::new(&s);
    while world.advance(1000) {}
    let count = |what: fn(&Record) -> bool| world.sink().iter().filter(|(_, r)| what(r)).count();
    let sent = count(|r| matches!(r, Record::Sent(..)));
    let arrived = count(|r| matches!(r, Record::Arrived(..)));
    let lost = count(|r| matches!(r, Record::Lost(_, Lost::Link, _)));
    assert_eq!(sent, arrived + lost);
    assert!(lost > 0);
}

#[test]
fn an_attempt_ends_in_exactly_one_way() {
    let mut s = scenario(50, 100);
    ports(&mut s, 500);
    s.links[0].loss = Ratio { num: 2, den: 100 };
    s.traffic[0].stop = Time(60_000_000_000);
    let summary = run(&s);
    let web = &summary.traffic[0];
    let at_connect: u64 = web.errors.iter().filter(|e| e.call == Call::Connect).map(|e| e.tally.count).sum();
    assert_eq!(web.attempted.count, web.connected.count + at_connect + web.pending);
    assert_eq!(web.outcome(Outcome::Failed).count, web.failed.count);
}

/// Rows of a metric at the client.
fn column(summary: &Summary, metric: Metric) -> Vec<u64> {
    summary.series.get(metric).map(<[u64]>::to_vec).unwrap_or_default()
}

/// TIME_WAITs towards one destination are not held against another that has ports of its own.
#[test]
fn who_holds_the_ports_is_told_for_each_destination() {
    let mut s = scenario(20, 15);
    let other = SockAddr { port: 81, ..WEB };
    s.hosts[1].listen.push(Listen::new(other.port));
    s.traffic[0].to.push(other);
    ports(&mut s, 100);
    let summary = run(&s);
    for to in [WEB, other] {
        let limit = Limit::Ports { host: HostId(0), from: CLIENT, to };
        let found = summary.limits.iter().find(|used| used.limit == limit);
        assert_eq!(found.expect("it is used up").held_by, [(State::TimeWait, 100)], "{to:?}");
    }
}

#[test]
fn threads_have_a_row_where_there_is_a_thread_for_each_connection() {
    let mut s = scenario(100, 5);
    s.traffic[0].service_time = Span::from_secs(1).into();
    let threads = Metric::Used(Limit::Threads(HostId(1), 80));
    assert_eq!(column(&run(&s), threads), [], "as many as there are connections");
    s.hosts[1].listen[0].connections = 4;
    assert_eq!(column(&run(&s), threads).into_iter().max(), Some(4));
}

#[test]
fn a_phase_given_moves_the_wheel_and_one_left_open_is_the_same_for_all() {
    let wheel = |phases: [Option<Span>; 2]| {
        let mut s = scenario(10, 70);
        s.traffic[0].stop = Time(1_000_000_000);
        s.sample = Span::from_millis(100);
        for (host, phase) in s.hosts.iter_mut().zip(phases) {
            host.tcp.timers = TimerModel::Wheel { hz: 250, phase: Span::ZERO };
            host.phase = phase;
        }
        run(&s)
    };
    let waiting = |s: &Summary| column(s, Metric::Sockets(HostId(0), State::TimeWait));
    let (early, late) = (Some(Span::ZERO), Some(Span::from_millis(1500)));
    assert_ne!(waiting(&wheel([early; 2])), waiting(&wheel([late; 2])));
    // The client's TIME_WAIT goes by the client's wheel alone.
    assert_eq!(waiting(&wheel([early, late])), waiting(&wheel([early; 2])));
    // Drawn from the seed, so the same twice.
    assert_eq!(wheel([None; 2]).digest, wheel([None; 2]).digest);
}

#[test]
fn the_collector_runs_first_when_the_scenario_says() {
    let with = |first_gc: Option<Span>, timers: TimerModel| {
        let mut s = scenario(10, 20);
        s.traffic[0].stop = Time(1_000_000_000);
        s.sample = Span::from_millis(100);
        for host in &mut s.hosts {
            host.tcp.timers = timers;
        }
        let mut conntrack = ConntrackConfig { first_gc, ..ConntrackConfig::default() };
        conntrack.timeouts.time_wait = Span::from_secs(1);
        conntrack.timeouts.close = Span::from_secs(1);
        s.hosts[0].conntrack = Some(conntrack);
        let entries = column(&run(&s), Metric::Conntrack(HostId(0)));
        // The row at which the first entries have gone.
        entries.windows(2).position(|w| w[1] < w[0])
    };
    let wheel = TimerModel::Wheel { hz: 250, phase: Span::ZERO };
    for timers in [TimerModel::Exact, wheel] {
        assert_eq!(with(Some(Span::from_secs(5)), timers), Some(50), "{timers:?}");
        assert_eq!(with(Some(Span::from_secs(9)), timers), Some(90), "{timers:?}");
    }
    assert_eq!(with(None, TimerModel::Exact), None, "60 s is beyond this run");
}

#[test]
fn requests_that_wait_for_a_pool_when_arrivals_stop_are_served() {
    let mut s = scenario(10, 30);
    s.traffic[0].arrivals = Arrivals::At(vec![Time::ZERO; 5]);
    s.traffic[0].service_time = Span::from_secs(1).into();
    s.traffic[0].stop = Time(500_000_000);
    s.traffic[0].pool = Some(Pool::new(1));
    let web = &run(&s).traffic[0];
    assert_eq!((web.attempted.count, web.completed.count, web.failed.count), (5, 5, 0));
}

#[test]
fn a_retry_after_the_last_arrival_is_made_and_a_worker_after_it_is_not() {
    let mut s = scenario(10, 30);
    s.hosts[1].listen.clear();
    s.traffic[0].arrivals = Arrivals::At(vec![Time::ZERO]);
    s.traffic[0].stop = Time(500_000_000);
    s.traffic[0].on_error = OnError::Retry(Retry::new(Span::from_secs(1), 3));
    assert_eq!(run(&s).traffic[0].attempted.count, 4);
    s.traffic[0].arrivals = Arrivals::Workers(1);
    assert_eq!(run(&s).traffic[0].attempted.count, 4, "its retries, and then no new turn");
}

/// Attempts at given moments towards a port of the server, with a socket of the client bound to port 20,000.
fn fixed_at(s: &Scenario, millis: &[u64], port: u16, reuse: bool) -> Traffic {
    Traffic {
        arrivals: Arrivals::At(millis.iter().map(|&at| Time(at * 1_000_000)).collect()),
        to: vec![SockAddr { addr: SERVER, port }],
        port: ClientPort::Fixed { low: 20_000, high: 20_000, reuse },
        ..s.traffic[0].clone()
    }
}

/// The client's port 20,000 is taken by a first connection at 0 s and wanted by a second one at 1 s, towards another
/// port of the server. What becomes of the second one: how often it connected, and how often bind() gave EADDRINUSE.
fn second_owner(first: ClientPort, hold: u64, source: Addr, reuse: bool) -> (u64, u64) {
    let mut s = scenario(1, 5);
    ports(&mut s, 1);
    s.hosts[0].addresses.push(Addr(CLIENT.0 + 0x100));
    let other = Listen { port: 81, ..s.hosts[1].listen[0].clone() };
    s.hosts[1].listen.push(other);
    let second = Traffic { source: vec![source], ..fixed_at(&s, &[1_000], 81, reuse) };
    let first = Traffic { port: first, hold: Span::from_secs(hold), ..fixed_at(&s, &[0], 80, false) };
    s.traffic = vec![first, second];
    let summary = run(&s);
    assert_eq!(summary.traffic[0].connected.count, 1);
    let errors = &summary.traffic[1].errors;
    let in_use = errors.iter().filter(|e| (e.call, e.errno) == (Call::Bind, Errno::Eaddrinuse));
    (summary.traffic[1].connected.count, in_use.map(|e| e.tally.count).sum())
}

#[test]
fn a_port_is_shared_if_both_owners_set_so_reuseaddr_and_never_if_connect_chose_it() {
    let (works, in_use) = ((1, 0), (0, 1));
    let bound = |reuse| ClientPort::Fixed { low: 20_000, high: 20_000, reuse };
    // What Linux 6.18 answered, about a first owner that is ESTABLISHED (held for 4 s) or in TIME_WAIT.
    for hold in [4, 0] {
        for (first, plain, shared) in
            [(bound(false), in_use, in_use), (bound(true), in_use, works), (ClientPort::AUTO, in_use, in_use)]
        {
            assert_eq!(second_owner(first, hold, CLIENT, false), plain, "{first:?}, {hold}");
            assert_eq!(second_owner(first, hold, CLIENT, true), shared, "{first:?}, {hold}");
        }
    }
}

#[test]
fn the_same_port_of_another_local_address_is_another_port_to_bind() {
    let other = Addr(CLIENT.0 + 0x100);
    let bound = |reuse| ClientPort::Fixed { low: 20_000, high: 20_000, reuse };
    for first in [bound(false), bound(true), ClientPort::AUTO] {
        for reuse in [false, true] {
            assert_eq!(second_owner(first, 4, other, reuse), (1, 0), "{first:?}, {reuse}");
        }
    }
}

#[test]
fn a_port_with_a_listener_is_no_clients_at_any_address() {
    for (reuse, source) in [(false, CLIENT), (true, CLIENT), (true, Addr(CLIENT.0 + 0x100))] {
        let mut s = scenario(1, 5);
        s.hosts[0].addresses.push(Addr(CLIENT.0 + 0x100));
        s.hosts[0].listen = vec![Listen { port: 20_000, ..s.hosts[1].listen[0].clone() }];
        s.traffic = vec![Traffic { source: vec![source], ..fixed_at(&s, &[0], 80, reuse) }];
        assert_eq!(error(&run(&s), Call::Bind, Errno::Eaddrinuse), 1, "{reuse}, {source:?}");
    }
}

#[test]
fn both_ends_close_at_once_and_both_wait() {
    let mut s = scenario(4, 5);
    s.traffic[0].first = Side::Both;
    s.traffic[0].hold = Span::from_secs(1);
    let mut world: World<Lanes, Vec<(Time, Record)>> = World::new(&s);
    while world.advance(u64::MAX) {}
    let waits = |host| {
        let moves = world.sink().iter().filter(|(_, record)| {
            matches!(record, Record::Moved(whose, step) if whose.host == HostId(host) && step.to == State::TimeWait)
        });
        moves.count()
    };
    assert!(waits(0) > 0 && waits(1) > 0, "{} and {}", waits(0), waits(1));
}

/// One client at `per_second` for `seconds` on few ports, each of which costs time to look at.
fn searching(ports: u16, per_second: u64, seconds: u64, probe: Span) -> Summary {
    let mut s = scenario(per_second, seconds);
    s.hosts[0].ports.high = s.hosts[0].ports.low + ports - 1;
    s.hosts[0].ports.probe_time = probe;
    run(&s)
}

#[test]
fn a_search_takes_the_time_of_the_ports_that_it_looks_at() {
    let cheap = searching(100, 40, 2, Span::ZERO);
    let dear = searching(100, 40, 2, Span::from_micros(100));
    // The first half of the range is found at once; then each search walks through that half.
    let latency =
        |s: &Summary, per_mille| s.traffic[0].connect_latency.quantile(per_mille).expect("some connect");
    assert!(latency(&cheap, 990) < Span::from_micros(1_100));
    assert!(latency(&dear, 100) < Span::from_micros(1_300), "{:?}", latency(&dear, 100));
    assert!(latency(&dear, 990) > Span::from_millis(5), "{:?}", latency(&dear, 990));
    assert_eq!(cheap.traffic[0].connected.count, dear.traffic[0].connected.count);
    assert_eq!(cheap.hosts[0].port_probes, dear.hosts[0].port_probes, "the walk is the same");
    assert!(cheap.hosts[0].port_probes.now > 30 * 50);
}

#[test]
fn searches_of_a_host_come_one_after_the_other() {
    // Two thousand a second want to search a range that is used up, 10 ms each.
    let s = searching(100, 2_000, 3, Span::from_micros(100));
    let traffic = &s.traffic[0];
    let refused = traffic.failed.count;
    assert!((250..=301).contains(&refused), "{refused} of some 300 searches have failed");
    let waiting = traffic.waiting.queued + traffic.waiting.connecting;
    assert_eq!(traffic.requested.count, traffic.connected.count + refused + waiting, "the others wait");
}
