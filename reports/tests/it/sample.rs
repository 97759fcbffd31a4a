//! Summaries made by hand: what the engine would hand over, without the engine.

use std::collections::VecDeque;

use sim_core::conntrack::ConntrackConfig;
use sim_core::counter::Counter;
use sim_core::errno::{Call, Errno};
use sim_core::ids::{Addr, HostId, SockAddr, TrafficId};
use sim_core::profile::Stack;
use sim_core::record::{
    ErrorTally, Gauge, HostSummary, LimitSummary, LogLine, LogSummary, Series, Summary, Tally, TrafficSummary,
};
use sim_core::rng::Ratio;
use sim_core::scenario::{Arrivals, Host, Limit, Link, Listen, Metric, Outcome, Rate, Scenario, Traffic};
use sim_core::tcp::State;
use sim_core::time::{Span, Time};

pub(crate) const CLIENT: HostId = HostId(0);
pub(crate) const SERVER: HostId = HostId(1);
pub(crate) const GATEWAY: HostId = HostId(2);
pub(crate) const WEB: TrafficId = TrafficId(0);
pub(crate) const DURATION: Span = Span::from_secs(150);
const SAMPLE: Span = Span::from_millis(500);

/// A run: its scenario and its summary.
pub(crate) struct Sample {
    pub(crate) scenario: Scenario,
    pub(crate) summary: Summary,
}

impl Sample {
    pub(crate) fn run(&self) -> reports::Run<'_> {
        reports::Run::new(&self.scenario, &self.summary)
    }
}

pub(crate) fn ms(n: u64) -> Time {
    Time(n * 1_000_000)
}

pub(crate) fn ports() -> Limit {
    Limit::Ports { host: CLIENT, from: Addr(0x0a00_0001), to: SockAddr { addr: Addr(0x0a00_0002), port: 80 } }
}

fn host(name: &str, addresses: &[u32]) -> Host {
    let defaults = Stack::Linux6_18.defaults();
    Host {
        name: name.to_owned(),
        addresses: addresses.iter().map(|&a| Addr(a)).collect(),
        stack: Stack::Linux6_18,
        tcp: defaults.tcp,
        ports: defaults.ports,
        phase: None,
        open_files: 65_536,
        listen: Vec::new(),
        drop: Vec::new(),
        conntrack: None,
    }
}

pub(crate) fn scenario(title: &str, per_second: u64) -> Scenario {
    let mut server = host("server", &[0x0a00_0002]);
    server.listen.push(Listen::new(80));
    let mut gateway = host("gateway", &[]);
    gateway.conntrack = Some(ConntrackConfig { max: 65_536, buckets: 65_536, ..ConntrackConfig::default() });
    let link = |a, b| Link {
        a,
        b,
        delay: Span::from_micros(500),
        loss: Ratio::ZERO,
        duplicate: Ratio::ZERO,
        reorder: Ratio::ZERO,
        reorder_delay: Span::ZERO,
    };
    Scenario {
        title: title.to_owned(),
        teaches: "A client's limit is per destination.".to_owned(),
        duration: DURATION,
        seed: 1,
        sample: SAMPLE,
        hosts: vec![host("client", &[0x0a00_0001]), server, gateway],
        links: vec![link(CLIENT, GATEWAY), link(GATEWAY, SERVER)],
        traffic: vec![traffic(per_second)],
        events: Vec::new(),
        expect: Vec::new(),
    }
}

fn traffic(per_second: u64) -> Traffic {
    Traffic {
        source: vec![Addr(0x0a00_0001)],
        to: vec![SockAddr { addr: Addr(0x0a00_0002), port: 80 }],
        arrivals: Arrivals::Constant(Rate { count: per_second, per: Span::from_secs(1) }),
        stop: Time::ZERO + DURATION,
        service_time: Span::from_millis(5).into(),
        ..Traffic::new("web", CLIENT)
    }
}

