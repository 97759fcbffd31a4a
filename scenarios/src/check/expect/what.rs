//! What expectations speak of: outcomes, metrics and limits.

use sim_core::errno::Errno;
use sim_core::ids::{HostId, TrafficId};
use sim_core::scenario::{Limit, Metric, Outcome};
use sim_core::tcp::State;

use super::band::Unit;
use super::{Reader, arguments};
use crate::check::destination::endpoint;
use crate::check::link;
use crate::check::traffic::TrafficRead;
use crate::read::{Notes, nearest};
use crate::report::Diagnostic;
use crate::syntax::{Kind, Node, quoted};
use crate::units;

impl Reader<'_> {
    /// `"connected"`, `"EADDRNOTAVAIL"`, `"web.connected"`.
    pub(super) fn outcome(&self, notes: &mut Notes, node: &Node) -> Option<(Option<TrafficId>, Outcome)> {
        let text = notes.text(node, "an outcome", "\"connected\"")?;
        let (prefix, name) = text.rsplit_once('.').map_or((None, text), |(p, n)| (Some(p), n));
        let outcome = outcome_of(name);
        if outcome.is_none() {
            unknown_outcome(notes, node, name);
        }
        let traffic = match prefix {
            Some(name) => Some(self.traffic_id(notes, node, name)?),
            None => None,
        };
        Some((traffic, outcome?))
    }

    pub(super) fn traffic_id(&self, notes: &mut Notes, node: &Node, name: &str) -> Option<TrafficId> {
        let names = || self.names.traffic.iter().map(|t| t.traffic.name.as_str());
        let found = names().position(|n| n == name);
        if found.is_none() {
            let mut diagnostic =
                Diagnostic::error(node.place, format!("there is no traffic source {}", quoted(name)));
            if let Some(near) = nearest(name, names()) {
                diagnostic = diagnostic.label(format!("did you mean \"{near}\"?"));
            }
            let all = names().take(12).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
            notes.error(diagnostic.help(format!("the traffic sources are {all}")));
        }
        found.map(|i| TrafficId(i as u16))
    }

    /// `"client.time_wait"`, `"web.connected"` or `used(conntrack("gateway"))`.
    pub(super) fn metric(&self, notes: &mut Notes, node: &Node) -> Option<Metric> {
        if let Kind::Tuple(Some(name), args) = &node.kind
            && name.text == "used"
            && let [limit] = &args[..]
        {
            return self.limit(notes, limit).map(Metric::Used);
        }
        let text = notes.text(node, "a metric", "\"client.time_wait\"")?;
        let Some((owner, name)) = text.rsplit_once('.') else {
            let message = format!("{} does not say whose", quoted(text));
            let help =
                "write HOST.METRIC, as in \"client.time_wait\", or TRAFFIC.OUTCOME, as in \"web.connected\"";
            notes.error(Diagnostic::error(node.place, message).help(help));
            return None;
        };
        if let Some(outcome) = outcome_of(name) {
            return Some(Metric::Outcome(self.traffic_id(notes, node, owner)?, outcome));
        }
        let known: Vec<_> = metric_suffixes().collect();
        if !known.iter().any(|k| k == name) {
            let mut diagnostic =
                Diagnostic::error(node.place, format!("there is no metric {}", quoted(name)));
            let lower = name.to_lowercase();
            if let Some(near) = nearest(&lower, known.iter().map(String::as_str)) {
                diagnostic = diagnostic.label(format!("did you mean \"{owner}.{near}\"?"));
            }
            notes.error(diagnostic.help(format!("metrics of a host are {}", known.join(", "))));
            return None;
        }
        let Some(host) = self.names.hosts.named(owner) else {
            link::unknown_host(notes, node, owner, self.names.hosts);
            return None;
        };
        host_metric(host, name)
    }

    /// `ports(from: .., to: ..)`, `open_files("client")`, ...
    pub(super) fn limit(&self, notes: &mut Notes, node: &Node) -> Option<Limit> {
        const NAMES: &[&str] = &[
            "ports(from: \"client\", to: \"10.0.0.2:80\")",
            "open_files(\"client\")",
            "tw_buckets(\"client\")",
            "orphans(\"client\")",
            "conntrack(\"gateway\")",
            "accept_queue(\"server:80\")",
            "syn_queue(\"server:80\")",
            "threads(\"server:80\")",
            "workers(\"server:80\")",
            "pool(\"web\")",
        ];
        if let Some(("ports", _)) = node.head()
            && matches!(node.kind, Kind::Fields(..))
        {
            return self.ports(notes, node);
        }
        if let (Some((name, _)), [of]) = (node.head(), arguments(node)) {
            let host = |notes: &mut Notes| link::host_id(notes, of, self.names.hosts);
            match name {
                "open_files" => return host(notes).map(Limit::OpenFiles),
                "tw_buckets" => return host(notes).map(Limit::TwBuckets),
                "orphans" => return host(notes).map(Limit::Orphans),
                "conntrack" => {
                    let id = host(notes)?;
                    if self.names.hosts[id.index()].host.conntrack.is_none() {
                        let message = "conntrack is off on this host, so its table can never be full";
                        notes.error(
                            Diagnostic::error(of.place, message).help("switch it on: `conntrack: on`"),
                        );
                        return None;
                    }
                    return Some(Limit::Conntrack(id));
                }
                "accept_queue" => return self.listener(notes, of).map(|(h, p)| Limit::AcceptQueue(h, p)),
                "syn_queue" => return self.listener(notes, of).map(|(h, p)| Limit::SynQueue(h, p)),
                "threads" => {
                    return self.counted(notes, of, "connections").map(|(h, p)| Limit::Threads(h, p));
                }
                "workers" => return self.counted(notes, of, "workers").map(|(h, p)| Limit::Workers(h, p)),
                "pool" => {
                    let name = notes.text(of, "the name of a traffic source", "\"web\"")?;
                    let id = self.traffic_id(notes, of, name)?;
                    let size = self.names.traffic[id.index()].traffic.pool.map_or(u32::MAX, |p| p.size);
                    if size == u32::MAX {
                        let message = format!("`{name}` has no pool of limited size, so none can run out");
                        notes.error(
                            Diagnostic::error(of.place, message).help("give it one: `pool: (size: 50)`"),
                        );
                        return None;
                    }
                    return Some(Limit::Pool(id));
                }
                _ => {}
            }
        }
        notes.not_one_of(node, "a limit", NAMES);
        None
    }

    fn ports(&self, notes: &mut Notes, node: &Node) -> Option<Limit> {
        let fields = notes.fields(node, "a limit of ports", &["from", "to"]);
        let from = fields.need(notes, "from", "\"client\"");
        let to = fields.need(notes, "to", "\"10.0.0.2:80\"");
        let (from, to) = (from?, to?);
        let text = notes.text(from, "a host or one of its addresses", "\"client\"")?;
        let (host, addr) = if let Ok(addr) = units::addr(text) {
            if let Some(host) = self.names.net.owner(addr) {
                (host, addr)
            } else {
                notes.error(Diagnostic::error(from.place, format!("no host has the address {addr}")));
                return None;
            }
        } else {
            let host = link::host_id(notes, from, self.names.hosts)?;
            (host, *self.names.hosts[host.index()].host.addresses.first()?)
        };
        let (_, to_addr) = endpoint(notes, to, Some(host), self.names.hosts, self.names.net)?;
        let used = |t: &TrafficRead| t.traffic.from == host && t.traffic.to.contains(&to_addr);
        if !self.names.traffic.iter().any(used) {
            let message =
                format!("no traffic goes from `{}` to {to_addr}", self.names.hosts[host.index()].host.name);
            notes.error(Diagnostic::error(node.place, message).label("these ports are never used"));
            return None;
        }
        Some(Limit::Ports { host, from: addr, to: to_addr })
    }

    /// A listener whose application has few of something.
    fn counted(&self, notes: &mut Notes, node: &Node, field: &str) -> Option<(HostId, u16)> {
        let (host, port) = self.listener(notes, node)?;
        let listen = self.names.hosts[host.index()].host.listen.iter().find(|l| l.port == port)?;
        if (if field == "workers" { listen.workers } else { listen.connections }) == u32::MAX {
            let message = format!("the listener has no limit of `{field}`, so it can never be reached");
            notes.error(Diagnostic::error(node.place, message).help(format!("give it one: `{field}: 50`")));
            return None;
        }
        Some((host, port))
    }

    fn listener(&self, notes: &mut Notes, node: &Node) -> Option<(HostId, u16)> {
        let (host, addr) = endpoint(notes, node, None, self.names.hosts, self.names.net)?;
        let listens = self.names.hosts[host.index()].host.listen.iter().any(|l| l.port == addr.port);
        if !listens {
            let name = &self.names.hosts[host.index()].host.name;
            notes.error(Diagnostic::error(
                node.place,
                format!("`{name}` does not listen on port {}", addr.port),
            ));
            return None;
        }
        Some((host, addr.port))
    }
}

