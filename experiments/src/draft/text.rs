//! A draft as the text of a scenario, with comments.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sim_core::ids::{Addr, SockAddr};
use sim_core::time::Span;

use super::flows::ListedFlow;
use super::{Draft, Role, Sketch};

/// Twice TIME_WAIT, and a little more.
const USUAL_S: f64 = 150.0;
/// A scenario to begin with does not make more connections than these.
const MOST_CONNECTIONS: f64 = 2_000_000.0;
/// Nor fewer seconds than these.
const LEAST_S: f64 = 2.0;
/// Ports of a client that nobody has changed.
const PORTS: f64 = 28_232.0;

/// The whole text.
pub(super) fn text(draft: &Draft, expect: &[String]) -> String {
    let sketch = &draft.sketch;
    let world = DraftWorld::of(sketch);
    let mut out = String::from(
        "// A scenario to begin with, as `timewait init` wrote it. Change what you know better.\n",
    );
    comments(&mut out, "Read", &draft.read);
    comments(&mut out, "Not known", &draft.unknown);
    let _ = write!(
        out,
        "(\n    title: \"A machine as it was seen\",\n{}    duration: \"{}s\",\n\n    hosts: {{\n{}    }},\n\n",
        world.why_short,
        world.duration_s,
        hosts(sketch, &world)
    );
    let _ = write!(
        out,
        "    links: [\n{}    ],\n\n    traffic: {{\n{}    }},\n\n",
        links(sketch, &world),
        world.traffic
    );
    out.push_str(
        "    // What the scenario as it stands comes to. Say here what you want to hold.\n    expect: [\n",
    );
    for expectation in expect {
        let _ = writeln!(out, "        {expectation},");
    }
    out.push_str("    ],\n)\n");
    out
}

fn comments(out: &mut String, heading: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "//\n// {heading}:");
    for line in lines {
        let plain: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(out, "// - {plain}");
    }
}

/// A number as people write it: three digits that mean something.
pub(super) fn number(value: f64) -> String {
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The other machines, and the sources.
struct DraftWorld {
    duration_s: u64,
    why_short: String,
    here: Vec<Addr>,
    /// Addresses and ports of destinations.
    servers: BTreeMap<Addr, BTreeSet<u16>>,
    /// How many addresses the clients have, and the first.
    clients: Option<(u32, Addr)>,
    /// This machine's ports, each with its accept queue.
    listen: BTreeMap<u16, Option<u32>>,
    traffic: String,
}

impl DraftWorld {
    fn of(sketch: &Sketch) -> DraftWorld {
        let here =
            if sketch.addresses.is_empty() { vec![Addr(0x0a00_0001)] } else { sketch.addresses.clone() };
        let total: f64 = sketch.flows.iter().filter_map(|flow| flow.rate).sum();
        let affordable = (MOST_CONNECTIONS / total.max(1.0)).clamp(LEAST_S, USUAL_S).floor();
        let why_short = if affordable < USUAL_S {
            "    // Shorter than two lives of a TIME_WAIT, so that a first run does not take long.\n"
                .to_owned()
        } else {
            String::new()
        };
        let mut world = DraftWorld {
            duration_s: affordable as u64,
            why_short,
            here,
            servers: BTreeMap::new(),
            clients: None,
            listen: BTreeMap::new(),
            traffic: String::new(),
        };
        world.clients = world.clients(sketch);
        let mut names = BTreeSet::new();
        for flow in &sketch.flows {
            world.source(sketch, flow, &mut names);
        }
        world
    }

    /// So many clients that their own ports are not what runs out, at addresses that nobody else has.
    fn clients(&self, sketch: &Sketch) -> Option<(u32, Addr)> {
        const BLOCKS: [u32; 3] = [0xc612_0001, 0x0aff_0001, 0xac1f_0001];
        const MOST: u32 = 200;
        let inward = || sketch.flows.iter().filter(|flow| flow.opener == Role::Server);
        let seen = inward().map(|flow| flow.peers).max()?;
        let rate: f64 = inward().filter_map(|flow| flow.rate).sum();
        let enough = (rate * 75.0 / PORTS).ceil() as u32 + 1;
        let count = u32::try_from(seen).unwrap_or(MOST).min(MOST).max(enough).min(60_000);
        let others = || sketch.flows.iter().flat_map(|flow| flow.remotes.iter().map(|remote| remote.addr));
        let taken = |first: u32| {
            let block = first..=first + count;
            others().chain(self.here.iter().copied()).any(|addr| block.contains(&addr.0))
        };
        let first = BLOCKS.into_iter().find(|&first| !taken(first)).unwrap_or(BLOCKS[0]);
        Some((count, Addr(first)))
    }

    fn source(&mut self, sketch: &Sketch, flow: &ListedFlow, names: &mut BTreeSet<String>) {
        let wishes = &sketch.wishes;
        let (from, to, source) = match flow.opener {
            Role::Client => {
                let remotes = self.remotes(flow, wishes.destinations.unwrap_or(1));
                for remote in &remotes {
                    self.servers.entry(remote.addr).or_default().insert(remote.port);
                }
                let own = (self.here.len() > 1).then(|| listed(flow.locals.iter()));
                ("here", listed(remotes.iter()), own)
            }
            Role::Server => {
                self.listen.insert(flow.port, sketch.queues.get(&flow.port).copied().flatten());
                let at: Vec<_> = flow.locals.iter().map(|&addr| SockAddr { addr, port: flow.port }).collect();
                let to = if at.is_empty() { format!("\"here:{}\"", flow.port) } else { listed(at.iter()) };
                let all = self.clients.filter(|(count, _)| *count > 1);
                ("clients", to, all.map(|block| format!("[\"{}\"]", range(block))))
            }
        };
        let name = unique(&name(flow), names);
        let mut fields = vec![format!("from: \"{from}\""), format!("to: {to}")];
        fields.extend(source.map(|source| format!("source: {source}")));
        let (how, why) = demand(flow, wishes, self.duration_s);
        fields.extend(how);
        let _ = writeln!(self.traffic, "        // {}", why.join("\n        // "));
        let _ = writeln!(self.traffic, "        \"{name}\": (");
        for field in fields {
            let _ = writeln!(self.traffic, "            {field},");
        }
        self.traffic.push_str("        ),\n");
    }

    /// Where a flow of this machine goes; made up where none was seen.
    fn remotes(&self, flow: &ListedFlow, wanted: u16) -> Vec<SockAddr> {
        if !flow.remotes.is_empty() {
            return flow.remotes.iter().copied().collect();
        }
        let free = (0x0a01_0001..).map(Addr).filter(|addr| !self.here.contains(addr));
        free.take(usize::from(wanted.max(1))).map(|addr| SockAddr { addr, port: 80 }).collect()
    }
}

/// `to-10-0-0-2-80`, `at-8080`.
fn name(flow: &ListedFlow) -> String {
    match (flow.opener, flow.remotes.first()) {
        (Role::Server, _) if flow.rest => "at-others".to_owned(),
        (Role::Server, _) => format!("at-{}", flow.port),
        (Role::Client, Some(_)) if flow.rest => "to-others".to_owned(),
        (Role::Client, Some(to)) => format!("to-{}-{}", to.addr.to_string().replace('.', "-"), to.port),
        (Role::Client, None) => "to-somewhere".to_owned(),
    }
}

fn unique(name: &str, names: &mut BTreeSet<String>) -> String {
    let mut free = name.to_owned();
    for n in 2.. {
        if names.insert(free.clone()) {
            break;
        }
        free = format!("{name}-{n}");
    }
    free
}

fn listed<T: std::fmt::Display>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<_> = items.map(|item| format!("\"{item}\"")).collect();
    format!("[{}]", items.join(", "))
}

