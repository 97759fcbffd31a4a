//! Mini-sockets on a host: how they come to be, make room, and end.

use super::Host;
use super::index::{Place, Spot};
use super::packet::Attempt;
use super::ports::{DestId, Owner};
use super::tables::Orphan;
use super::waiting::{Ending, RowId, Waiter, Waiting};
use crate::ids::{Key, Tuple};
use crate::order::Wake;
use crate::socket::timewait;
use crate::tcp::config::{TimerModel, TwOverflow};
use crate::tcp::{State, TimeWait};
use crate::time::{Span, Time};

/// A mini-socket in the tables of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mini {
    /// TIME_WAIT.
    Row(RowId),
    /// FIN_WAIT2 of an orphan.
    Orphan(Key),
}

/// What a mini-socket takes over from the socket whose place it takes.
#[derive(Clone, Copy, Debug)]
pub struct NewMini {
    /// The tuple.
    pub tuple: Tuple,
    /// Whose it is.
    pub attempt: Attempt,
    /// Towards which destination it consumes a port.
    pub dest: DestId,
    /// How it got its port.
    pub owner: Owner,
    /// Where its tuple stands in the index, if that is known.
    pub spot: Option<Spot>,
}

impl Host {
    /// A mini-socket takes the place of a socket in the tables, its port with it. `pushed` is the number that stands for
    /// its end in the order of events.
    pub fn begin_mini(&mut self, now: Time, pushed: u64, who: NewMini, machine: &TimeWait) -> Mini {
        self.account_later();
        self.ports.mark_mini(who.tuple.local.port, who.dest, machine.reusable_from(&self.cfg));
        self.place_mini(now, pushed, who, machine)
    }

    fn place_mini(&mut self, now: Time, pushed: u64, who: NewMini, machine: &TimeWait) -> Mini {
        let NewMini { tuple, attempt, dest, owner, spot } = who;
        let mini = if machine.state() == State::TimeWait {
            let waiter =
                Waiter { tuple, attempt, auto_port: owner == Owner::Auto, outgoing: dest != DestId::NONE };
            let row = self.tables.waiting.push(now, pushed, waiter, machine);
            let index = &mut self.tables.index;
            let place = Waiting::place(row);
            if let Some(spot) = spot {
                index.put_at(spot, place);
            }
            self.tables.waiting.stands(spot.unwrap_or_else(|| index.put(tuple, place)));
            Mini::Row(row)
        } else {
            let (machine, wake) = (machine.clone(), Wake::default());
            Mini::Orphan(self.enter_orphan(Orphan { machine, tuple, attempt, dest, owner, wake }))
        };
        if self.cfg.tw_overflow == TwOverflow::RecycleOldest {
            self.minis_by_age.push_back(mini);
        }
        mini
    }

    /// An orphan's FIN_WAIT2 takes its place.
    pub fn enter_orphan(&mut self, orphan: Orphan) -> Key {
        let tuple = orphan.tuple;
        let key = self.tables.orphans.insert(orphan);
        self.tables.index.put(tuple, Place::Orphan(key.slot() as u32));
        key
    }

    /// The mini-socket that must end early because there is one too many, where the oldest makes room (FreeBSD before
    /// 14, sys/netinet/tcp_timewait.c, `tcp_tw_2msl_scan`).
    pub fn one_too_many(&mut self) -> Option<Mini> {
        while let Some(&oldest) = self.minis_by_age.front() {
            let gone = self.mini_state(oldest).is_none();
            if !gone && self.minis() <= u64::from(self.cfg.max_tw_buckets) {
                return None;
            }
            self.minis_by_age.pop_front();
            if !gone {
                return Some(oldest);
            }
        }
        None
    }

    /// The state of a mini-socket, if it is still there.
    pub fn mini_state(&self, mini: Mini) -> Option<State> {
        match mini {
            Mini::Row(row) => self.tables.waiting.who(row).map(|_| State::TimeWait),
            Mini::Orphan(key) => self.tables.orphans.get(key).map(|orphan| orphan.machine.state()),
        }
    }

