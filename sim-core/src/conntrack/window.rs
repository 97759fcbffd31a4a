//! Is a segment in the window? (`tcp_in_window`, net/netfilter/nf_conntrack_proto_tcp.c; the idea is van Rooij's, "Real
//! Stateful TCP Packet Filtering in IP Filter", 2000.)
//!
//! The kernel wants to believe only those segments that the two ends would believe too: a forged RST or FIN must not
//! end an entry. But it stands in the middle and does not know the state of either end. What it does know is what each
//! end has said so far, and TCP has two rules about that: nobody may send beyond the last ACK plus the window of the
//! other end, and nobody may acknowledge what was not sent. So for each direction it remembers the highest number sent
//! (`td_end`), the highest number that the other end allows (`td_maxend`), and the largest window that was advertised
//! (`td_maxwin`), and it learns from each segment that it believes.
//!
//! A segment that passes here may still be lost before it arrives, and one that was seen long ago may arrive late. The
//! four bounds are therefore as wide as they can be without letting in what is certainly wrong:
//!
//! 1. `seq <= sender.td_maxend`: not beyond what the ACKs and windows of the receiver allow;
//! 2. `end >= sender.td_end - receiver.td_maxwin`: not older than a window;
//! 3. `ack <= receiver.td_end`: acknowledges nothing that was not seen;
//! 4. `ack >= receiver.td_end - max(sender.td_maxwin, 66000)`: no ACK older than that.
//!
//! Many segments carry a number that means nothing (no ACK flag, the RST of a closed port). The kernel replaces such a
//! number by one that is in the window ([`Ends::excuse`]) instead of making exceptions in the bounds. A side that was not
//! heard yet has `td_maxwin` = 0, and is set up from its first segment ([`Ends::meet_sender`]).

use super::config::ConntrackConfig;
use super::flow::{Flow, FlowSide, LastSegment, SideFlags};
use super::state::{Class, Dir, FlowMove, FlowState, next};
use crate::seq::Seq;
use crate::tcp::{Flags, Segment};
use crate::time::Span;

/// Bound 4 is at least this far below, bytes (`MAXACKWINCONST`).
const MAX_ACK_WINDOW: u32 = 66_000;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeqWindow {
    /// It belongs.
    Inside,
    /// Old, or slightly too much: it passes, but teaches nothing.
    Ignored,
    /// It does not belong.
    Outside,
}

/// The numbers of a segment as the bounds see them, after excuses were made for it.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    seq: Seq,
    end: Seq,
    ack: Seq,
    /// The highest number acknowledged, by ACK or SACK.
    sack: Seq,
}

impl Numbers {
    fn of(seg: &Segment, receiver: &FlowSide) -> Numbers {
        let mut sack = seg.ack;
        if let Some((_, edge)) = seg.sack
            && receiver.flags.has(SideFlags::SACK_PERM)
            && edge.after(sack)
        {
            sack = edge;
        }
        Numbers { seq: seg.seq, end: seg.end(), ack: seg.ack, sack }
    }
}

/// Both sides of a flow, by their part in the segment at hand.
#[derive(Clone, Copy, Debug)]
struct Ends {
    sender: FlowSide,
    receiver: FlowSide,
}

impl Flow {
    pub(super) fn in_window(
        &mut self,
        dir: Dir,
        class: Class,
        seg: &Segment,
        cfg: &ConntrackConfig,
    ) -> SeqWindow {
        let mut ends = Ends { sender: self.side(dir), receiver: self.side(dir.other()) };
        let mut n = Numbers::of(seg, &ends.receiver);
        let mut verdict = SeqWindow::Inside;
        if !ends.meet_sender(self.state(), dir, seg, &n) {
            ends.excuse(self.state(), seg, &mut n);
            verdict = ends.bounds(&n);
            if verdict == SeqWindow::Inside {
                let scale = if seg.flags.has(Flags::SYN) { 0 } else { ends.sender.td_scale };
                ends.learn(&n, u32::from(seg.win) << scale, seg.flags.has(Flags::ACK));
                if class == Class::Ack {
                    self.count_repetition(dir, seg, &n);
                }
            } else if cfg.be_liberal || ends.sender.flags.has(SideFlags::BE_LIBERAL) {
                // Forgiven, but nothing is learned from it.
                verdict = SeqWindow::Inside;
            }
        }
        self.set_side(dir, ends.sender);
        self.set_side(dir.other(), ends.receiver);
        verdict
    }

