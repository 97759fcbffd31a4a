//! Whether what was sent again had been lost at all. If not, the window becomes what it was ("Undo procedures" in tcp_input.c).
//!
//! Three things tell: an ACK that echoes a time before the first retransmission (Eifel, RFC 3522), reports that everything that was
//! sent again came twice (D-SACK, RFC 3708), and after a timeout an ACK of what was sent but once (F-RTO, RFC 5682).

use super::ack::AckEffect;
use super::emit::Range;
use super::endpoint::Endpoint;
use super::{Out, State};
use crate::counter::Counter;
use crate::seq::Seq;

/// What it takes to undo a reduction of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Undo {
    /// SND.UNA at the reduction (`undo_marker`); `None`: there is nothing to undo.
    pub marker: Option<Seq>,
    /// Retransmissions since then that no D-SACK has reported (`undo_retrans`); `None`: there were none.
    retrans: Option<u16>,
    /// The window and its threshold before (`prior_cwnd`, `prior_ssthresh`).
    cwnd: u32,
    ssthresh: u32,
    /// Retransmissions ever, less what D-SACKs report: what they report beyond is not believed (`total_retrans`, `dsack_dups`).
    unreported: i16,
}

impl Undo {
    /// Nothing was sent again.
    pub(super) const NONE: Undo = Undo { marker: None, retrans: None, cwnd: 0, ssthresh: 0, unreported: 0 };

    /// A segment was sent again (`total_retrans`).
    pub(super) fn sent_again(&mut self) {
        self.unreported = self.unreported.saturating_add(1);
    }

    /// It was one that was taken for lost, and not a probe (`tcp_retransmit_skb`).
    pub(super) fn repaired(&mut self) {
        self.retrans = Some(self.retrans.unwrap_or(0).saturating_add(1));
    }
}

impl Endpoint {
    /// The window is about to be reduced (`tcp_init_undo`). What was sent again before may still be reported.
    pub(super) fn remember_window(&mut self) {
        let under_way = self.flight.retransmissions() + u16::from(self.tlp_pending && self.tlp_retrans);
        self.undo.marker = Some(self.snd_una);
        self.undo.retrans = (under_way > 0).then_some(under_way);
        self.undo.cwnd = self.cwnd;
        self.undo.ssthresh = self.ssthresh.max((self.cwnd >> 1) + (self.cwnd >> 2));
    }

    /// A D-SACK reports what came twice, the first block of an ACK if it lies below it (`tcp_check_dsack`); such retransmissions count as
    /// delivered (`tcp_dsack_seen`).
    pub(super) fn take_dsack(&mut self, (from, to): Range, out: &mut impl Out) {
        out.count(Counter::TcpExtTCPDSACKRecv);
        let len = to.diff(from);
        if len <= 0 || len as u32 > self.max_window {
            return;
        }
        let segments = (len as u32).div_ceil(u32::from(self.mss).max(1)).min(u32::from(u16::MAX) / 2) as u16;
        self.undo.unreported = self.undo.unreported.saturating_sub_unsigned(segments);
        if self.undo.unreported < 0 {
            return;
        }
        for _ in 0..segments {
            out.count(Counter::TcpExtTCPDelivered);
        }
        if let (Some(marker), Some(retrans)) = (self.undo.marker, self.undo.retrans)
            && to.after(marker)
        {
            self.undo.retrans = Some(retrans.saturating_sub(segments));
        }
    }

    /// Whether an ACK echoes a time before the first retransmission (`tcp_packet_delayed`).
    fn delayed(&self) -> bool {
        if self.retrans_stamp == 0 {
            return self.state() != State::SynSent && (self.sack_ok || self.snd_una.before(self.high_seq));
        }
        let first = self.retrans_stamp.wrapping_sub(1);
        self.saw_tstamp && self.rcv_tsecr != 0 && (self.rcv_tsecr.wrapping_sub(first) as i32) < 0
    }

    /// `tcp_may_undo`
    fn may_undo(&self) -> bool {
        self.undo.marker.is_some() && (self.undo.retrans == Some(0) || self.delayed())
    }

    /// `tcp_undo_cwnd_reduction`
    fn restore_window(&mut self) {
        self.cwnd = self.cwnd.max(self.undo.cwnd);
        self.ssthresh = self.ssthresh.max(self.undo.ssthresh);
        self.undo.marker = None;
    }

    /// The SYN,ACK answers the first SYN, so that the timer fired for a delay (`tcp_try_undo_spurious_syn`).
    pub(super) fn undo_syn_timeout(&mut self) {
        if self.saw_tstamp && self.rcv_tsecr != 0 && self.rcv_tsecr == self.retrans_stamp.wrapping_sub(1) {
            self.undo.marker = None;
        }
    }

    /// Whether the timer fired for a delay and not for a loss; then nothing is lost, and recovery ends (`tcp_try_undo_loss`). Without SACK
    /// it goes on, for an echo alone.
    pub(super) fn undo_timeout(
        &mut self,
        effect: &AckEffect,
        arrived_late: bool,
        out: &mut impl Out,
    ) -> bool {
        let told = effect.advanced && self.may_undo();
        if !(told || self.frto && arrived_late) {
            return false;
        }
        self.restore_window();
        out.count(Counter::TcpExtTCPLossUndo);
        if !told {
            out.count(Counter::TcpExtTCPSpuriousRTOs);
        }
        self.retransmits = 0;
        self.lost_out = 0;
        self.retransmit_high = self.high_seq;
        if !told || self.sack_ok || !self.snd_una.before(self.high_seq) {
            self.leave_recovery();
        }
        true
    }

    /// Whether fast recovery was for nothing; then it is over (`tcp_try_undo_recovery` at its end; before, `tcp_try_undo_partial` if what was
    /// sent again has come late, and `tcp_try_undo_dsack`).
    pub(super) fn undo_recovery(&mut self, effect: &AckEffect, out: &mut impl Out) -> bool {
        let at_its_end = !self.snd_una.before(self.high_seq);
        let late = self.undo.marker.is_some() && effect.advanced && self.delayed();
        if at_its_end && self.may_undo() {
            self.restore_window();
            out.count(Counter::TcpExtTCPFullUndo);
        } else if !at_its_end && late && self.flight.retransmissions() == 0 {
            self.restore_window();
            out.count(Counter::TcpExtTCPPartialUndo);
        } else if at_its_end || !self.undo_by_reports(out) {
            return false;
        }
        self.leave_recovery();
        true
    }

    /// All that was sent again came twice (`tcp_try_undo_dsack`).
    pub(super) fn undo_by_reports(&mut self, out: &mut impl Out) -> bool {
        let undo = self.undo.marker.is_some() && self.undo.retrans == Some(0);
        if undo {
            self.restore_window();
            out.count(Counter::TcpExtTCPDSACKUndo);
        }
        undo
    }
}
