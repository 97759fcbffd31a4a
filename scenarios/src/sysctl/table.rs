//! What the model has of Linux's settings: one line each, under the kernel's name, with the range the kernel takes.
//!
//! The ranges were asked of a running 6.18 kernel, value by value; where it takes nonsense (a negative
//! `tcp_fin_timeout`), the table is stricter. Settings without a line here are in `known.txt`.

use sim_core::conntrack::ConntrackConfig;
use sim_core::profile::Stack;
use sim_core::scenario::PortConfig;
use sim_core::tcp::TcpConfig;
use sim_core::tcp::config::{ReuseDelay, Syncookies, Timestamps, TwReuse};
use sim_core::time::Span;

/// Everything that a setting can reach on one host.
#[derive(Clone, Debug)]
pub(crate) struct HostSettings {
    pub(crate) tcp: TcpConfig,
    pub(crate) ports: PortConfig,
    pub(crate) conntrack: ConntrackConfig,
    /// Of the timer wheel, if the file says it.
    pub(crate) phase: Option<Span>,
}

/// A setting.
pub(crate) struct Setting {
    /// The kernel's name.
    pub(crate) name: &'static str,
    /// Unit of the number, for people.
    pub(crate) unit: &'static str,
    /// The first stack profile that has it.
    pub(crate) since: Option<Stack>,
    /// What it does: one line of the reference.
    pub(crate) doc: &'static str,
    /// What it takes and does.
    pub(crate) kind: Kind,
}

/// What a setting takes and does.
pub(crate) enum Kind {
    /// A whole number between two bounds, inclusive.
    Number { low: u64, high: u64, set: fn(&mut HostSettings, u64), get: fn(&HostSettings) -> u64 },
    /// Something else, described in words.
    Text { takes: &'static str, set: fn(&mut HostSettings, &str) -> bool, get: fn(&HostSettings) -> String },
}

impl Setting {
    /// Whether this stack has the setting.
    pub(crate) fn exists_in(&self, stack: Stack) -> bool {
        stack.is_linux() && self.since.is_none_or(|since| stack >= since)
    }

    /// The value that is set, as `sysctl` would print it.
    pub(crate) fn get(&self, knobs: &HostSettings) -> String {
        match self.kind {
            Kind::Number { get, .. } => get(knobs).to_string(),
            Kind::Text { get, .. } => get(knobs),
        }
    }

    /// Sets the value, or says what the kernel would take.
    pub(crate) fn set(&self, knobs: &mut HostSettings, value: &str) -> Result<(), String> {
        let ok = match self.kind {
            Kind::Number { low, high, set, .. } => {
                let number = value.trim().parse::<u64>().ok().filter(|n| (low..=high).contains(n));
                number.map(|n| set(knobs, n)).is_some()
            }
            Kind::Text { set, .. } => set(knobs, value),
        };
        if ok { Ok(()) } else { Err(format!("`{}` takes {}", self.name, self.takes())) }
    }

    /// What it takes, in words.
    pub(crate) fn takes(&self) -> String {
        match self.kind {
            Kind::Number { low, high, .. } if self.unit.is_empty() => {
                format!("a whole number from {low} to {high}")
            }
            Kind::Number { low, high, .. } => format!("whole {} from {low} to {high}", self.unit),
            Kind::Text { takes, .. } => takes.to_owned(),
        }
    }
}

/// The model's setting of that name. `net.nf_conntrack_max` is the kernel's own second name for one of them.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    let name = if name == "net.nf_conntrack_max" { "net.netfilter.nf_conntrack_max" } else { name };
    SETTINGS.iter().find(|s| s.name == name)
}

const INT: u64 = i32::MAX as u64;
/// proc_dointvec_jiffies at 1000 Hz: beyond this the kernel answers EINVAL.
const SECONDS: u64 = 2_147_483;

const fn number(
    name: &'static str,
    range: (u64, u64),
    set: fn(&mut HostSettings, u64),
    get: fn(&HostSettings) -> u64,
) -> Setting {
    Setting {
        name,
        unit: "",
        since: None,
        doc: "",
        kind: Kind::Number { low: range.0, high: range.1, set, get },
    }
}

