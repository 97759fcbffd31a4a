//! `tcp: (..)` and `ports: (..)`: the parameters of a stack under the model's own names.
//!
//! They serve the stacks that have no sysctls, and on Linux what has no sysctl. One parameter has one name: where a
//! Linux of that version has a setting, only `sysctl:` sets it.

use sim_core::errno::Errno;
use sim_core::profile::Stack;
use sim_core::scenario::PortChoice;
use sim_core::tcp::config::{
    IsnPolicy, ReuseDelay, Syncookies, TimeWaitPolicy, Timestamps, TwOverflow, TwReuse,
};
use sim_core::time::Span;

use crate::read::{Fields, Notes};
use crate::report::Diagnostic;
use crate::syntax::{Kind, Node};
use crate::sysctl::{self, Knobs};
use crate::units::show_span;

/// A parameter under the model's own name.
pub(crate) struct Field {
    /// Its name in the section.
    pub(crate) name: &'static str,
    /// The sysctl that sets the same on a Linux that has it.
    sysctl: Option<&'static str>,
    set: fn(&mut Notes, &Node, &mut Knobs),
    /// As RON.
    pub(crate) get: fn(&Knobs) -> String,
}

impl Field {
    /// The sysctl to be used instead, if this stack has one.
    pub(crate) fn sysctl_on(&self, stack: Stack) -> Option<&'static str> {
        self.sysctl.filter(|name| sysctl::find(name).is_some_and(|s| s.exists_in(stack)))
    }
}

type Words<T> = &'static [(&'static str, T)];

const ISN: Words<IsnPolicy> = &[("clock", IsnPolicy::HashPlusClock), ("random", IsnPolicy::Random)];
const TIMESTAMPS: Words<Timestamps> = &[
    ("off", Timestamps::Off),
    ("random_offset", Timestamps::RandomOffset),
    ("no_offset", Timestamps::NoOffset),
];
const TW_REUSE: Words<TwReuse> =
    &[("off", TwReuse::Off), ("on", TwReuse::On), ("loopback", TwReuse::Loopback)];
const SYNCOOKIES: Words<Syncookies> =
    &[("off", Syncookies::Off), ("when_full", Syncookies::WhenFull), ("always", Syncookies::Always)];
const TW_POLICY: Words<TimeWaitPolicy> =
    &[("linux", TimeWaitPolicy::Linux), ("bsd", TimeWaitPolicy::Bsd), ("rfc793", TimeWaitPolicy::Rfc793)];
const TW_OVERFLOW: Words<TwOverflow> =
    &[("refuse", TwOverflow::Refuse), ("recycle_oldest", TwOverflow::RecycleOldest)];

/// The word for a value.
fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> String {
    words.iter().find(|(_, v)| v == value).map_or("", |(w, _)| *w).to_owned()
}

