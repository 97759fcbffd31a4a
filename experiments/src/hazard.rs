//! What a run risks: connections that end without the protection of TIME_WAIT, and what comes of it.
//!
//! A follower looks at every packet and every move. Each packet carries the attempt that it belongs to, so that a segment
//! of a connection that is over is known for one when a newer connection takes it: the danger that TIME_WAIT is there
//! to prevent (RFC 9293 §3.4, RFC 1337).

use core::ops::ControlFlow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sim_core::counter::Counter;
use sim_core::engine::queue::Lanes;
use sim_core::engine::{Record, Sink, Whose, World};
use sim_core::host::{Attempt, Packet};
use sim_core::ids::{HostId, Tuple};
use sim_core::record::Summary;
use sim_core::scenario::{Limit, Scenario};
use sim_core::seq::Seq;
use sim_core::tcp::{Flags, State};
use sim_core::time::Time;

/// What was seen in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hazards {
    /// Connections that were established and have ended, at least at one end, in TIME_WAIT or without.
    pub closes: u64,
    /// Those of them that ended at both ends and were in TIME_WAIT at neither.
    pub unprotected: u64,
    /// Segments with data, FIN or RST that an older connection of the same tuple had sent and a newer one took.
    pub old_segments: u64,
    /// Bytes that were sent on connections without protection and never acknowledged.
    pub bytes_lost: u64,
    /// RSTs that all hosts sent.
    pub resets: u64,
    /// Attempts that found no free tuple.
    pub refused: u64,
}

impl Hazards {
    /// The share of closes without protection.
    pub fn unprotected_share(&self) -> f64 {
        if self.closes == 0 { 0.0 } else { self.unprotected as f64 / self.closes as f64 }
    }

    /// What several runs risked together.
    pub fn sum(runs: &[Hazards]) -> Hazards {
        let of = |field: fn(&Hazards) -> u64| runs.iter().map(field).sum();
        Hazards {
            closes: of(|h| h.closes),
            unprotected: of(|h| h.unprotected),
            old_segments: of(|h| h.old_segments),
            bytes_lost: of(|h| h.bytes_lost),
            resets: of(|h| h.resets),
            refused: of(|h| h.refused),
        }
    }
}

/// Runs a scenario and watches for hazards; nothing if `goes_on` breaks before the end.
pub fn watch(scenario: &Scenario, goes_on: impl Fn() -> ControlFlow<()>) -> Option<(Summary, Hazards)> {
    const SLICE: u64 = 50_000;
    let mut world = World::<Lanes, Watch>::with_sink(scenario, Watch::default());
    while world.advance(SLICE) {
        if goes_on().is_break() {
            return None;
        }
    }
    let mut hazards = world.sink().so_far();
    let summary = world.into_summary();
    let hosts = summary.hosts.iter();
    hazards.resets = hosts.map(|h| h.counters.get(Counter::TcpOutRsts)).sum();
    let ports = summary.limits.iter().filter(|l| matches!(l.limit, Limit::Ports { .. }));
    hazards.refused = ports.map(|l| l.refused.count).sum();
    Some((summary, hazards))
}

/// One direction of a connection: what was sent and what the receiver's kernel acknowledged.
#[derive(Clone, Copy, Debug, Default)]
struct Direction {
    first: Option<Seq>,
    sent: Option<Seq>,
    acked: Option<Seq>,
}

impl Direction {
    fn lost(&self) -> u64 {
        let (Some(first), Some(sent)) = (self.first, self.sent) else { return 0 };
        let known = self.acked.filter(|acked| acked.after(first)).unwrap_or(first);
        u64::try_from(sent.diff(known)).unwrap_or(0)
    }
}

fn later(known: Option<Seq>, seq: Seq) -> Seq {
    known.filter(|known| !seq.after(*known)).unwrap_or(seq)
}

/// A connection with at least one end that has not gone.
#[derive(Clone, Copy, Debug)]
struct Conn {
    /// The host that began it.
    client: HostId,
    /// Ends that are there.
    ends: u8,
    established: bool,
    protected: bool,
    /// From the client, and to it.
    ways: [Direction; 2],
}

