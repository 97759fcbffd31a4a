//! From records to ladders: one for each connection, or one for a tuple with all that lived on it.

use std::collections::BTreeMap;

use experiments::trace::{Target, Trace, about};
use sim_core::app::Booked;
use sim_core::engine::{Carriage, Lost, Record, Whose};
use sim_core::host::Packet;
use sim_core::ids::{HostId, TrafficId, Tuple};
use sim_core::net::{Net, Path};
use sim_core::record::Summary;
use sim_core::scenario::{Limit, Scenario};
use sim_core::seq::Seq;
use sim_core::tcp::{Flags, Segment, State, TimerKind};
use sim_core::time::Time;

use super::explain::{self, Stands};
use crate::ladder::{Arrow, Ladder, Look, MarkKind, What};
use crate::run::Run;
use crate::words;

type Records = [(Time, Record)];

/// The ladders of a trace, at most so many, in the order in which their connections began.
pub fn ladders(scenario: &Scenario, trace: &Trace, most: usize) -> Vec<Ladder> {
    let mut groups: BTreeMap<usize, Vec<(Time, Record)>> = BTreeMap::new();
    let mut places: BTreeMap<(TrafficId, u32), usize> = BTreeMap::new();
    for entry in &trace.records {
        let Some((attempt, _)) = about(&entry.1) else { continue };
        // A tuple is followed through all its lives in one ladder.
        let next = places.len();
        let place = match trace.target {
            Target::Tuple(_) => 0,
            _ => *places.entry((attempt.traffic, attempt.number)).or_insert(next),
        };
        if place < most {
            groups.entry(place).or_default().push(*entry);
        }
    }
    groups.values().filter_map(|records| ladder(scenario, &trace.summary, records)).collect()
}

/// A packet on its way, and the row that it is drawn in.
struct Transit {
    packet: Packet,
    to: HostId,
    arrives: Time,
    row: usize,
}

/// The first number of each side's present life, and of the one before.
#[derive(Default)]
struct Isns {
    now: [Option<Seq>; 2],
    before: [Option<Seq>; 2],
}

impl Isns {
    fn begin(&mut self, side: usize, isn: Seq) {
        if self.now[side] != Some(isn) {
            self.before[side] = self.now[side].replace(isn);
        }
    }

    /// A number as counted from the first of its life, and whether that was the life before.
    fn count(&self, number: Seq, side: usize) -> (String, bool) {
        let from = |isn: Option<Seq>| isn.map(|isn| number.diff(isn));
        match (from(self.now[side]), from(self.before[side])) {
            (Some(now), Some(before)) if before >= 0 && (now < 0 || now > before) => {
                (before.to_string(), true)
            }
            (Some(now), _) => (now.to_string(), false),
            (None, _) => (number.0.to_string(), false),
        }
    }
}

struct Story {
    /// The tuple as the client has it.
    tuple: Tuple,
    /// The hosts on the way, the client's first.
    way: Vec<HostId>,
    ladder: Ladder,
    transits: Vec<Transit>,
    isns: Isns,
    stands: Stands,
    /// The arrow that has just arrived: when, in which column, and its number.
    cause: Option<(Time, usize, u32)>,
}

fn ladder(scenario: &Scenario, summary: &Summary, records: &Records) -> Option<Ladder> {
    let attempt = records.iter().find_map(|(_, record)| about(record))?.0;
    let name = scenario.traffic.get(usize::from(attempt.traffic.0)).map_or("?", |t| t.name.as_str());
    let number = attempt.number + 1;
    let Some(tuple) = records.iter().find_map(|(_, record)| tuple_of(record)) else {
        return denied(Run::new(scenario, summary), records, &format!("{name} #{number}"));
    };
    let way = way(scenario, tuple);
    let columns = names(scenario, &way);
    let title = format!("{name} #{number}: {} to {}", tuple.local, tuple.remote);
    let mut ladder = Ladder::new(title, columns);
    ladder.about = format!(
        "What passed between {} and {}, with time running downward; the states of both ends, calls and timers beside it.",
        tuple.local, tuple.remote
    );
    let mut story = Story {
        tuple,
        way,
        ladder,
        transits: Vec::new(),
        isns: Isns::default(),
        stands: Stands::default(),
        cause: None,
    };
    for (i, (at, record)) in records.iter().enumerate() {
        story.tell(*at, record, &records[i + 1..]);
        story.stands.follow(record);
    }
    Some(story.ladder)
}

