//! What a script says.

use super::beats::LaneNumber;
use super::pause::Pause;
use crate::app::{Booked, End};
use crate::counter::Counter;
use crate::engine::record::DoneBy;
use crate::host::{Host, Numbers};
use crate::ids::HostId;
use crate::net::{Direction, Path};
use crate::record::{Digest, Gauge};
use crate::socket::Request;
use crate::tcp::config::TimerModel;
use crate::tcp::{ALARMS, Clocks, Cx, Flags, Segment, Shared, Shift, State, TimeWait, TsOption};
use crate::time::{Span, Time};

/// The client's side of everything that has two.
pub(super) const CLIENT: usize = 0;
/// The server's.
pub(super) const SERVER: usize = 1;

/// Nothing comes of it: the place of a step that there is not.
pub(super) const NOWHERE: u16 = u16::MAX;

/// A clock that an end can read. It moves on once in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Clock {
    /// Length of a period, nanoseconds.
    pub(super) period: u64,
    /// How far into a period it began.
    offset: u64,
}

impl Clock {
    /// Those that the ends on two hosts can read.
    pub(super) fn all(hosts: [&Host; 2]) -> Vec<Clock> {
        let mut clocks = [1_000, 1_000_000, 1_000_000_000].map(|period| Clock { period, offset: 0 }).to_vec();
        clocks.extend(hosts.map(|host| {
            let offset = match host.cfg.timers {
                TimerModel::Exact => 0,
                TimerModel::Wheel { phase, .. } => phase.0,
            };
            Clock { period: host.cfg.timers.from_ticks(1).0, offset }
        }));
        clocks.sort_unstable();
        clocks.dedup();
        clocks
    }

    /// Whether it moves in microseconds: during every pause, and nothing that an end sends hangs on how far.
    pub(super) fn is_finest(self) -> bool {
        self.period <= 1_000
    }

    /// How far into a period it is at a moment, nanoseconds.
    pub(super) fn into_period(self, at: Time) -> u64 {
        (at.0 + self.offset) % self.period
    }

    /// How many periods have passed by a moment.
    pub(super) fn periods(self, by: Time) -> u64 {
        (by.0 + self.offset) / self.period
    }
}

/// The part of a clock's period in which a conversation must begin so that the clock moves on between the same steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) clock: Clock,
    /// From here, inclusive: so far into a period, nanoseconds.
    pub(super) low: u64,
    /// To here, exclusive.
    pub(super) high: u64,
}

impl Phase {
    /// The phases of a clock that are like the one of `start` for steps at these distances.
    pub(super) fn of(clock: Clock, start: Time, steps: impl Iterator<Item = Span>) -> Phase {
        let (period, began) = (clock.period, clock.into_period(start));
        let (mut low, mut high) = (0, period);
        for after in steps {
            let periods = (began + after.0) / period;
            low = low.max((periods * period).saturating_sub(after.0));
            high = high.min(((periods + 1) * period).saturating_sub(after.0));
        }
        Phase { clock, low, high }
    }

    /// Whether any moment is in it.
    pub(super) fn is_whole(&self) -> bool {
        self.low == 0 && self.high >= self.clock.period
    }

    /// Whether a conversation that begins then is in it.
    #[inline]
    pub(super) fn has(&self, start: Time) -> bool {
        let began = self.clock.into_period(start);
        self.low <= began && began < self.high
    }
}

/// A gauge of a host or of its listener, beside those of the states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    OpenFiles,
    Orphans,
    MiniSockets,
    Memory,
    AcceptQueue,
    SynQueue,
}

/// What a step does to a gauge: by how much it is higher meanwhile, and afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Swing {
    pub(super) which: Which,
    pub(super) peak: u32,
    pub(super) net: i32,
}

/// The same, of the gauge of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StateSwing {
    pub(super) state: State,
    pub(super) peak: u8,
    pub(super) net: i8,
}

impl Which {
    /// The gauge itself.
    #[inline]
    pub(super) fn of(self, host: &mut Host, listener: usize) -> &mut Gauge {
        match self {
            Which::OpenFiles => &mut host.stats.open_files,
            Which::Orphans => &mut host.stats.orphans,
            Which::MiniSockets => &mut host.stats.mini_sockets,
            Which::Memory => &mut host.stats.memory,
            Which::AcceptQueue => &mut host.listeners[listener].accept_queue,
            Which::SynQueue => &mut host.listeners[listener].syn_queue,
        }
    }
}

