//! Segments that wait because the socket's owner is inside a call (`sock_owned_by_user`, `tcp_add_backlog`, `__release_sock`).
//!
//! While an application reads, the ACK of what it has read may bring more data at once. These wait, and become few: a segment whose bytes follow
//! those of the last one joins it, as long as its buffer has room for another part. So the socket sees one large segment where many were sent,
//! acknowledges it once, and counts it once.

use super::buffers::MOST_PARTS;
use super::endpoint::Endpoint;
use super::{Cx, Flags, Out, Segment, State, TsOption};

/// What waits: data in sequence, in parts of one size of which only the last may be smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Backlog {
    /// Bytes of each part. Outside of a call, those of a part of the segment that is being taken; 0 = it came as it was sent.
    pub size: u16,
    /// Bytes of the last part.
    last: u16,
    parts: u8,
    /// The first part that has not been taken carries PSH.
    push: bool,
    /// The owner is inside a call.
    pub owned: bool,
}

impl Backlog {
    /// Nothing waits.
    pub(super) const EMPTY: Backlog = Backlog { size: 0, last: 0, parts: 0, push: false, owned: false };

    fn len(self) -> u32 {
        u32::from(self.parts).saturating_sub(1) * u32::from(self.size) + u32::from(self.last)
    }
}

impl Endpoint {
    /// The application's recv() takes its time: until its next call it owns the socket.
    pub fn stay_in_recv(&mut self) {
        self.backlog.owned = true;
    }

    /// Whether a segment waits for the owner. Only plain data that change nothing but the stream do; all else is taken at once.
    pub(super) fn waits_for_owner(&mut self, seg: &Segment) -> bool {
        let state = matches!(self.state(), State::Established | State::FinWait1 | State::FinWait2);
        let plain = Flags(seg.flags.0 & !Flags::PSH.0) == Flags::ACK && seg.len > 0 && seg.sack.is_none();
        let nothing_new = seg.ack == self.snd_una
            && u32::from(seg.win) << self.snd_wscale == self.snd_wnd
            && seg.ts.is_some() == self.tstamp_ok;
        let log = &mut self.backlog;
        let follows = seg.seq == self.rcv_nxt + log.len();
        let (len, size) = (u16::try_from(seg.len).unwrap_or(0), u32::from(log.size));
        let fits = len > 0 && (log.parts == 0 || (u32::from(log.last) == size && seg.len <= size));
        if !(state && plain && nothing_new && follows && fits && self.ofo.is_empty() && log.parts < u8::MAX) {
            return false;
        }
        if log.parts == 0 {
            log.size = len;
        }
        log.push |= log.parts == 0 && seg.flags.has(Flags::PSH);
        log.last = len;
        log.parts += 1;
        self.parse_timestamps(seg, self.tstamp_ok);
        true
    }

    /// The owner lets go: what has waited is taken, as few segments.
    pub(super) fn release(&mut self, cx: &mut Cx<'_>, out: &mut impl Out) {
        let mut left = core::mem::take(&mut self.backlog);
        while left.parts > 0 {
            let parts = left.parts.min(MOST_PARTS);
            let taken =
                Backlog { parts, last: if parts < left.parts { left.size } else { left.last }, ..left };
            self.backlog.size = left.size;
            let flags = if left.push { Flags::ACK.with(Flags::PSH) } else { Flags::ACK };
            let seg = Segment {
                seq: self.rcv_nxt,
                ack: self.snd_una,
                win: (self.snd_wnd >> self.snd_wscale) as u16,
                len: taken.len(),
                flags,
                ts: self.tstamp_ok.then_some(TsOption { val: self.rcv_tsval, ecr: self.rcv_tsecr }),
                ..Segment::default()
            };
            let successor = self.process(cx, &seg, out);
            debug_assert!(successor.is_none(), "data without a FIN leave no mini-socket");
            left = Backlog { parts: left.parts - parts, push: false, ..left };
        }
        self.backlog.size = 0;
    }

    /// The bytes that a segment brought in one piece of the wire (`gso_size`).
    pub(super) fn part_of(&self, len: u32) -> u32 {
        match self.backlog.size {
            0 => len,
            size => len.min(u32::from(size)),
        }
    }

    /// Into how many parts of a buffer a segment goes.
    pub(super) fn parts_of(&self, len: u32) -> u8 {
        match self.backlog.size {
            0 => 1,
            size => len.div_ceil(u32::from(size)) as u8,
        }
    }
}
