//! A world as plain data: what a recorder sets up on a kernel and what a simulator is told. It knows neither.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where the hosts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Client and server, joined.
    Direct,
    /// A router in between.
    Router,
    /// One host that talks to itself.
    Loop,
}

/// Something for the client's side and for the server's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sides<T> {
    /// The client's.
    pub c: T,
    /// The server's. On one host it is the client's that counts.
    pub s: T,
}

/// A whole world. Times are seconds, sizes bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// The number that it was drawn from.
    pub seed: u64,
    /// Where the hosts are.
    pub kind: Kind,
    /// Client's addresses.
    pub client_ips: Vec<String>,
    /// Server's addresses.
    pub server_ips: Vec<String>,
    /// An address that answers nothing.
    #[serde(default)]
    pub dark: Option<String>,
    /// Settings beyond the kernel's defaults, a number or a text each.
    pub sysctl: Sides<BTreeMap<String, Value>>,
    /// Descriptors that may be opened, if there is a limit.
    pub nofile: Sides<Option<u32>>,
    /// Listening sockets of the server.
    pub listen: Vec<Listen>,
    /// Clients.
    pub traffic: Vec<Traffic>,
    /// Connection tracking: `where` is `c`, `s` or `r`; the rest are settings without `net.netfilter.nf_conntrack_`.
    pub conntrack: Option<BTreeMap<String, Value>>,
    /// Length.
    pub duration: f64,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Port.
    pub port: u16,
    /// Argument of listen().
    pub backlog: u32,
    /// When the application begins to accept; negative: never.
    pub accept_after: f64,
    /// Pause between two accepts; zero: none.
    pub accept_every: f64,
}

/// When connections are wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Arrivals {
    /// So many a second.
    Constant {
        /// Rate.
        rate: u64,
    },
    /// A closed loop.
    Workers {
        /// How many.
        n: u32,
    },
    /// At these times after the start.
    At {
        /// Seconds, ascending.
        at: Vec<f64>,
    },
    /// Lengths and rates, one after the other.
    Phases {
        /// (seconds, a second).
        phases: Vec<(f64, u64)>,
    },
}

/// Who closes first, how, and what the other side does then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// `client` or `server`.
    pub first: String,
    /// `graceful`, `half_close`, `reset` or `never`.
    pub how: String,
    /// Seconds until the other side closes; negative: never.
    pub other: f64,
}

/// What a client does about a failed attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Seconds before it tries again.
    pub after: f64,
    /// How often at most.
    pub times: u32,
}

/// Ports of the client's own choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    /// The first.
    pub lo: u16,
    /// The last.
    pub hi: u16,
    /// SO_REUSEADDR.
    pub reuseaddr: bool,
}

/// A client application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Name.
    pub name: String,
    /// Destinations, used in turn.
    pub to: Vec<(String, u16)>,
    /// Source addresses, used in turn.
    pub source: Vec<String>,
    /// When connections are wanted.
    pub arrivals: Arrivals,
    /// The beginning.
    pub start: f64,
    /// No attempt from then on.
    pub stop: f64,
    /// Size of a request.
    pub request: u32,
    /// Size of a response.
    pub response: u32,
    /// From request to response, at the server.
    pub service: f64,
    /// Requests for each connection.
    pub rpc: u32,
    /// Between a response and the next request.
    pub think: f64,
    /// How long the first closer waits after the last response.
    pub hold: f64,
    /// Close.
    pub close: Close,
    /// Patience with connect().
    pub connect_timeout: Option<f64>,
    /// What to do about a failed attempt.
    pub retry: Option<Retry>,
    /// Ports of its own choice.
    pub port: Option<Ports>,
}

impl World {
    /// Settings of the host at the server's end.
    pub fn server_sysctl(&self) -> &BTreeMap<String, Value> {
        if self.kind == Kind::Loop { &self.sysctl.c } else { &self.sysctl.s }
    }

    /// Why nothing but the scheduling of the recorder's processes decides what comes of it, if so.
    pub fn left_to_scheduling(&self) -> Option<&'static str> {
        let setting = |name: &str| self.server_sysctl().get(name).and_then(number);
        let somaxconn = setting("net.core.somaxconn").unwrap_or(4096);
        for t in &self.traffic {
            for listen in self.listen.iter().filter(|l| t.to.iter().any(|(_, port)| *port == l.port)) {
                let room = u64::from(listen.backlog).min(somaxconn) + 1;
                let at_once = listen.accept_every == 0.0 && listen.accept_after >= 0.0;
                if at_once && t.at_once(listen.accept_after) > room {
                    return Some("a burst larger than the backlog, accepted at once");
                }
            }
        }
        None
    }
}

impl Traffic {
    /// How many connections are wanted at one moment, at most, once the server accepts. Workers come back together, long after that.
    fn at_once(&self, accept_after: f64) -> u64 {
        match &self.arrivals {
            Arrivals::Constant { .. } | Arrivals::Phases { .. } => 1,
            Arrivals::Workers { n } => u64::from(*n),
            Arrivals::At { at } => {
                let bursts = at.chunk_by(|a, b| b - a < 0.01);
                let accepted = bursts.filter(|burst| self.start + burst[0] >= accept_after);
                accepted.map(<[f64]>::len).max().unwrap_or(0) as u64
            }
        }
    }
}

/// A setting that is a number.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}
