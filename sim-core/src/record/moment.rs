//! One moment of a run: every socket and every flow, as `ss` and `conntrack -L` list them.

use super::HostSummary;
use crate::conntrack::EntryView;
use crate::ids::{TrafficId, Tuple};
use crate::tcp::{State, TimerKind};
use crate::time::{Span, Time};

/// A timer that runs, as sock_diag reports it (`inet_sk_diag_fill`, net/ipv4/inet_diag.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownTimer {
    /// Which. A loss probe is shown as a retransmission, delayed ACKs are not shown.
    pub kind: TimerKind,
    /// What is left of it.
    pub left: Span,
    /// How often it has fired in vain.
    pub retries: u8,
}

/// A socket other than a listening one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketView {
    /// Its state.
    pub state: State,
    /// Its tuple.
    pub tuple: Tuple,
    /// The traffic source and the number of the attempt that it belongs to.
    pub attempt: (TrafficId, u32),
    /// Bytes received and not yet read.
    pub recv_q: u32,
    /// Bytes not yet acknowledged.
    pub send_q: u32,
    /// Its timer.
    pub timer: Option<ShownTimer>,
    /// A process has its descriptor.
    pub owned: bool,
}

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerView {
    /// Its port, on every address.
    pub port: u16,
    /// Connections that wait for accept().
    pub waiting: u32,
    /// How many may wait: what listen() asked for, at most `somaxconn`.
    pub backlog: u32,
}

/// Everything of a host at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostMoment {
    /// Listening sockets, in the order of the scenario.
    pub listeners: Vec<ListenerView>,
    /// Sockets with a tuple, mini-sockets and requests among them, by state and tuple.
    pub sockets: Vec<SocketView>,
    /// Flows of its connection tracker by original tuple; none without a tracker.
    pub flows: Option<Vec<EntryView>>,
    /// Gauges and counters.
    pub summary: HostSummary,
    /// Full sockets whose tuple leads nowhere: only a descriptor is left of them.
    pub closed: u64,
}

/// A moment of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When: what happens at this very time has not happened yet.
    pub at: Time,
    /// By host, in the scenario's order.
    pub hosts: Vec<HostMoment>,
}
