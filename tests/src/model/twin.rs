//! One side that is given what a host of a recorded run was given, and must say what the host said.
//!
//! The engine's host has tables of many tuples, timers in a queue, TIME_WAITs as rows, and a memory of steps. A [`Seat`] has
//! one tuple and none of that. Both are drivers of the same sockets, so each tuple of a host must do what a [`Seat`] does with
//! the same segments, calls and times. The calls are those of a small application that never waits.

use sim_core::counter::{Counter, Counters};
use sim_core::engine::{Record, Whose};
use sim_core::errno::Errno;
use sim_core::ids::{HostId, Tuple};
use sim_core::scenario::{CloseHow, Side, Traffic};
use sim_core::socket::{Env, Seat};
use sim_core::tcp::{Flags, Input, Notice, Out, Secrets, Segment, State, TcpConfig, TimerKind, Why};
use sim_core::time::Time;
use std::collections::VecDeque;

/// What a socket says to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It sends a segment.
    Sent(Segment),
    /// It moves.
    Moved(State, State),
    /// It refuses a segment.
    Refused(Why),
    /// A timer has fired.
    Fired(TimerKind),
}

/// What happened in a host, as far as it concerns one tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A segment arrived.
    Arrived(Segment),
    /// The host said something.
    Said(Said),
}

impl Seen {
    /// What a record says, and of which tuple of which host.
    pub fn of(record: &Record) -> Option<(HostId, Tuple, Seen)> {
        let said = |whose: Whose, said| Some((whose.host, whose.tuple, Seen::Said(said)));
        match *record {
            Record::Arrived(host, packet) => Some((host, packet.tuple.reversed(), Seen::Arrived(packet.seg))),
            Record::Sent(host, packet) => Some((host, packet.tuple, Seen::Said(Said::Sent(packet.seg)))),
            Record::Moved(whose, step) => said(whose, Said::Moved(step.from, step.to)),
            Record::Refused(whose, why) => said(whose, Said::Refused(why)),
            Record::Fired(whose, kind) => said(whose, Said::Fired(kind)),
            _ => None,
        }
    }
}

/// Keeps everything in order.
#[derive(Clone, Debug, Default)]
struct Sink {
    said: VecDeque<Said>,
    notices: VecDeque<Notice>,
    counters: Counters,
}

impl Out for Sink {
    fn segment(&mut self, seg: Segment) {
        self.said.push_back(Said::Sent(seg));
    }
    fn notice(&mut self, notice: Notice) {
        self.notices.push_back(notice);
    }
    fn count(&mut self, counter: Counter) {
        self.counters.bump(counter);
    }
    fn moved(&mut self, from: State, to: State) {
        self.said.push_back(Said::Moved(from, to));
    }
    fn refused(&mut self, why: Why) {
        self.said.push_back(Said::Refused(why));
    }
    fn fired(&mut self, kind: TimerKind) {
        self.said.push_back(Said::Fired(kind));
    }
}

/// An application that does at once whatever it will do. With a descriptor it is there; it goes when it closes.
#[derive(Clone, Debug)]
struct App {
    side: Side,
    /// Bytes of the message that it reads still missing.
    expect: u32,
    /// Bytes of the message that it writes still unsent.
    unsent: u32,
    exchanges: u32,
    open: bool,
}

/// One tuple of a host, once more.
#[derive(Clone, Debug)]
pub struct Twin<'a> {
    seat: Seat,
    cfg: &'a TcpConfig,
    traffic: &'a Traffic,
    sink: Sink,
    app: Option<App>,
}

impl<'a> Twin<'a> {
    /// A tuple of a host with these parameters; `backlog`: its port listens.
    pub fn new(cfg: &'a TcpConfig, traffic: &'a Traffic, backlog: Option<u32>) -> Twin<'a> {
        let mut seat = Seat::default();
        if let Some(backlog) = backlog {
            seat.listen(backlog, cfg.somaxconn);
        }
        Twin { seat, cfg, traffic, sink: Sink::default(), app: None }
    }

    /// Kernel counters so far.
    pub fn counters(&self) -> &Counters {
        &self.sink.counters
    }

    /// Does all that the host was seen to do up to `end`.
    ///
    /// # Errors
    /// The first difference.
    pub fn follow(&mut self, seen: &[(Time, Seen)], end: Time) -> Result<(), String> {
        for (i, &(at, what)) in seen.iter().enumerate() {
            let env = Env { now: at, cfg: self.cfg, secrets: secrets(at, &seen[i..]) };
            let said = match what {
                Seen::Arrived(seg) => {
                    self.expect_nothing_left(at)?;
                    self.seat.deliver(env, &seg, &mut self.sink);
                    self.serve(env);
                    continue;
                }
                Seen::Said(said) => said,
            };
            if self.sink.said.is_empty() {
                self.begin(env, said);
            }
            let own = self.sink.said.pop_front();
            if own != Some(said) {
                return Err(format!("at {at}: the host says {said:?}, the seat {own:?}; {:?}", self.seat));
            }
        }
        self.expect_nothing_left(end)
    }

    fn expect_nothing_left(&self, at: Time) -> Result<(), String> {
        if let Some(said) = self.sink.said.front() {
            return Err(format!("before {at}: the seat says {said:?}, the host nothing; {:?}", self.seat));
        }
        if self.seat.deadline() < at {
            return Err(format!(
                "before {at}: a timer of the seat is due, none of the host; {:?}",
                self.seat
            ));
        }
        Ok(())
    }

    /// The host begins to speak though nothing has arrived: a timer fires, or its application connects.
    fn begin(&mut self, env: Env<'_>, said: Said) {
        match said {
            Said::Fired(_) => self.seat.fire(env, &mut self.sink),
            Said::Moved(..) => {
                let connected = self.seat.connect(env, false, &mut self.sink);
                self.app = connected.ok().map(|()| App::new(Side::Client));
            }
            Said::Sent(_) | Said::Refused(_) => {}
        }
        self.serve(env);
    }

    /// The application accepts what there is, and hears what there is to hear.
    fn serve(&mut self, env: Env<'_>) {
        self.tell(env);
        while self.seat.accept().is_ok() {
            self.app = Some(App::new(Side::Server));
            self.with_app(env, App::begin_serving);
            self.tell(env);
        }
    }

    fn tell(&mut self, env: Env<'_>) {
        while let Some(notice) = self.sink.notices.pop_front() {
            self.with_app(env, |app, socket| app.on_notice(socket, notice));
        }
    }

    fn with_app(&mut self, env: Env<'_>, act: impl FnOnce(&mut App, &mut Socket<'_>)) {
        let Twin { seat, sink, traffic, app: Some(app), .. } = self else { return };
        if app.open {
            act(app, &mut Socket { seat, sink, traffic, env });
        }
    }
}

