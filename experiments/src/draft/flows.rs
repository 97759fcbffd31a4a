//! From sockets and counters to who talks with whom, how often, and who closes.

use std::collections::{BTreeMap, BTreeSet};

use sim_core::ids::{Addr, SockAddr};

use super::Role;
use super::sockets::{Connection, Doing, Sockets};

/// How long TIME_WAIT lasts: `TCP_TIMEWAIT_LEN` in include/net/tcp.h.
pub(super) const TIME_WAIT_S: f64 = 60.0;
/// More sources than these nobody reads.
const MOST_FLOWS: usize = 12;
/// More destinations than these no source names.
const MOST_REMOTES: usize = 200;
/// More addresses of one's own than these no source names.
const MOST_LOCALS: usize = 64;

/// Connections of one kind: to one destination, or to one port of this machine.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListedFlow {
    /// Who opens them: `Client` if this machine does.
    pub(super) opener: Role,
    /// This machine's port, if it is the server.
    pub(super) port: u16,
    /// Destinations, if it is the client.
    pub(super) remotes: BTreeSet<SockAddr>,
    /// This machine's addresses.
    pub(super) locals: BTreeSet<Addr>,
    /// How many other ends were seen.
    pub(super) peers: u64,
    /// How many were established.
    pub(super) open: u64,
    /// How many waited in TIME_WAIT here.
    pub(super) waiting: u64,
    /// How many were in CLOSE_WAIT here.
    pub(super) unclosed: u64,
    /// How many were on their way up or down.
    pub(super) passing: u64,
    /// Connections a second; none if nothing tells.
    pub(super) rate: Option<f64>,
    /// Whether it stands for many that are too small to be named.
    pub(super) rest: bool,
}

impl ListedFlow {
    /// One that was not seen, but must be there.
    pub(super) fn unseen(opener: Role, rate: Option<f64>) -> ListedFlow {
        ListedFlow {
            opener,
            port: 80,
            remotes: BTreeSet::new(),
            locals: BTreeSet::new(),
            peers: 0,
            open: 0,
            waiting: 0,
            unclosed: 0,
            passing: 0,
            rate,
            rest: false,
        }
    }

    /// How many sockets of it were seen.
    pub(super) fn seen(&self) -> u64 {
        self.open + self.waiting + self.unclosed + self.passing
    }

    /// Who closes first: TIME_WAIT is kept by whoever did.
    pub(super) fn first(&self) -> Role {
        // Where nothing was seen, whoever opened.
        match (self.waiting > 0, self.opener) {
            _ if self.seen() == 0 => Role::Client,
            (true, here) => here,
            (false, Role::Client) => Role::Server,
            (false, Role::Server) => Role::Client,
        }
    }

    /// How long a connection stays open by Little's law, if connections come and go.
    pub(super) fn open_s(&self) -> Option<f64> {
        self.rate.filter(|&rate| rate > 0.0).map(|rate| self.open as f64 / rate)
    }

    /// Whether its connections are kept: they live longer than a minute, or nothing tells of new ones.
    pub(super) fn is_kept(&self) -> bool {
        self.open > 0 && self.open_s().is_none_or(|open_s| open_s > 60.0)
    }

    fn add(&mut self, connection: &Connection) {
        match connection.doing {
            Doing::Open => self.open += 1,
            Doing::TimeWait => self.waiting += 1,
            Doing::CloseWait => self.unclosed += 1,
            Doing::Passing => self.passing += 1,
        }
        if self.locals.len() < MOST_LOCALS {
            self.locals.insert(connection.local.addr);
        }
    }

    fn merge(&mut self, other: &ListedFlow) {
        self.open += other.open;
        self.waiting += other.waiting;
        self.unclosed += other.unclosed;
        self.passing += other.passing;
        self.peers += other.peers;
        let (remotes, locals) = (MOST_REMOTES - self.remotes.len(), MOST_LOCALS - self.locals.len());
        self.remotes.extend(other.remotes.iter().take(remotes));
        self.locals.extend(other.locals.iter().take(locals));
        self.rest = true;
    }
}

