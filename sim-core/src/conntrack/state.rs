//! The states of a tracked flow, and the table of its moves.

use crate::errno::named;
use crate::tcp::Flags;

named! {
    /// The state of a flow. The names speak of the connection as seen from the middle, not of one end: FIN_WAIT = one
    /// FIN seen, CLOSE_WAIT = it was acknowledged, LAST_ACK = both FINs seen, TIME_WAIT = the last ACK seen.
    /// The order is the kernel's own (include/uapi/linux/netfilter/nf_conntrack_tcp.h).
    FlowState {
        /// No packet accepted yet; no entry is ever in it.
        None = "NONE",
        /// SYN seen.
        SynSent = "SYN_SENT",
        /// SYN,ACK seen.
        SynRecv = "SYN_RECV",
        /// The ACK of the SYN,ACK seen, or a flow picked up on its way.
        Established = "ESTABLISHED",
        /// One FIN seen.
        FinWait = "FIN_WAIT",
        /// One FIN seen and acknowledged.
        CloseWait = "CLOSE_WAIT",
        /// Both FINs seen.
        LastAck = "LAST_ACK",
        /// Both FINs seen and acknowledged.
        TimeWait = "TIME_WAIT",
        /// RST seen.
        Close = "CLOSE",
        /// A SYN from each side seen.
        SynSent2 = "SYN_SENT2",
    }
}

impl FlowState {
    /// The state of a number, of which the lower four bits count.
    pub(super) const fn of_bits(bits: u8) -> FlowState {
        const STATES: [FlowState; 16] = {
            let mut all = [FlowState::None; 16];
            let mut i = 0;
            while i < FlowState::ALL.len() {
                all[i] = FlowState::ALL[i];
                i += 1;
            }
            all
        };
        STATES[(bits & 0x0f) as usize]
    }

    /// Whether the connection is ending: such entries go first under pressure, and a RST needs no exact number
    /// (`tcp_can_early_drop`).
    pub const fn closing(self) -> bool {
        matches!(
            self,
            FlowState::FinWait
                | FlowState::CloseWait
                | FlowState::LastAck
                | FlowState::TimeWait
                | FlowState::Close
        )
    }
}

/// A direction of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dir {
    /// As the first packet went.
    #[default]
    Original,
    /// The way back.
    Reply,
}

impl Dir {
    /// The direction that a node of the table stands for.
    pub(super) const fn of_node(node: u32) -> Dir {
        if node & 1 == 0 { Dir::Original } else { Dir::Reply }
    }

    /// The other direction.
    pub const fn other(self) -> Dir {
        match self {
            Dir::Original => Dir::Reply,
            Dir::Reply => Dir::Original,
        }
    }
}

/// What a segment is to the table: the one flag that counts (`get_conntrack_index`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    Syn,
    SynAck,
    Fin,
    Ack,
    Rst,
    None,
}

impl Class {
    /// The class of a number, of which the lower three bits count.
    pub(super) const fn of_bits(bits: u8) -> Class {
        match bits & 0x07 {
            0 => Class::Syn,
            1 => Class::SynAck,
            2 => Class::Fin,
            3 => Class::Ack,
            4 => Class::Rst,
            _ => Class::None,
        }
    }

    pub(super) const fn of(flags: Flags) -> Class {
        if flags.has(Flags::RST) {
            Class::Rst
        } else if flags.has(Flags::SYN) {
            if flags.has(Flags::ACK) { Class::SynAck } else { Class::Syn }
        } else if flags.has(Flags::FIN) {
            Class::Fin
        } else if flags.has(Flags::ACK) {
            Class::Ack
        } else {
            Class::None
        }
    }
}

/// Whether the mix of flags is one that TCP can mean (`tcp_valid_flags`). PSH is always fine.
pub(super) const fn valid_flags(flags: Flags) -> bool {
    const SYN: u8 = Flags::SYN.0;
    const RST: u8 = Flags::RST.0;
    const ACK: u8 = Flags::ACK.0;
    const URG: u8 = Flags::URG.0;
    const SYN_URG: u8 = SYN | URG;
    const SYN_ACK: u8 = Flags::SYN_ACK.0;
    const RST_ACK: u8 = Flags::RST_ACK.0;
    const FIN_ACK: u8 = Flags::FIN_ACK.0;
    const FIN_ACK_URG: u8 = FIN_ACK | URG;
    const ACK_URG: u8 = ACK | URG;
    matches!(
        flags.0 & !Flags::PSH.0,
        SYN | SYN_URG | SYN_ACK | RST | RST_ACK | FIN_ACK | FIN_ACK_URG | ACK | ACK_URG
    )
}

/// An entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlowMove {
    /// To this state, if the window agrees.
    To(FlowState),
    /// The packet passes, the flow stays: the two ends may know better than we do.
    Ignore,
    /// The packet is INVALID.
    Invalid,
}

/// The move of a flow in state `from` on a segment.
pub(super) const fn next(dir: Dir, class: Class, from: FlowState) -> FlowMove {
    TABLE[dir as usize][class as usize][from as usize]
}

const NO: usize = FlowState::ALL.len();
const SS: FlowMove = FlowMove::To(FlowState::SynSent);
const SR: FlowMove = FlowMove::To(FlowState::SynRecv);
const ES: FlowMove = FlowMove::To(FlowState::Established);
const FW: FlowMove = FlowMove::To(FlowState::FinWait);
const CW: FlowMove = FlowMove::To(FlowState::CloseWait);
const LA: FlowMove = FlowMove::To(FlowState::LastAck);
const TW: FlowMove = FlowMove::To(FlowState::TimeWait);
const CL: FlowMove = FlowMove::To(FlowState::Close);
const S2: FlowMove = FlowMove::To(FlowState::SynSent2);
const IG: FlowMove = FlowMove::Ignore;
const IV: FlowMove = FlowMove::Invalid;

/// `tcp_conntracks[2][6][TCP_CONNTRACK_MAX]`. Columns in the order of [`FlowState`], rows in that of [`Class`].
#[rustfmt::skip]
const TABLE: [[[FlowMove; NO]; 6]; 2] = [
    [   // none SS  SR  ES  FW  CW  LA  TW  CL  S2      original direction
        [SS, SS, IG, IG, IG, IG, IG, SS, SS, S2], // SYN
        [IV, IV, SR, IV, IV, IV, IV, IV, IV, SR], // SYN,ACK
        [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV], // FIN
        [ES, IV, ES, ES, CW, CW, TW, TW, CL, IV], // ACK
        [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL], // RST
        [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV], // none of them
    ],
    [   // none SS  SR  ES  FW  CW  LA  TW  CL  S2      reply direction
        [IV, S2, IV, IV, IV, IV, IV, SS, IV, S2], // SYN
        [IV, SR, IG, IG, IG, IG, IG, IG, IG, SR], // SYN,ACK
        [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV], // FIN
        [IV, IG, SR, ES, CW, CW, TW, TW, CL, IG], // ACK
        [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL], // RST
        [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV], // none of them
    ],
];
