//! Parameters of a recording in the words of the scenario language: hosts, settings, links, rules for packets.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::recording::Recording;

/// A host as far as parameters say what it is.
#[derive(Clone, Debug, Default)]
pub(super) struct HostText {
    name: String,
    addresses: Vec<String>,
    sysctl: Vec<(String, String)>,
    conntrack: bool,
    /// Further fields of the host.
    fields: Vec<String>,
}

/// Hosts and links of a recording.
#[derive(Clone, Debug, Default)]
pub(super) struct Machines {
    hosts: Vec<HostText>,
    path: Vec<String>,
}

/// The client's host, the server's, and the router between them as the recordings name them.
pub(super) const CLIENT: &str = "c0";
/// The server's host.
pub(super) const SERVER: &str = "s";
const ROUTER: &str = "r";

/// One way of a veth pair: what the recordings call no time at all.
const DELAY: &str = "20us";

impl Machines {
    /// Hosts and links of a recording's parameters.
    pub(super) fn read(recording: &Recording) -> Result<Machines, String> {
        known(
            &recording.parameters,
            "`parameters`",
            &[
                "topology",
                "client_ips",
                "server_ips",
                "nft",
                "nf_conntrack_max",
                "nf_conntrack_buckets",
                "sysctl",
                "client",
                "server",
                "flood",
                "params",
            ],
        )?;
        let kind = recording.parameters.get("topology").map_or(&Value::Null, |t| &t["kind"]);
        let path = match kind.as_str() {
            Some("loop") => vec![],
            Some("direct") => vec![CLIENT, SERVER],
            Some("router") => vec![CLIENT, ROUTER, SERVER],
            _ => return Err(format!("a topology of the kind {kind}")),
        };
        let mut machines =
            Machines { path: path.into_iter().map(str::to_owned).collect(), ..Machines::default() };
        let names = if machines.path.is_empty() { vec![CLIENT.to_owned()] } else { machines.path.clone() };
        for name in names {
            machines.hosts.push(HostText::read(recording, name)?);
        }
        Ok(machines)
    }

    /// The name of the host that serves: with a single host, the client's own.
    pub(super) fn server(&self) -> &str {
        if self.path.is_empty() { CLIENT } else { SERVER }
    }

    /// Adds a field to a host.
    pub(super) fn add(&mut self, host: &str, field: String) {
        if let Some(host) = self.hosts.iter_mut().find(|h| h.name == host) {
            host.fields.push(field);
        }
    }

    /// Addresses of a host.
    pub(super) fn addresses(&self, host: &str) -> &[String] {
        self.hosts.iter().find(|h| h.name == host).map_or(&[], |h| &h.addresses)
    }

    /// The first address of the server.
    pub(super) fn server_address(&self) -> Result<&str, String> {
        self.addresses(self.server())
            .first()
            .map(String::as_str)
            .ok_or_else(|| "a server without address".to_owned())
    }

    /// The value of a host's setting.
    pub(super) fn setting(&self, host: &str, name: &str) -> Option<&str> {
        let host = self.hosts.iter().find(|h| h.name == host)?;
        host.sysctl.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The host whose connection tracking the recording is about, if any tracks.
    pub(super) fn tracker(&self) -> Option<&str> {
        self.hosts.iter().find(|host| host.conntrack).map(|host| host.name.as_str())
    }

    /// The scenario with its traffic.
    pub(super) fn scenario(&self, duration: f64, sample: &str, traffic: &[String]) -> String {
        let mut text =
            format!("(\n    title: \"a recorded workload\",\n    duration: {},\n", seconds(duration));
        let _ = write!(text, "    sample: {sample:?},\n    hosts: {{\n");
        self.hosts.iter().for_each(|host| host.write(&mut text));
        text += "    },\n";
        if self.path.len() > 1 {
            let _ = writeln!(text, "    links: [(path: {:?}, delay: {DELAY:?})],", self.path);
        }
        let _ = write!(text, "    traffic: {{\n        {}\n    }},\n)\n", traffic.join(",\n        "));
        text
    }
}

impl HostText {
    fn read(recording: &Recording, name: String) -> Result<HostText, String> {
        let parameters = &recording.parameters;
        let addresses = match name.as_str() {
            CLIENT => strings(parameters.get("client_ips").map_or(&Value::Null, |ips| &ips[CLIENT])),
            SERVER => strings(parameters.get("server_ips").unwrap_or(&Value::Null)),
            _ => Vec::new(),
        };
        let mut host = HostText { name, addresses, ..HostText::default() };
        let rules = parameters.get("nft").map_or(&Value::Null, |nft| &nft[&host.name]);
        host.read_rules(rules.as_str().unwrap_or_default())?;
        let settings = parameters.get("sysctl").map_or(&Value::Null, |sysctl| &sysctl[&host.name]);
        for (setting, value) in settings.as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if setting.starts_with("net.netfilter.") && !host.conntrack {
                continue;
            }
            host.sysctl.push((setting.clone(), value));
        }
        if host.conntrack {
            host.take_limits(parameters);
        }
        Ok(host)
    }

