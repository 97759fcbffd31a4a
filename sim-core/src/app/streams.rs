//! Applications whose connections carry several requests at once, as HTTP/2 does: requests are sent as they are wanted,
//! answers as they are ready, each in one piece. Which answer is whose is for the driver to know.

use super::application::{Application, Purpose, Status, book};
use super::effects::{Booked, Effect};
use super::end::AppContext;
use crate::scenario::Side;
use crate::time::Span;

impl Application {
    /// The client has one more request for its connection, which may have to wait for connect() or a greeting.
    pub(super) fn next_stream(&mut self, desk: &mut AppContext<'_, '_>) {
        self.due += 1;
        self.status = Status::Running;
        if self.timer == Some(Purpose::Idle) {
            self.stop_timer(desk);
        }
        let greeted = desk.spec.greeting == 0 || self.greeted;
        if !self.is_connecting() && greeted && self.timer != Some(Purpose::Ask) {
            self.ask_streams(desk);
        }
    }

    /// Asks everything that is due.
    pub(super) fn ask_streams(&mut self, desk: &mut AppContext<'_, '_>) {
        let due = core::mem::take(&mut self.due);
        if self.open == 0 {
            self.expect = desk.spec.response;
        }
        self.open += due;
        self.asking = true;
        self.unsent = self.unsent.saturating_add(due.saturating_mul(desk.spec.request));
        self.write(desk);
    }

    /// Whether what comes is part of such requests or answers.
    pub(super) fn reads_streams(&self, desk: &AppContext<'_, '_>) -> bool {
        desk.spec.multiplexes() && (self.side == Side::Server || desk.spec.greeting == 0 || self.greeted)
    }

    /// Takes bytes of several messages that follow each other.
    pub(super) fn take_streams(&mut self, desk: &mut AppContext<'_, '_>, mut bytes: u32) {
        if self.timer == Some(Purpose::Idle) {
            self.stop_timer(desk);
        }
        let client = self.side == Side::Client;
        while bytes > 0 && self.is_open() && (!client || self.open > 0) {
            let part = bytes.min(self.expect);
            bytes -= part;
            self.expect -= part;
            if self.expect > 0 {
                return;
            }
            if client {
                self.expect = desk.spec.response;
                self.stream_answered(desk);
            } else {
                self.expect = desk.spec.request;
                self.open += 1;
                desk.fx.list.push(Effect::Wanted);
            }
        }
    }

    fn stream_answered(&mut self, desk: &mut AppContext<'_, '_>) {
        self.open -= 1;
        self.asking = self.open + self.due > 0;
        self.count_served(desk);
        book(desk, Booked::Answered);
        if self.served == desk.spec.requests_per_connection {
            book(desk, Booked::Completed);
            return self.finished_all(desk);
        }
        if !self.asking {
            self.status = Status::Idle;
            let patience = desk.spec.pool.map_or(Span::MAX, |pool| pool.idle_timeout);
            if patience != Span::MAX {
                self.set_timer(desk, patience, Purpose::Idle);
            }
        }
    }

    /// The server answers one of its requests.
    pub(super) fn answer_stream(&mut self, desk: &mut AppContext<'_, '_>) {
        if self.open == 0 || !self.is_open() {
            return;
        }
        self.open -= 1;
        self.unsent = self.unsent.saturating_add(desk.spec.response);
        self.count_served(desk);
        self.write(desk);
        let patience = desk.spec.server_idle_timeout;
        if self.open == 0 && patience != Span::MAX && self.is_open() && self.timer.is_none() {
            self.set_timer(desk, patience, Purpose::Idle);
        }
    }
}
