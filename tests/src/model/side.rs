//! One host with one tuple: what its tables hold for it, a listener, and the rules about who takes whose place.
//!
//! The smallest driver an endpoint can have. Everything that a step produces goes to the caller's outbox; the time,
//! the parameters and the next initial sequence number are arguments. So a [`Side`] is a value, like the endpoint.

use sim_core::errno::Errno;
use sim_core::seq::Seq;
use sim_core::socket::{self, Listener, Next, Request, SocketMut};
use sim_core::tcp::{
    ConnectParams, Cx, Endpoint, Flags, Input, Outbox, Secrets, Segment, Shared, State, TcpConfig, TimeWait,
};
use sim_core::time::Time;

/// What the table holds for the one tuple there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there are two of these in a world")]
pub enum Slot {
    /// Nothing.
    #[default]
    Empty,
    /// A handshake in progress.
    Request(Request),
    /// A full socket.
    Full(Endpoint),
    /// A mini-socket.
    TimeWait(TimeWait),
}

/// The surroundings of one step.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    /// The moment.
    pub now: Time,
    /// The host's parameters.
    pub cfg: &'a TcpConfig,
    /// The first sequence number of a connection that begins in this step.
    pub isn: Seq,
}

impl Env<'_> {
    fn secrets(&self) -> Secrets {
        Secrets { isn: self.isn, ts_offset: self.isn.0 ^ 0x5555, cookie: 77 }
    }
}

/// One host with one tuple.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Side {
    /// What the host's sockets share.
    pub shared: Shared,
    /// What the tuple leads to.
    pub slot: Slot,
    /// A CLOSED socket that has left the tables while its descriptor is open.
    pub held: Option<Endpoint>,
    /// The listener, if there is one.
    pub listener: Option<Listener>,
}

impl Side {
    /// A host that listens.
    pub fn listening() -> Side {
        Side { listener: Some(Listener::new(8, 4096)), ..Side::default() }
    }

    /// The state of what the tuple leads to; CLOSED if nothing.
    pub fn state(&self) -> State {
        match &self.slot {
            Slot::Empty => State::Closed,
            Slot::Request(request) => request.state(),
            Slot::Full(endpoint) => endpoint.state(),
            Slot::TimeWait(mini) => mini.state(),
        }
    }

    /// Whether nothing is left: no socket of any kind, and the counts balance.
    pub fn is_clean(&self) -> bool {
        let queues = self.listener.map_or((0, 0), |l| (l.syn_queue_len(), l.accept_queue_len()));
        self.slot == Slot::Empty
            && self.held.is_none()
            && queues == (0, 0)
            && (self.shared.mini_sockets, self.shared.orphans) == (0, 0)
    }

    /// When the timer of what the tuple leads to is due.
    pub fn deadline(&self) -> Time {
        match &self.slot {
            Slot::Empty => Time::NEVER,
            Slot::Request(request) => request.deadline(),
            Slot::Full(endpoint) => endpoint.next_deadline().unwrap_or(Time::NEVER),
            Slot::TimeWait(mini) => mini.deadline(),
        }
    }

    /// The socket that the application's descriptor refers to, if it has one.
    pub fn descriptor(&self) -> Option<&Endpoint> {
        match &self.slot {
            Slot::Full(endpoint) if endpoint.has_owner() => Some(endpoint),
            _ => self.held.as_ref(),
        }
    }

    /// connect(). Only on a free tuple; a mini-socket's is free if `tcp_tw_reuse` says so. Answers whether it was.
    pub fn connect(&mut self, env: Env<'_>, out: &mut Outbox) -> bool {
        let mut inherited = None;
        match core::mem::take(&mut self.slot) {
            Slot::Empty => {}
            Slot::TimeWait(mini) => {
                inherited = mini.reusable_by_connect(env.cfg, env.now, false, false);
                if inherited.is_none() {
                    self.slot = Slot::TimeWait(mini);
                    return false;
                }
                mini.taken_over(&mut self.shared, out);
            }
            taken => {
                self.slot = taken;
                return false;
            }
        }
        let params = ConnectParams { secrets: env.secrets(), inherited };
        let mut cx = Cx { now: env.now, cfg: env.cfg, shared: &mut self.shared };
        self.slot = Slot::Full(Endpoint::connect(&mut cx, params, out));
        true
    }

