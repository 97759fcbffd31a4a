//! Leads a host into a named state by replaying the recorded log of calls and segments.

use serde_json::Value;
use sim_core::seq::Seq;
use sim_core::tcp::{Flags, Input, Segment, SynOptions, TsOption};
use sim_core::time::{Span, Time};

use super::notation::{flag_letters, int, parse_flags, text};
use super::replica::Replica;

/// The peer's initial sequence number.
pub(super) const PEER_ISN: Seq = Seq(3_000_000_000);
/// The peer's timestamp clock: the recordings' 0.
pub(super) const PEER_CLOCK: u32 = 2_000_000_000;
/// Time between one event of a log and the next.
const PACE: Span = Span::from_millis(1);
/// How long a recorded segment may be waited for.
const PATIENCE: Span = Span::from_millis(250);

/// A host in a named state.
#[derive(Debug)]
pub(super) struct Prepared {
    pub host: Replica,
    /// Our initial sequence number, if there is one yet.
    pub iss: Option<Seq>,
    /// Our next sequence number, as the log shows it.
    pub snd_nxt: Seq,
    /// The peer's next, as our side sees it.
    pub rcv_nxt: Seq,
    /// Counters that moved on the way.
    pub counters: Vec<&'static str>,
}

/// Something done to the host before one of the log's calls, for schedules that differ in an option.
pub(super) type BeforeCall<'a> = &'a dyn Fn(&mut Replica, &str);

/// Replays a log.
pub(super) fn prepare(host: Replica, log: &[Value], before: BeforeCall<'_>) -> Result<Prepared, String> {
    let mut it =
        Prepared { host, iss: None, snd_nxt: Seq(500_000_000), rcv_nxt: PEER_ISN, counters: Vec::new() };
    let mut seen = 0;
    for (number, event) in log.iter().enumerate() {
        if number > 0 && text(&event["ev"]) != "out" {
            it.host.wait(PACE);
        }
        let done = match text(&event["ev"]) {
            "app" => {
                before(&mut it.host, text(&event["call"]));
                call(&mut it.host, text(&event["call"]))
            }
            "in" => {
                let seg = it.incoming(event);
                it.host.inject(&seg);
                Ok(())
            }
            "out" => it.expect(event, &mut seen),
            other => Err(format!("unknown event {other}")),
        };
        done.map_err(|e| format!("set-up, event {number}: {e}"))?;
    }
    // Segments take time: what comes next comes later.
    it.host.wait(PACE);
    it.host.sent.drain(..seen);
    it.counters = it.host.take_counters();
    Ok(it)
}

/// A call as the logs write it.
pub(super) fn call(host: &mut Replica, call: &str) -> Result<(), String> {
    let (verb, rest) = call.split_once([' ', '(']).unwrap_or((call, ""));
    let number = rest.trim_end_matches(')').parse().unwrap_or(8);
    let result = match (verb, rest) {
        ("connect", _) => host.connect(true),
        ("listen", _) => {
            host.listen(number);
            Ok(())
        }
        ("accept", _) => host.accept(),
        ("read", _) => host.call(Input::Recv { len: number }).map(|_| ()),
        ("write", _) => host.call(Input::Send { len: number }).map(|_| ()),
        ("close", _) => host.call(Input::Close).map(|_| ()),
        ("shutdown", "SHUT_WR)") => host.call(Input::ShutdownWrite).map(|_| ()),
        ("shutdown", "SHUT_RD)") => host.call(Input::ShutdownRead).map(|_| ()),
        ("shutdown", "SHUT_RDWR)") => {
            // One call with both bits: the flag is set before the FIN is considered.
            let _ = host.call(Input::ShutdownRead);
            host.call(Input::ShutdownWrite).map(|_| ())
        }
        _ => return Err(format!("unknown call {call}")),
    };
    result.map_err(|e| format!("{call} failed: {e}"))
}

impl Prepared {
    /// A segment from the peer: numbers relative to what each side would send next.
    pub(super) fn segment(&self, flags: &str, seq: i64, ack: i64, len: u32, ts: Option<i64>) -> Segment {
        let flags = parse_flags(flags);
        Segment {
            seq: self.rcv_nxt + seq as u32,
            ack: if flags.has(Flags::ACK) { self.snd_nxt + ack as u32 } else { Seq(0) },
            len,
            win: 65_535,
            flags,
            ts: ts.map(|ts| TsOption {
                val: PEER_CLOCK.wrapping_add(ts as u32),
                ecr: if flags.has(Flags::ACK) { self.host.last_tsval } else { 0 },
            }),
            syn: SynOptions { mss: if flags.has(Flags::SYN) { 1460 } else { 0 }, ..SynOptions::default() },
            ..Segment::default()
        }
    }

