//! A TCP segment as meaning, not bytes. Payload is a length; its stream offset is its sequence number.

use crate::seq::Seq;

/// The six classic flags as independent bits: a state machine must be tried with every mix of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Flags = Flags(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Flags = Flags(0x02);
    /// Reset.
    pub const RST: Flags = Flags(0x04);
    /// Push.
    pub const PSH: Flags = Flags(0x08);
    /// The acknowledgment field counts.
    pub const ACK: Flags = Flags(0x10);
    /// The urgent pointer counts.
    pub const URG: Flags = Flags(0x20);
    /// SYN and ACK.
    pub const SYN_ACK: Flags = Flags(0x12);
    /// FIN and ACK.
    pub const FIN_ACK: Flags = Flags(0x11);
    /// RST and ACK.
    pub const RST_ACK: Flags = Flags(0x14);
    /// PSH and ACK.
    pub const PSH_ACK: Flags = Flags(0x18);

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
    /// Both sets together.
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// The timestamps option (RFC 7323 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TsOption {
    /// TSval, milliseconds plus the connection's offset.
    pub val: u32,
    /// TSecr.
    pub ecr: u32,
}

/// Options that only a SYN carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SynOptions {
    /// Maximum segment size; 0 = absent.
    pub mss: u16,
    /// Window scale (RFC 7323 §2).
    pub wscale: Option<u8>,
    /// SACK permitted (RFC 2018 §2).
    pub sack_ok: bool,
}

/// One segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Segment {
    /// SEG.SEQ.
    pub seq: Seq,
    /// SEG.ACK, meaningful if [`Flags::ACK`] is set.
    pub ack: Seq,
    /// Payload, bytes.
    pub len: u32,
    /// SEG.WND as on the wire, unscaled.
    pub win: u16,
    /// Flags.
    pub flags: Flags,
    /// Timestamps option.
    pub ts: Option<TsOption>,
    /// Options of a SYN; all absent otherwise.
    pub syn: SynOptions,
    /// The first SACK block (RFC 2018 §3), or none: what was received last, or came twice (RFC 2883).
    pub sack: Option<(Seq, Seq)>,
    /// The second SACK block. The model reports no more.
    pub sack2: Option<(Seq, Seq)>,
    /// The segment was sent before, at least in part.
    pub rtx: bool,
}

impl Segment {
    /// Sequence space occupied: payload, SYN and FIN.
    pub const fn seq_len(&self) -> u32 {
        self.len + self.flags.has(Flags::SYN) as u32 + self.flags.has(Flags::FIN) as u32
    }
    /// The sequence number after the segment.
    pub fn end(&self) -> Seq {
        self.seq + self.seq_len()
    }
}
