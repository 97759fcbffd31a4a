//! Random conversations: whatever arrives, the variables keep their order and nothing overflows.

use super::*;
use crate::rng::{Component, Purpose, Stream};

const FLAGS: [u8; 12] = [0x10, 0x18, 0x11, 0x02, 0x12, 0x04, 0x14, 0x01, 0x29, 0x3f, 0x00, 0x19];

/// A number near one that matters, or far from all.
fn near(luck: &mut Stream, anchors: &[Seq]) -> Seq {
    let anchor = anchors[luck.below(anchors.len() as u64) as usize];
    let offset = match luck.below(8) {
        0..=3 => 0,
        4 => luck.below(3) as u32,
        5 => (luck.below(3) as u32).wrapping_neg(),
        6 => luck.below(200_000) as u32,
        _ => luck.bits32(),
    };
    anchor + offset
}

fn segment(luck: &mut Stream, anchors: &[Seq], tsval: u32, tsecr: u32) -> Segment {
    let flags = Flags(FLAGS[luck.below(FLAGS.len() as u64) as usize]);
    Segment {
        seq: near(luck, anchors),
        ack: near(luck, anchors),
        len: if luck.below(2) == 0 { 0 } else { luck.below(3_000) as u32 },
        win: if luck.below(4) == 0 { luck.below(200) as u16 } else { luck.bits32() as u16 },
        flags,
        ts: (luck.below(3) > 0)
            .then(|| TsOption { val: tsval.wrapping_add(luck.below(20) as u32), ecr: tsecr }),
        syn: SynOptions {
            mss: luck.below(2_000) as u16,
            wscale: (luck.below(2) == 0).then(|| luck.below(16) as u8),
            sack_ok: luck.below(2) == 0,
        },
        sack: (luck.below(4) == 0).then(|| (near(luck, anchors), near(luck, anchors))),
        ..Segment::default()
    }
}

fn call(luck: &mut Stream) -> Input {
    match luck.below(12) {
        0..=3 => Input::Send { len: luck.below(5_000) as u32 },
        4..=6 => Input::Recv { len: luck.below(5_000) as u32 },
        7 => Input::ShutdownWrite,
        8 => Input::SetLinger2(Linger2::Never),
        9 => Input::SetKeepAlive(true),
        10 => Input::Close,
        _ => Input::Abort,
    }
}

/// One host against a peer that says anything.
fn converse(seed: u64) {
    let mut luck = Stream::new(seed, Purpose::Arrivals, Component::SHARED);
    let mut side = Side { isn: luck.bits32(), ..Side::default() };
    let mut now = Time(luck.below(5_000_000_000));
    if luck.below(2) == 0 {
        side.seat.listen(2, 4096);
    } else {
        side.connect(now);
    }
    let peer = Seq(luck.bits32());
    for _ in 0..60 {
        now += Span::from_millis(luck.below(400));
        let mut anchors = vec![peer, peer + 1, Seq(side.isn), Seq(side.isn) + 1];
        if let Slot::Full(e) = side.seat.slot() {
            anchors.extend([e.rcv_nxt(), e.rcv_nxt(), e.snd_una(), e.snd_nxt(), e.snd_nxt()]);
        }
        while side.deadline() <= now {
            let at = side.deadline();
            side.fire(at);
            assert!(side.deadline() > at, "a timer that fires moves on: {:?}", side.seat.slot());
        }
        if luck.below(3) == 0 {
            let _ = side.call(now, call(&mut luck));
        } else {
            let seg = segment(&mut luck, &anchors, now.as_millis() as u32, 0);
            side.deliver(now, &seg);
        }
        if let Slot::Full(e) = side.seat.slot() {
            assert_eq!(e.check_invariants(now), Ok(()), "{e:?}");
        }
        side.out.clear();
    }
}

#[test]
fn nothing_that_arrives_breaks_an_endpoint() {
    for seed in 0..5_000 {
        let outcome = std::panic::catch_unwind(|| converse(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
