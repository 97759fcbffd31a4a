//! One connection's whole life between two endpoints, without an engine: what a step of the protocol itself costs.

use sim_core::seq::Seq;
use sim_core::socket::Seat;
use sim_core::tcp::config::TimerModel;
use sim_core::tcp::{Input, Outbox, Segment, TcpConfig};
use sim_core::time::{Span, Time};

use crate::model::side::{env, listening};

/// One way takes this long.
const DELAY: Span = Span::from_millis(1);

/// One end, and what it has to say.
#[derive(Debug)]
struct End {
    side: Seat,
    isn: Seq,
    out: Outbox,
}

impl End {
    fn connect(&mut self, now: Time, cfg: &TcpConfig) {
        // A tuple that is not free would show in what the life comes to.
        let _ = self.side.connect(env(now, cfg, self.isn), false, &mut self.out);
    }
    fn call(&mut self, now: Time, cfg: &TcpConfig, input: Input) {
        // An error would show in what the life comes to.
        let _ = self.side.call(env(now, cfg, self.isn), input, &mut self.out);
    }
}

/// Two ends and the buffer that segments cross in.
#[derive(Debug)]
pub struct Life {
    cfg: TcpConfig,
    client: End,
    server: End,
    crossing: Vec<Segment>,
    trace: Option<Vec<Crossing>>,
    /// Segments that crossed.
    pub segments: u64,
}

/// A segment on its way, as something in the middle sees it.
#[derive(Clone, Copy, Debug)]
pub struct Crossing {
    /// Time since the life began.
    pub after: Span,
    /// Whether the client sent it.
    pub from_client: bool,
    /// The segment.
    pub seg: Segment,
}

impl Default for Life {
    fn default() -> Self {
        let end = |side, isn| End { side, isn: Seq(isn), out: Outbox::default() };
        Life {
            cfg: TcpConfig { timers: TimerModel::Exact, ..TcpConfig::default() },
            client: end(Seat::default(), 1),
            server: end(listening(), 1_000_000),
            crossing: Vec::new(),
            trace: None,
            segments: 0,
        }
    }
}

impl Life {
    /// The segments of one whole life, in the order in which they cross.
    pub fn traced() -> Vec<Crossing> {
        let mut life = Life { trace: Some(Vec::new()), ..Life::default() };
        life.live(Time::ZERO);
        life.trace.unwrap_or_default()
    }

    /// Open, request, response, close, TIME_WAIT, expiry. Afterwards nothing is left at either end.
    pub fn live(&mut self, begin: Time) {
        let mut now = begin;
        self.client.connect(now, &self.cfg);
        self.cross(&mut now);
        self.client.call(now, &self.cfg, Input::Send { len: 200 });
        self.cross(&mut now);
        self.server.call(now, &self.cfg, Input::Recv { len: u32::MAX });
        self.server.call(now, &self.cfg, Input::Send { len: 1000 });
        self.cross(&mut now);
        self.client.call(now, &self.cfg, Input::Recv { len: u32::MAX });
        self.client.call(now, &self.cfg, Input::Close);
        self.cross(&mut now);
        self.server.call(now, &self.cfg, Input::Close);
        self.cross(&mut now);
        let end = env(self.client.side.deadline(), &self.cfg, self.client.isn);
        self.client.side.fire(end, &mut self.client.out);
    }

    /// Whether nothing is left at either end, in the tables and in the counts.
    pub fn is_over(&self) -> bool {
        self.client.side.is_vacant() && self.server.side.is_vacant()
    }

    /// Carries segments to and fro until none is left.
    fn cross(&mut self, now: &mut Time) {
        while !(self.client.out.segments.is_empty() && self.server.out.segments.is_empty()) {
            *now += DELAY;
            self.segments +=
                hand_over(&mut self.client, &mut self.server, &mut self.crossing, &self.cfg, *now);
            self.note_crossing(*now, true);
            self.segments +=
                hand_over(&mut self.server, &mut self.client, &mut self.crossing, &self.cfg, *now);
            self.note_crossing(*now, false);
        }
        self.client.out.clear();
        self.server.out.clear();
    }
}

impl Life {
    fn note_crossing(&mut self, now: Time, from_client: bool) {
        if let Some(trace) = &mut self.trace {
            let after = now.since(Time::ZERO);
            trace.extend(self.crossing.iter().map(|&seg| Crossing { after, from_client, seg }));
        }
    }
}

/// Delivers what one end has sent to the other; answers how much that was.
fn hand_over(from: &mut End, to: &mut End, crossing: &mut Vec<Segment>, cfg: &TcpConfig, now: Time) -> u64 {
    crossing.clear();
    crossing.append(&mut from.out.segments);
    from.out.clear();
    for seg in crossing.iter() {
        to.side.deliver(env(now, cfg, to.isn), seg, &mut to.out);
        // The server takes what has become complete.
        let _ = to.side.accept();
    }
    crossing.len() as u64
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
        assert_eq!(life.segments, 30, "ten segments each");
    }
}
