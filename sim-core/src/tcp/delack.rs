//! When to acknowledge: at once, after a while, or along with data (`tcp_event_data_recv`, `__tcp_ack_snd_check`).
//!
//! An ACK alone costs a packet, so the kernel tries to send few of them without slowing the sender down:
//!
//! - It waits a little (`ato`), because the next segment or an answer of the application may come and one ACK then does for
//!   both. `ato` follows the gaps between arrivals. It lies between 40 ms and 200 ms (RFC 1122 §4.2.3.2 allows 500 ms).
//! - It does not wait once more than a full segment is unacknowledged, so that every second segment is acknowledged
//!   (RFC 5681 §4.2), or while data wait for a hole to be filled.
//! - It does not wait for the first segments of a connection, after a long pause, or after a duplicate: the sender is then
//!   in slow start, or in trouble, and needs each ACK. `quick` counts how many are still sent at once.
//! - It waits again as soon as the application answers what it receives (`pingpong`), for then the ACK rides on the answer.
//! - It acknowledges after a read if the read ends a pushed write or opens the window by far.
//!
//! What is a full segment is an estimate too (`rcv_mss`), taken from the segments that arrive.

use super::endpoint::Endpoint;
use super::{Alarm, Cx, Flags, Out, Segment};
use crate::counter::Counter;
use crate::time::{Span, Time};

/// What is pending with acknowledgments (`icsk_ack.pending`), as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct AckState(u8);

impl AckState {
    /// Nothing.
    pub(super) const NONE: AckState = AckState(0);
    /// An ACK is owed (`ICSK_ACK_SCHED`).
    pub(super) const SCHEDULED: AckState = AckState(1);
    /// The delayed-ACK timer runs (`ICSK_ACK_TIMER`).
    pub(super) const TIMER: AckState = AckState(2);
    /// A small segment was received (`ICSK_ACK_PUSHED`).
    pub(super) const PUSHED: AckState = AckState(4);
    /// And another (`ICSK_ACK_PUSHED2`).
    pub(super) const PUSHED2: AckState = AckState(8);
    /// The protocol wants an ACK now (`ICSK_ACK_NOW`).
    pub(super) const NOW: AckState = AckState(16);

    /// Whether this bit is set.
    pub(super) const fn has(self, bit: AckState) -> bool {
        self.0 & bit.0 != 0
    }
    fn set(&mut self, bit: AckState) {
        self.0 |= bit.0;
    }
    fn clear(&mut self, bit: AckState) {
        self.0 &= !bit.0;
    }
}

/// Smallest and first interval (`TCP_ATO_MIN`, `TCP_DELACK_MIN`).
const ATO_MIN: Span = Span::from_millis(40);
/// Largest delay (`TCP_DELACK_MAX`).
pub(super) const DELACK_MAX: Span = Span::from_millis(200);
/// ACKs sent at once at most before delaying begins (`TCP_MAX_QUICKACKS`).
const MAX_QUICKACKS: u32 = 16;
/// Smallest segment size we believe in (`TCP_MIN_MSS`).
const MIN_MSS: u32 = 88;
/// Segment size assumed without the option (`TCP_MSS_DEFAULT`).
pub(crate) const DEFAULT_MSS: u32 = 536;

impl Endpoint {
    /// An ACK is owed.
    pub(super) fn schedule_ack(&mut self) {
        self.ack_pending.set(AckState::SCHEDULED);
    }
    /// An ACK is owed, and not to be delayed.
    pub(super) fn ack_at_once(&mut self) {
        self.ack_pending.set(AckState::NOW);
    }
    /// Both sides talk, so ACKs can ride on data.
    pub(super) const fn in_pingpong(&self) -> bool {
        self.pingpong >= 1
    }

    fn grant_quickacks(&mut self, most: u32) {
        let granted = (self.rcv_wnd / (2 * u32::from(self.rcv_mss).max(1))).max(2).min(most);
        self.quick = self.quick.max(granted as u8);
    }