    /// Compares segments with recorded ones, as far as the record says anything; numbers relative to the end of the
    /// set-up.
    pub(super) fn compare(&self, what: &str, expected: &Value, sent: &[(Time, Segment)]) -> Vec<String> {
        let expected = expected.as_array().cloned().unwrap_or_default();
        let mut problems = Vec::new();
        if expected.len() != sent.len() {
            let got: Vec<_> = sent.iter().map(|s| flag_letters(s.1.flags)).collect();
            problems.push(format!("{what}: expected {} segments, got {got:?}", expected.len()));
        }
        for (number, (wanted, (_, seg))) in expected.iter().zip(sent).enumerate() {
            let ecr = seg.ts.map_or(
                Value::Null,
                |ts| serde_json::json!({ "ecr": ts.ecr.wrapping_sub(PEER_CLOCK) as i32 }),
            );
            let ack = seg.flags.has(Flags::ACK).then(|| seg.ack.diff(self.rcv_nxt));
            let got = [
                ("flags", Value::from(flag_letters(seg.flags))),
                ("seq", Value::from(seg.seq.diff(self.snd_nxt))),
                ("ack", Value::from(ack)),
                ("len", Value::from(seg.len)),
                ("ts", ecr),
            ];
            for (key, got) in got {
                if wanted.get(key).is_some_and(|wanted| *wanted != got) {
                    problems.push(format!("{what} {number} {key}: expected {}, got {got}", wanted[key]));
                }
            }
        }
        problems
    }

    fn incoming(&mut self, event: &Value) -> Segment {
        let flags = parse_flags(text(&event["flags"]));
        let seq = PEER_ISN + int(&event["seq"]).unwrap_or(0) as u32;
        let iss = self.iss.unwrap_or(self.snd_nxt);
        let ack = int(&event["ack"]).map_or(Seq(0), |ack| iss + ack as u32);
        let seg = Segment {
            seq,
            ack,
            len: int(&event["len"]).unwrap_or(0) as u32,
            win: int(&event["win"]).unwrap_or(0) as u16,
            flags,
            ts: int(&event["ts"]).map(|ts| TsOption {
                val: PEER_CLOCK.wrapping_add(ts as u32),
                ecr: if flags.has(Flags::ACK) { self.host.last_tsval } else { 0 },
            }),
            syn: options(&event["opts"]),
            ..Segment::default()
        };
        if seq == self.rcv_nxt || flags.has(Flags::SYN) {
            self.rcv_nxt = seg.end();
        }
        seg
    }

    /// Waits for the next recorded segment, and compares it. Not its window: that depends on sysctls, under which a log
    /// may be replayed that was recorded without them.
    fn expect(&mut self, event: &Value, seen: &mut usize) -> Result<(), String> {
        let mut waited = Span::ZERO;
        while self.host.sent.len() <= *seen && waited < PATIENCE {
            self.host.wait(PACE);
            waited = waited + PACE;
        }
        let Some(&(_, seg)) = self.host.sent.get(*seen) else {
            return Err(format!("nothing sent instead of {event}"));
        };
        *seen += 1;
        if seg.flags.has(Flags::SYN) && self.iss.is_none() {
            self.iss = Some(seg.seq);
        }
        let iss = self.iss.unwrap_or(seg.seq);
        let got = (
            flag_letters(seg.flags),
            i64::from(seg.seq.diff(iss)),
            seg.flags.has(Flags::ACK).then(|| i64::from(seg.ack.diff(PEER_ISN))),
            i64::from(seg.len),
        );
        let expected = (
            text(&event["flags"]).to_owned(),
            int(&event["seq"]).unwrap_or(0),
            int(&event["ack"]),
            int(&event["len"]).unwrap_or(0),
        );
        self.snd_nxt = seg.end();
        if got == expected { Ok(()) } else { Err(format!("expected {expected:?}, sent {got:?}")) }
    }
}

/// Options of a SYN as the logs list them.
fn options(list: &Value) -> SynOptions {
    let mut options = SynOptions::default();
    for option in list.as_array().into_iter().flatten() {
        match text(option).split_once('=') {
            Some(("mss", value)) => options.mss = value.parse().unwrap_or(0),
            Some(("wscale", value)) => options.wscale = value.parse().ok(),
            _ if text(option) == "sackOK" => options.sack_ok = true,
            _ => {}
        }
    }
    options
}