/// An attempt that never had a connection.
fn denied(run: Run<'_>, records: &Records, name: &str) -> Option<Ladder> {
    let (at, (host, (from, to), (call, errno))) = records.iter().find_map(|(at, record)| match *record {
        Record::Denied(host, _, ends, why) => Some((*at, (host, ends, why))),
        _ => None,
    })?;
    let owner = Net::new(run.scenario).owner(to.addr);
    let columns = names(run.scenario, &[host, owner.unwrap_or(host)]);
    let mut ladder = Ladder::new(format!("{name}: from {from} to {to}"), columns);
    ladder.about.push_str("The attempt failed before anything was sent.");
    ladder.mark(at, 0, MarkKind::Trouble, format!("{}(): {errno}", call.name()));
    let ports = run.limit(Limit::Ports { host, from, to });
    if let Some(ports) = ports.filter(|ports| ports.refused.count > 0) {
        let waiting =
            ports.held_by.iter().find(|(state, _)| *state == State::TimeWait).map_or(0, |(_, n)| *n);
        let all = words::count(ports.capacity);
        let held =
            if waiting > 0 { format!(" ({} in TIME_WAIT)", words::count(waiting)) } else { String::new() };
        ladder.mark(at, 0, MarkKind::Call, format!("all {all} ports to it are taken{held}"));
    }
    Some(ladder)
}

/// The tuple of a record, as the end has it that connected.
fn tuple_of(record: &Record) -> Option<Tuple> {
    match record {
        Record::Sent(_, packet) if packet.seg.flags.has(Flags::SYN_ACK) => Some(packet.tuple.reversed()),
        Record::Sent(_, packet) => Some(packet.tuple),
        Record::Called(whose, ..) => Some(whose.tuple),
        _ => None,
    }
}

/// The hosts between both ends of a tuple.
pub(super) fn way(scenario: &Scenario, tuple: Tuple) -> Vec<HostId> {
    let net = Net::new(scenario);
    let Some(client) = net.owner(tuple.local.addr).or_else(|| loopback(scenario, tuple)) else {
        return Vec::new();
    };
    let mut way = vec![client];
    let mut here = client;
    while let Path::Link(_, next) = net.path(here, tuple.remote.addr) {
        if way.contains(&next) {
            break;
        }
        way.push(next);
        here = next;
    }
    if way.len() == 1 {
        // A host that speaks to itself, or to nobody.
        way.push(client);
    }
    way
}

/// The host that speaks to itself over its loopback interface.
fn loopback(scenario: &Scenario, tuple: Tuple) -> Option<HostId> {
    let source = scenario.traffic.iter().find(|t| t.to.contains(&tuple.remote));
    source.map(|t| t.from)
}

fn names(scenario: &Scenario, way: &[HostId]) -> Vec<String> {
    let name = |host: &HostId| scenario.hosts.get(host.index()).map_or("?", |h| h.name.as_str()).to_owned();
    let mut names: Vec<String> = way.iter().map(name).collect();
    if names.len() == 2 && way[0] == way[1] {
        names = vec![format!("{} (client)", names[0]), format!("{} (server)", names[1])];
    }
    names
}

impl Story {
    /// The column of a host, for what happens at the end that has this tuple.
    fn column(&self, host: HostId, tuple: Tuple) -> Option<usize> {
        let last = self.way.len() - 1;
        if self.way[0] == self.way[last] {
            return (host == self.way[0]).then_some(if tuple == self.tuple { 0 } else { last });
        }
        self.way.iter().position(|&h| h == host)
    }

    fn end(&self, whose: &Whose) -> Option<usize> {
        self.column(whose.host, whose.tuple)
    }

