//! Ends and effects with their numbers made relative, and back.

use core::hash::{Hash, Hasher};

use super::super::effects::Effect;
use super::super::end::End;
use crate::ids::{HostId, TrafficId};
use crate::rng::mix;
use crate::tcp::config::TimerModel;
use crate::tcp::{ALARMS, Bases, Cx, Flags, Shift, State};
use crate::time::{Span, Time};

/// A hasher for values: words in, one word out, the same on every machine.
struct ValueHasher(u64);

impl Hasher for ValueHasher {
    fn finish(&self) -> u64 {
        mix(self.0)
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u8(&mut self, n: u8) {
        self.write_u64(u64::from(n));
    }
    fn write_u16(&mut self, n: u16) {
        self.write_u64(u64::from(n));
    }
    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
    fn write_isize(&mut self, n: isize) {
        self.write_u64(n as u64);
    }
}

pub(super) fn hash_value(end: &End, host: HostId, traffic: TrafficId) -> u64 {
    let mut hasher = ValueHasher(u64::from(host.0) << 16 | u64::from(traffic.0));
    end.hash(&mut hasher);
    hasher.finish()
}

/// The bases of an end: of a SYN_SENT the peer's are not known yet.
pub(super) fn bases_of(end: &End) -> Bases {
    let bases = end.endpoint.bases();
    if end.endpoint.state() == State::SynSent { Bases { rcv: 0, ..bases } } else { bases }
}

/// The marks that stand in a value for the deadlines of its timers.
pub(super) fn marks(due: [Time; ALARMS]) -> [Time; ALARMS] {
    due.map(|due| if due == Time::NEVER { Time::NEVER } else { Time::ZERO })
}

/// An effect with its numbers made relative, if that can be undone.
pub(super) fn relative(effect: &Effect, down: &Shift, up: &Shift, cx: &Cx<'_>) -> Option<Effect> {
    match effect {
        Effect::Segment(seg) => {
            // A RST in answer to a segment without ACK has the absolute number 0.
            if seg.flags.has(Flags::RST_ACK) && seg.seq.0 == 0 {
                return None;
            }
            let mut relative = *seg;
            relative.shift_sent(down);
            let mut back = relative;
            back.shift_sent(up);
            (back == *seg).then_some(Effect::Segment(relative))
        }
        Effect::TimeWait(machine) => {
            let life = cx.notes.mini()?;
            if machine.entered() != cx.now || machine.deadline() != cx.cfg.timers.expiry(cx.now, life) {
                return None;
            }
            let mut relative = machine.clone();
            relative.shift(down);
            let mut back = relative.clone();
            back.shift(up);
            if back != *machine {
                return None;
            }
            relative.set_times(Time::ZERO, Time(life.0));
            Some(Effect::TimeWait(relative))
        }
        other => Some(other.clone()),
    }
}

/// A mini-socket from its relative form, at a moment.
pub fn at_moment(
    machine: &crate::tcp::TimeWait,
    up: &Shift,
    now: Time,
    timers: TimerModel,
) -> crate::tcp::TimeWait {
    let mut whole = machine.clone();
    whole.shift(up);
    let life = Span(machine.deadline().0);
    whole.set_times(now, timers.expiry(now, life));
    whole
}
