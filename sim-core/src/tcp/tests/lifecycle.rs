//! Whole lives: open, exchange, close from either side, the wait at the end.

use super::*;

fn established(cfg: &TcpConfig) -> Pair {
    let mut pair = Pair::new(cfg);
    pair.connect();
    pair.run(Span::from_millis(100));
    assert_eq!(pair.states(), (State::Established, State::Established));
    pair
}

fn exchange(pair: &mut Pair, request: u32, response: u32) {
    assert_eq!(pair.call(CLIENT, Input::Send { len: request }), Ok(request));
    pair.run(Span::from_millis(20));
    assert_eq!(pair.call(SERVER, Input::Recv { len: 1 << 20 }), Ok(request));
    assert_eq!(pair.call(SERVER, Input::Send { len: response }), Ok(response));
    pair.run(Span::from_millis(300));
    assert_eq!(pair.call(CLIENT, Input::Recv { len: 1 << 20 }), Ok(response));
}

#[test]
fn the_client_closes_first_and_waits() {
    let mut pair = established(&TcpConfig::default());
    exchange(&mut pair, 300, 20_000);
    pair.call(CLIENT, Input::Close).unwrap();
    pair.run(Span::from_millis(60));
    assert_eq!(pair.states(), (State::FinWait2, State::CloseWait));
    assert_eq!(pair.sides[CLIENT].shared.orphans, 0, "the orphan is a mini-socket by now");
    assert_eq!(pair.call(SERVER, Input::Recv { len: 1 }), Ok(0));
    pair.call(SERVER, Input::Close).unwrap();
    pair.run(Span::from_millis(60));
    assert_eq!(pair.states(), (State::TimeWait, State::Closed));
    assert_eq!(pair.sides[CLIENT].shared.mini_sockets, 1);
    pair.run(Span::from_secs(59));
    assert_eq!(pair.states(), (State::TimeWait, State::Closed));
    pair.run(Span::from_secs(4));
    assert_eq!(pair.states(), (State::Closed, State::Closed));
    assert_eq!(pair.sides[CLIENT].shared, Shared::default());
    assert_eq!(pair.sides[SERVER].shared, Shared::default());
}

#[test]
fn the_server_closes_first_and_waits() {
    let mut pair = established(&TcpConfig::default());
    exchange(&mut pair, 100, 100);
    pair.call(SERVER, Input::Close).unwrap();
    pair.run(Span::from_millis(60));
    assert_eq!(pair.states(), (State::CloseWait, State::FinWait2));
    pair.call(CLIENT, Input::Close).unwrap();
    pair.run(Span::from_millis(60));
    assert_eq!(pair.states(), (State::Closed, State::TimeWait));
}

#[test]
fn both_close_at_once_and_both_wait() {
    let mut pair = established(&TcpConfig::default());
    pair.call(CLIENT, Input::Close).unwrap();
    pair.call(SERVER, Input::Close).unwrap();
    pair.run(Span::from_millis(60));
    assert_eq!(pair.states(), (State::TimeWait, State::TimeWait));
}

#[test]
fn a_lost_fin_is_sent_again() {
    let mut pair = established(&TcpConfig::default());
    exchange(&mut pair, 10, 10);
    pair.lose = |side, seg| side == CLIENT && seg.flags.has(Flags::FIN) && !seg.rtx;
    pair.call(CLIENT, Input::Close).unwrap();
    pair.run(Span::from_millis(500));
    assert_eq!(pair.states(), (State::FinWait2, State::CloseWait));
}

#[test]
fn much_data_arrive_over_a_lossy_wire() {
    let mut pair = established(&TcpConfig::default());
    // Every seventh byte position is unlucky the first time.
    pair.lose = |side, seg| side == CLIENT && seg.len > 0 && !seg.rtx && seg.seq.0 % 7 == 3;
    let mut got = 0;
    let mut sent = 0;
    for _ in 0..400 {
        sent += pair.call(CLIENT, Input::Send { len: 400_000 - sent }).unwrap_or(0);
        pair.run(Span::from_millis(50));
        got += pair.call(SERVER, Input::Recv { len: 1 << 20 }).unwrap_or(0);
        if got == 400_000 {
            break;
        }
    }
    assert_eq!((sent, got), (400_000, 400_000));
}

#[test]
fn a_refused_connection_says_so() {
    let mut pair = Pair::new(&TcpConfig::default());
    pair.sides[SERVER].listener = None;
    pair.connect();
    pair.run(Span::from_millis(100));
    assert_eq!(pair.states(), (State::Closed, State::Closed));
    assert!(pair.sides[CLIENT].out.notices.contains(&Notice::Error(Errno::Econnrefused)));
}

/// Segments that client and server send in a life of so many requests, on a fast wire with prompt applications.
fn segments_of_a_life(requests: u32) -> (usize, usize) {
    let mut pair = Pair::new(&TcpConfig::default());
    pair.delay = Span::from_micros(20);
    let moment = Span::from_micros(100);
    pair.connect();
    pair.run(moment);
    for _ in 0..requests {
        pair.call(CLIENT, Input::Send { len: 16 }).unwrap();
        pair.run(moment);
        assert_eq!(pair.call(SERVER, Input::Recv { len: 1_000 }), Ok(16));
        pair.call(SERVER, Input::Send { len: 16 }).unwrap();
        pair.run(moment);
        assert_eq!(pair.call(CLIENT, Input::Recv { len: 1_000 }), Ok(16));
    }
    pair.call(CLIENT, Input::Close).unwrap();
    pair.run(moment);
    assert_eq!(pair.call(SERVER, Input::Recv { len: 1_000 }), Ok(0));
    pair.call(SERVER, Input::Close).unwrap();
    pair.run(moment);
    assert_eq!(pair.states(), (State::TimeWait, State::Closed));
    let by = |side| pair.log.iter().filter(|l| l.1 == side).count();
    (by(CLIENT), by(SERVER))
}

#[test]
fn a_life_takes_as_many_segments_as_in_a_real_kernel() {
    // Recorded: 300 connections of one request, 1800 and 1200 segments; 113 of ten, 1695 and 1469.
    assert_eq!(segments_of_a_life(1), (6, 4));
    assert_eq!(segments_of_a_life(10), (15, 13));
}
