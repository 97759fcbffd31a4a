//! A first draft of a scenario: from what the tools of a machine print, or from a few answers.
//!
//! ```text
//! Outputs (texts of tools), Wishes (answers) ──draft──▶ Draft { text with comments, what is not known }
//! ```
//!
//! Whatever is estimated or assumed says so, in a comment where it stands and in [`Draft::unknown`].

mod counters;
mod flows;
mod sockets;
mod text;

use scenarios::{MachineSettings, Report, Source};
use sim_core::ids::Addr;
use sim_core::time::Span;

use crate::quantity::Quantity;
use crate::run::Run;
use counters::{Counters, Totals, Tracking};
use flows::{ListedFlow, TIME_WAIT_S};
use sockets::Sockets;

/// What a machine does in a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It connects.
    Client,
    /// It accepts.
    Server,
}

/// Outputs of a machine's tools, as they were saved.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// `sysctl -a`.
    pub sysctl: Option<Source>,
    /// `ss -tan`, `netstat -tan` or /proc/net/tcp.
    pub sockets: Option<Source>,
    /// `ss -s` or /proc/net/sockstat.
    pub totals: Option<Source>,
    /// `nstat -az`, or /proc/net/snmp and /proc/net/netstat: the first sample.
    pub before: Option<Source>,
    /// The second sample.
    pub after: Option<Source>,
    /// How far apart the two were taken.
    pub apart: Option<Span>,
    /// `conntrack -S` or /proc/net/stat/nf_conntrack.
    pub tracking: Option<Source>,
}

/// What nobody can see from outside, and what to begin with where nothing was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// What the machine does, where no sockets say it.
    pub role: Option<Role>,
    /// New connections a second, as `500/s`, where nothing else tells.
    pub rate: Option<String>,
    /// To how many destinations, where no sockets say it.
    pub destinations: Option<u16>,
    /// Who closes first, where no sockets say it.
    pub closes: Option<Role>,
    /// How many connections are kept and used again, where no sockets say it.
    pub kept: Option<u32>,
    /// The way there and back.
    pub rtt: Option<Span>,
    /// Whether the machine tracks connections.
    pub tracked: bool,
}

/// A scenario to begin with.
#[derive(Clone, Debug)]
pub struct Draft {
    sketch: Sketch,
    /// What was read, a line for each source.
    pub read: Vec<String>,
    /// What could not be known and was assumed.
    pub unknown: Vec<String>,
}

/// What goes into the text.
#[derive(Clone, Debug)]
struct Sketch {
    settings: Option<MachineSettings>,
    /// Whether the machine tracks connections.
    tracked: bool,
    flows: Vec<ListedFlow>,
    /// Accept queues by port.
    queues: std::collections::BTreeMap<u16, Option<u32>>,
    /// The machine's own addresses.
    addresses: Vec<Addr>,
    rtt: Option<Span>,
    /// Share of the segments that were sent again, where two samples say it.
    sent_again: Option<f64>,
    wishes: Wishes,
}

