//! Connections whose request nobody remembers.

use super::*;
use crate::counter::Counter;
use crate::tcp::config::{Syncookies, TimerModel};

const MINUTE: u64 = 60_000;

fn always() -> TcpConfig {
    TcpConfig { syncookies: Syncookies::Always, timers: TimerModel::Exact, ..TcpConfig::default() }
}

/// A server that answers each SYN with a cookie, and what it has produced.
struct Server {
    cfg: TcpConfig,
    seat: Seat,
    out: Outbox,
}

/// What the peer calls with.
#[derive(Clone, Copy, Debug)]
struct Call {
    tsval: Option<u32>,
    wscale: Option<u8>,
    sack: bool,
}

const PLAIN: Call = Call { tsval: None, wscale: None, sack: false };
const TS_OFFSET: u32 = 700_000;

impl Server {
    fn new() -> Server {
        let mut seat = Seat::default();
        seat.listen(8, 4096);
        Server { cfg: always(), seat, out: Outbox::default() }
    }
    fn deliver(&mut self, millis: u64, seg: &Segment) -> Vec<Segment> {
        self.out.clear();
        let secrets = Secrets { isn: Seq(7), ts_offset: TS_OFFSET, cookie: 0x1234_5678 };
        let at = Env { now: Time(millis * 1_000_000), cfg: &self.cfg, secrets };
        self.seat.deliver(at, seg, &mut self.out);
        core::mem::take(&mut self.out.segments)
    }
    /// A SYN; answers the SYN,ACK.
    fn syn(&mut self, millis: u64, call: Call) -> Segment {
        let syn = Segment {
            seq: Seq(100),
            flags: Flags::SYN,
            win: 1_000,
            ts: call.tsval.map(|val| TsOption { val, ecr: 0 }),
            syn: SynOptions { mss: 1460, wscale: call.wscale, sack_ok: call.sack },
            ..Segment::default()
        };
        let answer = self.deliver(millis, &syn);
        assert_eq!(self.seat.state(), State::Closed, "nothing is remembered");
        assert_eq!(answer.len(), 1);
        answer[0]
    }
    /// The ACK for it; answers the reply.
    fn ack(&mut self, millis: u64, syn_ack: &Segment) -> Vec<Segment> {
        let ack = Segment {
            seq: Seq(101),
            ack: syn_ack.seq + 1,
            flags: Flags::ACK,
            win: 1_000,
            ts: syn_ack.ts.map(|ts| TsOption { val: 1, ecr: ts.val }),
            ..Segment::default()
        };
        self.deliver(millis, &ack)
    }
    /// How many bytes the server sends at once.
    fn sends(&mut self, millis: u64) -> u32 {
        let at = Env { now: Time(millis * 1_000_000), cfg: &self.cfg, secrets: Secrets::default() };
        assert_eq!(self.seat.accept(), Ok(()));
        assert_eq!(self.seat.call(at, Input::Send { len: 9_000 }, &mut self.out), Ok(9_000));
        self.out.segments.iter().map(|seg| seg.len).sum()
    }
    fn counted(&self, counter: Counter) -> usize {
        self.out.counters.iter().filter(|c| **c == counter).count()
    }
}

#[test]
fn a_cookie_stands_for_a_connection() {
    let mut pair = Pair::new(&always());
    pair.connect();
    pair.run(Span::from_millis(50));
    assert_eq!(pair.states(), (State::Established, State::Established));
    assert_eq!(pair.sides[SERVER].seat.listener().unwrap().syn_queue_len(), 0, "nothing was stored");
    pair.call(CLIENT, Input::Send { len: 5_000 }).unwrap();
    pair.run(Span::from_millis(50));
    assert_eq!(pair.call(SERVER, Input::Recv { len: 9_000 }), Ok(5_000));
}

