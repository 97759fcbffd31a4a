//! End-to-end tests, in one binary.

mod language;
mod oracle_conntrack;
