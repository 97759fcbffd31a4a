//! The application at one end of a connection: the client's or the server's.
//!
//! Requests and responses are byte counts. The client asks, the server answers after its service time; then one side
//! closes first, and the other when it has read the end of the stream.

use super::effects::{AppTimer, Booked, Effect};
use super::end::AppContext;
use crate::errno::{Call, Errno};
use crate::scenario::{CloseHow, OtherSide, Side, SocketOptions};
use crate::tcp::{Input, KeepTimes, Notice};
use crate::time::Span;

/// What an application's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// The client's patience with connect() ends.
    GiveUp,
    /// The client's patience with the server ends.
    Impatient,
    /// The server has its answer ready.
    Answer,
    /// The client asks again.
    Ask,
    /// The first closer has held the connection long enough.
    CloseFirst,
    /// The other side closes.
    CloseOther,
    /// A connection has been idle too long between two requests.
    Idle,
    /// It runs, and finds its connect() done.
    Opened,
    /// It runs, and reads what has come in the meantime.
    WakeUp,
    /// Its recv() returns with a part of a message, and it reads on.
    ReadOn,
}

/// How an application stands after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It goes on.
    Running,
    /// A pooled connection is free for another request.
    Idle,
    /// It has closed its socket; nothing is left.
    Done,
    /// Its attempt to connect failed; the socket is closed.
    Failed,
}

/// One end's application. When its timer is due is for the driver to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Application {
    pub(super) side: Side,
    /// Bytes of the incoming message still missing.
    pub(super) expect: u32,
    /// Bytes of the outgoing message not yet taken by the socket.
    pub(super) unsent: u32,
    /// Requests answered; 1 if there is no end of them.
    pub(super) served: u32,
    /// Requests under way on a connection that carries several at once.
    pub(super) open: u32,
    /// Requests that such a connection is to ask as soon as it can.
    pub(super) due: u32,
    connected: bool,
    /// The client waits for an answer, or for the greeting before it asks.
    pub(super) asking: bool,
    /// The greeting has been sent, or has come.
    pub(super) greeted: bool,
    pub(super) timer: Option<Purpose>,
    pub(super) status: Status,
}

impl Application {
    /// A client about to connect.
    pub fn client() -> Application {
        Application {
            side: Side::Client,
            expect: 0,
            unsent: 0,
            served: 0,
            open: 0,
            due: 0,
            connected: false,
            asking: false,
            greeted: false,
            timer: None,
            status: Status::Running,
        }
    }

    /// A server that has just accepted.
    pub fn server() -> Application {
        Application { side: Side::Server, connected: true, ..Application::client() }
    }

    /// Which end it is.
    pub const fn side(&self) -> Side {
        self.side
    }

    /// How it stands.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Whether its connect() has neither succeeded nor failed.
    pub const fn is_connecting(&self) -> bool {
        !self.connected
    }

    /// Whether a server has taken a request that it has yet to answer.
    pub fn owes_answer(&self) -> bool {
        self.timer == Some(Purpose::Answer)
    }

    /// The client's connect() is under way.
    pub(super) fn connecting(&mut self, desk: &mut AppContext<'_, '_>) {
        set_options(desk, desk.spec.options);
        self.due = u32::from(desk.spec.multiplexes());
        if desk.spec.connect_timeout != Span::MAX {
            self.set_timer(desk, desk.spec.connect_timeout, Purpose::GiveUp);
        }
    }

    /// The server begins: it waits for the request, which may have come already.
    pub(super) fn begin_serving(&mut self, desk: &mut AppContext<'_, '_>) {
        set_options(desk, desk.spec.server_options);
        send_at_once(desk);
        self.expect = desk.spec.request;
        if desk.spec.requests_per_connection == 0 {
            return self.finished_all(desk);
        }
        if desk.spec.greeting > 0 {
            self.unsent = desk.spec.greeting;
            self.write(desk);
        }
        if self.expect == 0 {
            self.serve(desk);
        }
        self.read(desk);
    }

    /// What the server answers is ready. The connection may have ended meanwhile.
    pub(super) fn answer_ready(&mut self, desk: &mut AppContext<'_, '_>) {
        if desk.spec.multiplexes() {
            self.answer_stream(desk);
        } else if self.timer == Some(Purpose::Answer) {
            self.timer = None;
            self.go_on_serving(desk);
        }
    }

    /// The server answers. A thread that has not looked meanwhile reads what has come.
    fn go_on_serving(&mut self, desk: &mut AppContext<'_, '_>) {
        self.answer(desk);
        if desk.spec.server_blocks {
            self.read(desk);
        }
    }

