//! Where clocks wrap and times end.

use super::*;
use crate::counter::Counter;
use crate::tcp::config::{TimerModel, TwReuse};

const SECOND: u64 = 1_000_000_000;

fn exact() -> TcpConfig {
    TcpConfig { timers: TimerModel::Exact, ..TcpConfig::default() }
}

fn counted(pair: &Pair, side: usize, counter: Counter) -> usize {
    pair.sides[side].out.counters.iter().filter(|c| **c == counter).count()
}

/// A connection that begins at this moment and stands 100 ms later.
fn established_at(cfg: &TcpConfig, start: Time) -> Pair {
    let mut pair = Pair::new(cfg);
    pair.now = start;
    pair.connect();
    pair.run(Span::from_millis(100));
    assert_eq!(pair.states(), (State::Established, State::Established));
    pair
}

/// The last segment of data, once more, with an older timestamp.
fn stale(pair: &Pair, sender: usize, older_by: u32) -> Segment {
    let sent = pair.log.iter().rev().find(|l| l.1 == sender && l.2.len > 0).expect("data were sent").2;
    let ts = sent.ts.map(|ts| TsOption { val: ts.val.wrapping_sub(older_by), ..ts });
    Segment { seq: sent.end(), ts, ..sent }
}

#[test]
fn a_connection_lives_through_the_wrap_of_its_clocks() {
    let wheel =
        |hz| TcpConfig { timers: TimerModel::Wheel { hz, phase: Span::ZERO }, ..TcpConfig::default() };
    // The moment at which the clock of whole seconds, or that of ticks, would be 0; and a little before.
    let never = u64::from(u32::MAX);
    for (cfg, zero) in [
        (exact(), Time((never - 10) * SECOND)),
        (exact(), Time(never * SECOND)),
        (exact(), Time(never * 4_000_000)),
        (wheel(250), Time(never * 4_000_000)),
        (wheel(1000), Time(never * 1_000_000)),
    ] {
        let cfg = TcpConfig { tw_reuse: TwReuse::On, ..cfg };
        let mut pair = established_at(&cfg, zero);
        for _ in 0..3 {
            pair.call(CLIENT, Input::Send { len: 100 }).unwrap();
            pair.run(Span::from_millis(400));
            assert_eq!(pair.call(SERVER, Input::Recv { len: 1_000 }), Ok(100), "{cfg:?}");
        }
        let old = stale(&pair, CLIENT, 60_000);
        let now = pair.now;
        pair.sides[SERVER].deliver(now, &old);
        assert_eq!(counted(&pair, SERVER, Counter::TcpExtPAWSEstab), 1, "PAWS still knows what is old");
        pair.call(CLIENT, Input::Close).unwrap();
        pair.run(Span::from_millis(50));
        pair.call(SERVER, Input::Close).unwrap();
        pair.run(Span::from_secs(3));
        assert_eq!(pair.states(), (State::TimeWait, State::Closed));
        pair.connect();
        pair.run(Span::from_millis(100));
        assert_eq!(pair.states(), (State::Established, State::Established), "the tuple is used again");
        assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTWRecycled), 1);
    }
}

#[test]
fn a_segment_in_the_second_that_would_be_zero_leaves_a_stamp() {
    // All of the connection lies within one second, so that only this one can be its stamp.
    let cfg = TcpConfig { tw_reuse: TwReuse::On, ..exact() };
    let mut pair = established_at(&cfg, Time(u64::from(u32::MAX) * SECOND));
    pair.call(CLIENT, Input::Close).unwrap();
    pair.run(Span::from_millis(50));
    pair.call(SERVER, Input::Close).unwrap();
    pair.run(Span::from_millis(50));
    let Slot::TimeWait(mini) = pair.sides[CLIENT].seat.slot() else { panic!("a mini-socket") };
    let later = pair.now + Span::from_secs(2);
    assert!(mini.reusable_by_connect(&cfg, later, false, false).is_some(), "timestamps were in use");
}

#[test]
fn a_limited_reply_in_the_tick_that_would_be_zero_counts() {
    let cfg = TcpConfig { timers: TimerModel::Wheel { hz: 1000, phase: Span::ZERO }, ..TcpConfig::default() };
    let zero = Time(u64::from(u32::MAX) * 1_000_000);
    let mut pair = established_at(&cfg, Time(zero.0 - 1_000_000_000));
    pair.run(Span(zero.0 - pair.now.0));
    pair.sides[SERVER].out.clear();
    let beyond = Segment {
        seq: Seq(1_001) + 10_000_000,
        ack: Seq(0xffff_ff01),
        flags: Flags::ACK,
        ..Segment::default()
    };
    for _ in 0..3 {
        pair.sides[SERVER].deliver(zero, &beyond);
    }
    assert_eq!(pair.sides[SERVER].out.segments.len(), 1, "one reply in tcp_invalid_ratelimit");
    assert_eq!(counted(&pair, SERVER, Counter::TcpExtTCPACKSkippedSeq), 2);
}

#[test]
fn a_wait_beyond_the_end_of_time_does_not_end() {
    let wheel = TimerModel::Wheel { hz: 250, phase: Span::from_millis(3) };
    for timers in [TimerModel::Exact, wheel] {
        // 213,503.98 days: a little less than can be counted.
        let cfg = TcpConfig { timers, time_wait: Span(18_446_743_872_000_000_000), ..TcpConfig::default() };
        let mut pair = established_at(&cfg, Time(SECOND));
        pair.call(CLIENT, Input::Close).unwrap();
        pair.run(Span::from_millis(50));
        pair.call(SERVER, Input::Close).unwrap();
        pair.run(Span::from_secs(1_000_000_000));
        assert_eq!(pair.states(), (State::TimeWait, State::Closed), "{timers:?}");
    }
}

#[test]
fn keep_alive_after_no_time_at_all_lets_time_pass() {
    let cfg = TcpConfig { keepalive: (Span::ZERO, Span::from_secs(75), 9), ..exact() };
    let mut pair = established_at(&cfg, Time(SECOND));
    pair.lose = |_, _| true;
    pair.call(CLIENT, Input::Send { len: 100 }).unwrap();
    pair.call(CLIENT, Input::SetKeepAlive(true)).unwrap();
    // While something is in flight, the timer only arms itself again.
    let begin = pair.now;
    for _ in 0..1_000 {
        let due = pair.sides[CLIENT].deadline();
        pair.now = due;
        pair.sides[CLIENT].fire(due);
    }
    assert!(pair.now.since(begin) >= Span::from_secs(3), "at most one tick for each");
}
