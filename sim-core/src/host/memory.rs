//! Kernel memory by object, bytes: slab object sizes of Linux 6.18 on x86-64, measured with slabtop.

/// A full TCP socket over IPv4 (`TCP`).
pub const SOCKET: u64 = 2368;
/// A descriptor's inode, dentry and file.
pub const DESCRIPTOR: u64 = 832 + 192 + 192;
/// A mini-socket (`tw_sock_TCP`).
pub const MINI_SOCKET: u64 = 256;
/// A request (`request_sock_TCP`).
pub const REQUEST: u64 = 320;
/// A port's two bind buckets (`tcp_bind_bucket`, `tcp_bind2_bucket`).
pub const BIND_BUCKETS: u64 = 128 + 128;
/// A tracked connection (`nf_conntrack`).
pub const CONNTRACK_ENTRY: u64 = 256;
