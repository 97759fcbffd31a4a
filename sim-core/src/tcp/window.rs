//! The receive window: what is offered first, and how it moves (`tcp_select_initial_window`, `__tcp_select_window`).
//!
//! The kernel wants to offer what the buffer can really hold, for data beyond it would be dropped. It never takes back
//! what it has offered (RFC 9293 §3.8.6), and it avoids windows of a few bytes (RFC 9293 §3.8.6.2.2). A part of a buffer, at first
//! half of it, is reckoned as bookkeeping (`buffers`), so a byte of window takes more than one of buffer:
//!
//! ```text
//! |<------------------------- rcv_buf ------------------------->|
//! |<- rmem: data unread or out of order ->|<-- still free ----->|
//!                                         |<- data: `free` ->|
//! ```
//!
//! Three more bounds; once the connection stands, each is at most the one before it:
//!
//! ```text
//! data_of(rcv_buf)    what an empty buffer holds
//! window_clamp        most that is ever offered; while a connection begins, only the scale bounds it
//! rcv_ssthresh        most that is offered now: it grows with each good-sized segment up to window_clamp, so that a peer
//!                     of tiny segments, which cost more buffer than they bring data, never gets a large window
//! ```
//!
//! The window is min(`free`, `rcv_ssthresh`), in units of the scale. In sequence space it hangs on the last ACK:
//!
//! ```text
//! copied_seq          rcv_wup        rcv_nxt               rcv_wup + rcv_wnd
//!     |---- unread ------|--- unread ---|-- receive_window() --|
//!                        |<------------- rcv_wnd ------------->|
//! ```

use super::buffers::{FIRST_RATIO, data_of};
use super::delack::DEFAULT_MSS;
use super::endpoint::Endpoint;
use super::{Cx, Out, TcpConfig};
use crate::counter::Counter;

/// Largest scale factor (RFC 7323 §2.3).
const MAX_SCALE: u8 = 14;
/// Octets that the timestamps option costs in each segment.
pub(crate) const TSTAMP_LEN: u16 = 12;

/// The first window of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InitialWindow {
    pub window: u32,
    pub clamp: u32,
    pub scale: u8,
}

/// What a SYN or SYN,ACK offers; `mss` without the octets of constant options.
pub(crate) fn initial_window(cfg: &TcpConfig, mss: u16, scaling: bool) -> InitialWindow {
    let mss = u32::from(mss).max(1);
    let space = data_of(cfg.rcv_buf, FIRST_RATIO);
    let rounded = if space > mss { space - space % mss } else { space };
    let mut scale = 0;
    if scaling {
        let largest = rounded.max(cfg.rcv_buf_max);
        while scale < MAX_SCALE && largest >> scale > 65_535 {
            scale += 1;
        }
    }
    let clamp = (65_535_u32 << scale).min(1 << 30);
    InitialWindow { window: rounded.min(clamp), clamp, scale }
}

impl Endpoint {
    /// What is left of the window last offered (`tcp_receive_window`).
    pub(super) fn receive_window(&self) -> u32 {
        (self.rcv_wup + self.rcv_wnd).diff(self.rcv_nxt).max(0) as u32
    }

    /// Whether the application has read everything, out-of-order data aside.
    pub(super) fn nothing_queued(&self) -> bool {
        self.rcv_nxt == self.copied_seq
    }

    /// Settles the segment size (`tcp_sync_mss`): a peer whose largest window is tiny is not sent segments that fill it.
    pub(super) fn sync_mss(&mut self) {
        let bound = if self.max_window > DEFAULT_MSS { self.max_window / 2 } else { self.max_window };
        let header = 20 + if self.tstamp_ok { u32::from(TSTAMP_LEN) } else { 0 };
        let most = if bound == 0 { u32::MAX } else { bound.max(68 - header) };
        self.mss = u32::from(self.mss_clamp).min(most) as u16;
    }

    /// First guess of the peer's segment size (`tcp_initialize_rcv_mss`).
    pub(super) fn initialize_rcv_mss(&mut self) {
        let hint = u32::from(self.advmss.min(self.mss)).min(self.rcv_wnd / 2).min(DEFAULT_MSS);
        self.rcv_mss = hint.max(88) as u16;
    }

    /// The buffer is sized once the connection stands (`tcp_init_buffer_space`).
    pub(super) fn initialize_buffer(&mut self, cx: &Cx<'_>) {
        const APP_WINDOW: u32 = 31;
        let most = data_of(cx.cfg.rcv_buf, self.scaling_ratio);
        let advmss = u32::from(self.advmss);
        if self.window_clamp >= most {
            self.window_clamp = most;
            if most > 4 * advmss {
                self.window_clamp = (most - (most >> APP_WINDOW)).max(4 * advmss);
            }
        }
        if self.window_clamp > 2 * advmss && self.window_clamp + advmss > most {
            self.window_clamp = (2 * advmss).max(most - advmss);
        }
        self.rcv_ssthresh = self.rcv_ssthresh.min(self.window_clamp);
    }

    /// Data arrive in good-sized segments: more may be offered (`tcp_grow_window`).
    pub(super) fn grow_receive_window(&mut self, cx: &Cx<'_>, len: u32) {
        let room = self.window_clamp.min(self.free_space(cx)).saturating_sub(self.rcv_ssthresh);
        let growth = self.growth_after(cx, len);
        if room > 0 && growth > 0 {
            self.rcv_ssthresh += room.min(growth);
            self.quick |= 1;
        }
    }

    /// The window that could be offered now.
    pub(super) fn select_window(&mut self, cx: &Cx<'_>) -> u32 {
        let all = data_of(cx.cfg.rcv_buf, self.scaling_ratio);
        let full = self.window_clamp.min(all);
        let mss = u32::from(self.rcv_mss).min(full);
        let mut free = self.free_space(cx);
        if free < full / 2 {
            self.quick = 0;
            free = free >> self.rcv_wscale << self.rcv_wscale;
            if free < all >> 4 || free < mss {
                return 0;
            }
        }
        free = free.min(self.rcv_ssthresh);
        if self.rcv_wscale > 0 {
            let unit = 1 << self.rcv_wscale;
            return free.div_ceil(unit) * unit;
        }
        let window = self.rcv_wnd;
        if window + mss <= free || window > free {
            free - free % mss.max(1)
        } else if mss == full && free > window + full / 2 {
            free
        } else {
            window
        }
    }

    /// Settles the window a segment is about to offer (`tcp_select_window`), in units of the wire.
    pub(super) fn offer_window(&mut self, cx: &Cx<'_>, out: &mut impl Out) -> u16 {
        let old = self.rcv_wnd;
        let current = self.receive_window();
        let mut new = self.select_window(cx);
        if new < current {
            // A window once offered is not taken back (RFC 9293 §3.8.6).
            if new == 0 {
                out.count(Counter::TcpExtTCPWantZeroWindowAdv);
            }
            let unit = 1 << self.rcv_wscale;
            new = current.div_ceil(unit) * unit;
        }
        self.rcv_wnd = new;
        self.rcv_wup = self.rcv_nxt;
        let wire = (new.min(65_535 << self.rcv_wscale) >> self.rcv_wscale) as u16;
        if wire == 0 {
            if old != 0 {
                out.count(Counter::TcpExtTCPToZeroWindowAdv);
            }
        } else if old == 0 {
            out.count(Counter::TcpExtTCPFromZeroWindowAdv);
        }
        wire
    }
}
