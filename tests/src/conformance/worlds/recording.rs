//! What a kernel made of a world.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::world::World;

/// One recording.
#[derive(Clone, Debug, Deserialize)]
pub struct Recording {
    /// What was run.
    pub world: World,
    /// Settings as they were read back, by host.
    pub sysctl: ReadBack,
    /// The kernel's jiffies when the world began, as nanoseconds.
    pub phase_ns: u64,
    /// What the clients came to, by name.
    pub client: BTreeMap<String, Client>,
    /// Kernel counters that moved, by host.
    pub counters: BTreeMap<String, BTreeMap<String, u64>>,
    /// Numbers once a second, by host.
    pub series: BTreeMap<String, Series>,
    /// Sockets by state every three seconds, by host.
    pub states: BTreeMap<String, Vec<Dump>>,
}

/// Settings as they were read back. One host has those of `c` alone.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ReadBack {
    /// The client's.
    pub c: BTreeMap<String, String>,
    /// The server's.
    #[serde(default)]
    pub s: BTreeMap<String, String>,
}

/// When (seconds), and how many sockets are in each state.
pub type Dump = (f64, BTreeMap<String, u64>);

/// What a client came to.
#[derive(Clone, Debug, Deserialize)]
pub struct Client {
    /// Attempts.
    pub attempted: u64,
    /// Connected.
    pub connected: u64,
    /// All requests answered.
    pub completed: u64,
    /// Any error.
    pub failed: u64,
    /// Requests answered.
    pub answered: u64,
    /// Neither connected nor failed at the end.
    pub pending: u64,
    /// Errors: `call:errno`, how often.
    pub errors: BTreeMap<String, u64>,
    /// When each came first (seconds), and at which attempt.
    pub first: BTreeMap<String, (f64, u64)>,
    /// Time that connect() took, seconds by quantile.
    pub latency: Option<BTreeMap<String, f64>>,
}

/// Numbers once a second. One that is missing was always zero, or is not kept by that host.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Series {
    /// When, seconds.
    pub t: Vec<f64>,
    /// Mini-sockets.
    pub tw: Option<Vec<u64>>,
    /// Full sockets, listeners among them.
    pub inuse: Option<Vec<u64>>,
    /// ESTABLISHED and CLOSE_WAIT.
    pub estab: Option<Vec<u64>>,
    /// Conntrack entries.
    pub ct: Option<Vec<u64>>,
}
