//! One flow as a value: a segment in, a step out (`nf_conntrack_tcp_packet`, net/netfilter/nf_conntrack_proto_tcp.c).
//!
//! A flow knows nothing of the table, of time or of its own expiry: it answers with the timeout to be applied.

use super::config::ConntrackConfig;
use super::state::{Class, Dir, FlowState, Move, next};
use super::window::Window;
use crate::seq::Seq;
use crate::tcp::{Flags, Segment};
use crate::time::Span;

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
pub(super) struct Side {
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

impl Side {
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

/// What the table knows of an entry besides the flow (`ct->status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) reply: bool,
    pub(super) assured: bool,
}

/// What the flow makes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It belongs: the flow has moved from `from`, its entry is to live for `timeout`. (`from` is the state that the
    /// kernel reasons from, which is SYN_SENT if the flow has just been brought back into step.)
    Accepted { from: FlowState, timeout: Span },
    /// It passes and changes nothing that the table should know.
    Passed,
    /// It does not belong. `doubtful` = it answers a FIN or RST that was out of window too, so the entry may be dead.
    Invalid { doubtful: bool },
    /// A SYN that opens the tuple anew: forget the flow, look up again.
    Reopen,
}

/// A tracked flow (`struct ip_ct_tcp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    pub(super) seen: [Side; 2],
    /// Of the last segment remembered: sequence number, ACK and end.
    pub(super) last_seq: Seq,
    pub(super) last_ack: Seq,
    pub(super) last_end: Seq,
    /// Its window, unscaled.
    pub(super) last_win: u16,
    /// Window scale of an ignored SYN.
    last_wscale: u8,
    /// Options of an ignored SYN, and what to expect after it.
    last_flags: SideFlags,
    last_class: Class,
    pub(super) last_dir: Dir,
    /// Repetitions of the last ACK. Wraps at 256, as the kernel's does.
    pub(super) retrans: u8,
    pub(super) state: FlowState,
}

impl Flow {
    /// A flow from its first segment, still in state NONE (`tcp_new`); `None` if it cannot be a first segment.
    pub(super) fn begin(seg: &Segment, cfg: &ConntrackConfig) -> Option<Flow> {
        let Move::To(first) = next(Dir::Original, Class::of(seg.flags), FlowState::None) else { return None };
        let mut flow = Flow {
            seen: [Side::default(); 2],
            last_seq: Seq(0),
            last_ack: Seq(0),
            last_end: Seq(0),
            last_win: 0,
            last_wscale: 0,
            last_flags: SideFlags(0),
            last_class: Class::None,
            last_dir: Dir::Original,
            retrans: 0,
            state: FlowState::None,
        };
        let [originator, responder] = &mut flow.seen;
        originator.td_end = seg.end();
        originator.td_maxwin = u32::from(seg.win).max(1);
        originator.td_maxend = originator.td_end;
        if first == FlowState::SynSent {
            originator.read_options(seg);
        } else if cfg.loose {
            // On its way already: scale and SACK are unknown, so SACK is assumed and the windows are not enforced.
            originator.td_maxend = originator.td_end + originator.td_maxwin;
            originator.flags = SideFlags::SACK_PERM.with(SideFlags::BE_LIBERAL);
            responder.flags = originator.flags;
        } else {
            return None;
        }
        Some(flow)
    }

