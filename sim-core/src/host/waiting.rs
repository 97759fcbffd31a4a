//! The TIME_WAITs of a host as rows in the order in which they end.
//!
//! Every TIME_WAIT of a host lasts equally long, so the order in which they begin is the order in which they end: one
//! queue of rows replaces an event for each. A row holds what [`TimeWait`] needs and nothing that can be computed: it is
//! 56 bytes. A restart (the peer repeats its FIN) writes the row again at the end; the old place is skipped.

use std::collections::{BTreeMap, VecDeque};

use super::index::{Place, Spot};
use super::packet::Attempt;
use crate::ids::{Addr, SockAddr, TrafficId, Tuple};
use crate::seq::Seq;
use crate::tcp::TimeWait;
use crate::time::Time;

const CHUNK: usize = 512;

/// What stands in a row, as far as its driver cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Its tuple.
    pub tuple: Tuple,
    /// Whose it was.
    pub attempt: Attempt,
    /// Whether connect() chose its port.
    pub auto_port: bool,
    /// Whether it counts among the ports taken towards its destination.
    pub outgoing: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    local: u32,
    remote: u32,
    ports: u32,
    snd_nxt: u32,
    rcv_nxt: u32,
    rcv_wnd: u32,
    ts_recent: u32,
    ts_recent_stamp: u32,
    /// When the wait began, or began anew: nanoseconds, in two halves.
    armed: [u32; 2],
    /// Number of the push, less that of the chunk's first row.
    pushed: u32,
    /// Where its tuple stands in the index.
    spot: u32,
    attempt: u32,
    traffic: u16,
    scale: u8,
    bits: u8,
}

impl Row {
    const LIVE: u8 = 1;
    const AUTO_PORT: u8 = 2;
    const OUTGOING: u8 = 4;
    /// The side table knows more of it.
    const NOTED: u8 = 8;

    const fn is(&self, bit: u8) -> bool {
        self.bits & bit != 0
    }
    const fn armed(&self) -> Time {
        Time((self.armed[0] as u64) << 32 | self.armed[1] as u64)
    }
    const fn tuple(&self) -> Tuple {
        Tuple {
            local: SockAddr { addr: Addr(self.local), port: (self.ports >> 16) as u16 },
            remote: SockAddr { addr: Addr(self.remote), port: self.ports as u16 },
        }
    }
    fn waiter(&self) -> Waiter {
        Waiter {
            tuple: self.tuple(),
            attempt: Attempt { traffic: TrafficId(self.traffic), number: self.attempt },
            auto_port: self.is(Row::AUTO_PORT),
            outgoing: self.is(Row::OUTGOING),
        }
    }
}

/// What few rows have: it began before it was last restarted, or has held a reply back.
#[derive(Clone, Copy, Debug)]
struct Note {
    entered: Time,
    last_limited: u32,
}

#[derive(Clone, Debug)]
struct Chunk {
    first_push: u64,
    rows: Vec<Row>,
}

/// Number of a row. Unique among the living.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowId(u64);

/// The row that ends next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its number.
    pub row: RowId,
    /// When its wait began.
    pub armed: Time,
    /// The number of the push that stands for its end.
    pub pushed: u64,
}

/// All rows of a host, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    chunks: VecDeque<Chunk>,
    /// Chunks that were emptied, for the next ones.
    spare: Vec<Chunk>,
    /// Numbers of the first row that is kept, and of the first that may live.
    base: u64,
    head: u64,
    /// Rows that end together with the head, of which the last is the next: up to here.
    batch: u64,
    /// Rows up to here have been looked at for that.
    seen: u64,
    live: u64,
    grown: bool,
    notes: BTreeMap<u64, Note>,
}