/// How the counts of a host and its listener move that its protocol looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Of the listener: [`crate::socket::Listener::counts`].
    pub(super) listener: [i8; 3],
    /// Orphans, mini-sockets.
    pub(super) shared: [i8; 2],
    /// Full sockets, requests, mini-sockets in FIN_WAIT2.
    pub(super) scripted: [i8; 3],
}

impl Counts {
    /// Whether they move before the step sends anything: something comes to be. What goes does so when all is sent.
    #[inline]
    pub(super) fn begins(self) -> bool {
        self.scripted[0] >= 0
    }

    /// Adds others.
    pub(super) fn add(&mut self, more: Counts) {
        let add = |all: &mut [i8], more: &[i8]| all.iter_mut().zip(more).for_each(|(all, more)| *all += more);
        add(&mut self.listener, &more.listener);
        add(&mut self.shared, &more.shared);
        add(&mut self.scripted, &more.scripted);
    }

    #[inline]
    pub(super) fn apply(self, host: &mut Host, listener: Option<usize>) {
        let add = |n: u32, by: i8| n.wrapping_add_signed(i32::from(by));
        if let Some(listener) = listener {
            host.listeners[listener].adjust(self.listener);
        }
        host.shared.orphans = add(host.shared.orphans, self.shared[0]);
        host.shared.mini_sockets = add(host.shared.mini_sockets, self.shared[1]);
        let scripted = &mut host.tables.scripted;
        scripted.full = add(scripted.full, self.scripted[0]);
        scripted.requests = add(scripted.requests, self.scripted[1]);
        scripted.orphans = add(scripted.orphans, self.scripted[2]);
    }
}

/// What a step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    /// connect().
    Start,
    /// Segments, so many.
    Segments(u16),
    /// The application's timer.
    AppTimer,
}

/// How one end goes with a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It stays.
    Stays,
    /// TIME_WAIT; its numbers are those of the rehearsal.
    TimeWait(TimeWait),
    /// Its tuple is free.
    Free,
}

/// One end as it stands after a step, with the numbers of the rehearsal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "few are kept, and a box would only hide where they lie")]
pub(super) enum Stand {
    /// It stands in no table of this script's.
    Gone,
    Request(Request),
    Full(End),
    /// FIN_WAIT2 of an orphan.
    Orphan(TimeWait),
}

/// A timer that runs after a step: when in the script it was armed, and for how long.
pub(super) type Runs = Option<(Span, Span)>;

/// A segment without its numbers, as far as the digest looks at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// SEG.SEQ, SEG.ACK, TSval, TSecr.
    relative: [u32; 4],
    /// Which of the conversation's numbers are added to them: all bits, or none.
    acks: u32,
    stamped: u32,
    echoes: u32,
    /// See [`DoneBy::kind`].
    kind: u64,
}

impl Line {
    pub(super) fn new(seg: &Segment) -> Line {
        let mask = |on: bool| if on { u32::MAX } else { 0 };
        let acks = seg.flags.has(Flags::ACK);
        let (val, ecr) = seg.ts.map_or((0, 0), |ts| (ts.val, ts.ecr));
        Line {
            relative: [seg.seq.0, seg.ack.0, val, ecr],
            acks: mask(acks),
            stamped: mask(seg.ts.is_some()),
            echoes: mask(seg.ts.is_some() && acks),
            kind: DoneBy::kind(u64::from(seg.flags.0) << 16 | u64::from(seg.win), u64::from(seg.len)),
        }
    }

    /// Takes the segment into the digest, with the numbers of a conversation.
    #[inline]
    pub(super) fn digest(&self, digest: &mut Digest, by: &DoneBy, side: usize, numbers: &Numbers) {
        let (ours, theirs) = (side & 1, 1 - (side & 1));
        let [seq, ack, val, ecr] = self.relative;
        let seq = seq.wrapping_add(numbers.isn[ours]);
        let ack = ack.wrapping_add(numbers.isn[theirs] & self.acks);
        let val = val.wrapping_add(numbers.stamp[ours] & self.stamped);
        let ecr = ecr.wrapping_add(numbers.stamp[theirs] & self.echoes);
        by.sent(
            digest,
            self.kind,
            [u64::from(seq) << 32 | u64::from(ack), u64::from(val) << 32 | u64::from(ecr)],
        );
    }
}

