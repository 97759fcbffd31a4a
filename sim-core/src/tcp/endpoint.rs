//! One connection as a value: its variables, and the verbs of its face.

use super::backlog::Backlog;
use super::delack::AckState;
use super::flight::Flight;
use super::reassembly::OutOfOrder;
use super::state::CurrentState;
use super::undo::Undo;
use super::{Cx, Fate, Input, KeepTimes, Notice, Out, Segment, State, Step, TimeWait, Timestamps};
use crate::counter::Counter;
use crate::errno::Errno;
use crate::seq::Seq;
use crate::time::Time;

/// What the transmit timer is armed for (`icsk_pending`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Pending {
    #[default]
    None,
    Retransmit,
    LossProbe,
    Persist,
}

/// Congestion state (`icsk_ca_state`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum CaState {
    #[default]
    Open,
    Disorder,
    Recovery,
    Loss,
}

/// `TCP_LINGER2` in as little room as possible: 0 = sysctl, MAX = never, else milliseconds.
pub(super) const LINGER2_NEVER: u32 = u32::MAX;

/// A full TCP socket.
///
/// Field names are the kernel's where it has one (`struct tcp_sock`, `struct inet_connection_sock`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub(super) xmit_at: Time,
    pub(super) delack_at: Time,
    pub(super) keep_at: Time,

    pub(super) snd_una: Seq,
    pub(super) snd_nxt: Seq,
    pub(super) write_seq: Seq,
    pub(super) snd_wl1: Seq,
    pub(super) snd_sml: Seq,
    pub(super) snd_wnd: u32,
    pub(super) max_window: u32,
    pub(super) bytes_acked: u32,
    pub(super) flight: Flight,

    pub(super) rcv_nxt: Seq,
    pub(super) copied_seq: Seq,
    pub(super) rcv_wup: Seq,
    pub(super) rcv_wnd: u32,
    pub(super) rcv_ssthresh: u32,
    pub(super) window_clamp: u32,
    /// Memory charged for unread and out-of-order data (`sk_rmem_alloc`).
    pub(super) rmem: u32,
    /// Memory set aside and not in use (`sk_forward_alloc`).
    pub(super) forward: u16,
    /// Segments in the last buffer of the receive queue; 0 = there is none.
    pub(super) tail_parts: u8,
    /// The share of a buffer that is data, in 256ths (`scaling_ratio`).
    pub(super) scaling_ratio: u8,
    pub(super) ofo: OutOfOrder,
    pub(super) backlog: Backlog,
    /// Microsecond of the last ACK that was taken, modulo 2³².
    pub(super) acked_at: u32,
    /// Data that came twice, to be reported once (D-SACK, RFC 2883).
    pub(super) dsack: Option<(Seq, Seq)>,

    pub(super) ts_offset: u32,
    pub(super) ts_recent: u32,
    pub(super) ts_recent_stamp: u32,
    pub(super) rcv_tsval: u32,
    pub(super) rcv_tsecr: u32,

    pub(super) lrcvtime: u32,
    pub(super) rcv_tstamp: u32,
    pub(super) lsndtime: u32,
    pub(super) ato: u32,
    pub(super) last_oow_ack: u32,

    /// RTO in microseconds, in whole ticks.
    pub(super) rto: u32,
    pub(super) srtt: u32,
    pub(super) mdev: u32,
    pub(super) mdev_max: u32,
    pub(super) rttvar: u32,
    pub(super) rtt_seq: Seq,
    /// Smallest sample of the round-trip time, microseconds; MAX = none.
    pub(super) min_rtt: u32,
    /// Millisecond of the first retransmission (of the SYN while connecting), plus one; 0 = none.
    pub(super) retrans_stamp: u32,

    pub(super) cwnd: u32,
    pub(super) cwnd_cnt: u32,
    pub(super) ssthresh: u32,
    pub(super) high_seq: Seq,
    pub(super) retransmit_high: Seq,
    pub(super) tlp_high_seq: Seq,
    /// The lowest stretch beyond SND.UNA that the peer has; equal ends = none.
    pub(super) sacked: (Seq, Seq),
    pub(super) undo: Undo,

    pub(super) linger2: u32,
    /// TCP_USER_TIMEOUT in milliseconds; 0 = none.
    pub(super) user_timeout: u32,
    /// Tick at which probing of a closed window began (`icsk_probes_tstamp`); 0 = it has not.
    pub(super) probes_stamp: u32,
    pub(super) keep: KeepTimes,
    /// Segment size in use; and as far as options and path go.
    pub(super) mss: u16,
    pub(super) mss_clamp: u16,
    pub(super) advmss: u16,
    pub(super) rcv_mss: u16,
    pub(super) last_seg_size: u16,
    pub(super) sacked_out: u16,
    pub(super) lost_out: u16,

    pub(super) state: CurrentState,
    pub(super) pending: Pending,
    pub(super) ca_state: CaState,
    pub(super) error: Option<Errno>,
    pub(super) retransmits: u8,
    pub(super) backoff: u8,
    pub(super) total_rto: u8,
    pub(super) probes_out: u8,
    pub(super) reordering: u8,
    pub(super) snd_wscale: u8,
    pub(super) rcv_wscale: u8,
    pub(super) ack_pending: AckState,
    pub(super) quick: u8,
    pub(super) pingpong: u8,
    pub(super) refused: u8,
    pub(super) tstamp_ok: bool,
    pub(super) wscale_ok: bool,
    pub(super) sack_ok: bool,
    pub(super) saw_tstamp: bool,
    pub(super) fin_queued: bool,
    pub(super) rcv_shutdown: bool,
    pub(super) snd_shutdown: bool,
    /// A FIN was taken in sequence (`SOCK_DONE`).
    pub(super) fin_received: bool,
    /// No descriptor refers to it (`SOCK_DEAD`).
    pub(super) orphan: bool,
    pub(super) nodelay: bool,
    pub(super) keepalive: bool,
    pub(super) tlp_pending: bool,
    pub(super) tlp_retrans: bool,
    /// It is not known yet whether the retransmission timer fired for a loss (F-RTO, RFC 5682).
    pub(super) frto: bool,
    pub(super) want_space: bool,
    /// Our SYN is the oldest segment in flight.
    pub(super) syn_in_flight: bool,
}