    /// The common case in a few steps: an ACK that belongs, with or without data or a FIN, while both sides have been heard
    /// and nothing unusual is remembered of the flow. Answers with the states before and after and the timeout, as
    /// [`FlowStep::Accepted`] does; with nothing, and without a change, where the case is not the common one. Then
    /// [`Flow::step`] must decide.
    ///
    /// [`FlowStep::Accepted`]: super::step::FlowStep::Accepted
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the direction is known where it is called")]
    pub(super) fn clean_step(
        &mut self,
        dir: Dir,
        seg: &Segment,
        cfg: &ConntrackConfig,
    ) -> Option<(FlowState, FlowState, Span)> {
        let class = match Flags(seg.flags.0 & !Flags::PSH.0) {
            Flags::ACK => Class::Ack,
            Flags::FIN_ACK => Class::Fin,
            _ => return None,
        };
        let from = self.state();
        let FlowMove::To(to) = next(dir, class, from) else { return None };
        let usual = FlowState::Established..=FlowState::TimeWait;
        if !usual.contains(&from) || seg.sack.is_some() || self.noted_syn() {
            return None;
        }
        let mut ends = Ends { sender: self.side(dir), receiver: self.side(dir.other()) };
        if ends.sender.td_maxwin == 0 || ends.receiver.td_maxwin == 0 {
            return None;
        }
        let n = Numbers { seq: seg.seq, end: seg.end(), ack: seg.ack, sack: seg.ack };
        if !ends.contains(&n) {
            return None;
        }
        ends.learn(&n, u32::from(seg.win) << ends.sender.td_scale, true);
        self.set_numbers(dir, ends.sender);
        self.set_numbers(dir.other(), ends.receiver);
        if class == Class::Ack {
            self.count_repetition(dir, seg, &n);
        }
        Some((from, to, self.accept(dir, class, from, to, cfg)))
    }

    /// How often the same ACK, with the same data, has been sent in a row.
    #[inline]
    fn count_repetition(&mut self, dir: Dir, seg: &Segment, n: &Numbers) {
        let last = self.last_segment();
        let this = LastSegment::new(n.end, (n.end - n.seq.0).0, seg.win);
        if self.last_dir() == dir && self.last_ack() == n.ack && last == this {
            self.retrans = self.retrans.wrapping_add(1);
        } else {
            // The class is of the segment before, until this one is accepted.
            self.set_last(self.last_class(), dir);
            self.set_last_segment(this);
            self.set_last_ack(n.ack);
            self.retrans = 0;
        }
    }
}

impl Ends {
    /// Sets up the sender's side if this is the first we hear of it, or if it starts over with a newer SYN. True if there
    /// is nothing more to check: a SYN without an ACK in the reply direction (simultaneous open).
    fn meet_sender(&mut self, state: FlowState, dir: Dir, seg: &Segment, n: &Numbers) -> bool {
        let syn = seg.flags.has(Flags::SYN);
        if self.sender.td_maxwin == 0 {
            if syn {
                self.start_sender(dir, seg);
                return !seg.flags.has(Flags::ACK);
            }
            self.guess_sender(seg, n);
        } else if syn
            && n.end.after(self.sender.td_end)
            && matches!(state, FlowState::SynSent | FlowState::SynRecv)
        {
            self.start_sender(dir, seg);
            return !seg.flags.has(Flags::ACK) && dir == Dir::Reply;
        }
        false
    }

    /// A side from its SYN or SYN,ACK (`tcp_init_sender`).
    fn start_sender(&mut self, dir: Dir, seg: &Segment) {
        let Ends { sender, receiver } = self;
        sender.td_end = seg.end();
        sender.td_maxend = seg.end();
        sender.td_maxwin = u32::from(seg.win).max(1);
        sender.read_options(seg);
        // RFC 7323 §2.2: the scale counts if both SYNs offered one.
        let both = sender.flags.has(SideFlags::WINDOW_SCALE) && receiver.flags.has(SideFlags::WINDOW_SCALE);
        if dir == Dir::Reply && !both {
            sender.td_scale = 0;
            receiver.td_scale = 0;
        }
    }

