//! Replay of the conntrack recordings: cells (one segment at an entry in a given state) and sequences (whole flows).
//!
//! A setup leads a fresh tracker to the state through segments, as the recorder led the kernel. Then what the recorder did
//! happens: sysctls are set, the entry's remaining life is overwritten so that a refresh shows, the segment comes.

use serde_json::{Map, Value, json};
use sim_core::conntrack::{
    Conntrack, ConntrackConfig, CtFact, CtState, CtVerdict, Dir, EntryView, Facts, SideFlags,
};
use sim_core::ids::{Addr, SockAddr, Tuple};
use sim_core::seq::Seq;
use sim_core::tcp::{Flags, Segment, SynOptions};
use sim_core::time::{Span, Time};

/// What became of one recorded cell or flow.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The recording's own name of it.
    pub id: String,
    /// The setup's name; empty for a sequence.
    pub state: String,
    /// Whether the model agrees.
    pub result: Result<(), Mismatch>,
}

/// The fields that differ, as JSON objects.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// As recorded.
    pub expected: String,
    /// As the model has it.
    pub got: String,
}

/// What the recorder set an entry's life to, to see whether a segment refreshes it.
const MARKED: Span = Span::from_secs(7);

/// Initial sequence numbers of the original and the reply side. Any will do: they were random in the recording.
pub const ISNS: [Seq; 2] = [Seq(0x1000_0000), Seq(0x5000_0000)];

/// The tuple of packets from the side that the recordings call O, the client.
pub(super) const CLIENT_FIRST: Tuple = Tuple {
    local: SockAddr { addr: Addr(0x0a00_0001), port: 40_000 },
    remote: SockAddr { addr: Addr(0x0a00_0102), port: 80 },
};

/// Replays `conntrack.json`.
pub fn cells(file: &Value, setups: &Value, isns: [Seq; 2]) -> Vec<Outcome> {
    let setups = &setups["conntrack"];
    list(&file["cells"]).map(|cell| replay_cell(cell, setups, isns)).collect()
}

/// Replays `conntrack_sequences.json`.
pub fn sequences(file: &Value, isns: [Seq; 2]) -> Vec<Outcome> {
    let timeouts = &file["timeouts_used"];
    list(&file["sequences"]).map(|sequence| replay_sequence(sequence, timeouts, isns)).collect()
}

/// Books outcomes with the general replayer's report.
pub fn report(kind: &str, outcomes: Vec<Outcome>, report: &mut super::Report) {
    for outcome in outcomes {
        let problems: Vec<String> = outcome
            .result
            .err()
            .map(|mismatch| format!("expected {}, got {}", mismatch.expected, mismatch.got))
            .into_iter()
            .collect();
        report.judge(kind, &outcome.id, &outcome.state, &problems);
    }
}

fn replay_cell(cell: &Value, setups: &Value, isns: [Seq; 2]) -> Outcome {
    let state = text(&cell["state"]);
    let mut bench = Bench::new(isns, ConntrackConfig::default());
    for segment in list(&setups[state]) {
        bench.inject(segment);
    }
    let before = bench.entry();
    set_sysctls(bench.tracker.config_mut(), &cell["sysctls"]);
    bench.mark();
    let mut segment = cell["segment"].clone();
    segment["dir"] = cell["direction"].clone();
    let verdict = bench.inject(&segment);
    let after = bench.entry();

    let (replaced, _) = bench.fate();
    let refreshed = after.map(|e| e.remaining != MARKED);
    let new = before.is_none() || replaced;
    let mut got = common(&bench, verdict);
    got.insert("pre.entry".into(), with_timeout(before));
    got.insert("next_state".into(), state_name(after));
    got.insert("entry_replaced".into(), json!(replaced));
    got.insert("timeout_s".into(), json!(after.filter(|_| refreshed == Some(true)).map(seconds)));
    got.insert("entry_after".into(), entry_json(after));
    got.insert("counters".into(), counters(&bench.facts));

    let mut expected = fields(
        cell,
        &[
            "verdict",
            "ct_state",
            "next_state",
            "entry_replaced",
            "timeout_s",
            "entry_after",
            "events",
            "counters",
        ],
    );
    expected.insert("pre.entry".into(), cell["pre"]["entry"].clone());
    // A new entry has nothing to refresh: the recorder's word for it is not a fact about the kernel.
    if !new {
        got.insert("timeout_refreshed".into(), json!(refreshed));
        expected.insert("timeout_refreshed".into(), cell["timeout_refreshed"].clone());
    }
    Outcome {
        id: text(&cell["id"]).to_owned(),
        state: state.to_owned(),
        result: compare(&expected, &got, ""),
    }
}

