//! The finite things of a host: ports, tuples, sockets, descriptors, memory.

pub mod ports;
