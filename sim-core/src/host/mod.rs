//! The finite things of a host: ports, tuples, sockets, descriptors, memory.
//!
//! | file | holds |
//! | --- | --- |
//! | `tables`, `index`, `waiting` | sockets of every size, the way from a tuple to one, TIME_WAITs as rows |
//! | `calls` | socket(), bind(), connect(), accept() |
//! | `input` | what a segment leads to, when no full socket is there for it |
//! | `minis` | mini-sockets: how they begin, end early, and run out |
//! | `audit` | the books against the tables, for tests |
//! | `books` | gauges, tallies and the memory that all of it takes |
//! | `ports`, `secrets`, `memory`, `track` | local ports, keyed hashes, sizes of kernel objects, connection tracking |
//! | `peers` | what is remembered of peers between connections |
//! | `packet` | a segment with its addresses |
//! | `process` | processes that die and come back, settings that change |
//!
//! A [`Host`] is the kernel of one machine without a clock or a network. The protocol itself is in [`crate::tcp`] and
//! [`crate::socket`]; here is what surrounds it.

mod audit;
mod books;
mod calls;
mod index;
mod input;
pub mod memory;
mod minis;
mod packet;
pub mod peers;
pub mod ports;
mod process;
mod secrets;
mod tables;
mod track;
mod waiting;

use std::collections::VecDeque;

pub use calls::{Opened, PortRequest};
pub use index::{Place, Spot};
pub use input::{Arrived, Timed};
pub use minis::{Mini, NewMini};
pub use packet::{Attempt, Hint, Packet};
pub use process::Closed;
pub use tables::{Conn, Conversation, Front, Job, Numbers, Orphan, Pending, Scripted, Tables};
pub use track::Tracking;
pub use waiting::{Ending, RowId};

use crate::conntrack::{Conntrack, ConntrackConfig, FIRST_GC};
use crate::errno::Errno;
use crate::ids::{HostId, Key, TrafficId, Tuple};
use crate::record::{Gauge, HostSummary, Tally};
use crate::rng::{Component, Purpose, Stream};
use crate::scenario::{self, DropRule, Dropped, Listen};
use crate::socket::Listener;
use crate::tcp::config::TimerModel;
use crate::tcp::{Clocks, Cx, Flags, Secrets, Segment, Shared, State, TcpConfig};
use crate::time::{Span, Time};
use ports::Ports;
use secrets::Keys;

/// A listening socket with the children that wait for accept().
#[derive(Clone, Debug)]
pub struct ListenSocket {
    /// What the scenario says of it.
    pub spec: Listen,
    listener: Listener,
    ready: VecDeque<Key>,
    /// accept() found no descriptor; tried again when one is closed.
    starved: bool,
    /// For an application that takes its time: not before this.
    pub next_accept: Time,
    /// For an application that takes its time: its next accept() is queued.
    pub accept_queued: bool,
    /// Accept queue.
    pub accept_queue: Gauge,
    /// SYN queue.
    pub syn_queue: Gauge,
    /// The application does not accept for now.
    pub paused: bool,
    /// Grows when its process dies: work that is under way then is of no use.
    pub epoch: u16,
    /// Accepted connections that are open.
    pub open: Gauge,
    /// Connections that waited because the application had all it can have.
    pub threads_refused: Tally,
    /// Requests that waited because every worker was busy.
    pub workers_refused: Tally,
    /// Requests that wait for a worker, with their source.
    pub requests: VecDeque<(Front, TrafficId)>,
    /// Workers that serve a request.
    pub working: Gauge,
    /// A proxy: the source whose requests are made for those that come in here.
    pub behind: Option<TrafficId>,
    /// Handshakes refused by a full accept queue.
    pub accept_refused: Tally,
    /// SYNs that met a full SYN queue.
    pub syn_refused: Tally,
}

impl ListenSocket {
    fn new(spec: &Listen, somaxconn: u32) -> ListenSocket {
        ListenSocket {
            spec: spec.clone(),
            listener: Listener::new(spec.backlog, somaxconn),
            ready: VecDeque::new(),
            starved: false,
            next_accept: Time::ZERO,
            accept_queued: false,
            accept_queue: Gauge::default(),
            syn_queue: Gauge::default(),
            paused: false,
            epoch: 0,
            open: Gauge::default(),
            threads_refused: Tally::default(),
            workers_refused: Tally::default(),
            requests: VecDeque::new(),
            working: Gauge::default(),
            behind: None,
            accept_refused: Tally::default(),
            syn_refused: Tally::default(),
        }
    }

