//! Small worlds with everything in them: a few seconds, a few connections, tiny limits, short waits, and whatever the language has.

use core::fmt::Write as _;

use sim_core::rng::{Component, Purpose, Stream};

use super::{Draw, event, put};

/// The text of the small world with this number. Not every one is valid: what the checker refuses is to be skipped.
pub fn small(number: u64) -> String {
    let mut draw = Draw(Stream::new(number, Purpose::Arrivals, Component::SHARED.part(79)));
    let millis = draw.between(300, 6_000);
    let mut waking = Draw(Stream::new(number, Purpose::Arrivals, Component::SHARED.part(81)));
    let (router, proxy) = (draw.rarely(3), draw.rarely(3));
    let seed = draw.below(1 << 20);
    let mut text = format!("(\n  duration: \"{millis}ms\", seed: {seed}, sample: \"100ms\",\n  hosts: {{\n");
    let mut host = |draw: &mut Draw, name: &str, addresses: &str, listens: bool| {
        let listen = if listens { listeners(draw, &mut waking) } else { String::new() };
        let _ = writeln!(text, "    \"{name}\": (addresses: [{addresses}], {}{listen}),", machine(draw));
    };
    let both = draw.rarely(4);
    host(&mut draw, "c0", "\"10.0.0.1\", \"10.0.0.2\"", both);
    host(&mut draw, "s", "\"10.0.1.1\", \"10.0.1.2\"", true);
    if proxy {
        host(&mut draw, "p", "\"10.0.2.1\"", true);
    }
    if router {
        let tracking = tracking(&mut draw);
        let drop = dropped(&mut draw);
        let timers = timers(&mut draw);
        let _ = writeln!(text, "    \"r\": (timers: {timers}, {drop}{tracking}),");
    }
    text.push_str("  },\n  links: [\n");
    let via = if router { "\"r\", " } else { "" };
    let _ = writeln!(text, "    (path: [\"c0\", {via}\"s\"], {}),", link(&mut draw));
    if proxy {
        let _ = writeln!(text, "    (path: [\"c0\", \"p\", \"s\"], {}),", link(&mut draw));
    }
    text.push_str("  ],\n  traffic: {\n");
    for n in 0..draw.between(1, 3) {
        let from = draw.one(&["c0", "c0", "c0", "c0", "c0", "s"]);
        let to = destination(&mut draw, proxy);
        let arrivals = arrivals(&mut draw, millis);
        let more = traffic(&mut draw, from, millis);
        let _ = writeln!(text, "    \"t{n}\": (from: \"{from}\", to: {to}, arrivals: {arrivals}, {more}),");
    }
    if proxy {
        let (port, more) = (draw.one(&["80", "81"]), traffic(&mut draw, "p", millis));
        let arrivals = format!("behind(\"p:{port}\")");
        let _ =
            writeln!(text, "    \"up\": (from: \"p\", to: \"10.0.1.1:80\", arrivals: {arrivals}, {more}),");
    }
    text.push_str("  },\n  events: [\n");
    let many = draw.below(5);
    for _ in 0..many.saturating_sub(1) {
        let (at, what) = (draw.below(millis), happening(&mut draw, router, proxy));
        let _ = writeln!(text, "    (at: \"{at}ms\", what: {what}),");
    }
    text.push_str("  ],\n)\n");
    text
}

fn happening(draw: &mut Draw, router: bool, proxy: bool) -> String {
    if proxy && draw.rarely(4) {
        let (what, port) = (draw.one(&["stop", "start", "pause", "resume"]), draw.between(80, 81));
        return format!("{what}(\"p:{port}\")");
    }
    if draw.rarely(4) {
        let settings = [
            ("tcp_tw_reuse_delay", "1"),
            ("tcp_timestamps", "0"),
            ("tcp_timestamps", "1"),
            ("tcp_max_orphans", "1"),
            ("tcp_fin_timeout", "2"),
            ("tcp_syn_retries", "1"),
            ("tcp_max_syn_backlog", "4"),
            ("tcp_abort_on_overflow", "1"),
            ("tcp_sack", "0"),
        ];
        let (name, value) = settings[draw.below(settings.len() as u64) as usize];
        return format!("sysctl(\"{}\", \"net.ipv4.{name}\", \"{value}\")", draw.one(&["c0", "s"]));
    }
    event(draw, router)
}