fn replay_sequence(sequence: &Value, timeouts: &Value, isns: [Seq; 2]) -> Outcome {
    let mut cfg = ConntrackConfig::default();
    set_timeouts(&mut cfg, timeouts);
    set_sysctls(&mut cfg, &sequence["sysctls"]);
    let mut bench = Bench::new(isns, cfg);
    let mut result = Ok(());
    for (index, step) in list(&sequence["steps"]).enumerate() {
        let had_entry = bench.entry().is_some();
        bench.mark();
        let verdict = bench.inject(step);
        let after = bench.entry();
        let (replaced, _) = bench.fate();
        let refreshed = after.map(|e| e.remaining != MARKED);
        let mut got = common(&bench, verdict);
        got.insert("state".into(), state_name(after));
        got.insert("entry".into(), entry_json(after));
        let name = after.filter(|_| refreshed == Some(true)).and_then(|e| timeout_name(timeouts, e));
        got.insert("timeout_name".into(), json!(name));
        let mut expected = fields(step, &["verdict", "ct_state", "state", "entry", "timeout_name", "events"]);
        if let Some(entry) = expected.get_mut("entry").and_then(Value::as_object_mut) {
            entry.remove("state");
        }
        if had_entry && !replaced {
            got.insert("timeout_refreshed".into(), json!(refreshed));
            expected.insert("timeout_refreshed".into(), step["timeout_refreshed"].clone());
        }
        result = compare(&expected, &got, &format!("step {index}: "));
        if result.is_err() {
            break;
        }
    }
    Outcome { id: text(&sequence["name"]).to_owned(), state: String::new(), result }
}

/// A tracker with one flow's two ends.
pub(super) struct Bench {
    pub(super) tracker: Conntrack,
    pub(super) now: Time,
    isns: [Seq; 2],
    pub(super) facts: Facts,
}

impl Bench {
    pub(super) fn new(isns: [Seq; 2], cfg: ConntrackConfig) -> Bench {
        Bench { tracker: Conntrack::new(cfg, 1), now: Time::ZERO, isns, facts: Facts::new() }
    }

    fn tuple(dir: Dir) -> Tuple {
        if dir == Dir::Original { CLIENT_FIRST } else { CLIENT_FIRST.reversed() }
    }

    pub(super) fn entry(&self) -> Option<EntryView> {
        self.tracker.find(self.now, Self::tuple(Dir::Original))
    }

    fn mark(&mut self) {
        self.tracker.set_remaining(self.now, Self::tuple(Dir::Original), MARKED);
    }

    pub(super) fn inject(&mut self, segment: &Value) -> CtVerdict {
        self.facts.clear();
        let dir = if segment["dir"] == "original" { Dir::Original } else { Dir::Reply };
        let tuple = Self::tuple(dir);
        if segment["bad_checksum"] == true {
            return self.tracker.malformed(self.now, tuple, &mut self.facts);
        }
        let seg = self.segment(dir, segment);
        self.tracker.packet(self.now, tuple, &seg, &mut self.facts)
    }