macro_rules! field {
    ($name:ident $(= $sysctl:literal)?, $read:expr, $get:expr) => {
        Field {
            name: stringify!($name),
            sysctl: { let sysctl: &[&'static str] = &[$($sysctl)?]; if sysctl.is_empty() { None } else { Some(sysctl[0]) } },
            set: $read,
            get: $get,
        }
    };
}
macro_rules! number {
    ($name:ident $(= $sysctl:literal)?, $range:expr, $int:ty) => {
        field!($name $(= $sysctl)?,
            |notes, node, k| if let Some(n) = notes.integer(node, $range) { k.tcp.$name = n as $int },
            |k| k.tcp.$name.to_string())
    };
}
macro_rules! size {
    ($name:ident $(= $sysctl:literal)?) => {
        field!($name $(= $sysctl)?,
            |notes, node, k| if let Some(n) = positive_size(notes, node) { k.tcp.$name = n },
            |k| format!("\"{}B\"", k.tcp.$name))
    };
}
macro_rules! switch {
    ($name:ident $(= $sysctl:literal)?) => {
        field!($name $(= $sysctl)?,
            |notes, node, k| if let Some(on) = notes.flag(node) { k.tcp.$name = on },
            |k| k.tcp.$name.to_string())
    };
}
macro_rules! time {
    ($name:ident $(= $sysctl:literal)?) => {
        field!($name $(= $sysctl)?,
            |notes, node, k| if let Some(span) = notes.span(node) { k.tcp.$name = span },
            |k| quoted_span(k.tcp.$name))
    };
}
macro_rules! word {
    ($name:ident $(= $sysctl:literal)?, $words:ident) => {
        field!($name $(= $sysctl)?,
            |notes, node, k| if let Some(w) = notes.word(node, concat!("a value of `", stringify!($name), "`"), $words) {
                k.tcp.$name = w
            },
            |k| word_of($words, &k.tcp.$name))
    };
}

/// Every parameter of TCP.
pub(crate) static TCP: &[Field] = &[
    time!(time_wait),
    word!(time_wait_policy, TW_POLICY),
    word!(tw_overflow, TW_OVERFLOW),
    number!(max_tw_buckets = "net.ipv4.tcp_max_tw_buckets", 0..=u64::from(u32::MAX), u32),
    word!(tw_reuse = "net.ipv4.tcp_tw_reuse", TW_REUSE),
    field!(tw_reuse_delay = "net.ipv4.tcp_tw_reuse_delay", set_reuse_delay, show_reuse_delay),
    switch!(rfc1337 = "net.ipv4.tcp_rfc1337"),
    time!(fin_timeout = "net.ipv4.tcp_fin_timeout"),
    word!(isn, ISN),
    word!(timestamps = "net.ipv4.tcp_timestamps", TIMESTAMPS),
    switch!(sack = "net.ipv4.tcp_sack"),
    switch!(window_scaling = "net.ipv4.tcp_window_scaling"),
    number!(mss, 88..=65_495, u16),
    size!(rcv_buf = "net.ipv4.tcp_rmem"),
    size!(rcv_buf_max = "net.ipv4.tcp_rmem"),
    size!(snd_buf = "net.ipv4.tcp_wmem"),
    number!(syn_retries = "net.ipv4.tcp_syn_retries", 1..=127, u8),
    number!(syn_linear_timeouts = "net.ipv4.tcp_syn_linear_timeouts", 0..=127, u8),
    number!(synack_retries = "net.ipv4.tcp_synack_retries", 0..=255, u8),
    number!(retries2 = "net.ipv4.tcp_retries2", 0..=255, u8),
    number!(orphan_retries = "net.ipv4.tcp_orphan_retries", 0..=255, u8),
    time!(rto_initial),
    time!(rto_min = "net.ipv4.tcp_rto_min_us"),
    time!(rto_max = "net.ipv4.tcp_rto_max_ms"),
    switch!(tail_loss_probe = "net.ipv4.tcp_early_retrans"),
    switch!(fast_syn_retry),
    number!(refused_retries, 0..=255, u8),
    field!(
        keepalive_time = "net.ipv4.tcp_keepalive_time",
        |notes, node, k| if let Some(s) = notes.span(node) {
            k.tcp.keepalive.0 = s;
        },
        |k| quoted_span(k.tcp.keepalive.0)
    ),
    field!(
        keepalive_interval = "net.ipv4.tcp_keepalive_intvl",
        |notes, node, k| if let Some(s) = notes.span(node) {
            k.tcp.keepalive.1 = s;
        },
        |k| quoted_span(k.tcp.keepalive.1)
    ),
    field!(
        keepalive_probes = "net.ipv4.tcp_keepalive_probes",
        |notes, node, k| if let Some(n) = notes.integer(node, 0..=255) {
            k.tcp.keepalive.2 = n as u8;
        },
        |k| k.tcp.keepalive.2.to_string()
    ),
    number!(max_orphans = "net.ipv4.tcp_max_orphans", 0..=u64::from(u32::MAX), u32),
    time!(invalid_ratelimit = "net.ipv4.tcp_invalid_ratelimit"),
    field!(challenge_ack_limit = "net.ipv4.tcp_challenge_ack_limit", set_challenge_limit, |k| {
        match k.tcp.challenge_ack_limit {
            u32::MAX => "unlimited".to_owned(),
            n => n.to_string(),
        }
    }),
    word!(syncookies = "net.ipv4.tcp_syncookies", SYNCOOKIES),
    number!(max_syn_backlog = "net.ipv4.tcp_max_syn_backlog", 0..=u64::from(u32::MAX), u32),
    number!(somaxconn = "net.core.somaxconn", 0..=u64::from(u32::MAX), u32),
    switch!(abort_on_overflow = "net.ipv4.tcp_abort_on_overflow"),
    switch!(old_ack_unanswered),
    switch!(checks_right_edge),
    switch!(paws_counters),
];

/// Names of [`TCP`], for the check of unknown fields.
pub(crate) const TCP_NAMES: &[&str] = &[
    "time_wait",
    "time_wait_policy",
    "tw_overflow",
    "max_tw_buckets",
    "tw_reuse",
    "tw_reuse_delay",
    "rfc1337",
    "fin_timeout",
    "isn",
    "timestamps",
    "sack",
    "window_scaling",
    "mss",
    "rcv_buf",
    "rcv_buf_max",
    "snd_buf",
    "syn_retries",
    "syn_linear_timeouts",
    "synack_retries",
    "retries2",
    "orphan_retries",
    "rto_initial",
    "rto_min",
    "rto_max",
    "tail_loss_probe",
    "fast_syn_retry",
    "refused_retries",
    "keepalive_time",
    "keepalive_interval",
    "keepalive_probes",
    "max_orphans",
    "invalid_ratelimit",
    "challenge_ack_limit",
    "syncookies",
    "max_syn_backlog",
    "somaxconn",
    "abort_on_overflow",
    "old_ack_unanswered",
    "checks_right_edge",
    "paws_counters",
];

/// Every parameter of the ephemeral ports.
pub(crate) static PORTS: &[Field] = &[
    field!(range = "net.ipv4.ip_local_port_range", set_range, |k| format!(
        "({}, {})",
        k.ports.low, k.ports.high
    )),
    field!(reserved = "net.ipv4.ip_local_reserved_ports", set_reserved, |k| {
        let ranges = k.ports.reserved.iter().map(|(low, high)| format!("({low}, {high})"));
        format!("[{}]", ranges.collect::<Vec<_>>().join(", "))
    }),
    field!(choice, set_choice, |k| match k.ports.choice {
        PortChoice::Random => "random".to_owned(),
        PortChoice::LinuxDoubleHash { perturb } => format!("double_hash({perturb})"),
    }),
    field!(
        exhausted,
        |notes, node, k| if let Some(errno) = errno(notes, node) {
            k.ports.exhausted = errno;
        },
        |k| format!("\"{}\"", k.ports.exhausted)
    ),
];

/// Names of [`PORTS`].
const PORT_NAMES: &[&str] = &["range", "reserved", "choice", "exhausted"];

/// Applies `tcp: (..)`.
pub(crate) fn apply_tcp(notes: &mut Notes, node: &Node, stack: Stack, knobs: &mut Knobs) {
    let fields = notes.fields(node, "the section `tcp`", TCP_NAMES);
    apply(notes, fields, TCP, stack, knobs);
    if knobs.tcp.rto_min > knobs.tcp.rto_max {
        let message =
            format!("the smallest RTO, {}, is above the largest, {}", knobs.tcp.rto_min, knobs.tcp.rto_max);
        notes.error(Diagnostic::error(node.place, message));
    }
}

/// Applies `ports: (..)`.
pub(crate) fn apply_ports(notes: &mut Notes, node: &Node, stack: Stack, knobs: &mut Knobs) {
    let fields = notes.fields(node, "the section `ports`", PORT_NAMES);
    apply(notes, fields, PORTS, stack, knobs);
}

fn apply(notes: &mut Notes, fields: Fields<'_>, table: &[Field], stack: Stack, knobs: &mut Knobs) {
    for field in table {
        let Some(node) = fields.get(field.name) else { continue };
        if let Some(name) = field.sysctl_on(stack) {
            let message = format!("on `{stack}` a sysctl sets `{}`", field.name);
            let help = format!("write it as on the machine: `sysctl: {{\"{name}\": \"..\"}}`");
            notes.error(Diagnostic::error(node.place, message).help(help));
            continue;
        }
        (field.set)(notes, node, knobs);
    }
}

/// The name of an error number, in quotes.
pub(crate) fn errno(notes: &mut Notes, node: &Node) -> Option<Errno> {
    let name = notes.text(node, "the name of an error", "\"EADDRNOTAVAIL\"")?;
    let found = Errno::ALL.iter().find(|e| e.name() == name).copied();
    if found.is_none() {
        let names: Vec<_> = Errno::ALL.iter().map(|e| e.name()).collect();
        notes.not_one_of(node, "an error that an application can see", &names);
    }
    found
}

fn quoted_span(span: Span) -> String {
    format!("\"{}\"", show_span(span))
}

fn positive_size(notes: &mut Notes, node: &Node) -> Option<u32> {
    let size = notes.size(node)?;
    if size == 0 {
        notes.refuse(node.place, "a buffer of 0 bytes holds nothing");
        return None;
    }
    Some(size)
}

fn set_reuse_delay(notes: &mut Notes, node: &Node, knobs: &mut Knobs) {
    if matches!(&node.kind, Kind::Word(w) if w == "next_second") {
        knobs.tcp.tw_reuse_delay = ReuseDelay::NextSecond;
    } else if let Some(span) = notes.span(node) {
        knobs.tcp.tw_reuse_delay = ReuseDelay::SinceEntry(span);
    }
}

fn show_reuse_delay(knobs: &Knobs) -> String {
    match knobs.tcp.tw_reuse_delay {
        ReuseDelay::NextSecond => "next_second".to_owned(),
        ReuseDelay::SinceEntry(span) => quoted_span(span),
    }
}

fn set_challenge_limit(notes: &mut Notes, node: &Node, knobs: &mut Knobs) {
    if matches!(&node.kind, Kind::Word(w) if w == "unlimited") {
        knobs.tcp.challenge_ack_limit = u32::MAX;
    } else if let Some(n) = notes.integer(node, 0..=u64::from(u32::MAX - 1)) {
        knobs.tcp.challenge_ack_limit = n as u32;
    }
}

/// Two ports in order, as in `(32768, 60999)`.
pub(crate) fn port_range(notes: &mut Notes, node: &Node) -> Option<(u16, u16)> {
    let (low, high) = notes.pair(node, "two ports, the lower first,", "(49152, 65535)")?;
    let low = notes.integer(low, 1..=65_535)?;
    let high = notes.integer(high, 1..=65_535)?;
    if low > high {
        let diagnostic =
            Diagnostic::error(node.place, format!("the range is upside down: {low} is above {high}"));
        notes.error(diagnostic.help(format!("write `({high}, {low})`")));
        return None;
    }
    Some((low as u16, high as u16))
}

fn set_range(notes: &mut Notes, node: &Node, knobs: &mut Knobs) {
    if let Some((low, high)) = port_range(notes, node) {
        (knobs.ports.low, knobs.ports.high) = (low, high);
    }
}

fn set_reserved(notes: &mut Notes, node: &Node, knobs: &mut Knobs) {
    let items = notes.list(node, "a list of port ranges", "[(8080, 8080), (9000, 9010)]");
    knobs.ports.reserved = items.iter().filter_map(|item| port_range(notes, item)).collect();
}

fn set_choice(notes: &mut Notes, node: &Node, knobs: &mut Knobs) {
    if let Kind::Tuple(Some(name), args) = &node.kind
        && name.text == "double_hash"
        && let [size] = &args[..]
    {
        if let Some(perturb) = notes.integer(size, 1..=65_536) {
            knobs.ports.choice = PortChoice::LinuxDoubleHash { perturb: perturb as u32 };
        }
        return;
    }
    if matches!(&node.kind, Kind::Word(w) if w == "random") {
        knobs.ports.choice = PortChoice::Random;
        return;
    }
    notes.not_one_of(node, "a way to choose ports", &["random", "double_hash(65536)"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_names_are_those_of_the_tables() {
        assert_eq!(TCP.iter().map(|f| f.name).collect::<Vec<_>>(), TCP_NAMES);
        assert_eq!(PORTS.iter().map(|f| f.name).collect::<Vec<_>>(), PORT_NAMES);
    }

    #[test]
    fn the_reference_names_every_parameter() {
        let reference = include_str!("../../LANGUAGE.md");
        for name in TCP_NAMES.iter().chain(PORT_NAMES) {
            assert!(reference.contains(&format!("`{name}`")), "LANGUAGE.md does not name {name}");
        }
        for setting in sysctl::SETTINGS {
            let last = setting.name.rsplit('.').next().unwrap_or_default();
            let last = last.trim_start_matches("nf_conntrack_").trim_start_matches("tcp_keepalive");
            assert!(reference.contains(last), "LANGUAGE.md does not name {}", setting.name);
        }
    }
}