    /// A segment arrives. The application accepts what becomes complete at once.
    pub fn deliver(&mut self, env: Env<'_>, seg: &Segment, out: &mut Outbox) {
        let mut cx = Cx { now: env.now, cfg: env.cfg, shared: &mut self.shared };
        let socket = match &mut self.slot {
            Slot::Empty => SocketMut::None,
            Slot::Request(request) => SocketMut::Request(request),
            Slot::Full(endpoint) => SocketMut::Full(endpoint),
            Slot::TimeWait(mini) => SocketMut::TimeWait(mini),
        };
        let next = socket::receive(&mut cx, socket, self.listener.as_mut(), seg, || env.secrets(), out);
        self.carry_out(next);
    }

    /// The timer of what the tuple leads to is due.
    pub fn fire(&mut self, env: Env<'_>, out: &mut Outbox) {
        let mut cx = Cx { now: env.now, cfg: env.cfg, shared: &mut self.shared };
        let next = match &mut self.slot {
            Slot::Empty => Next::Keep,
            Slot::Request(request) => request.on_timer(&mut cx, self.listener.as_mut(), out).into(),
            Slot::Full(endpoint) => endpoint.step(&mut cx, Input::Timer, out).fate.into(),
            Slot::TimeWait(mini) => mini.on_timer(&mut cx, out).into(),
        };
        self.carry_out(next);
    }

    /// A call on the application's descriptor.
    ///
    /// # Errors
    /// EBADF without a descriptor; otherwise as the call.
    pub fn call(&mut self, env: Env<'_>, input: Input, out: &mut Outbox) -> Result<u32, Errno> {
        let mut cx = Cx { now: env.now, cfg: env.cfg, shared: &mut self.shared };
        match &mut self.slot {
            Slot::Full(endpoint) if endpoint.has_owner() => {
                let step = endpoint.step(&mut cx, input, out);
                self.carry_out(step.fate.into());
                step.answer
            }
            _ => {
                let held = self.held.as_mut().ok_or(Errno::Ebadf)?;
                let step = held.step(&mut cx, input, out);
                if !held.has_owner() {
                    self.held = None;
                }
                step.answer
            }
        }
    }

    /// Does to the tables what a step says.
    fn carry_out(&mut self, next: Next) {
        let slot = match next {
            Next::Keep => return,
            Next::Gone => Slot::Empty,
            Next::TimeWait(mini) => Slot::TimeWait(mini),
            Next::Request(request) => Slot::Request(request),
            Next::Child(endpoint) => {
                if let Some(listener) = &mut self.listener {
                    listener.accepted();
                }
                self.admit_child(endpoint);
                return;
            }
        };
        if let Slot::Full(old) = core::mem::replace(&mut self.slot, slot)
            && old.has_owner()
        {
            self.held = Some(old);
        }
    }

    /// The segment that completes a handshake may end the connection too: such a child never enters the table.
    fn admit_child(&mut self, endpoint: Endpoint) {
        if endpoint.state() == State::Closed {
            self.slot = Slot::Empty;
            self.held = Some(endpoint);
        } else {
            self.slot = Slot::Full(endpoint);
        }
    }
}

/// Flags in the usual notation: `SYN,ACK`; `none` if there are none.
pub fn flag_names(flags: Flags) -> String {
    let names = [
        (Flags::SYN, "SYN"),
        (Flags::FIN, "FIN"),
        (Flags::RST, "RST"),
        (Flags::PSH, "PSH"),
        (Flags::URG, "URG"),
        (Flags::ACK, "ACK"),
    ];
    let set: Vec<&str> = names.iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, name)| *name).collect();
    if set.is_empty() { "none".into() } else { set.join(",") }
}
