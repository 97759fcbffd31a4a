//! The answer on the terminal.

use crate::sample;
use reports::answer::answer;

#[test]
fn ports_bound() {
    insta::assert_snapshot!(answer(sample::ports_bound().run()));
}

#[test]
fn conntrack_bound() {
    insta::assert_snapshot!(answer(sample::conntrack_bound().run()));
}

#[test]
fn files_bound() {
    insta::assert_snapshot!(answer(sample::files_bound().run()));
}

#[test]
fn accept_queue_bound() {
    insta::assert_snapshot!(answer(sample::accept_queue_bound().run()));
}

#[test]
fn nothing_bound() {
    insta::assert_snapshot!(answer(sample::nothing_bound().run()));
}

#[test]
fn no_traffic() {
    insta::assert_snapshot!(answer(sample::no_traffic().run()));
}
