//! `tcp: (..)` and `ports: (..)`: the parameters of a stack under the model's own names.
//!
//! They serve the stacks that have no sysctls, and on Linux what has no sysctl. One parameter has one name: where a
//! Linux of that version has a setting, only `sysctl:` sets it.

use sim_core::errno::Errno;
use sim_core::profile::Stack;
use sim_core::scenario::{PortChoice, Scenario};
use sim_core::tcp::config::{
    IsnPolicy, ReuseDelay, Syncookies, TimeWaitPolicy, Timestamps, TwOverflow, TwReuse,
};

use super::Input;
use crate::read::Notes;
use crate::report::Diagnostic;
use crate::section::{Field, field, lines, number, plain, span, time, word_of};
use crate::syntax::{Kind, Node};
use crate::sysctl::{self, HostSettings};

/// A parameter under the model's own name.
pub(crate) struct Parameter {
    /// Its row.
    pub(crate) field: Field<HostSettings>,
    /// The sysctl that sets the same on a Linux that has it.
    pub(crate) sysctl: Option<&'static str>,
}

impl Parameter {
    /// The sysctl to be used instead, if this stack has one.
    pub(crate) fn sysctl_on(&self, stack: Stack) -> Option<&'static str> {
        self.sysctl.filter(|name| sysctl::find(name).is_some_and(|s| s.exists_in(stack)))
    }
}

/// A parameter that a sysctl sets where there is one.
const fn as_sysctl(name: &'static str, field: Field<HostSettings>) -> Parameter {
    Parameter { field, sysctl: Some(name) }
}

