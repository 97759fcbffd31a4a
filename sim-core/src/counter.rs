//! The kernel's counters, under the kernel's names.
//!
//! Names as `nstat` prints them (net/ipv4/proc.c), plus those of `conntrack -S` with the prefix `Ct`.

/// Declares the enum, its names and its count in one place.
macro_rules! counters {
    ($($name:ident: $doc:literal),* $(,)?) => {
        /// One kernel counter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Counter { $(#[doc = $doc] $name),* }

        impl Counter {
            /// Every counter, in order of declaration.
            pub const ALL: &'static [Counter] = &[$(Counter::$name),*];

            /// The kernel's name.
            pub const fn name(self) -> &'static str {
                match self { $(Counter::$name => stringify!($name)),* }
            }
        }
    };
}

counters! {
    TcpActiveOpens: "connect() queued its SYN.",
    TcpPassiveOpens: "A child was created from a request or a cookie.",
    TcpAttemptFails: "A SYN_SENT or SYN_RECV connection ended in error.",
    TcpEstabResets: "ESTABLISHED or CLOSE_WAIT went straight to CLOSED.",
    TcpInSegs: "Segments received, bad ones too.",
    TcpOutSegs: "Segments sent, without retransmitted ones of full sockets.",
    TcpRetransSegs: "Segments retransmitted, SYN and SYN,ACK too.",
    TcpInErrs: "Segments received in error.",
    TcpOutRsts: "RST segments sent.",
    TcpExtSyncookiesSent: "SYN,ACK sent with a cookie.",
    TcpExtSyncookiesRecv: "ACK received with a good cookie.",
    TcpExtSyncookiesFailed: "ACK received with a bad cookie.",
    TcpExtEmbryonicRsts: "A request was removed by a RST or a bad SYN.",
    TcpExtTW: "Mini-sockets scheduled for more than 4 s.",
    TcpExtTWRecycled: "connect() took over a TIME_WAIT tuple.",
    TcpExtTWKilled: "Mini-sockets scheduled for 4 s or less.",
    TcpExtPAWSActive: "SYN_SENT got a SYN,ACK with an impossible TSecr.",
    TcpExtPAWSEstab: "A segment failed PAWS on a full socket.",
    TcpExtPAWSTimewait: "A segment failed PAWS on a TIME_WAIT mini-socket.",
    TcpExtPAWSOldAck: "A pure old ACK failed PAWS and was dropped.",
    TcpExtTSEcrRejected: "A request got an ACK with a bad TSecr.",
    TcpExtBeyondWindow: "A segment ended beyond the window.",
    TcpExtDelayedACKs: "Delayed ACKs sent.",
    TcpExtDelayedACKLost: "A duplicate arrived, so an ACK was probably lost.",
    TcpExtListenOverflows: "The accept queue was full.",
    TcpExtListenDrops: "A SYN or ACK was dropped at a listener.",
    TcpExtTCPReqQFullDoCookies: "The SYN queue was full: cookie sent.",
    TcpExtTCPReqQFullDrop: "The SYN queue was full: SYN dropped.",
    TcpExtTCPTimeWaitOverflow: "A mini-socket was refused: tcp_max_tw_buckets.",
    TcpExtTCPAbortOnData: "Abort: data after close, or SO_LINGER 0.",
    TcpExtTCPAbortOnClose: "Abort: closed with unread data.",
    TcpExtTCPAbortOnMemory: "Abort: too many orphans or out of memory.",
    TcpExtTCPAbortOnTimeout: "Abort: retransmissions gave up.",
    TcpExtTCPAbortOnLinger: "Abort: closed in FIN_WAIT2 with a negative TCP_LINGER2.",
    TcpExtTCPTimeouts: "Retransmission timer expiries, SYN and SYN,ACK too.",
    TcpExtTCPSynRetrans: "SYN or SYN,ACK retransmitted.",
    TcpExtTCPLossProbes: "Tail loss probes sent.",
    TcpExtTCPLossProbeRecovery: "A tail loss probe repaired a loss.",
    TcpExtTCPLostRetransmit: "A retransmission was itself taken for lost.",
    TcpExtTCPFullUndo: "Fast recoveries undone at their end: nothing had been lost.",
    TcpExtTCPPartialUndo: "Fast recoveries undone at a partial ACK.",
    TcpExtTCPDSACKUndo: "Reductions undone: all that was sent again came twice.",
    TcpExtTCPLossUndo: "Recoveries after a timeout undone: nothing had been lost.",
    TcpExtTCPSpuriousRTOs: "Timeouts that new data showed to be too early (F-RTO).",
    TcpExtTCPSackRecovery: "Fast recoveries begun with selective acknowledgments.",
    TcpExtTCPFastRetrans: "Segments retransmitted in fast recovery.",
    TcpExtTCPSlowStartRetrans: "Segments retransmitted in slow start after a loss.",
    TcpExtTcpTimeoutRehash: "A timeout changed the flow's hash.",
    TcpExtTCPRenoReorder: "Duplicate ACKs beyond what was in flight.",
    TcpExtTCPOFOQueue: "Segments queued out of order.",
    TcpExtTCPOFOMerge: "Segments that overlapped the out-of-order queue.",
    TcpExtTCPDSACKOldSent: "D-SACK sent for an old segment.",
    TcpExtTCPDSACKRecv: "D-SACK received.",
    TcpExtTCPChallengeACK: "Challenge ACKs sent.",
    TcpExtTCPSYNChallenge: "SYN in a synchronised state.",
    TcpExtTCPACKSkippedSynRecv: "Reply suppressed in SYN_RECV.",
    TcpExtTCPACKSkippedPAWS: "Reply to a PAWS failure suppressed.",
    TcpExtTCPACKSkippedSeq: "Reply to an out-of-window segment suppressed.",
    TcpExtTCPACKSkippedFinWait2: "Reply suppressed by a FIN_WAIT2 mini-socket.",
    TcpExtTCPACKSkippedTimeWait: "Reply suppressed by a TIME_WAIT mini-socket.",
    TcpExtTCPACKSkippedChallenge: "Challenge ACK suppressed.",
    TcpExtTCPKeepAlive: "Keep-alive probes sent.",
    TcpExtTCPWinProbe: "Window probes sent.",
    TcpExtTCPFromZeroWindowAdv: "The advertised window left zero.",
    TcpExtTCPToZeroWindowAdv: "The advertised window became zero.",
    TcpExtTCPWantZeroWindowAdv: "The advertised window would have become zero.",
    TcpExtTCPZeroWindowDrop: "Data dropped: the window was zero.",
    TcpExtTCPOrigDataSent: "Data segments sent for the first time.",
    TcpExtTCPDelivered: "Data segments delivered.",
    TcpExtTCPPureAcks: "Pure ACKs received on the slow path.",
    TcpExtTCPHPAcks: "ACKs received on the fast path.",
    TcpExtTCPHPHits: "Data received on the fast path.",
    CtInvalid: "Packet judged INVALID.",
    CtInsertFailed: "Confirm lost to an identical tuple.",
    CtDrop: "Packet dropped by conntrack.",
    CtEarlyDrop: "Entries evicted to make room.",
    CtChainTooLong: "Insertion refused: a bucket's chain was too long.",
}

