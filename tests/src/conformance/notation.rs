//! The recordings' notation: JSON values to segments and parameters, and back.

use serde_json::Value;
use sim_core::tcp::config::{ReuseDelay, Syncookies, Timestamps, TwReuse};
use sim_core::tcp::{Flags, Poll, TcpConfig};
use sim_core::time::Span;

/// Letters of flags, in the recordings' order.
const LETTERS: [(char, Flags); 6] = [
    ('F', Flags::FIN),
    ('S', Flags::SYN),
    ('R', Flags::RST),
    ('P', Flags::PSH),
    ('A', Flags::ACK),
    ('U', Flags::URG),
];

pub(super) fn parse_flags(text: &str) -> Flags {
    let of = |c: char| LETTERS.iter().find(|l| l.0 == c).map_or(Flags(0), |l| l.1);
    text.chars().map(of).fold(Flags(0), Flags::with)
}

pub(super) fn flag_letters(flags: Flags) -> String {
    LETTERS.iter().filter(|l| flags.has(l.1)).map(|l| l.0).collect()
}

pub(super) fn int(value: &Value) -> Option<i64> {
    value.as_i64()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// Sets a sysctl by its name. One that the model has no part of is passed over: what it does shows as a mismatch.
pub(super) fn set_sysctl(cfg: &mut TcpConfig, name: &str, value: i64) {
    let small = value.clamp(0, 255) as u8;
    let number = value.clamp(0, i64::from(u32::MAX)) as u32;
    let on = value != 0;
    match name.rsplit('.').next().unwrap_or(name) {
        "tcp_rfc1337" => cfg.rfc1337 = on,
        "tcp_timestamps" => {
            cfg.timestamps = if on { Timestamps::RandomOffset } else { Timestamps::Off };
        }
        "tcp_sack" => cfg.sack = on,
        "tcp_window_scaling" => cfg.window_scaling = on,
        "tcp_syn_retries" => cfg.syn_retries = small,
        "tcp_syn_linear_timeouts" => cfg.syn_linear_timeouts = small,
        "tcp_synack_retries" => cfg.synack_retries = small,
        "tcp_retries2" => cfg.retries2 = small,
        "tcp_orphan_retries" => cfg.orphan_retries = small,
        "tcp_fin_timeout" => cfg.fin_timeout = Span::from_secs(value.max(0) as u64),
        "tcp_invalid_ratelimit" => cfg.invalid_ratelimit = Span::from_millis(value.max(0) as u64),
        "tcp_max_tw_buckets" => cfg.max_tw_buckets = number,
        "tcp_max_orphans" => cfg.max_orphans = number,
        "tcp_abort_on_overflow" => cfg.abort_on_overflow = on,
        "tcp_max_syn_backlog" => cfg.max_syn_backlog = number,
        "somaxconn" => cfg.somaxconn = number,
        "tcp_rto_max_ms" => cfg.rto_max = Span::from_millis(value.max(0) as u64),
        "tcp_rto_min_us" => cfg.rto_min = Span::from_micros(value.max(0) as u64),
        "tcp_early_retrans" => cfg.tail_loss_probe = value >= 3,
        "tcp_keepalive_time" => cfg.keepalive.0 = Span::from_secs(value.max(0) as u64),
        "tcp_keepalive_intvl" => cfg.keepalive.1 = Span::from_secs(value.max(0) as u64),
        "tcp_keepalive_probes" => cfg.keepalive.2 = small,
        "tcp_challenge_ack_limit" => {
            cfg.challenge_ack_limit = if value >= i64::from(i32::MAX) { u32::MAX } else { number };
        }
        "tcp_tw_reuse" => {
            cfg.tw_reuse = match value {
                0 => TwReuse::Off,
                1 => TwReuse::On,
                _ => TwReuse::Loopback,
            };
        }
        "tcp_tw_reuse_delay" => {
            cfg.tw_reuse_delay = ReuseDelay::SinceEntry(Span::from_millis(value.max(0) as u64));
        }
        "tcp_syncookies" => {
            cfg.syncookies = match value {
                0 => Syncookies::Off,
                1 => Syncookies::WhenFull,
                _ => Syncookies::Always,
            };
        }
        _ => {}
    }
}

/// Applies an object of sysctls.
pub(super) fn set_sysctls(cfg: &mut TcpConfig, sysctls: &Value) {
    for (name, value) in sysctls.as_object().into_iter().flatten() {
        if let Some(number) = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok()) {
            set_sysctl(cfg, name, number);
        }
    }
}

/// poll()'s events as the recordings list them.
pub(super) fn poll_names(poll: Poll) -> Vec<&'static str> {
    let mut names = Vec::new();
    for (set, name) in [
        (poll.error, "ERR"),
        (poll.hang_up, "HUP"),
        (poll.input, "IN"),
        (poll.output, "OUT"),
        (poll.read_hang_up, "RDHUP"),
    ] {
        if set {
            names.push(name);
        }
    }
    names
}

/// The recorded list of events, sorted.
pub(super) fn recorded_poll(value: &Value) -> Vec<String> {
    let mut names: Vec<String> = value.as_array().into_iter().flatten().map(|v| text(v).to_owned()).collect();
    names.sort();
    names
}

/// A difference, as one line.
pub(super) fn differs(what: &str, expected: &str, got: &str) -> Option<String> {
    (expected != got).then(|| format!("{what}: expected {expected}, got {got}"))
}
