//! Hosts and traffic sources of which there are more than a screen has room for: replicas stand together.

use std::borrow::Cow;

use sim_core::record::{Histogram, HostSummary, Tally, TrafficSummary, Waiting};

use crate::run::Run;
use crate::words::{count, counted};

/// A table has room for so many rows; the rest are in the files.
pub(crate) const ROWS: usize = 12;

/// Those that stand in one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crowd {
    /// `web`; `web-* (1,000)` for several.
    pub name: String,
    /// Their places, in ascending order, at least one.
    pub members: Vec<usize>,
}

impl Crowd {
    /// Whether it is one alone.
    pub fn is_one(&self) -> bool {
        self.members.len() == 1
    }
}

/// The name without the number at its end, where there is one as replicas have it: `web-17` is of `web-`.
fn stem(name: &str) -> Option<&str> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem.len() < name.len() && stem.len() > 1 && stem.ends_with('-')).then_some(stem)
}

/// Each for itself as long as there is room for all; else those whose names differ in their last number alone are one.
pub(crate) fn families<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Crowd> {
    let names: Vec<&str> = names.into_iter().collect();
    let mut families: Vec<(&str, Crowd)> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    for (i, &name) in names.iter().enumerate() {
        let stem = if names.len() > ROWS { stem(name) } else { None };
        let place = stem.map_or(families.len(), |stem| *places.entry(stem).or_insert(families.len()));
        if let Some((_, family)) = families.get_mut(place) {
            family.members.push(i);
        } else {
            let alone = Crowd { name: name.to_owned(), members: vec![i] };
            families.push((stem.unwrap_or_default(), alone));
        }
    }
    for (stem, family) in families.iter_mut().filter(|(_, family)| !family.is_one()) {
        family.name = format!("{stem}* ({})", count(family.members.len() as u64));
    }
    families.into_iter().map(|(_, family)| family).collect()
}

/// Families, and those for which there is no room as one more row.
pub(crate) fn rows<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Crowd> {
    let mut rows = families(names);
    if rows.len() > ROWS {
        let others: Vec<usize> = rows.drain(ROWS - 1..).flat_map(|crowd| crowd.members).collect();
        rows.push(Crowd { name: counted(others.len() as u64, "other", "others"), members: others });
    }
    rows
}

/// What several sources came to together. Tuples and the moment of recovery belong to each alone.
pub(crate) fn together<'a>(all: impl IntoIterator<Item = &'a TrafficSummary>) -> TrafficSummary {
    let mut sum = TrafficSummary {
        waiting: Waiting { oldest: sim_core::time::Time::NEVER, ..Waiting::default() },
        ..TrafficSummary::default()
    };
    for t in all {
        let tallies: [(&mut Tally, Tally); 10] = [
            (&mut sum.attempted, t.attempted),
            (&mut sum.connected, t.connected),
            (&mut sum.completed, t.completed),
            (&mut sum.requested, t.requested),
            (&mut sum.answered, t.answered),
            (&mut sum.abandoned, t.abandoned),
            (&mut sum.failed, t.failed),
            (&mut sum.syns_again, t.syns_again),
            (&mut sum.cut_off, t.cut_off),
            (&mut sum.bytes_lost, t.bytes_lost),
        ];
        for (sum, tally) in tallies {
            *sum = sum.merged(tally);
        }
        let histograms: [(&mut Histogram, &Histogram); 2] =
            [(&mut sum.connect_latency, &t.connect_latency), (&mut sum.request_latency, &t.request_latency)];
        for (sum, histogram) in histograms {
            sum.merge(histogram);
        }
        for e in &t.errors {
            match sum.errors.iter_mut().find(|known| (known.call, known.errno) == (e.call, e.errno)) {
                Some(known) => known.tally = known.tally.merged(e.tally),
                None => sum.errors.push(*e),
            }
        }
        for &(why, n) in &t.lost_syns {
            match sum.lost_syns.iter_mut().find(|(known, _)| *known == why) {
                Some((_, count)) => *count += n,
                None => sum.lost_syns.push((why, n)),
            }
        }
        sum.pending += t.pending;
        sum.waiting.queued += t.waiting.queued;
        sum.waiting.connecting += t.waiting.connecting;
        sum.waiting.unanswered += t.waiting.unanswered;
        sum.waiting.oldest = sum.waiting.oldest.min(t.waiting.oldest);
    }
    sum.errors.sort_by_key(|e| (e.call, e.errno));
    sum
}

/// The sources that a table is of, by row: one, or several together.
pub(crate) fn sources(run: Run<'_>) -> Vec<(String, Cow<'_, TrafficSummary>)> {
    let of = |crowd: Crowd| {
        let mut members = crowd.members.iter().filter_map(|&i| run.summary.traffic.get(i));
        let summary = match members.next() {
            Some(one) if crowd.is_one() => Cow::Borrowed(one),
            first => Cow::Owned(together(first.into_iter().chain(members))),
        };
        (crowd.name, summary)
    };
    rows(run.scenario.traffic.iter().map(|t| t.name.as_str())).into_iter().map(of).collect()
}

/// The hosts that a table is of, by row.
pub(crate) fn hosts(run: Run<'_>, wanted: impl Fn(&usize) -> bool) -> Vec<(String, Vec<&HostSummary>)> {
    let places: Vec<usize> = (0..run.scenario.hosts.len()).filter(wanted).collect();
    let names = places.iter().map(|&i| run.scenario.hosts[i].name.as_str());
    let summaries = |crowd: Crowd| {
        let of = |&member: &usize| run.summary.hosts.get(places[member]);
        (crowd.name, crowd.members.iter().filter_map(of).collect())
    };
    rows(names).into_iter().map(summaries).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(crowds: &[Crowd]) -> Vec<(&str, usize)> {
        crowds.iter().map(|crowd| (crowd.name.as_str(), crowd.members.len())).collect()
    }

    #[test]
    fn replicas_stand_together_only_where_there_is_no_room() {
        let names: Vec<String> = (1..=ROWS).map(|n| format!("pod-{n}")).collect();
        assert_eq!(families(names.iter().map(String::as_str)).len(), ROWS);
        let with = |more: [&'static str; 2]| {
            let names: Vec<&str> = names.iter().map(String::as_str).chain(more).collect();
            named(&families(names)).into_iter().map(|(name, n)| (name.to_owned(), n)).collect::<Vec<_>>()
        };
        assert_eq!(with(["node", "pod-40"]), [("pod-* (13)".to_owned(), 13), ("node".to_owned(), 1)]);
        // A number alone, and a number that is no replica's.
        let odd = with(["http2", "7"]);
        assert_eq!(odd, [("pod-* (12)".to_owned(), 12), ("http2".to_owned(), 1), ("7".to_owned(), 1)]);
    }

    #[test]
    fn what_has_no_room_is_one_row_and_none_is_lost() {
        let names: Vec<String> = (0..40).map(|n| format!("{}{n}", (b'a' + n % 26) as char)).collect();
        let rows = rows(names.iter().map(String::as_str));
        assert_eq!(rows.len(), ROWS);
        assert_eq!(named(&rows)[ROWS - 1], ("29 others", 29));
        let all: Vec<usize> = rows.into_iter().flat_map(|row| row.members).collect();
        assert_eq!(all, (0..40).collect::<Vec<_>>());
    }
}