/// How many connections use a port, as this end's and as the other's.
type Uses = BTreeMap<u16, u64>;

/// Whether this machine is the server of a connection: it listens on the port. A list may name no listeners; then it is the
/// port that more connections use.
fn is_server(sockets: &Sockets, uses: &(Uses, Uses), local: u16, peer: u16) -> bool {
    if !sockets.listeners.is_empty() {
        return sockets.listeners.contains_key(&local);
    }
    let of = |uses: &Uses, port| uses.get(&port).copied().unwrap_or(0);
    let (here, there) = (of(&uses.0, local), of(&uses.1, peer));
    here > there || (here == there && local < peer)
}

/// The flows of a list of sockets, the largest first; what is too small to be named is one flow.
pub(super) fn flows(sockets: &Sockets) -> Vec<ListedFlow> {
    let mut uses = (Uses::new(), Uses::new());
    for connection in &sockets.connections {
        *uses.0.entry(connection.local.port).or_default() += 1;
        *uses.1.entry(connection.peer.port).or_default() += 1;
    }
    let (mut out, mut inward) = (BTreeMap::new(), BTreeMap::new());
    let mut peers: BTreeMap<u16, BTreeSet<Addr>> = BTreeMap::new();
    for connection in &sockets.connections {
        let Connection { local, peer, .. } = *connection;
        if is_server(sockets, &uses, local.port, peer.port) {
            let flow = inward.entry(local.port).or_insert_with(|| ListedFlow::unseen(Role::Server, None));
            flow.port = local.port;
            flow.add(connection);
            peers.entry(local.port).or_default().insert(peer.addr);
        } else {
            let flow = out.entry(peer).or_insert_with(|| ListedFlow::unseen(Role::Client, None));
            flow.remotes.insert(peer);
            flow.peers = 1;
            flow.add(connection);
        }
    }
    for (port, flow) in &mut inward {
        flow.peers = peers.get(port).map_or(0, |peers| peers.len() as u64);
    }
    let mut all = few(out.into_values().collect());
    all.extend(few(inward.into_values().collect()));
    all
}

/// The largest, and one for all others.
fn few(mut flows: Vec<ListedFlow>) -> Vec<ListedFlow> {
    flows.sort_by_key(|flow| core::cmp::Reverse(flow.seen()));
    if flows.len() <= MOST_FLOWS {
        return flows;
    }
    let mut small = flows.split_off(MOST_FLOWS - 1).into_iter();
    if let Some(mut rest) = small.next() {
        small.for_each(|flow| rest.merge(&flow));
        flows.push(rest);
    }
    flows
}

