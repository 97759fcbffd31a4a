//! What this machine says of itself: the same texts that people would save with `sysctl`, `ss` and `nstat`, read from /proc.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use experiments::draft::Outputs;
use scenarios::Source;
use sim_core::time::Span;

use crate::clock::{Stopwatch, wait};
use crate::exit::Failure;
use crate::output;

/// Directories of settings that a scenario may need.
const SETTINGS: [&str; 3] = ["net/ipv4", "net/core", "net/netfilter"];

/// Reads the machine; its counters twice, so far apart.
pub(crate) fn read(apart: Span) -> Result<Outputs, Failure> {
    if apart.0 == 0 {
        return Err(Failure::Usage("--apart: the two samples need some time between them".to_owned()));
    }
    let before = counters()?;
    let watch = Stopwatch::start();
    output::note(&format!("counting connections for {} s", apart.0 as f64 / 1e9));
    wait(std::time::Duration::from_nanos(apart.0));
    let after = counters()?;
    let took = Span(u64::try_from(watch.elapsed().as_nanos()).unwrap_or(u64::MAX));
    Ok(Outputs {
        sysctl: Some(settings()?),
        sockets: Some(sockets()?),
        totals: file("/proc/net/sockstat").ok(),
        before: Some(before),
        after: Some(after),
        apart: Some(took),
        tracking: file("/proc/net/stat/nf_conntrack").ok(),
    })
}

fn file(path: &str) -> Result<Source, Failure> {
    Source::read(Path::new(path))
        .map_err(|why| Failure::Files(format!("{why}; --from-host reads /proc of a Linux")))
}

fn counters() -> Result<Source, Failure> {
    let mut snmp = file("/proc/net/snmp")?;
    snmp.text.push_str(&file("/proc/net/netstat")?.text);
    Ok(snmp)
}

/// IPv4 sockets, and those of IPv6, among which IPv4 connections of dual-stack listeners are.
fn sockets() -> Result<Source, Failure> {
    let mut sockets = file("/proc/net/tcp")?;
    if let Ok(more) = file("/proc/net/tcp6") {
        sockets.text.push_str(&more.text);
    }
    Ok(sockets)
}

/// The settings as `sysctl -a` prints them; what only root may read is left out, as `sysctl -a` does.
fn settings() -> Result<Source, Failure> {
    let release = file("/proc/sys/kernel/osrelease")?.text;
    let mut text = format!("kernel.osrelease = {}\n", release.trim());
    for directory in SETTINGS {
        let Ok(entries) = fs::read_dir(Path::new("/proc/sys").join(directory)) else { continue };
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        for name in names {
            let Some(name) = name.to_str() else { continue };
            if let Ok(value) = fs::read_to_string(format!("/proc/sys/{directory}/{name}")) {
                let key = format!("{directory}/{name}").replace('/', ".");
                let _ = writeln!(text, "{key} = {}", value.trim_end().replace('\n', " "));
            }
        }
    }
    Ok(Source::new("/proc/sys", text))
}