    /// One segment of this flow.
    pub(super) fn step(&mut self, dir: Dir, seg: &Segment, seen: Seen, cfg: &ConntrackConfig) -> Step {
        let class = Class::of(seg.flags);
        let mut from = self.state;
        let mut skip_window = false;
        let mut to = match next(dir, class, from) {
            Move::Invalid => return Step::Invalid { doubtful: false },
            Move::To(FlowState::SynSent) if from >= FlowState::TimeWait => {
                if self.reopens(dir) {
                    return Step::Reopen;
                }
                self.annotate(dir, class, seg);
                return Step::Passed;
            }
            Move::Ignore => {
                if !self.resynchronises(dir, class, seg) {
                    self.annotate(dir, class, seg);
                    return Step::Passed;
                }
                self.resynchronise(dir);
                from = FlowState::SynSent;
                FlowState::SynRecv
            }
            Move::To(to) => to,
        };
        match to {
            FlowState::TimeWait if self.answers_challenge(dir, class) => {
                self.last_flags.clear(SideFlags::EXP_CHALLENGE_ACK);
                return Step::Passed;
            }
            FlowState::SynSent2 => self.last_flags.set(SideFlags::SIMULTANEOUS_OPEN),
            // The table alone cannot tell that the SYN,ACKs of a simultaneous open have crossed.
            FlowState::SynRecv
                if dir == Dir::Reply
                    && class == Class::Ack
                    && self.last_flags.has(SideFlags::SIMULTANEOUS_OPEN) =>
            {
                to = FlowState::Established;
            }
            FlowState::Close if class == Class::Rst => match self.judge_rst(dir, seg, seen, cfg) {
                Rst::Invalid => return Step::Invalid { doubtful: false },
                Rst::Believed => skip_window = true,
                Rst::Window => {}
                Rst::Challenge => to = from,
            },
            _ => {}
        }
        if !skip_window {
            match self.in_window(dir, class, seg, cfg) {
                Window::Inside => {}
                Window::Ignored => return Step::Passed,
                Window::Outside => return Step::Invalid { doubtful: self.doubt(dir, class, seen) },
            }
        }
        self.accept(dir, class, from, to, cfg)
    }

    fn accept(
        &mut self,
        dir: Dir,
        class: Class,
        from: FlowState,
        to: FlowState,
        cfg: &ConntrackConfig,
    ) -> Step {
        self.last_class = class;
        self.last_dir = dir;
        self.state = to;
        if to == FlowState::FinWait && from != to {
            self.seen[dir as usize].flags.set(SideFlags::CLOSE_INIT);
        }
        Step::Accepted { from, timeout: self.timeout(class, to, cfg) }
    }

    /// The timeout after an accepted segment; the first rule that applies.
    fn timeout(&self, class: Class, to: FlowState, cfg: &ConntrackConfig) -> Span {
        let t = &cfg.timeouts;
        let natural = t.of(to);
        let flags = self.seen[0].flags.with(self.seen[1].flags);
        if self.retrans >= cfg.max_retrans && natural > t.max_retrans {
            t.max_retrans
        } else if class == Class::Rst {
            t.close
        } else if flags.has(SideFlags::DATA_UNACKNOWLEDGED) && natural > t.unacknowledged {
            t.unacknowledged
        } else if self.last_win == 0 && natural > t.max_retrans {
            t.max_retrans
        } else {
            natural
        }
    }

    /// Whether a SYN may open the tuple anew: the flow was closed in order, or its last word was a RST of the same
    /// sender. Neither the sequence number nor the time is looked at.
    fn reopens(&self, dir: Dir) -> bool {
        self.seen[0].flags.with(self.seen[1].flags).has(SideFlags::CLOSE_INIT)
            || (self.last_dir == dir && self.last_class == Class::Rst)
    }

    /// Whether a SYN,ACK acknowledges a SYN that was ignored before: then the ends agree and we were out of step.
    fn resynchronises(&self, dir: Dir, class: Class, seg: &Segment) -> bool {
        class == Class::SynAck
            && self.last_class == Class::Syn
            && self.last_dir != dir
            && seg.ack == self.last_end
    }

    /// Takes up what was noted of the ignored SYN.
    fn resynchronise(&mut self, dir: Dir) {
        self.last_flags.clear(SideFlags::EXP_CHALLENGE_ACK);
        let opener = &mut self.seen[self.last_dir as usize];
        opener.td_end = self.last_end;
        opener.td_maxend = self.last_end;
        opener.td_maxwin = u32::from(self.last_win).max(1);
        opener.td_scale = self.last_wscale;
        opener.flags = self.last_flags;
        self.seen[dir as usize] = Side::default();
    }

