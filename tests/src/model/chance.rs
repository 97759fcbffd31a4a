//! One side under an arbitrary list of calls and segments.
//!
//! A [`Step`] is relative to what the side has last sent, so that a list made by chance goes deep: most of its
//! segments fit, and some are off by a little or by much.

use super::side::{Stimulus, env, listening};
use super::watch::Watch;
use sim_core::errno::Errno;
use sim_core::seq::Seq;
use sim_core::socket::{Seat, Slot};
use sim_core::tcp::{Flags, Input, Outbox, Segment, State, SynOptions, TcpConfig, TsOption};
use sim_core::time::{Span, Time};

/// A segment in terms of what the side expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Flags.
    pub flags: Flags,
    /// Distance of its number from the one expected.
    pub seq: i32,
    /// Distance of its acknowledgment from all that was sent; see also `sack`.
    pub ack: i32,
    /// Payload, bytes.
    pub len: u32,
    /// Window.
    pub win: u16,
    /// With a timestamp, older than now by so many milliseconds.
    pub ts_age: Option<u32>,
    /// With a SACK block: how far its left edge lies beyond what is acknowledged, and its length. The acknowledgment
    /// then counts from there too, for such a block says that something before it is missing.
    pub sack: Option<(i32, u32)>,
}

/// One step of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// connect(), if the tuple is free.
    Connect,
    /// A call.
    Call(Input),
    /// A segment.
    Segment(Shape),
    /// Time passes up to the next timer, which fires.
    Timer,
    /// Milliseconds pass, and the timers in them fire.
    Wait(u32),
    /// The listener is closed.
    Unlisten,
}

/// A side with its clock and what a peer could know of it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The side.
    pub side: Seat,
    /// The moment.
    pub now: Time,
    /// What the last step produced.
    pub out: Outbox,
    cfg: TcpConfig,
    watch: Watch,
    connections: u32,
    /// The number after all that it has sent.
    snd: Seq,
    /// What of that is acknowledged.
    una: Seq,
    /// The number it expects.
    rcv: Seq,
    /// The number after the peer's FIN, once there was one: a peer may repeat its stream, but ends it in one place.
    fin: Option<Seq>,
    /// The number after all data that the peer has sent.
    reach: Option<Seq>,
    /// Where the stream begins that ends there.
    stream: Option<Seq>,
}

/// The first number of the peer.
const PEER_ISN: Seq = Seq(0xffff_f000);
/// More timers than any list can leave behind.
const MOST_TIMERS: u32 = 2_000;

impl Subject {
    /// A host that may listen.
    pub fn new(cfg: TcpConfig, listens: bool) -> Subject {
        let side = if listens { listening() } else { Seat::default() };
        Subject {
            side,
            now: Time(1_000_000_000),
            out: Outbox::default(),
            cfg,
            watch: Watch::default(),
            connections: 0,
            snd: Seq(0),
            una: Seq(0),
            rcv: PEER_ISN,
            fin: None,
            reach: None,
            stream: None,
        }
    }

    /// Takes one step.
    ///
    /// # Errors
    /// The rule that was broken.
    pub fn step(&mut self, step: Step) -> Result<Result<u32, Errno>, String> {
        match step {
            Step::Connect => self.apply(Stimulus::Connect),
            Step::Call(input) => self.apply(Stimulus::Call(input)),
            Step::Segment(shape) => {
                let seg = self.one_ending(self.segment(shape));
                self.apply(Stimulus::Segment(seg))
            }
            Step::Unlisten => self.apply(Stimulus::Unlisten),
            Step::Timer => {
                let due = self.side.deadline();
                if due == Time::NEVER {
                    return Ok(Ok(0));
                }
                self.now = self.now.max(due);
                self.apply(Stimulus::Timer)
            }
            Step::Wait(millis) => {
                let end = self.now + Span::from_millis(u64::from(millis));
                self.run_to(end)?;
                Ok(Ok(0))
            }
        }
    }

