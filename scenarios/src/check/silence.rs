//! `keepalive`, `user_timeout`: what an application sets on its socket against a peer that has fallen silent.

use sim_core::scenario::{Scenario, SocketOptions, Traffic};
use sim_core::tcp::KeepTimes;
use sim_core::time::Span;

use super::Input;
use crate::report::Diagnostic;
use crate::section::{Absent, Field, field, inline, section, time as text_of};
use crate::syntax::{Kind, Node};

/// What `keepalive` takes.
pub(crate) const TAKES_KEEPALIVE: &str = "`off`, `on`, or [fields](#keepalive)";

/// `keepalive: (..)`: what is left out is for the sysctls to say.
pub(crate) static KEEPALIVE: &[Field<KeepTimes>] = &[
    field!(
        time,
        "whole seconds",
        Absent::Words("`net.ipv4.tcp_keepalive_time`"),
        "TCP_KEEPIDLE: silence before the first probe, at most `\"32767s\"`",
        |input, node, times| {
            times.idle = keep_seconds(input, node)?;
            Some(())
        },
        |times, _| show_keep_seconds(times.idle)
    ),
    field!(
        interval,
        "whole seconds",
        Absent::Words("`net.ipv4.tcp_keepalive_intvl`"),
        "TCP_KEEPINTVL: from one probe to the next, at most `\"32767s\"`",
        |input, node, times| {
            times.interval = keep_seconds(input, node)?;
            Some(())
        },
        |times, _| show_keep_seconds(times.interval)
    ),
    field!(
        probes,
        "number",
        Absent::Words("`net.ipv4.tcp_keepalive_probes`"),
        "TCP_KEEPCNT: so many without an answer end the connection, at most 127",
        |input, node, times| {
            times.probes = input.notes.integer(node, 1..=127)? as u8;
            Some(())
        },
        |times, _| if times.probes == 0 { String::new() } else { times.probes.to_string() }
    ),
];

/// Settings of keep-alive where no application asks for it: the kernel probes nobody then.
pub(crate) fn check_settings(input: &mut Input<'_>) {
    let asks = |t: &Traffic| t.options.keepalive.is_some() || t.server_options.keepalive.is_some();
    let asked = input.traffic.iter().any(|read| asks(&read.traffic));
    let places: Vec<_> = input.hosts.all.iter().filter_map(|read| read.at.keepalive).collect();
    for place in places.into_iter().filter(|_| !asked) {
        let message = "this has no effect: no application asks for keep-alive";
        let help =
            "`keepalive: on` or `server_keepalive: on` in a traffic source sets SO_KEEPALIVE on its sockets";
        input.notes.error(Diagnostic::warning(place, message).help(help));
    }
}

/// SO_KEEPALIVE.
pub(crate) fn set_keepalive(input: &mut Input<'_>, node: &Node, options: &mut SocketOptions) -> Option<()> {
    options.keepalive = match &node.kind {
        Kind::Word(word) if word == "off" => None,
        Kind::Word(word) if word == "on" => Some(KeepTimes::default()),
        Kind::Word(_) => {
            input.notes.not_one_of(node, "keep-alive", &["off", "on", "(time: \"60s\")"]);
            return None;
        }
        _ => Some(section(input, node, "keep-alive", KEEPALIVE, KeepTimes::default())?),
    };
    Some(())
}

/// SO_KEEPALIVE as text.
pub(crate) fn show_keepalive(times: Option<KeepTimes>, scenario: &Scenario) -> String {
    match times {
        None => "off".to_owned(),
        Some(times) if times == KeepTimes::default() => "on".to_owned(),
        Some(times) => inline(KEEPALIVE, &times, scenario),
    }
}

/// What the kernel takes: whole seconds, `MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL` at most.
fn keep_seconds(input: &mut Input<'_>, node: &Node) -> Option<u16> {
    let span = input.notes.span(node)?;
    let seconds = span.as_secs();
    if Span::from_secs(seconds) != span || !(1..=32_767).contains(&seconds) {
        input.notes.refuse(node.place, "the kernel takes whole seconds from \"1s\" to \"32767s\" here");
        return None;
    }
    Some(seconds as u16)
}

fn show_keep_seconds(seconds: u16) -> String {
    if seconds == 0 { String::new() } else { text_of(Span::from_secs(u64::from(seconds))) }
}

/// TCP_USER_TIMEOUT: milliseconds, as the kernel takes them; 0 is none.
pub(crate) fn user_timeout(input: &mut Input<'_>, node: &Node) -> Option<u32> {
    let span = input.notes.span_or(node, "none")?;
    if span == Span::MAX {
        return Some(0);
    }
    let millis = span.as_millis();
    if Span::from_millis(millis) != span || !(1..=2_147_483_647).contains(&millis) {
        let message = "the kernel takes whole milliseconds from \"1ms\" to \"2147483647ms\" here, or `none`";
        input.notes.refuse(node.place, message);
        return None;
    }
    Some(millis as u32)
}

/// TCP_USER_TIMEOUT as text.
pub(crate) fn show_user_timeout(millis: u32) -> String {
    if millis == 0 { "none".to_owned() } else { text_of(Span::from_millis(u64::from(millis))) }
}