const fn text(
    name: &'static str,
    takes: &'static str,
    set: fn(&mut HostSettings, &str) -> bool,
    get: fn(&HostSettings) -> String,
) -> Setting {
    Setting { name, unit: "", since: None, doc: "", kind: Kind::Text { takes, set, get } }
}

impl Setting {
    const fn doc(mut self, doc: &'static str) -> Setting {
        self.doc = doc;
        self
    }
    const fn since(mut self, stack: Stack) -> Setting {
        self.since = Some(stack);
        self
    }
    const fn seconds(mut self) -> Setting {
        self.unit = "seconds";
        self
    }
    const fn millis(mut self) -> Setting {
        self.unit = "milliseconds";
        self
    }
    const fn micros(mut self) -> Setting {
        self.unit = "microseconds";
        self
    }
}

/// A number kept in a field of the same meaning.
macro_rules! plain {
    ($name:literal, $range:expr, $($field:tt).+ as $int:ty) => {
        number($name, $range, |k, n| k.$($field).+ = n as $int, |k| u64::from(k.$($field).+))
    };
}

/// A switch: anything but 0 is on.
macro_rules! switch {
    ($name:literal, $high:expr, $($field:ident).+) => {
        number($name, (0, $high), |k, n| k.$($field).+ = n != 0, |k| u64::from(k.$($field).+))
    };
}

/// A length of time in whole seconds.
macro_rules! seconds {
    ($name:literal, $range:expr, $($field:tt).+) => {
        number($name, $range, |k, n| k.$($field).+ = Span::from_secs(n), |k| k.$($field).+.as_secs()).seconds()
    };
}

