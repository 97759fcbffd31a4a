//! The beginning of a connection: connect(), SYN_SENT (RFC 9293 §3.10.7.3), and the child of a request.

use super::backlog::Backlog;
use super::buffers::FIRST_RATIO;
use super::congestion::INITIAL_WINDOW;
use super::delack::{AckState, DEFAULT_MSS};
use super::endpoint::{CaState, Endpoint, Pending};
use super::flight::Flight;
use super::reassembly::OutOfOrder;
use super::state::CurrentState;
use super::window::{TSTAMP_LEN, initial_window};
use super::{ConnectParams, Cx, Flags, KeepTimes, Notice, Out, Segment, State, Why, reply_with_reset};
use crate::counter::Counter;
use crate::seq::Seq;
use crate::time::{Span, Time};

/// The numbers of a handshake in which the peer has called, as its [`Endpoint`] will need them (`struct
/// inet_request_sock`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handshake {
    /// When the first SYN,ACK was sent; `NEVER` = unknown (cookie).
    pub sent_at: Time,
    /// Our initial sequence number.
    pub isn: Seq,
    /// The peer's.
    pub rcv_isn: Seq,
    /// Offset of our timestamp clock.
    pub ts_offset: u32,
    /// The peer's last TSval.
    pub ts_recent: u32,
    /// Window offered in the SYN,ACK.
    pub rcv_wnd: u32,
    /// Most that may ever be offered.
    pub window_clamp: u32,
    /// Segment size that the peer's SYN offered.
    pub mss: u16,
    /// How often the SYN,ACK timer fired.
    pub num_timeout: u8,
    /// How often the SYN,ACK was sent again, for whatever reason.
    pub num_retrans: u8,
    /// Scale of the peer's windows.
    pub snd_wscale: u8,
    /// Scale of ours.
    pub rcv_wscale: u8,
    /// Both sides use timestamps.
    pub tstamp_ok: bool,
    /// Both sides scale windows.
    pub wscale_ok: bool,
    /// Both sides use SACK.
    pub sack_ok: bool,
}

/// RTO after a handshake that gave no sample (`TCP_TIMEOUT_FALLBACK`).
const RTO_FALLBACK: Span = Span::from_secs(3);

/// A socket without a past.
const BLANK: Endpoint = Endpoint {
    xmit_at: Time::NEVER,
    delack_at: Time::NEVER,
    keep_at: Time::NEVER,
    snd_una: Seq(0),
    snd_nxt: Seq(0),
    write_seq: Seq(0),
    snd_wl1: Seq(0),
    snd_sml: Seq(0),
    snd_wnd: 0,
    max_window: 0,
    bytes_acked: 0,
    flight: Flight::EMPTY,
    rcv_nxt: Seq(0),
    copied_seq: Seq(0),
    rcv_wup: Seq(0),
    rcv_wnd: 0,
    rcv_ssthresh: 0,
    window_clamp: 0,
    rmem: 0,
    forward: 0,
    tail_parts: 0,
    scaling_ratio: FIRST_RATIO,
    ofo: OutOfOrder::EMPTY,
    backlog: Backlog::EMPTY,
    acked_at: 0,
    ts_offset: 0,
    ts_recent: 0,
    ts_recent_stamp: 0,
    rcv_tsval: 0,
    rcv_tsecr: 0,
    lrcvtime: 0,
    rcv_tstamp: 0,
    lsndtime: 0,
    ato: 0,
    last_oow_ack: 0,
    rto: 0,
    srtt: 0,
    mdev: 0,
    mdev_max: 0,
    rttvar: 0,
    rtt_seq: Seq(0),
    min_rtt: u32::MAX,
    retrans_stamp: 0,
    cwnd: INITIAL_WINDOW,
    cwnd_cnt: 0,
    ssthresh: u32::MAX >> 1,
    high_seq: Seq(0),
    retransmit_high: Seq(0),
    tlp_high_seq: Seq(0),
    sacked: super::scoreboard::NOTHING,
    undo: super::undo::Undo::NONE,
    linger2: 0,
    user_timeout: 0,
    probes_stamp: 0,
    keep: KeepTimes { idle: 0, interval: 0, probes: 0 },
    mss: DEFAULT_MSS as u16,
    mss_clamp: DEFAULT_MSS as u16,
    advmss: 0,
    rcv_mss: 0,
    last_seg_size: 0,
    sacked_out: 0,
    lost_out: 0,
    state: CurrentState::SYN_SENT,
    pending: Pending::None,
    ca_state: CaState::Open,
    error: None,
    retransmits: 0,
    backoff: 0,
    total_rto: 0,
    probes_out: 0,
    reordering: 3,
    snd_wscale: 0,
    rcv_wscale: 0,
    ack_pending: AckState::NONE,
    quick: 0,
    pingpong: 0,
    refused: 0,
    tstamp_ok: false,
    wscale_ok: false,
    sack_ok: false,
    saw_tstamp: false,
    fin_queued: false,
    rcv_shutdown: false,
    snd_shutdown: false,
    fin_received: false,
    orphan: false,
    nodelay: false,
    keepalive: false,
    tlp_pending: false,
    tlp_retrans: false,
    frto: false,
    want_space: false,
    syn_in_flight: false,
    dsack: None,
};