    /// Remembers an ignored segment.
    fn annotate(&mut self, dir: Dir, class: Class, seg: &Segment) {
        self.last_class = class;
        self.last_dir = dir;
        self.last_seq = seg.seq;
        self.last_end = seg.end();
        self.last_win = seg.win;
        if class == Class::Syn && dir == Dir::Original {
            let mut options = Side::default();
            options.read_options(seg);
            self.last_flags = options.flags;
            self.last_wscale = options.td_scale;
            // RFC 5961 §4: the other end may answer with an ACK, which must not be taken for that of the last FIN.
            if self.state == FlowState::LastAck {
                self.last_flags.set(SideFlags::EXP_CHALLENGE_ACK);
            }
        }
        // An old connection's ACK in answer to a SYN: the RST that it provokes will bear this number.
        if self.state == FlowState::SynSent && class == Class::Ack && dir == Dir::Reply {
            self.last_ack = wire_ack(seg);
        }
    }

    fn answers_challenge(&self, dir: Dir, class: Class) -> bool {
        self.state == FlowState::LastAck
            && class == Class::Ack
            && self.last_dir != dir
            && self.last_class == Class::Syn
            && self.last_flags.has(SideFlags::EXP_CHALLENGE_ACK)
    }

    fn judge_rst(&self, dir: Dir, seg: &Segment, seen: Seen, cfg: &ConntrackConfig) -> Rst {
        if self.state.closing() {
            // The tuple may be in use again already: what we know to compare with is outdated.
            return Rst::Believed;
        }
        let peer = &self.seen[dir.other() as usize];
        // An ignored SYN makes the highest ACK worthless.
        if peer.flags.has(SideFlags::MAXACK_SET) && self.last_class != Class::Syn {
            let established = self.state == FlowState::Established && seen.assured;
            if seg.seq == Seq(0) && !established {
                return Rst::Window;
            }
            if seg.seq.before(peer.td_maxack) && !cfg.ignore_invalid_rst {
                return Rst::Invalid;
            }
            let exact = seg.seq == peer.td_maxack;
            let follows = self.last_class == Class::Ack && self.last_dir == dir && seg.seq == self.last_end;
            if !established || exact || follows {
                return Rst::Window;
            }
            // RFC 5961 §3: in the window but not exact, so a challenge ACK may follow and the connection live on.
            return Rst::Challenge;
        }
        // The answer to an ignored SYN comes from the other side. For an ACK the kernel asks for no direction.
        let answers_syn = seen.reply && self.last_class == Class::Syn && self.last_dir != dir;
        let answers_ack = !seen.assured && self.last_class == Class::Ack;
        if (answers_syn || answers_ack) && wire_ack(seg) == self.last_end {
            return Rst::Believed;
        }
        if self.state == FlowState::SynSent
            && self.last_class == Class::Ack
            && self.last_dir == Dir::Reply
            && seg.seq == self.last_ack
        {
            return Rst::Believed;
        }
        Rst::Window
    }

    /// Whether a FIN or RST out of window answers another one from the other side (`nf_tcp_handle_invalid`). The first of
    /// the two is only remembered.
    fn doubt(&mut self, dir: Dir, class: Class, seen: Seen) -> bool {
        if !seen.assured || !matches!(class, Class::Rst | Class::Fin) {
            return false;
        }
        if self.last_dir != dir && matches!(self.last_class, Class::Fin | Class::Rst) {
            return true;
        }
        self.last_class = class;
        self.last_dir = dir;
        false
    }
}

/// What a RST is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rst {
    /// It moves the flow if it is in the window.
    Window,
    /// It moves the flow.
    Believed,
    /// In the window, it shortens the flow's life but leaves its state.
    Challenge,
    /// It does not belong.
    Invalid,
}

/// The acknowledgment field as on the wire: zero where the flag is not set.
fn wire_ack(seg: &Segment) -> Seq {
    if seg.flags.has(Flags::ACK) { seg.ack } else { Seq(0) }
}
