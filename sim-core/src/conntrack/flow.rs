//! What is known of one flow (`struct ip_ct_tcp`), and how it is stored.

use super::state::{Class, Dir, FlowState};
use crate::seq::Seq;
use crate::tcp::Segment;

/// Flags of one direction, as ctnetlink shows them (include/uapi/linux/netfilter/nf_conntrack_tcp.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SideFlags(pub u8);

impl SideFlags {
    /// Window scaling was offered.
    pub const WINDOW_SCALE: SideFlags = SideFlags(0x01);
    /// SACK was offered.
    pub const SACK_PERM: SideFlags = SideFlags(0x02);
    /// This side sent the first FIN.
    pub const CLOSE_INIT: SideFlags = SideFlags(0x04);
    /// Window violations of this side are forgiven: the flow was picked up on its way.
    pub const BE_LIBERAL: SideFlags = SideFlags(0x08);
    /// This side sent data or a FIN that is not acknowledged.
    pub const DATA_UNACKNOWLEDGED: SideFlags = SideFlags(0x10);
    /// `td_maxack` of this side means something.
    pub const MAXACK_SET: SideFlags = SideFlags(0x20);
    /// An ignored SYN may be answered with a challenge ACK (of the flow, not of a side).
    pub(super) const EXP_CHALLENGE_ACK: SideFlags = SideFlags(0x40);
    /// Both sides sent a SYN (of the flow, not of a side).
    pub(super) const SIMULTANEOUS_OPEN: SideFlags = SideFlags(0x80);

    /// Whether all of `other` are set.
    pub const fn has(self, other: SideFlags) -> bool {
        self.0 & other.0 == other.0
    }
    /// Both sets together.
    pub const fn with(self, other: SideFlags) -> SideFlags {
        SideFlags(self.0 | other.0)
    }
    pub(super) fn set(&mut self, other: SideFlags) {
        self.0 |= other.0;
    }
    pub(super) fn clear(&mut self, other: SideFlags) {
        self.0 &= !other.0;
    }
}

/// What is known of one direction (`struct ip_ct_tcp_state`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct FlowSide {
    /// Highest sequence number sent, plus one.
    pub(super) td_end: Seq,
    /// Highest sequence number allowed by the other side: its ACK plus its window.
    pub(super) td_maxend: Seq,
    /// Largest window advertised, bytes, scaled. 0 = this side has not been heard.
    pub(super) td_maxwin: u32,
    /// Highest ACK sent.
    pub(super) td_maxack: Seq,
    /// Window scale, 0 to 14.
    pub(super) td_scale: u8,
    pub(super) flags: SideFlags,
}

impl FlowSide {
    /// Reads the options of a SYN (`tcp_options`): a SYN without any leaves what was known.
    pub(super) fn read_options(&mut self, seg: &Segment) {
        let opts = seg.syn;
        if opts.mss == 0 && opts.wscale.is_none() && !opts.sack_ok && seg.ts.is_none() {
            return;
        }
        self.flags = SideFlags(self.flags.0 & SideFlags::BE_LIBERAL.0);
        self.td_scale = 0;
        if let Some(shift) = opts.wscale {
            self.td_scale = shift.min(14);
            self.flags.set(SideFlags::WINDOW_SCALE);
        }
        if opts.sack_ok {
            self.flags.set(SideFlags::SACK_PERM);
        }
    }
}

/// The numbers of a [`FlowSide`] as a flow stores them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the kernel's names")]
struct Numbers {
    td_end: Seq,
    td_maxend: Seq,
    td_maxwin: u32,
    td_maxack: Seq,
}

/// What is remembered of the last segment, to recognise its repetition, its answer, or what follows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LastSegment {
    /// The number after it.
    pub(super) end: Seq,
    /// Its length in sequence space; an IPv4 packet has room for no more than 65,535 bytes.
    len: u16,
    /// Its window, unscaled.
    pub(super) win: u16,
}

impl LastSegment {
    pub(super) fn new(end: Seq, len: u32, win: u16) -> LastSegment {
        LastSegment { end, len: len.min(u32::from(u16::MAX)) as u16, win }
    }
}

/// A tracked flow (`struct ip_ct_tcp`, 76 bytes there): 50 bytes, without padding, because ten million of them are kept
/// at once. What is smaller than a byte shares one; the methods below take it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, packed)]
pub(super) struct Flow {
    numbers: [Numbers; 2],
    last_ack: Seq,
    last: LastSegment,
    pub(super) flags: [SideFlags; 2],
    /// Window scales, 4 bits each: the original direction's in the lower half.
    scales: u8,
    /// Repetitions of the last ACK. Wraps at 256, as the kernel's does.
    pub(super) retrans: u8,
    /// Of an ignored SYN: its window scale (lower 4 bits), and flags (upper 4 bits, see [`Flow::last_flags`]).
    last_options: u8,
    /// State (lower 4 bits), class of the last segment (3 bits), its direction (1 bit).
    progress: u8,
}

/// How a flow is stored: the fields that share a byte.
impl Flow {
    pub(super) fn state(&self) -> FlowState {
        FlowState::of_bits(self.progress)
    }

    pub(super) fn last_class(&self) -> Class {
        Class::of_bits(self.progress >> 4)
    }

