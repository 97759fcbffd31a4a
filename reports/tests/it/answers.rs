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

#[test]
fn many_hosts_and_sources() {
    insta::assert_snapshot!(answer(sample::five_clients().run()));
}

/// A column for each state would be wider than a terminal: the table is turned.
#[test]
fn many_states() {
    let mut s = sample::conntrack_bound();
    for host in &mut s.summary.hosts[..2] {
        for (i, state) in host.states.iter_mut().enumerate() {
            state.set(sample::ms(1_000), 1_000 * i as u64);
        }
    }
    let text = answer(s.run());
    let sockets: Vec<_> =
        text.lines().skip_while(|l| *l != "Sockets").take_while(|l| !l.is_empty()).collect();
    insta::assert_snapshot!(sockets.join("\n"));
}