/// Every setting of Linux that the model has.
pub(crate) static SETTINGS: &[Setting] = &[
    text(
        "net.ipv4.ip_local_port_range",
        "two ports, the lower first, both from 1024 to 65535: \"32768 60999\"",
        set_port_range,
        |k| format!("{} {}", k.ports.low, k.ports.high),
    )
    .doc("ports that connect() chooses from"),
    text(
        "net.ipv4.ip_local_reserved_ports",
        "ports and ranges with commas between: \"8080,9000-9010\"",
        set_reserved_ports,
        show_reserved_ports,
    )
    .doc("ports that it never chooses"),
    switch!("net.ipv4.ip_autobind_reuse", 1, ports.autobind_reuse)
        .doc("where no port is free, bind() to port 0 takes one whose owners all have SO_REUSEADDR (from 5.15 on)")
        .since(Stack::Linux5_15),
    plain!("net.core.somaxconn", (0, INT), tcp.somaxconn as u32).doc("largest accept queue of a listener"),
    switch!("net.ipv4.tcp_abort_on_overflow", 255, tcp.abort_on_overflow)
        .doc("a full accept queue answers with RST"),
    number(
        "net.ipv4.tcp_challenge_ack_limit",
        (0, INT),
        // INT_MAX is the kernel's way to say "off".
        |k, n| k.tcp.challenge_ack_limit = if n == INT { u32::MAX } else { n as u32 },
        |k| u64::from(k.tcp.challenge_ack_limit).min(INT),
    )
    .doc("challenge ACKs per second; 2147483647 is off"),
    number(
        "net.ipv4.tcp_early_retrans",
        (0, 4),
        |k, n| k.tcp.tail_loss_probe = n >= 3,
        |k| if k.tcp.tail_loss_probe { 3 } else { 0 },
    )
    .doc("3 and 4 send tail loss probes"),
    seconds!("net.ipv4.tcp_fin_timeout", (0, SECONDS), tcp.fin_timeout).doc("life of an orphan in FIN_WAIT2"),
    number(
        "net.ipv4.tcp_invalid_ratelimit",
        (0, INT),
        |k, n| k.tcp.invalid_ratelimit = Span::from_millis(n),
        |k| k.tcp.invalid_ratelimit.as_millis(),
    )
    .millis()
    .doc("least time between two answers to segments that are not acceptable"),
    seconds!("net.ipv4.tcp_keepalive_time", (0, SECONDS), tcp.keepalive.0)
        .doc("silence before the first keep-alive probe, where [SO_KEEPALIVE](#keepalive) is set"),
    seconds!("net.ipv4.tcp_keepalive_intvl", (0, SECONDS), tcp.keepalive.1)
        .doc("from one keep-alive probe to the next"),
    plain!("net.ipv4.tcp_keepalive_probes", (0, 255), tcp.keepalive.2 as u8)
        .doc("keep-alive probes without an answer that end a connection"),
    plain!("net.ipv4.tcp_max_orphans", (0, INT), tcp.max_orphans as u32)
        .doc("most sockets without a descriptor"),
    plain!("net.ipv4.tcp_max_syn_backlog", (0, INT), tcp.max_syn_backlog as u32)
        .doc("with `tcp_syncookies` 0, SYNs are dropped when less than a quarter of this many is free, but for peers whose distance is remembered"),
    plain!("net.ipv4.tcp_max_tw_buckets", (0, INT), tcp.max_tw_buckets as u32)
        .doc("most sockets in TIME_WAIT"),
    number(
        "net.ipv4.tcp_no_metrics_save",
        (0, 255),
        |k, n| k.tcp.metrics = n == 0,
        |k| u64::from(!k.tcp.metrics),
    )
    .doc("1: the distance of peers is not remembered, so an RTO after a handshake without a sample is 3 s"),
    plain!("net.ipv4.tcp_orphan_retries", (0, 255), tcp.orphan_retries as u8)
        .doc("the same as `tcp_retries2` of an orphan; 0 is 8"),
    plain!("net.ipv4.tcp_retries2", (0, 255), tcp.retries2 as u8)
        .doc("a connection is given up when it has retransmitted for as long as so many retransmissions take that begin with the smallest timeout"),
    switch!("net.ipv4.tcp_rfc1337", 255, tcp.rfc1337).doc("a RST does not end TIME_WAIT"),
    text(
        "net.ipv4.tcp_rmem",
        "three sizes in bytes, least, default and most: \"4096 131072 33554432\"",
        |k, v| {
            let Some([_, default, most]) = three(v) else { return false };
            (k.tcp.rcv_buf, k.tcp.rcv_buf_max) = (default, most);
            true
        },
        |k| format!("4096 {} {}", k.tcp.rcv_buf, k.tcp.rcv_buf_max),
    )
    .doc("receive buffers: one keeps its default size, and how its window is scaled and grows goes by the most"),
    text(
        "net.ipv4.tcp_wmem",
        "three sizes in bytes, least, default and most: \"4096 16384 4194304\"",
        |k, v| {
            // The buffer grows to the third number, about half of which holds data.
            let Some([_, _, most]) = three(v) else { return false };
            k.tcp.snd_buf = (most / 2).max(1);
            true
        },
        |k| format!("4096 16384 {}", u64::from(k.tcp.snd_buf) * 2),
    )
    .doc("send buffers: half of the most is for data"),
    number(
        "net.ipv4.tcp_rto_min_us",
        (1, INT),
        |k, n| k.tcp.rto_min = Span::from_micros(n),
        |k| k.tcp.rto_min.as_micros(),
    )
    .micros()
    .since(Stack::Linux6_12)
    .doc("smallest retransmission timeout"),
    number(
        "net.ipv4.tcp_rto_max_ms",
        (1_000, 120_000),
        |k, n| k.tcp.rto_max = Span::from_millis(n),
        |k| k.tcp.rto_max.as_millis(),
    )
    .millis()
    .since(Stack::Linux6_18)
    .doc("largest retransmission timeout"),
    switch!("net.ipv4.tcp_sack", 255, tcp.sack).doc("selective acknowledgments"),
    plain!("net.ipv4.tcp_syn_linear_timeouts", (0, 127), tcp.syn_linear_timeouts as u8)
        .since(Stack::Linux6_12)
        .doc("SYN retransmissions before the timeout doubles"),
    plain!("net.ipv4.tcp_syn_retries", (1, 127), tcp.syn_retries as u8).doc("retransmissions of a SYN; those with a linear timeout come on top, but take no more time than these"),
    plain!("net.ipv4.tcp_synack_retries", (0, 255), tcp.synack_retries as u8)
        .doc("retransmissions of a SYN,ACK"),
    number(
        "net.ipv4.tcp_syncookies",
        (0, 255),
        |k, n| {
            k.tcp.syncookies = match n {
                0 => Syncookies::Off,
                2 => Syncookies::Always,
                _ => Syncookies::WhenFull,
            }
        },
        |k| k.tcp.syncookies as u64,
    )
    .doc("0 never, 1 when the SYN queue is full, 2 always"),
    number(
        "net.ipv4.tcp_timestamps",
        (0, 255),
        |k, n| {
            k.tcp.timestamps = match n {
                0 => Timestamps::Off,
                1 => Timestamps::RandomOffset,
                _ => Timestamps::NoOffset,
            }
        },
        |k| k.tcp.timestamps as u64,
    )
    .doc("0 off, 1 with a random offset, 2 without"),
    number(
        "net.ipv4.tcp_tw_reuse",
        (0, 2),
        |k, n| {
            k.tcp.tw_reuse = match n {
                0 => TwReuse::Off,
                1 => TwReuse::On,
                _ => TwReuse::Loopback,
            }
        },
        |k| k.tcp.tw_reuse as u64,
    )
    .doc("connect() takes over a TIME_WAIT: 0 never, 1 always, 2 on the loopback"),
    number(
        "net.ipv4.tcp_tw_reuse_delay",
        (1, 60_000),
        |k, n| k.tcp.tw_reuse_delay = ReuseDelay::SinceEntry(Span::from_millis(n)),
        |k| match k.tcp.tw_reuse_delay {
            ReuseDelay::SinceEntry(span) => span.as_millis(),
            ReuseDelay::NextSecond => 1_000,
        },
    )
    .millis()
    .since(Stack::Linux6_18)
    .doc("how old that TIME_WAIT must be"),
    switch!("net.ipv4.tcp_window_scaling", 255, tcp.window_scaling).doc("window scaling"),
    plain!("net.netfilter.nf_conntrack_max", (0, INT), conntrack.max as u32)
        .doc("most entries; 0 is unlimited"),
    plain!("net.netfilter.nf_conntrack_buckets", (1, INT), conntrack.buckets as u32)
        .doc("buckets of the hash: with few, chains are long, and where one is too long a newcomer is dropped"),
    seconds!("net.netfilter.nf_conntrack_tcp_timeout_syn_sent", (0, INT), conntrack.timeouts.syn_sent)
        .doc("life of an entry after a SYN"),
    seconds!("net.netfilter.nf_conntrack_tcp_timeout_syn_recv", (0, INT), conntrack.timeouts.syn_recv)
        .doc("after a SYN,ACK"),
    seconds!("net.netfilter.nf_conntrack_tcp_timeout_established", (0, INT), conntrack.timeouts.established)
        .doc("of an established connection"),
    seconds!("net.netfilter.nf_conntrack_tcp_timeout_fin_wait", (0, INT), conntrack.timeouts.fin_wait)
        .doc("after the first FIN"),
    seconds!("net.netfilter.nf_conntrack_tcp_timeout_close_wait", (0, INT), conntrack.timeouts.close_wait)
        .doc("after that FIN was acknowledged"),
    seconds!("net.netfilter.nf_conntrack_tcp_timeout_last_ack", (0, INT), conntrack.timeouts.last_ack)
        .doc("after the second FIN"),
    seconds!("net.netfilter.nf_conntrack_tcp_timeout_time_wait", (0, INT), conntrack.timeouts.time_wait)
        .doc("after the last ACK"),
    seconds!("net.netfilter.nf_conntrack_tcp_timeout_close", (0, INT), conntrack.timeouts.close)
        .doc("after a RST"),
    seconds!("net.netfilter.nf_conntrack_tcp_timeout_max_retrans", (0, INT), conntrack.timeouts.max_retrans)
        .doc("at most, after too many retransmissions"),
    seconds!(
        "net.netfilter.nf_conntrack_tcp_timeout_unacknowledged",
        (0, INT),
        conntrack.timeouts.unacknowledged
    )
    .doc("at most, while something is not acknowledged"),
    switch!("net.netfilter.nf_conntrack_tcp_loose", 1, conntrack.loose)
        .doc("an ACK without an entry makes one"),
    switch!("net.netfilter.nf_conntrack_tcp_be_liberal", 1, conntrack.be_liberal)
        .doc("segments out of the window are let through"),
    switch!("net.netfilter.nf_conntrack_tcp_ignore_invalid_rst", 1, conntrack.ignore_invalid_rst)
        .doc("a RST out of the window is let through"),
    plain!("net.netfilter.nf_conntrack_tcp_max_retrans", (0, 255), conntrack.max_retrans as u8)
        .doc("retransmissions that are too many"),
];

