//! Connection tracking as Linux 6.18 does it for TCP: a table of flows, a small machine per flow, and the
//! worker that collects what has expired.
//!
//! Sans-IO: a packet's tuple, its segment and the time go in; a [`CtVerdict`] and [`CtFact`]s come out. There is no timer
//! per entry. An entry carries its expiry; from that moment no lookup finds it, but it is counted in
//! [`Conntrack::len`] until a lookup walks its bucket, or the garbage collector comes by ([`Conntrack::next_gc`]).
//!
//! | file | kernel source it models |
//! | --- | --- |
//! | `config` | the sysctls of Documentation/networking/nf_conntrack-sysctl.rst |
//! | `state` | `tcp_conntracks[]` in net/netfilter/nf_conntrack_proto_tcp.c |
//! | `flow`, `step`, `window` | `struct ip_ct_tcp`; `nf_conntrack_tcp_packet`, `tcp_new`; `tcp_in_window`; same file |
//! | `table`, `buckets` | the hash of net/netfilter/nf_conntrack_core.c |
//! | `tracker` | `nf_conntrack_in`, `__nf_conntrack_alloc`, `early_drop`, `__nf_conntrack_confirm`, same file |
//! | `gc` | `gc_worker`, same file |
//!
//! Left out, for nothing here could observe them: expectations and helpers (so no RELATED), zones, flow offload,
//! SYN proxy, sequence adjustment, races between processors.

mod buckets;
mod config;
mod fact;
mod flow;
mod gc;
mod pool;
mod state;
mod step;
mod table;
mod tracker;
mod window;

#[cfg(test)]
mod tests;

pub use config::{ConntrackConfig, FIRST_GC, Timeouts};
pub use fact::{CtFact, CtState, CtVerdict, Destroyed, DropReason, FactCounts, FactSink, Facts};
pub use flow::SideFlags;
pub use state::{Dir, FlowState};
pub use table::EntryView;
pub use tracker::{Census, Conntrack, NO_HINT};
