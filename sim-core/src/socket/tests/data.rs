//! Data on their way: acknowledgments, windows, losses.

use super::*;
use crate::counter::Counter;
use crate::tcp::config::TimerModel;

fn established() -> Pair {
    let cfg = TcpConfig { timers: TimerModel::Exact, ..TcpConfig::default() };
    let mut pair = Pair::new(&cfg);
    pair.connect();
    pair.run(Span::from_millis(100));
    pair.log.clear();
    pair
}

fn data(pair: &Pair, side: usize) -> Vec<(u64, u32)> {
    let begin = pair.log[0].0;
    let sent = pair.log.iter().filter(|l| l.1 == side && l.2.len > 0);
    sent.map(|l| (l.0.since(begin).as_millis(), l.2.len)).collect()
}

pub(super) fn counted(pair: &Pair, side: usize, counter: Counter) -> usize {
    pair.sides[side].out.counters.iter().filter(|c| **c == counter).count()
}

#[test]
fn nagle_holds_the_second_small_write_until_the_first_is_acknowledged() {
    let mut pair = established();
    pair.call(CLIENT, Input::Send { len: 10 }).unwrap();
    pair.call(CLIENT, Input::Send { len: 20 }).unwrap();
    pair.call(CLIENT, Input::Send { len: 30 }).unwrap();
    pair.run(Span::from_millis(100));
    assert_eq!(data(&pair, CLIENT), [(0, 10), (10, 50)]);
    pair.call(CLIENT, Input::SetNoDelay(true)).unwrap();
    pair.log.clear();
    pair.call(CLIENT, Input::Send { len: 10 }).unwrap();
    pair.call(CLIENT, Input::Send { len: 20 }).unwrap();
    assert_eq!(data(&pair, CLIENT), [(0, 10), (0, 20)]);
}

#[test]
fn ten_segments_may_leave_before_the_first_ack() {
    let mut pair = established();
    pair.call(CLIENT, Input::Send { len: 100_000 }).unwrap();
    assert_eq!(data(&pair, CLIENT).len(), 10);
    assert!(data(&pair, CLIENT).iter().all(|d| d.1 == 1_448));
    pair.run(Span::from_millis(11));
    assert!(data(&pair, CLIENT).len() > 12, "slow start goes on with the ACKs");
}

#[test]
fn a_lost_tail_is_probed_before_the_rto() {
    let mut pair = established();
    pair.lose = |side, seg| side == CLIENT && seg.len > 0 && !seg.rtx;
    pair.call(CLIENT, Input::Send { len: 100 }).unwrap();
    pair.run(Span::from_millis(400));
    let probes =
        pair.sides[CLIENT].out.counters.iter().filter(|c| **c == Counter::TcpExtTCPLossProbes).count();
    assert_eq!(probes, 1);
    assert_eq!(pair.call(SERVER, Input::Recv { len: 1_000 }), Ok(100));
}

#[test]
fn unanswered_data_are_sent_again_at_doubling_intervals() {
    let mut pair = established();
    pair.lose = |_, _| true;
    pair.call(CLIENT, Input::Send { len: 100 }).unwrap();
    pair.run(Span::from_secs(10));
    let times: Vec<u64> = data(&pair, CLIENT).iter().map(|d| d.0).collect();
    let gaps: Vec<u64> = times.windows(2).skip(1).map(|w| w[1] - w[0]).collect();
    for pair in gaps.windows(2).skip(1) {
        assert!((pair[1] - 2 * pair[0]) <= 2, "{gaps:?}");
    }
}

#[test]
fn a_hole_is_reported_and_filled() {
    let mut pair = established();
    // The second segment of five is lost once.
    pair.lose = |side, seg| side == CLIENT && seg.len > 0 && !seg.rtx && seg.seq.diff(Seq(1_001)) == 1_448;
    pair.call(CLIENT, Input::Send { len: 1_448 * 5 }).unwrap();
    pair.run(Span::from_millis(60));
    let blocks: Vec<_> = pair.log.iter().filter(|l| l.1 == SERVER).filter_map(|l| l.2.sack).collect();
    assert_eq!(blocks.len(), 3);
    assert!(blocks.iter().all(|b| b.0 == Seq(1_001 + 2 * 1_448)), "the hole's far edge");
    assert_eq!(pair.call(SERVER, Input::Recv { len: 1 << 20 }), Ok(1_448 * 5), "without waiting for the RTO");
}

