//! The tables of a host: sockets of every size, and the tuples that lead to them.

use super::index::Index;
use super::packet::{Attempt, Hint};
use super::ports::{DestId, Owner};
use super::waiting::Waiting;
use crate::app::{Form, View};
use crate::ids::{HostId, Key, Slab, Tuple};
use crate::net::Path;
use crate::order::Wake;
use crate::socket::Request;
use crate::tcp::TimeWait;
use crate::time::Time;

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
    /// The server's end that answers when this is answered: of a proxy's own client.
    pub front: Option<(HostId, Key)>,
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
    /// The established hash.
    pub index: Index,
}