    /// Something is amiss: acknowledge everything at once for a while (`tcp_enter_quickack_mode`).
    pub(super) fn enter_quickack(&mut self, cx: &Cx<'_>) {
        self.grant_quickacks(MAX_QUICKACKS);
        self.pingpong = 0;
        self.ato = cx.cfg.timers.to_ticks(ATO_MIN);
    }

    /// Data came in sequence: adapts the delay to their rhythm (`tcp_event_data_recv`).
    pub(super) fn data_received(&mut self, cx: &Cx<'_>, seg: &Segment) {
        self.schedule_ack();
        self.measure_rcv_mss(cx, seg);
        let ato_min = cx.cfg.timers.to_ticks(ATO_MIN);
        let rto = self.rto_ticks(cx);
        let now = cx.ticks();
        if self.ato == 0 {
            self.grant_quickacks(MAX_QUICKACKS);
            self.ato = ato_min;
        } else {
            let gap = now.wrapping_sub(self.lrcvtime);
            if gap <= ato_min / 2 {
                self.ato = (self.ato >> 1) + ato_min / 2;
            } else if gap < self.ato {
                self.ato = ((self.ato >> 1) + gap).min(rto);
            } else if gap > rto {
                // The sender restarts after a pause: it needs ACKs to open its window.
                self.grant_quickacks(MAX_QUICKACKS);
            }
        }
        self.lrcvtime = now;
        if seg.len >= 128 {
            self.grow_receive_window(cx, seg.len);
        }
    }

    /// Estimates the peer's segment size (`tcp_measure_rcv_mss`).
    pub(super) fn measure_rcv_mss(&mut self, cx: &Cx<'_>, seg: &Segment) {
        let last = u32::from(self.last_seg_size);
        self.last_seg_size = 0;
        let len = self.part_of(seg.len);
        if len >= u32::from(self.rcv_mss) {
            if len != u32::from(self.rcv_mss) {
                self.learn_ratio(cx, seg);
            }
            self.rcv_mss = len.min(u32::from(self.advmss)) as u16;
            if seg.flags.has(Flags::PSH) && len == u32::from(self.rcv_mss) {
                self.ack_pending.set(AckState::PUSHED);
            }
            return;
        }
        let whole_write = seg.flags.has(Flags::PSH) || seg.flags.has(Flags::FIN) || seg.flags.has(Flags::URG);
        if len >= DEFAULT_MSS || (len >= MIN_MSS && !whole_write) {
            self.last_seg_size = len as u16;
            if len == last {
                self.rcv_mss = len as u16;
                return;
            }
        }
        if self.ack_pending.has(AckState::PUSHED) {
            self.ack_pending.set(AckState::PUSHED2);
        }
        self.ack_pending.set(AckState::PUSHED);
    }

    /// After a segment: the ACK that is owed, now or later (`tcp_ack_snd_check`).
    pub(super) fn acknowledge_if_due(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        if !self.ack_pending.has(AckState::SCHEDULED) {
            return;
        }
        let received = self.rcv_nxt.diff(self.rcv_wup);
        let two_segments = received > i32::from(self.rcv_mss) && self.select_window(cx) >= self.rcv_wnd;
        let quick = self.quick > 0 && !self.in_pingpong();
        if two_segments || quick || self.ack_pending.has(AckState::NOW) || !self.ofo.is_empty() {
            self.send_ack(cx, out);
        } else {
            self.delay_ack(cx, out);
        }
    }

