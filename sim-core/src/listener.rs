//! A listener's two queues as counts, and the request mini-socket that waits in the first of them.
//!
//! `tcp_conn_request` (tcp_input.c), `tcp_check_req` (tcp_minisocks.c), `reqsk_timer_handler`
//! (inet_connection_sock.c).

use crate::counter::Counter;
use crate::seq::Seq;
use crate::tcp::config::Syncookies;
use crate::tcp::{
    Cx, DEFAULT_MSS, Fact, Flags, Next, Outbox, Secrets, Segment, State, SynOptions, TSTAMP_LEN, TimerKind,
    Timestamps, TsOption, Why, in_window, initial_window, limitable, oow_limited, paws_rejects,
    reply_with_reset,
};
use crate::time::{Span, Time};

/// How long after the last cookie an ACK is believed to carry one (`TCP_SYNCOOKIE_VALID`).
const COOKIE_LIFE: Span = Span::from_secs(120);

/// A listening socket: how much its queues hold. The children themselves are the driver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    backlog: u32,
    syn_queue: u32,
    /// Requests whose SYN,ACK timer has never fired.
    young: u32,
    accept_queue: u32,
    /// When the SYN queue last overflowed into cookies.
    cookies_at: Option<Time>,
}

impl Listener {
    /// listen(): the backlog is cut to `somaxconn`.
    pub fn new(backlog: u32, somaxconn: u32) -> Listener {
        Listener {
            backlog: backlog.min(somaxconn),
            syn_queue: 0,
            young: 0,
            accept_queue: 0,
            cookies_at: None,
        }
    }
    /// A second listen() only changes the number.
    pub fn set_backlog(&mut self, backlog: u32, somaxconn: u32) {
        self.backlog = backlog.min(somaxconn);
    }
    /// The backlog in force.
    pub const fn backlog(&self) -> u32 {
        self.backlog
    }
    /// Requests waiting for the end of their handshake.
    pub const fn syn_queue_len(&self) -> u32 {
        self.syn_queue
    }
    /// Complete connections waiting for accept().
    pub const fn accept_queue_len(&self) -> u32 {
        self.accept_queue
    }
    /// accept() has taken one child.
    pub fn accepted(&mut self) {
        self.accept_queue = self.accept_queue.saturating_sub(1);
    }
    /// Both queues hold one more than the backlog.
    const fn syn_queue_full(&self) -> bool {
        self.syn_queue > self.backlog
    }
    const fn accept_queue_full(&self) -> bool {
        self.accept_queue > self.backlog
    }

    /// Room for one more child; counts the overflow if there is none.
    pub(crate) fn admit_child(&mut self, out: &mut Outbox) -> bool {
        if self.accept_queue_full() {
            out.count(Counter::TcpExtListenOverflows);
            out.count(Counter::TcpExtListenDrops);
            out.refuse(Why::AcceptQueueFull);
            return false;
        }
        self.accept_queue += 1;
        true
    }

    fn forget(&mut self, req: &Request) {
        self.syn_queue = self.syn_queue.saturating_sub(1);
        if req.num_timeout == 0 {
            self.young = self.young.saturating_sub(1);
        }
    }

    /// A SYN (`tcp_conn_request`). `successor`: the initial sequence number that a TIME_WAIT mini-socket gave; such a
    /// SYN passes a full SYN queue, but not a full accept queue.
    pub(crate) fn syn(
        &mut self,
        cx: &mut Cx<'_>,
        seg: &Segment,
        successor: Option<Seq>,
        secrets: impl FnOnce() -> Secrets,
        out: &mut Outbox,
    ) -> Next {
        let always = cx.cfg.syncookies == Syncookies::Always;
        let want_cookie = successor.is_none() && (always || self.syn_queue_full());
        if want_cookie {
            if cx.cfg.syncookies == Syncookies::Off {
                out.count(Counter::TcpExtTCPReqQFullDrop);
                return drop_syn(Why::SynQueueFull, out);
            }
            out.count(Counter::TcpExtTCPReqQFullDoCookies);
        }
        if self.accept_queue_full() {
            out.count(Counter::TcpExtListenOverflows);
            return drop_syn(Why::AcceptQueueFull, out);
        }
        let room = cx.cfg.max_syn_backlog.saturating_sub(self.syn_queue);
        let scarce = successor.is_none() && room < cx.cfg.max_syn_backlog >> 2;
        if cx.cfg.syncookies == Syncookies::Off && scarce {
            return drop_syn(Why::SynQueueFull, out);
        }
        let secrets = secrets();
        let mut req = Request::new(cx, seg, &secrets, want_cookie);
        if want_cookie {
            self.cookies_at = Some(cx.now);
            req.isn = cookie(cx, &secrets, seg.seq, req.mss);
            out.count(Counter::TcpExtSyncookiesSent);
            let val = req.cookie_clock(cx);
            req.send_syn_ack(cx, val, out);
            return Next::Gone;
        }
        if let Some(isn) = successor {
            req.isn = isn;
        }
        self.syn_queue += 1;
        self.young += 1;
        req.deadline = cx.cfg.timers.expiry(cx.now, cx.cfg.rto_initial);
        req.transmit(cx, out);
        out.facts.push(Fact::State { from: State::Listen, to: State::SynRecv });
        Next::Request(req)
    }

