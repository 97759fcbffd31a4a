//! Big worlds in few lines: named parameters, defaults that hosts and others share, ranges of addresses and ports, replicas of
//! a host. All of them are written out in the tree before anything is checked, so that the checks know nothing of them.

use std::collections::{BTreeMap, VecDeque};

use sim_core::ids::Addr;

use crate::read::Notes;
use crate::report::Diagnostic;
use crate::source::Place;
use crate::syntax::{Key, Kind, Node};
use crate::units;

/// Most members of one range, and most replicas of one host.
const MOST: usize = 16_384;
/// Most entries that a whole file may be written out to.
const MOST_IN_ALL: usize = 400_000;

/// Writes everything out.
pub(crate) fn expand(notes: &mut Notes, root: &mut Node) {
    let Kind::Fields(_, fields) = &mut root.kind else { return };
    let params = take(fields, "params");
    let defaults = take(fields, "defaults");
    if let Some(params) = params {
        let known = parameters(notes, &params);
        for (_, node) in fields.iter_mut() {
            insert(notes, node, &known);
        }
    }
    if let Some(defaults) = defaults {
        share(notes, fields, &defaults);
    }
    let mut room = Room { left: MOST_IN_ALL, full: None };
    let replicas = hosts(notes, fields, &mut room);
    links(fields, &replicas, &mut room);
    traffic(notes, fields, &replicas, &mut room);
    if let Some((place, entries)) = room.full {
        let (most, entries) = (units::thousands(MOST_IN_ALL as u128), units::thousands(entries as u128));
        let message =
            format!("written out, the scenario has more than {most} entries: this alone is {entries}");
        let help = "have fewer replicas, or smaller ranges; a source with replicas has each of its destinations once for each of them";
        notes.error(Diagnostic::error(place, message).help(help));
    }
}

/// How many entries more may be written out.
struct Room {
    left: usize,
    /// The first thing for which there was none, and of how many entries it is.
    full: Option<(Place, usize)>,
}

impl Room {
    /// Room for so many of `all`, which stand there for one thing. Once there was none, there is none any more.
    fn take(&mut self, some: usize, place: Place, all: usize) -> bool {
        if some > self.left || self.full.is_some() {
            self.full.get_or_insert((place, all));
            return false;
        }
        self.left -= some;
        true
    }
}

/// Takes a field away.
fn take(fields: &mut Vec<(Key, Node)>, name: &str) -> Option<Node> {
    let at = fields.iter().position(|(key, _)| key.text == name)?;
    Some(fields.remove(at).1)
}

fn get<'n>(fields: &'n mut [(Key, Node)], name: &str) -> Option<&'n mut Node> {
    fields.iter_mut().find(|(key, _)| key.text == name).map(|(_, node)| node)
}

fn parameters(notes: &mut Notes, node: &Node) -> BTreeMap<String, Node> {
    let entries = notes.map(node, "a map of parameters", "{\"rate\": \"500/s\"}");
    entries.iter().map(|(key, node)| (key.text.clone(), node.clone())).collect()
}

/// Puts parameters where a text names one: `"$rate"`.
fn insert(notes: &mut Notes, node: &mut Node, params: &BTreeMap<String, Node>) {
    match &mut node.kind {
        Kind::Text(text) => {
            let Some(name) = text.strip_prefix('$') else { return };
            if let Some(value) = params.get(name) {
                *node = value.clone();
            } else {
                let names: Vec<_> = params.keys().map(String::as_str).collect();
                let mut diagnostic = Diagnostic::error(node.place, format!("there is no parameter `{name}`"));
                if let Some(near) = crate::read::nearest(name, names.iter().copied()) {
                    diagnostic = diagnostic.label(format!("did you mean \"${near}\"?"));
                }
                notes.error(diagnostic.help(format!("the parameters are {}", names.join(", "))));
            }
        }
        Kind::List(items) | Kind::Tuple(_, items) => {
            for item in items {
                insert(notes, item, params);
            }
        }
        Kind::Map(entries) | Kind::Fields(_, entries) => {
            for (_, item) in entries {
                insert(notes, item, params);
            }
        }
        _ => {}
    }
}

/// `defaults: (hosts: (..), links: (..), traffic: (..))`: fields that an entry of those parts has unless it says otherwise.
fn share(notes: &mut Notes, fields: &mut [(Key, Node)], defaults: &Node) {
    let known = ["hosts", "links", "traffic"];
    let shared = notes.fields(defaults, "the section `defaults`", &known);
    for part in known {
        let Some(Node { kind: Kind::Fields(_, defaults), .. }) = shared.get(part) else { continue };
        let complete = |entry: &mut Node| {
            if let Kind::Fields(_, own) = &mut entry.kind {
                for (key, value) in defaults {
                    if own.iter().all(|(have, _)| have.text != key.text) {
                        own.push((key.clone(), value.clone()));
                    }
                }
            }
        };
        match get(fields, part).map(|node| &mut node.kind) {
            Some(Kind::Map(entries)) => entries.iter_mut().for_each(|(_, entry)| complete(entry)),
            Some(Kind::List(items)) => items.iter_mut().for_each(complete),
            _ => {}
        }
    }
}

