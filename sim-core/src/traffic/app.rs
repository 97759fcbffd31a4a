//! One application's end of one connection: the client's or the server's.
//!
//! Requests and responses are byte counts. The client asks, the server answers after its service time; then one side
//! closes first, and the other when it has read the end of the stream.

use crate::errno::{Call, Errno};
use crate::host::{Effects, Host};
use crate::ids::{HostId, Key, TrafficId};
use crate::record::TrafficSummary;
use crate::scenario::{CloseHow, OtherSide, Side, Traffic};
use crate::tcp::{Input, Notice};
use crate::time::{Span, Time};

/// What an application's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The client's patience with connect() ends.
    GiveUp,
    /// The server has its answer ready.
    Answer,
    /// The client asks again.
    Ask,
    /// The first closer has held the connection long enough.
    CloseFirst,
    /// The other side closes.
    CloseOther,
    /// A pooled connection has been idle too long.
    Idle,
}

/// What the world is to do with an application after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It goes on.
    Running,
    /// A pooled connection is free for another request.
    Idle,
    /// It has closed its socket; nothing is left.
    Done,
    /// Its attempt to connect failed; the socket, if there was one, is closed.
    Failed,
}

/// One end's application.
#[derive(Clone, Debug)]
pub struct App {
    /// Its source.
    pub traffic: TrafficId,
    /// Which end.
    pub side: Side,
    /// Where it runs.
    pub host: HostId,
    /// Its socket.
    pub socket: Option<Key>,
    /// When the attempt began.
    pub began: Time,
    /// Retries that are left to the client.
    pub tries_left: u32,
    /// Bytes of the incoming message still missing.
    expect: u32,
    /// Bytes of the outgoing message not yet taken by the socket.
    unsent: u32,
    /// Requests answered.
    served: u32,
    connected: bool,
    timer: Option<(Time, What)>,
    /// The moment for which the world has queued a wake-up.
    pub armed: Time,
    status: Status,
}

/// What surrounds an application during a step.
#[derive(Debug)]
pub struct Desk<'a> {
    /// The moment.
    pub now: Time,
    /// What the scenario says of the source.
    pub spec: &'a Traffic,
    /// The host it runs on.
    pub host: &'a mut Host,
    /// Where effects go.
    pub fx: &'a mut Effects,
    /// Where outcomes are booked.
    pub book: &'a mut TrafficSummary,
}

impl App {
    /// A client about to connect.
    pub fn client(traffic: TrafficId, host: HostId, now: Time, tries_left: u32) -> App {
        App {
            traffic,
            side: Side::Client,
            host,
            socket: None,
            began: now,
            tries_left,
            expect: 0,
            unsent: 0,
            served: 0,
            connected: false,
            timer: None,
            armed: Time::NEVER,
            status: Status::Running,
        }
    }

    /// A server that has just accepted.
    pub fn server(traffic: TrafficId, host: HostId, socket: Key, now: Time) -> App {
        let mut app = App::client(traffic, host, now, 0);
        app.side = Side::Server;
        app.socket = Some(socket);
        app.connected = true;
        app
    }

    /// When it wants [`App::on_timer`].
    pub fn due(&self) -> Option<Time> {
        self.timer.map(|(at, _)| at)
    }

    /// What became of it in the last step.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether connect() has been called and has neither succeeded nor failed.
    pub fn is_connecting(&self) -> bool {
        self.socket.is_some() && !self.connected
    }

    /// The client's socket is connecting.
    pub fn connecting(&mut self, socket: Key, desk: &Desk<'_>) {
        self.socket = Some(socket);
        if desk.spec.connect_timeout != Span::MAX {
            self.set_timer(desk, desk.spec.connect_timeout, What::GiveUp);
        }
    }

    /// The server begins: it waits for the request, which may have come already.
    pub fn begin_serving(&mut self, desk: &mut Desk<'_>) {
        self.expect = desk.spec.request;
        if desk.spec.requests_per_connection == 0 {
            return self.finished_all(desk);
        }
        self.read(desk);
    }

    /// A pooled connection gets another request.
    pub fn next_request(&mut self, desk: &mut Desk<'_>) {
        self.status = Status::Running;
        self.timer = None;
        self.ask(desk);
    }

    /// The socket has news.
    pub fn on_notice(&mut self, desk: &mut Desk<'_>, notice: Notice) {
        match notice {
            Notice::Connected => self.on_connected(desk),
            Notice::Readable { .. } | Notice::PeerClosed => self.read(desk),
            Notice::Writable => self.write(desk),
            Notice::Error(errno) => self.on_error(desk, errno),
            Notice::Finished => {}
        }
    }

    /// Its timer is due.
    pub fn on_timer(&mut self, desk: &mut Desk<'_>) {
        let Some((at, what)) = self.timer else { return };
        if at > desk.now {
            return;
        }
        self.timer = None;
        match what {
            What::GiveUp => {
                self.fail(desk, Call::Connect, Errno::Timeout);
                self.close(desk, Input::Close);
                self.status = Status::Failed;
            }
            What::Answer => self.answer(desk),
            What::Ask => self.ask(desk),
            What::CloseFirst => self.close_first(desk),
            What::CloseOther | What::Idle => self.close(desk, Input::Close),
        }
    }

    fn set_timer(&mut self, desk: &Desk<'_>, after: Span, what: What) {
        self.timer = Some((desk.now + after, what));
    }

