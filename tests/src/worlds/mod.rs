//! Random small worlds: scenarios drawn from a number, for tests that compare two ways of running one.
//!
//! They look for trouble: few ports, short queues, small limits, lossy, doubling and reordering links, several stacks,
//! every way to close, pools, retries, both models of timers, connection tracking on either end and in between.
//!
//! [`calm()`] draws worlds of another kind: nothing is lost on the way, many connections do the same, and now and then a limit
//! binds. There conversations follow scripts, and leave them. [`small()`] draws many, each run in no time, with everything that the
//! language has.

mod calm;
mod small;

use core::fmt::Write as _;

pub use calm::calm;
use sim_core::rng::{Component, Purpose, Stream};
pub use small::small;

/// A source of choices.
struct Draw(Stream);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0.below(n)
    }
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }
    /// True once in `n` times.
    fn rarely(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

/// The text of the world with this number. Not every one is valid: what the checker refuses is to be skipped.
pub fn text(number: u64) -> String {
    let mut draw = Draw(Stream::new(number, Purpose::Arrivals, Component::SHARED.part(77)));
    let seconds = draw.between(2, 90);
    let router = draw.rarely(3);
    let mut text = String::new();
    let seed = draw.below(1 << 20);
    let _ = write!(text, "(\n  duration: \"{seconds}s\", seed: {seed}, sample: \"1s\",\n  hosts: {{\n");
    let clients = draw.between(1, 2);
    for n in 0..clients {
        let listen = if draw.rarely(4) { listeners(&mut draw) } else { String::new() };
        let _ =
            writeln!(text, "    \"c{n}\": (addresses: [\"10.0.0.{}\"], {}{listen}),", n + 1, host(&mut draw));
    }
    let listen = listeners(&mut draw);
    let _ =
        writeln!(text, "    \"s\": (addresses: [\"10.0.1.1\", \"10.0.1.2\"], {}{listen}),", host(&mut draw));
    if router {
        let max = draw.between(2, 200);
        let _ = writeln!(
            text,
            "    \"r\": (timers: {}, conntrack: (max: {max}, buckets: {}, tcp_timeout_time_wait: \"{}s\")),",
            draw.one(&["exact", "wheel"]),
            draw.between(1, 64),
            draw.between(1, 120)
        );
    }
    text.push_str("  },\n  links: [\n");
    for n in 0..clients {
        let path = if router { format!("\"c{n}\", \"r\"") } else { format!("\"c{n}\", \"s\"") };
        let _ = writeln!(text, "    (path: [{path}], {}),", link(&mut draw));
    }
    if router {
        let _ = writeln!(text, "    (path: [\"r\", \"s\"], {}),", link(&mut draw));
    }
    text.push_str("  ],\n  traffic: {\n");
    for n in 0..draw.between(1, 3) {
        let from = if draw.rarely(8) { "s".to_owned() } else { format!("c{}", draw.below(clients)) };
        let _ = writeln!(text, "    \"t{n}\": (from: \"{from}\", {}),", traffic(&mut draw, seconds));
    }
    text.push_str("  },\n  events: [\n");
    for _ in 0..draw.below(4) {
        let _ = writeln!(
            text,
            "    (at: \"{}ms\", what: {}),",
            draw.below(seconds * 1_000),
            event(&mut draw, router)
        );
    }
    text.push_str("  ],\n)\n");
    text
}

fn event(draw: &mut Draw, router: bool) -> String {
    let port = draw.between(80, 81);
    match draw.below(8) {
        0 | 1 => {
            let other = if router { "r" } else { "s" };
            format!("link_{}(\"c0\", \"{other}\")", draw.one(&["down", "up"]))
        }
        2 => format!("stop(\"s:{port}\")"),
        3 => format!("start(\"s:{port}\")"),
        4 => format!("start(listener: \"s:{port}\", reuseaddr: false, again: \"300ms\")"),
        5 => format!("{}(\"s:{port}\")", draw.one(&["pause", "resume"])),
        6 => {
            let (name, value) =
                (draw.one(&["tcp_tw_reuse", "tcp_max_tw_buckets", "tcp_syncookies"]), draw.below(3));
            format!("sysctl(\"{}\", \"net.ipv4.{name}\", \"{value}\")", draw.one(&["c0", "s"]))
        }
        _ => format!("syn_flood(to: \"s:{port}\", rate: \"200/s\", until: \"90s\")"),
    }
}

fn host(draw: &mut Draw) -> String {
    let stack = if draw.rarely(4) {
        draw.one(&[
            "linux(\"4.9\")",
            "linux(\"4.19\")",
            "linux(\"6.1\")",
            "freebsd",
            "macos",
            "windows",
            "rfc793",
        ])
    } else {
        "linux"
    };
    let timers = draw.one(&["exact", "exact", "wheel", "wheel(hz: 1000)", "wheel(hz: 100, phase: \"3ms\")"]);
    let mut text = format!("stack: {stack}, timers: {timers}, ");
    if draw.rarely(2) {
        let low = draw.between(20_000, 30_000);
        let high = low + draw.below(60);
        if stack.starts_with("linux") {
            let _ = write!(
                text,
                "sysctl: {{ \"net.ipv4.ip_local_port_range\": \"{low} {high}\", {} }}, ",
                sysctls(draw)
            );
        } else {
            let _ = write!(text, "ports: (range: ({low}, {high})), ");
        }
    } else if stack.starts_with("linux") {
        let _ = write!(text, "sysctl: {{ {} }}, ", sysctls(draw));
    }
    if draw.rarely(3) {
        let _ = write!(text, "limits: (open_files: {}), ", draw.between(1, 40));
    }
    if stack.starts_with("linux") && draw.rarely(4) {
        text.push_str("conntrack: on, ");
    }
    text
}

fn sysctls(draw: &mut Draw) -> String {
    let mut text = String::new();
    let mut put = |draw: &mut Draw, name: &str, values: &[&str]| {
        if draw.rarely(4) {
            let value = draw.one(values);
            let _ = write!(text, "\"net.{name}\": \"{value}\", ");
        }
    };
    put(draw, "ipv4.tcp_tw_reuse", &["0", "1", "2"]);
    put(draw, "ipv4.tcp_timestamps", &["0", "1", "2"]);
    put(draw, "ipv4.tcp_max_tw_buckets", &["0", "1", "7", "50"]);
    put(draw, "ipv4.tcp_max_orphans", &["0", "1", "5"]);
    put(draw, "ipv4.tcp_syncookies", &["0", "1", "2"]);
    put(draw, "ipv4.tcp_fin_timeout", &["1", "5", "30"]);
    put(draw, "ipv4.tcp_syn_retries", &["1", "3"]);
    put(draw, "ipv4.tcp_synack_retries", &["0", "1", "2"]);
    put(draw, "ipv4.tcp_abort_on_overflow", &["1"]);
    put(draw, "ipv4.tcp_rfc1337", &["1"]);
    put(draw, "ipv4.tcp_sack", &["0"]);
    put(draw, "ipv4.tcp_window_scaling", &["0"]);
    put(draw, "ipv4.tcp_max_syn_backlog", &["4", "16"]);
    put(draw, "ipv4.tcp_orphan_retries", &["1", "2"]);
    put(draw, "core.somaxconn", &["1", "4", "16"]);
    text
}

fn listeners(draw: &mut Draw) -> String {
    let mut text = "listen: [".to_owned();
    for port in [80, 81] {
        let backlog = draw.one(&["0", "1", "3", "128", "4096"]);
        let after = draw.one(&["0s", "0s", "0s", "1s", "never"]);
        let after = if after == "never" { "never".to_owned() } else { format!("\"{after}\"") };
        let every = draw.one(&["0s", "0s", "0s", "10ms", "150ms"]);
        let _ = write!(
            text,
            "(port: {port}, backlog: {backlog}, accept_after: {after}, accept_every: \"{every}\", \
             connections: {}, workers: {}), ",
            draw.one(&["unlimited", "unlimited", "unlimited", "2", "7"]),
            draw.one(&["unlimited", "unlimited", "unlimited", "1", "5"])
        );
    }
    text + "], "
}

fn link(draw: &mut Draw) -> String {
    let delay = draw.one(&["0.5ms", "1ms", "1234567ns", "20ms", "50us", "150ms"]);
    let loss = draw.one(&["0", "0", "0", "1%", "10%", "40%"]);
    let duplicate = draw.one(&["0", "0", "0", "1%", "20%"]);
    let reorder = draw.one(&["0", "0", "0", "1%", "20%"]);
    let reorder_delay = draw.one(&["0.3ms", "5ms", "400ms"]);
    format!(
        "delay: \"{delay}\", loss: \"{loss}\", duplicate: \"{duplicate}\", reorder: \"{reorder}\", reorder_delay: \"{reorder_delay}\""
    )
}

fn traffic(draw: &mut Draw, seconds: u64) -> String {
    let rate = draw.one(&["3/s", "10/s", "50/s", "200/s", "7/300ms"]);
    let arrivals = match draw.below(6) {
        0 => format!("poisson(\"{rate}\")"),
        1 => format!("workers({})", draw.between(1, 20)),
        2 => "at([\"0s\", \"0s\", \"0.5s\", \"1s\", \"1.001s\"])".to_owned(),
        3 => format!("phases([(\"1s\", \"{rate}\"), (\"0.5s\", \"0/s\"), (\"1h\", \"20/s\")])"),
        _ => format!("constant(\"{rate}\")"),
    };
    let to = draw.one(&[
        "\"10.0.1.1:80\"",
        "[\"10.0.1.1:80\", \"10.0.1.2:81\"]",
        "\"10.0.1.1:99\"",
        "[\"10.0.1.1:80\", \"10.0.1.1:81\"]",
    ]);
    let mut text = format!("to: {to}, arrivals: {arrivals}, ");
    put(&mut text, draw, 2, "request", &["\"1B\"", "\"100B\"", "\"1kB\"", "\"20kB\"", "\"200kB\""]);
    put(&mut text, draw, 2, "response", &["\"1B\"", "\"1kB\"", "\"1460B\"", "\"10kB\"", "\"300kB\""]);
    put(&mut text, draw, 3, "requests_per_connection", &["2", "3", "7"]);
    put(
        &mut text,
        draw,
        2,
        "service_time",
        &[
            "\"1ms\"",
            "\"37ms\"",
            "\"300ms\"",
            "\"2.5s\"",
            "exponential(mean: \"80ms\")",
            "sample([\"1ms\", \"900ms\"])",
        ],
    );
    put(&mut text, draw, 4, "think_time", &["\"1ms\"", "\"45ms\"", "\"1s\""]);
    put(&mut text, draw, 4, "hold", &["\"10ms\"", "\"1s\"", "\"8s\""]);
    put(&mut text, draw, 4, "connect_timeout", &["\"0.5s\"", "\"2s\""]);
    put(
        &mut text,
        draw,
        4,
        "on_error",
        &[
            "retry(after: \"50ms\", times: 3)",
            "retry(after: \"1s\", times: 1)",
            "retry(after: \"20ms\", times: 4, factor: 3, at_most: \"1s\", jitter: \"50%\")",
        ],
    );
    kept(&mut text, draw);
    put(
        &mut text,
        draw,
        6,
        "port",
        &["fixed(range: (40000, 40003), reuseaddr: true)", "fixed(range: (40000, 40040), reuseaddr: false)"],
    );
    put(&mut text, draw, 2, "start", &["\"1s\"", "\"0.3s\""]);
    let first = draw.one(&["client", "server"]);
    let how = draw.one(&["graceful", "graceful", "half_close", "reset", "never"]);
    let other = draw.one(&["close_after(\"0s\")", "close_after(\"0s\")", "close_after(\"1s\")", "never"]);
    let _ = write!(text, "close: (first: {first}, how: {how}, other: {other}), ");
    if draw.rarely(3) {
        let _ = write!(text, "stop: \"{}s\", ", draw.between(2, seconds.max(2)));
    }
    text
}

/// Writes a field, once in so many times.
fn put(text: &mut String, draw: &mut Draw, one_in: u64, name: &str, values: &[&str]) {
    if draw.rarely(one_in) {
        let value = draw.one(values);
        let _ = write!(text, "{name}: {value}, ");
    }
}

/// How connections are kept, and for how long anyone waits.
fn kept(text: &mut String, draw: &mut Draw) {
    put(
        text,
        draw,
        5,
        "pool",
        &[
            "(size: 2)",
            "(size: 5, idle_timeout: \"1s\")",
            "(size: unlimited, idle: 1)",
            "(size: 9, idle: 3, lifetime: \"2s\")",
        ],
    );
    put(text, draw, 5, "response_timeout", &["\"0.4s\"", "\"3s\""]);
    put(text, draw, 8, "server_idle_timeout", &["\"0.5s\"", "\"5s\""]);
    put(text, draw, 8, "greeting", &["\"50B\"", "\"20kB\""]);
}