    /// The connection is not wanted any longer: an idle one, or its process dies.
    pub(super) fn dismiss(&mut self, desk: &mut AppContext<'_, '_>) {
        if self.side == Side::Client && (!self.connected || self.asking) {
            let call = if self.connected { Call::Recv } else { Call::Connect };
            return self.broken(desk, call, Errno::Stopped);
        }
        self.close(desk, Input::Close);
    }

    /// A pooled connection gets another request.
    pub(super) fn next_request(&mut self, desk: &mut AppContext<'_, '_>) {
        if desk.spec.multiplexes() {
            return self.next_stream(desk);
        }
        self.status = Status::Running;
        self.stop_timer(desk);
        self.ask(desk);
    }

    /// The socket has news.
    pub(super) fn on_notice(&mut self, desk: &mut AppContext<'_, '_>, notice: Notice) {
        match notice {
            Notice::Connected => self.on_opened(desk),
            Notice::Readable { .. } if self.leaves_unread(desk) => self.answered(desk),
            Notice::Readable { .. } | Notice::PeerClosed => self.on_readable(desk),
            Notice::Writable => self.write(desk),
            Notice::Error(errno) => self.on_error(desk, errno),
            Notice::Finished => {}
        }
    }

    /// Its timer is due.
    pub(super) fn on_timer(&mut self, desk: &mut AppContext<'_, '_>) {
        let Some(purpose) = self.timer else { return };
        self.stop_timer(desk);
        match purpose {
            Purpose::GiveUp => {
                book(desk, Booked::Failed(Call::Connect, Errno::Timeout));
                self.close(desk, Input::Close);
                self.status = Status::Failed;
            }
            Purpose::Impatient => {
                book(desk, Booked::Failed(Call::Recv, Errno::Timeout));
                self.close(desk, Input::Close);
            }
            Purpose::Opened => {
                self.on_connected(desk);
                self.read(desk);
            }
            Purpose::WakeUp | Purpose::ReadOn => self.read(desk),
            Purpose::Answer => self.go_on_serving(desk),
            Purpose::Ask => self.ask(desk),
            Purpose::CloseFirst => self.close_first(desk),
            Purpose::CloseOther | Purpose::Idle => self.close(desk, Input::Close),
        }
    }

    pub(super) fn set_timer(&mut self, desk: &mut AppContext<'_, '_>, after: Span, purpose: Purpose) {
        self.timer = Some(purpose);
        desk.fx.app_timer = AppTimer::Armed(after);
    }

    /// A timer for a time that is not the same each time: the driver knows it.
    fn set_drawn_timer(&mut self, desk: &mut AppContext<'_, '_>, timer: AppTimer, purpose: Purpose) {
        self.timer = Some(purpose);
        desk.fx.app_timer = timer;
    }

    pub(super) fn stop_timer(&mut self, desk: &mut AppContext<'_, '_>) {
        if self.timer.take().is_some() {
            desk.fx.app_timer = AppTimer::Stopped;
        }
    }

    /// connect() is done: it knows now, or once it runs. What goes wrong until then is an error of connect().
    fn on_opened(&mut self, desk: &mut AppContext<'_, '_>) {
        if self.connected {
            return;
        }
        if desk.spec.wake_up == Span::ZERO {
            return self.on_connected(desk);
        }
        self.set_timer(desk, desk.spec.wake_up, Purpose::Opened);
    }

    fn on_connected(&mut self, desk: &mut AppContext<'_, '_>) {
        self.connected = true;
        self.stop_timer(desk);
        send_at_once(desk);
        book(desk, Booked::Connected);
        if desk.spec.requests_per_connection == 0 {
            // The connection itself is what was wanted.
            book(desk, Booked::Answered);
            book(desk, Booked::Completed);
            return self.finished_all(desk);
        }
        if desk.spec.greeting > 0 {
            self.asking = true;
            self.expect = desk.spec.greeting;
            return self.be_patient(desk);
        }
        if desk.spec.ask_after == Span::ZERO {
            self.ask(desk);
        } else {
            self.set_timer(desk, desk.spec.ask_after, Purpose::Ask);
        }
    }

    fn be_patient(&mut self, desk: &mut AppContext<'_, '_>) {
        if desk.spec.response_timeout != Span::MAX {
            self.set_timer(desk, desk.spec.response_timeout, Purpose::Impatient);
        }
    }

