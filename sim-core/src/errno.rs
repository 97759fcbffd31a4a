//! Error numbers as an application sees them, and the calls that return them.

/// Declares an enum whose variants know their names.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),* }
        impl $name {
            /// Every value, in order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];
            /// The name as people write it.
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }
        }
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}
pub(crate) use named;

named! {
    /// An errno (include/uapi/asm-generic/errno.h); `Timeout` is the application's own patience.
    Errno {
        /// No port or address left for connect().
        Eaddrnotavail = "EADDRNOTAVAIL",
        /// bind() conflict or bind(0) exhausted.
        Eaddrinuse = "EADDRINUSE",
        /// RST in answer to a SYN.
        Econnrefused = "ECONNREFUSED",
        /// RST on a connection.
        Econnreset = "ECONNRESET",
        /// Retransmissions gave up.
        Etimedout = "ETIMEDOUT",
        /// Write after the peer's RST or our own shutdown.
        Epipe = "EPIPE",
        /// Descriptor limit of the process.
        Emfile = "EMFILE",
        /// Not connected.
        Enotconn = "ENOTCONN",
        /// Would block.
        Eagain = "EAGAIN",
        /// connect() has begun.
        Einprogress = "EINPROGRESS",
        /// Bad descriptor.
        Ebadf = "EBADF",
        /// Windows: no buffer space (WSAENOBUFS), which connect() reports when no port is left (Microsoft KB 196271).
        Enobufs = "ENOBUFS",
        /// The application's own timeout ended before the call did.
        Timeout = "TIMEOUT",
        /// The stream ended before the answer had come.
        Eof = "EOF",
        /// The process that called has died.
        Stopped = "STOPPED",
    }
}

impl Errno {
    /// Those in which an attempt of a run can end; the others are answers of calls within one.
    pub const OF_ATTEMPTS: &'static [Errno] = &[
        Errno::Eaddrnotavail,
        Errno::Eaddrinuse,
        Errno::Econnrefused,
        Errno::Econnreset,
        Errno::Etimedout,
        Errno::Epipe,
        Errno::Emfile,
        Errno::Enobufs,
        Errno::Timeout,
        Errno::Eof,
        Errno::Stopped,
    ];
}

named! {
    /// The application call that failed.
    Call {
        /// socket().
        Socket = "socket",
        /// bind().
        Bind = "bind",
        /// connect().
        Connect = "connect",
        /// send().
        Send = "send",
        /// recv().
        Recv = "recv",
        /// accept().
        Accept = "accept",
    }
}