    fn segment(&self, dir: Dir, v: &Value) -> Segment {
        let flags = text(&v["flags"]).chars().fold(Flags::default(), |all, c| {
            all.with(match c {
                'F' => Flags::FIN,
                'S' => Flags::SYN,
                'R' => Flags::RST,
                'P' => Flags::PSH,
                'A' => Flags::ACK,
                'U' => Flags::URG,
                other => panic!("unknown flag {other}"),
            })
        });
        let number = |v: &Value, base: Seq| match v.as_i64() {
            Some(offset) => Seq(base.0.wrapping_add(offset as u32)),
            None => Seq(0),
        };
        // Every SYN of the cells and sequences carries an MSS and nothing else; the walks say what they carry.
        let mss = if flags.has(Flags::SYN) { 1460 } else { 0 };
        let syn = SynOptions {
            mss: v["mss"].as_u64().map_or(mss, |n| n as u16),
            wscale: v["wscale"].as_u64().map(|n| n as u8),
            sack_ok: v["sackok"] == true,
        };
        let acked = self.isns[dir.other() as usize];
        Segment {
            seq: number(&v["seq"], self.isns[dir as usize]),
            ack: number(&v["ack"], acked),
            len: v["len"].as_u64().unwrap_or(0) as u32,
            win: v["win"].as_u64().unwrap_or(0) as u16,
            flags,
            syn,
            sack: v["sack"].as_array().map(|s| (number(&s[0], acked), number(&s[1], acked))),
            ..Segment::default()
        }
    }

    /// Whether the last segment replaced the entry, and the events it made.
    fn fate(&self) -> (bool, Value) {
        let any = |want: fn(&CtFact) -> bool| self.facts.iter().any(want);
        let new = any(|f| matches!(f, CtFact::Inserted { .. }));
        let destroyed = any(|f| matches!(f, CtFact::Destroyed { .. }));
        let updated =
            any(|f| matches!(f, CtFact::Moved { .. } | CtFact::Replied { .. } | CtFact::Assured { .. }));
        let mut events = Vec::new();
        if destroyed {
            events.push("DESTROY");
        } else if updated {
            events.push("UPDATE");
        }
        if new {
            events.push("NEW");
        }
        (new && destroyed, json!(events))
    }
}

/// The fields that cells and sequences share.
fn common(bench: &Bench, verdict: CtVerdict) -> Map<String, Value> {
    let (passed, state) = match verdict {
        CtVerdict::Pass(CtState::New) => ("passed", "new"),
        CtVerdict::Pass(CtState::Established(Dir::Original)) => ("passed", "established/original"),
        CtVerdict::Pass(CtState::Established(Dir::Reply)) => ("passed", "established/reply"),
        CtVerdict::Pass(CtState::Invalid) => ("passed", "invalid"),
        CtVerdict::Pass(CtState::Untracked) => ("passed", "untracked"),
        CtVerdict::Drop(_) => ("dropped", ""),
    };
    let mut got = Map::new();
    got.insert("verdict".into(), json!(passed));
    got.insert("ct_state".into(), json!(state));
    got.insert("events".into(), bench.fate().1);
    got
}

fn state_name(entry: Option<EntryView>) -> Value {
    json!(entry.map_or("NONE", |e| e.state.name()))
}

fn seconds(entry: EntryView) -> u64 {
    entry.remaining.as_secs()
}

fn entry_json(entry: Option<EntryView>) -> Value {
    let Some(e) = entry else { return Value::Null };
    let mut status = Vec::new();
    if e.seen_reply {
        status.push("SEEN_REPLY");
    }
    if e.assured {
        status.push("ASSURED");
    }
    let orig_dir = if e.original == Bench::tuple(Dir::Original) { "O" } else { "R" };
    json!({
        "orig_dir": orig_dir,
        "status": status,
        "flags_orig": flag_names(e.flags[0]),
        "flags_reply": flag_names(e.flags[1]),
    })
}

fn with_timeout(entry: Option<EntryView>) -> Value {
    let mut v = entry_json(entry);
    if let (Some(object), Some(e)) = (v.as_object_mut(), entry) {
        object.insert("state".into(), json!(e.state.name()));
        object.insert("timeout_s".into(), json!(seconds(e)));
    }
    v
}

