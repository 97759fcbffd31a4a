//! Leaving the script: the ends of a conversation take their places in the tables, as if they had stood there all the time.

use super::script::{Begun, CLIENT, Exit, Runs, SERVER, Script, Stand};
use super::scripts::{Scripts, Stage};
use super::steps::packet;
use crate::app::{End, Form};
use crate::engine::event::Event;
use crate::engine::queue::{LaneId, Queue};
use crate::engine::record::Sink;
use crate::engine::world::World;
use crate::host::Orphan;
use crate::host::ports::{DestId, Owner};
use crate::host::{Conn, Conversation, Hint, Host, Job, Pending};
use crate::ids::{HostId, Key};
use crate::order::{Order, Rank, Wake};
use crate::tcp::config::TimerModel;
use crate::tcp::{Shift, State, TcpConfig, TimeWait, whole_seconds};
use crate::time::{Span, Time};

/// When a timer fires that was armed so long after the beginning.
fn due(runs: Runs, began: Time, cfg: &TcpConfig) -> Time {
    runs.map_or(Time::NEVER, |(armed, delay)| cfg.timers.expiry(began + armed, delay))
}

impl Script {
    /// How an end stands after its step in a conversation that began as `to` says.
    pub(super) fn stand_at(&self, step: usize, to: &Begun, host: &Host) -> Option<Stand> {
        let (side, step) = (self.side(step), &self.scenes[step]);
        let cfg = &host.cfg;
        Some(match &step.stand {
            Stand::Gone => Stand::Gone,
            Stand::Request(request) => {
                let by = self.shift(side, to, host, true);
                Stand::Request(request.moved(&by, to.at + step.after, cfg)?)
            }
            Stand::Full(end) => {
                let met = end.endpoint.state() != State::SynSent;
                let mut end: End = end.clone();
                let stamped = met && end.endpoint.bases().peer_ts != 0;
                let mut by = self.shift(side, to, host, met);
                if !stamped {
                    by.peer_ts = 0;
                }
                end.endpoint.shift(&by);
                end.endpoint.set_alarms(step.alarms.map(|runs| due(runs, to.at, cfg)));
                Stand::Full(end)
            }
            Stand::Orphan(machine) => {
                let mut machine: TimeWait = machine.clone();
                machine.shift(&self.shift(side, to, host, true));
                let (armed, _) = step.alarms[0]?;
                machine.set_times(to.at + armed, due(step.alarms[0], to.at, cfg));
                Stand::Orphan(machine)
            }
        })
    }

    /// How an end goes with its step, now, in a conversation that began as `to` says.
    pub(super) fn exit_at(&self, step: usize, to: &Begun, now: Time, host: &Host) -> Exit {
        let (side, step) = (self.side(step), &self.scenes[step]);
        match &step.exit {
            Exit::TimeWait(machine) => Exit::TimeWait(self.waits(machine, side, to, host, now)),
            other => other.clone(),
        }
    }

    /// The TIME_WAIT that begins now at a side of a conversation; `machine` is the rehearsal's.
    pub(super) fn waits(
        &self,
        machine: &TimeWait,
        side: usize,
        to: &Begun,
        host: &Host,
        now: Time,
    ) -> TimeWait {
        let (from, began) = (&self.model, to.at);
        let (sub, peer) = (u32::wrapping_sub, 1 - side);
        let by = Shift {
            snd: sub(to.numbers.isn[side], from.numbers.isn[side]),
            rcv: sub(to.numbers.isn[peer], from.numbers.isn[peer]),
            peer_ts: sub(to.numbers.stamp[peer], from.numbers.stamp[peer]),
            offset: sub(to.offset[side], from.offset[side]),
            seconds: sub(whole_seconds(began), whole_seconds(from.at)),
            ..Shift::default()
        };
        let mut machine = machine.clone();
        machine.shift(&by);
        machine.set_times(now, host.cfg.timers.expiry(now, host.cfg.time_wait));
        machine
    }

    /// The rank of the endpoint's timers of a side after a step: from the moment at which one was last armed.
    fn rank(&self, step: usize, talk: &Conversation, cfg: &TcpConfig) -> Rank {
        let side = self.side(step);
        let arming = (0..=step).rev().find(|&at| self.side(at) == side && self.steps[at].arms);
        let arming = arming.map(|at| &self.scenes[at]);
        let level = arming.filter(|_| cfg.timers != TimerModel::Exact).map(|arming| {
            let dues = arming.alarms.map(|runs| due(runs, talk.began, cfg));
            let first = dues.into_iter().min().unwrap_or(Time::NEVER);
            cfg.timers.level(first.since(talk.began + arming.after))
        });
        Rank::new(talk.armed[side], level)
    }
}

/// Where segments are that have left their script, and which is the first of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub(super) here: HostId,
    pub(super) from: usize,
}

/// How an end is put into the tables.
struct Entrance {
    host: HostId,
    side: usize,
    step: usize,
    stand: Stand,
    talk: Conversation,
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// A conversation leaves its script.
    pub(super) fn leave(&mut self, key: Key) {
        let Some(mut scripts) = self.scripts.take() else { return };
        self.leave_script(&mut scripts, key);
        self.scripts = Some(scripts);
    }

    /// Every conversation leaves its script.
    pub(in crate::engine) fn leave_all_scripts(&mut self) {
        for slot in 0..self.talks.high_water() as u32 {
            self.leave(self.talks.key(slot));
        }
    }

