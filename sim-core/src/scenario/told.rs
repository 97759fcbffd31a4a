//! What no report tells of a run, because the model cannot have it right.

use super::Scenario;
use crate::counter::Counter;

/// Bytes that the option of timestamps takes from each segment.
const OPTIONS: u32 = 12;
/// The usual size of a segment over Ethernet.
const MSS: u32 = 1_460;

impl Scenario {
    /// Kernel counters that no report tells of such a run: [`Counter::not_told`] of the segments that its largest message takes.
    pub fn not_told(&self) -> &'static [Counter] {
        let segment = self.hosts.iter().map(|h| u32::from(h.tcp.mss)).min().unwrap_or(MSS);
        let segment = segment.saturating_sub(OPTIONS).max(1);
        let largest = self.traffic.iter().map(|t| {
            let message = t.request.max(t.response).max(t.greeting);
            message.saturating_mul(t.pool.map_or(1, |pool| pool.streams))
        });
        Counter::not_told(largest.max().unwrap_or(0).div_ceil(segment))
    }
}