    fn run_to(&mut self, end: Time) -> Result<(), String> {
        for _ in 0..MOST_TIMERS {
            if self.side.deadline() > end {
                self.now = end;
                return Ok(());
            }
            self.step(Step::Timer)?.ok();
        }
        Err(format!("timers do not come to rest before {end}"))
    }

    /// Everyone leaves, the peer is silent: after the timers nothing may be left.
    ///
    /// # Errors
    /// What is left, or the rule that was broken on the way.
    pub fn run_out(&mut self) -> Result<(), String> {
        self.apply(Stimulus::Unlisten)?.ok();
        // A connection may have come to stand behind a CLOSED socket whose descriptor is open.
        for _ in 0..2 {
            self.apply(Stimulus::Call(Input::Close))?.ok();
        }
        for _ in 0..MOST_TIMERS {
            if self.side.deadline() == Time::NEVER {
                break;
            }
            self.step(Step::Timer)?.ok();
        }
        if self.side.is_vacant() { Ok(()) } else { Err(format!("left behind: {:?}", self.side)) }
    }

    fn apply(&mut self, stimulus: Stimulus) -> Result<Result<u32, Errno>, String> {
        let isn = Seq(0x7fff_ff00) + self.connections * 100_000;
        let env = env(self.now, &self.cfg, isn);
        let answer = self.watch.step(&mut self.side, env, stimulus, &mut self.out)?;
        for seg in &self.out.segments {
            if seg.flags.has(Flags::SYN) {
                self.snd = seg.end();
                self.connections += 1;
            }
            if !seg.flags.has(Flags::RST) {
                self.snd = if seg.end().after(self.snd) { seg.end() } else { self.snd };
                self.rcv = if seg.flags.has(Flags::ACK) { seg.ack } else { self.rcv };
            }
        }
        if let Slot::Full(endpoint) = self.side.slot()
            && endpoint.state() != State::SynSent
        {
            (self.snd, self.una, self.rcv) = (endpoint.snd_nxt(), endpoint.snd_una(), endpoint.rcv_nxt());
        }
        Ok(answer)
    }

    /// The segment, without what would contradict the place where the stream ends.
    fn one_ending(&mut self, mut seg: Segment) -> Segment {
        if seg.flags.has(Flags::SYN) {
            return seg;
        }
        let begin = self.watch.stream_begin();
        if self.stream != begin {
            (self.stream, self.fin, self.reach) = (begin, None, None);
        }
        let fits = self.fin.map_or_else(
            || self.reach.is_none_or(|reach| !reach.after(seg.seq + seg.len)),
            |fin| seg.end() == fin,
        );
        if seg.flags.has(Flags::FIN) && !fits {
            seg.flags = Flags(seg.flags.0 & !Flags::FIN.0);
        }
        if let Some(fin) = self.fin
            && (seg.seq + seg.len).after(fin - 1)
        {
            seg.len = (fin - 1).diff(seg.seq).max(0) as u32;
        }
        let end = seg.seq + seg.len;
        if seg.flags.has(Flags::FIN) {
            self.fin = Some(seg.end());
        }
        if seg.len > 0 && self.reach.is_none_or(|reach| end.after(reach)) {
            self.reach = Some(end);
        }
        seg
    }

    fn segment(&self, shape: Shape) -> Segment {
        let shift = |base: Seq, by: i32| Seq(base.0.wrapping_add_signed(by));
        let acknowledged = if shape.sack.is_some() { self.una } else { self.snd };
        let syn = shape.flags.has(Flags::SYN);
        let options = SynOptions { mss: 1460, wscale: Some(7), sack_ok: true };
        Segment {
            seq: shift(self.rcv, shape.seq),
            ack: if shape.flags.has(Flags::ACK) { shift(acknowledged, shape.ack) } else { Seq(0) },
            len: shape.len,
            win: shape.win,
            flags: shape.flags,
            ts: shape
                .ts_age
                .map(|age| TsOption { val: (self.now.as_millis() as u32).wrapping_sub(age), ecr: 0 }),
            syn: if syn { options } else { SynOptions::default() },
            sack: shape.sack.map(|(beyond, len)| {
                let left = shift(self.una, beyond);
                (left, left + len)
            }),
            ..Segment::default()
        }
    }
}
