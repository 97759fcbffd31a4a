//! Two sides over a network that loses, doubles and reorders, in simulated time.
//!
//! Each side's application sends what it has to send in pieces, reads what comes, shuts its side down when all is sent,
//! and closes when it has seen the end of the peer's. The network misbehaves as a list of [`Fate`]s says, and is fair
//! after the end of that list.

use super::side::{Stimulus, env, listening};
use super::watch::Watch;
use sim_core::errno::Errno;
use sim_core::seq::Seq;
use sim_core::socket::Seat;
use sim_core::tcp::{Endpoint, Input, Notice, Outbox, Segment, State, TcpConfig};
use sim_core::time::{Span, Time};
use std::collections::VecDeque;

/// What happens to one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// It is lost, unless the one before it on the same way was, or six were.
    pub lost: bool,
    /// It arrives twice, the second time so many milliseconds later.
    pub doubled: Option<u32>,
    /// Milliseconds beyond the common delay.
    pub late: u32,
}

/// What an application does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// It connects, at so many milliseconds.
    pub connects: Option<u32>,
    /// It listens.
    pub listens: bool,
    /// Bytes to send.
    pub bytes: u64,
    /// Bytes in one send().
    pub piece: u32,
    /// Milliseconds between two looks at the receive queue.
    pub reads_every: u32,
    /// Shuts down as soon as it may, whatever it has received; otherwise after the peer's end of file.
    pub eager: bool,
}

/// How far an application has come.
#[derive(Clone, Debug, Default)]
struct App {
    sent: u64,
    received: u64,
    connected: bool,
    peer_closed: bool,
    shut: bool,
    closed: bool,
    error: Option<Errno>,
    reads_at: Time,
}

/// The two of them and what lies between.
#[derive(Debug)]
pub struct Wire {
    now: Time,
    cfg: TcpConfig,
    plans: [Plan; 2],
    sides: [Seat; 2],
    watches: [Watch; 2],
    apps: [App; 2],
    fates: std::vec::IntoIter<Fate>,
    /// Losses on each way, and whether the last segment was one: else orphans would rightly give up.
    losses: [(u8, bool); 2],
    /// Arrival, order of sending, receiver, segment.
    under_way: Vec<(Time, u64, usize, Segment)>,
    sent: u64,
    out: Outbox,
    /// The last segments sent, for whoever has to find out what went wrong.
    log: VecDeque<String>,
}

/// The common delay of the network.
const DELAY: Span = Span::from_millis(20);
/// Losses on one way.
const MOST_LOSSES: u8 = 6;
/// Lines of a complaint.
const LOG_LINES: usize = 60;
/// No list of fates keeps two sides busy for as many events.
const MOST_EVENTS: u32 = 60_000;
/// Nor for so long: two hours.
const LONGEST: Time = Time(7_200_000_000_000);

impl Wire {
    /// Two hosts at rest.
    pub fn new(cfg: TcpConfig, plans: [Plan; 2], fates: Vec<Fate>) -> Wire {
        let side = |plan: &Plan| if plan.listens { listening() } else { Seat::default() };
        Wire {
            now: Time(1_000_000_000),
            cfg,
            plans,
            sides: [side(&plans[0]), side(&plans[1])],
            watches: Default::default(),
            apps: Default::default(),
            fates: fates.into_iter(),
            losses: [(0, false); 2],
            under_way: Vec::new(),
            sent: 0,
            out: Outbox::default(),
            log: VecDeque::new(),
        }
    }

    /// Runs until nothing is left to happen, and checks that all has arrived and both ends are gone.
    ///
    /// # Errors
    /// What did not come to an end, or the rule that was broken on the way.
    pub fn settle(mut self) -> Result<(), String> {
        let start = self.now;
        for _ in 0..MOST_EVENTS {
            self.run_apps(start)?;
            let Some(next) = self.next_event(start) else { return self.check_end() };
            if next > LONGEST {
                return Err(self.complain(&format!("still busy at {next}")));
            }
            self.now = self.now.max(next);
            self.happen()?;
        }
        Err(self.complain(&format!("still busy after {MOST_EVENTS} events")))
    }

    fn connect_time(&self, side: usize, start: Time) -> Option<Time> {
        let wants = self.plans[side].connects.filter(|_| !self.apps[side].connected)?;
        Some(start + Span::from_millis(u64::from(wants)))
    }

    fn next_event(&self, start: Time) -> Option<Time> {
        let mut next = self.under_way.iter().map(|w| w.0).min().unwrap_or(Time::NEVER);
        for side in 0..2 {
            next = next.min(self.sides[side].deadline());
            next = next.min(self.connect_time(side, start).unwrap_or(Time::NEVER));
            let reads = self.sides[side].descriptor().is_some_and(|e| e.readable() > 0);
            next = next.min(if reads { self.apps[side].reads_at } else { Time::NEVER });
        }
        (next != Time::NEVER).then_some(next)
    }

    /// One thing that is due now: an arrival before a timer, the client before the server.
    fn happen(&mut self) -> Result<(), String> {
        let due = self.under_way.iter().enumerate().min_by_key(|(_, w)| (w.0, w.1)).map(|(i, w)| (i, w.0));
        if let Some((index, at)) = due
            && at <= self.now
        {
            let (_, _, to, seg) = self.under_way.remove(index);
            self.apply(to, Stimulus::Segment(seg))?.ok();
            return Ok(());
        }
        for side in 0..2 {
            if self.sides[side].deadline() <= self.now {
                self.apply(side, Stimulus::Timer)?.ok();
                return Ok(());
            }
        }
        Ok(())
    }

