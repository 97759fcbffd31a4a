//! How connections end.

use super::*;
use crate::counter::Counter;
use crate::tcp::config::{ReuseDelay, TimeWaitPolicy, TimerModel, TwReuse};

fn exact() -> TcpConfig {
    TcpConfig { timers: TimerModel::Exact, ..TcpConfig::default() }
}

fn established(cfg: &TcpConfig) -> Pair {
    let mut pair = Pair::new(cfg);
    pair.connect();
    pair.run(Span::from_millis(100));
    pair.sides[CLIENT].out.clear();
    pair.sides[SERVER].out.clear();
    pair
}

/// The client has closed; the server has not.
fn half_closed(cfg: &TcpConfig) -> Pair {
    let mut pair = established(cfg);
    pair.call(CLIENT, Input::Close).unwrap();
    pair.run(Span::from_millis(60));
    assert_eq!(pair.states(), (State::FinWait2, State::CloseWait));
    pair
}

/// The client waits; the server is gone.
fn waiting(cfg: &TcpConfig) -> Pair {
    let mut pair = half_closed(cfg);
    pair.call(SERVER, Input::Close).unwrap();
    pair.run(Span::from_millis(60));
    assert_eq!(pair.states(), (State::TimeWait, State::Closed));
    pair
}

fn counted(pair: &Pair, side: usize, counter: Counter) -> usize {
    pair.sides[side].out.counters.iter().filter(|c| **c == counter).count()
}

#[test]
fn unread_data_at_close_become_a_reset() {
    let mut pair = established(&exact());
    pair.call(CLIENT, Input::Send { len: 10 }).unwrap();
    pair.run(Span::from_millis(20));
    pair.call(SERVER, Input::Close).unwrap();
    assert_eq!(counted(&pair, SERVER, Counter::TcpExtTCPAbortOnClose), 1);
    pair.run(Span::from_millis(20));
    assert_eq!(pair.states(), (State::Closed, State::Closed));
    assert!(pair.sides[CLIENT].out.notices.contains(&Notice::Error(Errno::Econnreset)));
}

#[test]
fn lingering_for_no_time_aborts() {
    let mut pair = established(&exact());
    pair.call(CLIENT, Input::Abort).unwrap();
    assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTCPAbortOnData), 1);
    pair.run(Span::from_millis(20));
    assert_eq!(pair.states(), (State::Closed, State::Closed));
    assert_eq!(pair.sides[CLIENT].seat.shared, Shared::default());
}

#[test]
fn data_for_an_orphan_in_fin_wait2_are_refused() {
    let mut pair = half_closed(&exact());
    pair.call(SERVER, Input::Send { len: 10 }).unwrap();
    pair.run(Span::from_millis(20));
    assert_eq!(pair.states(), (State::Closed, State::Closed));
    assert!(pair.sides[SERVER].out.notices.contains(&Notice::Error(Errno::Epipe)), "CLOSE_WAIT: EPIPE");
}

#[test]
fn an_orphan_leaves_fin_wait2_after_tcp_fin_timeout() {
    for (fin_timeout, life) in [(5, 5), (60, 60), (61, 2), (90, 60), (120, 120)] {
        let cfg = TcpConfig { fin_timeout: Span::from_secs(fin_timeout), ..exact() };
        let mut pair = half_closed(&cfg);
        pair.run(Span::from_secs(life - 1));
        assert_eq!(pair.sides[CLIENT].state(), State::FinWait2, "{fin_timeout}");
        pair.run(Span::from_secs(1));
        assert_eq!(pair.sides[CLIENT].state(), State::Closed, "{fin_timeout}");
        assert_eq!(pair.sides[CLIENT].seat.shared, Shared::default());
    }
}

#[test]
fn a_negative_linger2_does_not_wait_at_all() {
    let mut pair = established(&exact());
    pair.call(CLIENT, Input::SetLinger2(Linger2::Never)).unwrap();
    pair.call(CLIENT, Input::Close).unwrap();
    pair.run(Span::from_millis(60));
    assert_eq!(pair.states(), (State::Closed, State::Closed));
    assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTCPAbortOnData), 1);
}

#[test]
fn a_full_table_of_mini_sockets_closes_at_once() {
    let mut pair = established(&TcpConfig { max_tw_buckets: 0, ..exact() });
    pair.call(CLIENT, Input::Close).unwrap();
    pair.run(Span::from_millis(60));
    assert_eq!(pair.sides[CLIENT].state(), State::Closed);
    assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTCPTimeWaitOverflow), 1);
    assert_eq!(pair.sides[CLIENT].seat.shared, Shared::default());
}