fn timers(draw: &mut Draw) -> &'static str {
    let all = ["exact", "exact", "wheel", "wheel(hz: 1000)", "wheel(hz: 100, phase: \"3ms\")"];
    all[draw.below(all.len() as u64) as usize]
}

fn tracking(draw: &mut Draw) -> String {
    let mut text = format!("conntrack: (max: {}, buckets: {}, ", draw.between(2, 60), draw.between(1, 64));
    put(&mut text, draw, 2, "tcp_timeout_time_wait", &["\"1s\"", "\"2s\"", "\"30s\""]);
    put(&mut text, draw, 3, "tcp_timeout_syn_sent", &["\"1s\"", "\"2s\""]);
    put(&mut text, draw, 3, "tcp_timeout_close", &["\"0s\"", "\"1s\""]);
    put(&mut text, draw, 2, "first_gc", &["\"0s\"", "\"500ms\"", "\"1s\""]);
    put(&mut text, draw, 4, "tcp_loose", &["0"]);
    put(&mut text, draw, 4, "tcp_be_liberal", &["1"]);
    put(&mut text, draw, 5, "neighbours", &["3", "1000"]);
    text + "), "
}

fn dropped(draw: &mut Draw) -> String {
    if !draw.rarely(4) {
        return String::new();
    }
    let segments = draw.one(&["any", "syn", "syn_ack", "ack", "data", "fin", "rst"]);
    let times = draw.one(&["1", "3", "unlimited"]);
    format!("drop: [(segments: {segments}, times: {times}, stop: \"{}ms\")], ", draw.between(1, 4_000))
}

/// What a host is, but for its addresses and its listeners.
fn machine(draw: &mut Draw) -> String {
    let linux = !draw.rarely(5);
    let stack = if linux {
        draw.one(&["linux", "linux", "linux", "linux(\"4.9\")", "linux(\"4.19\")", "linux(\"6.1\")"])
    } else {
        draw.one(&["freebsd", "macos", "windows", "rfc793"])
    };
    let mut text = format!("stack: {stack}, timers: {}, {}", timers(draw), dropped(draw));
    let (low, few) = (draw.between(20_000, 20_100), draw.below(12));
    let mut tcp = String::new();
    put(&mut tcp, draw, 2, "time_wait", &["\"1s\"", "\"300ms\"", "\"2s\""]);
    put(&mut tcp, draw, 4, "rto_initial", &["\"100ms\"", "\"300ms\""]);
    put(&mut tcp, draw, 5, "isn", &["random"]);
    if linux {
        let mut settings = String::new();
        let mut set = |draw: &mut Draw, one_in: u64, name: &str, values: &[&str]| {
            if draw.rarely(one_in) {
                let _ = write!(settings, "\"net.{name}\": \"{}\", ", draw.one(values));
            }
        };
        let range = format!("{low} {}", low + few);
        set(draw, 2, "ipv4.ip_local_port_range", &[&range]);
        set(draw, 4, "ipv4.ip_local_reserved_ports", &["20001", "20000-20103"]);
        if stack == "linux" {
            set(draw, 4, "ipv4.ip_autobind_reuse", &["1"]);
        }
        set(draw, 5, "ipv4.tcp_retries2", &["1", "3"]);
        text.push_str("sysctl: { ");
        text.push_str(&settings);
        text.push_str(&super::sysctls(draw));
        text.push_str("}, ");
        let mut ports = String::new();
        put(&mut ports, draw, 5, "probe_time", &["\"1us\"", "\"3ms\""]);
        put(&mut ports, draw, 5, "choice", &["random"]);
        let _ = write!(text, "tcp: ({tcp}), ports: ({ports}), ");
    } else {
        put(&mut tcp, draw, 3, "max_tw_buckets", &["0", "1", "6"]);
        put(&mut tcp, draw, 3, "max_orphans", &["0", "2"]);
        put(&mut tcp, draw, 4, "tw_overflow", &["recycle_oldest", "refuse"]);
        put(&mut tcp, draw, 4, "time_wait_policy", &["bsd", "rfc793", "linux"]);
        put(&mut tcp, draw, 4, "tw_reuse", &["on", "loopback", "off"]);
        let _ = write!(text, "tcp: ({tcp}), ports: (range: ({low}, {})), ", low + few);
    }
    if draw.rarely(3) {
        let _ = write!(text, "limits: (open_files: {}), ", draw.between(1, 12));
    }
    if linux && draw.rarely(4) {
        text.push_str(&tracking(draw));
    }
    text
}

