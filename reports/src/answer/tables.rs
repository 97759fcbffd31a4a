//! The tables of the answer: traffic, sockets, kernel log.

use std::borrow::Cow;

use comfy_table::{CellAlignment, Table, presets};
use sim_core::record::{Gauge, HostSummary, TrafficSummary};
use sim_core::tcp::State;

use super::Room;
use crate::crowd::{self, ROWS};
use crate::fold::{folded, widest};
use crate::run::Run;
use crate::words::{at, bytes, count, counted, decimal, share, span};

/// Aligned columns without borders: the first to the left, the others to the right, empty columns left out.
pub(super) fn aligned(header: &[&str], rows: &[Vec<String>], room: Room) -> Vec<String> {
    let wanted: Vec<usize> =
        (0..header.len()).filter(|&c| c == 0 || rows.iter().any(|r| !r[c].is_empty())).collect();
    folded(wanted.len(), 1, room.table, |columns| {
        drawn(header, rows, &columns.iter().map(|&c| wanted[c]).collect::<Vec<_>>())
    })
}

fn drawn(header: &[&str], rows: &[Vec<String>], wanted: &[usize]) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(wanted.iter().map(|&c| header[c]));
    for row in rows {
        table.add_row(wanted.iter().map(|&c| row[c].as_str()));
    }
    for (position, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        column.set_cell_alignment(if position == 0 { CellAlignment::Left } else { CellAlignment::Right });
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Outcomes by traffic source, then their errors with first and last time.
pub(super) fn traffic(run: Run<'_>, room: Room) -> Vec<String> {
    if run.scenario.traffic.is_empty() {
        return vec!["no traffic in this scenario".to_owned()];
    }
    let sources = crowd::sources(run);
    let rows: Vec<_> = sources.iter().map(|(name, t)| traffic_row(name, t)).collect();
    let header = [
        "",
        "attempted",
        "connected",
        "completed",
        "failed",
        "pending",
        "SYNs again",
        "connect p50",
        "p99",
        "max",
    ];
    let mut lines = aligned(&header, &rows, room);
    for (name, t) in sources {
        for e in t.errors.iter().filter(|e| e.tally.count > 0) {
            let when = if e.tally.count == 1 {
                format!("at {}", at(e.tally.first))
            } else {
                format!("from {} to {}", at(e.tally.first), at(e.tally.last))
            };
            lines.push(format!("{name}: {}() {} x {}, {when}", e.call, e.errno, count(e.tally.count)));
        }
    }
    lines
}

fn traffic_row(name: &str, t: &TrafficSummary) -> Vec<String> {
    let attempted = t.attempted.count;
    let of = |n: u64| {
        if attempted == 0 { count(n) } else { format!("{} ({})", count(n), share(n, attempted)) }
    };
    let latency = |per_mille| t.connect_latency.quantile(per_mille).map(span).unwrap_or_default();
    vec![
        name.to_owned(),
        count(attempted),
        of(t.connected.count),
        of(t.completed.count),
        of(t.failed.count),
        some(t.pending),
        some(t.syns_again.count),
        latency(500),
        latency(990),
        latency(1000),
    ]
}

/// Requests by traffic source: how many were answered, and how fast.
pub(super) fn requests(run: Run<'_>, room: Room) -> Vec<String> {
    let seconds = run.summary.ended.0 as f64 / 1e9;
    let row = |(name, t): &(String, Cow<'_, TrafficSummary>)| {
        let wanted = t.requested.count;
        let of = |n: u64| format!("{} ({})", count(n), share(n, wanted));
        let latency = |per_mille| t.request_latency.quantile(per_mille).map(span).unwrap_or_default();
        vec![
            name.clone(),
            count(wanted),
            of(t.answered.count),
            if t.abandoned.count > 0 { of(t.abandoned.count) } else { String::new() },
            some(t.waiting.count()),
            if t.bytes_lost.count > 0 { bytes(t.bytes_lost.count) } else { String::new() },
            format!("{}/s", decimal(t.answered.count as f64 / seconds.max(1e-9), 1)),
            latency(500),
            latency(990),
            latency(1000),
        ]
    };
    let rows: Vec<_> = crowd::sources(run).iter().filter(|(_, t)| t.requested.count > 0).map(row).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    aligned(
        &["", "wanted", "answered", "given up", "waiting", "lost", "rate", "p50", "p99", "max"],
        &rows,
        room,
    )
}

/// A number, or nothing for zero.
fn some(n: u64) -> String {
    if n == 0 { String::new() } else { count(n) }
}

/// What `ss -s` counts, by host, at the end and at the peak, and what the sockets cost.
pub(super) fn sockets(run: Run<'_>, room: Room) -> Vec<String> {
    let header = [
        "",
        "",
        "estab",
        "orphaned",
        "timewait",
        "syn-sent",
        "syn-recv",
        "fin-wait-1",
        "fin-wait-2",
        "close-wait",
        "last-ack",
        "closing",
        "files",
        "conntrack",
        "memory",
    ];
    let mut rows = Vec::new();
    let busy = |i: &usize| run.summary.hosts.get(*i).is_some_and(|summary| !idle(summary));
    for (name, hosts) in crowd::hosts(run, busy) {
        let (end, peak) = if hosts.len() == 1 { ("end", "peak") } else { ("end, all", "peak, one") };
        rows.push(host_row(&name, end, |gauge| hosts.iter().map(|h| gauge(h).now).sum()));
        rows.push(host_row("", peak, |gauge| hosts.iter().map(|h| gauge(h).peak).max().unwrap_or(0)));
    }
    if rows.is_empty() {
        return vec!["no socket but listening ones was ever open".to_owned()];
    }
    blank_idle_columns(&mut rows);
    let upright = aligned(&header, &rows, Room { table: None, ..room });
    if widest(&upright) + 2 <= room.text { upright } else { sideways(&header, &rows, room) }
}

/// The table of sockets with a row for each state: for runs that see many states.
fn sideways(header: &[&str], rows: &[Vec<String>], room: Room) -> Vec<String> {
    let hosts = rows.iter().map(|r| format!("{}\n{}", r[0], r[1]));
    let columns: Vec<String> = std::iter::once("\n".to_owned()).chain(hosts).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let states = (2..header.len()).filter(|&c| rows.iter().any(|r| !r[c].is_empty()));
    let turned: Vec<Vec<String>> = states
        .map(|c| std::iter::once(header[c].to_owned()).chain(rows.iter().map(|r| r[c].clone())).collect())
        .collect();
    aligned(&columns, &turned, room)
}

/// Whether a host never had anything but listening sockets.
fn idle(h: &HostSummary) -> bool {
    State::ALL.iter().all(|&s| s == State::Listen || h.state(s).peak == 0) && h.conntrack.peak == 0
}

fn host_row(name: &str, when: &str, of: impl Fn(&dyn Fn(&HostSummary) -> Gauge) -> u64) -> Vec<String> {
    let state = |s| count(of(&|h| h.state(s)));
    vec![
        name.to_owned(),
        when.to_owned(),
        state(State::Established),
        count(of(&|h| h.orphans)),
        state(State::TimeWait),
        state(State::SynSent),
        state(State::SynRecv),
        state(State::FinWait1),
        state(State::FinWait2),
        state(State::CloseWait),
        state(State::LastAck),
        state(State::Closing),
        count(of(&|h| h.open_files)),
        count(of(&|h| h.conntrack)),
        bytes(of(&|h| h.memory)),
    ]
}

/// Empties the columns in which nothing ever happened, so that they are left out.
fn blank_idle_columns(rows: &mut [Vec<String>]) {
    for column in 2..rows[0].len() {
        if rows.iter().all(|r| r[column] == "0" || r[column] == "0 B") {
            for row in rows.iter_mut() {
                row[column].clear();
            }
        }
    }
}

/// Kernel log lines by host.
pub(super) fn log(run: Run<'_>) -> Vec<String> {
    let lines = log_lines(run);
    let more = lines.len().saturating_sub(ROWS);
    let rest = (more > 0).then(|| format!("and {}", counted(more as u64, "line more", "lines more")));
    lines.into_iter().take(ROWS).chain(rest).collect()
}

fn log_lines(run: Run<'_>) -> Vec<String> {
    run.summary
        .logs
        .iter()
        .filter(|(_, l)| l.printed.count > 0)
        .map(|(host, l)| {
            let name = run.scenario.hosts.get(*host).map_or("?", |h| h.name.as_str());
            let times =
                if l.printed.count == 1 { "once" } else { &format!("{} times", count(l.printed.count)) };
            format!("{name}: \"{}\" {times}, first at {}", l.line, at(l.printed.first))
        })
        .collect()
}
