//! End-to-end tests, in one binary.

mod oracle_endpoint;
mod properties;
mod tidy;
