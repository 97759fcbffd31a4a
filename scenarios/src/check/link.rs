//! `links: [..]`, and who can reach whom.

use std::collections::{BTreeMap, VecDeque};

use sim_core::ids::{Addr, HostId};
use sim_core::rng::Ratio;
use sim_core::scenario::Link;
use sim_core::time::Span;

use super::host::Read;
use crate::read::{Notes, nearest};
use crate::report::Diagnostic;
use crate::syntax::{Node, quoted};

const FIELDS: &[&str] = &["path", "delay", "loss", "duplicate", "reorder", "reorder_delay"];

/// One-way delay of a link that says nothing of it.
const DELAY: Span = Span::from_micros(100);

/// Reads every link.
pub(crate) fn links(notes: &mut Notes, node: &Node, hosts: &[Read]) -> Vec<Link> {
    let items = notes.list(node, "a list of links", "[(path: [\"client\", \"server\"], delay: \"0.5ms\")]");
    let mut links: Vec<Link> = Vec::new();
    for item in items {
        let fields = notes.fields(item, "a link", FIELDS);
        let delay = fields.or(notes, "delay", DELAY, Notes::span);
        let loss = fields.or(notes, "loss", Ratio::ZERO, Notes::ratio);
        let duplicate = fields.or(notes, "duplicate", Ratio::ZERO, Notes::ratio);
        let reorder = fields.or(notes, "reorder", Ratio::ZERO, Notes::ratio);
        let reorder_delay = fields.or(notes, "reorder_delay", Span::ZERO, Notes::span);
        if let Some(node) = fields.get("reorder").filter(|_| reorder.num > 0 && reorder_delay == Span::ZERO) {
            let diagnostic =
                Diagnostic::error(node.place, "reordering without `reorder_delay` reorders nothing");
            notes.error(diagnostic.help("say how long a segment is held back: `reorder_delay: \"2ms\"`"));
        }
        let Some(path) = fields.need(notes, "path", "[\"client\", \"server\"]") else { continue };
        for (a, b) in neighbours(notes, path, hosts) {
            let taken = links.iter().any(|l| (l.a, l.b) == (a, b) || (l.b, l.a) == (a, b));
            if taken {
                let (a, b) = (&hosts[a.index()].host.name, &hosts[b.index()].host.name);
                notes.error(Diagnostic::error(path.place, format!("`{a}` and `{b}` are linked twice")));
                continue;
            }
            links.push(Link { a, b, delay, loss, duplicate, reorder, reorder_delay });
        }
    }
    links
}

/// The pairs of neighbours on a path.
fn neighbours(notes: &mut Notes, path: &Node, hosts: &[Read]) -> Vec<(HostId, HostId)> {
    let items = notes.list(path, "a list of host names", "[\"client\", \"server\"]");
    if items.len() < 2 && matches!(path.kind, crate::syntax::Kind::List(_)) {
        notes.refuse(path.place, "a path joins two hosts or more: for example [\"client\", \"server\"]");
    }
    let ids: Vec<_> = items.iter().map(|item| host_id(notes, item, hosts)).collect();
    let mut pairs = Vec::new();
    for (pair, nodes) in ids.windows(2).zip(items.windows(2)) {
        let [Some(a), Some(b)] = pair else { continue };
        if a == b {
            notes.refuse(nodes[1].place, "a host is no neighbour of itself: loopback needs no link");
        } else {
            pairs.push((*a, *b));
        }
    }
    pairs
}

/// The host of that name.
pub(crate) fn host_id(notes: &mut Notes, node: &Node, hosts: &[Read]) -> Option<HostId> {
    let name = notes.text(node, "the name of a host", "\"client\"")?;
    let id = find_host(name, hosts);
    if id.is_none() {
        unknown_host(notes, node, name, hosts);
    }
    id
}

pub(crate) fn find_host(name: &str, hosts: &[Read]) -> Option<HostId> {
    hosts.iter().position(|h| h.host.name == name).map(|i| HostId(i as u16))
}

pub(crate) fn unknown_host(notes: &mut Notes, node: &Node, name: &str, hosts: &[Read]) {
    let names = || hosts.iter().map(|h| h.host.name.as_str());
    let mut diagnostic = Diagnostic::error(node.place, format!("there is no host {}", quoted(name)));
    if let Some(near) = nearest(name, names()) {
        diagnostic = diagnostic.label(format!("did you mean \"{near}\"?"));
    }
    let all = names().take(12).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
    notes.error(diagnostic.help(format!("the hosts are {all}")));
}

/// Hosts with their links: enough to know who can reach whom.
pub(crate) struct Net<'a> {
    pub(crate) hosts: &'a [Read],
    neighbours: Vec<Vec<(HostId, Span)>>,
    owners: BTreeMap<Addr, HostId>,
}

impl<'a> Net<'a> {
    pub(crate) fn new(hosts: &'a [Read], links: &[Link]) -> Net<'a> {
        let mut neighbours = vec![Vec::new(); hosts.len()];
        for link in links {
            neighbours[link.a.index()].push((link.b, link.delay));
            neighbours[link.b.index()].push((link.a, link.delay));
        }
        let mut owners = BTreeMap::new();
        for (i, read) in hosts.iter().enumerate() {
            for addr in &read.host.addresses {
                owners.entry(*addr).or_insert(HostId(i as u16));
            }
        }
        Net { hosts, neighbours, owners }
    }

    /// Who has an address.
    pub(crate) fn owner(&self, addr: Addr) -> Option<HostId> {
        self.owners.get(&addr).copied()
    }

    /// One-way delay over the route with the fewest links; none if there is no route.
    pub(crate) fn delay(&self, from: HostId, to: HostId) -> Option<Span> {
        let mut best: Vec<Option<Span>> = vec![None; self.hosts.len()];
        let mut queue = VecDeque::from([from]);
        *best.get_mut(from.index())? = Some(Span::ZERO);
        while let Some(at) = queue.pop_front() {
            let so_far = best[at.index()]?;
            if at == to {
                return Some(so_far);
            }
            for &(next, delay) in &self.neighbours[at.index()] {
                if best[next.index()].is_none() {
                    best[next.index()] = Some(so_far + delay);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}