#[derive(Debug, Default)]
struct Watch {
    conns: BTreeMap<(u16, u32), Conn>,
    /// Who is at a tuple of a host.
    holders: BTreeMap<(HostId, Tuple), (Attempt, State)>,
    /// An old segment has just reached a newer connection, which has not refused it so far.
    doubtful: bool,
    seen: Hazards,
}

const fn key(attempt: Attempt) -> (u16, u32) {
    (attempt.traffic.0, attempt.number)
}

impl Watch {
    fn so_far(&self) -> Hazards {
        let mut seen = self.seen;
        seen.old_segments += u64::from(self.doubtful);
        seen
    }

    fn settle(&mut self) {
        self.seen.old_segments += u64::from(self.doubtful);
        self.doubtful = false;
    }

    fn sent(&mut self, host: HostId, packet: &Packet) {
        let Some(conn) = self.conns.get_mut(&key(packet.attempt)) else { return };
        let way = usize::from(host != conn.client);
        let seg = &packet.seg;
        if seg.len > 0 {
            let direction = &mut conn.ways[way];
            direction.first.get_or_insert(seg.seq);
            direction.sent = Some(later(direction.sent, seg.seq + seg.len));
        }
        if seg.flags.has(Flags::ACK) {
            let other = &mut conn.ways[1 - way];
            other.acked = Some(later(other.acked, seg.ack));
        }
    }

    fn arrived(&mut self, host: HostId, packet: &Packet) {
        let Some(&(holder, state)) = self.holders.get(&(host, packet.tuple.reversed())) else { return };
        let older = holder.traffic == packet.attempt.traffic && packet.attempt.number < holder.number;
        let seg = &packet.seg;
        let matters = seg.len > 0 || seg.flags.has(Flags::FIN) || seg.flags.has(Flags::RST);
        // A TIME_WAIT takes nothing in.
        self.doubtful = older && matters && !matches!(state, State::Closed | State::TimeWait);
    }

    fn moved(&mut self, whose: &Whose, from: State, to: State) {
        let place = (whose.host, whose.tuple);
        if to == State::Closed {
            if self.holders.get(&place).is_some_and(|(attempt, _)| *attempt == whose.attempt) {
                self.holders.remove(&place);
            }
        } else {
            self.holders.insert(place, (whose.attempt, to));
        }
        let at = key(whose.attempt);
        if from == State::Closed {
            let new = Conn {
                client: whose.host,
                ends: 0,
                established: false,
                protected: false,
                ways: <_>::default(),
            };
            self.conns.entry(at).or_insert(new).ends += 1;
        }
        let Some(conn) = self.conns.get_mut(&at) else { return };
        conn.established |= to == State::Established;
        if to == State::TimeWait && !conn.protected {
            conn.protected = true;
            self.seen.closes += 1;
        }
        if to != State::Closed {
            return;
        }
        conn.ends = conn.ends.saturating_sub(1);
        if conn.ends > 0 {
            return;
        }
        if conn.established && !conn.protected {
            self.seen.closes += 1;
            self.seen.unprotected += 1;
            self.seen.bytes_lost += conn.ways.iter().map(Direction::lost).sum::<u64>();
        }
        self.conns.remove(&at);
    }
}

