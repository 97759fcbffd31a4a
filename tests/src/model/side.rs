//! One side of a model: the host under test with one tuple, and an application that accepts at once.

use sim_core::errno::Errno;
use sim_core::seq::Seq;
use sim_core::socket::{Env, Seat};
use sim_core::tcp::{Input, Outbox, Secrets, Segment, TcpConfig};
use sim_core::time::Time;

/// The surroundings of a step, in which a connection that begins has this first number.
pub fn env(now: Time, cfg: &TcpConfig, isn: Seq) -> Env<'_> {
    Env { now, cfg, secrets: Secrets { isn, ts_offset: isn.0 ^ 0x5555, cookie: 77 } }
}

/// A host that listens.
pub fn listening() -> Seat {
    let mut seat = Seat::default();
    seat.listen(8, 4096);
    seat
}

/// Anything that can be done to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stimulus {
    /// A segment arrives.
    Segment(Segment),
    /// The timer is due.
    Timer,
    /// A call on the descriptor.
    Call(Input),
    /// connect().
    Connect,
    /// The listener is closed.
    Unlisten,
}

/// Does it. The application then accepts what waits, if its descriptor is free.
///
/// # Errors
/// As the call, if it was one; EADDRNOTAVAIL if connect() found the tuple taken.
pub fn apply(seat: &mut Seat, env: Env<'_>, stimulus: Stimulus, out: &mut Outbox) -> Result<u32, Errno> {
    let answer = match stimulus {
        Stimulus::Segment(ref seg) => {
            seat.deliver(env, seg, out);
            Ok(0)
        }
        Stimulus::Timer => {
            seat.fire(env, out);
            Ok(0)
        }
        Stimulus::Call(input) => seat.call(env, input, out),
        Stimulus::Connect => seat.connect(env, false, out).map(|()| 0),
        Stimulus::Unlisten => {
            seat.unlisten(env, out);
            Ok(0)
        }
    };
    // EAGAIN and EMFILE are as good as any other answer.
    let _ = seat.accept();
    answer
}
