//! Kernel memory by object: slab object sizes of Linux 6.18 on x86-64, measured with slabtop.

/// A cache of the kernel's objects, as `/proc/slabinfo` and `/sys/kernel/slab` show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub name: &'static str,
    /// What the kernel asks for, bytes (`object_size`).
    pub asked: u64,
    /// What it takes with its padding, bytes (`slab_size`).
    pub bytes: u64,
    /// Objects in a slab (`objs_per_slab`).
    pub per_slab: u32,
    /// Pages of a slab: two to this power (`order`).
    pub order: u32,
}

const fn object(name: &'static str, asked: u64, bytes: u64, per_slab: u32, order: u32) -> Object {
    Object { name, asked, bytes, per_slab, order }
}

/// The caches that connections take objects from.
pub const OBJECTS: [Object; 9] = [
    object("TCP", 2304, 2368, 13, 3),
    object("sock_inode_cache", 768, 832, 19, 2),
    object("dentry", 192, 192, 21, 0),
    object("filp", 184, 192, 21, 0),
    object("tw_sock_TCP", 248, 256, 16, 0),
    object("request_sock_TCP", 312, 320, 12, 0),
    object("tcp_bind_bucket", 128, 128, 32, 0),
    object("tcp_bind2_bucket", 128, 128, 32, 0),
    object("nf_conntrack", 248, 256, 16, 0),
];

/// A full TCP socket over IPv4.
pub const SOCKET: u64 = OBJECTS[0].bytes;
/// A descriptor's inode, dentry and file.
pub const DESCRIPTOR: u64 = OBJECTS[1].bytes + OBJECTS[2].bytes + OBJECTS[3].bytes;
/// A mini-socket.
pub const MINI_SOCKET: u64 = OBJECTS[4].bytes;
/// A request.
pub const REQUEST: u64 = OBJECTS[5].bytes;
/// A port's two bind buckets.
pub const BIND_BUCKETS: u64 = OBJECTS[6].bytes + OBJECTS[7].bytes;
/// A tracked connection.
pub const CONNTRACK_ENTRY: u64 = OBJECTS[8].bytes;
