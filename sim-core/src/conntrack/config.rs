//! What can be set: `net.netfilter.nf_conntrack_*`.

use super::state::FlowState;
use crate::tcp::config::TimerModel;
use crate::time::Span;

/// Length of life of an entry after the packet that put it into a state
/// (`tcp_timeouts[]`, net/netfilter/nf_conntrack_proto_tcp.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timeouts {
    /// `nf_conntrack_tcp_timeout_syn_sent`.
    pub syn_sent: Span,
    /// `nf_conntrack_tcp_timeout_syn_recv`.
    pub syn_recv: Span,
    /// `nf_conntrack_tcp_timeout_established`.
    pub established: Span,
    /// `nf_conntrack_tcp_timeout_fin_wait`.
    pub fin_wait: Span,
    /// `nf_conntrack_tcp_timeout_close_wait`.
    pub close_wait: Span,
    /// `nf_conntrack_tcp_timeout_last_ack`.
    pub last_ack: Span,
    /// `nf_conntrack_tcp_timeout_time_wait`.
    pub time_wait: Span,
    /// `nf_conntrack_tcp_timeout_close`, also after any RST that is believed.
    pub close: Span,
    /// Simultaneous open. The kernel offers no sysctl for it.
    pub syn_sent2: Span,
    /// `nf_conntrack_tcp_timeout_max_retrans`: cap after `nf_conntrack_tcp_max_retrans` repetitions, or a closed window.
    pub max_retrans: Span,
    /// `nf_conntrack_tcp_timeout_unacknowledged`: cap while data or a FIN awaits its acknowledgment.
    pub unacknowledged: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            syn_sent: Span::from_secs(120),
            syn_recv: Span::from_secs(60),
            established: Span::from_secs(432_000),
            fin_wait: Span::from_secs(120),
            close_wait: Span::from_secs(60),
            last_ack: Span::from_secs(30),
            time_wait: Span::from_secs(120),
            close: Span::from_secs(10),
            syn_sent2: Span::from_secs(120),
            max_retrans: Span::from_secs(300),
            unacknowledged: Span::from_secs(300),
        }
    }
}

impl Timeouts {
    /// The timeout of a state, before any cap.
    pub const fn of(&self, state: FlowState) -> Span {
        match state {
            FlowState::None => Span::ZERO,
            FlowState::SynSent => self.syn_sent,
            FlowState::SynRecv => self.syn_recv,
            FlowState::Established => self.established,
            FlowState::FinWait => self.fin_wait,
            FlowState::CloseWait => self.close_wait,
            FlowState::LastAck => self.last_ack,
            FlowState::TimeWait => self.time_wait,
            FlowState::Close => self.close,
            FlowState::SynSent2 => self.syn_sent2,
        }
    }
}

/// The first scan of the garbage collector where nobody says or draws it: one whole period.
pub const FIRST_GC: Span = Span::from_secs(60);

/// `net.netfilter.nf_conntrack_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConntrackConfig {
    /// `nf_conntrack_max`: entries; 0 = unlimited.
    pub max: u32,
    /// `nf_conntrack_buckets`: buckets of the hash, at least 1. Fixed once the tracker exists.
    pub buckets: u32,
    /// `nf_conntrack_tcp_timeout_*`.
    pub timeouts: Timeouts,
    /// `nf_conntrack_tcp_loose`: a plain ACK without an entry is taken for a flow already under way.
    pub loose: bool,
    /// `nf_conntrack_tcp_be_liberal`: segments out of window are not INVALID.
    pub be_liberal: bool,
    /// `nf_conntrack_tcp_ignore_invalid_rst`: a RST below the window is not INVALID.
    pub ignore_invalid_rst: bool,
    /// `nf_conntrack_tcp_max_retrans`: repetitions of one ACK before the timeout is capped.
    pub max_retrans: u8,
    /// When the garbage collector's timer fires; also gives its jiffy (4 ms if exact). What counts is the value with
    /// which the tracker is made ([`Conntrack::new`](super::Conntrack::new) reads the jiffy there) and, for later scans,
    /// the value in force: it must be that of the host's other timers, so whoever builds the host sets it, last.
    pub timers: TimerModel,
    /// The first scan of the garbage collector. The worker runs from boot, so a scenario meets it at any phase of
    /// its period; `None`: the engine draws it where timers are a wheel, else [`FIRST_GC`].
    pub first_gc: Option<Span>,
    /// Entries of other network namespaces, all with long lives. The hash and its collector are one for the whole machine:
    /// what they have left counts in the average that sets the collector's pace.
    pub neighbours: u32,
}

impl Default for ConntrackConfig {
    /// A machine with more than 4 GiB of memory (`nf_conntrack_init_start`).
    fn default() -> Self {
        ConntrackConfig {
            max: 262_144,
            buckets: 262_144,
            timeouts: Timeouts::default(),
            loose: true,
            be_liberal: false,
            ignore_invalid_rst: false,
            max_retrans: 3,
            timers: TimerModel::Exact,
            first_gc: None,
            neighbours: 0,
        }
    }
}
