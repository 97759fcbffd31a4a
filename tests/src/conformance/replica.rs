//! The host under test: one tuple, one listener, one descriptor, driven through the simulator's public inputs.

use sim_core::counter::Counter;
use sim_core::errno::Errno;
use sim_core::seq::Seq;
use sim_core::socket::{Env, Seat, Slot};
use sim_core::tcp::config::{Buffers, TimerModel};
use sim_core::tcp::{ArmedTimer, Endpoint, Flags, Input, Outbox, Poll, Secrets, Segment, TcpConfig};
use sim_core::time::{Span, Time};

/// The timer that sock_diag would show, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub kind: &'static str,
    pub at: Time,
}

/// One host with one tuple, its clock, and what it has sent.
#[derive(Debug)]
pub(super) struct Replica {
    pub now: Time,
    pub cfg: TcpConfig,
    pub seat: Seat,
    out: Outbox,
    /// Everything sent, with its time.
    pub sent: Vec<(Time, Segment)>,
    /// The newest TSval in a segment without RST.
    pub last_tsval: u32,
    connections: u32,
}

/// Where time begins: late enough for every clock to be past its zero.
const START: Time = Time(1_000_000_000_000);
/// Offset of our timestamp clock.
const TS_OFFSET: u32 = 700_000_000;

impl Replica {
    pub(super) fn new(cfg: TcpConfig) -> Replica {
        Replica {
            now: START,
            cfg,
            seat: Seat::default(),
            out: Outbox::default(),
            sent: Vec::new(),
            last_tsval: 0,
            connections: 0,
        }
    }

    /// Initial sequence numbers far from each other.
    fn secrets(connections: u32) -> Secrets {
        Secrets {
            isn: Seq(1_000_000_000_u32.wrapping_add(connections.wrapping_mul(123_456_789))),
            ts_offset: TS_OFFSET,
            cookie: 0x5eed_cafe,
        }
    }

    /// Does something to the host, and files what it sent. A connection that begins has new numbers.
    fn with_seat<T>(&mut self, act: impl FnOnce(&mut Seat, Env<'_>, &mut Outbox) -> T) -> T {
        let secrets = Replica::secrets(self.connections);
        let env = Env { now: self.now, cfg: &self.cfg, secrets };
        let answer = act(&mut self.seat, env, &mut self.out);
        for seg in self.out.segments.drain(..) {
            if let Some(ts) = seg.ts
                && !seg.flags.has(Flags::RST)
                && ts.val != 0
            {
                self.last_tsval = ts.val;
            }
            self.sent.push((self.now, seg));
        }
        answer
    }

    /// Lets time pass up to `to`, timers firing on the way.
    pub(super) fn advance(&mut self, to: Time) {
        while self.seat.deadline() <= to {
            self.now = self.seat.deadline().max(self.now);
            self.with_seat(Seat::fire);
        }
        self.now = self.now.max(to);
    }

    /// Lets so much time pass.
    pub(super) fn wait(&mut self, span: Span) {
        self.advance(self.now + span);
    }

    /// Delivers a segment from the peer.
    pub(super) fn inject(&mut self, seg: &Segment) {
        self.connections += 1;
        self.with_seat(|seat, env, out| seat.deliver(env, seg, out));
    }

    /// A call on the application's descriptor.
    pub(super) fn call(&mut self, input: Input) -> Result<u32, Errno> {
        self.with_seat(|seat, env, out| seat.call(env, input, out))
    }

    pub(super) fn listen(&mut self, backlog: u32) {
        self.seat.listen(backlog, self.cfg.somaxconn);
    }

    /// connect(); `port_fixed`: bind() chose the port before.
    pub(super) fn connect(&mut self, port_fixed: bool) -> Result<(), Errno> {
        if self.has_listener() {
            return Err(Errno::Eaddrinuse);
        }
        self.connections += 1;
        self.with_seat(|seat, env, out| seat.connect(env, port_fixed, out))
    }

    /// bind() to the tuple's local port, without SO_REUSEADDR: anything that still has the port is in the way.
    pub(super) fn bind_exclusively(&self) -> Result<(), Errno> {
        let free = self.is_gone() && !self.has_listener();
        if free { Ok(()) } else { Err(Errno::Eaddrinuse) }
    }

    pub(super) fn accept(&mut self) -> Result<(), Errno> {
        self.seat.accept()
    }

    pub(super) fn close_listener(&mut self) {
        self.with_seat(Seat::unlisten);
    }

    /// The state of the tuple under the kernel's name.
    pub(super) fn state(&self) -> &'static str {
        match self.seat.slot() {
            Slot::Empty if self.has_listener() => "LISTEN",
            _ => self.seat.state().name(),
        }
    }

    pub(super) fn timer(&self) -> Option<Shown> {
        match self.seat.slot() {
            Slot::Empty => None,
            Slot::Request(req) => Some(Shown { kind: "retransmit", at: req.deadline() }),
            Slot::TimeWait(tw) => Some(Shown { kind: "timewait", at: tw.deadline() }),
            Slot::Full(endpoint) => endpoint.armed_timer().map(|timer| match timer {
                ArmedTimer::Retransmit(at) => Shown { kind: "retransmit", at },
                ArmedTimer::Persist(at) => Shown { kind: "persist", at },
                ArmedTimer::KeepAlive(at) => Shown { kind: "keepalive", at },
            }),
        }
    }

    /// Whether the tuple is free, as far as the table goes.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.seat.slot(), Slot::Empty)
    }

    pub(super) fn has_listener(&self) -> bool {
        self.seat.listener().is_some()
    }
    pub(super) fn can_accept(&self) -> bool {
        self.seat.can_accept()
    }
    pub(super) fn poll(&self) -> Option<Poll> {
        self.seat.descriptor().map(Endpoint::poll)
    }
    pub(super) fn readable(&self) -> u32 {
        self.seat.descriptor().map_or(0, Endpoint::readable)
    }
    /// Counters that moved since the last question, under their names in the recordings.
    pub(super) fn take_counters(&mut self) -> Vec<&'static str> {
        let names = self.out.counters.iter().filter(|c| compared(**c));
        let names = names.map(|c| c.name()).map(|n| n.strip_prefix("TcpExt").unwrap_or(n)).collect();
        self.out.counters.clear();
        self.out.facts.clear();
        self.out.notices.clear();
        names
    }
}

/// The recordings leave out what depends on the fast path, on the delayed-ACK timer, or counts every segment.
fn compared(counter: Counter) -> bool {
    !matches!(
        counter,
        Counter::TcpInSegs
            | Counter::TcpOutSegs
            | Counter::TcpExtDelayedACKs
            | Counter::TcpExtDelayedACKLost
            | Counter::TcpExtTCPPureAcks
            | Counter::TcpExtTCPHPAcks
            | Counter::TcpExtTCPHPHits
            | Counter::TcpExtTCPOrigDataSent
            | Counter::TcpExtTCPDelivered
    )
}

/// The recorded machine: 6.18, reno, timers either exact or as late as the kernel's wheel.
pub(super) fn recorded_host(timers: TimerModel) -> TcpConfig {
    TcpConfig { timers, buffers: Buffers::OnePiece, ..TcpConfig::default() }
}
