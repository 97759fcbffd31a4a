//! Endpoints without their place in sequence space and time.
//!
//! Two connections that have done the same differ in their numbers only: initial sequence numbers, offsets of timestamps,
//! and the moments of the clocks. [`Endpoint::shift`] moves all of these by constants, so that equal histories become
//! equal values, and back. It is its own inverse with the constants negated, but for fields in which 0 stands for "none":
//! those are left alone, and constants are chosen so that no other value becomes 0.

use super::endpoint::Endpoint;
use super::{Alarm, Cx, Flags, Segment, TimeWait, TsOption};
use crate::seq::Seq;
use crate::time::{Span, Time};

/// The constants: what is added, modulo 2³², to the numbers of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Our sequence numbers.
    pub snd: u32,
    /// The peer's.
    pub rcv: u32,
    /// The peer's timestamps.
    pub peer_ts: u32,
    /// The offset of our timestamps.
    pub offset: u32,
    /// Ticks.
    pub ticks: u32,
    /// Milliseconds.
    pub millis: u32,
    /// Microseconds.
    pub micros: u32,
    /// Seconds.
    pub seconds: u32,
}

/// Where a connection stands in sequence space and in its peer's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bases {
    /// SND.UNA.
    pub snd: u32,
    /// RCV.NXT; 0 while nothing is known of the peer.
    pub rcv: u32,
    /// TS.Recent; 0 if there is none.
    pub peer_ts: u32,
    /// Offset of our timestamps.
    pub offset: u32,
}

/// The clocks of a host at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// Ticks.
    pub ticks: u32,
    /// Milliseconds.
    pub millis: u32,
    /// Microseconds.
    pub micros: u32,
    /// Seconds.
    pub seconds: u32,
    /// Whether no clock is about to wrap or has just wrapped: then no stamp is bent around the 0 that means "none".
    pub calm: bool,
}

/// A moment before everything that a field can hold, so that "now" does not become 0, which stands for "none".
const LONG_AGO: u32 = 1 << 30;

impl Clocks {
    /// The clocks of a host.
    pub fn of(cx: &Cx<'_>) -> Clocks {
        let (ticks, millis) = (cx.ticks(), cx.millis());
        let far_from_zero = |clock: u32| (16..u32::MAX - (1 << 16)).contains(&clock);
        Clocks {
            ticks,
            millis,
            micros: cx.micros(),
            seconds: cx.seconds(),
            calm: far_from_zero(ticks) && far_from_zero(millis),
        }
    }
}

impl Shift {
    /// From absolute numbers to numbers relative to `bases` and `clocks`.
    pub fn down(bases: &Bases, clocks: &Clocks) -> Shift {
        Shift {
            snd: bases.snd.wrapping_neg(),
            rcv: bases.rcv.wrapping_neg(),
            peer_ts: if bases.peer_ts == 0 { 0 } else { LONG_AGO.wrapping_sub(bases.peer_ts) },
            offset: bases.offset.wrapping_neg(),
            ticks: LONG_AGO.wrapping_sub(clocks.ticks),
            millis: LONG_AGO.wrapping_sub(clocks.millis),
            micros: clocks.micros.wrapping_neg(),
            seconds: LONG_AGO.wrapping_sub(clocks.seconds),
        }
    }

    /// And back.
    #[inline]
    pub fn up(bases: &Bases, clocks: &Clocks) -> Shift {
        Shift {
            snd: bases.snd,
            rcv: bases.rcv,
            peer_ts: if bases.peer_ts == 0 { 0 } else { bases.peer_ts.wrapping_sub(LONG_AGO) },
            offset: bases.offset,
            ticks: clocks.ticks.wrapping_sub(LONG_AGO),
            millis: clocks.millis.wrapping_sub(LONG_AGO),
            micros: clocks.micros,
            seconds: clocks.seconds.wrapping_sub(LONG_AGO),
        }
    }
}

#[inline]
fn seq(seq: &mut Seq, by: u32) {
    seq.0 = seq.0.wrapping_add(by);
}

/// A number in which 0 stands for "none".
#[inline]
fn unless_zero(number: &mut u32, by: u32) {
    if *number != 0 {
        *number = number.wrapping_add(by);
    }
}

impl Endpoint {
    /// Where it stands.
    pub fn bases(&self) -> Bases {
        Bases { snd: self.snd_una.0, rcv: self.rcv_nxt.0, peer_ts: self.ts_recent, offset: self.ts_offset }
    }

