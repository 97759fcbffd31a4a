//! How connections begin, and how they fail to.

use super::*;
use crate::counter::Counter;
use crate::tcp::config::{Syncookies, TimerModel};

fn exact() -> TcpConfig {
    TcpConfig { timers: TimerModel::Exact, ..TcpConfig::default() }
}

/// Milliseconds, counted from the first, at which `side` sent segments with these flags.
fn moments(pair: &Pair, side: usize, flags: Flags) -> Vec<u64> {
    let times: Vec<Time> =
        pair.log.iter().filter(|l| l.1 == side && l.2.flags.has(flags)).map(|l| l.0).collect();
    times.iter().map(|t| t.since(times[0]).as_millis()).collect()
}

#[test]
fn a_syn_is_repeated_in_a_line_and_then_at_doubling_intervals() {
    let mut pair = Pair::new(&exact());
    pair.lose = |_, _| true;
    pair.connect();
    pair.run(Span::from_secs(200));
    let seconds: Vec<u64> = moments(&pair, CLIENT, Flags::SYN).iter().map(|ms| ms / 1000).collect();
    assert_eq!(seconds, [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67]);
    assert_eq!(pair.sides[CLIENT].state(), State::Closed);
    assert!(pair.sides[CLIENT].out.notices.contains(&Notice::Error(Errno::Etimedout)));
}

#[test]
fn without_the_linear_phase_the_intervals_double_at_once() {
    let mut pair = Pair::new(&TcpConfig { syn_linear_timeouts: 0, syn_retries: 3, ..exact() });
    pair.lose = |_, _| true;
    pair.connect();
    pair.run(Span::from_secs(14));
    assert_eq!(moments(&pair, CLIENT, Flags::SYN), [0, 1_000, 3_000, 7_000]);
    assert_eq!(pair.sides[CLIENT].state(), State::SynSent);
    pair.run(Span::from_secs(2));
    assert_eq!(pair.sides[CLIENT].state(), State::Closed);
}

#[test]
fn a_syn_ack_is_repeated_five_times_and_then_forgotten() {
    let mut pair = Pair::new(&exact());
    pair.lose = |side, _| side == SERVER;
    pair.connect();
    // The client is silent after its first SYN.
    pair.run(Span::from_millis(10));
    pair.sides[CLIENT].slot = Slot::Empty;
    pair.run(Span::from_secs(62));
    assert_eq!(moments(&pair, SERVER, Flags::SYN_ACK), [0, 1_000, 3_000, 7_000, 15_000, 31_000]);
    assert_eq!(pair.sides[SERVER].state(), State::SynRecv);
    pair.run(Span::from_secs(2));
    assert_eq!(pair.sides[SERVER].state(), State::Closed);
    assert_eq!(pair.sides[SERVER].listener.unwrap().syn_queue_len(), 0);
}

#[test]
fn crossing_syns_make_one_connection() {
    let mut pair = Pair::new(&exact());
    pair.sides[SERVER].listener = None;
    pair.connect();
    let now = pair.now;
    pair.sides[SERVER].connect(now);
    pair.run(Span::from_millis(100));
    assert_eq!(pair.states(), (State::Established, State::Established));
}

#[test]
fn the_loss_of_the_last_ack_of_the_handshake_is_repaired_by_data() {
    let mut pair = Pair::new(&exact());
    pair.lose = |side, seg| side == CLIENT && seg.flags == Flags::ACK && seg.len == 0;
    pair.connect();
    pair.run(Span::from_millis(50));
    assert_eq!(pair.states(), (State::Established, State::SynRecv));
    pair.lose = |_, _| false;
    pair.call(CLIENT, Input::Send { len: 10 }).unwrap();
    pair.run(Span::from_millis(50));
    assert_eq!(pair.states(), (State::Established, State::Established));
}

#[test]
fn a_full_accept_queue_drops_syns_and_ignores_last_acks() {
    let mut server = Side { cfg: exact(), isn: 7, ..Side::default() };
    server.listener = Some(Listener::new(0, 4096));
    let now = Time(1_000_000_000);
    let handshake = |server: &mut Side, seq: u32| {
        server.slot = Slot::Empty;
        server.deliver(now, &Segment { seq: Seq(seq), flags: Flags::SYN, win: 1_000, ..Segment::default() });
        let answered = server.out.segments.pop();
        let ack =
            Segment { seq: Seq(seq + 1), ack: Seq(8), flags: Flags::ACK, win: 1_000, ..Segment::default() };
        if answered.is_some() {
            let mut cx = Cx { now, cfg: &server.cfg, shared: &mut server.shared };
            let Slot::Request(req) = &mut server.slot else { panic!("a request") };
            let socket = SocketMut::Request(req);
            let next =
                receive(&mut cx, socket, server.listener.as_mut(), &ack, Secrets::default, &mut server.out);
            return matches!(next, Next::Child(_));
        }
        false
    };
    assert!(handshake(&mut server, 100), "backlog 0 holds one");
    assert!(!handshake(&mut server, 200), "and no more");
    assert_eq!(server.listener.unwrap().accept_queue_len(), 1);
    assert!(server.out.counters.contains(&Counter::TcpExtListenOverflows));
    assert!(server.out.counters.contains(&Counter::TcpExtListenDrops));
}

#[test]
fn a_cookie_stands_for_a_connection() {
    let mut pair = Pair::new(&TcpConfig { syncookies: Syncookies::Always, ..exact() });
    pair.connect();
    pair.run(Span::from_millis(50));
    assert_eq!(pair.states(), (State::Established, State::Established));
    assert_eq!(pair.sides[SERVER].listener.unwrap().syn_queue_len(), 0, "nothing was stored");
    pair.call(CLIENT, Input::Send { len: 5_000 }).unwrap();
    pair.run(Span::from_millis(50));
    assert_eq!(pair.call(SERVER, Input::Recv { len: 9_000 }), Ok(5_000));
}

#[test]
fn an_old_incarnation_costs_one_round_trip_more() {
    let mut pair = Pair::new(&TcpConfig { timestamps: Timestamps::Off, ..exact() });
    pair.connect();
    pair.run(Span::from_millis(50));
    // The server closes first, and waits; the client comes back with a lower number.
    pair.call(SERVER, Input::Close).unwrap();
    pair.run(Span::from_millis(20));
    pair.call(CLIENT, Input::Close).unwrap();
    pair.run(Span::from_millis(60));
    assert_eq!(pair.states(), (State::Closed, State::TimeWait));
    pair.sides[CLIENT].isn = 10;
    let begin = pair.now;
    pair.connect();
    pair.run(Span::from_millis(100));
    assert_eq!(pair.states(), (State::Established, State::Established));
    let rst = pair.log.iter().find(|l| l.1 == CLIENT && l.0 >= begin && l.2.flags.has(Flags::RST));
    assert!(rst.is_some(), "the client's RST ended the wait");
    let syns = pair.log.iter().filter(|l| l.1 == CLIENT && l.0 >= begin && l.2.flags.has(Flags::SYN));
    let gaps: Vec<u64> = syns.map(|l| l.0.since(begin).as_millis()).collect();
    assert_eq!(gaps, [0, 18], "a round trip, and two jiffies");
}
