//! Compares the kernel's facts with those of the simulator over many seeds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sim_core::host::memory::OBJECTS;

use super::Comparison;
use super::client::slow;
use super::recording::KeyFact;

/// The facts of one run by name.
pub(super) type Seen = BTreeMap<String, Value>;

/// Seeds that are tried before anything is said.
const FEW: u64 = 12;
/// Seeds that are tried before a recorded value counts as out of range. Where the kernel's value is one more draw of the
/// same kind, it lies beyond all of these once in two hundred and forty times, and there are some hundred such facts.
const MANY: u64 = 480;
/// Share of a range that is added at both of its ends.
const MARGIN: f64 = 0.1;
/// How late a time may be that carries no tolerance of its own, seconds: the recorder's machine was shared.
const LATE: f64 = 0.05;

/// How far a fact hangs on the recorder's own machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Loose {
    /// It may be off by this share.
    Share(f64),
    /// The kernel's may be higher: something else that is not told comes on top.
    AtLeast,
    /// It may be lower by this share, and higher by whatever the machine had to do besides.
    Noise(f64),
}

/// How a fact is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rule {
    /// How far numbers may be off.
    slack: f64,
    /// The same share of the recorded value may be added.
    share: f64,
    /// It repeats exactly in the kernel, so it must not vary with the seed.
    steady: bool,
    /// The kernel's may be higher.
    more: bool,
    /// Only whether there is any counts.
    shared: bool,
}

/// How the facts of a name are compared.
fn rule(fact: &KeyFact) -> Rule {
    let exact = Rule { slack: 0.0, share: 0.0, steady: false, more: false, shared: false };
    let steady = Rule { steady: true, ..exact };
    let late = Rule { slack: fact.tolerance.unwrap_or(LATE), ..exact };
    match fact.name.as_str() {
        // Capacities, and the order of things.
        "first_port_error_attempt_index"
        | "distinct"
        | "full_range_result"
        | "time_wait_at_each_level"
        | "time_wait_at_both_ends"
        | "server_time_wait_count"
        | "old_server_sockets_recv" => steady,
        "reconnect_packets" | "one_reconnect_packets" => Rule { slack: LATE, ..exact },
        // Read from /proc once a second while it changes.
        "server_CLOSE_WAIT_max" => Rule { slack: 1.0, ..exact },
        // The recorder tries again every half second, with its own delays.
        "server_EMFILE" => Rule { slack: 2.0, ..exact },
        // Means of a count, rounded by the recorder.
        "steady_success_per_s" | "success_per_s_after_first_error" => Rule { slack: 0.006, ..exact },
        // The log and its rate limit are one for all that runs on a machine.
        "log_lines" => Rule { shared: true, ..exact },
        // The recorder's flood has its own end.
        "flood" => Rule { slack: 3.0, ..exact },
        "first_success_after_error_second" | "table_full_first_s" => late,
        name if name.starts_with("entry: ") => late,
        name if name.ends_with("_s") || name.contains("_s_") || name.contains("latency") => late,
        _ if fact.tolerance.is_some() => late,
        _ => exact,
    }
}

/// Flattens a value into its leaves, by path. A list also has its length.
fn leaves(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| leaves(&below(key), value, into)),
        Value::Array(list) => {
            into.insert(below("length"), Value::from(list.len()));
            list.iter().enumerate().for_each(|(i, value)| leaves(&below(&i.to_string()), value, into));
        }
        _ => {
            into.insert(path.to_owned(), value.clone());
        }
    }
}

fn flat(value: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    leaves("", value, &mut found);
    found
}

/// How often each step from port to port came. The far ones, each of which comes once or so, are counted together by
/// their order of magnitude.
pub(super) fn step_classes(steps: &Map<String, Value>) -> Value {
    let mut classes = Map::new();
    for (step, count) in steps {
        let (Ok(number), Some(count)) = (step.parse::<u32>(), count.as_u64()) else { return Value::Null };
        let class = if number <= 16 { step.clone() } else { format!("over {}", 1 << number.ilog2()) };
        let sum = classes.get(&class).and_then(Value::as_u64).unwrap_or(0) + count;
        classes.insert(class, Value::from(sum));
    }
    Value::Object(classes)
}

