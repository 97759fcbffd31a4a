//! The standard job: what every engine here is measured with.
//!
//! A client opens connections to a server at even spacing, 1 ms each way. It sends 100 B, is answered with 1 kB, closes
//! first, and sits in TIME_WAIT for 60 s. The ports of the server are the destinations: each holds 28,232 tuples. A run
//! ends when the last TIME_WAIT has expired. Linux with its defaults, timestamps and counters on.

use scenarios::{Extras, Source, load};
use sim_core::scenario::Scenario;

/// How long a run goes on after the last connection has opened, seconds.
const TAIL: u64 = 71;

/// One job: how much of it, and what is different from the standard.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// Connections in all.
    pub connections: u64,
    /// Connections a second.
    pub rate: u64,
    /// Ports of the server. A destination takes 470 connections a second for ever.
    pub destinations: u64,
    /// The network and the hosts.
    pub kind: Kind,
}

/// What is different from the standard job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    #[default]
    Plain,
    /// A router in the middle tracks connections.
    Tracked,
    /// Timers of the kernel's wheel, which is the default for Linux.
    Wheel,
    /// One packet in a hundred is lost.
    Loss,
    /// One packet in four is late by a quarter of the way.
    Reorder,
    /// Arrivals are a Poisson process.
    Poisson,
    /// How long the server takes to answer is drawn: 5 ms in the mean.
    Drawn,
}

impl Kind {
    /// Each kind with its name on the command line.
    pub const ALL: [(&str, Kind); 7] = [
        ("plain", Kind::Plain),
        ("ct", Kind::Tracked),
        ("wheel", Kind::Wheel),
        ("loss", Kind::Loss),
        ("reorder", Kind::Reorder),
        ("poisson", Kind::Poisson),
        ("drawn", Kind::Drawn),
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Kind::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// All names, for a message.
    pub fn names() -> String {
        Kind::ALL.map(|(name, _)| name).join(", ")
    }

    /// The kind with a name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

impl Job {
    /// The scenario's text.
    pub fn text(&self) -> String {
        let Job { connections, rate, destinations, kind } = *self;
        let ports = 80..80 + destinations;
        let listen: Vec<String> =
            ports.clone().map(|port| format!("(port: {port}, backlog: 4096)")).collect();
        let to: Vec<String> = ports.map(|port| format!("\"10.0.0.2:{port}\"")).collect();
        let timers = if kind == Kind::Wheel { "wheel" } else { "exact" };
        let (router, path, delay) = match kind {
            Kind::Tracked => (
                r#""router": (timers: exact, conntrack: (max: 100000000)),"#,
                r#""client", "router", "server""#,
                "0.5ms",
            ),
            _ => ("", r#""client", "server""#, "1ms"),
        };
        let trouble = match kind {
            Kind::Loss => r#", loss: "1%""#,
            Kind::Reorder => r#", reorder: "25%", reorder_delay: "0.25ms""#,
            _ => "",
        };
        let arrivals = if kind == Kind::Poisson {
            format!(r#"poisson("{rate}/s")"#)
        } else {
            format!(r#"constant("{rate}/s")"#)
        };
        let service = if kind == Kind::Drawn { r#", service_time: exponential(mean: "5ms")"# } else { "" };
        let host = format!("timers: {timers}, limits: (open_files: 10000000), ");
        format!(
            r#"(
                title: "standard job", duration: "{duration}s", seed: 1, sample: "1s",
                hosts: {{
                    "client": (addresses: ["10.0.0.1"], {host}
                        sysctl: {{ "net.ipv4.tcp_max_tw_buckets": "100000000" }}),
                    {router}
                    "server": (addresses: ["10.0.0.2"], {host} listen: [{listen}]),
                }},
                links: [(path: [{path}], delay: "{delay}"{trouble})],
                traffic: {{ "web": (from: "client", to: [{to}], arrivals: {arrivals}, stop: "{stop}ms",
                    request: "100B", response: "1kB", close: (first: client, how: graceful){service}) }},
            )"#,
            duration = connections / rate + TAIL,
            stop = (connections * 1000).div_ceil(rate),
            listen = listen.join(", "),
            to = to.join(", "),
        )
    }

    /// The scenario.
    ///
    /// # Errors
    /// What the checker has to say: e.g. a rate that a minute's worth of memory cannot hold.
    pub fn scenario(&self) -> Result<Scenario, String> {
        let loaded = load(&Source::new("job", self.text()), &Extras::default());
        loaded.map(|loaded| loaded.scenario).map_err(|report| report.to_string())
    }
}
