//! A moment of a run as the tools of the machine print it: `ss`, `nstat`, `conntrack -L`, `/proc/net/sockstat`. Names,
//! columns and order are theirs, so that what people pipe into awk works.

mod conntrack;
mod json;
mod nstat;
mod ss;

pub use conntrack::conntrack;
pub use json::{FORMAT, json};
pub use nstat::nstat;
pub use ss::{listening, sockets, sockstat, summary};

use sim_core::tcp::{State, TimerKind};
use sim_core::time::Span;

/// A state as `ss` writes it (`sstate_name`, iproute2 misc/ss.c).
const fn state(state: State) -> &'static str {
    match state {
        State::Established => "ESTAB",
        State::SynSent => "SYN-SENT",
        State::SynRecv => "SYN-RECV",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::TimeWait => "TIME-WAIT",
        State::Closed => "UNCONN",
        State::CloseWait => "CLOSE-WAIT",
        State::LastAck => "LAST-ACK",
        State::Listen => "LISTEN",
        State::Closing => "CLOSING",
    }
}

/// A timer as `ss -o` names it (`tmr_name`).
const fn timer(kind: TimerKind) -> &'static str {
    match kind {
        TimerKind::Retransmit | TimerKind::LossProbe | TimerKind::SynAck => "on",
        TimerKind::KeepAlive => "keepalive",
        TimerKind::TimeWait => "timewait",
        TimerKind::Persist => "persist",
        TimerKind::DelayedAck => "off",
    }
}

/// What is left of a timer as `ss -o` writes it (`print_ms_timer`): minutes, seconds or `1.234ms`, whole milliseconds.
fn left(left: Span) -> String {
    let (mut millis, mut seconds) = (left.as_millis() % 1_000, left.as_millis() / 1_000 % 60);
    let minutes = left.as_millis() / 60_000;
    let mut text = String::new();
    if minutes > 0 {
        millis = 0;
        text = format!("{minutes}min");
        if minutes > 9 {
            seconds = 0;
        }
    }
    if seconds > 0 {
        if seconds > 9 {
            millis = 0;
        }
        text = format!("{text}{seconds}{}", if millis > 0 { "." } else { "sec" });
    }
    if millis > 0 {
        text = format!("{text}{millis:03}ms");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_look_as_in_ss() {
        let cases = [
            (45_678, "45sec"),
            (1_234, "1.234ms"),
            (200, "200ms"),
            (7_140_000, "119min"),
            (63_500, "1min3sec"),
            (9_000, "9sec"),
        ];
        for (millis, text) in cases {
            assert_eq!(left(Span::from_millis(millis)), text);
        }
    }
}
