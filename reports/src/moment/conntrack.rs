//! `conntrack -L`.

use std::fmt::Write as _;

use sim_core::ids::Tuple;
use sim_core::record::HostMoment;

/// The flows of a host, one a line (`nfct_snprintf`); nothing where nothing is tracked.
pub fn conntrack(host: &HostMoment) -> String {
    let mut out = String::new();
    for flow in host.flows.iter().flatten() {
        let way = |tuple: Tuple| {
            let Tuple { local, remote } = tuple;
            format!("src={} dst={} sport={} dport={}", local.addr, remote.addr, local.port, remote.port)
        };
        let unreplied = if flow.seen_reply { "" } else { "[UNREPLIED] " };
        let assured = if flow.assured { "[ASSURED] " } else { "" };
        let _ = writeln!(
            out,
            "tcp      6 {} {} {} {unreplied}{} {assured}mark=0 use=1",
            flow.remaining.as_millis() / 1_000,
            flow.state,
            way(flow.original),
            way(flow.reply)
        );
    }
    out
}