    /// What a mini-socket knows, if it is still there.
    pub fn load_mini(&mut self, mini: Mini) -> Option<TimeWait> {
        let Host { tables, cfg, keys, .. } = self;
        match mini {
            Mini::Orphan(key) => tables.orphans.get(key).map(|orphan| orphan.machine.clone()),
            Mini::Row(row) => {
                let deadline = |armed| cfg.timers.expiry(armed, cfg.time_wait);
                tables.waiting.load(row, deadline, |tuple| keys.ts_offset(cfg, tuple))
            }
        }
    }

    /// Takes a mini-socket out of the tables, its port with it. Whose it was, if it was there.
    pub fn remove_mini(&mut self, mini: Mini) -> Option<NewMini> {
        let who = self.take_mini(mini)?;
        match who.spot {
            Some(spot) => self.tables.index.remove_at(spot, who.tuple),
            None => self.tables.index.remove(who.tuple),
        }
        self.ports.release(who.tuple.local.port, who.owner, who.dest);
        Some(who)
    }

    /// Takes a mini-socket out of its table alone.
    fn take_mini(&mut self, mini: Mini) -> Option<NewMini> {
        match mini {
            Mini::Orphan(key) => {
                let Orphan { tuple, attempt, dest, owner, .. } = self.tables.orphans.remove(key)?;
                Some(NewMini { tuple, attempt, dest, owner, spot: None })
            }
            Mini::Row(row) => {
                let (Waiter { tuple, attempt, auto_port, outgoing }, spot) =
                    self.tables.waiting.remove(row)?;
                let dest =
                    if outgoing { self.ports.dest(tuple.local.addr, tuple.remote) } else { DestId::NONE };
                let owner = if auto_port { Owner::Auto } else { Owner::Explicit };
                Some(NewMini { tuple, attempt, dest, owner, spot: Some(spot) })
            }
        }
    }

    /// Writes a mini-socket back after a segment. Where its end has moved, or FIN_WAIT2 has become TIME_WAIT, it gets a
    /// new place, with the number `pushed()`: that is answered.
    pub(super) fn store_mini(
        &mut self,
        now: Time,
        mini: Mini,
        before: &TimeWait,
        after: &TimeWait,
        pushed: impl FnOnce() -> u64,
    ) -> Option<Mini> {
        let same_kind = before.state() == after.state();
        match mini {
            Mini::Orphan(key) if same_kind => {
                if let Some(orphan) = self.tables.orphans.get_mut(key) {
                    orphan.machine = after.clone();
                }
                None
            }
            Mini::Row(row) if before.deadline() == after.deadline() => {
                self.tables.waiting.store(row, after);
                None
            }
            _ => {
                let who = self.take_mini(mini)?;
                Some(self.place_mini(now, pushed(), who, after))
            }
        }
    }

    /// The TIME_WAIT that ends next, and when.
    pub fn next_ending(&mut self) -> Option<(Time, Ending)> {
        let (timers, length) = (self.cfg.timers, self.cfg.time_wait);
        self.tables.waiting.next(|armed| timers.expiry(armed, length), timers != TimerModel::Exact)
    }

    /// When a TIME_WAIT ends, and the number of the push that stands for it.
    pub fn ending_of(&self, row: RowId) -> Option<(Time, u64)> {
        let (armed, pushed) = self.tables.waiting.armed(row)?;
        Some((self.cfg.timers.expiry(armed, self.cfg.time_wait), pushed))
    }

    /// The level of the wheel in which TIME_WAITs wait; `None` where timers are exact.
    pub fn waiting_level(&self) -> Option<u32> {
        self.timer_level(self.cfg.time_wait)
    }

    /// The level of the wheel in which a timer waits for so long; `None` where timers are exact.
    pub fn timer_level(&self, delay: Span) -> Option<u32> {
        (self.cfg.timers != TimerModel::Exact).then(|| self.cfg.timers.level(delay))
    }

    /// The time of a mini-socket has run out: it leaves the tables.
    pub fn end_mini(&mut self, now: Time, mini: Mini) -> Option<NewMini> {
        let who = self.remove_mini(mini)?;
        timewait::uncount(&mut self.shared);
        self.account(now);
        Some(who)
    }
}