/// Part of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    from: u16,
    to: u16,
}

impl Part {
    /// From the old end of a list to its new one.
    pub(super) fn new(from: usize, to: usize) -> Option<Part> {
        Some(Part { from: u16::try_from(from).ok()?, to: u16::try_from(to).ok()? })
    }

    #[inline]
    pub(super) fn of<T>(self, list: &[T]) -> &[T] {
        list.get(usize::from(self.from)..usize::from(self.to)).unwrap_or_default()
    }
}

/// One step of one end, or several that nothing can come between: what is looked at whenever it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) counts: Counts,
    pub(super) states: Part,
    pub(super) swings: Part,
    pub(super) moves: Part,
    pub(super) books: Part,
    pub(super) segments: Part,
    /// Its segments arrive there, in so many steps; [`NOWHERE`] if it sends none.
    pub(super) lands: (u16, u16),
    pub(super) cause: Awaits,
    /// Descriptors that a server's application opens, for connections that it accepts.
    pub(super) accepts: u16,
    /// The connection leaves this round-trip time to its host; 0: not with this step.
    pub(super) measured: u32,
    /// Whose.
    pub(super) side: u8,
    /// The client's state after it, while it is a full socket or an orphan; CLOSED else.
    pub(super) state: State,
    /// It begins with a SYN that finds the tuple free.
    pub(super) opens: bool,
    /// It completes a handshake.
    pub(super) completes: bool,
    /// A timer of the endpoint was armed.
    pub(super) arms: bool,
    /// A timer of the application was armed, whether or not it fires.
    pub(super) arms_app: bool,
    /// The client is through, and that makes a difference.
    pub(super) done: bool,
    /// A descriptor was closed.
    pub(super) frees: bool,
    /// The memory that ports take changes: to be counted rather than looked up.
    pub(super) recount: bool,
    /// Whether any of `counts` moves.
    pub(super) counted: bool,
    /// It opens, completes or accepts: to be looked at before.
    pub(super) looks: bool,
    /// There is more in its [`Scene`] that has to be done.
    pub(super) asks_more: bool,
    /// Its server has the request: how long it serves it is drawn.
    pub(super) draws: bool,
}

/// The rest of a step.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    /// How long after the beginning.
    pub(super) after: Span,
    /// The step that sent the segments that it waits for.
    pub(super) sender: usize,
    /// The application's timer, armed for so long, fires as that step.
    pub(super) app: Option<(Span, u16)>,
    pub(super) exit: Exit,
    pub(super) counters: Vec<(Counter, u64)>,
    pub(super) stand: Stand,
    /// The client's connect() has neither succeeded nor failed.
    pub(super) connecting: bool,
    pub(super) alarms: [Runs; ALARMS],
    pub(super) app_timer: Runs,
}

/// When a rehearsal began, and its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) at: Time,
    pub(super) numbers: Numbers,
    /// Offsets of the timestamp clocks.
    pub(super) offset: [u32; 2],
}

impl Begun {
    /// A conversation that began then, with these numbers.
    pub(super) fn new(at: Time, numbers: Numbers) -> Begun {
        let millis = at.as_millis() as u32;
        Begun { at, numbers, offset: numbers.stamp.map(|stamp| stamp.wrapping_sub(millis)) }
    }
}

/// A whole conversation.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// Whose: a place in the list of routes.
    pub(super) route: u32,
    /// The place of its first step in the list of all scripts' acts.
    pub(super) first: u32,
    pub(super) phases: Vec<Phase>,
    pub(super) steps: Vec<Step>,
    /// By step.
    pub(super) scenes: Vec<Scene>,
    /// Gauges of states, and others.
    pub(super) states: Vec<StateSwing>,
    pub(super) swings: Vec<Swing>,
    /// States that connections moved to, and on which side.
    pub(super) moves: Vec<State>,
    pub(super) books: Vec<Booked>,
    /// Segments, less the numbers of the rehearsal.
    pub(super) segments: Vec<Segment>,
    /// The same as the digest sees them.
    pub(super) lines: Vec<Line>,
    /// The rehearsal that it comes from.
    pub(super) model: Begun,
    /// Where its server takes as long as is drawn.
    pub(super) pause: Option<Pause>,
}

