//! The checked scenario: plain data from which a world is built.
//!
//! Past this point nothing is optional, misspelt or without a unit; whoever makes a [`Scenario`] has checked it.
//! Times are nanoseconds, sizes bytes, probabilities ratios.

mod listen;
mod told;

use crate::conntrack::ConntrackConfig;
use crate::errno::Errno;
use crate::ids::{Addr, HostId, LinkId, SockAddr, TrafficId};
use crate::lasting::Lasting;
use crate::log::LogLine;
use crate::profile::Stack;
use crate::rng::Ratio;
use crate::tcp::{KeepTimes, State, TcpConfig};
use crate::time::{Span, Time};

pub use listen::Listen;

/// A whole scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// One line: what happens.
    pub title: String,
    /// One or two sentences: what it shows.
    pub teaches: String,
    /// Length of the simulation.
    pub duration: Span,
    /// Seed of every random stream.
    pub seed: u64,
    /// Sampling interval of the time series.
    pub sample: Span,
    /// Hosts and routers.
    pub hosts: Vec<Host>,
    /// Links between neighbours.
    pub links: Vec<Link>,
    /// Traffic sources.
    pub traffic: Vec<Traffic>,
    /// What happens at a moment, in order of time.
    pub events: Vec<Occurrence>,
    /// Expectations on the outcome.
    pub expect: Vec<Expectation>,
}

/// A host or a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name in the file.
    pub name: String,
    /// Addresses; a pure router may have none.
    pub addresses: Vec<Addr>,
    /// Which stack's defaults it began with.
    pub stack: Stack,
    /// Parameters of its TCP.
    pub tcp: TcpConfig,
    /// How far into its jiffies counter the timer wheel begins; `None`: drawn, the same for all hosts that leave it
    /// open, as the clocks of one machine agree. Means nothing where timers are exact.
    pub phase: Option<Span>,
    /// Ephemeral ports.
    pub ports: PortConfig,
    /// Descriptors an application may have open (RLIMIT_NOFILE less those open from the start).
    pub open_files: u32,
    /// Listening sockets.
    pub listen: Vec<Listen>,
    /// Segments that it drops as they arrive.
    pub drop: Vec<DropRule>,
    /// Connection tracking, if it is on.
    pub conntrack: Option<ConntrackConfig>,
}

/// How a stack picks an ephemeral port for connect().
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChoice {
    /// RFC 6056 §3.3.4 as Linux does it: even offsets first, a perturbation table of this size.
    LinuxDoubleHash {
        /// Entries of the table (256 before 5.18, 65536 after).
        perturb: u32,
    },
    /// A random start, then upward (FreeBSD, macOS, Windows).
    Random,
}

/// Ephemeral ports of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// Lowest port, inclusive (`ip_local_port_range`).
    pub low: u16,
    /// Highest port, inclusive.
    pub high: u16,
    /// Ranges never chosen automatically, inclusive (`ip_local_reserved_ports`).
    pub reserved: Vec<(u16, u16)>,
    /// How the port is picked.
    pub choice: PortChoice,
    /// What connect() reports when none is left.
    pub exhausted: Errno,
    /// Where bind() finds no port that is free for every destination, it takes one whose owners share it
    /// (`ip_autobind_reuse`).
    pub autobind_reuse: bool,
    /// What a search costs for each port that it looks at. The searches of a host come one after the other.
    pub probe_time: Span,
    /// What a connect() costs beside its search.
    pub call_time: Span,
}

/// Something that happens at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When.
    pub at: Time,
    /// What.
    pub what: Happening,
}

/// What can happen at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A link stops carrying segments, or carries them again.
    Link {
        /// Which.
        link: LinkId,
        /// Whether it carries from now on.
        up: bool,
    },
    /// The process behind a listener dies.
    Stop {
        /// Its host.
        host: HostId,
        /// The listener's port.
        port: u16,
    },
    /// A process begins to listen.
    Start {
        /// Its host.
        host: HostId,
        /// The listener's port.
        port: u16,
        /// SO_REUSEADDR.
        reuseaddr: bool,
        /// Where bind() fails, it is tried again after this time.
        again: Span,
    },
    /// An application stops accepting, or accepts again.
    Accepting {
        /// Its host.
        host: HostId,
        /// The listener's port.
        port: u16,
        /// Whether it accepts from now on.
        accepting: bool,
    },
    /// A sysctl changes.
    Sysctl {
        /// The host.
        host: HostId,
        /// The setting.
        name: String,
        /// Its new value.
        value: String,
        /// The host's settings from now on.
        settings: Box<Settings>,
    },
    /// SYNs from addresses that nobody has.
    SynFlood {
        /// Where to.
        to: SockAddr,
        /// How many in what time.
        rate: Rate,
        /// Until when, exclusive.
        until: Time,
    },
}

