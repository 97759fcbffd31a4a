//! Recordings of a client and a server: what they do, and the facts that come of it.

use scenarios::Patch;
use serde_json::{Map, Value, json};
use sim_core::counter::Counter;
use sim_core::ids::{HostId, TrafficId};
use sim_core::record::{HostSummary, TrafficSummary};
use sim_core::scenario::{Limit, Metric};
use sim_core::tcp::State;

use super::Plan;
use super::judge::{Loose, Seen};
use super::language::{CLIENT, Machines, decimal, known, number, seconds};
use super::recording::Recording;
use super::trail::{Connection, Observed, Place};

/// The group that a recording is counted in: what its name begins with, without what follows the first `_` or digit.
pub(super) fn group(value: &Value) -> &str {
    let case = value["case"].as_str().unwrap_or_default();
    let end = case.find(|c: char| c == '_' || c.is_ascii_digit()).unwrap_or(case.len());
    &case[..end]
}

/// How long a flood's process lives on after its last attempt: its sockets end with it.
const FLOOD_DRAIN: f64 = 1.05;

/// What a process needs from one call to the next: longer than a segment on a veth.
const CALL: f64 = 0.0002;

/// When a run's client begins. The recorder reads its samples some milliseconds after each full second of its client's
/// time, so that rows of the time series, at full seconds of the run, lie as far behind the client's.
pub(super) const BEGIN: f64 = 0.98;

/// When a client goes on and for how long it is watched, seconds.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// Length of its phases.
    active: f64,
    /// How long it is watched after them.
    drain: f64,
}

const CLIENT_KEYS: &[&str] = &[
    "phases",
    "workers",
    "seconds",
    "retry_delay",
    "requests",
    "think",
    "req_bytes",
    "resp_bytes",
    "who",
    "close",
    "hold",
    "bind",
    "nofile",
    "connect_timeout",
    "drain",
    "record_ports",
    "port",
];
const SERVER_KEYS: &[&str] = &["ports", "backlog", "accept_after", "close_delay", "close", "nofile"];
const BIND_KEYS: &[&str] = &["ip", "ports", "reuseaddr", "no_port", "sock_port_range"];

/// Tells a recording of clients and servers as a scenario.
pub(super) fn plan(recording: &Recording) -> Result<Plan, String> {
    let mut machines = Machines::read(recording)?;
    let section = |name: &str| recording.parameters.get(name).and_then(Value::as_object);
    let client = section("client").ok_or("a client that is no object")?;
    let empty = Map::new();
    let server = section("server").unwrap_or(&empty);
    known(server, "`server`", SERVER_KEYS)?;
    let ports = whole_numbers(server.get("ports"), &[8000])?;
    listen(&mut machines, server, &ports)?;
    let (main, times) = traffic(&machines, "client", client, server, &ports)?;
    let mut sources = vec![main];
    if let Some(flood) = section("flood") {
        let port = number(flood, "port", 8009.0)? as u16;
        // Where nobody listens, what reaches the port is dropped by a rule, or refused.
        let behind = if ports.contains(&port) { server } else { &empty };
        sources.push(traffic(&machines, "flood", flood, behind, &[port])?.0);
    }
    if let Some(nofile) = client.get("nofile") {
        machines.add(CLIENT, format!("limits: (open_files: {nofile})"));
    }
    let text = machines.scenario((BEGIN + times.active + times.drain).ceil(), "1s", &sources);
    let names: Vec<String> = recording.facts.iter().map(|fact| fact.name.clone()).collect();
    let server = machines.server().to_owned();
    let tracker = machines.tracker().map(str::to_owned);
    // The cases were recorded side by side, and one collector of connection tracking serves all namespaces of a machine:
    // how many entries the others had is not known.
    let tracks = tracker.clone();
    let vary = move |seed: u64| {
        let host = tracks.iter().filter(|_| seed % 2 == 1);
        host.map(|host| Patch::new(format!("hosts.{host}.conntrack.neighbours"), "5000")).collect()
    };
    let facts = move |observed: &Observed| {
        let view = View::new(observed, &server, tracker.as_deref(), times);
        names.iter().filter_map(|name| Some((name.clone(), view.fact(name)?))).collect::<Seen>()
    };
    // A loop that is closed goes as fast as the recorder's machine lets it.
    let loose = if client.contains_key("workers") {
        vec![("attempts", Loose::Share(0.05)), ("errors", Loose::Share(0.05))]
    } else {
        Vec::new()
    };
    Ok(Plan { text, loose, vary: Box::new(vary), all_packets: false, facts: Box::new(facts) })
}