/// A parameter that no sysctl sets.
const fn own(field: Field<HostSettings>) -> Parameter {
    Parameter { field, sysctl: None }
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

/// The row of a number of TCP.
macro_rules! tcp_number {
    ($name:ident as $int:ty, $range:expr, $doc:literal) => {
        number!($name, tcp.$name as $int, $range, "number", $doc)
    };
}
/// The row of a size of TCP.
macro_rules! tcp_size {
    ($name:ident, $doc:literal) => {
        field!(
            $name,
            "size",
            $doc,
            |input, node, k| {
                k.tcp.$name = positive_size(&mut input.notes, node)?;
                Some(())
            },
            |k, _| format!("\"{}B\"", k.tcp.$name)
        )
    };
}
/// The row of a switch of TCP.
macro_rules! tcp_switch {
    ($name:ident, $doc:literal) => {
        plain!($name, tcp.$name, "`true`, `false`", flag, |on: bool| on.to_string(), $doc)
    };
}
/// The row of a length of time of TCP.
macro_rules! tcp_span {
    ($name:ident, $doc:literal) => {
        span!($name, tcp.$name, $doc)
    };
}
/// The row of one of some words.
macro_rules! tcp_word {
    ($name:ident, $words:ident, $takes:literal, $doc:literal) => {
        field!(
            $name,
            $takes,
            $doc,
            |input, node, k| {
                let what = concat!("a value of `", stringify!($name), "`");
                k.tcp.$name = input.notes.word(node, what, $words)?;
                Some(())
            },
            |k, _| word_of($words, &k.tcp.$name)
        )
    };
}

/// Every parameter of TCP.
pub(crate) static TCP: &[Parameter] = &[
    own(tcp_span!(time_wait, "length of TIME_WAIT (2 MSL)")),
    own(tcp_word!(time_wait_policy, TW_POLICY, "`linux`, `bsd`, `rfc793`", "how TIME_WAIT treats segments")),
    own(tcp_word!(
        tw_overflow,
        TW_OVERFLOW,
        "`refuse`, `recycle_oldest`",
        "what happens at `max_tw_buckets`"
    )),
    as_sysctl(
        "net.ipv4.tcp_max_tw_buckets",
        tcp_number!(max_tw_buckets as u32, 0..=u64::from(u32::MAX), "most sockets in TIME_WAIT"),
    ),
    as_sysctl(
        "net.ipv4.tcp_tw_reuse",
        tcp_word!(tw_reuse, TW_REUSE, "`off`, `on`, `loopback`", "whether connect() takes over a TIME_WAIT"),
    ),
    as_sysctl(
        "net.ipv4.tcp_tw_reuse_delay",
        field!(
            tw_reuse_delay,
            "time, or `next_second`",
            "how old that TIME_WAIT must be",
            set_reuse_delay,
            show_reuse_delay
        ),
    ),
    as_sysctl("net.ipv4.tcp_rfc1337", tcp_switch!(rfc1337, "a RST does not end TIME_WAIT")),
    as_sysctl("net.ipv4.tcp_fin_timeout", tcp_span!(fin_timeout, "life of an orphan in FIN_WAIT2")),
    own(tcp_word!(isn, ISN, "`clock`, `random`", "initial sequence numbers: by RFC 6528, or unrelated")),
    as_sysctl(
        "net.ipv4.tcp_timestamps",
        tcp_word!(timestamps, TIMESTAMPS, "`off`, `random_offset`, `no_offset`", "timestamps (RFC 7323)"),
    ),
    as_sysctl("net.ipv4.tcp_sack", tcp_switch!(sack, "selective acknowledgments")),
    as_sysctl("net.ipv4.tcp_window_scaling", tcp_switch!(window_scaling, "window scaling")),
    own(tcp_number!(mss as u16, 88..=65_495, "largest segment offered, bytes")),
    as_sysctl("net.ipv4.tcp_rmem", tcp_size!(rcv_buf, "receive buffer of a connection")),
    as_sysctl(
        "net.ipv4.tcp_rmem",
        tcp_size!(
            rcv_buf_max,
            "largest receive buffer: none becomes so large here, but how a window is scaled and grows goes by it"
        ),
    ),
    as_sysctl("net.ipv4.tcp_wmem", tcp_size!(snd_buf, "send buffer")),
    as_sysctl(
        "net.ipv4.tcp_syn_retries",
        tcp_number!(
            syn_retries as u8,
            1..=127,
            "retransmissions of a SYN; those with a linear timeout come on top, but take no more time than these"
        ),
    ),
    as_sysctl(
        "net.ipv4.tcp_syn_linear_timeouts",
        tcp_number!(syn_linear_timeouts as u8, 0..=127, "SYN retransmissions before the timeout doubles"),
    ),
    as_sysctl(
        "net.ipv4.tcp_synack_retries",
        tcp_number!(synack_retries as u8, 0..=255, "retransmissions of a SYN,ACK"),
    ),
    as_sysctl(
        "net.ipv4.tcp_retries2",
        tcp_number!(
            retries2 as u8,
            0..=255,
            "a connection is given up when it has retransmitted for as long as so many retransmissions take that begin with the smallest timeout"
        ),
    ),
    as_sysctl(
        "net.ipv4.tcp_orphan_retries",
        tcp_number!(orphan_retries as u8, 0..=255, "the same as `retries2` of an orphan; 0 is 8"),
    ),
    as_sysctl(
        "net.ipv4.tcp_keepalive_time",
        field!(
            keepalive_time,
            "time",
            "silence before the first keep-alive probe",
            |input, node, k| {
                k.tcp.keepalive.0 = input.notes.span(node)?;
                Some(())
            },
            |k, _| time(k.tcp.keepalive.0)
        ),
    ),
    as_sysctl(
        "net.ipv4.tcp_keepalive_intvl",
        field!(
            keepalive_interval,
            "time",
            "from one keep-alive probe to the next",
            |input, node, k| {
                k.tcp.keepalive.1 = input.notes.span(node)?;
                Some(())
            },
            |k, _| time(k.tcp.keepalive.1)
        ),
    ),
    as_sysctl(
        "net.ipv4.tcp_keepalive_probes",
        field!(
            keepalive_probes,
            "number",
            "keep-alive probes without an answer that end a connection",
            |input, node, k| {
                k.tcp.keepalive.2 = input.notes.integer(node, 0..=255)? as u8;
                Some(())
            },
            |k, _| k.tcp.keepalive.2.to_string()
        ),
    ),
    own(tcp_span!(rto_initial, "first retransmission timeout")),
    as_sysctl("net.ipv4.tcp_rto_min_us", tcp_span!(rto_min, "smallest retransmission timeout")),
    as_sysctl("net.ipv4.tcp_rto_max_ms", tcp_span!(rto_max, "largest retransmission timeout")),
    as_sysctl(
        "net.ipv4.tcp_no_metrics_save",
        tcp_switch!(metrics, "the distance of a peer is remembered from one connection to the next"),
    ),
    as_sysctl("net.ipv4.tcp_early_retrans", tcp_switch!(tail_loss_probe, "tail loss probes")),
    own(tcp_switch!(fast_syn_retry, "after a bad ACK, SYN again after 2 jiffies")),
    own(tcp_number!(refused_retries as u8, 0..=255, "how often a RST in answer to a SYN is overridden")),
    as_sysctl(
        "net.ipv4.tcp_max_orphans",
        tcp_number!(max_orphans as u32, 0..=u64::from(u32::MAX), "most sockets without a descriptor"),
    ),
    as_sysctl(
        "net.ipv4.tcp_invalid_ratelimit",
        tcp_span!(invalid_ratelimit, "least time between two answers to segments that are not acceptable"),
    ),
    as_sysctl(
        "net.ipv4.tcp_challenge_ack_limit",
        field!(
            challenge_ack_limit,
            "number, or `unlimited`",
            "challenge ACKs per second",
            set_challenge_limit,
            |k, _| match k.tcp.challenge_ack_limit {
                u32::MAX => "unlimited".to_owned(),
                n => n.to_string(),
            }
        ),
    ),
    as_sysctl(
        "net.ipv4.tcp_syncookies",
        tcp_word!(syncookies, SYNCOOKIES, "`off`, `when_full`, `always`", "SYN cookies"),
    ),
    as_sysctl(
        "net.ipv4.tcp_max_syn_backlog",
        tcp_number!(
            max_syn_backlog as u32,
            0..=u64::from(u32::MAX),
            "with `syncookies` off, SYNs are dropped when less than a quarter of this many is free, but for peers whose distance is remembered"
        ),
    ),
    as_sysctl(
        "net.core.somaxconn",
        tcp_number!(somaxconn as u32, 0..=u64::from(u32::MAX), "largest accept queue of a listener"),
    ),
    as_sysctl(
        "net.ipv4.tcp_abort_on_overflow",
        tcp_switch!(abort_on_overflow, "a full accept queue answers with RST"),
    ),
    own(tcp_switch!(
        old_ack_unanswered,
        "an old ACK that PAWS refuses is not answered, and counts as `PAWSOldAck`"
    )),
    own(tcp_switch!(checks_right_edge, "the data of a segment must end in the window, else `BeyondWindow`")),
    own(tcp_switch!(paws_counters, "whether the counters `PAWSTimewait` and `TSEcrRejected` exist")),
];

/// Every parameter of the ephemeral ports.
pub(crate) static PORTS: &[Parameter] = &[
    as_sysctl(
        "net.ipv4.ip_local_port_range",
        field!(
            range,
            "`(low, high)`",
            "ports that connect() chooses from, inclusive",
            set_range,
            |k, _| format!("({}, {})", k.ports.low, k.ports.high)
        ),
    ),
    as_sysctl(
        "net.ipv4.ip_local_reserved_ports",
        field!(
            reserved,
            "`[(low, high), ..]`",
            "ports that it never chooses",
            |input, node, k| {
                let notes = &mut input.notes;
                let items = notes.list(node, "a list of port ranges", "[(8080, 8080), (9000, 9010)]");
                k.ports.reserved = items.iter().filter_map(|item| port_range(notes, item)).collect();
                Some(())
            },
            |k, _| {
                let ranges = k.ports.reserved.iter().map(|(low, high)| format!("({low}, {high})"));
                format!("[{}]", ranges.collect::<Vec<_>>().join(", "))
            }
        ),
    ),
    own(field!(choice, "`random`, `double_hash(65536)`", "how connect() picks", set_choice, |k, _| match k
        .ports
        .choice
    {
        PortChoice::Random => "random".to_owned(),
        PortChoice::LinuxDoubleHash { perturb } => format!("double_hash({perturb})"),
    })),
    own(field!(
        exhausted,
        "error",
        "what connect() reports when no port is left",
        |input, node, k| {
            k.ports.exhausted = errno(&mut input.notes, node)?;
            Some(())
        },
        |k, _| format!("\"{}\"", k.ports.exhausted)
    )),
    own(span!(
        call_time,
        ports.call_time,
        "what a connect() costs besides; a host's calls come one after the other"
    )),
    own(span!(
        probe_time,
        ports.probe_time,
        "what a search costs for each port that it looks at; a host's searches come one after the other"
    )),
];

/// Applies `tcp: (..)`.
pub(crate) fn apply_tcp(input: &mut Input<'_>, node: &Node, stack: Stack, knobs: &mut HostSettings) {
    apply(input, node, "the section `tcp`", TCP, stack, knobs);
    if knobs.tcp.rto_min > knobs.tcp.rto_max {
        let message =
            format!("the smallest RTO, {}, is above the largest, {}", knobs.tcp.rto_min, knobs.tcp.rto_max);
        input.notes.error(Diagnostic::error(node.place, message));
    }
}

/// Applies `ports: (..)`.
pub(crate) fn apply_ports(input: &mut Input<'_>, node: &Node, stack: Stack, knobs: &mut HostSettings) {
    apply(input, node, "the section `ports`", PORTS, stack, knobs);
}

fn apply(
    input: &mut Input<'_>,
    node: &Node,
    what: &'static str,
    table: &[Parameter],
    stack: Stack,
    knobs: &mut HostSettings,
) {
    let known: Vec<_> = table.iter().map(|p| p.field.name).collect();
    let fields = input.notes.fields(node, what, &known);
    for parameter in table {
        let Some(node) = fields.get(parameter.field.name) else { continue };
        if let Some(name) = parameter.sysctl_on(stack) {
            let message = format!("on `{stack}` a sysctl sets `{}`", parameter.field.name);
            let help = format!("write it as on the machine: `sysctl: {{\"{name}\": \"..\"}}`");
            input.notes.error(Diagnostic::error(node.place, message).help(help));
            continue;
        }
        // What is wrong with it has been noted.
        let _ = (parameter.field.set)(input, node, knobs);
    }
}

/// The section with what is not a sysctl on this stack.
pub(crate) fn show(table: &[Parameter], stack: Stack, knobs: &HostSettings, scenario: &Scenario) -> String {
    let here = table.iter().filter(|p| p.sysctl_on(stack).is_none());
    lines("(", here.map(|p| format!("{}: {}", p.field.name, (p.field.get)(knobs, scenario))), ")")
}

/// The name of an error number, in quotes.
pub(crate) fn errno(notes: &mut Notes, node: &Node) -> Option<Errno> {
    let name = notes.text(node, "the name of an error", "\"EADDRNOTAVAIL\"")?;
    let found = Errno::OF_ATTEMPTS.iter().find(|e| e.name() == name).copied();
    if found.is_none() {
        let names: Vec<_> = Errno::OF_ATTEMPTS.iter().map(|e| e.name()).collect();
        notes.not_one_of(node, "an error that an application can see", &names);
    }
    found
}

fn positive_size(notes: &mut Notes, node: &Node) -> Option<u32> {
    let size = notes.size(node)?;
    if size == 0 {
        notes.refuse(node.place, "a buffer of 0 bytes holds nothing");
        return None;
    }
    Some(size)
}

fn set_reuse_delay(input: &mut Input<'_>, node: &Node, knobs: &mut HostSettings) -> Option<()> {
    knobs.tcp.tw_reuse_delay = if matches!(&node.kind, Kind::Word(w) if w == "next_second") {
        ReuseDelay::NextSecond
    } else {
        ReuseDelay::SinceEntry(input.notes.span(node)?)
    };
    Some(())
}

fn show_reuse_delay(knobs: &HostSettings, _: &Scenario) -> String {
    match knobs.tcp.tw_reuse_delay {
        ReuseDelay::NextSecond => "next_second".to_owned(),
        ReuseDelay::SinceEntry(span) => time(span),
    }
}

fn set_challenge_limit(input: &mut Input<'_>, node: &Node, knobs: &mut HostSettings) -> Option<()> {
    knobs.tcp.challenge_ack_limit = if matches!(&node.kind, Kind::Word(w) if w == "unlimited") {
        u32::MAX
    } else {
        input.notes.integer(node, 0..=u64::from(u32::MAX - 1))? as u32
    };
    Some(())
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

fn set_range(input: &mut Input<'_>, node: &Node, knobs: &mut HostSettings) -> Option<()> {
    (knobs.ports.low, knobs.ports.high) = port_range(&mut input.notes, node)?;
    Some(())
}

fn set_choice(input: &mut Input<'_>, node: &Node, knobs: &mut HostSettings) -> Option<()> {
    knobs.ports.choice = match &node.kind {
        Kind::Tuple(Some(name), args) if name.text == "double_hash" && args.len() == 1 => {
            let perturb = input.notes.integer(&args[0], 1..=65_536)? as u32;
            PortChoice::LinuxDoubleHash { perturb }
        }
        Kind::Word(w) if w == "random" => PortChoice::Random,
        _ => {
            input.notes.not_one_of(node, "a way to choose ports", &["random", "double_hash(65536)"]);
            return None;
        }
    };
    Some(())
}
