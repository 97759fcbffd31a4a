//! Colours that people with any kind of colour vision tell apart (after Okabe and Ito), and dashes beside them.

use sim_core::errno::Errno;
use sim_core::tcp::State;

/// Red, green, blue.
pub(super) type Color = (u8, u8, u8);

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
