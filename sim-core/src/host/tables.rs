//! The tables of a host: sockets of every size, and the tuples that lead to them.

use super::index::{Index, Spot};
use super::packet::{Attempt, Hint};
use super::ports::{DestId, Owner};
use super::waiting::Waiting;
use crate::app::{Form, View};
use crate::ids::{HostId, Key, Slab, Tuple};
use crate::net::Path;
use crate::order::Wake;
use crate::socket::Request;
use crate::tcp::{State, TimeWait};
use crate::time::{Span, Time};

/// A full socket with its application, and what the host knows of it.
#[derive(Clone, Debug)]
pub struct Conn {
    /// Its tuple.
    pub tuple: Tuple,
    /// Whose it is.
    pub attempt: Attempt,
    /// Towards which destination it consumes a port.
    pub dest: DestId,
    /// How it got its port.
    pub owner: Owner,
    /// Where the peer keeps its end.
    pub peer: Hint,
    /// The way to the peer.
    pub path: Path,
    /// When the attempt began.
    pub began: Time,
    /// The request that a client's connection is for.
    pub job: Job,
    /// The endpoint's timers, as one.
    pub wake: Wake,
    /// When the application's timer is due.
    pub app_due: Time,
    /// The application's timer.
    pub app_wake: Wake,
    /// What is known of its end.
    pub view: View,
    /// Socket and application.
    pub form: Form,
}

/// A request on its way: it may wait for a connection, and be tried on several.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// When it was wanted.
    pub wanted: Time,
    /// Whether it is neither answered nor given up.
    pub open: bool,
    /// Whether a place in its pool is kept for it.
    pub placed: bool,
    /// Retries that are left.
    pub tries_left: u32,
    /// What is answered when this is answered: the request of a proxy's own client.
    pub front: Option<Front>,
}

/// A request as its server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// The server's host.
    pub host: HostId,
    /// The server's end of its connection.
    pub key: Key,
    /// Which one of that connection, where it carries several at once; else [`Front::ALONE`].
    pub stream: u32,
}

impl Front {
    /// The only request under way on its connection.
    pub const ALONE: u32 = u32::MAX;
}

impl Job {
    /// No request.
    pub const NONE: Job = Job { wanted: Time::ZERO, open: false, placed: false, tries_left: 0, front: None };

    /// A request that is wanted now.
    pub const fn new(now: Time, tries_left: u32) -> Job {
        Job { wanted: now, open: true, tries_left, ..Job::NONE }
    }
}

impl Conn {
    /// A connection that has just come to be.
    pub fn new(now: Time, tuple: Tuple, attempt: Attempt, path: Path, end: (Form, View)) -> Conn {
        Conn {
            tuple,
            attempt,
            dest: DestId::NONE,
            owner: Owner::Explicit,
            peer: Hint::NONE,
            path,
            began: now,
            job: Job::NONE,
            wake: Wake::default(),
            app_due: Time::NEVER,
            app_wake: Wake::default(),
            view: end.1,
            form: end.0,
        }
    }
}

/// An orphan's FIN_WAIT2 as a mini-socket. (TIME_WAITs are rows of their own.)
#[derive(Clone, Debug)]
pub struct Orphan {
    /// The protocol machine.
    pub machine: TimeWait,
    /// Its tuple.
    pub tuple: Tuple,
    /// Whose it was.
    pub attempt: Attempt,
    /// Towards which destination it consumes a port.
    pub dest: DestId,
    /// How it got its port.
    pub owner: Owner,
    /// Its timer.
    pub wake: Wake,
}

/// A request and what the host knows of it.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The protocol machine.
    pub request: Request,
    /// Its tuple.
    pub tuple: Tuple,
    /// Whose it is.
    pub attempt: Attempt,
    /// Where the peer keeps its end.
    pub peer: Hint,
    /// Its timer.
    pub wake: Wake,
    /// Its listener is closed: the next segment, or its timer, ends it.
    pub forsaken: bool,
}

/// Numbers of a conversation that a script leaves open: of its client, and of its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Initial sequence numbers.
    pub isn: [u32; 2],
    /// What either end's timestamp clock shows when the conversation begins.
    pub stamp: [u32; 2],
}

/// A connection whose two ends follow a script. It stands in no table of a host.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Its tuple, seen from the client.
    pub tuple: Tuple,
    /// Whose it is.
    pub attempt: Attempt,
    /// Towards which destination it consumes a port.
    pub dest: DestId,
    /// When it began.
    pub began: Time,
    /// The request that it is for.
    pub job: Job,
    /// Which script it follows, and the place of that one's first step.
    pub script: u32,
    /// See `script`.
    pub first: u32,
    /// The listener of its server, by its place.
    pub listener: u16,
    /// Its numbers.
    pub numbers: Numbers,
    /// Words of the digest that each of its ends repeats in every sentence.
    pub words: [[u64; 2]; 2],
    /// The client's state, while it is a full socket.
    pub state: State,
    /// Each end's last step in the script, plus one.
    pub taken: [u16; 2],
    /// When each end last armed a timer of its endpoint: the number of a push.
    pub armed: [u64; 2],
    /// When each end's application last armed its timer: the number of a push.
    pub app_armed: [u64; 2],
    /// Parts of the script that are queued.
    pub queued: u16,
    /// It has left the script: its ends stand in the tables, and what is still queued are plain packets.
    pub left: bool,
    /// How long its server serves its request, where that is drawn: known from when the server has it.
    pub served: Span,
    /// Where a tracker on its way keeps its entry ([`crate::conntrack::Conntrack::packet_hinted`]).
    pub hint: u32,
    /// Where its tuple stands in the index of its client.
    pub spot: Spot,
}

impl Conversation {
    /// Its tuple as a side sees it: 0 is the client's.
    #[inline]
    pub fn tuple_of(&self, side: usize) -> Tuple {
        if side == 0 { self.tuple } else { self.tuple.reversed() }
    }
}

/// Sockets of conversations that follow a script: they stand in no table, but count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scripted {
    /// Full sockets.
    pub full: u32,
    /// Requests.
    pub requests: u32,
    /// Mini-sockets in FIN_WAIT2.
    pub orphans: u32,
}

/// Every socket of a host.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Full sockets.
    pub conns: Slab<Conn>,
    /// Mini-sockets in TIME_WAIT.
    pub waiting: Waiting,
    /// Mini-sockets in FIN_WAIT2.
    pub orphans: Slab<Orphan>,
    /// Requests.
    pub requests: Slab<Pending>,
    /// What conversations that follow a script have here.
    pub scripted: Scripted,
    /// The established hash.
    pub index: Index,
}
