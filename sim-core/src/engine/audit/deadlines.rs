//! Deadlines: whatever is to happen is in the queue, once.

use super::{Disagreement, Found};
use crate::app::Application;
use crate::engine::event::{Due, Event};
use crate::engine::queue::Queue;
use crate::engine::record::Sink;
use crate::engine::world::World;
use crate::host::{Conn, Front, Host, Job};
use crate::ids::{HostId, Key, TrafficId};
use crate::order::Order;
use crate::scenario::{Happening, Side};
use crate::tcp::config::TimerModel;
use crate::time::Time;
use crate::traffic::Channel;

/// What waits in the queue, in order.
struct Agenda(Vec<(Order, Due)>);

impl Agenda {
    fn has(&self, order: Order, event: Event) -> bool {
        let from = self.0.partition_point(|(other, _)| *other < order);
        let mut there = self.0[from..].iter().take_while(|(other, _)| *other == order);
        there.any(|(_, due)| *due == Due::Event(event))
    }

    fn events(&self) -> impl Iterator<Item = (Time, Event)> {
        self.0.iter().filter_map(|(order, due)| match due {
            Due::Event(event) => Some((order.time, *event)),
            Due::Packet(_) | Due::Row(..) => None,
        })
    }

    fn count(&self, is: impl Fn(Event) -> bool) -> u64 {
        self.events().filter(|&(_, event)| is(event)).count() as u64
    }
}

/// Timers of sockets of every size, and of applications.
fn audit_timers(host: &Host, agenda: &Agenda, found: &mut Found) {
    let (id, tables) = (host.id, &host.tables);
    for (key, conn) in tables.conns.entries() {
        let Conn { wake, app_wake, form, .. } = conn;
        let kept = wake.is_kept(form.deadline(), |at| agenda.has(at, Event::Conn(id, key)));
        found.check(kept, Disagreement::Timers);
        let kept = app_wake.is_kept(conn.app_due, |at| agenda.has(at, Event::App(id, key)));
        found.check(kept, Disagreement::AppTimers);
    }
    for (key, request) in tables.requests.entries() {
        let due = request.request.deadline();
        let kept = request.wake.is_kept(due, |at| agenda.has(at, Event::Request(id, key)));
        found.check(kept, Disagreement::Timers);
    }
    for (key, orphan) in tables.orphans.entries() {
        let due = orphan.machine.deadline();
        let kept = orphan.wake.is_kept(due, |at| agenda.has(at, Event::Orphan(id, key)));
        found.check(kept, Disagreement::Timers);
    }
    let collections: Vec<Time> =
        agenda.events().filter(|&(_, e)| e == Event::Gc(id)).map(|(at, _)| at).collect();
    let expected: Vec<Time> = host.tracking.iter().map(|tracking| tracking.table.next_gc()).collect();
    found.check(collections == expected, Disagreement::Collections);
}

impl<Q: Queue, S: Sink> World<Q, S> {
    pub(super) fn audit_deadlines(&self, found: &mut Found) {
        let mut all = self.queue.waiting();
        all.sort_by_key(|&(order, _)| order);
        let first = all.first().map_or(Order::NEVER, |&(order, _)| order);
        found.check(self.queue.first() == first && first.time >= self.now, Disagreement::Queue);
        let agenda = Agenda(all);
        for host in &self.hosts {
            audit_timers(host, &agenda, found);
            self.audit_waits(host, &agenda, found);
            self.audit_service(host, &agenda, found);
        }
        self.audit_tasks(&agenda, found);
    }

    /// Each wait has an end in the queue, or the first of them where the queue looks at the rows for the others.
    fn audit_waits(&self, host: &Host, agenda: &Agenda, found: &mut Found) {
        let timers = host.cfg.timers;
        let ends = |armed: Time| timers.expiry(armed, host.cfg.time_wait);
        let queued = agenda.0.iter().filter(|(_, due)| matches!(due, Due::Row(at, _) if *at == host.id));
        let first = queued.clone().map(|(order, _)| order.time).min().unwrap_or(Time::NEVER);
        let earliest = host.tables.waiting.ages().map(|(_, armed)| ends(armed)).min();
        let all = queued.count() as u64 >= if Q::EACH_WAIT { host.tables.waiting.len() } else { 0 };
        let never_late = earliest.is_none_or(|end| first <= end && end >= self.now);
        found.check(never_late && all, Disagreement::TimeWaits);
        // Rows leave in the order in which they end, so they must stand in it.
        let ages = || host.tables.waiting.ages().map(|(_, armed)| armed);
        let sorted = ages().zip(ages().skip(1)).all(|(a, b)| a <= b);
        found.check(sorted || timers != TimerModel::Exact, Disagreement::TimeWaits);
    }

