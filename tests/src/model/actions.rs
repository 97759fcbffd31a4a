//! What can happen in a state of the model, and the fair course of things.

use super::world::{CLIENT, PIECE, Plan, SERVER, World};
use sim_core::socket::Slot;
use sim_core::tcp::{Input, State, TimerKind};
use std::collections::VecDeque;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The side's application opens a connection.
    Connect(usize),
    /// It sends one piece.
    Send(usize),
    /// It shuts its side down.
    Shut(usize),
    /// It closes.
    Close(usize),
    /// The oldest segment on the way to the side arrives.
    Arrive(usize),
    /// It is lost.
    Lose(usize),
    /// It is doubled: the copy goes astray.
    Double(usize),
    /// It goes astray.
    Delay(usize),
    /// A stray arrives, by its place in the list.
    StrayArrives(usize),
    /// A stray dies.
    StrayDies(usize),
    /// The side's timer of that kind fires.
    Fire(usize, TimerKind),
}

/// Steps within which the fair course of things must come to its end.
const FAIR_STEPS: u32 = 400;

impl World {
    /// Everything that can happen.
    pub fn actions(&self, plan: &Plan, actions: &mut Vec<Action>) {
        if self.broken.is_some() {
            return;
        }
        for side in [CLIENT, SERVER] {
            self.app_actions(plan, side, actions);
            if !self.ways[side].is_empty() {
                actions.push(Action::Arrive(side));
                if self.faults > 0 {
                    actions.extend([Action::Lose(side), Action::Double(side), Action::Delay(side)]);
                }
            }
            for kind in self.armed(side) {
                if self.may_fire(side, kind) || (self.faults > 0 && hasty(kind)) {
                    actions.push(Action::Fire(side, kind));
                }
            }
        }
        for place in 0..self.strays.len() {
            if place == 0 || self.strays[place] != self.strays[place - 1] {
                actions.extend([Action::StrayArrives(place), Action::StrayDies(place)]);
            }
        }
    }

    fn app_actions(&self, plan: &Plan, side: usize, actions: &mut Vec<Action>) {
        let app = &self.apps[side];
        let host = &self.sides[side];
        let Some(endpoint) = host.descriptor() else {
            if *host.slot() == Slot::Empty && app.calls < plan.calls[side] {
                actions.push(Action::Connect(side));
            }
            return;
        };
        let open = matches!(endpoint.state(), State::Established | State::CloseWait);
        let all_sent = app.sent == plan.pieces[side];
        if open && !all_sent {
            actions.push(Action::Send(side));
        }
        // Who leaves before the peer's data have come, resets: that is no way to end a connection properly.
        let all_read = app.received == plan.pieces[1 - side] || app.peer_closed;
        if plan.half_close && open && all_sent && !app.shut {
            actions.push(Action::Shut(side));
        }
        let opening = matches!(endpoint.state(), State::SynSent | State::SynRecv);
        if !plan.half_close && all_read && (opening || all_sent) {
            actions.push(Action::Close(side));
        }
    }

    /// Whether a timer fires in its own time.
    ///
    /// Delayed ACKs always may. A retransmission takes longer than a round trip, so nothing is on the way by then. A
    /// mini-socket lives for twice the life of a segment, so no stray of its connection is left; and in that time a
    /// peer that repeats its FIN has got one through.
    fn may_fire(&self, side: usize, kind: TimerKind) -> bool {
        let quiet = self.ways.iter().all(VecDeque::is_empty);
        let delayed = [CLIENT, SERVER].iter().any(|&s| self.armed(s).contains(&TimerKind::DelayedAck));
        let repeats =
            matches!(self.sides[1 - side].state(), State::FinWait1 | State::Closing | State::LastAck);
        match kind {
            TimerKind::DelayedAck => true,
            TimerKind::TimeWait | TimerKind::KeepAlive => quiet && self.strays.is_empty() && !repeats,
            _ => quiet && !delayed,
        }
    }

    /// Does it.
    pub fn act(&mut self, plan: &Plan, action: Action) {
        match action {
            Action::Connect(side) => self.connect(plan, side),
            Action::Send(side) => self.call(plan, side, Input::Send { len: PIECE }),
            Action::Shut(side) => self.call(plan, side, Input::ShutdownWrite),
            Action::Close(side) => self.call(plan, side, Input::Close),
            Action::Arrive(side) => {
                if let Some(sent) = self.ways[side].pop_front() {
                    self.deliver(plan, side, sent);
                }
            }
            Action::Lose(side) | Action::Double(side) | Action::Delay(side) => self.misbehave(side, action),
            Action::StrayArrives(place) => {
                let (to, sent) = self.strays.remove(place);
                self.deliver(plan, usize::from(to), sent);
            }
            Action::StrayDies(place) => drop(self.strays.remove(place)),
            Action::Fire(side, kind) => {
                if !self.may_fire(side, kind) {
                    self.faults -= 1;
                }
                self.fire(plan, side, kind);
            }
        }
    }

    fn misbehave(&mut self, side: usize, action: Action) {
        let Some(&sent) = self.ways[side].front() else { return };
        self.faults -= 1;
        if !matches!(action, Action::Double(_)) {
            self.ways[side].pop_front();
        }
        if !matches!(action, Action::Lose(_)) {
            self.strays.push((side as u8, sent));
            self.strays.sort_unstable();
        }
    }

    /// What happens next if the network is fair, no one opens anything any more, and everyone ends what is open.
    fn fair_action(&self, plan: &Plan) -> Option<Action> {
        for side in [CLIENT, SERVER] {
            if !self.ways[side].is_empty() {
                return Some(Action::Arrive(side));
            }
        }
        if !self.strays.is_empty() {
            return Some(Action::StrayDies(0));
        }
        let mut calls = Vec::new();
        for side in [CLIENT, SERVER] {
            self.app_actions(plan, side, &mut calls);
        }
        if let Some(call) = calls.into_iter().find(|a| !matches!(a, Action::Connect(_))) {
            return Some(call);
        }
        let timers = [CLIENT, SERVER]
            .into_iter()
            .flat_map(|side| self.armed(side).into_iter().map(move |kind| (side, kind)))
            .filter(|&(side, kind)| self.may_fire(side, kind));
        timers.min_by_key(|&(_, kind)| slowness(kind)).map(|(side, kind)| Action::Fire(side, kind))
    }

    /// Whether all comes to its proper end from here if the network turns fair. What is broken already is another
    /// property's matter.
    pub fn can_end(&self, plan: &Plan) -> bool {
        if self.broken.is_some() {
            return true;
        }
        let mut world = self.clone();
        for _ in 0..FAIR_STEPS {
            let Some(action) = world.fair_action(plan) else { return world.is_over() };
            world.act(plan, action);
        }
        false
    }
}

/// Timers that may fire while what they wait for is still on its way.
fn hasty(kind: TimerKind) -> bool {
    matches!(kind, TimerKind::Retransmit | TimerKind::LossProbe | TimerKind::SynAck)
}

/// The order in which timers fire when nothing else happens.
fn slowness(kind: TimerKind) -> u8 {
    match kind {
        TimerKind::DelayedAck => 0,
        TimerKind::TimeWait | TimerKind::KeepAlive => 2,
        _ => 1,
    }
}
