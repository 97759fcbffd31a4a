//! A scenario together with the summary of its run, and the names of everything in them.

use sim_core::errno::Errno;
use sim_core::ids::{Addr, HostId, SockAddr, TrafficId};
use sim_core::record::{Gauge, Histogram, LimitSummary, Summary, SynLoss, Tally, TrafficSummary};
use sim_core::scenario::{ClientPort, Host, Limit, Metric, Outcome, Scenario, Timing};
use sim_core::time::{Span, Time};

use crate::words;

/// What a report reads.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What was asked for.
    pub scenario: &'a Scenario,
    /// What came of it.
    pub summary: &'a Summary,
}

impl<'a> Run<'a> {
    /// A scenario and its summary.
    pub const fn new(scenario: &'a Scenario, summary: &'a Summary) -> Run<'a> {
        Run { scenario, summary }
    }

    /// Whether it ended before the scenario does, and when, in words: `stopped at 45 s of 150 s`.
    pub fn partial(&self) -> Option<String> {
        let (ended, whole) = (self.summary.ended, Time(self.scenario.duration.0));
        (ended < whole).then(|| format!("stopped at {} of {}", words::at(ended), words::at(whole)))
    }

    /// A text about the run, marked if it is partial.
    pub fn marked(&self, text: &str) -> String {
        self.partial().map_or_else(|| text.to_owned(), |partial| format!("PARTIAL ({partial}): {text}"))
    }

    /// The host, if there is such a one.
    pub fn host(&self, id: HostId) -> Option<&'a Host> {
        self.scenario.hosts.get(id.index())
    }

    /// The name of a host.
    pub fn host_name(&self, id: HostId) -> &'a str {
        self.host(id).map_or("?", |h| h.name.as_str())
    }

    /// The name of a traffic source; `all` for all of them together.
    pub fn traffic_name(&self, id: Option<TrafficId>) -> &'a str {
        let Some(id) = id else { return "all" };
        self.scenario.traffic.get(id.index()).map_or("?", |t| t.name.as_str())
    }

    /// What a connection gets when its port is taken, if the clients of a host bind ports of their own towards a
    /// destination instead of leaving the choice to connect().
    pub fn fixed_ports(&self, host: HostId, to: SockAddr) -> Option<Errno> {
        let sources = self.scenario.traffic.iter().filter(|t| t.from == host && t.to.contains(&to));
        let mut errors = sources.filter_map(|t| match t.port {
            ClientPort::Fixed { reuse: true, .. } => Some(Errno::Eaddrnotavail),
            ClientPort::Fixed { reuse: false, .. } => Some(Errno::Eaddrinuse),
            ClientPort::Auto(_) | ClientPort::Bound(_) => None,
        });
        errors.next()
    }

    /// Whether clients of a host bind their ports before connect() towards a destination, whoever chooses them: then one
    /// pool of ports serves all destinations.
    pub fn binds_before(&self, host: HostId, to: SockAddr) -> bool {
        let mut sources = self.scenario.traffic.iter().filter(|t| t.from == host && t.to.contains(&to));
        sources.any(|t| !matches!(t.port, ClientPort::Auto(_)))
    }

    /// The host whose limit it is; for a pool, the one that its clients run on.
    pub(crate) fn limit_host(&self, limit: Limit) -> Option<HostId> {
        match limit {
            Limit::Ports { host, .. }
            | Limit::OpenFiles(host)
            | Limit::TwBuckets(host)
            | Limit::Orphans(host)
            | Limit::Conntrack(host)
            | Limit::AcceptQueue(host, _)
            | Limit::SynQueue(host, _)
            | Limit::Threads(host, _)
            | Limit::Workers(host, _) => Some(host),
            Limit::Pool(traffic) => self.scenario.traffic.get(traffic.index()).map(|t| t.from),
        }
    }

    /// A limit in words: `ephemeral ports of client to 10.0.0.2:80`.
    pub fn limit_name(&self, limit: Limit) -> String {
        match limit {
            Limit::Ports { host, from, to } => {
                let one_address = self.host(host).is_none_or(|h| h.addresses.len() <= 1);
                let of = self.host_name(host);
                let kind = if self.fixed_ports(host, to).is_some() { "fixed" } else { "ephemeral" };
                if one_address {
                    format!("{kind} ports of {of} to {to}")
                } else {
                    format!("{kind} ports of {of} from {from} to {to}")
                }
            }
            Limit::OpenFiles(host) => format!("open files of {}", self.host_name(host)),
            Limit::TwBuckets(host) => format!("tcp_max_tw_buckets of {}", self.host_name(host)),
            Limit::Orphans(host) => format!("tcp_max_orphans of {}", self.host_name(host)),
            Limit::Conntrack(host) => format!("nf_conntrack_max of {}", self.host_name(host)),
            Limit::AcceptQueue(host, port) => format!("accept queue of {}:{port}", self.host_name(host)),
            Limit::SynQueue(host, port) => format!("SYN queue of {}:{port}", self.host_name(host)),
            Limit::Threads(host, port) => format!("threads of {}:{port}", self.host_name(host)),
            Limit::Workers(host, port) => format!("workers of {}:{port}", self.host_name(host)),
            Limit::Pool(traffic) => format!("pool of {}", self.traffic_name(Some(traffic))),
        }
    }

    /// A limit as a name for machines: `client.ports(10.0.0.1->10.0.0.2:80)`.
    pub fn limit_key(&self, limit: Limit) -> String {
        match limit {
            Limit::Ports { host, from, to } => format!("{}.ports({from}->{to})", self.host_name(host)),
            Limit::OpenFiles(host) => format!("{}.open_files", self.host_name(host)),
            Limit::TwBuckets(host) => format!("{}.tw_buckets", self.host_name(host)),
            Limit::Orphans(host) => format!("{}.orphans", self.host_name(host)),
            Limit::Conntrack(host) => format!("{}.conntrack", self.host_name(host)),
            Limit::AcceptQueue(host, port) => format!("{}.accept_queue({port})", self.host_name(host)),
            Limit::SynQueue(host, port) => format!("{}.syn_queue({port})", self.host_name(host)),
            Limit::Threads(host, port) => format!("{}.threads({port})", self.host_name(host)),
            Limit::Workers(host, port) => format!("{}.workers({port})", self.host_name(host)),
            Limit::Pool(traffic) => format!("{}.pool", self.traffic_name(Some(traffic))),
        }
    }

    /// A metric as a name for machines: `client.time_wait`, `web.EADDRNOTAVAIL`.
    pub fn metric_key(&self, metric: Metric) -> String {
        match metric {
            Metric::Sockets(host, state) => {
                format!("{}.{}", self.host_name(host), state.name().to_ascii_lowercase())
            }
            Metric::OpenFiles(host) => format!("{}.open_files", self.host_name(host)),
            Metric::Orphans(host) => format!("{}.orphans", self.host_name(host)),
            Metric::Conntrack(host) => format!("{}.conntrack", self.host_name(host)),
            Metric::Memory(host) => format!("{}.memory", self.host_name(host)),
            Metric::PortProbes(host) => format!("{}.port_probes", self.host_name(host)),
            Metric::Used(limit) => format!("used.{}", self.limit_key(limit)),
            Metric::Outcome(traffic, outcome) => {
                format!("{}.{}", self.traffic_name(Some(traffic)), outcome_name(outcome))
            }
            Metric::Latency(traffic, timing, quantile) => {
                let percent = crate::words::decimal(f64::from(quantile) / 10.0, 1);
                format!("{}.{}_p{percent}", self.traffic_name(Some(traffic)), timing_name(timing))
            }
        }
    }

    /// Why a SYN was not answered, as a name for machines.
    pub fn syn_loss_key(&self, why: SynLoss) -> String {
        match why {
            SynLoss::Link => "link".to_owned(),
            SynLoss::NoRoute => "no_route".to_owned(),
            SynLoss::Conntrack(host) => format!("conntrack({})", self.host_name(host)),
            SynLoss::Rule(host) => format!("rule({})", self.host_name(host)),
            SynLoss::TimeWait(host) => format!("time_wait({})", self.host_name(host)),
            SynLoss::Listener(host, port) => format!("listener({}:{port})", self.host_name(host)),
        }
    }

    /// The summary of a limit.
    pub fn limit(&self, limit: Limit) -> Option<&'a LimitSummary> {
        let limits = &self.summary.limits;
        limits.get(limits.partition_point(|l| l.limit < limit)).filter(|l| l.limit == limit)
    }

    /// The limits of a host's ports, by source and destination.
    pub(crate) fn ports_of(&self, host: HostId) -> impl Iterator<Item = &'a LimitSummary> {
        let least = Limit::Ports { host, from: Addr(0), to: SockAddr { addr: Addr(0), port: 0 } };
        let from = self.summary.limits.partition_point(|l| l.limit < least);
        let theirs = move |l: &&LimitSummary| matches!(l.limit, Limit::Ports { host: h, .. } if h == host);
        self.summary.limits[from..].iter().take_while(theirs)
    }

    /// The traffic sources that `None` (all) or an id stands for.
    pub fn sources(&self, id: Option<TrafficId>) -> impl Iterator<Item = (TrafficId, &'a TrafficSummary)> {
        (0u16..)
            .map(TrafficId)
            .zip(&self.summary.traffic)
            .filter(move |&(t, _)| id.is_none_or(|wanted| wanted == t))
    }

    /// How often, first and last when an outcome came.
    pub fn tally(&self, id: Option<TrafficId>, outcome: Outcome) -> Tally {
        self.sources(id).map(|(_, t)| t.outcome(outcome)).fold(Tally::default(), Tally::merged)
    }

    /// A quantile of a latency; `None` if nothing was timed.
    pub fn latency(&self, id: Option<TrafficId>, timing: Timing, per_mille: u32) -> Option<Span> {
        let mut all = Histogram::default();
        self.sources(id).for_each(|(_, t)| all.merge(t.latency(timing)));
        all.quantile(per_mille)
    }

    /// The gauge behind a metric; outcomes have none.
    pub fn gauge(&self, metric: Metric) -> Option<Gauge> {
        let host = |id: HostId| self.summary.hosts.get(id.index());
        match metric {
            Metric::Sockets(id, state) => host(id).map(|h| h.state(state)),
            Metric::OpenFiles(id) => host(id).map(|h| h.open_files),
            Metric::Orphans(id) => host(id).map(|h| h.orphans),
            Metric::Conntrack(id) => host(id).map(|h| h.conntrack),
            Metric::Memory(id) => host(id).map(|h| h.memory),
            Metric::PortProbes(id) => host(id).map(|h| h.port_probes),
            Metric::Used(limit) => self.limit(limit).map(|l| l.used),
            Metric::Outcome(..) | Metric::Latency(..) => None,
        }
    }

    /// The first error that any application saw.
    pub fn first_error(&self) -> Option<(Errno, Time)> {
        let errors = self.summary.traffic.iter().flat_map(|t| &t.errors);
        errors
            .filter(|e| e.tally.count > 0)
            .min_by_key(|e| (e.tally.first, e.errno))
            .map(|e| (e.errno, e.tally.first))
    }
}

/// What is timed, as the scenario file writes it.
pub(crate) fn timing_name(timing: Timing) -> &'static str {
    match timing {
        Timing::Connect => "connect",
        Timing::Request => "request",
    }
}

/// An outcome as the scenario file writes it.
pub(crate) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Attempted => "attempted",
        Outcome::Connected => "connected",
        Outcome::Completed => "completed",
        Outcome::Failed => "failed",
        Outcome::Requested => "requested",
        Outcome::Answered => "answered",
        Outcome::Abandoned => "abandoned",
        Outcome::SynsAgain => "syns_again",
        Outcome::CutOff => "cut_off",
        Outcome::BytesLost => "bytes_lost",
        Outcome::Error(errno) => errno.name(),
    }
}