/// Hosts: ranges of addresses and of listening ports, and replicas. How many there are of each host that has any.
fn hosts(notes: &mut Notes, fields: &mut [(Key, Node)], room: &mut Room) -> BTreeMap<String, usize> {
    let mut replicas = BTreeMap::new();
    let Some(Node { kind: Kind::Map(entries), .. }) = get(fields, "hosts") else { return replicas };
    let mut all = Vec::new();
    for (key, mut host) in std::mem::take(entries) {
        let Kind::Fields(_, own) = &mut host.kind else {
            all.push((key, host));
            continue;
        };
        if let Some(node) = get(own, "addresses") {
            ranges(notes, node, room);
        }
        if let Some(Node { kind: Kind::List(listen), .. }) = get(own, "listen") {
            ports(notes, listen, room);
        }
        let Some(count) = take(own, "replicas") else {
            all.push((key, host));
            continue;
        };
        let Some(count) = notes.integer(&count, 1..=MOST as u64) else { continue };
        replicas.insert(key.text.clone(), count as usize);
        for i in 0..count as usize {
            if !room.take(1, key.place, count as usize) {
                break;
            }
            let mut one = host.clone();
            if let Kind::Fields(_, own) = &mut one.kind
                && let Some(node) = get(own, "addresses")
            {
                shift(notes, node, i, room);
            }
            all.push((Key { text: format!("{}-{}", key.text, i + 1), place: key.place }, one));
        }
    }
    *entries = all;
    replicas
}

/// The addresses of the i-th replica: each block follows the one before.
fn shift(notes: &mut Notes, node: &mut Node, i: usize, room: &mut Room) {
    let node_place = node.place;
    let Kind::List(items) = &mut node.kind else { return };
    let block = items.len();
    if !room.take(block, node_place, block) {
        return;
    }
    for item in items {
        let Kind::Text(text) = &mut item.kind else { continue };
        let Ok(addr) = units::addr(text) else { continue };
        let Some(addr) = u32::try_from(i * block).ok().and_then(|more| addr.0.checked_add(more)) else {
            let message = "there are not so many addresses after this one: have fewer replicas";
            return notes.refuse(item.place, message);
        };
        *text = Addr(addr).to_string();
    }
}

/// Writes ranges in a list of addresses out: `"10.0.0.1-10.0.0.40"`.
fn ranges(notes: &mut Notes, node: &mut Node, room: &mut Room) {
    let Kind::List(items) = &mut node.kind else { return };
    let mut all = Vec::new();
    for item in std::mem::take(items) {
        let range = match &item.kind {
            Kind::Text(text) => text.split_once('-').map(|(a, b)| (units::addr(a), units::addr(b))),
            _ => None,
        };
        let Some((Ok(first), Ok(last))) = range else {
            all.push(item);
            continue;
        };
        let text = |addr| Addr(addr).to_string();
        write_out(notes, &item, (first.0, last.0), room, &mut all, text);
    }
    *items = all;
}

/// A text for each member of a range.
fn write_out(
    notes: &mut Notes,
    item: &Node,
    (first, last): (u32, u32),
    room: &mut Room,
    into: &mut Vec<Node>,
    text: impl Fn(u32) -> String,
) {
    if last < first || (last - first) as usize >= MOST {
        let message = format!("a range goes upward and has at most {MOST} members");
        notes.refuse(item.place, message);
        return;
    }
    for member in first..=last {
        if !room.take(1, item.place, (last - first) as usize + 1) {
            return;
        }
        into.push(Node { place: item.place, kind: Kind::Text(text(member)) });
    }
}

/// A listening socket for each port of a range: `port: "8000-8009"`.
fn ports(notes: &mut Notes, listen: &mut Vec<Node>, room: &mut Room) {
    let mut all = Vec::new();
    for mut socket in std::mem::take(listen) {
        let range = match &mut socket.kind {
            Kind::Fields(_, own) => get(own, "port").and_then(|node| match &node.kind {
                Kind::Text(text) => port_range(text).map(|range| (range, node.clone())),
                _ => None,
            }),
            _ => None,
        };
        let Some((range, node)) = range else {
            all.push(socket);
            continue;
        };
        let mut members = Vec::new();
        write_out(notes, &node, range, room, &mut members, |port| port.to_string());
        for member in members {
            let mut one = socket.clone();
            if let Kind::Fields(_, own) = &mut one.kind
                && let Some(port) = get(own, "port")
                && let Kind::Text(text) = member.kind
            {
                port.kind = Kind::Number(text);
            }
            all.push(one);
        }
    }
    *listen = all;
}

fn port_range(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (units::port(first).ok()?, units::port(last).ok()?);
    Some((u32::from(first), u32::from(last)))
}