/// The keyed numbers of the connection that begins at this moment, if one does, as its SYN or SYN,ACK shows them.
fn secrets(at: Time, seen: &[(Time, Seen)]) -> Secrets {
    let now = seen.iter().take_while(|(time, _)| *time == at);
    let mut sent = now.filter_map(|(_, seen)| match seen {
        Seen::Said(Said::Sent(seg)) if seg.flags.has(Flags::SYN) => Some(seg),
        _ => None,
    });
    sent.next().map_or(Secrets::default(), |seg| {
        let offset = seg.ts.map_or(0, |ts| ts.val.wrapping_sub(at.as_millis() as u32));
        Secrets { isn: seg.seq, ts_offset: offset, cookie: 0 }
    })
}

/// The application's descriptor.
struct Socket<'a> {
    seat: &'a mut Seat,
    sink: &'a mut Sink,
    traffic: &'a Traffic,
    env: Env<'a>,
}

impl Socket<'_> {
    fn call(&mut self, input: Input) -> Result<u32, Errno> {
        self.seat.call(self.env, input, self.sink)
    }
}

impl App {
    fn new(side: Side) -> App {
        App { side, expect: 0, unsent: 0, exchanges: 0, open: true }
    }

    fn begin_serving(&mut self, socket: &mut Socket<'_>) {
        self.expect = socket.traffic.request;
        self.read(socket);
    }

    fn on_notice(&mut self, socket: &mut Socket<'_>, notice: Notice) {
        match notice {
            Notice::Connected => self.ask(socket),
            Notice::Readable { .. } | Notice::PeerClosed => self.read(socket),
            Notice::Writable => self.write(socket),
            Notice::Error(_) => self.close(socket, Input::Close),
            Notice::Finished => {}
        }
    }

    fn ask(&mut self, socket: &mut Socket<'_>) {
        self.expect = socket.traffic.response;
        self.unsent = socket.traffic.request;
        self.write(socket);
    }

    fn write(&mut self, socket: &mut Socket<'_>) {
        while self.unsent > 0 {
            match socket.call(Input::Send { len: self.unsent }) {
                Ok(taken) if taken > 0 => self.unsent -= taken,
                Err(errno) if errno != Errno::Eagain => return self.close(socket, Input::Close),
                _ => return,
            }
        }
        if self.side == Side::Server && self.exchanges == socket.traffic.requests_per_connection {
            self.end(socket);
        }
    }

    fn read(&mut self, socket: &mut Socket<'_>) {
        while self.open {
            match socket.call(Input::Recv { len: u32::MAX }) {
                Ok(bytes) if bytes > 0 => self.take(socket, bytes),
                Err(Errno::Eagain) => return,
                _ => return self.close(socket, Input::Close),
            }
        }
    }

    fn take(&mut self, socket: &mut Socket<'_>, bytes: u32) {
        if self.expect == 0 {
            return;
        }
        self.expect -= bytes.min(self.expect);
        if self.expect > 0 {
            return;
        }
        self.exchanges += 1;
        if self.side == Side::Server {
            self.expect = socket.traffic.request;
            self.unsent = socket.traffic.response;
            self.write(socket);
        } else if self.exchanges == socket.traffic.requests_per_connection {
            self.end(socket);
        } else {
            self.ask(socket);
        }
    }

    /// Nothing is left to be done: the side that closes first does.
    fn end(&mut self, socket: &mut Socket<'_>) {
        if socket.traffic.first != self.side {
            return;
        }
        match socket.traffic.how {
            CloseHow::Graceful | CloseHow::Unread => self.close(socket, Input::Close),
            CloseHow::Reset => self.close(socket, Input::Abort),
            CloseHow::HalfClose => {
                let _ = socket.call(Input::ShutdownWrite);
            }
            CloseHow::Never => {}
        }
    }

    fn close(&mut self, socket: &mut Socket<'_>, how: Input) {
        self.open = false;
        let _ = socket.call(how);
    }
}
