//! Round-trip time and retransmission timeout (RFC 6298 as `tcp_rtt_estimator` has it).
//!
//! The floor is on the variance term, so a path of 50 ms has an RTO of 250 ms, not of 200.

use super::endpoint::Endpoint;
use super::flight::Acked;
use super::{Cx, TcpConfig};
use crate::time::Span;

/// A length of time as whole ticks in microseconds, as the kernel keeps its RTO.
pub(super) fn rounded_micros(cfg: &TcpConfig, micros: u64) -> u32 {
    cfg.timers.round(Span::from_micros(micros)).as_micros().min(u64::from(u32::MAX)) as u32
}

impl Endpoint {
    /// A sample from what an ACK took off the queue; from the timestamp echo if a retransmission was among it
    /// (`tcp_ack_update_rtt`).
    pub(super) fn sample_rtt(&mut self, cx: &Cx<'_>, acked: &Acked) {
        let sample = match acked.first_at {
            Some(at) => cx.micros().wrapping_sub(at),
            None if self.saw_tstamp && self.rcv_tsecr != 0 => {
                cx.millis().wrapping_sub(self.rcv_tsecr).clamp(1, 1 << 20) * 1_000
            }
            None => return,
        };
        self.rtt_sample(cx, sample);
    }

    /// One sample in microseconds.
    pub(super) fn rtt_sample(&mut self, cx: &Cx<'_>, micros: u32) {
        let rto_min = cx.cfg.rto_min.as_micros() as u32;
        self.min_rtt = self.min_rtt.min(micros);
        if self.srtt == 0 {
            self.srtt = (micros << 3).max(1);
            self.mdev = micros << 1;
            self.rttvar = self.mdev.max(rto_min);
            self.mdev_max = self.rttvar;
            self.rtt_seq = self.snd_nxt;
        } else {
            self.smooth(micros);
            if self.snd_una.after(self.rtt_seq) {
                if self.mdev_max < self.rttvar {
                    self.rttvar -= (self.rttvar - self.mdev_max) >> 2;
                }
                self.rtt_seq = self.snd_nxt;
                self.mdev_max = rto_min;
            }
        }
        self.set_rto(cx);
        self.backoff = 0;
    }

    /// Gains of 1/8 and 1/4; a sudden drop of the round-trip time does not blow up the deviation.
    fn smooth(&mut self, micros: u32) {
        let mut error = i64::from(micros) - i64::from(self.srtt >> 3);
        self.srtt = (i64::from(self.srtt) + error).max(1) as u32;
        if error < 0 {
            error = -error - i64::from(self.mdev >> 2);
            if error > 0 {
                error >>= 3;
            }
        } else {
            error -= i64::from(self.mdev >> 2);
        }
        self.mdev = (i64::from(self.mdev) + error).max(0) as u32;
        if self.mdev > self.mdev_max {
            self.mdev_max = self.mdev;
            self.rttvar = self.rttvar.max(self.mdev_max);
        }
    }

    /// RTO = SRTT + 4 RTTVAR, in whole ticks (`tcp_set_rto`); the deviation is kept fourfold.
    fn set_rto(&mut self, cx: &Cx<'_>) {
        let micros = u64::from(self.srtt >> 3) + u64::from(self.rttvar);
        self.rto = rounded_micros(cx.cfg, micros).min(cx.cfg.rto_max.as_micros() as u32);
    }

    /// The RTO as a length of time.
    pub(super) const fn rto_span(&self) -> Span {
        Span::from_micros(self.rto as u64)
    }
    /// The RTO in ticks.
    pub(super) fn rto_ticks(&self, cx: &Cx<'_>) -> u32 {
        cx.cfg.timers.to_ticks(self.rto_span())
    }
}