    /// An ACK for no connection: does it carry a cookie of ours? Then the request it stands for (`cookie_v4_check`).
    pub(crate) fn cookie_request(
        &self,
        cx: &Cx<'_>,
        seg: &Segment,
        secrets: impl FnOnce() -> Secrets,
        out: &mut Outbox,
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

fn drop_syn(why: Why, out: &mut Outbox) -> Next {
    out.refuse(why);
    out.count(Counter::TcpExtListenDrops);
    Next::Gone
}

/// The segment sizes a cookie can tell (net/ipv4/syncookies.c).
const COOKIE_MSS: [u16; 4] = [536, 1300, 1440, 1460];
/// Minutes for which a cookie is good (`MAX_SYNCOOKIE_AGE`).
const COOKIE_AGE: u32 = 2;

const fn minutes(now: Time) -> u32 {
    (now.0 / Span::from_secs(60).0) as u32
}

/// The sequence number that is a cookie: key, peer's number, minute, and the segment size well mixed.
fn cookie(cx: &Cx<'_>, secrets: &Secrets, seq: Seq, mss: u16) -> Seq {
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

/// What a segment does to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays.
    Keep,
    /// It is gone.
    Gone,
    /// The ACK is not for this SYN,ACK: a matter for the listener, who answers with RST.
    Listener,
    /// The handshake is complete, and the accept queue has counted the child.
    Complete,
}

/// A connection request: SYN received, SYN,ACK sent (`TCP_NEW_SYN_RECV`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub(crate) deadline: Time,
    /// When the first SYN,ACK was sent; `NEVER` = unknown (cookie).
    pub(crate) sent_at: Time,
    pub(crate) isn: Seq,
    pub(crate) rcv_isn: Seq,
    pub(crate) ts_offset: u32,
    pub(crate) ts_recent: u32,
    /// First and last TSval sent; an echo must lie between them.
    first_tsval: u32,
    last_tsval: u32,
    last_limited: u32,
    pub(crate) rcv_wnd: u32,
    pub(crate) window_clamp: u32,
    pub(crate) mss: u16,
    pub(crate) num_timeout: u8,
    pub(crate) num_retrans: u8,
    pub(crate) snd_wscale: u8,
    pub(crate) rcv_wscale: u8,
    pub(crate) tstamp_ok: bool,
    pub(crate) wscale_ok: bool,
    pub(crate) sack_ok: bool,
}

impl Request {
    fn new(cx: &Cx<'_>, seg: &Segment, secrets: &Secrets, for_cookie: bool) -> Request {
        let ts = if cx.cfg.timestamps == Timestamps::Off { None } else { seg.ts };
        // Without timestamps a cookie has no room for options.
        let options = !for_cookie || ts.is_some();
        let wscale = if options && cx.cfg.window_scaling { seg.syn.wscale } else { None };
        let mss = if seg.syn.mss == 0 { DEFAULT_MSS as u16 } else { seg.syn.mss };
        let cost = if ts.is_some() { TSTAMP_LEN } else { 0 };
        let first = initial_window(cx.cfg, cx.cfg.mss - cost, wscale.is_some());
        Request {
            deadline: Time::NEVER,
            sent_at: cx.now,
            isn: secrets.isn,
            rcv_isn: seg.seq,
            ts_offset: secrets.ts_offset,
            ts_recent: ts.map_or(0, |ts| ts.val),
            first_tsval: 0,
            last_tsval: 0,
            last_limited: 0,
            rcv_wnd: first.window,
            window_clamp: first.clamp,
            mss,
            num_timeout: 0,
            num_retrans: 0,
            snd_wscale: wscale.unwrap_or(0).min(14),
            rcv_wscale: first.scale,
            tstamp_ok: ts.is_some(),
            wscale_ok: wscale.is_some(),
            sack_ok: options && cx.cfg.sack && seg.syn.sack_ok,
        }
    }

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
        req.isn = seg.ack - 1;
        req.sent_at = Time::NEVER;
        req
    }

