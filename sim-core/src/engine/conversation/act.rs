//! A step as it is played: all that following it looks at whenever it is taken, in one place.

use super::beats::LaneNumber;
use super::script::{Awaits, Counts, Line, Route, Script, StateSwing, Swing, Which};
use crate::app::Booked;
use crate::ids::HostId;
use crate::net::Direction;
use crate::tcp::State;
use crate::time::Span;

/// A few of something, in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Few<T, const MOST: usize> {
    all: [T; MOST],
    len: u8,
}

impl<T: Copy, const MOST: usize> Few<T, MOST> {
    /// `None` if they are too many.
    fn new(list: &[T], none: T) -> Option<Few<T, MOST>> {
        let mut all = [none; MOST];
        all.get_mut(..list.len())?.copy_from_slice(list);
        Some(Few { all, len: list.len() as u8 })
    }

    #[inline]
    pub(super) fn list(&self) -> &[T] {
        &self.all[..usize::from(self.len).min(MOST)]
    }
}

/// One step of a script.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    /// How often it was taken.
    pub(super) taken: u64,
    /// Where it is taken.
    pub(super) host: HostId,
    /// Whose it is.
    pub(super) side: u8,
    /// The client's state after it, while it is a full socket or an orphan; CLOSED else.
    pub(super) state: State,
    /// So many segments arrive with it; none if it is not segments that it waits for.
    pub(super) arrive: u16,
    /// Over so many links.
    pub(super) hops: u16,
    /// The step that sends them.
    pub(super) sender: u16,
    /// Somebody looks at each segment that it sends.
    pub(super) watched: bool,
    /// Its host tracks connections.
    pub(super) tracked: bool,
    pub(super) opens: bool,
    pub(super) completes: bool,
    pub(super) looks: bool,
    pub(super) counted: bool,
    pub(super) recount: bool,
    pub(super) frees: bool,
    pub(super) arms: bool,
    pub(super) arms_app: bool,
    pub(super) asks_more: bool,
    pub(super) accepts: u16,
    /// The connection leaves this round-trip time to its host; 0: not with this step.
    pub(super) measured: u32,
    /// Its segments arrive with that one; [`super::script::NOWHERE`] if it sends none.
    pub(super) lands: u16,
    /// The link that they go over first, and how long that takes.
    pub(super) lane: LaneNumber,
    pub(super) delay: Span,
    pub(super) direction: Direction,
    /// Its segments, in the list of all scripts.
    pub(super) lines: u32,
    pub(super) sends: u32,
    pub(super) counts: Counts,
    /// States that one socket leaves and nothing enters meanwhile.
    pub(super) falls: Few<State, 6>,
    /// All other moves of the gauges of states.
    pub(super) states: Few<StateSwing, 8>,
    pub(super) moves: Few<State, 6>,
    /// Moves of the other gauges that every host has, whether or not they move: by how much each is higher meanwhile, and
    /// afterwards. Open descriptors, orphans, mini-sockets, memory.
    pub(super) gauges: [(u32, i32); 4],
    /// Of those of a listener.
    pub(super) queues: Few<Swing, 2>,
    pub(super) books: Few<Booked, 4>,
}

impl Act {
    /// All steps of a script; its segments go to the end of `lines`. `None` if one of them does more than is foreseen.
    pub(super) fn all(script: &Script, route: &Route, lines: &mut Vec<Line>) -> Option<Vec<Act>> {
        let acts = script.steps.iter().zip(&script.scenes).map(|(step, scene)| {
            let side = usize::from(step.side & 1);
            let segments = step.segments.of(&script.lines);
            let first = lines.len() as u32;
            lines.extend_from_slice(segments);
            let link = route.ways[side].links[0];
            let none = StateSwing { state: State::Closed, peak: 0, net: 0 };
            let (falls, states): (Vec<StateSwing>, Vec<StateSwing>) =
                step.states.of(&script.states).iter().partition(|swing| (swing.peak, swing.net) == (0, -1));
            let swings = step.swings.of(&script.swings);
            let of_listener = |which| matches!(which, Which::AcceptQueue | Which::SynQueue);
            let queues: Vec<Swing> =
                swings.iter().filter(|swing| of_listener(swing.which)).copied().collect();
            let falls: Vec<State> = falls.into_iter().map(|swing| swing.state).collect();
            Some(Act {
                taken: 0,
                host: route.hosts[side],
                side: step.side,
                state: step.state,
                arrive: match step.cause {
                    Awaits::Segments(n) => n,
                    Awaits::Start | Awaits::AppTimer => 0,
                },
                hops: route.ways[1 - side].hops(),
                sender: scene.sender as u16,
                watched: route.watched[side],
                tracked: route.tracked[side],
                opens: step.opens,
                completes: step.completes,
                looks: step.looks,
                counted: step.counted,
                recount: step.recount,
                frees: step.frees,
                arms: step.arms,
                arms_app: step.arms_app,
                asks_more: step.asks_more,
                accepts: step.accepts,
                measured: step.measured,
                lands: step.lands.0,
                lane: link.lane,
                delay: link.delay,
                direction: link.direction,
                lines: first,
                sends: segments.len() as u32,
                counts: step.counts,
                falls: Few::new(&falls, State::Closed)?,
                states: Few::new(&states, none)?,
                moves: Few::new(step.moves.of(&script.moves), State::Closed)?,
                gauges: [Which::OpenFiles, Which::Orphans, Which::MiniSockets, Which::Memory]
                    .map(|which| moved_by(swings, which)),
                queues: Few::new(&queues, Swing { which: Which::SynQueue, peak: 0, net: 0 })?,
                books: Few::new(step.books.of(&script.books), Booked::Asked)?,
            })
        });
        acts.collect()
    }
}

/// How a gauge moves, if it does.
fn moved_by(swings: &[Swing], which: Which) -> (u32, i32) {
    swings.iter().find(|swing| swing.which == which).map_or((0, 0), |swing| (swing.peak, swing.net))
}
