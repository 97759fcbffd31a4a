//! One segment of one flow: a segment in, a step out (`nf_conntrack_tcp_packet`, net/netfilter/nf_conntrack_proto_tcp.c).
//!
//! A flow knows nothing of the table, of time or of its own expiry: it answers with the timeout to be applied.

use super::config::ConntrackConfig;
use super::flow::{Flow, FlowSide, LastSegment, SideFlags};
use super::state::{Class, Dir, FlowMove, FlowState, next};
use super::window::SeqWindow;
use crate::seq::Seq;
use crate::tcp::{Flags, Segment};
use crate::time::Span;

/// What the table knows of an entry besides the flow (`ct->status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) reply: bool,
    pub(super) assured: bool,
}

/// What the flow makes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlowStep {
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

impl Flow {
    /// A flow from its first segment, still in state NONE (`tcp_new`); `None` if it cannot be a first segment.
    pub(super) fn begin(seg: &Segment, cfg: &ConntrackConfig) -> Option<Flow> {
        let FlowMove::To(first) = next(Dir::Original, Class::of(seg.flags), FlowState::None) else {
            return None;
        };
        let mut flow = Flow::default();
        flow.set_last(Class::None, Dir::Original);
        let mut originator = FlowSide {
            td_end: seg.end(),
            td_maxend: seg.end(),
            td_maxwin: u32::from(seg.win).max(1),
            ..FlowSide::default()
        };
        if first == FlowState::SynSent {
            originator.read_options(seg);
        } else if cfg.loose {
            // On its way already: scale and SACK are unknown, so SACK is assumed and the windows are not enforced.
            originator.td_maxend = originator.td_end + originator.td_maxwin;
            originator.flags = SideFlags::SACK_PERM.with(SideFlags::BE_LIBERAL);
            flow.set_side(Dir::Reply, FlowSide { flags: originator.flags, ..FlowSide::default() });
        } else {
            return None;
        }
        flow.set_side(Dir::Original, originator);
        Some(flow)
    }

    /// One segment of this flow.
    pub(super) fn step(&mut self, dir: Dir, seg: &Segment, seen: Seen, cfg: &ConntrackConfig) -> FlowStep {
        let class = Class::of(seg.flags);
        let mut from = self.state();
        let mut skip_window = false;
        let mut to = match next(dir, class, from) {
            FlowMove::Invalid => return FlowStep::Invalid { doubtful: false },
            FlowMove::To(FlowState::SynSent) if from >= FlowState::TimeWait => {
                if self.reopens(dir) {
                    return FlowStep::Reopen;
                }
                self.annotate(dir, class, seg);
                return FlowStep::Passed;
            }
            FlowMove::Ignore => {
                if !self.resynchronises(dir, class, seg) {
                    self.annotate(dir, class, seg);
                    return FlowStep::Passed;
                }
                self.resynchronise(dir);
                from = FlowState::SynSent;
                FlowState::SynRecv
            }
            FlowMove::To(to) => to,
        };
        match to {
            FlowState::TimeWait if self.answers_challenge(dir, class) => {
                self.expect_no_challenge_ack();
                return FlowStep::Passed;
            }
            FlowState::SynSent2 => {
                self.set_last_flags(self.last_flags().with(SideFlags::SIMULTANEOUS_OPEN));
            }
            // The table alone cannot tell that the SYN,ACKs of a simultaneous open have crossed.
            FlowState::SynRecv
                if dir == Dir::Reply
                    && class == Class::Ack
                    && self.last_flags().has(SideFlags::SIMULTANEOUS_OPEN) =>
            {
                to = FlowState::Established;
            }
            FlowState::Close if class == Class::Rst => match self.judge_rst(dir, seg, seen, cfg) {
                Rst::Invalid => return FlowStep::Invalid { doubtful: false },
                Rst::Believed => skip_window = true,
                Rst::SeqWindow => {}
                Rst::Challenge => to = from,
            },
            _ => {}
        }
        if !skip_window {
            match self.in_window(dir, class, seg, cfg) {
                SeqWindow::Inside => {}
                SeqWindow::Ignored => return FlowStep::Passed,
                SeqWindow::Outside => return FlowStep::Invalid { doubtful: self.doubt(dir, class, seen) },
            }
        }
        FlowStep::Accepted { from, timeout: self.accept(dir, class, from, to, cfg) }
    }

    /// Moves the flow on. Answers with the timeout.
    #[inline]
    pub(super) fn accept(
        &mut self,
        dir: Dir,
        class: Class,
        from: FlowState,
        to: FlowState,
        cfg: &ConntrackConfig,
    ) -> Span {
        self.advance(class, dir, to);
        if to == FlowState::FinWait && from != to {
            self.flags[dir as usize].set(SideFlags::CLOSE_INIT);
        }
        self.timeout(class, to, cfg)
    }

    /// The timeout after an accepted segment; the first rule that applies.
    #[inline]
    fn timeout(&self, class: Class, to: FlowState, cfg: &ConntrackConfig) -> Span {
        let t = &cfg.timeouts;
        let natural = t.of(to);
        let flags = self.flags[0].with(self.flags[1]);
        if self.retrans >= cfg.max_retrans && natural > t.max_retrans {
            t.max_retrans
        } else if class == Class::Rst {
            t.close
        } else if flags.has(SideFlags::DATA_UNACKNOWLEDGED) && natural > t.unacknowledged {
            t.unacknowledged
        } else if self.last_segment().win == 0 && natural > t.max_retrans {
            t.max_retrans
        } else {
            natural
        }
    }

