//! The request mini-socket: SYN received, SYN,ACK sent, the last ACK awaited (`TCP_NEW_SYN_RECV`).
//!
//! `tcp_check_req` (net/ipv4/tcp_minisocks.c), `reqsk_timer_handler` (net/ipv4/inet_connection_sock.c).

use super::{Listener, MiniFate};
use crate::counter::Counter;
use crate::seq::Seq;
use crate::tcp::{
    Bases, Clocks, Cx, DEFAULT_MSS, Flags, Handshake, Out, Secrets, Segment, Shift, State, SynOptions,
    TSTAMP_LEN, TcpConfig, TimerKind, Timestamps, TsOption, Why, in_window, initial_window, limitable,
    oow_limited, paws_rejects, reply_with_reset,
};
use crate::time::{Span, Time};

/// What a segment does to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestVerdict {
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
    pub(super) deadline: Time,
    /// What its connection will begin with.
    pub(super) hs: Handshake,
    /// First and last TSval sent; an echo must lie between them.
    first_tsval: u32,
    last_tsval: u32,
    /// Tick of the last limited reply; 0 = none yet.
    last_limited: u32,
}

impl Request {
    pub(super) fn new(cx: &Cx<'_>, seg: &Segment, secrets: &Secrets, for_cookie: bool) -> Request {
        let ts = if cx.cfg.timestamps == Timestamps::Off { None } else { seg.ts };
        // Without timestamps a cookie has no room for options.
        let options = !for_cookie || ts.is_some();
        let wscale = if options && cx.cfg.window_scaling { seg.syn.wscale } else { None };
        let mss = if seg.syn.mss == 0 { DEFAULT_MSS as u16 } else { seg.syn.mss };
        let cost = if ts.is_some() { TSTAMP_LEN } else { 0 };
        let first = initial_window(cx.cfg, cx.cfg.mss - cost, wscale.is_some());
        Request {
            deadline: Time::NEVER,
            hs: Handshake {
                sent_at: cx.now,
                isn: secrets.isn,
                rcv_isn: seg.seq,
                ts_offset: secrets.ts_offset,
                ts_recent: ts.map_or(0, |ts| ts.val),
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
            },
            first_tsval: 0,
            last_tsval: 0,
            last_limited: 0,
        }
    }

    /// Everything that the step which completes the handshake can see of it, in four words relative to its own numbers and
    /// to `clocks`; `None` after anything but one SYN and one SYN,ACK. The last word leaves its upper half free (a window
    /// scale is at most 14, RFC 7323 section 2.3).
    pub fn words(&self, now: Time, clocks: &Clocks) -> Option<[u64; 4]> {
        let hs = &self.hs;
        let pristine = hs.num_timeout | hs.num_retrans == 0 && self.last_limited == 0;
        if !pristine || hs.sent_at == Time::NEVER || (hs.tstamp_ok && hs.ts_recent == 0) {
            return None;
        }
        let age = |tsval: u32| clocks.millis.wrapping_add(hs.ts_offset).wrapping_sub(tsval);
        let bits = u64::from(hs.tstamp_ok) | u64::from(hs.wscale_ok) << 1 | u64::from(hs.sack_ok) << 2;
        Some([
            now.since(hs.sent_at).0,
            u64::from(age(self.first_tsval)) << 32 | u64::from(age(self.last_tsval)),
            u64::from(hs.rcv_wnd) << 32 | u64::from(hs.window_clamp),
            u64::from(hs.mss) << 16
                | u64::from(hs.snd_wscale) << 12
                | u64::from(hs.rcv_wscale) << 8
                | bits << 4
                | u64::from(hs.ts_recent == 0),
        ])
    }

    /// The same request with other numbers: moved by `by`, its SYN,ACK sent at `sent_at`. `None` after anything but one SYN
    /// and one SYN,ACK.
    pub fn moved(&self, by: &Shift, sent_at: Time, cfg: &TcpConfig) -> Option<Request> {
        let mut moved = self.clone();
        let hs = &mut moved.hs;
        let pristine = hs.num_timeout | hs.num_retrans == 0 && self.last_limited == 0;
        if !pristine || hs.sent_at == Time::NEVER {
            return None;
        }
        let add = u32::wrapping_add;
        hs.sent_at = sent_at;
        hs.isn = Seq(add(hs.isn.0, by.snd));
        hs.rcv_isn = Seq(add(hs.rcv_isn.0, by.rcv));
        hs.ts_offset = add(hs.ts_offset, by.offset);
        if hs.ts_recent != 0 {
            hs.ts_recent = add(hs.ts_recent, by.peer_ts);
        }
        for tsval in [&mut moved.first_tsval, &mut moved.last_tsval] {
            *tsval = add(*tsval, add(by.millis, by.offset));
        }
        moved.deadline = cfg.timers.expiry(sent_at, cfg.rto_initial);
        Some(moved)
    }