    fn on_connected(&mut self, desk: &mut Desk<'_>) {
        if self.side == Side::Server || self.connected {
            return;
        }
        self.connected = true;
        self.timer = None;
        desk.book.connected.add(desk.now);
        desk.book.connect_latency.add(desk.now.since(self.began));
        if desk.book.failed.count > 0 && self.began > desk.book.failed.first && desk.book.recovered.is_none()
        {
            desk.book.recovered = Some(desk.now);
        }
        if desk.spec.requests_per_connection == 0 {
            desk.book.completed.add(desk.now);
            return self.finished_all(desk);
        }
        self.ask(desk);
    }

    fn ask(&mut self, desk: &mut Desk<'_>) {
        self.expect = desk.spec.response;
        self.unsent = desk.spec.request;
        self.write(desk);
    }

    fn answer(&mut self, desk: &mut Desk<'_>) {
        self.expect = desk.spec.request;
        self.unsent = desk.spec.response;
        self.served += 1;
        self.write(desk);
    }

    /// Sends what the socket will take.
    fn write(&mut self, desk: &mut Desk<'_>) {
        let Some(socket) = self.socket else { return };
        while self.unsent > 0 {
            match desk.host.call(desk.now, socket, Input::Send { len: self.unsent }, desk.fx) {
                Ok(taken) if taken > 0 => self.unsent -= taken.min(self.unsent),
                Err(errno) if errno != Errno::Eagain => return self.broken(desk, Call::Send, errno),
                _ => return,
            }
        }
        if self.side == Side::Server && self.served == desk.spec.requests_per_connection {
            self.finished_all(desk);
        }
    }

    /// Reads what there is, to the end of the stream if it has come.
    fn read(&mut self, desk: &mut Desk<'_>) {
        while let Some(socket) = self.socket {
            match desk.host.call(desk.now, socket, Input::Recv { len: u32::MAX }, desk.fx) {
                Ok(0) => return self.on_end_of_stream(desk),
                Ok(bytes) => self.take(desk, bytes),
                Err(Errno::Eagain) => return,
                Err(errno) => return self.broken(desk, Call::Recv, errno),
            }
        }
    }

    /// Takes bytes of the incoming message.
    fn take(&mut self, desk: &mut Desk<'_>, bytes: u32) {
        if self.expect == 0 {
            return;
        }
        self.expect -= bytes.min(self.expect);
        if self.expect > 0 {
            return;
        }
        match self.side {
            Side::Server if desk.spec.service_time == Span::ZERO => self.answer(desk),
            Side::Server => self.set_timer(desk, desk.spec.service_time, What::Answer),
            Side::Client => self.answered(desk),
        }
    }

    /// The client has its response.
    fn answered(&mut self, desk: &mut Desk<'_>) {
        self.served += 1;
        desk.book.answered += 1;
        if self.served == desk.spec.requests_per_connection {
            desk.book.completed.add(desk.now);
            self.finished_all(desk);
        } else if let Some(pool) = desk.spec.pool {
            self.status = Status::Idle;
            if pool.idle_timeout != Span::MAX {
                self.set_timer(desk, pool.idle_timeout, What::Idle);
            }
        } else if desk.spec.think_time == Span::ZERO {
            self.ask(desk);
        } else {
            self.set_timer(desk, desk.spec.think_time, What::Ask);
        }
    }

    /// Every request is answered, as far as this end is concerned.
    fn finished_all(&mut self, desk: &mut Desk<'_>) {
        if desk.spec.first != self.side || desk.spec.how == CloseHow::Never {
            return;
        }
        if desk.spec.hold == Span::ZERO {
            self.close_first(desk);
        } else {
            self.set_timer(desk, desk.spec.hold, What::CloseFirst);
        }
    }

    fn close_first(&mut self, desk: &mut Desk<'_>) {
        match desk.spec.how {
            CloseHow::Graceful => self.close(desk, Input::Close),
            CloseHow::Reset => self.close(desk, Input::Abort),
            CloseHow::HalfClose => {
                if let Some(socket) = self.socket {
                    // An error here is one that the socket also reports by notice.
                    let _ = desk.host.call(desk.now, socket, Input::ShutdownWrite, desk.fx);
                }
            }
            CloseHow::Never => {}
        }
    }

    fn on_end_of_stream(&mut self, desk: &mut Desk<'_>) {
        self.timer = None;
        if desk.spec.first == self.side {
            return self.close(desk, Input::Close);
        }
        match desk.spec.other {
            OtherSide::CloseAfter(Span::ZERO) => self.close(desk, Input::Close),
            OtherSide::CloseAfter(after) => self.set_timer(desk, after, What::CloseOther),
            OtherSide::Never => {}
        }
    }

    fn on_error(&mut self, desk: &mut Desk<'_>, errno: Errno) {
        let call = if self.connected { Call::Recv } else { Call::Connect };
        self.broken(desk, call, errno);
    }

    /// The connection has failed: the error is booked, the descriptor closed.
    fn broken(&mut self, desk: &mut Desk<'_>, call: Call, errno: Errno) {
        if self.socket.is_none() {
            return;
        }
        let connected = self.connected;
        if self.side == Side::Client {
            self.fail(desk, call, errno);
        }
        self.close(desk, Input::Close);
        if !connected {
            self.status = Status::Failed;
        }
    }

    /// Books a client's failure.
    pub fn fail(&mut self, desk: &mut Desk<'_>, call: Call, errno: Errno) {
        desk.book.fail(desk.now, call, errno);
        self.status = Status::Failed;
    }

    fn close(&mut self, desk: &mut Desk<'_>, how: Input) {
        self.timer = None;
        self.status = Status::Done;
        if let Some(socket) = self.socket.take() {
            desk.host.close(desk.now, socket, how, desk.fx);
        }
    }
}