    /// The timestamp clock with the options in its low bits (`cookie_init_timestamp`).
    fn cookie_clock(&self, cx: &Cx<'_>) -> u32 {
        let options =
            if self.wscale_ok { u32::from(self.snd_wscale) } else { 0xf } | u32::from(self.sack_ok) << 4;
        let now = cx.millis();
        let clock = (now & !0x3f) | options;
        let clock = if clock > now { clock.wrapping_sub(0x40) } else { clock };
        clock.wrapping_add(self.ts_offset)
    }

    /// When the SYN,ACK is sent again, or the request given up.
    pub const fn deadline(&self) -> Time {
        self.deadline
    }

    /// Moves the deadline, for drivers without a clock (see [`crate::tcp::Endpoint::retime`]).
    pub fn retime(&mut self, at: Time) {
        self.deadline = at;
    }

    /// Always SYN_RECV.
    pub const fn state(&self) -> State {
        State::SynRecv
    }

    /// The SYN,ACK timer has fired. `listener` is `None` if it has been closed: then the request ends.
    pub fn on_timer(&mut self, cx: &mut Cx<'_>, listener: Option<&mut Listener>, out: &mut Outbox) -> Next {
        if cx.now < self.deadline {
            return Next::Keep;
        }
        let Some(listener) = listener else {
            out.facts.push(Fact::State { from: State::SynRecv, to: State::Closed });
            return Next::Gone;
        };
        out.facts.push(Fact::TimerFired { kind: TimerKind::SynAck });
        out.count(Counter::TcpExtTCPTimeouts);
        if self.num_timeout >= retries_under_pressure(cx.cfg.synack_retries, listener) {
            listener.forget(self);
            out.facts.push(Fact::State { from: State::SynRecv, to: State::Closed });
            return Next::Gone;
        }
        self.retransmit(cx, out);
        if self.num_timeout == 0 {
            listener.young = listener.young.saturating_sub(1);
        }
        self.num_timeout += 1;
        self.deadline = cx.cfg.timers.expiry(cx.now, self.interval(cx));
        Next::Keep
    }

    /// `tcp_reqsk_timeout`
    fn interval(&self, cx: &Cx<'_>) -> Span {
        cx.cfg.rto_initial.times(1 << self.num_timeout.min(30)).min(cx.cfg.rto_max)
    }

    /// A segment for this request (`tcp_check_req`).
    pub(crate) fn process(
        &mut self,
        cx: &mut Cx<'_>,
        listener: &mut Listener,
        seg: &Segment,
        out: &mut Outbox,
    ) -> Verdict {
        let stamp = cx.seconds().saturating_sub(self.interval(cx).as_secs() as u32);
        let rst = seg.flags.has(Flags::RST);
        let stale = seg.ts.is_some_and(|ts| paws_rejects(cx, self.ts_recent, stamp, ts.val, rst));
        let pure_syn = seg.flags.0 & (Flags::RST.0 | Flags::ACK.0 | Flags::SYN.0) == Flags::SYN.0;
        if seg.seq == self.rcv_isn && pure_syn && !stale {
            self.syn_repeated(cx, seg, out);
            return Verdict::Keep;
        }
        let ack = seg.flags.has(Flags::ACK);
        if ack && !rst && seg.ack != self.isn + 1 {
            return Verdict::Listener;
        }
        let bad_echo = self.tstamp_ok && seg.ts.is_some_and(|ts| ts.ecr != 0 && !self.echo_is_ours(ts.ecr));
        let next = self.rcv_isn + 1;
        if stale || bad_echo || !in_window(seg, next, next + self.rcv_wnd) {
            self.out_of_window(cx, seg, stale, bad_echo, out);
            return Verdict::Keep;
        }
        if rst && seg.seq != next {
            out.refuse(Why::Reset);
            self.challenge(cx, out);
            return Verdict::Keep;
        }
        let syn = seg.flags.has(Flags::SYN) && seg.seq != self.rcv_isn;
        if rst || syn {
            out.count(Counter::TcpAttemptFails);
            return self.embryonic_reset(listener, seg, out);
        }
        if !ack {
            out.refuse(Why::Flags);
            return Verdict::Keep;
        }
        if !listener.admit_child(out) {
            return if cx.cfg.abort_on_overflow {
                self.embryonic_reset(listener, seg, out)
            } else {
                Verdict::Keep
            };
        }
        listener.forget(self);
        if let Some(ts) = seg.ts
            && !seg.seq.after(next)
        {
            self.ts_recent = ts.val;
        }
        Verdict::Complete
    }

    fn echo_is_ours(&self, ecr: u32) -> bool {
        self.last_tsval.wrapping_sub(self.first_tsval) >= ecr.wrapping_sub(self.first_tsval)
    }