    pub(super) fn last_dir(&self) -> Dir {
        if self.progress & 0x80 == 0 { Dir::Original } else { Dir::Reply }
    }

    pub(super) fn set_last(&mut self, class: Class, dir: Dir) {
        self.progress = self.progress & 0x0f | (class as u8) << 4 | (dir as u8) << 7;
    }

    /// Sets the state and what the last segment was.
    pub(super) fn advance(&mut self, class: Class, dir: Dir, state: FlowState) {
        self.progress = state as u8 | (class as u8) << 4 | (dir as u8) << 7;
    }

    pub(super) fn last_ack(&self) -> Seq {
        self.last_ack
    }

    pub(super) fn set_last_ack(&mut self, ack: Seq) {
        self.last_ack = ack;
    }

    pub(super) fn last_segment(&self) -> LastSegment {
        self.last
    }

    pub(super) fn set_last_segment(&mut self, last: LastSegment) {
        self.last = last;
    }

    /// Flags of an ignored SYN, and what to expect after it: WINDOW_SCALE, SACK_PERM, EXP_CHALLENGE_ACK,
    /// SIMULTANEOUS_OPEN. Those are the lowest and the highest two bits.
    pub(super) fn last_flags(&self) -> SideFlags {
        SideFlags(self.last_options >> 4 & 0x03 | self.last_options & 0xc0)
    }

    pub(super) fn set_last_flags(&mut self, flags: SideFlags) {
        debug_assert_eq!(flags.0 & 0x3c, 0, "no other flag belongs here");
        self.last_options = self.last_options & 0x0f | (flags.0 & 0x03) << 4 | flags.0 & 0xc0;
    }

    pub(super) fn last_scale(&self) -> u8 {
        self.last_options & 0x0f
    }

    pub(super) fn set_last_scale(&mut self, scale: u8) {
        self.last_options = self.last_options & 0xf0 | scale;
    }

    /// Whether an ignored SYN left something behind.
    pub(super) fn noted_syn(&self) -> bool {
        self.last_options != 0
    }

    pub(super) fn flags(&self, dir: Dir) -> SideFlags {
        self.flags[dir as usize]
    }

    #[inline]
    pub(super) fn side(&self, dir: Dir) -> FlowSide {
        let Numbers { td_end, td_maxend, td_maxwin, td_maxack } = self.numbers[dir as usize];
        let td_scale = if dir == Dir::Original { self.scales & 0x0f } else { self.scales >> 4 };
        FlowSide { td_end, td_maxend, td_maxwin, td_maxack, td_scale, flags: self.flags[dir as usize] }
    }

    pub(super) fn set_side(&mut self, dir: Dir, side: FlowSide) {
        self.set_numbers(dir, side);
        let (kept, scale) = match dir {
            Dir::Original => (0xf0, side.td_scale),
            Dir::Reply => (0x0f, side.td_scale << 4),
        };
        self.scales = self.scales & kept | scale;
    }

    /// Stores a side whose window scale is as before.
    #[inline]
    pub(super) fn set_numbers(&mut self, dir: Dir, side: FlowSide) {
        let FlowSide { td_end, td_maxend, td_maxwin, td_maxack, td_scale: _, flags } = side;
        self.numbers[dir as usize] = Numbers { td_end, td_maxend, td_maxwin, td_maxack };
        self.flags[dir as usize] = flags;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_comes_back_as_it_was_stored() {
        let side = |n: u32| FlowSide {
            td_end: Seq(n),
            td_maxend: Seq(n ^ 0x8000_0001),
            td_maxwin: n.rotate_left(7),
            td_maxack: Seq(!n),
            td_scale: (n % 15) as u8,
            flags: SideFlags(n as u8),
        };
        let mut flow = Flow::default();
        for n in (0..u32::MAX).step_by(0x0123_4567) {
            let [original, reply] = [side(n), side(n.wrapping_mul(31))];
            flow.set_side(Dir::Original, original);
            flow.set_side(Dir::Reply, reply);
            assert_eq!((flow.side(Dir::Original), flow.side(Dir::Reply)), (original, reply));
            assert_eq!(flow.flags(Dir::Reply), reply.flags);
        }
    }

    #[test]
    fn what_shares_a_byte_does_not_disturb_its_neighbours() {
        let mut flow = Flow::default();
        for &state in FlowState::ALL {
            for class in [Class::Syn, Class::SynAck, Class::Fin, Class::Ack, Class::Rst, Class::None] {
                for dir in [Dir::Original, Dir::Reply] {
                    flow.advance(class, dir, state);
                    assert_eq!((flow.state(), flow.last_class(), flow.last_dir()), (state, class, dir));
                    flow.set_last(Class::Fin, dir.other());
                    assert_eq!(flow.state(), state);
                    assert_eq!((flow.last_class(), flow.last_dir()), (Class::Fin, dir.other()));
                }
            }
        }
        for scale in 0..15 {
            for flags in [0x00, 0x01, 0x02, 0x03, 0x40, 0x81, 0xc3].map(SideFlags) {
                flow.set_last_scale(scale);
                flow.set_last_flags(flags);
                assert_eq!((flow.last_scale(), flow.last_flags()), (scale, flags));
            }
        }
    }
}