#[test]
fn too_many_orphans_are_reset() {
    let mut pair = established(&TcpConfig { max_orphans: 0, ..exact() });
    pair.call(CLIENT, Input::Close).unwrap();
    assert_eq!(pair.sides[CLIENT].state(), State::Closed);
    assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTCPAbortOnMemory), 1);
}

#[test]
fn an_unanswered_fin_is_given_up() {
    let mut pair = established(&exact());
    pair.lose = |_, _| true;
    let begin = pair.now;
    pair.call(CLIENT, Input::Close).unwrap();
    while pair.sides[CLIENT].state() != State::Closed {
        pair.run(Span::from_secs(1));
    }
    // tcp_orphan_retries 0 acts as 8: 102.2 s by the model, and the first expiry after that.
    let life = pair.now.since(begin).as_secs();
    assert!((103..=125).contains(&life), "{life} s");
    assert_eq!(counted(&pair, CLIENT, Counter::TcpExtTCPAbortOnTimeout), 1);
}

/// Delivers a segment to the client's mini-socket, relative to its numbers; answers what it replied.
fn poke(pair: &mut Pair, flags: Flags, seq: u32, len: u32) -> Vec<Segment> {
    let Slot::TimeWait(tw) = pair.sides[CLIENT].seat.slot() else { panic!("a mini-socket") };
    let ts = TsOption { val: tw.ts_recent, ecr: 1 };
    let seg = Segment {
        seq: tw.rcv_nxt + seq,
        ack: tw.snd_nxt,
        len,
        win: 1_000,
        flags,
        ts: Some(ts),
        ..Segment::default()
    };
    let now = pair.now;
    pair.sides[CLIENT].deliver(now, &seg);
    core::mem::take(&mut pair.sides[CLIENT].out.segments)
}

#[test]
fn time_wait_by_three_policies() {
    let below = 0_u32.wrapping_sub(1);
    for (policy, reset_ends, syn_answer) in [
        (TimeWaitPolicy::Linux, true, Flags::ACK),
        (TimeWaitPolicy::Bsd, false, Flags::ACK),
        (TimeWaitPolicy::Rfc793, true, Flags::ACK),
    ] {
        let cfg = TcpConfig { time_wait_policy: policy, ..exact() };
        let mut pair = waiting(&cfg);
        pair.run(Span::from_secs(30));
        let fin = poke(&mut pair, Flags::FIN_ACK, below, 0);
        assert_eq!(fin[0].flags, Flags::ACK, "{policy:?} acknowledges the FIN again");
        pair.run(Span::from_secs(59));
        assert_eq!(pair.sides[CLIENT].state(), State::TimeWait, "{policy:?} waits anew");
        // A SYN above the window, without a listener.
        let syn = poke(&mut pair, Flags::SYN, 5_000_000, 0);
        assert_eq!(syn[0].flags, syn_answer, "{policy:?}");
        poke(&mut pair, Flags::RST, 0, 0);
        assert_eq!(pair.sides[CLIENT].state() == State::Closed, reset_ends, "{policy:?} and RST");
    }
}

#[test]
fn a_syn_in_the_window_ends_the_wait_by_rfc_793() {
    let cfg = TcpConfig { time_wait_policy: TimeWaitPolicy::Rfc793, ..exact() };
    let mut pair = waiting(&cfg);
    let answer = poke(&mut pair, Flags::SYN, 10, 0);
    assert!(answer[0].flags.has(Flags::RST));
    assert_eq!(pair.sides[CLIENT].state(), State::Closed);
}

#[test]
fn rfc1337_protects_against_assassination() {
    let mut pair = waiting(&TcpConfig { rfc1337: true, ..exact() });
    poke(&mut pair, Flags::RST, 0, 0);
    assert_eq!(pair.sides[CLIENT].state(), State::TimeWait);
}

#[test]
fn a_pure_ack_prolongs_the_wait_in_linux_only() {
    for (policy, prolonged) in [(TimeWaitPolicy::Linux, true), (TimeWaitPolicy::Bsd, false)] {
        let mut pair = waiting(&TcpConfig { time_wait_policy: policy, ..exact() });
        pair.run(Span::from_secs(50));
        assert!(poke(&mut pair, Flags::ACK, 0, 0).is_empty(), "nobody answers it");
        pair.run(Span::from_secs(20));
        assert_eq!(pair.sides[CLIENT].state() == State::TimeWait, prolonged, "{policy:?}");
    }
}

#[test]
fn a_new_syn_reopens_the_tuple_above_all_old_numbers() {
    let mut pair = waiting(&exact());
    pair.sides[CLIENT].seat.listen(8, 4096);
    let Slot::TimeWait(tw) = pair.sides[CLIENT].seat.slot() else { panic!("a mini-socket") };
    let expected = tw.snd_nxt + 65_537;
    let answer = poke(&mut pair, Flags::SYN, 1, 0);
    assert_eq!((answer[0].flags, answer[0].seq), (Flags::SYN_ACK, expected));
    assert_eq!(pair.sides[CLIENT].state(), State::SynRecv);
    assert_eq!(pair.sides[CLIENT].seat.shared.mini_sockets, 0);
}

