//! What `ss` and a recorder see of an endpoint: its timers, and how often they have fired.

use super::endpoint::{Endpoint, Pending};
use super::notes::ALARMS;
use super::out::TimerKind;
use crate::time::Time;

impl Endpoint {
    /// No timer runs.
    pub const NO_TIMERS: [(TimerKind, Time); ALARMS] = [
        (TimerKind::Retransmit, Time::NEVER),
        (TimerKind::DelayedAck, Time::NEVER),
        (TimerKind::KeepAlive, Time::NEVER),
    ];

    /// What its timers are for and when they are due; [`Time::NEVER`] for one that does not run.
    pub fn timers(&self) -> [(TimerKind, Time); ALARMS] {
        let transmit = match self.pending {
            Pending::None | Pending::Retransmit => TimerKind::Retransmit,
            Pending::LossProbe => TimerKind::LossProbe,
            Pending::Persist => TimerKind::Persist,
        };
        let at = if self.pending == Pending::None { Time::NEVER } else { self.xmit_at };
        [(transmit, at), (TimerKind::DelayedAck, self.delack_at), (TimerKind::KeepAlive, self.keep_at)]
    }

    /// Retransmissions in a row by timeout (`icsk_retransmits`).
    pub const fn retransmissions(&self) -> u8 {
        self.retransmits
    }

    /// Probes of a closed window or an idle peer that were not answered (`icsk_probes_out`).
    pub const fn probes(&self) -> u8 {
        self.probes_out
    }

    /// Bytes that wait to be read, the FIN among them (`idiag_rqueue` of sock_diag).
    pub fn receive_queue(&self) -> u32 {
        self.rcv_nxt.diff(self.copied_seq).max(0) as u32
    }
}
