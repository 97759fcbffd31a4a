//! Replay of what a real Linux 6.18 kernel did. One module per kind of recording.

pub mod conntrack;
pub mod conntrack_walks;
