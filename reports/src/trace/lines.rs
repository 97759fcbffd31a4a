//! What happened as lines of JSON. The fields are documented in `reports/TRACE.md`.

use experiments::trace::Trace;
use serde::Serialize;
use sim_core::app::Booked;
use sim_core::engine::{Lost, Record};
use sim_core::errno::Errno;
use sim_core::host::{Attempt, Packet};
use sim_core::ids::{HostId, Tuple};
use sim_core::scenario::Scenario;
use sim_core::tcp::TimerKind;

use super::explain;

/// Name and version of the format; the number rises when a field changes its meaning or goes.
pub const FORMAT: &str = "timewait-trace/1";

#[derive(Serialize)]
struct Heading<'a> {
    format: &'static str,
    title: &'a str,
    seed: u64,
    hosts: Vec<&'a str>,
    records: usize,
    left_out: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    at_ns: u64,
    what: &'static str,
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traffic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrives_ns: Option<u64>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    copy: bool,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    held_back: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timer: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    began_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<SegmentJson>,
}

#[derive(Serialize)]
struct SegmentJson {
    flags: String,
    seq: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<u32>,
    len: u32,
    win: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts_val: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts_ecr: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mss: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wscale: Option<u8>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    sack_ok: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sack: Vec<(u32, u32)>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    again: bool,
}

/// A heading, then a line for each record of these hosts; of all, if none is named.
pub fn lines(scenario: &Scenario, trace: &Trace, hosts: &[HostId]) -> String {
    let wanted = |record: &Record| hosts.is_empty() || hosts.contains(&host_of(record));
    let records: Vec<_> = trace.records.iter().filter(|(_, record)| wanted(record)).collect();
    let heading = Heading {
        format: FORMAT,
        title: &scenario.title,
        seed: scenario.seed,
        hosts: scenario.hosts.iter().map(|h| h.name.as_str()).collect(),
        records: records.len(),
        left_out: trace.left_out,
    };
    let mut out = json(&heading);
    for (at, record) in records {
        out.push_str(&json(&line(scenario, at.0, record)));
    }
    out
}

/// Where it happened.
fn host_of(record: &Record) -> HostId {
    match record {
        Record::Sent(host, _)
        | Record::Carried(host, ..)
        | Record::Forwarded(host, _)
        | Record::Arrived(host, _)
        | Record::Lost(host, ..)
        | Record::Denied(host, ..)
        | Record::Logged(host, _) => *host,
        Record::Moved(whose, _)
        | Record::Refused(whose, _)
        | Record::Fired(whose, _)
        | Record::Armed(whose, ..)
        | Record::Called(whose, ..)
        | Record::Accepted(whose)
        | Record::Booked(whose, ..) => whose.host,
    }
}

fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("plain data always serialises");
    text.push('\n');
    text
}

impl<'a> Line<'a> {
    fn new(at_ns: u64, what: &'static str, host: &'a str) -> Line<'a> {
        Line {
            at_ns,
            what,
            host,
            traffic: None,
            number: None,
            local: None,
            remote: None,
            to: None,
            arrives_ns: None,
            copy: false,
            held_back: false,
            why: None,
            from_state: None,
            to_state: None,
            timer: None,
            due_ns: None,
            call: None,
            answer: None,
            errno: None,
            outcome: None,
            began_ns: None,
            segment: None,
        }
    }

    fn of(mut self, scenario: &'a Scenario, attempt: Attempt, tuple: Tuple) -> Line<'a> {
        self.traffic = scenario.traffic.get(usize::from(attempt.traffic.0)).map(|t| t.name.as_str());
        self.number = Some(u64::from(attempt.number) + 1);
        self.local = Some(tuple.local.to_string());
        self.remote = Some(tuple.remote.to_string());
        self
    }

    fn outcome(mut self, booked: Booked) -> Line<'a> {
        self.outcome = Some(match booked {
            Booked::Connected => "connected",
            Booked::Asked => "asked",
            Booked::Answered => "answered",
            Booked::Completed => "completed",
            Booked::CutOff(_) => "cut_off",
            Booked::Failed(call, errno) => {
                self.call = Some(call.name().to_owned());
                self.errno = Some(errno.name());
                "failed"
            }
        });
        self
    }

    fn packet(self, scenario: &'a Scenario, packet: &Packet) -> Line<'a> {
        let segment = Some(segment(packet));
        Line { segment, ..self.of(scenario, packet.attempt, packet.tuple) }
    }
}