fn range((count, first): (u32, Addr)) -> String {
    if count == 1 { first.to_string() } else { format!("{first}-{}", Addr(first.0 + count - 1)) }
}

/// How connections come and go, and why so.
fn demand(flow: &ListedFlow, wishes: &super::Wishes, duration_s: u64) -> (Vec<String>, Vec<String>) {
    let mut why = vec![seen(flow)];
    let kept =
        if flow.seen() == 0 { wishes.kept.map(u64::from) } else { flow.is_kept().then_some(flow.open) };
    let rate = flow.rate.filter(|&rate| rate > 0.0);
    if let Some(kept) = kept {
        let kept = kept.clamp(1, 1_000_000);
        if let (Some(rate), 0) = (rate, flow.seen()) {
            return (
                vec![format!("arrivals: constant(\"{}/s\")", number(rate)), format!("pool: (size: {kept})")],
                why,
            );
        }
        // At most half a million requests in all.
        let think = (kept * duration_s).div_ceil(500_000).max(1);
        why.push(format!("They are kept; how often they are used is not known: once in {think} s each."));
        let fields = [
            format!("arrivals: workers({kept})"),
            format!("think_time: \"{think}s\""),
            format!("pool: (size: {kept})"),
        ];
        return (fields.to_vec(), why);
    }
    let rate = rate.unwrap_or(1.0).max(0.01);
    let mut fields = vec![format!("arrivals: constant(\"{}/s\")", number(rate))];
    let hold = flow.open_s().map_or(0, |open_s| (open_s * 1000.0).round() as u64);
    if hold > 0 {
        why.push(format!(
            "{} at once and {}/s: each is open for {hold} ms (Little's law).",
            flow.open,
            number(rate)
        ));
        fields.push(format!("hold: \"{hold}ms\""));
    }
    let first = if flow.seen() == 0 { wishes.closes.unwrap_or(Role::Client) } else { flow.first() };
    let unclosed = (flow.unclosed as f64 / rate * 1000.0).round() as u64;
    let other =
        (first != flow.opener && unclosed > 0).then(|| format!(", other: close_after(\"{unclosed}ms\")"));
    if other.is_some() {
        why.push(format!("{} in CLOSE_WAIT: this machine takes {unclosed} ms to close.", flow.unclosed));
    }
    let first = if first == Role::Client { "client" } else { "server" };
    fields.push(format!("close: (first: {first}{})", other.unwrap_or_default()));
    (fields, why)
}

