//! Numbers as tools print them: counters of `nstat` and /proc/net/snmp, totals of `ss -s` and sockstat, `conntrack -S`.

use std::collections::BTreeMap;

/// Kernel counters by the name that `nstat` gives them.
pub type Counters = BTreeMap<String, u64>;

/// Reads `nstat -az`, or /proc/net/snmp and /proc/net/netstat, which may follow each other. None if there are no counters
/// of TCP.
pub fn counters(text: &str) -> Option<Counters> {
    let mut found = Counters::new();
    let mut heading: Option<(&str, Vec<&str>)> = None;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        let Some(group) = first.strip_suffix(':') else {
            if let Some(value) = words.next().and_then(|n| n.parse().ok()) {
                found.insert(first.to_owned(), value);
            }
            continue;
        };
        // Two lines each: the names, then the values.
        match heading.take() {
            Some((of, names)) if of == group => {
                let values = names.iter().zip(words.map(str::parse));
                found
                    .extend(values.filter_map(|(name, value)| Some((format!("{group}{name}"), value.ok()?))));
            }
            _ => heading = Some((group, words.collect())),
        }
    }
    found.contains_key("TcpActiveOpens").then_some(found)
}

/// How many sockets there are, all in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// In TIME_WAIT.
    pub time_wait: u64,
    /// With a descriptor, or on their way: sockstat's `inuse`, which counts listeners too, or `estab` of `ss -s`.
    pub open: u64,
}

/// Reads `ss -s` or /proc/net/sockstat. None if it is something else.
pub fn totals(text: &str) -> Option<Totals> {
    let line = text.lines().find(|line| line.starts_with("TCP:"))?;
    let words: Vec<&str> =
        line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let after =
        |name: &str| words.iter().zip(words.iter().skip(1)).find(|(w, _)| **w == name)?.1.parse().ok();
    Some(Totals {
        time_wait: after("timewait").or_else(|| after("tw"))?,
        open: after("estab").or_else(|| after("inuse"))?,
    })
}

/// What connection tracking says of itself, summed over processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tracking {
    /// Packets dropped because the table was full.
    pub drops: u64,
    /// Flows thrown out early to make room.
    pub early_drops: u64,
    /// How many flows it holds, where the output says so.
    pub entries: Option<u64>,
}

/// Reads `conntrack -S` or /proc/net/stat/nf_conntrack. None if it is something else.
pub fn tracking(text: &str) -> Option<Tracking> {
    let mut sum = Tracking::default();
    let heading: Vec<&str> = text.lines().next()?.split_whitespace().collect();
    if let (Some(drop), Some(early)) = (place(&heading, "drop"), place(&heading, "early_drop")) {
        for line in text.lines().skip(1) {
            let hex: Vec<_> =
                line.split_whitespace().map(|word| u64::from_str_radix(word, 16).ok()).collect();
            let at = |column: usize| hex.get(column).copied().flatten().unwrap_or(0);
            sum.drops = sum.drops.saturating_add(at(drop));
            sum.early_drops = sum.early_drops.saturating_add(at(early));
            // Every processor's line has the entries of the whole table.
            sum.entries = place(&heading, "entries").map(at).or(sum.entries);
        }
        return Some(sum);
    }
    let mut known = false;
    for (name, value) in text.split_whitespace().filter_map(|word| word.split_once('=')) {
        let Ok(value) = value.parse::<u64>() else { continue };
        known |= name == "drop";
        match name {
            "drop" => sum.drops = sum.drops.saturating_add(value),
            "early_drop" => sum.early_drops = sum.early_drops.saturating_add(value),
            _ => {}
        }
    }
    known.then_some(sum)
}

fn place(heading: &[&str], name: &str) -> Option<usize> {
    heading.iter().position(|column| *column == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nstat_and_proc_have_the_same_names() {
        let nstat =
            "#kernel\nTcpActiveOpens                  16117              0.0\nTcpExtTW   12867  0.0\nodd\n";
        let proc = "Tcp: RtoAlgorithm MaxConn ActiveOpens\nTcp: 1 -1 16117\nTcpExt: SyncookiesSent TW\nTcpExt: 0 12867\n";
        let (nstat, proc) = (counters(nstat).expect("counters"), counters(proc).expect("counters"));
        for name in ["TcpActiveOpens", "TcpExtTW"] {
            assert_eq!(nstat.get(name), proc.get(name), "{name}");
        }
        assert_eq!(proc.get("TcpMaxConn"), None);
        assert_eq!(counters("Tcp: ActiveOpens\n"), None);
        assert_eq!(counters("hello 5\n"), None);
    }

    #[test]
    fn totals_are_found_in_both_forms() {
        let ss = "Total: 41\nTCP:   12014 (estab 39, closed 11975, orphaned 1, timewait 11723)\n";
        assert_eq!(totals(ss), Some(Totals { time_wait: 11_723, open: 39 }));
        let older =
            "TCP:   12014 (estab 39, closed 11975, orphaned 1, synrecv 0, timewait 11723/0), ports 0\n";
        assert_eq!(totals(older), totals(ss));
        let sockstat = "sockets: used 49\nTCP: inuse 47 orphan 4 tw 11737 alloc 315 mem 301\n";
        assert_eq!(totals(sockstat), Some(Totals { time_wait: 11_737, open: 47 }));
        assert_eq!(totals("TCP: inuse\n"), None);
    }

    #[test]
    fn drops_are_summed_over_processors() {
        let tool = "cpu=0 found=0 drop=3 early_drop=1 error=0\ncpu=1 drop=4 early_drop=0\n";
        assert_eq!(tracking(tool), Some(Tracking { drops: 7, early_drops: 1, entries: None }));
        let proc = "entries found drop early_drop\n000046d6 0 0000000a 1\n000046d6 0 1 0\n";
        assert_eq!(tracking(proc), Some(Tracking { drops: 11, early_drops: 1, entries: Some(0x46d6) }));
        assert_eq!(tracking("hello\n"), None);
    }
}