    /// A side from a segment in the middle of a connection.
    fn guess_sender(&mut self, seg: &Segment, n: &Numbers) {
        let Ends { sender, receiver } = self;
        sender.td_end = n.end;
        sender.td_maxwin = (u32::from(seg.win) << sender.td_scale).max(1);
        sender.td_maxend = n.end + sender.td_maxwin;
        if receiver.td_maxwin == 0 {
            // Unheard so far: make bounds 3 and 4 hold until it speaks.
            receiver.td_end = n.sack;
            receiver.td_maxend = n.sack;
        } else if n.sack == receiver.td_end + 1 {
            // Probably the answer to a keep-alive probe, which lies one below.
            receiver.td_end += 1;
        }
    }

    /// Numbers that mean nothing are replaced by ones that are in the window.
    fn excuse(&self, state: FlowState, seg: &Segment, n: &mut Numbers) {
        let ack = seg.flags.has(Flags::ACK);
        let rst = seg.flags.has(Flags::RST);
        if !ack || (rst && n.ack == Seq(0)) {
            n.ack = self.receiver.td_end;
            n.sack = n.ack;
        }
        if rst && n.seq == Seq(0) && state == FlowState::SynSent {
            // The answer to a SYN that carried no ACK.
            n.seq = self.sender.td_end;
            n.end = n.seq;
        }
    }

    /// Whether all four bounds hold.
    #[inline]
    fn contains(&self, n: &Numbers) -> bool {
        n.seq.before(self.sender.td_maxend + 1) && self.not_old(n) && self.ack_seen(n) && self.ack_recent(n)
    }

    #[inline]
    fn not_old(&self, n: &Numbers) -> bool {
        // The bound is a window of the receiver, and there is none while it has not been heard.
        let heard = self.receiver.td_maxwin != 0;
        !heard || n.end.after(self.sender.td_end - self.receiver.td_maxwin - 1)
    }

    #[inline]
    fn ack_seen(&self, n: &Numbers) -> bool {
        n.sack.before(self.receiver.td_end + 1)
    }

    #[inline]
    fn ack_recent(&self, n: &Numbers) -> bool {
        n.sack.after(self.receiver.td_end - self.sender.td_maxwin.max(MAX_ACK_WINDOW) - 1)
    }

    fn bounds(&mut self, n: &Numbers) -> SeqWindow {
        if self.contains(n) {
            return SeqWindow::Inside;
        }
        let receiver = self.receiver;
        if n.seq.before(self.sender.td_maxend + 1) {
            return if self.ack_seen(n) { SeqWindow::Ignored } else { SeqWindow::Outside };
        }
        let overshot = (n.end - self.sender.td_maxend.0).0.wrapping_add(1);
        let close = receiver.td_maxwin != 0 && overshot <= receiver.td_maxwin;
        if close && self.not_old(n) && self.ack_seen(n) && self.ack_recent(n) {
            // Somewhat more than the window allows. If it gets through it will be acknowledged, so remember it.
            self.sender.td_end = n.end;
            self.sender.flags.set(SideFlags::DATA_UNACKNOWLEDGED);
            return SeqWindow::Ignored;
        }
        SeqWindow::Outside
    }

    /// Moves both sides' bounds on. `win` is scaled; `acks` says whether the ACK flag is set.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "half of it goes where `acks` is known")]
    fn learn(&mut self, n: &Numbers, win: u32, acks: bool) {
        let Ends { sender, receiver } = self;
        sender.td_maxwin = sender.td_maxwin.max(win.wrapping_add((n.sack - n.ack.0).0));
        if n.end.after(sender.td_end) {
            sender.td_end = n.end;
            sender.flags.set(SideFlags::DATA_UNACKNOWLEDGED);
        }
        if acks && (!sender.flags.has(SideFlags::MAXACK_SET) || n.ack.after(sender.td_maxack)) {
            sender.td_maxack = n.ack;
            sender.flags.set(SideFlags::MAXACK_SET);
        }
        if receiver.td_maxwin != 0 && n.end.after(sender.td_maxend) {
            receiver.td_maxwin = receiver.td_maxwin.wrapping_add((n.end - sender.td_maxend.0).0);
        }
        if (n.sack + win).after(receiver.td_maxend - 1) {
            // A closed window can still be probed with one byte.
            receiver.td_maxend = n.sack + win.max(1);
        }
        if n.ack == receiver.td_end {
            receiver.flags.clear(SideFlags::DATA_UNACKNOWLEDGED);
        }
    }
}
