//! End-to-end tests, in one binary: it links once.

mod incidents;
mod language;
mod library_runs;
mod model;
mod oracle_conntrack;
mod oracle_endpoint;
mod oracle_silence;
mod oracle_workloads;
mod oracle_worlds;
mod overrun;
mod pictures;
mod properties;
mod results;
mod tidy;
mod trace;
mod transitions;
mod twins;
mod worlds;
