//! From the world in the middle of a run to what `ss`, `nstat` and `conntrack -L` would print.

use super::queue::Queue;
use super::record::Sink;
use super::world::World;
use crate::app::{End, Form, Memory};
use crate::conntrack::EntryView;
use crate::host::{Conn, Host};
use crate::record::{HostMoment, ListenerView, Moment, ShownTimer, SocketView};
use crate::tcp::{ArmedTimer, State, TimerKind};
use crate::time::{Span, Time};

impl<Q: Queue, S: Sink> World<Q, S> {
    /// The moment at which the run stands. Conversations leave their scripts first, in a copy of the world.
    pub fn moment(&self) -> Moment
    where
        Q: Clone,
        S: Clone,
    {
        let mut plain = self.clone();
        plain.leave_all_scripts();
        if let Some(scripts) = &plain.scripts {
            scripts.count(&mut plain.hosts);
        }
        let hosts = plain.hosts.iter().map(|host| of_host(host, plain.memory.as_deref(), plain.now));
        Moment { at: self.now, hosts: hosts.collect() }
    }
}

fn of_host(host: &Host, memory: Option<&Memory>, now: Time) -> HostMoment {
    let mut summary = host.stats.clone();
    summary.objects = host.objects();
    if let Some(memory) = memory {
        memory.count(host.id, &mut summary.counters);
    }
    let hashed = host.tables.conns.iter().filter(|conn| conn.view.hashed);
    let mut sockets: Vec<SocketView> = hashed.map(|conn| of_conn(conn, memory, now)).collect();
    sockets.extend(host.tables.waiting.ages().map(|(waiter, armed)| {
        let ends = host.cfg.timers.expiry(armed, host.cfg.time_wait);
        let attempt = (waiter.attempt.traffic, waiter.attempt.number);
        mini(State::TimeWait, waiter.tuple, attempt, waits(TimerKind::TimeWait, ends, now, 0))
    }));
    sockets.extend(host.tables.orphans.iter().map(|orphan| {
        let timer = waits(TimerKind::TimeWait, orphan.machine.deadline(), now, 0);
        let attempt = (orphan.attempt.traffic, orphan.attempt.number);
        mini(orphan.machine.state(), orphan.tuple, attempt, timer)
    }));
    sockets.extend(host.tables.requests.iter().map(|pending| {
        let request = &pending.request;
        let timer = waits(TimerKind::Retransmit, request.deadline(), now, request.retransmissions());
        let attempt = (pending.attempt.traffic, pending.attempt.number);
        mini(State::SynRecv, pending.tuple, attempt, timer)
    }));
    sockets.sort_by_key(|socket| (socket.state, socket.tuple));
    let flows = host.tracking.as_ref().map(|tracking| {
        let mut flows: Vec<EntryView> = tracking.table.entries(now).collect();
        flows.sort_by_key(|flow| flow.original);
        flows
    });
    HostMoment {
        listeners: host
            .listeners
            .iter()
            .map(|listen| ListenerView {
                port: listen.spec.port,
                waiting: listen.accept_queue.now as u32,
                backlog: (listen.capacity() - 1) as u32,
            })
            .collect(),
        sockets,
        flows,
        closed: host.tables.conns.iter().filter(|conn| !conn.view.hashed).count() as u64,
        summary,
    }
}

/// Nothing is read or sent any more, or not yet, and no process has it.
fn mini(
    state: State,
    tuple: crate::ids::Tuple,
    attempt: (crate::ids::TrafficId, u32),
    timer: Option<ShownTimer>,
) -> SocketView {
    SocketView { state, tuple, attempt, recv_q: 0, send_q: 0, timer, owned: false }
}

fn waits(kind: TimerKind, at: Time, now: Time, retries: u8) -> Option<ShownTimer> {
    let left = if at > now { at.since(now) } else { Span::ZERO };
    (at != Time::NEVER).then_some(ShownTimer { kind, left, retries })
}

fn of_conn(conn: &Conn, memory: Option<&Memory>, now: Time) -> SocketView {
    let whole;
    let end: Option<&End> = match &conn.form {
        Form::Whole(end) => Some(end),
        Form::Lazy(lazy) => {
            whole = memory.map(|memory| memory.whole(lazy));
            whole.as_ref()
        }
    };
    let attempt = (conn.attempt.traffic, conn.attempt.number);
    let Some(end) = end else { return mini(conn.view.state, conn.tuple, attempt, None) };
    let endpoint = &end.endpoint;
    let timer = endpoint.armed_timer().and_then(|timer| match timer {
        ArmedTimer::Retransmit(at) => waits(TimerKind::Retransmit, at, now, endpoint.retransmissions()),
        ArmedTimer::Persist(at) => waits(TimerKind::Persist, at, now, endpoint.probes()),
        ArmedTimer::KeepAlive(at) => waits(TimerKind::KeepAlive, at, now, endpoint.probes()),
    });
    SocketView {
        state: endpoint.state(),
        tuple: conn.tuple,
        attempt,
        recv_q: endpoint.receive_queue(),
        send_q: endpoint.unacknowledged(),
        timer,
        owned: end.app.is_some(),
    }
}