#[test]
fn the_scale_of_windows_comes_back_in_the_timestamp() {
    // The peer's window of 1000 bounds what is sent at first, in units of its scale: full segments, and with them what is left of it.
    for (wscale, room) in [(None, 1_000), (Some(0), 1_000), (Some(2), 4_000), (Some(14), 9_000)] {
        // Whatever the low bits of the clock are, which give way to the options.
        for millis in [1_000_000, 1_000_021, 1_000_063] {
            let mut server = Server::new();
            let syn_ack = server.syn(millis, Call { tsval: Some(1), wscale, ..PLAIN });
            server.ack(millis + 10, &syn_ack);
            assert_eq!(server.seat.state(), State::Established);
            assert_eq!(server.sends(millis + 10), room, "{wscale:?} at {millis}");
        }
    }
}

#[test]
fn without_timestamps_no_option_survives() {
    let mut server = Server::new();
    let syn_ack = server.syn(1_000_000, Call { wscale: Some(7), sack: true, ..PLAIN });
    assert_eq!((syn_ack.syn.wscale, syn_ack.syn.sack_ok), (None, false), "none is promised");
    server.ack(1_000_010, &syn_ack);
    assert_eq!(server.sends(1_000_010), 1_000);
}

#[test]
fn sack_comes_back_in_the_timestamp() {
    for sack in [false, true] {
        let mut server = Server::new();
        let millis = 1_000_021;
        let syn_ack = server.syn(millis, Call { tsval: Some(1), sack, ..PLAIN });
        server.ack(millis, &syn_ack);
        // Data beyond a hole are reported in a block, if both sides agreed on that.
        let ts = syn_ack.ts.map(|ts| TsOption { val: 1, ecr: ts.val });
        let beyond = Segment {
            seq: Seq(151),
            ack: syn_ack.seq + 1,
            flags: Flags::ACK,
            win: 1_000,
            len: 50,
            ts,
            ..Segment::default()
        };
        let answer = server.deliver(millis, &beyond);
        assert_eq!(answer[0].sack, sack.then_some((Seq(151), Seq(201))));
    }
}

#[test]
fn the_timestamp_with_options_is_not_in_the_future() {
    for millis in 1_000_000..1_000_200 {
        let mut server = Server::new();
        let syn_ack = server.syn(millis, Call { tsval: Some(1), wscale: Some(7), sack: true });
        let clock = u64::from(syn_ack.ts.expect("timestamps").val - TS_OFFSET);
        assert!((millis - 64..=millis).contains(&clock), "{clock} at {millis}");
    }
}

#[test]
fn a_cookie_is_good_for_two_minutes() {
    for (age, good) in [(0, true), (1, true), (2, false)] {
        let mut server = Server::new();
        let old = server.syn(10 * MINUTE, PLAIN);
        let then = (10 + age) * MINUTE;
        // A fresh cookie, so that cookies are still expected.
        server.syn(then, PLAIN);
        let answer = server.ack(then, &old);
        let expected = if good { State::Established } else { State::Closed };
        assert_eq!(server.seat.state(), expected, "after {age} minutes");
        assert_eq!(answer.iter().any(|seg| seg.flags.has(Flags::RST)), !good);
        assert_eq!(server.counted(Counter::TcpExtSyncookiesFailed), usize::from(!good));
    }
}

/// A cookie tells its minute in 8 bits; what keeps one of 256 minutes ago out is that its key depends on the minute too.
#[test]
fn a_cookie_is_not_good_again_after_256_minutes() {
    let mut server = Server::new();
    let old = server.syn(10 * MINUTE, PLAIN);
    server.syn(266 * MINUTE, PLAIN);
    let answer = server.ack(266 * MINUTE, &old);
    assert_eq!(server.seat.state(), State::Closed);
    assert_eq!(answer[0].flags, Flags::RST);
    assert_eq!(server.counted(Counter::TcpExtSyncookiesFailed), 1);
}

#[test]
fn a_full_accept_queue_ignores_a_cookie() {
    let mut server = Server::new();
    server.seat.listen(0, 4096);
    let first = server.syn(1_000, PLAIN);
    server.ack(1_010, &first);
    // The child leaves the table, but not the queue.
    server.deliver(1_020, &Segment { seq: Seq(101), flags: Flags::RST, ..Segment::default() });
    let answer = server.ack(1_030, &first);
    assert!(answer.is_empty());
    assert_eq!(server.seat.state(), State::Closed);
    assert_eq!(server.counted(Counter::TcpExtListenOverflows), 1);
}
