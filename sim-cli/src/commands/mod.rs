//! The subcommands, a file each.

pub(crate) mod advise;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod moment;
pub(crate) mod page;
pub(crate) mod run;
mod seen;
pub(crate) mod show;
pub(crate) mod solve;
pub(crate) mod sweep;
pub(crate) mod trace;
