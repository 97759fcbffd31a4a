//! The kernel counters that moved, a row each and a column for each host, in two blocks side by side.

use sim_core::counter::Counter;
use sim_core::record::HostSummary;

use super::Room;
use super::tables::aligned;
use crate::crowd;
use crate::fold::widest;
use crate::run::Run;
use crate::words::count;

/// Up to this many counters stand in one block.
const ONE_BLOCK: usize = 5;

/// The lines of the section.
pub(super) fn block(run: Run<'_>, room: Room) -> Vec<String> {
    let moved = |i: &usize| run.summary.hosts.get(*i).is_some_and(|h| h.counters.moved().next().is_some());
    let hosts = crowd::hosts(run, moved);
    let total = |hosts: &[&HostSummary], counter| hosts.iter().map(|h| h.counters.get(counter)).sum::<u64>();
    let rows: Vec<Vec<String>> = Counter::ALL
        .iter()
        .filter(|c| !run.scenario.not_told().contains(c))
        .filter(|&&c| hosts.iter().any(|(_, h)| total(h, c) > 0))
        .map(|&c| {
            let values = hosts.iter().map(|(_, h)| count(total(h, c)));
            std::iter::once(c.name().to_owned()).chain(values).collect()
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let header: Vec<_> = std::iter::once("").chain(hosts.iter().map(|(name, _)| name.as_str())).collect();
    let whole = aligned(&header, &rows, room);
    if rows.len() <= ONE_BLOCK {
        return whole;
    }
    let half = rows.len().div_ceil(2);
    let (left, right) = (aligned(&header, &rows[..half], room), aligned(&header, &rows[half..], room));
    let width = widest(&left) + 4;
    let both: Vec<String> = (0..left.len())
        .map(|i| match right.get(i) {
            Some(r) => format!("{:width$}{r}", left[i]),
            None => left[i].clone(),
        })
        .collect();
    if widest(&both) + 2 <= room.text { both } else { whole }
}
