//! What is finite on a host, summed up: memory by kind of object, and descriptors.

use sim_core::ids::HostId;
use sim_core::scenario::Limit;

use super::clients::run_text;

/// Three connections that are held.
const HELD: &str = r#"(
    duration: "10s", sample: "1s",
    hosts: {
        "c": (addresses: ["10.0.0.1"], timers: exact, conntrack: on, limits: (open_files: 7)),
        "s": (addresses: ["10.0.0.2"], timers: exact, listen: [(port: 80)]),
    },
    links: [(path: ["c", "s"], delay: "1ms")],
    traffic: {"web": (from: "c", to: "s:80", arrivals: at(["1s", "1s", "1s"]), hold: "60s")},
)"#;

// Bytes, as slabtop shows them on Linux 6.18.
const SOCKET: u64 = 2368;
const DESCRIPTOR: u64 = 832 + 192 + 192;
const MINI_SOCKET: u64 = 256;
const REQUEST: u64 = 320;
const BIND_BUCKETS: u64 = 256;
const ENTRY: u64 = 256;

#[test]
fn memory_is_the_sum_of_what_is_there() {
    let memory =
        |patches: &[&str]| run_text(HELD, patches).hosts.iter().map(|h| h.memory.now).collect::<Vec<_>>();
    let client = 3 * (SOCKET + DESCRIPTOR + BIND_BUCKETS + ENTRY);
    // Of the server's ports there is one, the listener's.
    assert_eq!(memory(&[]), [client, 3 * (SOCKET + DESCRIPTOR) + BIND_BUCKETS]);
    let waiting = 3 * (MINI_SOCKET + BIND_BUCKETS + ENTRY);
    assert_eq!(memory(&["traffic.web.hold=0s"]), [waiting, BIND_BUCKETS]);
    // Handshakes that do not end leave requests at the server.
    let half_open = memory(&["hosts.c.drop=[(segments: syn_ack)]"]);
    assert_eq!(half_open, [client, 3 * REQUEST + BIND_BUCKETS]);
}

#[test]
fn descriptors_have_the_limit_that_is_asked_for() {
    let summary = run_text(HELD, &[]);
    let limits = [0, 1].map(|host| {
        let files = summary.limits.iter().find(|l| l.limit == Limit::OpenFiles(HostId(host)));
        files.map(|l| (l.capacity, l.used.now, l.refused.count))
    });
    assert_eq!(limits, [Some((7, 3, 0)), Some((1_048_576, 3, 0))]);
    let few = run_text(HELD, &["hosts.c.limits.open_files=2"]);
    let files = few.limits.iter().find(|l| l.limit == Limit::OpenFiles(HostId(0)));
    assert_eq!(files.map(|l| (l.capacity, l.used.now, l.refused.count)), Some((2, 2, 1)));
}