/// Says how many connections a second each flow has. What waits in TIME_WAIT came within the last minute; what the counters
/// count beyond it belongs to flows that the other end closes. Without counters only the first is known. Returns how much
/// was divided by guess among several.
pub(super) fn set_rates(flows: &mut [ListedFlow], total: Option<f64>) -> Option<f64> {
    let by_waiting = |flow: &ListedFlow| flow.waiting as f64 / TIME_WAIT_S;
    let waiting: f64 = flows.iter().map(by_waiting).sum();
    let Some(total) = total else {
        for flow in flows.iter_mut().filter(|flow| flow.waiting > 0) {
            flow.rate = Some(by_waiting(flow));
        }
        return None;
    };
    // Connections on their way up or down tell more of coming and going than those that are just there.
    let moving = flows.iter().any(|flow| flow.waiting == 0 && flow.passing + flow.unclosed > 0);
    let weight = |flow: &ListedFlow| match flow.waiting {
        0 if moving => (flow.passing + flow.unclosed) as f64,
        0 => flow.open as f64,
        _ => 0.0,
    };
    let weights: f64 = flows.iter().map(weight).sum();
    let beyond = total - waiting;
    let shared = beyond > 0.1 * total && weights > 0.0;
    let factor = if shared || waiting <= 0.0 { 1.0 } else { total / waiting };
    let sharers = flows.iter().filter(|flow| weight(flow) > 0.0).count();
    for flow in flows {
        let own = by_waiting(flow) * factor;
        let share = if shared { beyond * weight(flow) / weights } else { 0.0 };
        flow.rate = Some(own + share);
    }
    (shared && sharers > 1).then_some(beyond)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn list(lines: &[(&str, &str, &str, usize)]) -> Sockets {
        let mut text = String::from("State Recv-Q Send-Q Local Address:Port Peer Address:Port\n");
        for (state, local, peer, times) in lines {
            for i in 0..*times {
                let (local, peer) = (
                    local.replace('*', &(40_000 + i).to_string()),
                    peer.replace('*', &(1024 + i).to_string()),
                );
                let _ = writeln!(text, "{state} 0 511 {local} {peer}");
            }
        }
        Sockets::read(&text).expect("sockets")
    }

    #[test]
    fn listeners_tell_who_opens_and_time_wait_who_closes() {
        let sockets = list(&[
            ("LISTEN", "0.0.0.0:8080", "0.0.0.0:0", 1),
            ("TIME-WAIT", "10.0.0.1:8080", "10.0.0.9:*", 600),
            ("TIME-WAIT", "10.0.0.1:*", "10.0.0.2:80", 1200),
            ("ESTAB", "10.0.0.1:*", "10.0.0.3:5432", 20),
        ]);
        let mut flows = flows(&sockets);
        set_rates(&mut flows, None);
        let told: Vec<_> = flows.iter().map(|f| (f.opener, f.first(), f.rate, f.is_kept())).collect();
        assert_eq!(
            told,
            [
                (Role::Client, Role::Client, Some(20.0), false),
                (Role::Client, Role::Server, None, true),
                (Role::Server, Role::Server, Some(10.0), false),
            ]
        );
    }

    #[test]
    fn where_nobody_listens_the_port_that_more_use_is_the_server() {
        let opener = |local, peer, times| flows(&list(&[("ESTAB", local, peer, times)]))[0].opener;
        assert_eq!(opener("10.0.0.1:*", "10.0.0.2:80", 3), Role::Client);
        assert_eq!(opener("10.0.0.1:80", "10.0.0.2:*", 3), Role::Server);
        // One connection tells nothing but its numbers: the smaller port is the server's.
        assert_eq!(opener("10.0.0.1:40000", "10.0.0.2:80", 1), Role::Client);
        assert_eq!(opener("10.0.0.1:80", "10.0.0.2:40000", 1), Role::Server);
        // Several connections from a small port to many large ones, and the other way round.
        assert_eq!(opener("10.0.0.1:50000", "10.0.0.2:*", 3), Role::Server);
    }

    #[test]
    fn counters_divide_what_time_wait_does_not_explain() {
        let sockets = list(&[
            ("TIME-WAIT", "10.0.0.1:*", "10.0.0.2:80", 1200),
            ("ESTAB", "10.0.0.1:*", "10.0.0.2:80", 10),
            ("ESTAB", "10.0.0.1:*", "10.0.0.3:5432", 20),
            ("CLOSE-WAIT", "10.0.0.1:*", "10.0.0.4:81", 1),
        ]);
        let rates = |total| {
            let mut flows = flows(&sockets);
            set_rates(&mut flows, Some(total));
            flows.iter().map(|f| f.rate.expect("all of them")).collect::<Vec<_>>()
        };
        // What is beyond TIME_WAIT goes where connections come and go.
        assert_eq!(rates(30.0), [20.0, 0.0, 10.0]);
        assert_eq!(rates(21.0), [21.0, 0.0, 0.0]);
        assert_eq!(rates(10.0), [10.0, 0.0, 0.0]);
    }

    #[test]
    fn many_small_destinations_are_one_flow() {
        let mut text = String::from("State\n");
        for i in 0..5000 {
            let _ =
                writeln!(text, "TIME-WAIT 0 0 10.0.0.1:{} 10.1.{}.{}:443", 20_000 + i, i / 250, 1 + i % 250);
        }
        let flows = flows(&Sockets::read(&text).expect("sockets"));
        assert_eq!(flows.len(), MOST_FLOWS);
        let rest = &flows[MOST_FLOWS - 1];
        assert_eq!((rest.waiting, rest.remotes.len(), rest.rest), (4989, MOST_REMOTES, true));
    }
}
