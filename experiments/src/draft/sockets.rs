//! A list of sockets as tools print it: `ss -tan`, `netstat -tan`, or /proc/net/tcp.

use std::collections::BTreeMap;

use sim_core::ids::{Addr, SockAddr};

/// What a connection was seen doing, as far as a scenario can tell states apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Established.
    Open,
    /// This end closed first, and waits.
    TimeWait,
    /// The other end has closed, this one has not.
    CloseWait,
    /// On its way up or down.
    Passing,
}

/// One connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// What it was doing.
    pub doing: Doing,
    /// This end.
    pub local: SockAddr,
    /// The other end.
    pub peer: SockAddr,
}

/// All sockets of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// Ports that something listens on, each with the longest accept queue; the smallest where several listen.
    pub listeners: BTreeMap<u16, Option<u32>>,
    /// Connections with another machine, over IPv4.
    pub connections: Vec<Connection>,
    /// Connections with this machine itself.
    pub with_itself: u64,
    /// Connections over IPv6.
    pub ipv6: u64,
    /// How many lines could not be read.
    pub unreadable: u64,
    /// The first of these, with its number.
    pub first_unreadable: Option<(usize, String)>,
    /// Whether a heading or a socket was found at all.
    known: bool,
}

/// What a line is.
#[derive(Clone, Copy)]
enum Line {
    Heading,
    Listener(u16, Option<u32>),
    Connection(Doing, End, End),
    /// A socket without a connection.
    Idle,
}

/// One end as it is written.
#[derive(Clone, Copy)]
enum End {
    V4(SockAddr),
    V6,
}

impl Sockets {
    /// Reads a list of sockets. None if it is something else.
    pub fn read(text: &str) -> Option<Sockets> {
        let mut found = Sockets::default();
        for (number, line) in text.lines().enumerate() {
            // Details of `ss -i` and blank lines.
            if line.trim().is_empty() || line.starts_with('\t') {
                continue;
            }
            if let Some(line) = parsed(line) {
                found.take(line);
            } else {
                found.unreadable += 1;
                found.first_unreadable.get_or_insert_with(|| (number + 1, clipped(line)));
            }
        }
        let known = found.known;
        known.then_some(found)
    }

    fn take(&mut self, line: Line) {
        self.known = true;
        match line {
            Line::Heading | Line::Idle => {}
            Line::Listener(port, queue) => {
                let longest = self.listeners.entry(port).or_insert(queue);
                *longest = longest.and_then(|l| queue.map(|q| l.min(q))).or(*longest).or(queue);
            }
            Line::Connection(doing, End::V4(local), End::V4(peer)) => {
                let with_itself =
                    local.addr == peer.addr || local.addr.is_loopback() || peer.addr.is_loopback();
                if with_itself {
                    self.with_itself += 1;
                } else {
                    self.connections.push(Connection { doing, local, peer });
                }
            }
            Line::Connection(..) => self.ipv6 += 1,
        }
    }

    /// How many connections were seen, of whatever kind.
    pub fn total(&self) -> u64 {
        self.connections.len() as u64 + self.with_itself + self.ipv6
    }
}

fn clipped(line: &str) -> String {
    let mut text: String = line.trim().chars().filter(|c| !c.is_control()).take(60).collect();
    if text.len() < line.trim().len() {
        text.push_str("..");
    }
    text
}

fn parsed(line: &str) -> Option<Line> {
    const HEADINGS: [&str; 5] = ["State", "Netid", "Active", "Proto", "sl"];
    let words: Vec<&str> = line.split_whitespace().take(12).collect();
    let first = *words.first()?;
    if HEADINGS.contains(&first) {
        return Some(Line::Heading);
    }
    if first.ends_with(':') {
        return proc_line(&words);
    }
    // `ss -an` and `netstat` begin with the protocol; `netstat` has the state behind the addresses.
    let words = if first.starts_with("tcp") { &words[1..] } else { &words[..] };
    if words.first()?.starts_with(|c: char| c.is_ascii_digit()) {
        let (local, peer, state) = (words.get(2)?, words.get(3)?, words.get(4)?);
        return socket(state, None, local, peer);
    }
    socket(words.first()?, words.get(2)?.parse().ok(), words.get(3)?, words.get(4)?)
}

fn socket(state: &str, queue: Option<u32>, local: &str, peer: &str) -> Option<Line> {
    let state = state.to_ascii_uppercase().replace('_', "-");
    let doing = match state.as_str() {
        "LISTEN" => return Some(Line::Listener(local.rsplit_once(':')?.1.parse().ok()?, queue)),
        "UNCONN" | "CLOSE" | "CLOSED" => return Some(Line::Idle),
        "ESTAB" | "ESTABLISHED" => Doing::Open,
        "TIME-WAIT" => Doing::TimeWait,
        "CLOSE-WAIT" => Doing::CloseWait,
        "SYN-SENT" | "SYN-RECV" | "FIN-WAIT-1" | "FIN-WAIT1" | "FIN-WAIT-2" | "FIN-WAIT2" | "LAST-ACK"
        | "CLOSING" | "NEW-SYN-RECV" => Doing::Passing,
        _ => return None,
    };
    Some(Line::Connection(doing, end(local)?, end(peer)?))
}