fn set_port_range(knobs: &mut HostSettings, value: &str) -> bool {
    let parts: Vec<Option<u16>> = value.split_whitespace().map(|p| p.parse().ok()).collect();
    match parts[..] {
        // The kernel refuses a range that begins below ip_unprivileged_port_start, 1024.
        [Some(low), Some(high)] if low <= high && low >= 1024 => {
            (knobs.ports.low, knobs.ports.high) = (low, high);
            true
        }
        _ => false,
    }
}

fn set_reserved_ports(knobs: &mut HostSettings, value: &str) -> bool {
    let range = |part: &str| -> Option<(u16, u16)> {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let range = (low.trim().parse().ok()?, high.trim().parse().ok()?);
        (range.0 <= range.1).then_some(range)
    };
    let parts = value.split(',').map(str::trim).filter(|p| !p.is_empty());
    match parts.map(range).collect::<Option<Vec<_>>>() {
        Some(ranges) => {
            knobs.ports.reserved = ranges;
            true
        }
        None => false,
    }
}

fn show_reserved_ports(knobs: &HostSettings) -> String {
    let show =
        |&(low, high): &(u16, u16)| if low == high { low.to_string() } else { format!("{low}-{high}") };
    knobs.ports.reserved.iter().map(show).collect::<Vec<_>>().join(",")
}