#[test]
fn connect_may_take_a_waiting_tuple() {
    let pair = waiting(&exact());
    let Slot::TimeWait(tw) = pair.sides[CLIENT].seat.slot() else { panic!("a mini-socket") };
    let may = |reuse, after_ms, loopback, fixed| {
        let delay = ReuseDelay::SinceEntry(Span::from_secs(1));
        let cfg = TcpConfig { tw_reuse: reuse, tw_reuse_delay: delay, ..exact() };
        tw.reusable_by_connect(&cfg, tw.entered + Span::from_millis(after_ms), loopback, fixed).is_some()
    };
    assert!(may(TwReuse::On, 1_001, false, false));
    assert!(!may(TwReuse::On, 1_000, false, false), "strictly later");
    assert!(!may(TwReuse::Loopback, 2_000, false, false));
    assert!(may(TwReuse::Loopback, 2_000, true, false));
    assert!(may(TwReuse::Off, 0, false, true), "a bound port is the caller's own decision");
}

#[test]
fn without_timestamps_no_tuple_is_taken() {
    let pair = waiting(&TcpConfig { timestamps: Timestamps::Off, ..exact() });
    let Slot::TimeWait(tw) = pair.sides[CLIENT].seat.slot() else { panic!("a mini-socket") };
    assert!(tw.reusable_by_connect(&exact(), tw.deadline(), true, true).is_none());
}

#[test]
fn an_older_linux_takes_a_waiting_tuple_from_the_next_second_on() {
    let cfg = TcpConfig { tw_reuse: TwReuse::On, tw_reuse_delay: ReuseDelay::NextSecond, ..exact() };
    let pair = waiting(&cfg);
    // The peer's last timestamp came in this second.
    let second = pair.now.0 / 1_000_000_000;
    let connect = |at: Time| {
        let (mut seat, mut out) = (pair.sides[CLIENT].seat.clone(), Outbox::default());
        let at = Env { now: at, cfg: &cfg, secrets: Secrets::default() };
        seat.connect(at, false, &mut out).map(|()| out.segments[0].flags)
    };
    assert_eq!(connect(pair.now), Err(Errno::Eaddrnotavail));
    assert_eq!(connect(Time((second + 1) * 1_000_000_000 - 1)), Err(Errno::Eaddrnotavail));
    assert_eq!(connect(Time((second + 1) * 1_000_000_000)), Ok(Flags::SYN));
}

/// A FIN that comes with the ACK of ours, but whose number lies below RCV.NXT, is not taken. The kernel expects to process
/// it at once and keeps the full socket, which then stays for the whole of tcp_fin_timeout. No mini-socket follows it.
#[test]
fn an_orphan_whose_peer_ended_in_the_wrong_place_is_reset_in_the_end() {
    let mut pair = established(&TcpConfig { timestamps: Timestamps::Off, ..exact() });
    pair.lose = |side, _| side == SERVER;
    pair.call(SERVER, Input::Send { len: 1 }).unwrap();
    pair.lose = |_, _| false;
    pair.run(Span::from_secs(1));
    assert_eq!(pair.call(CLIENT, Input::Recv { len: 10 }), Ok(1));
    pair.lose = |_, _| true;
    pair.call(CLIENT, Input::Close).unwrap();
    let fin = pair.log.last().unwrap().2;
    assert_eq!(fin.flags, Flags::FIN_ACK);
    let misplaced = Segment {
        seq: fin.ack - 1,
        ack: fin.seq + 1,
        flags: Flags::FIN_ACK,
        win: 1_000,
        ..Segment::default()
    };
    let now = pair.now;
    pair.sides[CLIENT].deliver(now, &misplaced);
    assert_eq!(pair.sides[CLIENT].state(), State::FinWait2);
    assert_eq!(pair.sides[CLIENT].seat.shared.orphans, 1, "as a full socket");
    let answer = core::mem::take(&mut pair.sides[CLIENT].out.segments);
    assert_eq!(answer.iter().map(|seg| seg.flags).collect::<Vec<_>>(), [Flags::ACK]);
    pair.run(Span::from_millis(59_999));
    assert_eq!(pair.sides[CLIENT].state(), State::FinWait2);
    pair.log.clear();
    pair.run(Span::from_millis(2));
    assert_eq!(pair.sides[CLIENT].state(), State::Closed);
    assert_eq!(pair.log.iter().map(|l| l.2.flags).collect::<Vec<_>>(), [Flags::RST_ACK]);
    assert_eq!(pair.sides[CLIENT].seat.shared, Shared::default());
}
