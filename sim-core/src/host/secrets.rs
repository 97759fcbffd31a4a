//! Keyed hashes of a tuple: initial sequence numbers, timestamp offsets, cookies (net/core/secure_seq.c).

use crate::ids::Tuple;
use crate::rng::{Component, Purpose, Stream, mix};
use crate::seq::Seq;
use crate::tcp::Secrets;
use crate::tcp::config::{IsnPolicy, TcpConfig, Timestamps};
use crate::time::Time;

/// What a host keeps secret from boot on.
#[derive(Clone, Debug)]
pub struct Keys {
    isn: u64,
    ts_offset: u64,
    cookie: u64,
    /// Key of the port hash.
    pub ports: u64,
    random_isn: Stream,
}

impl Keys {
    /// The keys of a host.
    pub fn new(seed: u64, host: Component) -> Keys {
        let mut rng = Stream::new(seed, Purpose::HostSecret, host);
        Keys {
            isn: rng.bits64(),
            ts_offset: rng.bits64(),
            cookie: rng.bits64(),
            ports: rng.bits64(),
            random_isn: Stream::new(seed, Purpose::Isn, host),
        }
    }

    /// The secrets of a tuple at a moment.
    pub fn of(&mut self, cfg: &TcpConfig, now: Time, tuple: Tuple) -> Secrets {
        Secrets { cookie: hash(self.cookie, tuple) as u32, ..self.without_cookie(cfg, now, tuple) }
    }

    /// The same for a socket that answers no SYN with a cookie.
    #[inline]
    pub fn without_cookie(&mut self, cfg: &TcpConfig, now: Time, tuple: Tuple) -> Secrets {
        /// `secure_tcp_seq`: one step each 64 ns.
        const ISN_TICK_NS: u64 = 64;
        let isn = match cfg.isn {
            IsnPolicy::HashPlusClock => {
                (hash(self.isn, tuple) as u32).wrapping_add((now.0 / ISN_TICK_NS) as u32)
            }
            IsnPolicy::Random => self.random_isn.bits32(),
        };
        let ts_offset = self.ts_offset(cfg, tuple);
        Secrets { isn: Seq(isn), ts_offset, cookie: 0 }
    }

    /// The offset of the timestamp clock of a tuple.
    pub fn ts_offset(&self, cfg: &TcpConfig, tuple: Tuple) -> u32 {
        match cfg.timestamps {
            Timestamps::RandomOffset => hash(self.ts_offset, tuple) as u32,
            Timestamps::Off | Timestamps::NoOffset => 0,
        }
    }
}

/// A keyed hash of a tuple. Fixed for ever: results depend on it.
pub fn hash(key: u64, tuple: Tuple) -> u64 {
    let addresses = u64::from(tuple.local.addr.0) << 32 | u64::from(tuple.remote.addr.0);
    let ports = u64::from(tuple.local.port) << 16 | u64::from(tuple.remote.port);
    mix(mix(key ^ addresses) ^ ports)
}
