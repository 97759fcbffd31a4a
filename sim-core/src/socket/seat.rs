//! The smallest driver: one host with one tuple, one listener at most, and an application with one descriptor.
//!
//! It does for one tuple what the tables of a host do for many, and it is a value, as the endpoint is. So the replayer of recordings,
//! the model checker and the tests share one set of rules about who takes whose place.

use std::collections::VecDeque;

use super::{Listener, Next, Request, SocketMut, receive};
use crate::errno::Errno;
use crate::tcp::{
    ConnectParams, Cx, Endpoint, Input, Out, Secrets, Segment, Shared, State, TcpConfig, TimeWait, TimerKind,
};
use crate::time::Time;

/// The surroundings of one step.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    /// The moment.
    pub now: Time,
    /// The host's parameters.
    pub cfg: &'a TcpConfig,
    /// Keyed numbers for a connection that begins in this step.
    pub secrets: Secrets,
}

impl<'a> Env<'a> {
    fn with(self, shared: &'a mut Shared) -> Cx<'a> {
        Cx::new(self.now, self.cfg, shared)
    }
}

/// What the table of connections holds for the tuple.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "a host has one of these")]
pub enum Slot {
    /// Nothing.
    #[default]
    Empty,
    /// A handshake in progress.
    Request(Request),
    /// A full socket that is not CLOSED.
    Full(Endpoint),
    /// TIME_WAIT, or an orphan's FIN_WAIT2.
    TimeWait(TimeWait),
}

/// One host with one tuple.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seat {
    /// What the host's sockets share.
    pub shared: Shared,
    slot: Slot,
    listener: Option<Listener>,
    /// The accept queue, oldest first. `None` is the child in the table; the others have left it, CLOSED.
    ready: VecDeque<Option<Endpoint>>,
    /// The socket of the application's descriptor, once it has left the table.
    left: Option<Endpoint>,
}

