//! What the output of `sysctl -a` says of a machine, for whoever writes a scenario of it.

use std::collections::BTreeMap;

use sim_core::conntrack::ConntrackConfig;
use sim_core::profile::Stack;

use super::{CONNTRACK, HostSettings, Name, SETTINGS, classify, concerns_tcp, split_line};

/// A setting that is not as the kernel has it by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The kernel's name.
    pub name: &'static str,
    /// The value of the machine, as `sysctl` prints it.
    pub value: String,
    /// What the stack begins with.
    pub usual: String,
    /// What it does: one line.
    pub doc: &'static str,
    /// Whether it belongs to connection tracking: written into a scenario, it switches tracking on.
    pub tracking: bool,
}

/// The settings of a machine, read from the output of `sysctl -a`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineSettings {
    /// `kernel.osrelease`, if it is among them.
    pub release: Option<String>,
    /// The profile for it; the latest if it is not known.
    pub stack: Stack,
    /// What the model has and what is not as the stack has it by itself.
    pub changed: Vec<Changed>,
    /// How many settings the model has and took.
    pub taken: usize,
    /// How many Linux has and the model has not.
    pub unmodelled: usize,
    /// Lines that were not taken, each with the reason.
    pub refused: Vec<(String, String)>,
    /// Flows that connection tracking holds, if it is loaded.
    pub tracked: Option<u64>,
}

impl MachineSettings {
    /// Reads the output of `sysctl -a`; of a setting that comes twice the last counts. None if there is no setting in it.
    pub fn read(text: &str) -> Option<MachineSettings> {
        let mut values: BTreeMap<String, &str> = BTreeMap::new();
        for (name, value) in text.lines().filter_map(split_line) {
            values.insert(name, value);
        }
        if values.is_empty() {
            return None;
        }
        let release = values.get("kernel.osrelease").map(|release| (*release).to_owned());
        let stack =
            release.as_deref().and_then(version).map_or(Stack::Linux6_18, |(a, b)| Stack::of_linux(a, b));
        let mut read = MachineSettings {
            release,
            stack,
            changed: Vec::new(),
            taken: 0,
            unmodelled: 0,
            refused: Vec::new(),
            tracked: values.get("net.netfilter.nf_conntrack_count").and_then(|n| n.parse().ok()),
        };
        let usual = knobs(stack);
        let mut here = usual.clone();
        for (name, value) in &values {
            match classify(name, stack) {
                Name::Modelled(setting) => match setting.set(&mut here, value) {
                    Ok(()) => read.taken += 1,
                    Err(takes) => read.refused.push((format!("{name} = {value}"), takes)),
                },
                Name::Unmodelled => read.unmodelled += 1,
                Name::Unknown(_) if !concerns_tcp(name) => read.unmodelled += 1,
                Name::Unknown(why) => read.refused.push((name.clone(), why)),
            }
        }
        let changed = |setting: &super::Setting| {
            let (value, usual) = (setting.get(&here), setting.get(&usual));
            let tracking = setting.name.starts_with(CONNTRACK);
            let changed = Changed { name: setting.name, value, usual, doc: setting.doc, tracking };
            (changed.value != changed.usual).then_some(changed)
        };
        read.changed = SETTINGS.iter().filter(|s| s.exists_in(stack)).filter_map(changed).collect();
        Some(read)
    }
}

fn knobs(stack: Stack) -> HostSettings {
    let defaults = stack.defaults();
    HostSettings {
        tcp: defaults.tcp,
        ports: defaults.ports,
        phase: None,
        conntrack: ConntrackConfig::default(),
    }
}

/// `6.18.44-generic`: the first two numbers.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_gives_the_release_and_what_was_changed() {
        let text = "kernel.osrelease = 5.10.0-21-amd64\nnet.core.somaxconn = 1024\n\
                    net.ipv4.tcp_fin_timeout = 60\nnet.ipv4.tcp_fin_timeout = 30\nnet.ipv4.tcp_ecn = 2\n\
                    net.ipv4.tcp_syn_linear_timeouts = 4\nnet.ipv4.tcp_sack = maybe\n\
                    net.netfilter.nf_conntrack_count = 17\nnet.netfilter.nf_conntrack_max = 65536\nnot a line\n";
        let read = MachineSettings::read(text).expect("there are settings");
        assert_eq!((read.stack, read.tracked), (Stack::Linux5_15, Some(17)));
        let changed: Vec<_> = read.changed.iter().map(|c| (c.name, c.value.as_str(), c.tracking)).collect();
        assert_eq!(
            changed,
            [
                ("net.core.somaxconn", "1024", false),
                ("net.ipv4.tcp_fin_timeout", "30", false),
                ("net.netfilter.nf_conntrack_max", "65536", true),
            ]
        );
        let refused: Vec<_> = read.refused.iter().map(|(line, _)| line.as_str()).collect();
        assert_eq!(refused, ["net.ipv4.tcp_sack = maybe", "net.ipv4.tcp_syn_linear_timeouts"]);
        assert_eq!((read.taken, read.unmodelled), (3, 3));
    }

    #[test]
    fn what_holds_no_setting_is_none() {
        for text in ["", "sysctl: permission denied on key\n", "\u{0}\u{1}"] {
            assert_eq!(MachineSettings::read(text), None);
        }
    }

    #[test]
    fn releases_are_read_as_they_are_written() {
        let of = |release| version(release).map(|(a, b)| Stack::of_linux(a, b));
        assert_eq!(of("6.18.44-fc-v657"), Some(Stack::Linux6_18));
        assert_eq!(of("6.8.0-45-generic"), Some(Stack::Linux6_12));
        assert_eq!(of("4.18.0-553.el8_10.x86_64"), Some(Stack::Linux4_19));
        assert_eq!(of("3.10.0-1160.el7"), Some(Stack::Linux4_9));
        assert_eq!(of("7.1"), Some(Stack::Linux6_18));
        assert_eq!(of("unknown"), None);
    }
}