/// Drafts a scenario. On failure every output that is not what it should be is named.
pub fn draft(outputs: &Outputs, wishes: &Wishes) -> Result<Draft, Vec<String>> {
    let mut reader = Reader::default();
    let settings = reader.take(outputs.sysctl.as_ref(), "`sysctl -a`", MachineSettings::read);
    let sockets = reader.take(outputs.sockets.as_ref(), "`ss -tan`", Sockets::read);
    let totals = reader.take(outputs.totals.as_ref(), "`ss -s` or /proc/net/sockstat", counters::totals);
    let before = reader.take(outputs.before.as_ref(), "`nstat -az`", counters::counters);
    let after = reader.take(outputs.after.as_ref(), "`nstat -az`", counters::counters);
    let tracking = reader.take(outputs.tracking.as_ref(), "`conntrack -S`", counters::tracking);
    if !reader.wrong.is_empty() {
        return Err(reader.wrong);
    }
    let mut notes = Remarks::default();
    let tracked = notes.settings(settings.as_ref(), outputs.sysctl.as_ref(), tracking.as_ref(), wishes);
    let pace = notes.pace(before.as_ref(), after.as_ref(), outputs, wishes);
    notes.totals(totals, outputs.totals.as_ref());
    let mut flows = notes.flows(sockets.as_ref(), outputs.sockets.as_ref(), &pace);
    if flows.is_empty() {
        flows = notes.assumed(&pace, totals, wishes);
    }
    notes.always(wishes);
    let mut addresses: Vec<Addr> = flows.iter().flat_map(|flow| flow.locals.iter().copied()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let queues = sockets.map(|sockets| sockets.listeners).unwrap_or_default();
    let sketch = Sketch {
        settings,
        tracked,
        flows,
        queues,
        addresses,
        rtt: wishes.rtt,
        sent_again: pace.sent_again,
        wishes: wishes.clone(),
    };
    Ok(Draft { sketch, read: notes.read, unknown: notes.unknown })
}

impl Draft {
    /// The text, with an expectation that says what the scenario as it stands comes to. It has been run for that.
    pub fn finished(&self) -> Result<String, Report> {
        let text = text::text(self, &["binds_first(nothing)".to_owned()]);
        let outcome = Run::new(Source::new("draft.ron", text)).run()?;
        let bound =
            outcome.summary.bound_first().map(|bound| scenarios::limit(&outcome.scenario, bound.limit));
        let first = format!("binds_first({})", bound.as_deref().unwrap_or("nothing"));
        Ok(text::text(self, &[first]))
    }
}

/// Reads outputs, and keeps what is wrong with any of them.
#[derive(Default)]
struct Reader {
    wrong: Vec<String>,
}

impl Reader {
    fn take<T>(&mut self, from: Option<&Source>, what: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let source = from?;
        let found = read(&source.text);
        if found.is_none() {
            self.wrong.push(format!("`{}` is not the output of {what}", source.name));
        }
        found
    }
}

/// New connections a second, by who opens them; none where nothing tells.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    opened: Option<f64>,
    accepted: Option<f64>,
    sent_again: Option<f64>,
}

/// What is said about a draft.
#[derive(Default)]
struct Remarks {
    read: Vec<String>,
    unknown: Vec<String>,
}

impl Remarks {
    fn unknown(&mut self, what: impl Into<String>) {
        self.unknown.push(what.into());
    }

    /// Says what the settings are, and whether the machine tracks connections.
    fn settings(
        &mut self,
        settings: Option<&MachineSettings>,
        source: Option<&Source>,
        tracking: Option<&Tracking>,
        wishes: &Wishes,
    ) -> bool {
        match (settings, source) {
            (Some(read), Some(source)) => {
                let release = read.release.as_deref().unwrap_or("an unnamed release");
                self.read.push(format!(
                    "{}: {release}, {} settings taken, {} not as the kernel has them by itself, {} that the model does not have",
                    source.name,
                    read.taken,
                    read.changed.len(),
                    read.unmodelled
                ));
                if read.release.is_none() {
                    self.unknown(
                        "which kernel it is (there is no `kernel.osrelease`): Linux 6.18 is assumed",
                    );
                }
                for (line, why) in &read.refused {
                    self.unknown(format!("`{line}` was not taken: {why}"));
                }
            }
            _ => self
                .unknown("the machine's settings (`sysctl -a`): those of Linux 6.18 by itself are assumed"),
        }
        let entries = tracking.and_then(|t| t.entries).or(settings.and_then(|s| s.tracked));
        if let Some(tracking) = tracking.filter(|t| t.drops + t.early_drops > 0) {
            self.read.push(format!(
                "connection tracking has dropped {} packets because its table was full, and {} flows early",
                tracking.drops, tracking.early_drops
            ));
        }
        match entries {
            Some(0) if !wishes.tracked => {
                self.read.push("connection tracking is loaded and holds nothing: it is left off".to_owned());
                false
            }
            Some(n) => {
                self.read.push(format!("connection tracking holds {n} flows"));
                true
            }
            None => {
                let tracked = wishes.tracked || tracking.is_some();
                if !tracked {
                    self.unknown("whether the machine tracks connections: it is assumed that it does not");
                }
                tracked
            }
        }
    }