    fn ask(&mut self, desk: &mut AppContext<'_, '_>) {
        if desk.spec.multiplexes() {
            return self.ask_streams(desk);
        }
        if self.served > 0 && desk.spec.pool.is_none() {
            book(desk, Booked::Asked);
        }
        self.asking = true;
        self.be_patient(desk);
        self.expect = desk.spec.response;
        self.unsent = desk.spec.request;
        self.write(desk);
    }

    fn answer(&mut self, desk: &mut AppContext<'_, '_>) {
        self.expect = desk.spec.request;
        self.unsent = desk.spec.response;
        self.count_served(desk);
        self.write(desk);
        if desk.spec.server_idle_timeout != Span::MAX && self.is_open() && self.timer.is_none() {
            self.set_timer(desk, desk.spec.server_idle_timeout, Purpose::Idle);
        }
    }

    /// Without an end nobody counts: every answer of a connection is then like every other.
    pub(super) fn count_served(&mut self, desk: &AppContext<'_, '_>) {
        self.served = if desk.spec.requests_per_connection == u32::MAX { 1 } else { self.served + 1 };
    }

    /// Sends what the socket will take.
    pub(super) fn write(&mut self, desk: &mut AppContext<'_, '_>) {
        while self.unsent > 0 {
            match desk.call(Input::Send { len: self.unsent }) {
                Ok(taken) if taken > 0 => self.unsent -= taken.min(self.unsent),
                Err(errno) if errno != Errno::Eagain => return self.broken(desk, Call::Send, errno),
                _ => return,
            }
        }
        if self.side == Side::Server && self.served == desk.spec.requests_per_connection {
            self.finished_all(desk);
        }
        // A message without an answer is done when it is sent.
        if self.side == Side::Client && self.asking && self.expect == 0 {
            self.answered(desk);
        }
    }

    /// Something can be read: now, or once it runs. One that waits for something else already is awake.
    fn on_readable(&mut self, desk: &mut AppContext<'_, '_>) {
        if !self.connected {
            return;
        }
        if desk.spec.wake_up == Span::ZERO {
            return self.read(desk);
        }
        match self.timer {
            None => self.set_timer(desk, desk.spec.wake_up, Purpose::WakeUp),
            Some(Purpose::WakeUp | Purpose::ReadOn) => {}
            Some(_) => self.read(desk),
        }
    }

    /// Reads what there is, to the end of the stream if it has come.
    fn read(&mut self, desk: &mut AppContext<'_, '_>) {
        while self.is_open() {
            if desk.spec.server_blocks && self.timer == Some(Purpose::Answer) {
                return;
            }
            match desk.call(Input::Recv { len: u32::MAX }) {
                Ok(0) => return self.on_end_of_stream(desk),
                Ok(bytes) => {
                    let part = bytes < self.expect;
                    self.take(desk, bytes);
                    if part && self.reads_slowly(desk) {
                        desk.stay_in_recv();
                        return self.set_timer(desk, desk.spec.wake_up, Purpose::ReadOn);
                    }
                }
                Err(Errno::Eagain) => return,
                Err(errno) => return self.broken(desk, Call::Recv, errno),
            }
        }
    }

    /// Whether a read that has brought a part of a message takes its time.
    fn reads_slowly(&self, desk: &AppContext<'_, '_>) -> bool {
        desk.spec.wake_up != Span::ZERO && self.timer.is_none() && !desk.spec.multiplexes()
    }

    /// Whether what has come is the response that the client will not read.
    fn leaves_unread(&self, desk: &AppContext<'_, '_>) -> bool {
        desk.spec.how == CloseHow::Unread
            && self.side == Side::Client
            && self.expect > 0
            && (desk.spec.greeting == 0 || self.greeted)
            && self.served + 1 == desk.spec.requests_per_connection
    }

    /// Takes bytes of the incoming message.
    fn take(&mut self, desk: &mut AppContext<'_, '_>, bytes: u32) {
        if self.reads_streams(desk) {
            return self.take_streams(desk, bytes);
        }
        if self.expect == 0 {
            return;
        }
        if self.side == Side::Server && self.timer == Some(Purpose::Idle) {
            self.stop_timer(desk);
        }
        self.expect -= bytes.min(self.expect);
        if self.expect > 0 {
            return;
        }
        match self.side {
            Side::Server => self.serve(desk),
            Side::Client if desk.spec.greeting > 0 && !self.greeted => {
                self.greeted = true;
                self.ask(desk);
            }
            Side::Client | Side::Both => self.answered(desk),
        }
    }

