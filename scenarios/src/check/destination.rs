//! Where connections go, and from which addresses.

use std::collections::BTreeSet;

use sim_core::ids::{Addr, HostId, SockAddr};

use super::Input;
use super::host::{HostRead, Hosts};
use super::link::{self, Ways, Wiring};
use crate::read::Notes;
use crate::report::Diagnostic;
use crate::syntax::{Kind, Node, quoted};
use crate::units;

/// The host of a client, and how far the others are from it.
pub(crate) struct Client {
    pub(crate) id: HostId,
    /// The way to each host; none if there is no route.
    ways: Ways,
}

/// Reads where the client runs.
pub(crate) fn client(input: &mut Input<'_>, node: &Node) -> Option<HostId> {
    let Input { notes, hosts, net, client, .. } = input;
    let id = link::host_id(notes, node, hosts)?;
    let read = &hosts[id.index()];
    if read.host.addresses.is_empty() {
        // Where addresses were given, something is wrong with each of them, and that is said there.
        if !read.has_addresses {
            let message = format!("`{}` has no address to connect from", read.host.name);
            let help = "give it one: `addresses: [\"10.0.0.1\"]`";
            notes.error(Diagnostic::error(node.place, message).help(help));
        }
        return None;
    }
    *client = Some(Client { id, ways: net.ways(id) });
    Some(id)
}

/// `"host:port"` or `"address:port"`, one or a list.
pub(crate) fn destinations(input: &mut Input<'_>, node: &Node) -> Vec<SockAddr> {
    let Input { notes, hosts, net, client, .. } = input;
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => core::slice::from_ref(node),
    };
    if items.is_empty() {
        notes.refuse(node.place, "there is no destination: for example \"server:80\"");
    }
    let mut found: Vec<SockAddr> = Vec::new();
    let mut seen = BTreeSet::new();
    for item in items {
        let from = client.as_ref().map(|c| c.id);
        let Some((host, to)) = endpoint(notes, item, from, hosts, net) else { continue };
        if !seen.insert(to) {
            notes.refuse(item.place, format!("the destination {to} is listed twice"));
        }
        if let Some(client) = client {
            reachable(notes, item, client, host, to, hosts);
        }
        found.push(to);
    }
    found
}

/// An address and a port of some host, by name or by number.
pub(crate) fn endpoint(
    notes: &mut Notes,
    node: &Node,
    from: Option<HostId>,
    hosts: &Hosts,
    net: &Wiring,
) -> Option<(HostId, SockAddr)> {
    let text = notes.text(node, "a destination", "\"server:80\"")?;
    let Some((host, port)) = text.rsplit_once(':') else {
        let message = format!("{} has no port: write host and port, as in \"{text}:80\"", quoted(text));
        notes.refuse(node.place, message);
        return None;
    };
    let port = units::port(port).map_err(|message| notes.refuse(node.place, message)).ok();
    if let Some(id) = hosts.named(host) {
        let Some(addr) = hosts[id.index()].host.addresses.first() else {
            notes.error(Diagnostic::error(node.place, format!("`{host}` has no address to connect to")));
            return None;
        };
        return Some((id, SockAddr { addr: *addr, port: port? }));
    }
    let Ok(addr) = units::addr(host) else {
        link::unknown_host(notes, node, host, hosts);
        return None;
    };
    let owner = if addr.is_loopback() { from } else { net.owner(addr) };
    let Some(id) = owner else {
        notes.error(Diagnostic::error(node.place, format!("no host has the address {addr}")));
        return None;
    };
    Some((id, SockAddr { addr, port: port? }))
}

fn reachable(notes: &mut Notes, node: &Node, from: &Client, to: HostId, addr: SockAddr, hosts: &[HostRead]) {
    let (client, server) = (&hosts[from.id.index()].host, &hosts[to.index()].host);
    if from.ways.to(to).is_none() {
        let message = format!("there is no route from `{}` to `{}`", client.name, server.name);
        let help = format!("join them: `links: [(path: [\"{}\", \"{}\"])]`", client.name, server.name);
        notes.error(Diagnostic::error(node.place, message).help(help));
        return;
    }
    if !server.listen.iter().any(|l| l.port == addr.port) {
        let message = format!(
            "nothing listens on port {} of `{}`: every connection will be refused",
            addr.port, server.name
        );
        let ports: Vec<_> = server.listen.iter().map(|l| l.port.to_string()).collect();
        let mut diagnostic = Diagnostic::warning(node.place, message).label("ECONNREFUSED");
        if !ports.is_empty() {
            diagnostic = diagnostic.help(format!("it listens on {}", ports.join(", ")));
        }
        notes.error(diagnostic);
    }
}

/// Reads the client's addresses.
pub(crate) fn sources(input: &mut Input<'_>, node: &Node) -> Option<Vec<Addr>> {
    let Input { notes, hosts, client, .. } = input;
    let host = &hosts[client.as_ref()?.id.index()].host;
    let mut found = Vec::new();
    let (own, mut seen) = (host.addresses.iter().collect::<BTreeSet<_>>(), BTreeSet::new());
    for item in notes.list(node, "a list of addresses", "[\"10.0.0.1\"]") {
        let Some(text) = notes.text(item, "an address", "\"10.0.0.1\"") else { continue };
        match units::addr(text) {
            Ok(addr) if !seen.insert(addr) => notes.refuse(item.place, format!("{addr} is listed twice")),
            Ok(addr) if own.contains(&addr) => found.push(addr),
            Ok(addr) => {
                let own =
                    host.addresses.iter().take(8).map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let message = format!("`{}` does not have the address {addr}", host.name);
                notes.error(Diagnostic::error(item.place, message).help(format!("it has {own}")));
            }
            Err(message) => notes.refuse(item.place, message),
        }
    }
    Some(found)
}