    /// New connections a second, from two samples of the counters or from a wish.
    fn pace(
        &mut self,
        before: Option<&Counters>,
        after: Option<&Counters>,
        outputs: &Outputs,
        wishes: &Wishes,
    ) -> Pace {
        let wished = wishes.rate.as_deref().and_then(per_second);
        let (Some(before), Some(after), Some(apart)) = (before, after, outputs.apart) else {
            if before.is_some() {
                self.unknown("how fast connections come: one sample of the counters counts since the machine came up; take a second");
            }
            return match wishes.role {
                Some(Role::Server) => Pace { accepted: wished, ..Pace::default() },
                _ => Pace { opened: wished, ..Pace::default() },
            };
        };
        let grown = |name: &str| {
            after.get(name).copied().unwrap_or(0).checked_sub(before.get(name).copied().unwrap_or(0))
        };
        let (Some(opened), Some(accepted)) = (grown("TcpActiveOpens"), grown("TcpPassiveOpens")) else {
            self.unknown(
                "how fast connections come: the second sample counts less than the first (the other way round? `nstat` without -a?)",
            );
            return Pace::default();
        };
        let seconds = apart.0 as f64 / 1e9;
        let (opened, accepted) = (opened as f64 / seconds, accepted as f64 / seconds);
        self.read.push(format!(
            "counters {} s apart: {} connections/s opened, {} accepted",
            text::number(seconds),
            text::number(opened),
            text::number(accepted)
        ));
        for (name, what) in [
            ("TcpAttemptFails", "attempts that failed"),
            ("TcpExtListenOverflows", "connections that met a full accept queue"),
            ("TcpExtTCPTimeWaitOverflow", "closes that found tcp_max_tw_buckets full"),
        ] {
            if let Some(n) = grown(name).filter(|&n| n > 0) {
                self.read.push(format!("in that time {n} {what} ({name})"));
            }
        }
        let (again, sent) = (grown("TcpRetransSegs").unwrap_or(0), grown("TcpOutSegs").unwrap_or(0));
        let sent_again = (again > 0 && sent > 0).then(|| again as f64 / (again + sent) as f64);
        Pace { opened: Some(opened), accepted: Some(accepted), sent_again }
    }

    fn totals(&mut self, totals: Option<Totals>, source: Option<&Source>) {
        if let (Some(totals), Some(source)) = (totals, source) {
            self.read.push(format!("{}: {} sockets in TIME_WAIT", source.name, totals.time_wait));
        }
    }

    /// The flows that sockets and counters tell of.
    fn flows(&mut self, sockets: Option<&Sockets>, source: Option<&Source>, pace: &Pace) -> Vec<ListedFlow> {
        let (Some(sockets), Some(source)) = (sockets, source) else {
            self.unknown("with whom it is connected (`ss -tan`)");
            return Vec::new();
        };
        self.read.push(format!(
            "{}: {} connections with others, {} with itself, {} over IPv6; {} ports listen",
            source.name,
            sockets.connections.len(),
            sockets.with_itself,
            sockets.ipv6,
            sockets.listeners.len()
        ));
        if let Some((line, text)) = &sockets.first_unreadable {
            let n = sockets.unreadable;
            let lines = if n == 1 { "line" } else { "lines" };
            self.unknown(format!("what {n} {lines} of {} say, the first line {line}: `{text}`", source.name));
        }
        if sockets.ipv6 > 0 {
            self.unknown(format!(
                "{} connections over IPv6, which the model does not have: they are left out",
                sockets.ipv6
            ));
        }
        if sockets.with_itself > 0 {
            self.unknown(format!(
                "what {} connections of the machine with itself are for: they are left out",
                sockets.with_itself
            ));
        }
        if sockets.listeners.is_empty() && !sockets.connections.is_empty() {
            self.unknown(
                "whether a port listens (none is listed; `ss -tn` lists none): the end whose port more connections use is taken for the server",
            );
        }
        let mut flows = flows::flows(sockets);
        let (out, inward): (Vec<_>, Vec<_>) = flows.drain(..).partition(|flow| flow.opener == Role::Client);
        // The counters count connections that are left out, too.
        let here = sockets.connections.len() as f64 / (sockets.total().max(1) as f64);
        let mut found = Vec::new();
        for (mut flows, opener, total) in
            [(out, Role::Client, pace.opened), (inward, Role::Server, pace.accepted)]
        {
            let total = total.map(|total| total * here);
            if flows.is_empty() && total.is_some_and(|total| total >= 0.1) {
                let who = if opener == Role::Client { "are opened" } else { "are accepted" };
                self.unknown(format!(
                    "with whom the {} connections/s that {who} are: none was seen",
                    text::number(total.unwrap_or(0.0))
                ));
                flows.push(ListedFlow::unseen(opener, total));
            }
            if let Some(divided) = flows::set_rates(&mut flows, total) {
                self.unknown(format!(
                    "how {} connections/s that leave no TIME_WAIT here are divided: by what else was seen of each destination or port",
                    text::number(divided)
                ));
            }
            // A flow that neither has open connections nor gets any is not worth a source.
            flows.retain(|flow| flow.open > 0 || flow.rate.is_some_and(|rate| rate > 0.0));
            found.extend(flows);
        }
        found
    }

