//! Recoveries for nothing. What is expected is what a Linux 6.18 did with a peer that answered by the same script.

use super::data::{counted, sent_again};
use super::*;
use crate::counter::Counter;
use crate::tcp::config::TimerModel;

const FIRST: Seq = Seq(1_001);

/// A client that has sent what the first window holds, to a peer whose answers are written by the test.
struct Scripted {
    pair: Pair,
    /// The segments that it sent.
    sent: Vec<Segment>,
    /// What a true answer looks like.
    answer: Segment,
    begin: Time,
}

impl Scripted {
    fn new(timestamps: bool, sack: bool, written: u32) -> Scripted {
        let cfg = TcpConfig {
            timers: TimerModel::Exact,
            timestamps: if timestamps { Timestamps::RandomOffset } else { Timestamps::Off },
            sack,
            tail_loss_probe: false,
            ..TcpConfig::default()
        };
        let mut pair = Pair::new(&cfg);
        pair.connect();
        pair.run(Span::from_millis(100));
        pair.log.clear();
        pair.lose = |side, _| side == SERVER;
        pair.call(CLIENT, Input::Send { len: written }).unwrap();
        let begin = pair.now;
        pair.run(Span::from_millis(9));
        let sent = pair.log.iter().filter(|l| l.1 == CLIENT).map(|l| l.2).collect();
        let answer = pair.log.iter().find(|l| l.1 == SERVER).unwrap().2;
        Scripted { pair, sent, answer, begin }
    }

    /// At this millisecond comes an ACK of so many segments that echoes `echo`, with a block from one segment to another.
    fn ack(&mut self, millis: u64, segments: usize, echo: Option<TsOption>, block: Option<(usize, usize)>) {
        let after = |n: usize| n.checked_sub(1).map_or(FIRST, |last| self.sent[last].end());
        let ts = self.answer.ts.map(|ts| TsOption { ecr: echo.unwrap().val, ..ts });
        let sack = block.map(|(from, to)| (after(from), after(to)));
        let seg = Segment { ack: after(segments), ts, sack, ..self.answer };
        self.pair.run(Span((self.begin + Span::from_millis(millis)).0 - self.pair.now.0));
        self.pair.wire.push((self.pair.now, CLIENT, seg));
        self.pair.run(Span::ZERO);
    }

    fn counted(&self, counter: Counter) -> usize {
        counted(&self.pair, CLIENT, counter)
    }

    fn window(&self) -> u32 {
        self.pair.sides[CLIENT].seat.descriptor().unwrap().congestion_window()
    }
}

/// All ACKs come after 330 ms, one by one: the timer fired for a delay. Timestamps tell at the first of them, new data at the second (RFC 5682);
/// without both everything is sent again. Then the window is what it was.
#[test]
fn a_timeout_that_was_only_a_delay_is_undone() {
    for (timestamps, sack, written, again, undone, spurious) in [
        (true, true, 14_480, 1, 1, 0),
        (true, true, 19_480, 1, 1, 0),
        (true, false, 14_480, 1, 2, 1),
        (true, false, 19_480, 1, 2, 1),
        (false, true, 14_480, 10, 0, 0),
        (false, true, 19_480, 1, 1, 1),
        (false, false, 14_480, 10, 0, 0),
        (false, false, 19_480, 1, 1, 1),
    ] {
        let mut script = Scripted::new(timestamps, sack, written);
        for n in 0..script.sent.len() {
            script.ack(330 + 3 * n as u64, n + 1, script.sent[n].ts, None);
        }
        let what = (timestamps, sack, written);
        assert_eq!(script.counted(Counter::TcpExtTCPTimeouts), 1, "{what:?}");
        assert_eq!(sent_again(&script.pair).len(), again, "{what:?}");
        assert_eq!(script.counted(Counter::TcpExtTCPLossUndo), undone, "{what:?}");
        assert_eq!(script.counted(Counter::TcpExtTCPSpuriousRTOs), spurious, "{what:?}");
        assert_eq!(script.window() >= 10, undone > 0, "{what:?}: {}", script.window());
    }
}