    /// `tcp_send_delayed_ack`
    fn delay_ack(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        let timers = cx.cfg.timers;
        let floor = timers.to_ticks(ATO_MIN);
        let mut ato = self.ato;
        if ato > floor {
            let mut most = timers.to_ticks(Span::from_millis(500));
            if self.in_pingpong() || self.ack_pending.has(AckState::PUSHED) {
                most = timers.to_ticks(DELACK_MAX);
            }
            if self.srtt != 0 {
                let rtt = timers.to_ticks(Span::from_micros(u64::from(self.srtt >> 3))).max(floor);
                most = most.min(rtt);
            }
            ato = ato.min(most);
        }
        // tcp_delack_max: below the smallest RTO of the other side, presumed to be ours.
        let rto_bound = timers.to_ticks(cx.cfg.rto_min).max(2) - 1;
        ato = ato.min(timers.to_ticks(DELACK_MAX)).min(rto_bound);
        if self.ack_pending.has(AckState::TIMER) {
            cx.notes.ask_outside();
            let left = self.delack_at.since(cx.now);
            if left <= timers.from_ticks(ato >> 2) {
                self.send_ack(cx, out);
                return;
            }
        }
        cx.notes.arm(Alarm::DelayedAck, timers.from_ticks(ato));
        let at = timers.expiry(cx.now, timers.from_ticks(ato));
        self.delack_at = if self.ack_pending.has(AckState::TIMER) { self.delack_at.min(at) } else { at };
        self.ack_pending.set(AckState::SCHEDULED);
        self.ack_pending.set(AckState::TIMER);
    }

    /// The connection's first ACK is put off, for the application is about to speak.
    pub(super) fn delay_first_ack(&mut self, cx: &Cx<'_>) {
        self.schedule_ack();
        self.enter_quickack(cx);
        self.ack_pending.set(AckState::TIMER);
        cx.notes.arm(Alarm::DelayedAck, DELACK_MAX);
        self.delack_at = cx.cfg.timers.expiry(cx.now, DELACK_MAX);
    }

    /// An ACK has left, alone or on a segment (`tcp_event_ack_sent`).
    pub(super) fn ack_sent(&mut self, cx: &Cx<'_>) {
        if self.quick > 0 {
            let used = u8::from(self.ack_pending.has(AckState::SCHEDULED));
            if used >= self.quick {
                self.quick = 0;
                self.ato = cx.cfg.timers.to_ticks(ATO_MIN);
            } else {
                self.quick -= used;
            }
        }
        self.ack_pending = AckState::NONE;
        self.delack_at = Time::NEVER;
    }

    /// Data left as an answer to what came a moment ago (`tcp_event_data_sent`).
    pub(super) fn data_sent(&mut self, cx: &Cx<'_>) {
        let now = cx.ticks();
        self.lsndtime = now;
        if now.wrapping_sub(self.lrcvtime) < self.ato {
            self.pingpong = self.pingpong.saturating_add(1);
        }
    }

    /// The delayed-ACK timer fires (`tcp_delack_timer_handler`).
    pub(super) fn delack_fires(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        self.delack_at = Time::NEVER;
        self.ack_pending.clear(AckState::TIMER);
        if !self.ack_pending.has(AckState::SCHEDULED) {
            return;
        }
        if self.in_pingpong() {
            self.pingpong = 0;
            self.ato = cx.cfg.timers.to_ticks(ATO_MIN);
        } else {
            self.ato = (self.ato << 1).min(self.rto_ticks(cx));
        }
        self.send_ack(cx, out);
        out.count(Counter::TcpExtDelayedACKs);
    }

    /// The application has read: is an ACK due, or a window update (`__tcp_cleanup_rbuf`)?
    pub(super) fn acknowledge_after_read(&mut self, cx: &mut Cx<'_>, copied: u32, out: &mut impl Out) {
        let pushed = self.ack_pending.has(AckState::PUSHED2)
            || (self.ack_pending.has(AckState::PUSHED) && !self.in_pingpong());
        let mut due = self.ack_pending.has(AckState::SCHEDULED)
            && (self.rcv_nxt.diff(self.rcv_wup) > i32::from(self.rcv_mss)
                || (copied > 0 && pushed && self.rmem == 0));
        if copied > 0 && !due && !self.rcv_shutdown {
            let now = self.receive_window();
            if 2 * now <= self.window_clamp {
                let new = self.select_window(cx);
                due = new != 0 && new >= 2 * now;
            }
        }
        if due {
            self.send_ack(cx, out);
        }
    }
}
