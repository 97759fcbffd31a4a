//! End-to-end tests, in one binary: it links once.

mod language;
mod library_runs;
mod oracle_conntrack;
mod model;
mod oracle_endpoint;
mod properties;
mod tidy;
