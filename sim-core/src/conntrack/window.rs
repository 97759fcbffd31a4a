//! Is a segment in the window? (`tcp_in_window`, net/netfilter/nf_conntrack_proto_tcp.c; the idea is van Rooij's, "Real
//! Stateful TCP Packet Filtering in IP Filter", 2000.)
//!
//! With the tracker in the middle, a segment may have been overtaken or lost behind us, so the four bounds are wide:
//!
//! 1. `seq <= sender.td_maxend`: not beyond what the receiver's ACKs and windows allow;
//! 2. `end >= sender.td_end - receiver.td_maxwin`: not older than a window;
//! 3. `ack <= receiver.td_end`: nothing acknowledged that was not seen;
//! 4. `ack >= receiver.td_end - max(sender.td_maxwin, 66000)`: no ACK older than that.

use super::config::ConntrackConfig;
use super::flow::{Flow, Side, SideFlags};
use super::state::{Class, Dir, FlowState};
use crate::seq::Seq;
use crate::tcp::{Flags, Segment};

/// Bound 4 is at least this far below, bytes (`MAXACKWINCONST`).
const MAX_ACK_WINDOW: u32 = 66_000;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    /// It belongs.
    Inside,
    /// Old, or slightly too much: it passes, but teaches nothing.
    Ignored,
    /// It does not belong.
    Outside,
}

/// The numbers of a segment as the bounds see them, after excuses were made for it.
struct Numbers {
    seq: Seq,
    end: Seq,
    ack: Seq,
    /// The highest number acknowledged, by ACK or SACK.
    sack: Seq,
}

impl Flow {
    pub(super) fn in_window(
        &mut self,
        dir: Dir,
        class: Class,
        seg: &Segment,
        cfg: &ConntrackConfig,
    ) -> Window {
        let mut n = Numbers { seq: seg.seq, end: seg.end(), ack: seg.ack, sack: seg.ack };
        if self.receiver(dir).flags.has(SideFlags::SACK_PERM)
            && let Some((_, edge)) = seg.sack
            && edge.after(n.sack)
        {
            n.sack = edge;
        }
        if self.meet_sender(dir, seg, &n) {
            return Window::Inside;
        }
        self.excuse(dir, seg, &mut n);
        match self.bounds(dir, &n) {
            Window::Inside => {
                self.learn(dir, seg, &n);
                if class == Class::Ack {
                    self.count_repetition(dir, seg, &n);
                }
                Window::Inside
            }
            // Forgiven, but nothing is learned from it.
            _ if cfg.be_liberal || self.sender(dir).flags.has(SideFlags::BE_LIBERAL) => Window::Inside,
            verdict => verdict,
        }
    }

    fn sender(&mut self, dir: Dir) -> &mut Side {
        &mut self.seen[dir as usize]
    }

    fn receiver(&mut self, dir: Dir) -> &mut Side {
        &mut self.seen[dir.other() as usize]
    }

    /// Sets up the sender's side if this is the first we hear of it, or if it starts over with a newer SYN. True if there
    /// is nothing more to check: a SYN without an ACK in the reply direction (simultaneous open).
    fn meet_sender(&mut self, dir: Dir, seg: &Segment, n: &Numbers) -> bool {
        let syn = seg.flags.has(Flags::SYN);
        let bare = !seg.flags.has(Flags::ACK);
        if self.sender(dir).td_maxwin == 0 {
            if syn {
                self.start_sender(dir, seg);
                return bare;
            }
            self.guess_sender(dir, seg, n);
        } else if syn
            && n.end.after(self.sender(dir).td_end)
            && matches!(self.state, FlowState::SynSent | FlowState::SynRecv)
        {
            self.start_sender(dir, seg);
            return bare && dir == Dir::Reply;
        }
        false
    }

    /// A side from its SYN or SYN,ACK (`tcp_init_sender`).
    fn start_sender(&mut self, dir: Dir, seg: &Segment) {
        let sender = self.sender(dir);
        sender.td_end = seg.end();
        sender.td_maxend = seg.end();
        sender.td_maxwin = u32::from(seg.win).max(1);
        sender.read_options(seg);
        // RFC 7323 §2.2: the scale counts if both SYNs offered one.
        let both = self.seen[0].flags.has(SideFlags::WINDOW_SCALE)
            && self.seen[1].flags.has(SideFlags::WINDOW_SCALE);
        if dir == Dir::Reply && !both {
            self.seen[0].td_scale = 0;
            self.seen[1].td_scale = 0;
        }
    }

