//! The host under test: one tuple, one listener, one descriptor, driven through the simulator's public inputs.

use std::collections::VecDeque;

use sim_core::counter::Counter;
use sim_core::errno::Errno;
use sim_core::seq::Seq;
use sim_core::socket::{Listener, Next, Request, SocketMut, receive};
use sim_core::tcp::config::TimerModel;
use sim_core::tcp::{
    ArmedTimer, ConnectParams, Cx, Endpoint, Flags, Input, Outbox, Poll, Secrets, Segment, Shared, State,
    TcpConfig, TimeWait,
};
use sim_core::time::{Span, Time};

/// What the table of connections holds for the tuple.
#[derive(Debug, Default)]
enum Slot {
    #[default]
    Empty,
    Request(Request),
    /// Index into `sockets`.
    Full(usize),
    TimeWait(TimeWait),
}

/// The timer that sock_diag would show, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub kind: &'static str,
    pub at: Time,
}

/// One host with one tuple.
#[derive(Debug)]
pub(super) struct Replica {
    pub now: Time,
    pub cfg: TcpConfig,
    pub shared: Shared,
    slot: Slot,
    sockets: Vec<Endpoint>,
    listener: Option<Listener>,
    accept_queue: VecDeque<usize>,
    /// The application's descriptor.
    fd: Option<usize>,
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
            shared: Shared::default(),
            slot: Slot::Empty,
            sockets: Vec::new(),
            listener: None,
            accept_queue: VecDeque::new(),
            fd: None,
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

    /// Carries out what a step said, and files what it sent.
    fn settle(&mut self, next: Next) {
        match next {
            Next::Keep => {}
            Next::Gone => self.slot = Slot::Empty,
            Next::TimeWait(tw) => self.slot = Slot::TimeWait(tw),
            Next::Request(req) => self.slot = Slot::Request(req),
            Next::Child(endpoint) => {
                let alive = endpoint.state() != State::Closed;
                self.sockets.push(endpoint);
                let index = self.sockets.len() - 1;
                self.accept_queue.push_back(index);
                self.slot = if alive { Slot::Full(index) } else { Slot::Empty };
            }
        }
        for seg in self.out.segments.drain(..) {
            if let Some(ts) = seg.ts
                && !seg.flags.has(Flags::RST)
                && ts.val != 0
            {
                self.last_tsval = ts.val;
            }
            self.sent.push((self.now, seg));
        }
    }

    fn deadline(&self) -> Time {
        match &self.slot {
            Slot::Empty => Time::NEVER,
            Slot::Request(req) => req.deadline(),
            Slot::Full(index) => self.sockets[*index].next_deadline().unwrap_or(Time::NEVER),
            Slot::TimeWait(tw) => tw.deadline(),
        }
    }

    fn fire(&mut self) {
        let mut cx = Cx { now: self.now, cfg: &self.cfg, shared: &mut self.shared };
        let next = match &mut self.slot {
            Slot::Empty => Next::Keep,
            Slot::Request(req) => req.on_timer(&mut cx, self.listener.as_mut(), &mut self.out).into(),
            Slot::Full(index) => self.sockets[*index].step(&mut cx, Input::Timer, &mut self.out).fate.into(),
            Slot::TimeWait(tw) => tw.on_timer(&mut cx, &mut self.out).into(),
        };
        self.settle(next);
    }

    /// Lets time pass up to `to`, timers firing on the way.
    pub(super) fn advance(&mut self, to: Time) {
        while self.deadline() <= to {
            self.now = self.deadline().max(self.now);
            self.fire();
        }
        self.now = self.now.max(to);
    }

    /// Lets so much time pass.
    pub(super) fn wait(&mut self, span: Span) {
        self.advance(self.now + span);
    }

    /// Delivers a segment from the peer.
    pub(super) fn inject(&mut self, seg: &Segment) {
        let mut cx = Cx { now: self.now, cfg: &self.cfg, shared: &mut self.shared };
        let socket = match &mut self.slot {
            Slot::Empty => SocketMut::None,
            Slot::Request(req) => SocketMut::Request(req),
            Slot::Full(index) => SocketMut::Full(&mut self.sockets[*index]),
            Slot::TimeWait(tw) => SocketMut::TimeWait(tw),
        };
        self.connections += 1;
        let number = self.connections;
        let secrets = || Replica::secrets(number);
        let next = receive(&mut cx, socket, self.listener.as_mut(), seg, secrets, &mut self.out);
        self.settle(next);
    }

    /// One call on a socket.
    fn step(&mut self, index: usize, input: Input) -> Result<u32, Errno> {
        let mut cx = Cx { now: self.now, cfg: &self.cfg, shared: &mut self.shared };
        let step = self.sockets[index].step(&mut cx, input, &mut self.out);
        let in_table = matches!(self.slot, Slot::Full(i) if i == index);
        self.settle(if in_table { step.fate.into() } else { Next::Keep });
        step.answer
    }