    fn leave_script(&mut self, scripts: &mut Scripts, key: Key) {
        let Some(talk) = self.talks.get_mut(key) else { return };
        if core::mem::replace(&mut talk.left, true) {
            return;
        }
        let talk = talk.clone();
        scripts.left += 1;
        let World { hosts, sources, net, .. } = self;
        let stage = Stage { hosts, sources, net };
        let mut script = &scripts.all[talk.script as usize];
        let route = &scripts.routes[script.route as usize];
        let as_it_was;
        if talk.taken.iter().any(|&taken| taken > 0 && script.is_after_pause(usize::from(taken) - 1)) {
            as_it_was = scripts.as_it_was(&talk, &stage);
            debug_assert!(as_it_was.is_some(), "a class has scripts for all its lengths");
            script = as_it_was.as_ref().unwrap_or(script);
        }
        let begun = Begun::new(talk.began, talk.numbers);
        let mut slots = [Hint::NONE; 2];
        let mut keys = [None; 2];
        for side in [CLIENT, SERVER] {
            let Some(step) = talk.taken[side].checked_sub(1).map(usize::from) else { continue };
            let there = route.hosts[side];
            let Some(stand) = script.stand_at(step, &begun, &self.hosts[there.index()]) else { continue };
            let entrance = Entrance { host: there, side, step, stand, talk: talk.clone() };
            keys[side] = self.enter(script, entrance);
            slots[side] = keys[side].map_or(Hint::NONE, |key: Key| Hint(key.slot() as u32));
        }
        for (side, key) in keys.into_iter().enumerate() {
            let Some(key) = key else { continue };
            if let Some(conn) = self.hosts[route.hosts[side].index()].tables.conns.get_mut(key) {
                conn.peer = slots[1 - side];
            }
            self.adopt(route.hosts[side], key);
        }
        if let (Some(key), Some(pause)) = (keys[SERVER], &script.pause)
            && talk.taken[SERVER] == pause.draws + 1
        {
            self.go_on_serving(route.hosts[SERVER], key, &talk, pause);
        }
        let here = &mut self.hosts[route.hosts[CLIENT].index()];
        // The client may have gone before its peer.
        if keys[CLIENT].is_none()
            && matches!(here.look_up(talk.tuple), Some(crate::host::Place::Conversation(_)))
        {
            here.tables.index.remove(talk.tuple);
        }
        if let Some(talk) = self.talks.get_mut(key) {
            talk.state = State::Closed;
        }
    }

    /// Segments that arrive with a step go on as plain packets.
    pub(super) fn go_plainly(&mut self, key: Key, at: u16, Plain { here, from }: Plain) {
        let Some(talk) = self.talks.get(key).cloned() else { return };
        let (side, sender) = (1 - self.side_of(&talk, at), self.sender_of(key, at));
        for i in from.. {
            let Some(seg) = self.segment(key, sender, i) else { break };
            self.events += 1;
            self.arrive(here, &packet(&talk, &seg, side));
            self.settle();
        }
    }

    /// Puts one end into the tables. Its key, if it is a full socket.
    fn enter(&mut self, script: &Script, entrance: Entrance) -> Option<Key> {
        let Entrance { host, side, step, stand, talk } = entrance;
        let tuple = if side == CLIENT { talk.tuple } else { talk.tuple.reversed() };
        let (dest, owner) =
            if side == CLIENT { (talk.dest, Owner::Auto) } else { (DestId::NONE, Owner::Explicit) };
        let path = self.net.path(host, tuple.remote.addr);
        let here = &mut self.hosts[host.index()];
        let rank = script.rank(step, &talk, &here.cfg);
        let (now, app_timer) = (self.now, script.scenes[step].app_timer);
        let lanes = self.host_lanes[host.index()];
        let mut wake = Wake::default();
        wake.armed = rank;
        match stand {
            Stand::Gone => None,
            Stand::Request(request) => {
                here.tables.scripted.requests -= 1;
                let order = wake.wanted(request.deadline());
                let attempt = talk.attempt;
                let pending = Pending { request, tuple, attempt, peer: Hint::NONE, wake, forsaken: false };
                let key = here.enter_request(pending);
                self.place_timer(lanes.requests, order, Event::Request(host, key));
                None
            }
            Stand::Orphan(machine) => {
                here.tables.scripted.orphans -= 1;
                let order = wake.wanted(machine.deadline());
                let key =
                    here.enter_orphan(Orphan { machine, tuple, attempt: talk.attempt, dest, owner, wake });
                self.place_timer(lanes.orphans, order, Event::Orphan(host, key));
                None
            }
            Stand::Full(end) => {
                here.tables.scripted.full -= 1;
                let view = end.view();
                let mut conn = Conn {
                    dest,
                    owner,
                    job: if side == CLIENT { talk.job } else { Job::NONE },
                    ..Conn::new(talk.began, tuple, talk.attempt, path, (Form::Whole(end), view))
                };
                if side == SERVER {
                    let completed =
                        script.steps.iter().position(|step| step.completes).map(|at| script.scenes[at].after);
                    conn.began = talk.began + completed.unwrap_or(Span::ZERO);
                }
                let deadline = conn.form.deadline();
                let order = wake.wanted(deadline);
                conn.wake = wake;
                conn.app_due = app_timer.map_or(Time::NEVER, |(armed, delay)| talk.began + armed + delay);
                conn.app_wake.armed = Rank::new(talk.app_armed[side], None);
                let app_order = conn.app_wake.wanted(conn.app_due);
                let key = here.enter_conn(now, conn);
                self.place_timer(lanes.of(deadline.since(now)), order, Event::Conn(host, key));
                let lane = self.source_lanes[talk.attempt.traffic.index()].apps[usize::from(view.server)];
                self.place_timer(lane, app_order, Event::App(host, key));
                Some(key)
            }
        }
    }

    fn place_timer(&mut self, lane: LaneId, order: Option<Order>, event: Event) {
        if let Some(order) = order {
            self.queue.place(lane, order, event);
        }
    }
}
