//! What one traffic source costs: attempts, events, and what is held at once.

use sim_core::profile::Stack;
use sim_core::scenario::{Arrivals, ClientPort, CloseHow, Host, OnError, OtherSide, Rate, Side, Traffic};
use sim_core::tcp::TcpConfig;
use sim_core::tcp::config::TwReuse;
use sim_core::time::Span;

use super::super::Input;
use super::super::host::usable_ports;
use crate::report::Diagnostic;

/// Events of one connection with one request; and of each further request.
const EVENTS: u128 = 20;
const EVENTS_PER_REQUEST: u128 = 6;
/// An attempt that fails at once; and one that a RST ends.
const EVENTS_PER_FAILURE: u128 = 2;
const EVENTS_PER_REFUSAL: u128 = 6;
/// Bytes of a live connection, both ends and what belongs to it.
const LIVE_BYTES: u128 = 1024;
/// Bytes of a TIME_WAIT: what a row of a host's table of them takes at most.
const TIME_WAIT_BYTES: u128 = 64;
/// Bytes of a pair of source and destination: the ports that are taken towards it.
const PAIR_BYTES: u128 = 4096;
/// Bytes of what is kept of all pairs of a source address where bind() asks for it; and for one port at most.
const HERE_BYTES: u128 = 256 << 10;
const HERE_BYTES_PER_PORT: u128 = 512;
/// Bytes of a worker and its request while they wait.
const WORKER_BYTES: u128 = 160;
/// How long a worker pauses that gives up, and the least pause between two series of retries (`traffic::source`).
const PAUSE: Span = Span::from_millis(50);
const LEAST_PAUSE: Span = Span::from_millis(1);

/// What a traffic source, or all of them, would cost.
#[derive(Clone, Copy, Default)]
pub(super) struct Cost {
    /// Attempts to connect; and how many of them fail at once.
    pub(super) attempts: u128,
    pub(super) failing: u128,
    pub(super) events: u128,
    /// Most connections, and most TIME_WAITs, at once.
    pub(super) live: u128,
    pub(super) time_wait: u128,
    /// Pairs of source and destination that are used.
    pub(super) pairs: u128,
    /// Bytes that are needed whatever happens.
    pub(super) room: u128,
}

impl Cost {
    pub(super) fn plus(&self, other: &Cost) -> Cost {
        Cost {
            attempts: self.attempts.saturating_add(other.attempts),
            failing: self.failing.saturating_add(other.failing),
            events: self.events.saturating_add(other.events),
            live: self.live.saturating_add(other.live),
            time_wait: self.time_wait.saturating_add(other.time_wait),
            pairs: self.pairs.saturating_add(other.pairs),
            room: self.room.saturating_add(other.room),
        }
    }

    pub(super) fn bytes(&self) -> u128 {
        let parts = [
            self.live.saturating_mul(LIVE_BYTES),
            self.time_wait.saturating_mul(TIME_WAIT_BYTES),
            self.pairs.saturating_mul(PAIR_BYTES),
        ];
        parts.into_iter().fold(self.room, u128::saturating_add)
    }
}

/// What surrounds a source.
struct Around<'a> {
    traffic: &'a Traffic,
    client: &'a Host,
    /// The hosts of its destinations, with their ports.
    servers: Vec<(&'a Host, u16)>,
    /// Length of the time in which connections are wanted.
    active: Span,
    /// One-way delay to the nearest destination.
    delay: Span,
    /// Nothing gets through to some destination, or some host drops what it chooses.
    lost: bool,
    /// Requests that are wanted of other sources, for which this one asks on: it is a proxy's.
    behind: u128,
    /// The smallest conntrack table, which drops what it has no room for.
    least_table: u128,
}

