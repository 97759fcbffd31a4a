//! The model checker: every state that two endpoints can reach, within a number of faults.

use super::actions::Action;
use super::world::{Broken, Plan, World, timeless};
use sim_core::socket::{Seat, Slot};
use sim_core::tcp::{State, TcpConfig};
use stateright::{Checker, Model, Property};

/// A plan as a model.
#[derive(Clone, Debug)]
pub struct TcpModel {
    /// What is explored.
    pub plan: Plan,
    /// The only property that is looked at, if not all are.
    pub only: Option<&'static str>,
}

impl Model for TcpModel {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.plan)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(&self.plan, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.act(&self.plan, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = all_properties();
        all.retain(|property| self.only.is_none_or(|name| name == property.name));
        all
    }
}

fn all_properties() -> Vec<Property<TcpModel>> {
    vec![
        Property::always(NO_OLD_DATA, |_, w: &World| w.broken != Some(Broken::OldData)),
        Property::always(NO_OLD_FIN, |_, w: &World| w.broken != Some(Broken::OldFin)),
        Property::always(EXACTLY_ONCE, |_, w: &World| {
            !matches!(w.broken, Some(Broken::Doubled | Broken::Lost))
        }),
        Property::always(NO_RESET, |_, w: &World| w.broken != Some(Broken::Reset)),
        Property::always(RULES, |_, w: &World| !matches!(w.broken, Some(Broken::Rule(_)))),
        Property::always(CAN_END, |m: &TcpModel, w: &World| w.can_end(&m.plan)),
        Property::sometimes("SYN_SENT is reached", |_, w: &World| w.has(State::SynSent)),
        Property::sometimes("SYN_RECV is reached", |_, w: &World| w.has(State::SynRecv)),
        Property::sometimes("ESTABLISHED is reached", |_, w: &World| w.has(State::Established)),
        Property::sometimes("FIN_WAIT1 is reached", |_, w: &World| w.has(State::FinWait1)),
        Property::sometimes("FIN_WAIT2 is reached", |_, w: &World| w.has(State::FinWait2)),
        Property::sometimes("CLOSE_WAIT is reached", |_, w: &World| w.has(State::CloseWait)),
        Property::sometimes("CLOSING is reached", |_, w: &World| w.has(State::Closing)),
        Property::sometimes("LAST_ACK is reached", |_, w: &World| w.has(State::LastAck)),
        Property::sometimes(TIME_WAIT, |_, w: &World| w.has(State::TimeWait)),
        Property::sometimes(BOTH_OPEN, |_, w: &World| w.sides.iter().all(crosses)),
        Property::sometimes(BOTH_CLOSE, |_, w: &World| {
            w.sides.iter().all(|s| matches!(s.state(), State::Closing | State::TimeWait))
        }),
        Property::sometimes("all is over after all calls", |m: &TcpModel, w: &World| {
            w.is_over() && w.apps[0].calls == m.plan.calls[0] && w.lives[1] == w.lives[0]
        }),
    ]
}

/// The names of what must always hold.
pub fn always() -> Vec<&'static str> {
    let all = all_properties();
    all.iter().filter(|p| p.expectation.discovery_is_failure()).map(|p| p.name).collect()
}

/// Always.
pub const NO_OLD_DATA: &str = "no connection takes data of an earlier one";
/// Always.
pub const NO_OLD_FIN: &str = "no connection takes the FIN of an earlier one";
/// Always.
pub const EXACTLY_ONCE: &str = "what is sent is read exactly once";
/// Always.
pub const NO_RESET: &str = "what is ended properly is not reset";
/// Always.
pub const RULES: &str = "the endpoint's invariants hold";
/// Always.
pub const CAN_END: &str = "everything can still end";
/// Sometimes.
pub const TIME_WAIT: &str = "TIME_WAIT is reached";
/// Sometimes.
pub const BOTH_OPEN: &str = "both open at once";
/// Sometimes.
pub const BOTH_CLOSE: &str = "both close at once";

impl World {
    /// Whether a side is in that state.
    pub fn has(&self, state: State) -> bool {
        self.sides.iter().any(|side| side.state() == state)
    }
}

/// Whether this side has met the peer's SYN with its own under way: a full socket in SYN_RECV.
fn crosses(side: &Seat) -> bool {
    matches!(side.slot(), Slot::Full(endpoint) if endpoint.state() == State::SynRecv)
}

