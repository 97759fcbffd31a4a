//! Connection tracking. (Placeholder of the configuration's name until the tracker lands.)

/// `net.netfilter.nf_conntrack_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConntrackConfig {
    /// `nf_conntrack_max`.
    pub max: u32,
    /// `nf_conntrack_buckets`.
    pub buckets: u32,
}