fn seen(flow: &ListedFlow) -> String {
    if flow.seen() == 0 {
        return "Nothing of it was seen.".to_owned();
    }
    let (first, many) = match flow.opener {
        Role::Client if flow.rest => ("Many destinations", flow.peers),
        Role::Client => ("One destination", 0),
        Role::Server if flow.rest => ("Many ports", 0),
        Role::Server => ("One port", flow.peers),
    };
    let peers = match many {
        0 => String::new(),
        1 => ", from one address".to_owned(),
        n if flow.opener == Role::Server => format!(", from {n} addresses"),
        n => format!(", {n} of them"),
    };
    format!(
        "{first}{peers}: {} established, {} in TIME_WAIT, {} in CLOSE_WAIT were seen.",
        flow.open, flow.waiting, flow.unclosed
    )
}

fn hosts(sketch: &Sketch, world: &DraftWorld) -> String {
    let mut out = String::from("        // The machine that this is about.\n        \"here\": (\n");
    let _ = writeln!(out, "            addresses: {},", listed(world.here.iter()));
    settings(&mut out, sketch);
    out.push_str("            // limits: (open_files: 1024),  // what `ulimit -n` says to the service\n");
    if !world.listen.is_empty() {
        out.push_str("            listen: [\n");
        for (port, queue) in &world.listen {
            let backlog = queue.filter(|&queue| queue > 0).map(|queue| format!(", backlog: {queue}"));
            let _ = writeln!(out, "                (port: {port}{}),", backlog.unwrap_or_default());
        }
        out.push_str("            ],\n");
    }
    out.push_str("        ),\n");
    if !world.servers.is_empty() {
        let ports: BTreeSet<u16> = world.servers.values().flatten().copied().collect();
        let ports: Vec<_> = ports.iter().map(|port| format!("(port: {port})")).collect();
        let _ = writeln!(
            out,
            "        // All destinations in one.\n        \"servers\": (\n            addresses: {},\n            listen: [{}],\n        ),",
            listed(world.servers.keys()),
            ports.join(", ")
        );
    }
    if let Some(block) = world.clients {
        let _ = writeln!(
            out,
            "        // All clients in one, at addresses that are made up.\n        \"clients\": (addresses: [\"{}\"]),",
            range(block)
        );
    }
    out
}

fn settings(out: &mut String, sketch: &Sketch) {
    let Some(settings) = &sketch.settings else {
        if sketch.tracked {
            out.push_str("            conntrack: on,\n");
        }
        return;
    };
    let release = settings.release.as_ref().map_or(String::new(), |release| {
        let plain: String = release.chars().filter(|c| !c.is_control()).take(80).collect();
        format!("  // {plain}")
    });
    let _ = writeln!(out, "            stack: {},{release}", settings.stack);
    let changed: Vec<_> = settings.changed.iter().filter(|c| sketch.tracked || !c.tracking).collect();
    if sketch.tracked && !changed.iter().any(|c| c.tracking) {
        out.push_str("            conntrack: on,\n");
    }
    if changed.is_empty() {
        return;
    }
    out.push_str("            // What is not as the kernel has it by itself.\n            sysctl: {\n");
    for change in changed {
        let usual = if change.usual.is_empty() { "nothing" } else { &change.usual };
        let _ = writeln!(
            out,
            "                \"{}\": \"{}\",  // {} by itself: {}",
            change.name, change.value, usual, change.doc
        );
    }
    out.push_str("            },\n");
}

fn links(sketch: &Sketch, world: &DraftWorld) -> String {
    let rtt = sketch.rtt.unwrap_or(Span::from_millis(1));
    let mut out = if sketch.rtt.is_none() {
        "        // 1 ms there and back is assumed.\n".to_owned()
    } else {
        String::new()
    };
    if let Some(share) = sketch.sent_again {
        let _ = writeln!(
            out,
            "        // {}% of the segments were sent again. If the way loses them: loss: \"{}%\"",
            number(share * 100.0),
            number((share * 100.0).max(0.01))
        );
    }
    let delay = match (rtt.0 / 2_000).max(1) {
        us if us % 1_000 == 0 => format!("{}ms", us / 1_000),
        us => format!("{us}us"),
    };
    for (other, there) in [("servers", !world.servers.is_empty()), ("clients", world.clients.is_some())] {
        if there {
            let _ = writeln!(out, "        (path: [\"here\", \"{other}\"], delay: \"{delay}\"),");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Outputs, Wishes, draft};
    use super::*;

    #[test]
    fn a_busy_machine_gets_a_short_scenario() {
        let duration = |rate: &str| {
            let wishes = Wishes { rate: Some(rate.to_owned()), ..Wishes::default() };
            DraftWorld::of(&draft(&Outputs::default(), &wishes).expect("nothing was read").sketch).duration_s
        };
        assert_eq!(["10/s", "600000/min", "40000/s", "5000000/s"].map(duration), [150, 150, 50, 2]);
    }

    #[test]
    fn numbers_have_three_digits_that_mean_something() {
        assert_eq!([201.4, 52.94, 9.0, 0.126, 0.0].map(number), ["201", "52.9", "9", "0.13", "0"]);
    }
}
