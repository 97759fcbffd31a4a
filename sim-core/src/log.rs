//! Lines of the kernel's log, as data.

use crate::errno::named;

named! {
    /// A line that the kernel would print.
    LogLine {
        /// nf_conntrack: the table is full and the packet is dropped.
        ConntrackTableFull = "nf_conntrack: nf_conntrack: table full, dropping packet",
        /// The SYN queue is full: cookies are sent.
        SynFloodCookies = "TCP: request_sock_TCP: Possible SYN flooding. Sending cookies.",
        /// The SYN queue is full: the SYN is dropped.
        SynFloodDrop = "TCP: request_sock_TCP: Possible SYN flooding. Dropping request.",
        /// tcp_max_orphans.
        TooManyOrphans = "TCP: too many orphaned sockets",
    }
}