/// The server's listeners.
fn listen(machines: &mut Machines, server: &Map<String, Value>, ports: &[u16]) -> Result<(), String> {
    let backlog = number(server, "backlog", 4096.0)?;
    let after = number(server, "accept_after", 0.0)?;
    let after = seconds(if after > 0.0 { BEGIN + after } else { 0.0 });
    let one = |port: &u16| format!("(port: {port}, backlog: {backlog}, accept_after: {after})");
    let host = machines.server().to_owned();
    machines.add(&host, format!("listen: [{}]", ports.iter().map(one).collect::<Vec<_>>().join(", ")));
    if let Some(nofile) = server.get("nofile") {
        if host == CLIENT {
            return Err("descriptors of a server on the client's own host".to_owned());
        }
        machines.add(&host, format!("limits: (open_files: {nofile})"));
    }
    Ok(())
}

/// One source of connections.
fn traffic(
    machines: &Machines,
    name: &str,
    client: &Map<String, Value>,
    server: &Map<String, Value>,
    ports: &[u16],
) -> Result<(String, Times), String> {
    known(client, &format!("`{name}`"), CLIENT_KEYS)?;
    let (arrivals, active) = arrivals(client)?;
    let times = Times { active, drain: number(client, "drain", 3.0)? };
    let addresses = machines.addresses(machines.server());
    let to: Vec<_> =
        ports.iter().flat_map(|port| addresses.iter().map(move |ip| format!("\"{ip}:{port}\""))).collect();
    let mut fields = vec![
        format!("from: \"{CLIENT}\""),
        format!("to: [{}]", to.join(", ")),
        arrivals,
        format!("start: {}", seconds(BEGIN)),
        format!("stop: {}", seconds(BEGIN + times.active)),
        format!("request: \"{}B\"", number(client, "req_bytes", 16.0)?),
        format!("response: \"{}B\"", number(client, "resp_bytes", 16.0)?),
        format!("requests_per_connection: {}", number(client, "requests", 1.0)?),
        format!("think_time: {}", seconds(number(client, "think", 0.0)?)),
        close(client, server)?,
        // A process has to be woken before it reads.
        "wake_up: \"100us\"".to_owned(),
    ];
    fields.extend(bind(machines, client)?);
    if let Some(timeout) = client.get("connect_timeout").and_then(Value::as_f64) {
        fields.push(format!("connect_timeout: {}", seconds(timeout)));
    }
    let inside = fields.join(", ");
    Ok((format!("{name:?}: ({inside})"), times))
}

/// When connections are wanted, and for how long.
fn arrivals(client: &Map<String, Value>) -> Result<(String, f64), String> {
    if client.contains_key("workers") {
        let workers = number(client, "workers", 1.0)?;
        let retry = seconds(number(client, "retry_delay", 0.05)?);
        let fields = format!("arrivals: workers({workers}), on_error: retry(after: {retry}, times: 1)");
        return Ok((fields, number(client, "seconds", 0.0)?));
    }
    let phases =
        client.get("phases").and_then(Value::as_array).ok_or("a client without phases or workers")?;
    let mut told = Vec::new();
    let mut active = 0.0;
    for phase in phases {
        let (Some(length), Some(rate)) = (phase[0].as_f64(), phase[1].as_f64()) else {
            return Err(format!("the phase {phase}"));
        };
        active += length;
        told.push(format!("({}, \"{}/s\")", seconds(length), decimal(rate)));
    }
    Ok((format!("arrivals: phases([{}])", told.join(", ")), active))
}

