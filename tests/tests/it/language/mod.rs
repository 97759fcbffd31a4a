//! The scenario language: whole files in, a checked scenario or a whole report out.

mod budget;
mod effects;
mod library;
mod malformed;
mod mutation;
mod patches;
mod reference;
mod sysctls;