/// The repetitions after such a timeout are reported one by one; with the last report the window is what it was.
#[test]
fn reports_of_all_that_was_repeated_undo_a_timeout() {
    let mut script = Scripted::new(false, true, 14_480);
    for n in 0..10 {
        script.ack(330 + 3 * n as u64, n + 1, None, None);
    }
    for n in 0..10 {
        assert!(script.window() < 10);
        assert_eq!(script.counted(Counter::TcpExtTCPDSACKUndo), 0);
        script.ack(362 + 3 * n as u64, 10, None, Some((n, n + 1)));
    }
    assert_eq!(script.counted(Counter::TcpExtTCPDSACKUndo), 1);
    assert_eq!(script.counted(Counter::TcpExtTCPDSACKRecv), 10);
    assert_eq!(script.counted(Counter::TcpExtTCPDelivered), 21, "SYN, ten segments, ten once more");
    assert_eq!(script.window(), 10);
}

/// The first segment comes after the fourth, and was sent again meanwhile. What undoes that is the echo of a timestamp, in the ACK of all or of a
/// part; or else the report that the first came twice. More reports than repetitions are not believed.
#[test]
fn a_fast_recovery_for_a_late_segment_is_undone() {
    type Ack = (usize, Option<(usize, usize)>);
    let all: &[Ack] = &[(10, None)];
    let part: &[Ack] = &[(4, None), (5, None), (10, None)];
    let report: &[Ack] = &[(10, None), (10, Some((0, 1)))];
    let early: &[Ack] = &[(4, None), (4, Some((0, 1))), (5, None), (10, None)];
    let liar: &[Ack] = &[(10, None), (10, Some((0, 1))), (10, Some((0, 1))), (10, Some((1, 3)))];
    for (timestamps, acks, [full, partial, reported], delivered) in [
        (true, all, [1, 0, 0], 11),
        (true, part, [0, 1, 0], 11),
        (true, report, [1, 0, 0], 12),
        (true, early, [0, 1, 0], 12),
        (false, all, [0, 0, 0], 11),
        (false, report, [0, 0, 1], 12),
        (false, liar, [0, 0, 1], 12),
    ] {
        let mut script = Scripted::new(timestamps, true, if timestamps { 14_480 } else { 14_600 });
        let echo = script.sent[0].ts;
        for n in 2..5 {
            script.ack(10 + 3 * n as u64, 0, echo, Some((1, n)));
        }
        assert_eq!(sent_again(&script.pair), [FIRST]);
        for (n, (segments, block)) in acks.iter().enumerate() {
            script.ack(26 + 3 * n as u64, *segments, echo, *block);
        }
        let what = (timestamps, acks);
        assert_eq!(sent_again(&script.pair), [FIRST], "{what:?}");
        let undone = [Counter::TcpExtTCPFullUndo, Counter::TcpExtTCPPartialUndo, Counter::TcpExtTCPDSACKUndo];
        assert_eq!(undone.map(|counter| script.counted(counter)), [full, partial, reported], "{what:?}");
        assert_eq!(script.counted(Counter::TcpExtTCPDelivered), delivered, "{what:?}");
        assert_eq!(script.window() >= 10, full + partial + reported > 0, "{what:?}: {}", script.window());
    }
}

/// Two SYN,ACKs are lost: the client sends its SYN three times. The third answer is one to the first SYN, so that the first flight is whole; without
/// timestamps nobody knows, and it is one segment (RFC 5681 §3.1).
#[test]
fn an_answer_to_the_first_syn_leaves_the_first_flight_whole() {
    for (timestamps, segments) in [(Timestamps::RandomOffset, 10), (Timestamps::Off, 1)] {
        let mut pair =
            Pair::new(&TcpConfig { timers: TimerModel::Exact, timestamps, ..TcpConfig::default() });
        pair.lose = |side, _| side == SERVER;
        pair.connect();
        pair.run(Span::from_millis(2_500));
        pair.lose = |_, _| false;
        pair.run(Span::from_secs(1));
        assert_eq!(pair.states(), (State::Established, State::Established));
        pair.log.clear();
        pair.call(CLIENT, Input::Send { len: 14_480 }).unwrap();
        assert_eq!(pair.log.len(), segments, "{timestamps:?}");
    }
}