    /// Size of the table and of its hash, which all namespaces of a machine share.
    fn take_limits(&mut self, parameters: &Map<String, Value>) {
        for name in ["nf_conntrack_max", "nf_conntrack_buckets"] {
            let setting = format!("net.netfilter.{name}");
            if let Some(value) = parameters.get(name) {
                self.sysctl.retain(|(known, _)| *known != setting);
                self.sysctl.push((setting, value.to_string()));
            }
        }
    }

    /// Understands the rules of a host's tables, as far as the language can tell them.
    fn read_rules(&mut self, rules: &str) -> Result<(), String> {
        for words in ["masquerade", "snat", "dnat", "redirect"] {
            if rules.contains(words) {
                return Err("address translation is not in the language yet".to_owned());
            }
        }
        for rule in rules.split(';').map(|rule| rule.trim_matches([' ', '{', '}'])).filter(|r| !r.is_empty())
        {
            if rule.starts_with("table ") {
                // A table's head, down to its hook: what counts is the rules in it.
            } else if rule == "ct state new,established,related,invalid counter accept" {
                self.conntrack = true;
            } else if let Some(port) = rule.strip_prefix("tcp dport ").and_then(|r| r.strip_suffix(" drop")) {
                let port: u16 = port.trim().parse().map_err(|_| format!("the rule `{rule}`"))?;
                self.fields.push(format!("drop: [(port: {port})]"));
            } else {
                return Err(format!("the rule `{rule}`"));
            }
        }
        Ok(())
    }

    fn write(&self, text: &mut String) {
        let addresses: Vec<_> = self.addresses.iter().map(|a| format!("{a:?}")).collect();
        let _ =
            write!(text, "        {:?}: (\n            addresses: [{}],\n", self.name, addresses.join(", "));
        text.push_str(if self.conntrack {
            "            conntrack: (),\n"
        } else {
            "            conntrack: off,\n"
        });
        text.push_str("            sysctl: {\n");
        for (name, value) in &self.sysctl {
            let _ = writeln!(text, "                {name:?}: {value:?},");
        }
        text.push_str("            },\n");
        let rules: Vec<_> =
            self.fields.iter().filter_map(|f| f.strip_prefix("drop: [")?.strip_suffix(']')).collect();
        self.fields.iter().filter(|field| !field.starts_with("drop: [")).for_each(|field| {
            let _ = writeln!(text, "            {field},");
        });
        if !rules.is_empty() {
            let _ = writeln!(text, "            drop: [{}],", rules.join(", "));
        }
        text.push_str("        ),\n");
    }
}

/// Strings of a list.
fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Refuses keys that nobody has heard of: what they ask for would be left undone.
pub(super) fn known(map: &Map<String, Value>, what: &str, keys: &[&str]) -> Result<(), String> {
    match map.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("{what} has `{key}`, which is not known here")),
        None => Ok(()),
    }
}

/// A number of a map, or what it is when it is left out.
pub(super) fn number(map: &Map<String, Value>, key: &str, default: f64) -> Result<f64, String> {
    match map.get(key) {
        None => Ok(default),
        Some(value) => value.as_f64().ok_or_else(|| format!("`{key}` is {value}, no number")),
    }
}

/// A length of time as the language writes it.
pub(super) fn seconds(value: f64) -> String {
    format!("\"{}s\"", decimal(value))
}

/// A number without an exponent.
pub(super) fn decimal(value: f64) -> String {
    let text = format!("{value:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
