//! Stacks as tables of parameters: what a host begins with before its sysctls are applied.
//!
//! Sources: Linux source trees by version; FreeBSD tcp(4) and sys/netinet; Apple xnu bsd/netinet; Microsoft KB 929851
//! and the TcpTimedWaitDelay pages; RFC 793 §3.3, RFC 9293 §3.4.2.

use crate::errno::{Errno, named};
use crate::scenario::{PortChoice, PortConfig};
use crate::tcp::TcpConfig;
use crate::tcp::config::{
    IsnPolicy, ReuseDelay, TimeWaitPolicy, TimerModel, Timestamps, TwOverflow, TwReuse,
};
use crate::time::Span;

named! {
    /// A stack that a host can run.
    Stack {
        /// Linux 4.9: tcp_tw_reuse 0 by default, no fast SYN retry, small perturbation table.
        Linux4_9 = "linux(\"4.9\")",
        /// Linux 4.19: tcp_tw_reuse 2.
        Linux4_19 = "linux(\"4.19\")",
        /// Linux 5.15: somaxconn 4096, fast SYN retry.
        Linux5_15 = "linux(\"5.15\")",
        /// Linux 6.1: no host-wide limit on challenge ACKs.
        Linux6_1 = "linux(\"6.1\")",
        /// Linux 6.12: linear SYN timeouts.
        Linux6_12 = "linux(\"6.12\")",
        /// Linux 6.18: the default; what the recordings were made on.
        Linux6_18 = "linux",
        /// FreeBSD.
        FreeBsd = "freebsd",
        /// macOS (Darwin).
        MacOs = "macos",
        /// Windows.
        Windows = "windows",
        /// A strict reading of RFC 793: 2 MSL of 4 minutes, a SYN in the window of TIME_WAIT gets a RST.
        Rfc793 = "rfc793",
    }
}

/// What a stack begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// TCP parameters.
    pub tcp: TcpConfig,
    /// Ephemeral ports.
    pub ports: PortConfig,
}

impl Stack {
    /// Whether it is Linux, of whatever version: sysctl names apply.
    pub const fn is_linux(self) -> bool {
        matches!(
            self,
            Stack::Linux4_9
                | Stack::Linux4_19
                | Stack::Linux5_15
                | Stack::Linux6_1
                | Stack::Linux6_12
                | Stack::Linux6_18
        )
    }

    /// The profile for a kernel of this version: the latest that knows no more than it. The profiles stand for what
    /// changed in 4.12, 5.4, 6.1, 6.5 and 6.18.
    pub const fn of_linux(major: u32, minor: u32) -> Stack {
        match (major, minor) {
            (0..=3, _) | (4, 0..=11) => Stack::Linux4_9,
            (4, _) | (5, 0..=3) => Stack::Linux4_19,
            (5, _) | (6, 0) => Stack::Linux5_15,
            (6, 1..=4) => Stack::Linux6_1,
            (6, 5..=17) => Stack::Linux6_12,
            _ => Stack::Linux6_18,
        }
    }

    /// The parameters of the stack before any setting is applied.
    pub fn defaults(self) -> Defaults {
        match self {
            Stack::Linux6_18 => linux(),
            Stack::Linux6_12 => linux_before_6_18(),
            Stack::Linux6_1 => linux_before_6_5(),
            Stack::Linux5_15 => linux_before_6_1(),
            Stack::Linux4_19 => linux_before_5_4(),
            Stack::Linux4_9 => linux_before_4_12(),
            Stack::FreeBsd => freebsd(),
            Stack::MacOs => macos(),
            Stack::Windows => windows(),
            Stack::Rfc793 => rfc793(),
        }
    }
}

fn linux() -> Defaults {
    Defaults {
        tcp: TcpConfig::default(),
        ports: PortConfig {
            low: 32768,
            high: 60999,
            reserved: Vec::new(),
            choice: PortChoice::LinuxDoubleHash { perturb: 65536 },
            exhausted: Errno::Eaddrnotavail,
            autobind_reuse: false,
            probe_time: Span::ZERO,
            call_time: Span::ZERO,
        },
    }
}