/// What a loss system with exact holding times does: connections each `1/rate`, `servers` at most, 8 ms alive and
/// 60 s in TIME_WAIT. `attach` says what a full system returns.
pub(crate) struct Loss {
    pub(crate) per_second: u64,
    pub(crate) servers: u64,
    pub(crate) limit: Limit,
    pub(crate) error: Option<(Call, Errno)>,
}

pub(crate) fn run_loss(scenario: Scenario, loss: &Loss) -> Sample {
    const ALIVE_MS: u64 = 8;
    const HOLD_MS: u64 = 60_000 + ALIVE_MS;
    let end_ms = DURATION.as_millis();
    let mut web = TrafficSummary::default();
    let mut client = HostSummary { states: [Gauge::default(); State::ALL.len()], ..HostSummary::default() };
    let mut used = Gauge::default();
    let mut refused = Tally::default();
    let (mut alive, mut waiting) = (VecDeque::new(), VecDeque::new());
    let mut series = Series { interval: SAMPLE, ..Series::default() };
    let mut arrivals = 0;
    for now_ms in 0..=end_ms {
        let now = ms(now_ms);
        if now_ms % SAMPLE.as_millis() == 0 {
            sample(&mut series, loss, &client, &web, used.now);
        }
        while alive.front().is_some_and(|&born| born + ALIVE_MS <= now_ms) {
            waiting.extend(alive.pop_front());
            web.completed.add(now);
        }
        while waiting.front().is_some_and(|&born| born + HOLD_MS <= now_ms) {
            waiting.pop_front();
        }
        while now_ms < end_ms && arrivals * 1000 <= now_ms * loss.per_second {
            arrivals += 1;
            web.attempted.add(now);
            if ((alive.len() + waiting.len()) as u64) < loss.servers {
                alive.push_back(now_ms);
                web.connected.add(now);
                web.connect_latency.add(Span::from_micros(2_000 + arrivals % 7));
                if web.failed.count > 0 {
                    web.recovered.get_or_insert(now);
                }
            } else {
                web.failed.add(now);
                refused.add(now);
            }
        }
        client.states[State::Established as usize].set(now, alive.len() as u64);
        client.states[State::TimeWait as usize].set(now, waiting.len() as u64);
        client.open_files.set(now, alive.len() as u64);
        client.mini_sockets.set(now, waiting.len() as u64);
        client.memory.set(now, (alive.len() * 2_500 + waiting.len() * 264) as u64);
        used.set(now, (alive.len() + waiting.len()) as u64);
    }
    if let (Some((call, errno)), true) = (loss.error, refused.count > 0) {
        web.errors.push(ErrorTally { call, errno, tally: web.failed });
    }
    client.counters.add(Counter::TcpActiveOpens, web.connected.count);
    client.counters.add(Counter::TcpExtTW, web.completed.count);
    client.counters.add(Counter::TcpOutSegs, web.connected.count * 5);
    client.counters.add(Counter::TcpInSegs, web.connected.count * 4);
    let summary = finish(&scenario, loss, web, client, used, refused, series);
    Sample { scenario, summary }
}

fn sample(series: &mut Series, loss: &Loss, client: &HostSummary, web: &TrafficSummary, used: u64) {
    let mut put = |metric, value| series.columns.entry(metric).or_default().push(value);
    put(Metric::Sockets(CLIENT, State::Established), client.state(State::Established).now);
    put(Metric::Sockets(CLIENT, State::TimeWait), client.state(State::TimeWait).now);
    put(Metric::Sockets(SERVER, State::Established), client.state(State::Established).now);
    put(Metric::OpenFiles(CLIENT), client.open_files.now);
    put(Metric::Memory(CLIENT), client.memory.now);
    put(Metric::Used(loss.limit), used);
    put(Metric::Outcome(WEB, Outcome::Attempted), web.attempted.count);
    put(Metric::Outcome(WEB, Outcome::Connected), web.connected.count);
    put(Metric::Outcome(WEB, Outcome::Completed), web.completed.count);
    put(Metric::Outcome(WEB, Outcome::Failed), web.failed.count);
    if let Some((_, errno)) = loss.error {
        put(Metric::Outcome(WEB, Outcome::Error(errno)), web.failed.count);
    }
    series.rows += 1;
}