#[test]
fn a_closed_window_is_probed_and_opens_again() {
    let mut pair = established();
    let mut sent = 0;
    while let Ok(n) = pair.call(CLIENT, Input::Send { len: 1 << 20 }) {
        sent += n;
        if sent > 1 << 22 {
            break;
        }
    }
    pair.run(Span::from_secs(5));
    let zero = pair.log.iter().any(|l| l.1 == SERVER && l.2.win == 0);
    assert!(zero, "the application does not read, so the window closes");
    let probes = pair.sides[CLIENT].out.counters.iter().filter(|c| **c == Counter::TcpExtTCPWinProbe).count();
    assert!(probes > 2, "{probes}");
    let mut got = 0;
    for _ in 0..4_000 {
        got += pair.call(SERVER, Input::Recv { len: 1 << 20 }).unwrap_or(0);
        pair.run(Span::from_millis(20));
    }
    assert_eq!(got, sent);
}

#[test]
fn a_reply_carries_the_ack_and_silence_delays_it() {
    let mut pair = established();
    // Spend the quick ACKs of the beginning.
    for _ in 0..40 {
        pair.call(CLIENT, Input::Send { len: 100 }).unwrap();
        pair.run(Span::from_millis(20));
        pair.call(SERVER, Input::Recv { len: 1_000 }).unwrap();
        pair.call(SERVER, Input::Send { len: 100 }).unwrap();
        pair.run(Span::from_millis(20));
        pair.call(CLIENT, Input::Recv { len: 1_000 }).unwrap();
        pair.run(Span::from_millis(60));
    }
    pair.log.clear();
    pair.call(CLIENT, Input::Send { len: 100 }).unwrap();
    pair.run(Span::from_millis(300));
    let ack = pair.log.iter().find(|l| l.1 == SERVER).unwrap();
    let after = ack.0.since(pair.log[0].0).as_millis();
    assert!((45..=50).contains(&after), "5 ms on the wire, 40 ms of hope for a reply: {after}");
}

#[test]
fn keepalive_ends_a_dead_connection() {
    let mut pair = established();
    pair.call(CLIENT, Input::SetKeepAlive(true)).unwrap();
    pair.lose = |_, _| true;
    pair.run(Span::from_secs(7_200 + 9 * 75 - 10));
    assert_eq!(pair.sides[CLIENT].state(), State::Established);
    pair.run(Span::from_secs(20));
    assert_eq!(pair.sides[CLIENT].state(), State::Closed);
    assert!(pair.sides[CLIENT].out.notices.contains(&Notice::Error(Errno::Etimedout)));
}

/// Keep-alive and the wait of an orphan in FIN_WAIT2 share a timer: a socket that its application still holds is probed, not ended.
#[test]
fn keepalive_probes_a_peer_that_may_still_send() {
    let mut pair = established();
    pair.call(CLIENT, Input::SetKeepAlive(true)).unwrap();
    pair.call(CLIENT, Input::ShutdownWrite).unwrap();
    pair.run(Span::from_secs(1));
    assert_eq!(pair.states(), (State::FinWait2, State::CloseWait));
    pair.log.clear();
    pair.run(Span::from_secs(7_200 + 75 * 9));
    assert_eq!(pair.states(), (State::FinWait2, State::CloseWait));
    assert!(pair.log.iter().any(|l| l.1 == CLIENT && l.2.len == 0), "it has asked whether the peer lives");
}

/// Keep-alive that was asked for before the handshake waits for its end (`tcp_keepalive_timer`).
#[test]
fn keepalive_leaves_a_handshake_alone() {
    let keepalive = (Span::from_secs(1), Span::from_secs(1), 2);
    let mut pair = Pair::new(&TcpConfig { timers: TimerModel::Exact, keepalive, ..TcpConfig::default() });
    pair.lose = |_, _| true;
    pair.connect();
    pair.call(CLIENT, Input::SetKeepAlive(true)).unwrap();
    pair.run(Span::from_secs(20));
    assert_eq!(pair.sides[CLIENT].state(), State::SynSent);
    assert!(pair.log.iter().all(|l| l.2.flags == Flags::SYN), "{:?}", pair.log);
}

