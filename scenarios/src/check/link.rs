//! `links: [..]`, and who can reach whom.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use sim_core::ids::{Addr, HostId};
use sim_core::rng::Ratio;
use sim_core::scenario::Link;
use sim_core::time::Span;

use super::Input;
use super::host::{HostRead, Hosts};
use crate::read::{Notes, nearest};
use crate::report::Diagnostic;
use crate::section::{Absent, Field, field, names, plain, span, text};
use crate::syntax::{Node, quoted};
use crate::units::show_ratio;

/// Most links: each has two directions, which are counted in 16 bits.
const MOST: usize = 32_767;

/// What is read of a path: the pairs of neighbours on it, and what their links have in common.
pub(crate) struct Path {
    pairs: Vec<(HostId, HostId)>,
    link: Link,
}

impl Path {
    /// One link, as a path of two hosts.
    pub(crate) fn of(link: &Link) -> Path {
        Path { pairs: vec![(link.a, link.b)], link: link.clone() }
    }

    /// A path that says nothing: the defaults.
    pub(crate) fn blank() -> Path {
        Path {
            pairs: Vec::new(),
            link: Link {
                a: HostId(0),
                b: HostId(0),
                delay: Span::from_micros(100),
                loss: Ratio::ZERO,
                duplicate: Ratio::ZERO,
                reorder: Ratio::ZERO,
                reorder_delay: Span::ZERO,
            },
        }
    }
}

/// A share in quotes.
fn share(ratio: Ratio) -> String {
    format!("\"{}\"", show_ratio(ratio))
}

/// The fields of a path of links.
pub(crate) static LINK: &[Field<Path>] = &[
    field!(
        path,
        "list of host names",
        Absent::Wrong("[\"client\", \"server\"]"),
        "two hosts or more, each joined with the next",
        |input, node, path| {
            path.pairs = neighbours(input, node);
            Some(())
        },
        |path, s| {
            let hosts = path.pairs.iter().take(1).flat_map(|(a, b)| [a, b]);
            let names: Vec<_> = hosts.map(|id| text(&s.hosts[id.index()].name)).collect();
            format!("[{}]", names.join(", "))
        }
    ),
    span!(delay, link.delay, "one way, of each link"),
    plain!(loss, link.loss, "share", ratio, share, "share of segments lost"),
    plain!(duplicate, link.duplicate, "share", ratio, share, "share of segments that arrive twice"),
    plain!(reorder, link.reorder, "share", ratio, share, "share of segments held back by `reorder_delay`"),
    span!(reorder_delay, link.reorder_delay, "how long; must be given with `reorder`"),
];

/// Reads every link.
pub(crate) fn links(input: &mut Input<'_>, node: &Node) -> Vec<Link> {
    let example = "[(path: [\"client\", \"server\"], delay: \"0.5ms\")]";
    let mut links: Vec<Link> = Vec::new();
    // Who is linked with whom, the smaller id first, and by which path.
    let mut taken = BTreeMap::new();
    for item in input.notes.list(node, "a list of links", example) {
        let fields = input.notes.fields(item, "a link", &names(LINK));
        let mut path = Path::blank();
        fields.read(input, LINK, &mut path);
        let Path { pairs, link } = path;
        let notes = &mut input.notes;
        if let Some(node) =
            fields.get("reorder").filter(|_| link.reorder.num > 0 && link.reorder_delay == Span::ZERO)
        {
            let message = "reordering without `reorder_delay` reorders nothing";
            let help = "say how long a segment is held back: `reorder_delay: \"2ms\"`";
            notes.error(Diagnostic::error(node.place, message).help(help));
        }
        let mut own = BTreeSet::new();
        for (a, b) in pairs {
            let pair = (a.min(b), a.max(b));
            let first = own.insert(pair);
            let known = taken.insert(pair, item.place);
            if known.is_none() {
                links.push(Link { a, b, ..link.clone() });
            } else if !(first && known == Some(item.place)) {
                // A path that names a host with replicas stands here once for each, with the rest of its links each time.
                let (a, b) = (&input.hosts[a.index()].host.name, &input.hosts[b.index()].host.name);
                let message = format!("`{a}` and `{b}` are linked twice");
                notes.error(Diagnostic::error(fields.place_of("path"), message));
            }
        }
    }
    if links.len() > MOST {
        input.notes.refuse(node.place, format!("{} links are too many: at most {MOST}", links.len()));
        links.truncate(MOST);
    }
    links
}

