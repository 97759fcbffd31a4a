//! The application at one end of a connection: the client's or the server's.
//!
//! Requests and responses are byte counts. The client asks, the server answers after its service time; then one side
//! closes first, and the other when it has read the end of the stream.

use super::effects::{Booked, Effect};
use super::end::Desk;
use crate::errno::{Call, Errno};
use crate::scenario::{CloseHow, OtherSide, Side};
use crate::tcp::{AlarmChange, Input, Notice};
use crate::time::Span;

/// What an application's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Purpose {
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
    side: Side,
    /// Bytes of the incoming message still missing.
    expect: u32,
    /// Bytes of the outgoing message not yet taken by the socket.
    unsent: u32,
    /// Requests answered.
    served: u32,
    connected: bool,
    timer: Option<Purpose>,
    status: Status,
}

impl Application {
    /// A client about to connect.
    pub fn client() -> Application {
        Application {
            side: Side::Client,
            expect: 0,
            unsent: 0,
            served: 0,
            connected: false,
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

    /// The client's connect() is under way.
    pub(super) fn connecting(&mut self, desk: &mut Desk<'_, '_>) {
        if desk.spec.connect_timeout != Span::MAX {
            self.set_timer(desk, desk.spec.connect_timeout, Purpose::GiveUp);
        }
    }

    /// The server begins: it waits for the request, which may have come already.
    pub(super) fn begin_serving(&mut self, desk: &mut Desk<'_, '_>) {
        self.expect = desk.spec.request;
        if desk.spec.requests_per_connection == 0 {
            return self.finished_all(desk);
        }
        self.read(desk);
    }

    /// A pooled connection gets another request.
    pub(super) fn next_request(&mut self, desk: &mut Desk<'_, '_>) {
        self.status = Status::Running;
        self.stop_timer(desk);
        self.ask(desk);
    }

    /// The socket has news.
    pub(super) fn on_notice(&mut self, desk: &mut Desk<'_, '_>, notice: Notice) {
        match notice {
            Notice::Connected => self.on_connected(desk),
            Notice::Readable { .. } if self.leaves_unread(desk) => self.answered(desk),
            Notice::Readable { .. } | Notice::PeerClosed => self.read(desk),
            Notice::Writable => self.write(desk),
            Notice::Error(errno) => self.on_error(desk, errno),
            Notice::Finished => {}
        }
    }

    /// Its timer is due.
    pub(super) fn on_timer(&mut self, desk: &mut Desk<'_, '_>) {
        let Some(purpose) = self.timer else { return };
        self.stop_timer(desk);
        match purpose {
            Purpose::GiveUp => {
                book(desk, Booked::Failed(Call::Connect, Errno::Timeout));
                self.close(desk, Input::Close);
                self.status = Status::Failed;
            }
            Purpose::Answer => self.answer(desk),
            Purpose::Ask => self.ask(desk),
            Purpose::CloseFirst => self.close_first(desk),
            Purpose::CloseOther | Purpose::Idle => self.close(desk, Input::Close),
        }
    }

    fn set_timer(&mut self, desk: &mut Desk<'_, '_>, after: Span, purpose: Purpose) {
        self.timer = Some(purpose);
        desk.fx.app_timer = AlarmChange::Armed(after);
    }

    fn stop_timer(&mut self, desk: &mut Desk<'_, '_>) {
        if self.timer.take().is_some() {
            desk.fx.app_timer = AlarmChange::Stopped;
        }
    }

    fn on_connected(&mut self, desk: &mut Desk<'_, '_>) {
        if self.connected {
            return;
        }
        self.connected = true;
        self.stop_timer(desk);
        book(desk, Booked::Connected);
        if desk.spec.requests_per_connection == 0 {
            book(desk, Booked::Completed);
            return self.finished_all(desk);
        }
        self.ask(desk);
    }

    fn ask(&mut self, desk: &mut Desk<'_, '_>) {
        self.expect = desk.spec.response;
        self.unsent = desk.spec.request;
        self.write(desk);
    }

    fn answer(&mut self, desk: &mut Desk<'_, '_>) {
        self.expect = desk.spec.request;
        self.unsent = desk.spec.response;
        self.served += 1;
        self.write(desk);
    }

    /// Sends what the socket will take.
    fn write(&mut self, desk: &mut Desk<'_, '_>) {
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
    }

    /// Reads what there is, to the end of the stream if it has come.
    fn read(&mut self, desk: &mut Desk<'_, '_>) {
        while self.is_open() {
            match desk.call(Input::Recv { len: u32::MAX }) {
                Ok(0) => return self.on_end_of_stream(desk),
                Ok(bytes) => self.take(desk, bytes),
                Err(Errno::Eagain) => return,
                Err(errno) => return self.broken(desk, Call::Recv, errno),
            }
        }
    }

    /// Whether what has come is the response that the client will not read.
    fn leaves_unread(&self, desk: &Desk<'_, '_>) -> bool {
        desk.spec.how == CloseHow::Unread
            && self.side == Side::Client
            && self.expect > 0
            && self.served + 1 == desk.spec.requests_per_connection
    }

    /// Takes bytes of the incoming message.
    fn take(&mut self, desk: &mut Desk<'_, '_>, bytes: u32) {
        if self.expect == 0 {
            return;
        }
        self.expect -= bytes.min(self.expect);
        if self.expect > 0 {
            return;
        }
        match self.side {
            Side::Server if desk.spec.service_time == Span::ZERO => self.answer(desk),
            Side::Server => self.set_timer(desk, desk.spec.service_time, Purpose::Answer),
            Side::Client => self.answered(desk),
        }
    }

    /// The client has its response.
    fn answered(&mut self, desk: &mut Desk<'_, '_>) {
        self.served += 1;
        self.expect = 0;
        book(desk, Booked::Answered);
        if self.served == desk.spec.requests_per_connection {
            book(desk, Booked::Completed);
            self.finished_all(desk);
        } else if let Some(pool) = desk.spec.pool {
            self.status = Status::Idle;
            if pool.idle_timeout != Span::MAX {
                self.set_timer(desk, pool.idle_timeout, Purpose::Idle);
            }
        } else if desk.spec.think_time == Span::ZERO {
            self.ask(desk);
        } else {
            self.set_timer(desk, desk.spec.think_time, Purpose::Ask);
        }
    }

    /// Every request is answered, as far as this end is concerned.
    fn finished_all(&mut self, desk: &mut Desk<'_, '_>) {
        if desk.spec.first != self.side || desk.spec.how == CloseHow::Never {
            return;
        }
        if desk.spec.hold == Span::ZERO {
            self.close_first(desk);
        } else {
            self.set_timer(desk, desk.spec.hold, Purpose::CloseFirst);
        }
    }

    fn close_first(&mut self, desk: &mut Desk<'_, '_>) {
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

    fn on_end_of_stream(&mut self, desk: &mut Desk<'_, '_>) {
        self.stop_timer(desk);
        if desk.spec.first == self.side {
            return self.close(desk, Input::Close);
        }
        match desk.spec.other {
            OtherSide::CloseAfter(Span::ZERO) => self.close(desk, Input::Close),
            OtherSide::CloseAfter(after) => self.set_timer(desk, after, Purpose::CloseOther),
            OtherSide::Never => {}
        }
    }

    fn on_error(&mut self, desk: &mut Desk<'_, '_>, errno: Errno) {
        let call = if self.connected { Call::Recv } else { Call::Connect };
        self.broken(desk, call, errno);
    }

    /// The connection has failed: the error is booked, the descriptor closed.
    fn broken(&mut self, desk: &mut Desk<'_, '_>, call: Call, errno: Errno) {
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

    fn close(&mut self, desk: &mut Desk<'_, '_>, how: Input) {
        self.stop_timer(desk);
        self.status = Status::Done;
        desk.close(how);
    }
}

fn book(desk: &mut Desk<'_, '_>, booked: Booked) {
    desk.fx.list.push(Effect::Booked(booked));
}
