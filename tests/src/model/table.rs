//! The transition table: every situation an endpoint can be in, every cause, and what comes of it.
//!
//! Each cell is produced by the endpoint itself: the situation is reached through calls and segments, then the cause is
//! applied. Nothing here says what should happen.

use super::chance::{Shape, Step, Subject};
use reports::trace::flags;
use sim_core::socket::{Seat, Slot};
use sim_core::tcp::config::TimerModel;
use sim_core::tcp::{Fact, Flags, Input, Notice, State, TcpConfig, Timestamps};
use sim_core::time::{Span, Time};

/// A situation: a state, and what else decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Its name.
    pub name: &'static str,
    /// The state.
    pub state: State,
    /// How it is reached.
    steps: &'static [Step],
    listens: bool,
    /// Our SYN or FIN is not acknowledged.
    outstanding: bool,
    /// The peer's stream goes on.
    open: bool,
}

/// A cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Its name.
    pub name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Listen,
    Step(Step),
    /// A segment whose ACK leaves our SYN or FIN out, if that is outstanding.
    Partly(Shape),
    /// The same, but only while the peer's stream goes on.
    Stream(Shape),
    /// Data arrive, and the application closes without reading them.
    CloseUnread,
    Timer,
    Silence,
}

/// What comes of a cause in a situation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Segments sent.
    pub sends: Vec<String>,
    /// The state after it.
    pub to: State,
    /// The moves of state on the way.
    pub moves: Vec<(State, State)>,
    /// What the application hears, and how long it took.
    pub remarks: Vec<String>,
}

const fn seg(flags: Flags, seq: i32, ack: i32, len: u32) -> Shape {
    Shape { flags, seq, ack, len, win: 60_000, ts_age: None, sack: None }
}
const fn arrives(flags: Flags, seq: i32, ack: i32, len: u32) -> Step {
    Step::Segment(seg(flags, seq, ack, len))
}

const SYN: Step = arrives(Flags::SYN, 0, 0, 0);
const ACK: Step = arrives(Flags::ACK, 0, 0, 0);
const FIN: Step = arrives(Flags::FIN_ACK, 0, 0, 0);
const OLD_FIN: Step = arrives(Flags::FIN_ACK, 0, -1, 0);
const SHUT: Step = Step::Call(Input::ShutdownWrite);
const CLOSE: Step = Step::Call(Input::Close);

const fn situation(name: &'static str, state: State, steps: &'static [Step]) -> Situation {
    Situation { name, state, steps, listens: true, outstanding: false, open: true }
}

/// All situations, in the order of a connection's life.
pub const SITUATIONS: [Situation; 15] = [
    Situation { listens: false, ..situation("CLOSED: no socket", State::Closed, &[]) },
    situation("LISTEN", State::Listen, &[]),
    Situation {
        listens: false,
        outstanding: true,
        ..situation("SYN_SENT", State::SynSent, &[Step::Connect])
    },
    Situation { outstanding: true, ..situation("SYN_RECV: a request", State::SynRecv, &[SYN]) },
    Situation {
        listens: false,
        outstanding: true,
        ..situation("SYN_RECV: both have called", State::SynRecv, &[Step::Connect, SYN])
    },
    situation("ESTABLISHED", State::Established, &[SYN, ACK]),
    Situation { outstanding: true, ..situation("FIN_WAIT1: shut down", State::FinWait1, &[SYN, ACK, SHUT]) },
    Situation { outstanding: true, ..situation("FIN_WAIT1: closed", State::FinWait1, &[SYN, ACK, CLOSE]) },
    situation("FIN_WAIT2: shut down", State::FinWait2, &[SYN, ACK, SHUT, ACK]),
    situation("FIN_WAIT2: closed, a mini-socket", State::FinWait2, &[SYN, ACK, CLOSE, ACK]),
    Situation {
        outstanding: true,
        open: false,
        ..situation("CLOSING", State::Closing, &[SYN, ACK, CLOSE, OLD_FIN])
    },
    Situation { open: false, ..situation("CLOSE_WAIT", State::CloseWait, &[SYN, ACK, FIN]) },
    Situation {
        outstanding: true,
        open: false,
        ..situation("LAST_ACK", State::LastAck, &[SYN, ACK, FIN, CLOSE])
    },
    Situation { open: false, ..situation("TIME_WAIT", State::TimeWait, &[SYN, ACK, CLOSE, ACK, FIN]) },
    Situation {
        open: false,
        listens: false,
        ..situation(
            "TIME_WAIT: no listener",
            State::TimeWait,
            &[Step::Connect, arrives(Flags::SYN_ACK, 0, 0, 0), CLOSE, ACK, FIN],
        )
    },
];

