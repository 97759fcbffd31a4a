//! The application's calls: send, recv, shutdown, close (tcp.c).

use super::endpoint::{Endpoint, LINGER2_NEVER};
use super::{Cx, Linger2, Out, State, TimeWait};
use crate::counter::Counter;
use crate::errno::Errno;
use crate::time::Span;

/// Largest TCP_LINGER2 (`TCP_FIN_TIMEOUT_MAX`).
const LINGER2_MAX: Span = Span::from_secs(120);

impl Endpoint {
    /// send() on a non-blocking descriptor (`tcp_sendmsg_locked`).
    pub(super) fn send(&mut self, cx: &mut Cx<'_>, len: u32, out: &mut impl Out) -> Result<u32, Errno> {
        let connected = matches!(self.state(), State::Established | State::CloseWait);
        let connecting = matches!(self.state(), State::SynSent | State::SynRecv);
        if !connected && connecting && self.error.is_none() {
            return Err(Errno::Eagain);
        }
        if !connected || self.error.is_some() || self.snd_shutdown {
            return Err(self.take_error_or(Errno::Epipe));
        }
        let queued = self.write_seq.diff(self.snd_una) as u32;
        let taken = len.min(cx.cfg.snd_buf.saturating_sub(queued));
        if taken < len {
            self.want_space = true;
        }
        if taken == 0 && len > 0 {
            return Err(Errno::Eagain);
        }
        self.charge_sending(self.write_seq.diff(self.snd_nxt) as u32, taken);
        self.write_seq += taken;
        self.push_pending(cx, false, out);
        Ok(taken)
    }

    /// recv() on a non-blocking descriptor (`tcp_recvmsg_locked`).
    pub(super) fn recv(&mut self, cx: &mut Cx<'_>, len: u32, out: &mut impl Out) -> Result<u32, Errno> {
        let unread = self.rcv_nxt.diff(self.copied_seq) as u32;
        let fin_unread = unread > 0 && self.fin_received;
        let data = unread - u32::from(fin_unread);
        let copied = data.min(len);
        if self.state() != State::SynSent && (copied > 0 || fin_unread) {
            self.copied_seq += copied;
            if fin_unread && copied < len {
                self.copied_seq += 1;
            }
            self.uncharge(cx, data, copied);
            self.acknowledge_after_read(cx, copied, out);
            return Ok(copied);
        }
        if self.fin_received {
            Ok(0)
        } else if let Some(error) = self.error.take() {
            Err(error)
        } else if self.rcv_shutdown {
            Ok(0)
        } else if self.state() == State::Closed {
            Err(Errno::Enotconn)
        } else {
            Err(Errno::Eagain)
        }
    }

    /// The pending error, which is thereby taken, or else this one (`sk_stream_error`).
    fn take_error_or(&mut self, otherwise: Errno) -> Errno {
        self.error.take().unwrap_or(otherwise)
    }

    /// shutdown(SHUT_WR) (`inet_shutdown`, `tcp_shutdown`).
    pub(super) fn shutdown_write(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) -> Result<u32, Errno> {
        match self.state() {
            State::Closed => {
                self.snd_shutdown = true;
                return Err(Errno::Enotconn);
            }
            State::SynSent => self.disconnect(cx, out),
            State::Established | State::CloseWait => {
                self.snd_shutdown = true;
                self.close_state(cx, out);
            }
            _ => self.snd_shutdown = true,
        }
        Ok(0)
    }

    /// shutdown(SHUT_RD): nothing is sent; later data are still acknowledged.
    pub(super) fn shutdown_read(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) -> Result<u32, Errno> {
        match self.state() {
            State::Closed => {
                self.rcv_shutdown = true;
                return Err(Errno::Enotconn);
            }
            State::SynSent => self.disconnect(cx, out),
            _ => self.rcv_shutdown = true,
        }
        Ok(0)
    }