impl Endpoint {
    /// A socket whose first sequence number is `isn`.
    fn blank(cx: &Cx<'_>, state: CurrentState, isn: Seq) -> Endpoint {
        Endpoint {
            state,
            snd_una: isn,
            snd_nxt: isn,
            write_seq: isn,
            snd_sml: isn,
            rtt_seq: isn,
            high_seq: isn,
            retransmit_high: isn,
            tlp_high_seq: isn,
            rcv_tstamp: cx.ticks(),
            acked_at: cx.micros().wrapping_sub(1),
            lsndtime: cx.ticks(),
            rto: super::rtt::rounded_micros(cx.cfg, cx.cfg.rto_initial.as_micros()),
            advmss: cx.cfg.mss,
            ..BLANK
        }
    }

    /// connect(): sends a SYN (`tcp_connect`).
    pub fn connect(cx: &mut Cx<'_>, params: ConnectParams, out: &mut impl Out) -> Endpoint {
        let isn = params.inherited.map_or(params.secrets.isn, |i| i.isn);
        let mut sock = Endpoint::blank(cx, CurrentState::SYN_SENT, isn);
        sock.ts_offset = params.secrets.ts_offset;
        let mut mss = cx.cfg.mss;
        if let Some(inherited) = params.inherited {
            sock.ts_recent = inherited.ts_recent;
            sock.ts_recent_stamp = inherited.ts_recent_stamp;
            mss -= TSTAMP_LEN;
        }
        let first = initial_window(cx.cfg, mss, cx.cfg.window_scaling);
        sock.rcv_wnd = first.window;
        sock.rcv_ssthresh = first.window;
        sock.window_clamp = first.clamp;
        sock.rcv_wscale = first.scale;
        out.moved(State::Closed, State::SynSent);
        let syn = sock.syn_segment(cx);
        sock.retrans_stamp = cx.retrans_stamp();
        sock.snd_nxt = isn + 1;
        sock.write_seq = isn + 1;
        sock.flight.push(isn + 1, cx.micros(), false);
        sock.syn_in_flight = true;
        out.count(Counter::TcpOutSegs);
        out.count(Counter::TcpActiveOpens);
        out.segment(syn);
        let rto = sock.rto_span();
        sock.arm_transmit(cx, Pending::Retransmit, rto);
        sock
    }

    /// `tcp_rcv_synsent_state_process`
    pub(super) fn process_syn_sent(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) {
        self.parse_timestamps(seg, Endpoint::timestamps_allowed(cx));
        let rst = seg.flags.has(Flags::RST);
        let syn = seg.flags.has(Flags::SYN);
        if seg.flags.has(Flags::ACK) {
            if !self.acceptable_in_syn_sent(cx, seg, out) {
                reply_with_reset(seg, out);
            } else if rst {
                self.refused(cx, out);
            } else if syn {
                self.finish_connect(cx, seg, out);
            }
            return;
        }
        let stale = self.saw_tstamp
            && self.ts_recent_stamp != 0
            && super::validate::paws_rejects(cx, self.ts_recent, self.ts_recent_stamp, self.rcv_tsval, false);
        if rst || stale || !syn {
            out.refused(if stale { Why::Paws } else { Why::Flags });
            return;
        }
        self.cross_syn(cx, seg, out);
    }

