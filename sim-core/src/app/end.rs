//! The value, and its steps.

use super::application::{Application, Status};
use super::effects::{Called, Effect, Effects};
use crate::errno::Errno;
use crate::scenario::{Side, Traffic};
use crate::tcp::{Cx, Endpoint, Fate, Input, Segment, State, Step};

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct End {
    /// The socket.
    pub endpoint: Endpoint,
    /// The application that has its descriptor.
    pub app: Option<Application>,
    /// Whether the tuple leads to it; if not, only the descriptor does.
    pub hashed: bool,
}

/// What makes an end take a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause<'a> {
    /// A segment has arrived.
    Segment(&'a Segment),
    /// The endpoint's timer is due.
    Timer,
    /// The application's timer is due.
    AppTimer,
    /// A client that has called connect() takes its place behind the socket.
    Connect,
    /// A server that has called accept() takes its place behind the socket.
    Accepted,
    /// An idle client of a pool gets another request.
    NextRequest,
    /// What the server answers is ready.
    Answer,
    /// The listener that it waits at is closed, and nobody has accepted it.
    Disconnect,
    /// The application closes: an idle client of a pool that is one too many, or a proxy without an answer.
    Close,
}

/// What a step came to for the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    /// It goes on, or was not there.
    GoesOn,
    /// A pooled connection has become free for another request.
    Idle,
    /// The client has closed.
    ClientDone,
    /// The client's connect() failed.
    ClientFailed,
    /// The server has closed.
    ServerDone,
}

/// What a driver wants to know of an end between steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// State of the endpoint.
    pub state: State,
    /// Whether the tuple leads to it.
    pub hashed: bool,
    /// Neither a tuple nor a descriptor leads here: it may be dropped.
    pub over: bool,
    /// A pooled connection that is free.
    pub idle: bool,
    /// connect() has neither succeeded nor failed.
    pub connecting: bool,
    /// The application is the server.
    pub server: bool,
}

/// What surrounds a step.
#[derive(Debug)]
pub struct Around<'a, 'b> {
    /// The host's clock, parameters and shared counts.
    pub cx: &'a mut Cx<'b>,
    /// What the scenario says of the traffic that the connection belongs to.
    pub spec: &'a Traffic,
    /// Where effects go.
    pub fx: &'a mut Effects,
}

/// The application's view of its socket: its calls, and what they do.
pub(super) struct AppContext<'a, 'b> {
    pub(super) spec: &'a Traffic,
    pub(super) fx: &'a mut Effects,
    cx: &'a mut Cx<'b>,
    endpoint: &'a mut Endpoint,
    hashed: &'a mut bool,
}

impl AppContext<'_, '_> {
    /// A call other than close.
    pub(super) fn call(&mut self, input: Input) -> Result<u32, Errno> {
        let told = self.fx.list.len();
        if self.fx.calls {
            // It stands before what comes of it.
            self.fx.push(Effect::Called(Called::of(&input), Ok(0)));
        }
        let answer = step(self.endpoint, self.hashed, self.cx, input, self.fx);
        if self.fx.calls {
            self.fx.list[told] = Effect::Called(Called::of(&input), answer);
        }
        answer
    }

    /// The recv() that has just been made is not over yet.
    pub(super) fn stay_in_recv(&mut self) {
        self.endpoint.stay_in_recv();
    }

    /// close(), or an abort: the descriptor is given back, whatever becomes of the connection.
    pub(super) fn close(&mut self, how: Input) {
        self.fx.push(Effect::DescriptorClosed);
        let _ = self.call(how);
    }
}

impl Called {
    fn of(input: &Input) -> Called {
        match *input {
            Input::Send { len } => Called::Send(len),
            Input::Recv { .. } => Called::Recv,
            Input::ShutdownWrite => Called::Shutdown,
            Input::Close => Called::Close,
            Input::Abort => Called::Abort,
            _ => Called::Other,
        }
    }
}

/// One step of the endpoint, with what it means for the table of tuples.
fn step(
    endpoint: &mut Endpoint,
    hashed: &mut bool,
    cx: &mut Cx<'_>,
    input: Input,
    fx: &mut Effects,
) -> Result<u32, Errno> {
    fx.begin_step();
    let Step { fate, answer } = endpoint.step(cx, input, fx);
    settle(hashed, fate, fx);
    answer
}

