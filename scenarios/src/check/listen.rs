//! `listen: [..]`.

use sim_core::scenario::Listen;

use super::Input;
use crate::report::Diagnostic;
use crate::section::{Absent, Field, count_or, field, names, number, plain, span, time_or};
use crate::source::Place;
use crate::syntax::Node;

/// The fields of a listening socket.
pub(crate) static LISTEN: &[Field<Listen>] = &[
    field!(
        port,
        "number",
        Absent::Wrong("80"),
        "on every address of the host",
        |input, node, listen| {
            listen.port = input.notes.integer(node, 1..=65_535)? as u16;
            Some(())
        },
        |listen, _| listen.port.to_string()
    ),
    number!(
        backlog,
        backlog as u32,
        0..=2_147_483_647,
        "number",
        "argument of listen(); `net.core.somaxconn` caps it"
    ),
    field!(
        accept_after,
        "time, or `never`",
        "when the application begins to accept",
        |input, node, listen| {
            listen.accept_after = input.notes.span_or(node, "never")?;
            Some(())
        },
        |listen, _| time_or(listen.accept_after, "never")
    ),
    span!(accept_every, accept_every, "least time between two accepts"),
    span!(
        wake_up,
        wake_up,
        "from the news that a connection waits to the accept that takes all that wait: how long an application takes to run"
    ),
    field!(
        connections,
        "number, or `unlimited`",
        "accepted connections that the application has open at once, one thread each: it accepts no more until one is closed",
        |input, node, listen| {
            listen.connections = input.notes.count_or(node, 1..=10_000_000, "unlimited")?;
            Some(())
        },
        |listen, _| count_or(listen.connections, "unlimited")
    ),
    field!(
        workers,
        "number, or `unlimited`",
        "requests that the application serves at once; others wait in it, in order",
        |input, node, listen| {
            listen.workers = input.notes.count_or(node, 1..=10_000_000, "unlimited")?;
            Some(())
        },
        |listen, _| count_or(listen.workers, "unlimited")
    ),
    plain!(
        closed,
        closed,
        "`true`, `false`",
        flag,
        |closed: bool| closed.to_string(),
        "not open before an [event](#events) starts it"
    ),
];

/// A socket that says nothing: the defaults.
pub(crate) const BLANK: Listen = Listen::new(0);

/// Reads every listening socket of a host.
pub(crate) fn listeners(input: &mut Input<'_>, node: &Node) -> Vec<Listen> {
    let mut found: Vec<(Listen, Place)> = Vec::new();
    for item in input.notes.list(node, "a list of listening sockets", "[(port: 80, backlog: 4096)]") {
        let fields = input.notes.fields(item, "a listening socket", &names(LISTEN));
        let mut listen = BLANK;
        if !fields.read(input, LISTEN, &mut listen) {
            continue;
        }
        let place = fields.place_of("port");
        if let Some((_, first)) = found.iter().find(|(l, _)| l.port == listen.port) {
            let message = format!("two sockets listen on port {}", listen.port);
            let diagnostic = Diagnostic::error(place, message);
            input.notes.error(diagnostic.label("EADDRINUSE").other(*first, "first here"));
        }
        found.push((listen, place));
    }
    found.into_iter().map(|(listen, _)| listen).collect()
}
