//! Records in words: calls, timers, refusals, and what a SYN meets in TIME_WAIT.

use std::collections::BTreeMap;

use sim_core::app::Called;
use sim_core::engine::{Lost, Record};
use sim_core::errno::Errno;
use sim_core::host::Packet;
use sim_core::ids::{HostId, Tuple};
use sim_core::seq::Seq;
use sim_core::tcp::{Flags, Segment, State, TimerKind, TsOption, Why};
use sim_core::time::Time;

/// `SYN,ACK`; `none` without any.
pub fn flags(flags: Flags) -> String {
    const NAMES: [(Flags, &str); 6] = [
        (Flags::SYN, "SYN"),
        (Flags::FIN, "FIN"),
        (Flags::RST, "RST"),
        (Flags::PSH, "PSH"),
        (Flags::URG, "URG"),
        (Flags::ACK, "ACK"),
    ];
    let names: Vec<_> = NAMES.iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, name)| *name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(",") }
}

/// Why a segment was not taken.
pub(super) const fn why(why: Why) -> &'static str {
    match why {
        Why::Paws => "refused: older timestamp (PAWS)",
        Why::Sequence => "refused: outside the window",
        Why::Ack => "refused: its ACK is not acceptable",
        Why::Flags => "refused: flags make no sense here",
        Why::Syn => "refused: SYN on a live connection",
        Why::Reset => "refused: RST does not hit exactly",
        Why::DataAfterClose => "refused: data after close()",
        Why::NoSocket => "refused: no socket for it",
        Why::SynQueueFull => "refused: SYN queue full",
        Why::AcceptQueueFull => "refused: accept queue full",
        Why::ZeroWindow => "refused: window closed",
    }
}

/// Why a packet did not arrive.
pub(super) const fn lost(lost: Lost) -> &'static str {
    match lost {
        Lost::Link => "lost on the link",
        Lost::Conntrack => "dropped: conntrack table full",
        Lost::Rule => "dropped: a rule of the host",
        Lost::NoRoute => "dropped: no route",
    }
}

/// What a timer is for.
pub(super) const fn timer(kind: TimerKind) -> &'static str {
    match kind {
        TimerKind::Retransmit => "RTO",
        TimerKind::LossProbe => "loss probe",
        TimerKind::Persist => "window probe",
        TimerKind::DelayedAck => "delayed ACK",
        TimerKind::KeepAlive => "keep-alive",
        TimerKind::TimeWait => "TIME_WAIT",
        TimerKind::SynAck => "SYN,ACK timer",
    }
}

/// A call without its answer.
pub(super) fn call_name(called: Called) -> String {
    match called {
        Called::Connect => "connect()".to_owned(),
        Called::Send(len) => format!("send({len})"),
        Called::Recv => "recv()".to_owned(),
        Called::Shutdown => "shutdown()".to_owned(),
        Called::Close => "close()".to_owned(),
        Called::Abort => "close() with SO_LINGER 0".to_owned(),
        Called::Other => "setsockopt()".to_owned(),
    }
}

/// A call with its answer; nothing for one that moves nothing.
pub(super) fn call(called: Called, answer: Result<u32, Errno>) -> Option<String> {
    let name = call_name(called);
    match (called, answer) {
        (Called::Other, _) | (Called::Recv, Err(Errno::Eagain)) => None,
        (Called::Recv, Ok(0)) => Some("recv() = end".to_owned()),
        (Called::Recv, Ok(bytes)) => Some(format!("recv() = {bytes}")),
        (Called::Send(len), Ok(taken)) if taken < len => Some(format!("{name} = {taken}")),
        (_, Err(errno)) => Some(format!("{name}: {errno}")),
        _ => Some(name),
    }
}

/// What one end has told its peer last: where it stands.
#[derive(Clone, Copy, Debug)]
struct Stand {
    state: State,
    rcv_nxt: Option<Seq>,
    ts: Option<TsOption>,
}

/// Remembers where each end stands, to say why a SYN reopens a TIME_WAIT or does not.
#[derive(Clone, Debug, Default)]
pub(super) struct Stands {
    ends: BTreeMap<(HostId, Tuple), Stand>,
}

impl Stands {
    /// Takes in a record.
    pub(super) fn follow(&mut self, record: &Record) {
        match record {
            Record::Sent(host, packet) => {
                if let Some(stand) = self.ends.get_mut(&(*host, packet.tuple)) {
                    let seg = &packet.seg;
                    stand.rcv_nxt = seg.flags.has(Flags::ACK).then_some(seg.ack).or(stand.rcv_nxt);
                    stand.ts = seg.ts.or(stand.ts);
                }
            }
            Record::Moved(whose, step) => {
                let key = (whose.host, whose.tuple);
                if step.to == State::Closed {
                    self.ends.remove(&key);
                } else {
                    let fresh = Stand { state: step.to, rcv_nxt: None, ts: None };
                    self.ends.entry(key).or_insert(fresh).state = step.to;
                }
            }
            _ => {}
        }
    }

    /// What a SYN meets at a host that is in TIME_WAIT. `next`: the records that it causes there.
    pub(super) fn syn_in_time_wait(
        &self,
        host: HostId,
        packet: &Packet,
        next: &[(Time, Record)],
    ) -> Option<String> {
        let seg = &packet.seg;
        if !seg.flags.has(Flags::SYN) || seg.flags.has(Flags::ACK) {
            return None;
        }
        let stand = self.ends.get(&(host, packet.tuple.reversed()))?;
        if stand.state != State::TimeWait {
            return None;
        }
        let reopened = next.iter().any(|(_, record)| {
            matches!(record, Record::Moved(whose, step)
                if whose.host == host && step.from == State::TimeWait && step.to != State::TimeWait)
        });
        let refused = next.iter().any(|(_, record)| {
            matches!(record, Record::Sent(from, packet) if *from == host && packet.seg.flags.has(Flags::RST))
        });
        if refused {
            return Some("SYN in TIME_WAIT: refused with RST".to_owned());
        }
        let newer = newer_timestamp(seg, stand.ts);
        let higher = stand.rcv_nxt.is_some_and(|nxt| seg.seq.after(nxt));
        Some(match (reopened, newer, higher) {
            (true, Some(true), _) => "SYN in TIME_WAIT: newer timestamp, reopened".to_owned(),
            (true, _, true) => "SYN in TIME_WAIT: higher sequence number, reopened".to_owned(),
            (true, ..) => "SYN in TIME_WAIT: the wait ends".to_owned(),
            (false, Some(false), _) => "SYN in TIME_WAIT: timestamp not newer, not reopened".to_owned(),
            (false, ..) => "SYN in TIME_WAIT: lower sequence number, not reopened".to_owned(),
        })
    }
}

/// Whether a segment's timestamp is newer than the last one echoed; nothing where either has none.
fn newer_timestamp(seg: &Segment, echoed: Option<TsOption>) -> Option<bool> {
    let (val, recent) = (seg.ts?.val, echoed?.ecr);
    Some((recent.wrapping_sub(val) as i32) < 0)
}