    fn run_apps(&mut self, start: Time) -> Result<(), String> {
        for side in 0..2 {
            if self.connect_time(side, start).is_some_and(|at| at <= self.now) {
                self.apps[side].connected = true;
                // If the peer's SYN was faster there is a connection already: simultaneous open in the other order.
                self.apply(side, Stimulus::Connect)?.ok();
            }
            self.run_app(side)?;
        }
        Ok(())
    }

    fn run_app(&mut self, side: usize) -> Result<(), String> {
        let plan = self.plans[side];
        self.read(side)?;
        let Some(endpoint) = self.sides[side].descriptor() else { return Ok(()) };
        let state = endpoint.state();
        let open = matches!(state, State::Established | State::CloseWait);
        while open && self.apps[side].sent < plan.bytes {
            let left = plan.bytes - self.apps[side].sent;
            let len = left.min(u64::from(plan.piece.max(1))) as u32;
            let Ok(taken) = self.apply(side, Stimulus::Call(Input::Send { len }))? else { break };
            self.apps[side].sent += u64::from(taken);
        }
        let app = &self.apps[side];
        let may_shut = plan.eager || app.peer_closed;
        if open && !app.shut && may_shut && app.sent == plan.bytes {
            self.apps[side].shut = true;
            self.apply(side, Stimulus::Call(Input::ShutdownWrite))?.ok();
        }
        let app = &self.apps[side];
        let nothing_unread = self.sides[side].descriptor().is_some_and(|e| e.readable() == 0);
        if app.shut && app.peer_closed && nothing_unread && !app.closed {
            self.apps[side].closed = true;
            self.apply(side, Stimulus::Call(Input::Close))?.ok();
        }
        Ok(())
    }

    fn read(&mut self, side: usize) -> Result<(), String> {
        let unread = self.sides[side].descriptor().map_or(0, Endpoint::readable);
        if unread == 0 || self.apps[side].reads_at > self.now {
            return Ok(());
        }
        let got = self.apply(side, Stimulus::Call(Input::Recv { len: u32::MAX }))?.unwrap_or(0);
        self.apps[side].received += u64::from(got);
        self.apps[side].reads_at = self.now + Span::from_millis(u64::from(self.plans[side].reads_every));
        Ok(())
    }

    fn apply(&mut self, side: usize, stimulus: Stimulus) -> Result<Result<u32, Errno>, String> {
        // Numbers rise with time (RFC 6528), or an old SYN would find the old numbers again.
        let ticks = (self.now.0 / 64_000) as u32;
        let env = env(self.now, &self.cfg, Seq([0xffff_fff0, 0x7fff_0000][side]) + ticks);
        let step = self.watches[side].step(&mut self.sides[side], env, stimulus, &mut self.out);
        let answer = step.map_err(|rule| self.complain(&format!("side {side} at {}: {rule}", self.now)))?;
        for notice in &self.out.notices {
            match notice {
                Notice::PeerClosed => self.apps[side].peer_closed = true,
                Notice::Error(errno) => self.apps[side].error = Some(*errno),
                _ => {}
            }
        }
        for seg in core::mem::take(&mut self.out.segments) {
            self.send(side, seg);
        }
        Ok(answer)
    }

    fn send(&mut self, from: usize, seg: Segment) {
        let fate = self.fates.next().unwrap_or_default();
        self.remember(from, &seg, fate);
        let (losses, last_was_lost) = self.losses[from];
        let lost = fate.lost && losses < MOST_LOSSES && !last_was_lost;
        self.losses[from] = (losses + u8::from(lost), lost);
        if lost {
            return;
        }
        let arrival = self.now + DELAY + Span::from_millis(u64::from(fate.late));
        let copies = [Some(arrival), fate.doubled.map(|late| arrival + Span::from_millis(u64::from(late)))];
        for at in copies.into_iter().flatten() {
            self.under_way.push((at, self.sent, 1 - from, seg));
            self.sent += 1;
        }
    }

    fn remember(&mut self, from: usize, seg: &Segment, fate: Fate) {
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        let ends = if from == 0 { "0 > 1" } else { "1 > 0" };
        let flags = reports::trace::flags(seg.flags);
        let (Segment { len, win, .. }, Seq(seq), Seq(ack)) = (seg, seg.seq, seg.ack);
        let fate = if fate == Fate::default() { String::new() } else { format!(" {fate:?}") };
        self.log
            .push_back(format!("{} {ends} {flags} seq {seq} len {len} ack {ack} win {win}{fate}", self.now));
    }

    /// A complaint, with what led to it.
    fn complain(&self, what: &str) -> String {
        let lines: Vec<&str> = self.log.iter().map(String::as_str).collect();
        format!("{what}\n{}\n{:?}\n{:?}", lines.join("\n"), self.sides, self.apps)
    }

    fn check_end(&self) -> Result<(), String> {
        for side in 0..2 {
            let (app, sender) = (&self.apps[side], &self.plans[1 - side]);
            let clean = self.sides[side].is_vacant();
            if app.received != sender.bytes || app.error.is_some() || !app.closed || !clean {
                return Err(self.complain(&format!("side {side} ended badly")));
            }
        }
        Ok(())
    }
}
