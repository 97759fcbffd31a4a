//! The scenario language: whole files in, a checked scenario or a whole report out.

mod library;
