//! The end-to-end tests, in one binary: it links once.

mod language;
