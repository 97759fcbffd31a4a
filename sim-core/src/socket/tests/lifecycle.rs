//! Whole lives: open, exchange, close from either side, the wait at the end.

use super::*;
use crate::counter::Counter;

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

/// A life of so many requests, on a fast wire with prompt applications.
fn life(requests: u32) -> Pair {
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
    pair
}

/// How often a side counted these: segments in and out, segments with something new, those delivered, pure ACKs, ACKs
/// and data on the fast path.
fn counted(pair: &Pair, side: usize) -> [usize; 7] {
    let wanted = [
        Counter::TcpInSegs,
        Counter::TcpOutSegs,
        Counter::TcpExtTCPOrigDataSent,
        Counter::TcpExtTCPDelivered,
        Counter::TcpExtTCPPureAcks,
        Counter::TcpExtTCPHPAcks,
        Counter::TcpExtTCPHPHits,
    ];
    wanted.map(|wanted| pair.sides[side].out.counters.iter().filter(|c| **c == wanted).count())
}

#[test]
fn a_life_takes_as_many_segments_as_in_a_real_kernel() {
    // Recorded: 300 connections of one request, and 113 of ten.
    let one = life(1);
    assert_eq!(counted(&one, CLIENT), [1_200, 1_800, 600, 900, 300, 0, 0].map(|n| n / 300));
    assert_eq!(counted(&one, SERVER), [1_800, 1_200, 600, 600, 600, 300, 0].map(|n| n / 300));
    let ten = life(10);
    assert_eq!(counted(&ten, CLIENT), [1_469, 1_695, 1_243, 1_356, 113, 1_017, 1_017].map(|n| n / 113));
    assert_eq!(counted(&ten, SERVER), [1_695, 1_469, 1_243, 1_243, 226, 1_017, 904].map(|n| n / 113));
}
