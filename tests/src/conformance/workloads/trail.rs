//! What is kept of a run: the summary, each move, and the packets that matter.

use std::collections::BTreeMap;

use experiments::Run;
use sim_core::engine::queue::Lanes;
use sim_core::engine::{Move, Record, Sink, Whose, World};
use sim_core::host::Packet;
use sim_core::ids::{HostId, TrafficId, Tuple};
use sim_core::record::Summary;
use sim_core::scenario::Scenario;
use sim_core::tcp::{Flags, State};
use sim_core::time::Time;

/// Where a packet was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Leaving the host that made it.
    Sent,
    /// Reaching the host that it is for.
    Arrived,
}

/// Moves and packets of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    all_packets: bool,
    /// Each move, in order.
    pub(super) moves: Vec<(Time, Whose, Move)>,
    /// Packets at the ends of their way.
    pub(super) packets: Vec<(Time, Place, HostId, Packet)>,
    /// Each accept().
    pub(super) accepted: Vec<(Time, Whose)>,
}

impl Sink for Trail {
    fn record(&mut self, at: Time, record: &Record) {
        let mut packet = |place, host, packet: &Packet| {
            let marks = Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0;
            if self.all_packets || packet.seg.flags.0 & marks != 0 {
                self.packets.push((at, place, host, *packet));
            }
        };
        match record {
            Record::Sent(host, seg) => packet(Place::Sent, *host, seg),
            Record::Arrived(host, seg) => packet(Place::Arrived, *host, seg),
            Record::Accepted(whose) => self.accepted.push((at, *whose)),
            Record::Moved(whose, step) => self.moves.push((at, *whose, *step)),
            _ => {}
        }
    }
}

/// One connection as its client saw it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    /// Its tuple, from the client's side.
    pub(super) tuple: Tuple,
    /// When connect() was called.
    pub(super) began: Time,
    /// When connect() succeeded.
    pub(super) established: Option<Time>,
    /// When the client shut its side, or the connection ended.
    pub(super) closed: Option<Time>,
    /// Where its socket is at the end.
    pub(super) state: State,
}

impl Connection {
    /// Whether the client still has its descriptor: it neither failed nor closed.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::SynSent | State::SynRecv | State::Established | State::CloseWait)
    }
}

/// A run with its trail.
pub(super) struct Observed {
    /// The scenario.
    pub(super) scenario: Scenario,
    /// What it came to.
    pub(super) summary: Summary,
    /// What happened.
    pub(super) trail: Trail,
}

/// Runs a scenario and keeps its trail.
pub(super) fn observe(run: &Run, all_packets: bool) -> Result<Observed, String> {
    let scenario = run.load().map_err(|report| report.to_string())?.scenario;
    let trail = Trail { all_packets, ..Trail::default() };
    let mut world: World<Lanes, Trail> = World::with_sink(&scenario, trail);
    while world.advance(u64::MAX) {}
    let trail = world.sink().clone();
    Ok(Observed { scenario, summary: world.into_summary(), trail })
}

impl Observed {
    /// A host by name.
    pub(super) fn host(&self, name: &str) -> Option<HostId> {
        let found = self.scenario.hosts.iter().position(|host| host.name == name)?;
        Some(HostId(found as u16))
    }

    /// A traffic source by name.
    pub(super) fn traffic(&self, name: &str) -> Option<TrafficId> {
        let found = self.scenario.traffic.iter().position(|traffic| traffic.name == name)?;
        Some(TrafficId(found as u16))
    }

    /// The connections of a source, by the number of the attempt. An attempt that got no port is not among them.
    pub(super) fn connections(&self, id: TrafficId) -> BTreeMap<u32, Connection> {
        let mut found: BTreeMap<u32, Connection> = BTreeMap::new();
        let spec = &self.scenario.traffic[id.index()];
        let ours = |whose: &Whose| whose.attempt.traffic == id && spec.to.contains(&whose.tuple.remote);
        for (at, whose, step) in self.trail.moves.iter().filter(|(_, whose, _)| ours(whose)) {
            let number = whose.attempt.number;
            if step.to == State::SynSent {
                let connection = Connection {
                    tuple: whose.tuple,
                    began: *at,
                    established: None,
                    closed: None,
                    state: State::SynSent,
                };
                found.insert(number, connection);
            }
            let Some(connection) = found.get_mut(&number) else { continue };
            connection.state = step.to;
            if step.to == State::Established {
                connection.established = Some(*at);
            }
            if connection.closed.is_none() && !connection.is_open() {
                connection.closed = Some(*at);
            }
        }
        found
    }
}