/// Who closes, how, and what the other side does.
fn close(client: &Map<String, Value>, server: &Map<String, Value>) -> Result<String, String> {
    let word = |map: &Map<String, Value>, key, default: &str| {
        map.get(key)
            .map_or(Ok(default.to_owned()), |v| v.as_str().map(str::to_owned).ok_or(format!("`{key}`: {v}")))
    };
    let first = word(client, "who", "client")?;
    let (near, far) = match first.as_str() {
        "client" => (word(client, "close", "graceful")?, word(server, "close", "graceful")?),
        "server" => (word(server, "close", "graceful")?, word(client, "close", "graceful")?),
        _ => return Err(format!("`who`: {first}")),
    };
    let how = match near.as_str() {
        "graceful" => "graceful",
        "linger0" => "reset",
        "shutdown" => "half_close",
        "unread" if first == "client" => "unread",
        _ => return Err(format!("the side that closes first closes by `{near}`")),
    };
    if far != "graceful" && !(far == "shutdown" && first == "server") {
        return Err(format!("the side that closes second closes by `{far}`"));
    }
    let delay = number(server, "close_delay", 0.0)?;
    let hold = number(client, "hold", 0.0)?;
    let (hold, how, other) = match (first.as_str(), delay < 0.0) {
        ("client", true) => (hold, how, "never".to_owned()),
        ("client", false) => (hold, how, format!("close_after({})", seconds(delay))),
        // Where the server closes first, its delay begins with the response; a client that holds on does so after EOF.
        (_, true) => (0.0, "never", "never".to_owned()),
        (_, false) => (delay, how, format!("close_after({})", seconds(hold))),
    };
    Ok(format!("close: (first: {first}, how: {how}, other: {other}), hold: {}", seconds(hold.max(CALL))))
}

/// How the client gets its address and its port.
fn bind(machines: &Machines, client: &Map<String, Value>) -> Result<Vec<String>, String> {
    let empty = Map::new();
    let bind = client.get("bind").and_then(Value::as_object).unwrap_or(&empty);
    known(bind, "`bind`", BIND_KEYS)?;
    let is_set = |key: &str| bind.get(key).is_some_and(|v| v.as_bool().unwrap_or(v.as_i64() != Some(0)));
    let mut fields = Vec::new();
    if is_set("ip") || bind.contains_key("ports") {
        let addresses: Vec<_> = machines.addresses(CLIENT).iter().map(|ip| format!("{ip:?}")).collect();
        fields.push(format!("source: [{}]", addresses.join(", ")));
    }
    let mut inside = Vec::new();
    if let Some(range) = bind.get("sock_port_range") {
        let range = whole_numbers(Some(range), &[])?;
        let [low, high] = range[..] else { return Err("`sock_port_range` is no pair".to_owned()) };
        inside.push(format!("range: ({low}, {high})"));
    }
    if is_set("reuseaddr") {
        inside.push("reuseaddr: true".to_owned());
    }
    let head = if let Some(ports) = bind.get("ports") {
        let ports = whole_numbers(Some(ports), &[])?;
        let (Some(low), Some(high)) = (ports.first(), ports.last()) else { return Ok(fields) };
        if !ports.windows(2).all(|pair| u32::from(pair[0]) + 1 == u32::from(pair[1])) {
            return Err("fixed ports that are no range".to_owned());
        }
        inside.retain(|field| !field.starts_with("range"));
        inside.insert(0, format!("range: ({low}, {high})"));
        "fixed"
    } else if is_set("ip") && !is_set("no_port") {
        "bound"
    } else {
        "auto"
    };
    let inside = inside.join(", ");
    fields.push(if inside.is_empty() { format!("port: {head}") } else { format!("port: {head}({inside})") });
    Ok(fields)
}

/// Ports of a list.
fn whole_numbers(value: Option<&Value>, default: &[u16]) -> Result<Vec<u16>, String> {
    let Some(value) = value else { return Ok(default.to_vec()) };
    let list = value.as_array().ok_or_else(|| format!("{value} is no list of ports"))?;
    let port = |v: &Value| v.as_u64().and_then(|n| u16::try_from(n).ok()).ok_or(format!("{v} is no port"));
    list.iter().map(port).collect()
}