/// What poll() reports (`tcp_poll`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Poll {
    /// Something to read: data, end of file or an error.
    pub input: bool,
    /// A write would be taken.
    pub output: bool,
    /// The peer has shut down its side.
    pub read_hang_up: bool,
    /// Both sides are shut down.
    pub hang_up: bool,
    /// An error is pending.
    pub error: bool,
}

/// What the transmit side is waiting for, as sock_diag shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArmedTimer {
    /// Retransmission or tail loss probe.
    Retransmit(Time),
    /// Zero-window probe.
    Persist(Time),
    /// Keep-alive or FIN_WAIT2.
    KeepAlive(Time),
}

impl Endpoint {
    /// Takes one step.
    pub fn step(&mut self, cx: &mut Cx<'_>, input: Input, out: &mut impl Out) -> Step {
        let before = self.state();
        let mut answer = Ok(0);
        let mut successor = None;
        if self.backlog.owned && !matches!(input, Input::Segment(_) | Input::Timer) {
            self.release(cx, out);
        }
        match input {
            Input::Segment(seg) => successor = self.process(cx, &seg, out),
            Input::Timer => successor = self.on_timer(cx, out),
            Input::Send { len } => answer = self.send(cx, len, out),
            Input::Recv { len } => answer = self.recv(cx, len, out),
            Input::ShutdownWrite => answer = self.shutdown_write(cx, out),
            Input::ShutdownRead => answer = self.shutdown_read(cx, out),
            Input::Close => successor = self.close(cx, false, out),
            Input::Abort => successor = self.close(cx, true, out),
            Input::Disconnect => self.disconnect_unaccepted(cx, out),
            Input::TakeError => answer = self.error.take().map_or(Ok(0), Err),
            Input::SetLinger2(linger) => self.set_linger2(linger),
            Input::SetNoDelay(on) => {
                self.nodelay = on;
                if on {
                    self.push_pending(cx, true, out);
                }
            }
            Input::SetKeepAlive(on) => self.set_keepalive(cx, on),
            Input::SetKeepTimes(times) => self.keep = times,
            Input::SetUserTimeout(millis) => self.user_timeout = millis,
        }
        Step { fate: self.fate(cx, before, successor), answer }
    }