/// The cost of the source of that number; none if it would stand still in time, which has been noted.
pub(super) fn cost(input: &mut Input<'_>, number: usize) -> Option<Cost> {
    let around = around(input, number);
    let life = around.life();
    let t = around.traffic;
    let workers = matches!(t.arrivals, Arrivals::Workers(_));
    let endless = t.requests_per_connection == u32::MAX && (workers || t.pool.is_none());
    if (workers && life == Span::ZERO) || (endless && around.each_request() == Span::ZERO) {
        // Workers that need no time at all would turn for ever at one instant, and so would requests without end.
        let message = if workers {
            "these workers need no time for a connection, so they would never let time pass"
        } else {
            "these requests need no time, and have no end on their connection: they would never let time pass"
        };
        let help = "give the link a `delay`, or the traffic a `service_time` or `hold`";
        input.notes.error(Diagnostic::error(input.traffic[number].arrivals, message).help(help));
        return None;
    }
    let (wanted, failing) = around.attempts(life);
    let attempts = wanted.saturating_add(failing);
    let each = EVENTS.saturating_add(EVENTS_PER_REQUEST.saturating_mul(around.requests().saturating_sub(1)));
    let failure = if around.refuses() { EVENTS_PER_REFUSAL } else { EVENTS_PER_FAILURE };
    let events = wanted.saturating_mul(each).saturating_add(failing.saturating_mul(failure));
    let (live, time_wait) = around.population(wanted, life);
    let pairs = (around.traffic.source.len() as u128) * (around.traffic.to.len() as u128);
    let room = match t.port {
        ClientPort::Auto(_) => 0,
        _ => (t.source.len() as u128 * HERE_BYTES).min(wanted.saturating_mul(HERE_BYTES_PER_PORT)),
    };
    let waiting = match t.arrivals {
        Arrivals::Workers(n) => u128::from(n) * WORKER_BYTES,
        _ => 0,
    };
    Some(Cost {
        attempts,
        failing,
        events,
        live,
        time_wait,
        pairs: pairs.min(attempts),
        room: room + waiting,
    })
}

fn around<'a>(input: &'a Input<'_>, number: usize) -> Around<'a> {
    around_with(input, number, &mut Vec::new())
}

/// `asked`: sources that stand before this one. A circle of proxies is refused elsewhere.
fn around_with<'a>(input: &'a Input<'_>, number: usize, asked: &mut Vec<usize>) -> Around<'a> {
    let traffic = &input.traffic[number].traffic;
    let owner = |addr: sim_core::ids::Addr| {
        if addr.is_loopback() { Some(traffic.from) } else { input.net.owner(addr) }
    };
    let owned = traffic.to.iter().filter_map(|to| Some((owner(to.addr)?, to.port)));
    let owned: Vec<_> = owned.collect();
    let ways = input.net.ways(traffic.from);
    let here: Vec<_> = owned.iter().filter_map(|(id, _)| ways.to(*id)).collect();
    let lost = here.iter().any(|way| way.lost);
    let drops = input.hosts.iter().any(|read| !read.host.drop.is_empty());
    let tables = input.hosts.iter().filter_map(|read| read.host.conntrack.as_ref()).map(|c| c.max);
    let least_table = tables.filter(|max| *max > 0).min().map_or(u128::MAX, u128::from);
    let mut behind: u128 = 0;
    if let Arrivals::Behind(host, port) = traffic.arrivals
        && !asked.contains(&number)
    {
        asked.push(number);
        for before in super::super::traffic::in_front(input, host, port) {
            let before = around_with(input, before, asked);
            let (wanted, _) = before.attempts(before.life());
            behind = behind.saturating_add(wanted.saturating_mul(before.requests()));
        }
        asked.pop();
    }
    let servers = owned.iter().map(|(id, port)| (&input.hosts[id.index()].host, *port)).collect();
    Around {
        traffic,
        client: &input.hosts[traffic.from.index()].host,
        servers,
        active: traffic.stop.since(traffic.start),
        delay: here.iter().map(|way| way.delay).min().unwrap_or(Span::ZERO),
        lost: lost || drops || here.is_empty(),
        behind,
        least_table,
    }
}

/// How many lengths of `each` lie in `time`, for each of `count`: count x time / each.
fn times(count: u128, time: Span, each: Span) -> u128 {
    count.saturating_mul(u128::from(time.0)) / u128::from(each.0.max(1))
}

fn of_rate(rate: Rate, time: Span) -> u128 {
    times(u128::from(rate.count), time, rate.per)
}

