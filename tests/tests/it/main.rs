//! End-to-end tests, in one binary.

mod oracle_conntrack;
mod tidy;