    /// What to begin with where nothing was seen.
    fn assumed(&mut self, pace: &Pace, totals: Option<Totals>, wishes: &Wishes) -> Vec<ListedFlow> {
        let waiting = totals.map_or(0, |totals| totals.time_wait);
        let by_waiting = (waiting > 0).then_some(waiting as f64 / TIME_WAIT_S);
        let mut flows = Vec::new();
        for (opener, rate) in [(Role::Client, pace.opened), (Role::Server, pace.accepted)] {
            if rate.is_some_and(|rate| rate >= 0.1) {
                flows.push(ListedFlow::unseen(opener, rate));
            }
        }
        if flows.is_empty() {
            let opener = wishes.role.unwrap_or(Role::Client);
            let rate = by_waiting.or(Some(100.0));
            if let Some(rate) = by_waiting {
                self.unknown(format!(
                    "who opens the connections whose TIME_WAITs were counted: {} {}/s are assumed",
                    if opener == Role::Client { "the machine itself," } else { "others," },
                    text::number(rate)
                ));
            } else {
                self.unknown("how fast connections come: 100/s are assumed");
            }
            flows.push(ListedFlow { waiting, ..ListedFlow::unseen(opener, rate) });
        }
        if wishes.destinations.is_none() && flows.iter().any(|flow| flow.opener == Role::Client) {
            self.unknown("to how many destinations: one is assumed");
        }
        if wishes.closes.is_none() {
            self.unknown("who closes first and keeps TIME_WAIT: the client is assumed");
        }
        flows
    }

    /// What no tool says.
    fn always(&mut self, wishes: &Wishes) {
        if wishes.rtt.is_none() {
            self.unknown("the way there and back (`ping`, `ss -ti`): 1 ms is assumed");
        }
        self.unknown(
            "how large requests and answers are, and how long the server takes: 200 B, 1 kB, no time",
        );
        self.unknown("how many descriptors the service may open (`ulimit -n`): 1,048,576 are assumed");
        self.unknown("the settings and limits of the other machines: those of Linux 6.18 by itself");
        self.unknown(
            "whether arrivals are even or random: even ones are assumed; `poisson(..)` makes them random",
        );
    }
}

/// `500/s`, `30000/min`.
fn per_second(rate: &str) -> Option<f64> {
    let rate = Quantity::parse(rate)?;
    let seconds = match rate.unit() {
        "/s" => 1.0,
        "/min" => 60.0,
        "/h" => 3600.0,
        _ => return None,
    };
    Some(rate.number() / seconds).filter(|&rate| rate > 0.0)
}

/// Whether a text is a rate that [`Wishes::rate`] takes.
pub fn is_rate(text: &str) -> bool {
    per_second(text).is_some()
}
