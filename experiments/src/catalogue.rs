//! The catalogue of changes that people recommend: a file of data, and what its templates come to for one scenario.

use serde::{Deserialize, Serialize};
use sim_core::ids::{Addr, HostId};
use sim_core::scenario::{Arrivals, Scenario, Side, Traffic};
use sim_core::time::Span;

use scenarios::Patch;

/// The catalogue that comes with the program.
pub const BUNDLED: &str = include_str!("../catalogue.ron");

/// A change that people recommend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What it is called.
    pub name: String,
    /// Its patches, each `PATH=VALUE` with placeholders for the hosts and sources of a scenario.
    pub set: Vec<String>,
    /// Conditions on a traffic source or on what it meets; it applies to those sources that meet all of them.
    #[serde(default)]
    pub only: Vec<Only>,
    /// When it is meant, in words.
    pub when: String,
    /// What it costs.
    pub cost: String,
    /// What can go wrong.
    pub risk: String,
    /// On which kernels it exists.
    pub kernels: String,
    /// Where it is recommended or explained.
    pub source: String,
}

/// A condition on a traffic source or on what it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// Its client closes first.
    ClientCloses,
    /// Its server closes first.
    ServerCloses,
    /// It has a pool.
    Pool,
    /// It has none.
    NoPool,
    /// Its connections come at a rate or at given times.
    OpenLoop,
    /// Its connections are those of workers.
    Workers,
    /// Some host tracks connections.
    Tracked,
    /// The application of one of its listeners waits before it accepts.
    SlowAccept,
}

impl Only {
    fn holds(self, traffic: &Traffic, scenario: &Scenario) -> bool {
        match self {
            Only::ClientCloses => traffic.first == Side::Client,
            Only::ServerCloses => traffic.first == Side::Server,
            Only::Pool => traffic.pool.is_some(),
            Only::NoPool => traffic.pool.is_none(),
            Only::OpenLoop => !matches!(traffic.arrivals, Arrivals::Workers(_)),
            Only::Workers => matches!(traffic.arrivals, Arrivals::Workers(_)),
            Only::Tracked => scenario.hosts.iter().any(|h| h.conntrack.is_some()),
            Only::SlowAccept => listeners(scenario, &[traffic])
                .iter()
                .any(|&(host, i)| scenario.hosts[host].listen[i].accept_every > Span::ZERO),
        }
    }

    /// What is not so where it does not hold.
    const fn unmet(self) -> &'static str {
        match self {
            Only::ClientCloses => "no client closes first",
            Only::ServerCloses => "no server closes first",
            Only::Pool => "there is no pool",
            Only::NoPool => "connections are kept in a pool already",
            Only::OpenLoop => "connections are made by workers",
            Only::Workers => "connections are not made by workers",
            Only::Tracked => "no host tracks connections",
            Only::SlowAccept => "no application is slow to accept",
        }
    }
}

/// Reads a catalogue. The error says what is wrong, and where.
pub fn parse(text: &str) -> Result<Vec<Change>, String> {
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    let changes: Vec<Change> = options.from_str(text).map_err(|e| e.to_string())?;
    for (i, change) in changes.iter().enumerate() {
        if changes[..i].iter().any(|other| other.name == change.name) {
            return Err(format!("two changes are called `{}`", change.name));
        }
        for template in &change.set {
            Patch::parse(template).map_err(|why| format!("`{}`: {why}", change.name))?;
            unknown_placeholder(template).map_or(Ok(()), |name| {
                Err(format!(
                    "`{}`: there is no placeholder `{{{name}}}`; there are {{client}}, {{server}}, {{tracker}}, {{traffic}}, \
                     {{listener}} and {{more_addresses}}",
                    change.name
                ))
            })?;
        }
        if change.set.is_empty() {
            return Err(format!("`{}` sets nothing", change.name));
        }
    }
    Ok(changes)
}

const PLACEHOLDERS: [&str; 6] = ["client", "server", "tracker", "traffic", "listener", "more_addresses"];

fn unknown_placeholder(template: &str) -> Option<&str> {
    let names = template.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
    let is_name = |n: &&str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    names.filter(is_name).find(|name| !PLACEHOLDERS.contains(name))
}

/// What a change comes to for a scenario, or why it does not apply.
pub fn expand(change: &Change, scenario: &Scenario) -> Result<Vec<Patch>, String> {
    let mut sources: Vec<&Traffic> = scenario.traffic.iter().collect();
    for only in &change.only {
        sources.retain(|traffic| only.holds(traffic, scenario));
        if sources.is_empty() {
            return Err(only.unmet().to_owned());
        }
    }
    let mut patches: Vec<Patch> = Vec::new();
    for template in &change.set {
        let filled = filled(template, scenario, &sources);
        if filled.is_empty() {
            return Err("there is no host or source for it".to_owned());
        }
        for text in filled {
            let patch = Patch::parse(&text)?;
            if !patches.contains(&patch) {
                patches.push(patch);
            }
        }
    }
    Ok(patches)
}

