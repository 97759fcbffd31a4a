//! One connection's whole life between two endpoints, without an engine: what a step of the protocol itself costs.

use sim_core::demux::{self, SocketMut};
use sim_core::listener::{Listener, Request};
use sim_core::seq::Seq;
use sim_core::tcp::config::TimerModel;
use sim_core::tcp::{ConnectParams, Cx, Endpoint, Input, Next, Outbox, Secrets, Segment, Shared, TcpConfig};
use sim_core::time::{Span, Time};
use sim_core::timewait::TimeWait;

/// What an end holds for the one tuple there is.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it lies on the stack")]
enum Slot {
    Nothing,
    Request(Request),
    Full(Endpoint),
    Mini(TimeWait),
}

/// One end of the wire.
#[derive(Debug)]
struct End {
    cfg: TcpConfig,
    shared: Shared,
    listener: Option<Listener>,
    slot: Slot,
    out: Outbox,
    isn: u32,
}

impl End {
    fn new(listener: Option<Listener>, isn: u32) -> End {
        let cfg = TcpConfig { timers: TimerModel::Exact, ..TcpConfig::default() };
        End { cfg, shared: Shared::default(), listener, slot: Slot::Nothing, out: Outbox::default(), isn }
    }

    fn settle(&mut self, next: Next) {
        match next {
            Next::Keep => {}
            Next::Gone => self.slot = Slot::Nothing,
            Next::TimeWait(mini) => self.slot = Slot::Mini(mini),
            Next::Request(request) => self.slot = Slot::Request(request),
            Next::Child(endpoint) => {
                self.slot = Slot::Full(endpoint);
                if let Some(listener) = &mut self.listener {
                    listener.accepted();
                }
            }
        }
    }

    fn connect(&mut self, now: Time) {
        let mut cx = Cx { now, cfg: &self.cfg, shared: &mut self.shared };
        let secrets = Secrets { isn: Seq(self.isn), ..Secrets::default() };
        let endpoint = Endpoint::connect(&mut cx, ConnectParams { secrets, inherited: None }, &mut self.out);
        self.slot = Slot::Full(endpoint);
    }

    fn call(&mut self, now: Time, input: Input) {
        let Slot::Full(endpoint) = &mut self.slot else { return };
        let mut cx = Cx { now, cfg: &self.cfg, shared: &mut self.shared };
        let next = endpoint.step(&mut cx, input, &mut self.out);
        self.settle(next);
    }

    fn receive(&mut self, now: Time, seg: &Segment) {
        let socket = match &mut self.slot {
            Slot::Nothing => SocketMut::None,
            Slot::Request(request) => SocketMut::Request(request),
            Slot::Full(endpoint) => SocketMut::Full(endpoint),
            Slot::Mini(mini) => SocketMut::TimeWait(mini),
        };
        let mut cx = Cx { now, cfg: &self.cfg, shared: &mut self.shared };
        let isn = self.isn;
        let secrets = || Secrets { isn: Seq(isn), ..Secrets::default() };
        let next = demux::receive(&mut cx, socket, self.listener.as_mut(), seg, secrets, &mut self.out);
        self.settle(next);
    }

    /// Lets the mini-socket's time run out.
    fn expire(&mut self) {
        let Slot::Mini(mini) = &mut self.slot else { return };
        let mut cx = Cx { now: mini.deadline(), cfg: &self.cfg, shared: &mut self.shared };
        let next = mini.on_timer(&mut cx, &mut self.out);
        self.settle(next);
    }
}

/// Two ends and the buffer that segments cross in.
#[derive(Debug)]
pub struct Life {
    client: End,
    server: End,
    crossing: Vec<Segment>,
    /// Segments that crossed.
    pub segments: u64,
}

impl Default for Life {
    fn default() -> Self {
        let cfg = TcpConfig::default();
        Life {
            client: End::new(None, 1),
            server: End::new(Some(Listener::new(128, cfg.somaxconn)), 1_000_000),
            crossing: Vec::new(),
            segments: 0,
        }
    }
}

impl Life {
    /// Open, request, response, close, TIME_WAIT, expiry. Afterwards nothing is left at either end.
    pub fn live(&mut self, begin: Time) {
        let step = Span::from_millis(1);
        let mut now = begin;
        self.client.connect(now);
        self.cross(&mut now, step);
        self.client.call(now, Input::Send { len: 200 });
        self.cross(&mut now, step);
        self.server.call(now, Input::Recv { len: u32::MAX });
        self.server.call(now, Input::Send { len: 1000 });
        self.cross(&mut now, step);
        self.client.call(now, Input::Recv { len: u32::MAX });
        self.client.call(now, Input::Close);
        self.cross(&mut now, step);
        self.server.call(now, Input::Close);
        self.cross(&mut now, step);
        self.client.expire();
    }

    /// Whether both ends are empty, in the tables and in the counts.
    pub fn is_over(&self) -> bool {
        let empty = |end: &End| matches!(end.slot, Slot::Nothing) && end.shared.mini_sockets == 0;
        empty(&self.client) && empty(&self.server)
    }

    /// Carries segments to and fro until none is left.
    fn cross(&mut self, now: &mut Time, step: Span) {
        while !(self.client.out.segments.is_empty() && self.server.out.segments.is_empty()) {
            *now += step;
            hand_over(&mut self.client, &mut self.server, &mut self.crossing, *now);
            self.segments += self.crossing.len() as u64;
            hand_over(&mut self.server, &mut self.client, &mut self.crossing, *now);
            self.segments += self.crossing.len() as u64;
        }
        self.client.out.clear();
        self.server.out.clear();
    }
}

fn hand_over(from: &mut End, to: &mut End, crossing: &mut Vec<Segment>, now: Time) {
    crossing.clear();
    crossing.append(&mut from.out.segments);
    from.out.clear();
    for seg in crossing.iter() {
        to.receive(now, seg);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_leaves_nothing_behind() {
        let mut life = Life::default();
        for i in 0..3 {
            life.live(Time(i * 100_000_000_000));
            assert!(life.is_over());
        }
        assert_eq!(life.segments % 3, 0, "each life takes as many segments as the other");
        assert!((9..=11).contains(&(life.segments / 3)), "{}", life.segments / 3);
    }
}
