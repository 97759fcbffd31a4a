//! Floors: the standard job with hardly any TCP, as a lower bound of what it can cost. Nobody's engine, and no options,
//! windows, loss, statistics or digest; but the same ten segments, two tables and 60 s of TIME_WAIT.
//!
//! Delays are constant, so that segments and TIME_WAITs wait in one FIFO each. [`Floor::Split`] finds a connection in a
//! hash table for each segment, as a packet does; [`Floor::Indexed`] looks at the tables at open and expiry only, for its
//! segments bear the connection's place; [`Floor::Direct`] has tables indexed by address and port in place of hashes.
//! None prefetches: that needs `unsafe`, which this workspace forbids.

use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};

use sim_core::rng::mix;

const PORTS: u64 = 28_232;
const LATENCY: u64 = 1_000_000;
const TIME_WAIT: u64 = 60_000_000_000;

/// Which floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// A hash look-up for each segment.
    Split,
    /// Hash tables at open and expiry.
    Indexed,
    /// Arrays by destination and port for each segment.
    Direct,
}

/// One multiplication more than nothing.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers")
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = mix(number);
    }
}

type Map = hashbrown::HashMap<u64, u32, BuildHasherDefault<Mixed>>;

/// From a tuple to a connection.
enum Table {
    Hash(Map),
    Direct(Vec<u32>),
}

impl Table {
    fn new(floor: Floor, destinations: u64, live: usize) -> Table {
        if floor == Floor::Direct {
            Table::Direct(vec![0; (destinations * PORTS) as usize])
        } else {
            Table::Hash(Map::with_capacity_and_hasher(live, BuildHasherDefault::default()))
        }
    }
    /// Whether the tuple was free.
    fn insert(&mut self, tuple: u64, conn: u32) -> bool {
        match self {
            Table::Hash(map) => map.insert(tuple, conn).is_none(),
            Table::Direct(rows) => std::mem::replace(&mut rows[tuple as usize], conn + 1) == 0,
        }
    }
    fn get(&self, tuple: u64) -> u32 {
        match self {
            Table::Hash(map) => map[&tuple],
            Table::Direct(rows) => rows[tuple as usize] - 1,
        }
    }
    fn remove(&mut self, tuple: u64) {
        match self {
            Table::Hash(map) => drop(map.remove(&tuple)),
            Table::Direct(rows) => rows[tuple as usize] = 0,
        }
    }
}

/// What a segment says.
#[derive(Clone, Copy)]
enum Says {
    Syn,
    SynAck,
    Handshake,
    Request,
    Response,
    Thanks,
    ClientFin,
    ServerAck,
    ServerFin,
    Last,
}

#[derive(Clone, Copy)]
struct Crossing {
    time: u64,
    tuple: u64,
    conn: u32,
    says: Says,
}

#[derive(Clone, Copy, Default)]
struct Conn {
    states: [u8; 2],
    rto: u64,
    client: [u32; 2],
    server: [u32; 2],
}

/// One job in progress.
struct Run {
    floor: Floor,
    now: u64,
    sockets: Table,
    tracked: Table,
    conns: Vec<Conn>,
    free: Vec<u32>,
    crossing: VecDeque<Crossing>,
    waiting: VecDeque<(u64, u64)>,
    done: u64,
}

/// Runs so many connections over so many destinations. How many came to TIME_WAIT.
pub fn run(floor: Floor, connections: u64, rate: u64, destinations: u64) -> u64 {
    let live = (rate * 61).min(connections) as usize;
    let mut run = Run {
        floor,
        now: 0,
        sockets: Table::new(floor, destinations, live),
        tracked: Table::new(floor, destinations, live),
        conns: Vec::new(),
        free: Vec::new(),
        crossing: VecDeque::new(),
        waiting: VecDeque::new(),
        done: 0,
    };
    let mut opened = 0;
    loop {
        let open = if opened < connections { opened * 1_000_000_000 / rate } else { u64::MAX };
        let arrival = run.crossing.front().map_or(u64::MAX, |next| next.time);
        let expiry = run.waiting.front().map_or(u64::MAX, |next| next.0);
        run.now = open.min(arrival).min(expiry);
        if run.now == u64::MAX {
            return run.done;
        } else if open == run.now {
            let port = opened / destinations % PORTS;
            run.open(opened % destinations * PORTS + port);
            opened += 1;
        } else if arrival == run.now {
            run.arrive();
        } else if let Some((_, tuple)) = run.waiting.pop_front() {
            run.sockets.remove(tuple);
            run.tracked.remove(tuple);
        }
    }
}

impl Run {
    fn send(&mut self, says: Says, tuple: u64, conn: u32) {
        self.crossing.push_back(Crossing { time: self.now + LATENCY, tuple, conn, says });
    }

    fn open(&mut self, tuple: u64) {
        let conn = self.free.pop().unwrap_or_else(|| {
            self.conns.push(Conn::default());
            self.conns.len() as u32 - 1
        });
        if !self.sockets.insert(tuple, conn) {
            return self.free.push(conn);
        }
        self.tracked.insert(tuple, conn);
        self.conns[conn as usize] = Conn { rto: self.now + 1_000_000_000, client: [1, 0], ..Conn::default() };
        self.send(Says::Syn, tuple, conn);
    }

    fn arrive(&mut self) {
        let Some(Crossing { tuple, conn, says, .. }) = self.crossing.pop_front() else { return };
        let at = if self.floor == Floor::Indexed { conn } else { self.sockets.get(tuple) };
        let now = self.now;
        let conn = &mut self.conns[at as usize];
        let replies: &[Says] = match says {
            Says::Syn => {
                (conn.states[1], conn.server[1]) = (1, 1);
                &[Says::SynAck]
            }
            Says::SynAck => {
                (conn.states[0], conn.rto) = (2, u64::MAX);
                conn.client[0] += 100;
                &[Says::Handshake, Says::Request]
            }
            Says::Handshake => {
                conn.states[1] = 2;
                &[]
            }
            Says::Request => {
                (conn.server, conn.rto) = ([1_000, 101], now + 200_000_000);
                &[Says::Response]
            }
            Says::Response => {
                (conn.states[0], conn.client[1]) = (3, 1_000);
                &[Says::Thanks, Says::ClientFin]
            }
            Says::Thanks => {
                conn.rto = u64::MAX;
                &[]
            }
            Says::ClientFin => {
                conn.states[1] = 3;
                &[Says::ServerAck, Says::ServerFin]
            }
            Says::ServerAck => {
                conn.states[0] = 4;
                &[]
            }
            Says::ServerFin => {
                conn.states[0] = 5;
                self.done += 1;
                self.waiting.push_back((now + TIME_WAIT, tuple));
                &[Says::Last]
            }
            Says::Last => {
                self.free.push(at);
                &[]
            }
        };
        for &reply in replies {
            self.send(reply, tuple, at);
        }
    }
}
