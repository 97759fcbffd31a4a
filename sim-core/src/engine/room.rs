//! How much may be on its way at once.
//!
//! The tables of a world are bounded by limits of its hosts, and so by what was charged when its scenario was checked. Segments are not:
//! where a link doubles them and each copy is answered, they multiply, as they would on a real network until its links are full.
//! Links here have no rate, so the world looks from time to time at what is on its way, and ends where that is too much.

use super::queue::Queue;
use super::record::Sink;
use super::world::{LinkLanes, World};
use crate::net::Direction;
use crate::record::Overrun;

/// Segments on their way: 16,777,216, which take up to 3 GiB.
pub const MOST_ON_THE_WAY: u64 = 1 << 24;

/// Causes that are handled between two looks: a look at each lane is nothing beside them.
const BETWEEN_LOOKS: u64 = 50_000;

/// What was seen, and when to look again.
#[derive(Clone, Debug)]
pub(super) struct Room {
    most: u64,
    /// Causes that are left until the next look.
    pub(super) left: u64,
    pub(super) overrun: Option<Overrun>,
}

impl Default for Room {
    fn default() -> Room {
        Room { most: MOST_ON_THE_WAY, left: BETWEEN_LOOKS, overrun: None }
    }
}

impl<Q: Queue, S: Sink> World<Q, S> {
    /// Lets so many segments be on their way at once, and not [`MOST_ON_THE_WAY`].
    #[must_use]
    pub fn with_most_on_the_way(mut self, most: u64) -> Self {
        self.room.most = most;
        self
    }

    /// Why the world has ended before its time, if it has: then nothing more happens in it.
    pub fn overrun(&self) -> Option<Overrun> {
        self.room.overrun
    }

    /// Ends the world if too much is on its way.
    pub(super) fn look_for_room(&mut self) {
        self.room.left = BETWEEN_LOOKS;
        let segments = self.queue.packets() + self.held_back.len() as u64;
        if segments <= self.room.most {
            return;
        }
        let lanes = (0..).map(Direction).zip(&self.link_lanes);
        let held = lanes.map(|(direction, LinkLanes { plain, late })| {
            (self.queue.packets_in(*plain) + self.queue.packets_in(*late), direction)
        });
        let busiest = held.filter(|(held, _)| *held > 0).max_by_key(|(held, _)| *held);
        self.room.overrun = Some(Overrun {
            at: self.now,
            segments,
            most: self.room.most,
            busiest: busiest.map(|(held, direction)| {
                let (from, to) = self.net.ends(direction);
                (from, to, held)
            }),
        });
    }
}
