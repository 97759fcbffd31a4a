//! Replay of `conntrack_walks.json`: random segments of one flow, with random options and windows, step by step.

use serde_json::{Map, Value, json};
use sim_core::conntrack::ConntrackConfig;
use sim_core::seq::Seq;
use sim_core::time::Span;

use super::conntrack::{
    Bench, CLIENT_FIRST, Outcome, compare, counters, list, set_sysctls, set_timeouts, text,
};

/// Steps of the recording came a millisecond or two apart.
const STEP: Span = Span::from_millis(2);

/// Replays `conntrack_walks.json`.
pub fn walks(file: &Value) -> Vec<Outcome> {
    let isns = [0, 1].map(|i| Seq(file["isns"][i].as_u64().unwrap_or(0) as u32));
    list(&file["walks"]).map(|walk| replay(walk, &file["timeouts"], isns)).collect()
}

fn replay(walk: &Value, timeouts: &Value, isns: [Seq; 2]) -> Outcome {
    let mut cfg = ConntrackConfig::default();
    set_timeouts(&mut cfg, timeouts);
    set_sysctls(&mut cfg, &walk["sysctls"]);
    let mut bench = Bench::new(isns, cfg);
    let mut result = Ok(());
    for (index, step) in list(&walk["steps"]).enumerate() {
        bench.now += STEP;
        bench.inject(step);
        let mut expected = Map::new();
        let mut got = Map::new();
        expected.insert("invalid".into(), step["invalid"].clone());
        got.insert("invalid".into(), counters(&bench.facts).get("invalid").cloned().unwrap_or(json!(0)));
        expected.insert("entry".into(), step["entry"].clone());
        got.insert("entry".into(), entry(&bench, &step["entry"]));
        result = compare(&expected, &got, &format!("step {index}: "));
        if result.is_err() {
            break;
        }
    }
    Outcome { id: text(&walk["id"]).to_owned(), state: String::new(), result }
}

/// The entry as /proc/net/nf_conntrack shows it. Its whole seconds may differ by one, for the recorder read the file a
/// little after the segment.
fn entry(bench: &Bench, recorded: &Value) -> Value {
    let Some(e) = bench.entry() else { return Value::Null };
    let ours = e.remaining.as_secs();
    let theirs = recorded["remaining"].as_u64().unwrap_or(0);
    json!({
        "state": e.state.name(),
        "remaining": if ours.abs_diff(theirs) <= 1 { theirs } else { ours },
        "orig": if e.original == CLIENT_FIRST { "O" } else { "R" },
        "replied": e.seen_reply,
        "assured": e.assured,
    })
}