    /// Whether the ACK is for our SYN, and its echo not older than it.
    fn acceptable_in_syn_sent(&mut self, cx: &Cx<'_>, seg: &Segment, out: &mut impl Out) -> bool {
        if !seg.ack.after(self.snd_una) || seg.ack.after(self.snd_nxt) {
            out.refused(Why::Ack);
            if self.retransmits == 0 && cx.cfg.fast_syn_retry {
                // The answer comes from an older incarnation which our RST is about to end: try again soon.
                let soon = cx.cfg.timers.from_ticks(2);
                self.arm_transmit(cx, Pending::Retransmit, soon);
            }
            return false;
        }
        if self.saw_tstamp && self.rcv_tsecr != 0 {
            let first = self.retrans_stamp.wrapping_sub(1);
            let in_range = cx.millis().wrapping_sub(first) >= self.rcv_tsecr.wrapping_sub(first);
            if !in_range {
                out.count(Counter::TcpExtPAWSActive);
                out.refused(Why::Paws);
            }
            return in_range;
        }
        true
    }

    /// A RST answers our SYN. Some stacks try again before they report it.
    fn refused(&mut self, cx: &Cx<'_>, out: &mut impl Out) {
        if self.refused < cx.cfg.refused_retries {
            self.refused += 1;
            self.arm_transmit(cx, Pending::Retransmit, Span::from_millis(500));
        } else {
            self.reset_received(out);
        }
    }

    /// What both ways of meeting the peer's SYN have in common.
    fn take_syn(&mut self, cx: &Cx<'_>, seg: &Segment) {
        if self.saw_tstamp {
            self.tstamp_ok = true;
            self.store_ts_recent(cx);
        }
        self.sack_ok = cx.cfg.sack && seg.syn.sack_ok;
        if let (true, Some(scale)) = (cx.cfg.window_scaling, seg.syn.wscale) {
            self.wscale_ok = true;
            self.snd_wscale = scale.min(14);
        }
        self.rcv_nxt = seg.seq + 1;
        self.rcv_wup = self.rcv_nxt;
        self.copied_seq = self.rcv_nxt;
        self.mss_clamp = send_mss(cx, seg.syn.mss, self.tstamp_ok);
    }

    /// SYN,ACK: established.
    fn finish_connect(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) {
        self.snd_wl1 = seg.seq;
        self.undo_syn_timeout();
        let _ = self.acknowledge(cx, seg, false, out);
        // No ACK of data that comes at the same moment joins a SYN,ACK.
        self.acked_at = self.acked_at.wrapping_sub(1);
        self.take_syn(cx, seg);
        self.snd_wnd = u32::from(seg.win);
        self.max_window = self.max_window.max(self.snd_wnd);
        self.sync_mss();
        if !self.wscale_ok {
            self.rcv_wscale = 0;
            self.window_clamp = self.window_clamp.min(65_535);
        }
        if self.tstamp_ok {
            self.advmss -= TSTAMP_LEN;
        }
        self.initialize_rcv_mss();
        self.move_to(State::Established, out);
        self.lrcvtime = cx.ticks();
        self.initialize_transfer(cx);
        self.lsndtime = cx.ticks();
        if self.keepalive {
            self.arm_keepalive(cx, self.keep_times(cx).0);
        }
        if !self.orphan {
            out.notice(Notice::Connected);
        }
        if self.in_pingpong() {
            self.delay_first_ack(cx);
        } else {
            self.send_ack(cx, out);
            self.push_pending(cx, false, out);
        }
    }

    /// A SYN without ACK: simultaneous open.
    fn cross_syn(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) {
        self.move_to(State::SynRecv, out);
        self.take_syn(cx, seg);
        self.snd_wnd = u32::from(seg.win);
        self.snd_wl1 = seg.seq;
        self.max_window = self.snd_wnd;
        self.sync_mss();
        self.initialize_rcv_mss();
        let syn_ack = self.syn_segment(cx);
        self.flight.head_reshaped(cx.micros());
        out.count(Counter::TcpOutSegs);
        out.segment(syn_ack);
    }