    /// The peer repeats its SYN: so does our SYN,ACK, and its timer starts again.
    fn syn_repeated(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut Outbox) {
        if limitable(seg) && oow_limited(cx, &mut self.last_limited) {
            out.count(Counter::TcpExtTCPACKSkippedSynRecv);
            return;
        }
        self.retransmit(cx, out);
        self.deadline = cx.cfg.timers.expiry(cx.now, self.interval(cx));
    }

    fn out_of_window(
        &mut self,
        cx: &mut Cx<'_>,
        seg: &Segment,
        stale: bool,
        bad_echo: bool,
        out: &mut Outbox,
    ) {
        if !seg.flags.has(Flags::RST) {
            if limitable(seg) && oow_limited(cx, &mut self.last_limited) {
                out.count(Counter::TcpExtTCPACKSkippedSynRecv);
            } else {
                self.send_ack(cx, out);
            }
        }
        out.refuse(if stale || bad_echo { Why::Paws } else { Why::Sequence });
        if stale {
            out.count(Counter::TcpExtPAWSEstab);
        } else if bad_echo && cx.cfg.counters_6_18 {
            out.count(Counter::TcpExtTSEcrRejected);
        }
    }

    /// A RST in the window that does not hit is challenged here too (RFC 5961 §3.2; recent stable kernels).
    fn challenge(&mut self, cx: &mut Cx<'_>, out: &mut Outbox) {
        if oow_limited(cx, &mut self.last_limited) {
            out.count(Counter::TcpExtTCPACKSkippedChallenge);
        } else if cx.shared.take_challenge(cx.now, cx.cfg) {
            out.count(Counter::TcpExtTCPChallengeACK);
            self.send_ack(cx, out);
        }
    }

    fn embryonic_reset(&self, listener: &mut Listener, seg: &Segment, out: &mut Outbox) -> Verdict {
        reply_with_reset(seg, out);
        listener.forget(self);
        out.count(Counter::TcpExtEmbryonicRsts);
        out.facts.push(Fact::State { from: State::SynRecv, to: State::Closed });
        Verdict::Gone
    }

    fn retransmit(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        self.transmit(cx, out);
        if let Some(seg) = out.segments.last_mut() {
            seg.rtx = true;
        }
        self.num_retrans = self.num_retrans.saturating_add(1);
        out.count(Counter::TcpRetransSegs);
        out.count(Counter::TcpExtTCPSynRetrans);
    }

    fn transmit(&mut self, cx: &Cx<'_>, out: &mut Outbox) {
        let val = cx.millis().wrapping_add(self.ts_offset);
        if self.num_retrans == 0 && self.first_tsval == 0 {
            self.first_tsval = val;
        }
        self.last_tsval = val;
        self.send_syn_ack(cx, val, out);
    }

    /// `tcp_make_synack`
    fn send_syn_ack(&self, cx: &Cx<'_>, tsval: u32, out: &mut Outbox) {
        out.count(Counter::TcpOutSegs);
        out.segments.push(Segment {
            seq: self.isn,
            ack: self.rcv_isn + 1,
            win: self.rcv_wnd.min(65_535) as u16,
            flags: Flags::SYN_ACK,
            ts: self.tstamp_ok.then_some(TsOption { val: tsval, ecr: self.ts_recent }),
            syn: SynOptions {
                mss: cx.cfg.mss,
                wscale: self.wscale_ok.then_some(self.rcv_wscale),
                sack_ok: self.sack_ok,
            },
            ..Segment::default()
        });
    }

    /// `tcp_v4_reqsk_send_ack`
    fn send_ack(&self, cx: &Cx<'_>, out: &mut Outbox) {
        let ts = (self.ts_recent != 0)
            .then(|| TsOption { val: cx.millis().wrapping_add(self.ts_offset), ecr: self.ts_recent });
        out.count(Counter::TcpOutSegs);
        out.segments.push(Segment {
            seq: self.isn + 1,
            ack: self.rcv_isn + 1,
            win: (self.rcv_wnd >> self.rcv_wscale).min(65_535) as u16,
            flags: Flags::ACK,
            ts,
            ..Segment::default()
        });
    }
}

/// Retries of a SYN,ACK: fewer when the queue is half full, and the fewer the fewer requests in it are young.
fn retries_under_pressure(retries: u8, listener: &Listener) -> u8 {
    let mut retries = retries;
    if listener.syn_queue * 2 > listener.backlog.max(8) {
        let mut young = listener.young * 2;
        while retries > 2 && listener.syn_queue >= young {
            retries -= 1;
            young *= 2;
        }
    }
    retries
}
