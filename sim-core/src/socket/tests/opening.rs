//! How connections begin, and how they fail to.

use super::*;
use crate::counter::Counter;
use crate::tcp::config::TimerModel;

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
    pair.sides[CLIENT].seat = Seat::default();
    pair.run(Span::from_secs(62));
    assert_eq!(moments(&pair, SERVER, Flags::SYN_ACK), [0, 1_000, 3_000, 7_000, 15_000, 31_000]);
    assert_eq!(pair.sides[SERVER].state(), State::SynRecv);
    pair.run(Span::from_secs(2));
    assert_eq!(pair.sides[SERVER].state(), State::Closed);
    assert_eq!(pair.sides[SERVER].seat.listener().unwrap().syn_queue_len(), 0);
}

#[test]
fn crossing_syns_make_one_connection() {
    let mut pair = Pair::new(&exact());
    pair.sides[SERVER].seat = Seat::default();
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
fn a_full_accept_queue_drops_syns() {
    let cfg = exact();
    let (mut seat, mut out) = (Seat::default(), Outbox::default());
    seat.listen(0, 4096);
    let secrets = Secrets { isn: Seq(7), ..Secrets::default() };
    let at = Env { now: Time(1_000_000_000), cfg: &cfg, secrets };
    let seg =
        |seq, ack, flags| Segment { seq: Seq(seq), ack: Seq(ack), flags, win: 1_000, ..Segment::default() };
    seat.deliver(at, &seg(100, 0, Flags::SYN), &mut out);
    seat.deliver(at, &seg(101, 8, Flags::ACK), &mut out);
    assert_eq!(seat.state(), State::Established, "backlog 0 holds one");
    // The child leaves the table, but not the accept queue.
    seat.deliver(at, &seg(101, 0, Flags::RST), &mut out);
    assert_eq!(seat.state(), State::Closed);
    out.clear();
    seat.deliver(at, &seg(200, 0, Flags::SYN), &mut out);
    assert!(out.segments.is_empty(), "and no more");
    assert_eq!(seat.listener().unwrap().accept_queue_len(), 1);
    assert_eq!(
        out.counters,
        [Counter::TcpInSegs, Counter::TcpExtListenOverflows, Counter::TcpExtListenDrops]
    );
    assert_eq!(seat.accept(), Ok(()));
    assert_eq!(seat.call(at, Input::Recv { len: 1 }, &mut out), Err(Errno::Econnreset));
    seat.deliver(at, &seg(200, 0, Flags::SYN), &mut out);
    assert_eq!(seat.state(), State::SynRecv, "accept() has made room");
}

#[test]
fn a_full_accept_queue_ignores_the_last_ack() {
    let cfg = exact();
    let (mut seat, mut out) = (Seat::default(), Outbox::default());
    let secrets = Secrets { isn: Seq(7), ..Secrets::default() };
    let at = |ms: u64| Env { now: Time((1_000 + ms) * 1_000_000), cfg: &cfg, secrets };
    let seg =
        |seq, ack, flags| Segment { seq: Seq(seq), ack: Seq(ack), flags, win: 1_000, ..Segment::default() };
    // One child waits for accept(); its RST has taken it out of the table, so the tuple is free for a second handshake.
    seat.listen(1, 4096);
    for (seq, ack, flags) in [(100, 0, Flags::SYN), (101, 8, Flags::ACK), (101, 0, Flags::RST)] {
        seat.deliver(at(0), &seg(seq, ack, flags), &mut out);
    }
    seat.deliver(at(0), &seg(200, 0, Flags::SYN), &mut out);
    assert_eq!(seat.state(), State::SynRecv);
    // Another listen() leaves room for one child only.
    seat.listen(0, 4096);
    out.clear();
    seat.deliver(at(10), &seg(201, 8, Flags::ACK), &mut out);
    assert_eq!(seat.state(), State::SynRecv, "as if the ACK had been lost");
    assert!(out.segments.is_empty());
    assert_eq!(
        out.counters,
        [Counter::TcpInSegs, Counter::TcpExtListenOverflows, Counter::TcpExtListenDrops]
    );
    // The SYN,ACK is sent again, and the ACK that answers it finds room once accept() was called.
    seat.fire(at(1_000), &mut out);
    assert_eq!(out.segments.iter().map(|seg| seg.flags).collect::<Vec<_>>(), [Flags::SYN_ACK]);
    assert_eq!(seat.accept(), Ok(()));
    seat.deliver(at(1_010), &seg(201, 8, Flags::ACK), &mut out);
    assert_eq!(seat.state(), State::Established);
}

/// How often one listener sends each SYN,ACK when so many peers call at once and are silent then.
fn syn_acks_of_silent_peers(peers: u32, backlog: u32) -> Vec<usize> {
    let cfg = exact();
    let (mut shared, mut out) = (Shared::default(), Outbox::default());
    let mut listener = Listener::new(backlog, 4096);
    let mut now = Time(1_000_000_000);
    let syn = Segment { seq: Seq(100), flags: Flags::SYN, win: 1_000, ..Segment::default() };
    let mut requests: Vec<(Request, usize)> = Vec::new();
    for _ in 0..peers {
        let mut cx = Cx::new(now, &cfg, &mut shared);
        let next = receive(&mut cx, SocketMut::None, Some(&mut listener), &syn, Secrets::default, &mut out);
        let Next::Request(request) = next else { panic!("{next:?}") };
        requests.push((request, 1));
    }
    let mut counts = Vec::new();
    while let Some(due) = requests.iter().map(|r| r.0.deadline()).min() {
        now = due;
        requests.retain_mut(|(request, sent)| {
            out.clear();
            let fate = request.on_timer(&mut Cx::new(now, &cfg, &mut shared), Some(&mut listener), &mut out);
            *sent += out.segments.len();
            if fate == MiniFate::Gone {
                counts.push(*sent);
            }
            fate == MiniFate::Keep
        });
    }
    assert_eq!(listener.syn_queue_len(), 0);
    counts
}

#[test]
fn a_syn_queue_that_is_half_full_has_less_patience_with_old_requests() {
    // tcp_synack_retries is 5. Up to half of the backlog all requests get them all.
    assert_eq!(syn_acks_of_silent_peers(8, 16), [6; 8]);
    // Beyond it an old one is given up after two, which makes room: one at a time, until half is free.
    assert_eq!(syn_acks_of_silent_peers(9, 16), [3, 6, 6, 6, 6, 6, 6, 6, 6]);
    assert_eq!(syn_acks_of_silent_peers(11, 16), [3, 3, 3, 6, 6, 6, 6, 6, 6, 6, 6]);
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
