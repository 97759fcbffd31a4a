//! Listening sockets.

use crate::time::Span;

/// A listening socket and the application behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Port, on every address of the host.
    pub port: u16,
    /// Argument of listen().
    pub backlog: u32,
    /// When the application begins to accept.
    pub accept_after: Span,
    /// Least time between two accepts; zero accepts at once.
    pub accept_every: Span,
    /// From the news that a connection waits to the accept that takes all that do.
    pub wake_up: Span,
    /// Most accepted connections at once: one thread each. The application accepts no more until one is closed.
    pub connections: u32,
    /// Requests that are served at once; others wait in the application.
    pub workers: u32,
    /// Not open before an event opens it.
    pub closed: bool,
}

impl Listen {
    /// A listener whose application is always ready.
    pub const fn new(port: u16) -> Listen {
        Listen {
            port,
            backlog: 4096,
            accept_after: Span::ZERO,
            accept_every: Span::ZERO,
            wake_up: Span::ZERO,
            connections: u32::MAX,
            workers: u32::MAX,
            closed: false,
        }
    }

    /// Whether the application accepts in the moment in which a connection is there.
    pub fn is_always_ready(&self) -> bool {
        self.accept_every == Span::ZERO && self.wake_up == Span::ZERO
    }
}
