//! Colours that people with any kind of colour vision tell apart (after Okabe and Ito), and dashes beside them.

use sim_core::errno::Errno;
use sim_core::ids::HostId;
use sim_core::tcp::State;

use crate::run::Run;

/// Red, green, blue.
pub(super) type Color = (u8, u8, u8);

/// What a picture is drawn on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ground {
    /// White.
    #[default]
    Light,
    /// Nearly black.
    Dark,
}

impl Ground {
    /// A colour as it is seen on this ground: what would be too dark on a dark one is lighter there.
    pub(super) const fn color(self, color: Color) -> Color {
        if matches!(self, Ground::Light) {
            return color;
        }
        match color {
            PAPER => (22, 24, 29),
            INK => (232, 232, 232),
            SOFT_INK => (172, 172, 172),
            GRID => (52, 55, 63),
            FRAME => (120, 120, 120),
            ALARM => (255, 123, 134),
            BLUE => (64, 156, 222),
            GREEN => (40, 190, 145),
            SLATE => (150, 150, 178),
            PLUM => (182, 122, 204),
            BROWN => (190, 140, 96),
            VERMILION => (232, 120, 40),
            other => other,
        }
    }
}

pub(super) const PAPER: Color = (255, 255, 255);

pub(super) const INK: Color = (34, 34, 34);
pub(super) const SOFT_INK: Color = (95, 95, 95);
pub(super) const GRID: Color = (228, 228, 228);
pub(super) const FRAME: Color = (150, 150, 150);
pub(super) const ALARM: Color = (190, 30, 45);

const BLUE: Color = (0, 114, 178);
const ORANGE: Color = (230, 159, 0);
const GREEN: Color = (0, 158, 115);
const SKY: Color = (86, 180, 233);
const VERMILION: Color = (213, 94, 0);
const PINK: Color = (204, 121, 167);
const OLIVE: Color = (148, 140, 20);
const SLATE: Color = (90, 90, 110);
const PLUM: Color = (110, 50, 130);
const BROWN: Color = (125, 75, 35);

/// Colours for things without one of their own, in order of use.
pub(super) const SERIES: [Color; 8] = [BLUE, VERMILION, GREEN, ORANGE, PINK, SKY, PLUM, SLATE];

/// Successful connects.
pub(super) const SUCCESS: Color = BLUE;

/// Half wait less than this.
pub(super) const MEDIAN: Color = SLATE;
/// One in a hundred waits longer.
pub(super) const SLOWEST: Color = PLUM;

/// A state's colour, the same in every picture.
pub(super) const fn state(state: State) -> Color {
    match state {
        State::Established => BLUE,
        State::TimeWait => VERMILION,
        State::SynSent => SKY,
        State::SynRecv => GREEN,
        State::FinWait1 => OLIVE,
        State::FinWait2 => PINK,
        State::CloseWait => ORANGE,
        State::LastAck => SLATE,
        State::Closing => BROWN,
        State::Listen | State::Closed => PLUM,
    }
}

/// An error's colour, the same in every picture.
pub(super) const fn errno(errno: Errno) -> Color {
    match errno {
        Errno::Eaddrnotavail | Errno::Enobufs => VERMILION,
        Errno::Etimedout | Errno::Timeout => ORANGE,
        Errno::Econnrefused => PINK,
        Errno::Econnreset | Errno::Epipe => GREEN,
        Errno::Emfile => PLUM,
        Errno::Eaddrinuse => BROWN,
        _ => SLATE,
    }
}

/// How a line is broken: lengths drawn and left out in turn; empty for an unbroken line.
pub(super) type Dash = &'static [f64];

pub(super) const SOLID: Dash = &[];
pub(super) const LIMIT_DASH: Dash = &[9.0, 5.0];
/// By the order of hosts: the client's lines are whole, the others' broken.
pub(super) const HOSTS: [Dash; 4] = [SOLID, &[7.0, 4.0], &[2.0, 3.0], &[10.0, 3.0, 2.0, 3.0]];

/// The dash of a host, the same in every panel and on every page: hosts with an address in their order.
pub(super) fn dash(run: Run<'_>, host: HostId) -> Dash {
    let before = run.scenario.hosts.iter().take(host.index()).filter(|h| !h.addresses.is_empty()).count();
    HOSTS[before % HOSTS.len()]
}