    fn tell(&mut self, at: Time, record: &Record, next: &Records) {
        match record {
            Record::Sent(_, packet) => self.sent(packet),
            Record::Carried(host, carriage, packet) => self.carried(at, *host, *carriage, packet),
            Record::Lost(host, why, packet) => self.lost(at, *host, *why, packet),
            Record::Arrived(host, packet) => self.arrived(at, *host, packet, next),
            Record::Moved(whose, step) => {
                self.mark(at, whose, MarkKind::State(step.to), step.to.name());
            }
            Record::Refused(whose, why) => self.mark(at, whose, MarkKind::Trouble, explain::why(*why)),
            Record::Fired(whose, kind) => {
                self.mark(at, whose, MarkKind::Timer, &format!("{} fires", explain::timer(*kind)));
            }
            Record::Armed(whose, kind, due) => self.armed(at, whose, *kind, *due, next),
            Record::Accepted(whose) => self.mark(at, whose, MarkKind::Call, "accept()"),
            Record::Called(whose, called, answer) => {
                if let Some(text) = explain::call(*called, *answer) {
                    let kind = if answer.is_err() { MarkKind::Trouble } else { MarkKind::Call };
                    self.mark(at, whose, kind, &text);
                }
            }
            Record::Booked(whose, Booked::Failed(call, errno), _) => {
                self.mark(at, whose, MarkKind::Trouble, &format!("{}(): {errno}", call.name()));
            }
            Record::Denied(host, _, (from, _), (call, errno)) => {
                let tuple = Tuple { local: sim_core::ids::SockAddr { addr: *from, port: 0 }, ..self.tuple };
                let column = self.column(*host, tuple).unwrap_or(0);
                self.ladder.mark(at, column, MarkKind::Trouble, format!("{}(): {errno}", call.name()));
            }
            Record::Forwarded(..) | Record::Booked(..) | Record::Logged(..) => {}
        }
    }

    fn mark(&mut self, at: Time, whose: &Whose, kind: MarkKind, text: &str) {
        if let Some(column) = self.end(whose) {
            self.mark_in(at, column, kind, text);
        }
    }

    fn mark_in(&mut self, at: Time, column: usize, kind: MarkKind, text: &str) {
        let cause = self.cause.filter(|&(then, place, _)| then == at && place == column).map(|(.., id)| id);
        self.ladder.mark_after(at, column, kind, text, cause);
    }

    /// A timer is worth a mark if it fires as it was armed here, or if it is the end of a wait.
    fn armed(&mut self, at: Time, whose: &Whose, kind: TimerKind, due: Time, next: &Records) {
        let same = |other: &Whose| other.host == whose.host && other.tuple == whose.tuple;
        let fate = next.iter().find_map(|(then, record)| match record {
            Record::Armed(other, k, _) if same(other) && *k == kind => Some(false),
            Record::Fired(other, k) if same(other) && *k == kind => Some(*then == due),
            _ => None,
        });
        let text = match kind {
            TimerKind::TimeWait => {
                format!("for {}", words::span(due.since(at)))
            }
            _ if fate == Some(true) => {
                format!("{} in {}", explain::timer(kind), words::span(due.since(at)))
            }
            _ => return,
        };
        self.mark(at, whose, MarkKind::Timer, &text);
    }

    fn side(&self, packet: &Packet) -> usize {
        usize::from(packet.tuple != self.tuple)
    }

    /// A SYN begins a life, and with it the counting of its side's numbers.
    fn sent(&mut self, packet: &Packet) {
        if packet.seg.flags.has(Flags::SYN) {
            let side = self.side(packet);
            self.isns.begin(side, packet.seg.seq);
        }
    }

    /// A packet leaves a host: a new arrow, or the next part of one that has just come through.
    fn carried(&mut self, at: Time, host: HostId, carriage: Carriage, packet: &Packet) {
        let through =
            self.transits.iter().position(|t| t.to == host && t.arrives == at && t.packet == *packet);
        let Some(column) = self.column(carriage.to, packet.tuple.reversed()) else { return };
        if let Some(through) = through.filter(|_| !carriage.copy && host != carriage.to) {
            let transit = &mut self.transits[through];
            transit.to = carriage.to;
            transit.arrives = carriage.arrives;
            if let What::Arrow(arrow) = &mut self.ladder.rows[transit.row].what {
                arrow.to = column;
                arrow.arrives = carriage.arrives;
                if carriage.late {
                    arrow.look = Look::Stray;
                    arrow.label.push_str(" late");
                }
            }
            return;
        }
        let Some(from) = self.column(host, packet.tuple) else { return };
        let look = match (carriage.copy || carriage.late, packet.seg.rtx) {
            (true, _) => Look::Stray,
            (_, true) => Look::Again,
            _ => Look::Plain,
        };
        let mut label = self.label(packet);
        if carriage.copy {
            label.push_str(" copy");
        } else if carriage.late {
            label.push_str(" late");
        }
        let row = self.ladder.rows.len();
        let id = row as u32;
        let arrow = Arrow { id, from, to: column, arrives: carriage.arrives, label, look, lost: None };
        self.ladder.arrow(at, arrow);
        self.transits.push(Transit { packet: *packet, to: carriage.to, arrives: carriage.arrives, row });
    }

