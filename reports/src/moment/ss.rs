//! `ss -tano`, `ss -lnt`, `ss -s` and `/proc/net/sockstat`.

use std::fmt::Write as _;

use sim_core::ids::SockAddr;
use sim_core::record::HostMoment;
use sim_core::tcp::State;

/// A line of the table.
struct Line {
    state: &'static str,
    queues: (u32, u32),
    ends: [(String, String); 2],
    timer: String,
}

fn end(of: SockAddr) -> (String, String) {
    (of.addr.to_string(), of.port.to_string())
}

fn listeners(host: &HostMoment) -> Vec<Line> {
    let any = || ("0.0.0.0".to_owned(), "*".to_owned());
    let lines = host.listeners.iter().map(|listener| Line {
        state: super::state(State::Listen),
        queues: (listener.waiting, listener.backlog),
        ends: [("0.0.0.0".to_owned(), listener.port.to_string()), any()],
        timer: String::new(),
    });
    lines.collect()
}

/// `ss -lnt`: Recv-Q is how many wait for accept(), Send-Q how many may.
pub fn listening(host: &HostMoment) -> String {
    table(&listeners(host))
}

/// `ss -tano`: every socket with its timer, by address and port.
pub fn sockets(host: &HostMoment) -> String {
    let mut lines = listeners(host);
    let mut sockets: Vec<_> = host.sockets.iter().collect();
    sockets.sort_by_key(|socket| socket.tuple);
    lines.extend(sockets.iter().map(|socket| Line {
        state: super::state(socket.state),
        queues: (socket.recv_q, socket.send_q),
        ends: [end(socket.tuple.local), end(socket.tuple.remote)],
        timer: socket.timer.map_or(String::new(), |timer| {
            format!("timer:({},{},{})", super::timer(timer.kind), super::left(timer.left), timer.retries)
        }),
    }));
    table(&lines)
}

/// Columns as wide as what stands in them; an address stands at the right, its port at the left of the colon's sides.
fn table(lines: &[Line]) -> String {
    let heading = Line {
        state: "State",
        queues: (0, 0),
        ends: [
            ("Local Address".to_owned(), "Port".to_owned()),
            ("Peer Address".to_owned(), "Port".to_owned()),
        ],
        timer: "Process".to_owned(),
    };
    let all = || std::iter::once(&heading).chain(lines);
    let width = |of: &dyn Fn(&Line) -> usize| all().map(of).max().unwrap_or(0);
    let state = width(&|line| line.state.len());
    let (local, port) = (width(&|l| l.ends[0].0.len()), width(&|l| l.ends[0].1.len()));
    let (peer, peer_port) = (width(&|l| l.ends[1].0.len()), width(&|l| l.ends[1].1.len()));
    let mut out = String::new();
    for (i, line) in all().enumerate() {
        let queue = |name: &str, n: u32| if i == 0 { name.to_owned() } else { n.to_string() };
        let (recv_q, send_q) = (queue("Recv-Q", line.queues.0), queue("Send-Q", line.queues.1));
        let [(a, ap), (b, bp)] = &line.ends;
        let text = format!(
            "{:<state$} {recv_q:<6} {send_q:<6} {a:>local$}:{ap:<port$} {b:>peer$}:{bp:<peer_port$} {}",
            line.state, line.timer
        );
        let _ = writeln!(out, "{}", text.trim_end());
    }
    out
}

/// The counts of `/proc/net/sockstat` (`sockstat_seq_show`, net/ipv4/proc.c).
struct Counts {
    /// Sockets with a place in a hash table, listening ones among them.
    inuse: u64,
    orphans: u64,
    tw: u64,
    /// Sockets that are allocated.
    alloc: u64,
    established: u64,
}

fn counts(host: &HostMoment) -> Counts {
    // Requests are no sockets, and mini-sockets are counted apart.
    let full = |state: State, owned_or_alive: bool| {
        !matches!(state, State::TimeWait | State::SynRecv) && owned_or_alive
    };
    let mini_fin_wait2 = |s: &&sim_core::record::SocketView| {
        s.state == State::FinWait2 && s.timer.is_some_and(|t| t.kind == sim_core::tcp::TimerKind::TimeWait)
    };
    let minis = host.sockets.iter().filter(mini_fin_wait2).count() as u64;
    let hashed = host.sockets.iter().filter(|s| full(s.state, true)).count() as u64 - minis;
    let listeners = host.listeners.len() as u64;
    let in_state = |state| host.sockets.iter().filter(|s| s.state == state).count() as u64;
    Counts {
        inuse: hashed + listeners,
        orphans: host.summary.orphans.now,
        tw: host.summary.mini_sockets.now,
        alloc: hashed + listeners + host.closed,
        established: in_state(State::Established) + in_state(State::CloseWait),
    }
}

/// `/proc/net/sockstat`. Pages of buffers (`mem`) are not modelled: 0.
pub fn sockstat(host: &HostMoment) -> String {
    let Counts { inuse, orphans, tw, alloc, .. } = counts(host);
    format!(
        "sockets: used {alloc}\nTCP: inuse {inuse} orphan {orphans} tw {tw} alloc {alloc} mem 0\nUDP: inuse 0 mem 0\n\
         UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n"
    )
}

/// `ss -s`. As there, `closed` is what is allocated and not hashed, with the mini-sockets added (`print_summary`).
pub fn summary(host: &HostMoment) -> String {
    let Counts { inuse, orphans, tw, alloc, established } = counts(host);
    let closed = (alloc + tw).saturating_sub(inuse);
    let mut out = format!(
        "Total: {alloc}\nTCP:   {} (estab {established}, closed {closed}, orphaned {orphans}, timewait {tw})\n\n",
        alloc + tw
    );
    out.push_str("Transport Total     IP        IPv6\n");
    for (name, n) in [("RAW", 0), ("UDP", 0), ("TCP", inuse), ("INET", inuse), ("FRAG", 0)] {
        let _ = writeln!(out, "{name}\t  {n:<9} {n:<9} {:<9}", 0);
    }
    out.push('\n');
    out
}