/// Which way a segment took through the kernel: `tcp_rcv_established`'s fast path, or the slow one. Not told of a run with
/// messages of more than one segment.
const PATHS: &[Counter] = &[Counter::TcpExtTCPPureAcks, Counter::TcpExtTCPHPAcks, Counter::TcpExtTCPHPHits];
/// These and all that count ACKs. Not told of a run with messages of more than two segments.
const PATHS_AND_ACKS: &[Counter] = &[
    Counter::TcpInSegs,
    Counter::TcpOutSegs,
    Counter::TcpExtDelayedACKs,
    Counter::TcpExtTCPPureAcks,
    Counter::TcpExtTCPHPAcks,
    Counter::TcpExtTCPHPHits,
];

impl Counter {
    /// What no report tells of a run whose largest message takes so many segments. How often a stream of segments is acknowledged, and
    /// which way each takes, hangs on the receive buffer's own tuning (`tcp_rcv_space_adjust`) and on how sent data are cut into buffers, which are
    /// not modelled; recordings show that these counters are then wrong in many runs.
    pub const fn not_told(segments: u32) -> &'static [Counter] {
        match segments {
            0 | 1 => &[],
            2 => PATHS,
            _ => PATHS_AND_ACKS,
        }
    }
}

/// How often each counter moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters([u64; Counter::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Counters([0; Counter::ALL.len()])
    }
}

impl Counters {
    /// The value of one counter.
    pub const fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }
    /// Adds one.
    pub const fn bump(&mut self, counter: Counter) {
        self.0[counter as usize] += 1;
    }
    /// Adds `n`.
    pub const fn add(&mut self, counter: Counter, n: u64) {
        self.0[counter as usize] += n;
    }
    /// The counters that moved, in order of declaration.
    pub fn moved(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.iter().map(|&c| (c, self.get(c))).filter(|&(_, n)| n != 0)
    }
}