    /// Windows and buffer for the data to come (`tcp_init_transfer`).
    pub(super) fn initialize_transfer(&mut self, cx: &Cx<'_>) {
        // RFC 5681 §3.1, relaxed: one lost SYN does not count against the first window.
        self.cwnd = if self.total_rto > 1 && self.undo.marker.is_some() { 1 } else { INITIAL_WINDOW };
        self.ca_state = CaState::Open;
        if self.srtt == 0 {
            // RFC 6298 §5.7: no sample from the handshake, so it was too slow for 1 s; unless the host knows the peer better
            // (`tcp_init_metrics`).
            let known = rto_of_peer(cx).unwrap_or(RTO_FALLBACK);
            self.rto = super::rtt::rounded_micros(cx.cfg, known.as_micros());
        }
        self.initialize_buffer(cx);
    }

    /// The full socket that a completed handshake makes of a request (`tcp_create_openreq_child`). The segment that
    /// completed it is to be processed next.
    pub(crate) fn from_request(cx: &Cx<'_>, req: &Handshake, seg: &Segment, out: &mut impl Out) -> Endpoint {
        let mut sock = Endpoint::blank(cx, CurrentState::SYN_RECV, req.isn + 1);
        sock.rcv_nxt = req.rcv_isn + 1;
        sock.rcv_wup = sock.rcv_nxt;
        sock.copied_seq = sock.rcv_nxt;
        sock.lrcvtime = cx.ticks();
        sock.snd_wl1 = req.rcv_isn;
        sock.window_clamp = req.window_clamp;
        sock.rcv_ssthresh = req.rcv_wnd;
        sock.rcv_wnd = req.rcv_wnd;
        sock.ts_offset = req.ts_offset;
        sock.sack_ok = req.sack_ok;
        sock.wscale_ok = req.wscale_ok;
        if req.wscale_ok {
            sock.snd_wscale = req.snd_wscale;
            sock.rcv_wscale = req.rcv_wscale;
        } else {
            sock.window_clamp = sock.window_clamp.min(65_535);
        }
        sock.snd_wnd = u32::from(seg.win) << sock.snd_wscale;
        sock.max_window = sock.snd_wnd;
        sock.tstamp_ok = req.tstamp_ok;
        // Taken over even if timestamps are not in use; a mini-socket may echo it some day.
        sock.ts_recent = req.ts_recent;
        if req.tstamp_ok {
            sock.ts_recent_stamp = cx.seconds();
        }
        sock.mss_clamp = send_mss(cx, req.mss, req.tstamp_ok);
        sock.sync_mss();
        sock.total_rto = req.num_timeout;
        sock.undo.marker = (req.num_timeout > 0).then_some(req.isn);
        sock.initialize_rcv_mss();
        if req.num_retrans == 0 && req.sent_at != Time::NEVER {
            sock.rtt_sample(cx, cx.now.since(req.sent_at).as_micros() as u32);
        }
        out.count(Counter::TcpPassiveOpens);
        sock
    }
}

/// The RTO that follows from what the host remembers of the peer, in whole ticks of its round-trip time.
fn rto_of_peer(cx: &Cx<'_>) -> Option<Span> {
    if !cx.cfg.metrics {
        return None;
    }
    cx.notes.ask_outside();
    let tick = cx.cfg.timers.from_ticks(1);
    let rtt = Span::from_micros(u64::from(cx.peer_rtt >> 3));
    let whole = Span(rtt.0 - rtt.0 % tick.0);
    (cx.peer_rtt > 0).then(|| whole + whole.times(2).max(cx.cfg.rto_min))
}

/// Smallest segment size that is believed (`tcp_min_snd_mss`).
const MIN_SND_MSS: u16 = 48;

/// The segment size towards the peer: what it offered (0 = nothing) and we can send, without the octets of timestamps.
fn send_mss(cx: &Cx<'_>, offered: u16, timestamps: bool) -> u16 {
    let offered = if offered == 0 { DEFAULT_MSS as u16 } else { offered };
    let cost = if timestamps { TSTAMP_LEN } else { 0 };
    offered.min(cx.cfg.mss).saturating_sub(cost).max(MIN_SND_MSS)
}