/// What the numbers of a metric are.
pub(super) fn unit_of(metric: Metric) -> Unit {
    if matches!(metric, Metric::Memory(_)) { Unit::Bytes } else { Unit::Number }
}

fn outcome_of(name: &str) -> Option<Outcome> {
    Some(match name {
        "attempted" => Outcome::Attempted,
        "connected" => Outcome::Connected,
        "completed" => Outcome::Completed,
        "failed" => Outcome::Failed,
        "requested" => Outcome::Requested,
        "answered" => Outcome::Answered,
        "abandoned" => Outcome::Abandoned,
        "syns_again" => Outcome::SynsAgain,
        "cut_off" => Outcome::CutOff,
        "bytes_lost" => Outcome::BytesLost,
        _ => Outcome::Error(*Errno::OF_ATTEMPTS.iter().find(|e| e.name() == name)?),
    })
}

fn unknown_outcome(notes: &mut Notes, node: &Node, name: &str) {
    let words = [
        "attempted",
        "connected",
        "completed",
        "failed",
        "requested",
        "answered",
        "abandoned",
        "syns_again",
        "cut_off",
        "bytes_lost",
    ];
    let names = || words.into_iter().chain(Errno::OF_ATTEMPTS.iter().map(|e| e.name()));
    let mut diagnostic = Diagnostic::error(node.place, format!("there is no outcome {}", quoted(name)));
    if let Some(near) = nearest(name, names()) {
        diagnostic = diagnostic.label(format!("did you mean \"{near}\"?"));
    }
    notes.error(diagnostic.help(format!("outcomes are {}", names().collect::<Vec<_>>().join(", "))));
}

/// The metrics of a host, after the dot.
fn metric_suffixes() -> impl Iterator<Item = String> {
    let others = ["open_files", "orphans", "conntrack", "memory", "port_probes"];
    State::ALL.iter().map(|s| s.name().to_lowercase()).chain(others.map(str::to_owned))
}

fn host_metric(host: HostId, name: &str) -> Option<Metric> {
    Some(match name {
        "open_files" => Metric::OpenFiles(host),
        "orphans" => Metric::Orphans(host),
        "conntrack" => Metric::Conntrack(host),
        "memory" => Metric::Memory(host),
        "port_probes" => Metric::PortProbes(host),
        _ => Metric::Sockets(host, *State::ALL.iter().find(|s| s.name().to_lowercase() == name)?),
    })
}