/// One plan, as explored.
#[derive(Debug)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Steps of the longest of the shortest paths.
    pub depth: usize,
    /// Properties that must always hold, and do not.
    pub broken: Vec<&'static str>,
    /// What should have been seen and was not.
    pub unseen: Vec<&'static str>,
}

/// Explores a plan, breadth first; at most `depth` steps deep, if that is said.
pub fn explore(plan: &Plan, depth: Option<usize>, threads: usize) -> Explored {
    let model = TcpModel { plan: plan.clone(), only: None };
    let mut builder = model.clone().checker().threads(threads);
    if let Some(depth) = depth {
        builder = builder.target_max_depth(depth);
    }
    let checker = builder.spawn_bfs().join();
    let mut explored = Explored {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        broken: Vec::new(),
        unseen: Vec::new(),
    };
    for property in model.properties() {
        match (property.expectation.discovery_is_failure(), checker.discovery(property.name).is_some()) {
            (true, true) => explored.broken.push(property.name),
            (false, false) => explored.unseen.push(property.name),
            _ => {}
        }
    }
    explored
}

/// The shortest way to break a property, if there is one within `depth` steps.
///
/// Looks at that property alone: with several, the search goes on after the first discovery and keeps the last.
pub fn shortest(plan: &Plan, property: &'static str, depth: Option<usize>) -> Option<Vec<Action>> {
    let mut builder = TcpModel { plan: plan.clone(), only: Some(property) }.checker();
    if let Some(depth) = depth {
        builder = builder.target_max_depth(depth);
    }
    builder.spawn_bfs().join().discovery(property).map(stateright::Path::into_actions)
}

/// The second connection's first number lies this far below the first one's: another host behind the same address
/// translator, or a clock that has come round. Then old data fit into the new window.
const LOWER: u32 = 0_u32.wrapping_sub(500);
/// How far the server's clock has moved on meanwhile: little, so that old acknowledgments may fit too.
const HIGHER: u32 = 100;

/// A client and a server with one connection.
fn base(faults: u8) -> Plan {
    Plan {
        name: "one connection, data both ways, half-closes",
        cfg: timeless(),
        calls: [1, 0],
        listens: true,
        pieces: [1, 1],
        half_close: true,
        isn_step: [0, 5_000],
        faults,
        no_resets: true,
    }
}

/// The plans that must hold.
pub fn sound_plans(faults: u8) -> Vec<Plan> {
    let base = base(faults);
    let orphans = Plan {
        name: "one connection, data both ways, close(): orphans",
        half_close: false,
        no_resets: false,
        ..base.clone()
    };
    let crossing =
        Plan { name: "both call at once", calls: [1, 1], listens: false, pieces: [1, 0], ..base.clone() };
    let rising = Plan {
        name: "two connections on one tuple, the second with higher numbers: TIME_WAIT is reopened",
        calls: [2, 0],
        isn_step: [5_000, 5_000],
        ..base.clone()
    };
    let falling = Plan {
        name: "two connections on one tuple, the second with lower numbers: TIME_WAIT is waited for",
        calls: [2, 0],
        isn_step: [LOWER, HIGHER],
        ..base.clone()
    };
    vec![base, orphans, crossing, rising, falling]
}

/// Without TIME_WAIT, a lost last ACK is answered with RST.
pub fn last_ack_lost() -> Plan {
    Plan {
        name: "Without TIME_WAIT: the last ACK is lost",
        cfg: TcpConfig { max_tw_buckets: 0, ..timeless() },
        pieces: [0, 0],
        ..base(1)
    }
}

/// Without TIME_WAIT, an old duplicate is taken by the next connection on the tuple.
pub fn old_duplicate() -> Plan {
    Plan {
        name: "Without TIME_WAIT: an old duplicate",
        cfg: TcpConfig { max_tw_buckets: 0, ..timeless() },
        calls: [2, 0],
        isn_step: [LOWER, HIGHER],
        no_resets: false,
        ..base(1)
    }
}

/// With TIME_WAIT, but without `tcp_rfc1337`: a RST ends the wait, and the old duplicate is taken after all.
pub fn assassination() -> Plan {
    Plan {
        name: "With TIME_WAIT, but tcp_rfc1337 = 0: the assassination",
        cfg: TcpConfig { rfc1337: false, ..timeless() },
        ..old_duplicate()
    }
}

/// The plans that show what TIME_WAIT is for, and what breaks.
pub fn unsound_plans() -> Vec<(Plan, &'static str)> {
    vec![(last_ack_lost(), NO_RESET), (old_duplicate(), NO_OLD_DATA), (assassination(), NO_OLD_DATA)]
}