/// A template for each host or source that its placeholders can stand for.
fn filled(template: &str, scenario: &Scenario, sources: &[&Traffic]) -> Vec<String> {
    let has = |name: &str| template.contains(&format!("{{{name}}}"));
    let put = |text: &str, name: &str, value: &str| text.replace(&format!("{{{name}}}"), value);
    let host = |id: usize| scenario.hosts[id].name.as_str();
    if has("listener") {
        let path = |&(host_id, i): &(usize, usize)| format!("hosts.{}.listen[{i}]", host(host_id));
        return listeners(scenario, sources).iter().map(|at| put(template, "listener", &path(at))).collect();
    }
    if has("tracker") {
        let trackers = scenario.hosts.iter().filter(|h| h.conntrack.is_some());
        return trackers.map(|h| put(template, "tracker", &h.name)).collect();
    }
    if has("server") {
        let mut servers: Vec<usize> = listeners(scenario, sources).iter().map(|&(host, _)| host).collect();
        servers.dedup();
        return servers.iter().map(|&id| put(template, "server", host(id))).collect();
    }
    let of_source = |traffic: &&Traffic| {
        let text = put(template, "traffic", &traffic.name);
        let text = put(&text, "client", host(traffic.from.index()));
        put(&text, "more_addresses", &more_addresses(scenario, traffic.from))
    };
    if !has("traffic") && !has("client") && !has("more_addresses") {
        return vec![template.to_owned()];
    }
    sources.iter().map(of_source).collect()
}

/// The listeners that the sources connect to, by host and position.
fn listeners(scenario: &Scenario, sources: &[&Traffic]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (h, host) in scenario.hosts.iter().enumerate() {
        for (i, listen) in host.listen.iter().enumerate() {
            let met = sources
                .iter()
                .flat_map(|t| &t.to)
                .any(|to| host.addresses.contains(&to.addr) && to.port == listen.port);
            if met {
                found.push((h, i));
            }
        }
    }
    found
}

/// The addresses of a host and three more that nobody has.
fn more_addresses(scenario: &Scenario, host: HostId) -> String {
    const MORE: u32 = 3;
    let highest = scenario.hosts.iter().flat_map(|h| &h.addresses).map(|a| a.0).max().unwrap_or(0);
    let first = highest + 1 + MORE * u32::from(host.0);
    let own = scenario.hosts[host.index()].addresses.iter().copied();
    let all = own.chain((first..first + MORE).map(Addr));
    format!("[{}]", all.map(|a| format!("\"{a}\"")).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Run;

    fn scenario(name: &str) -> Scenario {
        Run::bundled(*scenarios::bundled(name).expect("it is bundled")).load().expect("it loads").scenario
    }

    fn change(set: &str, only: &str) -> Change {
        let text = format!(
            "[(name: \"x\", set: [r#\"{set}\"#], only: [{only}], when: \"\", cost: \"\", risk: \"\", kernels: \"\", source: \"\")]"
        );
        parse(&text).expect(&text).remove(0)
    }

    fn expanded(set: &str, only: &str, name: &str) -> Result<Vec<String>, String> {
        expand(&change(set, only), &scenario(name)).map(|p| p.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_bundled_change_applies_to_some_bundled_scenario_or_says_why_not() {
        let changes = parse(BUNDLED).expect("the catalogue is right");
        let library: Vec<_> = scenarios::library().iter().map(|b| scenario(b.name)).collect();
        for change in &changes {
            let texts = [&change.when, &change.cost, &change.risk, &change.kernels, &change.source];
            assert!(texts.iter().all(|text| !text.is_empty()), "{}", change.name);
            for scenario in &library {
                match expand(change, scenario) {
                    Ok(patches) => assert!(!patches.is_empty(), "{}", change.name),
                    Err(why) => assert!(!why.is_empty(), "{}", change.name),
                }
            }
        }
    }

    #[test]
    fn placeholders_stand_for_what_there_is() {
        let path = "hosts.{client}.limits.open_files=9";
        assert_eq!(
            expanded(path, "", "conntrack-full"),
            Ok(vec!["hosts.client.limits.open_files=9".to_owned()])
        );
        let listeners = expanded("{listener}.backlog=9", "", "conntrack-full").expect("two listeners");
        assert_eq!(listeners, ["hosts.server.listen[0].backlog=9", "hosts.server.listen[1].backlog=9"]);
        let open = expanded("traffic.{traffic}.hold=9s", "open_loop", "conntrack-full");
        assert_eq!(open, Ok(vec!["traffic.web.hold=9s".to_owned()]));
        let tracker = expanded("hosts.{tracker}.conntrack.max=9", "tracked", "conntrack-full");
        assert_eq!(tracker, Ok(vec!["hosts.router.conntrack.max=9".to_owned()]));
        let more = expanded("hosts.{client}.addresses={more_addresses}", "", "ports-run-out");
        let more = more.expect("it applies");
        assert_eq!(more, [r#"hosts.client.addresses=["10.0.0.1", "10.0.0.3", "10.0.0.4", "10.0.0.5"]"#]);
    }

    #[test]
    fn what_does_not_apply_says_why() {
        let tracked = expanded("hosts.{tracker}.conntrack=off", "tracked", "ports-run-out");
        assert_eq!(tracked, Err("no host tracks connections".to_owned()));
        let pool = expanded("traffic.{traffic}.pool.size=9", "pool", "ports-run-out");
        assert_eq!(pool, Err("there is no pool".to_owned()));
        // Its client closes first, and no server.
        let close = "traffic.{traffic}.close.how=reset";
        assert!(expanded(close, "client_closes", "ports-run-out").is_ok());
        let server = expanded(close, "server_closes", "ports-run-out");
        assert_eq!(server, Err("no server closes first".to_owned()));
    }

    #[test]
    fn a_catalogue_that_is_wrong_says_where() {
        for (text, said) in [
            ("[(name: \"a\")]", "1:"),
            ("[(name: \"a\", sets: [])]", "sets"),
            (
                "[(name: \"a\", set: [\"hosts.{clint}.x=1\"], when: \"\", cost: \"\", risk: \"\", kernels: \"\", source: \"\")]",
                "there is no placeholder `{clint}`",
            ),
            (
                "[(name: \"a\", set: [\"x\"], when: \"\", cost: \"\", risk: \"\", kernels: \"\", source: \"\")]",
                "is not PATH=VALUE",
            ),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