fn finish(
    scenario: &Scenario,
    loss: &Loss,
    web: TrafficSummary,
    client: HostSummary,
    used: Gauge,
    refused: Tally,
    series: Series,
) -> Summary {
    let mut server = HostSummary { states: client.states, ..HostSummary::default() };
    server.states[State::TimeWait as usize] = Gauge::default();
    server.states[State::Listen as usize] = Gauge { now: 1, peak: 1, peak_at: Time::ZERO };
    server.open_files = client.open_files;
    server.counters.add(Counter::TcpPassiveOpens, web.connected.count);
    server.counters.add(Counter::TcpInSegs, web.connected.count * 5);
    server.counters.add(Counter::TcpOutSegs, web.connected.count * 4);
    let held_by = if refused.count > 0 {
        let alive = client.state(State::Established).peak.min(loss.servers);
        vec![(State::TimeWait, loss.servers - alive), (State::Established, alive)]
    } else {
        Vec::new()
    };
    let tw_buckets = Limit::TwBuckets(CLIENT);
    let mut limits = vec![
        LimitSummary { limit: loss.limit, capacity: loss.servers, used, refused, held_by },
        LimitSummary {
            limit: tw_buckets,
            capacity: u64::from(scenario.hosts[0].tcp.max_tw_buckets),
            used: client.mini_sockets,
            refused: Tally::default(),
            held_by: Vec::new(),
        },
    ];
    limits.retain(|l| l.capacity > 0);
    limits.sort_by_key(|l| l.limit);
    let mut digest = sim_core::record::Digest::default();
    digest.traffic(web.attempted.count);
    Summary {
        digest,
        ended: Time::ZERO + DURATION,
        events: web.connected.count * 24,
        segments: web.connected.count * 9,
        lost: 0,
        traffic: vec![web],
        hosts: vec![client, server, HostSummary::default()],
        limits,
        logs: Vec::new(),
        series,
        overrun: None,
    }
}

/// Scenario 1: 1,000 connections/s to one destination through 28,232 ports.
pub(crate) fn ports_bound() -> Sample {
    let scenario = scenario("Client ports run out at 1,000 connections/s to one destination", 1000);
    let error = Some((Call::Connect, Errno::Eaddrnotavail));
    run_loss(scenario, &Loss { per_second: 1000, servers: 28_232, limit: ports(), error })
}

/// The same at a rate that the ports sustain.
pub(crate) fn nothing_bound() -> Sample {
    let scenario = scenario("400 connections/s to one destination fit into the port range", 400);
    run_loss(scenario, &Loss { per_second: 400, servers: 28_232, limit: ports(), error: None })
}

/// A connection tracker that is full: packets vanish, and connects time out.
pub(crate) fn conntrack_bound() -> Sample {
    let scenario = scenario("A full conntrack table drops SYNs, which clients see as timeouts", 2000);
    let limit = Limit::Conntrack(GATEWAY);
    let error = Some((Call::Connect, Errno::Etimedout));
    let mut s = run_loss(scenario, &Loss { per_second: 2000, servers: 65_536, limit, error });
    let bound = s.summary.bound_first().expect("it binds").clone();
    s.summary.limits.iter_mut().filter(|l| l.limit == limit).for_each(|l| l.held_by.clear());
    let columns = &mut s.summary.series.columns;
    let entries = columns[&Metric::Used(limit)].clone();
    columns.insert(Metric::Conntrack(GATEWAY), entries);
    s.summary.hosts[2].conntrack = bound.used;
    s.summary.hosts[2].counters.add(Counter::CtDrop, bound.refused.count);
    let printed = Tally { count: 310, ..bound.refused };
    s.summary.logs.push((2, LogSummary { line: LogLine::ConntrackTableFull, printed }));
    s
}