    /// Where the connection will stand.
    pub fn bases(&self) -> Bases {
        let hs = &self.hs;
        Bases { snd: (hs.isn + 1).0, rcv: (hs.rcv_isn + 1).0, peer_ts: hs.ts_recent, offset: hs.ts_offset }
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

    /// How often the SYN,ACK has been sent again by timeout.
    pub const fn retransmissions(&self) -> u8 {
        self.hs.num_timeout
    }

    /// The SYN,ACK timer has fired. `listener` is `None` if it has been closed: then the request ends.
    pub fn on_timer(
        &mut self,
        cx: &mut Cx<'_>,
        listener: Option<&mut Listener>,
        out: &mut impl Out,
    ) -> MiniFate {
        if cx.now < self.deadline {
            return MiniFate::Keep;
        }
        let Some(listener) = listener else {
            out.moved(State::SynRecv, State::Closed);
            return MiniFate::Gone;
        };
        out.fired(TimerKind::SynAck);
        out.count(Counter::TcpExtTCPTimeouts);
        if self.hs.num_timeout >= listener.retries_under_pressure(cx.cfg.synack_retries) {
            listener.forget(self);
            out.moved(State::SynRecv, State::Closed);
            return MiniFate::Gone;
        }
        self.retransmit(cx, out);
        if self.hs.num_timeout == 0 {
            listener.no_longer_young();
        }
        self.hs.num_timeout += 1;
        self.deadline = cx.cfg.timers.expiry(cx.now, self.interval(cx));
        MiniFate::Keep
    }

    /// `tcp_reqsk_timeout`
    fn interval(&self, cx: &Cx<'_>) -> Span {
        cx.cfg.rto_initial.times(1 << self.hs.num_timeout.min(30)).min(cx.cfg.rto_max)
    }

    /// A segment for this request (`tcp_check_req`).
    pub(super) fn process(
        &mut self,
        cx: &mut Cx<'_>,
        listener: &mut Listener,
        seg: &Segment,
        out: &mut impl Out,
    ) -> RequestVerdict {
        let stamp = cx.seconds().wrapping_sub(self.interval(cx).as_secs() as u32);
        let rst = seg.flags.has(Flags::RST);
        let stale = seg.ts.is_some_and(|ts| paws_rejects(cx, self.hs.ts_recent, stamp, ts.val, rst));
        let pure_syn = seg.flags.0 & (Flags::RST.0 | Flags::ACK.0 | Flags::SYN.0) == Flags::SYN.0;
        if seg.seq == self.hs.rcv_isn && pure_syn && !stale {
            self.syn_repeated(cx, seg, out);
            return RequestVerdict::Keep;
        }
        let ack = seg.flags.has(Flags::ACK);
        if ack && !rst && seg.ack != self.hs.isn + 1 {
            return RequestVerdict::Listener;
        }
        let bad_echo =
            self.hs.tstamp_ok && seg.ts.is_some_and(|ts| ts.ecr != 0 && !self.echo_is_ours(ts.ecr));
        let next = self.hs.rcv_isn + 1;
        if stale || bad_echo || !in_window(seg, next, next + self.hs.rcv_wnd) {
            self.out_of_window(cx, seg, stale, bad_echo, out);
            return RequestVerdict::Keep;
        }
        if rst && seg.seq != next {
            out.refused(Why::Reset);
            self.challenge(cx, out);
            return RequestVerdict::Keep;
        }
        let syn = seg.flags.has(Flags::SYN) && seg.seq != self.hs.rcv_isn;
        if rst || syn {
            out.count(Counter::TcpAttemptFails);
            return self.embryonic_reset(listener, seg, out);
        }
        if !ack {
            out.refused(Why::Flags);
            return RequestVerdict::Keep;
        }
        if !listener.admit_child(out) {
            return if cx.cfg.abort_on_overflow {
                self.embryonic_reset(listener, seg, out)
            } else {
                RequestVerdict::Keep
            };
        }
        listener.forget(self);
        if let Some(ts) = seg.ts
            && !seg.seq.after(next)
        {
            self.hs.ts_recent = ts.val;
        }
        RequestVerdict::Complete
    }

    fn echo_is_ours(&self, ecr: u32) -> bool {
        self.last_tsval.wrapping_sub(self.first_tsval) >= ecr.wrapping_sub(self.first_tsval)
    }

    /// The peer repeats its SYN. Our SYN,ACK is sent again too, and its timer starts again.
    fn syn_repeated(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) {
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
        out: &mut impl Out,
    ) {
        if !seg.flags.has(Flags::RST) {
            if limitable(seg) && oow_limited(cx, &mut self.last_limited) {
                out.count(Counter::TcpExtTCPACKSkippedSynRecv);
            } else {
                self.send_ack(cx, out);
            }
        }
        out.refused(if stale || bad_echo { Why::Paws } else { Why::Sequence });
        if stale {
            out.count(Counter::TcpExtPAWSEstab);
        } else if bad_echo && cx.cfg.paws_counters {
            out.count(Counter::TcpExtTSEcrRejected);
        }
    }

    /// A RST in the window that does not hit is challenged here too (RFC 5961 §3.2; recent stable kernels).
    fn challenge(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        if oow_limited(cx, &mut self.last_limited) {
            out.count(Counter::TcpExtTCPACKSkippedChallenge);
        } else if cx.take_challenge() {
            out.count(Counter::TcpExtTCPChallengeACK);
            self.send_ack(cx, out);
        }
    }

    fn embryonic_reset(&self, listener: &mut Listener, seg: &Segment, out: &mut impl Out) -> RequestVerdict {
        reply_with_reset(seg, out);
        listener.forget(self);
        out.count(Counter::TcpExtEmbryonicRsts);
        out.moved(State::SynRecv, State::Closed);
        RequestVerdict::Gone
    }

    fn retransmit(&mut self, cx: &Cx<'_>, out: &mut impl Out) {
        self.transmit(cx, true, out);
        self.hs.num_retrans = self.hs.num_retrans.saturating_add(1);
        out.count(Counter::TcpRetransSegs);
        out.count(Counter::TcpExtTCPSynRetrans);
    }

    /// Sends the SYN,ACK; `rtx`: not for the first time.
    pub(super) fn transmit(&mut self, cx: &Cx<'_>, rtx: bool, out: &mut impl Out) {
        let val = cx.millis().wrapping_add(self.hs.ts_offset);
        if self.hs.num_retrans == 0 && self.first_tsval == 0 {
            self.first_tsval = val;
        }
        self.last_tsval = val;
        self.send_syn_ack(cx, val, rtx, out);
    }

    /// `tcp_make_synack`
    pub(super) fn send_syn_ack(&self, cx: &Cx<'_>, tsval: u32, rtx: bool, out: &mut impl Out) {
        out.count(Counter::TcpOutSegs);
        out.segment(Segment {
            seq: self.hs.isn,
            ack: self.hs.rcv_isn + 1,
            win: self.hs.rcv_wnd.min(65_535) as u16,
            flags: Flags::SYN_ACK,
            ts: self.hs.tstamp_ok.then_some(TsOption { val: tsval, ecr: self.hs.ts_recent }),
            syn: SynOptions {
                mss: cx.cfg.mss,
                wscale: self.hs.wscale_ok.then_some(self.hs.rcv_wscale),
                sack_ok: self.hs.sack_ok,
            },
            rtx,
            ..Segment::default()
        });
    }

    /// `tcp_v4_reqsk_send_ack`
    fn send_ack(&self, cx: &Cx<'_>, out: &mut impl Out) {
        let ts = (self.hs.ts_recent != 0)
            .then(|| TsOption { val: cx.millis().wrapping_add(self.hs.ts_offset), ecr: self.hs.ts_recent });
        out.count(Counter::TcpOutSegs);
        out.segment(Segment {
            seq: self.hs.isn + 1,
            ack: self.hs.rcv_isn + 1,
            win: (self.hs.rcv_wnd >> self.hs.rcv_wscale).min(65_535) as u16,
            flags: Flags::ACK,
            ts,
            ..Segment::default()
        });
    }
}