    /// Whether a SYN may open the tuple anew: the flow was closed in order, or its last word was a RST of the same
    /// sender. Neither the sequence number nor the time is looked at.
    fn reopens(&self, dir: Dir) -> bool {
        self.flags[0].with(self.flags[1]).has(SideFlags::CLOSE_INIT)
            || (self.last_dir() == dir && self.last_class() == Class::Rst)
    }

    /// Whether a SYN,ACK acknowledges a SYN that was ignored before: then the ends agree and we were out of step.
    fn resynchronises(&self, dir: Dir, class: Class, seg: &Segment) -> bool {
        class == Class::SynAck
            && self.last_class() == Class::Syn
            && self.last_dir() != dir
            && seg.ack == self.last_segment().end
    }

    /// Takes up what was noted of the ignored SYN.
    fn resynchronise(&mut self, dir: Dir) {
        self.expect_no_challenge_ack();
        let last = self.last_segment();
        let opener = FlowSide {
            td_end: last.end,
            td_maxend: last.end,
            td_maxwin: u32::from(last.win).max(1),
            td_scale: self.last_scale(),
            flags: self.last_flags(),
            ..self.side(self.last_dir())
        };
        self.set_side(self.last_dir(), opener);
        self.set_side(dir, FlowSide::default());
    }

    fn expect_no_challenge_ack(&mut self) {
        let mut flags = self.last_flags();
        flags.clear(SideFlags::EXP_CHALLENGE_ACK);
        self.set_last_flags(flags);
    }

    /// Remembers an ignored segment.
    fn annotate(&mut self, dir: Dir, class: Class, seg: &Segment) {
        self.set_last(class, dir);
        self.set_last_segment(LastSegment::new(seg.end(), seg.seq_len(), seg.win));
        if class == Class::Syn && dir == Dir::Original {
            let mut options = FlowSide::default();
            options.read_options(seg);
            self.set_last_scale(options.td_scale);
            // RFC 5961 §4: the other end may answer with an ACK, which must not be taken for that of the last FIN.
            if self.state() == FlowState::LastAck {
                options.flags.set(SideFlags::EXP_CHALLENGE_ACK);
            }
            self.set_last_flags(options.flags);
        }
        // An old connection's ACK in answer to a SYN: the RST that it provokes will bear this number.
        if self.state() == FlowState::SynSent && class == Class::Ack && dir == Dir::Reply {
            self.set_last_ack(wire_ack(seg));
        }
    }

    fn answers_challenge(&self, dir: Dir, class: Class) -> bool {
        self.state() == FlowState::LastAck
            && class == Class::Ack
            && self.last_dir() != dir
            && self.last_class() == Class::Syn
            && self.last_flags().has(SideFlags::EXP_CHALLENGE_ACK)
    }

    fn judge_rst(&self, dir: Dir, seg: &Segment, seen: Seen, cfg: &ConntrackConfig) -> Rst {
        if self.state().closing() {
            // The tuple may be in use again already: what we know to compare with is outdated.
            return Rst::Believed;
        }
        let peer = self.side(dir.other());
        // An ignored SYN makes the highest ACK worthless.
        if peer.flags.has(SideFlags::MAXACK_SET) && self.last_class() != Class::Syn {
            let established = self.state() == FlowState::Established && seen.assured;
            if seg.seq == Seq(0) && !established {
                return Rst::SeqWindow;
            }
            if seg.seq.before(peer.td_maxack) && !cfg.ignore_invalid_rst {
                return Rst::Invalid;
            }
            let exact = seg.seq == peer.td_maxack;
            let follows = self.last_class() == Class::Ack
                && self.last_dir() == dir
                && seg.seq == self.last_segment().end;
            if !established || exact || follows {
                return Rst::SeqWindow;
            }
            // RFC 5961 §3: in the window but not exact, so a challenge ACK may follow and the connection live on.
            return Rst::Challenge;
        }
        // The answer to an ignored SYN comes from the other side. For an ACK the kernel asks for no direction.
        let answers_syn = seen.reply && self.last_class() == Class::Syn && self.last_dir() != dir;
        let answers_ack = !seen.assured && self.last_class() == Class::Ack;
        if (answers_syn || answers_ack) && wire_ack(seg) == self.last_segment().end {
            return Rst::Believed;
        }
        if self.state() == FlowState::SynSent
            && self.last_class() == Class::Ack
            && self.last_dir() == Dir::Reply
            && seg.seq == self.last_ack()
        {
            return Rst::Believed;
        }
        Rst::SeqWindow
    }

    /// Whether a FIN or RST out of window answers another one from the other side (`nf_tcp_handle_invalid`). The first of
    /// the two is only remembered.
    fn doubt(&mut self, dir: Dir, class: Class, seen: Seen) -> bool {
        if !seen.assured || !matches!(class, Class::Rst | Class::Fin) {
            return false;
        }
        if self.last_dir() != dir && matches!(self.last_class(), Class::Fin | Class::Rst) {
            return true;
        }
        self.set_last(class, dir);
        false
    }
}

/// What a RST is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rst {
    /// It moves the flow if it is in the window.
    SeqWindow,
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