    /// Moves on because our side closes, and queues the FIN where that takes one (`tcp_close_state`).
    fn close_state(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        match self.state() {
            State::SynSent => self.move_to(State::Closed, out),
            State::SynRecv | State::Established => {
                self.move_to(State::FinWait1, out);
                self.send_fin(cx, out);
            }
            State::CloseWait => {
                self.move_to(State::LastAck, out);
                self.send_fin(cx, out);
            }
            _ => {}
        }
    }

    /// close() (`__tcp_close`); `abort`: SO_LINGER with 0 s. Answers the mini-socket that it leaves behind, if any.
    pub(super) fn close(&mut self, cx: &mut Cx<'_>, abort: bool, out: &mut impl Out) -> Option<TimeWait> {
        let unread = self.readable() > 0;
        self.rcv_shutdown = true;
        self.snd_shutdown = true;
        if self.state() == State::Closed {
            self.orphan = true;
            return None;
        }
        if unread {
            // RFC 2525 §2.17: data are lost, so the peer must know.
            out.count(Counter::TcpExtTCPAbortOnClose);
            self.tell_of_loss(out);
            self.abort_with_reset(cx, out);
        } else if abort {
            self.disconnect(cx, out);
            out.count(Counter::TcpExtTCPAbortOnData);
        } else {
            self.rmem = 0;
            self.copied_seq = self.rcv_nxt;
            self.close_state(cx, out);
        }
        self.orphan = true;
        cx.shared.orphans += 1;
        let successor =
            if self.state() == State::FinWait2 { self.orphaned_in_fin_wait2(cx, out) } else { None };
        if self.state() != State::Closed && cx.shared.orphans > cx.cfg.max_orphans {
            self.tell_of_loss(out);
            self.abort_with_reset(cx, out);
            out.count(Counter::TcpExtTCPAbortOnMemory);
        }
        successor
    }

    fn orphaned_in_fin_wait2(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) -> Option<TimeWait> {
        if self.linger2 == LINGER2_NEVER {
            self.abort_with_reset(cx, out);
            out.count(Counter::TcpExtTCPAbortOnLinger);
            return None;
        }
        let life = self.fin_time(cx);
        if life > cx.cfg.time_wait {
            self.arm_keepalive(cx, life - cx.cfg.time_wait);
            None
        } else {
            self.enter_time_wait(cx, Some(life), out)
        }
    }

    fn abort_with_reset(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        self.move_to(State::Closed, out);
        self.send_reset(cx, out);
    }

    /// Ends the connection at once (`tcp_disconnect`), with a RST in the states in which the peer has a connection too.
    fn disconnect(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        let old = self.state();
        self.tell_of_loss(out);
        self.move_to(State::Closed, out);
        let needs_reset = matches!(
            old,
            State::Established | State::CloseWait | State::FinWait1 | State::FinWait2 | State::SynRecv
        );
        let fin_unsent = self.has_unsent() && matches!(old, State::Closing | State::LastAck);
        if needs_reset || fin_unsent {
            self.send_reset(cx, out);
        }
        if needs_reset || fin_unsent || old == State::SynSent {
            self.error = Some(Errno::Econnreset);
        }
        self.purge_send_queue();
        self.ofo.clear();
        self.rmem = 0;
        self.copied_seq = self.rcv_nxt;
        self.rcv_shutdown = false;
        self.snd_shutdown = false;
        self.fin_received = false;
    }

    /// The listener is closed under a child that was never accepted (`inet_csk_listen_stop`).
    pub(super) fn disconnect_unaccepted(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        if self.state() != State::Closed {
            self.disconnect(cx, out);
            cx.shared.orphans += 1;
        }
        self.orphan = true;
    }

    /// TCP_LINGER2
    pub(super) fn set_linger2(&mut self, linger: Linger2) {
        self.linger2 = match linger {
            Linger2::Sysctl => 0,
            Linger2::Never => LINGER2_NEVER,
            Linger2::For(time) => time.min(LINGER2_MAX).as_millis() as u32,
        };
    }
}