fn settle(hashed: &mut bool, fate: Fate, fx: &mut Effects) {
    fx.end_step();
    if !*hashed {
        return;
    }
    match fate {
        Fate::Keep => return,
        Fate::Gone => fx.push(Effect::Left),
        Fate::TimeWait(tw) => fx.push(Effect::TimeWait(tw)),
    }
    *hashed = false;
}

impl End {
    /// A socket that the tuple leads to, without an application as yet.
    pub fn new(endpoint: Endpoint, hashed: bool) -> End {
        End { endpoint, app: None, hashed }
    }

    /// Takes one step.
    pub fn step(&mut self, around: &mut Around<'_, '_>, cause: Cause<'_>) -> Progress {
        let was_idle = self.status() == Status::Idle && cause != Cause::NextRequest;
        match cause {
            Cause::Segment(seg) => self.arrive(around, seg),
            Cause::Timer => {
                let _ = step(&mut self.endpoint, &mut self.hashed, around.cx, Input::Timer, around.fx);
                self.tell(around);
            }
            Cause::AppTimer => self.act(around, Application::on_timer),
            Cause::Connect => {
                self.app = Some(Application::client());
                self.act(around, Application::connecting);
            }
            Cause::Accepted => {
                self.app = Some(Application::server());
                self.act(around, Application::begin_serving);
            }
            Cause::NextRequest => self.act(around, Application::next_request),
            Cause::Answer => self.act(around, Application::answer_ready),
            Cause::Close => self.act(around, Application::dismiss),
            Cause::Disconnect => {
                let _ = step(&mut self.endpoint, &mut self.hashed, around.cx, Input::Disconnect, around.fx);
            }
        }
        self.verdict(was_idle)
    }

    fn arrive(&mut self, around: &mut Around<'_, '_>, seg: &Segment) {
        around.fx.begin_step();
        let fate = self.endpoint.arrive(around.cx, seg, around.fx);
        settle(&mut self.hashed, fate, around.fx);
        self.tell(around);
    }

    /// What a step came to for the application, which is let go if it is through.
    fn verdict(&mut self, was_idle: bool) -> Progress {
        let Some(app) = &self.app else { return Progress::GoesOn };
        let verdict = match (app.status(), app.side()) {
            (Status::Running, _) => return Progress::GoesOn,
            (Status::Idle, _) => return if was_idle { Progress::GoesOn } else { Progress::Idle },
            (_, Side::Server | Side::Both) => Progress::ServerDone,
            (Status::Done, Side::Client) => Progress::ClientDone,
            (Status::Failed, Side::Client) => Progress::ClientFailed,
        };
        self.app = None;
        verdict
    }

    fn status(&self) -> Status {
        self.app.as_ref().map_or(Status::Done, Application::status)
    }

    /// What its driver wants to know of it.
    pub fn view(&self) -> View {
        View {
            state: self.endpoint.state(),
            hashed: self.hashed,
            over: !self.hashed && !self.endpoint.has_owner() && self.app.is_none(),
            idle: self.status() == Status::Idle,
            connecting: self.app.as_ref().is_some_and(Application::is_connecting),
            server: self.app.as_ref().is_some_and(|app| app.side() == Side::Server),
        }
    }

    /// Lets the application act, then tells it what came of it.
    fn act(
        &mut self,
        around: &mut Around<'_, '_>,
        act: impl FnOnce(&mut Application, &mut AppContext<'_, '_>),
    ) {
        let End { endpoint, app: Some(app), hashed } = self else { return };
        let Around { cx, spec, fx } = around;
        act(app, &mut AppContext { spec, fx, cx, endpoint, hashed });
        self.tell(around);
    }

    /// Tells the application what the socket has to say, until nothing is left. One that has closed hears no more.
    fn tell(&mut self, around: &mut Around<'_, '_>) {
        while let Some(notice) = around.fx.next_notice() {
            let End { endpoint, app: Some(app), hashed } = self else { continue };
            if app.is_open() {
                let Around { cx, spec, fx } = around;
                app.on_notice(&mut AppContext { spec, fx, cx, endpoint, hashed }, notice);
            }
        }
    }
}