const fn cause(name: &'static str, kind: Kind) -> Cause {
    Cause { name, kind }
}
const fn on(name: &'static str, step: Step) -> Cause {
    cause(name, Kind::Step(step))
}

/// All causes.
pub const CAUSES: [Cause; 27] = [
    cause("listen()", Kind::Listen),
    on("connect()", Step::Connect),
    on("send()", Step::Call(Input::Send { len: 100 })),
    on("shutdown()", SHUT),
    on("close()", CLOSE),
    cause("close(), data unread", Kind::CloseUnread),
    on("close(), SO_LINGER 0", Step::Call(Input::Abort)),
    on("SYN, higher number", arrives(Flags::SYN, 100_000, 0, 0)),
    on("SYN, lower number", arrives(Flags::SYN, -100_000, 0, 0)),
    on("SYN again", arrives(Flags::SYN, -1, 0, 0)),
    on("SYN,ACK", arrives(Flags::SYN_ACK, 0, 0, 0)),
    on("SYN,ACK again", arrives(Flags::SYN_ACK, -1, 0, 0)),
    on("ACK of all sent", ACK),
    cause("ACK, nothing new", Kind::Partly(seg(Flags::ACK, 0, 0, 0))),
    on("ACK of what was never sent", arrives(Flags::ACK, 0, 100_000, 0)),
    cause("data", Kind::Stream(seg(Flags::PSH_ACK, 0, 0, 100))),
    cause("data of long ago", Kind::Partly(seg(Flags::PSH_ACK, -200, 0, 100))),
    cause("FIN", Kind::Stream(seg(Flags::FIN_ACK, 0, 0, 0))),
    on("FIN, ACK of all sent", arrives(Flags::FIN_ACK, 0, 0, 0)),
    cause("FIN again", Kind::Partly(seg(Flags::FIN_ACK, -1, 0, 0))),
    on("RST, exact", arrives(Flags::RST, 0, 0, 0)),
    on("RST,ACK of all sent", arrives(Flags::RST_ACK, 0, 0, 0)),
    on("RST, in window", arrives(Flags::RST, 1_000, 0, 0)),
    on("RST, outside", arrives(Flags::RST, -100_000, 0, 0)),
    on("no flags", arrives(Flags(0), 0, 0, 0)),
    cause("the next timer", Kind::Timer),
    cause("silence", Kind::Silence),
];

/// Parameters of the table: Linux 6.18, with exact timers and without timestamps.
fn parameters() -> TcpConfig {
    TcpConfig { timers: TimerModel::Exact, timestamps: Timestamps::Off, ..TcpConfig::default() }
}

fn reach(situation: &Situation) -> Result<Subject, String> {
    let mut subject = Subject::new(parameters(), situation.listens);
    for &step in situation.steps {
        subject.step(Step::Wait(10))?.ok();
        subject.step(step)?.ok();
    }
    subject.step(Step::Wait(10))?.ok();
    let state = state_of(&subject.side, situation);
    if state == situation.state { Ok(subject) } else { Err(format!("{}: reached {state:?}", situation.name)) }
}

fn state_of(side: &Seat, situation: &Situation) -> State {
    let listening = situation.state == State::Listen || situation.name.starts_with("CLOSED");
    if *side.slot() == Slot::Empty && side.listener().is_some() && listening {
        return State::Listen;
    }
    side.state()
}

/// What a cause comes to in a situation; `None` if it cannot occur there.
///
/// # Errors
/// A situation that is not reached, or an invariant that does not hold.
pub fn cell(situation: &Situation, cause: &Cause) -> Result<Option<Cell>, String> {
    fill(situation, cause).map_err(|rule| format!("{}, {}: {rule}", situation.name, cause.name))
}