    /// Whether a connection waits for accept().
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether a SYN would get a request ([`Listener::is_open`]).
    pub fn is_open(&self, cfg: &TcpConfig) -> bool {
        self.listener.is_open(cfg)
    }

    /// Whether a child would be accepted at once.
    pub fn accepts_at_once(&self, now: Time) -> bool {
        let opened = now >= Time::ZERO + self.spec.accept_after && !self.paused;
        opened && self.spec.is_always_ready() && self.ready.is_empty() && self.listener.has_room_for_child()
    }

    /// The counts of its queues ([`Listener::counts`]).
    pub fn counts(&self) -> [u32; 3] {
        self.listener.counts()
    }

    /// Steps that were taken elsewhere move them.
    pub fn adjust(&mut self, by: [i8; 3]) {
        self.listener.adjust(by);
    }

    /// How many connections either queue holds.
    pub fn capacity(&self) -> u64 {
        u64::from(self.listener.backlog()) + 1
    }
}

/// Refusals by limits that are not tied to a port.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refusals {
    /// No descriptor.
    pub open_files: Tally,
    /// No mini-socket.
    pub tw_buckets: Tally,
    /// Orphans killed.
    pub orphans: Tally,
}

/// One host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Which one.
    pub id: HostId,
    /// Parameters of its TCP.
    pub cfg: TcpConfig,
    /// Its ports.
    pub ports: Ports,
    /// Its listening sockets.
    pub listeners: Vec<ListenSocket>,
    /// Populations and counters.
    pub stats: HostSummary,
    /// What its limits refused.
    pub refusals: Refusals,
    /// Its connection tracker, if it has one.
    pub tracking: Option<Tracking>,
    /// What it drops.
    rules: Vec<DropRule>,
    /// Whether a packet that arrives meets rules or a tracker.
    pub screens: bool,
    /// Its sockets.
    pub tables: Tables,
    /// What its sockets share.
    pub shared: Shared,
    /// What it remembers of its peers.
    pub peers: peers::Peers,
    /// Their places by port.
    by_port: Vec<(u16, u16)>,
    open_files_max: u32,
    exhausted: Errno,
    probe_time: Span,
    call_time: Span,
    /// Mini-sockets in order of age, where the oldest makes room for the newest; some may have gone.
    minis_by_age: VecDeque<Mini>,
    /// Listeners whose accept() has found no descriptor.
    starving: u32,
    keys: Keys,
    /// Something that takes memory has come or gone since the gauges were brought up to date.
    populations_moved: bool,
    /// The clocks at the moment for which they were last read.
    clocks: (Time, Clocks),
}

/// The tracker of a host. Where timers are a wheel and the scenario does not say when the collector runs first, that
/// is drawn: the worker has run since boot, so a scenario may begin at any moment of its period.
fn tracker(cfg: &ConntrackConfig, timers: TimerModel, mut rng: Stream) -> Conntrack {
    let hash_seed = rng.bits64();
    let mut cfg = ConntrackConfig { timers, ..cfg.clone() };
    if timers != TimerModel::Exact && cfg.first_gc.is_none() {
        cfg.first_gc = Some(Span(rng.below(FIRST_GC.0)));
    }
    Conntrack::new(cfg, hash_seed)
}

impl Host {
    /// A host at boot. `phase` is that of its timer wheel, if the scenario leaves it open.
    pub fn new(id: HostId, spec: &scenario::Host, seed: u64, phase: Span) -> Host {
        let component = Component::named(&spec.name);
        let keys = Keys::new(seed, component);
        let mut cfg = spec.tcp.clone();
        if let TimerModel::Wheel { phase: at, .. } = &mut cfg.timers {
            *at = spec.phase.unwrap_or(phase);
        }
        let timers = cfg.timers;
        let mut host = Host {
            id,
            ports: {
                let rng = Stream::new(seed, Purpose::Ports, component);
                Ports::new(&spec.ports, keys.ports, timers, rng)
            },
            listeners: spec.listen.iter().map(|listen| ListenSocket::new(listen, cfg.somaxconn)).collect(),
            cfg,
            stats: HostSummary::default(),
            refusals: Refusals::default(),
            tracking: spec.conntrack.as_ref().map(|cfg| {
                let rng = Stream::new(seed, Purpose::Conntrack, component);
                Tracking::new(tracker(cfg, timers, rng))
            }),
            rules: spec.drop.clone(),
            screens: spec.conntrack.is_some() || !spec.drop.is_empty(),
            tables: Tables::default(),
            shared: Shared::default(),
            peers: peers::Peers::default(),
            by_port: Vec::new(),
            open_files_max: spec.open_files,
            exhausted: spec.ports.exhausted,
            probe_time: spec.ports.probe_time,
            call_time: spec.ports.call_time,
            minis_by_age: VecDeque::new(),
            starving: 0,
            keys,
            populations_moved: false,
            clocks: (Time::NEVER, Clocks::default()),
        };
        for (i, listen) in spec.listen.iter().enumerate() {
            host.by_port.push((listen.port, i as u16));
            host.ports.listen(Time::ZERO, listen.port);
            host.stats.states[State::Listen as usize].up(Time::ZERO);
        }
        host.by_port.sort_unstable();
        host.account(Time::ZERO);
        host
    }