    /// The server has a request.
    fn serve(&mut self, desk: &mut AppContext<'_, '_>) {
        match desk.spec.service_time.always() {
            Some(time) if !desk.spec.served_elsewhere => {
                if time == Span::ZERO {
                    self.answer(desk);
                } else {
                    self.set_timer(desk, time, Purpose::Answer);
                }
            }
            _ => self.set_drawn_timer(desk, AppTimer::Service, Purpose::Answer),
        }
    }

    /// The client has its response.
    fn answered(&mut self, desk: &mut AppContext<'_, '_>) {
        self.count_served(desk);
        self.expect = 0;
        self.asking = false;
        self.stop_timer(desk);
        book(desk, Booked::Answered);
        if self.served == desk.spec.requests_per_connection {
            book(desk, Booked::Completed);
            self.finished_all(desk);
        } else if let Some(pool) = desk.spec.pool {
            self.status = Status::Idle;
            if pool.idle_timeout != Span::MAX {
                self.set_timer(desk, pool.idle_timeout, Purpose::Idle);
            }
        } else {
            match desk.spec.think_time.always() {
                Some(Span::ZERO) => self.ask(desk),
                Some(time) => self.set_timer(desk, time, Purpose::Ask),
                None => self.set_drawn_timer(desk, AppTimer::Think, Purpose::Ask),
            }
        }
    }

    /// Every request is answered, as far as this end is concerned.
    pub(super) fn finished_all(&mut self, desk: &mut AppContext<'_, '_>) {
        if !desk.spec.first.includes(self.side) || desk.spec.how == CloseHow::Never {
            return;
        }
        if desk.spec.hold == Span::ZERO {
            self.close_first(desk);
        } else {
            self.set_timer(desk, desk.spec.hold, Purpose::CloseFirst);
        }
    }

    fn close_first(&mut self, desk: &mut AppContext<'_, '_>) {
        match desk.spec.how {
            CloseHow::Graceful | CloseHow::Unread => self.close(desk, Input::Close),
            CloseHow::Reset => self.close(desk, Input::Abort),
            CloseHow::HalfClose => {
                // An error here is one that the socket also reports by notice.
                let _ = desk.call(Input::ShutdownWrite);
            }
            CloseHow::Never => {}
        }
    }

    fn on_end_of_stream(&mut self, desk: &mut AppContext<'_, '_>) {
        self.stop_timer(desk);
        if self.asking {
            self.asking = false;
            book(desk, Booked::Failed(Call::Recv, Errno::Eof));
        }
        if desk.spec.first.includes(self.side) {
            return self.close(desk, Input::Close);
        }
        match desk.spec.other {
            OtherSide::CloseAfter(Span::ZERO) => self.close(desk, Input::Close),
            OtherSide::CloseAfter(after) => self.set_timer(desk, after, Purpose::CloseOther),
            OtherSide::Never => {}
        }
    }

    fn on_error(&mut self, desk: &mut AppContext<'_, '_>, errno: Errno) {
        let call = if self.connected { Call::Recv } else { Call::Connect };
        self.broken(desk, call, errno);
    }

    /// The connection has failed: the error is booked, the descriptor closed.
    fn broken(&mut self, desk: &mut AppContext<'_, '_>, call: Call, errno: Errno) {
        if self.side == Side::Client {
            book(desk, Booked::Failed(call, errno));
        }
        self.close(desk, Input::Close);
        if !self.connected {
            self.status = Status::Failed;
        }
    }

    /// Whether it still has its descriptor.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.status, Status::Running | Status::Idle)
    }

    fn close(&mut self, desk: &mut AppContext<'_, '_>, how: Input) {
        self.stop_timer(desk);
        self.status = Status::Done;
        desk.close(how);
    }
}

/// TCP_NODELAY, where several messages share a connection: none waits for the ACK of another.
fn send_at_once(desk: &mut AppContext<'_, '_>) {
    if desk.spec.multiplexes() {
        let _ = desk.call(Input::SetNoDelay(true));
    }
}

/// setsockopt(), as far as there is anything to set.
fn set_options(desk: &mut AppContext<'_, '_>, options: SocketOptions) {
    let SocketOptions { keepalive, user_timeout } = options;
    let times = keepalive.filter(|times| *times != KeepTimes::default()).map(Input::SetKeepTimes);
    let keepalive = keepalive.map(|_| Input::SetKeepAlive(true));
    let patience = (user_timeout != 0).then_some(Input::SetUserTimeout(user_timeout));
    for option in [times, keepalive, patience].into_iter().flatten() {
        let _ = desk.call(option);
    }
}

pub(super) fn book(desk: &mut AppContext<'_, '_>, booked: Booked) {
    desk.fx.list.push(Effect::Booked(booked));
}