    /// A segment has arrived: [`Input::Segment`] without the copy.
    pub fn arrive(&mut self, cx: &mut Cx<'_>, seg: &Segment, out: &mut impl Out) -> Fate {
        let before = self.state();
        let successor = self.process(cx, seg, out);
        self.fate(cx, before, successor)
    }

    /// What the step means for the driver's tables, and for the count of orphans.
    fn fate(&self, cx: &mut Cx<'_>, before: State, successor: Option<TimeWait>) -> Fate {
        if self.state() != State::Closed {
            return Fate::Keep;
        }
        if before == State::Closed {
            return if self.orphan { Fate::Gone } else { Fate::Keep };
        }
        if self.orphan {
            cx.shared.orphans = cx.shared.orphans.saturating_sub(1);
        }
        successor.map_or(Fate::Gone, Fate::TimeWait)
    }

    /// When the endpoint next wants [`Input::Timer`].
    pub fn next_deadline(&self) -> Option<Time> {
        let first = self.xmit_at.min(self.delack_at).min(self.keep_at);
        (first != Time::NEVER).then_some(first)
    }
    /// The state.
    pub const fn state(&self) -> State {
        self.state.get()
    }
    /// Whether a descriptor (or a listener's accept queue) still refers to it. A CLOSED endpoint without an owner may
    /// be dropped.
    pub const fn has_owner(&self) -> bool {
        !self.orphan
    }
    /// Bytes that may be read (FIONREAD).
    pub fn readable(&self) -> u32 {
        if matches!(self.state(), State::SynSent | State::SynRecv) {
            return 0;
        }
        let unread = self.rcv_nxt.diff(self.copied_seq) as u32;
        unread - u32::from(unread > 0 && self.fin_received)
    }
    /// Bytes (and FIN) not yet acknowledged by the peer (SIOCOUTQ).
    pub fn unacknowledged(&self) -> u32 {
        self.write_seq.diff(self.snd_una).max(0) as u32
    }
    /// The error that SO_ERROR would give, without taking it.
    pub const fn pending_error(&self) -> Option<Errno> {
        self.error
    }
    /// SND.NXT.
    pub const fn snd_nxt(&self) -> Seq {
        self.snd_nxt
    }
    /// SND.UNA.
    pub const fn snd_una(&self) -> Seq {
        self.snd_una
    }
    /// RCV.NXT.
    pub const fn rcv_nxt(&self) -> Seq {
        self.rcv_nxt
    }
    /// Smoothed round-trip time in microseconds; 0 = no sample yet.
    pub const fn srtt_micros(&self) -> u32 {
        self.srtt >> 3
    }
    /// Congestion window in segments.
    pub const fn congestion_window(&self) -> u32 {
        self.cwnd
    }

    /// What poll() would report now.
    pub fn poll(&self) -> Poll {
        let connected = !matches!(self.state(), State::SynSent | State::SynRecv);
        let room = self.snd_shutdown || !self.want_space;
        Poll {
            input: self.rcv_shutdown || (connected && self.rcv_nxt != self.copied_seq),
            output: connected && room,
            read_hang_up: self.rcv_shutdown,
            hang_up: self.state() == State::Closed || (self.rcv_shutdown && self.snd_shutdown),
            error: self.error.is_some(),
        }
    }

