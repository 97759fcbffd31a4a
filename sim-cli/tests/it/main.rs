//! The command as a user meets it: what it prints, what it writes, how it ends.

mod advise;
mod cli;
mod compare;
mod ended;
mod init;
mod json;
mod moment;
mod page;
mod place;
mod questions;
mod solve;
mod sweep;
mod trace;
