//! `pool: (..)`: connections that are kept and shared.

use sim_core::scenario::{Pool, Traffic};

use super::Input;
use crate::section::{Absent, Field, count_or, field, names, number, time_or};
use crate::syntax::{Kind, Node};

/// A pool, or the word `none`.
pub(crate) fn set_pool(input: &mut Input<'_>, node: &Node, traffic: &mut Traffic) -> Option<()> {
    traffic.pool = None;
    if matches!(&node.kind, Kind::Word(word) if word == "none") {
        return Some(());
    }
    let fields = input.notes.fields(node, "a pool", &names(POOL));
    let mut pool = NO_POOL;
    if !fields.read(input, POOL, &mut pool) {
        return None;
    }
    if fields.get("idle").is_none() {
        pool.idle = pool.size;
    }
    traffic.pool = Some(pool);
    Some(())
}

/// `pool: (..)`.
pub(crate) static POOL: &[Field<Pool>] = &[
    field!(
        size,
        "number",
        Absent::Wrong("50"),
        "most connections at once; more requests wait. `unlimited`: as many as are needed",
        |input, node, pool| {
            pool.size = input.notes.count_or(node, 1..=10_000_000, "unlimited")?;
            Some(())
        },
        |pool, _| count_or(pool.size, "unlimited")
    ),
    field!(
        idle,
        "number, or `unlimited`",
        Absent::Words("`size`"),
        "most idle connections: one that becomes free beyond them is closed",
        |input, node, pool| {
            pool.idle = input.notes.count_or(node, 0..=10_000_000, "unlimited")?;
            Some(())
        },
        |pool, _| count_or(pool.idle, "unlimited")
    ),
    field!(
        idle_timeout,
        "time, or `never`",
        "an idle connection is closed after this time",
        |input, node, pool| {
            pool.idle_timeout = input.notes.span_or(node, "never")?;
            Some(())
        },
        |pool, _| time_or(pool.idle_timeout, "never")
    ),
    field!(
        lifetime,
        "time, or `never`",
        "a connection that becomes free when it is older than this is closed",
        |input, node, pool| {
            pool.lifetime = input.notes.span_or(node, "never")?;
            Some(())
        },
        |pool, _| time_or(pool.lifetime, "never")
    ),
    number!(
        streams,
        streams as u32,
        1..=1_000_000,
        "number",
        "requests that a connection carries at once, as HTTP/2 does; `1`: one after the other"
    ),
];

/// A pool that says nothing.
pub(crate) const NO_POOL: Pool = Pool::new(u32::MAX);