    /// The timer that `ss -o` would show; delayed ACKs are not shown.
    pub fn armed_timer(&self) -> Option<ArmedTimer> {
        match self.pending {
            Pending::Retransmit | Pending::LossProbe => Some(ArmedTimer::Retransmit(self.xmit_at)),
            Pending::Persist => Some(ArmedTimer::Persist(self.xmit_at)),
            Pending::None => (self.keep_at != Time::NEVER).then_some(ArmedTimer::KeepAlive(self.keep_at)),
        }
    }

    /// The connection moves to another state, and the record is told.
    pub(super) fn move_to(&mut self, to: State, out: &mut impl Out) {
        let from = self.state();
        if from == to {
            return;
        }
        if to == State::Closed && matches!(from, State::Established | State::CloseWait) {
            out.count(Counter::TcpEstabResets);
        }
        out.moved(from, to);
        self.set_state(to);
    }

    /// Nothing is timed in CLOSED.
    fn set_state(&mut self, to: State) {
        self.state.set(to);
        if to == State::Closed {
            self.disarm();
        }
    }

    /// The connection is over (`tcp_done`).
    pub(super) fn done(&mut self, out: &mut impl Out) {
        if matches!(self.state(), State::SynSent | State::SynRecv) {
            out.count(Counter::TcpAttemptFails);
        }
        self.move_to(State::Closed, out);
        self.finish(out);
    }

    /// A mini-socket goes on in the endpoint's place. The endpoint is over, yet the connection has not moved.
    pub(super) fn hand_over(&mut self, out: &mut impl Out) {
        self.set_state(State::Closed);
        self.finish(out);
    }

    fn finish(&mut self, out: &mut impl Out) {
        self.rcv_shutdown = true;
        self.snd_shutdown = true;
        if !self.orphan && self.error.is_none() {
            out.notice(Notice::Finished);
        }
    }

    /// The connection ends in an error that the application is told of.
    pub(super) fn fail(&mut self, error: Errno, out: &mut impl Out) {
        self.error = Some(error);
        self.tell_of_loss(out);
        self.purge_send_queue();
        self.done(out);
        if !self.orphan {
            out.notice(Notice::Error(error));
        }
    }

    /// What the end of the connection costs: bytes on their way, or come and not read.
    pub(super) fn tell_of_loss(&self, out: &mut impl Out) {
        if matches!(self.state(), State::Closed | State::SynSent | State::SynRecv) {
            return;
        }
        let unacknowledged = self.data_end().diff(self.snd_una).max(0) as u32;
        let bytes = unacknowledged + self.readable();
        if bytes > 0 {
            out.cut_off(bytes);
        }
    }

    /// A RST was taken (`tcp_reset`); the errno depends on the state.
    pub(super) fn reset_received(&mut self, out: &mut impl Out) {
        match self.state() {
            State::Closed => {}
            State::SynSent => self.fail(Errno::Econnrefused, out),
            State::CloseWait => self.fail(Errno::Epipe, out),
            _ => self.fail(Errno::Econnreset, out),
        }
    }

    /// Nothing will be sent any more (`tcp_write_queue_purge`).
    pub(super) fn purge_send_queue(&mut self) {
        self.flight.clear();
        self.snd_una = self.snd_nxt;
        self.write_seq = self.snd_nxt;
        self.backoff = 0;
    }

    /// Where the data end, without the FIN.
    pub(super) fn data_end(&self) -> Seq {
        self.write_seq - u32::from(self.fin_queued)
    }
    /// Whether something waits to be sent for the first time.
    pub(super) fn has_unsent(&self) -> bool {
        self.write_seq.after(self.snd_nxt)
    }
    /// The right edge of the peer's window (`tcp_wnd_end`).
    pub(super) fn window_end(&self) -> Seq {
        self.snd_una + self.snd_wnd
    }
    /// Whether timestamps may be offered.
    pub(super) const fn timestamps_allowed(cx: &Cx<'_>) -> bool {
        !matches!(cx.cfg.timestamps, Timestamps::Off)
    }
}
