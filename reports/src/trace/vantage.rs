//! Where a capture is taken: a host's side of a link, or its loopback.

use sim_core::ids::HostId;
use sim_core::scenario::Scenario;

/// A place at which packets are captured, as an interface of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vantage {
    /// The host.
    pub host: HostId,
    /// The neighbour that the interface faces; the host itself on its loopback.
    pub faces: HostId,
    /// Its name: the host's, with the neighbour's behind it where the host has more than one.
    pub name: String,
}

impl Vantage {
    /// Every vantage point of a scenario, in the order of its hosts and links.
    pub fn all(scenario: &Scenario) -> Vec<Vantage> {
        let ids = (0_u16..).map(HostId).zip(&scenario.hosts);
        ids.flat_map(|(id, host)| {
            let mut faces: Vec<HostId> = Vec::new();
            for link in &scenario.links {
                let other = if link.a == id { link.b } else { link.a };
                if (link.a == id || link.b == id) && !faces.contains(&other) {
                    faces.push(other);
                }
            }
            let many = faces.len() > 1;
            let name_of = |other: HostId| {
                let name = scenario.hosts.get(other.index()).map_or("?", |h| h.name.as_str());
                if many { format!("{}-{name}", host.name) } else { host.name.clone() }
            };
            let mut all: Vec<Vantage> =
                faces.iter().map(|&faces| Vantage { host: id, faces, name: name_of(faces) }).collect();
            if speaks_to_itself(scenario, id) {
                all.push(Vantage { host: id, faces: id, name: format!("{}-lo", host.name) });
            }
            all
        })
        .collect()
    }

    /// Where clients are: what a capture shows unless asked for more.
    pub fn of_clients(scenario: &Scenario) -> Vec<Vantage> {
        let clients: Vec<HostId> = scenario.traffic.iter().map(|t| t.from).collect();
        Vantage::all(scenario).into_iter().filter(|v| clients.contains(&v.host)).collect()
    }

    /// The vantage points that a name stands for: a host's name for all of its interfaces, or the name of one.
    ///
    /// # Errors
    /// What could be named instead.
    pub fn named(scenario: &Scenario, name: &str) -> Result<Vec<Vantage>, String> {
        let all = Vantage::all(scenario);
        let host_of =
            |v: &Vantage| scenario.hosts.get(v.host.index()).map_or("", |h| h.name.as_str()).to_owned();
        let found: Vec<Vantage> =
            all.iter().filter(|v| v.name == name || host_of(v) == name).cloned().collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let mut names: Vec<String> = all.iter().flat_map(|v| [host_of(v), v.name.clone()]).collect();
        names.sort();
        names.dedup();
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        Err(format!("`{name}` is no place to look from; there are {}", names.join(", ")))
    }
}

fn speaks_to_itself(scenario: &Scenario, id: HostId) -> bool {
    let addresses = scenario.hosts.get(id.index()).map_or(&[][..], |h| &h.addresses);
    scenario
        .traffic
        .iter()
        .filter(|t| t.from == id)
        .flat_map(|t| &t.to)
        .any(|to| to.addr.is_loopback() || addresses.contains(&to.addr))
}