/// A link for each replica on a path, for every pair of them if both ends have replicas.
fn links(fields: &mut [(Key, Node)], replicas: &BTreeMap<String, usize>, room: &mut Room) {
    let Some(Node { kind: Kind::List(links), .. }) = get(fields, "links") else { return };
    let mut all = Vec::new();
    let mut rest = VecDeque::from(std::mem::take(links));
    while let Some(mut link) = rest.pop_front() {
        // The first host on the path that has replicas is written out; what comes of that comes by again.
        let Some((position, name, count)) = first_replicated(&mut link, replicas) else {
            all.push(link);
            continue;
        };
        for i in (1..=count).rev() {
            if !room.take(1, link.place, count) {
                break;
            }
            let mut one = link.clone();
            if let Some(Node { kind: Kind::Text(text), .. }) =
                path_of(&mut one).map(|path| &mut path[position])
            {
                *text = format!("{name}-{i}");
            }
            rest.push_front(one);
        }
    }
    *links = all;
}

fn path_of(link: &mut Node) -> Option<&mut Vec<Node>> {
    let Kind::Fields(_, own) = &mut link.kind else { return None };
    match &mut get(own, "path")?.kind {
        Kind::List(path) => Some(path),
        _ => None,
    }
}

fn first_replicated(link: &mut Node, replicas: &BTreeMap<String, usize>) -> Option<(usize, String, usize)> {
    path_of(link)?.iter().enumerate().find_map(|(i, node)| match &node.kind {
        Kind::Text(name) => replicas.get(name).map(|count| (i, name.clone(), *count)),
        _ => None,
    })
}

/// Traffic: destinations that are ranges or replicas, and a source for each replica of the client.
fn traffic(
    notes: &mut Notes,
    fields: &mut [(Key, Node)],
    replicas: &BTreeMap<String, usize>,
    room: &mut Room,
) {
    let Some(Node { kind: Kind::Map(entries), .. }) = get(fields, "traffic") else { return };
    let mut all = Vec::new();
    for (key, mut source) in std::mem::take(entries) {
        let Kind::Fields(_, own) = &mut source.kind else {
            all.push((key, source));
            continue;
        };
        if let Some(node) = get(own, "to") {
            destinations(notes, node, replicas, room);
        }
        if let Some(node) = get(own, "source") {
            ranges(notes, node, room);
        }
        let from = match get(own, "from").map(|node| &node.kind) {
            Some(Kind::Text(name)) => replicas.get(name).map(|count| (name.clone(), *count)),
            _ => None,
        };
        let Some((name, count)) = from else {
            all.push((key, source));
            continue;
        };
        for i in 1..=count {
            let mut one = source.clone();
            let Kind::Fields(_, own) = &mut one.kind else { continue };
            let weight = match get(own, "to").map(|node| &node.kind) {
                Some(Kind::List(to)) => to.len(),
                _ => 1,
            };
            if !room.take(weight, key.place, weight * count) {
                break;
            }
            if let Some(Node { kind: Kind::Text(from), .. }) = get(own, "from") {
                *from = format!("{name}-{i}");
            }
            all.push((Key { text: format!("{}-{i}", key.text), place: key.place }, one));
        }
    }
    *entries = all;
}

/// `"10.0.0.1-10.0.0.9:80"`, `"server:8000-8009"`, `"pod:80"` of a host with replicas, alone or in a list.
fn destinations(notes: &mut Notes, node: &mut Node, replicas: &BTreeMap<String, usize>, room: &mut Room) {
    let items = match &mut node.kind {
        Kind::List(items) => std::mem::take(items),
        _ => vec![node.clone()],
    };
    let alone = items.len() == 1 && !matches!(node.kind, Kind::List(_));
    let mut all = Vec::new();
    for item in items {
        let Kind::Text(text) = &item.kind else {
            all.push(item);
            continue;
        };
        let Some((host, port)) = text.rsplit_once(':') else {
            all.push(item);
            continue;
        };
        let mut hosts = Vec::new();
        let range = host.split_once('-').map(|(a, b)| (units::addr(a), units::addr(b)));
        if let Some((Ok(first), Ok(last))) = range {
            write_out(notes, &item, (first.0, last.0), room, &mut hosts, |addr| Addr(addr).to_string());
        } else if let Some(count) = replicas.get(host) {
            write_out(notes, &item, (1, *count as u32), room, &mut hosts, |i| format!("{host}-{i}"));
        } else {
            hosts.push(Node { place: item.place, kind: Kind::Text(host.to_owned()) });
        }
        for host in hosts {
            let Kind::Text(host) = host.kind else { continue };
            match port_range(port) {
                Some(range) => {
                    write_out(notes, &item, range, room, &mut all, |port| format!("{host}:{port}"));
                }
                None => all.push(Node { place: item.place, kind: Kind::Text(format!("{host}:{port}")) }),
            }
        }
    }
    match <[Node; 1]>::try_from(all) {
        Ok([one]) if alone => *node = one,
        Ok(one) => node.kind = Kind::List(one.into()),
        Err(all) => node.kind = Kind::List(all),
    }
}