fn flag_names(flags: SideFlags) -> Vec<&'static str> {
    [
        (SideFlags::WINDOW_SCALE, "window_scale"),
        (SideFlags::SACK_PERM, "sack_perm"),
        (SideFlags::CLOSE_INIT, "close_init"),
        (SideFlags::BE_LIBERAL, "be_liberal"),
        (SideFlags::DATA_UNACKNOWLEDGED, "data_unacknowledged"),
        (SideFlags::MAXACK_SET, "maxack_set"),
    ]
    .into_iter()
    .filter(|&(flag, _)| flags.has(flag))
    .map(|(_, name)| name)
    .collect()
}

/// The counters that moved, by the names of /proc/net/stat/nf_conntrack.
pub(super) fn counters(facts: &Facts) -> Value {
    let mut moved = Map::new();
    for fact in facts {
        if let CtFact::Counted(counter, n) = fact {
            let name = counter.name().trim_start_matches("Ct").to_lowercase();
            moved.insert(name, json!(n));
        }
    }
    Value::Object(moved)
}

fn timeout_name(timeouts: &Value, entry: EntryView) -> Option<&str> {
    let seconds = seconds(entry);
    timeouts.as_object()?.iter().find(|(_, v)| v.as_u64() == Some(seconds)).map(|(k, _)| k.as_str())
}

pub(super) fn set_timeouts(cfg: &mut ConntrackConfig, timeouts: &Value) {
    for (name, value) in timeouts.as_object().into_iter().flatten() {
        let t = &mut cfg.timeouts;
        let place = match name.as_str() {
            "syn_sent" => &mut t.syn_sent,
            "syn_recv" => &mut t.syn_recv,
            "established" => &mut t.established,
            "fin_wait" => &mut t.fin_wait,
            "close_wait" => &mut t.close_wait,
            "last_ack" => &mut t.last_ack,
            "time_wait" => &mut t.time_wait,
            "close" => &mut t.close,
            "max_retrans" => &mut t.max_retrans,
            "unacknowledged" => &mut t.unacknowledged,
            other => panic!("unknown timeout {other}"),
        };
        *place = Span::from_secs(value.as_u64().unwrap_or(0));
    }
}

pub(super) fn set_sysctls(cfg: &mut ConntrackConfig, sysctls: &Value) {
    for (name, value) in sysctls.as_object().into_iter().flatten() {
        let n = value.as_u64().unwrap_or(0);
        match name.as_str() {
            "nf_conntrack_tcp_loose" | "loose" => cfg.loose = n != 0,
            "nf_conntrack_tcp_be_liberal" | "be_liberal" => cfg.be_liberal = n != 0,
            "nf_conntrack_tcp_ignore_invalid_rst" | "ignore_invalid_rst" => cfg.ignore_invalid_rst = n != 0,
            "nf_conntrack_tcp_max_retrans" | "max_retrans" => cfg.max_retrans = n as u8,
            other => panic!("unknown sysctl {other}"),
        }
    }
}

fn fields(of: &Value, names: &[&str]) -> Map<String, Value> {
    names.iter().map(|&n| (n.to_owned(), of[n].clone())).collect()
}

/// Ok if all fields agree; else only those that do not.
pub(super) fn compare(
    expected: &Map<String, Value>,
    got: &Map<String, Value>,
    at: &str,
) -> Result<(), Mismatch> {
    let differs = |a: &Map<String, Value>, b: &Map<String, Value>| {
        let fields: Map<_, _> =
            a.iter().filter(|&(k, v)| b.get(k) != Some(v)).map(|(k, v)| (k.clone(), v.clone())).collect();
        format!("{at}{}", Value::Object(fields))
    };
    if expected == got {
        return Ok(());
    }
    Err(Mismatch { expected: differs(expected, got), got: differs(got, expected) })
}

pub(super) fn list(v: &Value) -> impl Iterator<Item = &Value> {
    v.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

pub(super) fn text(v: &Value) -> &str {
    v.as_str().unwrap_or_default()
}