impl Seat {
    /// What the tuple leads to.
    pub const fn slot(&self) -> &Slot {
        &self.slot
    }
    /// The listener, if there is one.
    pub const fn listener(&self) -> Option<&Listener> {
        self.listener.as_ref()
    }
    /// Whether accept() would find a connection.
    pub fn can_accept(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The state of what the tuple leads to; CLOSED if nothing.
    pub const fn state(&self) -> State {
        match &self.slot {
            Slot::Empty => State::Closed,
            Slot::Request(request) => request.state(),
            Slot::Full(endpoint) => endpoint.state(),
            Slot::TimeWait(mini) => mini.state(),
        }
    }

    /// When the timer of what the tuple leads to is due; [`Time::NEVER`] if none runs.
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
            Slot::Full(endpoint) if endpoint.has_owner() && !self.holds_child() => Some(endpoint),
            _ => self.left.as_ref(),
        }
    }

    /// Whether the endpoint in the table waits for accept().
    fn holds_child(&self) -> bool {
        self.ready.iter().any(Option::is_none)
    }

    /// Whether nothing is left: no socket of any kind, and the counts balance. A listener with empty queues may stay.
    pub fn is_vacant(&self) -> bool {
        let queues = self.listener.map_or((0, 0), |l| (l.syn_queue_len(), l.accept_queue_len()));
        self.slot == Slot::Empty
            && self.left.is_none()
            && self.ready.is_empty()
            && queues == (0, 0)
            && (self.shared.mini_sockets, self.shared.orphans) == (0, 0)
    }

    /// listen(); a second one changes the backlog and leaves the queues as they are (`inet_listen`).
    pub fn listen(&mut self, backlog: u32, somaxconn: u32) {
        match &mut self.listener {
            Some(listener) => listener.set_backlog(backlog, somaxconn),
            None => self.listener = Some(Listener::new(backlog, somaxconn)),
        }
    }

    /// Closes the listener, and with it what was never accepted (`inet_csk_listen_stop`). A request stays until its
    /// timer or a segment finds it.
    pub fn unlisten(&mut self, at: Env<'_>, out: &mut impl Out) {
        while let Some(child) = self.ready.pop_front() {
            if let (None, Slot::Full(endpoint)) = (child, &mut self.slot) {
                let step = endpoint.step(&mut at.with(&mut self.shared), Input::Disconnect, out);
                self.carry_out(step.fate.into());
            }
        }
        self.listener = None;
    }

    /// connect(). A descriptor whose socket has left the table is given up first. `port_fixed`: bind() had chosen the
    /// port; whether it could is the caller's matter.
    ///
    /// # Errors
    /// EADDRNOTAVAIL if the tuple is taken: by a mini-socket only if it may not be taken over.
    pub fn connect(&mut self, at: Env<'_>, port_fixed: bool, out: &mut impl Out) -> Result<(), Errno> {
        let inherited = match &self.slot {
            Slot::Empty => None,
            Slot::TimeWait(mini) => Some(
                mini.reusable_by_connect(at.cfg, at.now, false, port_fixed).ok_or(Errno::Eaddrnotavail)?,
            ),
            Slot::Request(_) | Slot::Full(_) => return Err(Errno::Eaddrnotavail),
        };
        if let Slot::TimeWait(mini) = core::mem::take(&mut self.slot) {
            mini.taken_over(&mut self.shared, out);
        }
        let params = ConnectParams { secrets: at.secrets, inherited };
        self.slot = Slot::Full(Endpoint::connect(&mut at.with(&mut self.shared), params, out));
        self.left = None;
        Ok(())
    }

    /// accept(). A descriptor whose socket has left the table is given up first.
    ///
    /// # Errors
    /// EAGAIN if no connection waits, EMFILE if the descriptor refers to one in the table.
    pub fn accept(&mut self) -> Result<(), Errno> {
        let child = self.ready.front().ok_or(Errno::Eagain)?;
        if child.is_some()
            && let Slot::Full(endpoint) = &self.slot
            && endpoint.has_owner()
            && !self.holds_child()
        {
            return Err(Errno::Emfile);
        }
        self.left = self.ready.pop_front().flatten();
        if let Some(listener) = &mut self.listener {
            listener.accepted();
        }
        Ok(())
    }

    /// A segment arrives.
    pub fn deliver(&mut self, at: Env<'_>, seg: &Segment, out: &mut impl Out) {
        let socket = match &mut self.slot {
            Slot::Empty => SocketMut::None,
            Slot::Request(request) => SocketMut::Request(request),
            Slot::Full(endpoint) => SocketMut::Full(endpoint),
            Slot::TimeWait(mini) => SocketMut::TimeWait(mini),
        };
        let mut cx = at.with(&mut self.shared);
        let next = receive(&mut cx, socket, self.listener.as_mut(), seg, || at.secrets, out);
        self.carry_out(next);
    }

    /// The timer of what the tuple leads to is due.
    pub fn fire(&mut self, at: Env<'_>, out: &mut impl Out) {
        let mut cx = at.with(&mut self.shared);
        let next = match &mut self.slot {
            Slot::Empty => Next::Keep,
            Slot::Request(request) => request.on_timer(&mut cx, self.listener.as_mut(), out).into(),
            Slot::Full(endpoint) => endpoint.step(&mut cx, Input::Timer, out).fate.into(),
            Slot::TimeWait(mini) => mini.on_timer(&mut cx, out).into(),
        };
        self.carry_out(next);
    }

    /// A call on the application's descriptor. close() gives the descriptor back.
    ///
    /// # Errors
    /// EBADF without a descriptor; otherwise as the call.
    pub fn call(&mut self, at: Env<'_>, input: Input, out: &mut impl Out) -> Result<u32, Errno> {
        let holds_child = self.holds_child();
        let mut cx = at.with(&mut self.shared);
        match &mut self.slot {
            Slot::Full(endpoint) if endpoint.has_owner() && !holds_child => {
                let step = endpoint.step(&mut cx, input, out);
                self.carry_out(step.fate.into());
                step.answer
            }
            _ => {
                let left = self.left.as_mut().ok_or(Errno::Ebadf)?;
                let step = left.step(&mut cx, input, out);
                if !left.has_owner() {
                    self.left = None;
                }
                step.answer
            }
        }
    }

    /// Asks `when` for each armed timer and moves its deadline there (see [`Endpoint::retime`]).
    pub fn retime(&mut self, mut when: impl FnMut(TimerKind, Time) -> Time) {
        match &mut self.slot {
            Slot::Empty => {}
            Slot::Request(request) => request.retime(when(TimerKind::SynAck, request.deadline())),
            Slot::Full(endpoint) => endpoint.retime(when),
            Slot::TimeWait(mini) => mini.retime(when(TimerKind::TimeWait, mini.deadline())),
        }
    }

    /// Does to the table what a step says.
    fn carry_out(&mut self, next: Next) {
        let slot = match next {
            Next::Keep => return,
            Next::Gone => Slot::Empty,
            Next::TimeWait(mini) => Slot::TimeWait(mini),
            Next::Request(request) => Slot::Request(request),
            Next::Child(endpoint) => self.queue_child(endpoint),
        };
        if let Slot::Full(old) = core::mem::replace(&mut self.slot, slot)
            && old.has_owner()
        {
            let waiting = self.ready.iter_mut().find(|child| child.is_none());
            *waiting.unwrap_or(&mut self.left) = Some(old);
        }
    }

    /// Puts a child into the accept queue; answers what the table is to hold. The segment that completes a handshake
    /// may end the connection too: such a child waits for accept(), but never enters the table.
    fn queue_child(&mut self, endpoint: Endpoint) -> Slot {
        if endpoint.state() == State::Closed {
            self.ready.push_back(Some(endpoint));
            Slot::Empty
        } else {
            self.ready.push_back(None);
            Slot::Full(endpoint)
        }
    }
}
