//! What `result.json` and a moment tell alike: flows of connection tracking, and kernel objects.

use serde::Serialize;
use sim_core::conntrack::EntryView;
use sim_core::record::{HostSummary, ObjectCount};

/// A flow, but for how long it still has, which each format tells in its own unit.
#[derive(Serialize)]
pub(crate) struct FlowJson {
    state: &'static str,
    source: String,
    destination: String,
    reply_source: String,
    reply_destination: String,
    replied: bool,
    assured: bool,
}

impl From<&EntryView> for FlowJson {
    fn from(flow: &EntryView) -> FlowJson {
        FlowJson {
            state: flow.state.name(),
            source: flow.original.local.to_string(),
            destination: flow.original.remote.to_string(),
            reply_source: flow.reply.local.to_string(),
            reply_destination: flow.reply.remote.to_string(),
            replied: flow.seen_reply,
            assured: flow.assured,
        }
    }
}

/// How many objects of a kernel cache there are, and what they take.
#[derive(Serialize)]
pub(crate) struct ObjectJson {
    object: &'static str,
    size_bytes: u64,
    count: u64,
    bytes: u64,
}

/// The kernel objects of a host.
pub(crate) fn objects(host: &HostSummary) -> Vec<ObjectJson> {
    let one = |&ObjectCount { name, size, count }: &ObjectCount| ObjectJson {
        object: name,
        size_bytes: size,
        count,
        bytes: size * count,
    };
    host.objects.iter().map(one).collect()
}
