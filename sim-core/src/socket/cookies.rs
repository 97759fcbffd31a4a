//! SYN cookies: a connection request that is not remembered but comes back in the peer's ACK (net/ipv4/syncookies.c).
//!
//! The kernel's two hashes are SipHash; here one mixing function serves for both, since nobody attacks the simulator.

use super::listener::Listener;
use super::request::Request;
use crate::counter::Counter;
use crate::seq::Seq;
use crate::tcp::config::Syncookies;
use crate::tcp::{Cx, Flags, Out, Secrets, Segment, SynOptions};
use crate::time::{Span, Time};

/// How long after the last cookie an ACK is believed to carry one (`TCP_SYNCOOKIE_VALID`).
const COOKIE_LIFE: Span = Span::from_secs(120);
/// The segment sizes a cookie can tell (net/ipv4/syncookies.c).
const COOKIE_MSS: [u16; 4] = [536, 1300, 1440, 1460];
/// Minutes for which a cookie is good (`MAX_SYNCOOKIE_AGE`).
const COOKIE_AGE: u32 = 2;

const fn minutes(now: Time) -> u32 {
    (now.0 / Span::from_secs(60).0) as u32
}

/// The sequence number that is a cookie: key, peer's number, minute, and the segment size well mixed.
pub(super) fn cookie(cx: &Cx<'_>, secrets: &Secrets, seq: Seq, mss: u16) -> Seq {
    let index = COOKIE_MSS.iter().rposition(|&m| m <= mss).unwrap_or(0) as u32;
    let minute = minutes(cx.now);
    let mixed = (minute_key(secrets, minute) + index) & 0x00ff_ffff;
    Seq(secrets.cookie.wrapping_add(seq.0).wrapping_add(minute << 24).wrapping_add(mixed))
}

fn minute_key(secrets: &Secrets, minute: u32) -> u32 {
    crate::rng::mix(u64::from(secrets.cookie) << 32 | u64::from(minute)) as u32 & 0x00ff_ffff
}

/// The segment size in a cookie that comes back, if it is one.
fn cookie_mss(cx: &Cx<'_>, secrets: &Secrets, seg: &Segment) -> Option<u16> {
    let value =
        seg.ack.0.wrapping_sub(1).wrapping_sub(secrets.cookie).wrapping_sub(seg.seq.0.wrapping_sub(1));
    let age = (minutes(cx.now).wrapping_sub(value >> 24)) & 0xff;
    if age >= COOKIE_AGE {
        return None;
    }
    let minute = minutes(cx.now).wrapping_sub(age);
    let index = value.wrapping_sub(minute_key(secrets, minute)) & 0x00ff_ffff;
    COOKIE_MSS.get(index as usize).copied()
}

impl Listener {
    /// An ACK for no connection: does it carry a cookie of ours? Then the request it stands for (`cookie_v4_check`).
    pub(super) fn cookie_request(
        &self,
        cx: &Cx<'_>,
        seg: &Segment,
        secrets: impl FnOnce() -> Secrets,
        out: &mut impl Out,
    ) -> Option<Request> {
        let recent = self.cookies_at.is_some_and(|at| cx.now.since(at) <= COOKIE_LIFE);
        let eligible = cx.cfg.syncookies != Syncookies::Off
            && seg.flags.has(Flags::ACK)
            && !seg.flags.has(Flags::RST)
            && !seg.flags.has(Flags::SYN);
        if !eligible || !recent {
            return None;
        }
        let secrets = secrets();
        let Some(mss) = cookie_mss(cx, &secrets, seg) else {
            out.count(Counter::TcpExtSyncookiesFailed);
            return None;
        };
        out.count(Counter::TcpExtSyncookiesRecv);
        Some(Request::from_cookie(cx, seg, &secrets, mss))
    }
}

impl Request {
    /// The request that a cookie stands for; the options come back in the low bits of the echoed timestamp.
    fn from_cookie(cx: &Cx<'_>, seg: &Segment, secrets: &Secrets, mss: u16) -> Request {
        let bits = seg.ts.map_or(0xf, |ts| ts.ecr.wrapping_sub(secrets.ts_offset));
        let has_ts = seg.ts.is_some();
        let syn = Segment {
            seq: seg.seq - 1,
            ts: seg.ts,
            syn: SynOptions {
                mss,
                wscale: (has_ts && bits & 0xf != 0xf).then_some((bits & 0xf) as u8),
                sack_ok: has_ts && bits & 0x10 != 0,
            },
            ..Segment::default()
        };
        let mut req = Request::new(cx, &syn, secrets, true);
        req.hs.isn = seg.ack - 1;
        req.hs.sent_at = Time::NEVER;
        req
    }

    /// The timestamp clock with the options in its low bits (`cookie_init_timestamp`).
    pub(super) fn cookie_clock(&self, cx: &Cx<'_>) -> u32 {
        let options = if self.hs.wscale_ok { u32::from(self.hs.snd_wscale) } else { 0xf }
            | u32::from(self.hs.sack_ok) << 4;
        let now = cx.millis();
        let clock = (now & !0x3f) | options;
        let clock = if clock > now { clock.wrapping_sub(0x40) } else { clock };
        clock.wrapping_add(self.hs.ts_offset)
    }
}
