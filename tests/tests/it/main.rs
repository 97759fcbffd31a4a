//! End-to-end tests, in one binary.

mod model;
mod oracle_endpoint;
mod properties;
mod tidy;
