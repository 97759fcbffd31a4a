//! Conversations that follow a script.
//!
//! Over links that only delay, where no limit can bind, every connection of a source goes the way of the one before: the same
//! segments at the same distances in time, with other numbers in them. Such a way is written down once, as a [`script::Script`]:
//! a small world of two hosts plays the connection ([`rehearsal`]), twice and with different numbers, and what comes of
//! each of its events ([`balance`]) is kept. A connection that begins under the same conditions then follows the script ([`follow`]): at each of its
//! events the books move by what is written there, and its segments get its own numbers. Nothing else in the world can tell.
//!
//! It is exact for the same reason as the memory of steps: a step hangs on nothing but the end's own past, its input, how far
//! each clock has moved ([`script::Phase`]), and whether host and listener have room. The first three are the same for all who follow;
//! the last is looked at before each step. Where it does not hold, or a packet comes that is not in the script, the conversation
//! leaves ([`leave`]): its ends are put into the tables as they would stand there, and what is on its way becomes
//! plain packets. Where a server takes as long as is drawn, what comes after that is another script's ([`pause`]).

mod act;
mod balance;
mod beats;
mod follow;
mod leave;
mod pause;
mod rehearsal;
mod script;
mod scripts;
mod singly;
mod steps;
mod writing;

pub(super) use beats::Beats;
pub(super) use scripts::Scripts;