fn linux_before_6_18() -> Defaults {
    let mut d = linux();
    d.tcp.tw_reuse_delay = ReuseDelay::NextSecond;
    d.tcp.old_ack_unanswered = false;
    d.tcp.checks_right_edge = false;
    d.tcp.paws_counters = false;
    // tcp_rmem[2] grew to 32 MiB in 6.16.
    d.tcp.rcv_buf_max = 6_291_456;
    d
}

fn linux_before_6_5() -> Defaults {
    let mut d = linux_before_6_18();
    d.tcp.syn_linear_timeouts = 0;
    d
}

fn linux_before_6_1() -> Defaults {
    let mut d = linux_before_6_5();
    d.tcp.challenge_ack_limit = 1000;
    d
}

fn linux_before_5_4() -> Defaults {
    let mut d = linux_before_6_1();
    d.tcp.somaxconn = 128;
    d.tcp.fast_syn_retry = false;
    d.ports.choice = PortChoice::LinuxDoubleHash { perturb: 256 };
    d
}

fn linux_before_4_12() -> Defaults {
    let mut d = linux_before_5_4();
    d.tcp.tw_reuse = TwReuse::Off;
    d
}

/// Fields common to the stacks that are not Linux.
fn other(low: u16, high: u16) -> Defaults {
    let mut d = linux_before_5_4();
    d.tcp.timers = TimerModel::Exact;
    d.tcp.tw_reuse = TwReuse::Off;
    d.tcp.tail_loss_probe = false;
    d.tcp.metrics = false;
    d.ports = PortConfig {
        low,
        high,
        reserved: Vec::new(),
        choice: PortChoice::Random,
        exhausted: Errno::Eaddrnotavail,
        autobind_reuse: false,
        probe_time: Span::ZERO,
        call_time: Span::ZERO,
    };
    d
}

fn freebsd() -> Defaults {
    let mut d = other(10000, 65535);
    d.tcp.time_wait = Span::from_secs(60);
    d.tcp.time_wait_policy = TimeWaitPolicy::Bsd;
    d.tcp.tw_overflow = TwOverflow::RecycleOldest;
    d.tcp.keepalive = (Span::from_secs(7200), Span::from_secs(75), 8);
    d
}

fn macos() -> Defaults {
    let mut d = other(49152, 65535);
    d.tcp.time_wait = Span::from_secs(30);
    d.tcp.time_wait_policy = TimeWaitPolicy::Bsd;
    d.tcp.rto_max = Span::from_secs(64);
    d.tcp.keepalive = (Span::from_secs(7200), Span::from_secs(75), 8);
    d
}

fn windows() -> Defaults {
    let mut d = other(49152, 65535);
    d.tcp.time_wait = Span::from_secs(120);
    d.tcp.time_wait_policy = TimeWaitPolicy::Bsd;
    d.tcp.timestamps = Timestamps::Off;
    d.tcp.syn_retries = 4;
    d.tcp.refused_retries = 2;
    // WSAENOBUFS (10055), Microsoft KB 196271; reports of WSAEADDRINUSE are of sockets bound first.
    d.ports.exhausted = Errno::Enobufs;
    d
}

fn rfc793() -> Defaults {
    let mut d = other(32768, 60999);
    d.tcp.time_wait = Span::from_secs(240);
    d.tcp.time_wait_policy = TimeWaitPolicy::Rfc793;
    d.tcp.timestamps = Timestamps::Off;
    d.tcp.sack = false;
    d.tcp.window_scaling = false;
    d.tcp.isn = IsnPolicy::HashPlusClock;
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections per second to one destination when the client closes first: ports / TIME_WAIT, in tenths.
    fn tenths_per_second(stack: Stack) -> u64 {
        let d = stack.defaults();
        (u64::from(d.ports.high - d.ports.low) + 1) * 10 / d.tcp.time_wait.as_secs()
    }

    #[test]
    fn capacities_are_those_of_the_vendors() {
        assert_eq!(tenths_per_second(Stack::Linux6_18), 4705);
        assert_eq!(tenths_per_second(Stack::MacOs), 5461);
        assert_eq!(tenths_per_second(Stack::Windows), 1365);
        assert_eq!(tenths_per_second(Stack::FreeBsd), 9256);
        assert_eq!(tenths_per_second(Stack::Rfc793), 1176);
    }
}
