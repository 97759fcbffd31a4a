//! The order of causes: time, and a rank among those of one moment.

use crate::time::Time;

/// Order among the causes of one moment: the smaller comes first, and no two share one.
///
/// The rank of a cause is the number of its push. That of a timer is the number that was next when the timer was armed, not when
/// somebody got round to queueing it. Timers of a kernel wheel come before everything else, those of the highest level of
/// the wheel first, and on each level last in, first out: `enqueue_timer` puts a timer at the head of its list, and
/// `expire_timers` works from the head (kernel/time/timer.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u64);

impl Rank {
    /// Set in the rank of everything but the timers of a wheel.
    const ORDINARY: u64 = 1 << 63;
    const LEVEL_SHIFT: u32 = 59;

    /// After everything.
    pub const LAST: Rank = Rank(u64::MAX);

    /// The rank of the n-th push; of a timer of a wheel, with the level in which it waits.
    #[inline]
    pub const fn new(pushed: u64, level: Option<u32>) -> Rank {
        match level {
            None => Rank(Rank::ORDINARY | pushed),
            Some(level) => {
                Rank(((15 - level as u64) << Rank::LEVEL_SHIFT) | ((1 << Rank::LEVEL_SHIFT) - 1 - pushed))
            }
        }
    }
}

/// Time and rank: no two causes share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// When.
    pub time: Time,
    /// Among the causes of that moment.
    pub rank: Rank,
}

impl Order {
    /// Later than everything.
    pub const NEVER: Order = Order { time: Time::NEVER, rank: Rank::LAST };
}

impl PartialOrd for Order {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
    #[inline]
    fn lt(&self, other: &Self) -> bool {
        self.time.0 < other.time.0 || (self.time.0 == other.time.0 && self.rank < other.rank)
    }
    #[inline]
    fn gt(&self, other: &Self) -> bool {
        other < self
    }
}

impl Ord for Order {
    #[inline]
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.time.0, self.rank).cmp(&(other.time.0, other.rank))
    }
}

/// A timer as its owner keeps it: when it is due is the owner's to say and moves without a word to the queue, so what is queued is
/// a wake-up that is early enough. It fires at its deadline, with the rank of the moment at which it was last armed, whatever was
/// queued meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// Its rank.
    pub armed: Rank,
    /// The wake-up that counts; any other that comes is stale.
    queued: Order,
}

/// What a wake-up comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Nothing: another one counts.
    Stale,
    /// The timer does not run any more.
    Idle,
    /// It came too early, or before its turn: to be queued again for then.
    Later(Order),
    /// The timer fires.
    Due,
}

impl Default for Wake {
    fn default() -> Wake {
        Wake { armed: Rank::LAST, queued: Order::NEVER }
    }
}

impl Wake {
    /// A wake-up to queue for a timer that is due then, unless one that is early enough is queued already.
    #[inline]
    pub fn wanted(&mut self, due: Time) -> Option<Order> {
        let order = Order { time: due, rank: self.armed };
        let early = due != Time::NEVER && order < self.queued;
        early.then(|| {
            self.queued = order;
            order
        })
    }

    /// Whether a timer that is due then will be woken in time; `is_queued` says whether a wake-up waits in the queue.
    pub fn is_kept(&self, due: Time, is_queued: impl FnOnce(Order) -> bool) -> bool {
        due == Time::NEVER || (self.queued <= Order { time: due, rank: self.armed } && is_queued(self.queued))
    }

    /// A wake-up has come while the timer is due at `due`.
    pub fn came(&mut self, at: Order, due: Time) -> Woken {
        if self.queued != at {
            return Woken::Stale;
        }
        self.queued = Order::NEVER;
        match self.wanted(due) {
            None => Woken::Idle,
            Some(order) if order > at => Woken::Later(order),
            Some(_) => {
                self.queued = Order::NEVER;
                Woken::Due
            }
        }
    }
}
