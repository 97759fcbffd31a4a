//! What surrounds an endpoint: the moment, the host's parameters, the state it shares with its neighbours.

use super::config::count_from_one;
use super::{Notes, TcpConfig};
use crate::seq::Seq;
use crate::time::{Span, Time};

/// State that all sockets of one host (one network namespace) share.
///
/// The functions of this crate keep the counts. A mini-socket is counted when it is made, and no longer counted when a
/// function answers that it is gone. The same holds for an orphan. A driver only ever resets the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shared {
    /// Mini-sockets in TIME_WAIT or FIN_WAIT2 (`tw` in /proc/net/sockstat).
    pub mini_sockets: u32,
    /// Full sockets that no descriptor refers to (`orphan` in /proc/net/sockstat).
    pub orphans: u32,
    /// The second for which `challenge_left` counts.
    challenge_second: u64,
    /// Challenge ACKs that may still be sent in that second.
    challenge_left: u32,
}

impl Shared {
    /// Takes one challenge ACK from the host's budget of this second (`tcp_challenge_ack_limit`).
    ///
    /// The kernel draws each second's budget around the limit. The protocol draws nothing, so here it is the limit itself.
    fn take_challenge(&mut self, now: Time, cfg: &TcpConfig) -> bool {
        if cfg.challenge_ack_limit == u32::MAX {
            return true;
        }
        let second = now.0 / Span::from_secs(1).0 + 1;
        if second != self.challenge_second {
            self.challenge_second = second;
            self.challenge_left = cfg.challenge_ack_limit;
        }
        let granted = self.challenge_left > 0;
        self.challenge_left = self.challenge_left.saturating_sub(1);
        granted
    }
}

/// The surroundings of one step.
#[derive(Debug)]
pub struct Cx<'a> {
    /// The moment.
    pub now: Time,
    /// The host's parameters.
    pub cfg: &'a TcpConfig,
    /// The host's shared state.
    pub shared: &'a mut Shared,
    /// What the host remembers of the peer's distance, where the step may ask: smoothed RTT, eighths of a microsecond; 0 = nothing.
    pub peer_rtt: u32,
    /// What the step says about itself.
    pub notes: Notes,
}

impl<'a> Cx<'a> {
    /// The surroundings of a step that is about to begin.
    pub fn new(now: Time, cfg: &'a TcpConfig, shared: &'a mut Shared) -> Cx<'a> {
        Cx { now, cfg, shared, peer_rtt: 0, notes: Notes::default() }
    }
}

impl Cx<'_> {
    /// Takes one challenge ACK from the host's budget.
    pub(crate) fn take_challenge(&mut self) -> bool {
        if self.cfg.challenge_ack_limit != u32::MAX {
            self.notes.ask_outside();
        }
        self.shared.take_challenge(self.now, self.cfg)
    }
    /// Jiffies so far.
    pub(crate) fn ticks(&self) -> u32 {
        self.cfg.timers.ticks(self.now)
    }
    /// The millisecond clock that timestamps are made of.
    pub(crate) fn millis(&self) -> u32 {
        self.now.as_millis() as u32
    }
    /// The millisecond in which a first retransmission (or a SYN) leaves, plus one, because 0 stands for "none". Where the
    /// sum is 0, the stamp says one millisecond less: an echo of that segment is still not older than its stamp.
    pub(crate) fn retrans_stamp(&self) -> u32 {
        let stamp = self.millis().wrapping_add(1);
        if stamp == 0 { u32::MAX } else { stamp }
    }
    /// The microsecond clock of round-trip times, modulo 2³².
    pub(crate) fn micros(&self) -> u32 {
        (self.now.0 / 1_000) as u32
    }
    /// Whole seconds, never 0: 0 stands for "no stamp".
    pub(crate) fn seconds(&self) -> u32 {
        whole_seconds(self.now)
    }
}

/// The clock of [`Cx::seconds`] (`ktime_get_seconds`): from 1 on, modulo 2³².
pub(crate) const fn whole_seconds(now: Time) -> u32 {
    count_from_one(now.0 / Span::from_secs(1).0)
}

/// Whether a moment of that clock has come (`!time_before32`).
pub(crate) const fn second_reached(now: u32, at: u32) -> bool {
    now.wrapping_sub(at) as i32 >= 0
}

/// Limits replies to segments that could be part of an ACK loop: one in `tcp_invalid_ratelimit` for each socket
/// (`__tcp_oow_rate_limited`). `last` is the tick of the last one allowed; answers whether to hold this one back.
pub(crate) fn oow_limited(cx: &Cx<'_>, last: &mut u32) -> bool {
    let now = cx.ticks();
    let elapsed = now.wrapping_sub(*last) as i32;
    let limit = cx.cfg.timers.to_ticks(cx.cfg.invalid_ratelimit) as i32;
    if *last != 0 && (0..limit).contains(&elapsed) {
        return true;
    }
    *last = now;
    false
}

/// What a keyed hash of the 4-tuple yields. The driver makes it, because the protocol has no generator and no key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Secrets {
    /// Initial sequence number (RFC 6528).
    pub isn: Seq,
    /// Offset of the timestamp clock, the same for every connection of this tuple.
    pub ts_offset: u32,
    /// Key of SYN cookies: a hash of the tuple alone, without any clock.
    pub cookie: u32,
}

/// What a connection opened over a TIME_WAIT tuple takes over from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inherited {
    /// The first sequence number, above everything the old connection sent.
    pub isn: Seq,
    /// TS.Recent.
    pub ts_recent: u32,
    /// The second in which it was set.
    pub ts_recent_stamp: u32,
}

/// What connect() needs beside the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnectParams {
    /// Keyed numbers for this tuple.
    pub secrets: Secrets,
    /// The TIME_WAIT connection that is taken over, if any.
    pub inherited: Option<Inherited>,
}
