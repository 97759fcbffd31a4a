//! The key of a step: everything that the step can see, packed into eight words.

use super::super::end::Cause;
use super::super::lazy::Lazy;
use crate::tcp::config::TwOverflow;
use crate::tcp::{Bases, Clocks, Cx, Flags, Segment, TsOption};

/// Everything that a step can see, packed.
#[derive(Clone, Copy, Debug)]
pub struct Key(pub(super) [u64; 8]);

impl Key {
    #[inline]
    pub(super) fn is(&self, other: &Key) -> bool {
        // All at once: one branch in place of eight, and no call.
        let differs = |at: usize| self.0[at] ^ other.0[at];
        let first = differs(0) | differs(1) | differs(2) | differs(3);
        (first | differs(4) | differs(5) | differs(6) | differs(7)) == 0
    }

    pub(super) fn hash(&self) -> u64 {
        let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
        for word in self.0 {
            hash = (hash ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
            hash ^= hash >> 32;
        }
        hash
    }
}

impl Lazy {
    /// Everything that a step can see, and the bases that its input is relative to; `None` if an equal step could do
    /// something else.
    #[inline]
    pub(super) fn key(
        &self,
        cx: &Cx<'_>,
        clocks: &Clocks,
        cause: Cause<'_>,
        unmet: bool,
    ) -> Option<(Key, Bases)> {
        if !(clocks.calm & self.clocks.calm) {
            return None;
        }
        let evicts = cx.cfg.tw_overflow == TwOverflow::RecycleOldest;
        let room = u64::from(evicts || cx.shared.mini_sockets < cx.cfg.max_tw_buckets);
        let orphan = u64::from(cx.shared.orphans < cx.cfg.max_orphans);
        let mut words = [0; 8];
        let mut bases = self.bases;
        let kind = match cause {
            Cause::Segment(seg) => {
                // SYN_SENT compares nothing with the peer's numbers: they are what it learns.
                if unmet {
                    bases.rcv = seg.seq.0;
                    if bases.peer_ts == 0 {
                        bases.peer_ts = seg.ts.map_or(0, |ts| ts.val);
                    }
                }
                pack_segment(seg, &bases, clocks, &mut words)?;
                0
            }
            Cause::Timer => {
                let mask = |i: usize| u64::from(self.due[i] <= cx.now) << i;
                8 | mask(0) | mask(1) | mask(2)
            }
            Cause::AppTimer => 1,
            Cause::Accepted => 2,
            Cause::NextRequest => 3,
            Cause::Answer => 4,
            Cause::Close => 5,
            Cause::Disconnect => 6,
            Cause::Connect => return None,
        };
        words[0] = u64::from(self.state) << 32 | kind << 8 | room << 1 | orphan;
        let ticks = clocks.ticks.wrapping_sub(self.clocks.ticks);
        let millis = clocks.millis.wrapping_sub(self.clocks.millis);
        let micros = clocks.micros.wrapping_sub(self.clocks.micros);
        let seconds = clocks.seconds.wrapping_sub(self.clocks.seconds);
        words[1] = u64::from(ticks) << 32 | u64::from(millis);
        words[5] = u64::from(micros) << 32 | u64::from(seconds);
        Some((Key(words), bases))
    }
}

/// Packs a segment relative to the numbers of the end that it is for.
#[inline]
pub(super) fn pack_segment(
    seg: &Segment,
    bases: &Bases,
    clocks: &Clocks,
    words: &mut [u64; 8],
) -> Option<()> {
    let ack = if seg.flags.has(Flags::ACK) { seg.ack.0.wrapping_sub(bases.snd) } else { seg.ack.0 };
    words[2] = u64::from(seg.seq.0.wrapping_sub(bases.rcv)) << 32 | u64::from(ack);
    let mut marks = 0;
    if let Some(TsOption { val, ecr }) = seg.ts {
        let echoed = ecr.wrapping_sub(bases.offset);
        // Zero means "none" in more places than one.
        if val == 0 || (ecr != 0 && echoed == 0) {
            return None;
        }
        let age = clocks.millis.wrapping_sub(echoed);
        words[4] =
            u64::from(val.wrapping_sub(bases.peer_ts)) << 32 | u64::from(if ecr == 0 { 0 } else { age });
        marks = 1 | u64::from(ecr == 0) << 1 | u64::from(bases.peer_ts == 0) << 2;
    }
    if seg.flags.has(Flags::SYN) {
        let syn = seg.syn;
        words[6] = u64::from(syn.mss) << 32
            | syn.wscale.map_or(0, |scale| 0x100 | u64::from(scale)) << 1
            | u64::from(syn.sack_ok);
        if seg.sack.is_some() || seg.sack2.is_some() {
            return None;
        }
    } else if seg.syn != crate::tcp::SynOptions::default() {
        return None;
    }
    for (i, block) in [seg.sack, seg.sack2].into_iter().enumerate() {
        if let Some((from, to)) = block {
            marks |= 8 << i;
            words[6 + i] =
                u64::from(from.0.wrapping_sub(bases.snd)) << 32 | u64::from(to.0.wrapping_sub(bases.snd));
        }
    }
    words[3] = u64::from(seg.len) << 32 | u64::from(seg.win) << 16 | u64::from(seg.flags.0) << 8 | marks;
    Some(())
}