/// A run as the recorder would have looked at it.
struct View<'a> {
    observed: &'a Observed,
    client: &'a HostSummary,
    server: &'a HostSummary,
    server_name: &'a str,
    tracker: Option<&'a str>,
    book: &'a TrafficSummary,
    connections: Vec<(u32, Connection)>,
    times: Times,
}

impl<'a> View<'a> {
    fn new(observed: &'a Observed, server_name: &'a str, tracker: Option<&'a str>, times: Times) -> View<'a> {
        let summary = |name| &observed.summary.hosts[observed.host(name).map_or(0, HostId::index)];
        let main = observed.traffic("client").unwrap_or(TrafficId(0));
        View {
            observed,
            client: summary(CLIENT),
            server: summary(server_name),
            server_name,
            tracker,
            book: &observed.summary.traffic[main.index()],
            connections: observed.connections(main).into_iter().collect(),
            times,
        }
    }

    /// A fact by its name, if it is known how to find it.
    fn fact(&self, name: &str) -> Option<Value> {
        Some(match name {
            "attempts" => json!(self.book.attempted.count),
            "connected" => json!(self.book.connected.count),
            "errors" => errors(self.book),
            "still_connecting_at_end" => json!(self.open_at_end()),
            "flood" => self.flood()?,
            "client_tw_max" => json!(self.sampled_peak(CLIENT)),
            "server_tw_max" => json!(self.sampled_peak(self.server_name)),
            "first_port_error_s" => json!(self.first_port_error()),
            "first_port_error_attempt_index" => json!(self.first_refused_attempt()),
            "first_success_after_error_second" => json!(self.first_success_after_error()),
            "success_per_s_after_first_error" => json!(self.rate_after_error()),
            "steady_success_per_s" => json!(self.steady_rate()),
            "tuple_reuse_gap_min_s" => json!(self.reuse_gaps().first().copied()),
            "tuple_reuse_gap_p50_s" => json!(median(&self.reuse_gaps())),
            "TcpExtTWRecycled" => json!(self.client.counters.get(Counter::TcpExtTWRecycled)),
            "client_TcpRetransSegs" => {
                json!(self.client.counters.get(Counter::TcpRetransSegs) - self.retransmitted_by_the_dead())
            }
            "EMFILE" => json!(self.errors_of(&["EMFILE"])),
            "c0.EADDR" => json!(self.errors_of(&["EADDRNOTAVAIL", "EADDRINUSE"])),
            "kernel_log_time_wait_lines" => json!(0),
            "server_accepted" => json!(self.server.accepted),
            "server_EMFILE" => json!(self.failed_accepts()),
            "server_CLOSE_WAIT_max" => json!(self.server.state(State::CloseWait).peak),
            "connect_latency_over_0_3s" => self.slow_connects(),
            _ => return self.counter(name).or_else(|| self.tracking_fact(name)),
        })
    }

    /// `HOST.Counter`.
    fn counter(&self, name: &str) -> Option<Value> {
        let (host, counter) = name.split_once('.')?;
        let counter = Counter::ALL.iter().find(|c| c.name() == counter)?;
        let host = self.observed.host(host)?;
        Some(json!(self.observed.summary.hosts[host.index()].counters.get(*counter)))
    }

    fn errors_of(&self, names: &[&str]) -> u64 {
        let of = self.book.errors.iter().filter(|e| names.contains(&e.errno.name()));
        of.map(|e| e.tally.count).sum()
    }

    /// Connections and attempts whose client has neither failed nor closed.
    fn open_at_end(&self) -> usize {
        self.connections.iter().filter(|(_, connection)| connection.is_open()).count()
    }

    fn flood(&self) -> Option<Value> {
        let id = self.observed.traffic("flood")?;
        let book = &self.observed.summary.traffic[id.index()];
        let totals = json!({
            "attempts": book.attempted.count, "connected": book.connected.count, "completed": book.completed.count,
        });
        let mut errors = errors(book);
        let unseen = self.observed.connections(id).into_values().filter(|c| {
            c.established.is_none() && c.closed.is_some_and(|at| clock(at) > self.times.active + FLOOD_DRAIN)
        });
        if let Some(count) = errors.get_mut("connect:ETIMEDOUT") {
            *count = json!(count.as_u64().unwrap_or(0).saturating_sub(unseen.count() as u64));
        }
        Some(json!({"totals": totals, "errors": errors}))
    }

    /// SYNs that the flood would have sent again after its process had ended.
    fn retransmitted_by_the_dead(&self) -> u64 {
        let Some(id) = self.observed.traffic("flood") else { return 0 };
        let end = self.times.active + FLOOD_DRAIN;
        let late = self.observed.trail.packets.iter().filter(|(at, seen, _, packet)| {
            *seen == Place::Sent && packet.attempt.traffic == id && packet.seg.rtx && clock(*at) > end
        });
        late.count() as u64
    }

    /// The highest number of mini-sockets at a full second.
    fn sampled_peak(&self, host: &str) -> u64 {
        let Some(id) = self.observed.host(host) else { return 0 };
        let series = self.observed.summary.series.get(Metric::Used(Limit::TwBuckets(id)));
        series.into_iter().flatten().copied().max().unwrap_or(0)
    }

    /// When a port was first refused, seconds.
    fn first_port_error(&self) -> Option<f64> {
        let refused = self.book.errors.iter().filter(|e| e.errno.name().starts_with("EADDR"));
        refused.map(|e| e.tally.first).min().map(clock)
    }

    /// The first attempt that came to no connection, if a port was refused.
    fn first_refused_attempt(&self) -> Option<u32> {
        self.first_port_error()?;
        let numbers = self.connections.iter().map(|(number, _)| *number);
        Some(
            numbers
                .zip(0..)
                .find(|(number, place)| number != place)
                .map_or(self.connections.len() as u32, |(_, p)| p),
        )
    }

    /// connect() successes in each second.
    fn successes(&self) -> Vec<u64> {
        let mut bins = vec![0; self.times.active.ceil() as usize];
        for at in self.connections.iter().filter_map(|(_, c)| c.established) {
            if let Some(bin) = bins.get_mut(clock(at) as usize) {
                *bin += 1;
            }
        }
        bins
    }

    fn first_success_after_error(&self) -> Option<usize> {
        let from = self.first_port_error()? as usize + 2;
        self.successes().iter().enumerate().position(|(second, &n)| second >= from && n > 0)
    }

    fn rate_after_error(&self) -> Option<f64> {
        let from = self.first_port_error()? as usize + 1;
        mean(self.successes().get(from..)?)
    }

    fn steady_rate(&self) -> Option<f64> {
        let successes = self.successes();
        mean(successes.get(successes.len().div_ceil(2)..)?)
    }

    /// From the close of a connection to the next connect() on its tuple, seconds, ascending.
    fn reuse_gaps(&self) -> Vec<f64> {
        let mut last = std::collections::BTreeMap::new();
        let mut gaps = Vec::new();
        for (_, connection) in &self.connections {
            if let Some(Some(closed)) = last.insert(connection.tuple, connection.closed) {
                gaps.push(seconds_of(connection.began) - seconds_of(closed));
            }
        }
        gaps.sort_by(f64::total_cmp);
        gaps
    }

    /// The recorder's server tries again every half second when it has no descriptor.
    fn failed_accepts(&self) -> u64 {
        const PAUSE: f64 = 0.5;
        let limit = self.observed.host(self.server_name).map(Limit::OpenFiles);
        let found = self.observed.summary.limits.iter().find(|l| Some(l.limit) == limit);
        let Some(refused) = found.map(|l| l.refused).filter(|r| r.count > 0) else { return 0 };
        let end = seconds_of(self.observed.summary.ended);
        ((end - seconds_of(refused.first)) / PAUSE).ceil() as u64
    }

    /// How many connects took longer than 0.3 s, by the SYN that was answered: that is by full seconds, those after the
    /// longest pauses together.
    fn slow_connects(&self) -> Value {
        slow(self.connections.iter().filter_map(|(_, c)| {
            let latency = seconds_of(c.established?) - seconds_of(c.began);
            (latency > 0.3).then_some(latency)
        }))
    }

    /// Facts about connection tracking.
    fn tracking_fact(&self, name: &str) -> Option<Value> {
        let host = self.observed.host(self.tracker?)?;
        let summary = &self.observed.summary;
        // The first row is before the client's time.
        let counts =
            summary.series.get(Metric::Conntrack(host)).and_then(|rows| rows.get(1..)).unwrap_or(&[]);
        let max = self.observed.scenario.hosts[host.index()].conntrack.as_ref()?.max;
        let full = counts.iter().position(|&count| count >= u64::from(max));
        let successes = self.successes();
        let after: &[u64] = full.and_then(|full| successes.get(full + 2..)).unwrap_or(&[]);
        let lines = |log: &&(usize, sim_core::record::LogSummary)| log.0 == host.index();
        let printed: u64 = summary.logs.iter().filter(lines).map(|(_, log)| log.printed.count).sum();
        Some(match name {
            "nf_conntrack_count_max" => json!(counts.iter().max()),
            "table_full_first_s" => json!(full),
            "conntrack_S" => conntrack_counters(&summary.hosts[host.index()]),
            "log_lines" => json!(printed),
            "log_example" => json!(printed > 0),
            "successes_after_full" => json!(after.iter().sum::<u64>()),
            "seconds_with_no_success_after_full" => json!(after.iter().filter(|&&n| n == 0).count()),
            "success_bursts_after_full" => {
                let first = full.unwrap_or(0) + 2;
                let bursts = after.iter().enumerate().filter(|(_, n)| **n >= 10);
                json!(bursts.map(|(i, n)| json!([first + i, n])).collect::<Vec<_>>())
            }
            "count_min_after_full" => json!(full.and_then(|full| counts[full..].iter().min())),
            "count_fell_at_s" => {
                let falls = counts.windows(2).enumerate().filter(|(_, pair)| pair[1] < pair[0]);
                json!(falls.map(|(i, pair)| json!([i + 1, pair[0], pair[1]])).collect::<Vec<_>>())
            }
            _ => return None,
        })
    }
}

/// Counts of `conntrack -S` that moved, under its names.
pub(super) fn conntrack_counters(host: &HostSummary) -> Value {
    const NAMES: &[(Counter, &str)] = &[
        (Counter::CtInvalid, "invalid"),
        (Counter::CtInsertFailed, "insert_failed"),
        (Counter::CtDrop, "drop"),
        (Counter::CtEarlyDrop, "early_drop"),
    ];
    let moved = NAMES.iter().map(|&(counter, name)| (name.to_owned(), host.counters.get(counter)));
    Value::Object(moved.filter(|(_, n)| *n > 0).map(|(name, n)| (name, json!(n))).collect())
}

/// When something happened, on the client's clock.
fn clock(at: sim_core::time::Time) -> f64 {
    seconds_of(at) - BEGIN
}

/// Errors by call and errno, under the recorder's names: it does not tell its own patience from the kernel's.
fn errors(book: &TrafficSummary) -> Value {
    let name = |e: &sim_core::record::ErrorTally| {
        let errno = if e.errno.name() == "TIMEOUT" { "ETIMEDOUT" } else { e.errno.name() };
        format!("{}:{errno}", e.call.name())
    };
    Value::Object(book.errors.iter().map(|e| (name(e), json!(e.tally.count))).collect())
}

/// Latencies by full seconds.
pub(super) fn slow(latencies: impl Iterator<Item = f64>) -> Value {
    let mut classes = Map::new();
    for latency in latencies {
        let class = if latency >= 60.0 { "60".to_owned() } else { format!("{}", (latency + 0.05).floor()) };
        let count = classes.get(&class).and_then(Value::as_u64).unwrap_or(0) + 1;
        classes.insert(class, json!(count));
    }
    Value::Object(classes)
}

fn seconds_of(at: sim_core::time::Time) -> f64 {
    at.0 as f64 / 1e9
}

fn mean(counts: &[u64]) -> Option<f64> {
    (!counts.is_empty()).then(|| counts.iter().sum::<u64>() as f64 / counts.len() as f64)
}

fn median(sorted: &[f64]) -> Option<f64> {
    sorted.get(sorted.len() / 2).copied()
}
