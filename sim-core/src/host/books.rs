//! The books of a host: gauges, tallies, and the memory that its objects take.

use super::{Host, memory};
use crate::app::Scarce;
use crate::counter::Counter;
use crate::log::LogLine;
use crate::record::ObjectCount;
use crate::tcp::State;
use crate::time::Time;

impl Host {
    /// A connection moved. CLOSED is no population, and whoever comes from a listener leaves it as it was.
    pub fn moved(&mut self, now: Time, from: State, to: State) {
        if !matches!(from, State::Closed | State::Listen) {
            self.stats.states[from as usize].down();
        }
        if to != State::Closed {
            self.stats.states[to as usize].up(now);
        }
    }

    /// A limit refused something. The line that the kernel prints about it, if it does.
    pub fn ran_out(&mut self, now: Time, what: Scarce) -> Option<LogLine> {
        match what {
            Scarce::TwBuckets => {
                self.refusals.tw_buckets.add(now);
                None
            }
            Scarce::Orphans => {
                self.refusals.orphans.add(now);
                Some(LogLine::TooManyOrphans)
            }
        }
    }

    /// Books what counters say about the queues of a listener, and counts them. The line that the kernel prints, if it
    /// does.
    pub(super) fn count_at_listener(
        &mut self,
        now: Time,
        listener: Option<usize>,
        counters: &[Counter],
    ) -> Option<LogLine> {
        let mut line = None;
        for &counter in counters {
            self.stats.counters.bump(counter);
            let Some(listen) = listener.map(|i| &mut self.listeners[i]) else { continue };
            let flood = match counter {
                Counter::TcpExtListenOverflows => {
                    listen.accept_refused.add(now);
                    continue;
                }
                Counter::TcpExtTCPReqQFullDoCookies => LogLine::SynFloodCookies,
                Counter::TcpExtTCPReqQFullDrop => LogLine::SynFloodDrop,
                _ => continue,
            };
            if listen.syn_refused.count == 0 {
                line = Some(flood);
            }
            listen.syn_refused.add(now);
        }
        line
    }

    /// Brings the gauges of a listener's queues up to date.
    pub(super) fn gauge_listener(&mut self, now: Time, listener: Option<usize>) {
        if let Some(listen) = listener.map(|i| &mut self.listeners[i]) {
            listen.accept_queue.set(now, u64::from(listen.listener.accept_queue_len()));
            listen.syn_queue.set(now, u64::from(listen.listener.syn_queue_len()));
        }
    }

    /// Mini-sockets in the tables.
    pub(super) fn minis(&self) -> u64 {
        self.tables.waiting.len() + self.tables.orphans.len() as u64 + u64::from(self.tables.scripted.orphans)
    }

    /// Something that takes memory has come or gone.
    #[inline]
    pub fn account_later(&mut self) {
        self.populations_moved = true;
    }

    /// Brings the gauges that follow from the tables up to date, if something has come or gone.
    #[inline]
    pub fn account_now(&mut self, now: Time) {
        if self.populations_moved {
            self.account(now);
        }
    }

    /// Brings the gauges that follow from the tables up to date.
    pub fn account(&mut self, now: Time) {
        self.populations_moved = false;
        self.stats.orphans.set(now, u64::from(self.shared.orphans));
        self.stats.mini_sockets.set(now, self.minis());
        self.stats.memory.set(now, self.bytes());
    }

    /// How many there are of what takes memory: full sockets, descriptors, mini-sockets, requests, ports with bind buckets, tracked flows.
    #[inline]
    fn takers(&self) -> [u64; 6] {
        let scripted = self.tables.scripted;
        [
            self.tables.conns.len() as u64 + u64::from(scripted.full),
            self.stats.open_files.now,
            self.minis(),
            self.tables.requests.len() as u64 + u64::from(scripted.requests),
            u64::from(self.ports.live_buckets()),
            self.stats.conntrack.now,
        ]
    }

    /// The memory that everything here takes.
    pub fn bytes(&self) -> u64 {
        let [full, files, minis, requests, ports, flows] = self.takers();
        full * memory::SOCKET
            + files * memory::DESCRIPTOR
            + minis * memory::MINI_SOCKET
            + requests * memory::REQUEST
            + ports * memory::BIND_BUCKETS
            + flows * memory::CONNTRACK_ENTRY
    }

    /// The same by object, in the order of [`memory::OBJECTS`].
    pub fn objects(&self) -> Vec<ObjectCount> {
        let [full, files, minis, requests, ports, flows] = self.takers();
        let counts = [full, files, files, files, minis, requests, ports, ports, flows];
        let each = memory::OBJECTS.iter().zip(counts);
        each.map(|(object, count)| ObjectCount { name: object.name, size: object.bytes, count }).collect()
    }
}