/// A segment that `side` sends, without the numbers of its conversation.
pub(super) fn without_numbers(seg: &Segment, side: usize, numbers: &Numbers) -> Segment {
    let minus = |number: u32| number.wrapping_neg();
    let negated = Numbers { isn: numbers.isn.map(minus), stamp: numbers.stamp.map(minus) };
    with_numbers(seg, side, &negated)
}

/// A segment that `side` sends, with the numbers of its conversation.
#[inline]
pub(super) fn with_numbers(seg: &Segment, side: usize, numbers: &Numbers) -> Segment {
    let (ours, theirs) = (side, 1 - side);
    let mut whole = *seg;
    whole.seq.0 = seg.seq.0.wrapping_add(numbers.isn[ours]);
    if seg.flags.has(Flags::ACK) {
        whole.ack.0 = seg.ack.0.wrapping_add(numbers.isn[theirs]);
    }
    if let Some(TsOption { val, ecr }) = seg.ts {
        // The SYN alone echoes nothing.
        let echoes = seg.flags.has(Flags::ACK);
        let ecr = if echoes { ecr.wrapping_add(numbers.stamp[theirs]) } else { ecr };
        whole.ts = Some(TsOption { val: val.wrapping_add(numbers.stamp[ours]), ecr });
    }
    whole
}

impl Script {
    /// What moves an end of the rehearsal's to where that of another conversation stands. `met`: it has heard from its peer.
    pub(super) fn shift(&self, side: usize, to: &Begun, host: &Host, met: bool) -> Shift {
        let from = &self.model;
        let sub = u32::wrapping_sub;
        let mut shared = Shared::default();
        let mut clocks = |at: Time| Clocks::of(&Cx::new(at, &host.cfg, &mut shared));
        let (was, is) = (clocks(from.at), clocks(to.at));
        let peer = 1 - side;
        Shift {
            snd: sub(to.numbers.isn[side], from.numbers.isn[side]),
            rcv: if met { sub(to.numbers.isn[peer], from.numbers.isn[peer]) } else { 0 },
            peer_ts: if met { sub(to.numbers.stamp[peer], from.numbers.stamp[peer]) } else { 0 },
            offset: sub(to.offset[side], from.offset[side]),
            ticks: sub(is.ticks, was.ticks),
            millis: sub(is.millis, was.millis),
            micros: sub(is.micros, was.micros),
            seconds: sub(is.seconds, was.seconds),
        }
    }
}

/// A link on a way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop {
    /// The host that it leads to.
    pub(super) to: HostId,
    /// The direction of the link.
    pub(super) direction: Direction,
    /// How long a segment takes.
    pub(super) delay: Span,
    /// Whether it may lose, double or hold back one.
    pub(super) lucky: bool,
    /// The lane of those that are on it.
    pub(super) lane: LaneNumber,
    /// Whether the host tracks connections.
    pub(super) tracked: bool,
}

impl Hop {
    /// The same as a step of a packet's way.
    pub(super) fn path(&self) -> Path {
        Path::Link(self.direction, self.to)
    }
}

/// The links from one end to the other.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) links: Vec<Hop>,
}

impl Way {
    /// How many links.
    #[inline]
    pub(super) fn hops(&self) -> u16 {
        self.links.len() as u16
    }
}

/// Where connections of one source go, to listeners that are alike.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// The client's host and the server's.
    pub(super) hosts: [HostId; 2],
    /// The links from either to the other.
    pub(super) ways: [Way; 2],
    /// The source draws how long its servers take.
    pub(super) drawn: bool,
    /// The clocks that the ends can read.
    pub(super) clocks: Vec<Clock>,
    /// Whether each of the hosts tracks connections.
    pub(super) tracked: [bool; 2],
    /// Whether each segment that they send is looked at: by their tracker, or by luck.
    pub(super) watched: [bool; 2],
    /// Its scripts.
    pub(super) scripts: Vec<u32>,
    /// Connections that found no script since the last rehearsal.
    pub(super) missed: u32,
    /// Rehearsals that came to nothing.
    pub(super) failed: u32,
}
