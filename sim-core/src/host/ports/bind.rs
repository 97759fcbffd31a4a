//! bind(): whether a socket may have a port that others own (net/ipv4/inet_connection_sock.c, `inet_csk_bind_conflict`).

use super::{BUCKETS, DestId, Ports};
use crate::ids::Addr;

impl Ports {
    /// The owner of a port towards a destination has set SO_REUSEADDR. A mini-socket that takes its place has it too, until
    /// the port is released.
    pub fn share(&mut self, port: u16, dest: DestId) {
        self.dests[dest.0 as usize].shared.insert(port);
    }

    /// Whether bind() to a port of a local address fails because of sockets and mini-sockets that connections from here
    /// have left on it. Owners at other addresses do not conflict. Owners at this one conflict unless they and the new
    /// socket have set SO_REUSEADDR, here `reuse`; those whose port connect() chose have not.
    ///
    /// Listeners and what they accepted are not asked about: they have no destination.
    pub fn bind_conflict(&self, addr: Addr, port: u16, reuse: bool) -> bool {
        if !self.has_owner(port) {
            return false;
        }
        let here = self.by_source.get(&addr).map_or(&[][..], Vec::as_slice);
        here.iter().map(|&i| &self.dests[i as usize]).any(|dest| {
            let shared = reuse && dest.shared.has(port);
            dest.taken.has(port) && !shared
        })
    }

    /// Whether a port has any owner, at whatever address.
    fn has_owner(&self, port: u16) -> bool {
        let chunk = &self.buckets[port as usize / BUCKETS];
        chunk.as_ref().is_some_and(|chunk| chunk[port as usize % BUCKETS].is_owned())
    }
}
