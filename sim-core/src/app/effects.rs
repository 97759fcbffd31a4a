//! What a step of one end produces, in order, for whoever drives it.

use crate::counter::Counter;
use crate::errno::{Call, Errno};
use crate::tcp::{Notes, Notice, Out, Segment, State, TimeWait, TimerKind, Why};
use crate::time::Span;

/// Something finite that had no room for this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scarce {
    /// No mini-socket: `tcp_max_tw_buckets`.
    TwBuckets,
    /// One orphan too many: `tcp_max_orphans`.
    Orphans,
}

/// What an application has come to, for the books of its traffic source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Booked {
    /// connect() succeeded.
    Connected,
    /// Another request of the same connection is asked.
    Asked,
    /// A response has arrived in full.
    Answered,
    /// The last response has arrived.
    Completed,
    /// A call failed, or the application gave up.
    Failed(Call, Errno),
    /// The connection was cut off at one end with so many bytes on their way, or unread.
    CutOff(u32),
}

/// A call of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Called {
    /// connect(): it has begun.
    Connect,
    /// send() of so many bytes.
    Send(u32),
    /// recv().
    Recv,
    /// shutdown(SHUT_WR).
    Shutdown,
    /// close().
    Close,
    /// close() with SO_LINGER on and 0 s: RST.
    Abort,
    /// Something that only sets an option.
    Other,
}

/// One thing that a step did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// A segment is sent.
    Segment(Segment),
    /// The state moved. `last`: no further move follows within the same step of the endpoint.
    Moved {
        /// Before.
        from: State,
        /// After.
        to: State,
        /// The state in which the step ended.
        last: bool,
    },
    /// A segment was not taken.
    Refused(Why),
    /// A timer fired.
    Fired(TimerKind),
    /// A limit of the host refused something.
    RanOut(Scarce),
    /// The application made a call, with this answer. Only told while [`Effects::calls`] is set.
    Called(Called, Result<u32, Errno>),
    /// An outcome for the books.
    Booked(Booked),
    /// A server has another request of a connection that carries several at once; the driver says when its answer is ready
    /// ([`super::Cause::Answer`]).
    Wanted,
    /// The descriptor is closed.
    DescriptorClosed,
    /// The connection ends and leaves this smoothed round-trip time to the host ([`Out::measured`]).
    Measured(u32),
    /// The tuple no longer leads to this end.
    Left,
    /// The tuple leads to this mini-socket from now on.
    TimeWait(TimeWait),
}

/// What becomes of the application's timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AppTimer {
    /// It stays as it is.
    #[default]
    Kept,
    /// It no longer runs.
    Stopped,
    /// It runs for so long.
    Armed(Span),
    /// It runs for a pause of the client that the driver draws.
    Think,
    /// The server has a request; the driver says when the answer is ready ([`super::Cause::Answer`]).
    Service,
}

/// The effects of one step. The driver owns one and reuses it, so that a step allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// What happened, in order.
    pub list: Vec<Effect>,
    /// Kernel counters that moved.
    pub counters: Vec<Counter>,
    /// The application's timer.
    pub app_timer: AppTimer,
    /// What the step says about itself.
    pub notes: Notes,
    /// Whether calls are told: for whoever looks inside a connection.
    pub calls: bool,
    /// What the application is to be told, oldest first; the first `told` it knows already.
    notices: Vec<Notice>,
    told: usize,
    /// Where the moves of the endpoint's present step begin in `list`.
    step_began: usize,
}

impl Effects {
    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.counters.clear();
        self.app_timer = AppTimer::Kept;
        self.notes = Notes::default();
        self.notices.clear();
        self.told = 0;
        self.step_began = 0;
    }

    /// A step of a socket begins.
    pub fn begin_step(&mut self) {
        self.step_began = self.list.len();
    }

    /// A step of a socket ends: marks its last move, and the moves that ended a connection on the same tuple before.
    pub fn end_step(&mut self) {
        let mut found = false;
        for effect in self.list[self.step_began..].iter_mut().rev() {
            if let Effect::Moved { to, last, .. } = effect {
                *last = !found || *to == State::Closed;
                found = true;
            }
        }
    }

    pub(super) fn push(&mut self, effect: Effect) {
        self.list.push(effect);
    }

    pub(super) fn next_notice(&mut self) -> Option<Notice> {
        let notice = self.notices.get(self.told).copied();
        self.told += usize::from(notice.is_some());
        notice
    }
}

impl Out for Effects {
    fn segment(&mut self, seg: Segment) {
        self.list.push(Effect::Segment(seg));
    }
    fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }
    fn count(&mut self, counter: Counter) {
        self.counters.push(counter);
        match counter {
            Counter::TcpExtTCPTimeWaitOverflow => self.list.push(Effect::RanOut(Scarce::TwBuckets)),
            Counter::TcpExtTCPAbortOnMemory => self.list.push(Effect::RanOut(Scarce::Orphans)),
            _ => {}
        }
    }
    fn moved(&mut self, from: State, to: State) {
        self.list.push(Effect::Moved { from, to, last: false });
    }
    fn refused(&mut self, why: Why) {
        self.list.push(Effect::Refused(why));
    }
    fn fired(&mut self, kind: TimerKind) {
        self.list.push(Effect::Fired(kind));
    }
    fn cut_off(&mut self, bytes: u32) {
        self.list.push(Effect::Booked(Booked::CutOff(bytes)));
    }
    fn measured(&mut self, srtt: u32) {
        self.list.push(Effect::Measured(srtt));
    }
}