fn fill(situation: &Situation, cause: &Cause) -> Result<Option<Cell>, String> {
    let mut subject = reach(situation)?;
    let before = subject.now;
    let mut done = Cell { sends: vec![], to: situation.state, moves: vec![], remarks: vec![] };
    let partly = |mut shape: Shape| {
        shape.ack -= i32::from(situation.outstanding);
        Step::Segment(shape)
    };
    let waits = matches!(subject.side.slot(), Slot::TimeWait(_)).then(|| subject.side.deadline());
    let has_socket = matches!(subject.side.slot(), Slot::Full(_));
    let applies = match cause.kind {
        Kind::Listen => situation.state == State::Closed,
        Kind::Step(Step::Connect) => matches!(subject.side.slot(), Slot::Empty) && !situation.listens,
        Kind::Step(Step::Call(_)) => subject.side.descriptor().is_some() && has_socket,
        Kind::CloseUnread => matches!(situation.state, State::Established | State::FinWait2) && has_socket,
        Kind::Stream(_) => situation.open,
        Kind::Step(FIN) => situation.open && situation.outstanding,
        Kind::Partly(shape) if shape.flags == Flags::ACK => situation.outstanding,
        Kind::Timer | Kind::Silence => subject.side.deadline() != Time::NEVER,
        Kind::Step(_) | Kind::Partly(_) => true,
    };
    if !applies {
        return Ok(None);
    }
    apply(&mut subject, cause.kind, partly, &mut done)?;
    if waits.is_some_and(|until| subject.side.deadline() > until && situation.state == State::TimeWait)
        && matches!(subject.side.slot(), Slot::TimeWait(_))
    {
        done.remarks.push("the wait begins anew".into());
    }
    if matches!(cause.kind, Kind::Timer | Kind::Silence) {
        done.remarks.insert(0, format!("after {}", rounded(subject.now.since(before))));
    }
    done.to = state_of(&subject.side, situation);
    Ok(Some(done))
}

/// Does it.
fn apply(
    subject: &mut Subject,
    kind: Kind,
    partly: impl Fn(Shape) -> Step,
    done: &mut Cell,
) -> Result<(), String> {
    match kind {
        Kind::Listen => subject.side.listen(8, 4096),
        Kind::Step(step) => run(subject, step, done)?,
        Kind::Partly(shape) | Kind::Stream(shape) => run(subject, partly(shape), done)?,
        Kind::CloseUnread => {
            subject.step(arrives(Flags::PSH_ACK, 0, 0, 100))?.ok();
            run(subject, CLOSE, done)?;
        }
        Kind::Timer => run(subject, Step::Timer, done)?,
        Kind::Silence => {
            while subject.side.deadline() != Time::NEVER {
                run(subject, Step::Timer, done)?;
            }
        }
    }
    Ok(())
}

/// Seconds with at most one decimal.
fn rounded(span: Span) -> Span {
    const TENTH: u64 = 100_000_000;
    Span((span.0 + TENTH / 2) / TENTH * TENTH)
}

fn run(subject: &mut Subject, step: Step, done: &mut Cell) -> Result<(), String> {
    let answer = subject.step(step)?;
    let out = &subject.out;
    done.sends.extend(out.segments.iter().map(|seg| {
        let data = if seg.len > 0 { " + data" } else { "" };
        format!("{}{data}", flags(Flags(seg.flags.0 & !Flags::PSH.0)))
    }));
    if let Err(errno) = answer {
        done.remarks.push(errno.name().to_string());
    }
    for fact in &out.facts {
        if let Fact::State { from, to } = *fact {
            done.moves.push((from, to));
        }
    }
    for notice in &out.notices {
        done.remarks.push(match notice {
            Notice::Connected => "connected".into(),
            Notice::Readable { .. } => "data to read".into(),
            Notice::PeerClosed => "end of file".into(),
            Notice::Writable => "room to write".into(),
            Notice::Error(errno) => errno.name().to_string(),
            Notice::Finished => continue,
        });
    }
    Ok(())
}

impl Cell {
    /// Segments sent, equal ones counted: `ACK`, `6 SYN`.
    pub fn sent(&self) -> String {
        let mut counted: Vec<(String, usize)> = Vec::new();
        for flags in &self.sends {
            match counted.last_mut() {
                Some((last, count)) if last == flags => *count += 1,
                _ => counted.push((flags.clone(), 1)),
            }
        }
        let text =
            counted.into_iter().map(|(flags, n)| if n == 1 { flags } else { format!("{n} × {flags}") });
        text.collect::<Vec<_>>().join(", then ")
    }

    /// Whether nothing came of it.
    pub fn is_nothing(&self, situation: &Situation) -> bool {
        self.sends.is_empty() && self.to == situation.state && self.remarks.is_empty()
    }
}