/// What sysctls can change on a host that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of TCP, for connections that exist too.
    pub tcp: TcpConfig,
    /// Of ports: what has one keeps it.
    pub ports: PortConfig,
    /// Of connection tracking, if it is on: entries keep the time that they have.
    pub conntrack: Option<ConntrackConfig>,
}

/// Which segments a [`DropRule`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// All.
    Any,
    /// SYN without ACK.
    Syn,
    /// SYN and ACK.
    SynAck,
    /// ACK without SYN, whatever else it carries.
    Ack,
    /// With data.
    Data,
    /// With FIN.
    Fin,
    /// With RST.
    Rst,
}

/// Segments that a host drops as they arrive, be they for it or to be passed on, before its connection tracker sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropRule {
    /// Which segments.
    pub segments: Dropped,
    /// The port that they are sent to; 0 is any.
    pub port: u16,
    /// From when on.
    pub start: Time,
    /// Until when, exclusive.
    pub stop: Time,
    /// How many at most; `u64::MAX` is no limit.
    pub times: u64,
    /// So many that fit are let through first.
    pub skip: u64,
    /// They are held back for so long; zero drops them.
    pub late: Span,
}

/// A link between two neighbours; both directions are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// One end.
    pub a: HostId,
    /// The other end.
    pub b: HostId,
    /// One-way delay.
    pub delay: Span,
    /// Probability that a segment is lost.
    pub loss: Ratio,
    /// Probability that a segment arrives twice.
    pub duplicate: Ratio,
    /// Probability that a segment is held back by `reorder_delay`.
    pub reorder: Ratio,
    /// How long a reordered segment is held back.
    pub reorder_delay: Span,
}

/// Arrivals per `per`: a rate as a ratio, so that no float is needed. `600/min` is 600 per 60 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// In what time.
    pub per: Span,
}

/// When connections are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// At equal distances.
    Constant(Rate),
    /// With exponential gaps.
    Poisson(Rate),
    /// A constant rate in each phase, one after the other; a rate of zero is a pause.
    Phases(Vec<(Span, Rate)>),
    /// Closed loop: this many workers, each starting again as soon as it is done.
    Workers(u32),
    /// At these times, ascending.
    At(Vec<Time>),
    /// A proxy: one request for each request that the application behind this listener has got. Its client is answered
    /// when this one is.
    Behind(HostId, u16),
}

/// Who closes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The end that connected.
    Client,
    /// The end that accepted.
    Server,
    /// Each of them on its own: a simultaneous close.
    Both,
}

impl Side {
    /// Whether an end is meant.
    pub const fn includes(self, end: Side) -> bool {
        matches!((self, end), (Side::Both, _) | (Side::Client, Side::Client) | (Side::Server, Side::Server))
    }
}

/// How the first closer closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseHow {
    /// close().
    Graceful,
    /// shutdown(SHUT_WR), read to the end, close().
    HalfClose,
    /// SO_LINGER with time 0, then close(): RST.
    Reset,
    /// The client closes when its last response is there, without reading it: RST.
    Unread,
    /// Never.
    Never,
}

/// What the other side does when it has read the end of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherSide {
    /// Closes after this time.
    CloseAfter(Span),
    /// Never closes: the leak that ends in CLOSE_WAIT.
    Never,
}

/// What a client does about a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// Nothing.
    GiveUp,
    /// Tries again.
    Retry(Retry),
}

/// How a client tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Wait before the first retry.
    pub after: Span,
    /// How often at most.
    pub times: u32,
    /// Each wait is so many times the last.
    pub factor: u32,
    /// The longest wait.
    pub at_most: Span,
    /// By which share of itself a wait may be shorter: drawn.
    pub jitter: Ratio,
    /// No retry from this on; [`Time::NEVER`] = always.
    pub until: Time,
    /// Also of a request whose connection ended before its answer.
    pub broken: bool,
}