impl Around<'_> {
    /// Time that the client needs for one connection at least; for ever if it never ends.
    fn life(&self) -> Span {
        let t = self.traffic;
        let requests = self.requests().min(u128::from(u64::MAX)) as u64;
        if t.pool.is_some() && matches!(t.arrivals, Arrivals::Workers(_)) {
            return self.each_request();
        }
        if t.requests_per_connection == u32::MAX && t.pool.is_none() {
            return Span::MAX;
        }
        let think = match t.pool {
            Some(_) => t.think_time.mean(),
            None if requests == 1 && matches!(t.arrivals, Arrivals::Workers(_)) => t.think_time.mean(),
            None => t.think_time.mean().times(requests.saturating_sub(1)),
        };
        let way = self.delay.times(4);
        let busy = way + t.service_time.mean().times(requests) + think + t.ask_after + t.hold;
        let busy = if self.server_may_close() {
            busy.min(way + t.service_time.mean() + t.server_idle_timeout)
        } else {
            busy
        };
        // Where the client is the other side, or reads on to the end, it also waits for the second close. A RST ends it at once.
        let waits = match t.how {
            CloseHow::HalfClose => true,
            CloseHow::Reset => false,
            _ => t.first == Side::Server,
        };
        match (t.how, t.other) {
            (CloseHow::Never, _) => Span::MAX,
            (_, OtherSide::Never) if waits => Span::MAX,
            (_, OtherSide::CloseAfter(after)) if waits => busy + after,
            _ => busy,
        }
    }

    /// Requests of one connection. Those of a pool are wanted one by one, and each may need a connection.
    fn requests(&self) -> u128 {
        let t = self.traffic;
        if t.pool.is_some() {
            return 1;
        }
        if t.requests_per_connection < u32::MAX {
            return u128::from(t.requests_per_connection);
        }
        times(1, self.active, self.each_request()).max(1)
    }

    /// Time from one request of a connection, or of a pool's worker, to the next, at least.
    fn each_request(&self) -> Span {
        let t = self.traffic;
        self.delay.times(2) + t.service_time.mean() + t.think_time.mean()
    }

    /// Whether the server may tire of waiting before the client is done.
    fn server_may_close(&self) -> bool {
        let t = self.traffic;
        t.server_idle_timeout < t.hold.max(t.think_time.mean())
    }

    /// How long a tuple of the client stays taken after the client is done.
    fn after_life(&self) -> Span {
        let (t, cfg) = (self.traffic, &self.client.tcp);
        let loopback = |addr: sim_core::ids::Addr| addr.is_loopback();
        let reused = match cfg.tw_reuse {
            TwReuse::Off => false,
            TwReuse::On => true,
            TwReuse::Loopback => {
                t.to.iter().any(|to| loopback(to.addr)) || t.source.iter().any(|a| loopback(*a))
            }
        };
        let keeps = t.first != Side::Server && !self.server_may_close();
        if !keeps || matches!(t.how, CloseHow::Reset | CloseHow::Unread) || reused {
            Span::ZERO
        } else {
            cfg.time_wait
        }
    }

    /// How many connections the client's ports allow at once.
    fn tuples(&self) -> u128 {
        let t = self.traffic;
        let pairs = t.source.len() as u128 * t.to.len() as u128;
        let tuples = match t.port {
            ClientPort::Auto(_) | ClientPort::Bound(_) => {
                u128::from(usable_ports(&self.client.ports)) * pairs
            }
            ClientPort::Fixed { low, high, .. } => (u128::from(high - low) + 1) * pairs,
        };
        tuples.max(1)
    }

    /// Whether some destination answers with RST.
    fn refuses(&self) -> bool {
        let closed = |(host, port): &(&Host, u16)| {
            !host.listen.iter().any(|l| l.port == *port) || host.tcp.abort_on_overflow
        };
        self.servers.iter().any(closed)
    }

    /// Attempts that are wanted, and those beside them that fail and are repeated.
    fn attempts(&self, life: Span) -> (u128, u128) {
        let wanted = match &self.traffic.arrivals {
            Arrivals::Constant(rate) | Arrivals::Poisson(rate) => of_rate(*rate, self.active),
            Arrivals::Phases(phases) => {
                let mut left = self.active;
                let mut sum: u128 = 0;
                for (length, rate) in phases {
                    let time = left.min(*length);
                    sum = sum.saturating_add(of_rate(*rate, time));
                    left = left - time;
                }
                sum
            }
            Arrivals::At(times) => times.len() as u128,
            Arrivals::Workers(n) => return self.workers(u128::from(*n), life),
            Arrivals::Behind(..) => self.behind,
        };
        let retries = match self.traffic.on_error {
            OnError::GiveUp => 0,
            OnError::Retry(retry) => u128::from(retry.times),
        };
        (wanted, wanted.saturating_mul(retries))
    }

    /// Attempts of workers: those that find ports and descriptors begin again after a life, the others after a pause.
    fn workers(&self, n: u128, life: Span) -> (u128, u128) {
        let files = u128::from(self.client.open_files);
        let held = life + self.after_life();
        // Ports are held beyond the life, descriptors are not.
        let by_ports = times(self.tuples(), self.active, held).saturating_add(self.tuples());
        let by_files = times(files, self.active, life).saturating_add(files);
        let free = times(n, self.active, life).saturating_add(n);
        let wanted = free.min(by_ports).min(by_files);
        let busy = times(self.tuples(), life, held).min(files).min(n);
        let idle = if self.refuses() {
            n
        } else if wanted < free {
            n - busy
        } else {
            0
        };
        let (tries, pauses) = match self.traffic.on_error {
            OnError::GiveUp => (1, PAUSE),
            OnError::Retry(retry) => {
                // Jitter may leave out all of a pause but the last.
                let times = u64::from(retry.times);
                let pauses = if retry.jitter.num > 0 { Span::ZERO } else { retry.after.times(times) };
                (times + 1, pauses + retry.after.max(LEAST_PAUSE))
            }
        };
        // A RST needs time to come; a missing port does not.
        let answers = if self.refuses() { self.delay.times(2).times(tries) } else { Span::ZERO };
        (wanted, times(idle.saturating_mul(u128::from(tries)), self.active, pauses + answers))
    }

    /// Most connections and TIME_WAITs at once.
    fn population(&self, wanted: u128, life: Span) -> (u128, u128) {
        let t = self.traffic;
        let tuples = self.tuples();
        let within = |span: Span| {
            let share = times(wanted, span.min(self.active), self.active);
            share.saturating_add(1).min(wanted)
        };
        let forgotten = t.how == CloseHow::Never || t.other == OtherSide::Never;
        let patience = t.connect_timeout.min(connect_lasts(&self.client.tcp));
        let silent = self.lost || self.slow() || self.least_table < wanted;
        let life = if silent { life.max(patience) } else { life };
        let life = if self.queues() { Span::MAX } else { life };
        let files = u128::from(self.client.open_files);
        // Sockets that the servers forget to close are descriptors of theirs.
        let files = if t.other == OtherSide::Never && t.how != CloseHow::Never {
            self.servers.iter().map(|(host, _)| u128::from(host.open_files)).sum::<u128>().max(files)
        } else {
            files
        };
        let mut live = if forgotten { wanted } else { within(life) }.min(files).min(tuples);
        live = match (&t.arrivals, t.pool) {
            (Arrivals::Workers(n), _) if !forgotten => live.min(u128::from(*n)),
            (Arrivals::Workers(_), _) | (_, None) => live,
            (_, Some(pool)) => live.min(u128::from(pool.size)),
        };
        let kept = within(self.closers().map(|host| host.tcp.time_wait).max().unwrap_or(Span::ZERO));
        // Only Linux and older FreeBSD bound the number; a strict stack keeps them all.
        let most = |host: &Host| match host.stack {
            Stack::Rfc793 => u128::MAX,
            _ => u128::from(host.tcp.max_tw_buckets),
        };
        let time_wait = kept.min(tuples).min(self.closers().map(most).fold(0, u128::saturating_add));
        (live, time_wait)
    }

    /// The hosts that close first, and so keep TIME_WAIT.
    fn closers(&self) -> impl Iterator<Item = &Host> {
        let first = self.traffic.first;
        let client = first.includes(Side::Client).then_some(self.client);
        let servers = if first.includes(Side::Server) { &self.servers[..] } else { &[] };
        client.into_iter().chain(servers.iter().map(|(host, _)| *host))
    }

    /// Whether some server accepts late, slowly or never: then its queues fill, and it drops what comes.
    fn slow(&self) -> bool {
        let late = |host: &Host, port: u16| {
            let listen = host.listen.iter().find(|l| l.port == port);
            listen.is_some_and(|l| l.accept_after > Span::ZERO || !l.is_always_ready())
        };
        self.servers.iter().any(|(host, port)| late(host, *port)) || self.queues()
    }

    /// Whether requests may wait in some server for as long as the run lasts.
    fn queues(&self) -> bool {
        self.servers.iter().any(|(host, port)| {
            let listen = host.listen.iter().find(|l| l.port == *port);
            listen.is_some_and(|l| l.workers < u32::MAX || l.connections < u32::MAX)
        })
    }
}

/// How long connect() lasts if nothing is ever answered: 127 s by Linux's defaults of old, some seconds more where the
/// first timeouts do not double (`tcp_syn_linear_timeouts`) or timers are late.
fn connect_lasts(cfg: &TcpConfig) -> Span {
    let mut timeout = cfg.rto_initial;
    let mut all = timeout.times(u64::from(cfg.syn_linear_timeouts) + 1);
    for _ in 0..cfg.syn_retries {
        timeout = timeout.times(2).min(cfg.rto_max);
        all = all + timeout;
    }
    // The timer wheel is late by an eighth at most.
    all + Span(all.0 / 8)
}