/// `waking` says how long those that listen take to wake up: numbers of its own, so that they change nothing else.
fn listeners(draw: &mut Draw, waking: &mut Draw) -> String {
    let mut text = "listen: [".to_owned();
    for port in [80, 81] {
        let _ = write!(text, "(port: {port}, ");
        put(&mut text, draw, 2, "backlog", &["0", "1", "3"]);
        put(&mut text, draw, 5, "accept_after", &["\"300ms\"", "\"1s\"", "never"]);
        put(&mut text, draw, 5, "accept_every", &["\"10ms\"", "\"150ms\""]);
        put(&mut text, draw, 4, "connections", &["1", "4"]);
        put(&mut text, draw, 4, "workers", &["1", "3"]);
        put(&mut text, draw, 12, "closed", &["true"]);
        put(&mut text, waking, 4, "wake_up", &["\"1ms\"", "\"30ms\""]);
        text.push_str("), ");
    }
    text + "], "
}

fn link(draw: &mut Draw) -> String {
    let mut text = format!("delay: \"{}\", ", draw.one(&["0.5ms", "1ms", "20ms", "50us", "0"]));
    put(&mut text, draw, 3, "loss", &["\"1%\"", "\"10%\"", "\"40%\""]);
    put(&mut text, draw, 4, "duplicate", &["\"2%\"", "\"30%\""]);
    if draw.rarely(4) {
        text.push_str("reorder: \"20%\", reorder_delay: \"5ms\"");
    }
    text
}

fn destination(draw: &mut Draw, proxy: bool) -> String {
    if proxy && draw.rarely(2) {
        return format!("\"10.0.2.1:{}\"", draw.between(80, 81));
    }
    let all = [
        "\"10.0.1.1:80\"",
        "[\"10.0.1.1:80\", \"10.0.1.2:81\"]",
        "\"10.0.1.1:99\"",
        "[\"10.0.1.1:80\", \"10.0.1.1:81\"]",
        "\"127.0.0.1:80\"",
        "\"10.0.0.1:80\"",
    ];
    draw.one(&all).to_owned()
}

fn arrivals(draw: &mut Draw, millis: u64) -> String {
    let rate = draw.one(&["3/s", "10/s", "40/s", "7/300ms"]);
    match draw.below(6) {
        0 => format!("poisson(\"{rate}\")"),
        1 => format!("workers({})", draw.between(1, 6)),
        2 => format!("at([{}])", "\"0s\", ".repeat(draw.between(2, 30) as usize)),
        3 => format!("phases([(\"300ms\", \"{rate}\"), (\"20ms\", \"1000/s\"), (\"1h\", \"5/s\")])"),
        4 => format!("at([\"0s\", \"0.1s\", \"{}ms\"])", 100 + millis / 2),
        _ => format!("constant(\"{rate}\")"),
    }
}