fn segment(packet: &Packet) -> SegmentJson {
    let seg = &packet.seg;
    SegmentJson {
        flags: explain::flags(seg.flags),
        seq: seg.seq.0,
        ack: seg.flags.has(sim_core::tcp::Flags::ACK).then_some(seg.ack.0),
        len: seg.len,
        win: seg.win,
        ts_val: seg.ts.map(|ts| ts.val),
        ts_ecr: seg.ts.map(|ts| ts.ecr),
        mss: (seg.syn.mss != 0).then_some(seg.syn.mss),
        wscale: seg.syn.wscale,
        sack_ok: seg.syn.sack_ok,
        sack: [seg.sack, seg.sack2].into_iter().flatten().map(|(left, right)| (left.0, right.0)).collect(),
        again: seg.rtx,
    }
}

fn timer(kind: TimerKind) -> &'static str {
    match kind {
        TimerKind::Retransmit => "retransmit",
        TimerKind::LossProbe => "loss_probe",
        TimerKind::Persist => "persist",
        TimerKind::DelayedAck => "delayed_ack",
        TimerKind::KeepAlive => "keepalive",
        TimerKind::TimeWait => "time_wait",
        TimerKind::SynAck => "syn_ack",
    }
}

fn line<'a>(scenario: &'a Scenario, at: u64, record: &Record) -> Line<'a> {
    let name = |host: HostId| scenario.hosts.get(host.index()).map_or("?", |h| h.name.as_str());
    let new = |what, host: HostId| Line::new(at, what, name(host));
    match *record {
        Record::Sent(host, packet) => new("sent", host).packet(scenario, &packet),
        Record::Carried(host, carriage, packet) => Line {
            to: Some(name(carriage.to)),
            arrives_ns: Some(carriage.arrives.0),
            copy: carriage.copy,
            held_back: carriage.late,
            ..new("carried", host).packet(scenario, &packet)
        },
        Record::Forwarded(host, packet) => new("forwarded", host).packet(scenario, &packet),
        Record::Arrived(host, packet) => new("arrived", host).packet(scenario, &packet),
        Record::Lost(host, why, packet) => {
            let why = match why {
                Lost::Link => "link",
                Lost::Conntrack => "conntrack",
                Lost::Rule => "rule",
                Lost::NoRoute => "no_route",
            };
            Line { why: Some(why.to_owned()), ..new("lost", host).packet(scenario, &packet) }
        }
        Record::Moved(whose, step) => Line {
            from_state: Some(step.from.name()),
            to_state: Some(step.to.name()),
            ..new("state", whose.host).of(scenario, whose.attempt, whose.tuple)
        },
        Record::Refused(whose, why) => Line {
            why: Some(explain::why(why).trim_start_matches("refused: ").to_owned()),
            ..new("refused", whose.host).of(scenario, whose.attempt, whose.tuple)
        },
        Record::Fired(whose, kind) => Line {
            timer: Some(timer(kind)),
            ..new("timer_fired", whose.host).of(scenario, whose.attempt, whose.tuple)
        },
        Record::Armed(whose, kind, due) => Line {
            timer: Some(timer(kind)),
            due_ns: Some(due.0),
            ..new("timer_armed", whose.host).of(scenario, whose.attempt, whose.tuple)
        },
        Record::Accepted(whose) => Line {
            call: Some("accept()".to_owned()),
            answer: Some(0),
            ..new("call", whose.host).of(scenario, whose.attempt, whose.tuple)
        },
        Record::Called(whose, called, answer) => Line {
            call: Some(explain::call_name(called)),
            answer: answer.ok(),
            errno: answer.err().map(Errno::name),
            ..new("call", whose.host).of(scenario, whose.attempt, whose.tuple)
        },
        Record::Booked(whose, booked, began) => Line {
            began_ns: Some(began.0),
            ..new("outcome", whose.host).of(scenario, whose.attempt, whose.tuple).outcome(booked)
        },
        Record::Denied(host, attempt, (from, to), (call, errno)) => {
            let local = sim_core::ids::SockAddr { addr: from, port: 0 };
            Line {
                call: Some(call.name().to_owned()),
                errno: Some(errno.name()),
                ..new("denied", host).of(scenario, attempt, Tuple { local, remote: to })
            }
        }
        Record::Logged(host, log) => Line { why: Some(log.name().to_owned()), ..new("log", host) },
    }
}