impl Retry {
    /// So often, always after the same time.
    pub const fn new(after: Span, times: u32) -> Retry {
        Retry {
            after,
            times,
            factor: 1,
            at_most: Span::MAX,
            jitter: Ratio::ZERO,
            until: Time::NEVER,
            broken: true,
        }
    }
}

/// What a client sets on its socket before the kernel chooses a port for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortOptions {
    /// IP_LOCAL_PORT_RANGE, inclusive: the part of the host's range that this socket's port comes from.
    pub range: Option<(u16, u16)>,
    /// SO_REUSEADDR.
    pub reuse: bool,
}

/// How the client's socket gets its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientPort {
    /// connect() chooses, when the destination is known; also after a bind() of the address alone with
    /// IP_BIND_ADDRESS_NO_PORT.
    Auto(PortOptions),
    /// bind() with port 0 chooses, before the destination is known.
    Bound(PortOptions),
    /// bind() to these ports in turn, inclusive, then connect().
    Fixed {
        /// First port.
        low: u16,
        /// Last port.
        high: u16,
        /// SO_REUSEADDR.
        reuse: bool,
    },
}

impl ClientPort {
    /// connect() chooses, from the whole range.
    pub const AUTO: ClientPort = ClientPort::Auto(PortOptions { range: None, reuse: false });
}

/// A pool of kept connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Most connections at once; further requests wait for one.
    pub size: u32,
    /// Most idle connections; one that becomes free beyond them is closed.
    pub idle: u32,
    /// An idle connection is closed after this time.
    pub idle_timeout: Span,
    /// A connection that becomes free when it is older than this is closed; one that carries several requests at once gets
    /// no more then.
    pub lifetime: Span,
    /// Requests that a connection carries at once.
    pub streams: u32,
}

impl Pool {
    /// At most so many connections, kept for ever.
    pub const fn new(size: u32) -> Pool {
        Pool { size, idle: size, idle_timeout: Span::MAX, lifetime: Span::MAX, streams: 1 }
    }
}

/// What an application sets on its socket against a peer that has fallen silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// SO_KEEPALIVE, with times of the socket's own where they are not 0.
    pub keepalive: Option<KeepTimes>,
    /// TCP_USER_TIMEOUT in milliseconds; 0 = none.
    pub user_timeout: u32,
}

/// A traffic source: a client application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Name in the file.
    pub name: String,
    /// Where the client runs.
    pub from: HostId,
    /// Source addresses, used in turn; the host's first if the file names none.
    pub source: Vec<Addr>,
    /// Destinations, used in turn.
    pub to: Vec<SockAddr>,
    /// When connections (with a pool: requests) are wanted.
    pub arrivals: Arrivals,
    /// First arrival not before this.
    pub start: Time,
    /// No arrivals from this on.
    pub stop: Time,
    /// Request, bytes.
    pub request: u32,
    /// Response, bytes.
    pub response: u32,
    /// From the request's last byte to the response's first, at the server.
    pub service_time: Lasting,
    /// What the server says before it reads a request, bytes.
    pub greeting: u32,
    /// From the success of connect() to the first request.
    pub ask_after: Span,
    /// Requests on one connection before it is closed; `u32::MAX` is without end.
    pub requests_per_connection: u32,
    /// Client's pause between a response and the next request on the connection, or of the worker.
    pub think_time: Lasting,
    /// From the news that connect() is done or something can be read to what the application does about it, and from one read of a
    /// message to the next, during which the socket is the reader's and what arrives waits: how long an application takes to run.
    pub wake_up: Span,
    /// How long the first closer keeps the connection after the last response.
    pub hold: Span,
    /// Connection pool, if one is used.
    pub pool: Option<Pool>,
    /// Who closes first.
    pub first: Side,
    /// How.
    pub how: CloseHow,
    /// What the other side does then.
    pub other: OtherSide,
    /// The client's port.
    pub port: ClientPort,
    /// The application's own limit on connect(); [`Span::MAX`] = none.
    pub connect_timeout: Span,
    /// The application's own limit on waiting for an answer; [`Span::MAX`] = none.
    pub response_timeout: Span,
    /// The server closes a connection that has been idle so long between requests; [`Span::MAX`] = never.
    pub server_idle_timeout: Span,
    /// What the client sets on its socket before connect().
    pub options: SocketOptions,
    /// What the server sets on its socket after accept().
    pub server_options: SocketOptions,
    /// Reaction to a failed attempt.
    pub on_error: OnError,
    /// Its ports in the order of their choice and the gaps between two uses of a tuple are booked.
    pub tuples: bool,
    /// The driver says when an answer is ready: service times are drawn, or the server has few workers, or it asks
    /// others. Set when a world is built.
    pub served_elsewhere: bool,
    /// A server has a thread for each connection, which reads nothing while it works on an answer: it does not see that
    /// its client has gone. Set when a world is built.
    pub server_blocks: bool,
}