    /// Moves its numbers.
    pub fn shift(&mut self, by: &Shift) {
        for number in [
            &mut self.snd_una,
            &mut self.snd_nxt,
            &mut self.write_seq,
            &mut self.snd_sml,
            &mut self.rtt_seq,
            &mut self.high_seq,
            &mut self.retransmit_high,
            &mut self.tlp_high_seq,
        ] {
            seq(number, by.snd);
        }
        for number in [&mut self.rcv_nxt, &mut self.copied_seq, &mut self.rcv_wup, &mut self.snd_wl1] {
            seq(number, by.rcv);
        }
        if self.has_sacked() {
            seq(&mut self.sacked.0, by.snd);
            seq(&mut self.sacked.1, by.snd);
        }
        if let Some(marker) = &mut self.undo.marker {
            seq(marker, by.snd);
        }
        if let Some((from, to)) = &mut self.dsack {
            seq(from, by.rcv);
            seq(to, by.rcv);
        }
        self.ofo.shift(by.rcv);
        self.flight.shift(by.snd, by.micros);
        self.acked_at = self.acked_at.wrapping_add(by.micros);
        unless_zero(&mut self.ts_recent, by.peer_ts);
        self.rcv_tsval = self.rcv_tsval.wrapping_add(by.peer_ts);
        self.ts_offset = self.ts_offset.wrapping_add(by.offset);
        unless_zero(&mut self.ts_recent_stamp, by.seconds);
        unless_zero(&mut self.rcv_tsecr, by.millis);
        unless_zero(&mut self.retrans_stamp, by.millis);
        for stamp in [
            &mut self.lrcvtime,
            &mut self.rcv_tstamp,
            &mut self.lsndtime,
            &mut self.last_oow_ack,
            &mut self.probes_stamp,
        ] {
            unless_zero(stamp, by.ticks);
        }
    }

    /// When its timers are due, in the order of [`Alarm`].
    pub fn alarms(&self) -> [Time; super::ALARMS] {
        [self.xmit_at, self.delack_at, self.keep_at]
    }

    /// Sets when its timers are due.
    pub fn set_alarms(&mut self, due: [Time; super::ALARMS]) {
        [self.xmit_at, self.delack_at, self.keep_at] = due;
    }
}

impl Segment {
    /// Moves the numbers of a segment that was sent: ours are its own. `at` shifts the millisecond clock.
    #[inline]
    pub fn shift_sent(&mut self, by: &Shift) {
        seq(&mut self.seq, by.snd);
        if self.flags.has(Flags::ACK) {
            seq(&mut self.ack, by.rcv);
        }
        if let Some(TsOption { val, ecr }) = &mut self.ts {
            *val = val.wrapping_add(by.millis.wrapping_add(by.offset));
            unless_zero(ecr, by.peer_ts);
        }
        for (from, to) in [&mut self.sack, &mut self.sack2].into_iter().flatten() {
            seq(from, by.rcv);
            seq(to, by.rcv);
        }
    }

    /// Moves the numbers of a segment that arrives: ours are those that it acknowledges and echoes.
    pub fn shift_received(&mut self, by: &Shift) {
        seq(&mut self.seq, by.rcv);
        if self.flags.has(Flags::ACK) {
            seq(&mut self.ack, by.snd);
        }
        if let Some(TsOption { val, ecr }) = &mut self.ts {
            *val = val.wrapping_add(by.peer_ts);
            unless_zero(ecr, by.millis.wrapping_add(by.offset));
        }
        for (from, to) in [&mut self.sack, &mut self.sack2].into_iter().flatten() {
            seq(from, by.snd);
            seq(to, by.snd);
        }
    }
}

impl TimeWait {
    /// Moves its numbers. Its end and its beginning are set apart.
    pub fn shift(&mut self, by: &Shift) {
        seq(&mut self.snd_nxt, by.snd);
        seq(&mut self.rcv_nxt, by.rcv);
        unless_zero(&mut self.ts_recent, by.peer_ts);
        unless_zero(&mut self.ts_recent_stamp, by.seconds);
        self.ts_offset = self.ts_offset.wrapping_add(by.offset);
    }

    /// Sets when it began and when it ends.
    pub fn set_times(&mut self, entered: Time, deadline: Time) {
        self.entered = entered;
        self.deadline = deadline;
    }

    /// When it began.
    pub fn entered(&self) -> Time {
        self.entered
    }
}

/// What a step did to a timer, in terms that an equal step would repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AlarmChange {
    /// Untouched.
    #[default]
    Kept,
    /// Stopped.
    Stopped,
    /// Armed for so long.
    Armed(Span),
}

impl Cx<'_> {
    /// How a step changed a deadline; `None` if that cannot be said in terms that an equal step would repeat.
    pub fn alarm_change(&self, alarm: Alarm, before: Time, after: Time) -> Option<AlarmChange> {
        match self.notes.armed(alarm) {
            _ if after == Time::NEVER => Some(AlarmChange::Stopped),
            None => (before == after).then_some(AlarmChange::Kept),
            Some(delay) => {
                (self.cfg.timers.expiry(self.now, delay) == after).then_some(AlarmChange::Armed(delay))
            }
        }
    }
}
