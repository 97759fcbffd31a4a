//! What differs between stacks and what an administrator can set: plain parameters, named after the sysctls.
//!
//! [`TcpConfig::default`] is Linux 6.18 with its defaults. Other stacks are tables in [`crate::profile`].

use crate::time::{Span, Time};

/// `net.ipv4.tcp_timestamps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timestamps {
    /// 0: not offered, not accepted.
    Off,
    /// 1: with a random offset for each tuple.
    RandomOffset,
    /// 2: without an offset.
    NoOffset,
}

/// `net.ipv4.tcp_tw_reuse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TwReuse {
    /// 0: never.
    Off,
    /// 1: everywhere.
    On,
    /// 2: on the loopback only.
    Loopback,
}

/// How the delay before `tcp_tw_reuse` may act is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReuseDelay {
    /// `tcp_tw_reuse_delay`: this long after the mini-socket was entered (Linux 6.14 and later).
    SinceEntry(Span),
    /// The clock second must have changed since `ts_recent` was last updated (Linux before 6.14).
    NextSecond,
}

/// `net.ipv4.tcp_syncookies`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Syncookies {
    /// 0.
    Off,
    /// 1: when the SYN queue is full.
    WhenFull,
    /// 2: always.
    Always,
}

/// How a TIME_WAIT connection treats segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeWaitPolicy {
    /// `tcp_timewait_state_process`.
    Linux,
    /// FreeBSD, macOS: RST ignored; SYN accepted by sequence number alone; a pure duplicate ACK is ignored.
    Bsd,
    /// RFC 793: a SYN inside the window is answered with RST; nothing reopens.
    Rfc793,
}

/// What happens when a new mini-socket would exceed `tcp_max_tw_buckets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TwOverflow {
    /// Linux: no mini-socket; the connection is simply gone.
    Refuse,
    /// FreeBSD before 14: the oldest is recycled.
    RecycleOldest,
}

/// How initial sequence numbers are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IsnPolicy {
    /// RFC 6528: keyed hash of the tuple plus a clock; Linux ticks every 64 ns (net/core/secure_seq.c).
    HashPlusClock,
    /// Unrelated from one connection to the next.
    Random,
}

/// When timers fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimerModel {
    /// Exactly at the deadline.
    Exact,
    /// As the kernel's timer wheel does: late, rounded up to the granule of the level (kernel/time/timer.c).
    Wheel {
        /// Jiffies per second.
        hz: u32,
        /// Length of time into the jiffies counter at which the simulation begins, in nanoseconds.
        phase: Span,
    },
}

/// A level has 64 slots, and each level's granule is 8 times the one below.
const LEVEL_LAST: u64 = 63;
const CLOCK_SHIFT: u32 = 3;

/// A clock modulo 2³² that counts from 1 on and leaves out 0, which stands for "never".
pub(crate) const fn count_from_one(whole: u64) -> u32 {
    let count = (whole as u32).wrapping_add(1);
    if count == 0 { 1 } else { count }
}

