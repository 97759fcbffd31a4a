//! What data cost in memory: buffers, the window that they leave, and the memory set aside for a socket.
//!
//! The kernel charges a socket for the buffers that hold its data, not for the data (`skb->truesize`, `sk_rmem_alloc`). How much of a
//! buffer is data it learns from the segments that arrive (`scaling_ratio`), and the window is that share of what is free. A
//! segment whose bytes follow the last ones in the queue joins their buffer (`tcp_try_coalesce`), and then costs its bytes
//! alone.
//!
//! Memory is set aside in whole pages (`sk_forward_alloc`), for sending and for receiving. A segment that fits into what is at hand may take
//! the fast path, another may not.

use super::config::Buffers;
use super::endpoint::Endpoint;
use super::{Cx, Segment};

/// Head and bookkeeping of a buffer that a Linux sender filled: `SKB_TRUESIZE` of a small head. Its bytes lie in pages beside it.
const PAGED_HEAD: u32 = 832;
/// Parts that a buffer can have (`MAX_SKB_FRAGS`).
pub(super) const MOST_PARTS: u8 = 17;
/// What a small buffer of one piece is charged, whatever it holds, and what a larger one (kmalloc'ed heads).
const SMALL_CHARGE: u32 = 960;
const LARGE_CHARGE: u32 = 2304;
/// Largest payload of a small buffer.
const SMALL: u32 = 256;
/// Memory is set aside for a socket in pages.
const PAGE: u32 = 4096;

/// Half of a buffer is data, until segments tell more (`TCP_DEFAULT_SCALING_RATIO`).
pub(super) const FIRST_RATIO: u8 = 128;

/// The share of a buffer that is data, in 256ths of it (`tcp_win_from_space`).
pub(super) const fn data_of(buffer: u32, ratio: u8) -> u32 {
    ((buffer as u64 * ratio as u64) >> 8) as u32
}

/// The memory a segment with so much payload is charged, in a buffer of its own.
const fn charge(buffers: Buffers, len: u32) -> u32 {
    match buffers {
        Buffers::Paged => PAGED_HEAD + len,
        Buffers::OnePiece if len <= SMALL => SMALL_CHARGE,
        Buffers::OnePiece => len.div_ceil(LARGE_CHARGE) * LARGE_CHARGE,
    }
}

impl Endpoint {
    /// Whether the memory at hand suffices for a segment.
    pub(super) fn memory_at_hand(&self, cx: &Cx<'_>, len: u32) -> bool {
        charge(cx.cfg.buffers, len) <= u32::from(self.forward)
    }

    /// Memory is set aside for `wanted`, of which `used` is used (`__sk_mem_schedule`, `sk_mem_charge`).
    fn take_memory(&mut self, wanted: u32, used: u32) {
        let at_hand = u32::from(self.forward);
        let more = wanted.saturating_sub(at_hand).next_multiple_of(PAGE);
        self.forward = (at_hand + more - used) as u16;
    }

    /// Memory comes back; whole pages of it are given away (`sk_mem_uncharge`).
    fn return_memory(&mut self, bytes: u32) {
        let at_hand = u32::from(self.forward) + bytes;
        self.forward = if at_hand >= PAGE { at_hand % PAGE } else { at_hand } as u16;
    }

    /// Data that follow what is queued are charged (`tcp_queue_rcv`).
    pub(super) fn charge_in_order(&mut self, cx: &Cx<'_>, len: u32) {
        let whole = charge(cx.cfg.buffers, len);
        let parts = self.parts_of(len);
        let joins = cx.cfg.buffers == Buffers::Paged
            && self.tail_parts > 0
            && u32::from(self.tail_parts) + u32::from(parts) <= u32::from(MOST_PARTS);
        let used = if joins { len } else { whole };
        self.tail_parts = if joins { self.tail_parts + parts } else { parts };
        self.take_memory(whole, used);
        self.rmem += used;
    }

    /// Data beyond a hole are charged.
    pub(super) fn charge_out_of_order(&mut self, cx: &Cx<'_>, len: u32) {
        let whole = charge(cx.cfg.buffers, len);
        self.take_memory(whole, whole);
        self.rmem += whole;
    }

    /// The application has read `copied` of `unread` bytes: all memory comes back with the last byte, else a byte for a byte.
    pub(super) fn uncharge(&mut self, cx: &Cx<'_>, unread: u32, copied: u32) {
        let left = if copied == unread && self.ofo.is_empty() {
            self.tail_parts = 0;
            0
        } else {
            self.rmem.saturating_sub(copied).max(charge(cx.cfg.buffers, 0))
        };
        self.return_memory(self.rmem.saturating_sub(left));
        self.rmem = left;
    }

    /// So many bytes are queued for sending, beside `before` that have not been sent yet.
    pub(super) fn charge_sending(&mut self, before: u32, bytes: u32) {
        let mss = u32::from(self.mss).max(1);
        let buffers = (before + bytes).div_ceil(mss) - before.div_ceil(mss);
        let used = buffers * PAGED_HEAD + bytes;
        self.take_memory(used, used);
    }

    /// So many bytes in so many segments are acknowledged.
    pub(super) fn uncharge_sending(&mut self, bytes: u32, packets: u16) {
        self.return_memory(u32::from(packets) * PAGED_HEAD + bytes);
    }

    /// What the free part of the receive buffer holds (`tcp_space`).
    pub(super) fn free_space(&self, cx: &Cx<'_>) -> u32 {
        data_of(cx.cfg.rcv_buf.saturating_sub(self.rmem), self.scaling_ratio)
    }

    /// A segment tells how much of its buffer is data (`tcp_measure_rcv_mss`, `tcp_set_window_clamp`).
    pub(super) fn learn_ratio(&mut self, cx: &Cx<'_>, seg: &Segment) {
        if cx.cfg.buffers == Buffers::OnePiece {
            return;
        }
        let ratio = ((seg.len << 8) / charge(cx.cfg.buffers, seg.len)).clamp(1, 255) as u8;
        if ratio == self.scaling_ratio {
            return;
        }
        self.scaling_ratio = ratio;
        let clamp = data_of(cx.cfg.rcv_buf, ratio);
        if clamp < self.window_clamp {
            self.rcv_ssthresh = self.rcv_ssthresh.min(clamp);
        } else {
            self.rcv_ssthresh = self.rcv_ssthresh.max(self.rcv_wnd.min(clamp));
        }
        self.window_clamp = clamp;
    }

    /// How much more may be offered after a segment, as a buffer of such segments would hold it (`tcp_grow_window`).
    pub(super) fn growth_after(&self, cx: &Cx<'_>, len: u32) -> u32 {
        let mut cost = data_of(charge(cx.cfg.buffers, len), self.scaling_ratio);
        if cx.cfg.buffers == Buffers::OnePiece || cost <= len {
            return (2 * u32::from(self.advmss)).max(2 * len);
        }
        // `__tcp_grow_window`: small segments would do no harm yet, as long as the window is small.
        let mut window = data_of(cx.cfg.rcv_buf_max, self.scaling_ratio);
        while self.rcv_ssthresh <= window >> 1 {
            (cost, window) = (cost >> 1, window >> 1);
            if cost <= len {
                return (2 * u32::from(self.rcv_mss)).max(2 * len);
            }
        }
        0
    }
}