/// The recorded value as it is compared: what hangs on the recorder's machine is left out.
fn recorded_form(fact: &KeyFact) -> Value {
    match fact.name.as_str() {
        // The inode in the line's text is that of a namespace.
        "log_example" => Value::from(fact.value.as_array().is_some_and(|lines| !lines.is_empty())),
        "connect_latency_over_0_3s" => {
            let counts = fact.value.as_object().into_iter().flatten();
            let each = counts.filter_map(|(seconds, n)| Some((seconds.parse::<f64>().ok()?, n.as_u64()?)));
            slow(each.flat_map(|(seconds, n)| std::iter::repeat_n(seconds, n.min(1_000_000) as usize)))
        }
        // Objects that no host of the simulator is charged for, such as the heads of packets, are left out.
        "object_bytes" | "slab_bytes_per_object" | "objs_per_slab_and_order" => {
            let all = fact.value.as_object().into_iter().flatten();
            let known = all.filter(|(name, _)| OBJECTS.iter().any(|object| object.name == *name));
            Value::Object(known.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        "first_60_steps_histogram" => fact.value.as_object().map_or(Value::Null, step_classes),
        // "0.015 > SA": when, and what.
        "reconnect_packets" | "one_reconnect_packets" => {
            let lines = fact.value.as_array().into_iter().flatten().filter_map(Value::as_str);
            let parted =
                lines.map(|line| match line.split_once(' ').map(|(at, what)| (at.parse::<f64>(), what)) {
                    Some((Ok(at), what)) => Value::from(vec![Value::from(at), Value::from(what)]),
                    _ => Value::from(line),
                });
            // Times count from the SYN.
            let parted: Vec<Value> = parted.collect();
            let begin = parted.first().and_then(|line| line[0].as_f64()).unwrap_or(0.0);
            let moved = parted.into_iter().map(|mut line| {
                if let Some(at) = line[0].as_f64() {
                    line[0] = Value::from(at - begin);
                }
                line
            });
            Value::from(moved.collect::<Vec<_>>())
        }
        _ => fact.value.clone(),
    }
}

/// Hears the facts of one seed after the other.
pub(super) struct Judge<'a> {
    facts: &'a [KeyFact],
    /// Facts that hang on the recorder's own machine, and how far.
    loose: &'a [(&'static str, Loose)],
    heard: Vec<Seen>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(facts: &'a [KeyFact], loose: &'a [(&'static str, Loose)]) -> Judge<'a> {
        Judge { facts, loose, heard: Vec::new() }
    }

    fn rule(&self, fact: &KeyFact) -> Rule {
        let loose = self.loose.iter().find(|(name, _)| *name == fact.name);
        match loose.map(|(_, how)| *how) {
            None => rule(fact),
            Some(Loose::Share(share)) => Rule { share, ..rule(fact) },
            Some(Loose::AtLeast) => Rule { more: true, ..rule(fact) },
            Some(Loose::Noise(share)) => Rule { share, more: true, ..rule(fact) },
        }
    }

    /// How many seeds were heard.
    pub(super) fn seeds(&self) -> u64 {
        self.heard.len() as u64
    }

    /// Takes the facts of one more seed.
    pub(super) fn hear(&mut self, seen: Seen) {
        self.heard.push(seen);
    }

    /// Whether more seeds could change the verdict.
    pub(super) fn wants_more(&self) -> bool {
        let seeds = self.seeds();
        if seeds < FEW {
            return true;
        }
        if seeds >= MANY || !seeds.is_multiple_of(FEW) {
            return seeds < MANY;
        }
        let differ: Vec<_> = self.facts.iter().filter(|fact| self.problem(fact).is_some()).collect();
        // What has not varied so far will not, and a steady fact must not.
        !differ.is_empty() && differ.iter().all(|fact| !self.rule(fact).steady && self.varies(fact))
    }

    /// What all seeds came to.
    pub(super) fn verdict(&self) -> Comparison {
        let unknown =
            self.facts.iter().find(|fact| self.heard.iter().any(|seen| !seen.contains_key(&fact.name)));
        if let Some(fact) = unknown {
            return Comparison::Inexpressible(format!("the fact `{}` cannot be computed", fact.name));
        }
        let differ = self.facts.iter().filter_map(|fact| self.problem(fact)).collect();
        Comparison::Judged { facts: self.facts.len(), differ }
    }

    fn varies(&self, fact: &KeyFact) -> bool {
        let values: BTreeSet<String> =
            self.heard.iter().filter_map(|seen| seen.get(&fact.name)).map(Value::to_string).collect();
        values.len() > 1
    }

    /// What is wrong with a fact, if anything is.
    fn problem(&self, fact: &KeyFact) -> Option<String> {
        let rule = self.rule(fact);
        let runs: Vec<_> = self.heard.iter().filter_map(|seen| seen.get(&fact.name)).map(flat).collect();
        let recorded = flat(&recorded_form(fact));
        let paths: BTreeSet<&String> = recorded.keys().chain(runs.iter().flat_map(BTreeMap::keys)).collect();
        let wrong = paths.into_iter().filter_map(|path| {
            let found = runs.iter().map(|run| run.get(path));
            leaf_problem(rule, recorded.get(path), found).map(|problem| {
                let place = if path.is_empty() { String::new() } else { format!(" {path}") };
                format!("{}{place}: {problem}", fact.name)
            })
        });
        let wrong: Vec<_> = wrong.collect();
        let more = wrong.len().saturating_sub(2);
        let text = wrong.into_iter().take(2).collect::<Vec<_>>().join(", ");
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!text.is_empty()).then(|| text + &rest)
    }
}

/// A number, where a missing one counts as zero: counts that stayed at zero are not written down.
fn number(leaf: Option<&Value>) -> Option<f64> {
    leaf.map_or(Some(0.0), Value::as_f64)
}

/// What is wrong with one leaf of a fact.
fn leaf_problem<'v>(
    rule: Rule,
    recorded: Option<&Value>,
    found: impl Iterator<Item = Option<&'v Value>>,
) -> Option<String> {
    let found: Vec<_> = found.collect();
    let shown = |leaf: Option<&Value>| leaf.map_or("nothing".to_owned(), Value::to_string);
    // A run in which the thing did not happen at all has no number for it.
    let numbers: Vec<f64> = found.iter().filter_map(|leaf| number(*leaf)).collect();
    let whole = numbers.len() == found.len() || !rule.steady;
    let (Some(expected), false, true) = (number(recorded), numbers.is_empty(), whole) else {
        let fits =
            if rule.steady { found.iter().all(|leaf| *leaf == recorded) } else { found.contains(&recorded) };
        let others: BTreeSet<String> = found.iter().map(|leaf| shown(*leaf)).collect();
        let others = others.into_iter().take(3).collect::<Vec<_>>().join(" or ");
        return (!fits).then(|| format!("{} in the kernel, {others} here", shown(recorded)));
    };
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if rule.steady && low < high {
        return Some(format!("{expected} in the kernel each time, {low} to {high} here"));
    }
    let slack = rule.slack + rule.share * expected.abs() + MARGIN * (high - low) + 1e-9;
    let fits = if rule.shared {
        (expected > 0.0) == (high > 0.0)
    } else {
        expected >= low - slack && (rule.more || expected <= high + slack)
    };
    let here = if low < high { format!("{low} to {high}") } else { format!("{low}") };
    (!fits).then(|| format!("{expected} in the kernel, {here} here"))
}