/// The pairs of neighbours on a path.
fn neighbours(input: &mut Input<'_>, path: &Node) -> Vec<(HostId, HostId)> {
    let Input { notes, hosts, .. } = input;
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
pub(crate) fn host_id(notes: &mut Notes, node: &Node, hosts: &Hosts) -> Option<HostId> {
    let name = notes.text(node, "the name of a host", "\"client\"")?;
    let id = hosts.named(name);
    if id.is_none() {
        unknown_host(notes, node, name, hosts);
    }
    id
}

pub(crate) fn unknown_host(notes: &mut Notes, node: &Node, name: &str, hosts: &[HostRead]) {
    let names = || hosts.iter().map(|h| h.host.name.as_str());
    let mut diagnostic = Diagnostic::error(node.place, format!("there is no host {}", quoted(name)));
    if let Some(near) = nearest(name, names()) {
        diagnostic = diagnostic.label(format!("did you mean \"{near}\"?"));
    }
    let all = names().take(12).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
    notes.error(diagnostic.help(format!("the hosts are {all}")));
}

/// How one host is reached from another.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    /// One-way delay.
    pub(crate) delay: Span,
    /// Some link on the way loses every segment.
    pub(crate) lost: bool,
}

/// The ways from one host: its own link, where it has but one, and on from its neighbour.
#[derive(Clone)]
pub(crate) struct Ways {
    from: HostId,
    first: Way,
    on: Rc<Vec<Option<Way>>>,
}

impl Way {
    const HERE: Way = Way { delay: Span::ZERO, lost: false };

    fn then(self, next: Way) -> Way {
        Way { delay: self.delay + next.delay, lost: self.lost || next.lost }
    }
}

impl Ways {
    /// The way to a host; none if there is no route.
    pub(crate) fn to(&self, host: HostId) -> Option<Way> {
        if host == self.from {
            return Some(Way::HERE);
        }
        let on = self.on.get(host.index()).copied().flatten();
        on.map(|on| self.first.then(on))
    }
}

/// Hosts with their links: enough to know who can reach whom.
#[derive(Default)]
pub(crate) struct Wiring {
    neighbours: Vec<Vec<(HostId, Way)>>,
    owners: BTreeMap<Addr, HostId>,
    /// Ways that have been looked for: a thousand hosts around a router share the router's.
    known: RefCell<BTreeMap<HostId, Rc<Vec<Option<Way>>>>>,
}

impl Wiring {
    pub(crate) fn new(hosts: &[HostRead], links: &[Link]) -> Wiring {
        let mut neighbours = vec![Vec::new(); hosts.len()];
        for link in links {
            let way = Way { delay: link.delay, lost: link.loss.num == link.loss.den };
            neighbours[link.a.index()].push((link.b, way));
            neighbours[link.b.index()].push((link.a, way));
        }
        let mut owners = BTreeMap::new();
        for (i, read) in hosts.iter().enumerate() {
            for addr in &read.host.addresses {
                owners.entry(*addr).or_insert(HostId(i as u16));
            }
        }
        Wiring { neighbours, owners, known: RefCell::default() }
    }

    /// Who has an address.
    pub(crate) fn owner(&self, addr: Addr) -> Option<HostId> {
        self.owners.get(&addr).copied()
    }

    /// The ways from a host, with the fewest links.
    pub(crate) fn ways(&self, from: HostId) -> Ways {
        let (start, first) = match self.neighbours.get(from.index()).map(Vec::as_slice) {
            Some(&[(neighbour, link)]) => (neighbour, link),
            _ => (from, Way::HERE),
        };
        let mut known = self.known.borrow_mut();
        let on = known.entry(start).or_insert_with(|| Rc::new(self.search(start)));
        Ways { from, first, on: Rc::clone(on) }
    }

    /// The way to every host that can be reached.
    fn search(&self, from: HostId) -> Vec<Option<Way>> {
        let mut found: Vec<Option<Way>> = vec![None; self.neighbours.len()];
        if let Some(here) = found.get_mut(from.index()) {
            *here = Some(Way::HERE);
        }
        let mut queue = VecDeque::from([(from, Way::HERE)]);
        while let Some((at, so_far)) = queue.pop_front() {
            for &(next, link) in self.neighbours.get(at.index()).into_iter().flatten() {
                if found[next.index()].is_none() {
                    let way = so_far.then(link);
                    found[next.index()] = Some(way);
                    queue.push_back((next, way));
                }
            }
        }
        found
    }
}