/// Three positive numbers.
fn three(value: &str) -> Option<[u32; 3]> {
    let positive = |p: &str| p.parse::<u32>().ok().filter(|&n| n > 0 && u64::from(n) <= INT);
    let parts = value.split_whitespace().map(positive).collect::<Option<Vec<_>>>()?;
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knobs(stack: Stack) -> HostSettings {
        let defaults = stack.defaults();
        HostSettings {
            tcp: defaults.tcp,
            ports: defaults.ports,
            phase: None,
            conntrack: ConntrackConfig::default(),
        }
    }

    #[test]
    fn names_are_unique_and_known_to_linux() {
        let mut names: Vec<_> = SETTINGS.iter().map(|s| s.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
        for name in names {
            assert!(super::super::KNOWN.lines().any(|k| k == name), "{name} is not in known.txt");
        }
    }

    #[test]
    fn every_setting_takes_what_it_shows() {
        let before = knobs(Stack::Linux6_18);
        let mut after = before.clone();
        for setting in SETTINGS {
            let value = setting.get(&before);
            setting.set(&mut after, &value).unwrap();
            assert_eq!(setting.get(&after), value, "{}", setting.name);
        }
        assert_eq!((before.tcp, before.ports, before.conntrack), (after.tcp, after.ports, after.conntrack));
    }

    #[test]
    fn bounds_are_the_kernels() {
        let mut k = knobs(Stack::Linux6_18);
        let mut takes = |name: &str, value: &str| find(name).unwrap().set(&mut k, value).is_ok();
        assert!(takes("net.ipv4.tcp_tw_reuse", "2") && !takes("net.ipv4.tcp_tw_reuse", "3"));
        assert!(!takes("net.ipv4.tcp_syn_retries", "0") && takes("net.ipv4.tcp_syn_retries", "127"));
        assert!(!takes("net.ipv4.tcp_rto_max_ms", "999") && takes("net.ipv4.tcp_rto_max_ms", "120000"));
        assert!(!takes("net.ipv4.ip_local_port_range", "1 100"));
        assert!(takes("net.ipv4.ip_local_port_range", "1024\t65535"));
        assert!(takes("net.ipv4.ip_local_reserved_ports", "8080,9000-9010"));
        assert!(takes("net.ipv4.ip_local_reserved_ports", ""));
        assert!(!takes("net.ipv4.ip_local_reserved_ports", "10-5"));
    }
}