    /// The listening socket on a port, by its place in [`Host::listeners`].
    pub fn listener_on(&self, port: u16) -> Option<usize> {
        let found = self.by_port.binary_search_by_key(&port, |&(port, _)| port).ok()?;
        Some(usize::from(self.by_port[found].1))
    }

    /// Whether any rule may drop packets here.
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// What a rule does with a packet that arrives: it is held back for so long, or dropped if that is zero. The first rule
    /// that fits counts it.
    pub fn rule_for(&mut self, now: Time, packet: &Packet) -> Option<Span> {
        let fits = |rule: &&mut DropRule| {
            (rule.start..rule.stop).contains(&now)
                && rule.times > 0
                && (rule.port == 0 || rule.port == packet.tuple.remote.port)
                && rule.segments.has(&packet.seg)
        };
        let rule = self.rules.iter_mut().find(fits)?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        if rule.times != u64::MAX {
            rule.times -= 1;
        }
        self.stats.dropped += u64::from(rule.late == Span::ZERO);
        Some(rule.late)
    }

    /// Its clocks.
    #[inline]
    pub fn clocks(&mut self, now: Time) -> Clocks {
        if self.clocks.0 != now {
            self.clocks = (now, Clocks::of(&Cx::new(now, &self.cfg, &mut self.shared)));
        }
        self.clocks.1
    }

    /// The secrets of a tuple at a moment.
    pub fn secrets(&mut self, now: Time, tuple: Tuple) -> Secrets {
        self.keys.of(&self.cfg, now, tuple)
    }

    /// The same for a socket that answers no SYN with a cookie.
    #[inline]
    pub fn secrets_without_cookie(&mut self, now: Time, tuple: Tuple) -> Secrets {
        self.keys.without_cookie(&self.cfg, now, tuple)
    }

    /// The offset of the timestamp clock of a tuple.
    pub fn ts_offset(&self, tuple: Tuple) -> u32 {
        self.keys.ts_offset(&self.cfg, tuple)
    }

    /// Whether nothing was refused or tracked, and no mini-socket had to make room: a conversation without trouble.
    pub fn is_untroubled(&self) -> bool {
        let Host { listeners, stats, refusals, tracking, .. } = self;
        let Refusals { open_files, tw_buckets, orphans } = refusals;
        let refused = open_files.count + tw_buckets.count + orphans.count;
        let queues = listeners.iter().map(|l| l.accept_refused.count + l.syn_refused.count).sum::<u64>();
        refused + queues + stats.conntrack.now == 0 && tracking.is_none() && self.minis_by_age.is_empty()
    }

    /// Descriptors that applications may have open.
    pub fn open_files_max(&self) -> u32 {
        self.open_files_max
    }

    /// The full socket that a packet is for, if its hint is right.
    #[inline]
    pub fn guess(&self, packet: &Packet) -> Option<Key> {
        let key = self.tables.conns.key(packet.to.0);
        let conn = self.tables.conns.get(key)?;
        (conn.tuple == packet.tuple.reversed() && conn.view.hashed).then_some(key)
    }
}

impl Dropped {
    /// Whether a segment is one of these.
    pub const fn has(self, seg: &Segment) -> bool {
        let (syn, ack) = (seg.flags.has(Flags::SYN), seg.flags.has(Flags::ACK));
        match self {
            Dropped::Any => true,
            Dropped::Syn => syn && !ack,
            Dropped::SynAck => syn && ack,
            Dropped::Ack => ack && !syn,
            Dropped::Data => seg.len > 0,
            Dropped::Fin => seg.flags.has(Flags::FIN),
            Dropped::Rst => seg.flags.has(Flags::RST),
        }
    }
}