impl Waiting {
    /// How many TIME_WAITs there are.
    pub fn len(&self) -> u64 {
        self.live
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    fn tail(&self) -> u64 {
        match self.chunks.back() {
            None => self.base,
            Some(last) => self.base + ((self.chunks.len() - 1) * CHUNK + last.rows.len()) as u64,
        }
    }

    fn row(&self, id: u64) -> Option<&Row> {
        let at = id.checked_sub(self.base)? as usize;
        self.chunks.get(at / CHUNK)?.rows.get(at % CHUNK)
    }

    fn row_mut(&mut self, id: u64) -> Option<&mut Row> {
        let at = id.checked_sub(self.base)? as usize;
        self.chunks.get_mut(at / CHUNK)?.rows.get_mut(at % CHUNK)
    }

    /// The number that a place in the index stands for.
    pub fn at(&self, place: u32) -> RowId {
        let mask = u64::from(Place::ROW_BITS);
        RowId(self.base + (u64::from(place).wrapping_sub(self.base) & mask))
    }

    /// The place of a row in the index.
    pub fn place(row: RowId) -> Place {
        Place::Row((row.0 & u64::from(Place::ROW_BITS)) as u32)
    }

    /// Notes where the tuple of the row stands that was added last.
    pub fn stands(&mut self, spot: Spot) {
        if let Some(row) = self.chunks.back_mut().and_then(|chunk| chunk.rows.last_mut()) {
            row.spot = spot.number();
        }
    }

    /// Adds a TIME_WAIT that begins, or begins anew, at `armed`. `pushed` never decreases.
    pub fn push(&mut self, armed: Time, pushed: u64, who: Waiter, tw: &TimeWait) -> RowId {
        let id = self.tail();
        self.room_for(pushed);
        let chunk = self.chunks.back_mut().expect("room was made");
        let noted = tw.entered != armed || tw.last_limited != 0;
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        chunk.rows.push(Row {
            local: who.tuple.local.addr.0,
            remote: who.tuple.remote.addr.0,
            ports: u32::from(who.tuple.local.port) << 16 | u32::from(who.tuple.remote.port),
            snd_nxt: tw.snd_nxt.0,
            rcv_nxt: tw.rcv_nxt.0,
            rcv_wnd: tw.rcv_wnd,
            ts_recent: tw.ts_recent,
            ts_recent_stamp: tw.ts_recent_stamp,
            armed: [(armed.0 >> 32) as u32, armed.0 as u32],
            pushed: (pushed - chunk.first_push) as u32,
            spot: 0,
            attempt: who.attempt.number,
            traffic: who.attempt.traffic.0,
            scale: tw.rcv_wscale,
            bits: Row::LIVE
                | bit(who.auto_port, Row::AUTO_PORT)
                | bit(who.outgoing, Row::OUTGOING)
                | bit(noted, Row::NOTED),
        });
        if noted {
            self.notes.insert(id, Note { entered: tw.entered, last_limited: tw.last_limited });
        }
        self.live += 1;
        self.grown = true;
        RowId(id)
    }

    /// Makes sure that the last chunk takes one more row. A chunk that would have to count pushes beyond 32 bits is
    /// filled up with dead rows.
    fn room_for(&mut self, pushed: u64) {
        if let Some(last) = self.chunks.back_mut() {
            if pushed - last.first_push > u64::from(u32::MAX) {
                last.rows.resize(CHUNK, Row::default());
            }
            if last.rows.len() < CHUNK {
                return;
            }
        }
        let mut chunk =
            self.spare.pop().unwrap_or_else(|| Chunk { first_push: 0, rows: Vec::with_capacity(CHUNK) });
        chunk.first_push = pushed;
        self.chunks.push_back(chunk);
    }

    /// Who waits in a row, if anybody does.
    pub fn who(&self, id: RowId) -> Option<Waiter> {
        self.row(id.0).filter(|row| row.is(Row::LIVE)).map(Row::waiter)
    }

    /// The mini-socket in a row, if there is one. `deadline` says when a wait ends that began at a given time, `offset`
    /// is the timestamp offset of a tuple.
    pub fn load(
        &self,
        id: RowId,
        deadline: impl FnOnce(Time) -> Time,
        offset: impl FnOnce(Tuple) -> u32,
    ) -> Option<TimeWait> {
        let row = self.row(id.0).filter(|row| row.is(Row::LIVE))?;
        let armed = row.armed();
        let plain = Note { entered: armed, last_limited: 0 };
        let note = if row.is(Row::NOTED) { self.notes.get(&id.0).copied().unwrap_or(plain) } else { plain };
        Some(TimeWait {
            deadline: deadline(armed),
            entered: note.entered,
            snd_nxt: Seq(row.snd_nxt),
            rcv_nxt: Seq(row.rcv_nxt),
            rcv_wnd: row.rcv_wnd,
            ts_recent: row.ts_recent,
            ts_recent_stamp: row.ts_recent_stamp,
            ts_offset: offset(row.tuple()),
            last_limited: note.last_limited,
            fin_wait2: false,
            rcv_wscale: row.scale,
        })
    }

    /// Writes a mini-socket back whose end has not moved.
    pub fn store(&mut self, id: RowId, tw: &TimeWait) {
        let Some(row) = self.row_mut(id.0) else { return };
        row.snd_nxt = tw.snd_nxt.0;
        row.rcv_nxt = tw.rcv_nxt.0;
        row.rcv_wnd = tw.rcv_wnd;
        row.ts_recent = tw.ts_recent;
        row.ts_recent_stamp = tw.ts_recent_stamp;
        if tw.entered != row.armed() || tw.last_limited != 0 {
            row.bits |= Row::NOTED;
            self.notes.insert(id.0, Note { entered: tw.entered, last_limited: tw.last_limited });
        }
    }

    /// Takes a row out. Who waited in it, if anybody did, and where his tuple stands.
    pub fn remove(&mut self, id: RowId) -> Option<(Waiter, Spot)> {
        let row = self.row_mut(id.0).filter(|row| row.is(Row::LIVE))?;
        let (who, noted) = ((row.waiter(), Spot::numbered(row.spot)), row.is(Row::NOTED));
        row.bits = 0;
        if noted {
            self.notes.remove(&id.0);
        }
        self.live -= 1;
        Some(who)
    }

    /// The row that ends next, and when. `ends` says when a wait ends that began at a given time. Where `in_ticks`, waits end
    /// in ticks of a wheel, whose timers fire last in, first out: of those that end together the last is next.
    pub fn next(&mut self, ends: impl Fn(Time) -> Time, in_ticks: bool) -> Option<(Time, Ending)> {
        self.grown = false;
        self.skip_dead();
        if self.live == 0 {
            return None;
        }
        if !in_ticks {
            let (armed, pushed) = self.armed(RowId(self.head))?;
            return Some((ends(armed), Ending { row: RowId(self.head), armed, pushed }));
        }
        let due = ends(self.row(self.head)?.armed());
        self.batch = self.batch.max(self.head + 1);
        // What was looked at before and lies behind the batch has been taken out of it.
        let mut seen = self.seen.max(self.batch);
        while self.row(seen).is_some_and(|row| !row.is(Row::LIVE) || ends(row.armed()) == due) {
            seen += 1;
        }
        let mut last = if seen > self.seen { seen } else { self.batch } - 1;
        while !self.row(last)?.is(Row::LIVE) {
            last -= 1;
        }
        self.batch = last + 1;
        self.seen = seen;
        let (armed, pushed) = self.armed(RowId(last))?;
        Some((due, Ending { row: RowId(last), armed, pushed }))
    }

    /// Whether a row has been added since [`Waiting::next`] was last asked.
    pub fn has_grown(&self) -> bool {
        self.grown
    }

    /// When the wait in a row began, and the number of the push that stands for its end.
    pub fn armed(&self, id: RowId) -> Option<(Time, u64)> {
        let at = id.0.checked_sub(self.base)? as usize;
        let chunk = self.chunks.get(at / CHUNK)?;
        let row = chunk.rows.get(at % CHUNK)?;
        Some((row.armed(), chunk.first_push + u64::from(row.pushed)))
    }

    /// Moves the head past what has gone, and frees chunks that it has left.
    fn skip_dead(&mut self) {
        while self.row(self.head).is_some_and(|row| !row.is(Row::LIVE)) {
            self.head += 1;
        }
        while self.head - self.base >= CHUNK as u64 {
            let Some(mut chunk) = self.chunks.pop_front() else { break };
            self.base += CHUNK as u64;
            if self.spare.len() < 4 {
                chunk.rows.clear();
                self.spare.push(chunk);
            }
        }
    }

    /// Everybody who waits and since when, oldest first.
    pub fn ages(&self) -> impl Iterator<Item = (Waiter, Time)> + '_ {
        let rows = self.chunks.iter().flat_map(|chunk| &chunk.rows).filter(|row| row.is(Row::LIVE));
        rows.map(|row| (row.waiter(), row.armed()))
    }

    /// Everybody who waits, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Waiter> + '_ {
        self.chunks.iter().flat_map(|chunk| &chunk.rows).filter(|row| row.is(Row::LIVE)).map(Row::waiter)
    }
}