/// A client with 1,024 descriptors whose connections are kept for a minute.
pub(crate) fn files_bound() -> Sample {
    let scenario = scenario("A process with 1,024 descriptors holds 1,021 connections", 100);
    let limit = Limit::OpenFiles(CLIENT);
    let error = Some((Call::Socket, Errno::Emfile));
    let mut s = run_loss(scenario, &Loss { per_second: 100, servers: 1_021, limit, error });
    s.summary.limits.iter_mut().filter(|l| l.limit == limit).for_each(|l| {
        l.held_by = vec![(State::Established, 1_021)];
    });
    s
}

/// A listener whose application does not accept fast enough.
pub(crate) fn accept_queue_bound() -> Sample {
    let scenario = scenario("A slow accept() fills the accept queue", 50);
    let limit = Limit::AcceptQueue(SERVER, 80);
    let mut s = run_loss(scenario, &Loss { per_second: 50, servers: 129, limit, error: None });
    let refused = s.summary.traffic[0].failed;
    let web = &mut s.summary.traffic[0];
    // A dropped SYN is only late: the client retransmits, nothing fails.
    (web.failed, web.recovered, web.pending) = (Tally::default(), None, 37);
    s.summary.limits.iter_mut().for_each(|l| l.held_by.clear());
    s.summary.hosts[1].counters.add(Counter::TcpExtListenOverflows, refused.count);
    s.summary.hosts[1].counters.add(Counter::TcpExtListenDrops, refused.count);
    s
}

/// Five clients with port ranges of their own, each with its own traffic to the same server.
pub(crate) fn five_clients() -> Sample {
    let names = ["linux", "freebsd", "macos", "windows", "rfc793"];
    let mut whole = scenario("What five systems sustain to one destination", 600);
    (whole.hosts, whole.traffic) = (vec![host("server", &[0x0a00_0002])], Vec::new());
    let mut summary = Summary::default();
    summary.hosts.push(HostSummary::default());
    for (i, name) in names.into_iter().enumerate() {
        let error = Some((Call::Connect, Errno::Eaddrnotavail));
        let loss = Loss { per_second: 600, servers: 10_000 + 4_000 * i as u64, limit: ports(), error };
        let one = run_loss(scenario("", 600), &loss);
        let (h, t) = (HostId(1 + i as u16), TrafficId(i as u16));
        whole.hosts.push(host(name, &[0x0a00_0101 + i as u32]));
        whole.traffic.push(Traffic { name: format!("from-{name}"), from: h, ..traffic(600) });
        let limit = |l| match l {
            Limit::Ports { to, .. } => Limit::Ports { host: h, from: Addr(0x0a00_0101 + i as u32), to },
            _ => Limit::TwBuckets(h),
        };
        let metric = |m| match m {
            Metric::Sockets(CLIENT, state) => Some(Metric::Sockets(h, state)),
            Metric::Used(l) => Some(Metric::Used(limit(l))),
            Metric::Outcome(_, outcome) => Some(Metric::Outcome(t, outcome)),
            _ => None,
        };
        let columns = one.summary.series.columns;
        let renamed = columns.into_iter().filter_map(|(m, values)| metric(m).map(|m| (m, values)));
        summary.series.columns.extend(renamed);
        summary
            .limits
            .extend(one.summary.limits.into_iter().map(|l| LimitSummary { limit: limit(l.limit), ..l }));
        let mut hosts = one.summary.hosts.into_iter();
        summary.hosts.extend(hosts.next());
        summary.traffic.extend(one.summary.traffic);
        (summary.series.interval, summary.series.rows) =
            (one.summary.series.interval, one.summary.series.rows);
        summary.ended = one.summary.ended;
    }
    summary.limits.sort_by_key(|l| l.limit);
    Sample { scenario: whole, summary }
}

/// A scenario in which nobody connects.
pub(crate) fn no_traffic() -> Sample {
    let mut scenario = scenario("Hosts without traffic", 1);
    scenario.traffic.clear();
    let summary = Summary {
        ended: Time::ZERO + DURATION,
        hosts: vec![HostSummary::default(); 3],
        series: Series { interval: SAMPLE, rows: 301, ..Series::default() },
        ..Summary::default()
    };
    Sample { scenario, summary }
}