impl Sink for Watch {
    fn record(&mut self, _at: Time, record: &Record) {
        match record {
            Record::Sent(host, packet) => self.sent(*host, packet),
            Record::Arrived(host, packet) => {
                self.settle();
                self.arrived(*host, packet);
            }
            Record::Refused(..) => self.doubtful = false,
            Record::Moved(whose, step) => self.moved(whose, step.from, step.to),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Run;
    use scenarios::{Patch, Source};

    /// A client with ten ports that opens a connection each 10 ms.
    fn hazards(patches: &[&str]) -> Hazards {
        let text = r#"(
    duration: "20s",
    hosts: {
        "client": (
            addresses: ["10.0.0.1"],
            timers: exact,
            sysctl: {"net.ipv4.ip_local_port_range": "40000 40009"},
        ),
        "server": (addresses: ["10.0.0.2"], timers: exact, listen: [(port: 80)]),
    },
    links: [(path: ["client", "server"], delay: "1ms")],
    traffic: { "web": (from: "client", to: "server:80", arrivals: constant("100/s")) },
)"#;
        let mut run = Run::new(Source::new("ten.ron", text));
        run.patches.extend(patches.iter().map(|p| Patch::parse(p).expect(p)));
        let scenario = run.load().unwrap_or_else(|report| panic!("{report}")).scenario;
        watch(&scenario, || ControlFlow::Continue(())).expect("nobody stops it").1
    }

    #[test]
    fn a_time_wait_protects_and_refuses() {
        let seen = hazards(&[]);
        assert_eq!((seen.closes, seen.unprotected, seen.bytes_lost, seen.old_segments), (10, 0, 0, 0));
        assert_eq!(seen.refused, 1990);
    }

    #[test]
    fn closes_beyond_the_buckets_are_seen() {
        let seen = hazards(&[r#"hosts.client.sysctl."net.ipv4.tcp_max_tw_buckets"=5"#]);
        assert_eq!((seen.closes - seen.unprotected, seen.refused), (5, 0));
        assert!(seen.unprotected > 1900, "{seen:?}");
    }

    #[test]
    fn a_reset_of_the_server_loses_what_was_on_its_way() {
        let reset = ["traffic.web.close=(first: server, how: reset)", "traffic.web.response=100kB"];
        let seen = hazards(&reset);
        assert_eq!((seen.closes, seen.unprotected), (2000, 2000));
        assert!(seen.bytes_lost > 0, "{seen:?}");
        assert_eq!(hazards(&["traffic.web.close=(first: server)"]).bytes_lost, 0);
    }

    #[test]
    fn segments_of_older_connections_are_known_when_newer_ones_take_them() {
        use sim_core::engine::Move;
        use sim_core::host::Hint;
        use sim_core::ids::{Addr, SockAddr, TrafficId};
        use sim_core::tcp::{Segment, Why};

        let of = |number: u32| Attempt { traffic: TrafficId(0), number };
        let near = SockAddr { addr: Addr(1), port: 40_000 };
        let far = SockAddr { addr: Addr(2), port: 80 };
        let tuple = Tuple { local: near, remote: far };
        let server = HostId(1);
        let whose = Whose { host: server, tuple: tuple.reversed(), attempt: of(7) };
        let open = Move { from: State::SynRecv, to: State::Established, last: true };
        let from = |number: u32, len: u32| {
            let seg = Segment { len, flags: Flags::ACK, ..Segment::default() };
            let packet = Packet { tuple, seg, attempt: of(number), from: Hint::NONE, to: Hint::NONE };
            Record::Arrived(server, packet)
        };
        let refused = Record::Refused(whose, Why::Sequence);
        for (records, taken) in [
            (vec![from(7, 100)], 0),
            (vec![from(6, 100)], 1),
            (vec![from(6, 100), refused], 0),
            (vec![from(6, 0)], 0),
            (vec![from(6, 100), from(5, 100), from(7, 1)], 2),
        ] {
            let mut watch = Watch::default();
            watch.record(Time::ZERO, &Record::Moved(whose, open));
            for record in &records {
                watch.record(Time::ZERO, record);
            }
            assert_eq!(watch.so_far().old_segments, taken, "{records:?}");
        }
        // A FIN without data matters as data do, and so does a RST; an ACK alone does not.
        for (flags, taken) in [(Flags::ACK, 0), (Flags::FIN.with(Flags::ACK), 1), (Flags::RST, 1)] {
            let mut old = from(6, 0);
            if let Record::Arrived(_, packet) = &mut old {
                packet.seg.flags = flags;
            }
            let mut watch = Watch::default();
            watch.record(Time::ZERO, &Record::Moved(whose, open));
            watch.record(Time::ZERO, &old);
            assert_eq!(watch.so_far().old_segments, taken, "{flags:?}");
        }
        // A TIME_WAIT takes nothing.
        let mut watch = Watch::default();
        watch.record(
            Time::ZERO,
            &Record::Moved(whose, Move { from: State::FinWait2, to: State::TimeWait, last: true }),
        );
        watch.record(Time::ZERO, &from(6, 100));
        assert_eq!(watch.so_far().old_segments, 0);
    }
}
