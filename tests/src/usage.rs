//! What this process has used so far, as the kernel counts it.

use std::fs::read_to_string;

/// CPU seconds, user and system. From `/proc/self/schedstat`, which counts nanoseconds of the first thread (the programs
/// that measure have no other), else from `/proc/self/stat`, which counts hundredths of a second.
pub fn cpu_seconds() -> Option<f64> {
    let precise = || {
        let text = read_to_string("/proc/self/schedstat").ok()?;
        let nanoseconds: u64 = text.split_whitespace().next()?.parse().ok()?;
        (nanoseconds > 0).then_some(nanoseconds as f64 / 1e9)
    };
    let coarse = || {
        let text = read_to_string("/proc/self/stat").ok()?;
        // The fields begin after the name, which may hold spaces: utime and stime are 12th and 13th from there.
        let mut fields = text.rsplit(')').next()?.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        Some((ticks()? + ticks()?) as f64 / 100.0)
    };
    precise().or_else(coarse)
}

fn status(field: &str) -> Option<u64> {
    let text = read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Resident memory, bytes (`VmRSS`); `None` where /proc does not say.
pub fn resident() -> Option<u64> {
    status("VmRSS:")
}

/// The most resident memory that this process ever had, bytes (`VmHWM`); `None` where /proc does not say.
pub fn most_resident() -> Option<u64> {
    status("VmHWM:")
}