impl Traffic {
    /// Whether its connections carry several requests at once.
    pub fn multiplexes(&self) -> bool {
        self.pool.is_some_and(|pool| pool.streams > 1)
    }

    /// Clients of a host that ask for nothing yet; what is left out is as the language has it.
    pub fn new(name: &str, from: HostId) -> Traffic {
        Traffic {
            name: name.to_owned(),
            from,
            source: Vec::new(),
            to: Vec::new(),
            arrivals: Arrivals::At(Vec::new()),
            start: Time::ZERO,
            stop: Time::NEVER,
            request: 200,
            response: 1000,
            service_time: Lasting::ZERO,
            greeting: 0,
            ask_after: Span::ZERO,
            requests_per_connection: 1,
            think_time: Lasting::ZERO,
            wake_up: Span::ZERO,
            hold: Span::ZERO,
            pool: None,
            first: Side::Client,
            how: CloseHow::Graceful,
            other: OtherSide::CloseAfter(Span::ZERO),
            port: ClientPort::AUTO,
            connect_timeout: Span::MAX,
            response_timeout: Span::MAX,
            server_idle_timeout: Span::MAX,
            options: SocketOptions::default(),
            server_options: SocketOptions::default(),
            on_error: OnError::GiveUp,
            tuples: false,
            served_elsewhere: false,
            server_blocks: false,
        }
    }
}

/// Something finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Local ports of a source address towards one destination.
    Ports {
        /// The host.
        host: HostId,
        /// Its source address.
        from: Addr,
        /// The destination.
        to: SockAddr,
    },
    /// Descriptors.
    OpenFiles(HostId),
    /// `tcp_max_tw_buckets`.
    TwBuckets(HostId),
    /// `tcp_max_orphans`.
    Orphans(HostId),
    /// `nf_conntrack_max`.
    Conntrack(HostId),
    /// Accept queue: backlog + 1.
    AcceptQueue(HostId, u16),
    /// SYN queue: backlog + 1.
    SynQueue(HostId, u16),
    /// Connections that an application has open at once: `connections` of its listener.
    Threads(HostId, u16),
    /// Requests that an application serves at once: `workers` of its listener.
    Workers(HostId, u16),
    /// Connections of a client's pool.
    Pool(TrafficId),
}

/// A number that can be followed over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Sockets of a host in a state, mini-sockets included.
    Sockets(HostId, State),
    /// Open descriptors.
    OpenFiles(HostId),
    /// Sockets without a descriptor, mini-sockets not included.
    Orphans(HostId),
    /// Conntrack entries.
    Conntrack(HostId),
    /// Kernel memory of the objects above, bytes.
    Memory(HostId),
    /// Ports that connect() and bind() have looked at to find one, cumulative.
    PortProbes(HostId),
    /// What is used of a limit.
    Used(Limit),
    /// Outcomes of a traffic source, cumulative.
    Outcome(TrafficId, Outcome),
    /// A quantile (per mille) of what was timed since the row before, nanoseconds; 0 if nothing was.
    Latency(TrafficId, Timing, u16),
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timing {
    /// connect(), until it succeeds.
    Connect,
    /// A request, from when it was wanted until it is answered: waiting for a connection, connect() and retries included.
    Request,
}