impl TimerModel {
    /// Length of one tick in nanoseconds. Where timers are exact, intervals are still compared at 250 Hz.
    const fn tick(self) -> u64 {
        match self {
            TimerModel::Exact | TimerModel::Wheel { hz: 250, .. } => 4_000_000,
            TimerModel::Wheel { hz, .. } => 1_000_000_000 / hz as u64,
        }
    }
    /// Whole ticks in so many nanoseconds. This is asked several times a segment, so the usual rates divide by a
    /// constant, which costs a tenth of a division.
    const fn whole_ticks(self, nanos: u64) -> u64 {
        match self {
            TimerModel::Exact | TimerModel::Wheel { hz: 250, .. } => nanos / 4_000_000,
            TimerModel::Wheel { hz: 1000, .. } => nanos / 1_000_000,
            TimerModel::Wheel { .. } => nanos / self.tick(),
        }
    }
    /// Ticks counted so far, from 1 on and modulo 2³². The kernel compares many intervals at this resolution
    /// (`tcp_jiffies32`). The tick that would be 0 counts as 1, because 0 stands for "never".
    pub const fn ticks(self, now: Time) -> u32 {
        let phase = match self {
            TimerModel::Exact => 0,
            TimerModel::Wheel { phase, .. } => phase.0,
        };
        count_from_one(self.whole_ticks(now.0.saturating_add(phase)))
    }
    /// A length of time in whole ticks, rounded up.
    const fn ticks_up(self, length: Span) -> u64 {
        self.whole_ticks(length.0.saturating_add(self.tick() - 1))
    }
    /// A length of time in ticks, rounded up.
    pub const fn to_ticks(self, length: Span) -> u32 {
        let ticks = self.ticks_up(length);
        if ticks > i32::MAX as u64 { i32::MAX as u32 } else { ticks as u32 }
    }
    /// So many ticks as a length of time.
    pub const fn from_ticks(self, ticks: u32) -> Span {
        Span(ticks as u64 * self.tick())
    }
    /// A length of time as a timer counts it: whole jiffies (rounded up), or exact.
    pub const fn round(self, length: Span) -> Span {
        match self {
            TimerModel::Exact => length,
            TimerModel::Wheel { .. } => Span(self.ticks_up(length).saturating_mul(self.tick())),
        }
    }
    /// The level of the wheel in which a timer armed for `delay` waits. Of the timers of one tick those of the highest
    /// level fire first (`__run_timers`).
    pub fn level(self, delay: Span) -> u32 {
        let delta = self.ticks_up(delay);
        (0..8).find(|level| delta < LEVEL_LAST << (CLOCK_SHIFT * level)).unwrap_or(8)
    }
    /// The shortest delay after which a timer that arms itself again can fire. The wheel moves on by a tick anyway; exact
    /// timers would fire for ever at one moment.
    pub const fn at_least_a_tick(self, delay: Span) -> Span {
        match self {
            TimerModel::Exact if delay.0 == 0 => Span(self.tick()),
            _ => delay,
        }
    }
    /// When a timer armed at `now` for `delay` fires. What lies beyond the end of time is [`Time::NEVER`].
    pub fn expiry(self, now: Time, delay: Span) -> Time {
        let TimerModel::Wheel { phase, .. } = self else { return now + delay };
        if delay == Span::MAX {
            return Time::NEVER;
        }
        // The kernel counts in whole jiffies from the last tick; a delay is rounded up to whole jiffies.
        let delta = self.ticks_up(delay);
        let expires = self.whole_ticks(now.0.saturating_add(phase.0)) + delta;
        let shift = CLOCK_SHIFT * self.level(delay);
        let bucket = ((expires >> shift) + 1) << shift;
        bucket.checked_mul(self.tick()).map_or(Time::NEVER, |at| Time(at.saturating_sub(phase.0)))
    }
}

/// Parameters of one host's TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpConfig {
    /// When timers fire.
    pub timers: TimerModel,
    /// How initial sequence numbers are made.
    pub isn: IsnPolicy,
    /// `tcp_timestamps`.
    pub timestamps: Timestamps,
    /// `tcp_sack`.
    pub sack: bool,
    /// `tcp_window_scaling`.
    pub window_scaling: bool,
    /// Maximum segment size offered, bytes.
    pub mss: u16,
    /// How the segments that arrive lie in memory.
    pub buffers: Buffers,
    /// Receive buffer that may be offered, bytes (derived from `tcp_rmem`); also limits the scale factor.
    pub rcv_buf: u32,
    /// Largest receive buffer, bytes (`tcp_rmem[2]`), which decides the window scale offered.
    pub rcv_buf_max: u32,
    /// Send buffer, bytes.
    pub snd_buf: u32,
    /// `tcp_syn_retries`.
    pub syn_retries: u8,
    /// `tcp_syn_linear_timeouts` (Linux 6.5 and later; 0 before).
    pub syn_linear_timeouts: u8,
    /// `tcp_synack_retries`.
    pub synack_retries: u8,
    /// `tcp_retries2`.
    pub retries2: u8,
    /// `tcp_orphan_retries`; 0 acts as 8.
    pub orphan_retries: u8,
    /// RTO before any sample (RFC 6298 §2.1).
    pub rto_initial: Span,
    /// A host remembers its peers' distance between connections (`tcp_no_metrics_save` is 0).
    pub metrics: bool,
    /// Smallest RTO.
    pub rto_min: Span,
    /// Largest RTO (`tcp_rto_max_ms`).
    pub rto_max: Span,
    /// Tail loss probes (`tcp_early_retrans` 3).
    pub tail_loss_probe: bool,
    /// After a bad ACK in SYN_SENT, send the SYN again after 2 jiffies, once (Linux 5.6 and later).
    pub fast_syn_retry: bool,
    /// How often a RST in answer to a SYN is overridden by another SYN before it is reported (Windows: 2), 0.5 s apart.
    pub refused_retries: u8,
    /// Keep-alive: idle time, interval, probes. Used where the application asks for it.
    pub keepalive: (Span, Span, u8),
    /// Length of TIME_WAIT (2 MSL).
    pub time_wait: Span,
    /// How TIME_WAIT treats segments.
    pub time_wait_policy: TimeWaitPolicy,
    /// `tcp_rfc1337`.
    pub rfc1337: bool,
    /// `tcp_fin_timeout`: life of an orphan in FIN_WAIT2.
    pub fin_timeout: Span,
    /// `tcp_tw_reuse`.
    pub tw_reuse: TwReuse,
    /// When reuse may begin.
    pub tw_reuse_delay: ReuseDelay,
    /// `tcp_max_tw_buckets`.
    pub max_tw_buckets: u32,
    /// What happens at that limit.
    pub tw_overflow: TwOverflow,
    /// `tcp_max_orphans`.
    pub max_orphans: u32,
    /// `tcp_invalid_ratelimit`.
    pub invalid_ratelimit: Span,
    /// `tcp_challenge_ack_limit`, per second and host; `u32::MAX` = off (as `INT_MAX` is).
    pub challenge_ack_limit: u32,
    /// `tcp_syncookies`.
    pub syncookies: Syncookies,
    /// `tcp_max_syn_backlog`.
    pub max_syn_backlog: u32,
    /// `net.core.somaxconn`.
    pub somaxconn: u32,
    /// `tcp_abort_on_overflow`.
    pub abort_on_overflow: bool,
    /// An old ACK that PAWS refuses is not answered and counts as `PAWSOldAck`. It carries no data and lies below
    /// RCV.NXT, so it was merely overtaken (Linux 6.14 and later, `tcp_disordered_ack_check`).
    pub old_ack_unanswered: bool,
    /// The data of a segment must end in the window; one that reaches beyond it counts as `BeyondWindow` (Linux 6.18,
    /// `tcp_sequence`). Before, only the beginning counted.
    pub checks_right_edge: bool,
    /// `PAWSTimewait` and `TSEcrRejected` exist. Before, the first was part of `PAWSEstab`, and the second not counted.
    pub paws_counters: bool,
}