    /// `PSH,ACK 1+100 ack 1`.
    fn label(&self, packet: &Packet) -> String {
        let side = self.side(packet);
        let seg: &Segment = &packet.seg;
        // A RST for what nobody knows bears the number 0 as it is (RFC 9293, section 3.5.2).
        let bare = seg.flags.has(Flags::RST) && seg.flags.has(Flags::ACK) && seg.seq == Seq(0);
        let (seq, mut old) = if bare { ("0".to_owned(), false) } else { self.isns.count(seg.seq, side) };
        let mut text = format!("{} {seq}", explain::flags(seg.flags));
        if seg.len > 0 {
            text = format!("{text}+{}", seg.len);
        }
        if seg.flags.has(Flags::ACK) {
            let (ack, of_old) = self.isns.count(seg.ack, 1 - side);
            old |= of_old;
            text = format!("{text} ack {ack}");
        }
        if old {
            text.push_str(" old");
        }
        if seg.win == 0 && !seg.flags.has(Flags::RST) {
            text.push_str(" win 0");
        }
        if seg.rtx {
            text.push_str(" again");
        }
        text
    }

    fn lost(&mut self, at: Time, host: HostId, why: Lost, packet: &Packet) {
        let Some(from) = self.column(host, packet.tuple) else { return };
        if why != Lost::Link {
            let arrived = self.forget(at, host, packet);
            let what = if arrived { String::new() } else { format!("{}: ", self.label(packet)) };
            return self.mark_in(at, from, MarkKind::Trouble, &format!("{what}{}", explain::lost(why)));
        }
        let rightward = packet.tuple == self.tuple;
        let to = if rightward { from + 1 } else { from.saturating_sub(1) }.min(self.way.len() - 1);
        let through =
            self.transits.iter().position(|t| t.to == host && t.arrives == at && t.packet == *packet);
        if let Some(transit) = through.map(|i| self.transits.remove(i))
            && let What::Arrow(arrow) = &mut self.ladder.rows[transit.row].what
        {
            arrow.to = to;
            arrow.lost = Some("lost".to_owned());
            return;
        }
        let look = if packet.seg.rtx { Look::Again } else { Look::Plain };
        let (id, label) = (self.ladder.rows.len() as u32, self.label(packet));
        self.ladder
            .arrow(at, Arrow { id, from, to, arrives: at, label, look, lost: Some("lost".to_owned()) });
    }

    /// A packet has reached a host: whether it was on its way there.
    fn forget(&mut self, at: Time, host: HostId, packet: &Packet) -> bool {
        let found = self.transits.iter().position(|t| t.to == host && t.arrives == at && t.packet == *packet);
        let Some(transit) = found.map(|i| self.transits.remove(i)) else { return false };
        if let What::Arrow(arrow) = &self.ladder.rows[transit.row].what {
            self.cause = Some((at, arrow.to, arrow.id));
        }
        true
    }

    fn arrived(&mut self, at: Time, host: HostId, packet: &Packet, next: &Records) {
        self.forget(at, host, packet);
        let same =
            next.iter().take_while(|(then, record)| *then == at && !matches!(record, Record::Arrived(..)));
        let caused = &next[..same.count()];
        if let Some(text) = self.stands.syn_in_time_wait(host, packet, caused)
            && let Some(column) = self.column(host, packet.tuple.reversed())
        {
            self.mark_in(at, column, MarkKind::Trouble, &text);
        }
    }
}