    /// A call on the application's descriptor.
    pub(super) fn call(&mut self, input: Input) -> Result<u32, Errno> {
        let Some(index) = self.fd else { return Err(Errno::Ebadf) };
        let answer = self.step(index, input);
        if matches!(input, Input::Close | Input::Abort) {
            self.fd = None;
            return Ok(0);
        }
        answer
    }

    pub(super) fn listen(&mut self, backlog: u32) {
        self.listener = Some(Listener::new(backlog, self.cfg.somaxconn));
    }

    /// connect(); `port_fixed`: bind() chose the port before.
    pub(super) fn connect(&mut self, port_fixed: bool) -> Result<(), Errno> {
        if self.listener.is_some() {
            return Err(Errno::Eaddrinuse);
        }
        let inherited = match &self.slot {
            Slot::Empty => None,
            Slot::TimeWait(tw) => {
                let taken = tw.reusable_by_connect(&self.cfg, self.now, false, port_fixed);
                let Some(inherited) = taken else { return Err(Errno::Eaddrnotavail) };
                Some(inherited)
            }
            Slot::Request(_) | Slot::Full(_) => return Err(Errno::Eaddrnotavail),
        };
        if let Slot::TimeWait(tw) = std::mem::take(&mut self.slot) {
            tw.taken_over(&mut self.shared, &mut self.out);
        }
        self.connections += 1;
        let params = ConnectParams { secrets: Replica::secrets(self.connections), inherited };
        let mut cx = Cx { now: self.now, cfg: &self.cfg, shared: &mut self.shared };
        let endpoint = Endpoint::connect(&mut cx, params, &mut self.out);
        self.sockets.push(endpoint);
        let index = self.sockets.len() - 1;
        self.fd = Some(index);
        self.slot = Slot::Full(index);
        self.settle(Next::Keep);
        Ok(())
    }

    /// bind() to the tuple's local port, without SO_REUSEADDR: anything that still has the port is in the way.
    pub(super) fn bind_exclusively(&self) -> Result<(), Errno> {
        let free = matches!(self.slot, Slot::Empty) && self.listener.is_none();
        if free { Ok(()) } else { Err(Errno::Eaddrinuse) }
    }

    pub(super) fn accept(&mut self) -> Result<(), Errno> {
        let index = self.accept_queue.pop_front().ok_or(Errno::Eagain)?;
        if let Some(listener) = &mut self.listener {
            listener.accepted();
        }
        self.fd = Some(index);
        Ok(())
    }

    pub(super) fn close_listener(&mut self) {
        while let Some(index) = self.accept_queue.pop_front() {
            let _ = self.step(index, Input::Disconnect);
        }
        self.listener = None;
    }

    /// The state of the tuple under the kernel's name.
    pub(super) fn state(&self) -> &'static str {
        match &self.slot {
            Slot::Empty if self.listener.is_some() => "LISTEN",
            Slot::Empty => "CLOSED",
            Slot::Request(_) => "SYN_RECV",
            Slot::Full(index) => self.sockets[*index].state().name(),
            Slot::TimeWait(tw) => tw.state().name(),
        }
    }

    pub(super) fn timer(&self) -> Option<Shown> {
        match &self.slot {
            Slot::Empty => None,
            Slot::Request(req) => Some(Shown { kind: "retransmit", at: req.deadline() }),
            Slot::TimeWait(tw) => Some(Shown { kind: "timewait", at: tw.deadline() }),
            Slot::Full(index) => self.sockets[*index].armed_timer().map(|timer| match timer {
                ArmedTimer::Retransmit(at) => Shown { kind: "retransmit", at },
                ArmedTimer::Persist(at) => Shown { kind: "persist", at },
                ArmedTimer::KeepAlive(at) => Shown { kind: "keepalive", at },
            }),
        }
    }

    /// Whether the tuple is free, as far as the table goes.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.slot, Slot::Empty)
    }

    pub(super) fn has_listener(&self) -> bool {
        self.listener.is_some()
    }
    pub(super) fn can_accept(&self) -> bool {
        !self.accept_queue.is_empty()
    }
    fn socket(&self) -> Option<&Endpoint> {
        self.fd.map(|index| &self.sockets[index])
    }
    pub(super) fn poll(&self) -> Option<Poll> {
        self.socket().map(Endpoint::poll)
    }
    pub(super) fn readable(&self) -> u32 {
        self.socket().map_or(0, Endpoint::readable)
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
            | Counter::TcpExtTCPAutoCorking
    )
}

/// The recorded machine: 6.18, reno, timers either exact or as late as the kernel's wheel.
pub(super) fn recorded_host(timers: TimerModel) -> TcpConfig {
    TcpConfig { timers, ..TcpConfig::default() }
}