/// What became of a connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// An attempt was made (retries count).
    Attempted,
    /// connect() succeeded.
    Connected,
    /// All requests were answered.
    Completed,
    /// A request was wanted; one that is tried again counts once.
    Requested,
    /// A request was answered.
    Answered,
    /// A request was given up: its last try failed.
    Abandoned,
    /// A SYN was sent again.
    SynsAgain,
    /// A connection was cut off at one end with something on its way or unread.
    CutOff,
    /// A byte was on its way, or unread, where a connection was cut off.
    BytesLost,
    /// Any error, at connect() or later.
    Failed,
    /// This error, at connect() or later.
    Error(Errno),
}

/// What a number must be: both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// At least.
    pub low: u64,
    /// At most.
    pub high: u64,
}

/// A part of the run, from inclusive to exclusive. Both ends are multiples of the sampling interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Begin.
    pub from: Time,
    /// End.
    pub to: Time,
}

/// An expectation with the text it was written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// As written in the file.
    pub text: String,
    /// Line in the file, from 1.
    pub line: u32,
    /// What is expected.
    pub check: Check,
    /// Of which runs.
    pub runs: Runs,
}

/// Of which runs an expectation speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Runs {
    /// Of the run itself.
    #[default]
    This,
    /// Of `of` runs, with the scenario's seed and those that follow it: the check holds in `hold` of them or more.
    Seeds {
        /// In so many it must hold.
        hold: u32,
        /// Of so many.
        of: u32,
    },
    /// Of so many runs, with the scenario's seed and those that follow it: the mean of the check's number, with its whole
    /// 95 % interval, lies in the check's band.
    Mean {
        /// So many runs.
        of: u32,
    },
    /// Of this run and one with changes (`PATH=VALUE`): the metric of the check has the same value at every sampling point,
    /// and the same peak.
    SameCurve {
        /// The changes.
        changes: Vec<String>,
    },
    /// Of this run and one with changes: the check's number here is so many times that of the other.
    Times {
        /// So many times, in thousandths.
        factor: Band,
        /// The changes.
        changes: Vec<String>,
    },
}

/// What can be expected of a run. `traffic: None` means all sources together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// This limit refuses first of all; `None`: no limit refuses anything.
    BindsFirst(Option<Limit>),
    /// The first time of an outcome lies in a band of nanoseconds.
    First {
        /// Traffic.
        traffic: Option<TrafficId>,
        /// Outcome.
        outcome: Outcome,
        /// Nanoseconds.
        band: Band,
    },
    /// The highest value ever of a metric.
    Peak(Metric, Band),
    /// The value of a metric at a sampling point.
    At(Metric, Time, Band),
    /// How often an outcome came, in a window.
    Count {
        /// Traffic.
        traffic: Option<TrafficId>,
        /// Outcome.
        outcome: Outcome,
        /// Window.
        over: Window,
        /// Count.
        band: Band,
    },
    /// The share of attempts with this outcome in a window, in parts per million.
    Share {
        /// Traffic.
        traffic: Option<TrafficId>,
        /// Outcome.
        outcome: Outcome,
        /// Window.
        over: Window,
        /// Parts per million.
        band: Band,
    },
    /// Outcomes per second in a window, in thousandths.
    Rate {
        /// Traffic.
        traffic: Option<TrafficId>,
        /// Outcome.
        outcome: Outcome,
        /// Window.
        over: Window,
        /// Thousandths per second.
        band: Band,
    },
    /// The share of [`Outcome::Failed`] in a window agrees with Erlang B within a band around the formula's value.
    ErlangB {
        /// Traffic.
        traffic: Option<TrafficId>,
        /// Window.
        over: Window,
        /// Servers: usable tuples.
        servers: u64,
        /// Mean holding time.
        hold: Span,
        /// Half width of the band, parts per million.
        within: u64,
    },
    /// A kernel counter of a host at the end.
    Counter(HostId, crate::counter::Counter, Band),
    /// How often a kernel log line was printed at a host.
    Log(HostId, LogLine, Band),
    /// A quantile (per mille) of a latency, in nanoseconds.
    Latency {
        /// Traffic.
        traffic: Option<TrafficId>,
        /// What is timed.
        timing: Timing,
        /// Per mille.
        quantile: u32,
        /// Nanoseconds.
        band: Band,
    },
}
