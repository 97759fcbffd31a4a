//! Worlds in which many connections do the same.

use core::fmt::Write as _;

use sim_core::rng::{Component, Purpose, Stream};

use super::Draw;

/// The text of the calm world with this number. Not every one is valid: what the checker refuses is to be skipped.
pub fn calm(number: u64) -> String {
    let mut draw = Draw(Stream::new(number, Purpose::Arrivals, Component::SHARED.part(78)));
    let seconds = draw.between(3, 70);
    let router = draw.rarely(3);
    let seed = draw.below(1 << 20);
    let timers =
        draw.one(&["exact", "wheel", "wheel(hz: 1000)", "wheel(hz: 100, phase: \"3ms\")", "wheel(hz: 300)"]);
    let mut text = format!("(\n  duration: \"{seconds}s\", seed: {seed}, sample: \"1s\",\n  hosts: {{\n");
    for (name, addresses) in [("c", "\"10.0.0.1\", \"10.0.0.2\""), ("s", "\"10.0.1.1\"")] {
        let host = calm_host(&mut draw, name, addresses, timers);
        let _ = writeln!(text, "    \"{name}\": ({host}),");
    }
    if router {
        let max = draw.one(&["40", "300", "100000"]);
        let wait = draw.one(&["1s", "10s", "120s"]);
        let _ = writeln!(
            text,
            "    \"r\": (timers: {timers}, conntrack: (max: {max}, buckets: 512, tcp_timeout_time_wait: \"{wait}\")),"
        );
    }
    let path = if router { "\"c\", \"r\", \"s\"" } else { "\"c\", \"s\"" };
    let delay = draw.one(&["1ms", "1ms", "0.35ms", "50us", "7ms", "1234567ns"]);
    // A script is followed over a link that has a little luck: whom it hits leaves.
    let luck = draw.one(&[
        "",
        "",
        "",
        "loss: \"1%\"",
        "loss: \"6%\"",
        "duplicate: \"2%\"",
        "reorder: \"3%\", reorder_delay: \"1ms\"",
    ]);
    let _ = writeln!(text, "  }},\n  links: [(path: [{path}], delay: \"{delay}\", {luck})],\n  traffic: {{");
    for n in 0..draw.between(1, 3) {
        let traffic = calm_traffic(&mut draw);
        let _ = writeln!(text, "    \"t{n}\": (from: \"c\", {traffic}),");
    }
    text.push_str("  },\n)\n");
    text
}

/// A host of a calm world.
fn calm_host(draw: &mut Draw, name: &str, addresses: &str, timers: &str) -> String {
    let mut sysctls = String::new();
    let mut put = |draw: &mut Draw, one_in: u64, key: &str, values: &[&str]| {
        if draw.rarely(one_in) {
            let value = draw.one(values);
            let _ = write!(sysctls, "\"net.{key}\": \"{value}\", ");
        }
    };
    put(draw, 3, "ipv4.ip_local_port_range", &["30000 30100", "30000 30999", "30001 33000"]);
    put(draw, 3, "ipv4.tcp_tw_reuse", &["0", "1"]);
    put(draw, 5, "ipv4.tcp_timestamps", &["0", "2"]);
    put(draw, 4, "ipv4.tcp_max_tw_buckets", &["17", "60", "400"]);
    put(draw, 5, "ipv4.tcp_max_orphans", &["17", "18"]);
    put(draw, 5, "ipv4.tcp_syncookies", &["0", "2"]);
    put(draw, 4, "ipv4.tcp_fin_timeout", &["1", "70"]);
    put(draw, 5, "core.somaxconn", &["0", "2"]);
    put(draw, 6, "ipv4.tcp_sack", &["0"]);
    put(draw, 6, "ipv4.tcp_window_scaling", &["0"]);
    let mut host = format!("addresses: [{addresses}], timers: {timers}, sysctl: {{ {sysctls} }}, ");
    if draw.rarely(4) {
        let _ = write!(host, "limits: (open_files: {}), ", draw.between(2, 60));
    }
    if draw.rarely(5) {
        let max = draw.one(&["30", "200", "100000"]);
        let _ = write!(host, "conntrack: (max: {max}, buckets: 256), ");
    }
    if name == "s" {
        let every = if draw.rarely(6) { "10ms" } else { "0s" };
        let after = if draw.rarely(6) { "2s" } else { "0s" };
        let backlog = draw.one(&["4096", "4096", "3", "0"]);
        let _ = write!(
            host,
            "listen: [(port: 80, backlog: {backlog}, accept_after: \"{after}\"), (port: 81, accept_every: \"{every}\")], "
        );
    }
    host
}

/// A source of a calm world.
fn calm_traffic(draw: &mut Draw) -> String {
    let rate = draw.one(&["40/s", "100/s", "333/s", "1000/s"]);
    let arrivals = match draw.below(6) {
        0 => format!("poisson(\"{rate}\")"),
        1 => format!("workers({})", draw.between(1, 4)),
        2 => format!("phases([(\"1s\", \"{rate}\"), (\"0.5s\", \"0/s\"), (\"1h\", \"50/s\")])"),
        _ => format!("constant(\"{rate}\")"),
    };
    let to = draw.one(&["\"10.0.1.1:80\"", "\"10.0.1.1:80\"", "[\"10.0.1.1:80\", \"10.0.1.1:81\"]"]);
    let mut more = String::new();
    let mut put = |draw: &mut Draw, one_in: u64, name: &str, values: &[&str]| {
        if draw.rarely(one_in) {
            let value = draw.one(values);
            let _ = write!(more, "{name}: {value}, ");
        }
    };
    put(draw, 2, "request", &["\"1B\"", "\"100B\"", "\"3kB\""]);
    put(draw, 2, "response", &["\"1B\"", "\"1kB\"", "\"9kB\"", "\"60kB\""]);
    put(draw, 3, "requests_per_connection", &["0", "2", "3"]);
    let drawn = [
        "exponential(mean: \"5ms\")",
        "exponential(mean: \"1ms\")",
        "sample([\"0s\", \"2ms\", \"70ms\"])",
        "lognormal(median: \"8ms\", p99: \"90ms\")",
    ];
    put(draw, 3, "service_time", &["\"1ms\"", "\"7ms\"", "\"30ms\"", drawn[0], drawn[1], drawn[2], drawn[3]]);
    put(draw, 4, "think_time", &["\"1ms\"", "\"12ms\""]);
    put(draw, 4, "hold", &["\"10ms\"", "\"1s\""]);
    put(draw, 5, "on_error", &["retry(after: \"50ms\", times: 3)"]);
    put(draw, 8, "pool", &["(size: 2)"]);
    put(draw, 8, "port", &["fixed(range: (30000, 30040), reuseaddr: true)"]);
    put(draw, 6, "source", &["[\"10.0.0.2\"]", "[\"10.0.0.1\", \"10.0.0.2\"]"]);
    let first = draw.one(&["client", "client", "server"]);
    let how = draw.one(&["graceful", "graceful", "graceful", "half_close", "reset"]);
    let other = draw.one(&[
        "close_after(\"0s\")",
        "close_after(\"0s\")",
        "close_after(\"5ms\")",
        "close_after(\"3s\")",
    ]);
    format!("to: {to}, arrivals: {arrivals}, {more}close: (first: {first}, how: {how}, other: {other})")
}