/// As Linux 6.18 does on its loopback: a window that stays closed is not a reason to wait longer than TCP_USER_TIMEOUT, though
/// the peer answers each probe. The patience begins with the first probe.
#[test]
fn a_closed_window_wears_out_a_patience() {
    for (patience, probes) in [(1_000, 2), (250, 1)] {
        let mut pair = established();
        pair.call(CLIENT, Input::SetUserTimeout(patience)).unwrap();
        while pair.call(CLIENT, Input::Send { len: 1 << 20 }).is_ok() {}
        while counted(&pair, CLIENT, Counter::TcpExtTCPWinProbe) == 0 {
            pair.run(Span::from_millis(1));
        }
        pair.run(Span::from_millis(u64::from(patience) - 10));
        assert_eq!(pair.sides[CLIENT].state(), State::Established, "{patience}");
        pair.run(Span::from_millis(110));
        assert_eq!(pair.sides[CLIENT].state(), State::Closed, "{patience}");
        assert!(pair.sides[CLIENT].out.notices.contains(&Notice::Error(Errno::Etimedout)));
        assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTCPWinProbe), probes);
    }
}

/// After a timeout what is in flight is taken for lost and sent again from the front, segment after segment as ACKs come
/// in: a long flight must not cost an RTO for each segment that it lost.
#[test]
fn a_flight_that_lost_its_end_is_sent_again_after_one_timeout() {
    let mut pair = established();
    pair.lose = |side, seg| side == CLIENT && !seg.rtx && seg.seq.diff(Seq(1_001)) >= 3 * 1_448;
    pair.call(CLIENT, Input::Send { len: 14_480 }).unwrap();
    pair.run(Span::from_secs(2));
    assert_eq!(pair.call(SERVER, Input::Recv { len: 100_000 }), Ok(14_480));
    let timeouts =
        pair.sides[CLIENT].out.counters.iter().filter(|c| **c == Counter::TcpExtTCPTimeouts).count();
    assert_eq!(timeouts, 1);
}

pub(super) fn sent_again(pair: &Pair) -> Vec<Seq> {
    pair.log.iter().filter(|l| l.1 == CLIENT && l.2.rtx).map(|l| l.2.seq).collect()
}

/// What selective acknowledgments name has arrived: of ten segments the two that were lost are sent again, and no other.
#[test]
fn only_what_was_lost_is_sent_again() {
    let mut pair = established();
    pair.lose =
        |side, seg| side == CLIENT && !seg.rtx && [1_448, 4 * 1_448].contains(&seg.seq.diff(Seq(1_001)));
    pair.call(CLIENT, Input::Send { len: 14_480 }).unwrap();
    pair.run(Span::from_secs(2));
    assert_eq!(pair.call(SERVER, Input::Recv { len: 100_000 }), Ok(14_480));
    assert_eq!(sent_again(&pair), [Seq(1_001 + 1_448), Seq(1_001 + 4 * 1_448)]);
    assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTCPTimeouts), 0);
    assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTCPSackRecovery), 1);
}

/// One that was sent later by more than a quarter of the round-trip time has arrived: the first is lost, and nobody waits for three
/// duplicates or the timer (RACK, RFC 8985 §6.2).
#[test]
fn a_segment_that_was_sent_later_shows_the_loss_of_the_first() {
    let mut pair = established();
    pair.lose = |side, seg| side == CLIENT && !seg.rtx && seg.seq == Seq(1_001);
    pair.call(CLIENT, Input::Send { len: 1_448 }).unwrap();
    pair.run(Span::from_millis(4));
    pair.call(CLIENT, Input::Send { len: 1_448 }).unwrap();
    pair.run(Span::from_millis(10));
    assert_eq!(sent_again(&pair), [Seq(1_001)], "a round trip after the second");
    assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTCPFastRetrans), 1);
}