/// Everything of a source but who, where to and when.
fn traffic(draw: &mut Draw, from: &str, millis: u64) -> String {
    let mut text = String::new();
    put(&mut text, draw, 2, "request", &["\"1B\"", "\"1kB\"", "\"20kB\""]);
    put(&mut text, draw, 2, "response", &["\"1B\"", "\"1460B\"", "\"10kB\"", "\"100kB\""]);
    put(&mut text, draw, 3, "requests_per_connection", &["0", "2", "3", "unlimited"]);
    put(
        &mut text,
        draw,
        2,
        "service_time",
        &[
            "\"1ms\"",
            "\"37ms\"",
            "\"700ms\"",
            "exponential(mean: \"30ms\")",
            "lognormal(median: \"5ms\", p99: \"400ms\")",
            "pareto(least: \"1ms\", mean: \"9ms\")",
            "sample([\"0s\", \"9ms\", \"2s\"])",
        ],
    );
    patience(&mut text, draw);
    put(&mut text, draw, 4, "think_time", &["\"10ms\"", "exponential(mean: \"100ms\")"]);
    put(&mut text, draw, 4, "hold", &["\"10ms\"", "\"1s\""]);
    put(&mut text, draw, 5, "wake_up", &["\"1ms\"", "\"80ms\""]);
    put(&mut text, draw, 5, "ask_after", &["\"5ms\"", "\"500ms\""]);
    put(&mut text, draw, 6, "greeting", &["\"50B\"", "\"9kB\""]);
    put(
        &mut text,
        draw,
        3,
        "pool",
        &[
            "(size: 2)",
            "(size: 4, idle_timeout: \"200ms\")",
            "(size: unlimited, idle: 1)",
            "(size: unlimited, idle: 0)",
            "(size: 6, idle: 2, lifetime: \"500ms\")",
        ],
    );
    put(
        &mut text,
        draw,
        3,
        "port",
        &[
            "fixed(range: (30000, 30002), reuseaddr: true)",
            "fixed(range: (80, 82), reuseaddr: false)",
            "bound",
            "bound(range: (20000, 20011), reuseaddr: true)",
            "auto(range: (20003, 20006), reuseaddr: true)",
        ],
    );
    put(&mut text, draw, 3, "start", &["\"200ms\"", "\"1s\""]);
    if from == "c0" {
        put(&mut text, draw, 4, "source", &["[\"10.0.0.2\", \"10.0.0.1\"]"]);
    }
    let first = draw.one(&["client", "server", "both"]);
    let ways = ["graceful", "graceful", "half_close", "reset", "never", "unread"];
    let how = draw.one(if first == "client" { &ways } else { &ways[..5] });
    let other = draw.one(&["close_after(\"0s\")", "close_after(\"0s\")", "close_after(\"300ms\")", "never"]);
    let _ = write!(text, "close: (first: {first}, how: {how}, other: {other}), ");
    if draw.rarely(3) {
        let _ = write!(text, "stop: \"{}ms\", ", draw.between(100, millis));
    }
    text
}

/// How long anyone waits, and what a client does then.
fn patience(text: &mut String, draw: &mut Draw) {
    put(text, draw, 4, "connect_timeout", &["\"50ms\"", "\"1s\""]);
    put(text, draw, 4, "response_timeout", &["\"20ms\"", "\"400ms\""]);
    put(text, draw, 5, "server_idle_timeout", &["\"50ms\"", "\"1s\""]);
    put(
        text,
        draw,
        2,
        "on_error",
        &[
            "retry(after: \"50ms\", times: 3)",
            "retry(after: \"10ms\", times: 2, broken: true, until: \"2s\")",
            "retry(after: \"20ms\", times: 4, factor: 3, at_most: \"1s\", jitter: \"50%\")",
        ],
    );
}