    /// Requests at servers that answer neither at once nor after a fixed time.
    fn audit_service(&self, host: &Host, agenda: &Agenda, found: &mut Found) {
        let id = host.id;
        for (number, listen) in (0..).zip(&host.listeners) {
            let life = (id, number, listen.epoch);
            let served = agenda.count(|e| match e {
                Event::Served(at, n, epoch, _) => (at, n, epoch) == life,
                Event::ServedStream(service) => self.services.get(service).is_some_and(|s| s.is_of(life)),
                _ => false,
            });
            found.check(listen.working.now == served, Disagreement::ListenWorkers);
            let accepts = agenda.count(|event| event == Event::Accept(id, number));
            found.check(accepts == u64::from(listen.accept_queued), Disagreement::Tasks);
        }
        for (key, conn) in host.tables.conns.entries() {
            let front = |stream| Front { host: id, key, stream };
            let owes = |app: &Application| app.owes_answer();
            if conn.app_due == Time::NEVER
                && self.ask(conn, |end| end.app.as_ref().is_some_and(owes)) == Some(true)
            {
                found.check(self.will_answer(front(Front::ALONE), agenda), Disagreement::Unserved);
            }
            if self.app(conn) == Some(Side::Server) {
                let channel = self.sources.get(conn.attempt.traffic.index());
                let channel = channel.and_then(|source| source.channels.get(&conn.attempt.number));
                let mut owed = channel.into_iter().flat_map(Channel::owed);
                found.check(owed.all(|n| self.will_answer(front(n), agenda)), Disagreement::Unserved);
            }
        }
    }

    /// Whether a worker or a backend will come back to a request.
    fn will_answer(&self, front: Front, agenda: &Agenda) -> bool {
        let Front { host, key, stream } = front;
        let here = self.hosts[host.index()].listeners.iter();
        let waits = here.flat_map(|listen| &listen.requests).any(|&(other, _)| other == front);
        let queued = agenda.count(|event| match event {
            Event::Served(at, .., other) => (at, other, Front::ALONE) == (host, key, stream),
            Event::ServedStream(service) => self.services.get(service).is_some_and(|s| s.is_for(front)),
            Event::Answer(at, other, number) | Event::Refuse(at, other, number) => {
                (at, other, number) == (host, key, stream)
            }
            _ => false,
        });
        let for_it = |job: &Job| job.open && job.front == Some(front);
        let asked = |i: usize| {
            let source = &self.sources[i];
            let mut conns = self.hosts[source.spec.from.index()].tables.conns.iter();
            let shared = source.channels.values().flat_map(Channel::jobs);
            conns.any(|conn| for_it(&conn.job)) || self.jobs(i).chain(shared).any(for_it)
        };
        waits || queued > 0 || (0..self.sources.len()).any(asked)
    }

    fn audit_tasks(&self, agenda: &Agenda, found: &mut Found) {
        let served = agenda.count(|event| matches!(event, Event::ServedStream(_)));
        let late = agenda.count(|event| matches!(event, Event::Late(_)));
        let kept = (served, late) == (self.services.len() as u64, self.held_back.len() as u64);
        found.check(kept, Disagreement::Tasks);
        for (number, source) in (0..).zip(&self.sources) {
            let id = TrafficId(number);
            let arrivals = agenda.count(|event| event == Event::Arrival(id));
            let over = || source.schedule.clone().next_arrival().is_none();
            let goes_on = arrivals == 1 || (arrivals == 0 && over());
            let tried = |key: Key| agenda.count(|event| event == Event::Start(id, key)) == 1;
            found.check(goes_on && source.jobs.entries().all(|(key, _)| tried(key)), Disagreement::Tasks);
        }
        for (number, searches) in (0..).zip(&self.searches) {
            let ends = agenda.count(|event| event == Event::Searched(HostId(number)));
            let idle = searches.under_way.is_some() || searches.waiting.is_empty();
            found.check(idle && ends == u64::from(searches.under_way.is_some()), Disagreement::Tasks);
        }
        for (number, planned) in (0..).zip(&self.planned) {
            let waiting = agenda.count(|event| event == Event::Planned(number));
            let repeats = matches!(planned.what(), Happening::SynFlood { .. } | Happening::Start { .. });
            let (ahead, passed) = (planned.at() > self.now, planned.at() < self.now);
            let expected = (waiting == 1 || !ahead) && (waiting == 0 || repeats || !passed);
            found.check(expected && waiting <= 1, Disagreement::Planned);
        }
    }

    /// Each part of a script that a conversation waits for is on its way or a cue, and none is nobody's.
    pub(super) fn audit_beats(&self, found: &mut Found) {
        let cues = self.queue.waiting().into_iter().filter_map(|(_, due)| match due {
            Due::Event(Event::Cue(key, _)) => Some(key),
            _ => None,
        });
        let mut parts = vec![0; self.talks.high_water()];
        let mut kept = true;
        for key in self.beats.waiting().map(|(_, key)| key).chain(cues) {
            kept &= self.talks.get(key).is_some();
            parts[key.slot()] += 1;
        }
        kept &= self.talks.entries().all(|(key, talk)| parts[key.slot()] == talk.queued);
        let first = self.beats.waiting().map(|(order, _)| order).min().unwrap_or(Order::NEVER);
        let in_time = self.beats.first() == first && first.time >= self.now;
        found.check(kept && in_time, Disagreement::Beats);
    }

    /// Workers of a source that are to want a request.
    pub(super) fn waiting_workers(&self, source: usize) -> u64 {
        let work = Due::Event(Event::Work(TrafficId(source as u16)));
        self.queue.waiting().iter().filter(|(_, due)| *due == work).count() as u64
    }
}