/// Two segments of ten have arrived, too few to show a loss: after the timeout all others are sent again, and those two are not.
#[test]
fn a_timeout_does_not_repeat_what_has_arrived() {
    let cfg = TcpConfig { timers: TimerModel::Exact, tail_loss_probe: false, ..TcpConfig::default() };
    let mut pair = Pair::new(&cfg);
    pair.connect();
    pair.run(Span::from_millis(100));
    pair.log.clear();
    pair.lose =
        |side, seg| side == CLIENT && !seg.rtx && ![7 * 1_448, 8 * 1_448].contains(&seg.seq.diff(Seq(1_001)));
    pair.call(CLIENT, Input::Send { len: 14_480 }).unwrap();
    pair.run(Span::from_secs(2));
    assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTCPTimeouts), 1);
    let lost = [0, 1, 2, 3, 4, 5, 6, 9].map(|n| Seq(1_001 + n * 1_448));
    assert_eq!(sent_again(&pair), lost);
    assert_eq!(pair.call(SERVER, Input::Recv { len: 100_000 }), Ok(14_480));
}

/// The timer has fired for the oldest segment: what is sent next, when an ACK has come, are new data if there are any (RFC 5682 §3.1, 2b).
#[test]
fn after_a_timeout_new_data_come_before_old_ones() {
    let cfg = TcpConfig { timers: TimerModel::Exact, tail_loss_probe: false, ..TcpConfig::default() };
    let mut pair = Pair::new(&cfg);
    pair.connect();
    pair.run(Span::from_millis(100));
    pair.log.clear();
    pair.delay = Span::from_millis(150);
    pair.call(CLIENT, Input::Send { len: 14_480 + 5_000 }).unwrap();
    pair.run(Span::from_secs(3));
    let sent: Vec<_> = pair.log.iter().filter(|l| l.1 == CLIENT && l.2.len > 0).map(|l| l.2).collect();
    assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTCPTimeouts), 1);
    assert_eq!((sent[10].seq, sent[10].rtx), (Seq(1_001), true), "the timer fires");
    assert_eq!(
        (sent[11].seq, sent[11].rtx),
        (Seq(1_001 + 14_480), false),
        "then comes what was not sent yet"
    );
    assert_eq!(pair.call(SERVER, Input::Recv { len: 100_000 }), Ok(14_480 + 5_000));
}

#[test]
fn a_loss_probe_carries_new_data_where_the_window_allows() {
    for (written, probe) in
        [(14_480 + 5_000, (Seq(1_001 + 14_480), false)), (14_480, (Seq(1_001 + 13_032), true))]
    {
        let mut pair = established();
        pair.lose = |_, _| true;
        pair.call(CLIENT, Input::Send { len: written }).unwrap();
        assert_eq!(data(&pair, CLIENT).len(), 10, "as many as the congestion window allows");
        pair.run(Span::from_millis(100));
        assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTCPLossProbes), 1);
        let last = pair.log.last().unwrap().2;
        assert_eq!((last.seq, last.rtx), probe, "new data if there are any, else the last segment");
        assert_eq!(last.len, 1_448);
    }
}

#[test]
fn probes_of_a_closed_window_come_at_doubling_intervals_up_to_the_largest_rto() {
    let mut pair = established();
    while pair.call(CLIENT, Input::Send { len: 1 << 20 }).is_ok() {
        pair.run(Span::from_secs(1));
    }
    pair.run(Span::from_secs(1_500));
    // Each probe is answered, so that there is no end to it: what is sent is an empty segment below the window.
    let una = pair.log.iter().rfind(|l| l.1 == SERVER).unwrap().2.ack;
    let probes = pair.log.iter().filter(|l| l.1 == CLIENT && l.2.seq == una - 1 && l.2.len == 0);
    let moments: Vec<u64> = probes.map(|l| l.0.as_millis()).collect();
    let gaps: Vec<u64> = moments.windows(2).map(|w| w[1] - w[0]).collect();
    // A gap is the delay of the timer, late by up to a granule of the wheel (32 ms), and, where the answer arms it anew, a round trip.
    for pair in gaps.windows(2) {
        let expected = (2 * pair[0]).min(120_000);
        assert!(pair[1].abs_diff(expected) <= 32, "{gaps:?}");
    }
    assert!(gaps.iter().filter(|gap| **gap >= 120_000).count() > 5, "{gaps:?}");
}
