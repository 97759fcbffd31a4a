//! The kernel counters that moved, a row each and a column for each host, in two blocks side by side.

use sim_core::counter::Counter;

use super::Room;
use super::tables::aligned;
use crate::fold::widest;
use crate::run::Run;
use crate::words::count;

/// Up to this many counters stand in one block.
const ONE_BLOCK: usize = 5;

/// The lines of the section.
pub(super) fn block(run: Run<'_>, room: Room) -> Vec<String> {
    let hosts: Vec<_> = run
        .scenario
        .hosts
        .iter()
        .zip(&run.summary.hosts)
        .filter(|(_, h)| h.counters.moved().next().is_some())
        .collect();
    let rows: Vec<Vec<String>> = Counter::ALL
        .iter()
        .filter(|&&c| hosts.iter().any(|(_, h)| h.counters.get(c) > 0))
        .map(|&c| {
            let values = hosts.iter().map(|(_, h)| count(h.counters.get(c)));
            std::iter::once(c.name().to_owned()).chain(values).collect()
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let header: Vec<_> = std::iter::once("").chain(hosts.iter().map(|(h, _)| h.name.as_str())).collect();
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