/// How the segments that arrive lie in memory, which decides what they cost (`skb->truesize`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Buffers {
    /// Their bytes in pages beside a small head, as a Linux sender on the same machine hands them over: neighbours share a
    /// buffer.
    Paged,
    /// Each in one piece, as what a test or a packet socket injects: a buffer of its own for each.
    OnePiece,
}

impl Default for TcpConfig {
    fn default() -> Self {
        TcpConfig {
            timers: TimerModel::Wheel { hz: 250, phase: Span::ZERO },
            isn: IsnPolicy::HashPlusClock,
            timestamps: Timestamps::RandomOffset,
            sack: true,
            window_scaling: true,
            mss: 1460,
            buffers: Buffers::Paged,
            rcv_buf: 131_072,
            rcv_buf_max: 33_554_432,
            snd_buf: 2_097_152,
            syn_retries: 6,
            syn_linear_timeouts: 4,
            synack_retries: 5,
            retries2: 15,
            orphan_retries: 0,
            rto_initial: Span::from_secs(1),
            metrics: true,
            rto_min: Span::from_millis(200),
            rto_max: Span::from_secs(120),
            tail_loss_probe: true,
            fast_syn_retry: true,
            refused_retries: 0,
            keepalive: (Span::from_secs(7200), Span::from_secs(75), 9),
            time_wait: Span::from_secs(60),
            time_wait_policy: TimeWaitPolicy::Linux,
            rfc1337: false,
            fin_timeout: Span::from_secs(60),
            tw_reuse: TwReuse::Loopback,
            tw_reuse_delay: ReuseDelay::SinceEntry(Span::from_secs(1)),
            max_tw_buckets: 131_072,
            tw_overflow: TwOverflow::Refuse,
            max_orphans: 131_072,
            invalid_ratelimit: Span::from_millis(500),
            challenge_ack_limit: u32::MAX,
            syncookies: Syncookies::WhenFull,
            max_syn_backlog: 2048,
            somaxconn: 4096,
            abort_on_overflow: false,
            old_ack_unanswered: true,
            checks_right_edge: true,
            paws_counters: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wheel_is_late_by_at_most_one_granule() {
        let wheel = TimerModel::Wheel { hz: 250, phase: Span::ZERO };
        let lateness = |now_ms: u64, delay_ms: u64| {
            let now = Time(now_ms * 1_000_000);
            wheel
                .expiry(now, Span::from_millis(delay_ms))
                .since(now + Span::from_millis(delay_ms))
                .as_millis()
        };
        for (delay, granule) in [(200, 4), (1_000, 32), (4_000, 256), (60_000, 2048)] {
            for now in (0..5_000).step_by(7) {
                assert!(lateness(now, delay) <= granule, "{delay} ms armed at {now} ms");
            }
        }
    }

    #[test]
    fn a_time_wait_ends_in_common_bursts() {
        let wheel = TimerModel::Wheel { hz: 250, phase: Span::ZERO };
        let end = |now_ms: u64| wheel.expiry(Time(now_ms * 1_000_000), Span::from_secs(60)).as_millis();
        assert_eq!(end(10) % 2048, 0);
        assert_eq!(end(10), end(1_000));
    }
}