    /// A side from a segment in the middle of a connection.
    fn guess_sender(&mut self, dir: Dir, seg: &Segment, n: &Numbers) {
        let sender = self.sender(dir);
        sender.td_end = n.end;
        sender.td_maxwin = (u32::from(seg.win) << sender.td_scale).max(1);
        sender.td_maxend = n.end + sender.td_maxwin;
        let receiver = self.receiver(dir);
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
    fn excuse(&mut self, dir: Dir, seg: &Segment, n: &mut Numbers) {
        let ack = seg.flags.has(Flags::ACK);
        let zero_ack_rst = seg.flags.has(Flags::RST_ACK) && n.ack == Seq(0);
        if !ack || zero_ack_rst {
            n.ack = self.receiver(dir).td_end;
            n.sack = n.ack;
        }
        if seg.flags.has(Flags::RST) && n.seq == Seq(0) && self.state == FlowState::SynSent {
            // The answer to a SYN that carried no ACK.
            n.seq = self.sender(dir).td_end;
            n.end = n.seq;
        }
    }

    fn bounds(&mut self, dir: Dir, n: &Numbers) -> Window {
        let sender = self.seen[dir as usize];
        let receiver = self.seen[dir.other() as usize];
        let heard = receiver.td_maxwin != 0;
        let not_old = n.end.after(sender.td_end - receiver.td_maxwin - 1);
        let ack_seen = n.sack.before(receiver.td_end + 1);
        let ack_recent = n.sack.after(receiver.td_end - sender.td_maxwin.max(MAX_ACK_WINDOW) - 1);
        if !n.seq.before(sender.td_maxend + 1) {
            let overshot = (n.end - sender.td_maxend.0).0.wrapping_add(1);
            if heard && not_old && ack_recent && overshot <= receiver.td_maxwin && ack_seen {
                // Somewhat more than the window allows. If it gets through it will be acknowledged, so remember it.
                let sender = self.sender(dir);
                sender.td_end = n.end;
                sender.flags.set(SideFlags::DATA_UNACKNOWLEDGED);
                return Window::Ignored;
            }
            return Window::Outside;
        }
        if !ack_seen {
            Window::Outside
        } else if (heard && !not_old) || !ack_recent {
            Window::Ignored
        } else {
            Window::Inside
        }
    }

    /// Moves both sides' bounds on.
    fn learn(&mut self, dir: Dir, seg: &Segment, n: &Numbers) {
        let scaled = if seg.flags.has(Flags::SYN) { 0 } else { self.sender(dir).td_scale };
        let win = u32::from(seg.win) << scaled;
        let sender = self.sender(dir);
        sender.td_maxwin = sender.td_maxwin.max(win.wrapping_add((n.sack - n.ack.0).0));
        if n.end.after(sender.td_end) {
            sender.td_end = n.end;
            sender.flags.set(SideFlags::DATA_UNACKNOWLEDGED);
        }
        if seg.flags.has(Flags::ACK)
            && (!sender.flags.has(SideFlags::MAXACK_SET) || n.ack.after(sender.td_maxack))
        {
            sender.td_maxack = n.ack;
            sender.flags.set(SideFlags::MAXACK_SET);
        }
        let allowed = sender.td_maxend;
        let receiver = self.receiver(dir);
        if receiver.td_maxwin != 0 && n.end.after(allowed) {
            receiver.td_maxwin = receiver.td_maxwin.wrapping_add((n.end - allowed.0).0);
        }
        if (n.sack + win).after(receiver.td_maxend - 1) {
            // A closed window can still be probed with one byte.
            receiver.td_maxend = n.sack + win.max(1);
        }
        if n.ack == receiver.td_end {
            receiver.flags.clear(SideFlags::DATA_UNACKNOWLEDGED);
        }
    }

    /// How often the same ACK, with the same data, has been sent in a row.
    fn count_repetition(&mut self, dir: Dir, seg: &Segment, n: &Numbers) {
        let same = self.last_dir == dir
            && self.last_seq == n.seq
            && self.last_ack == n.ack
            && self.last_end == n.end
            && self.last_win == seg.win;
        if same {
            self.retrans = self.retrans.wrapping_add(1);
        } else {
            self.last_dir = dir;
            self.last_seq = n.seq;
            self.last_ack = n.ack;
            self.last_end = n.end;
            self.last_win = seg.win;
            self.retrans = 0;
        }
    }
}