/// `10.0.0.1:80`, `10.0.0.1%eth0:80`, `[::ffff:10.0.0.1]:80`, `[fe80::1]:80`.
fn end(text: &str) -> Option<End> {
    let (address, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|&port| port > 0)?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let address = address.split('%').next()?;
    let mapped = address.strip_prefix("::ffff:").unwrap_or(address);
    match mapped.parse::<core::net::IpAddr>().ok()? {
        core::net::IpAddr::V4(v4) => Some(End::V4(SockAddr { addr: Addr(u32::from(v4)), port })),
        core::net::IpAddr::V6(_) => Some(End::V6),
    }
}

/// A line of /proc/net/tcp or /proc/net/tcp6: addresses are hexadecimal, in the byte order of the machine, which is taken
/// to be little-endian.
fn proc_line(words: &[&str]) -> Option<Line> {
    let (local, peer) = (proc_end(words.get(1)?)?, proc_end(words.get(2)?)?);
    // TCP_ESTABLISHED and so on in include/net/tcp_states.h.
    let doing = match u8::from_str_radix(words.get(3)?, 16).ok()? {
        1 => Doing::Open,
        6 => Doing::TimeWait,
        8 => Doing::CloseWait,
        10 => {
            let port = u16::from_str_radix(words[1].rsplit_once(':')?.1, 16).ok()?;
            return Some(Line::Listener(port, None));
        }
        7 => return Some(Line::Idle),
        2..=12 => Doing::Passing,
        _ => return None,
    };
    Some(Line::Connection(doing, local, peer))
}

fn proc_end(text: &str) -> Option<End> {
    let (address, port) = text.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let v4 = match address.len() {
        8 => address,
        // ::ffff:a.b.c.d
        32 => match address.strip_prefix("0000000000000000FFFF0000") {
            Some(v4) => v4,
            None => return Some(End::V6),
        },
        _ => return None,
    };
    let addr = Addr(u32::from_str_radix(v4, 16).ok()?.swap_bytes());
    Some(End::V4(SockAddr { addr, port }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SS: &str = "State      Recv-Q Send-Q Local Address:Port  Peer Address:PortProcess\n\
        LISTEN     0      511          0.0.0.0:8080      0.0.0.0:*\n\
        LISTEN     0      128             [::]:8080         [::]:*\n\
        ESTAB      0      0      10.0.0.1%eth0:8080     10.0.0.9:4000   users:((\"a\",pid=1,fd=3))\n\
        \t cubic wscale:7,7 rto:204\n\
        TIME-WAIT  0      0   [::ffff:10.0.0.1]:8080 [::ffff:10.0.0.9]:4001\n\
        CLOSE-WAIT 1      0          127.0.0.1:9  127.0.0.1:5000\n\
        ESTAB      0      0     [2001:db8::1]:22     [2001:db8::2]:5000\n\
        SYN-SENT   0      1           10.0.0.1:5001      10.0.0.2:http\n\
        ESTAB      0      0           10.0.0.1:50";

    #[test]
    fn a_list_of_ss_is_read() {
        let read = Sockets::read(SS).expect("sockets");
        assert_eq!(read.listeners, BTreeMap::from([(8080, Some(128))]));
        assert_eq!(
            read.connections.iter().map(|c| c.doing).collect::<Vec<_>>(),
            [Doing::Open, Doing::TimeWait]
        );
        assert_eq!(read.connections[1].peer.to_string(), "10.0.0.9:4001");
        assert_eq!((read.with_itself, read.ipv6, read.unreadable), (1, 1, 2));
        assert_eq!(read.first_unreadable.map(|(line, _)| line), Some(9));
    }

    #[test]
    fn netstat_and_proc_say_the_same() {
        let netstat = "Active Internet connections (servers and established)\n\
            Proto Recv-Q Send-Q Local Address           Foreign Address         State\n\
            tcp        0      0 0.0.0.0:8080            0.0.0.0:*               LISTEN\n\
            tcp        0      0 10.77.0.1:49458         10.77.0.2:8080          TIME_WAIT\n";
        let read = Sockets::read(netstat).expect("sockets");
        let proc = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
               0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 0 3\n\
               1: 01004D0A:C132 02004D0A:1F90 06 00000000:00000000 03:00000FF5 00000000     0        0 0 3\n";
        let from_proc = Sockets::read(proc).expect("sockets");
        assert_eq!(read.connections, from_proc.connections);
        assert_eq!(read.listeners, from_proc.listeners);
    }

    #[test]
    fn what_is_no_list_is_none_and_an_empty_list_is_one() {
        for text in ["", "hello\nworld\n", "Tcp: 1 2 3\n", "0: x y z\n"] {
            assert_eq!(Sockets::read(text), None, "{text}");
        }
        let idle =
            Sockets::read("State Recv-Q Send-Q Local Address:Port Peer Address:Port\n").expect("a heading");
        assert_eq!(idle.total(), 0);
    }
}
