//! The scenario language: whole files in, a checked scenario or a whole report out.

mod big;
mod budget;
mod clients;
mod effects;
mod happenings;
mod library;
mod luck;
mod malformed;
mod memory;
mod mutation;
mod patches;
mod reference;
mod streams;
mod sysctls;
mod worlds_to_copy;
